//! The rows of a chunk, each with what is wrong with it: the same for the survey and for the decoder.

use std::borrow::Cow;

use super::mark;
use crate::buffer::Buffer;
use crate::decode::csv::{self, CsvRow};
use crate::decode::{Extent, Mark, Nul};
use crate::error::{Code, Fault};
use crate::read::cells::{self, Cells, QUOTE, Record};
use crate::read::column_types::{CsvTypes, Typing};
use crate::read::server_table;

/// Reads the rows of a chunk, one after another.
#[derive(Debug)]
pub(super) struct Rows {
    text: Buffer,
    is_utf8: bool,
    rule: CsvTypes,
    /// Cells of a row that is as long as it may be.
    width: usize,
    cells: Cells,
    records: u64,
}

impl Rows {
    pub(super) fn new(text: Buffer, columns: usize, delimiter: u8, typing: &Typing) -> Self {
        let is_utf8 = simdutf8::basic::from_utf8(&text).is_ok();
        let width = columns + typing.leading;
        Rows {
            text,
            is_utf8,
            rule: typing.rule,
            width,
            cells: Cells::new(delimiter, width),
            records: 0,
        }
    }

    /// The next row.
    #[inline]
    pub(super) fn next(&mut self) -> Option<(Mark, Record, Result<(), Fault>)> {
        let server = self.rule == CsvTypes::LabelStudio;
        let record = loop {
            let record = self.cells.next(&self.text)?;
            if !server || !server_table::is_blank(&record, &self.text[record.start..record.end]) {
                break record;
            }
        };
        let mark = mark(self.records, &record);
        self.records += 1;
        let fits = if server {
            record.cells <= self.width
        } else {
            record.cells == self.width
        };
        let outcome = if fits && self.is_utf8 && record.open.is_none() {
            Ok(())
        } else {
            self.check(&record)
        };
        Some((mark, record, outcome))
    }

    #[cold]
    fn check(&self, record: &Record) -> Result<(), Fault> {
        csv::check_text(&self.text, self.is_utf8, record)?;
        if self.rule != CsvTypes::LabelStudio {
            return csv::check_length(record.cells, self.width);
        }
        if record.cells > self.width {
            let reason = format!(
                "{} cells, the rows before it have at most {}: Label Studio refuses a whole file for it",
                record.cells, self.width
            );
            return Err(Fault::new(Code::RowLength, reason)
                .help("put cells that contain the delimiter in quotes"));
        }
        Ok(())
    }

    /// The bytes of a row.
    pub(super) fn raw(&self, record: &Record) -> &[u8] {
        &self.text[record.start..record.end]
    }

    /// The bytes of a column's cell in the row that was read last, quotes included; empty where the row is shorter.
    #[inline]
    pub(super) fn cell(&self, record: &Record, column: usize) -> &[u8] {
        if column >= record.cells {
            return &[];
        }
        cells::raw(record.start, self.cells.ends(), column)
            .and_then(|(start, end)| self.text.get(start..end))
            .unwrap_or_default()
    }

    /// The row that was read last, for the decoder.
    #[inline]
    pub(super) fn row(&self, record: &Record, nul: Nul) -> CsvRow<'_> {
        CsvRow::new(&self.text, self.cells.ends(), record, nul)
    }

    /// What was read so far.
    pub(super) fn extent(&self) -> Extent {
        Extent {
            records: self.records,
            lines: self.cells.lines(),
        }
    }
}

/// A cell's text without its quotes.
#[inline]
pub(super) fn unquoted(raw: &[u8]) -> Cow<'_, [u8]> {
    if raw.first() != Some(&QUOTE) {
        return Cow::Borrowed(raw);
    }
    let mut pieces = cells::pieces(raw).map(|(_, piece)| piece);
    let first = pieces.next().unwrap_or_default();
    match pieces.next() {
        None => Cow::Borrowed(first),
        Some(second) => {
            let mut whole = [first, second].concat();
            pieces.for_each(|piece| whole.extend_from_slice(piece));
            Cow::Owned(whole)
        }
    }
}
