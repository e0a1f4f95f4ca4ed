//! Tasks as JSON Lines on standard output, for the next program in a pipe.

use std::io::Write;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::batch::import::Import;
use crate::deliver::{Receipt, Sink};
use crate::error::{Code, Error, Result};

/// Standard output.
#[derive(Debug, Default)]
pub struct Stdout;

impl Sink for Stdout {
    fn check(&self) -> BoxFuture<'_, Result<()>> {
        futures::future::ok(()).boxed()
    }

    fn at_once(&self) -> usize {
        1
    }

    fn deliver(&self, import: Import) -> BoxFuture<'_, Result<Receipt>> {
        let write = move || {
            let mut out = std::io::stdout().lock();
            let digest = import.write_to(&mut out).and_then(|digest| out.flush().map(|()| digest));
            let digest = digest.map_err(|e| Error::new(Code::TargetWrite, format!("cannot write to standard output: {e}")))?;
            Ok(Receipt::of(&import, "-".to_owned(), digest))
        };
        async { super::join(tokio::task::spawn_blocking(write).await) }.boxed()
    }
}
