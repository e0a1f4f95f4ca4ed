//! Decodes rows of cells: CSV and its kin. Every cell is text; what a quote means is settled in [`cells`].

use std::ops::Range;

use super::{Changes, Consumer, Decode, Extent, Fatal, Mark, Nul, Row, write};
use crate::buffer::Buffer;
use crate::error::{Code, Fault};
use crate::read::cells::{self, Cells, QUOTE};

/// The decoder of one chunk of rows.
#[derive(Debug)]
pub struct Csv {
    text: Buffer,
    /// All of the text is UTF-8; if not, every record is checked.
    is_utf8: bool,
    columns: usize,
    nul: Nul,
    cells: Cells,
    records: u64,
}

impl Csv {
    /// For whole records without a header, each of which is to have as many cells as there are columns.
    #[must_use]
    pub fn new(text: Buffer, columns: usize, delimiter: u8, nul: Nul) -> Self {
        let is_utf8 = simdutf8::basic::from_utf8(&text).is_ok();
        Csv {
            text,
            is_utf8,
            columns,
            nul,
            cells: Cells::new(delimiter, columns),
            records: 0,
        }
    }
}

/// Holds a record to be text in which every quote is closed.
pub(super) fn check_text(text: &[u8], is_utf8: bool, record: &cells::Record) -> Result<(), Fault> {
    if let Some(open) = record.open {
        let line = open.line - record.line + 1;
        let reason =
            format!("the quote that opens a cell on line {line} of the record is never closed");
        return Err(Fault::new(Code::QuoteOpen, reason)
            .at(open.at - record.start)
            .help("close it, or double it and put the cell in quotes if it stands for itself"));
    }
    if !is_utf8 && let Err(error) = std::str::from_utf8(&text[record.start..record.end]) {
        let at = error.valid_up_to();
        let byte = text[record.start + at];
        let reason = format!("byte 0x{byte:02X} is not UTF-8 text");
        return Err(Fault::new(Code::Encoding, reason)
            .at(at)
            .help("name the encoding with `--encoding`, such as windows-1252"));
    }
    Ok(())
}

/// Holds a record to have as many cells as there are columns.
pub(super) fn check_length(cells: usize, columns: usize) -> Result<(), Fault> {
    if cells == columns {
        return Ok(());
    }
    let word = if cells == 1 { "cell" } else { "cells" };
    let help = if cells > columns {
        "put cells that contain the delimiter in quotes, or name the delimiter with `--delimiter`"
    } else {
        "add what is missing, or name the delimiter with `--delimiter`"
    };
    let reason = format!("{cells} {word}, the header has {columns}");
    Err(Fault::new(Code::RowLength, reason).help(help))
}

impl Decode for Csv {
    fn decode<C: Consumer>(&mut self, consumer: &mut C) -> Result<bool, Fatal> {
        while !consumer.is_full() {
            let Some(record) = self.cells.next(&self.text) else {
                return Ok(false);
            };
            let mark = Mark {
                record: saturating(self.records),
                line: saturating(record.line),
                byte: saturating(record.start as u64),
            };
            self.records += 1;
            let range = record.start..record.end;
            if record.cells == self.columns
                && record.open.is_none()
                && (self.is_utf8 || std::str::from_utf8(&self.text[range.clone()]).is_ok())
            {
                let row = CsvRow::new(&self.text, self.cells.ends(), &record, self.nul);
                consumer.row(mark, &row);
            } else if let Err(fault) = check_text(&self.text, self.is_utf8, &record)
                .and_then(|()| check_length(record.cells, self.columns))
            {
                consumer.fault(mark, fault, &self.text[range]);
            }
        }
        Ok(true)
    }

    fn extent(&self) -> Extent {
        Extent {
            records: self.records,
            lines: self.cells.lines(),
        }
    }
}

/// A count within a chunk, which is far below 4 GiB.
pub(super) fn saturating(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// One row, in the text of its chunk.
pub(super) struct CsvRow<'a> {
    text: &'a [u8],
    /// Where its cells end.
    ends: &'a [usize],
    range: Range<usize>,
    /// Cells that are not quoted have nothing that JSON escapes.
    plain: bool,
    nul: Nul,
}

impl Row for CsvRow<'_> {
    #[inline]
    fn cell(&self, column: usize, out: &mut Vec<u8>, changes: &mut Changes) -> Result<(), Fault> {
        let (start, end) = self.bounds(column)?;
        // An empty cell is followed by what ended it, which is no quote.
        if self.plain && self.text.get(start) != Some(&QUOTE) {
            bare(self.text, start, end, out);
            return Ok(());
        }
        self.escaped(start, &self.text[start..end], out, changes)
    }

    fn raw(&self) -> &[u8] {
        &self.text[self.range.clone()]
    }
}

impl<'a> CsvRow<'a> {
    /// A record of a text, whose cells end there.
    #[inline]
    pub(super) fn new(text: &'a [u8], ends: &'a [usize], record: &cells::Record, nul: Nul) -> Self {
        CsvRow {
            text,
            ends,
            range: record.start..record.end,
            plain: !record.escapes,
            nul,
        }
    }

    /// The bytes of a column's cell, quotes included.
    #[inline]
    pub(super) fn raw_cell(&self, column: usize) -> Result<&'a [u8], Fault> {
        let (start, end) = self.bounds(column)?;
        Ok(&self.text[start..end])
    }

    /// Where a column's cell starts in the row.
    pub(super) fn offset_of(&self, column: usize) -> usize {
        self.bounds(column)
            .map_or(0, |(start, _)| start - self.range.start)
    }

    /// Where a column's cell starts and ends in the text.
    #[inline]
    fn bounds(&self, column: usize) -> Result<(usize, usize), Fault> {
        cells::raw(self.range.start, self.ends, column).ok_or_else(|| {
            Fault::new(
                Code::Internal,
                format!("column {column} was asked for and is none"),
            )
        })
    }

    /// Appends a cell as JSON, with whatever there is in it; `start` is where it starts.
    fn escaped(
        &self,
        start: usize,
        raw: &[u8],
        out: &mut Vec<u8>,
        changes: &mut Changes,
    ) -> Result<(), Fault> {
        out.push(b'"');
        for (at, piece) in cells::pieces(raw) {
            write::escaped(out, piece, self.nul, changes).map_err(|fault| {
                let offset = start - self.range.start + at + fault.offset;
                fault.at(offset)
            })?;
        }
        out.push(b'"');
        Ok(())
    }
}

/// Bytes of the longest cell that is written as one number: 16 and the two quotes around it.
const SHORT: usize = 14;

/// Appends a cell as JSON that has nothing to escape.
#[inline]
fn bare(text: &[u8], start: usize, end: usize, out: &mut Vec<u8>) {
    let length = end - start;
    if length <= SHORT
        && let Some(bytes) = text.get(start..).and_then(<[u8]>::first_chunk::<16>)
    {
        // The quotes are put around it in a register, and what is too much is cut off after: for cells this short,
        // a copy of exactly their length takes several times as long.
        const QUOTES: u128 = QUOTE as u128;
        let mask = (1u128 << (8 * length)) - 1;
        let cell = (u128::from_le_bytes(*bytes) & mask) << 8 | QUOTES | QUOTES << (8 * length + 8);
        let written = out.len() + length + 2;
        out.extend_from_slice(&cell.to_le_bytes());
        out.truncate(written);
        return;
    }
    out.reserve(length + 2);
    out.push(b'"');
    out.extend_from_slice(&text[start..end]);
    out.push(b'"');
}
