//! The only file that makes threads, channels and the runtime, but for the thread that fetches what is remote
//! ([`crate::source::remote::thread`]).
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
//! which ends those before it, and trips [`Stop`], which wakes whoever waits for memory. What is remote is waited for by
//! the reader, and by the job of a row group that is too large to be fetched ahead; the thread that fetches waits for the
//! network, and for a reader to take what came, but never holds what a reader waits for.

mod alone;
mod survey;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use futures::future::BoxFuture;
use tokio::sync::{mpsc, watch};

pub use self::alone::alone;
use self::alone::{runtime, stopped, until_signal, until_stopped};
use crate::batch::import::Import;
use crate::batch::known::Known;
use crate::batch::limits::Wanted;
use crate::batch::{Batcher, Outlet};
use crate::budget::Budget;
use crate::buffer::{Buffers, SPARE_BUFFERS};
use crate::decode::Changes;
use crate::deliver::{self, Begin, Receipt, Sink};
use crate::error::{Code, Error, Result};
use crate::in_order::{self, Answers};
use crate::normalize::{self, TaskStream};
use crate::place::{Place, Spot};
use crate::plan::Plan;
use crate::read::{Ended, Reader};
use crate::rejects::{RecordsFile, Reject, duplicate_line};
use crate::report::Watch;
use crate::stop::{Cause, Stop};

/// The reader thread's name.
pub const READER: &str = "sluice-reader";

/// The part of a run's memory that `--dedupe` takes besides.
const KNOWN_SHARE: usize = 4;

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
/// SIGINT and SIGTERM end the run after the imports that are on their way; a second one ends the process.
pub fn run(plan: &Arc<Plan>, sink: &dyn Sink, watch: &Arc<Watch>) -> Outcome {
    let mut receipts = Vec::new();
    let around = Arc::new(Around::new(plan, watch));
    let outcome = run_to_end(&around, sink, &mut receipts);
    let kept = around.rejects().finish().and(around.duplicates().finish());
    // Whatever else went wrong on the way down, what ended the run came first.
    let outcome = match around.stop.take_cause() {
        Some(cause) => Err(cause.into()),
        None => outcome,
    };
    Outcome {
        receipts,
        error: outcome.and(kept).err(),
    }
}

fn run_to_end(around: &Arc<Around>, sink: &dyn Sink, receipts: &mut Vec<Receipt>) -> Result<()> {
    let Around { plan, stop, .. } = &**around;
    let runtime = runtime()?;
    let _signals = runtime.spawn(until_signal(Arc::clone(stop)));
    let from = match runtime.block_on(sink.begin(&**around))? {
        Begin::First => None,
        Begin::At(place) => Some(place),
        Begin::Nothing => return runtime.block_on(sink.finish(&**around)),
    };
    let dedupe = plan.normalizer.dedupe.is_some();
    // What came before is known only to those who read it.
    let read_from = from.filter(|_| !dedupe);
    let Some(input) = survey::input(around, &runtime, read_from)? else {
        return Ok(());
    };
    let input = Arc::new(input);
    let names: Vec<_> = plan.sources.iter().map(|source| &*source.name).collect();
    let (rejects, from_name) = (sink.rejects(), from.map(|from| (from, &*names)));
    let duplicates = rejects.as_deref().map(RecordsFile::of_duplicates);
    *around.rejects() = RecordsFile::new(rejects, from_name)?;
    *around.duplicates() = RecordsFile::new(duplicates, from_name)?;

    let normalizer = plan.normalizer.of_run(sink.run().unwrap_or(&plan.run));
    let (jobs, answers) = in_order::pool(plan.threads, 2 * plan.threads, move |chunk| {
        normalize::tasks(&normalizer, chunk)
    })?;
    let (imports, imports_in) = mpsc::channel(1);
    let (asked, asked_in) = mpsc::unbounded_channel();
    let (wanted, seen) = (sink.wanted(), sink.seen());

    let (reading, read) = (Arc::clone(around), Arc::clone(&input));
    let reader = start(READER, move || {
        let Around {
            plan, stop, watch, ..
        } = &*reading;
        let budget = Budget::new(plan.memory, stop);
        let buffers = Buffers::new(SPARE_BUFFERS);
        let submit = |chunk| jobs.submit(chunk).map_err(|in_order::Closed| Ended);
        let check_columns = |columns: &[String]| plan.normalizer.check_columns(columns);
        let reader = Reader {
            reading: &plan.reading,
            buffers: &buffers,
            budget: &budget,
            stop,
            progress: Arc::clone(&watch.progress),
            from: read_from,
            tables_only: false,
            types: read.types.as_ref(),
            seen,
            check_columns: &check_columns,
            submit: &submit,
        };
        let outcome = reader.run(&read.sources);
        jobs.end(outcome);
    })?;
    let outlet = Downstream {
        around: Arc::clone(around),
        imports,
        asked: wanted.map(|_| Asked {
            by: asked_in,
            now: None,
        }),
    };
    let batcher = Batcher::new(
        plan.limits,
        wanted.unwrap_or(plan.limits.all()),
        sink.store(),
    );
    let batcher = match read_from {
        Some(place) => batcher.starting_at(place),
        None => batcher,
    };
    let batcher = if dedupe {
        batcher.leaving_out(Known::new(plan.memory / KNOWN_SHARE), from)
    } else {
        batcher
    };
    let answers = answers.until(stop);
    let batcher = start(BATCHER, move || batch(batcher, answers, outlet))?;

    let asked = wanted.is_some().then_some(asked);
    let each = |receipt: &Receipt| {
        around.watch.counters.delivered(receipt);
        receipts.push(receipt.clone());
    };
    let delivered = runtime.block_on(deliver::run(imports_in, asked, sink, &**around, each));
    if let Err(error) = delivered {
        stop.trip(Cause::Failed(error));
    }
    let batched = join(batcher).and_then(|outcome| outcome);
    if stop.is_tripped() {
        // The reader is left to itself: it may wait for standard input for ever.
        return Ok(());
    }
    if let Err(error) = batched {
        stop.trip(Cause::Failed(error));
        return Ok(());
    }
    join(reader)?;
    runtime.block_on(sink.finish(&**around))
}

