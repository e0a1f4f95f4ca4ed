//! Tells cells and records apart: the one place that knows what a quote means.
//!
//! The rules are those of the `csv` crate with `flexible(true)`. A quoted cell opens only at a cell's first byte; a
//! quote elsewhere is itself. Within a quoted cell two quotes stand for one, and what follows the closing quote up to
//! the next delimiter belongs to the cell as it is. A record ends at `\n`, `\r` or `\r\n`, outside quotes; a line with
//! nothing in it is no record. The header, the sniffing of dialects and the decoder read with [`Cells`]; the cutter
//! walks over the same [`Marks`] and asks [`opens`].

use std::borrow::Cow;

use memchr::memchr;

/// The byte that cells are quoted with.
pub const QUOTE: u8 = b'"';

/// Whether a quote right after `before` opens a quoted cell, unless a quoted cell is already open.
#[must_use]
pub fn opens(before: u8, delimiter: u8) -> bool {
    before == delimiter || before == b'\n' || before == b'\r'
}

/// Bytes looked at together: one bit each in a `u64`.
const BLOCK: usize = 64;

/// Walks over the bytes of a text that may have a meaning: the delimiter, the quote, `\n` and `\r`.
#[derive(Clone, Copy, Debug)]
pub struct Marks {
    delimiter: u8,
    /// Where the block in hand starts, and where the one after it does.
    base: usize,
    next: usize,
    /// The marks of the block that are still to come.
    bits: u64,
    /// Whether the block has bytes that JSON escapes, apart from marks.
    block_escapes: bool,
    /// The same for all blocks since this was last set.
    escapes: bool,
}

impl Marks {
    /// The marks of a text from byte `from` on. Where delimiters are of no interest, [`QUOTE`] does for one.
    #[must_use]
    pub fn new(delimiter: u8, from: usize) -> Self {
        Marks { delimiter, base: from, next: from, bits: 0, block_escapes: false, escapes: false }
    }

    /// The offset of the next mark in `text`, which is the same text at every call.
    #[inline]
    pub fn next(&mut self, text: &[u8]) -> Option<usize> {
        while self.bits == 0 {
            let rest = text.get(self.next..).unwrap_or_default();
            self.base = self.next;
            if let Some(block) = rest.first_chunk() {
                self.next += BLOCK;
                self.look(block);
            } else if rest.is_empty() {
                return None;
            } else {
                let mut block = [b' '; BLOCK];
                block[..rest.len()].copy_from_slice(rest);
                self.next += rest.len();
                self.look(&block);
            }
        }
        let at = self.base + self.bits.trailing_zeros() as usize;
        self.bits &= self.bits - 1;
        Some(at)
    }

    /// Finds the marks of a block. The first loop compiles to vector comparisons, which leave a byte of 0 or 1 for each
    /// byte; the second moves eight such bytes at a time into eight neighbouring bits by one multiplication.
    #[inline]
    fn look(&mut self, block: &[u8; BLOCK]) {
        const GATHER: u64 = 0x0102_0408_1020_4080;
        let mut marks = [0u8; BLOCK];
        let mut escapes = 0;
        for (mark, byte) in marks.iter_mut().zip(block) {
            let is_mark = (*byte == self.delimiter) | (*byte == QUOTE) | (*byte == b'\n') | (*byte == b'\r');
            *mark = u8::from(is_mark);
            escapes |= u8::from(((*byte < 0x20) | (*byte == b'\\')) & !is_mark);
        }
        let (words, _) = marks.as_chunks::<8>();
        self.bits = 0;
        for (i, word) in words.iter().enumerate() {
            self.bits |= (u64::from_le_bytes(*word).wrapping_mul(GATHER) >> 56) << (8 * i);
        }
        self.block_escapes = escapes != 0;
        self.escapes |= self.block_escapes;
    }
}

/// Where a cell's text stands, and what has to be done to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Offset of its first byte, after an opening quote.
    pub start: usize,
    /// Offset after its last byte, before a closing quote.
    pub end: usize,
    /// How it is written.
    pub kind: Kind,
}

/// How a cell is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// As it is, without any quote.
    #[default]
    Bare,
    /// As it is, with quotes that stand for themselves.
    Literal,
    /// In quotes, with none inside.
    Quoted,
    /// In quotes, with doubled ones inside or something after the closing one: [`Span::pieces`] takes it apart.
    Pieces,
}

impl Span {
    /// The pieces of `text` that make up the cell's text one after another, each with its offset.
    pub fn pieces<'t>(&self, text: &'t [u8]) -> impl Iterator<Item = (usize, &'t [u8])> {
        let mut at = self.start;
        let mut rest = text.get(self.start..self.end).unwrap_or_default();
        let mut in_quotes = self.kind == Kind::Pieces;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let quote = if in_quotes { memchr(QUOTE, rest) } else { None };
            let (piece, passed) = match quote {
                // Of two quotes, the first belongs to the piece before it.
                Some(quote) if rest.get(quote + 1) == Some(&QUOTE) => (&rest[..=quote], quote + 2),
                Some(quote) => {
                    in_quotes = false;
                    (&rest[..quote], quote + 1)
                }
                None => (rest, rest.len()),
            };
            let offset = at;
            at += passed;
            rest = &rest[passed..];
            Some((offset, piece))
        })
    }

    /// The cell's text; bytes that are not UTF-8 become U+FFFD, so the record is to be checked before.
    #[must_use]
    pub fn text<'t>(&self, text: &'t [u8]) -> Cow<'t, str> {
        if self.kind != Kind::Pieces {
            return String::from_utf8_lossy(text.get(self.start..self.end).unwrap_or_default());
        }
        let bytes: Vec<u8> = self.pieces(text).flat_map(|(_, piece)| piece).copied().collect();
        Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// One record, as its cells were told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Offset of its first byte.
    pub start: usize,
    /// Offset after its last byte, before the line end.
    pub end: usize,
    /// Line ends in the text before it.
    pub line: u64,
    /// Its cells; there may be more than are kept.
    pub cells: usize,
    /// Whether [`Kind::Bare`] cells may have bytes that JSON escapes.
    pub escapes: bool,
    /// The quote that opens a cell and is not closed where the text ends.
    pub open: Option<Open>,
    /// Whether an empty line stands right before it.
    pub after_blank: bool,
}

