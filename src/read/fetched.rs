//! A remote source that is read by position: some of it is here, the rest is fetched as it is asked for.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::columns_ahead::ColumnsAhead;
use crate::error::SourceFault;
use crate::source::remote::{Remote, thread};

/// Bytes that are fetched at least: what is read next stands nearby. Builds for tests take few.
const WINDOW: u64 = if cfg!(debug_assertions) {
    16 << 10
} else {
    1 << 20
};

/// How many windows are kept: as many columns can be read side by side without fetching anything twice.
const WINDOWS: usize = 16;

/// What is here of a remote source.
pub(super) struct Fetched {
    remote: Remote,
    len: u64,
    /// Fetched ahead, and kept.
    here: Vec<(u64, Bytes)>,
    /// Fetched while what is before it in the same column is read.
    columns: Option<ColumnsAhead>,
    /// Fetched as they were asked for, the last first.
    windows: Mutex<VecDeque<(u64, Bytes)>>,
}

impl Fetched {
    pub(super) fn new(remote: Remote, len: u64, here: Vec<(u64, Bytes)>) -> Self {
        Fetched {
            remote,
            len,
            here,
            columns: None,
            windows: Mutex::default(),
        }
    }

    /// The same, of which these columns are read, each from its beginning on.
    pub(super) fn by_columns(remote: Remote, len: u64, columns: ColumnsAhead) -> Self {
        Fetched {
            columns: Some(columns),
            ..Fetched::new(remote, len, Vec::new())
        }
    }

    /// Bytes that are inside the source.
    pub(super) fn at(&self, offset: u64, bytes: usize) -> io::Result<Bytes> {
        if let Some(found) = self.here.iter().find_map(|part| cut(part, offset, bytes)) {
            return Ok(found);
        }
        let column = self
            .columns
            .as_ref()
            .and_then(|columns| columns.at(offset, bytes));
        if let Some(found) = column {
            return found;
        }
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = windows.iter().find_map(|part| cut(part, offset, bytes)) {
            return Ok(found);
        }
        let end = self.len.min(offset + (bytes as u64).max(WINDOW));
        // Near the end, where an index is, what stands before is read next.
        let start = if end == self.len {
            offset.min(end.saturating_sub(WINDOW))
        } else {
            offset
        };
        let range = self.remote.range(start..end);
        let fetched = thread::wait(range).map_err(io::Error::other)?;
        let part = (
            start,
            fetched.map_err(|fault| io::Error::other(SourceFault(fault)))?,
        );
        let found = cut(&part, offset, bytes);
        windows.push_front(part);
        windows.truncate(WINDOWS);
        found.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// The bytes at an offset, if a part has them all.
fn cut((start, part): &(u64, Bytes), offset: u64, bytes: usize) -> Option<Bytes> {
    let from = usize::try_from(offset.checked_sub(*start)?).ok()?;
    let to = from.checked_add(bytes).filter(|to| *to <= part.len())?;
    Some(part.slice(from..to))
}
