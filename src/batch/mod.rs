//! **Takes** [`Tasks`], in order.
//! **Gives** [`Import`]s, every one but the last full, and [`Reject`]s with their places.
//! **Waits on** room for the next import.
//! **To add one:** another limit of an import goes into [`limits`] and is kept in [`import`].
//!
//! The one place where order is: records, lines and rows are counted here, chunk by chunk, so that every task and
//! reject has its place in the source.

pub mod body;
pub mod files;
pub mod import;
pub mod known;
pub mod limits;
pub mod tally;
pub mod tracker;

use self::body::Bodies;
use self::import::{Filling, Import, Push};
use self::known::Known;
use self::limits::{Limits, Wanted};
use self::tracker::Tracker;
use crate::decode::{Changes, Mark};
use crate::error::{Code, Error, Fault};
use crate::normalize::provenance::number;
use crate::normalize::tasks::{Rejected, TaskMark, Tasks};
use crate::place::Place;
use crate::rejects::Reject;

/// What the batcher hands on.
pub trait Outlet {
    /// Why it would take no more.
    type Refused: From<Error>;

    /// Hears that the import in the making holds all that was wanted, and says how much is wanted now; it may wait
    /// until that is known. If that is the same again, the import is closed.
    ///
    /// # Errors
    /// When it takes no more.
    fn wanted(&mut self) -> Result<Wanted, Self::Refused>;

    /// Takes an import, and with it all rejects before the next task.
    ///
    /// # Errors
    /// When it takes no more.
    fn import(&mut self, import: Import) -> Result<(), Self::Refused>;

    /// Takes a reject.
    ///
    /// # Errors
    /// When that was one too many.
    fn reject(&mut self, reject: Reject) -> Result<(), Self::Refused>;

    /// Hears of a record that came before and is left out.
    ///
    /// # Errors
    /// When that cannot be kept.
    fn duplicate(&mut self, place: Place) -> Result<(), Self::Refused>;

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
    bodies: Bodies,
    tracker: Tracker,
    wanted: Wanted,
    filling: Filling,
    number: u64,
    /// The records that have passed, where those that come again are left out.
    known: Option<Known>,
    /// The first record that is not passed over.
    from: Option<Place>,
}

impl Batcher {
    /// The first import has the number 1 and is to hold what is `wanted`.
    #[must_use]
    pub fn new(limits: Limits, wanted: Wanted, bodies: Bodies) -> Self {
        let filling = Filling::new(1, limits, wanted, bodies.clone());
        Batcher {
            limits,
            bodies,
            wanted,
            tracker: Tracker::default(),
            filling,
            number: 1,
            known: None,
            from: None,
        }
    }

    /// The same, which leaves out records that came before. Where a run goes on `from` a place, those before it are to
    /// be read again, and are remembered and otherwise passed over.
    #[must_use]
    pub fn leaving_out(mut self, known: Known, from: Option<Place>) -> Self {
        self.known = Some(known);
        self.from = from;
        self
    }

    /// The same, where reading starts at `place`: every task has the place that it has in a run from the beginning.
    #[must_use]
    pub fn starting_at(mut self, place: Place) -> Self {
        self.tracker = Tracker::starting_at(place);
        self
    }

