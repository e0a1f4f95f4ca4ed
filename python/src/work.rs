//! Work on a thread of its own, while the caller's thread listens to Python: for signals, and to tell how far it is.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use sluice::cli::caller::Application;
use sluice::error::{Code, Error, Result};
use sluice::report::Watch;
use sluice::stop::Cause;

/// How often Python is listened to.
const EVERY: Duration = Duration::from_millis(200);

/// Does the work; `told` is called a few times a second with how far it is, and once at its end.
///
/// Ctrl-C, and an exception of `told`, stop it where nothing is on its way; they are raised when it has ended.
pub(crate) fn watched<T: Send + 'static>(
    py: Python<'_>,
    application: &Arc<Application>,
    told: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> PyResult<T> {
    let (end, mut ended) = channel::<()>();
    let worker = thread::Builder::new()
        .name("sluice-work".to_owned())
        .spawn(move || {
            // Its end is that of the other side's waiting.
            let _end = end;
            work()
        })
        .map_err(|e| lost(py, &format!("cannot start a thread: {e}")))?;
    let mut first = None;
    loop {
        let (outcome, back) = py.detach(|| (ended.recv_timeout(EVERY), ended));
        ended = back;
        let heard = py.check_signals().and_then(|()| tell(application, told));
        if let Err(raised) = heard
            && first.is_none()
        {
            application.stop.trip(Cause::Signal {
                name: "SIGINT",
                exit_code: 130,
            });
            first = Some(raised);
        }
        if outcome == Err(RecvTimeoutError::Disconnected) {
            break;
        }
    }
    let outcome = py.detach(|| worker.join());
    if let Some(raised) = first {
        return Err(raised);
    }
    outcome
        .map_err(|_| lost(py, "the work panicked"))?
        .map_err(|error| crate::error::raised(py, error))
}

fn lost(py: Python<'_>, message: &str) -> PyErr {
    crate::error::raised(py, Error::new(Code::Internal, message))
}

/// Tells how far a run is, if there is one.
fn tell(application: &Application, told: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    let (Some(told), Some(watch)) = (told, application.watch.get()) else {
        return Ok(());
    };
    told.call1((so_far(told.py(), watch)?,)).map(drop)
}

fn so_far<'py>(py: Python<'py>, watch: &Watch) -> PyResult<Bound<'py, PyDict>> {
    let counted = watch.counters.so_far();
    let dict = PyDict::new(py);
    dict.set_item("records", counted.records)?;
    dict.set_item("tasks", counted.tasks)?;
    dict.set_item("rejects", counted.rejects)?;
    dict.set_item("imports", counted.imports)?;
    dict.set_item("bytes", watch.counters.bytes.load(Ordering::Relaxed))?;
    dict.set_item("bytes_read", watch.progress.bytes.load(Ordering::Relaxed))?;
    dict.set_item("doing", watch.doing())?;
    Ok(dict)
}

/// A value of JSON as one of Python.
pub(crate) fn of_json<'py>(py: Python<'py>, json: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?.call_method1("loads", (json,))
}
