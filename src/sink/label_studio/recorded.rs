//! A run as it is recorded, and its projects: what is looked at, repaired and taken back.

use super::settle::Upload;
use super::target::{Connection, Target};
use crate::error::Result;
use crate::journal::{Entry, Journal, Run, RunLog};
use crate::label_studio::address::Address;

/// A recorded run, which no other process may touch meanwhile.
pub struct Recorded {
    pub(super) log: RunLog,
    pub(super) targets: Vec<Target>,
}

impl Recorded {
    /// The projects that a run went to, in its order.
    ///
    /// # Errors
    /// When the journal has none that can be read.
    pub fn addresses(run: &Run) -> Result<Vec<Address>> {
        run.target.split_whitespace().map(Address::parse).collect()
    }

    /// Takes a run in hand.
    ///
    /// # Errors
    /// When there is no such run, another process has it, or the connection's settings cannot be used.
    pub fn open(journal: &Journal, run: &str, connection: &Connection) -> Result<Self> {
        let log = journal.reopen(run)?;
        let targets = Target::all(&Self::addresses(log.run())?, connection, journal)?;
        Ok(Recorded { log, targets })
    }

    /// What the journal says of it.
    #[must_use]
    pub fn log(&self) -> &RunLog {
        &self.log
    }

    /// What it does now, in words, if it does anything.
    #[must_use]
    pub fn doing(&self) -> Option<String> {
        super::doing(&self.targets)
    }

    /// The target of an import.
    pub(super) fn target_of(&self, entry: &Entry) -> Result<&Target> {
        super::begin::target_of(&self.targets, entry)
    }
}

/// An import that the target has, or had.
pub(super) fn upload_of(entry: &Entry) -> Option<Upload> {
    entry.upload_id.map(|id| Upload::of_entry(entry, id))
}
