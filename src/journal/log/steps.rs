//! What may be said of the imports of a run, and in which order.
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

use super::RunLog;
use crate::error::Result;
use crate::journal::identity::without_secrets;
use crate::journal::places::signed;
use crate::journal::run::{Counts, Entry, Intent, State};
use crate::journal::{Trouble, entries};

/// Characters of a cause that are kept: enough for a server's sentence, not for its page of HTML.
const CAUSE_CHARACTERS: usize = 2_000;

impl RunLog {
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
