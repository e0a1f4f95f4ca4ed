//! Where a run with an id of the user's begins and ends, for each kind of target; and what the last line tells of any.

use super::Target;
use crate::cli::args::DeliveryArguments;
use crate::cli::last_line::{CameTo, LastLine};
use crate::cli::run_ids::{self, Taken, There};
use crate::error::{Code, Error, Result};
use crate::packed::manifest::Manifest;
use crate::plan::Plan;
use crate::report::Report;
use crate::report::log;
use crate::wording::{agreeing, counted};

/// How a run stands before its first byte is read.
pub(super) enum Standing {
    /// Everything is there already.
    Over,
    /// It begins or goes on. The record is that of a run by its id, where the target does not keep it itself.
    ToDo(Option<Box<Taken>>),
}

/// The plan, with the user's id for the run if there is one.
pub(super) fn named(plan: Plan, arguments: &DeliveryArguments) -> Plan {
    match (&arguments.run_id, plan.shard) {
        (None, _) => plan,
        (Some(run), None) => plan.of_run(run),
        // Each process of a job is a run of its own, until they are committed.
        (Some(run), Some(shard)) => plan.of_run(&format!("{run}-{}", shard.folder())),
    }
}

/// How the run stands; says so if there is nothing to do.
///
/// # Errors
/// When its id is that of another plan, target or source, or another process has it.
pub(super) fn stand(
    arguments: &DeliveryArguments,
    plan: &Plan,
    target: &mut Target,
    last: &mut LastLine,
) -> Result<Standing> {
    last.run = Some(plan.run.clone());
    if arguments.run_id.is_none() {
        return Ok(Standing::ToDo(None));
    }
    let Some(taken) = take(arguments, plan, target)? else {
        return Ok(Standing::ToDo(None));
    };
    let Some(over) = &taken.over else {
        return Ok(Standing::ToDo(Some(Box::new(taken))));
    };
    last.came_to = over.clone();
    if !arguments.watching.quiet {
        let (run, tasks) = (&plan.run, over.tasks);
        log::tell(format_args!(
            "run {run} has brought {} {} already: there is nothing to do",
            agreeing(tasks, "its", "all"),
            counted(tasks, "task")
        ));
    }
    Ok(Standing::Over)
}

/// Takes the run in hand; nothing if the target sees to that itself.
fn take(arguments: &DeliveryArguments, plan: &Plan, target: &mut Target) -> Result<Option<Taken>> {
    let (shown, there) = match target {
        Target::LabelStudio(_) => return Ok(None),
        Target::Stdout(_) => {
            return Err(Error::new(
                Code::Usage,
                "`--run-id` does not go with `--to -`: nobody knows what became of the tasks",
            )
            .help("leave it out, or name another target"));
        }
        Target::Directory(directory) => {
            let path = std::path::absolute(directory.path());
            let path = path.unwrap_or_else(|_| directory.path().to_owned());
            (path.display().to_string(), There::of_folder(&path))
        }
        Target::Objects(objects) => {
            let manifest = objects.manifest()?;
            (objects.shown(), There::of_bucket(manifest.as_deref()))
        }
        // The journal would cut what looks like an address, and with it what the keys start with.
        Target::Redis(redis) => (redis.shown().replacen("://", ":", 1), There::Never),
    };
    let taken = run_ids::take(arguments, plan, &shown, &there)?;
    if let Target::Directory(directory) = target {
        let begun = Manifest::begun(plan)?.to_json()?;
        *directory = directory.clone().begun_as(begun, taken.goes_on);
    }
    Ok(Some(taken))
}

/// Keeps what a run came to: for the last line, and for the record if it has one there.
///
/// # Errors
/// When it cannot be recorded.
pub(super) fn came_to(
    report: &Report,
    target: &Target,
    last: &mut LastLine,
    taken: Option<Box<Taken>>,
    error: Option<&Error>,
) -> Result<()> {
    let before = match target {
        Target::LabelStudio(projects) => projects.before(),
        Target::Directory(_) | Target::Stdout(_) | Target::Redis(_) | Target::Objects(_) => None,
    };
    let totals = &report.totals;
    last.run = Some(report.facts.run.clone());
    last.came_to = CameTo {
        complete: error.is_none(),
        done_before: before.is_some_and(|before| before.complete),
        records: totals.records,
        tasks: totals.tasks,
        tasks_before: before.map_or(0, |before| before.tasks),
        rejects: totals.rejects,
        duplicates: totals.duplicates,
        imports: totals.imports,
        bytes: totals.bytes,
        bytes_read: report.bytes_read,
    };
    match taken {
        Some(taken) => taken.finish(&last.came_to, error),
        None => Ok(()),
    }
}
