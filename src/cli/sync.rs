//! `--sync`: what was written for a source storage is read by one of a project.

use std::path::{Path, absolute};

use indicatif::HumanCount;
use serde_json::{Map, Value};

use super::args::ImportArguments;
use super::delivery::Named;
use super::server::{self, Access};
use crate::deliver::throttle::{INTERVAL, Throttle};
use crate::error::{Code, Error, Result};
use crate::label_studio::address::Address;
use crate::label_studio::client::Client;
use crate::label_studio::failure::Failure;
use crate::label_studio::project::Project;
use crate::label_studio::storage::{Synced, TASKS_A_SECOND, Wanted};
use crate::pipeline::alone;
use crate::report::log;
use crate::sink::objects::{Layout, TASKS};
use crate::source::redis;
use crate::source::remote::bucket::{Address as Bucket, Scheme};
use crate::wording::{agreeing, counted};

/// A project, and the source storage that it is to have.
pub(super) struct Sync {
    address: Address,
    access: Access,
    wanted: Wanted,
}

impl Sync {
    /// What the words ask for, if they do. The project is asked whether it is there.
    ///
    /// # Errors
    /// When no storage reads such a target, there is no token, or no such project.
    pub(super) fn of(arguments: &ImportArguments, named: &Named) -> Result<Option<Sync>> {
        let Some(to) = &arguments.sync else {
            return Ok(None);
        };
        if arguments.layout != Layout::Storage {
            return Err(Error::new(
                Code::Usage,
                "`--sync` is for tasks that a source storage can read",
            )
            .help("write them so with `--layout storage`, or import them with `--to` and the project's address"));
        }
        let address = Address::parse(to)?;
        let mut wanted = wanted(named)?;
        for (field, variable) in &arguments.sync_env {
            let value = std::env::var(variable).map_err(|_| {
                let reason = format!("`--sync-env {field}={variable}`: {variable} is not set");
                Error::new(Code::Usage, reason)
            })?;
            wanted.secrets.push((field.clone(), value));
        }
        let reach = &arguments.delivery.server.reach;
        let access = Access::new(reach, std::slice::from_ref(&address))?;
        let sync = Sync {
            address,
            access,
            wanted,
        };
        let project = sync.project()?;
        alone(async |_| project.about().await.map_err(Failure::into_error))?;
        if arguments.fields.provenance {
            log::warn(format_args!(
                "a source storage of Label Studio drops `meta`, and with it `meta.source`"
            ));
        }
        Ok(Some(sync))
    }

    fn project(&self) -> Result<Project> {
        let Access {
            token, settings, ..
        } = self.access.clone();
        let client = Client::new(&self.address, token, settings)?;
        Ok(Project::new(client, &self.address))
    }

    /// Has the project read what was written, `tasks` in number.
    ///
    /// # Errors
    /// When it does not, or has not all of it.
    pub(super) fn run(&self, arguments: &ImportArguments, tasks: u64) -> Result<Synced> {
        let journal = server::journal(&arguments.delivery.server.reach.state)?;
        let throttle = Throttle::new(journal, &self.address.server_key(), INTERVAL);
        let project = self.project()?;
        if !arguments.delivery.watching.quiet {
            let seconds = tasks.div_ceil(TASKS_A_SECOND);
            log::tell(format_args!(
                "the project reads {}, of which a server was seen to make {TASKS_A_SECOND} a second: about {}",
                counted(tasks, "task"),
                indicatif::HumanDuration(std::time::Duration::from_secs(seconds)),
            ));
        }
        alone(async |run| {
            // Two that make tasks at once wedge a server.
            let turn = throttle.turn(run.stopped()).await?;
            let Some(turn) = turn else {
                return Err(Error::new(Code::Interrupted, "stopped before the sync"));
            };
            let synced = project.sync(&self.wanted, tasks).await;
            turn.answered(None)?;
            synced
        })
    }
}

