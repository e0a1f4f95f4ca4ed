//! The last look: what a run brought is counted once more, since an answer that came late shows only now.

use std::collections::BTreeSet;

use super::LabelStudio;
use super::send::{Sender, prefix};
use super::settle::{Committed, Doubt, Upload, told};
use crate::deliver::Run;
use crate::error::{Code, Error, Result};
use crate::journal::{RunLog, State};
use crate::label_studio::failure::Failure;

impl LabelStudio {
    /// Counts every import of the run. One that is there twice, or lost its annotations, is committed again; of one
    /// that is there no more somebody has deleted tasks, which is for a person to judge.
    pub(super) async fn check(&self, log: &RunLog, run: &dyn Run) -> Result<()> {
        let mut known = BTreeSet::new();
        for entry in log.deliveries()? {
            let (State::Delivered, Some(id)) = (entry.state, entry.upload_id) else {
                continue;
            };
            known.insert((entry.intent.target.clone(), id));
            let target = self.target_of(&entry)?;
            let stored = target
                .project
                .count(id)
                .await
                .map_err(Failure::into_error)?;
            let upload = Upload::of_entry(&entry, id);
            let twice = stored.tasks > entry.intent.tasks;
            if upload.is_there(stored) || entry.stored == Some(stored) {
                continue;
            }
            if stored.tasks < entry.intent.tasks {
                let (number, sent) = (entry.intent.number, entry.intent.tasks);
                let text = format!(
                    "import {number} was there with {sent} tasks, and has {} now",
                    stored.tasks
                );
                let id = &log.run().id;
                return Err(Error::new(Code::OutcomeUnknown, text).help(format!(
                    "if nobody has deleted tasks, `sluice verify {id} --repair` brings them again"
                )));
            }
            let cause = format!("the server has {}", told(stored));
            let load = upload.contents.load(upload.bytes);
            let quiet = if twice {
                target.server.quiet(load)
            } else {
                std::time::Duration::ZERO
            };
            let sender = Sender {
                log,
                target: &target,
                run,
                seen: None,
            };
            let doubt = Doubt::new(quiet, cause);
            if let Committed::Refused { detail, .. } =
                sender.settle(&upload, None, Some(doubt)).await?
            {
                return Err(Error::new(
                    Code::OutcomeUnknown,
                    format!("the server refuses now what it took before: {detail}"),
                ));
            }
        }
        self.tidy(log, &known).await;
        Ok(())
    }

    /// Removes uploads of the run that no tasks were made of, since another was made in their place. Nothing rests on
    /// it: what cannot be removed stays.
    async fn tidy(&self, log: &RunLog, known: &BTreeSet<(String, u64)>) {
        let prefix = prefix(&log.run().id);
        for target in self.projects.targets() {
            let Ok(mut uploads) = target.project.uploads().await else {
                continue;
            };
            uploads.retain(|upload| {
                upload.name().starts_with(&prefix)
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