/// What all threads of a run share.
struct Around {
    plan: Arc<Plan>,
    watch: Arc<Watch>,
    rejects: Mutex<RecordsFile>,
    duplicates: Mutex<RecordsFile>,
    stop: Arc<Stop>,
    stopped: watch::Receiver<bool>,
}

impl Around {
    fn new(plan: &Arc<Plan>, watch: &Arc<Watch>) -> Self {
        let stop = Arc::new(Stop::default());
        let stopped = stopped(&stop);
        Around {
            plan: Arc::clone(plan),
            watch: Arc::clone(watch),
            rejects: Mutex::default(),
            duplicates: Mutex::default(),
            stop,
            stopped,
        }
    }

    fn rejects(&self) -> MutexGuard<'_, RecordsFile> {
        self.rejects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn duplicates(&self) -> MutexGuard<'_, RecordsFile> {
        self.duplicates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

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

    fn rejected(&self, reject: &Reject) -> Result<()> {
        let source = self.source(reject.place);
        self.watch.counters.rejected(reject, source);
        self.rejects().write(reject.line(source))?;
        self.judge(false)
    }

    fn duplicate(&self, place: Place) -> Result<()> {
        let spot = self.spot(Some(place));
        self.watch.counters.duplicate(&spot);
        self.duplicates()
            .write(duplicate_line(place, self.source(place)))
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

impl deliver::Run for Around {
    fn reject(&self, reject: Reject) -> Result<()> {
        self.rejected(&reject)?;
        self.rejects().sync()
    }

    fn stopped(&self) -> BoxFuture<'_, ()> {
        Box::pin(until_stopped(self.stopped.clone()))
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
fn batch(mut batcher: Batcher, answers: Answers<TaskStream>, mut outlet: Downstream) -> Result<()> {
    for answer in answers {
        let outcome = match answer {
            Ok(tasks) => batcher.push(tasks, &mut outlet),
            Err(error) => {
                let place = batcher.reached();
                return Err(error.at(|| outlet.around.spot(place)));
            }
        };
        match outcome {
            Ok(()) => {}
            Err(Refused::Closed) => return Ok(()),
            Err(Refused::Failed(error)) => return Err(error),
        }
    }
    outlet.around.judge(true)?;
    match batcher.finish(&mut outlet) {
        Ok(()) | Err(Refused::Closed) => Ok(()),
        Err(Refused::Failed(error)) => Err(error),
    }
}

/// What the batcher hands on goes to the deliverer and to the rejects file.
struct Downstream {
    around: Arc<Around>,
    imports: mpsc::Sender<Import>,
    /// Nothing if every import is to be as full as it may be.
    asked: Option<Asked>,
}

/// What the deliverer asks for: one import at a time.
struct Asked {
    by: mpsc::UnboundedReceiver<Wanted>,
    /// What it asks for and has not been given.
    now: Option<Wanted>,
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

impl Outlet for Downstream {
    type Refused = Refused;

    fn wanted(&mut self) -> Result<Wanted, Refused> {
        let Some(asked) = &mut self.asked else {
            return Ok(self.around.plan.limits.all());
        };
        let wanted = match asked.now {
            Some(wanted) => wanted,
            // Until it is asked for, an import may be asked to be larger.
            None => asked.by.blocking_recv().ok_or(Refused::Closed)?,
        };
        asked.now = Some(wanted);
        Ok(wanted)
    }

    fn import(&mut self, import: Import) -> Result<(), Refused> {
        if let Some(asked) = &mut self.asked {
            asked.now = None;
        }
        // A run that goes on after the import does not meet these again.
        self.around.rejects().sync()?;
        self.imports
            .blocking_send(import)
            .map_err(|_| Refused::Closed)
    }

    fn reject(&mut self, reject: Reject) -> Result<(), Refused> {
        Ok(self.around.rejected(&reject)?)
    }

    fn duplicate(&mut self, place: Place) -> Result<(), Refused> {
        Ok(self.around.duplicate(place)?)
    }

    fn passed(&mut self, records: u64, changes: Changes) {
        self.around.watch.counters.passed(records, changes);
    }

    fn fatal(&mut self, reject: Reject) -> Result<(), Refused> {
        let spot = reject.spot_in(self.around.source(reject.place));
        Err(Refused::Failed(Error::from(reject.fault).at(|| spot)))
    }
}
