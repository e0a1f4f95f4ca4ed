//! One part of an import, from intent to outcome: uploaded, committed, journaled at every step.
//!
//! One slot of the throttle is one attempt: the upload and the first commit of it. What fails without having stored
//! anything is tried again at the next slot; what may have stored something is settled first ([`super::settle`]).

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use super::contents::Contents;
use super::part::Part;
use super::settle::{Committed, Patience, Upload};
use super::target::Target;
use crate::batch::import::{About, Digest};
use crate::deliver::sizing::Load;
use crate::deliver::throttle::Attempt;
use crate::deliver::times::{Meter, Outcome};
use crate::deliver::{Receipt, Run};
use crate::error::{Code, Error, Result};
use crate::journal::{Intent, RunLog};
use crate::label_studio::failure::Failure;
use crate::label_studio::project::Project;
use crate::read::seen::Seen;
use crate::stopwatch::Stopwatch;
use crate::wording::counted;

/// Characters of an import's digest in its name: enough that no two of a run are alike.
const NAME_DIGEST: usize = 12;

/// Letters of a run's id in an upload's name: the server keeps 60, and all of the rest must be among them.
const NAME_RUN: usize = 28;

/// Uploads of one import that may break without an answer before it is taken to be too large: a proxy that refuses
/// early closes the connection before its 413 is seen.
const BROKEN_UPLOADS: u32 = 2;

/// A slot of which so much is gone before the request begins counts from there.
const AT_ONCE: Duration = Duration::from_millis(100);

/// What parts are sent with.
pub(super) struct Sender<'a> {
    pub(super) log: &'a RunLog,
    pub(super) target: &'a Target,
    pub(super) run: &'a dyn Run,
    /// What has been read, if that is kept.
    pub(super) seen: Option<&'a Seen>,
    /// How long the part is on its way.
    pub(super) meter: Meter,
}

/// What became of a part.
pub(super) enum Sent {
    /// Its tasks are there, each once.
    Delivered(Box<Receipt>),
    /// The server, or a proxy before it, takes no request of this size.
    TooLarge(String),
    /// The server wants none of it as it is.
    Refused {
        /// What it said.
        detail: String,
        /// The tasks it names, counted from 0, each with its reason.
        items: Vec<(usize, String)>,
    },
}

/// What became of an upload.
enum Brought {
    There(Attempt, u64),
    TooLarge(String),
}

impl Sender<'_> {
    /// Sends a part until it is there, or will not be.
    ///
    /// # Errors
    /// When the run cannot go on: it is stopped, the token or the project is wrong, or the server fails for long.
    pub(super) async fn send(&self, part: &Part) -> Result<Sent> {
        let content = part.content();
        let contents = Contents::of(&content)?;
        let intent = self.intend(part, &content, contents)?;
        let number = intent.number;
        let (attempt, id) = match self.bring(&intent, &content, contents).await? {
            Brought::There(attempt, id) => (attempt, id),
            Brought::TooLarge(detail) => {
                self.log.refused(number, &detail)?;
                self.came_of_it(number, Outcome::TooLarge, &detail);
                return Ok(Sent::TooLarge(detail));
            }
        };
        self.log.uploaded(number, id)?;
        let upload = Upload {
            number,
            id,
            contents,
            bytes: content.len(),
        };
        match self.settle(&upload, Some(attempt), None).await? {
            Committed::There => Ok(Sent::Delivered(Box::new(Receipt {
                times: Some(self.meter.times()),
                ..receipt(intent, part)
            }))),
            Committed::Refused { detail, items } => {
                self.came_of_it(number, Outcome::Refused, &detail);
                Ok(Sent::Refused { detail, items })
            }
        }
    }

    /// Journals what is about to be sent.
    fn intend(&self, part: &Part, content: &Bytes, contents: Contents) -> Result<Intent> {
        let Contents {
            counts, cancelled, ..
        } = contents;
        let number = self.log.next_number()?;
        let blake3 = blake3::hash(content).to_hex().to_string();
        let run = &self.log.run().id;
        let intent = Intent {
            number,
            first: part.first(),
            last: part.last(),
            next: part.next(),
            tasks: counts.tasks,
            annotations: counts.annotations,
            predictions: counts.predictions,
            cancelled,
            bytes: content.len() as u64,
            target: self.target.name.clone(),
            name: name(run, number, &blake3),
            blake3,
            read: self.seen.and_then(Seen::snapshot),
        };
        self.log.intend(&intent)?;
        tracing::debug!(
            number,
            name = intent.name,
            bytes = intent.bytes,
            "import begun"
        );
        Ok(intent)
    }

    /// Uploads a part, without tasks being made of it, in a slot that is kept for the commit.
    async fn bring(&self, intent: &Intent, content: &Bytes, contents: Contents) -> Result<Brought> {
        let Target {
            project, server, ..
        } = self.target;
        let load = contents.load(content.len());
        let mut patience = Patience::default();
        let mut broken = 0;
        loop {
            let attempt = self.slot(load).await?;
            attempt.check()?;
            tracing::debug!(number = intent.number, "uploading");
            let failure = match project.upload(&intent.name, content.clone()).await {
                Ok(uploaded) if uploaded.tasks == intent.tasks => {
                    return Ok(Brought::There(attempt, uploaded.id));
                }
                Ok(uploaded) => {
                    let text = format!(
                        "the server finds {} in an import of {}",
                        counted(uploaded.tasks, "task"),
                        intent.tasks
                    );
                    return Err(Error::new(Code::ServerRefused, text)
                        .help("its tasks were not made; tell the project's makers which server and version this is"));
                }
                Err(failure) => failure,
            };
            let pause = match &failure {
                Failure::Busy { retry_after } => *retry_after,
                _ => None,
            };
            let took = attempt.elapsed().as_secs_f64();
            match failure {
                Failure::TooLarge { detail } => {
                    attempt.answered(None)?;
                    server.learn(|sizing| sizing.refused_too_large(content.len()))?;
                    return Ok(Brought::TooLarge(detail));
                }
                // A job that only reads the file fails for no reason of the file's.
                failure if failure.is_passing() || matches!(failure, Failure::JobFailed { .. }) => {
                    if let Failure::Unknown { status, .. } = &failure {
                        broken += u32::from(status.is_none());
                        if matches!(status, Some(502 | 504)) {
                            server.learn(|sizing| sizing.timed_out(load, took))?;
                        }
                    }
                    // The upload makes no tasks: whatever became of it, nothing is in doubt.
                    attempt.answered(pause)?;
                    if let Some(id) = found(project, intent).await? {
                        let attempt = self.slot(load).await?;
                        return Ok(Brought::There(attempt, id));
                    }
                    if broken >= BROKEN_UPLOADS && intent.tasks > 1 {
                        server.learn(|sizing| sizing.refused_too_large(content.len()))?;
                        return Ok(Brought::TooLarge(failure.into_error().message().to_owned()));
                    }
                    self.wait(patience.after(failure)?).await?;
                }
                failure => {
                    attempt.answered(None)?;
                    return Err(failure.into_error());
                }
            }
        }
    }

    /// The next slot, with the server quiet as far as is known.
    pub(super) async fn slot(&self, load: Load) -> Result<Attempt> {
        let Target {
            project, server, ..
        } = self.target;
        let waiting = self.run.stopwatch().map(Stopwatch::wait_for_room);
        let started = server.throttle.start(self.run.stopped());
        let attempt = self.meter.waiting(started).await?;
        drop(waiting);
        let attempt = attempt.ok_or_else(interrupted)?;
        if let Some(since) = attempt.unanswered() {
            // Another run's request, or one of a process that was killed.
            let now = self.log.journal().clock().wall();
            let elapsed = now.duration_since(since).unwrap_or_default();
            self.wait(server.quiet(load).saturating_sub(elapsed))
                .await?;
        }
        project.client().prepare().await;
        if attempt.elapsed() < AT_ONCE {
            return Ok(attempt);
        }
        attempt.restarted()
    }

    /// Counts and logs what came of the import, where that is not that it is there.
    pub(super) fn came_of_it(&self, number: u64, outcome: Outcome, detail: &str) {
        self.run.came_of_it(outcome);
        tracing::warn!(
            number,
            outcome = outcome.as_str(),
            detail,
            "import not delivered"
        );
    }

    /// Waits, unless the run is stopped.
    pub(super) async fn wait(&self, time: Duration) -> Result<()> {
        self.meter.waiting(self.pause(time)).await
    }

    /// The same, where it is the server that works meanwhile.
    pub(super) async fn pause(&self, time: Duration) -> Result<()> {
        tokio::select! {
            () = sleep(time) => Ok(()),
            () = self.run.stopped() => Err(interrupted()),
        }
    }
}

