//! When the next import may start: one at a time per server, and no two closer than the interval, whichever project,
//! run or process they belong to.
//!
//! Two things hold it. A file lock per server is taken for an attempt and let go when it is over: so one is in flight,
//! and a process that is killed holds up nobody. A row in the journal says when the next may start: so the next run
//! waits too. Both are of one state directory; another machine, or another state directory, is not seen, but where a
//! [`Lease`] holds them off.
//!
//! Waiting is by tokio's clock, which no one sets; what outlives the process is by the wall clock, which people and
//! network time do set. A wall clock that was set back makes nobody wait longer than the wait that was written down.

mod pace;
mod written;

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::{Either, select};
use tokio::time::{Instant, sleep_until};

pub use self::pace::Pace;
use self::written::{milliseconds, since_epoch, wait};
use super::lease::Lease;
use crate::error::Result;
pub use crate::journal::{Clock, SystemClock};
use crate::journal::{Journal, LockFile};

/// Between the starts of two imports, unless the user asks for another: "one import per 30 seconds will work without
/// overloads", Label Studio's import guide.
pub const INTERVAL: Duration = Duration::from_secs(30);

/// How often a lock that someone holds is tried again. File locks wake nobody.
const POLL: Duration = Duration::from_millis(200);

/// The longest interval; clocks end somewhere.
const LONGEST_INTERVAL: Duration = Duration::from_hours(366 * 24);

/// The longest `Retry-After` that is believed. A day is longer than any maintenance; a mistyped date is not.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(24);

/// Paces the imports to one server.
#[derive(Clone)]
pub struct Throttle {
    shared: Arc<Shared>,
}

struct Shared {
    journal: Journal,
    server: String,
    interval: Duration,
    clock: Arc<dyn Clock>,
    lease: Option<Lease>,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    /// By the clock that no one sets: holds within this process whatever the wall clock does.
    not_before: Option<Instant>,
}

#[derive(Clone, Copy)]
enum Phase {
    Idle,
    Waiting { until: Instant },
    Elsewhere { since: Instant },
    Working { since: Instant },
}

/// Leave to have one task-creating request in flight at a server, until it is answered or dropped.
///
/// Dropped unanswered, as when the request was cut off, it counts as a start all the same, and the next attempt is
/// told.
pub struct Attempt {
    shared: Arc<Shared>,
    started: Instant,
    unanswered: Option<SystemTime>,
    _lock: LockFile,
}

impl Throttle {
    /// A pacer for the server of this key, such as [`Address::server_key`](crate::label_studio::address::Address::server_key); with an interval of zero only one attempt at a time is
    /// held to, and what servers ask for by `Retry-After`.
    #[must_use]
    pub fn new(journal: Journal, server: &str, interval: Duration) -> Self {
        let clock = Arc::clone(journal.clock());
        Self::with_clock(journal, server, interval, clock)
    }

    /// The same, where other machines are held off by a lease of the server. What it was found to say of the holder before
    /// counts as if this machine had done it.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn leased(
        journal: Journal,
        server: &str,
        interval: Duration,
        lease: Lease,
    ) -> Result<Self> {
        let (working, pause) = lease.found();
        let clock = Arc::clone(journal.clock());
        if working {
            let now = since_epoch(clock.wall()).div_ceil_ms();
            journal.update_server(server, |server| server.unanswered_since = Some(now))?;
        }
        Ok(Self::made(
            journal,
            server,
            interval,
            clock,
            Some((lease, Instant::now() + pause)),
        ))
    }

    /// The same, by another wall clock.
    #[must_use]
    pub fn with_clock(
        journal: Journal,
        server: &str,
        interval: Duration,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self::made(journal, server, interval, clock, None)
    }

    fn made(
        journal: Journal,
        server: &str,
        interval: Duration,
        clock: Arc<dyn Clock>,
        leased: Option<(Lease, Instant)>,
    ) -> Self {
        let (lease, not_before) = leased.unzip();
        let state = Mutex::new(State {
            phase: Phase::Idle,
            not_before,
        });
        let interval = interval.min(LONGEST_INTERVAL);
        Throttle {
            shared: Arc::new(Shared {
                journal,
                server: server.to_owned(),
                interval,
                clock,
                lease,
                state,
            }),
        }
    }

    /// Waits until an import may start, and counts it as started; nothing if `stopped` came first.
    ///
    /// The import should be ready: while this waits others may go first, once it has returned nobody may.
    ///
    /// # Errors
    /// When the journal or the lock does not work.
    pub async fn start(&self, stopped: impl Future<Output = ()>) -> Result<Option<Attempt>> {
        self.wait(true, stopped).await
    }

    /// Waits until nothing else is on its way to the server, and keeps everything else away; nothing if `stopped` came
    /// first. For what needs no interval, such as deletions; it is no start, and the next import does not wait for it.
    ///
    /// # Errors
    /// When the journal or the lock does not work.
    pub async fn turn(&self, stopped: impl Future<Output = ()>) -> Result<Option<Attempt>> {
        self.wait(false, stopped).await
    }

    async fn wait(
        &self,
        paced: bool,
        stopped: impl Future<Output = ()>,
    ) -> Result<Option<Attempt>> {
        let shared = &self.shared;
        let waiting = WaitingOver(shared);
        let mut stopped = pin!(stopped);
        let asked = Instant::now();
        let lock_name = format!("server-{}", shared.server);
        loop {
            let until = match shared.journal.try_lock(&lock_name)? {
                None => {
                    shared.state().phase = Phase::Elsewhere { since: asked };
                    Instant::now() + POLL
                }
                Some(lock) => match shared.claim(paced)? {
                    Claim::Started {
                        started,
                        unanswered,
                    } => {
                        std::mem::forget(waiting);
                        let attempt = Attempt {
                            shared: Arc::clone(shared),
                            started,
                            unanswered,
                            _lock: lock,
                        };
                        let Some(lease) = &shared.lease else {
                            return Ok(Some(attempt));
                        };
                        let announced = pin!(lease.announce());
                        return match select(stopped.as_mut(), announced).await {
                            Either::Left(_) => Ok(None),
                            Either::Right((announced, _)) => announced.map(|()| Some(attempt)),
                        };
                    }
                    // The lock goes now: one that waits holds up nobody who may start sooner.
                    Claim::Wait(until) => {
                        shared.state().phase = Phase::Waiting { until };
                        until
                    }
                },
            };
            if let Either::Left(_) = select(stopped.as_mut(), pin!(sleep_until(until))).await {
                return Ok(None);
            }
        }
    }

    /// What it is doing now.
    #[must_use]
    pub fn state(&self) -> Pace {
        let now = Instant::now();
        match self.shared.state().phase {
            Phase::Idle => Pace::Idle,
            Phase::Waiting { until } => Pace::Waiting(until.saturating_duration_since(now)),
            Phase::Elsewhere { since } => Pace::Elsewhere(now.saturating_duration_since(since)),
            Phase::Working { since } => Pace::Working(now.saturating_duration_since(since)),
        }
    }

    /// Between the starts of two imports.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.shared.interval
    }
}

