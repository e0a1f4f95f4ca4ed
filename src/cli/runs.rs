//! `sluice runs`: what ran, and what became of its imports.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::args::{RunsArguments, RunsCommand, StateArguments};
use super::pushes::{self, Known};
use super::recorded::Words;
use super::table::{Align, Table, print};
use crate::error::Result;
use crate::journal::{Entry, Journal, Run, RunState, State};
use crate::place::Place;
use crate::wording::counted;

/// Runs the command.
///
/// # Errors
/// When the journal cannot be read, or there is no such run.
pub fn run(arguments: &RunsArguments) -> Result<u8> {
    let (of, told) = match &arguments.what {
        None => (None, &arguments.told),
        Some(RunsCommand::Show { run, told }) => (Some(run), told),
    };
    let text = match (of, told.json) {
        (None, false) => listing(&all(&told.state)?)?,
        (None, true) => {
            let mut told_all = Vec::new();
            for (run, journal) in all(&told.state)? {
                told_all.push(run_json(&run, &journal.imports(&run.id)?));
            }
            pretty(&Value::Array(told_all))
        }
        (Some(id), false) => one(&pushes::find(&told.state, id)?)?,
        (Some(id), true) => {
            let Known { run, journal, .. } = pushes::find(&told.state, id)?;
            let imports = journal.imports(&run.id)?;
            let mut about = run_json(&run, &imports);
            about["deliveries"] = imports.iter().map(import_json).collect();
            about["rejects"] = json!(rejects(&journal, &run.id));
            pretty(&about)
        }
    };
    print(&text)?;
    Ok(0)
}

/// All runs that this machine knows of, in the order they began.
fn all(state: &StateArguments) -> Result<Vec<(Run, Journal)>> {
    let mut all = Vec::new();
    for (journal, _) in pushes::journals(state)? {
        let runs = journal.runs()?;
        all.extend(runs.into_iter().map(|run| (run, journal.clone())));
    }
    all.sort_by_key(|(run, _)| run.created);
    Ok(all)
}

fn listing(runs: &[(Run, Journal)]) -> Result<String> {
    let mut table = Table::new(&[
        ("RUN", Align::Left),
        ("STATE", Align::Left),
        ("TASKS", Align::Right),
        ("IMPORTS", Align::Right),
        ("BEGAN", Align::Left),
        ("TARGET", Align::Left),
    ]);
    for (run, journal) in runs {
        let imports = journal.imports(&run.id)?;
        let (tasks, delivered) = delivered(run, &imports);
        let cells = vec![
            run.id.clone(),
            run.state.to_string(),
            tasks.to_string(),
            delivered.to_string(),
            time(run.created),
            run.target.clone(),
        ];
        table.row(cells, go_on(run).map(|how| format!("to go on: {how}")));
    }
    Ok(table.text())
}

