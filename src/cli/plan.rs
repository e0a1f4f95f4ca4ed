//! `sluice plan`: what an import would come to. The same code reads and checks everything, and nothing is sent.

mod document;
mod sampled;
pub(super) mod text;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use self::document::{Document, Imports, Pace, Project, Source, VERSION};
use super::args::{ImportArguments, PlanArguments};
use super::delivery::{self, Named, Projects};
use super::next;
use super::table::print;
use super::{import, server, watching};
use crate::batch::limits::Wanted;
use crate::deliver::sizing::{self, Sizing};
use crate::error::{Code, Error, Result};
use crate::label_studio::client::Client;
use crate::label_studio::failure::Failure;
use crate::label_studio::project::Project as OnServer;
use crate::pipeline::{self, Outcome, alone};
use crate::plan::{Plan, Tolerance};
use crate::report::Watch;
use crate::report::log;
use crate::report::progress::{How, Shown};
use crate::sink::counted::{Counted, Rooms, Server};
use crate::sink::label_studio::spread::ADVISED_TASKS;

/// Runs the command; gives the exit code of a plan that came to its end.
///
/// # Errors
/// What ended it early, after what is known so far is printed.
pub fn run(arguments: &PlanArguments) -> Result<u8> {
    let started = Instant::now();
    let PlanArguments { import, .. } = arguments;
    let named = Named::of(&import.to)?;
    let mut plan = import::plan(&import::Asked::from(import), &named)?;
    // All that is wrong is to be known at once.
    let accepted = std::mem::replace(&mut plan.max_rejects, Tolerance::Count(u64::MAX));
    if let Some(amount) = arguments.sample {
        if let Some(code) = sampled::run(arguments, &plan, amount)? {
            return Ok(code);
        }
        if !import.delivery.watching.quiet {
            log::tell("the sample would be about all there is: all of it is read");
        }
    }
    let there = match &named {
        Named::Projects(projects) => look(import, projects)?,
        _ => Vec::new(),
    };
    let counted = Counted::new(
        plan.limits.framing,
        reckoned(import, &named, &plan, &there)?,
    );
    let watch = Arc::new(Watch::default());
    let plan = Arc::new(plan);
    if !import.delivery.watching.quiet {
        delivery::left_out(&plan, import.delivery.watching.verbose > 0);
    }
    let facts = watching::facts(&plan, &import.delivery, started, false);
    let how = How {
        shown: !import.delivery.watching.quiet,
        recorded: false,
    };
    let shown = Shown::start(&watch, &facts, how);
    let caller = &import.delivery.server.reach.caller;
    caller.watches(&watch);
    let Outcome { error, .. } = pipeline::run_ended_by(&plan, &counted, &watch, &caller.ends());
    drop(shown);
    let error = error.or_else(|| delivery::not_conserved(&watch.counters.totals()));
    let document = document(&Found {
        import,
        named: &named,
        plan: &plan,
        accepted,
        counted: &counted,
        watch: &watch,
        there: &there,
        error: error.as_ref(),
    })?;
    let as_json = || {
        let json = serde_json::to_string_pretty(&document);
        json.map(|json| json + "\n")
            .map_err(|e| Error::new(Code::Internal, format!("no plan: {e}")))
    };
    for path in &import.delivery.watching.report {
        watching::write(path, as_json()?.as_bytes())?;
    }
    if let Some(application) = caller.application() {
        let _ = application.plan.set(as_json()?);
        return error.map_or(Ok(0), Err);
    }
    // Of a plan that failed before its first record, the error says all there is.
    if import.delivery.json {
        print(&as_json()?)?;
    } else if error.is_none() || document.records > 0 {
        print(&text::text(&document))?;
    }
    if let Some(error) = error {
        return Err(error);
    }
    if !import.delivery.watching.quiet {
        next::after_plan(document.rejects > 0, document.accepted);
    }
    Ok(if document.rejects > 0 { 3 } else { 0 })
}

/// What is known at the end.
struct Found<'a> {
    import: &'a ImportArguments,
    named: &'a Named,
    plan: &'a Plan,
    accepted: Tolerance,
    counted: &'a Counted,
    watch: &'a Watch,
    there: &'a [u64],
    error: Option<&'a Error>,
}

