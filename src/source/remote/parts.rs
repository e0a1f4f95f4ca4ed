//! The bytes of a remote source in order: what comes next is fetched while what came is read.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::iter;
use std::ops::Range;

use bytes::{Buf, Bytes};
use tokio::sync::mpsc::{self, Receiver, Sender, UnboundedReceiver};
use tokio::task::AbortHandle;

use super::body::Body;
use super::{Object, Remote, thread};
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
    16 << 20
};

/// Pieces of the part in hand that may wait to be read, each of some kilobytes, as they come.
const PIECES: usize = 64;

/// Parts on their way at once, the one that is read among them: so many of them a source takes of memory at most.
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
    pieces: Receiver<Result<Bytes, Fault>>,
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
                match coming.pieces.blocking_recv() {
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
        let (sender, pieces) = mpsc::channel(PIECES);
        let fetching = match remote {
            Remote::Object(object) => {
                let range = offset..size.unwrap_or(offset);
                handle.spawn(fetch(object.clone(), range, sender))
            }
            Remote::Page(page) => handle.spawn(hand_on(page.body(offset), sender)),
        };
        let fetching = fetching.abort_handle();
        Ok(Coming { pieces, fetching })
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.fetching.abort();
    }
}

/// Hands on the bytes of a file behind HTTP as they come.
async fn hand_on(mut body: Body, pieces: Sender<Result<Bytes, Fault>>) {
    while let Some(piece) = body.next().await.transpose() {
        let failed = piece.is_err();
        if pieces.send(piece).await.is_err() || failed {
            return;
        }
    }
}

/// Fetches a range in parts, several at once, and hands on what comes of them in order.
async fn fetch(object: Object, range: Range<u64>, pieces: Sender<Result<Bytes, Fault>>) {
    // Stores keep large objects in pieces, most often of some mebibytes each: what is asked for at multiples of a part
    // touches fewest of them.
    let edges = (range.start / PART + 1..).map(|part| part * PART);
    let starts = iter::once(range.start).chain(edges.take_while(|edge| *edge < range.end));
    let mut parts = starts.map(|start| {
        let end = range.end.min((start / PART + 1) * PART);
        Part::start(object.clone(), start..end)
    });
    let mut coming: VecDeque<Part> = parts.by_ref().take(AHEAD).collect();
    while let Some(mut part) = coming.pop_front() {
        while part.left > 0 {
            let piece = part.next().await;
            let failed = piece.is_err();
            if pieces.send(piece).await.is_err() || failed {
                return;
            }
        }
        coming.extend(parts.next());
    }
}

/// A part on its way, which nobody wants any more once this is dropped.
struct Part {
    /// What came of it. It may all be here before its turn.
    pieces: UnboundedReceiver<Result<Bytes, Fault>>,
    /// Bytes that were not taken yet.
    left: u64,
    fetching: AbortHandle,
}

impl Part {
    fn start(object: Object, range: Range<u64>) -> Self {
        let (sender, pieces) = mpsc::unbounded_channel();
        let left = range.end - range.start;
        let fetching = tokio::spawn(async move {
            let mut coming = match object.pieces(range).await {
                Ok(coming) => coming,
                Err(fault) => return drop(sender.send(Err(fault))),
            };
            while let Some(piece) = coming.next().await.transpose() {
                let failed = piece.is_err();
                if sender.send(piece).is_err() || failed {
                    return;
                }
            }
        });
        Part {
            pieces,
            left,
            fetching: fetching.abort_handle(),
        }
    }

    async fn next(&mut self) -> Result<Bytes, Fault> {
        let ended = || Fault::new(Code::Internal, "fetching ended before the part did");
        let piece = self.pieces.recv().await.ok_or_else(ended)??;
        self.left = self.left.saturating_sub(piece.len() as u64);
        Ok(piece)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.fetching.abort();
    }
}
