//! Finds out how a table is written: the byte between its cells, and what its columns are called.

use super::cells::{self, Cells};
use super::names;
use crate::error::{Code, Fault};

/// The bytes that may stand between cells; of those that fit equally well, the first is taken.
pub const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// Bytes of a source's head that are parsed with each candidate.
const SNIFF_BYTES: usize = 64 << 10;

/// How a head reads with one delimiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sniffed {
    /// The byte between cells.
    pub delimiter: u8,
    /// Cells of the first record.
    pub columns: usize,
    /// Records looked at.
    pub records: usize,
    /// Those that have as many cells as the first.
    pub alike: usize,
    /// Empty lines stand between records: the mark of prose in paragraphs.
    pub blocks: bool,
    /// The head ends within a quoted cell, and nothing follows it.
    pub open: bool,
}

impl Sniffed {
    /// Whether a text of unknown format is a table beyond doubt: two records or more, two columns or more, every
    /// record as long as the first, and no empty lines between them.
    #[must_use]
    pub fn is_table(&self) -> bool {
        self.columns > 1
            && self.records > 1
            && self.alike == self.records
            && !self.blocks
            && !self.open
    }

    /// Whether most records, nine of ten, are as long as the first: a delimiter to take for a table known to be one.
    fn is_likely(&self) -> bool {
        self.columns > 1 && !self.open && self.alike * 10 >= self.records * 9
    }
}

/// The delimiter that the head of a table is most likely written with, and how well it fits; none when no candidate
/// makes rows of more than one cell that are (nine of ten) equally long. `complete`: the head is all there is.
#[must_use]
pub fn sniff(head: &[u8], complete: bool) -> Option<Sniffed> {
    let complete = complete && head.len() <= SNIFF_BYTES;
    let head = head.get(..SNIFF_BYTES).unwrap_or(head);
    let mut best: Option<Sniffed> = None;
    for delimiter in DELIMITERS {
        let Some(tried) = read(head, complete, delimiter).filter(Sniffed::is_likely) else {
            continue;
        };
        if best.is_none_or(|best| is_better(&tried, &best)) {
            best = Some(tried);
        }
    }
    best
}

/// Whether `tried` fits better than `best`, which stands before it in [`DELIMITERS`].
fn is_better(tried: &Sniffed, best: &Sniffed) -> bool {
    let (tried_share, best_share) = (tried.alike * best.records, best.alike * tried.records);
    // A header alone says nothing but how often a byte is in it.
    let header_only = tried.records == 1 && best.records == 1;
    tried_share > best_share
        || tried_share == best_share && header_only && tried.columns > best.columns
}

/// The head as it reads with one delimiter; none when it holds no whole record.
fn read(head: &[u8], complete: bool, delimiter: u8) -> Option<Sniffed> {
    let mut cells = Cells::new(delimiter, 0);
    let mut sniffed = Sniffed {
        delimiter,
        columns: 0,
        records: 0,
        alike: 0,
        blocks: false,
        open: false,
    };
    while let Some(record) = cells.next(head) {
        if record.end == head.len() && !complete {
            break;
        }
        if sniffed.records == 0 {
            sniffed.columns = record.cells;
        }
        sniffed.blocks |= record.after_blank && sniffed.records > 0;
        sniffed.open |= record.open.is_some();
        sniffed.records += 1;
        sniffed.alike += usize::from(record.cells == sniffed.columns);
    }
    (sniffed.records > 0).then_some(sniffed)
}

/// What the columns of a table are called, and where its body starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The names, made unique; none for a source without any record.
    pub names: Vec<String>,
    /// Bytes before the body.
    pub bytes: usize,
    /// Line ends before the body.
    pub lines: u64,
}

/// How a table is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The byte between its cells.
    pub delimiter: u8,
    /// Cells at the start of each row that belong to no column.
    pub leading: usize,
    /// Its header.
    pub header: Header,
}

/// Reads the header, the first record of the head; empty lines before it are passed over. None when the head, which
/// is not `complete`, may not hold all of it.
///
/// A name may be empty. Where the first record is no header (`named` is false), the names are `column1`, `column2` and so on, and the body starts with
/// the source.
///
/// # Errors
/// When the header is not UTF-8 or a quote in it is not closed.
pub fn header(
    head: &[u8],
    complete: bool,
    delimiter: u8,
    named: bool,
) -> Result<Option<Header>, Fault> {
    let mut cells = Cells::new(delimiter, 0);
    let Some(record) = cells.next(head) else {
        return Ok(complete.then(|| Header {
            names: Vec::new(),
            bytes: head.len(),
            lines: cells.lines(),
        }));
    };
    // A `\r` at the very end may be half of `\r\n`.
    let whole =
        cells.passed() < head.len() || record.end < head.len() && head.last() == Some(&b'\n');
    if !whole && !complete {
        return Ok(None);
    }
    if !named {
        let names = (1..=record.cells)
            .map(|number| format!("column{number}"))
            .collect();
        return Ok(Some(Header {
            names,
            bytes: 0,
            lines: 0,
        }));
    }
    check_header(head, &record)?;
    let passed = cells.passed();
    let second = head[record.end..].starts_with(b"\r\n");
    let (bytes, lines) = (passed + usize::from(second), cells.lines());
    let mut cells = Cells::new(delimiter, record.cells);
    cells.next(head);
    let names = (0..record.cells).map(|column| {
        let raw = cells::raw(record.start, cells.ends(), column)
            .and_then(|(start, end)| head.get(start..end));
        cells::text(raw.unwrap_or_default()).into_owned()
    });
    Ok(Some(Header {
        names: names::unique(names.collect()),
        bytes,
        lines,
    }))
}

/// Holds a header to be UTF-8 with every quote closed.
///
/// # Errors
/// When it is not so.
pub(super) fn check_header(head: &[u8], record: &cells::Record) -> Result<(), Fault> {
    if let Some(open) = record.open {
        let reason = "a quote in the header is never closed";
        return Err(Fault::new(Code::QuoteOpen, reason).at(open.at - record.start));
    }
    if let Err(error) = std::str::from_utf8(&head[record.start..record.end]) {
        let at = error.valid_up_to();
        let reason = format!(
            "byte 0x{:02X} of the header is not UTF-8 text",
            head[record.start + at]
        );
        return Err(Fault::new(Code::Encoding, reason)
            .at(at)
            .help("name the encoding with `--encoding`, such as windows-1252"));
    }
    Ok(())
}
