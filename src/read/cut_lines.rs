//! Cuts text after a line end: where a record is a line and nothing can hide a line end.

use memchr::{memchr, memrchr};

use super::{Cut, Cutting, Which};
use crate::error::Fault;

/// Cuts after the last (or first) line feed.
#[derive(Debug, Default)]
pub struct CutLines {
    seen: usize,
}

impl Cut for CutLines {
    fn cut(&mut self, buf: &[u8], at_end: bool, which: Which) -> Result<Cutting, Fault> {
        let fresh = &buf[self.seen..];
        let found = match which {
            Which::First => memchr(b'\n', fresh),
            Which::Last => memrchr(b'\n', fresh),
        };
        let end = match found {
            _ if at_end && which == Which::Last => buf.len(),
            Some(found) => self.seen + found + 1,
            None if at_end => buf.len(),
            None => 0,
        };
        // What follows the last line end holds no other.
        self.seen = match which {
            Which::Last => buf.len() - end,
            Which::First if end == 0 => buf.len(),
            Which::First => 0,
        };
        Ok(Cutting {
            end,
            skip: 0,
            done: false,
        })
    }

    fn forget(&mut self, bytes: usize) {
        self.seen = self.seen.saturating_sub(bytes);
    }
}