/// What was done, for a person.
pub(super) fn told(synced: &Synced) -> String {
    let Synced {
        storage,
        found,
        created,
        existed,
    } = synced;
    let new = if *found { "" } else { ", which is new" };
    format!(
        "{} made by the project's source storage {storage}{new}, {} {} there already",
        counted(*created, "task"),
        HumanCount(*existed),
        agreeing(*existed, "was", "were")
    )
}

/// The source storage that reads what is written to a target.
fn wanted(named: &Named) -> Result<Wanted> {
    let unread =
        |why: &str, help: &str| Err(Error::new(Code::Usage, why.to_owned()).help(help.to_owned()));
    match named {
        Named::Objects(address) => Ok(in_bucket(address)),
        Named::Directory(path) => in_folder(path),
        Named::Redis(address) if address.is_tls() => unread(
            "`--sync`: Label Studio's storages reach no Redis by TLS",
            "leave it out, or write to a Redis that is reached without",
        ),
        Named::Redis(address) if address.db == 0 => unread(
            "`--sync`: Label Studio's storages read databases of a Redis from 1 on",
            "name another in the address, as in `redis://localhost:6379/1?path=tasks`",
        ),
        Named::Redis(address) => Ok(in_redis(address)),
        Named::Stdout | Named::Projects(_) => unread(
            "`--sync` is for what is written to a bucket, a folder or a Redis",
            "name one with `--to`, such as `s3://bucket/prefix`",
        ),
    }
}

fn fields<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    let fields = fields.into_iter();
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn in_bucket(address: &Bucket) -> Wanted {
    let prefix = match address.key.trim_matches('/') {
        "" => TASKS.to_owned(),
        prefix => format!("{prefix}/{TASKS}"),
    };
    let variable = |names: &[&str]| {
        let mut set = names.iter().filter_map(|name| std::env::var(name).ok());
        set.find(|value| !value.is_empty()).map(Value::from)
    };
    let bucket = address.bucket.as_str();
    let mut more = Map::new();
    let (kind, named) = match address.scheme {
        Scheme::S3 => {
            // Where a store is that is not Amazon's belongs to its address.
            let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
            let region = ["AWS_REGION", "AWS_DEFAULT_REGION"];
            for (field, names) in [("s3_endpoint", &endpoint[..]), ("region_name", &region[..])] {
                more.extend(variable(names).map(|value| (field.to_owned(), value)));
            }
            ("s3", "bucket")
        }
        Scheme::Gcs => ("gcs", "bucket"),
        Scheme::Azure => {
            let named = address.account.clone().map(Value::from);
            let account = ["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"];
            let account = named.or_else(|| variable(&account));
            more.extend(account.map(|value| ("account_name".to_owned(), value)));
            ("azure", "container")
        }
    };
    Wanted {
        kind,
        place: fields([(named, bucket.into()), ("prefix", prefix.into())]),
        more,
        secrets: Vec::new(),
        files: true,
    }
}

fn in_folder(folder: &Path) -> Result<Wanted> {
    let path = absolute(folder).map_err(|e| {
        let reason = format!(
            "cannot tell where the folder `{}` is: {e}",
            folder.display()
        );
        Error::new(Code::TargetWrite, reason)
    })?;
    // Without what `.` and a slash at the end leave.
    let path: std::path::PathBuf = path.components().collect();
    let path = path.join(TASKS).display().to_string();
    Ok(Wanted {
        kind: "localfiles",
        place: fields([("path", path.into())]),
        more: Map::new(),
        secrets: Vec::new(),
        files: true,
    })
}

fn in_redis(address: &redis::Address) -> Wanted {
    Wanted {
        kind: "redis",
        place: fields([
            ("host", address.host.as_str().into()),
            ("port", address.port.to_string().into()),
            ("db", address.db.into()),
            ("path", address.path.as_str().into()),
        ]),
        more: Map::new(),
        secrets: Vec::new(),
        files: false,
    }
}
