//! Who may import into a server, where more than one machine could: one at a time has the lease of the server.
//!
//! The lease is a [`Record`] in a [`Cell`], under the digest of the server's address. It is taken, renewed and given back
//! by compare and swap alone:
//!
//! ```text
//!   nothing there ─┐
//!   given back ────┼─▶ taken: fence + 1 ─▶ renewed at every third of its length, and before each attempt ─▶ given back
//!   expired ───────┘                          │
//!                                             └─▶ lost: the run stops at once
//! ```
//!
//! **Clocks of machines need not agree.** No time of one machine is ever compared with one of another. Whoever finds the
//! lease held watches it: if it is still the same after its whole length, counted from when the watcher *had seen* it, it
//! has expired. Its holder counts from before it *asked* for the swap that put it there, and gives up a tenth early. The
//! asking comes before the seeing, so the holder has given up before anyone takes over, as long as no two clocks differ by
//! a tenth in how fast they go. A machine that sleeps counts the sleep where it holds, and not where it waits ([`Time`]).
//!
//! **A lost answer** is looked for: a record has its holder's own sign and a number, so a holder knows its own again, and
//! counts from when that one was asked for. A swap that is done late, when nobody waits for it any more, either fails
//! because something else is there, or renews a lease that is then left to expire.
//!
//! **The interval** is kept across holders without a clock, too: a new holder waits a whole interval, and the pause that
//! the record asks for, after it took over. The last import of the one before started before that. If an import may still
//! be under way, the record says so, and the new holder waits as one does after a process that was killed
//! ([`Attempt::unanswered`](super::throttle::Attempt::unanswered)).
//!
//! **What cannot be held:** the server knows nothing of the lease. A holder looks at its clock right before each request
//! ([`Lease::check`]); if its process stands still between that look and the first byte for as long as the lease has left,
//! and the interval of the next holder besides, two imports may meet.

mod record;
mod take;
pub mod time;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{Either, select};
use tokio::sync::{Mutex as AsyncMutex, Notify, watch};

pub use self::record::{Holder, MOST_BYTES, Record};
pub use self::time::{Clocks, Time};
use super::cell::{Cell, Swap, Version};
use crate::error::{Code, Error, Result};

/// How many times it is renewed in that time.
const RENEWALS: u32 = 3;

/// How much of the length a holder relies on: the rest is for clocks that go at another speed.
const RELIED_ON: (u32, u32) = (9, 10);

/// The name of a server's lease.
#[must_use]
pub fn name(server: &str) -> String {
    format!("{}.json", digest(server))
}

/// What stands for a server's address in names.
#[must_use]
pub fn digest(server: &str) -> String {
    blake3::hash(server.as_bytes()).to_hex().to_string()
}

/// How a lease is taken and kept.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Who takes it.
    pub holder: Holder,
    /// How long it lasts after it was last renewed.
    pub length: Duration,
    /// Between the starts of two imports.
    pub interval: Duration,
    /// Wait until it can be had, instead of refusing when someone else has it.
    pub wait: bool,
}

/// A lease that this process has, or has lost.
#[derive(Clone)]
pub struct Lease {
    shared: Arc<Shared>,
}

struct Shared {
    cell: Arc<dyn Cell>,
    time: Arc<dyn Time>,
    interval: Duration,
    /// One swap at a time.
    writer: AsyncMutex<Writer>,
    state: Mutex<State>,
    /// Whether it is over, for those who wait for that.
    over: watch::Sender<bool>,
    /// Says that it is to be renewed at once.
    news: Notify,
    found: Found,
}

/// What was found when the lease was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// An import of the holder before may still be under way.
    pub working: bool,
    /// No import may start before this, by [`Time::surely`].
    first: Duration,
}

/// What the next swap rests on.
struct Writer {
    /// What was written last.
    record: Record,
    /// What is there, as far as is known.
    version: Version,
    /// What was asked for since that, and when, by [`Time::perhaps`].
    asked: Vec<(u64, Duration)>,
}

struct State {
    /// The lease is relied on until then, by [`Time::perhaps`].
    ends: Duration,
    /// When the next import may start, by [`Time::surely`].
    next: Duration,
    working: bool,
    over: Option<Over>,
}

/// Why a lease is held no more.
#[derive(Clone, Debug)]
enum Over {
    GivenBack,
    /// In words, without a full stop.
    Lost(String),
}

impl Lease {
    /// What was found when it was taken: [`Found::working`], and how long no import may start from now on.
    #[must_use]
    pub fn found(&self) -> (bool, Duration) {
        let Found { working, first } = self.shared.found;
        (working, first.saturating_sub(self.shared.time.surely()))
    }

    /// Where it is, for people.
    #[must_use]
    pub fn shown(&self) -> String {
        self.shared.cell.shown()
    }

    /// How often the lease was taken, this time included.
    pub async fn fence(&self) -> u64 {
        self.shared.writer.lock().await.record.fence
    }

    /// Renews it in time, until it is over; gives the reason if it was lost.
    pub async fn keep(&self) -> Option<Error> {
        let shared = &self.shared;
        let period = {
            let writer = shared.writer.lock().await;
            writer.record.length() / RENEWALS
        };
        loop {
            let due = shared.time.sleep(period);
            select(Box::pin(shared.news.notified()), due).await;
            // Which it may be before or after it was asked for.
            let renewed = self.write(|_| {}).await;
            if matches!(shared.state().over, Some(Over::GivenBack)) {
                return None;
            }
            if let Err(error) = renewed {
                return Some(error);
            }
        }
    }

