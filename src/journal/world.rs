//! What a journal has from outside: the time, and who hears of its records. Tests bring their own.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::Result;

/// The wall clock.
pub trait Clock: Send + Sync {
    /// Now.
    fn wall(&self) -> SystemTime;
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Hears of every record, once it is on the disk. An error of its ends the call that recorded, as the end of the
/// process would: what was recorded stays, and nothing that comes after it is done.
pub type Observer = dyn Fn() -> Result<()> + Send + Sync;

/// What a journal has from outside.
#[derive(Clone)]
pub struct World {
    /// By which its times are written.
    pub clock: Arc<dyn Clock>,
    /// Who hears of its records.
    pub observer: Arc<Observer>,
}

impl Default for World {
    fn default() -> Self {
        World {
            clock: Arc::new(SystemClock),
            observer: Arc::new(|| Ok(())),
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("World")
    }
}

impl World {
    /// Milliseconds since 1970.
    pub(super) fn now(&self) -> i64 {
        let since = self.clock.wall().duration_since(UNIX_EPOCH);
        i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
    }
}
