//! What `--to` names, and how it is opened.

use std::cell::OnceCell;
use std::path::PathBuf;

use super::Placing;
use crate::batch::limits::{ARRAY, Framing, LINES};
use crate::cli::args::{DeliveryArguments, ReachArguments, ServerArguments};
use crate::cli::leases::{Shared, Taken};
use crate::cli::server::{self, Access};
use crate::deliver::Sink;
use crate::error::{Code, Error, Result};
use crate::label_studio::address::Address as Project;
use crate::plan::Plan;
use crate::plan::shard::Shard;
use crate::report::log;
use crate::sink::directory::Directory;
use crate::sink::label_studio::spread::{ADVISED_TASKS, Spread};
use crate::sink::label_studio::target::Leases;
use crate::sink::label_studio::{Asked, LabelStudio};
use crate::sink::objects::{Layout, Objects};
use crate::sink::redis::Redis;
use crate::sink::stdout::Stdout;
use crate::source::address::unknown_scheme;
use crate::source::redis::{self, Address};
use crate::source::remote;

/// Where imports go.
pub(in crate::cli) enum Target {
    Directory(Directory),
    Stdout(Stdout),
    Redis(Redis),
    Objects(Box<Objects>),
    LabelStudio(Box<LabelStudio>),
}

impl Target {
    pub(super) fn sink(&self) -> &dyn Sink {
        match self {
            Target::Directory(directory) => directory,
            Target::Stdout(stdout) => stdout,
            Target::Redis(redis) => redis,
            Target::Objects(objects) => &**objects,
            Target::LabelStudio(projects) => &**projects,
        }
    }
}

/// What `--to` names, before anything is opened.
pub(in crate::cli) enum Named {
    Directory(PathBuf),
    Stdout,
    Redis(Address),
    Objects(remote::bucket::Address),
    Projects(Projects),
}

/// Projects of Label Studio, and how their servers are reached once that is known.
pub(in crate::cli) struct Projects {
    pub(in crate::cli) addresses: Vec<Project>,
    access: OnceCell<Access>,
}

impl Projects {
    /// How their servers are reached.
    ///
    /// # Errors
    /// When there is no token.
    pub(in crate::cli) fn access(&self, arguments: &ReachArguments) -> Result<Access> {
        if let Some(access) = self.access.get() {
            return Ok(access.clone());
        }
        let access = Access::new(arguments, &self.addresses)?;
        Ok(self.access.get_or_init(|| access).clone())
    }
}

impl Named {
    /// What these words name.
    ///
    /// # Errors
    /// When there is no such target, or they do not go together.
    pub(in crate::cli) fn of(words: &[String]) -> Result<Named> {
        let (projects, others): (Vec<&String>, Vec<&String>) = words
            .iter()
            .partition(|to| to.starts_with("http://") || to.starts_with("https://"));
        match (projects.as_slice(), others.as_slice()) {
            (_, []) => projects
                .into_iter()
                .map(|to| Project::parse(to))
                .collect::<Result<_>>()
                .map(|addresses| {
                    Named::Projects(Projects {
                        addresses,
                        access: OnceCell::new(),
                    })
                }),
            ([], [to]) if *to == "-" => Ok(Named::Stdout),
            ([], [to]) if redis::is_address(to) => redis(to),
            ([], [to]) if let Some(address) = remote::bucket::Address::parse(to)? => {
                Ok(Named::Objects(address))
            }
            ([], [to]) => match unknown_scheme(to, "target") {
                Some(error) => Err(error),
                None => Ok(Named::Directory(PathBuf::from(to))),
            },
            _ => Err(Error::new(
                Code::Usage,
                "`--to` is given several times, and not for projects of Label Studio alone",
            )
            .help("name one folder, or one or more projects")),
        }
    }

