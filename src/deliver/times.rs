//! How long an import was on its way, and what came of it: told by sinks, once an import.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

/// How long an import was on its way, and where the time went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// When the sink began with it.
    pub began: Instant,
    /// When it was safe at the target.
    pub ended: Instant,
    /// It waited for its slot at the server, or before another try.
    pub waiting: Duration,
    /// The server made tasks of it, or was asked what had become of it.
    pub server: Duration,
}

impl Times {
    /// Those of an import that is written without waiting: all from then until now.
    #[must_use]
    pub fn since(began: Instant) -> Self {
        Times {
            began,
            ended: Instant::now(),
            waiting: Duration::ZERO,
            server: Duration::ZERO,
        }
    }

    /// All of it.
    #[must_use]
    pub fn whole(&self) -> Duration {
        self.ended.saturating_duration_since(self.began)
    }

    /// What is left: its bytes were written, or sent.
    #[must_use]
    pub fn sending(&self) -> Duration {
        self.whole()
            .saturating_sub(self.waiting)
            .saturating_sub(self.server)
    }
}

/// Adds up what an import waits for, for a sink that knows.
#[derive(Debug)]
pub struct Meter {
    began: Instant,
    waiting: AtomicU64,
    server: AtomicU64,
}

impl Default for Meter {
    fn default() -> Self {
        Meter {
            began: Instant::now(),
            waiting: AtomicU64::new(0),
            server: AtomicU64::new(0),
        }
    }
}

impl Meter {
    /// What is done meanwhile is waiting.
    pub async fn waiting<T>(&self, work: impl Future<Output = T>) -> T {
        timed(&self.waiting, work).await
    }

    /// What is done meanwhile is the server's work.
    pub async fn server<T>(&self, work: impl Future<Output = T>) -> T {
        timed(&self.server, work).await
    }

    /// The times until now.
    #[must_use]
    pub fn times(&self) -> Times {
        let of = |sum: &AtomicU64| Duration::from_micros(sum.load(Ordering::Relaxed));
        Times {
            waiting: of(&self.waiting),
            server: of(&self.server),
            ..Times::since(self.began)
        }
    }
}

async fn timed<T>(sum: &AtomicU64, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let done = work.await;
    let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    sum.fetch_add(took, Ordering::Relaxed);
    done
}

/// What came of sending an import, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is safe at the target.
    Delivered,
    /// The server named tasks that it does not want: they are rejects, the rest is sent again.
    Refused,
    /// The server takes no request of this size: it is divided and sent again.
    TooLarge,
    /// The answer proves nothing: the server is asked what it has.
    InDoubt,
}

impl Outcome {
    /// All of them, in this order.
    pub const ALL: [Outcome; 4] = [
        Outcome::Delivered,
        Outcome::Refused,
        Outcome::TooLarge,
        Outcome::InDoubt,
    ];

    /// As it is written in reports, metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Refused => "refused",
            Outcome::TooLarge => "too_large",
            Outcome::InDoubt => "in_doubt",
        }
    }
}
