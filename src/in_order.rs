//! Submit on one side, answers in the same order on the other. Knows nothing of chunks.
//!
//! Each item becomes a *series* of answers, made by an iterator that runs on the pool. The place in the order is taken
//! before the work starts, so at most `depth` series wait and there is no reorder buffer to grow. A series that is
//! as many answers ahead of its reader as it may be is *parked*: the worker leaves it and takes other work, and the reader
//! wakes it again. So a worker never waits, and a series of any length holds a bounded number of answers.
//!
//! A panic in the work becomes an error in its place in the order.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded, never, select};
use rayon::ThreadPool;

use crate::budget::Held;
use crate::error::{Code, Error, Result};
use crate::stop::Stop;
use crate::stopwatch::Stopwatch;

/// The thread name of the pool's workers, followed by their number.
pub const WORKER: &str = "sluice-worker-";

/// The other side is gone; there is nothing to do but end.
#[derive(Debug, PartialEq, Eq)]
pub struct Closed;

/// Makes a pool of `workers` threads on which `work` turns items into series of answers, and at most `depth` series
/// in flight. `ahead` says how many answers of an item may be ready before the first is taken.
///
/// # Errors
/// When the threads cannot be started.
pub fn pool<T, S, F>(
    workers: usize,
    depth: usize,
    ahead: fn(&T) -> usize,
    work: F,
) -> Result<(Jobs<T, S, F>, Answers<S>)>
where
    T: Send + 'static,
    S: Iterator + Send + 'static,
    S::Item: Send,
    F: Fn(T) -> S + Send + Sync + 'static,
{
    timed_pool(workers, depth, ahead, &Arc::default(), work)
}

/// The same, where the `stopwatch` is told what the threads do from now on.
///
/// # Errors
/// As [`pool`].
pub fn timed_pool<T, S, F>(
    workers: usize,
    depth: usize,
    ahead: fn(&T) -> usize,
    stopwatch: &Arc<Stopwatch>,
    work: F,
) -> Result<(Jobs<T, S, F>, Answers<S>)>
where
    T: Send + 'static,
    S: Iterator + Send + 'static,
    S::Item: Send,
    F: Fn(T) -> S + Send + Sync + 'static,
{
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(workers)
        .thread_name(|i| format!("{WORKER}{i}"))
        .build()
        .map_err(|e| {
            Error::new(
                Code::Internal,
                format!("cannot start {workers} worker threads: {e}"),
            )
        })?;
    let threads = Arc::new(threads);
    let (queue, answers) = bounded(depth);
    stopwatch.start(workers);
    let unwanted = Arc::new(AtomicBool::new(false));
    let jobs = Jobs {
        queue,
        threads: Arc::clone(&threads),
        work: Arc::new(work),
        unwanted: Arc::clone(&unwanted),
        stopwatch: Arc::clone(stopwatch),
        ahead,
    };
    Ok((
        jobs,
        Answers {
            queue: answers,
            threads,
            unwanted,
            cancelled: never(),
            head: None,
            ended: false,
        },
    ))
}

enum Promise<S: Iterator> {
    Series(Arc<Series<S>>),
    End(Result<()>),
}

/// The side that submits.
pub struct Jobs<T, S: Iterator, F> {
    queue: Sender<Promise<S>>,
    threads: Arc<ThreadPool>,
    work: Arc<F>,
    unwanted: Arc<AtomicBool>,
    stopwatch: Arc<Stopwatch>,
    ahead: fn(&T) -> usize,
}

impl<T, S, F> Jobs<T, S, F>
where
    T: Send + 'static,
    S: Iterator + Send + 'static,
    S::Item: Send,
    F: Fn(T) -> S + Send + Sync + 'static,
{
    /// Waits for a place in the order, then starts the work.
    ///
    /// # Errors
    /// When the answers are no longer wanted.
    pub fn submit(&self, item: T) -> Result<(), Closed> {
        self.submit_holding(item, None)
    }

    /// The same; `held` is let go when the last answer has been taken.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub fn submit_holding(&self, item: T, held: Option<Held>) -> Result<(), Closed> {
        let series = Arc::new(Series::new((self.ahead)(&item), &self.stopwatch, held));
        self.queue
            .send(Promise::Series(Arc::clone(&series)))
            .map_err(|_| Closed)?;
        let work = Arc::clone(&self.work);
        let unwanted = Arc::clone(&self.unwanted);
        self.threads.spawn_fifo(move || {
            if unwanted.load(Ordering::Relaxed) {
                return;
            }
            let _working = series.stopwatch.work();
            match catch_unwind(AssertUnwindSafe(|| work(item))) {
                Ok(answers) => series.run(answers),
                Err(panic) => series.finish(Some(panic)),
            }
        });
        Ok(())
    }

    /// The explicit last message. Dropped without it, the stream has failed.
    pub fn end(self, outcome: Result<()>) {
        // Nobody left to tell is not an error: they ended first, and know why.
        let _ = self.queue.send(Promise::End(outcome));
    }
}

