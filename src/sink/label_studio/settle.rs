//! From an upload to its tasks, each once, whatever the answers say.
//!
//! An answer proves little: a 500 may have stored everything, and a request whose connection is gone goes on. What the
//! server *has* of an upload can be counted, and committing an upload again replaces what it has. So:
//!
//! ```text
//!        ┌───────────── not there, and quiet ──────────────┐
//!        ▼                                                 │
//!     commit ── the counts that were sent ──▶ delivered    │
//!        │ ├─── 400: nothing is stored ─────▶ refused      │
//!        │ └─── not sent, busy ── wait ──▶ commit          │
//!        ▼                                                 │
//!      doubt ──▶ look ── all there, each once ─▶ delivered │
//!                  └──── wait until it is quiet ───────────┘
//! ```
//!
//! Quiet is when the request has had several times the time it should take ([`Server::quiet`]): sending it again
//! while the first still runs would store everything twice.
//!
//! [`Server::quiet`]: super::target::Server::quiet

use std::time::Duration;

use tokio::time::Instant;

use super::contents::Contents;
use super::send::Sender;
use crate::deliver::sizing::Load;
use crate::deliver::throttle::Attempt;
use crate::deliver::times::Outcome;
use crate::error::{Code, Error, Result};
use crate::journal::Counts;
use crate::label_studio::failure::Failure;
use crate::wording::counted;

/// Failures of one import in a row after which a run gives up, to be gone on with later: with the time between them
/// doubling to a minute, some ten minutes.
const MOST_FAILURES: u32 = 14;

/// Times that a server may fail on one import by itself, having stored nothing of it, before that is taken to be the
/// import's fault.
const MOST_ERRORS: u32 = 6;

/// The time before the first try after a failure.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest time between two tries.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// An upload whose tasks are to be made.
pub(super) struct Upload {
    /// The import's number in the run.
    pub(super) number: u64,
    /// The upload's number at the server.
    pub(super) id: u64,
    /// What is in it.
    pub(super) contents: Contents,
    /// Its size.
    pub(super) bytes: usize,
}

/// What became of an upload.
pub(super) enum Committed {
    /// Its tasks are there, each once; the journal says so.
    There,
    /// The server wants none of it as it is; the journal says so.
    Refused {
        /// What it said.
        detail: String,
        /// The tasks it names, counted from 0, each with its reason.
        items: Vec<(usize, String)>,
    },
}

/// A request whose outcome is not known.
pub(super) struct Doubt {
    /// When it can no longer be under way.
    quiet_at: Instant,
    /// What makes it doubtful.
    cause: String,
    /// Whether it was never answered, so that it may come to its end after everything that is known.
    unanswered: bool,
    /// The tasks that it names as the reason why nothing is stored, if it does.
    items: Vec<(usize, String)>,
}

impl Doubt {
    /// A request that was never answered, which is taken to be over after so long.
    pub(super) fn unanswered(quiet_in: Duration, cause: impl Into<String>) -> Self {
        Doubt {
            quiet_at: Instant::now() + quiet_in,
            cause: cause.into(),
            unanswered: true,
            items: Vec::new(),
        }
    }

    /// A request that was answered, by what cannot be relied on; what it did is done after so long.
    pub(super) fn answered(quiet_in: Duration, cause: impl Into<String>) -> Self {
        Doubt {
            unanswered: false,
            ..Doubt::unanswered(quiet_in, cause)
        }
    }
}

impl Upload {
    fn load(&self) -> Load {
        self.contents.load(self.bytes)
    }

    /// Whether what the server has is what was sent. People may have added annotations since; cancelled ones are
    /// not counted.
    pub(super) fn is_there(&self, stored: Counts) -> bool {
        let Contents {
            counts, cancelled, ..
        } = self.contents;
        stored.tasks == counts.tasks
            && stored.annotations + cancelled >= counts.annotations
            && stored.predictions >= counts.predictions
    }
}

