//! What a plan says, for a person.

use std::fmt::Write as _;

use indicatif::{DecimalBytes, HumanCount};

use super::document::{Document, Imports, Pace, Project};
use crate::cli::table::{Align, Table};
use crate::rejects::Rejects;
use crate::report::summary::changes;
use crate::sink::label_studio::spread::ADVISED_TASKS;
use crate::wording::counted;

/// Sources that are listed; all of them stand in the JSON.
const SOURCES_SHOWN: usize = 20;

/// Signs of the longest bar.
const WIDTH: u64 = 40;

/// The plan, a line end after each line.
pub(super) fn text(plan: &Document) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{}: {}, {} rejected{}",
        counted(plan.records, "record"),
        counted(plan.tasks, "task"),
        HumanCount(plan.rejects),
        match plan.duplicates {
            0 => String::new(),
            some => format!(", {} that came before left out", HumanCount(some)),
        }
    );
    rejects(&mut text, plan);
    for (count, what) in changes(&plan.changes) {
        if count > 0 {
            let _ = writeln!(text, "  {} {what}", HumanCount(count));
        }
    }
    imports(&mut text, &plan.imports, plan.bytes);
    if !plan.projects.is_empty() && plan.imports.count > plan.imports.fewest {
        let _ = writeln!(
            text,
            "  the first to a server are small, until it has shown how much it takes at once"
        );
    }
    if let Some(pace) = &plan.pace {
        self::pace(&mut text, pace, plan.imports.fewest);
    }
    for project in &plan.projects {
        self::project(&mut text, project);
    }
    let advice = plan.projects.is_empty() && plan.pace.is_some() && plan.tasks > ADVISED_TASKS;
    if advice || plan.projects.iter().any(|project| project.over_advice) {
        let _ = writeln!(
            text,
            "  Label Studio's guide advises {} tasks in one project; `--spread {ADVISED_TASKS}` fills several",
            HumanCount(ADVISED_TASKS)
        );
    }
    sources(&mut text, plan);
    text
}

fn rejects(text: &mut String, plan: &Document) {
    for (code, Rejects { count, first, help }) in &plan.rejects_by_code {
        let _ = writeln!(text, "  {code}: {}", HumanCount(*count));
        for first in first {
            let _ = writeln!(text, "    {first}");
        }
        if *count > first.len() as u64 {
            let _ = writeln!(text, "    ...");
        }
        if let Some(help) = help {
            let _ = writeln!(text, "    help: {help}");
        }
    }
    if !plan.accepted {
        let _ = writeln!(
            text,
            "  an import would stop: it accepts {} of them (`--max-rejects`)",
            plan.max_rejects
        );
    }
}

fn imports(text: &mut String, imports: &Imports, bytes: u64) {
    let Imports {
        count,
        fewest,
        max_tasks,
        max_bytes,
        full,
        histogram,
    } = imports;
    let _ = writeln!(
        text,
        "{}, {} together; one holds at most {} and {}; so much fits in {fewest} at the fewest",
        counted(*count, "import"),
        DecimalBytes(bytes),
        counted(*max_tasks as u64, "task"),
        DecimalBytes(*max_bytes as u64),
    );
    let Some(full) = full.filter(|_| *count > 0) else {
        return;
    };
    let share = |share: f64| format!("{:.0} %", share * 100.0);
    if *count == 1 {
        let _ = writeln!(text, "  full to {}", share(full.last));
        return;
    }
    let _ = writeln!(
        text,
        "  full to {} in the middle, {} at the least, {} the last",
        share(full.median),
        share(full.least),
        share(full.last)
    );
    let most = histogram.iter().copied().max().unwrap_or(1).max(1);
    for (tenth, count) in histogram
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
    {
        let bar = "#".repeat((count * WIDTH).div_ceil(most) as usize);
        let _ = writeln!(
            text,
            "  {:>3}-{:<3} % {bar} {}",
            tenth * 10,
            tenth * 10 + 10,
            HumanCount(*count)
        );
    }
}

fn pace(text: &mut String, pace: &Pace, fewest: u64) {
    let (interval, earliest) = (time(pace.interval_seconds), time(pace.earliest_seconds));
    let few = counted(fewest, "import");
    let _ = match pace.expected_seconds {
        Some(expected) => writeln!(
            text,
            "the last starts after {earliest} at the earliest ({few}, {interval} apart); as the server is known to \
             answer, all is done after about {}",
            time(expected)
        ),
        None => writeln!(
            text,
            "sent to a Label Studio later, the last starts after {earliest} at the earliest ({few}, {interval} apart)"
        ),
    };
}

/// A time as a person says it.
fn time(seconds: f64) -> String {
    // Saturates; a time this long is none.
    let seconds = seconds.round() as u64;
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (hours, minutes) => format!("{} h {minutes} min", HumanCount(hours)),
    }
}

fn project(text: &mut String, project: &Project) {
    let Project {
        address,
        tasks_before,
        tasks_after,
        ..
    } = project;
    let _ = writeln!(
        text,
        "{}: {} now, {} afterwards",
        address.as_deref().unwrap_or("a new project"),
        counted(*tasks_before, "task"),
        HumanCount(*tasks_after)
    );
}

fn sources(text: &mut String, plan: &Document) {
    let mut table = Table::new(&[
        ("SOURCE", Align::Left),
        ("SIZE", Align::Right),
        ("RECORDS", Align::Right),
        ("TASKS", Align::Right),
        ("REJECTS", Align::Right),
        ("BYTES OF TASKS", Align::Right),
    ]);
    for source in plan.sources.iter().take(SOURCES_SHOWN) {
        let counts = &source.counts;
        let size = source.bytes.map(|bytes| DecimalBytes(bytes).to_string());
        let by_code = counts
            .rejects_by_code
            .iter()
            .map(|(code, rejects)| format!("{code}: {}", HumanCount(rejects.count)));
        let by_code: Vec<_> = by_code.collect();
        table.row(
            vec![
                source.name.clone(),
                size.unwrap_or_else(|| "?".to_owned()),
                HumanCount(source.records).to_string(),
                HumanCount(counts.tasks).to_string(),
                HumanCount(counts.rejects).to_string(),
                DecimalBytes(counts.task_bytes).to_string(),
            ],
            (!by_code.is_empty() && plan.sources.len() > 1).then(|| by_code.join(", ")),
        );
    }
    text.push_str(&table.text());
    if let Some(more) = plan
        .sources
        .len()
        .checked_sub(SOURCES_SHOWN)
        .filter(|more| *more > 0)
    {
        let _ = writeln!(
            text,
            "... and {} (`--json` lists all)",
            counted(more as u64, "source")
        );
    }
}
