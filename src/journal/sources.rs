//! The sources of a run beside those of a plan: are they still what they were?

use super::identity::{Change, SourceIdentity};
use super::log::RunLog;
use crate::error::Result;
use crate::source::listed::Sources;
use crate::source::{Location, Source};

impl SourceIdentity {
    /// What a source is now. Of a file its head is read.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(source: &Source) -> Result<Self> {
        match &source.location {
            Location::File(path) => Self::of_file(source.id, &source.name, path),
            Location::Remote(remote) => Ok(Self::of_remote(source.id, &source.name, remote)),
            Location::Member(member) => Ok(Self::of_member(source.id, &source.name, member)),
            Location::Stdin
            | Location::Redis(_)
            | Location::Batches(_)
            | Location::Referred
            | Location::Presigned(..) => Ok(Self::named(source.id, &source.name)),
        }
    }
}

impl RunLog {
    /// The first source that is not what it was when the run began. Nothing is known of standard input, of a Redis, and
    /// of files that are not opened: what was read of them then is compared while it is read again.
    ///
    /// # Errors
    /// When a source, or the journal, cannot be read.
    pub fn change_in(&self, sources: &Sources) -> Result<Option<(SourceIdentity, Change)>> {
        for known in self.sources()? {
            let source = sources.get(known.id)?;
            let change = match source.as_ref().map(|source| &source.location) {
                Some(Location::File(path)) => known.change_in_file(path)?,
                Some(Location::Remote(remote)) => known.change_in_remote(remote),
                Some(Location::Member(member)) => known.change_in_member(member),
                Some(
                    Location::Stdin
                    | Location::Redis(_)
                    | Location::Batches(_)
                    | Location::Referred
                    | Location::Presigned(..),
                ) => None,
                None => Some(Change::Name),
            };
            if let Some(change) = change {
                return Ok(Some((known, change)));
            }
        }
        Ok(None)
    }
}
