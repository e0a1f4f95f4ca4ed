//! Decodes rows of CSV whose columns have types: each cell is written as the value it is.
//!
//! The types were found out before, by a [`survey`] of the whole source, by one of two rules. [`auto`] loses nothing:
//! a value is written as the cell has it. [`pandas`] has the types that Label Studio gives to columns, and [`stored`]
//! writes what it stores. A cell that does not fit its column is rejected: the source was changed in between.

pub mod auto;
pub mod float;
pub mod pandas;
mod rows;
pub mod stored;
pub mod survey;

use super::csv::{CsvRow, saturating};
use super::{Changes, Consumer, Decode, Extent, Fatal, Mark, Nul, Row};
use crate::buffer::Buffer;
use crate::error::{Code, Fault};
use crate::read::cells;
use crate::read::column_types::{ColumnType, Typing};
use rows::{Rows, unquoted};

/// The decoder of one chunk of rows with typed columns.
#[derive(Debug)]
pub struct TypedCsv {
    rows: Rows,
    columns: usize,
    typing: Typing,
    nul: Nul,
}

impl TypedCsv {
    /// For whole records without a header.
    #[must_use]
    pub fn new(text: Buffer, columns: usize, delimiter: u8, typing: &Typing, nul: Nul) -> Self {
        TypedCsv {
            rows: Rows::new(text, columns, delimiter, typing),
            columns,
            typing: typing.clone(),
            nul,
        }
    }
}

impl Decode for TypedCsv {
    fn decode<C: Consumer>(&mut self, consumer: &mut C) -> Result<bool, Fatal> {
        let mut more = true;
        let mut changes = Changes::default();
        while more && !consumer.is_full() {
            let Some((mark, record, outcome)) = self.rows.next() else {
                more = false;
                continue;
            };
            let outcome = match outcome {
                Ok(()) if self.typing.columns.len() != self.columns => Err(new_rows()),
                outcome => outcome,
            };
            match outcome {
                Ok(()) => {
                    let row = TypedRow {
                        row: self.rows.row(&record, self.nul),
                        cells: record.cells,
                        typing: &self.typing,
                    };
                    consumer.row(mark, &row);
                    changes.cells_dropped += self.typing.leading.min(record.cells) as u64;
                }
                Err(fault) => consumer.fault(mark, fault, self.rows.raw(&record)),
            }
        }
        consumer.changed(changes);
        Ok(more)
    }

    fn extent(&self) -> Extent {
        self.rows.extent()
    }
}

/// One row, in the text of its chunk.
struct TypedRow<'a> {
    row: CsvRow<'a>,
    /// How many cells it has; Label Studio takes those that are missing for empty ones.
    cells: usize,
    typing: &'a Typing,
}

impl Row for TypedRow<'_> {
    #[inline]
    fn cell(&self, column: usize, out: &mut Vec<u8>, changes: &mut Changes) -> Result<(), Fault> {
        let at = column + self.typing.leading;
        if at >= self.cells {
            out.extend_from_slice(b"\"\"");
            return Ok(());
        }
        let column_type = self.typing.columns.get(column);
        let column_type = column_type.copied().unwrap_or(ColumnType::Text);
        if column_type == ColumnType::Text {
            return self.row.cell(at, out, changes);
        }
        let raw = self.row.raw_cell(at)?;
        let cell = unquoted(raw);
        let is_value = match column_type {
            ColumnType::Stored(stored) => match stored::write(stored, &cell, out, changes) {
                stored::Written::Value => true,
                stored::Written::Text => return self.row.cell(at, out, changes),
                stored::Written::Nothing => false,
                stored::Written::Infinite => {
                    return Err(infinite(&cell).at(self.row.offset_of(at)));
                }
            },
            _ => auto::write(column_type, &cell, out),
        };
        if is_value {
            Ok(())
        } else {
            Err(changed(&cell).at(self.row.offset_of(at)))
        }
    }

    fn raw(&self) -> &[u8] {
        self.row.raw()
    }
}

/// What a number is that no double holds, or that is called infinite.
pub(super) fn infinite(cell: &[u8]) -> Fault {
    let reason = format!(
        "`{}` is infinite in a column of numbers, for which Label Studio refuses a whole file",
        cells::text(cell)
    );
    Fault::new(Code::ValueUnsupported, reason)
        .help("write it as a number of less than 1.8e308 or leave it empty, or import without `--csv-types label-studio`")
}

fn changed(cell: &[u8]) -> Fault {
    let cell = cells::text(cell);
    Fault::new(
        Code::SourceChanged,
        format!("`{cell}` does not fit its column, as if the source was changed since the types were found out"),
    )
    .help(UNTOUCHED)
}

fn new_rows() -> Fault {
    Fault::new(
        Code::SourceChanged,
        "the source had no rows when the types of its columns were found out",
    )
    .help(UNTOUCHED)
}

const UNTOUCHED: &str = "let no one write to it while it is imported, and run again";

/// Where a record stands in its chunk.
#[must_use]
pub(super) fn mark(records: u64, record: &cells::Record) -> Mark {
    Mark {
        record: saturating(records),
        line: saturating(record.line),
        byte: saturating(record.start as u64),
    }
}
