//! Arrow columns to rows of JSON. Every Arrow type has one form:
//!
//! | Arrow | JSON |
//! | --- | --- |
//! | null of any type, Null | `null` |
//! | Boolean | `true`, `false` |
//! | Int8 to Int64, UInt8 to UInt64 | digits |
//! | Float16, Float32, Float64 | the fewest digits that read back as the same value of that type; `-0.0` keeps its sign; NaN and infinities are `null` and counted |
//! | Decimal32 to Decimal256 | a number with exactly the digits of its scale (`1.50`); a negative scale is written out (`1500`); never through a double (none is out of a double's range: 2^255 × 10^128 at most) |
//! | Utf8, LargeUtf8, Utf8View | a string |
//! | Binary, LargeBinary, BinaryView, FixedSizeBinary | a string: base64 with padding (RFC 4648, section 4) |
//! | Date32 | `"2024-02-29"` |
//! | Date64 | the same; with a time of day, as a Timestamp |
//! | Time32, Time64 | `"13:05:09.123"`: as many digits of a second as the unit has (0, 3, 6, 9), none where they are all zero |
//! | Timestamp without a zone | `"2024-02-29T13:05:09.123"`, digits as for times |
//! | Timestamp with an offset (`+02:00`) | at that offset: `"2024-02-29T15:05:09+02:00"`; offset zero is `Z` |
//! | Timestamp with a named zone | the instant in UTC: `"2024-02-29T13:05:09Z"` (the zone's rules are no part of the file) |
//! | Duration | ISO 8601 in seconds, zeros at the end trimmed: `"PT90061.5S"`, `"PT-1.5S"` |
//! | Interval | ISO 8601, each part with its own sign, as PostgreSQL writes it: `"P1Y2M"`, `"P3DT-4.5S"`, `"P1M2DT3.5S"`; nothing at all is `"PT0S"` |
//! | List, LargeList, FixedSizeList, ListView, LargeListView | an array |
//! | Struct | an object with every field; a repeated field name becomes `a`, `a.1`, as columns do |
//! | Map | an object; a key that is no string is written as its JSON text; where a map has a key twice, an array of `[key, value]` |
//! | Dictionary, RunEndEncoded | the value |
//! | Union | the value of the active child |
//!
//! Years outside 0000 to 9999 have a sign and as many digits as they take (`+10000-01-01`, ISO 8601 by agreement); the
//! end of a day is `24:00:00`. Times outside a day, and text that is not UTF-8, are faults of the record. So is a record
//! that takes more bytes of JSON than a run may hold: a few bytes of Arrow can stand for any amount of it.

mod nested;
mod plain;
mod time;

use std::cell::Cell as Counter;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;

use super::{Changes, Consumer, Decode, Extent, Fatal, Mark, Nul, Row};
use crate::error::{Code, Fault};
use crate::read::batches::Batch;

/// The rows of one Arrow record batch.
pub struct Columns {
    names: Vec<String>,
    cells: Vec<Box<dyn Cells>>,
    rows: usize,
    next: usize,
    first: u32,
    nul: Nul,
    record_bytes: usize,
}

impl Columns {
    /// A decoder that stands before the batch's first row.
    #[must_use]
    pub fn new(batch: &Batch, nul: Nul) -> Self {
        Columns::with(
            &batch.records,
            Setting {
                first: 0,
                record_bytes: batch.record_bytes,
                utf8: Utf8::Checked,
            },
            nul,
        )
    }

    /// The same, for a batch that is a part of something larger.
    pub(super) fn with(batch: &RecordBatch, setting: Setting, nul: Nul) -> Self {
        let names = batch
            .schema_ref()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let cells = batch
            .columns()
            .iter()
            .map(|column| cells(column, setting.utf8, nul))
            .collect();
        let Setting {
            first,
            record_bytes,
            ..
        } = setting;
        Columns {
            names,
            cells,
            rows: batch.num_rows(),
            next: 0,
            first,
            nul,
            record_bytes,
        }
    }
}

/// How a batch's rows are to be given.
#[derive(Clone, Copy)]
pub(super) struct Setting {
    /// Rows of the chunk before the batch.
    pub first: u32,
    /// Bytes of JSON a record may come to.
    pub record_bytes: usize,
    /// What is known of its strings.
    pub utf8: Utf8,
}

/// What is known of the bytes of strings.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Utf8 {
    /// They are UTF-8.
    Checked,
    /// They may be anything: the Parquet reader checks only what is annotated as `UTF8`, and not what is as `JSON`.
    Unchecked,
}

