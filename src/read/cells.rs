//! Tells cells and records apart: the one place that knows what a quote means.
//!
//! The rules are those of the `csv` crate with `flexible(true)`. A quoted cell opens only at a cell's first byte; a
//! quote elsewhere is itself. Within a quoted cell two quotes stand for one, and what follows the closing quote up to
//! the next delimiter belongs to the cell as it is. A record ends at `\n`, `\r` or `\r\n`, outside quotes; a line with
//! nothing in it is no record. The header, the sniffing of dialects and the decoder read with [`Cells`]; the cutter
//! walks over the same [`Marks`] and asks [`opens`].

use std::borrow::Cow;

use memchr::memchr;

use crate::blocks::{BLOCK, Lanes, Work, block_at, ones, with_lanes};

/// The byte that cells are quoted with.
pub const QUOTE: u8 = b'"';

/// Whether a quote right after `before` opens a quoted cell, unless a quoted cell is already open.
#[must_use]
pub fn opens(before: u8, delimiter: u8) -> bool {
    before == delimiter || before == b'\n' || before == b'\r'
}

/// Blocks that are looked at together.
const BLOCKS_AHEAD: usize = 32;

/// What was found in the next blocks of a text.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    delimiters: u64,
    /// Quotes and line ends.
    others: u64,
    /// Bytes that JSON escapes, apart from marks.
    escapes: u64,
}

/// The blocks of a text that were looked at ahead.
#[derive(Clone, Debug)]
pub struct Ahead {
    delimiter: u8,
    /// Where they start, and how many there are.
    start: usize,
    blocks: usize,
    found: [Found; BLOCKS_AHEAD],
}

impl Ahead {
    /// None yet. Where delimiters are of no interest, [`QUOTE`] does for one.
    #[must_use]
    pub fn new(delimiter: u8) -> Self {
        Ahead {
            delimiter,
            start: 0,
            blocks: 0,
            found: [Found::default(); BLOCKS_AHEAD],
        }
    }

    /// What is in the block at `at`; blocks follow one another.
    #[inline]
    fn block(&mut self, text: &[u8], at: usize) -> Found {
        let mut block = at.wrapping_sub(self.start) / BLOCK;
        if block >= self.blocks {
            self.start = at;
            with_lanes(Look { ahead: self, text });
            block = 0;
        }
        self.found[block]
    }
}

/// A look at the blocks of a text, from where they are to start.
struct Look<'a> {
    ahead: &'a mut Ahead,
    text: &'a [u8],
}

impl Work for Look<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Look { ahead, text } = self;
        let rest = text.len().saturating_sub(ahead.start);
        ahead.blocks = rest.div_ceil(BLOCK).min(BLOCKS_AHEAD);
        for (i, found) in ahead.found[..ahead.blocks].iter_mut().enumerate() {
            let block = lanes.load(&block_at(text, ahead.start + i * BLOCK));
            let delimiters = lanes.equal(block, ahead.delimiter);
            let ends = lanes.equal(block, b'\n') | lanes.equal(block, b'\r');
            let others = lanes.equal(block, QUOTE) | ends;
            let escapes = lanes.below(block, 0x20) | lanes.equal(block, b'\\');
            *found = Found {
                delimiters,
                others,
                escapes: escapes & !(delimiters | others),
            };
        }
        // After the end of the text come spaces, which may be what separates cells.
        if let Some(last) = ahead.blocks.checked_sub(1) {
            let live = ones(rest - last * BLOCK);
            ahead.found[last].delimiters &= live;
        }
    }
}

/// Walks over the bytes of a text that may have a meaning: delimiters, quotes, `\n` and `\r`.
#[derive(Clone, Copy, Debug)]
pub struct Marks {
    /// Where the block in hand starts, and where the one after it does.
    base: usize,
    next: usize,
    /// The delimiters of the block that are still to come.
    delimiters: u64,
    /// Its quotes and line ends that are still to come.
    others: u64,
    /// Whether the block has bytes that JSON escapes, apart from marks.
    block_escapes: bool,
    /// The same for all blocks since this was last set.
    escapes: bool,
}

impl Marks {
    /// The marks of a text from byte `from` on.
    #[must_use]
    pub fn new(from: usize) -> Self {
        Marks {
            base: from,
            next: from,
            delimiters: 0,
            others: 0,
            block_escapes: false,
            escapes: false,
        }
    }

    /// The offset of the next quote, `\n` or `\r` of `text`, which is the same text at every call.
    #[inline]
    pub fn next_other(&mut self, text: &[u8], ahead: &mut Ahead) -> Option<usize> {
        while self.others == 0 {
            if !self.load(text, ahead) {
                return None;
            }
        }
        let at = self.base + self.others.trailing_zeros() as usize;
        self.others &= self.others - 1;
        Some(at)
    }

    /// Goes on to the next block; false at the end of the text.
    #[inline]
    fn load(&mut self, text: &[u8], ahead: &mut Ahead) -> bool {
        if self.next >= text.len() {
            self.delimiters = 0;
            return false;
        }
        let found = ahead.block(text, self.next);
        self.base = self.next;
        self.next = text.len().min(self.next + BLOCK);
        self.delimiters = found.delimiters;
        self.others = found.others;
        self.block_escapes = found.escapes != 0;
        self.escapes |= self.block_escapes;
        true
    }

