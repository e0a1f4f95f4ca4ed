//! The thread that waits on networks for those who read.
//!
//! Readers are plain threads. What they ask for is fetched here meanwhile; it ends with the process.

use std::future::Future;
use std::sync::OnceLock;
use std::sync::mpsc;

use tokio::runtime::{Builder, Handle};

use crate::error::{Code, Error, Result};

/// Its name.
const NAME: &str = "sluice-fetch";

/// Where work is handed to it; it is started with the first.
///
/// # Errors
/// When it cannot be started.
pub fn handle() -> Result<&'static Handle> {
    static STARTED: OnceLock<Result<Handle, String>> = OnceLock::new();
    STARTED.get_or_init(start).as_ref().map_err(|why| {
        Error::new(
            Code::Internal,
            format!("cannot start the thread {NAME}: {why}"),
        )
    })
}

/// Does some work there, and waits for it.
///
/// # Errors
/// When the thread cannot be started.
pub fn wait<T>(work: impl Future<Output = T>) -> Result<T> {
    Ok(handle()?.block_on(work))
}

fn start() -> Result<Handle, String> {
    let (started, handle) = mpsc::channel();
    let run = move || {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(e) => return drop(started.send(Err(e.to_string()))),
        };
        // Whoever asked waits for this, and takes it.
        let _ = started.send(Ok(runtime.handle().clone()));
        runtime.block_on(std::future::pending::<()>());
    };
    let thread = std::thread::Builder::new().name(NAME.to_owned()).spawn(run);
    thread.map_err(|e| e.to_string())?;
    handle.recv().map_err(|_| "it ended".to_owned())?
}
