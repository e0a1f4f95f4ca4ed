//! What a throttle is doing, in words.

use std::fmt;
use std::time::Duration;

/// What a throttle is doing, in words for the progress line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// No import is asked for.
    Idle,
    /// An import is ready, and starts in so long.
    Waiting(Duration),
    /// An import is ready; another one is on its way to this server, and has been waited for so long.
    Elsewhere(Duration),
    /// An import is on its way, for so long.
    Working(Duration),
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pace::Idle => f.write_str("no import is ready yet"),
            // Rounded up: it never waits 0 s.
            Pace::Waiting(left) => write!(
                f,
                "waiting {} s for the next import slot",
                left.as_millis().div_ceil(1_000)
            ),
            Pace::Elsewhere(time) => write!(
                f,
                "another run is importing to this server, waiting {} s",
                time.as_secs()
            ),
            Pace::Working(time) => write!(f, "server is working, {} s", time.as_secs()),
        }
    }
}
