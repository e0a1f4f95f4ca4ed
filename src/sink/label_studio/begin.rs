//! Where a run begins: at the first record, or after what an earlier process of the same run has brought.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::check::refused_now;
use super::contents::Contents;
use super::send::{Sender, found};
use super::settle::{Committed, Doubt, Upload};
use super::target::Target;
use super::{Before, LabelStudio};
use crate::deliver::times::Meter;
use crate::deliver::{Begin, Run};
use crate::error::{Code, Error, Result};
use crate::journal::claim::identities;
use crate::journal::{Change, Claim, Entry, RunLog, RunState, SourceIdentity, State};
use crate::place::Place;
use crate::read::seen::Seen;
use crate::source::{Location, Source};

impl LabelStudio {
    /// Sees whether the projects are there, and finds the run that this is, or begins one.
    pub(super) async fn begin_or_go_on(&self, run: &dyn Run) -> Result<Begin> {
        self.projects.look().await?;
        let mut kept = self.log.lock().await;
        let (log, before) = self.find()?;
        let log = kept.insert(log);
        let _ = self.run.set(log.run().id.clone());
        if !before {
            let _ = self.before.set(None);
            let _ = self.seen.set(Arc::default());
            return Ok(Begin::First);
        }
        self.projects.adopt(&log.run().id).await?;
        let done = log.run().state == RunState::Done;
        if log.run().state == RunState::Failed {
            log.finish(RunState::Open)?;
        }
        for entry in log.unfinished()? {
            self.settle_entry(log, &entry, run).await?;
        }
        if self.asked.spread.is_some() && !done {
            // What is there too often would take up room.
            self.check(log, run).await?;
            self.projects.look().await?;
        }
        let delivered = log.deliveries()?;
        let delivered = delivered.iter().filter(|e| e.state == State::Delivered);
        let begin = match log.resume_point()? {
            _ if done => Begin::Nothing,
            None => {
                let _ = self.seen.set(Arc::default());
                Begin::First
            }
            Some(point) => point.next.map_or(Begin::Nothing, Begin::At),
        };
        if let Begin::At(place) = begin
            && let Some(seen) = self.seen_again(log, place)?
        {
            let _ = self.seen.set(Arc::new(seen));
        }
        let _ = self.before.set(Some(Before {
            run: log.run().id.clone(),
            tasks: delivered.map(|entry| entry.intent.tasks).sum(),
            complete: begin == Begin::Nothing,
        }));
        Ok(begin)
    }

    /// The run to go on with (true), or a new one.
    fn find(&self) -> Result<(RunLog, bool)> {
        let target = &self.target;
        let asked = &self.asked;
        let changed = |log: &RunLog| -> Result<Option<(SourceIdentity, Change)>> {
            let unknown =
                |source: &Source| matches!(source.location, Location::Stdin | Location::Redis(_));
            let over = log.run().state == RunState::Done;
            match log.sources()?.into_iter().next() {
                // There may be something new in it.
                Some(first) if over && asked.sources.any_apart(unknown) => {
                    Ok(Some((first, Change::Time)))
                }
                _ => log.change_in(&asked.sources),
            }
        };
        if asked.named {
            let claim = Claim {
                run: &asked.run,
                plan: &asked.plan,
                target,
                sources: &asked.sources,
                accept_changed_sources: asked.accept_changed_sources,
            };
            if let Some(log) = self.journal.take(&claim)? {
                return Ok((log, true));
            }
        }
        if !asked.again {
            let mut runs = self.journal.runs()?;
            runs.retain(|run| run.target == *target && run.state != RunState::Undone);
            let same = runs.iter().rev().find(|run| run.plan_digest == asked.plan);
            if let Some(same) = same {
                let mut log = self.journal.reopen(&same.id)?;
                match (same.state, changed(&log)?) {
                    (RunState::Open | RunState::Failed, _) if asked.named => {
                        return Err(another_id(&same.id));
                    }
                    (_, None) => return Ok((log, true)),
                    // It is over, and there is something new to bring.
                    (RunState::Done, Some(_)) => {}
                    (_, Some(_)) if asked.accept_changed_sources => {
                        log.accept_sources(&identities(&asked.sources)?)?;
                        log.finish(RunState::Open)?;
                        return Ok((log, true));
                    }
                    (_, Some((source, change))) => return Err(change.into_error(&source)),
                }
            } else if let Some(other) = runs.iter().rev().find(|run| run.state != RunState::Done) {
                let log = self.journal.reopen(&other.id)?;
                let names = |sources: &[SourceIdentity]| -> Vec<String> {
                    sources.iter().map(|source| source.name.clone()).collect()
                };
                if !log.deliveries()?.is_empty()
                    && names(&log.sources()?) == names(&identities(&asked.sources)?)
                {
                    return Err(other_options(&other.id));
                }
            }
        }
        let log = self.journal.begin(
            &asked.run,
            &asked.plan,
            target,
            &asked.options,
            &identities(&asked.sources)?,
        )?;
        Ok((log, false))
    }

