//! Cuts text after a line end as Python knows it: see [`super::line_ends`].

use super::line_ends;
use super::{Cut, Cutting, Which};
use crate::error::Fault;

/// Cuts after the last (or first) line end.
///
/// What may be the first bytes of a line end waits for those after it. Whoever passes over a line in parts keeps one byte
/// back and drops the others, so a line end's first bytes are remembered.
#[derive(Debug, Default)]
pub struct CutLineEnds {
    /// Bytes of the buffer looked at that hold no line end.
    seen: usize,
    /// Bytes that may be the first of a line end and are not in the buffer any more.
    dropped: Vec<u8>,
    /// The bytes from `seen` to the end of the buffer at the last look.
    waiting: Vec<u8>,
    /// Whether the last cut was after a line end.
    ended: bool,
}

impl CutLineEnds {
    /// The first line end from `from` on, with what was dropped before the buffer.
    fn next(&mut self, buf: &[u8], from: usize, at_end: bool) -> Result<usize, usize> {
        if self.dropped.is_empty() {
            return line_ends::next(buf, from, at_end).map(|end| end.next);
        }
        let known = self.dropped.len();
        let head: Vec<u8> = [&self.dropped, &buf[..buf.len().min(4)]].concat();
        let all = at_end && head.len() == known + buf.len();
        match line_ends::next(&head, 0, all) {
            Ok(end) if end.next > known => Ok(end.next - known),
            Err(0) if head.len() == known + buf.len() => Err(0),
            _ => {
                self.dropped.clear();
                line_ends::next(buf, from, at_end).map(|end| end.next)
            }
        }
    }
}

impl Cut for CutLineEnds {
    fn cut(&mut self, buf: &[u8], at_end: bool, which: Which) -> Result<Cutting, Fault> {
        let (mut end, mut from) = (0, self.seen);
        loop {
            match self.next(buf, from, at_end) {
                Ok(next) => {
                    self.dropped.clear();
                    (end, from) = (next, next);
                    if which == Which::First {
                        break;
                    }
                }
                Err(rest) => {
                    from = rest;
                    break;
                }
            }
        }
        self.ended = end > 0;
        if at_end && (end == 0 || which == Which::Last) {
            (end, from) = (buf.len(), buf.len());
        }
        self.waiting = buf[from..].iter().copied().take(2).collect();
        self.seen = from - end;
        Ok(Cutting {
            end,
            skip: 0,
            done: false,
        })
    }

    fn forget(&mut self, bytes: usize) {
        // Only what waits at the end of the buffer may be a part of a line end; its last byte stays there.
        let gone = bytes.saturating_sub(self.seen).min(self.waiting.len());
        self.dropped.extend(self.waiting.drain(..gone));
        self.seen = self.seen.saturating_sub(bytes);
    }

    fn line_ends(&self, _: &[u8]) -> u64 {
        u64::from(self.ended)
    }
}
