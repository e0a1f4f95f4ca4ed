//! What the journal has of a server's pace, by the wall clock: people and network time set that, so no time that was written
//! is taken at its word.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::journal::Server;

/// A written time that is so much further ahead than it can be was written by another clock; less is rounding.
const CLOCK_TOLERANCE_MS: i64 = 1_000;

impl Server {
    /// Counts an import as started now; gives when the one before it was, if that was not answered.
    pub(super) fn start(&mut self, wall: Wall, interval: i64) -> Option<i64> {
        // Rounded up, so that no rounding lets the next one start early.
        let start = wall.div_ceil_ms();
        self.last_start = Some(start);
        self.next_allowed_at = Some(start + interval);
        self.ahead = interval;
        self.unanswered_since.replace(start)
    }

    /// Counts the import as answered now; the server asks for this pause, if for any.
    pub(super) fn answered(&mut self, wall: Wall, pause: Option<i64>) {
        self.unanswered_since = None;
        let Some(pause) = pause else {
            return;
        };
        let end = wall.div_ceil_ms() + pause;
        // After a clock was set back what was written is no measure; the pause alone is.
        let set_back = self
            .last_start
            .is_some_and(|start| start - wall.floor_ms() > CLOCK_TOLERANCE_MS);
        if set_back || self.next_allowed_at.is_none_or(|next| next < end) {
            self.next_allowed_at = Some(end);
            self.ahead = pause;
        }
    }
}

/// Milliseconds to wait, zero or less for none. A time that no clock in step can have written is put right.
pub(super) fn wait(server: &mut Server, wall: Wall, interval: i64) -> i64 {
    let now = wall.floor_ms();
    let mut ahead = server
        .next_allowed_at
        .map_or(0, |next| next.saturating_sub(now));
    if ahead > server.ahead.saturating_add(CLOCK_TOLERANCE_MS) {
        ahead = server.ahead;
        server.next_allowed_at = Some(now + ahead);
    }
    // Another process may keep a shorter interval than this one.
    if let Some(start) = &mut server.last_start {
        if start.saturating_sub(now) > CLOCK_TOLERANCE_MS {
            *start = now;
        }
        if interval > 0 {
            ahead = ahead.max(start.saturating_add(interval) - now);
        }
    }
    ahead
}

/// The wall clock's time since 1970; before that it is 1970.
#[derive(Clone, Copy)]
pub(super) struct Wall(Duration);

pub(super) fn since_epoch(time: SystemTime) -> Wall {
    Wall(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

impl Wall {
    pub(super) fn floor_ms(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX / 2)
    }

    pub(super) fn div_ceil_ms(self) -> i64 {
        i64::try_from(self.0.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX / 2)
    }
}

/// Rounded up.
pub(super) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX / 2)
}
