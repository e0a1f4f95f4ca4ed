//! The batcher thread: answers in, imports and rejects out.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;

use super::Around;
use crate::batch::import::Import;
use crate::batch::limits::Wanted;
use crate::batch::{Batcher, Outlet};
use crate::decode::Changes;
use crate::error::{Error, Result};
use crate::normalize::tasks::Tasks;
use crate::place::Place;
use crate::rejects::Reject;

/// The batcher thread.
///
/// # Errors
/// What ended the run early, unless it was the deliverer.
pub(super) fn batch(
    batcher: Batcher,
    answers: impl Iterator<Item = Result<Tasks>>,
    outlet: Downstream,
) -> Result<()> {
    let around = Arc::clone(&outlet.around);
    let stages = &around.watch.stages;
    stages.batch.start(1);
    let working = stages.batch.work();
    let outcome = batch_all(batcher, answers, outlet);
    drop(working);
    stages.batch.stop();
    stages.decode.stop();
    outcome
}

fn batch_all(
    mut batcher: Batcher,
    mut answers: impl Iterator<Item = Result<Tasks>>,
    mut outlet: Downstream,
) -> Result<()> {
    let around = Arc::clone(&outlet.around);
    let stages = &around.watch.stages;
    let mut next = || {
        let _waiting = stages.batch.wait_for_input();
        answers.next()
    };
    while let Some(answer) = next() {
        if let Ok(tasks) = &answer {
            let bytes = tasks.bytes.len() as u64;
            stages.decoded.fetch_add(bytes, Ordering::Relaxed);
        }
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
pub(super) struct Downstream {
    pub(super) around: Arc<Around>,
    pub(super) imports: mpsc::Sender<Import>,
    /// Nothing if every import is to be as full as it may be.
    pub(super) asked: Option<Asked>,
}

/// What the deliverer asks for: one import at a time.
pub(super) struct Asked {
    pub(super) by: mpsc::UnboundedReceiver<Wanted>,
    /// What it asks for and has not been given.
    pub(super) now: Option<Wanted>,
}

/// Why nothing more is taken.
pub(super) enum Refused {
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
            None => {
                let _waiting = self.around.watch.stages.batch.wait_for_room();
                asked.by.blocking_recv().ok_or(Refused::Closed)?
            }
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
        let stages = &self.around.watch.stages;
        let bytes = import.about.bytes as u64;
        stages.batched.fetch_add(bytes, Ordering::Relaxed);
        let _waiting = stages.batch.wait_for_room();
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
        let spot = reject.spot_in(&self.around.source(reject.place));
        Err(Refused::Failed(Error::from(reject.fault).at(|| spot)))
    }
}
