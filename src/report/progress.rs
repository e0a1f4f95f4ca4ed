//! Progress on standard error: a bar on a terminal, a line every 30 s elsewhere. The same thread keeps the run's course
//! for its report.

use std::collections::VecDeque;
use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{DecimalBytes, HumanCount, HumanDuration, ProgressBar, ProgressStyle};

use super::Watch;
use super::eta::Known;
use super::facts::Facts;
use super::log::{self, Format};

use crate::wording::counted;

/// How often a bar is drawn.
const DRAWN_EVERY: Duration = Duration::from_millis(200);

/// How often a line is written where there is no terminal.
const TOLD_EVERY: Duration = Duration::from_secs(30);

/// Rates are those of so long.
const RATED: Duration = Duration::from_secs(10);

/// Watches until it is dropped.
pub struct Shown {
    end: Option<(Sender<()>, JoinHandle<()>)>,
}

/// What is done with what is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct How {
    /// It is shown on standard error.
    pub shown: bool,
    /// It is kept for a report.
    pub recorded: bool,
}

impl Shown {
    /// Starts to watch, if it is to be shown or recorded.
    #[must_use]
    pub fn start(watch: &Arc<Watch>, facts: &Facts, how: How) -> Self {
        if !how.shown && !how.recorded {
            return Shown { end: None };
        }
        let (end, ended) = mpsc::channel();
        let watch = Arc::clone(watch);
        let expected = Expectation {
            bytes: facts.sources.bytes,
            interval: facts.limits.interval,
        };
        // Without progress the run is as good: a thread that cannot be started is no error.
        let thread = thread::Builder::new()
            .name("sluice-progress".to_owned())
            .spawn(move || look(&watch, expected, how, &ended));
        Shown {
            end: thread.ok().map(|thread| (end, thread)),
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.end.take() {
            drop(end);
            let _ = thread.join();
        }
    }
}

/// What is known of a run before it begins.
#[derive(Clone, Copy)]
struct Expectation {
    bytes: Option<u64>,
    /// Nothing where the target has no pace.
    interval: Option<Duration>,
}

fn look(watch: &Watch, expected: Expectation, how: How, ended: &mpsc::Receiver<()>) {
    let drawn = how.shown && std::io::stderr().is_terminal() && log::format() == Format::Text;
    let bar = drawn.then(|| bar(expected.bytes));
    if let Some(bar) = &bar {
        log::draw(Some(bar.clone()));
    }
    let started = Instant::now();
    let mut rates = Rates::default();
    let (mut to_show, mut to_record) = (started, started);
    let show_every = if drawn { DRAWN_EVERY } else { TOLD_EVERY };
    to_show += show_every;
    loop {
        let next = match (how.shown, how.recorded) {
            (true, true) => to_show.min(to_record),
            (true, false) => to_show,
            (false, _) => to_record,
        };
        let pause = next.saturating_duration_since(Instant::now());
        if ended.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            break;
        }
        let now = Instant::now();
        if how.recorded && now >= to_record {
            watch.record();
            to_record = now + watch.recorder.step();
        }
        if how.shown && now >= to_show {
            to_show = now + show_every;
            let seen = Seen::of(watch, expected, &mut rates);
            match &bar {
                Some(bar) => {
                    bar.set_message(seen.message());
                    bar.set_position(seen.known.read);
                    if expected.bytes.is_none() {
                        bar.tick();
                    }
                }
                None => log::progress(&seen.line(), &seen.known, seen.records, seen.imports),
            }
        }
    }
    if let Some(bar) = bar {
        log::draw(None);
        bar.finish_and_clear();
    }
}

fn bar(bytes: Option<u64>) -> ProgressBar {
    let template = match bytes {
        Some(_) => "{bar:16} {decimal_bytes}/{decimal_total_bytes}  {wide_msg}",
        None => "{spinner} {decimal_bytes}  {wide_msg}",
    };
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bytes
        .map_or_else(ProgressBar::new_spinner, ProgressBar::new)
        .with_style(style)
}

/// Bytes and records at some moments of the last seconds.
#[derive(Default)]
struct Rates(VecDeque<(Duration, u64, u64)>);

impl Rates {
    /// Bytes and records a second, lately.
    fn lately(&mut self, elapsed: Duration, bytes: u64, records: u64) -> (f64, f64) {
        let old = elapsed.saturating_sub(RATED);
        while self.0.len() > 1 && self.0[0].0 < old {
            self.0.pop_front();
        }
        let (then, bytes_then, records_then) = self.0.front().copied().unwrap_or_default();
        self.0.push_back((elapsed, bytes, records));
        let passed = (elapsed.saturating_sub(then)).as_secs_f64().max(1e-3);
        (
            bytes.saturating_sub(bytes_then) as f64 / passed,
            records.saturating_sub(records_then) as f64 / passed,
        )
    }
}

