//! `sluice verify`: counts a run's imports at the target, and compares them with the sources if asked to.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use super::args::{ServerArguments, VerifyArguments};
use super::caller::Caller;
use super::leases::Taken;
use super::pushes;
use super::recorded::Words;
use super::table::{Align, Table, print};
use crate::error::{Code, Error, Result};
use crate::journal::{Change, Counts, RunLog, RunState};
use crate::pipeline::{self, EndedBy, Outcome, alone_ended_by};
use crate::place::Spot;
use crate::plan::{Plan, Tolerance};
use crate::report::Watch;
use crate::report::facts::{Expected, Facts};
use crate::report::log;
use crate::report::progress::{How, Shown};
use crate::sink::label_studio::compare::{Compared, Comparison};
use crate::sink::label_studio::recorded::Recorded;
use crate::sink::label_studio::verify::{Counted, Repaired, Verdict};
use crate::source::{Location, Source};
use crate::wording::{agreeing, counted};

/// Runs the command.
///
/// # Errors
/// What is not right, with exit code 7, once it is listed; what kept it from looking.
pub fn run(arguments: &VerifyArguments) -> Result<u8> {
    let found = look(arguments)?;
    print(&found.report())?;
    found.outcome()
}

/// What there is of a run.
pub struct Found {
    recorded: Recorded,
    /// Given back when this is dropped.
    _leases: Option<Taken>,
    plan: Option<Arc<Plan>>,
    repair: bool,
    /// Its imports, counted.
    pub counted: Vec<Counted>,
    /// Their tasks, if they were compared with the sources.
    pub compared: Option<Compared>,
}

/// Counts a run's imports at the target, compares them and brings them again, as far as it is asked for.
///
/// # Errors
/// What kept it from looking.
pub fn look(arguments: &VerifyArguments) -> Result<Found> {
    let VerifyArguments {
        run,
        deep,
        repair,
        lease,
        server: ServerArguments { interval, reach },
    } = arguments;
    let known = pushes::find(&reach.state, run)?.into_projects()?;
    let run = known.run.id.clone();
    let undone = || {
        Error::new(
            Code::Usage,
            format!("run `{run}` was taken back: there is nothing to verify"),
        )
    };
    if known.is_undone() {
        return Err(undone());
    }
    let (recorded, leases) = known.in_hand(reach, *interval, lease)?;
    // Another machine may have done that since.
    if recorded.log().run().state == RunState::Undone {
        return Err(undone());
    }
    let plan = if *deep {
        Some(Arc::new(plan_of(recorded.log())?))
    } else {
        None
    };
    let ends = reach.caller.ends();
    let mut counted = alone_ended_by(&ends, async |_| recorded.count().await)?;
    if *repair {
        let wrong = |counted: &&Counted| counted.verdict != Verdict::Ok;
        let wrong: Vec<_> = counted.iter().filter(wrong).cloned().collect();
        counted = repaired(&recorded, &ends, &wrong, counted)?;
    }
    let mut compared = None;
    if let Some(plan) = &plan {
        let whole = |counted: &&Counted| counted.stored.tasks == counted.entry.intent.tasks;
        let chosen = counted.iter().filter(whole);
        let chosen = chosen.map(|counted| counted.entry.intent.number).collect();
        let mut found = compare(&recorded, &reach.caller, plan, chosen)?;
        if *repair && !found.imports.is_empty() {
            let differs = |counted: &&Counted| found.imports.contains(&counted.entry.intent.number);
            let wrong: Vec<_> = counted.iter().filter(differs).cloned().collect();
            counted = repaired(&recorded, &ends, &wrong, counted)?;
            found = compare(&recorded, &reach.caller, plan, found.imports.clone())?;
        }
        compared = Some(found);
    }
    Ok(Found {
        recorded,
        _leases: leases,
        plan,
        repair: *repair,
        counted,
        compared,
    })
}

impl Found {
    /// What was found, as text.
    #[must_use]
    pub fn report(&self) -> String {
        let run = &self.recorded.log().run().id;
        report(
            run,
            &self.counted,
            self.compared.as_ref(),
            self.plan.as_deref(),
        )
    }

