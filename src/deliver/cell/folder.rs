//! A cell that is a file: a file lock is held while it is compared and replaced.
//!
//! For machines that share a disk, if its file locks exclude them from each other.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::future::BoxFuture;

use super::{Cell, Held, Swap, Version, failed, too_large};
use crate::error::{Code, Error, Result};
use crate::journal::LockFile;
use crate::partial_file::PartialFile;
use crate::source::remote::thread;

/// A file.
pub struct FolderCell {
    folder: PathBuf,
    name: String,
    most: u64,
}

impl FolderCell {
    /// The file of this name in a folder, which is made if it is missing; of at most so many bytes.
    #[must_use]
    pub fn new(folder: &Path, name: &str, most: u64) -> Self {
        FolderCell {
            folder: folder.to_owned(),
            name: name.to_owned(),
            most,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Does some work with the file, which no one else changes meanwhile.
    async fn locked<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path, Option<Held>) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (folder, name, path) = (self.folder.clone(), self.name.clone(), self.path());
        let (most, shown) = (self.most, self.shown());
        let done = thread::handle()?.spawn_blocking(move || {
            let _locked = LockFile::wait(&folder, &name)?;
            let there = read(&path, most).map_err(|e| failed(&shown, e))?;
            if there
                .as_ref()
                .is_some_and(|held| held.bytes.len() as u64 > most)
            {
                return Err(too_large(&shown, most));
            }
            work(&path, there).map_err(|e| failed(&shown, e))
        });
        done.await
            .map_err(|e| Error::new(Code::Internal, format!("asking a disk ended: {e}")))?
    }
}

impl Cell for FolderCell {
    fn read(&self) -> BoxFuture<'_, Result<Option<Held>>> {
        Box::pin(self.locked(|_, there| Ok(there)))
    }

    fn swap<'a>(&'a self, there: Option<&'a Version>, bytes: Bytes) -> BoxFuture<'a, Result<Swap>> {
        let known = there.cloned();
        Box::pin(self.locked(move |path, there| {
            if there.map(|held| held.version) != known {
                return Ok(Swap::Other);
            }
            let mut file = PartialFile::create(path)?;
            file.write_all(&bytes)?;
            file.finish()?;
            Ok(Swap::Done(Version::of(&bytes)))
        }))
    }

    fn shown(&self) -> String {
        self.path().display().to_string()
    }
}

/// What is in a file, up to one byte more than there may be.
fn read(path: &Path, most: u64) -> io::Result<Option<Held>> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    Ok(Some(Held {
        version: Version::of(&bytes),
        bytes: bytes.into(),
    }))
}
