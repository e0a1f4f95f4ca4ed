//! What all commands that send imports have in common: from a plan and a target to an exit code.

mod by_id;
mod ended;

use std::cell::OnceCell;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use self::by_id::Standing;
use super::args::{DeliveryArguments, ReachArguments, ServerArguments};
use super::last_line::LastLine;
use super::leases::{Shared, Taken};
use super::server::{self, Access};
use super::watching::{self, Watchers};
use crate::batch::limits::{ARRAY, Framing, LINES};
use crate::deliver::Sink;
use crate::error::{Code, Error, Result};
use crate::label_studio::address::Address as Project;
use crate::packed::manifest::{Manifest, same_but_run};
use crate::pipeline::{self, Outcome};
use crate::plan::Plan;
use crate::plan::shard::Shard;
use crate::report::{Report, Totals, Watch, log};
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
use crate::source::sniff::Format;
use crate::wording::{agreeing, counted};

/// The exit code of a command line that asks for what cannot be.
const USAGE: u8 = 2;

/// Where imports go.
enum Target {
    Directory(Directory),
    Stdout(Stdout),
    Redis(Redis),
    Objects(Box<Objects>),
    LabelStudio(Box<LabelStudio>),
}

impl Target {
    fn sink(&self) -> &dyn Sink {
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
pub(super) enum Named {
    Directory(PathBuf),
    Stdout,
    Redis(Address),
    Objects(remote::bucket::Address),
    Projects(Projects),
}

/// Projects of Label Studio, and how their servers are reached once that is known.
pub(super) struct Projects {
    pub(super) addresses: Vec<Project>,
    access: OnceCell<Access>,
}

impl Projects {
    /// How their servers are reached.
    ///
    /// # Errors
    /// When there is no token.
    pub(super) fn access(&self, arguments: &ReachArguments) -> Result<Access> {
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
    pub(super) fn of(words: &[String]) -> Result<Named> {
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
    pub(super) fn within(self, shard: Shard) -> Result<Named> {
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
    pub(super) fn framing(&self) -> Framing {
        match self {
            Named::Directory(_) | Named::Redis(_) | Named::Projects(_) | Named::Objects(_) => ARRAY,
            Named::Stdout => LINES,
        }
    }

    fn open(
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

/// How what is delivered is placed at a target.
#[derive(Clone, Copy, Default)]
pub(super) struct Placing {
    /// Whether what an earlier run left there is removed.
    pub(super) overwrite: bool,
    /// What is an object there.
    pub(super) layout: Layout,
    /// Whether it is a part of a run, whose manifest another writes.
    pub(super) part: bool,
}

/// What is to be delivered, and where.
pub(super) struct Delivery<'a> {
    /// When the command began.
    pub(super) started: Instant,
    /// What is read, and how.
    pub(super) plan: Plan,
    /// Where it goes.
    pub(super) named: Named,
    /// The same as the user wrote it.
    pub(super) to: &'a [String],
    /// How it is placed there.
    pub(super) placing: Placing,
    /// What other machines share in it.
    pub(super) shared: Shared,
    /// How it is delivered.
    pub(super) arguments: &'a DeliveryArguments,
    /// What is told of it at the end.
    pub(super) last: &'a mut LastLine,
}

/// Delivers a plan; gives the exit code of a run that came to its end, and how many tasks it had.
///
/// # Errors
/// What ended it early.
pub(super) fn run(delivery: Delivery<'_>) -> Result<(u8, u64)> {
    let Delivery {
        started,
        plan,
        named,
        to,
        placing,
        shared,
        arguments,
        last,
    } = delivery;
    let caller = &arguments.server.reach.caller;
    watching::check_reports(&arguments.watching.report)?;
    let plan = Arc::new(by_id::named(plan, arguments));
    let (mut target, leases) = named.open(arguments, placing, &shared, &plan)?;
    let Standing::ToDo(taken) = by_id::stand(arguments, &plan, &mut target, last)? else {
        return Ok((0, last.came_to.tasks));
    };
    let target = Arc::new(target);
    if !arguments.watching.quiet {
        left_out(&plan, arguments.watching.verbose > 0);
    }
    let paced = matches!(&*target, Target::LabelStudio(_));
    let mut facts = watching::facts(&plan, arguments, started, paced);
    let doing = Arc::clone(&target);
    let watch = Arc::new(Watch::new(started, move || match &*doing {
        Target::LabelStudio(projects) => projects.doing(),
        Target::Directory(_) | Target::Stdout(_) | Target::Redis(_) | Target::Objects(_) => None,
    }));
    let watchers = Watchers::start(&watch, &facts, &arguments.watching)?;
    caller.watches(&watch);
    let Outcome { receipts, error } =
        pipeline::run_ended_by(&plan, target.sink(), &watch, &caller.ends());
    drop(watchers);
    // Given back at once, so that the next need not wait.
    drop(leases);

    if let Target::LabelStudio(projects) = &*target {
        projects.run_id().clone_into(&mut facts.run);
    }
    let report = Report::of(&watch, facts, receipts, error.as_ref());
    let error = error.or_else(|| not_conserved(&report.totals));
    let written = match &*target {
        // What was asked for cannot be: the folder is left as it was, for the next try.
        Target::Directory(_) if error.as_ref().is_some_and(|e| e.exit_code() == USAGE) => Ok(()),
        Target::Directory(_) if placing.part => Ok(()),
        Target::Directory(directory) => directory.finish(&Manifest::of(&plan, &report)?.to_json()?),
        // What is there without a manifest does not count, and is not written again.
        Target::Objects(_) if error.is_some() => Ok(()),
        Target::Objects(objects) if placing.part => objects.finish_part(),
        Target::Objects(objects) => {
            let manifest = Manifest::of(&plan, &report)?.to_json()?;
            let same = same_but_run(&manifest);
            objects.finish(manifest, same)
        }
        Target::Stdout(_) | Target::Redis(_) | Target::LabelStudio(_) => Ok(()),
    };
    let ended = error.as_ref().or(written.as_ref().err());
    by_id::came_to(&report, &target, last, taken, ended)?;
    if let Some(application) = caller.application() {
        let manifest = Manifest::of(&plan, &report)?.to_json()?;
        let _ = application.manifest.set(manifest);
        let _ = application.report.set(report.clone());
    }
    watching::write_reports(&arguments.watching.report, &report)?;
    if !arguments.watching.quiet {
        ended::tell(
            &plan,
            &target,
            &watch,
            &report,
            error.as_ref(),
            &to.join(" "),
        );
    }
    match error {
        Some(error) => Err(error),
        None => written.map(|()| {
            let code = if report.totals.rejects > 0 { 3 } else { 0 };
            (code, report.totals.tasks)
        }),
    }
}

/// Says which files of folders are not read: what is passed over silently is lost.
pub(super) fn left_out(plan: &Plan, all: bool) {
    const SHOWN: usize = 3;
    let is_media = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Format::of_name(&name) == Some(Format::Reference)
    };
    let (media, unknown): (Vec<_>, Vec<_>) = plan.left_out.iter().partition(is_media);
    let told = |files: &[&PathBuf], one: &str, more_than_one: &str, help: &str| {
        if files.is_empty() {
            return;
        }
        let shown = if all { files.len() } else { SHOWN };
        let names: Vec<_> = files
            .iter()
            .take(shown)
            .map(|path| path.display().to_string())
            .collect();
        let more = if names.len() < files.len() {
            ", ..."
        } else {
            ""
        };
        log::tell(format_args!(
            "left out {} {}: {}{more}{help}",
            files.len(),
            agreeing(files.len() as u64, one, more_than_one),
            names.join(", ")
        ));
    };
    told(
        &unknown,
        "file whose name tells no format",
        "files whose names tell no format",
        "",
    );
    let help = "\n  help: for tasks with their addresses, say what stands before their paths with `--media-url PREFIX`";
    told(
        &media,
        "image, sound, film or the like",
        "images, sounds, films and the like",
        help,
    );
}

/// A run that says it is complete has a task or a reject for every record: anything else is a mistake of ours.
pub(super) fn not_conserved(totals: &Totals) -> Option<Error> {
    (!totals.is_conserved()).then(|| {
        let Totals {
            records,
            tasks,
            rejects,
            duplicates,
            ..
        } = totals;
        Error::new(
            Code::Internal,
            format!(
                "{} became {}, {} and {}",
                counted(*records, "record"),
                counted(*tasks, "task"),
                counted(*rejects, "reject"),
                counted(*duplicates, "duplicate")
            ),
        )
    })
}