/// What is seen of a run at one moment.
struct Seen {
    known: Known,
    total: Option<u64>,
    records: u64,
    imports: u64,
    rejects: u64,
    bytes_per_second: f64,
    records_per_second: f64,
    doing: String,
}

impl Seen {
    fn of(watch: &Watch, expected: Expectation, rates: &mut Rates) -> Self {
        let so_far = watch.counters.so_far();
        let known = watch.known(expected.bytes.unwrap_or_default(), expected.interval);
        let (bytes_per_second, records_per_second) =
            rates.lately(known.elapsed, known.read, so_far.records);
        Seen {
            known,
            total: expected.bytes,
            records: so_far.records,
            imports: so_far.imports,
            rejects: so_far.rejects,
            bytes_per_second,
            records_per_second,
            doing: watch.doing(),
        }
    }

    /// What stands behind the bar.
    fn message(&self) -> String {
        // What a narrow terminal cuts off is what can best be missed.
        let mut message = self.doing.clone();
        // Writing to a string cannot fail.
        if let Some(left) = self.known.left() {
            let _ = write!(message, "  {:#} left", HumanDuration(left));
        }
        let _ = write!(
            message,
            "  {}  {}",
            counted(self.records, "record"),
            counted(self.imports, "import")
        );
        if self.rejects > 0 {
            let _ = write!(message, ", {} rejected", HumanCount(self.rejects));
        }
        let (bytes, records) = (self.bytes_per_second as u64, self.records_per_second as u64);
        if bytes > 0 || records > 0 {
            let _ = write!(
                message,
                "  {}/s, {} records/s",
                DecimalBytes(bytes),
                HumanCount(records)
            );
        }
        message
    }

    /// The line where there is no terminal.
    fn line(&self) -> String {
        let read = DecimalBytes(self.known.read);
        let of = self
            .total
            .map(|total| format!(" of {}", DecimalBytes(total)))
            .unwrap_or_default();
        format!(
            "{:>5} s  {read}{of} read  {}",
            self.known.elapsed.as_secs(),
            self.message()
        )
    }
}

impl Watch {
    /// What is known of the run now, whose sources have so many bytes; whose imports start so far apart, or as far as they
    /// take if that is longer; nothing where the target has no pace.
    #[must_use]
    pub fn known(&self, bytes: u64, interval: Option<Duration>) -> Known {
        let took = &self.counters.took;
        let interval = interval.map(|interval| interval.max(took.mean()));
        let load = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        Known {
            elapsed: self.began.elapsed(),
            bytes,
            read: load(&self.progress.bytes),
            made: load(&self.stages.decoded),
            delivered: load(&self.counters.bytes),
            import: load(&self.counters.largest),
            interval: interval.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> Seen {
        Seen {
            known: Known {
                elapsed: Duration::from_secs(60),
                bytes: 1_000_000_000,
                read: 250_000_000,
                made: 500_000_000,
                delivered: 100_000_000,
                import: 50_000_000,
                interval: Duration::from_secs(30),
            },
            total: Some(1_000_000_000),
            records: 1_234_567,
            imports: 2,
            rejects: 3,
            bytes_per_second: 4_000_000.0,
            records_per_second: 20_000.0,
            doing: "waiting 12 s for the next import slot".to_owned(),
        }
    }

    #[test]
    fn a_line_says_how_far_how_fast_what_is_left_and_what_goes_on() {
        // 400 MB are made and not delivered and 1,500 MB are to be made: 38 imports.
        assert_eq!(
            seen().line(),
            "   60 s  250.00 MB of 1.00 GB read  waiting 12 s for the next import slot  19m left  \
             1,234,567 records  2 imports, 3 rejected  4.00 MB/s, 20,000 records/s"
        );
        let unknown = Seen {
            known: Known {
                bytes: 0,
                ..seen().known
            },
            total: None,
            rejects: 0,
            imports: 1,
            bytes_per_second: 0.0,
            records_per_second: 0.0,
            doing: "reading".to_owned(),
            ..seen()
        };
        assert_eq!(
            unknown.line(),
            "   60 s  250.00 MB read  reading  1,234,567 records  1 import"
        );
    }

    #[test]
    fn rates_are_those_of_the_last_seconds() {
        let mut rates = Rates::default();
        let at = Duration::from_secs;
        assert_eq!(rates.lately(at(1), 1_000, 10), (1_000.0, 10.0));
        for second in 2..=100 {
            rates.lately(at(second), 1_000, 10);
        }
        assert_eq!(rates.lately(at(101), 1_000, 10), (0.0, 0.0));
        assert!(rates.0.len() < 20);
    }
}
