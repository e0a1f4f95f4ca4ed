//! The reader thread: sources in, chunks out; in a run, and when sources are looked at before it.
//!
//! A place in the order is for a chunk of full size. Small ones, each of which is a small file, share it: else all threads
//! would wait for one another at each of them, which took ten times as long as the work where other programs ran too.

use std::sync::Arc;

use super::Around;
use super::survey::Input;
use crate::budget::Budget;
use crate::buffer::{Buffers, SPARE_BUFFERS};
use crate::error::Result;
use crate::in_order::{Closed, Jobs};
use crate::place::Place;
use crate::read::column_types::Types;
use crate::read::seen::Seen;
use crate::read::{Body, Chunk, Ended, Reader};
use crate::source::listed::Sources;
use crate::source::{Source, spool};

/// Places in the order for each worker: one chunk that it works on, and others that wait for their turn, so that nobody
/// stands still while the batcher waits for the disk.
const PLACES: usize = 4;

/// How many small chunks share a place at most. More would hardly wait less, and each may have a megabyte for its answer.
const SHARING: usize = 8;

/// How many chunks the order holds at most, if all are small.
pub(super) fn depth(workers: usize) -> usize {
    PLACES * workers * SHARING
}

/// What a chunk takes of a place that is for so many bytes of text.
fn share(chunk: &Chunk, place: usize) -> usize {
    match &chunk.body {
        Body::Text(text) => text.len().clamp(place / SHARING, place),
        Body::Batch(_) | Body::RowGroup(_) | Body::Oversize { .. } => place,
    }
}

/// Reads what is to be read, from a record on if it is not the first, and hands it on as jobs.
pub(super) fn read<S, F>(
    around: &Around,
    input: &Input,
    jobs: Jobs<Chunk, S, F>,
    from: Option<Place>,
    seen: Option<Arc<Seen>>,
) where
    S: Iterator + Send + 'static,
    S::Item: Send,
    F: Fn(Chunk) -> S + Send + Sync + 'static,
{
    let Around {
        plan, stop, watch, ..
    } = around;
    let stopwatch = &watch.progress.stopwatch;
    stopwatch.start(1);
    let working = stopwatch.work();
    let budget = Budget::new(plan.memory, stop);
    let buffers = Buffers::new(SPARE_BUFFERS);
    let place = plan.reading.chunk_bytes;
    let order = Budget::new(PLACES * plan.threads * place, stop);
    watch.gauges.reading(&budget, &order);
    let submit = |chunk: Chunk| {
        let held = order.acquire(share(&chunk, place), stop);
        let submitted = jobs.submit_holding(chunk, Some(held.map_err(|_| Ended)?));
        submitted.map_err(|Closed| Ended)
    };
    let check_columns = |columns: &[String]| plan.normalizer.check_columns(columns);
    let reader = Reader {
        reading: &plan.reading,
        buffers: &buffers,
        budget: &budget,
        threads: plan.threads,
        spool_limit: plan.spool_limit,
        stop,
        progress: Arc::clone(&watch.progress),
        from,
        tables_only: false,
        types: input.types.as_ref(),
        seen,
        found: None,
        check_columns: &check_columns,
        submit: &submit,
    };
    let outcome = reader.run(&input.sources);
    let waiting = stopwatch.wait_for_room();
    jobs.end(outcome);
    drop((waiting, working));
    stopwatch.stop();
}

/// What is read before the run.
pub(super) struct Before {
    /// The sources.
    pub(super) sources: Sources,
    /// The temporary files that stand for some of them, each with what is to be kept in it first.
    pub(super) spooled: Vec<(Source, Source)>,
    /// The first record, where that is not the first of all.
    pub(super) from: Option<Place>,
    /// Whether what is no table is passed over.
    pub(super) tables_only: bool,
    /// The types of the tables' columns, where they are known.
    pub(super) types: Option<Types>,
}

impl Before {
    /// Reads it, and hands it on as jobs.
    pub(super) fn read<S, F>(
        &self,
        around: &Around,
        jobs: Jobs<Chunk, S, F>,
        check_columns: &dyn Fn(&[String]) -> Result<()>,
    ) where
        S: Iterator + Send + 'static,
        S::Item: Send,
        F: Fn(Chunk) -> S + Send + Sync + 'static,
    {
        let Around {
            plan, stop, watch, ..
        } = around;
        let reader = Reader {
            reading: &plan.reading,
            buffers: &Buffers::new(SPARE_BUFFERS),
            budget: &Budget::new(plan.memory, stop),
            threads: plan.threads,
            spool_limit: plan.spool_limit,
            stop,
            progress: Arc::clone(&watch.survey),
            from: self.from,
            tables_only: self.tables_only,
            types: self.types.as_ref(),
            seen: None,
            found: None,
            check_columns,
            submit: &|chunk| jobs.submit(chunk).map_err(|Closed| Ended),
        };
        let spooled = self.spooled.iter().try_for_each(|(stand_in, source)| {
            spool::fill(stand_in, source, plan.spool_limit, stop)
        });
        let outcome = spooled.and_then(|()| reader.run(&self.sources));
        jobs.end(outcome);
    }
}
