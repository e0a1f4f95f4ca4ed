//! **Takes** [`Import`]s, in order.
//! **Gives** [`Receipt`]s, in the same order, from a [`Sink`].
//! **Waits on** the sink, and on nothing else: this is the backpressure.
//! **To add one:** what happens around every delivery, such as a throttle or a journal, is a layer here.

pub mod sizing;
pub mod throttle;

use std::pin::pin;

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use serde::Serialize;
use tokio::sync::mpsc::Receiver;

use crate::batch::body::Store;
use crate::batch::import::{About, Import};
use crate::error::Result;

/// A place imports go to. It knows nothing of order, pace or retries.
pub trait Sink: Send + Sync {
    /// Whether imports can go there at all; asked once, before the first byte is read.
    fn check(&self) -> BoxFuture<'_, Result<()>>;

    /// How the bodies of imports are to be kept until they are delivered.
    fn store(&self) -> Store;

    /// How many deliveries may be on their way at once.
    fn at_once(&self) -> usize;

    /// Delivers an import: when it is done, the import is whole and safe there.
    fn deliver(&self, import: Import) -> BoxFuture<'_, Result<Receipt>>;
}

/// What was delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// What it is called at the target.
    pub name: String,
    /// What is known of it.
    #[serde(flatten)]
    pub import: About,
}

/// Delivers imports until there are no more or `stopped` comes; `each` hears of every one that is delivered.
///
/// # Errors
/// The first of the sink.
pub async fn run(
    imports: Receiver<Import>,
    sink: &dyn Sink,
    stopped: impl Future<Output = ()>,
    mut each: impl FnMut(&Receipt),
) -> Result<()> {
    let imports = stream::unfold(imports, |mut imports| async {
        imports.recv().await.map(|import| (import, imports))
    });
    let delivered = imports
        .take_until(stopped)
        .map(|import| sink.deliver(import))
        .buffered(sink.at_once());
    let mut delivered = pin!(delivered);
    while let Some(receipt) = delivered.next().await {
        each(&receipt?);
    }
    Ok(())
}
