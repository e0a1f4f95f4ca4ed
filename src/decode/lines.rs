//! Lines of text to records: each line a value, without its line end (LF or CRLF). A blank line is a record too.

use super::utf8::Utf8;
use super::{Consumer, Decode, Extent, Fatal, Mark};
use crate::buffer::Buffer;

/// The decoder of a chunk of lines.
pub struct Lines {
    text: Buffer,
    at: usize,
    line_ends: u32,
    records: u32,
}

impl Lines {
    /// The text ends after a line end, or with the source.
    #[must_use]
    pub fn new(text: Buffer) -> Self {
        Lines {
            text,
            at: 0,
            line_ends: 0,
            records: 0,
        }
    }
}

impl Decode for Lines {
    fn decode<C: Consumer>(&mut self, consumer: &mut C) -> Result<bool, Fatal> {
        let utf8 = Utf8::new(&self.text, self.at);
        while self.at < self.text.len() {
            if consumer.is_full() {
                return Ok(true);
            }
            let from = self.at;
            let to =
                memchr::memchr(b'\n', &self.text[from..]).map_or(self.text.len(), |n| from + n);
            let mark = Mark {
                record: self.records,
                line: self.line_ends,
                byte: from as u32,
            };
            let ended = to < self.text.len();
            self.at = to + usize::from(ended);
            self.line_ends += u32::from(ended);
            self.records += 1;
            let line = &self.text[from..to];
            let end = to - usize::from(ended && line.ends_with(b"\r"));
            match utf8.record(from, end) {
                Ok(text) => consumer.text(mark, text),
                Err(fault) => consumer.fault(mark, fault, line),
            }
        }
        Ok(false)
    }

    fn extent(&self) -> Extent {
        Extent {
            records: u64::from(self.records),
            lines: u64::from(self.line_ends),
        }
    }
}
