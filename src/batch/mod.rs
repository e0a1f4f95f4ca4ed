//! **Takes** [`Tasks`], in order.
//! **Gives** [`Import`]s, every one but the last full, and [`Reject`]s with their places.
//! **Waits on** room for the next import.
//! **To add one:** another limit of an import goes into [`limits`] and is kept in [`import`].
//!
//! The one place where order is: records, lines and rows are counted here, chunk by chunk, so that every task and
//! reject has its place in the source.

pub mod body;
pub mod import;
pub mod limits;
pub mod tracker;

use self::body::Store;
use self::import::{Filling, Import, Push};
use self::limits::Limits;
use self::tracker::Tracker;
use crate::decode::Changes;
use crate::error::{Code, Error, Fault};
use crate::normalize::tasks::Tasks;
use crate::place::Place;
use crate::rejects::Reject;

/// What the batcher hands on.
pub trait Outlet {
    /// Why it would take no more.
    type Refused: From<Error>;

    /// Takes an import.
    ///
    /// # Errors
    /// When it takes no more.
    fn import(&mut self, import: Import) -> Result<(), Self::Refused>;

    /// Takes a reject.
    ///
    /// # Errors
    /// When that was one too many.
    fn reject(&mut self, reject: Reject) -> Result<(), Self::Refused>;

    /// Hears what was changed in the data, and how many records have passed.
    fn passed(&mut self, records: u64, changes: Changes);

    /// Ends at a fault after which nothing in the source can be trusted.
    ///
    /// # Errors
    /// Always, unless it knows better.
    fn fatal(&mut self, reject: Reject) -> Result<(), Self::Refused>;
}

/// Packs tasks into imports.
pub struct Batcher {
    limits: Limits,
    store: Store,
    tracker: Tracker,
    filling: Filling,
    number: u64,
}

impl Batcher {
    /// The first import has the number 1; bodies are kept in `store`.
    #[must_use]
    pub fn new(limits: Limits, store: Store) -> Self {
        let filling = Filling::new(1, limits, store.clone());
        Batcher {
            limits,
            store,
            tracker: Tracker::default(),
            filling,
            number: 1,
        }
    }

    /// Adds one answer's tasks; every import that this fills is handed on before the next task is looked at.
    ///
    /// # Errors
    /// Those of the outlet.
    pub fn push<O: Outlet>(&mut self, mut tasks: Tasks, outlet: &mut O) -> Result<(), O::Refused> {
        self.tracker.enter(tasks.source, tasks.start);
        let mut next = 0;
        while next < tasks.marks.len() {
            let place = |i: usize| self.tracker.place(tasks.marks[i].mark);
            match self.filling.push(&tasks, next, place)? {
                Push::Added { tasks } => next += tasks,
                Push::Full => self.close(outlet)?,
                Push::TooLarge { bytes } => {
                    // The normalizer rejects such a task while it still has the record.
                    let limit = self.limits.bytes;
                    let reason = format!("the task has {bytes} bytes, an import holds {limit}");
                    let fault = Fault::new(Code::TaskTooLarge, reason);
                    let mark = tasks.marks[next].mark;
                    outlet.reject(Reject::new(
                        self.tracker.place(mark),
                        fault,
                        Vec::new(),
                        &tasks.shape,
                    ))?;
                    next += 1;
                }
            }
        }
        for rejected in std::mem::take(&mut tasks.rejected) {
            let place = self.tracker.place(rejected.mark);
            outlet.reject(Reject::new(
                place,
                rejected.fault,
                rejected.raw,
                &tasks.shape,
            ))?;
        }
        if let Some(fatal) = tasks.fatal.take() {
            let place = self.tracker.place(fatal.mark);
            outlet.fatal(Reject::fatal(place, fatal, &tasks.shape))?;
        }
        if let Some(extent) = tasks.extent {
            self.tracker.leave(extent);
            outlet.passed(extent.records, tasks.changes);
        } else {
            outlet.passed(0, tasks.changes);
        }
        Ok(())
    }

    /// Hands on the last import, which need not be full.
    ///
    /// # Errors
    /// Those of the outlet.
    pub fn finish<O: Outlet>(mut self, outlet: &mut O) -> Result<(), O::Refused> {
        self.close(outlet)
    }

    fn close<O: Outlet>(&mut self, outlet: &mut O) -> Result<(), O::Refused> {
        let next = Filling::new(self.number + 1, self.limits, self.store.clone());
        if let Some(import) = std::mem::replace(&mut self.filling, next).close()? {
            self.number += 1;
            outlet.import(import)?;
        }
        Ok(())
    }

    /// Where the last record that passed starts, as far as is known.
    #[must_use]
    pub fn reached(&self) -> Option<Place> {
        self.tracker.reached()
    }
}
