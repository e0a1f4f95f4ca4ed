//! JSON text to records: each value checked, and handed on as it is written.

use std::ops::Range;
use std::sync::Arc;

use super::scan::{Kind, Scanner, skip_space};
use super::utf8::{LineCount, Utf8};
use super::watch::Watch;
use super::{Changes, Consumer, Decode, Extent, Fatal, Mark, Nul};
use crate::buffer::Buffer;
use crate::error::{Code, Fault};
use crate::read::{Before, Framing};

/// The decoder of a chunk of JSON text.
pub struct Json {
    text: Buffer,
    framing: Framing,
    scanner: Scanner,
    at: usize,
    /// Whether no record of the source comes before the next.
    first: bool,
    /// Whether the next element must have a comma before it.
    comma: bool,
    records: u32,
    lines: LineCount,
}

impl Json {
    /// `before`: which records of the source come before the text; `watch`: the fields to note.
    #[must_use]
    pub fn new(
        text: Buffer,
        framing: Framing,
        before: Before,
        nul: Nul,
        watch: &Arc<Watch>,
    ) -> Self {
        let first = before == Before::Nothing;
        let comma = before == Before::Chunk && framing == Framing::Elements;
        Json {
            text,
            framing,
            scanner: Scanner::new(nul).watching(watch),
            at: 0,
            first,
            comma,
            records: 0,
            lines: LineCount::default(),
        }
    }

    fn lines<C: Consumer>(&mut self, consumer: &mut C) -> bool {
        let utf8 = Utf8::new(&self.text, self.at);
        while self.at < self.text.len() {
            if consumer.is_full() {
                return true;
            }
            let from = self.at;
            let to =
                memchr::memchr(b'\n', &self.text[from..]).map_or(self.text.len(), |n| from + n);
            self.at = (to + 1).min(self.text.len());
            let line = &self.text[from..to];
            let start = skip_space(line, 0);
            if start < line.len() {
                let mark = Mark {
                    record: self.records,
                    line: self.lines.lines,
                    byte: from as u32,
                };
                self.records += 1;
                let outcome = utf8.around(from, to).and_then(|(text, from)| {
                    let record = from..from + line.len();
                    one_value(&mut self.scanner, text, record, start, mark, consumer)
                });
                if let Err(fault) = outcome {
                    consumer.fault(mark, fault, line);
                }
            }
            self.lines.lines += u32::from(to < self.text.len());
        }
        false
    }

    fn values<C: Consumer>(&mut self, consumer: &mut C) -> Result<bool, Fatal> {
        let Json {
            text: bytes,
            framing,
            scanner,
            at,
            first,
            comma,
            records,
            lines,
        } = self;
        let base = *at;
        let elements = *framing == Framing::Elements;
        let (text, not_utf8) = Utf8::new(bytes, base).rest(base);
        let s = text.as_bytes();
        loop {
            let next = skip_space(s, *at - base);
            if next == s.len() && not_utf8.is_none() {
                *at = bytes.len();
                return Ok(false);
            }
            if consumer.is_full() {
                return Ok(true);
            }
            let mut mark = |from: usize| {
                let byte = base + from;
                Mark {
                    record: *records,
                    line: lines.up_to(bytes, byte),
                    byte: byte as u32,
                }
            };
            let mut from = next;
            if *comma {
                if s.get(next) != Some(&b',') {
                    let fault = expected(text, next, "`,` or `]` after the element").at(0);
                    return Err(Fatal::from((mark(next), fault)));
                }
                from = skip_space(s, next + 1);
            }
            let mark = mark(from);
            let checked = scanner
                .value(text, from, text.len())
                .and_then(|(to, kind)| {
                    // A chunk starts after white space.
                    let spaced = *at == 0 || from > *at - base;
                    if !elements && !*first {
                        may_follow(kind, spaced, from)?;
                    }
                    Ok((to, kind))
                });
            match checked {
                Ok((to, kind)) => {
                    *first = false;
                    hand_on(scanner, text, (from, to), kind, mark, consumer);
                    *records += 1;
                    *at = base + to;
                    *comma = elements;
                }
                Err(mut fault) => {
                    // Text that ends early because the next byte is none is that byte's fault.
                    if let Some(not_utf8) = not_utf8.filter(|_| fault.offset >= text.len()) {
                        fault = not_utf8;
                    }
                    fault.offset = fault.offset.saturating_sub(from);
                    let line = memchr::memrchr(b'\n', &bytes[..base + from]).map(|end| end + 1);
                    let line = line.or((records == &0 && *first).then_some(0));
                    let read = line.map(|line| {
                        bytes[line..bytes.len().min(base + from + fault.offset)].to_vec()
                    });
                    return Err(Fatal { mark, fault, read });
                }
            }
        }
    }
}

