//! Keeps what can be read only once, standard input or a pipe, on the disk while it is read twice.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;

use super::{Location, Source, kept, local};
use crate::error::{Code, Error, Result};
use crate::place::Spot;
use crate::stop::Stop;

/// Bytes of standard input that are kept on the disk, if nothing else is asked for: 10 GiB.
pub const SPOOL_LIMIT: u64 = 10 << 30;

/// A temporary file that stands for a source; it is removed with this.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
}

/// Whether the bytes of a source are there once only.
#[must_use]
pub fn is_stream(source: &Source) -> bool {
    match &source.location {
        Location::Stdin => true,
        Location::Referred
        | Location::Presigned(..)
        | Location::Redis(_)
        | Location::Remote(_)
        | Location::Member(_)
        | Location::Batches(_) => false,
        Location::File(path) => fs::metadata(path).is_ok_and(|about| !about.is_file()),
    }
}

impl Spool {
    /// An empty file for a source in the folder for temporary files (`TMPDIR`), which no one else may read.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(run: &str, source: &Source) -> Result<Self> {
        let name = format!("sluice-{run}-{}-{}", std::process::id(), source.id.0);
        let path = std::env::temp_dir().join(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&path) {
            Ok(_) => Ok(Spool { path }),
            Err(e) => Err(unwritable(&path, &e).at(|| Spot::source(&source.name))),
        }
    }

    /// The source with its bytes in the file.
    #[must_use]
    pub fn stands_for(&self, source: &Source) -> Source {
        Source {
            location: Location::File(self.path.clone()),
            ..source.clone()
        }
    }
}

/// Copies a source to where its stand-in is, unless it is stopped.
///
/// # Errors
/// When the source has more than `limit` bytes, or cannot be read, or the disk is full.
pub fn fill(stand_in: &Source, source: &Source, limit: u64, stop: &Stop) -> Result<()> {
    let Location::File(path) = &stand_in.location else {
        return Ok(());
    };
    let copied = || -> Result<()> {
        let mut from = local::open(source)?;
        let file = OpenOptions::new().write(true).open(path);
        let mut file = file.map_err(|e| unwritable(path, &e))?;
        let faults = (
            || too_large(limit),
            |e: &std::io::Error| unwritable(path, e),
        );
        kept::copy(&mut from, &mut file, limit, Some(stop), &mut |_| {}, faults)
    };
    copied().map_err(|error| error.at(|| Spot::source(&source.name)))
}

impl Drop for Spool {
    fn drop(&mut self) {
        // Best effort: there is nobody left to tell.
        let _ = fs::remove_file(&self.path);
    }
}

fn too_large(limit: u64) -> Error {
    let reason = format!(
        "more than {limit} bytes: it is read twice, before the run and in it, and kept on the disk meanwhile"
    );
    Error::new(Code::SourceRead, reason)
        .help("raise `--spool-limit`, or write it to a file and import that")
}

fn unwritable(path: &std::path::Path, cause: &std::io::Error) -> Error {
    let shown = path.display();
    Error::new(
        Code::SourceRead,
        format!("cannot be kept in the temporary file `{shown}`: {cause}"),
    )
    .help("set TMPDIR to a folder with room, or write it to a file and import that")
}
