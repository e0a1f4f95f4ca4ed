//! Taking back what a run brought: its tasks, and then the files they were made of.
//!
//! One request at a time, with everything else kept away from the server. A deletion whose answer is lost is looked
//! after until nothing is left, or until it can no longer be under way; then it is sent again. Files go last, since
//! tasks are told from others by them.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::recorded::Recorded;
use super::send::{interrupted, is_of};
use super::settle::Upload;
use super::target::Target;
use super::verify::{Verdict, quiet};
use crate::deliver::Run;
use crate::deliver::sizing::Load;
use crate::deliver::throttle::Attempt;
use crate::error::{Code, Error, Result};
use crate::journal::{Counts, RunState};
use crate::label_studio::failure::Failure;
use crate::wording::counted;

/// Failures of one request in a row after which it is given up, to be gone on with later.
const MOST_FAILURES: u32 = 14;

/// The time before the first try after a failure; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest time between two tries, and the longest that a server that asks to wait is waited for at a time.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Files that are removed by one request.
const FILES_AT_ONCE: usize = 100;

/// What a project holds of a run.
#[derive(Clone, Debug)]
pub struct Holding {
    /// The project's address.
    pub target: String,
    /// Files of the run, and what there is of each.
    pub uploads: Vec<(u64, Counts)>,
}

impl Holding {
    /// All of it together.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.uploads
            .iter()
            .fold(Counts::default(), |all, (_, each)| Counts {
                tasks: all.tasks + each.tasks,
                annotations: all.annotations + each.annotations,
                predictions: all.predictions + each.predictions,
            })
    }
}

impl Recorded {
    /// What there is to take back, project by project.
    ///
    /// # Errors
    /// When a server cannot be asked, or the journal cannot be read.
    pub async fn holdings(&self) -> Result<Vec<Holding>> {
        let mut holdings = Vec::new();
        for target in &self.targets {
            let mut uploads = Vec::new();
            for id in self.uploads_in(target).await? {
                let counts = target.project.count(id).await;
                uploads.push((id, counts.map_err(Failure::into_error)?));
            }
            holdings.push(Holding {
                target: target.name.clone(),
                uploads,
            });
        }
        Ok(holdings)
    }

    /// The files of the run in a project: those that the journal knows, and those that have its name.
    async fn uploads_in(&self, target: &Target) -> Result<BTreeSet<u64>> {
        let entries = self.log.deliveries()?;
        let entries = entries.iter().filter(|e| e.intent.target == target.name);
        let mut ids: BTreeSet<u64> = entries.filter_map(|entry| entry.upload_id).collect();
        ids.extend(self.named(target).await?);
        Ok(ids)
    }

    async fn named(&self, target: &Target) -> Result<Vec<u64>> {
        let uploads = target.project.uploads().await;
        let mut uploads = uploads.map_err(Failure::into_error)?;
        uploads.retain(|upload| is_of(&self.log.run().id, upload.name()));
        Ok(uploads.into_iter().map(|upload| upload.id).collect())
    }

    /// Deletes the tasks of the run and its files, and records it as undone. `each` hears of tasks that are gone.
    ///
    /// # Errors
    /// When a server fails for long, or the work is stopped: what is left is taken back when this is called again.
    pub async fn undo(&mut self, run: &dyn Run, mut each: impl FnMut(u64)) -> Result<()> {
        if self.log.run().state == RunState::Undone {
            return Ok(());
        }
        // Until it is undone, a run of the same command is not to take it for complete.
        self.log.finish(RunState::Failed)?;
        for entry in self.log.deliveries()? {
            // A commit that may be under way brings its tasks after they are deleted.
            if let Some(id) = entry.upload_id {
                let (target, upload) = (self.target_of(&entry)?, Upload::of_entry(&entry, id));
                wait(run, quiet(target, &entry, &upload, Verdict::Ok)).await?;
            }
        }
        for target in &self.targets {
            for id in self.uploads_in(target).await? {
                each(delete(target, id, run).await?);
            }
            self.remove_files(target, run).await?;
        }
        self.log.finish(RunState::Undone)
    }

