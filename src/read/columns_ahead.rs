//! The columns of a large row group of a remote file: what comes next of each is fetched while what came is read.
//!
//! A row group of some hundred megabytes is not held as a whole. Its columns are read side by side, each from its
//! beginning on: of each one part is here, and one is on its way.

use std::io;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::task::JoinHandle;

use crate::error::{Code, Fault, SourceFault};
use crate::source::remote::{Remote, thread};

/// Bytes of a part: as many as all columns may take between them, but neither so few that a request costs more than they
/// do, nor so many that a column is here before it is wanted.
const PART: (u64, u64) = if cfg!(debug_assertions) {
    (1 << 10, 16 << 10)
} else {
    (64 << 10, 4 << 20)
};

/// Some columns of a remote file.
pub(super) struct ColumnsAhead {
    remote: Remote,
    columns: Vec<Mutex<Column>>,
}

/// A column that is read from its beginning on.
struct Column {
    range: Range<u64>,
    part: u64,
    /// Where what is here starts.
    start: u64,
    here: Bytes,
    next: Option<Next>,
}

/// A part on its way, by where it starts.
struct Next {
    start: u64,
    bytes: JoinHandle<Result<Bytes, Fault>>,
}

impl ColumnsAhead {
    /// Columns at these places, whose parts may take `most` bytes between them. The first of each is fetched at once.
    pub(super) fn new(remote: Remote, columns: Vec<Range<u64>>, most: u64) -> io::Result<Self> {
        let part = part(columns.len(), most);
        let columns = columns.into_iter().map(|range| {
            let mut column = Column {
                start: range.start,
                range,
                part,
                here: Bytes::new(),
                next: None,
            };
            column.next = column.fetch(&remote, column.start, 0)?;
            Ok(Mutex::new(column))
        });
        Ok(ColumnsAhead {
            columns: columns.collect::<io::Result<_>>()?,
            remote,
        })
    }

    /// Bytes that so many columns take, whose parts may take `most` between them.
    pub(super) fn bytes(columns: usize, most: u64) -> u64 {
        2 * part(columns, most) * columns as u64
    }

    /// The bytes at an offset, if it is in one of the columns.
    pub(super) fn at(&self, offset: u64, bytes: usize) -> Option<io::Result<Bytes>> {
        let mut columns = self.columns.iter();
        columns.find_map(|column| {
            let mut column = column.lock().unwrap_or_else(PoisonError::into_inner);
            let is_here = column.range.contains(&offset);
            is_here.then(|| column.at(&self.remote, offset, bytes))
        })
    }
}

/// Bytes of a part of one of so many columns.
fn part(columns: usize, most: u64) -> u64 {
    (most / 2 / columns.max(1) as u64).clamp(PART.0, PART.1)
}

impl Column {
    fn at(&mut self, remote: &Remote, offset: u64, bytes: usize) -> io::Result<Bytes> {
        let passed = offset
            .checked_sub(self.start)
            .and_then(|passed| usize::try_from(passed).ok());
        // Who goes back, as when fewer rows are tried, begins again there.
        let rest = passed
            .filter(|passed| *passed <= self.here.len())
            .map(|passed| self.here.slice(passed..));
        if let Some(rest) = rest.as_ref().filter(|rest| rest.len() >= bytes) {
            return Ok(rest.slice(..bytes));
        }
        let mut here = rest.unwrap_or_default();
        while here.len() < bytes {
            let from = offset + here.len() as u64;
            let part = self.next(remote, from, bytes - here.len())?;
            here = if here.is_empty() {
                part
            } else {
                joined(&here, &part)
            };
        }
        self.start = offset;
        self.here = here;
        Ok(self.here.slice(..bytes))
    }

    /// The part that starts there, of at least some bytes; the one after it is on its way then.
    fn next(&mut self, remote: &Remote, from: u64, least: usize) -> io::Result<Bytes> {
        let next = match self.next.take_if(|next| next.start == from) {
            Some(next) => Some(next),
            None => self.fetch(remote, from, least as u64)?,
        };
        let ended = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let mut next = next.ok_or_else(ended)?;
        let bytes = thread::wait(&mut next.bytes).map_err(io::Error::other)?;
        let bytes = bytes.map_err(|e| {
            let reason = format!("fetching a part ended: {e}");
            io::Error::other(SourceFault(Fault::new(Code::Internal, reason)))
        })?;
        let bytes = bytes.map_err(|fault| io::Error::other(SourceFault(fault)))?;
        self.next = self.fetch(remote, from + bytes.len() as u64, 0)?;
        Ok(bytes)
    }

    /// Begins to fetch a part of at least some bytes; nothing after the column's end if none are wanted there.
    fn fetch(&self, remote: &Remote, start: u64, least: u64) -> io::Result<Option<Next>> {
        let end = self
            .range
            .end
            .min(start.saturating_add(self.part))
            .max(start.saturating_add(least));
        if end <= start {
            return Ok(None);
        }
        let handle = thread::handle().map_err(io::Error::other)?;
        let bytes = handle.spawn(remote.range(start..end));
        Ok(Some(Next { start, bytes }))
    }
}

fn joined(one: &[u8], other: &[u8]) -> Bytes {
    let mut joined = BytesMut::with_capacity(one.len() + other.len());
    joined.extend_from_slice(one);
    joined.extend_from_slice(other);
    joined.freeze()
}

impl Drop for Next {
    fn drop(&mut self) {
        self.bytes.abort();
    }
}
