//! The journal of one run: what may be said of its imports, and in which order.
//!
//! ```text
//! intend ──▶ intended ──▶ uploaded ──▶ committing ──▶ delivered
//!               │  ▲          │             │             │
//!               │  │ absent   │             │             └── committing, in_doubt: a repair
//!               ▼  │          ▼             ▼
//!            in doubt: the outcome is not known; looking at the target says uploaded, delivered, refused or absent
//!            refused:  the target wants none of it as it is; intend it again without what is wrong, or set it aside
//! ```
//!
//! One import is settled (delivered or set aside) before the next is intended.

use rusqlite::{Transaction, params};
use serde_json::Value;

use super::identity::{Change, SourceIdentity, without_secrets};
use super::lock::LockFile;
use super::places::signed;
use super::run::{Counts, Entry, Intent, ResumePoint, Run, RunState, State};
use super::{Journal, Trouble, entries};
use crate::error::{Code, Error, Result};

/// Characters of a cause that are kept: enough for a server's sentence, not for its page of HTML.
const CAUSE_CHARACTERS: usize = 2_000;

/// The journal of one run, which this process alone may write until it is dropped.
#[derive(Debug)]
pub struct RunLog {
    journal: Journal,
    run: Run,
    _lock: LockFile,
}

impl RunLog {
    pub(super) fn new(journal: Journal, run: Run, lock: LockFile) -> Self {
        RunLog {
            journal,
            run,
            _lock: lock,
        }
    }

