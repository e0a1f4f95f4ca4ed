//! What all commands that send imports have in common: from a plan and a target to an exit code.

mod by_id;
mod ended;
mod target;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use self::by_id::Standing;
use self::target::Target;
pub(super) use self::target::{Named, Projects};
use super::args::DeliveryArguments;
use super::last_line::LastLine;
use super::leases::Shared;
use super::watching::{self, Watchers};
use crate::error::{Code, Error, Result};
use crate::packed::manifest::{Manifest, same_but_run};
use crate::pipeline::{self, Outcome};
use crate::plan::Plan;
use crate::report::{Report, Totals, Watch, log};
use crate::sink::objects::Layout;
use crate::source::sniff::Format;
use crate::wording::{agreeing, counted};

/// The exit code of a command line that asks for what cannot be.
const USAGE: u8 = 2;

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
