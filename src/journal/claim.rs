//! A run that is asked for by its id, as schedulers do: the same id and plan go on, or have nothing to do.

use super::run::{Run, RunState};
use super::{Journal, RunLog};
use crate::error::{Code, Error, Result};
use crate::journal::SourceIdentity;
use crate::journal::identity::without_secrets;
use crate::source::listed::Sources;

/// What is asked of a run.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Its id.
    pub run: &'a str,
    /// The digest of its plan.
    pub plan: &'a str,
    /// Where it goes.
    pub target: &'a str,
    /// Its sources.
    pub sources: &'a Sources,
    /// Go on although sources have changed.
    pub accept_changed_sources: bool,
}

impl Journal {
    /// Takes in hand the run that is asked for, if there is one of its id: it is done, or open from now on.
    ///
    /// # Errors
    /// When the id is that of a run of another plan or target, of one that was taken back, or of one whose sources have
    /// changed; when another process has it, or the journal cannot be read.
    pub fn take(&self, claim: &Claim<'_>) -> Result<Option<RunLog>> {
        let Some(run) = self.run(claim.run)? else {
            return Ok(None);
        };
        if let Some(error) = refused(claim, &run) {
            return Err(error);
        }
        let mut log = self.reopen(claim.run)?;
        // It may have ended since it was looked at.
        let done = log.run().state == RunState::Done;
        match log.change_in(claim.sources)? {
            Some((source, change)) if done => {
                return Err(change
                    .into_error(&source)
                    .help("the run is over: give the new one another `--run-id`")
                    .exit_with(2));
            }
            Some(_) if claim.accept_changed_sources => {
                log.accept_sources(&identities(claim.sources)?)?;
            }
            Some((source, change)) => return Err(change.into_error(&source)),
            None => {}
        }
        if log.run().state == RunState::Failed {
            log.finish(RunState::Open)?;
        }
        Ok(Some(log))
    }
}

/// What sources are now.
///
/// # Errors
/// When one cannot be read.
pub fn identities(sources: &Sources) -> Result<Vec<SourceIdentity>> {
    sources
        .iter()
        .map(|source| SourceIdentity::of(&source?))
        .collect()
}

fn refused(claim: &Claim<'_>, run: &Run) -> Option<Error> {
    let id = &run.id;
    let what = if run.target != without_secrets(claim.target) {
        format!("is one into `{}`", run.target)
    } else if run.plan_digest != claim.plan {
        "is one of other sources or options".to_owned()
    } else if run.state == RunState::Undone {
        "was taken back".to_owned()
    } else {
        return None;
    };
    let error = Error::new(Code::Usage, format!("run `{id}` {what}"));
    Some(error.help(format!(
        "give this one another `--run-id`; `sluice runs show {id}` says what the other was asked for with"
    )))
}
