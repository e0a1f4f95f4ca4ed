//! `sluice import`: the main job.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use serde::Serialize;

use super::args::{ImportArguments, NulArgument};
use super::server;
use crate::batch::limits::{ARRAY, Framing, LINES, Limits};
use crate::buffer::{Buffers, SPARE_BUFFERS};
use crate::decode::Nul;
use crate::deliver::Sink;
use crate::error::{Code, Error, Result};
use crate::label_studio::address::Address;
use crate::normalize::Normalizer;
use crate::normalize::mapping::Mapping;
use crate::pipeline::{self, Outcome};
use crate::plan::{MOST_RECORD_BYTES, Plan, new_run_id};
use crate::read::{RECORDS_IN_MEMORY, Reading};
use crate::report::progress::Shown;
use crate::report::summary::summary;
use crate::report::{Report, Totals, VERSION, Watch};
use crate::sink::directory::Directory;
use crate::sink::label_studio::spread::{ADVISED_TASKS, Spread};
use crate::sink::label_studio::{Asked, LabelStudio};
use crate::sink::stdout::Stdout;
use crate::source::local;

/// Bytes of text in a chunk: about the size of a second-level cache. Builds for tests take tiny ones, so that every
/// test crosses boundaries.
const CHUNK_BYTES: usize = if cfg!(debug_assertions) {
    4 << 10
} else {
    512 << 10
};

/// The exit code of a command line that asks for what cannot be.
const USAGE: u8 = 2;

/// Where imports go.
enum Target {
    Directory(Directory),
    Stdout(Stdout),
    LabelStudio(Box<LabelStudio>),
}

impl Target {
    fn sink(&self) -> &dyn Sink {
        match self {
            Target::Directory(directory) => directory,
            Target::Stdout(stdout) => stdout,
            Target::LabelStudio(projects) => &**projects,
        }
    }
}

/// What `--to` names, before anything is opened.
enum Named {
    Directory(PathBuf),
    Stdout,
    Projects(Vec<Address>),
}

impl Named {
    fn of(words: &[String]) -> Result<Named> {
        let (projects, others): (Vec<&String>, Vec<&String>) = words
            .iter()
            .partition(|to| to.starts_with("http://") || to.starts_with("https://"));
        match (projects.as_slice(), others.as_slice()) {
            (_, []) => projects
                .into_iter()
                .map(|to| Address::parse(to))
                .collect::<Result<_>>()
                .map(Named::Projects),
            ([], [to]) if *to == "-" => Ok(Named::Stdout),
            ([], [to]) => match to.split_once("://") {
                Some((scheme, _)) => Err(Error::new(
                    Code::Usage,
                    format!("`--to {to}`: no target is known by `{scheme}://`"),
                )
                .help("name a folder, `-` for standard output, or the address of a Label Studio project")),
                None => Ok(Named::Directory(PathBuf::from(to))),
            },
            _ => Err(Error::new(
                Code::Usage,
                "`--to` is given several times, and not for projects of Label Studio alone",
            )
            .help("name one folder, or one or more projects")),
        }
    }

    fn framing(&self) -> Framing {
        match self {
            Named::Directory(_) | Named::Projects(_) => ARRAY,
            Named::Stdout => LINES,
        }
    }

    fn open(self, arguments: &ImportArguments, plan: &Plan) -> Result<Target> {
        Ok(match self {
            Named::Directory(path) => Target::Directory(Directory::new(&path, arguments.overwrite)),
            Named::Stdout => Target::Stdout(Stdout),
            Named::Projects(addresses) => {
                let ImportArguments {
                    server,
                    spread,
                    spread_title,
                    again,
                    accept_changed_sources,
                    ..
                } = arguments;
                let connection = server::connection(server, &addresses, plan.limits)?;
                let journal = server::journal(server)?;
                let several = (addresses.len() > 1).then_some(ADVISED_TASKS);
                let asked = Asked {
                    run: plan.run.clone(),
                    plan: plan.digest()?,
                    sources: plan.sources.clone(),
                    options: server::options(),
                    spread: spread.or(several).map(|most| Spread {
                        most,
                        title: spread_title.clone(),
                    }),
                    again: *again,
                    accept_changed_sources: *accept_changed_sources,
                };
                let projects = LabelStudio::new(&addresses, &connection, journal, asked)?;
                Target::LabelStudio(Box::new(projects))
            }
        })
    }
}

