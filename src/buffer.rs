//! Buffers that go round: what a chunk or an answer was held in is used again for the next.
//!
//! A fresh megabyte costs the kernel a page fault and a cleared page for each of its 256 pages; on the way of a file
//! through the pipeline that was a fifth of all time (perf, 200 MB of JSON Lines).

use std::ops::{Deref, DerefMut};

use crossbeam_channel::{Receiver, Sender, bounded};

/// A buffer larger than this was needed for one large record, and is not worth keeping.
const LARGEST_KEPT: usize = 2 << 20;

/// Buffers that wait for their next use: about as many as a few threads have in use at once, and the answers of a row
/// group that are ready before its turn.
pub const SPARE_BUFFERS: usize = 96;

/// Where buffers wait for their next use.
#[derive(Clone, Debug)]
pub struct Buffers {
    spare: Receiver<Vec<u8>>,
    back: Sender<Vec<u8>>,
}

impl Buffers {
    /// Keeps `spare` buffers at most.
    #[must_use]
    pub fn new(spare: usize) -> Self {
        let (back, spare) = bounded(spare);
        Buffers { spare, back }
    }

    /// An empty buffer with room for about `bytes`.
    #[must_use]
    pub fn take(&self, bytes: usize) -> Buffer {
        let bytes = self
            .spare
            .try_recv()
            .unwrap_or_else(|_| Vec::with_capacity(bytes));
        Buffer {
            bytes,
            home: Some(self.back.clone()),
        }
    }
}

/// Bytes that go back where they came from when they are dropped.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    home: Option<Sender<Vec<u8>>>,
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Buffer { bytes, home: None }
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = self.home.take()
            && self.bytes.capacity() <= LARGEST_KEPT
        {
            self.bytes.clear();
            // Enough are waiting already, or nobody will need one: then it is freed.
            let _ = home.try_send(std::mem::take(&mut self.bytes));
        }
    }
}
