//! **Takes** one [`Import`](crate::batch::import::Import) at a time.
//! **Gives** a [`Receipt`](crate::deliver::Receipt) when it is safe where it goes.
//! **Waits on** the disk, the reader of standard output, a store or a server.
//! **To add one:** a file with a [`Sink`](crate::deliver::Sink), and its arm in the command line's target.

pub mod counted;
pub mod directory;
pub mod label_studio;
pub mod objects;
pub mod redis;
pub mod stdout;

use crate::error::{Code, Error, Result};

/// The outcome of work on a blocking thread.
fn join<T>(outcome: Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    outcome.unwrap_or_else(|e| {
        Err(Error::new(
            Code::Internal,
            format!("a writing thread ended: {e}"),
        ))
    })
}
