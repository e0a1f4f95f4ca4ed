//! Tasks as JSON Lines on standard output, for the next program in a pipe.

use std::io::Write;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::batch::body::{Body, Store};
use crate::batch::import::Import;
use crate::deliver::{Begin, Receipt, Run, Sink};
use crate::error::{Code, Error, Result};

/// Standard output.
#[derive(Debug, Default)]
pub struct Stdout;

impl Sink for Stdout {
    fn begin<'a>(&'a self, _run: &'a dyn Run) -> BoxFuture<'a, Result<Begin>> {
        futures::future::ok(Begin::First).boxed()
    }

    fn at_once(&self) -> usize {
        1
    }

    fn store(&self) -> Store {
        Store::Memory
    }

    fn deliver<'a>(
        &'a self,
        import: Import,
        _run: &'a dyn Run,
    ) -> BoxFuture<'a, Result<Vec<Receipt>>> {
        let write = move || {
            let Body::Memory(bytes) = import.body else {
                return Err(Error::new(
                    Code::Internal,
                    "standard output takes imports from memory",
                ));
            };
            let mut out = std::io::stdout().lock();
            let written = out.write_all(&bytes).and_then(|()| out.flush());
            written.map_err(|e| {
                Error::new(
                    Code::TargetWrite,
                    format!("cannot write to standard output: {e}"),
                )
            })?;
            Ok(vec![Receipt {
                name: "-".to_owned(),
                import: import.about,
                times: None,
            }])
        };
        async { super::join(tokio::task::spawn_blocking(write).await) }.boxed()
    }
}