impl Sender<'_> {
    /// Commits an upload, in the slot of `attempt` if there is one; with a `doubt`, looks first.
    ///
    /// # Errors
    /// When the run cannot go on.
    pub(super) async fn settle(
        &self,
        upload: &Upload,
        mut attempt: Option<Attempt>,
        mut doubt: Option<Doubt>,
    ) -> Result<Committed> {
        let number = upload.number;
        let (log, server) = (self.log, &self.target.server);
        let mut patience = Patience::default();
        let mut again = false;
        loop {
            if let Some(Doubt {
                quiet_at,
                cause,
                unanswered,
                items,
            }) = doubt.take()
            {
                log.in_doubt(number, &cause)?;
                self.came_of_it(number, Outcome::InDoubt, &cause);
                let looked = self.look(upload, quiet_at);
                let stored = self.meter.server(looked).await?;
                if let Some(attempt) = attempt.take() {
                    attempt.answered(None)?;
                }
                if upload.is_there(stored) {
                    log.delivered(number, stored)?;
                    return Ok(Committed::There);
                }
                if !items.is_empty() {
                    return self.refused(upload, cause, items).await;
                }
                again |= unanswered;
                if patience.errors >= MOST_ERRORS && stored.tasks == 0 {
                    return Err(self.failed(upload, &cause, again).await?);
                }
                self.wait(patience.after_doubt(&cause, stored)?).await?;
            }
            let slot = match attempt.take() {
                Some(attempt) => attempt,
                None => self.slot(upload.load()).await?,
            };
            let failure = match self.commit(&slot, upload, again).await? {
                Ok(stored) if stored == upload.contents.counts => {
                    let took = slot.answered(None)?;
                    server.learn(|sizing| sizing.answered(upload.load(), took.as_secs_f64()))?;
                    log.delivered(number, stored)?;
                    return Ok(Committed::There);
                }
                Ok(stored) => {
                    // It has answered, so nothing is under way: one look tells.
                    let cause = format!("the server says it stored {}", told(stored));
                    doubt = Some(Doubt::answered(Duration::ZERO, cause));
                    attempt = Some(slot);
                    continue;
                }
                Err(failure) => failure,
            };
            match failure {
                Failure::Invalid { detail, items, .. } => {
                    slot.answered(None)?;
                    return self.refused(upload, detail, items).await;
                }
                Failure::Busy { retry_after } => {
                    slot.answered(retry_after)?;
                    self.wait(patience.after(failure)?).await?;
                }
                // A request that names an upload is not large: it is a proxy that is in trouble.
                Failure::NotSent { .. } | Failure::TooLarge { .. } => {
                    slot.answered(None)?;
                    self.wait(patience.after(failure)?).await?;
                }
                Failure::JobFailed { detail, items } => {
                    patience.errors += 1;
                    doubt = Some(Doubt {
                        items,
                        ..Doubt::answered(Duration::ZERO, detail)
                    });
                    attempt = Some(slot);
                }
                failure if failure.leaves_doubt() => {
                    let took = slot.elapsed();
                    if let Failure::Unknown {
                        status: None | Some(502 | 504),
                        ..
                    } = failure
                    {
                        server
                            .learn(|sizing| sizing.timed_out(upload.load(), took.as_secs_f64()))?;
                    }
                    patience.saw(&failure);
                    doubt = Some(Doubt::unanswered(
                        server.quiet(upload.load()).saturating_sub(took),
                        failure.into_error().message().to_owned(),
                    ));
                    attempt = Some(slot);
                }
                failure => {
                    slot.answered(None)?;
                    return Err(failure.into_error());
                }
            }
        }
    }

    /// Asks the server to make the tasks of an upload, once more or for the first time, if no other machine may have taken
    /// over while that was recorded.
    async fn commit(
        &self,
        slot: &Attempt,
        upload: &Upload,
        again: bool,
    ) -> Result<Result<Counts, Failure>> {
        let Upload { number, id, .. } = *upload;
        if again {
            self.log.committing_again(number)?;
        } else {
            self.log.committing(number)?;
        }
        slot.check()?;
        tracing::debug!(number, again, "committing");
        let committed = self.target.project.commit(id);
        Ok(self.meter.server(committed).await)
    }

    /// What the server refuses is refused, if it has none of it.
    async fn refused(
        &self,
        upload: &Upload,
        detail: String,
        items: Vec<(usize, String)>,
    ) -> Result<Committed> {
        let Upload { number, id, .. } = *upload;
        let stored = self.target.project.count(id).await;
        let stored = stored.map_err(Failure::into_error)?;
        if stored.tasks == 0 {
            self.log.refused(number, &detail)?;
            return Ok(Committed::Refused { detail, items });
        }
        self.log.in_doubt(number, &detail)?;
        let text = format!(
            "the server has {} of import {number}, which are not all, or too many, and refuses to make them anew: {detail}",
            told(stored)
        );
        Err(Error::new(Code::OutcomeUnknown, text).help(
            "see whether the project's labelling config has changed; put it back, and run the same command again",
        ))
    }

    /// What the server fails on every time is given up, so that what is wrong with it can be left out.
    async fn failed(&self, upload: &Upload, cause: &str, again: bool) -> Result<Error> {
        if again {
            self.wait(self.target.server.late).await?;
        }
        let stored = self.target.project.count(upload.id).await;
        if stored.map_err(Failure::into_error)?.tasks == 0 {
            self.log.refused(upload.number, cause)?;
        }
        let text = format!(
            "the server fails on this import every time, and stores nothing of it: {cause}"
        );
        Ok(Error::new(Code::ServerRefused, text).help(
            "its log says why; leave the record at fault out, and run the same command again with \
             `--accept-changed-sources`",
        ))
    }

    /// Looks at what the server has of an upload until that is all, or until nothing more can come.
    async fn look(&self, upload: &Upload, quiet_at: Instant) -> Result<Counts> {
        let project = &self.target.project;
        let poll = project.client().settings().poll_interval;
        loop {
            let quiet = Instant::now() >= quiet_at;
            let stored = project
                .count(upload.id)
                .await
                .map_err(Failure::into_error)?;
            if quiet || upload.is_there(stored) {
                return Ok(stored);
            }
            let left = quiet_at.saturating_duration_since(Instant::now());
            self.pause(poll.min(left)).await?;
        }
    }
}

