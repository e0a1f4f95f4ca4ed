//! The last look: what a run brought is counted once more, since an answer that came late shows only now.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::LabelStudio;
use super::send::{Sender, is_of};
use super::settle::{Committed, Doubt, Upload, told};
use crate::deliver::Run;
use crate::deliver::times::Meter;
use crate::error::{Code, Error, Result};
use crate::journal::{Entry, RunLog, State};
use crate::label_studio::failure::Failure;
use crate::wording::counted;

/// How often everything is counted until nothing is to be mended any more.
const MOST_PASSES: u32 = 8;

impl LabelStudio {
    /// Counts every import of the run, until nothing is to be mended.
    pub(super) async fn check(&self, log: &RunLog, run: &dyn Run) -> Result<()> {
        for _ in 0..MOST_PASSES {
            let mut mended = false;
            let mut known = BTreeSet::new();
            for entry in log.deliveries()? {
                if let (State::Delivered, Some(id)) = (entry.state, entry.upload_id) {
                    known.insert((entry.intent.target.clone(), id));
                    mended |= self.mend(log, &entry, id, run).await?;
                }
            }
            if !mended {
                self.tidy(log, &known).await;
                return Ok(());
            }
        }
        Err(Error::new(
            Code::OutcomeUnknown,
            "what the server has changes each time it is looked at",
        )
        .help(
            "see whether something else imports into the project, then run the same command again",
        ))
    }

    /// Counts an import, and says whether it had to be mended. One that is there twice, or lost its annotations, is
    /// committed again; of one that is there no more somebody has deleted tasks, which is for a person to judge.
    async fn mend(&self, log: &RunLog, entry: &Entry, id: u64, run: &dyn Run) -> Result<bool> {
        let target = self.target_of(entry)?;
        let sender = Sender {
            log,
            target: &target,
            run,
            seen: None,
            meter: Meter::default(),
        };
        if let Some(asked) = entry.asked_again_at {
            let now = DateTime::<Utc>::from(self.journal.clock().wall());
            let elapsed = (now - asked).to_std().unwrap_or_default();
            sender
                .wait(target.server.late.saturating_sub(elapsed))
                .await?;
        }
        let stored = target.project.count(id).await;
        let stored = stored.map_err(Failure::into_error)?;
        let upload = Upload::of_entry(entry, id);
        if upload.is_there(stored) || entry.stored == Some(stored) {
            return Ok(false);
        }
        let (number, sent) = (entry.intent.number, entry.intent.tasks);
        if stored.tasks < sent {
            let text = format!(
                "import {number} was there with {}, and has {} now",
                counted(sent, "task"),
                stored.tasks
            );
            let id = &log.run().id;
            return Err(Error::new(Code::OutcomeUnknown, text).help(format!(
                "if nobody has deleted tasks, `sluice verify {id} --repair` brings them again"
            )));
        }
        let quiet = if stored.tasks > sent {
            target.server.quiet(upload.contents.load(upload.bytes))
        } else {
            Duration::ZERO
        };
        let doubt = Doubt::answered(quiet, format!("the server has {}", told(stored)));
        match sender.settle(&upload, None, Some(doubt)).await? {
            Committed::There => Ok(true),
            Committed::Refused { detail, .. } => Err(refused_now(&detail)),
        }
    }

    /// Removes uploads of the run that no tasks were made of, since another was made in their place. Nothing rests on
    /// it: what cannot be removed stays.
    async fn tidy(&self, log: &RunLog, known: &BTreeSet<(String, u64)>) {
        for target in self.projects.targets() {
            let Ok(mut uploads) = target.project.uploads().await else {
                continue;
            };
            uploads.retain(|upload| {
                is_of(&log.run().id, upload.name())
                    && !known.contains(&(target.name.clone(), upload.id))
            });
            for upload in uploads {
                if target
                    .project
                    .count(upload.id)
                    .await
                    .is_ok_and(|stored| stored.tasks == 0)
                {
                    let _ = target.project.delete_uploads(&[upload.id]).await;
                }
            }
        }
    }
}

/// The server refuses what was there before.
pub(super) fn refused_now(detail: &str) -> Error {
    Error::new(
        Code::OutcomeUnknown,
        format!("the server refuses now what it took before: {detail}"),
    )
    .help("see whether the project's labelling config has changed; put it back, and run the same command again")
}
