//! A cell: some bytes in a store that many machines reach, replaced only by who knows what is there.
//!
//! That one step, compare and swap, is all that a [`lease`](super::lease) and the copy of a journal rest on. Three kinds
//! of stores have it: [`bucket`], [`redis`], and [`folder`] for machines that share a disk. To add one: a file here, and a
//! line in [`Place::parse`].
//!
//! A swap whose answer is lost may have been done, or may be done yet. Whoever is told of an error has to look.

pub mod bucket;
pub mod folder;
pub mod redis;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use ::redis::RedisError;
use bytes::Bytes;
use futures::future::BoxFuture;

use self::bucket::BucketCell;
use self::folder::FolderCell;
use self::redis::RedisCell;
use crate::error::{Code, Error, Result};
use crate::source::redis as server;
use crate::source::remote::bucket::{Address, Bucket};

/// What tells the bytes of a cell from those that were there before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The store's tag of the bytes, or their digest.
    pub tag: Option<String>,
    /// The store's number of the write, where it counts them.
    pub number: Option<String>,
}

impl Version {
    /// That of some bytes in a store that has no tags.
    fn of(bytes: &[u8]) -> Self {
        Version {
            tag: Some(blake3::hash(bytes).to_hex().to_string()),
            number: None,
        }
    }
}

/// What is in a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The bytes.
    pub bytes: Bytes,
    /// What tells them from others.
    pub version: Version,
}

/// What became of a swap that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The new bytes are there.
    Done(Version),
    /// Others were there than was said; nothing was changed.
    Other,
}

/// Some bytes in a store.
pub trait Cell: Send + Sync {
    /// What is there; nothing if the cell is empty.
    ///
    /// # Errors
    /// When the store cannot be asked, or there are more bytes than any cell has.
    fn read(&self) -> BoxFuture<'_, Result<Option<Held>>>;

    /// Puts some bytes there if what is there is of this version, or if the cell is empty and none is given.
    ///
    /// # Errors
    /// When it is not known whether that is done.
    fn swap<'a>(&'a self, there: Option<&'a Version>, bytes: Bytes) -> BoxFuture<'a, Result<Swap>>;

    /// Where it is, for people: no secrets.
    fn shown(&self) -> String;
}

/// Where cells are kept.
#[derive(Clone)]
pub enum Place {
    /// Below a prefix of a bucket, which may be empty.
    Bucket(Arc<Bucket>, String),
    /// Under the keys of a Redis that begin so.
    Redis(server::Address),
    /// In a folder.
    Folder(PathBuf),
}

impl Place {
    /// The place that a word names: a prefix in a bucket, keys of a Redis, or a folder. Nothing is asked of it.
    ///
    /// # Errors
    /// When it is an address of neither that can be used.
    pub fn parse(word: &str) -> Result<Self> {
        if server::is_address(word) {
            return word.parse().map(Place::Redis);
        }
        if let Some(address) = Address::parse(word)? {
            let bucket = Arc::new(Bucket::open(&address)?);
            return Ok(Place::Bucket(bucket, address.key));
        }
        match word.split_once("://") {
            None if !word.is_empty() => Ok(Place::Folder(PathBuf::from(word))),
            _ => Err(Error::new(
                Code::Usage,
                "this is no place that several machines could share".to_owned(),
            )
            .help("name a prefix such as `s3://bucket/locks`, keys such as `redis://HOST:PORT/1?path=locks/`, or a folder")),
        }
    }

    /// The word that names it, from wherever it is said; no secrets.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Place::Bucket(bucket, prefix) => format!("{}{prefix}", bucket.address()),
            Place::Redis(address) => address.to_string(),
            Place::Folder(folder) => {
                let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
                folder.display().to_string()
            }
        }
    }

    /// A cell of this name there, of at most so many bytes.
    ///
    /// # Errors
    /// When there can be no such name there.
    pub fn cell(&self, name: &str, most: u64) -> Result<Arc<dyn Cell>> {
        Ok(match self {
            Place::Bucket(bucket, prefix) => {
                let (store, address) = (bucket.store(), bucket.address());
                Arc::new(BucketCell::new(store, address, prefix, name, most)?)
            }
            Place::Redis(address) => Arc::new(RedisCell::new(address.clone(), name, most)),
            Place::Folder(folder) => Arc::new(FolderCell::new(folder, name, most)),
        })
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

/// A cell with more bytes than any that was put there.
fn too_large(shown: &str, most: u64) -> Error {
    Error::new(
        Code::Format,
        format!("`{shown}` has more than the {most} bytes that sluice puts there"),
    )
    .help("something else has that name; remove it, or name another place")
}

/// A store that could not do what it was asked for.
fn failed(shown: &str, why: impl fmt::Display) -> Error {
    Error::new(
        Code::ServerUnreachable,
        format!("`{shown}` cannot be read or written: {why}"),
    )
}

/// The same of a Redis, which may want a password.
fn failed_at(address: &server::Address, cause: &RedisError) -> Error {
    address.error(Code::ServerUnreachable, cause)
}
