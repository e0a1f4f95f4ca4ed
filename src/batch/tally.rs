//! What became of the records of each source, counted while a run goes: for those who want to know it source by source.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::import::TaskAt;
use crate::place::{Place, SourceId};
use crate::rejects::{Reject, Rejects};

/// Counts source by source.
#[derive(Debug, Default)]
pub struct Tally(Mutex<BTreeMap<SourceId, Counts>>);

/// What became of the records of one source. All of them are tasks, rejects or duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Records that became tasks.
    pub tasks: u64,
    /// The bytes of these, without what stands between them.
    pub task_bytes: u64,
    /// Records that became none.
    pub rejects: u64,
    /// Records that came before and were left out.
    pub duplicates: u64,
    /// The rejects by code.
    pub rejects_by_code: BTreeMap<&'static str, Rejects>,
}

impl Counts {
    /// Records, good and bad.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.tasks + self.rejects + self.duplicates
    }
}

impl Tally {
    fn all(&self) -> MutexGuard<'_, BTreeMap<SourceId, Counts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the tasks of an import that starts with `open` bytes before the first.
    pub fn tasks(&self, tasks: &[TaskAt], open: usize) {
        let mut all = self.all();
        // The first task comes after what opens the import, the others each after a separator.
        let mut start = open;
        for of_source in tasks.chunk_by(|a, b| a.place.source == b.place.source) {
            let (Some(first), Some(last)) = (of_source.first(), of_source.last()) else {
                continue;
            };
            let separators = of_source.len() - 1;
            let counts = all.entry(first.place.source).or_default();
            counts.tasks += of_source.len() as u64;
            counts.task_bytes += (last.end - start - separators) as u64;
            start = last.end + 1;
        }
    }

    /// Counts a reject; `source` is the name of its source.
    pub fn reject(&self, reject: &Reject, source: &str) {
        let mut all = self.all();
        let counts = all.entry(reject.place.source).or_default();
        counts.rejects += 1;
        let code = reject.code().as_str();
        counts
            .rejects_by_code
            .entry(code)
            .or_default()
            .add(reject, source);
    }

    /// Counts a record that came before.
    pub fn duplicate(&self, place: Place) {
        self.all().entry(place.source).or_default().duplicates += 1;
    }

    /// What was counted of a source.
    #[must_use]
    pub fn of(&self, source: SourceId) -> Counts {
        self.all().get(&source).cloned().unwrap_or_default()
    }
}