fn one(known: &Known) -> Result<String> {
    let Known { run, journal, .. } = known;
    let id = &*run.id;
    let imports = journal.imports(id)?;
    let (tasks, delivered) = delivered(run, &imports);
    let mut lines = vec![
        format!("run      {id}"),
        format!("state    {}", run.state),
        format!("tasks    {tasks} in {}", counted(delivered, "import")),
        format!("began    {}", time(run.created)),
    ];
    for target in targets(run) {
        lines.push(format!("target   {target}"));
    }
    if let Some(words) = Words::of(run) {
        lines.push(format!("command  {}", words.command()));
    }
    if let Some(how) = go_on(run) {
        lines.push(format!("go on    {how}"));
    }
    if let Some(rejects) = rejects(journal, id) {
        lines.push(format!("rejects  {rejects}"));
    }
    if let Some(error) = run
        .outcome
        .as_ref()
        .and_then(|about| about["error"].as_str())
    {
        lines.push(format!("ended    {}", one_line(error)));
    }
    let mut table = Table::new(&[
        ("IMPORT", Align::Right),
        ("STATE", Align::Left),
        ("TASKS", Align::Right),
        ("ANNOTATIONS", Align::Right),
        ("PREDICTIONS", Align::Right),
        ("BYTES", Align::Right),
        ("ATTEMPTS", Align::Right),
        ("UPLOAD", Align::Right),
        ("FIRST", Align::Right),
        ("LAST", Align::Right),
        ("SENT", Align::Left),
        ("CHANGED", Align::Left),
        ("TARGET", Align::Left),
    ]);
    for entry in &imports {
        let intent = &entry.intent;
        let cells = vec![
            intent.number.to_string(),
            entry.state.to_string(),
            intent.tasks.to_string(),
            intent.annotations.to_string(),
            intent.predictions.to_string(),
            intent.bytes.to_string(),
            entry.attempts.to_string(),
            entry
                .upload_id
                .map_or_else(|| "-".to_owned(), |id| id.to_string()),
            place(intent.first),
            place(intent.last),
            time(entry.intended_at),
            time(entry.changed_at),
            intent.target.clone(),
        ];
        table.row(cells, entry.cause.as_ref().map(|cause| one_line(cause)));
    }
    let mut text = lines.join("\n") + "\n";
    if !imports.is_empty() {
        text.push('\n');
        text.push_str(&table.text());
    }
    Ok(text)
}

/// Tasks that are there as far as the journal knows, and in how many imports.
fn delivered(run: &Run, imports: &[Entry]) -> (u64, u64) {
    if let Some(about) = &run.outcome {
        let count = |name: &str| about[name].as_u64().unwrap_or_default();
        return (count("tasks"), count("imports"));
    }
    let delivered = imports
        .iter()
        .filter(|entry| entry.state == State::Delivered);
    delivered.fold((0, 0), |(tasks, imports), entry| {
        (tasks + entry.intent.tasks, imports + 1)
    })
}

/// Where a run's imports go, one by one.
fn targets(run: &Run) -> Vec<&str> {
    // Projects stand side by side; a folder may have spaces in its name.
    if run.is_into_projects() {
        run.target.split_whitespace().collect()
    } else {
        vec![&run.target]
    }
}

/// The source and the record of a place, both from 1.
fn place(place: Place) -> String {
    format!("{}:{}", u64::from(place.source.0) + 1, place.record)
}

/// How a run that is not over is gone on with.
fn go_on(run: &Run) -> Option<String> {
    match run.state {
        RunState::Done | RunState::Undone => None,
        RunState::Open | RunState::Failed => Words::of(run).map(|words| words.command()),
    }
}

/// Where its rejects are, if it has any.
fn rejects(journal: &Journal, run: &str) -> Option<String> {
    let path = journal.rejects_of(run);
    path.exists().then(|| path.display().to_string())
}

fn run_json(run: &Run, imports: &[Entry]) -> Value {
    let (tasks, delivered) = delivered(run, imports);
    let words = Words::of(run);
    json!({
        "run": run.id,
        "state": run.state.as_str(),
        "targets": targets(run),
        "tasks": tasks,
        "imports": delivered,
        "began": time(run.created),
        "words": words.as_ref().map(|words| &words.words),
        "folder": words.as_ref().map(|words| words.folder.display().to_string()),
        "go_on": go_on(run),
        "outcome": run.outcome,
    })
}

fn import_json(entry: &Entry) -> Value {
    let Entry {
        intent,
        state,
        upload_id,
        attempts,
        cause,
        stored,
        intended_at,
        changed_at,
        ..
    } = entry;
    json!({
        "number": intent.number,
        "state": state.as_str(),
        "tasks": intent.tasks,
        "annotations": intent.annotations,
        "predictions": intent.predictions,
        "bytes": intent.bytes,
        "blake3": intent.blake3,
        "first": intent.first,
        "last": intent.last,
        "target": intent.target,
        "name": intent.name,
        "upload": upload_id,
        "attempts": attempts,
        "cause": cause,
        "stored": stored,
        "intended": time(*intended_at),
        "changed": time(*changed_at),
    })
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
