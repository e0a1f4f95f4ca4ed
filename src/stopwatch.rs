//! What the threads of a stage do, and for how long: they work, or wait for input, or wait for room.
//!
//! Nobody is watched: those who begin to work or to wait say so, once for a chunk, an answer or an import, never for a
//! record. So that costs two locks that nobody contends for, and two looks at a clock that nobody sets.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Adds up the time of a stage's threads.
///
/// Threads that do not work wait. They wait for room if there is work that was left because its answers are not wanted
/// yet ([`park`](Stopwatch::park)), a thread for each, or if they themselves or the stage before them wait for room;
/// otherwise they wait for input.
#[derive(Debug, Default)]
pub struct Stopwatch {
    hand: Mutex<Hand>,
    /// The stage whose threads get no work while this one waits for room.
    feeds: Option<Arc<Stopwatch>>,
}

/// How long the threads of a stage did what, all added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// How many threads these are; 0 if they were never started.
    pub threads: usize,
    /// They worked.
    pub busy: Duration,
    /// They had nothing to work on.
    pub waiting_for_input: Duration,
    /// They, or what they made, had nowhere to go.
    pub waiting_for_room: Duration,
}

/// Whether a stage's time is added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its threads have not begun.
    Never,
    /// They are there.
    Running,
    /// They have ended.
    Stopped,
}

#[derive(Debug, Default)]
struct Hand {
    /// Up to when the time is in `spent`; nothing while no time is added up.
    since: Option<Instant>,
    working: i64,
    parked: i64,
    held_up: i64,
    spent: Spent,
}

impl Hand {
    /// Adds what has passed until now.
    fn turn(&mut self) {
        let Some(since) = self.since else {
            return;
        };
        let now = Instant::now();
        let passed = now.saturating_duration_since(since);
        let threads = i64::try_from(self.spent.threads).unwrap_or(i64::MAX);
        let working = self.working.clamp(0, threads);
        let idle = threads - working;
        let for_room = if self.held_up > 0 {
            idle
        } else {
            self.parked.clamp(0, idle)
        };
        let times = |threads: i64| passed * u32::try_from(threads).unwrap_or(0);
        self.spent.busy += times(working);
        self.spent.waiting_for_room += times(for_room);
        self.spent.waiting_for_input += times(idle - for_room);
        self.since = Some(now);
    }
}

impl Stopwatch {
    /// That of the stage before `next`: while it waits for room, `next` gets no work for want of room.
    #[must_use]
    pub fn feeding(next: &Arc<Stopwatch>) -> Self {
        Stopwatch {
            hand: Mutex::default(),
            feeds: Some(Arc::clone(next)),
        }
    }

    /// From now on the time of so many threads is added up.
    pub fn start(&self, threads: usize) {
        let mut hand = self.hand();
        hand.turn();
        hand.spent.threads = threads;
        hand.since = Some(Instant::now());
    }

    /// From now on no time is added up.
    pub fn stop(&self) {
        let mut hand = self.hand();
        hand.turn();
        hand.since = None;
    }

    /// One more works, until what this gives is dropped.
    #[must_use]
    pub fn work(&self) -> Turned<'_> {
        self.turned(1, 0)
    }

    /// One that works waits for input, until what this gives is dropped.
    #[must_use]
    pub fn wait_for_input(&self) -> Turned<'_> {
        self.turned(-1, 0)
    }

    /// One that works waits for room, until what this gives is dropped.
    #[must_use]
    pub fn wait_for_room(&self) -> Turned<'_> {
        self.turned(-1, 1)
    }

    /// Work is left until its answers are wanted.
    pub fn park(&self) {
        let mut hand = self.hand();
        hand.turn();
        hand.parked += 1;
    }

    /// Work that was left is there to be done again.
    pub fn unpark(&self) {
        let mut hand = self.hand();
        hand.turn();
        hand.parked -= 1;
    }

    /// Whether its time is added up.
    #[must_use]
    pub fn state(&self) -> State {
        let hand = self.hand();
        match (hand.since, hand.spent.threads) {
            (Some(_), _) => State::Running,
            (None, 0) => State::Never,
            (None, _) => State::Stopped,
        }
    }

    /// What has been added up, until now if it goes on.
    #[must_use]
    pub fn spent(&self) -> Spent {
        let mut hand = self.hand();
        hand.turn();
        hand.spent
    }

    fn turned(&self, working: i64, held_up: i64) -> Turned<'_> {
        self.change(working, held_up);
        Turned {
            stopwatch: self,
            working,
            held_up,
        }
    }

    fn change(&self, working: i64, held_up: i64) {
        let mut hand = self.hand();
        hand.turn();
        hand.working += working;
        hand.held_up += held_up;
        drop(hand);
        if let Some(next) = self.feeds.as_ref().filter(|_| held_up != 0) {
            next.change(0, held_up);
        }
    }

    fn hand(&self) -> MutexGuard<'_, Hand> {
        self.hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody does something else than before, until this is dropped.
#[derive(Debug)]
pub struct Turned<'a> {
    stopwatch: &'a Stopwatch,
    working: i64,
    held_up: i64,
}

impl Drop for Turned<'_> {
    fn drop(&mut self) {
        self.stopwatch.change(-self.working, -self.held_up);
    }
}
