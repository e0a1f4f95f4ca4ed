//! What a run came to: counted while it goes, told while it goes, and said at its end.
//!
//! ```text
//! counted by all stages    Watch: counters, stages, gauges
//! kept by a thread         series: where the account of the stages stood at some moments
//! told while it goes       progress (eta), metrics (exposed), log
//! said at its end          summary, Report (facts), page
//! ```

pub mod counters;
pub mod eta;
pub mod exposed;
pub mod facts;
pub mod gauges;
pub mod log;
pub mod metrics;
pub mod page;
pub mod progress;
pub mod series;
pub mod stages;
pub mod summary;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{DecimalBytes, HumanCount};
use serde::Serialize;

pub use self::counters::{Counters, SoFar, Totals};
use self::facts::Facts;
use self::gauges::Gauges;
use self::series::{Recorder, Series};
use self::stages::{Account, Stages};
use crate::deliver::Receipt;
use crate::deliver::throttle::Pace;
use crate::deliver::times::Times;
use crate::error::Error;
use crate::read::Progress;
pub use crate::rejects::Rejects;
use crate::source::address::without_secrets;
use crate::stopwatch::{self, Stopwatch};

/// The version of the report's layout.
pub const VERSION: u32 = 3;

/// What a run shares with whoever watches it.
pub struct Watch {
    /// What the reader tells.
    pub progress: Arc<Progress>,
    /// What the reader tells before the run, where it has to find out the types of columns.
    pub survey: Arc<Progress>,
    /// Whether it does so now.
    pub surveying: AtomicBool,
    /// How far the media are looked at of which tasks speak, where they are.
    pub media: Media,
    /// Addresses in whose place their texts were put.
    pub inlined: AtomicU64,
    /// What the batcher and the deliverer count.
    pub counters: Counters,
    /// What the stages do.
    pub stages: Stages,
    /// How full what is between the stages is.
    pub gauges: Gauges,
    /// The course of the run, for its report.
    pub recorder: Recorder,
    /// When the run began.
    pub began: Instant,
    /// What the target is doing.
    pace: Option<PaceOf>,
}

/// Media that are looked at before the run.
#[derive(Debug, Default)]
pub struct Media {
    /// Whether they are looked at now.
    pub looking: AtomicBool,
    /// Addresses that were asked for.
    pub asked: AtomicU64,
    /// Those of them that are not there.
    pub dead: AtomicU64,
    /// References that no web server knows, such as those into a bucket; each counts as often as it is met.
    pub passed_over: AtomicU64,
}

type PaceOf = Box<dyn Fn() -> Option<Pace> + Send + Sync>;

impl Default for Watch {
    fn default() -> Self {
        let stages = Stages::default();
        Watch {
            progress: Arc::new(Progress {
                stopwatch: Stopwatch::feeding(&stages.decode),
                ..Progress::default()
            }),
            survey: Arc::default(),
            surveying: AtomicBool::default(),
            media: Media::default(),
            inlined: AtomicU64::default(),
            counters: Counters::default(),
            stages,
            gauges: Gauges::default(),
            recorder: Recorder::default(),
            began: Instant::now(),
            pace: None,
        }
    }
}

impl Watch {
    /// Nothing has happened yet, since the run began then; `pace` says what the target is doing, if it has a pace.
    #[must_use]
    pub fn new(began: Instant, pace: impl Fn() -> Option<Pace> + Send + Sync + 'static) -> Self {
        Watch {
            began,
            pace: Some(Box::new(pace)),
            ..Watch::default()
        }
    }

    /// What the target is doing, if it has a pace and is doing anything.
    #[must_use]
    pub fn pace(&self) -> Option<Pace> {
        self.pace.as_ref().and_then(|pace| pace())
    }

    /// Keeps where the run stands now for the report's course.
    pub fn record(&self) {
        self.recorder.record(self.began.elapsed(), &self.account());
    }

    /// The account of the run's time so far.
    #[must_use]
    pub fn account(&self) -> Account {
        let (read, delivered) = (&*self.progress, &self.counters.bytes);
        self.stages.account(
            &read.stopwatch,
            read.bytes.load(Ordering::Relaxed),
            delivered.load(Ordering::Relaxed),
        )
    }

