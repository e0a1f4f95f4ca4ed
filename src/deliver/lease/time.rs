//! How much time has passed, by a clock that no other machine sees.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep};

/// Two readings of the time since some moment of this process, neither of which ever goes back.
///
/// A machine that sleeps wakes up with a clock that stood still, or with one that jumped. So there are two: who waits for
/// others to have lost something goes by the slow one, who has something to lose by the fast one.
pub trait Time: Send + Sync {
    /// So much has passed at least.
    fn surely(&self) -> Duration;

    /// So much may have passed.
    fn perhaps(&self) -> Duration;

    /// Ends after so long.
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()>;
}

/// The clocks of this machine: the one that no one sets, which may stand still while the machine sleeps, and the wall
/// clock, which does not. Where the wall clock has gone ahead of the other, that may have been sleep.
#[derive(Debug)]
pub struct Clocks {
    began: Instant,
    wall: SystemTime,
    /// How far the wall clock has been ahead at most, in nanoseconds.
    ahead: AtomicU64,
}

impl Default for Clocks {
    fn default() -> Self {
        Clocks {
            began: Instant::now(),
            wall: SystemTime::now(),
            ahead: AtomicU64::default(),
        }
    }
}

impl Time for Clocks {
    fn surely(&self) -> Duration {
        self.began.elapsed()
    }

    fn perhaps(&self) -> Duration {
        let surely = self.surely();
        let wall = self.wall.elapsed().unwrap_or_default();
        let ahead = wall.saturating_sub(surely).as_nanos();
        let ahead = u64::try_from(ahead).unwrap_or(u64::MAX);
        let most = self.ahead.fetch_max(ahead, Ordering::Relaxed).max(ahead);
        surely + Duration::from_nanos(most)
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        Box::pin(sleep(time))
    }
}