    /// Puts into the store that an import starts now, and renews the lease.
    ///
    /// # Errors
    /// When it is lost.
    pub async fn announce(&self) -> Result<()> {
        {
            let mut state = self.shared.state();
            state.working = true;
            state.next = state
                .next
                .max(self.shared.time.surely() + self.shared.interval);
        }
        self.write(|_| {}).await
    }

    /// The import that was announced is over, and the server asks for this pause, if for any. It is put into the store
    /// soon.
    pub fn answered(&self, pause: Option<Duration>) {
        {
            let mut state = self.shared.state();
            state.working = false;
            let pause = pause.unwrap_or_default();
            state.next = state.next.max(self.shared.time.surely() + pause);
        }
        self.shared.news.notify_one();
    }

    /// Makes sure that it is held at this moment.
    ///
    /// # Errors
    /// When it is lost.
    pub fn check(&self) -> Result<()> {
        let shared = &self.shared;
        let mut state = shared.state();
        if state.over.is_none() && shared.time.perhaps() >= state.ends {
            state.over = Some(Over::Lost(
                "it could not be renewed in time, and another may have it now".to_owned(),
            ));
        }
        let over = state.over.clone();
        drop(state);
        match over {
            None => Ok(()),
            Some(over) => {
                shared.over.send_replace(true);
                Err(shared.error(&over))
            }
        }
    }

    /// Ends when it is lost, or given back; gives what that means for the run.
    pub async fn lost(&self) -> Error {
        let mut over = self.shared.over.subscribe();
        // It is gone only with the lease itself.
        let _ = over.wait_for(|over| *over).await;
        match self.check() {
            Err(error) => error,
            Ok(()) => Error::new(Code::Internal, "a lease is over and is not"),
        }
    }

    /// Gives it back, so that others need not wait for it to expire. Where that fails, it expires.
    pub async fn give_back(&self) {
        let given = self.write(|record| record.held = false).await;
        let shared = &self.shared;
        let mut state = shared.state();
        if given.is_ok() || state.over.is_none() {
            state.over = Some(Over::GivenBack);
        }
        drop(state);
        shared.over.send_replace(true);
        shared.news.notify_one();
    }

    /// Writes the next record, until it is there.
    async fn write(&self, change: impl Fn(&mut Record)) -> Result<()> {
        let shared = &self.shared;
        let mut writer = shared.writer.lock().await;
        loop {
            self.check()?;
            let asked = shared.time.perhaps();
            let bytes = {
                let state = shared.state();
                writer.record.working = state.working;
                change(&mut writer.record);
                let pause = state.next.saturating_sub(shared.time.surely());
                writer.record.next(pause)?
            };
            let sequence = writer.record.sequence;
            writer.asked.push((sequence, asked));
            let swapped = shared.in_time(shared.cell.swap(Some(&writer.version), bytes));
            if let Some(Ok(Swap::Done(version))) = swapped.await {
                shared.confirmed(&mut writer, sequence, version);
                return self.check();
            }
            // It may be there all the same.
            match shared.in_time(shared.cell.read()).await {
                Some(Ok(Some(there))) => {
                    let record = Record::parse(&there.bytes, &shared.cell.shown());
                    match record {
                        Ok(record) if record.unlike == writer.record.unlike => {
                            shared.confirmed(&mut writer, record.sequence, there.version);
                            if record.sequence == sequence {
                                return self.check();
                            }
                        }
                        Ok(record) => {
                            let Record { holder, until, .. } = record;
                            shared.lose(format!("{holder} has it now, until {until} by its clock"));
                        }
                        Err(error) => shared.lose(error.message().to_owned()),
                    }
                }
                Some(Ok(None)) => shared.lose("it was removed".to_owned()),
                // The store is away; the lease is still ours for a while.
                Some(Err(_)) | None => {
                    let pause = shared.time.sleep(writer.record.length() / 30);
                    let _ = shared.in_time(pause).await;
                }
            }
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What some work gives, unless the lease ends before.
    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let left = self.state().ends.saturating_sub(self.time.perhaps());
        match select(Box::pin(work), self.time.sleep(left)).await {
            Either::Left((value, _)) => Some(value),
            Either::Right(_) => None,
        }
    }

    /// A record of ours is there: the lease lasts from when that was asked for.
    fn confirmed(&self, writer: &mut Writer, sequence: u64, version: Version) {
        writer.version = version;
        let asked = writer.asked.iter().find(|(asked, _)| *asked == sequence);
        if let Some((_, asked)) = asked {
            let mut state = self.state();
            state.ends = state.ends.max(relied_on(*asked, writer.record.length()));
        }
        // What is older than what is there will never be there.
        writer.asked.retain(|(asked, _)| *asked >= sequence);
    }

    fn lose(&self, why: String) {
        let mut state = self.state();
        state.over.get_or_insert(Over::Lost(why));
    }

    fn error(&self, over: &Over) -> Error {
        let shown = self.cell.shown();
        match over {
            Over::GivenBack => Error::new(Code::Internal, "the lease was given back"),
            Over::Lost(why) => Error::new(
                Code::Lease,
                format!("the lease `{shown}` is lost: {why}; this run has stopped"),
            )
            .help("run the same command again when no other runs: it goes on where the last one stopped"),
        }
    }
}

/// Until when a lease is relied on that was asked for at some time.
fn relied_on(asked: Duration, length: Duration) -> Duration {
    asked + length * RELIED_ON.0 / RELIED_ON.1
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the lease {}", self.shown())
    }
}
