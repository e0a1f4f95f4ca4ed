//! Work on a server without sources: a runtime, and the signals that stop it.

use std::sync::Arc;
use std::thread;

use futures::future::BoxFuture;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::READER;
use crate::deliver;
use crate::error::{Code, Error, Result};
use crate::read::positioned::panicked;
use crate::rejects::Reject;
use crate::stop::{Cause, Stop};

/// Does some work that waits on a network.
///
/// SIGINT and SIGTERM tell the work to stop, which it does where nothing is on its way; a second one ends the process.
///
/// # Errors
/// Those of the work; what stopped it, if that was a signal.
pub fn alone<T>(work: impl AsyncFnOnce(&dyn deliver::Run) -> Result<T>) -> Result<T> {
    alone_ended_by(&EndedBy::Signals, work)
}

/// The same, where it may be that signals are left alone.
///
/// # Errors
/// As [`alone`].
pub fn alone_ended_by<T>(
    by: &EndedBy,
    work: impl AsyncFnOnce(&dyn deliver::Run) -> Result<T>,
) -> Result<T> {
    let stop = by.stop();
    let run = Alone(stopped(&stop));
    let runtime = runtime()?;
    by.listen(&runtime, &stop);
    let outcome = runtime.block_on(work(&run));
    match (outcome, stop.take_cause()) {
        (Err(_), Some(cause)) => Err(cause.into()),
        (outcome, _) => outcome,
    }
}

/// Looks at sources without a run, on a thread of their reader's name: a decoder that panics on one is an error of it, as in a
/// run.
///
/// # Errors
/// Those of the work; when a decoder panics.
pub fn looking<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let reader = thread::Builder::new().name(READER.to_owned());
        let reader = reader.spawn_scoped(scope, work);
        let reader = reader.map_err(|e| {
            Error::new(
                Code::Internal,
                format!("cannot start the {READER} thread: {e}"),
            )
        })?;
        reader.join().unwrap_or_else(|panic| Err(panicked(&*panic)))
    })
}

/// What may end a run from outside.
#[derive(Clone, Default)]
pub enum EndedBy {
    /// SIGINT and SIGTERM, which from the first run on end the process no other way.
    #[default]
    Signals,
    /// Whoever holds this; signals are left to the process.
    Stop(Arc<Stop>),
}

impl EndedBy {
    /// What is tripped.
    pub(super) fn stop(&self) -> Arc<Stop> {
        match self {
            EndedBy::Signals => Arc::default(),
            EndedBy::Stop(stop) => Arc::clone(stop),
        }
    }

    /// Listens for signals, if they are what is listened to.
    pub(super) fn listen(&self, runtime: &Runtime, stop: &Arc<Stop>) {
        if matches!(self, EndedBy::Signals) {
            runtime.spawn(until_signal(Arc::clone(stop)));
        }
    }
}

/// The runtime that waits on networks, timers and signals.
pub(super) fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::new(Code::Internal, format!("cannot start the runtime: {e}")))
}

/// Hears when the stop is tripped.
pub(super) fn stopped(stop: &Stop) -> watch::Receiver<bool> {
    let (tripped, stopped) = watch::channel(false);
    stop.on_trip(move || {
        tripped.send_replace(true);
    });
    stopped
}

/// Ends when it is tripped.
pub(super) async fn until_stopped(mut stopped: watch::Receiver<bool>) {
    // It is gone only with the run.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Trips the stop at the first SIGINT or SIGTERM; ends the process at the second.
async fn until_signal(stop: Arc<Stop>) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        // A system without these signals ends the process its own way.
        return;
    };
    let mut first = true;
    loop {
        let (name, exit_code) = tokio::select! {
            _ = interrupt.recv() => ("SIGINT", 130),
            _ = terminate.recv() => ("SIGTERM", 143),
        };
        if !first {
            std::process::exit(i32::from(exit_code));
        }
        first = false;
        stop.trip(Cause::Signal { name, exit_code });
    }
}

/// What is around work that has no records.
struct Alone(watch::Receiver<bool>);

impl deliver::Run for Alone {
    fn reject(&self, _reject: Reject) -> Result<()> {
        Err(Error::new(
            Code::Internal,
            "a reject, though there are no records",
        ))
    }

    fn stopped(&self) -> BoxFuture<'_, ()> {
        Box::pin(until_stopped(self.0.clone()))
    }
}