    /// The same for one process of a job, which has a folder of its own there.
    ///
    /// # Errors
    /// When its processes cannot share the target.
    pub(in crate::cli) fn within(self, shard: Shard) -> Result<Named> {
        match self {
            Named::Directory(path) => Ok(Named::Directory(path.join(shard.folder()))),
            Named::Objects(mut address) => {
                let key = format!("{}/{}", address.key.trim_end_matches('/'), shard.folder());
                key.trim_start_matches('/').clone_into(&mut address.key);
                Ok(Named::Objects(address))
            }
            Named::Stdout | Named::Redis(_) | Named::Projects(_) => Err(Error::new(
                Code::Usage,
                "`--shard`: the processes of a job pack into a folder or a prefix in a bucket",
            )
            .help("name one with `--to`; `sluice push` sends what was packed, at the pace that the server bears")),
        }
    }

    /// How the tasks of an import are joined there.
    pub(in crate::cli) fn framing(&self) -> Framing {
        match self {
            Named::Directory(_) | Named::Redis(_) | Named::Projects(_) | Named::Objects(_) => ARRAY,
            Named::Stdout => LINES,
        }
    }

    pub(super) fn open(
        self,
        arguments: &DeliveryArguments,
        place: Placing,
        shared: &Shared,
        plan: &Plan,
    ) -> Result<(Target, Option<Taken>)> {
        let Placing {
            overwrite, layout, ..
        } = place;
        if layout == Layout::Storage && matches!(self, Named::Projects(_) | Named::Stdout) {
            return Err(Error::new(
                Code::Usage,
                "`--layout storage` is for what a source storage of Label Studio can read",
            )
            .help("name a bucket, a folder or a Redis with `--to`, such as `s3://bucket/prefix`"));
        }
        let mut taken = None;
        let target = match self {
            Named::Objects(address) => {
                let objects = Objects::new(&address, layout, overwrite, &plan.run)?;
                if !arguments.watching.quiet {
                    log::tell(format_args!("{}", objects.told()));
                }
                Target::Objects(Box::new(objects))
            }
            Named::Directory(path) if layout == Layout::Storage => {
                let objects = Objects::in_folder(&path, overwrite, &plan.run)?;
                Target::Objects(Box::new(objects))
            }
            Named::Directory(path) => Target::Directory(Directory::new(&path, overwrite)),
            Named::Stdout => Target::Stdout(Stdout),
            Named::Redis(address) => {
                let journal = server::journal(&arguments.server.reach.state)?;
                Target::Redis(Redis::new(address, journal.rejects_of(&plan.run)))
            }
            Named::Projects(projects) => {
                let DeliveryArguments {
                    server: ServerArguments { interval, reach },
                    spread,
                    spread_title,
                    again,
                    accept_changed_sources,
                    ..
                } = arguments;
                let most = plan.limits.all();
                let connection = projects.access(reach)?.connection(*interval, most);
                let addresses = projects.addresses;
                let pace = server::journal(&reach.state)?;
                let quiet = arguments.watching.quiet;
                taken = shared.take(&addresses, *interval, &arguments.lease, quiet)?;
                let journal = shared.journal(taken.as_ref(), &pace, quiet)?;
                let leases = taken
                    .as_ref()
                    .map_or_else(|| Leases::none(&pace), |taken| taken.leases(&pace));
                let several = (addresses.len() > 1).then_some(ADVISED_TASKS);
                let asked = Asked {
                    run: plan.run.clone(),
                    named: arguments.run_id.is_some(),
                    plan: plan.digest()?,
                    sources: plan.sources.clone(),
                    options: server::options(&arguments.words),
                    spread: spread.or(several).map(|most| Spread {
                        most,
                        title: spread_title.clone(),
                    }),
                    again: *again,
                    accept_changed_sources: *accept_changed_sources,
                };
                let projects =
                    LabelStudio::leased(&addresses, &connection, journal, asked, leases)?;
                Target::LabelStudio(Box::new(projects))
            }
        };
        Ok((target, taken))
    }
}

/// The keys that a word names.
fn redis(word: &str) -> Result<Named> {
    let address: Address = word.parse()?;
    if address.path.is_empty() {
        return Err(Error::new(
            Code::Usage,
            "the tasks would go among all keys of the Redis",
        )
        .help("say what their keys start with, as in `redis://localhost:6379/1?path=tasks`"));
    }
    Ok(Named::Redis(address))
}
