//! Runs and imports as they are recorded, and how a run is begun and found again.

use std::fmt;
use std::path::Path;

use chrono::{DateTime, Utc};
use rusqlite::params;
use serde::Serialize;
use serde_json::Value;

use super::identity::{Prefix, SourceIdentity, without_secrets};
use super::lock::LockFile;
use super::log::RunLog;
use super::{Journal, Trouble, entries};
use crate::error::{Code, Error, Result};
use crate::place::Place;

/// One run, as recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// The digest of all that decides what its imports hold.
    pub plan_digest: String,
    /// Where its imports go, without secrets.
    pub target: String,
    /// When it began.
    pub created: DateTime<Utc>,
    /// How it stands.
    pub state: RunState,
    /// What else is to be known of it; the caller's own JSON.
    pub options: Value,
    /// What it came to, where that was kept; the caller's own JSON.
    pub outcome: Option<Value>,
}

impl Run {
    /// Whether its imports go to projects of Label Studio, where they can be counted and taken back.
    #[must_use]
    pub fn is_into_projects(&self) -> bool {
        self.target.starts_with("http://") || self.target.starts_with("https://")
    }
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It goes on, or was cut off.
    Open,
    /// All is delivered.
    Done,
    /// It ended before its input did; it can be resumed.
    Failed,
    /// What it delivered was taken back.
    Undone,
}

/// What is about to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The import's number in the run, from 1, without gaps.
    pub number: u64,
    /// Where its first task's record starts.
    pub first: Place,
    /// Where its last task's record starts.
    pub last: Place,
    /// Where the record after that starts, if it is known; resuming starts there.
    pub next: Option<Place>,
    /// Its tasks.
    pub tasks: u64,
    /// The annotations in them.
    pub annotations: u64,
    /// The predictions in them.
    pub predictions: u64,
    /// How many of the annotations are cancelled ones, which a server leaves out when it counts what it has.
    pub cancelled: u64,
    /// Its exact size.
    pub bytes: u64,
    /// The digest of its bytes, in hexadecimal.
    pub blake3: String,
    /// Where it goes: a run may have several targets.
    pub target: String,
    /// What it is called there.
    pub name: String,
    /// How far its source had been read, if that was hashed; kept with the source, not with the import.
    pub read: Option<Prefix>,
}

/// How an import stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It may have been sent.
    Intended,
    /// The target has its bytes, and no tasks of them.
    Uploaded,
    /// The target may be making its tasks.
    Committing,
    /// Its tasks are there, each once.
    Delivered,
    /// The target refused it, and holds none of its tasks.
    Refused,
    /// It may or may not be there: look.
    InDoubt,
    /// It was refused, and its tasks are rejects now.
    SetAside,
}

/// How much of something there is at a target, or was sent there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Tasks.
    pub tasks: u64,
    /// Annotations.
    pub annotations: u64,
    /// Predictions.
    pub predictions: u64,
}

/// One import, as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What was to be sent; its `read` is not kept here.
    pub intent: Intent,
    /// How it stands.
    pub state: State,
    /// The target's handle of its bytes.
    pub upload_id: Option<u64>,
    /// How often its tasks were asked for: [`super::RunLog::committing`] counts.
    pub attempts: u32,
    /// When its tasks were last asked for although an earlier request for them was never answered: that one may
    /// still come to its end, and then they are there twice.
    pub asked_again_at: Option<DateTime<Utc>>,
    /// Why it was refused or is in doubt.
    pub cause: Option<String>,
    /// What the target stored, once delivered.
    pub stored: Option<Counts>,
    /// When it was first intended.
    pub intended_at: DateTime<Utc>,
    /// When its state last changed.
    pub changed_at: DateTime<Utc>,
}

/// Where a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResumePoint {
    /// The number of the next import.
    pub number: u64,
    /// Where the last settled task's record starts; all before it and itself is done.
    pub after: Place,
    /// Where the record after it starts, if that is known.
    pub next: Option<Place>,
}

impl RunState {
    pub(super) const ALL: [RunState; 4] = [
        RunState::Open,
        RunState::Done,
        RunState::Failed,
        RunState::Undone,
    ];

    /// As it is written: `open`, `done`, `failed`, `undone`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            RunState::Open => "open",
            RunState::Done => "done",
            RunState::Failed => "failed",
            RunState::Undone => "undone",
        }
    }
}

impl State {
    pub(super) const ALL: [State; 7] = [
        State::Intended,
        State::Uploaded,
        State::Committing,
        State::Delivered,
        State::Refused,
        State::InDoubt,
        State::SetAside,
    ];

