//! Parquet row groups to rows of JSON: pages are read as their rows are reached, in small batches.
//!
//! A file of some kilobytes can promise gigabytes: pages that decompress to them, lists of millions of nulls, strings
//! that repeat one another's beginnings. So every page passes a meter before it is decompressed. When what a batch
//! of rows needs does not fit, the batch is read again with fewer rows; when one row does not fit, it is too large.

mod meter;
mod pages;
mod unbounded;

use std::sync::Arc;

use arrow_array::RecordBatch;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowSelection, RowSelector};
use parquet::basic::Type;

use self::meter::Meter;
use self::pages::Pages;
use super::columns::{Columns, Setting, Utf8};
use super::{Consumer, Decode, Extent, Fatal, Mark, Nul};
use crate::error::{Code, Fault};
use crate::read::row_groups;

/// The most rows in a batch: enough to make the cost of starting one small.
const MOST_ROWS: usize = 4_096;

/// Bytes that a batch's rows should not take, going by the average of the row group.
const BATCH_BYTES: usize = 4 << 20;

/// How many times fewer rows are tried when a batch does not fit.
const FEWER: usize = 8;

/// The rows of one Parquet row group.
pub struct RowGroup {
    group: row_groups::RowGroup,
    meter: Arc<Meter>,
    nul: Nul,
    /// Rows in a batch.
    batch_rows: usize,
    reader: Option<ParquetRecordBatchReader>,
    current: Option<Columns>,
    /// Rows before those that are not finished.
    done: u32,
    /// Rows before those that are not read.
    read: u32,
}

impl RowGroup {
    /// A decoder that stands before the first row wanted of the row group; nothing is read yet.
    #[must_use]
    pub fn new(group: row_groups::RowGroup, nul: Nul) -> Self {
        let batch_rows = batch_rows(&group);
        let meter = Arc::new(Meter::new(group.page_bytes));
        let first_row = group.first_row;
        RowGroup {
            group,
            meter,
            nul,
            batch_rows,
            reader: None,
            current: None,
            done: first_row,
            read: first_row,
        }
    }

    /// The next batch of rows; nothing after the last.
    fn next(&mut self) -> Result<Option<RecordBatch>, Fault> {
        loop {
            self.meter.reset();
            match self.try_next() {
                Ok(batch) => return Ok(batch),
                Err(_) if self.meter.is_exceeded() && self.batch_rows > 1 => {
                    self.batch_rows = self.batch_rows.div_ceil(FEWER);
                    self.reader = None;
                    self.meter = Arc::new(Meter::new(self.group.page_bytes));
                }
                Err(_) if self.meter.is_exceeded() => return Err(self.too_large()),
                Err(cause) => return Err(self.damaged(&cause)),
            }
        }
    }

    fn try_next(&mut self) -> Result<Option<RecordBatch>, String> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            None => {
                let rest = self.group.rows - self.read;
                let selection = (self.read > 0).then(|| {
                    let rows = |rows| usize::try_from(rows).unwrap_or(usize::MAX);
                    RowSelection::from(vec![
                        RowSelector::skip(rows(self.read)),
                        RowSelector::select(rows(rest)),
                    ])
                });
                let pages = Pages {
                    group: &self.group,
                    meter: &self.meter,
                };
                let levels = &self.group.levels;
                let reader = ParquetRecordBatchReader::try_new_with_row_groups(
                    levels,
                    &pages,
                    self.batch_rows,
                    selection,
                );
                self.reader.insert(reader.map_err(|e| e.to_string())?)
            }
        };
        reader.next().transpose().map_err(|e| e.to_string())
    }

    #[cold]
    fn too_large(&self) -> Fault {
        let (index, row, limit) = (self.group.index, self.read, self.group.page_bytes);
        let column = self.meter.exceeded_by().unwrap_or_default();
        let reason = format!(
            "row {row} of row group {index} takes more than the {limit} bytes that may be held for it, in column \
             `{column}`"
        );
        Fault::new(Code::RecordTooLarge, reason).help("raise `--memory`, or leave the column out")
    }

    #[cold]
    fn damaged(&self, cause: &str) -> Fault {
        let (index, row) = (self.group.index, self.read);
        Fault::new(
            Code::Format,
            format!("row group {index} is damaged after row {row}: {cause}"),
        )
    }
}

impl Decode for RowGroup {
    fn decode<C: Consumer>(&mut self, consumer: &mut C) -> Result<bool, Fatal> {
        loop {
            if let Some(current) = &mut self.current {
                if current.decode(consumer)? {
                    return Ok(true);
                }
                self.current = None;
                self.done = self.read;
                if consumer.is_full() {
                    return Ok(true);
                }
            }
            let at = Mark {
                record: self.done - self.group.first_row,
                ..Mark::default()
            };
            let batch = self.next().map_err(|fault| (at, fault))?;
            let rows = batch.as_ref().map_or(0, RecordBatch::num_rows);
            let read = u32::try_from(rows)
                .ok()
                .and_then(|rows| self.read.checked_add(rows));
            match (batch, read) {
                (Some(batch), Some(read)) if read <= self.group.rows => {
                    let record_bytes = self.group.record_bytes;
                    let setting = Setting {
                        first: self.read - self.group.first_row,
                        record_bytes,
                        utf8: Utf8::Unchecked,
                    };
                    self.current = Some(Columns::with(&batch, setting, self.nul));
                    self.read = read;
                }
                (None, _) if self.done == self.group.rows => {
                    self.reader = None;
                    return Ok(false);
                }
                (batch, _) => {
                    let (index, rows) = (self.group.index, self.group.rows);
                    let found = if batch.is_some() {
                        "more".to_owned()
                    } else {
                        format!("only {}", self.done)
                    };
                    let reason = format!(
                        "row group {index} has {found} rows where the file's footer says {rows}"
                    );
                    return Err((at, Fault::new(Code::Format, reason)).into());
                }
            }
        }
    }

    fn extent(&self) -> Extent {
        let current = self
            .current
            .as_ref()
            .map_or(0, |current| current.extent().records);
        Extent {
            records: u64::from(self.done - self.group.first_row) + current,
            lines: 0,
        }
    }
}

/// As many rows as come, on average, to [`BATCH_BYTES`], but at least 16; fewer where values of a fixed length, which
/// are copied from a dictionary, could come to more than a quarter of what is allowed.
fn batch_rows(group: &row_groups::RowGroup) -> usize {
    let about = group.about();
    let rows = i64::from(group.rows.max(1));
    let average = usize::try_from(about.total_byte_size() / rows)
        .unwrap_or(0)
        .max(1);
    let fixed = about
        .columns()
        .iter()
        .filter(|column| column.column_type() == Type::FIXED_LEN_BYTE_ARRAY);
    let fixed: usize = fixed
        .map(|column| usize::try_from(column.column_descr().type_length()).unwrap_or(0))
        .sum();
    (BATCH_BYTES / average)
        .clamp(16, MOST_ROWS)
        .min((group.page_bytes / 4 / fixed.max(1)).max(1))
}