    /// Passes over the rest of a quoted cell up to its closing quote, counting line ends; false when the text ends
    /// before. What stands between the closing quote and the next delimiter still belongs to the cell.
    fn close(&mut self, text: &[u8], ahead: &mut Ahead, lines: &mut u64) -> bool {
        while let Some(at) = self.next_other(text, ahead) {
            match text[at] {
                QUOTE if text.get(at + 1) == Some(&QUOTE) => {
                    self.next_other(text, ahead);
                }
                QUOTE => {
                    // The delimiters before it were text.
                    self.delimiters &= !0 << (at - self.base);
                    return true;
                }
                b'\n' => *lines += u64::from(text[at - 1] != b'\r'),
                _ => *lines += 1,
            }
        }
        false
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
    /// Whether cells that are not quoted may have bytes that JSON escapes.
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
    ahead: Ahead,
    /// Where the next record starts, at the earliest.
    at: usize,
    lines: u64,
    /// Where each cell that is kept ends; the next starts one byte later. It does not grow: a record of nothing but
    /// delimiters costs no memory.
    ends: Vec<usize>,
}

impl Cells {
    /// A reader that keeps the first `keep` cells of a record and counts the others.
    #[must_use]
    pub fn new(delimiter: u8, keep: usize) -> Self {
        Cells {
            marks: Marks::new(0),
            ahead: Ahead::new(delimiter),
            at: 0,
            lines: 0,
            ends: vec![0; keep],
        }
    }

    /// Where the cells of the record read last end, as many as it has or as are kept; what comes after is stale.
    /// [`raw`] finds a cell by it.
    #[must_use]
    pub fn ends(&self) -> &[usize] {
        &self.ends
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
        let mut lines = self.lines;
        let (mut first, mut line) = (self.at, lines);
        let mut start = first;
        let mut cells = 0;
        let (mut open, mut after_blank) = (None, false);
        loop {
            // The cells that a delimiter ends before the next other mark of the block.
            let stop = marks.others & marks.others.wrapping_neg();
            let mut ended = marks.delimiters & stop.wrapping_sub(1);
            marks.delimiters ^= ended;
            while ended != 0 {
                let at = marks.base + ended.trailing_zeros() as usize;
                ended &= ended - 1;
                if let Some(end) = self.ends.get_mut(cells) {
                    *end = at;
                }
                cells += 1;
                start = at + 1;
            }
            let at = if stop != 0 {
                marks.others ^= stop;
                marks.base + stop.trailing_zeros() as usize
            } else if marks.load(text, &mut self.ahead) {
                continue;
            } else {
                text.len()
            };
            let byte = text.get(at).copied();
            if byte == Some(QUOTE) {
                if at > start {
                    marks.escapes = true;
                } else {
                    let opened = Open { at, line: lines };
                    if !marks.close(text, &mut self.ahead, &mut lines) {
                        open = Some(opened);
                    }
                }
                continue;
            }
            if at == first {
                // Nothing at all before this line end: an empty line, or the second byte of `\r\n`.
                let Some(byte) = byte else {
                    (self.marks, self.at, self.lines) = (marks, at, lines);
                    return None;
                };
                let second = byte == b'\n' && at > 0 && text[at - 1] == b'\r';
                lines += u64::from(!second);
                after_blank |= !second;
                start = at + 1;
                (first, line) = (start, lines);
                continue;
            }
            if let Some(end) = self.ends.get_mut(cells) {
                *end = at;
            }
            cells += 1;
            lines += u64::from(byte.is_some());
            (self.marks, self.at, self.lines) = (marks, (at + 1).min(text.len()), lines);
            return Some(Record {
                start: first,
                end: at,
                line,
                cells,
                escapes: marks.escapes,
                open,
                after_blank,
            });
        }
    }
}

/// Where the cell of a column starts and ends, quotes included, in a record that starts at `start` and whose cells
/// have these [`ends`](Cells::ends). None when the column is not kept.
#[inline]
#[must_use]
pub fn raw(start: usize, ends: &[usize], column: usize) -> Option<(usize, usize)> {
    let end = *ends.get(column)?;
    Some(if column == 0 {
        (start, end)
    } else {
        (ends[column - 1] + 1, end)
    })
}

/// The pieces that make up a cell's text one after another, each with its offset in the cell as it stands.
pub fn pieces(raw: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut in_quotes = raw.first() == Some(&QUOTE);
    let mut at = usize::from(in_quotes);
    std::iter::from_fn(move || {
        let rest = raw.get(at..).filter(|rest| !rest.is_empty())?;
        let offset = at;
        let piece = match memchr(QUOTE, rest).filter(|_| in_quotes) {
            // Of two quotes, the first belongs to the piece before it.
            Some(quote) if rest.get(quote + 1) == Some(&QUOTE) => {
                at += quote + 2;
                &rest[..=quote]
            }
            Some(quote) => {
                in_quotes = false;
                at += quote + 1;
                &rest[..quote]
            }
            None => {
                at = raw.len();
                rest
            }
        };
        Some((offset, piece))
    })
}

/// A cell's text; bytes that are not UTF-8 become U+FFFD, so the record is to be checked before.
#[must_use]
pub fn text(raw: &[u8]) -> Cow<'_, str> {
    if raw.first() != Some(&QUOTE) {
        return String::from_utf8_lossy(raw);
    }
    let bytes: Vec<u8> = pieces(raw).flat_map(|(_, piece)| piece).copied().collect();
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}
