//! The bytes of a source as they are stored, wherever that is.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Code, Error, Result};
use crate::labelling_config::prediction::near::nearest;
use crate::place::Spot;
use crate::source::kept::Kept;
use crate::source::redis::values::Values;
use crate::source::remote::{Parts, Remote};
use crate::source::stdin::Stdin;
use crate::source::{Location, Source};

/// Names in a folder that are looked at for the one that was meant.
const MOST_LOOKED_AT: usize = 10_000;

/// A source's bytes as they are stored, from the first to the last.
pub enum Stored {
    /// A file in which some can be passed over without being read.
    File(File),
    /// Bytes that come one after another: standard input, a pipe.
    Stream(Box<dyn Read + Send>),
    /// Bytes that are fetched.
    Remote(Parts),
    /// Bytes that came once, and were kept.
    Kept(Kept),
}

impl Stored {
    /// Passes over the next `bytes` bytes, or over all that are left if these are fewer. Gives how many they were.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn pass_over(&mut self, bytes: u64) -> io::Result<u64> {
        match self {
            Stored::File(file) => {
                // A position after the end is as good as any to the file system, and is no place in the source.
                let (here, end) = (file.stream_position()?, file.metadata()?.len());
                let passed = bytes.min(end.saturating_sub(here));
                file.seek(SeekFrom::Start(here + passed))?;
                Ok(passed)
            }
            Stored::Remote(parts) => parts.pass_over(bytes),
            Stored::Kept(kept) => kept.pass_over(bytes),
            Stored::Stream(stream) => io::copy(&mut stream.take(bytes), &mut io::sink()),
        }
    }
}

impl Read for Stored {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Stored::File(file) => file.read(out),
            Stored::Stream(stream) => stream.read(out),
            Stored::Remote(parts) => parts.read(out),
            Stored::Kept(kept) => kept.read(out),
        }
    }
}

/// Opens a source's bytes as they are stored.
///
/// # Errors
/// When it has vanished since it was listed, or may not be read.
pub fn open(source: &Source) -> Result<Stored> {
    match &source.location {
        Location::Stdin => Ok(Stored::Stream(Box::new(Stdin))),
        Location::Redis(address) => Ok(Stored::Stream(Box::new(Values::open(address)?))),
        Location::Remote(remote) => Ok(match remote.checked() {
            Some(file) => {
                let file =
                    file.map_err(|fault| Error::from(fault).at(|| Spot::source(&source.name)))?;
                Stored::Kept(Kept::new(Arc::new(file)))
            }
            None => Stored::Remote(Parts::new(remote.clone())),
        }),
        Location::Member(_) => Err(Error::new(
            Code::Internal,
            "a member of an archive is not opened alone",
        )),
        Location::Batches(_) => Err(Error::new(
            Code::Internal,
            "record batches have no bytes to be opened",
        )),
        Location::Presigned(object, _) => {
            let remote = Remote::Object(object.clone());
            Ok(Stored::Remote(Parts::new(remote)))
        }
        Location::Referred => open_file(source).map(Stored::File),
        Location::File(path) => {
            let file = open_file(source)?;
            let about = file.metadata().map_err(|e| unreadable(path, &e))?;
            Ok(if about.is_file() {
                Stored::File(file)
            } else {
                Stored::Stream(Box::new(file))
            })
        }
    }
}

/// Opens a source that is a file.
///
/// # Errors
/// As [`open`]; also when it is no file.
pub fn open_file(source: &Source) -> Result<File> {
    let Location::File(path) = &source.location else {
        return Err(Error::new(
            Code::Format,
            "this format is read from its end, so it must be a file",
        )
        .at(|| Spot::source(&source.name))
        .help("write standard input to a file first"));
    };
    open_path(path)
}

/// Opens a file.
///
/// # Errors
/// As [`open`].
pub(in crate::source) fn open_path(path: &Path) -> Result<File> {
    File::open(path).map_err(|e| unreadable(path, &e))
}

pub(super) fn unreadable(path: &Path, cause: &io::Error) -> Error {
    let shown = path.display();
    match cause.kind() {
        io::ErrorKind::NotFound => {
            let error = Error::new(Code::SourceMissing, format!("no such file: `{shown}`"));
            match beside(path) {
                Some(near) => error.help(format!("did you mean `{}`?", near.display())),
                None => error,
            }
        }
        _ => Error::new(Code::SourceRead, format!("cannot read `{shown}`: {cause}")),
    }
}

/// The file in the same folder whose name is nearest to that of one that is not there, if one is near.
fn beside(path: &Path) -> Option<PathBuf> {
    let folder = path.parent()?;
    let listed = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let names: Vec<_> = std::fs::read_dir(listed)
        .ok()?
        .take(MOST_LOOKED_AT)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let name = path.file_name()?.to_str()?;
    let near = nearest(name, names.iter().map(String::as_str))?;
    Some(folder.join(near))
}
