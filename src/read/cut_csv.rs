//! Cuts rows of cells after a line end that no quote hides.
//!
//! What a quote means is settled in [`super::cells`]; a test holds that this cutter and the decoder agree.

use memchr::{memchr, memrchr};

use super::cells::{Ahead, Marks, QUOTE, opens};
use super::{Cut, Cutting, Which};
use crate::error::Fault;

/// Cuts after the last (or first) line end that ends a record: `\n`, `\r\n`, or a `\r` that no `\n` follows.
///
/// A `\r` at the very end of the buffer waits for the byte after it. Who passes over a record in parts keeps that byte
/// back, or a record that it ends is found to end with the next one.
#[derive(Debug)]
pub struct CutCsv {
    delimiter: u8,
    /// Bytes of the buffer looked at, and the byte before those that are not.
    seen: usize,
    before: u8,
    /// What is to come is in a quoted cell.
    in_quotes: bool,
    /// The last byte looked at was a quote that closes its cell, unless the next byte is a quote too.
    closing: bool,
    /// A record has ended since the last cut: at a `\r`, and the cut is to be after its `\n`.
    ended: bool,
}

impl CutCsv {
    /// For a source, after its header, whose cells this byte separates.
    #[must_use]
    pub fn new(delimiter: u8) -> Self {
        CutCsv {
            delimiter,
            seen: 0,
            before: b'\n',
            in_quotes: false,
            closing: false,
            ended: false,
        }
    }

    /// Looks at the rest of the buffer, or at as much as the first cut needs: the offset of the cut, or 0.
    fn look(&mut self, buf: &[u8], which: Which) -> usize {
        let mut end = 0;
        let fresh = buf.get(self.seen..).unwrap_or_default();
        if which == Which::Last
            && !self.in_quotes
            && !self.closing
            && memchr(QUOTE, fresh).is_none()
            && let Some(found) = memrchr(b'\n', fresh)
        {
            // With no quote in sight nothing hides a line end; what comes after the last one is looked at below.
            end = self.seen + found + 1;
            (self.seen, self.before, self.ended) = (end, b'\n', false);
        }
        let mut closed = self.closing.then_some(self.seen);
        let (mut marks, mut ahead) = (Marks::new(self.seen), Ahead::new(QUOTE));
        while let Some(at) = marks.next_other(buf, &mut ahead) {
            let before = if at > self.seen {
                buf[at - 1]
            } else {
                self.before
            };
            if buf[at] == QUOTE {
                (self.in_quotes, closed) = if self.in_quotes {
                    (false, Some(at + 1))
                } else {
                    (closed == Some(at) || opens(before, self.delimiter), None)
                };
                continue;
            }
            if self.in_quotes {
                continue;
            }
            let next = buf.get(at + 1);
            if buf[at] == b'\r' && next.is_none() {
                // Whether a record ends after this byte or after the next is to be seen when that is here.
                (self.seen, self.before, self.closing) = (at, before, false);
                return end;
            }
            // An empty line ends no record; it may be cut off with others, but is not the first of them.
            self.ended |= before != b'\n' && before != b'\r';
            let whole = buf[at] == b'\n' || next != Some(&b'\n');
            if whole && (self.ended || which == Which::Last) {
                end = at + 1;
                self.ended = false;
                if which == Which::First {
                    (self.seen, self.before, self.closing) = (end, buf[at], false);
                    return end;
                }
            }
        }
        self.closing = closed == Some(buf.len());
        if self.seen < buf.len() {
            (self.seen, self.before) = (buf.len(), buf[buf.len() - 1]);
        }
        end
    }
}

impl Cut for CutCsv {
    fn cut(&mut self, buf: &[u8], at_end: bool, which: Which) -> Result<Cutting, Fault> {
        let mut end = self.look(buf, which);
        if at_end && (end == 0 || which == Which::Last) {
            end = buf.len();
        }
        self.seen = self.seen.saturating_sub(end);
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