    /// What goes on, in words: how far the columns or the media are looked at, what the target is doing, or reading.
    #[must_use]
    pub fn doing(&self) -> String {
        if self.surveying.load(Ordering::Relaxed) {
            let bytes = self.survey.bytes.load(Ordering::Relaxed);
            return format!(
                "finding out the types of columns, {} read",
                DecimalBytes(bytes)
            );
        }
        if self.media.looking.load(Ordering::Relaxed) {
            let asked = self.media.asked.load(Ordering::Relaxed);
            let dead = self.media.dead.load(Ordering::Relaxed);
            return format!(
                "looking whether media are there: {} so far, {} not",
                HumanCount(asked),
                HumanCount(dead)
            );
        }
        if let Some(pace) = self.pace() {
            return pace.to_string();
        }
        let read = self.progress.stopwatch.state();
        match read {
            stopwatch::State::Never => "beginning".to_owned(),
            stopwatch::State::Running => "reading".to_owned(),
            stopwatch::State::Stopped => "all is read, ending".to_owned(),
        }
    }
}

/// The report of a run, as `--report` writes it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// Whether all of the input is in.
    pub complete: bool,
    /// The error that ended the run early, as it was shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What it came to.
    #[serde(flatten)]
    pub totals: Totals,
    /// Bytes read from the sources, as stored.
    pub bytes_read: u64,
    /// How long it took.
    #[serde(serialize_with = "seconds")]
    pub seconds: Duration,
    /// Where the time went.
    pub stages: Account,
    /// The same over time.
    pub series: Series,
    /// How often each [`Outcome`](crate::deliver::times::Outcome) came of sending an import.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// What ran, how it was asked for, and what it was to expect.
    #[serde(flatten)]
    pub facts: Facts,
    /// Every import that was delivered.
    pub deliveries: Vec<Delivery>,
}

impl Report {
    /// That of a run that has ended.
    #[must_use]
    pub fn of(watch: &Watch, facts: Facts, receipts: Vec<Receipt>, error: Option<&Error>) -> Self {
        watch.record();
        let delivery = |receipt: Receipt| Delivery::of(receipt, watch.began);
        Report {
            version: VERSION,
            complete: error.is_none(),
            error: error.map(|error| without_secrets(&error.to_string())),
            totals: watch.counters.totals(),
            bytes_read: watch.progress.bytes.load(Ordering::Relaxed),
            seconds: watch.began.elapsed(),
            stages: watch.account(),
            series: watch.recorder.series(),
            outcomes: watch.counters.outcomes(),
            facts,
            deliveries: receipts.into_iter().map(delivery).collect(),
        }
    }
}

/// An import that was delivered, and when.
#[derive(Clone, Debug, Serialize)]
pub struct Delivery {
    /// What was delivered.
    #[serde(flatten)]
    pub receipt: Receipt,
    /// When the target began with it, since the run began.
    #[serde(rename = "seconds_began", serialize_with = "seconds")]
    pub began: Duration,
    /// It waited: for its slot at the server, or before another try.
    #[serde(rename = "seconds_waiting", serialize_with = "seconds")]
    pub waiting: Duration,
    /// Its bytes were written, or sent.
    #[serde(rename = "seconds_sending", serialize_with = "seconds")]
    pub sending: Duration,
    /// The server made tasks of it, or was asked what had become of it.
    #[serde(rename = "seconds_server", serialize_with = "seconds")]
    pub server: Duration,
}

impl Delivery {
    fn of(receipt: Receipt, origin: Instant) -> Self {
        let times = receipt.times.unwrap_or(Times::since(Instant::now()));
        Delivery {
            began: times.began.saturating_duration_since(origin),
            waiting: times.waiting,
            sending: times.sending(),
            server: times.server,
            receipt,
        }
    }

    /// When it was safe at the target, since the run began.
    #[must_use]
    pub fn ended(&self) -> Duration {
        self.began + self.waiting + self.sending + self.server
    }
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1e3).round() / 1e3)
}
