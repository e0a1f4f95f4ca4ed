//! What keeps other machines off the servers that this one imports into, and the journal that they could go on from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::args::LeaseArguments;
use super::pushes::Note;
use crate::deliver::beside::{Beside, COPY, Sign};
use crate::deliver::cell::Place;
use crate::deliver::lease::{self, Clocks, Holder, Lease, Record, Terms, digest};
use crate::error::{Code, Error, Result};
use crate::journal::Journal;
use crate::label_studio::address::Address;
use crate::report::log;
use crate::sink::label_studio::target::Leases;
use crate::source::remote::thread;

/// The lengths that a lease may have.
const LENGTHS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_hours(1);

/// What a run shares with other machines.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    /// Where the leases of servers are, if any are taken.
    pub(super) lease: Option<Place>,
    /// What was packed in a bucket lies there, and the run's journal is kept below it.
    pub(super) run: Option<Place>,
}

impl Shared {
    /// What the user asks for.
    ///
    /// # Errors
    /// When that is no place.
    pub(super) fn asked(arguments: &LeaseArguments) -> Result<Self> {
        let lease = arguments.lease.as_deref().map(Place::parse).transpose()?;
        Ok(Shared { lease, run: None })
    }

    /// Takes the leases of all servers, if any are to be taken.
    ///
    /// # Errors
    /// When another has one.
    pub(super) fn take(
        &self,
        addresses: &[Address],
        interval: Duration,
        arguments: &LeaseArguments,
        quiet: bool,
    ) -> Result<Option<Taken>> {
        let Some(place) = &self.lease else {
            return Ok(None);
        };
        let length = arguments.lease_time;
        if !LENGTHS.contains(&length) {
            return Err(
                Error::new(Code::Usage, "a lease lasts between a second and an hour")
                    .help("give `--lease-time` such a time, or leave it away"),
            );
        }
        let terms = Terms {
            holder: Holder::this(),
            length,
            interval,
            wait: arguments.wait,
        };
        let mut taken = Taken {
            holder: terms.holder.clone(),
            leases: BTreeMap::new(),
        };
        // In one order, so that two who want several do not each take what the other waits for.
        let servers: BTreeSet<String> = addresses.iter().map(Address::server_key).collect();
        for server in servers {
            let cell = place.cell(&lease::name(&server), lease::MOST_BYTES)?;
            if !quiet {
                log::tell(format_args!("taking the lease {}", cell.shown()));
            }
            let told = |record: &Record| {
                let Record { holder, until, .. } = record;
                if !quiet {
                    log::tell(format_args!(
                        "{holder} has it until {until} by its clock: looking whether it lives"
                    ));
                }
            };
            let time = Arc::new(Clocks::default());
            let lease = thread::wait(Lease::take(cell, &server, &terms, time, told))??;
            let kept = lease.clone();
            thread::handle()?.spawn(async move { kept.keep().await });
            taken.leases.insert(server, lease);
        }
        Ok(Some(taken))
    }

    /// The journal of a run: that of this machine, or the one that lies beside what was packed.
    ///
    /// # Errors
    /// When it cannot be fetched, or someone else pushes.
    pub(super) fn journal(
        &self,
        taken: Option<&Taken>,
        pace: &Journal,
        quiet: bool,
    ) -> Result<Journal> {
        let (Some(Place::Bucket(bucket, prefix)), Some(lease), Some(taken)) =
            (&self.run, &self.lease, taken)
        else {
            return Ok(pace.clone());
        };
        let servers: Vec<&str> = taken.leases.keys().map(String::as_str).collect();
        let digest = digest(&servers.join(" "));
        let prefix = format!("{prefix}/push/{digest}");
        let prefix = prefix.trim_start_matches('/').to_owned();
        let place = Place::Bucket(Arc::clone(bucket), prefix);
        let note = Note::new(&place, lease);
        let directory = note.directory(pace);
        if !quiet {
            let shown = format!("{}/{COPY}", place.shown());
            let here = directory.display();
            log::tell(format_args!(
                "the run is recorded in {shown}, and on this machine in {here}"
            ));
        }
        note.keep(pace)?;
        Beside::open(place, &directory, taken.sign()?)
    }
}

/// Leases that this process has, until this is dropped.
pub(super) struct Taken {
    holder: Holder,
    /// By their servers.
    leases: BTreeMap<String, Lease>,
}

impl Taken {
    /// The leases, on a machine that paces its imports by this journal.
    pub(super) fn leases(&self, pace: &Journal) -> Leases {
        Leases {
            leases: self.leases.clone(),
            pace: pace.clone(),
        }
    }

    /// What its copies of a journal are signed with.
    ///
    /// # Errors
    /// When the leases cannot be asked.
    pub(super) fn sign(&self) -> Result<Sign> {
        let fences = async {
            let mut all = 0;
            for lease in self.leases.values() {
                // Each grows alone, so their sum does.
                all += lease.fence().await;
            }
            all
        };
        let fence = thread::wait(fences)?;
        let names: Vec<String> = self.leases.values().map(Lease::shown).collect();
        Ok(Sign::new(&self.holder, names.join(" "), fence))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        for lease in self.leases.values() {
            // What is not given back expires.
            let _ = thread::wait(lease.give_back());
        }
    }
}
