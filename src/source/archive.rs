//! Archives: how one is known by its name, where its bytes are, and what its members stand for.
//!
//! A member is a source like a file in a folder: it is known as `archive.zip/path/in/it.csv`, it is taken, left out or
//! passed over by the same rules, and has the address `--media-url` and its path in the archive.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::local::{InFolder, Listing, Stored, Taking};
use super::remote::{Parts, Remote};
use super::sniff::{Compression, uncompressed};
use super::{Location, kept};
use crate::error::{Code, Error, Result};
use crate::place::Spot;

/// The suffixes of tar archives that are compressed, in one word.
const TARS: [&str; 5] = ["tgz", "tbz", "tbz2", "txz", "tzst"];

/// The kinds of archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// zip.
    Zip,
    /// tar, with a compression around all of it or without.
    Tar,
}

impl Kind {
    /// What a file name says.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Kind> {
        let lower = name.to_ascii_lowercase();
        let suffix = |name: &str| name.rsplit_once('.').map(|(_, suffix)| suffix.to_owned());
        let (outer, inner) = (suffix(&lower)?, suffix(uncompressed(&lower)));
        if outer == "zip" {
            Some(Kind::Zip)
        } else if TARS.contains(&outer.as_str()) || inner.as_deref() == Some("tar") {
            Some(Kind::Tar)
        } else {
            None
        }
    }
}

/// An archive that was listed.
#[derive(Debug)]
pub struct Archive {
    /// The name a person knows it by.
    pub name: Arc<str>,
    /// Where its bytes are.
    pub whole: Whole,
    /// What is around all of it.
    pub compression: Option<Compression>,
    /// Its size in bytes, as stored.
    pub bytes: Option<u64>,
    /// When it was last changed, in nanoseconds since 1970, where that is known.
    pub modified: Option<i64>,
    /// What tells it from another under the same name: a digest of all that its listing says and, where its store has
    /// one, of its `ETag`; of all its bytes where they were kept.
    pub version: String,
}

/// Where the bytes of an archive are.
#[derive(Debug)]
pub enum Whole {
    /// In a file.
    File(PathBuf),
    /// They are fetched.
    Remote(Remote),
    /// In a temporary file that has no name: they came once only.
    Kept(Arc<File>),
}

impl Whole {
    /// The bytes as they are stored, from the first to the last.
    ///
    /// # Errors
    /// When they have vanished since they were listed, or may not be read.
    pub fn open(&self) -> Result<Stored> {
        match self {
            Whole::File(path) => super::local::open_path(path).map(Stored::File),
            Whole::Remote(remote) => Ok(Stored::Remote(Parts::new(remote.clone()))),
            Whole::Kept(file) => Ok(Stored::Kept(kept::Kept::new(Arc::clone(file)))),
        }
    }
}

/// A member of an archive.
#[derive(Clone, Debug)]
pub struct Member {
    /// The archive.
    pub archive: Arc<Archive>,
    /// Where in it.
    pub span: Span,
}

/// Where a member is in its archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// In a tar, as its bytes are.
    Tar {
        /// The first byte, after the archive's decompression.
        offset: u64,
        /// How many there are.
        bytes: u64,
    },
    /// In a zip.
    Zip {
        /// The first byte of the header before it.
        header: u64,
        /// Bytes as stored.
        stored: u64,
        /// Bytes as they are.
        bytes: u64,
        /// Their CRC-32.
        crc: u32,
        /// How they are stored.
        method: Method,
    },
}

/// How a member of a zip is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// As it is.
    Stored,
    /// Deflated.
    Deflated,
    /// By Zstandard.
    Zstd,
}

impl Span {
    /// Bytes as they stand in the archive.
    #[must_use]
    pub fn stored(&self) -> u64 {
        match self {
            Span::Tar { bytes, .. } => *bytes,
            Span::Zip { stored, .. } => *stored,
        }
    }
}

impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        let of = |member: &Member| (member.archive.name.clone(), member.archive.version.clone());
        self.span == other.span && of(self) == of(other)
    }
}

impl Eq for Member {}

/// What becomes of a member by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is no data; where it is to be told, it was.
    No,
    /// The task speaks of it by this address.
    Referred(Option<String>),
    /// It is read; the address by which a task may speak of it.
    Read(Option<String>),
}

impl Listing {
    /// What becomes of the member at `path` of an archive.
    ///
    /// # Errors
    /// When it is an archive itself, or is to be spoken of and has no address.
    pub fn member(&mut self, archive: &Arc<str>, path: &str, taking: &Taking) -> Result<Taken> {
        let name = path.rsplit('/').next().unwrap_or(path);
        match taking.in_folder(name) {
            InFolder::Passed => return Ok(Taken::No),
            InFolder::LeftOut => {
                self.left_out.push(PathBuf::from(named(archive, path)));
                return Ok(Taken::No);
            }
            InFolder::Taken => {}
        }
        if Kind::of_name(name).is_some() {
            return Err(
                Error::new(Code::Archive, "an archive in an archive is not read")
                    .help("unpack the outer one, and name the folder"),
            );
        }
        let prefix = taking.prefix.as_ref();
        let address = prefix.and_then(|prefix| prefix.address(Path::new(path)));
        match taking.why_referred(name)? {
            Some(why) if address.is_none() => Err(taking.no_address(&why, name)),
            Some(_) => Ok(Taken::Referred(address)),
            None => Ok(Taken::Read(address)),
        }
    }

    /// Adds a member that was [`Taken`].
    ///
    /// # Errors
    /// As [`Sources::push`](super::listed::Sources::push).
    pub fn add_member(&mut self, member: Member, path: &str, taken: Taken) -> Result<()> {
        let name = named(&member.archive.name, path).into();
        let bytes = Some(member.span.stored());
        match taken {
            Taken::No => Ok(()),
            Taken::Referred(address) => {
                self.add(name, Location::Referred, Some(0), address.map(Arc::from))
            }
            Taken::Read(address) => self.add(
                name,
                Location::Member(member),
                bytes,
                address.map(Arc::from),
            ),
        }
    }
}

/// The name of a member.
#[must_use]
pub fn named(archive: &str, path: &str) -> String {
    format!("{archive}/{path}")
}

/// A member as a place to point at.
#[must_use]
pub fn spot(archive: &str, path: &str) -> Spot {
    Spot::source(&named(archive, path).into())
}