/// What an upload of a run is called: by the run, the import's number, and the digest of its bytes.
fn name(run: &str, number: u64, blake3: &str) -> String {
    let digest = &blake3[..NAME_DIGEST];
    format!("sluice-{}-{number:06}-{digest}.json", tag(run))
}

/// Whether an upload is of this run. The part after the run has one shape, so that no run's uploads are taken for those
/// of another whose id goes on after its own.
pub(crate) fn is_of(run: &str, name: &str) -> bool {
    let rest = name.strip_prefix("sluice-");
    let rest = rest.and_then(|rest| rest.strip_prefix(&*tag(run))?.strip_prefix('-'));
    let parts = rest.and_then(|rest| rest.strip_suffix(".json")?.split_once('-'));
    parts.is_some_and(|(number, digest)| {
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
        number.len() >= 6
            && number.bytes().all(|b| b.is_ascii_digit())
            && digest.len() == NAME_DIGEST
            && digits(digest)
    })
}

/// A run's id as it stands in names, of which the server keeps only so much.
fn tag(run: &str) -> Cow<'_, str> {
    if run.len() <= NAME_RUN {
        return Cow::Borrowed(run);
    }
    let digest = blake3::hash(run.as_bytes()).to_hex();
    let kept: String = run.chars().take(NAME_RUN - NAME_DIGEST - 1).collect();
    Cow::Owned(format!("{kept}_{}", &digest[..NAME_DIGEST]))
}

/// The upload of an import whose answer was lost, if the server has it whole.
pub(super) async fn found(project: &Project, intent: &Intent) -> Result<Option<u64>> {
    let uploads = project
        .find_upload(&intent.name)
        .await
        .map_err(Failure::into_error)?;
    let whole = |size: Option<u64>| size.is_none_or(|size| size == intent.bytes);
    Ok(uploads
        .into_iter()
        .find(|upload| whole(upload.size))
        .map(|upload| upload.id))
}

/// The run is stopped while nothing is on its way.
pub(super) fn interrupted() -> Error {
    Error::new(Code::Interrupted, "stopped")
}

fn receipt(intent: Intent, part: &Part) -> Receipt {
    Receipt {
        name: intent.name,
        import: About {
            number: intent.number,
            tasks: part.len(),
            bytes: part.bytes(),
            blake3: Digest(intent.blake3),
            first: intent.first,
            last: intent.last,
            next: intent.next,
        },
        times: None,
    }
}
