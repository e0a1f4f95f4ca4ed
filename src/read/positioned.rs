//! What formats read by their own index have in common: reads at a position, and a fence around third-party parsers.

use std::any::Any;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use super::columns_ahead::ColumnsAhead;
use super::decompress::MAGIC_BYTES;
use super::fetched::Fetched;
use super::read_error;
use crate::error::{Code, Error};
use crate::source::remote::Remote;
use crate::source::{Location, Source, local};

/// A file that several threads read at once, each where it likes.
pub struct Positioned {
    from: From,
    len: u64,
    /// Bytes that were counted as read when it was opened: those by which it was recognized.
    counted: u64,
}

/// Where its bytes are.
enum From {
    File(File),
    Remote(Box<Fetched>),
}

impl Positioned {
    /// Its length is taken now; what is appended later is not seen.
    ///
    /// # Errors
    /// When the file's length cannot be told.
    pub fn new(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Positioned {
            from: From::File(file),
            len,
            counted: MAGIC_BYTES as u64,
        })
    }

    /// A file in which a source was kept as it was read.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn kept(file: File) -> io::Result<Self> {
        Self::new(file).map(|file| Positioned {
            counted: file.len,
            ..file
        })
    }

    /// A remote source of `len` bytes, of which these parts are here already, each with its offset.
    #[must_use]
    pub fn fetched(remote: Remote, len: u64, here: Vec<(u64, Bytes)>) -> Self {
        Self::remote(Fetched::new(remote, len, here), len)
    }

    /// The same, of which columns are read, each from its beginning on.
    pub(super) fn by_columns(remote: Remote, len: u64, columns: ColumnsAhead) -> Self {
        Self::remote(Fetched::by_columns(remote, len, columns), len)
    }

    fn remote(fetched: Fetched, len: u64) -> Self {
        Positioned {
            from: From::Remote(Box::new(fetched)),
            len,
            counted: MAGIC_BYTES as u64,
        }
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Bytes that are still to be counted as read.
    #[must_use]
    pub fn uncounted(&self) -> u64 {
        self.len.saturating_sub(self.counted)
    }

    /// The `bytes` bytes from `offset`. Nothing is allocated for bytes the file does not have.
    ///
    /// # Errors
    /// When the file is shorter, or cannot be read.
    pub fn at(&self, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        self.shared(offset, bytes).map(Vec::from)
    }

    /// The same, not copied where they are in memory already.
    ///
    /// # Errors
    /// As [`at`](Self::at).
    pub fn shared(&self, offset: u64, bytes: usize) -> io::Result<Bytes> {
        let end = offset
            .checked_add(bytes as u64)
            .filter(|end| *end <= self.len);
        if end.is_none() {
            let reason = format!(
                "{bytes} bytes at offset {offset} are outside the file, which has {}",
                self.len
            );
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason));
        }
        let file = match &self.from {
            From::File(file) => file,
            From::Remote(fetched) => return fetched.at(offset, bytes),
        };
        let mut buffer = vec![0; bytes];
        let mut filled = 0;
        while filled < bytes {
            match some(file, &mut buffer[filled..], offset + filled as u64) {
                Ok(0) => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the file has become shorter",
                    ));
                }
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(buffer.into())
    }
}

#[cfg(unix)]
fn some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// Opens a source that is read by position.
///
/// # Errors
/// When it comes one byte after another, or has vanished since it was listed.
pub(super) fn open(source: &Source) -> Result<Positioned, Error> {
    match &source.location {
        Location::Remote(remote) => {
            let len = remote.bytes().ok_or_else(|| {
                Error::new(
                    Code::Format,
                    "this format is read from its end, and the server does not say where that is",
                )
                .help("fetch it to a file first")
            })?;
            Ok(Positioned::fetched(remote.clone(), len, Vec::new()))
        }
        _ => Positioned::new(local::open_file(source)?).map_err(|e| read_error(&e)),
    }
}

/// Runs a third-party parser; a panic in it becomes an error. What it was given is not to be used afterwards.
pub(super) fn fenced<T>(parse: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(parse)).unwrap_or_else(|panic| Err(panicked(&*panic)))
}

/// The error of a third-party parser that panicked.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Error::new(Code::DecoderPanic, format!("the decoder panicked: {text}")).help(
        "the file is most likely damaged; write it again, or report it if other tools read it",
    )
}
