//! The projects that a run fills, and what is known of their servers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::batch::limits::Wanted;
use crate::deliver::lease::Lease;
use crate::deliver::sizing::{Load, Sizing};
use crate::deliver::throttle::Throttle;
use crate::error::Result;
use crate::journal::Journal;
use crate::label_studio::address::Address;
use crate::label_studio::client::Client;
use crate::label_studio::project::Project;
use crate::label_studio::settings::Settings;
use crate::label_studio::token::Token;

/// How to reach servers, and how fast to fill them.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The token, for all servers.
    pub token: Token,
    /// How servers are talked to.
    pub settings: Settings,
    /// Between the starts of two imports to one server; zero for no pause.
    pub interval: Duration,
    /// How long after an import was asked for again its first request, which was never answered, may come to its end:
    /// 5 min by default. One that met a locked database was answered after 46 s (the contract, sections 0 and 5); no call
    /// tells whether one is still under way.
    pub late: Duration,
    /// Tasks of an import, at most.
    pub most_tasks: usize,
    /// Bytes of an import, at most.
    pub most_bytes: usize,
}

/// What holds off other machines that could import into the same servers.
#[derive(Clone, Debug)]
pub struct Leases {
    /// The lease of each server that has one, by [`Address::server_key`].
    pub leases: BTreeMap<String, Lease>,
    /// The journal that this machine paces all its imports by, which need not be that of the run.
    pub pace: Journal,
}

impl Leases {
    /// Of no server: other machines are not held off.
    #[must_use]
    pub fn none(journal: &Journal) -> Self {
        Leases {
            leases: BTreeMap::new(),
            pace: journal.clone(),
        }
    }
}

/// The shortest time after which a request whose connection is gone is taken to be over.
const SHORTEST_QUIET: Duration = Duration::from_secs(5);

/// The longest such time for a small import: the interval that the guide calls safe between two.
const COMMON_QUIET: Duration = Duration::from_secs(30);

/// How many times as long as expected an import may take before it is taken to be over.
const QUIET_TIMES: f64 = 4.0;

/// A project, and its server's pace.
#[derive(Clone)]
pub(crate) struct Target {
    /// Its address.
    pub(crate) name: String,
    address: Address,
    pub(crate) project: Project,
    pub(crate) server: Arc<Server>,
}

/// What all projects of a server share.
pub(crate) struct Server {
    key: String,
    journal: Journal,
    /// See [`Leases::pace`].
    pace: Journal,
    pub(crate) throttle: Throttle,
    /// See [`Connection::late`].
    pub(crate) late: Duration,
    sizing: Mutex<Sizing>,
}

impl Target {
    /// One for each address, in order; those of one server share its pace.
    pub(crate) fn all(
        addresses: &[Address],
        connection: &Connection,
        journal: &Journal,
        leases: &Leases,
    ) -> Result<Vec<Target>> {
        let mut servers: BTreeMap<String, (Client, Arc<Server>)> = BTreeMap::new();
        let mut targets = Vec::new();
        for address in addresses {
            let key = address.server_key();
            let (client, server) = match servers.get(&key) {
                Some(known) => known.clone(),
                None => {
                    let Connection {
                        token, settings, ..
                    } = connection.clone();
                    let client = Client::new(address, token, settings)?;
                    let server = Arc::new(Server::new(&key, connection, journal, leases)?);
                    servers.insert(key, (client.clone(), Arc::clone(&server)));
                    (client, server)
                }
            };
            targets.push(Target {
                name: address.project_url(),
                address: address.clone(),
                project: Project::new(client, address),
                server,
            });
        }
        Ok(targets)
    }
}

impl Target {
    /// Another project of its server.
    pub(crate) fn sibling(&self, project: Project) -> Target {
        let address = Address {
            project: project.id(),
            ..self.address.clone()
        };
        Target {
            name: address.project_url(),
            address,
            project,
            server: Arc::clone(&self.server),
        }
    }
}

impl Server {
    fn new(key: &str, connection: &Connection, journal: &Journal, leases: &Leases) -> Result<Self> {
        let Leases { leases, pace } = leases;
        let learned = match journal.server(key)?.sizing {
            None => pace.server(key)?.sizing,
            learned => learned,
        };
        let Connection {
            interval,
            late,
            most_tasks,
            most_bytes,
            ..
        } = *connection;
        let sizing = Sizing::new(interval, most_tasks, most_bytes, learned.as_ref());
        let throttle = match leases.get(key) {
            None => Throttle::new(pace.clone(), key, interval),
            Some(lease) => Throttle::leased(pace.clone(), key, interval, lease.clone())?,
        };
        Ok(Server {
            key: key.to_owned(),
            throttle,
            journal: journal.clone(),
            pace: pace.clone(),
            late,
            sizing: Mutex::new(sizing),
        })
    }

    /// How much an import is to hold now.
    pub(crate) fn wanted(&self) -> Wanted {
        let sizing = self.sizing.lock().unwrap_or_else(PoisonError::into_inner);
        let (tasks, bytes) = sizing.limits();
        Wanted { tasks, bytes }
    }

    /// Learns from an answer, and keeps it for the next run.
    pub(crate) fn learn(&self, lesson: impl FnOnce(&mut Sizing)) -> Result<()> {
        let mut sizing = self.sizing.lock().unwrap_or_else(PoisonError::into_inner);
        lesson(&mut sizing);
        let learned = sizing.learned();
        let keep = |journal: &Journal| {
            let learned = learned.clone();
            journal.update_server(&self.key, |server| server.sizing = Some(learned))
        };
        if self.pace.directory() != self.journal.directory() {
            keep(&self.pace)?;
        }
        keep(&self.journal)
    }

    /// How long a request whose connection is gone may still be worked on, from its start.
    ///
    /// No call tells whether the server is still at it (the contract, section 5; its PostgreSQL part, section 4): this
    /// is several times what such an import takes, and never less than what a server under load takes for a small one.
    pub(crate) fn quiet(&self, load: Load) -> Duration {
        let sizing = self.sizing.lock().unwrap_or_else(PoisonError::into_inner);
        let expected = sizing.expected(load);
        let least = self.throttle.interval().clamp(SHORTEST_QUIET, COMMON_QUIET);
        let times = Duration::try_from_secs_f64(QUIET_TIMES * expected).unwrap_or(least);
        times.max(least)
    }
}