fn document(found: &Found<'_>) -> Result<Document> {
    let Found {
        import,
        named,
        plan,
        accepted,
        counted,
        watch,
        there,
        error,
    } = *found;
    let totals = watch.counters.totals();
    let sizes = counted.imports();
    let most = most(import, named, plan);
    let imports = Imports::of(&sizes, &plan.limits, most);
    let expected = counted.server().map(|server| server.took());
    let interval = import.delivery.server.interval;
    let pace = match named {
        Named::Projects(_) | Named::Directory(_) | Named::Objects(_) => {
            Some(Pace::new(imports.fewest, interval, expected))
        }
        Named::Stdout | Named::Redis(_) => None,
    };
    let sources = plan.sources.iter().map(|source| {
        let source = source?;
        let counts = counted.sources().of(source.id);
        Ok(Source {
            name: source.name.to_string(),
            bytes: source.bytes,
            records: counts.records(),
            counts,
        })
    });
    Ok(Document {
        version: VERSION,
        complete: error.is_none(),
        error: error.map(ToString::to_string),
        target: import.to.join(" "),
        records: totals.records,
        tasks: totals.tasks,
        rejects: totals.rejects,
        duplicates: totals.duplicates,
        bytes: sizes.iter().map(|size| size.bytes as u64).sum(),
        bytes_read: watch.progress.bytes.load(Ordering::Relaxed),
        accepted: !accepted.exceeded(totals.rejects, totals.records, true),
        max_rejects: accepted.to_string(),
        rejects_by_code: totals.rejects_by_code,
        changes: totals.changes,
        imports,
        pace,
        projects: projects(named, counted, there, totals.tasks),
        sources: sources.collect::<Result<_>>()?,
    })
}

/// What the target takes of one import.
fn most(import: &ImportArguments, named: &Named, plan: &Plan) -> Wanted {
    let all = plan.limits.all();
    if !matches!(named, Named::Projects(_)) {
        return all;
    }
    let cap = if import.delivery.server.interval.is_zero() {
        sizing::BEST_TASKS
    } else {
        sizing::MOST_TASKS
    };
    Wanted {
        tasks: all.tasks.min(cap),
        ..all
    }
}

/// How many tasks each project has.
fn look(import: &ImportArguments, projects: &Projects) -> Result<Vec<u64>> {
    let access = projects.access(&import.delivery.server.reach)?;
    let there = projects.addresses.iter().map(|address| {
        let client = Client::new(address, access.token.clone(), access.settings.clone())?;
        let project = OnServer::new(client, address);
        let about = alone(async |_| project.about().await.map_err(Failure::into_error))?;
        Ok(about.task_number)
    });
    there.collect()
}

/// The server that is to take the imports, as far as it is known.
fn reckoned(
    import: &ImportArguments,
    named: &Named,
    plan: &Plan,
    there: &[u64],
) -> Result<Option<Server>> {
    let Named::Projects(projects) = named else {
        return Ok(None);
    };
    let Some(first) = projects.addresses.first() else {
        return Ok(None);
    };
    let delivery = &import.delivery;
    let interval = delivery.server.interval;
    let learned = server::learned(&delivery.server.reach.state, &first.server_key())?;
    let most = plan.limits.all();
    let several = (projects.addresses.len() > 1).then_some(ADVISED_TASKS);
    let rooms = delivery.spread.or(several).map(|new| Rooms {
        there: there
            .iter()
            .map(|tasks| new.saturating_sub(*tasks))
            .collect(),
        new,
    });
    let sizing = Sizing::new(interval, most.tasks, most.bytes, learned.as_ref());
    Ok(Some(Server::new(sizing, interval, rooms)))
}

/// The projects, with what they would hold afterwards.
fn projects(named: &Named, counted: &Counted, there: &[u64], tasks: u64) -> Vec<Project> {
    let (Named::Projects(projects), Some(server)) = (named, counted.server()) else {
        return Vec::new();
    };
    let project = |address: Option<String>, before: u64, more: u64| Project {
        address,
        tasks_before: before,
        tasks_after: before + more,
        over_advice: before + more > ADVISED_TASKS,
    };
    let Some(rooms) = server.rooms else {
        // Without a limit the first takes all.
        let more = |at: usize| if at == 0 { tasks } else { 0 };
        let all = projects.addresses.iter().zip(there).enumerate();
        return all
            .map(|(at, (address, before))| project(Some(address.project_url()), *before, more(at)))
            .collect();
    };
    let rest = rooms.there.iter().enumerate();
    rest.map(
        |(at, rest)| match (projects.addresses.get(at), there.get(at)) {
            (Some(address), Some(before)) => {
                let room = rooms.new.saturating_sub(*before);
                project(Some(address.project_url()), *before, room - rest)
            }
            _ => project(None, 0, rooms.new - rest),
        },
    )
    .collect()
}
