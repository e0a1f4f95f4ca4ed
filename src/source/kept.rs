//! Bytes that are kept on the disk while they are needed, in a temporary file that has no name: whatever ends the process,
//! nothing is left.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;

use crate::error::{Code, Error, Result};
use crate::stop::Stop;

/// Bytes copied at a time.
const BLOCK: usize = 256 << 10;

/// Copies bytes to the end of `file`, unless it is stopped; `seen` is shown them.
///
/// # Errors
/// `too_many` when there are more than `limit`, `unwritten` when the disk is full; what is wrong with the source.
pub(super) fn copy(
    from: &mut dyn Read,
    file: &mut File,
    limit: u64,
    stop: Option<&Stop>,
    seen: &mut dyn FnMut(&[u8]),
    (too_many, unwritten): (impl Fn() -> Error, impl Fn(&io::Error) -> Error),
) -> Result<()> {
    let mut block = vec![0; BLOCK];
    let mut bytes = 0u64;
    while !stop.is_some_and(Stop::is_tripped) {
        let read = match from.read(&mut block) {
            Ok(0) => break,
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(Error::of_reading(&e)),
        };
        bytes += read as u64;
        if bytes > limit {
            return Err(too_many());
        }
        seen(&block[..read]);
        file.write_all(&block[..read]).map_err(|e| unwritten(&e))?;
    }
    Ok(())
}

/// Keeps bytes, unless it is stopped; `seen` is shown them.
///
/// # Errors
/// When there are more than `limit`, they cannot be read, or the disk is full.
pub fn keep(
    from: &mut dyn Read,
    limit: u64,
    stop: Option<&Stop>,
    seen: &mut dyn FnMut(&[u8]),
) -> Result<File> {
    let unwritten = |e: &io::Error| {
        Error::new(
            Code::SourceRead,
            format!("cannot be kept in a temporary file: {e}"),
        )
        .help("set TMPDIR to a folder with room, or unpack it to files and import these")
    };
    let too_many = || {
        let reason = format!(
            "more than {limit} bytes: it is read from its end, and kept on the disk for that"
        );
        Error::new(Code::SourceRead, reason)
            .help("raise `--spool-limit`, or unpack it to files and import these")
    };
    let mut file = tempfile::tempfile().map_err(|e| unwritten(&e))?;
    copy(from, &mut file, limit, stop, seen, (too_many, unwritten))?;
    Ok(file)
}

/// Reads what was kept, from some byte on; others may read it meanwhile.
pub struct Kept {
    file: Arc<File>,
    at: u64,
}

impl Kept {
    pub(super) fn new(file: Arc<File>) -> Self {
        Kept { file, at: 0 }
    }

    /// Passes over bytes; gives how many they were.
    pub(super) fn pass_over(&mut self, bytes: u64) -> io::Result<u64> {
        let end = self.file.metadata()?.len();
        let passed = bytes.min(end.saturating_sub(self.at));
        self.at += passed;
        Ok(passed)
    }
}

impl Read for Kept {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        #[cfg(unix)]
        let read = std::os::unix::fs::FileExt::read_at(&*self.file, out, self.at)?;
        #[cfg(windows)]
        let read = std::os::windows::fs::FileExt::seek_read(&*self.file, out, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
