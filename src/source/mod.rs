//! **Takes** the words on the command line: files, folders, patterns, `-`, addresses of stores and of Redis; what a
//! caller hands over.
//! **Gives** [`Source`]s in a stable order, each with what its first bytes say it is ([`sniff`]); a long list of them is
//! kept on the disk ([`listed`]).
//! **Waits on** the file system, on a Redis, and on the network by way of [`remote`].
//! **To add one:** a variant of [`Location`], its listing in `list`, its opening in `open`.

pub mod address;
pub mod archive;
pub mod batches;
pub mod foreign;
pub mod kept;
pub mod listed;
pub mod local;
pub mod media;
pub mod redis;
pub mod remote;
pub mod sniff;
pub mod spool;
pub mod stdin;
pub mod window;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::batches::Batches;
use self::remote::{Object, Remote};
use self::window::Window;
use crate::place::SourceId;

/// One thing to read.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its number in the plan.
    pub id: SourceId,
    /// The name a person knows it by: the path as given, or `-`.
    pub name: Arc<str>,
    /// Where its bytes are.
    pub location: Location,
    /// Its size in bytes as stored, if that is known before reading.
    pub bytes: Option<u64>,
    /// The address by which a task may speak of it, where one is known.
    pub address: Option<Arc<str>>,
    /// The part of it that is read: all, unless several runs share it.
    pub window: Window,
}

/// Where a source's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A file.
    File(PathBuf),
    /// A file that is not opened: the task has its address.
    Referred,
    /// An object that is not opened: the task has an address of it that is good for so long.
    Presigned(Object, Duration),
    /// Standard input.
    Stdin,
    /// The values under some keys of a Redis.
    Redis(Box<redis::Address>),
    /// Bytes that are fetched.
    Remote(Remote),
    /// A member of an archive.
    Member(archive::Member),
    /// Record batches that a caller hands over.
    Batches(Batches),
}

impl Source {
    /// Record batches that a caller hands over, as the only source of a plan.
    #[must_use]
    pub fn of_batches(batches: Batches) -> Self {
        Source {
            id: SourceId(0),
            name: Arc::from(batches::NAME),
            location: Location::Batches(batches),
            bytes: None,
            address: None,
            window: Window::ALL,
        }
    }
}
