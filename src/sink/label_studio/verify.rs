//! Counting what a run brought, and bringing again what is not right.

use std::fmt;
use std::time::Duration;

use chrono::Utc;

use super::recorded::Recorded;
use super::send::Sender;
use super::settle::{Committed, Doubt, Upload, told};
use super::target::Target;
use crate::deliver::Run;
use crate::deliver::times::Meter;
use crate::error::Result;
use crate::journal::{Counts, Entry, State};
use crate::label_studio::failure::Failure;

/// How an import is found at its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All there, each once.
    Ok,
    /// Fewer tasks than were sent.
    Missing,
    /// More tasks than were sent.
    Twice,
    /// All tasks, and fewer annotations than were sent.
    AnnotationsLost,
    /// All tasks, and fewer predictions than were sent.
    PredictionsLost,
    /// It was not sent to its end: there is nothing to hold it against yet.
    Unsettled(State),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Ok => f.write_str("ok"),
            Verdict::Missing => f.write_str("missing"),
            Verdict::Twice => f.write_str("twice"),
            Verdict::AnnotationsLost => f.write_str("annotations lost"),
            Verdict::PredictionsLost => f.write_str("predictions lost"),
            Verdict::Unsettled(state) => state.fmt(f),
        }
    }
}

/// An import, counted.
#[derive(Clone, Debug)]
pub struct Counted {
    /// What the journal says of it.
    pub entry: Entry,
    /// What its target holds of it.
    pub stored: Counts,
    /// What comes of comparing the two.
    pub verdict: Verdict,
}

/// What became of a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repaired {
    /// It is there as it was sent.
    Done,
    /// It was left alone, or the server refused it, for this reason.
    Not(String),
}

impl Recorded {
    /// Counts every import that should be at its target, or may be; those whose tasks are all rejects are left out.
    ///
    /// # Errors
    /// When a server cannot be asked, or the journal cannot be read.
    pub async fn count(&self) -> Result<Vec<Counted>> {
        let mut counted = Vec::new();
        for entry in self.log.deliveries()? {
            if entry.state != State::SetAside {
                counted.push(self.count_one(entry).await?);
            }
        }
        Ok(counted)
    }

    async fn count_one(&self, entry: Entry) -> Result<Counted> {
        let unsettled = |entry: Entry| Counted {
            verdict: Verdict::Unsettled(entry.state),
            stored: Counts::default(),
            entry,
        };
        let (Some(id), false) = (entry.upload_id, entry.state == State::Refused) else {
            return Ok(unsettled(entry));
        };
        let project = &self.target_of(&entry)?.project;
        let stored = project.count(id).await.map_err(Failure::into_error)?;
        let verdict = verdict(&entry, id, stored);
        Ok(Counted {
            entry,
            stored,
            verdict,
        })
    }

    /// Brings an import to its target once more, as a run would after a doubt: what is there of it is replaced.
    ///
    /// One whose tasks people have annotated since is left alone, as far as counting tells.
    ///
    /// # Errors
    /// When a server fails for long, or the work is stopped.
    pub async fn repair(&self, counted: &Counted, run: &dyn Run) -> Result<Repaired> {
        let Counted { entry, stored, .. } = counted;
        let not = |why: &str| Ok(Repaired::Not(why.to_owned()));
        let (Some(id), false) = (entry.upload_id, entry.state == State::Refused) else {
            return not("it was not sent to its end");
        };
        let sent = &entry.intent;
        let copies = stored.tasks.div_ceil(sent.tasks.max(1)).max(1);
        if stored.annotations > sent.annotations.saturating_mul(copies) {
            return not(
                "its tasks have been annotated since, which would be lost; export these annotations and delete them first",
            );
        }
        let target = self.target_of(entry)?;
        let uploads = target.project.uploads().await;
        let uploads = uploads.map_err(Failure::into_error)?;
        if !uploads.iter().any(|upload| upload.id == id) {
            return not(
                "the server has its file no more; undo the run, and import its sources again",
            );
        }
        let upload = Upload::of_entry(entry, id);
        let doubt = Doubt::answered(
            quiet(target, entry, &upload, counted.verdict),
            format!("the server has {}", told(*stored)),
        );
        if counted.verdict == Verdict::Ok {
            // Counting finds nothing wrong, its content does: without this, looking would settle it as it is.
            self.log
                .in_doubt(entry.intent.number, "its content differs")?;
        }
        let sender = Sender {
            log: &self.log,
            target,
            run,
            seen: None,
            meter: Meter::default(),
        };
        let doubt = (counted.verdict != Verdict::Ok).then_some(doubt);
        match sender.settle(&upload, None, doubt).await? {
            Committed::There => Ok(Repaired::Done),
            Committed::Refused { detail, .. } => {
                // What was there is there still: it is for a person to judge, and not to be sent once more by a run.
                self.log.refused_again(entry.intent.number, &detail)?;
                Ok(Repaired::Not(format!(
                    "the server refuses now what it took before: {detail}"
                )))
            }
        }
    }
}

fn verdict(entry: &Entry, id: u64, stored: Counts) -> Verdict {
    let sent = &entry.intent;
    if Upload::of_entry(entry, id).is_there(stored) || entry.stored == Some(stored) {
        Verdict::Ok
    } else if stored.tasks < sent.tasks {
        Verdict::Missing
    } else if stored.tasks > sent.tasks {
        Verdict::Twice
    } else if stored.annotations < sent.annotations {
        Verdict::AnnotationsLost
    } else {
        Verdict::PredictionsLost
    }
}

/// How long the last request of an import may still be under way.
pub(super) fn quiet(target: &Target, entry: &Entry, upload: &Upload, verdict: Verdict) -> Duration {
    let quiet = target.server.quiet(upload.contents.load(upload.bytes));
    match entry.state {
        State::Committing | State::InDoubt => {
            let elapsed = (Utc::now() - entry.changed_at).to_std();
            quiet.saturating_sub(elapsed.unwrap_or_default())
        }
        _ if verdict == Verdict::Twice => quiet,
        _ => Duration::ZERO,
    }
}