    /// As it is written, such as `in-doubt`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Intended => "intended",
            State::Uploaded => "uploaded",
            State::Committing => "committing",
            State::Delivered => "delivered",
            State::Refused => "refused",
            State::InDoubt => "in-doubt",
            State::SetAside => "set-aside",
        }
    }

    /// Whether nothing is left to do for it.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        matches!(self, State::Delivered | State::SetAside)
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Journal {
    /// Begins a run. `options` must hold no secret; the target and the sources' names lose theirs.
    ///
    /// # Errors
    /// When there is a run of this id, or it cannot be recorded.
    pub fn begin(
        &self,
        run: &str,
        plan_digest: &str,
        target: &str,
        options: &Value,
        sources: &[SourceIdentity],
    ) -> Result<RunLog> {
        let lock = self.lock_run(run)?;
        let target = without_secrets(target);
        let run = self.write(|transaction| {
            if entries::run(transaction, run)?.is_some() {
                return Err(Trouble::refused(format!("there is a run `{run}` already")));
            }
            transaction.execute(
                "INSERT INTO runs (id, plan_digest, target, created, state, options) VALUES (?, ?, ?, ?, 'open', ?)",
                params![run, plan_digest, target, self.now(), options.to_string()],
            )?;
            for source in sources {
                entries::keep_source(transaction, run, source)?;
            }
            entries::run(transaction, run)?.ok_or_else(|| unknown(run))
        })?;
        Ok(RunLog::new(self.clone(), run, lock))
    }

    /// The newest run of this plan and target that is not over: open, or failed.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn find_open(&self, plan_digest: &str, target: &str) -> Result<Option<Run>> {
        let target = without_secrets(target);
        let mut runs = self.runs()?;
        runs.retain(|run| matches!(run.state, RunState::Open | RunState::Failed));
        Ok(runs
            .into_iter()
            .rev()
            .find(|run| run.plan_digest == plan_digest && run.target == target))
    }

    /// Opens a run's journal again, to go on with it, verify it or undo it. Its state is left as it is.
    ///
    /// # Errors
    /// When there is no such run, or another process has it.
    pub fn reopen(&self, run: &str) -> Result<RunLog> {
        let lock = self.lock_run(run)?;
        Ok(RunLog::new(self.clone(), self.known_run(run)?, lock))
    }

    /// A run.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn run(&self, run: &str) -> Result<Option<Run>> {
        self.read(|transaction| entries::run(transaction, run))
    }

    /// All runs, in the order they began.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn runs(&self) -> Result<Vec<Run>> {
        self.read(entries::runs)
    }

    /// The imports of a run, by number, without taking the run into the hand: another process may be changing them.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn imports(&self, run: &str) -> Result<Vec<Entry>> {
        self.read(|transaction| entries::all(transaction, run))
    }

    /// The run of this id, or the only one whose id starts so.
    ///
    /// # Errors
    /// When there is none, or more than one; when the journal cannot be read.
    pub fn find_run(&self, start: &str) -> Result<Run> {
        let runs = self.runs()?.into_iter().map(|run| (run, ())).collect();
        one_of(runs, start, &self.path()).map(|(run, ())| run)
    }

    /// A run that there must be.
    ///
    /// # Errors
    /// When there is no such run, or the journal cannot be read.
    pub fn known_run(&self, run: &str) -> Result<Run> {
        self.run(run)?
            .ok_or_else(|| unknown(run).into_error(&self.path()))
    }

    fn lock_run(&self, run: &str) -> Result<LockFile> {
        let name = format!("run-{run}");
        self.try_lock(&name)?.ok_or_else(|| {
            let holder = self
                .lock_holder(&name)
                .map_or_else(String::new, |process| format!(", process {process}"));
            Error::new(
                Code::Journal,
                format!("run `{run}` is in the hands of another sluice{holder}"),
            )
            .help("wait until it has ended, then run again")
            .exit_with(5)
        })
    }
}

pub(super) fn unknown(run: &str) -> Trouble {
    Trouble::Refused(
        Error::new(Code::Journal, format!("there is no run `{run}`"))
            .help("`sluice runs` lists them"),
    )
}

/// The run of this id among some, or the only one whose id starts so, with what comes with it; `path` is the journal's that
/// is named if there is none.
///
/// # Errors
/// When there is none, or more than one.
pub fn one_of<T>(mut runs: Vec<(Run, T)>, start: &str, path: &Path) -> Result<(Run, T)> {
    const SHOWN: usize = 3;
    if let Some(at) = runs.iter().position(|(run, _)| run.id == start) {
        return Ok(runs.swap_remove(at));
    }
    runs.retain(|(run, _)| !start.is_empty() && run.id.starts_with(start));
    if runs.len() > 1 {
        let more = if runs.len() > SHOWN { ", ..." } else { "" };
        let ids: Vec<_> = runs.iter().take(SHOWN).map(|(run, _)| &*run.id).collect();
        let message = format!(
            "{} runs start with `{start}`: {}{more}",
            runs.len(),
            ids.join(", ")
        );
        return Err(Error::new(Code::Usage, message).help("give more of the id"));
    }
    runs.pop().ok_or_else(|| unknown(start).into_error(path))
}
