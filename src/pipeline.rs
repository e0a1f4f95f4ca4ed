//! The only file that makes threads, channels and the runtime.
//!
//! ```text
//! reader thread ── budget ──▶ pool, depth 2 × workers ──▶ batcher thread ── imports(1) ──▶ deliver (tokio)
//! ```
//!
//! **Why this cannot deadlock.** Jobs wait for nothing: a series that is far enough ahead is parked, not blocked. The
//! reader waits for memory or for a place in the order; nobody needs what it holds meanwhile. Every other permit
//! belongs to a chunk in the order or in the batcher's hand; if the order is empty no permit is out and the reader
//! proceeds, and if not, the oldest job ends, since the batcher wakes it whenever it takes an answer of it. The batcher
//! otherwise waits for delivery alone, and delivery for the disk or the network. Whoever ends early closes its channel,
//! which ends those before it, and trips [`Stop`], which wakes whoever waits for memory.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};

use crate::batch::body::Store;
use crate::batch::import::Import;
use crate::batch::{Batcher, Outlet};
use crate::budget::Budget;
use crate::buffer::{Buffers, SPARE_BUFFERS};
use crate::decode::Changes;
use crate::deliver::{self, Receipt, Sink};
use crate::error::{Code, Error, Result};
use crate::in_order::{self, Answers};
use crate::normalize::{self, TaskStream};
use crate::place::{Place, Spot};
use crate::plan::Plan;
use crate::read::{Ended, Reader};
use crate::rejects::{Reject, RejectsFile};
use crate::report::Watch;
use crate::stop::{Cause, Stop};

/// The reader thread's name.
pub const READER: &str = "sluice-reader";

/// The batcher thread's name.
const BATCHER: &str = "sluice-batcher";

/// How a run ended.
pub struct Outcome {
    /// What was delivered.
    pub receipts: Vec<Receipt>,
    /// What ended it early.
    pub error: Option<Error>,
}

/// Runs a plan to its end, or to the first thing that ends it early.
///
/// `rejects` is where rejected records are written, if there are any. SIGINT and SIGTERM end the run after the imports
/// that are on their way; a second one ends the process.
pub fn run(
    plan: &Arc<Plan>,
    sink: &dyn Sink,
    rejects: Option<&Path>,
    watch: &Arc<Watch>,
) -> Outcome {
    let mut receipts = Vec::new();
    let rejects = Arc::new(Mutex::new(RejectsFile::new(rejects)));
    let outcome = run_to_end(plan, sink, &rejects, watch, &mut receipts);
    let kept = rejects
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .finish();
    Outcome {
        receipts,
        error: outcome.and(kept).err(),
    }
}

fn run_to_end(
    plan: &Arc<Plan>,
    sink: &dyn Sink,
    rejects: &Arc<Mutex<RejectsFile>>,
    watch: &Arc<Watch>,
    receipts: &mut Vec<Receipt>,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::new(Code::Internal, format!("cannot start the runtime: {e}")))?;
    runtime.block_on(sink.check())?;

    let stop = Arc::new(Stop::default());
    let normalizer = Arc::clone(&plan.normalizer);
    let (jobs, answers) = in_order::pool(plan.threads, 2 * plan.threads, move |chunk| {
        normalize::tasks(&normalizer, chunk)
    })?;
    let (imports, imports_in) = mpsc::channel(1);

    let (reader_plan, reader_stop, progress) = (
        Arc::clone(plan),
        Arc::clone(&stop),
        Arc::clone(&watch.progress),
    );
    let reader = start(READER, move || {
        let budget = Budget::new(reader_plan.memory, &reader_stop);
        let buffers = Buffers::new(SPARE_BUFFERS);
        let submit = |chunk| jobs.submit(chunk).map_err(|in_order::Closed| Ended);
        let (reading, stop) = (&reader_plan.reading, &*reader_stop);
        let check_columns =
            |columns: &[String]| reader_plan.normalizer.mapping.check_columns(columns);
        let reader = Reader {
            reading,
            buffers: &buffers,
            budget: &budget,
            stop,
            progress,
            check_columns: &check_columns,
            submit: &submit,
        };
        let outcome = reader.run(&reader_plan.sources);
        jobs.end(outcome);
    })?;
    let outlet = Downstream {
        plan: Arc::clone(plan),
        watch: Arc::clone(watch),
        rejects: Arc::clone(rejects),
        imports,
    };
    let (answers, store) = (answers.until(&stop), sink.store());
    let batcher = start(BATCHER, move || batch(answers, store, outlet))?;

    let delivered = runtime.block_on(async {
        let tripped = Arc::new(Notify::new());
        let waker = Arc::clone(&tripped);
        stop.on_trip(move || waker.notify_one());
        let signals = tokio::spawn(until_signal(Arc::clone(&stop)));
        let each = |receipt: &Receipt| {
            watch.counters.delivered(receipt);
            receipts.push(receipt.clone());
        };
        let outcome = deliver::run(imports_in, sink, tripped.notified(), each).await;
        signals.abort();
        outcome
    });
    if let Err(error) = delivered {
        stop.trip(Cause::Failed(error));
    }
    let batched = join(batcher).and_then(|outcome| outcome);
    if let Some(cause) = stop.take_cause() {
        // The reader is left to itself: it may wait for standard input for ever.
        return Err(cause.into());
    }
    match batched {
        Ok(()) => join(reader),
        Err(error) => {
            let cause = Error::new(Code::Internal, "the batcher ended first");
            stop.trip(Cause::Failed(cause));
            Err(error)
        }
    }
}