/// Checks a record of a text that is to be one value, which starts `start` bytes after its beginning, and hands it on.
///
/// # Errors
/// With an offset in the record.
#[inline(always)]
pub(super) fn one_value<C: Consumer>(
    scanner: &mut Scanner,
    text: &str,
    record: Range<usize>,
    start: usize,
    mark: Mark,
    consumer: &mut C,
) -> Result<(), Fault> {
    let in_record = |mut fault: Fault| {
        fault.offset -= record.start;
        fault
    };
    let start = record.start + start;
    let (end, kind) = scanner.value(text, start, record.end).map_err(in_record)?;
    let after = skip_space(&text.as_bytes()[..record.end], end);
    if after != record.end {
        return Err(in_record(expected(text, after, "the end of the line")));
    }
    hand_on(scanner, text, (start, end), kind, mark, consumer);
    Ok(())
}

/// Values one after another are records, so they are objects, with white space between them. What else looks like that is
/// most likely a damaged file.
fn may_follow(kind: Kind, spaced: bool, at: usize) -> Result<(), Fault> {
    if kind != Kind::Other && spaced {
        return Ok(());
    }
    let reason = if spaced {
        "after the first JSON value only objects may follow"
    } else {
        "there is nothing between this JSON value and the one before it"
    };
    Err(Fault::new(Code::JsonSyntax, reason)
        .help("put each record on a line of its own, or all into one array")
        .at(at))
}

/// Hands on the value that was checked last, `text[start..end]`.
#[inline(always)]
fn hand_on<C: Consumer>(
    scanner: &mut Scanner,
    text: &str,
    (start, end): (usize, usize),
    kind: Kind,
    mark: Mark,
    consumer: &mut C,
) {
    let Some((replaced, nul_replaced)) = scanner.replaced(text, start, end) else {
        return consumer.json(mark, scanner.checked(text, start, end, kind));
    };
    consumer.changed(Changes {
        nul_replaced,
        ..Changes::default()
    });
    // Fields have moved.
    if let Ok((end, kind)) = scanner.value(&replaced, 0, replaced.len()) {
        consumer.json(mark, scanner.checked(&replaced, 0, end, kind));
    }
}

fn expected(text: &str, at: usize, wanted: &str) -> Fault {
    let found = text[at..]
        .chars()
        .next()
        .map_or_else(String::new, |c| c.escape_default().to_string());
    Fault::new(
        Code::JsonSyntax,
        format!("expected {wanted}, found `{found}`"),
    )
    .at(at)
}

impl Decode for Json {
    fn decode<C: Consumer>(&mut self, consumer: &mut C) -> Result<bool, Fatal> {
        match self.framing {
            Framing::Lines => Ok(self.lines(consumer)),
            Framing::Elements | Framing::Values => self.values(consumer),
        }
    }

    fn extent(&self) -> Extent {
        let lines = match self.framing {
            Framing::Lines => u64::from(self.lines.lines),
            Framing::Elements | Framing::Values => self.lines.total(&self.text),
        };
        Extent {
            records: u64::from(self.records),
            lines,
        }
    }
}
