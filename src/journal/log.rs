//! The journal of one run, as a whole: its sources, its imports, where it goes on, and how it ends.

mod steps;

use rusqlite::params;
use serde_json::Value;

use super::identity::{Change, SourceIdentity};
use super::lock::LockFile;
use super::run::{Entry, ResumePoint, Run, RunState};
use super::{Journal, Trouble, entries};
use crate::error::{Code, Error, Result};

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
}