    /// How standard input, or a Redis, is to be known when it is read again. Files were compared already, and are read from where
    /// the run stopped.
    fn seen_again(&self, log: &RunLog, place: Place) -> Result<Option<Seen>> {
        let stdin = |source: &Source| {
            source.id == place.source
                && matches!(source.location, Location::Stdin | Location::Redis(_))
        };
        if self.asked.accept_changed_sources || !self.asked.sources.any_apart(stdin) {
            return Ok(None);
        }
        let known = log
            .sources()?
            .into_iter()
            .find(|known| known.id == place.source);
        let prefix = known.and_then(|known| known.prefix);
        Ok(Some(prefix.map_or_else(Seen::default, Seen::expecting)))
    }

    /// Brings an import that was cut off to an outcome, by looking at what the server has of it.
    async fn settle_entry(&self, log: &RunLog, entry: &Entry, run: &dyn Run) -> Result<()> {
        let target = self.target_of(entry)?;
        let sender = Sender {
            log,
            target: &target,
            run,
            seen: None,
            meter: Meter::default(),
        };
        let (number, upload_id) = (entry.intent.number, entry.upload_id);
        let is_last = log.next_number()? == number;
        let id = match (entry.state, upload_id) {
            // It is read again, and sent without what the server does not want.
            (State::Refused, _) if is_last => return Ok(()),
            (State::Refused, _) => {
                return Err(refused_now(entry.cause.as_deref().unwrap_or_default()));
            }
            (_, Some(id)) => id,
            (_, None) => match found(&target.project, &entry.intent).await? {
                Some(id) => {
                    log.uploaded(number, id)?;
                    id
                }
                None => return log.absent(number),
            },
        };
        let upload = Upload::of_entry(entry, id);
        let quiet = target.server.quiet(upload.contents.load(upload.bytes));
        let now = DateTime::<Utc>::from(self.journal.clock().wall());
        let elapsed = (now - entry.changed_at).to_std();
        let left = quiet.saturating_sub(elapsed.unwrap_or(Duration::ZERO));
        let in_doubt = upload_id.is_some() && entry.state != State::Uploaded;
        let doubt = in_doubt.then(|| Doubt::unanswered(left, "the process that sent it was ended"));
        match sender.settle(&upload, None, doubt).await? {
            Committed::Refused { detail, .. } if !is_last => Err(refused_now(&detail)),
            Committed::There | Committed::Refused { .. } => Ok(()),
        }
    }

    /// The target that an import went to.
    pub(super) fn target_of(&self, entry: &Entry) -> Result<Target> {
        let name = &entry.intent.target;
        self.projects
            .targets()
            .into_iter()
            .find(|target| target.name == *name)
            .ok_or_else(|| {
                Error::new(
                    Code::Usage,
                    format!(
                        "the run has brought tasks to `{name}`, which is not among its targets"
                    ),
                )
                .help("name it with `--to`, in its place")
            })
    }
}

impl Upload {
    /// What the journal knows of an upload.
    pub(super) fn of_entry(entry: &Entry, id: u64) -> Self {
        let intent = &entry.intent;
        let counts = crate::journal::Counts {
            tasks: intent.tasks,
            annotations: intent.annotations,
            predictions: intent.predictions,
        };
        Upload {
            number: intent.number,
            id,
            contents: Contents {
                counts,
                cancelled: intent.cancelled,
                annotated: counts.tasks.min(counts.annotations.max(counts.predictions)),
            },
            bytes: intent.bytes as usize,
        }
    }
}

fn another_id(run: &str) -> Error {
    Error::new(
        Code::Usage,
        format!("run `{run}` brought part of these sources here, by another id"),
    )
    .help(format!(
        "go on with `--run-id {run}`, take back what it brought with `sluice undo {run}`, or bring everything again with \
         `--again`"
    ))
}

fn other_options(run: &str) -> Error {
    Error::new(
        Code::Usage,
        format!("run `{run}` brought part of these sources here, with other options"),
    )
    .help(format!(
        "go on with the options it had, take back what it brought with `sluice undo {run}`, or bring everything again \
         with `--again`"
    ))
}