/// A quote that is not closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Its offset.
    pub at: usize,
    /// Line ends in the text before it.
    pub line: u64,
}

/// Reads the records of one text that is all there, one after another.
#[derive(Debug)]
pub struct Cells {
    marks: Marks,
    /// Where the next record starts, at the earliest.
    at: usize,
    lines: u64,
    /// One for every cell that is kept. It does not grow: a record of nothing but delimiters costs no memory.
    spans: Vec<Span>,
}

impl Cells {
    /// A reader that keeps the first `keep` cells of a record and counts the others.
    #[must_use]
    pub fn new(delimiter: u8, keep: usize) -> Self {
        Cells { marks: Marks::new(delimiter, 0), at: 0, lines: 0, spans: vec![Span::default(); keep] }
    }

    /// The cells of the record read last, as many as it has or as are kept; what comes after those it has is stale.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Line ends passed so far: `\n`, `\r`, or `\r\n` once.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Bytes passed so far. A `\n` that follows a record's `\r` counts only once the next record is read.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.at
    }

    /// Reads the next record of `text`, which is the same text at every call.
    pub fn next(&mut self, text: &[u8]) -> Option<Record> {
        let mut marks = self.marks;
        marks.escapes = marks.block_escapes;
        let delimiter = marks.delimiter;
        let mut lines = self.lines;
        let mut record = Record {
            start: self.at,
            end: text.len(),
            line: lines,
            cells: 0,
            escapes: false,
            open: None,
            after_blank: false,
        };
        let mut start = self.at;
        let mut kind = Kind::Bare;
        let passed = loop {
            let mut at = marks.next(text).unwrap_or(text.len());
            let mut span = Span { start, end: at, kind };
            let mut byte = text.get(at).copied();
            if byte == Some(QUOTE) {
                if at > start {
                    kind = Kind::Literal;
                    continue;
                }
                let open = Open { at, line: lines };
                (span, at) = match quoted(&mut marks, text, at, &mut lines) {
                    Ok(closed) => closed,
                    Err(span) => {
                        record.open = Some(open);
                        (span, text.len())
                    }
                };
                byte = text.get(at).copied();
            } else if at == record.start && byte != Some(delimiter) {
                // Nothing at all before this line end: an empty line, or the second byte of `\r\n`.
                let Some(byte) = byte else {
                    (self.marks, self.at, self.lines) = (marks, at, lines);
                    return None;
                };
                let second = byte == b'\n' && at > 0 && text[at - 1] == b'\r';
                lines += u64::from(!second);
                record.after_blank |= !second;
                start = at + 1;
                (record.start, record.line) = (start, lines);
                continue;
            }
            if let Some(slot) = self.spans.get_mut(record.cells) {
                *slot = span;
            }
            record.cells += 1;
            if byte == Some(delimiter) {
                start = at + 1;
                kind = Kind::Bare;
                continue;
            }
            record.end = at;
            lines += u64::from(byte.is_some());
            break (at + 1).min(text.len());
        };
        record.escapes = marks.escapes;
        (self.marks, self.at, self.lines) = (marks, passed, lines);
        Some(record)
    }
}

/// Passes over the quoted cell that opens at `quote`: its span, and the offset of the mark that ends it or the text's
/// length. `Err` when the text ends before the quotes are closed.
fn quoted(marks: &mut Marks, text: &[u8], quote: usize, lines: &mut u64) -> Result<(Span, usize), Span> {
    let mut kind = Kind::Quoted;
    // The offset after a quote that closes the cell, unless another quote stands there.
    let mut closed = None;
    while let Some(at) = marks.next(text) {
        let byte = text[at];
        match closed {
            None => match byte {
                QUOTE => closed = Some(at + 1),
                b'\r' => *lines += 1,
                b'\n' => *lines += u64::from(text[at - 1] != b'\r'),
                _ => {}
            },
            Some(after) if byte == QUOTE => {
                if at == after {
                    kind = Kind::Pieces;
                    closed = None;
                }
            }
            Some(after) => return Ok((closed_span(quote, after, at, kind), at)),
        }
    }
    match closed {
        Some(after) => Ok((closed_span(quote, after, text.len(), kind), text.len())),
        None => Err(Span { start: quote + 1, end: text.len(), kind: Kind::Pieces }),
    }
}

/// The span of a cell between the quote at `quote` and the one before `after`, which ends at `end`.
fn closed_span(quote: usize, after: usize, end: usize, kind: Kind) -> Span {
    if after == end {
        Span { start: quote + 1, end: after - 1, kind }
    } else {
        Span { start: quote + 1, end, kind: Kind::Pieces }
    }
}
