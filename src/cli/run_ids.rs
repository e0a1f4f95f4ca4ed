//! `--run-id`: the same id and plan go on, or have nothing to do; another plan is refused.
//!
//! Projects of Label Studio are seen to by their sink, which knows its runs. Of other runs with an id the journal keeps
//! plan and sources, and of a folder or a bucket its manifest says whether everything is there: it goes where they go,
//! while a journal may be on another machine.

use std::path::Path;

use serde_json::{Value, json};

use super::args::DeliveryArguments;
use super::last_line::CameTo;
use super::server;
use crate::error::{Code, Error, Result};
use crate::journal::claim::identities;
use crate::journal::{Claim, Run, RunLog, RunState};
use crate::packed::home::Home;
use crate::packed::manifest::{Imported, Listed};
use crate::plan::Plan;
use crate::sink::directory::MANIFEST;

/// Letters of an id, at most.
const MOST_LETTERS: usize = 100;

/// An id as a user may give it: it becomes part of names.
///
/// # Errors
/// When it is none.
pub(super) fn parse(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts && text.len() <= MOST_LETTERS && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "wants letters, digits, `.`, `_` and `-`, a letter or digit first, at most {MOST_LETTERS}"
    ))
}

/// A run that goes by its id, and how it stands.
pub(super) struct Taken {
    log: RunLog,
    is_new: bool,
    /// What is at the target is its own, and not all.
    pub(super) goes_on: bool,
    /// Everything is there already: what it was.
    pub(super) over: Option<CameTo>,
}

/// What a target has by its manifest.
pub(super) enum There {
    /// It has none by its nature.
    Never,
    /// It has none yet, or none that can be read.
    Nothing,
    /// What one says, and whether all that it lists is there.
    Listed(Listed, bool),
}

impl There {
    /// In a bucket: what a manifest lists there was there before it.
    pub(super) fn of_bucket(manifest: Option<&[u8]>) -> Self {
        match manifest.and_then(|json| Listed::parse(json, MANIFEST).ok()) {
            Some(listed) => There::Listed(listed, true),
            None => There::Nothing,
        }
    }

    /// In a folder, of which people remove files.
    pub(super) fn of_folder(folder: &Path) -> Self {
        let home = Home::Folder(folder.to_owned());
        let json = home.manifest("").ok().flatten();
        let Some(listed) = json.and_then(|json| Listed::parse(&json, MANIFEST).ok()) else {
            return There::Nothing;
        };
        let is_there = |import: &Imported| {
            let size = home.size(&import.name).ok().flatten();
            size == Some(import.bytes)
        };
        let whole = listed.check(MANIFEST).is_ok() && listed.imports.iter().all(is_there);
        There::Listed(listed, whole)
    }
}

fn listed(there: &Listed) -> CameTo {
    CameTo {
        complete: true,
        done_before: true,
        records: there.records,
        tasks: there.tasks,
        rejects: there.rejects,
        duplicates: there.duplicates.unwrap_or_default(),
        imports: there.imports.len() as u64,
        bytes: there.bytes,
        ..CameTo::default()
    }
}

/// Takes the run in hand that has this plan's id, or begins it.
///
/// # Errors
/// When the id is that of a run of another plan, target or source, or another process has it.
pub(super) fn take(
    arguments: &DeliveryArguments,
    plan: &Plan,
    target: &str,
    there: &There,
) -> Result<Taken> {
    let digest = plan.digest()?;
    let ours = match there {
        There::Listed(listed, whole) if listed.run == plan.run => Some((listed, *whole)),
        _ => None,
    };
    if ours.is_some_and(|(listed, _)| listed.plan != digest) {
        let id = &plan.run;
        return Err(Error::new(
            Code::Usage,
            format!("`{target}` holds run `{id}`, which is one of other sources or options"),
        )
        .help("give this one another `--run-id`, and another target"));
    }
    let journal = server::journal(&arguments.server.reach.state)?;
    let claim = Claim {
        run: &plan.run,
        plan: &digest,
        target,
        sources: &plan.sources,
        accept_changed_sources: arguments.accept_changed_sources,
    };
    let (mut log, is_new) = match journal.take(&claim)? {
        Some(log) => (log, false),
        None => {
            let (options, sources) = (
                server::options(&arguments.words),
                identities(&plan.sources)?,
            );
            let log = journal.begin(&plan.run, &digest, target, &options, &sources)?;
            (log, true)
        }
    };
    let over = match there {
        There::Never => (log.run().state == RunState::Done).then(|| recorded(log.run())),
        _ => ours
            .filter(|(listed, whole)| listed.complete && *whole)
            .map(|(there, _)| listed(there)),
    };
    let state = if over.is_some() {
        RunState::Done
    } else {
        RunState::Open
    };
    if log.run().state != state {
        log.finish(state)?;
        if let Some(over) = &over {
            log.keep_outcome(outcome(over, None))?;
        }
    }
    let goes_on = ours.is_some();
    Ok(Taken {
        log,
        is_new,
        goes_on,
        over,
    })
}

/// What the journal says that a run came to.
fn recorded(run: &Run) -> CameTo {
    let count = |name: &str| {
        let about = run.outcome.as_ref();
        about
            .and_then(|about| about[name].as_u64())
            .unwrap_or_default()
    };
    CameTo {
        complete: true,
        done_before: true,
        records: count("records"),
        tasks: count("tasks"),
        rejects: count("rejects"),
        duplicates: count("duplicates"),
        imports: count("imports"),
        bytes: count("bytes"),
        ..CameTo::default()
    }
}

fn outcome(came_to: &CameTo, error: Option<&Error>) -> Value {
    json!({
        "complete": came_to.complete,
        "records": came_to.records,
        "tasks": came_to.tasks,
        "rejects": came_to.rejects,
        "duplicates": came_to.duplicates,
        "imports": came_to.imports,
        "bytes": came_to.bytes,
        "error": error.map(Error::message),
    })
}

impl Taken {
    /// Records what the run came to.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub(super) fn finish(mut self, came_to: &CameTo, error: Option<&Error>) -> Result<()> {
        let nothing = came_to.imports == 0;
        if self.is_new && nothing && error.is_some_and(|e| e.exit_code() == 2) {
            // It asked for what cannot be: its id is free for the one that is meant.
            return self.log.forget();
        }
        self.log.keep_outcome(outcome(came_to, error))?;
        self.log.finish(match error {
            None => RunState::Done,
            Some(_) => RunState::Failed,
        })
    }
}
