//! The only file that makes threads, channels and the runtime, but for the thread that fetches what is remote
//! ([`crate::source::remote::thread`]), and those that look at the run and hold up nobody ([`crate::report`]).
//!
//! ```text
//! reader thread ── budget ──▶ pool, depth 4 × workers ──▶ batcher thread ── imports(1) ──▶ deliver (tokio)
//!                                                              └── blocks(16) ─▶ writer thread, for a folder
//! ```
//!
//! **Why this cannot deadlock.** Jobs wait for nothing: a series that is far enough ahead is parked, not blocked. The
//! reader waits for memory or for a place in the order; nobody needs what it holds meanwhile. Every other permit
//! belongs to a chunk in the order or in the batcher's hand; if the order is empty no permit is out and the reader
//! proceeds, and if not, the oldest job ends, since the batcher wakes it whenever it takes an answer of it. The batcher
//! otherwise waits for delivery alone, and delivery for the disk or the network; the writer thread, which it waits for
//! where imports are files, waits for the disk alone. Whoever ends early closes its channel, which ends those before it,
//! and trips [`Stop`], which wakes whoever waits for memory. What is remote is waited for by the reader, and by the job of
//! a row group that is too large to be fetched ahead; the thread that fetches waits for the network, and for a reader to
//! take what came, but never holds what a reader waits for. Where texts are inlined, a thread stands between the pool and the
//! batcher; `inlining` says what it waits for.

mod alone;
mod batching;
mod heads;
mod inlining;
mod media;
mod reading;
mod survey;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use futures::future::BoxFuture;
use tokio::sync::{mpsc, watch};

pub use self::alone::{EndedBy, alone, alone_ended_by, looking};
use self::alone::{runtime, stopped, until_stopped};
use self::batching::{Asked, Downstream, batch};
use self::reading::read;
use crate::batch::Batcher;
use crate::batch::known::Known;
use crate::batch::tally::Tally;
use crate::deliver::times;
use crate::deliver::{self, Begin, Receipt, Sink};
use crate::error::{Code, Error, Result};
use crate::in_order;
use crate::normalize;
use crate::place::{Place, Spot};
use crate::plan::Plan;
use crate::read::Chunk;
use crate::rejects::{RecordsFile, Reject, duplicate_line};
use crate::report::Watch;
use crate::stop::{Cause, Stop};
use crate::stopwatch::Stopwatch;
use crate::wording::{agreeing, counted};

/// The reader thread's name.
pub const READER: &str = "sluice-reader";

/// The part of a run's memory that `--dedupe` takes besides.
const KNOWN_SHARE: usize = 4;

/// The batcher thread's name.
const BATCHER: &str = "sluice-batcher";

/// The name of the thread that writes files.
const WRITER: &str = "sluice-writer";

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
    run_ended_by(plan, sink, watch, &EndedBy::Signals)
}