    /// Adds one answer's tasks; every import that this fills is handed on before the next task is looked at.
    ///
    /// # Errors
    /// Those of the outlet.
    pub fn push<O: Outlet>(&mut self, mut tasks: Tasks, outlet: &mut O) -> Result<(), O::Refused> {
        self.tracker.enter(tasks.source, tasks.start);
        if tasks.numbered {
            for i in 0..tasks.marks.len() {
                let TaskMark { end, mark } = tasks.marks[i];
                let start = tasks.task_start(i);
                number(
                    &mut tasks.bytes[start..end],
                    self.tracker.place(mark).record,
                );
            }
        }
        if let Some(mut known) = self.known.take() {
            let outcome = self.sift(&mut known, &mut tasks, outlet);
            self.known = Some(known);
            outcome?;
        }
        let mut next = 0;
        while next < tasks.marks.len() {
            let place = |i: usize| self.tracker.place(tasks.marks[i].mark);
            match self.filling.push(&tasks, next, place)? {
                Push::Added { tasks } => next += tasks,
                Push::Full => {
                    let wanted = outlet.wanted()?;
                    if !self.filling.want(wanted) {
                        let mark = tasks.marks[next].mark;
                        self.pass_rejects(&mut tasks, Some(mark), outlet)?;
                        self.wanted = wanted;
                        self.close(Some(self.tracker.place(mark)), outlet)?;
                    }
                }
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
        self.pass_rejects(&mut tasks, None, outlet)?;
        if let Some(fatal) = tasks.fatal.take() {
            let place = self.tracker.place(fatal.mark);
            outlet.fatal(Reject::fatal(place, fatal, &tasks.shape))?;
        }
        if let Some(extent) = tasks.extent {
            let before = self.tracker.reached();
            self.tracker.leave(extent);
            let over = match before {
                _ if tasks.only_counted => u64::MAX,
                Some(first) => self.passed_over(first),
                None => 0,
            };
            outlet.passed(extent.records.saturating_sub(over), tasks.changes);
        } else {
            outlet.passed(0, tasks.changes);
        }
        Ok(())
    }

    /// Leaves out the tasks of records that came before, and all that was done in an earlier process.
    fn sift<O: Outlet>(
        &self,
        known: &mut Known,
        tasks: &mut Tasks,
        outlet: &mut O,
    ) -> Result<(), O::Refused> {
        let done = |place: Place| self.from.is_some_and(|from| place < from);
        let mut keep = Vec::with_capacity(tasks.marks.len());
        for (TaskMark { mark, .. }, hash) in tasks.marks.iter().zip(&tasks.hashes) {
            let place = self.tracker.place(*mark);
            let is_new = match hash {
                Some(hash) => known.is_new(*hash)?,
                None => true,
            };
            if !is_new && !done(place) {
                outlet.duplicate(place)?;
            }
            keep.push(is_new && !done(place));
        }
        if keep.contains(&false) {
            tasks.retain(&keep);
        }
        let tracker = &self.tracker;
        tasks
            .rejected
            .retain(|rejected| !done(tracker.place(rejected.mark)));
        Ok(())
    }

    /// How many records of a chunk, which starts at `first`, were done in an earlier process.
    fn passed_over(&self, first: Place) -> u64 {
        match self.from {
            Some(from) if from.source > first.source => u64::MAX,
            Some(from) if from.source == first.source => from.record.saturating_sub(first.record),
            _ => 0,
        }
    }

    /// Hands on the rejects before a mark, or all.
    fn pass_rejects<O: Outlet>(
        &self,
        tasks: &mut Tasks,
        before: Option<Mark>,
        outlet: &mut O,
    ) -> Result<(), O::Refused> {
        let end = before.map_or(tasks.rejected.len(), |before| {
            tasks
                .rejected
                .partition_point(|rejected| rejected.mark.record < before.record)
        });
        for rejected in tasks.rejected.drain(..end) {
            let place = self.tracker.place(rejected.mark);
            let Rejected { fault, raw, .. } = rejected;
            outlet.reject(Reject::new(place, fault, raw, &tasks.shape))?;
        }
        Ok(())
    }

    /// Hands on the last import, which need not be full.
    ///
    /// # Errors
    /// Those of the outlet.
    pub fn finish<O: Outlet>(mut self, outlet: &mut O) -> Result<(), O::Refused> {
        self.close(None, outlet)
    }

    fn close<O: Outlet>(&mut self, next: Option<Place>, outlet: &mut O) -> Result<(), O::Refused> {
        let (limits, bodies) = (self.limits, self.bodies.clone());
        let following = Filling::new(self.number + 1, limits, self.wanted, bodies);
        if let Some(import) = std::mem::replace(&mut self.filling, following).close(next)? {
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
