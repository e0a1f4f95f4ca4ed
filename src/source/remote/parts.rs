//! The bytes of a remote source in order: what comes next is fetched while what came is read.

use std::io::{self, Read};
use std::ops::Range;

use bytes::{Buf, Bytes};
use futures::stream::{StreamExt, iter};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::{AbortHandle, JoinHandle};

use super::body::Body;
use super::{Remote, thread};
use crate::error::{Code, Fault, SourceFault};

/// Bytes of the first part, which tells what the source is. No more is fetched until they have been read: of a source
/// that is then read by position, the rest is not wanted.
const FIRST: u64 = if cfg!(debug_assertions) {
    80 << 10
} else {
    256 << 10
};

/// Bytes of a part. Builds for tests take small ones, so that every test has several.
const PART: u64 = if cfg!(debug_assertions) {
    32 << 10
} else {
    4 << 20
};

/// Pieces of a file behind HTTP that may wait, each of some kilobytes, as they come.
const PIECES: usize = 64;

/// Parts on their way at once. With the one that waits and the one that is read, a source takes six parts of memory.
const AHEAD: usize = 4;

/// The bytes of a remote source from some byte on.
pub struct Parts {
    remote: Remote,
    /// Its size, if that is known.
    size: Option<u64>,
    /// The offset after the part in hand.
    offset: u64,
    part: Bytes,
    coming: Option<Coming>,
    /// Why nothing more comes: whoever reads on after an error must not take it for the end, nor for another.
    failed: Option<Fault>,
}

/// Parts on their way.
struct Coming {
    parts: Receiver<Result<Bytes, Fault>>,
    fetching: AbortHandle,
}

impl Parts {
    /// The bytes of a source. Nothing is fetched until it is read.
    #[must_use]
    pub fn new(remote: Remote) -> Self {
        Parts {
            size: remote.bytes(),
            remote,
            offset: 0,
            part: Bytes::new(),
            coming: None,
            failed: None,
        }
    }

    /// Passes over the next `bytes` bytes, or over all that are left if these are fewer. Gives how many they were.
    ///
    /// # Errors
    /// When they have to be read, and cannot.
    pub fn pass_over(&mut self, bytes: u64) -> io::Result<u64> {
        let in_hand = self.part.len() as u64;
        let size = match self.size.filter(|_| self.remote.is_seekable()) {
            Some(size) if bytes > in_hand => size,
            _ => return io::copy(&mut self.take(bytes), &mut io::sink()),
        };
        let ahead = (bytes - in_hand).min(size - self.offset);
        self.part = Bytes::new();
        if ahead > 0 {
            self.coming = None;
            self.offset += ahead;
        }
        Ok(in_hand + ahead)
    }

    /// Takes the next part in hand; the last is empty.
    fn next(&mut self) -> io::Result<()> {
        if let Some(fault) = &self.failed {
            return Err(io::Error::other(SourceFault(fault.clone())));
        }
        if self.size.is_some_and(|size| self.offset >= size) {
            return Ok(());
        }
        let part = match (&self.remote, self.size) {
            (remote, Some(size)) if self.offset == 0 && remote.is_seekable() => {
                let first = self.remote.range(0..size.min(FIRST));
                thread::wait(first).map_err(io::Error::other)?
            }
            _ => {
                let coming = match &mut self.coming {
                    Some(coming) => coming,
                    none => none.insert(Coming::from(&self.remote, self.offset, self.size)?),
                };
                match coming.parts.blocking_recv() {
                    Some(part) => part,
                    None if self.size.is_none() => Ok(Bytes::new()),
                    None => Err(Fault::new(
                        Code::Internal,
                        "fetching ended before the source did",
                    )),
                }
            }
        };
        self.part = part.map_err(|fault| {
            self.failed = Some(fault.clone());
            io::Error::other(SourceFault(fault))
        })?;
        self.offset += self.part.len() as u64;
        Ok(())
    }
}

impl Read for Parts {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.part.is_empty() && !out.is_empty() {
            self.next()?;
        }
        let bytes = self.part.len().min(out.len());
        self.part.copy_to_slice(&mut out[..bytes]);
        Ok(bytes)
    }
}

impl Coming {
    fn from(remote: &Remote, offset: u64, size: Option<u64>) -> io::Result<Self> {
        let handle = thread::handle().map_err(io::Error::other)?;
        let (parts, fetching) = match remote {
            Remote::Object(_) => {
                // One part waits here: who reads it is hardly ever kept waiting, and no more is held than that.
                let (sender, parts) = mpsc::channel(1);
                let range = offset..size.unwrap_or(offset);
                (parts, handle.spawn(fetch(remote.clone(), range, sender)))
            }
            Remote::Page(page) => {
                let (sender, parts) = mpsc::channel(PIECES);
                (parts, handle.spawn(stream(page.body(offset), sender)))
            }
        };
        let fetching = fetching.abort_handle();
        Ok(Coming { parts, fetching })
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.fetching.abort();
    }
}

/// Hands on the bytes of a file behind HTTP as they come.
async fn stream(mut body: Body, pieces: Sender<Result<Bytes, Fault>>) {
    while let Some(piece) = body.next().await.transpose() {
        let failed = piece.is_err();
        if pieces.send(piece).await.is_err() || failed {
            return;
        }
    }
}

/// Fetches a range in parts, several at once, and hands them on in order.
async fn fetch(remote: Remote, range: Range<u64>, parts: Sender<Result<Bytes, Fault>>) {
    let starts = (range.start..range.end).step_by(usize::try_from(PART).unwrap_or(usize::MAX));
    let fetched = iter(starts)
        // A task of its own goes on while nobody asks for it.
        .map(|start| {
            Task(tokio::spawn(
                remote.range(start..range.end.min(start + PART)),
            ))
        })
        .map(Task::join)
        .buffered(AHEAD);
    let mut fetched = std::pin::pin!(fetched);
    while let Some(part) = fetched.next().await {
        let failed = part.is_err();
        if parts.send(part).await.is_err() || failed {
            return;
        }
    }
}

/// A part on its way, which nobody wants any more once this is dropped.
struct Task(JoinHandle<Result<Bytes, Fault>>);

impl Task {
    async fn join(mut self) -> Result<Bytes, Fault> {
        (&mut self.0).await.unwrap_or_else(|e| {
            let reason = format!("fetching a part ended: {e}");
            Err(Fault::new(Code::Internal, reason))
        })
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
