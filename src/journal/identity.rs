//! Whether a source is still the one a run began with, and how addresses lose their secrets.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::error::{Code, Error, Result};
use crate::place::{SourceId, Spot};
pub use crate::read::seen::Prefix;
pub use crate::source::address::without_secrets;
use crate::source::archive::Member;
use crate::source::remote::Remote;

/// Bytes at a source's start that are hashed when a run begins: enough to tell two exports of one size apart, and
/// read anyway to learn the format.
pub const HEAD_BYTES: u64 = 64 * 1024;

/// The flag that resumes although a source has changed.
pub const OVERRIDE: &str = "--accept-changed-sources";

/// What a run knows a source by. What is not known, as of standard input, is not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceIdentity {
    /// Its number in the plan.
    pub id: SourceId,
    /// The name a person knows it by; an address without its secrets.
    pub name: String,
    /// Its size in bytes, as stored.
    pub bytes: Option<u64>,
    /// When it was last changed, in nanoseconds since 1970.
    pub modified: Option<i64>,
    /// BLAKE3 of its first [`HEAD_BYTES`] as stored, in hexadecimal.
    pub head_digest: Option<String>,
    /// What its store calls this version of it, the `ETag` of an object; of a member, the digest of its archive.
    pub version: Option<String>,
    /// The part of it that has been read for imports.
    pub prefix: Option<Prefix>,
}

/// How a source differs from what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Another name stands at its number.
    Name,
    /// It has another size.
    Size {
        /// Bytes when the run began.
        then: u64,
        /// Bytes now.
        now: u64,
    },
    /// Its first bytes are others.
    Head,
    /// Its store calls it another version, or its archive is another.
    Version,
    /// The part that was read already is not the same.
    Prefix,
    /// It was written since, though size and content are the same as far as they were read.
    Time,
}

impl SourceIdentity {
    /// A source of which no more than its name is known, such as standard input.
    #[must_use]
    pub fn named(id: SourceId, name: &str) -> Self {
        let name = without_secrets(name);
        SourceIdentity {
            id,
            name,
            bytes: None,
            modified: None,
            head_digest: None,
            version: None,
            prefix: None,
        }
    }

    /// What is fetched, as it was when it was listed. Nothing is read.
    #[must_use]
    pub fn of_remote(id: SourceId, name: &str, remote: &Remote) -> Self {
        SourceIdentity {
            bytes: remote.bytes(),
            version: remote.version().map(str::to_owned),
            ..Self::named(id, name)
        }
    }

    /// A member of an archive, known by what the archive was when it was listed. Nothing is read.
    #[must_use]
    pub fn of_member(id: SourceId, name: &str, member: &Member) -> Self {
        SourceIdentity {
            bytes: member.archive.bytes,
            modified: member.archive.modified,
            version: Some(member.archive.version.clone()),
            ..Self::named(id, name)
        }
    }

    /// What a file is now. Only its head is read.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_file(id: SourceId, name: &str, path: &Path) -> Result<Self> {
        let read = || -> io::Result<Self> {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            let since = metadata.modified()?.duration_since(UNIX_EPOCH).ok();
            let modified = since.and_then(|since| i64::try_from(since.as_nanos()).ok());
            let (_, head) = hash(file, HEAD_BYTES)?;
            let known = SourceIdentity {
                bytes: Some(metadata.len()),
                modified,
                ..Self::named(id, name)
            };
            Ok(SourceIdentity {
                head_digest: Some(head),
                ..known
            })
        };
        read().map_err(|cause| unread(name, &cause))
    }

    /// Compares what was recorded with the file as it is now, its head and the whole part already read included.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn change_in_file(&self, path: &Path) -> Result<Option<Change>> {
        let mut now = Self::of_file(self.id, &self.name, path)?;
        // The size and the head tell without reading more.
        if let Some(prefix) = &self.prefix
            && !matches!(
                self.change_to(&now),
                Some(Change::Size { .. } | Change::Head)
            )
        {
            now.prefix = Prefix::of_file(self.id, &self.name, path, prefix.bytes).map(Some)?;
        }
        Ok(self.change_to(&now))
    }

    /// Compares what was recorded with what is fetched, as it was listed now.
    #[must_use]
    pub fn change_in_remote(&self, remote: &Remote) -> Option<Change> {
        self.change_to(&Self::of_remote(self.id, &self.name, remote))
    }

    /// Compares what was recorded with a member of an archive, as it was listed now.
    #[must_use]
    pub fn change_in_member(&self, member: &Member) -> Option<Change> {
        self.change_to(&Self::of_member(self.id, &self.name, member))
    }

    /// Compares what was recorded with what is there `now`. Parts read are compared if they are of one length.
    #[must_use]
    pub fn change_to(&self, now: &SourceIdentity) -> Option<Change> {
        fn differ<T: PartialEq>(then: Option<&T>, now: Option<&T>) -> bool {
            then.zip(now).is_some_and(|(then, now)| then != now)
        }
        if self.name != now.name {
            return Some(Change::Name);
        }
        if let Some((then, now)) = self.bytes.zip(now.bytes).filter(|(then, now)| then != now) {
            return Some(Change::Size { then, now });
        }
        if differ(self.head_digest.as_ref(), now.head_digest.as_ref()) {
            return Some(Change::Head);
        }
        if differ(self.version.as_ref(), now.version.as_ref()) {
            return Some(Change::Version);
        }
        let length = |prefix: &&Prefix| {
            Some(prefix.bytes) == self.prefix.as_ref().map(|recorded| recorded.bytes)
        };
        if differ(self.prefix.as_ref(), now.prefix.as_ref().filter(length)) {
            return Some(Change::Prefix);
        }
        differ(self.modified.as_ref(), now.modified.as_ref()).then_some(Change::Time)
    }
}

impl Prefix {
    /// The first `bytes` of a file, or all of it if it is shorter, as they are now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_file(source: SourceId, name: &str, path: &Path, bytes: u64) -> Result<Self> {
        let (bytes, blake3) = File::open(path)
            .and_then(|file| hash(file, bytes))
            .map_err(|cause| unread(name, &cause))?;
        Ok(Prefix {
            source,
            bytes,
            blake3,
        })
    }
}

impl Change {
    /// The error that refuses to resume, with the flag that does it all the same.
    #[must_use]
    pub fn into_error(self, source: &SourceIdentity) -> Error {
        let how = match self {
            Change::Name => "another one stands in its place".to_owned(),
            Change::Size { then, now } => format!("it had {then} bytes, now it has {now}"),
            Change::Head => "it begins differently".to_owned(),
            Change::Version => "another version of it is there".to_owned(),
            Change::Prefix => "the part that was sent already is not the same".to_owned(),
            Change::Time => "it was written to".to_owned(),
        };
        let message = format!("`{}` has changed since the run began: {how}", source.name);
        Error::new(Code::Journal, message)
            .at(|| Spot::source(&source.name.as_str().into()))
            .help(format!("put the old one back, or resume with `{OVERRIDE}`: records are then told apart by their number alone"))
    }
}

fn hash(source: impl Read, bytes: u64) -> io::Result<(u64, String)> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(source.take(bytes))?;
    Ok((hasher.count(), hasher.finalize().to_hex().to_string()))
}

fn unread(name: &str, cause: &io::Error) -> Error {
    Error::new(
        Code::SourceRead,
        format!("cannot read it to see whether it has changed: {cause}"),
    )
    .at(|| Spot::source(&without_secrets(name).into()))
}