fn start<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(work);
    started.map_err(|e| {
        Error::new(
            Code::Internal,
            format!("cannot start the {name} thread: {e}"),
        )
    })
}

fn join<T>(thread: JoinHandle<T>) -> Result<T> {
    let name = thread.thread().name().unwrap_or_default().to_owned();
    thread
        .join()
        .map_err(|_| Error::new(Code::Internal, format!("the thread {name} panicked")))
}

/// The batcher thread: answers in, imports and rejects out.
fn batch(answers: Answers<TaskStream>, store: Store, mut outlet: Downstream) -> Result<()> {
    let mut batcher = Batcher::new(outlet.plan.limits, store);
    for answer in answers {
        let outcome = match answer {
            Ok(tasks) => batcher.push(tasks, &mut outlet),
            Err(error) => {
                let place = batcher.reached();
                return Err(error.at(|| outlet.spot(place)));
            }
        };
        match outcome {
            Ok(()) => {}
            Err(Refused::Closed) => return Ok(()),
            Err(Refused::Failed(error)) => return Err(error),
        }
    }
    outlet.judge(true)?;
    match batcher.finish(&mut outlet) {
        Ok(()) | Err(Refused::Closed) => Ok(()),
        Err(Refused::Failed(error)) => Err(error),
    }
}

/// What the batcher hands on goes to the deliverer and to the rejects file.
struct Downstream {
    plan: Arc<Plan>,
    watch: Arc<Watch>,
    rejects: Arc<Mutex<RejectsFile>>,
    imports: mpsc::Sender<Import>,
}

/// Why nothing more is taken.
enum Refused {
    /// The deliverer has ended, and knows why.
    Closed,
    /// The run is to end with this error.
    Failed(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused::Failed(error)
    }
}

impl Downstream {
    fn source(&self, place: Place) -> &Arc<str> {
        &self.plan.sources[place.source.0 as usize].name
    }

    fn spot(&self, place: Option<Place>) -> Spot {
        match place {
            Some(place) => Spot {
                source: Arc::clone(self.source(place)),
                place: Some(place),
                column: None,
            },
            None => Spot {
                source: Arc::from("the run"),
                place: None,
                column: None,
            },
        }
    }

    /// Ends the run when there are more rejects than it accepts.
    fn judge(&self, at_end: bool) -> Result<()> {
        let totals = self.watch.counters.so_far();
        let most = self.plan.max_rejects;
        if !most.exceeded(totals.rejects, totals.records, at_end) {
            return Ok(());
        }
        let message = format!(
            "{} records were rejected, the run accepts {most}",
            totals.rejects
        );
        Err(Error::new(Code::TooManyRejects, message)
            .help("mend the source, or accept more with `--max-rejects N` or `--max-rejects P%`"))
    }
}

impl Outlet for Downstream {
    type Refused = Refused;

    fn import(&mut self, import: Import) -> Result<(), Refused> {
        self.imports
            .blocking_send(import)
            .map_err(|_| Refused::Closed)
    }

    fn reject(&mut self, reject: Reject) -> Result<(), Refused> {
        let source = Arc::clone(self.source(reject.place));
        self.watch.counters.rejected(&reject, &source);
        self.rejects
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write(&reject, &source)?;
        Ok(self.judge(false)?)
    }

    fn passed(&mut self, records: u64, changes: Changes) {
        self.watch.counters.passed(records, changes);
    }

    fn fatal(&mut self, reject: Reject) -> Result<(), Refused> {
        let spot = reject.spot_in(self.source(reject.place));
        Err(Refused::Failed(Error::from(reject.fault).at(|| spot)))
    }
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