    /// The run, as it was when this was opened or last changed through it.
    #[must_use]
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// The journal it is part of.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Its sources, each with the part that was read for the imports so far.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn sources(&self) -> Result<Vec<SourceIdentity>> {
        self.journal
            .read(|transaction| entries::sources(transaction, &self.run.id))
    }

    /// The first source that `changed` finds to be another than it was, such as by
    /// [`SourceIdentity::change_in_file`], as the error that refuses to resume.
    ///
    /// # Errors
    /// That one, those of `changed`, and when the journal cannot be read.
    pub fn check_sources(
        &self,
        changed: impl Fn(&SourceIdentity) -> Result<Option<Change>>,
    ) -> Result<()> {
        for source in self.sources()? {
            if let Some(change) = changed(&source)? {
                return Err(change.into_error(&source));
            }
        }
        Ok(())
    }

    /// Records sources as they are now, in the place of what was known of them.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn accept_sources(&self, sources: &[SourceIdentity]) -> Result<()> {
        self.journal.write(|transaction| {
            sources
                .iter()
                .try_for_each(|source| entries::keep_source(transaction, &self.run.id, source))
        })
    }

    /// Records what is about to be sent, before any of it is. An import that was refused, or of which nothing can
    /// have arrived, may be intended again with other tasks.
    ///
    /// # Errors
    /// When the number is not the next, the import before is not settled, it starts before the checkpoint, or it
    /// cannot be recorded.
    pub fn intend(&self, intent: &Intent) -> Result<()> {
        let Intent {
            number,
            first,
            last,
            next,
            ..
        } = *intent;
        let mistake = |text: String| {
            Err(Trouble::refused(format!(
                "import {number} cannot be recorded: {text}"
            )))
        };
        self.journal.write(|transaction| {
            if last < first || next.is_some_and(|next| next <= last) {
                return mistake("its places are out of order".into());
            }
            if number == 0 {
                return mistake("numbers start at 1".into());
            }
            if let Some(there) = entries::find(transaction, &self.run.id, number)?
                && !matches!(there.state, State::Intended | State::Refused)
            {
                return mistake(format!("it is already {}", there.state));
            }
            if number > 1 {
                match entries::find(transaction, &self.run.id, number - 1)? {
                    None => return mistake(format!("import {} was never intended", number - 1)),
                    Some(before) if !before.state.is_settled() => {
                        return mistake(format!("import {} is still {}", number - 1, before.state));
                    }
                    Some(Entry { intent: before, .. }) => {
                        if first <= before.last || before.next.is_some_and(|next| first < next) {
                            return mistake("it starts before the checkpoint".into());
                        }
                    }
                }
            }
            if let Some(after) = entries::find(transaction, &self.run.id, number + 1)?
                && last >= after.intent.first
            {
                return mistake("it reaches into the import after it".into());
            }
            entries::intend(transaction, &self.run.id, intent, self.journal.now())?;
            if let Some(read) = &intent.read {
                entries::keep_prefix(transaction, &self.run.id, read)?;
            }
            Ok(())
        })
    }

    /// The target has the bytes, under this handle, and has made no tasks of them.
    ///
    /// # Errors
    /// Unless it was intended, uploaded before, or in doubt; or it cannot be recorded.
    pub fn uploaded(&self, number: u64, upload_id: u64) -> Result<()> {
        let from = [State::Intended, State::Uploaded, State::InDoubt];
        self.step(number, State::Uploaded, &from, |transaction, run, _| {
            let sql =
                "UPDATE imports SET upload_id = ?3, cause = NULL WHERE run = ?1 AND number = ?2";
            transaction.execute(sql, params![run, signed(number)?, signed(upload_id)?])?;
            Ok(())
        })
    }

    /// The target is about to be asked to make the tasks: one attempt, whether the first, one more after a doubt, or
    /// a repair of what was delivered.
    ///
    /// # Errors
    /// Unless it has an upload; or it cannot be recorded.
    pub fn committing(&self, number: u64) -> Result<()> {
        self.committing_with(number, None)
    }

    /// The same, while an earlier request for them was never answered, and may come to its end yet.
    ///
    /// # Errors
    /// Those of [`RunLog::committing`].
    pub fn committing_again(&self, number: u64) -> Result<()> {
        self.committing_with(number, Some(self.journal.now()))
    }

    fn committing_with(&self, number: u64, again: Option<i64>) -> Result<()> {
        let from = [
            State::Uploaded,
            State::Committing,
            State::InDoubt,
            State::Delivered,
        ];
        self.step(number, State::Committing, &from, |transaction, run, entry| {
            if entry.upload_id.is_none() {
                return Err(Trouble::refused(format!("import {number} has no upload that could be committed")));
            }
            let sql = "UPDATE imports SET attempts = attempts + 1, cause = NULL, stored_tasks = NULL, \
                stored_annotations = NULL, stored_predictions = NULL, asked_again_at = coalesce(?3, asked_again_at) \
                WHERE run = ?1 AND number = ?2";
            transaction.execute(sql, params![run, signed(number)?, again])?;
            Ok(())
        })
    }

    /// The tasks are there, each once.
    ///
    /// # Errors
    /// Unless it was committing or in doubt, and as many tasks are stored as were intended; or it cannot be recorded.
    pub fn delivered(&self, number: u64, stored: Counts) -> Result<()> {
        self.step(number, State::Delivered, &[State::Committing, State::InDoubt], |transaction, run, entry| {
            let Counts { tasks, annotations, predictions } = stored;
            if tasks != entry.intent.tasks {
                let sent = entry.intent.tasks;
                return Err(Trouble::refused(format!("import {number} is not delivered: {tasks} of {sent} tasks stored")));
            }
            let sql = "UPDATE imports SET stored_tasks = ?3, stored_annotations = ?4, stored_predictions = ?5, \
                cause = NULL WHERE run = ?1 AND number = ?2";
            let counts = (signed(tasks)?, signed(annotations)?, signed(predictions)?);
            transaction.execute(sql, params![run, signed(number)?, counts.0, counts.1, counts.2])?;
            Ok(())
        })
    }

    /// The target refused it as it is, and holds none of its tasks.
    ///
    /// # Errors
    /// When it is delivered or set aside, or it cannot be recorded.
    pub fn refused(&self, number: u64, cause: &str) -> Result<()> {
        let from = [
            State::Intended,
            State::Uploaded,
            State::Committing,
            State::Refused,
            State::InDoubt,
        ];
        self.step(number, State::Refused, &from, |transaction, run, _| {
            keep_cause(transaction, run, number, cause)
        })
    }

    /// What became of it is not known.
    ///
    /// # Errors
    /// When it was refused or set aside, or it cannot be recorded.
    pub fn in_doubt(&self, number: u64, cause: &str) -> Result<()> {
        let from = [
            State::Intended,
            State::Uploaded,
            State::Committing,
            State::Delivered,
            State::InDoubt,
        ];
        self.step(number, State::InDoubt, &from, |transaction, run, _| {
            keep_cause(transaction, run, number, cause)
        })
    }

    /// The target refused to make its tasks anew, and holds what it held before: looking tells what that is.
    ///
    /// # Errors
    /// Unless it was refused, or it cannot be recorded.
    pub fn refused_again(&self, number: u64, cause: &str) -> Result<()> {
        let from = [State::Refused];
        self.step(number, State::InDoubt, &from, |transaction, run, _| {
            keep_cause(transaction, run, number, cause)
        })
    }

    /// The target was looked at and holds nothing of it, not even an upload: it is as if only intended.
    ///
    /// # Errors
    /// When it is delivered, refused or set aside, or it cannot be recorded.
    pub fn absent(&self, number: u64) -> Result<()> {
        let from = [
            State::Intended,
            State::Uploaded,
            State::Committing,
            State::InDoubt,
        ];
        self.step(number, State::Intended, &from, |transaction, run, _| {
            let sql =
                "UPDATE imports SET upload_id = NULL, cause = NULL WHERE run = ?1 AND number = ?2";
            transaction.execute(sql, params![run, signed(number)?])?;
            Ok(())
        })
    }

    /// It was refused, and all its tasks are rejects now: the run goes on after it.
    ///
    /// # Errors
    /// Unless it was refused, or it cannot be recorded.
    pub fn set_aside(&self, number: u64) -> Result<()> {
        self.step(number, State::SetAside, &[State::Refused], |_, _, _| Ok(()))
    }

    /// Ends the run, or opens it again.
    ///
    /// # Errors
    /// When it is to be done and an import is not settled, or it cannot be recorded.
    pub fn finish(&mut self, state: RunState) -> Result<()> {
        if state == RunState::Done
            && let Some(left) = self.unfinished()?.first()
        {
            let text = format!(
                "run `{}` is not done: import {} is {}",
                self.run.id, left.intent.number, left.state
            );
            return Err(Error::new(Code::Journal, text));
        }
        self.journal.write(|transaction| {
            transaction.execute(
                "UPDATE runs SET state = ?2 WHERE id = ?1",
                params![self.run.id, state.as_str()],
            )?;
            Ok(())
        })?;
        self.run.state = state;
        Ok(())
    }

    /// Keeps what the run came to.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn keep_outcome(&mut self, outcome: Value) -> Result<()> {
        self.journal
            .write(|transaction| entries::keep_outcome(transaction, &self.run.id, &outcome))?;
        self.run.outcome = Some(outcome);
        Ok(())
    }

    /// Takes the run out of the journal again.
    ///
    /// # Errors
    /// When it has imports, or it cannot be recorded.
    pub fn forget(self) -> Result<()> {
        self.journal.write(|transaction| {
            let id = &self.run.id;
            if let Some(import) = entries::last(transaction, id)? {
                let number = import.intent.number;
                return Err(Trouble::refused(format!("run `{id}` has import {number}")));
            }
            transaction.execute("DELETE FROM runs WHERE id = ?", params![id])?;
            Ok(())
        })
    }

    /// All its imports, by number.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn deliveries(&self) -> Result<Vec<Entry>> {
        self.journal
            .read(|transaction| entries::all(transaction, &self.run.id))
    }

    /// Those that are not settled: the last one, if it was cut off, and such as a repair left behind.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn unfinished(&self) -> Result<Vec<Entry>> {
        let mut entries = self.deliveries()?;
        entries.retain(|entry| !entry.state.is_settled());
        Ok(entries)
    }

    /// The number of the import that may be intended now: that of the last one if it is not settled, else the next.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn next_number(&self) -> Result<u64> {
        self.journal.read(|transaction| {
            let last = entries::last(transaction, &self.run.id)?;
            Ok(last.map_or(1, |last| {
                last.intent.number + u64::from(last.state.is_settled())
            }))
        })
    }

    /// Where reading goes on: after the last import if it is settled, else after the one before it. Nothing when
    /// that is the start of the first source.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn resume_point(&self) -> Result<Option<ResumePoint>> {
        self.journal.read(|transaction| {
            let point = |Entry { intent, .. }: Entry| ResumePoint {
                number: intent.number + 1,
                after: intent.last,
                next: intent.next,
            };
            let Some(last) = entries::last(transaction, &self.run.id)? else {
                return Ok(None);
            };
            if last.state.is_settled() {
                return Ok(Some(point(last)));
            }
            Ok(entries::find(transaction, &self.run.id, last.intent.number - 1)?.map(point))
        })
    }

    /// One import from one of some states to another, with what else is known.
    fn step(
        &self,
        number: u64,
        to: State,
        from: &[State],
        more: impl FnOnce(&Transaction<'_>, &str, &Entry) -> Result<(), Trouble>,
    ) -> Result<()> {
        self.journal.write(|transaction| {
            let run = self.run.id.as_str();
            let entry = entries::find(transaction, run, number)?
                .ok_or_else(|| Trouble::refused(format!("import {number} was never intended")))?;
            if !from.contains(&entry.state) {
                return Err(Trouble::refused(format!(
                    "import {number} is {}, and cannot become {to}",
                    entry.state
                )));
            }
            let sql =
                "UPDATE imports SET state = ?3, changed_at = ?4 WHERE run = ?1 AND number = ?2";
            transaction.execute(
                sql,
                params![run, signed(number)?, to.as_str(), self.journal.now()],
            )?;
            more(transaction, run, &entry)
        })
    }
}

fn keep_cause(
    transaction: &Transaction<'_>,
    run: &str,
    number: u64,
    cause: &str,
) -> Result<(), Trouble> {
    let cause: String = without_secrets(cause)
        .chars()
        .take(CAUSE_CHARACTERS)
        .collect();
    let sql = "UPDATE imports SET cause = ?3 WHERE run = ?1 AND number = ?2";
    transaction.execute(sql, params![run, signed(number)?, cause])?;
    Ok(())
}