/// The same, where it may be that signals are left alone.
pub fn run_ended_by(
    plan: &Arc<Plan>,
    sink: &dyn Sink,
    watch: &Arc<Watch>,
    by: &EndedBy,
) -> Outcome {
    let mut receipts = Vec::new();
    let around = Arc::new(Around::new(plan, watch, by.stop(), sink.tally()));
    let outcome = run_to_end(&around, sink, by, &mut receipts);
    watch.stages.deliver.stop();
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

fn run_to_end(
    around: &Arc<Around>,
    sink: &dyn Sink,
    by: &EndedBy,
    receipts: &mut Vec<Receipt>,
) -> Result<()> {
    let Around { plan, stop, .. } = &**around;
    let runtime = runtime()?;
    by.listen(&runtime, stop);
    let from = match runtime.block_on(sink.begin(&**around))? {
        Begin::First => None,
        Begin::At(place) => Some(place),
        Begin::Nothing => return runtime.block_on(sink.finish(&**around)),
    };
    let dedupe = plan.normalizer.dedupe.is_some();
    // What came before is known only to those who read it.
    let read_from = from.filter(|_| !dedupe);
    heads::check(around, &runtime, read_from)?;
    if stop.is_tripped() {
        return Ok(());
    }
    let Some(mut input) = survey::input(around, &runtime, read_from)? else {
        return Ok(());
    };
    let dead = media::dead(around, &runtime, &mut input, read_from)?;
    if stop.is_tripped() {
        return Ok(());
    }
    let (rejects, from_name) = (sink.rejects(), from.map(|from| (from, &plan.sources)));
    let duplicates = rejects.as_deref().map(RecordsFile::of_duplicates);
    *around.rejects() = RecordsFile::new(rejects, from_name)?;
    *around.duplicates() = RecordsFile::new(duplicates, from_name)?;

    let normalizer = plan.normalizer.of_run(sink.run().unwrap_or(&plan.run));
    let normalizer = normalizer.refusing(dead);
    let stages = &around.watch.stages;
    let (inline, inlining) = (normalizer.inline.clone(), Arc::clone(&normalizer));
    let work = move |chunk| normalize::tasks(&normalizer, chunk);
    let depth = reading::depth(plan.threads);
    let (jobs, answers) =
        in_order::timed_pool(plan.threads, depth, Chunk::ahead, &stages.decode, work)?;
    stages.deliver.start(1);
    let (imports, imports_in) = mpsc::channel(1);
    let _ = around.watch.gauges.imports.set(imports.downgrade());
    let (asked, asked_in) = mpsc::unbounded_channel();
    let (wanted, seen) = (sink.wanted(), sink.seen());

    let reading = Arc::clone(around);
    let reader = start(READER, move || {
        read(&reading, &input, jobs, read_from, seen);
    })?;
    let outlet = Downstream {
        around: Arc::clone(around),
        imports,
        asked: wanted.map(|_| Asked {
            by: asked_in,
            now: None,
        }),
    };
    let (bodies, writer) = sink.store().open();
    let writer = writer.map(|writer| start(WRITER, move || writer.run()));
    let writer = writer.transpose()?;
    let batcher = Batcher::new(
        plan.limits,
        wanted.unwrap_or(plan.limits.all()),
        bodies.timed(&stages.batch),
    );
    let batcher = begun(batcher, plan, from);
    let answers = answers.until(stop);
    let (batcher, asker) = match inline {
        None => (
            start(BATCHER, move || batch(batcher, answers, outlet))?,
            None,
        ),
        Some(inline) => {
            let (asker, answers) =
                inlining::inlined(around, answers, &inlining, &inline, (read_from, from))?;
            (
                start(BATCHER, move || batch(batcher, answers, outlet))?,
                Some(asker),
            )
        }
    };

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
    writer.map_or(Ok(()), join)?;
    if stop.is_tripped() {
        // The reader is left to itself: it may wait for standard input for ever.
        return Ok(());
    }
    if let Err(error) = batched {
        stop.trip(Cause::Failed(error));
        return Ok(());
    }
    asker.map_or(Ok(()), join)?;
    join(reader)?;
    let _working = around.watch.stages.deliver.work();
    runtime.block_on(sink.finish(&**around))
}

/// The batcher of a run that begins at the first record, or goes on `from` another.
fn begun(batcher: Batcher, plan: &Plan, from: Option<Place>) -> Batcher {
    if plan.normalizer.dedupe.is_some() {
        return batcher.leaving_out(Known::new(plan.memory / KNOWN_SHARE), from);
    }
    match from {
        Some(place) => batcher.starting_at(place),
        None => batcher,
    }
}

/// What all threads of a run share.
struct Around {
    plan: Arc<Plan>,
    watch: Arc<Watch>,
    rejects: Mutex<RecordsFile>,
    duplicates: Mutex<RecordsFile>,
    tally: Option<Arc<Tally>>,
    stop: Arc<Stop>,
    stopped: watch::Receiver<bool>,
}

impl Around {
    fn new(
        plan: &Arc<Plan>,
        watch: &Arc<Watch>,
        stop: Arc<Stop>,
        tally: Option<Arc<Tally>>,
    ) -> Self {
        let stopped = stopped(&stop);
        Around {
            plan: Arc::clone(plan),
            watch: Arc::clone(watch),
            rejects: Mutex::default(),
            duplicates: Mutex::default(),
            tally,
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

    fn source(&self, place: Place) -> Arc<str> {
        self.plan.sources.name(place.source)
    }

    fn spot(&self, place: Option<Place>) -> Spot {
        match place {
            Some(place) => Spot {
                source: self.source(place),
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
        self.watch.counters.rejected(reject, &source);
        if let Some(tally) = &self.tally {
            tally.reject(reject, &source);
        }
        self.rejects().write(reject.line(&source))?;
        self.judge(false)
    }

    fn duplicate(&self, place: Place) -> Result<()> {
        let spot = self.spot(Some(place));
        self.watch.counters.duplicate(&spot);
        if let Some(tally) = &self.tally {
            tally.duplicate(place);
        }
        self.duplicates()
            .write(duplicate_line(place, &self.source(place)))
    }

    /// Ends the run when there are more rejects than it accepts.
    fn judge(&self, at_end: bool) -> Result<()> {
        let totals = self.watch.counters.so_far();
        let most = self.plan.max_rejects;
        if !most.exceeded(totals.rejects, totals.records, at_end) {
            return Ok(());
        }
        let message = format!(
            "{} {} rejected, the run accepts {most}",
            counted(totals.rejects, "record"),
            agreeing(totals.rejects, "was", "were")
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

    fn stopwatch(&self) -> Option<&Stopwatch> {
        Some(&self.watch.stages.deliver)
    }

    fn came_of_it(&self, outcome: times::Outcome) {
        self.watch.counters.came_of_it(outcome);
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