/// Runs the command; gives the exit code of a run that came to its end.
///
/// # Errors
/// What ended it early.
pub fn run(arguments: &ImportArguments) -> Result<u8> {
    let started = Instant::now();
    let named = Named::of(&arguments.to)?;
    let plan = Arc::new(plan(arguments, named.framing())?);
    let target = Arc::new(named.open(arguments, &plan)?);
    if !arguments.quiet {
        left_out(&plan, arguments.verbose > 0);
    }
    let doing = Arc::clone(&target);
    let watch = Arc::new(Watch::new(move || match &*doing {
        Target::LabelStudio(projects) => projects.doing(),
        Target::Directory(_) | Target::Stdout(_) => None,
    }));
    let bytes = plan.sources.iter().map(|source| source.bytes).sum();
    let shown = Shown::start(&watch, bytes, arguments.quiet);
    let Outcome { receipts, error } = pipeline::run(&plan, target.sink(), &watch);
    drop(shown);

    let totals = watch.counters.totals();
    let report = Report {
        version: VERSION,
        run: match &*target {
            Target::LabelStudio(projects) => projects.run_id().to_owned(),
            Target::Directory(_) | Target::Stdout(_) => plan.run.clone(),
        },
        complete: error.is_none(),
        error: error.as_ref().map(ToString::to_string),
        totals,
        bytes_read: watch
            .progress
            .bytes
            .load(std::sync::atomic::Ordering::Relaxed),
        seconds: started.elapsed(),
        deliveries: receipts,
    };
    let error = error.or_else(|| not_conserved(&report.totals));
    let written = match &*target {
        // What was asked for cannot be: the folder is left as it was, for the next try.
        Target::Directory(_) if error.as_ref().is_some_and(|e| e.exit_code() == USAGE) => Ok(()),
        Target::Directory(directory) => directory.finish(&Manifest::of(&plan, &report)?),
        Target::Stdout(_) | Target::LabelStudio(_) => Ok(()),
    };
    if let Some(path) = &arguments.report {
        write_report(path, &report)?;
    }
    if !arguments.quiet {
        if let Target::LabelStudio(projects) = &*target {
            server::tell(projects);
        }
        if error.is_none() || report.totals.records > 0 {
            eprintln!("{}", summary(&report, &arguments.to.join(" ")));
        }
    }
    match error {
        Some(error) => Err(error),
        None => written.map(|()| if report.totals.rejects > 0 { 3 } else { 0 }),
    }
}

fn plan(arguments: &ImportArguments, framing: Framing) -> Result<Plan> {
    let ImportArguments {
        reading,
        fields,
        limits,
        ..
    } = arguments;
    let listing = local::list(&arguments.sources)?;
    let bounds = Limits::new(limits.max_tasks, limits.max_bytes, framing)?;
    let mapping = Mapping::new(
        fields.pick.clone(),
        fields.map.clone(),
        fields.set.clone(),
        fields.data_key.clone(),
    )?;
    Ok(Plan {
        run: new_run_id(),
        sources: listing.sources,
        left_out: listing.left_out,
        reading: Reading {
            format: reading.format,
            delimiter: reading.delimiter,
            header: !reading.no_header,
            encoding: reading.encoding,
            chunk_bytes: limits.chunk_bytes.unwrap_or(CHUNK_BYTES),
            record_bytes: (limits.memory / RECORDS_IN_MEMORY).clamp(1, MOST_RECORD_BYTES),
            pick: fields.pick.clone(),
        },
        normalizer: Arc::new(Normalizer {
            mapping,
            nul: match fields.nul {
                NulArgument::Reject => Nul::Reject,
                NulArgument::Replace => Nul::Replace,
            },
            task_bytes: bounds.task_bytes(),
            separator: bounds.framing.separator,
            buffers: Buffers::new(SPARE_BUFFERS),
        }),
        limits: bounds,
        threads: limits.threads.map_or_else(processors, usize::from),
        memory: limits.memory,
        max_rejects: limits.max_rejects,
    })
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Says which files of folders are not read: what is passed over silently is lost.
fn left_out(plan: &Plan, all: bool) {
    const SHOWN: usize = 3;
    let files = &plan.left_out;
    if files.is_empty() {
        return;
    }
    let shown = if all {
        files.len()
    } else {
        SHOWN.min(files.len())
    };
    let names: Vec<_> = files[..shown]
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let more = if shown < files.len() { ", ..." } else { "" };
    eprintln!(
        "left out {} files whose names tell no format: {}{more}",
        files.len(),
        names.join(", ")
    );
}

/// A run that says it is complete has a task or a reject for every record: anything else is a mistake of ours.
fn not_conserved(totals: &Totals) -> Option<Error> {
    (!totals.is_conserved()).then(|| {
        let Totals {
            records,
            tasks,
            rejects,
            ..
        } = totals;
        Error::new(
            Code::Internal,
            format!("{records} records became {tasks} tasks and {rejects} rejects"),
        )
    })
}

fn write_report(path: &Path, report: &Report) -> Result<()> {
    let mut json = serde_json::to_vec_pretty(report)
        .map_err(|e| Error::new(Code::Internal, format!("no report: {e}")))?;
    json.push(b'\n');
    let outcome = if path == Path::new("-") {
        std::io::stdout().write_all(&json)
    } else {
        std::fs::write(path, &json)
    };
    outcome.map_err(|e| {
        Error::new(
            Code::TargetWrite,
            format!("cannot write the report to `{}`: {e}", path.display()),
        )
    })
}

/// What a target folder holds, and where it came from.
#[derive(Serialize)]
struct Manifest<'a> {
    version: u32,
    run: &'a str,
    complete: bool,
    plan: String,
    sources: Vec<&'a str>,
    max_tasks: usize,
    max_bytes: usize,
    records: u64,
    tasks: u64,
    rejects: u64,
    bytes: u64,
    imports: &'a [crate::deliver::Receipt],
}

impl<'a> Manifest<'a> {
    fn of(plan: &'a Plan, report: &'a Report) -> Result<Self> {
        Ok(Manifest {
            version: VERSION,
            run: &plan.run,
            complete: report.complete,
            plan: plan.digest()?,
            sources: plan.sources.iter().map(|source| &*source.name).collect(),
            max_tasks: plan.limits.tasks.get(),
            max_bytes: plan.limits.bytes.get(),
            records: report.totals.records,
            tasks: report.totals.tasks,
            rejects: report.totals.rejects,
            bytes: report.totals.bytes,
            imports: &report.deliveries,
        })
    }
}
