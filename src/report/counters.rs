//! What is counted while a run goes, and what it came to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::gauges::Durations;
use crate::decode::Changes;
use crate::deliver::Receipt;
use crate::deliver::times::Outcome;
use crate::place::Spot;
use crate::rejects::{Reject, Rejects};

/// First places kept of duplicates.
const FIRST_PLACES: usize = 5;

/// Counted while the run goes, by the batcher and the deliverer; read by whoever shows progress.
#[derive(Debug, Default)]
pub struct Counters {
    /// Records read, good and bad.
    pub records: AtomicU64,
    /// Records that became no task.
    pub rejects: AtomicU64,
    /// Records that came before and were left out.
    pub duplicates: AtomicU64,
    /// Tasks in imports that are delivered.
    pub tasks: AtomicU64,
    /// Imports delivered.
    pub imports: AtomicU64,
    /// Their bytes.
    pub bytes: AtomicU64,
    /// The largest of them, in bytes.
    pub largest: AtomicU64,
    /// What came of imports otherwise: see [`Outcome`].
    outcomes: [AtomicU64; Outcome::ALL.len()],
    /// How long imports took, but for their waiting.
    pub took: Durations,
    details: Mutex<Details>,
}

#[derive(Debug, Default)]
struct Details {
    changes: Changes,
    codes: BTreeMap<&'static str, Rejects>,
    first_duplicates: Vec<String>,
}

impl Counters {
    /// Counts records, and what was changed in them.
    pub fn passed(&self, records: u64, changes: Changes) {
        self.records.fetch_add(records, Ordering::Relaxed);
        self.details().changes += changes;
    }

    /// Counts a reject; gives how many there are now.
    pub fn rejected(&self, reject: &Reject, source: &str) -> u64 {
        let mut details = self.details();
        let rejects = details.codes.entry(reject.code().as_str()).or_default();
        rejects.add(reject, source);
        self.rejects.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Counts a record that came before and is left out.
    pub fn duplicate(&self, spot: &Spot) {
        self.duplicates.fetch_add(1, Ordering::Relaxed);
        let mut details = self.details();
        if details.first_duplicates.len() < FIRST_PLACES {
            details.first_duplicates.push(spot.to_string());
        }
    }

    /// Counts a delivery.
    pub fn delivered(&self, receipt: &Receipt) {
        self.tasks
            .fetch_add(receipt.import.tasks as u64, Ordering::Relaxed);
        self.bytes
            .fetch_add(receipt.import.bytes as u64, Ordering::Relaxed);
        self.imports.fetch_add(1, Ordering::Relaxed);
        self.largest
            .fetch_max(receipt.import.bytes as u64, Ordering::Relaxed);
        self.came_of_it(Outcome::Delivered);
        if let Some(times) = &receipt.times {
            self.took.add(times.sending() + times.server);
        }
    }

    /// Counts what came of sending an import.
    pub fn came_of_it(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often each came of sending an import.
    #[must_use]
    pub fn outcomes(&self) -> BTreeMap<&'static str, u64> {
        let count = |outcome: Outcome| self.outcomes[outcome as usize].load(Ordering::Relaxed);
        Outcome::ALL
            .iter()
            .map(|outcome| (outcome.as_str(), count(*outcome)))
            .collect()
    }

    fn details(&self) -> std::sync::MutexGuard<'_, Details> {
        self.details.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The numbers so far, without details: cheap enough to ask for at every record.
    #[must_use]
    pub fn so_far(&self) -> SoFar {
        SoFar {
            records: self.records.load(Ordering::Relaxed),
            rejects: self.rejects.load(Ordering::Relaxed),
            tasks: self.tasks.load(Ordering::Relaxed),
            imports: self.imports.load(Ordering::Relaxed),
        }
    }

    /// The totals so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let details = self.details();
        Totals {
            records: self.records.load(Ordering::Relaxed),
            tasks: self.tasks.load(Ordering::Relaxed),
            rejects: self.rejects.load(Ordering::Relaxed),
            duplicates: self.duplicates.load(Ordering::Relaxed),
            first_duplicates: details.first_duplicates.clone(),
            imports: self.imports.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            changes: details.changes,
            rejects_by_code: details
                .codes
                .iter()
                .map(|(code, rejects)| ((*code).to_owned(), rejects.clone()))
                .collect(),
        }
    }
}

/// The numbers of a run that goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SoFar {
    /// Records read, good and bad.
    pub records: u64,
    /// Records that became no task.
    pub rejects: u64,
    /// Tasks delivered.
    pub tasks: u64,
    /// Imports delivered.
    pub imports: u64,
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Records read, good and bad.
    pub records: u64,
    /// Tasks in imports that are delivered.
    pub tasks: u64,
    /// Records that became no task.
    pub rejects: u64,
    /// Records that came before and were left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub duplicates: u64,
    /// The first few of those: where they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub first_duplicates: Vec<String>,
    /// Imports delivered.
    pub imports: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What was changed in the data, by a stated rule or because it was asked for.
    pub changes: Changes,
    /// The rejects by code.
    pub rejects_by_code: BTreeMap<String, Rejects>,
}

impl Totals {
    /// Whether every record is a task, a reject or a duplicate.
    #[must_use]
    pub fn is_conserved(&self) -> bool {
        self.records == self.tasks + self.rejects + self.duplicates
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
