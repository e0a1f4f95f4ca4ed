//! Stop: the one word that ends a run early. The first cause wins; whoever waits is woken.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::Error;

/// Why a run ends before its input does.
pub enum Cause {
    /// Something failed.
    Failed(Error),
    /// A person or a scheduler asked for it: the signal's name and the exit code that says so.
    Signal {
        /// `SIGINT` or `SIGTERM`.
        name: &'static str,
        /// 130 or 143.
        exit_code: u8,
    },
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Failed(error) => error,
            Cause::Signal { name, exit_code } => Error::new(
                crate::error::Code::Interrupted,
                format!("stopped by {name}"),
            )
            .exit_with(exit_code),
        }
    }
}

type Waker = Box<dyn Fn() + Send>;

/// A latch that is tripped once and then stays so.
#[derive(Default)]
pub struct Stop {
    tripped: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    cause: Option<Cause>,
    wakers: Vec<Waker>,
}

impl Stop {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Trips the latch; a cause that comes after the first is dropped.
    pub fn trip(&self, cause: Cause) {
        let mut state = self.state();
        if !self.tripped.swap(true, Ordering::SeqCst) {
            state.cause = Some(cause);
        }
        for wake in &state.wakers {
            wake();
        }
    }

    /// Whether the run is to end.
    #[must_use]
    pub fn is_tripped(&self) -> bool {
        self.tripped.load(Ordering::Relaxed)
    }

    /// Calls `wake` when the latch is tripped: at once if it already is.
    pub fn on_trip(&self, wake: impl Fn() + Send + 'static) {
        let mut state = self.state();
        if self.is_tripped() {
            wake();
        }
        state.wakers.push(Box::new(wake));
    }

    /// Takes the first cause, if there is one.
    #[must_use]
    pub fn take_cause(&self) -> Option<Cause> {
        self.state().cause.take()
    }
}