impl Decode for Columns {
    fn decode<C: Consumer>(&mut self, consumer: &mut C) -> Result<bool, Fatal> {
        while self.next < self.rows {
            // At most 2^32 rows in a chunk: the reader refuses more.
            let record = self
                .first
                .saturating_add(u32::try_from(self.next).unwrap_or(u32::MAX));
            let row = RowOf {
                columns: self,
                row: self.next,
                written: Counter::new(0),
            };
            consumer.row(
                Mark {
                    record,
                    ..Mark::default()
                },
                &row,
            );
            self.next += 1;
            if consumer.is_full() {
                break;
            }
        }
        Ok(self.next < self.rows)
    }

    fn extent(&self) -> Extent {
        Extent {
            records: self.next as u64,
            lines: 0,
        }
    }
}

/// One row, and how many bytes of JSON it has come to.
struct RowOf<'a> {
    columns: &'a Columns,
    row: usize,
    written: Counter<usize>,
}

impl Row for RowOf<'_> {
    fn cell(&self, column: usize, out: &mut Vec<u8>, changes: &mut Changes) -> Result<(), Fault> {
        let columns = self.columns;
        let start = out.len();
        let limit = columns.record_bytes;
        let room = limit.saturating_sub(self.written.get());
        let mut pen = Pen {
            nul: columns.nul,
            changes,
            end: start.saturating_add(room),
            limit,
        };
        columns.cells[column]
            .write(self.row, out, &mut pen)
            .map_err(|fault| named(fault, &columns.names[column]))?;
        self.written.set(self.written.get() + (out.len() - start));
        Ok(())
    }

    fn raw(&self) -> &[u8] {
        &[]
    }
}

#[cold]
fn named(mut fault: Fault, column: &str) -> Fault {
    fault.reason = format!("column `{column}`: {}", fault.reason);
    fault
}

/// What all values of a row are written with.
struct Pen<'a> {
    nul: Nul,
    changes: &'a mut Changes,
    /// The length that the output must not grow past.
    end: usize,
    /// The same as a number of bytes for a record, for the message.
    limit: usize,
}

impl Pen<'_> {
    /// Makes sure that `more` bytes fit.
    #[inline]
    fn room(&self, out: &[u8], more: usize) -> Result<(), Fault> {
        if out.len().saturating_add(more) > self.end {
            Err(self.full())
        } else {
            Ok(())
        }
    }

    #[cold]
    fn full(&self) -> Fault {
        Fault::new(
            Code::RecordTooLarge,
            format!("the record comes to more than {} bytes of JSON", self.limit),
        )
        .help("raise `--memory`")
    }
}

/// The values of one array, to be written one at a time. An array is looked at once, when this is made.
trait Cells: Send {
    /// Appends the JSON of one value.
    fn write(&self, row: usize, out: &mut Vec<u8>, pen: &mut Pen<'_>) -> Result<(), Fault>;
}

/// The cells of any array.
fn cells(array: &ArrayRef, utf8: Utf8, nul: Nul) -> Box<dyn Cells> {
    let cells = match array.data_type() {
        DataType::Null => return Box::new(plain::Nulls),
        DataType::Boolean => Box::new(plain::Booleans(array.as_boolean().clone())),
        DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Timestamp(..) => time::instants(array),
        DataType::Duration(_) | DataType::Interval(_) => time::spans(array),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => plain::strings(array, utf8),
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => plain::binaries(array),
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::Struct(_)
        | DataType::Map(..)
        | DataType::Dictionary(..)
        | DataType::RunEndEncoded(..)
        | DataType::Union(..) => nested::nested(array, utf8, nul),
        _ => plain::numbers(array),
    };
    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        Some(nulls) => Box::new(plain::Nullable {
            nulls: nulls.clone(),
            cells,
        }),
        None => cells,
    }
}

/// The fault of a value that has no JSON form.
#[cold]
fn unsupported(what: impl std::fmt::Display) -> Fault {
    Fault::new(Code::ValueUnsupported, what.to_string())
}

/// The cells of a type that a newer version of the format may bring.
struct Unknown(DataType);

impl Cells for Unknown {
    fn write(&self, _: usize, _: &mut Vec<u8>, _: &mut Pen<'_>) -> Result<(), Fault> {
        Err(unsupported(format_args!(
            "values of type {} have no JSON form",
            self.0
        )))
    }
}
