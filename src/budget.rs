//! Budget and Held: the bytes a run may have in flight between the reader and the batcher.
//!
//! Only the reader acquires, and it acquires before it reads. A permit is given back by dropping it, which the batcher
//! does when it has taken a chunk's tasks: so nothing that waits for the target ever holds what the reader waits for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::stop::Stop;

/// Bytes of encoded tasks in one answer of a job; one record may make it larger.
pub const ANSWER_BYTES: usize = 1 << 20;

/// How many answers of one job may be ready before the batcher takes one, unless its share of the budget has room for
/// more.
pub const AHEAD: usize = 2;

/// What a chunk of `bytes` takes of the budget: itself, and the answers that its job may have ready or in the making.
#[must_use]
pub fn chunk_share(bytes: usize) -> usize {
    share(bytes, AHEAD)
}

/// The same, for a job that may have as many answers ready as are `ahead`; one more is in the making, or taken and still
/// in the batcher's hand.
#[must_use]
pub fn share(bytes: usize, ahead: usize) -> usize {
    let answers = ahead.saturating_add(1).saturating_mul(ANSWER_BYTES);
    bytes.saturating_add(answers)
}

/// The bytes that may be in flight.
pub struct Budget {
    total: usize,
    used: Mutex<usize>,
    shares: AtomicUsize,
    given_back: Condvar,
}

/// A share of the budget; dropping it gives the bytes back.
pub struct Held {
    budget: Arc<Budget>,
    bytes: usize,
}

/// The run was stopped while waiting.
#[derive(Debug, PartialEq, Eq)]
pub struct Stopped;

impl Budget {
    /// A budget of `total` bytes whose waiters `stop` wakes.
    #[must_use]
    pub fn new(total: usize, stop: &Stop) -> Arc<Self> {
        let budget = Arc::new(Budget {
            total,
            used: Mutex::new(0),
            shares: AtomicUsize::new(0),
            given_back: Condvar::new(),
        });
        let waker = Arc::clone(&budget);
        stop.on_trip(move || {
            drop(waker.lock());
            waker.given_back.notify_all();
        });
        budget
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, usize> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `bytes` are free and takes them. A request over the whole budget waits until nothing else is in
    /// flight and runs alone.
    ///
    /// # Errors
    /// When the run is stopped first.
    pub fn acquire(self: &Arc<Self>, bytes: usize, stop: &Stop) -> Result<Held, Stopped> {
        let mut used = self.lock();
        while !stop.is_tripped() {
            if *used == 0 || used.saturating_add(bytes) <= self.total {
                *used = used.saturating_add(bytes);
                self.shares.fetch_add(1, Ordering::Relaxed);
                return Ok(Held {
                    budget: Arc::clone(self),
                    bytes,
                });
            }
            used = self
                .given_back
                .wait(used)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Err(Stopped)
    }

    /// All bytes that may be in flight.
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }

    /// The bytes in flight now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        *self.lock()
    }

    /// How many shares are out now.
    #[must_use]
    pub fn shares(&self) -> usize {
        self.shares.load(Ordering::Relaxed)
    }
}

impl Held {
    /// Sets the share to what is really held. It never waits: a record that outgrew its buffer is already in memory.
    pub fn resize(&mut self, bytes: usize) {
        let mut used = self.budget.lock();
        *used = (*used - self.bytes).saturating_add(bytes);
        self.bytes = bytes;
        drop(used);
        self.budget.given_back.notify_all();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.shares.fetch_sub(1, Ordering::Relaxed);
        self.resize(0);
    }
}