/// How often one import has failed.
#[derive(Default)]
pub(super) struct Patience {
    failures: u32,
    errors: u32,
}

impl Patience {
    /// Counts a failure that stored nothing; gives the time to wait before the next try.
    ///
    /// # Errors
    /// The failure, when it was one too many.
    pub(super) fn after(&mut self, failure: Failure) -> Result<Duration> {
        self.failures += 1;
        if self.failures >= MOST_FAILURES {
            return Err(failure.into_error());
        }
        Ok(self.pause())
    }

    /// Notes what may be an error of the server itself.
    fn saw(&mut self, failure: &Failure) {
        self.errors += u32::from(matches!(
            failure,
            Failure::Unknown {
                status: Some(500),
                ..
            }
        ));
    }

    /// Counts a doubt that turned out not to be there as it should.
    fn after_doubt(&mut self, cause: &str, stored: Counts) -> Result<Duration> {
        self.failures += 1;
        if self.failures >= MOST_FAILURES {
            let text = format!(
                "the server has {} of an import, again and again: {cause}",
                told(stored)
            );
            return Err(Error::new(Code::OutcomeUnknown, text)
                .help("see whether something else imports into the project, then run the same command again"));
        }
        Ok(self.pause())
    }

    fn pause(&self) -> Duration {
        LONGEST_WAIT.min(FIRST_WAIT * 2_u32.saturating_pow(self.failures - 1))
    }
}

/// Counts for people.
pub(super) fn told(counts: Counts) -> String {
    let Counts {
        tasks,
        annotations,
        predictions,
    } = counts;
    format!(
        "{}, {}, {}",
        counted(tasks, "task"),
        counted(annotations, "annotation"),
        counted(predictions, "prediction")
    )
}