    /// Removes the files of the run from a project that holds none of its tasks.
    async fn remove_files(&self, target: &Target, run: &dyn Run) -> Result<()> {
        let mut failures = Failures::default();
        let known = self.uploads_in(target).await?;
        loop {
            let uploads = target.project.uploads().await;
            let there = uploads.map_err(Failure::into_error)?;
            let there = there.iter().map(|upload| upload.id);
            let ids: Vec<u64> = there
                .filter(|id| known.contains(id))
                .take(FILES_AT_ONCE)
                .collect();
            if ids.is_empty() {
                return Ok(());
            }
            let turn = turn(target, Load::default(), run).await?;
            let outcome = target.project.delete_uploads(&ids).await;
            let pause = failures.after(outcome.err())?;
            turn.answered(None)?;
            wait(run, pause).await?;
        }
    }
}

/// Deletes the tasks of a file, until there are none; how many there were.
async fn delete(target: &Target, id: u64, run: &dyn Run) -> Result<u64> {
    let project = &target.project;
    let count = async || project.count(id).await.map_err(Failure::into_error);
    let before = count().await?;
    let load = load(before);
    let mut left = before;
    let mut failures = Failures::default();
    while left.tasks > 0 {
        let turn = turn(target, load, run).await?;
        let outcome = project.delete_tasks(id).await;
        if matches!(&outcome, Err(failure) if failure.leaves_doubt()) {
            let over = Instant::now() + target.server.quiet(load).saturating_sub(turn.elapsed());
            while Instant::now() < over && count().await?.tasks > 0 {
                wait(run, project.client().settings().poll_interval).await?;
            }
        }
        left = count().await?;
        turn.answered(None)?;
        if left.tasks == 0 {
            break;
        }
        // An answer that says it is done, and tasks that are there: they came from elsewhere meanwhile.
        let failure = outcome.err().unwrap_or_else(|| Failure::Unknown {
            cause: format!(
                "of the file {id} there is still {}",
                counted(left.tasks, "task")
            ),
            status: None,
            after: Duration::ZERO,
            doubt: true,
        });
        wait(run, failures.after(Some(failure))?).await?;
    }
    Ok(before.tasks)
}

/// What deleting so much costs the server, as an import of it would.
fn load(counts: Counts) -> Load {
    let Counts {
        tasks,
        annotations,
        predictions,
    } = counts;
    Load {
        tasks: tasks as usize,
        bytes: 0,
        annotated: tasks.min(annotations.max(predictions)) as usize,
    }
}

/// Leave to send one request, with the server quiet as far as is known.
async fn turn(target: &Target, load: Load, run: &dyn Run) -> Result<Attempt> {
    let server = &target.server;
    let turn = server.throttle.turn(run.stopped()).await?;
    let turn = turn.ok_or_else(interrupted)?;
    if let Some(since) = turn.unanswered() {
        let elapsed = since.elapsed().unwrap_or_default();
        wait(run, server.quiet(load).saturating_sub(elapsed)).await?;
    }
    Ok(turn)
}

/// Waits, unless the work is stopped.
async fn wait(run: &dyn Run, time: Duration) -> Result<()> {
    if time.is_zero() {
        return Ok(());
    }
    tokio::select! {
        () = sleep(time) => Ok(()),
        () = run.stopped() => Err(interrupted()),
    }
}

/// How often a request has failed.
#[derive(Default)]
struct Failures(u32);

impl Failures {
    /// The time to wait before the next try: none if it did not fail.
    fn after(&mut self, failure: Option<Failure>) -> Result<Duration> {
        let Some(failure) = failure else {
            return Ok(Duration::ZERO);
        };
        self.0 += 1;
        let passing = failure.is_passing() || failure.leaves_doubt();
        if !passing {
            return Err(failure.into_error());
        }
        if self.0 >= MOST_FAILURES {
            let doubt = failure.leaves_doubt();
            let error = failure.into_error();
            let code = if doubt {
                Code::OutcomeUnknown
            } else {
                error.code()
            };
            let text = format!("the server fails again and again: {}", error.message());
            return Err(Error::new(code, text)
                .help("run the same command again later: it looks at what is left, and goes on"));
        }
        let asked = match failure {
            Failure::Busy {
                retry_after: Some(asked),
            } => asked.min(LONGEST_WAIT),
            _ => Duration::ZERO,
        };
        let pause = LONGEST_WAIT.min(FIRST_WAIT * 2_u32.saturating_pow(self.0 - 1));
        Ok(pause.max(asked))
    }
}