enum Claim {
    Started {
        started: Instant,
        unanswered: Option<SystemTime>,
    },
    Wait(Instant),
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// With the server's lock held: starts now, or says when to ask again. What is not paced starts now.
    fn claim(&self, paced: bool) -> Result<Claim> {
        let started = Instant::now();
        let not_before = self
            .state()
            .not_before
            .filter(|&not_before| paced && not_before > started);
        let wall = since_epoch(self.clock.wall());
        let interval = milliseconds(self.interval);
        let wait = self.journal.update_server(&self.server, |server| {
            if !paced {
                return Ok(server.unanswered_since.replace(wall.div_ceil_ms()));
            }
            let ahead = wait(server, wall, interval);
            if ahead > 0 || not_before.is_some() {
                return Err(ahead);
            }
            Ok(server.start(wall, interval))
        })?;
        match wait {
            Ok(unanswered) => {
                let mut state = self.state();
                state.phase = Phase::Working { since: started };
                if paced {
                    state.not_before = Some(started + self.interval);
                }
                let unanswered = unanswered.and_then(|at| u64::try_from(at).ok());
                let unanswered = unanswered.map(|at| UNIX_EPOCH + Duration::from_millis(at));
                Ok(Claim::Started {
                    started,
                    unanswered,
                })
            }
            Err(ahead) => {
                let by_wall =
                    started + Duration::from_millis(u64::try_from(ahead).unwrap_or_default());
                Ok(Claim::Wait(
                    not_before.map_or(by_wall, |not_before| not_before.max(by_wall)),
                ))
            }
        }
    }
}

impl Attempt {
    /// When an earlier attempt of whatever process started, if nothing is known of its answer: the server may be
    /// working on it still, so look before sending.
    #[must_use]
    pub fn unanswered(&self) -> Option<SystemTime> {
        self.unanswered
    }

    /// Counts as started now, and not when leave was given: what was to be sent had to wait.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn restarted(mut self) -> Result<Self> {
        self.started = Instant::now();
        let shared = &self.shared;
        let wall = since_epoch(shared.clock.wall());
        shared.journal.update_server(&shared.server, |server| {
            server.start(wall, milliseconds(shared.interval));
        })?;
        let mut state = shared.state();
        state.phase = Phase::Working {
            since: self.started,
        };
        state.not_before = Some(self.started + shared.interval);
        drop(state);
        Ok(self)
    }

    /// Makes sure, right before a request, that no other machine may have taken over.
    ///
    /// # Errors
    /// When one may.
    pub fn check(&self) -> Result<()> {
        self.shared.lease.as_ref().map_or(Ok(()), Lease::check)
    }

    /// How long it has been on its way.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Ends it: the server has answered, whatever it said, and asks for this pause if for any. The time from the
    /// start is returned.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn answered(self, retry_after: Option<Duration>) -> Result<Duration> {
        let took = self.started.elapsed();
        let shared = &self.shared;
        let pause = retry_after.map(|pause| pause.min(LONGEST_RETRY_AFTER));
        if let Some(lease) = &shared.lease {
            lease.answered(pause);
        }
        if let Some(pause) = pause {
            let mut state = shared.state();
            let pause_ends = Instant::now() + pause;
            state.not_before = Some(
                state
                    .not_before
                    .map_or(pause_ends, |not_before| not_before.max(pause_ends)),
            );
        }
        let wall = since_epoch(shared.clock.wall());
        shared.journal.update_server(&shared.server, |server| {
            server.answered(wall, pause.map(milliseconds));
        })?;
        Ok(took)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.shared.state().phase = Phase::Idle;
    }
}

/// Says that nothing waits any more, also when the waiting is given up.
struct WaitingOver<'a>(&'a Shared);

impl Drop for WaitingOver<'_> {
    fn drop(&mut self) {
        self.0.state().phase = Phase::Idle;
    }
}
