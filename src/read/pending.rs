//! Bytes that were read and not yet handed on.
//!
//! They are read into buffers that go round, over what a buffer held before: to clear a chunk's worth of memory first, for
//! the next read to fill, took as long as a tenth of the read itself.

use std::io;

use super::peek::Peek;
use crate::buffer::{Buffer, Buffers};

/// The next bytes of a source; they start where the last record that was handed on ended.
#[derive(Default)]
pub(super) struct Pending {
    /// Those bytes, and after them whatever was there before.
    buffer: Buffer,
    len: usize,
}

impl Pending {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads on until there are so many; false when the source ended first.
    ///
    /// # Errors
    /// Those of the source; what was read before stays.
    pub(super) fn fill(&mut self, source: &mut Peek, len: usize) -> io::Result<bool> {
        if self.buffer.len() < len {
            self.buffer.resize(len, 0);
        }
        while self.len < len {
            match source.read_some(&mut self.buffer[self.len..len]) {
                Ok(0) => return Ok(false),
                Ok(read) => self.len += read,
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Takes the first `end` bytes away, in the buffer they are in, and passes over `skip` more; the rest is kept in
    /// another buffer, which has room for `room` bytes.
    pub(super) fn take(
        &mut self,
        end: usize,
        skip: usize,
        buffers: &Buffers,
        room: usize,
    ) -> Buffer {
        let mut next = buffers.take_used(room);
        let rest = &self.buffer[end + skip..self.len];
        if next.len() < rest.len() {
            next.clear();
            next.extend_from_slice(rest);
        } else {
            next[..rest.len()].copy_from_slice(rest);
        }
        self.len = rest.len();
        let mut taken = std::mem::replace(&mut self.buffer, next);
        taken.truncate(end);
        taken
    }

    /// Passes over the first `bytes`.
    pub(super) fn pass_over(&mut self, bytes: usize) {
        self.buffer.copy_within(bytes..self.len, 0);
        self.len -= bytes;
    }
}
