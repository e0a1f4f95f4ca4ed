//! Lines of text as Python's `str.splitlines` has them: each a value, without its line end. Each line end is counted.

use super::utf8::Utf8;
use super::{Consumer, Decode, Extent, Fatal, Mark};
use crate::buffer::Buffer;
use crate::read::line_ends;

/// The decoder of a chunk of lines.
pub struct LineEnds {
    text: Buffer,
    at: usize,
    ends: u32,
    records: u32,
}

impl LineEnds {
    /// The text ends after a line end, or with the source.
    #[must_use]
    pub fn new(text: Buffer) -> Self {
        LineEnds {
            text,
            at: 0,
            ends: 0,
            records: 0,
        }
    }
}

impl Decode for LineEnds {
    fn decode<C: Consumer>(&mut self, consumer: &mut C) -> Result<bool, Fatal> {
        let utf8 = Utf8::new(&self.text, self.at);
        while self.at < self.text.len() {
            if consumer.is_full() {
                return Ok(true);
            }
            let from = self.at;
            let mark = Mark {
                record: self.records,
                line: self.ends,
                byte: from as u32,
            };
            let end = line_ends::next(&self.text, from, true);
            let (to, next) =
                end.map_or((self.text.len(), self.text.len()), |end| (end.at, end.next));
            self.at = next;
            self.ends += u32::from(end.is_ok());
            self.records += 1;
            match utf8.record(from, to) {
                Ok(text) => consumer.text(mark, text),
                Err(fault) => consumer.fault(mark, fault, &self.text[from..to]),
            }
        }
        Ok(false)
    }

    fn extent(&self) -> Extent {
        Extent {
            records: u64::from(self.records),
            lines: u64::from(self.ends),
        }
    }
}