    /// Whether all is right: the exit code that says so.
    ///
    /// # Errors
    /// What is not right, with exit code 7; that the run is not over.
    pub fn outcome(&self) -> Result<u8> {
        let (log, compared) = (self.recorded.log(), self.compared.as_ref());
        outcome(&log.run().id, log, &self.counted, compared, self.repair)
    }
}

/// The plan of a run's recorded words, if its sources are what they were.
fn plan_of(log: &RunLog) -> Result<Plan> {
    let words = Words::of(log.run()).ok_or_else(|| {
        Error::new(
            Code::Journal,
            "the journal does not say what the run was asked for with",
        )
    })?;
    let mut plan = words.plan()?;
    let sources = log.sources()?;
    let stdin = |source: &Source| source.location == Location::Stdin;
    if sources.len() != plan.sources.len() && !plan.sources.any_apart(stdin) {
        let (then, now) = (sources.len(), plan.sources.len());
        return Err(Error::new(
            Code::Journal,
            format!(
                "the run read {}, and its words stand for {now} now",
                counted(then as u64, "source")
            ),
        )
        .help(PUT_BACK));
    }
    log.check_sources(|known| {
        let source = plan.sources.get(known.id)?;
        match source.as_ref().map(|source| &source.location) {
            Some(Location::File(path)) => known.change_in_file(path),
            Some(Location::Remote(remote)) => Ok(known.change_in_remote(remote)),
            Some(Location::Member(member)) => Ok(known.change_in_member(member)),
            Some(Location::Referred | Location::Redis(_) | Location::Batches(_)) => Ok(None),
            Some(Location::Presigned(..)) => Err(Error::new(
                Code::Usage,
                "the run signed addresses of media, which are others each time",
            )
            .help("without `--deep` its imports are counted")),
            Some(Location::Stdin) => Err(Error::new(
                Code::Usage,
                "the run read standard input, which cannot be read again",
            )
            .help("without `--deep` its imports are counted")),
            None => Ok(Some(Change::Name)),
        }
    })
    .map_err(|error| match error.code() {
        Code::Journal => error.help(PUT_BACK),
        _ => error,
    })?;
    if plan.digest()? != log.run().plan_digest {
        return Err(Error::new(
            Code::Journal,
            "the words the run was asked for with mean something else now",
        )
        .help("use the sluice that made the run"));
    }
    plan.max_rejects = Tolerance::Percent(100.0);
    Ok(plan)
}

const PUT_BACK: &str = "put the old one back; without `--deep` the imports are counted, whatever became of the sources";

/// Repairs some imports, and counts all again.
fn repaired(
    recorded: &Recorded,
    ends: &EndedBy,
    wrong: &[Counted],
    counted: Vec<Counted>,
) -> Result<Vec<Counted>> {
    if wrong.is_empty() {
        return Ok(counted);
    }
    alone_ended_by(ends, async |run| {
        for counted in wrong {
            let number = counted.entry.intent.number;
            log::tell(format_args!(
                "import {number} is {}, committing it again",
                counted.verdict
            ));
            if let Repaired::Not(why) = recorded.repair(counted, run).await? {
                log::tell(format_args!("import {number} is left as it is: {why}"));
            }
        }
        recorded.count().await
    })
}

/// Reads the sources again, and compares the imports of these numbers.
fn compare(
    recorded: &Recorded,
    caller: &Caller,
    plan: &Arc<Plan>,
    chosen: BTreeSet<u64>,
) -> Result<Compared> {
    let comparison = Comparison::new(recorded, &plan.sources, chosen)?;
    let watch = Arc::new(Watch::default());
    let facts = Facts {
        sources: Expected::of(&plan.sources),
        ..Facts::default()
    };
    let how = How {
        shown: caller.application().is_none(),
        recorded: false,
    };
    let shown = Shown::start(&watch, &facts, how);
    // A second look tells no more than the first.
    caller.watches(&watch);
    let Outcome { error, .. } = pipeline::run_ended_by(plan, &comparison, &watch, &caller.ends());
    drop(shown);
    match error {
        Some(error) => Err(error),
        None => Ok(comparison.outcome()),
    }
}

