//! A run as it is recorded, and its projects: what is looked at, repaired and taken back.

use std::collections::BTreeSet;

use super::target::{Connection, Leases, Target};
use crate::deliver::throttle::Pace;
use crate::error::{Code, Error, Result};
use crate::journal::{Entry, Journal, Run, RunLog};
use crate::label_studio::address::Address;

/// A recorded run, which no other process may touch meanwhile.
pub struct Recorded {
    pub(super) log: RunLog,
    pub(super) targets: Vec<Target>,
}

impl Recorded {
    /// The projects that a run was given, and those that it went on to.
    ///
    /// # Errors
    /// When there is no such run, or the journal has an address that cannot be read.
    pub fn addresses(journal: &Journal, run: &Run) -> Result<Vec<Address>> {
        let given = run.target.split_whitespace().map(str::to_owned);
        let mut names: Vec<String> = given.collect();
        for entry in journal.imports(&run.id)? {
            names.push(entry.intent.target);
        }
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        names.iter().map(|name| Address::parse(name)).collect()
    }

    /// Takes a run in hand, with the leases of its servers if other machines are to be held off.
    ///
    /// # Errors
    /// When there is no such run, another process has it, or the connection's settings cannot be used.
    pub fn open(
        journal: &Journal,
        run: &str,
        connection: &Connection,
        leases: &Leases,
    ) -> Result<Self> {
        let log = journal.reopen(run)?;
        let addresses = Self::addresses(journal, log.run())?;
        let targets = Target::all(&addresses, connection, journal, leases)?;
        Ok(Recorded { log, targets })
    }

    /// What the journal says of it.
    #[must_use]
    pub fn log(&self) -> &RunLog {
        &self.log
    }

    /// What it is doing, in words, if it is doing anything.
    #[must_use]
    pub fn doing(&self) -> Option<String> {
        let paces = self.targets.iter().map(|t| t.server.throttle.state());
        let mut busy = paces.filter(|pace| *pace != Pace::Idle);
        busy.next().map(|pace| pace.to_string())
    }

    /// The target of an import.
    pub(super) fn target_of(&self, entry: &Entry) -> Result<&Target> {
        let name = &entry.intent.target;
        let mut targets = self.targets.iter();
        targets.find(|target| target.name == *name).ok_or_else(|| {
            Error::new(
                Code::Journal,
                format!("the journal has an import in `{name}`, which is no project"),
            )
        })
    }
}
