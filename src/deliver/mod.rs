//! **Takes** [`Import`]s, in order.
//! **Gives** [`Receipt`]s, in the same order, from a [`Sink`].
//! **Waits on** the sink, and on nothing else: this is the backpressure.
//! **To add one:** what happens around every delivery of a kind of target is a file here, such as [`throttle`].

pub mod beside;
pub mod cell;
pub mod lease;
pub mod sizing;
pub mod throttle;
pub mod times;

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use serde::Serialize;
use tokio::sync::mpsc::{Receiver, UnboundedSender};
use tracing::{Instrument, info_span};

use self::times::{Outcome, Times};
use crate::batch::body::Store;
use crate::batch::import::{About, Import};
use crate::batch::limits::Wanted;
use crate::batch::tally::Tally;
use crate::error::{Error, Result};
use crate::place::Place;
use crate::read::seen::Seen;
use crate::rejects::Reject;
use crate::stopwatch::Stopwatch;

/// A place imports go to.
pub trait Sink: Send + Sync {
    /// Whether imports can go there, and where in the sources to begin; asked once, before the first byte is read.
    fn begin<'a>(&'a self, run: &'a dyn Run) -> BoxFuture<'a, Result<Begin>>;

    /// How the bodies of imports are to be kept until they are delivered.
    fn store(&self) -> Store;

    /// How many deliveries may be on their way at once.
    fn at_once(&self) -> usize;

    /// How much the next import is to hold, asked before each; nothing if that is always as much as it may.
    fn wanted(&self) -> Option<Wanted> {
        None
    }

    /// The run that this is, where it may be one that was begun before; known once it has begun.
    fn run(&self) -> Option<&str> {
        None
    }

    /// Where records that became no task are written, if anywhere; known once it has begun.
    fn rejects(&self) -> Option<PathBuf> {
        None
    }

    /// What is to be kept of what is read, so that it is known when it is read again; known once it has begun.
    fn seen(&self) -> Option<Arc<Seen>> {
        None
    }

    /// Where it is counted source by source what becomes of records, if it is.
    fn tally(&self) -> Option<Arc<Tally>> {
        None
    }

    /// Delivers an import: when it is done, all of it is safe there, or handed to `run` as rejects.
    fn deliver<'a>(
        &'a self,
        import: Import,
        run: &'a dyn Run,
    ) -> BoxFuture<'a, Result<Vec<Receipt>>>;

    /// Ends a run of which everything is delivered.
    fn finish<'a>(&'a self, _run: &'a dyn Run) -> BoxFuture<'a, Result<()>> {
        Box::pin(futures::future::ok(()))
    }
}

/// What a sink may use of the run around it.
pub trait Run: Sync {
    /// Takes a task that the target refuses as a reject; it is safe on the disk when this returns.
    ///
    /// # Errors
    /// When it cannot be kept, or was one too many.
    fn reject(&self, reject: Reject) -> Result<()>;

    /// What is told what the deliverer does, if anything is.
    fn stopwatch(&self) -> Option<&Stopwatch> {
        None
    }

    /// Hears what came of sending an import, where that is not told by a receipt.
    fn came_of_it(&self, _outcome: Outcome) {}

    /// Ends when the run is to stop: what is on its way is brought to its end, and nothing is begun.
    fn stopped(&self) -> BoxFuture<'_, ()>;
}

/// Where a run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At the first record.
    First,
    /// At this record: all before it is done.
    At(Place),
    /// Nowhere: everything is there already.
    Nothing,
}

/// What was delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// What it is called at the target.
    pub name: String,
    /// What is known of it.
    #[serde(flatten)]
    pub import: About,
    /// How long it was on its way; filled in by [`run()`] where the sink does not know more than when it began.
    #[serde(skip)]
    pub times: Option<Times>,
}

/// Delivers imports until there are no more or the run is stopped; `each` hears of every one that is delivered.
///
/// Before each import, what is wanted of it is sent to `asked`, if there is anyone to ask.
///
/// # Errors
/// The first of the sink.
pub async fn run(
    imports: Receiver<Import>,
    asked: Option<UnboundedSender<Wanted>>,
    sink: &dyn Sink,
    run: &dyn Run,
    mut each: impl FnMut(&Receipt),
) -> Result<()> {
    let imports = stream::unfold(imports, |mut imports| async {
        if let Some((asked, wanted)) = asked.as_ref().zip(sink.wanted()) {
            // Nobody listens once the last import is on its way.
            let _ = asked.send(wanted);
        }
        imports.recv().await.map(|import| (import, imports))
    });
    let delivered = imports
        .take_until(run.stopped())
        .map(|import| {
            let About {
                number,
                tasks,
                bytes,
                ..
            } = import.about;
            let span = info_span!("import", number, tasks, bytes);
            async {
                let _working = run.stopwatch().map(Stopwatch::work);
                let began = Instant::now();
                let mut receipts = sink.deliver(import, run).await?;
                for receipt in &mut receipts {
                    let times = *receipt.times.get_or_insert_with(|| Times::since(began));
                    told(receipt, times);
                }
                Ok::<_, Error>(receipts)
            }
            .instrument(span)
        })
        .buffered(sink.at_once());
    let mut delivered = pin!(delivered);
    while let Some(receipts) = delivered.next().await {
        receipts?.iter().for_each(&mut each);
    }
    Ok(())
}

/// Logs that an import is safe.
fn told(receipt: &Receipt, times: Times) {
    tracing::info!(
        name = &*receipt.name,
        tasks = receipt.import.tasks,
        bytes = receipt.import.bytes,
        seconds_waiting = times.waiting.as_secs_f64(),
        seconds_sending = times.sending().as_secs_f64(),
        seconds_server = times.server.as_secs_f64(),
        outcome = Outcome::Delivered.as_str(),
        "import delivered"
    );
}