struct Series<S: Iterator> {
    /// Answers that may be ready before one is taken.
    ahead: usize,
    state: Mutex<State<S>>,
    changed: Condvar,
    stopwatch: Arc<Stopwatch>,
    _held: Option<Held>,
}

struct State<S: Iterator> {
    ready: VecDeque<S::Item>,
    parked: Option<S>,
    ended: bool,
    panic: Option<String>,
}

impl<S: Iterator> Series<S> {
    fn new(ahead: usize, stopwatch: &Arc<Stopwatch>, held: Option<Held>) -> Self {
        let state = State {
            ready: VecDeque::new(),
            parked: None,
            ended: false,
            panic: None,
        };
        Series {
            ahead,
            state: Mutex::new(state),
            changed: Condvar::new(),
            stopwatch: Arc::clone(stopwatch),
            _held: held,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs until the series ends or is far enough ahead.
    fn run(&self, mut answers: S) {
        loop {
            match catch_unwind(AssertUnwindSafe(|| answers.next())) {
                Ok(Some(answer)) => {
                    let mut state = self.lock();
                    state.ready.push_back(answer);
                    self.changed.notify_one();
                    if state.ready.len() >= self.ahead {
                        state.parked = Some(answers);
                        self.stopwatch.park();
                        return;
                    }
                }
                Ok(None) => return self.finish(None),
                Err(panic) => return self.finish(Some(panic)),
            }
        }
    }

    fn finish(&self, panic: Option<Box<dyn Any + Send>>) {
        let mut state = self.lock();
        state.panic = panic.map(|p| panic_message(&*p));
        state.ended = true;
        self.changed.notify_one();
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

/// The side that reads: an iterator over all answers of the first item, then the second, and so on.
///
/// It yields an error when the work panicked, when the input ended in an error, when it was cut off or cancelled; after
/// an error and after the end it yields nothing more. Dropping it makes work that has not started return at once.
pub struct Answers<S: Iterator> {
    queue: Receiver<Promise<S>>,
    threads: Arc<ThreadPool>,
    unwanted: Arc<AtomicBool>,
    cancelled: Receiver<()>,
    head: Option<Arc<Series<S>>>,
    ended: bool,
}

impl<S: Iterator> Answers<S> {
    /// Yields an error instead of waiting once `stop` is tripped: whoever submits may be waiting for something that
    /// never comes.
    #[must_use]
    pub fn until(mut self, stop: &Stop) -> Self {
        let (alive, cancelled) = bounded(0);
        let alive = Mutex::new(Some(alive));
        stop.on_trip(move || drop(alive.lock().unwrap_or_else(PoisonError::into_inner).take()));
        self.cancelled = cancelled;
        self
    }

    fn promise(&self) -> Result<Promise<S>> {
        select! {
            recv(self.queue) -> promise => {
                promise.map_err(|_| Error::new(Code::Internal, "the reader ended without saying so"))
            }
            recv(self.cancelled) -> _ => Err(Error::new(Code::Interrupted, "stopped")),
        }
    }
}

impl<S> Iterator for Answers<S>
where
    S: Iterator + Send + 'static,
    S::Item: Send,
{
    type Item = Result<S::Item>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            let head = match &self.head {
                Some(head) => head,
                None => match self.promise() {
                    Ok(Promise::Series(series)) => self.head.insert(series),
                    Ok(Promise::End(outcome)) => {
                        self.ended = true;
                        return outcome.err().map(Err);
                    }
                    Err(error) => {
                        self.ended = true;
                        return Some(Err(error));
                    }
                },
            };
            let mut state = head.lock();
            while state.ready.is_empty() && !state.ended {
                state = head
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if let Some(answer) = state.ready.pop_front() {
                if let Some(parked) = state.parked.take() {
                    let series = Arc::clone(head);
                    series.stopwatch.unpark();
                    self.threads.spawn_fifo(move || {
                        let _working = series.stopwatch.work();
                        series.run(parked);
                    });
                }
                return Some(Ok(answer));
            }
            let panic = state.panic.take();
            drop(state);
            self.head = None;
            if let Some(message) = panic {
                self.ended = true;
                return Some(Err(Error::new(
                    Code::DecoderPanic,
                    format!("the decoder panicked: {message}"),
                )));
            }
        }
        None
    }
}

impl<S: Iterator> Drop for Answers<S> {
    fn drop(&mut self) {
        self.unwanted.store(true, Ordering::Relaxed);
        // Queued promises hold permits of the budget: let them go, so that a waiting reader wakes.
        self.queue.try_iter().for_each(drop);
    }
}