/// What was found, as text.
fn report(
    run: &str,
    imports: &[Counted],
    compared: Option<&Compared>,
    plan: Option<&Plan>,
) -> String {
    let mut table = Table::new(&[
        ("IMPORT", Align::Right),
        ("RESULT", Align::Left),
        ("TASKS", Align::Right),
        ("ANNOTATIONS", Align::Right),
        ("PREDICTIONS", Align::Right),
        ("TARGET", Align::Left),
    ]);
    let of = |there: u64, sent: u64| format!("{there} of {sent}");
    for one in imports.iter().filter(|one| one.verdict != Verdict::Ok) {
        let (sent, there) = (&one.entry.intent, one.stored);
        let cells = vec![
            sent.number.to_string(),
            one.verdict.to_string(),
            of(there.tasks, sent.tasks),
            of(there.annotations, sent.annotations),
            of(there.predictions, sent.predictions),
            sent.target.clone(),
        ];
        table.row(cells, None);
    }
    let mut text = table.text();
    if let Some((compared, plan)) = compared.zip(plan) {
        differences(&mut text, compared, plan);
    }
    let right = imports.iter().filter(|one| one.verdict == Verdict::Ok);
    let right = right.count();
    let Counts { tasks, .. } = imports.iter().fold(Counts::default(), |all, one| Counts {
        tasks: all.tasks + one.stored.tasks,
        ..all
    });
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "run {run}: {right} of {} ok, {} there",
        counted(imports.len() as u64, "import"),
        counted(tasks, "task")
    );
    if let Some(compared) = compared {
        let _ = writeln!(
            text,
            "{} compared, {} {}",
            counted(compared.tasks, "task"),
            compared.differing,
            agreeing(compared.differing, "differs", "differ")
        );
    }
    text
}

fn differences(text: &mut String, compared: &Compared, plan: &Plan) {
    for one in &compared.first {
        let spot = Spot {
            source: plan.sources.name(one.place.source),
            place: Some(one.place),
            column: None,
        };
        let _ = write!(text, "{spot}");
        let _ = match one.import {
            Some(import) => write!(text, ", import {import}"),
            None => write!(text, ", in no import"),
        };
        if let Some(task) = one.task {
            let _ = write!(text, ", task {task}");
        }
        let _ = writeln!(text, "\n  {}", one.difference);
    }
    let more = compared
        .differing
        .saturating_sub(compared.first.len() as u64);
    if more > 0 {
        let _ = writeln!(text, "and {more} more");
    }
    for (import, tasks) in &compared.uneven {
        let _ = writeln!(
            text,
            "import {import}: its places in the sources hold {}, another number than was sent; \
             is the run's file of rejects still there?",
            counted(*tasks, "task")
        );
    }
}

/// Whether all is right.
fn outcome(
    run: &str,
    log: &RunLog,
    imports: &[Counted],
    compared: Option<&Compared>,
    repair: bool,
) -> Result<u8> {
    let wrong = imports.iter().filter(|one| one.verdict != Verdict::Ok);
    let wrong = wrong.count();
    let same = compared.is_none_or(Compared::is_same);
    let over = !matches!(log.run().state, RunState::Open | RunState::Failed);
    let right = wrong == 0 && same;
    if right && over {
        return Ok(0);
    }
    let text = if right {
        "the imports are as they were sent, and not all of the run".to_owned()
    } else if wrong > 0 {
        format!(
            "{wrong} of {} {}",
            counted(imports.len() as u64, "import"),
            agreeing(
                wrong as u64,
                "is not as it was sent",
                "are not as they were sent"
            )
        )
    } else {
        "tasks differ from what was sent".to_owned()
    };
    let error = Error::new(Code::OutcomeUnknown, text);
    let error = if right { error.exit_with(5) } else { error };
    Err(match Words::of(log.run()).filter(|_| !over) {
        Some(words) => error.help(format!(
            "the run is not over; go on with it: {}",
            words.command()
        )),
        None if repair => error.help(format!(
            "see what became of the project, or take the run back with `sluice undo {run}`"
        )),
        None if compared.is_some() => error.help(format!(
            "if nobody has changed them, `sluice verify {run} --deep --repair` brings their imports again"
        )),
        None => error.help(format!(
            "if nobody has changed them, `sluice verify {run} --repair` brings them again"
        )),
    })
}
