//! **Takes** [`Chunk`]s.
//! **Gives** their records, one after another and borrowed, to a [`Consumer`]; a bad one as a [`Fault`].
//! **Waits on** nothing (a row group is fetched from its file as it is decoded).
//! **To add one:** a [`Decode`] in a file of its own, and its arm in [`Decoder`].

pub mod blockwise;
pub mod columns;
pub mod csv;
pub mod csv_types;
pub mod json;
pub mod line_ends;
pub mod lines;
pub mod rejects;
pub mod row_group;
pub mod scan;
pub mod series;
mod tokens;
pub mod utf8;
pub mod watch;
pub mod whole;
pub mod write;

use std::sync::Arc;

use self::watch::Watch;
use crate::buffer::Buffer;
use crate::error::Fault;
use crate::read::column_types::CsvTypes;
use crate::read::files::{LineEnds, Whole};
use crate::read::{Before, Body, Chunk, Shape, Start};

/// Where a record stands in its chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Records of the chunk before it; bad ones are counted too.
    pub record: u32,
    /// Line ends of the chunk before it.
    pub line: u32,
    /// Bytes of the chunk before it.
    pub byte: u32,
}

/// Receives the records of a chunk, in order. The normalizer is one; tests have others.
pub trait Consumer {
    /// Whether it has enough for one answer: a decoder then returns, and is called again for the rest.
    fn is_full(&self) -> bool;
    /// A JSON value that has passed every check of [`scan`].
    fn json(&mut self, mark: Mark, value: scan::Value<'_>);
    /// A value that is text.
    fn text(&mut self, mark: Mark, text: &str);
    /// A row of a table.
    fn row<R: Row>(&mut self, mark: Mark, row: &R);
    /// A record that is none: what is wrong with it, and its bytes as far as they are text.
    fn fault(&mut self, mark: Mark, fault: Fault, raw: &[u8]);
    /// What was changed in the records since the last call.
    fn changed(&mut self, changes: Changes);
}

/// A row of a table, whose cells know how they are written as JSON.
pub trait Row {
    /// Appends the JSON value of one column's cell.
    ///
    /// # Errors
    /// When the cell has no JSON form, or none that a server survives. What was appended before is to be discarded.
    fn cell(&self, column: usize, out: &mut Vec<u8>, changes: &mut Changes) -> Result<(), Fault>;

    /// The row as its source has it, for the rejects file; empty where a source has no text form.
    fn raw(&self) -> &[u8];
}

/// What is changed in the data, by a stated rule or because the user asked for it; each change is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Changes {
    /// NaN and infinite values given as `null`.
    pub nulled: u64,
    /// NUL characters given as U+FFFD.
    pub nul_replaced: u64,
    /// Numbers of CSV that no double is equal to, given as the nearest.
    pub rounded: u64,
    /// Numbers of CSV whose leading zeros are gone.
    pub zeros_dropped: u64,
    /// Words of CSV for a missing value, such as `NA`, given as empty text.
    pub missing_emptied: u64,
    /// Cells of CSV left out because their rows are longer than the header.
    pub cells_dropped: u64,
}

impl std::ops::AddAssign for Changes {
    fn add_assign(&mut self, more: Changes) {
        self.nulled += more.nulled;
        self.nul_replaced += more.nul_replaced;
        self.rounded += more.rounded;
        self.zeros_dropped += more.zeros_dropped;
        self.missing_emptied += more.missing_emptied;
        self.cells_dropped += more.cells_dropped;
    }
}

/// A fault after which nothing in the source can be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fatal {
    /// Where the record stands.
    pub mark: Mark,
    /// What is wrong with it.
    pub fault: Fault,
    /// The text from the start of the record's line to the trouble, by which it gets its line and column; none where that
    /// start is not at hand, or there is no text.
    pub read: Option<Vec<u8>>,
}

impl From<(Mark, Fault)> for Fatal {
    fn from((mark, fault): (Mark, Fault)) -> Self {
        Fatal {
            mark,
            fault,
            read: None,
        }
    }
}

/// Decodes one chunk.
pub trait Decode {
    /// Hands on records until the consumer is full or the chunk ends; true when there is more.
    ///
    /// # Errors
    /// When nothing after this in the source can be trusted.
    fn decode<C: Consumer>(&mut self, consumer: &mut C) -> Result<bool, Fatal>;

    /// What the chunk comes to, as far as it is decoded.
    fn extent(&self) -> Extent;
}

/// What a decoder has passed over so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Records, good and bad.
    pub records: u64,
    /// Line ends.
    pub lines: u64,
}

/// The decoder of one chunk.
pub enum Decoder {
    /// JSON.
    Json(json::Json),
    /// Rows of CSV and its kin, every cell text.
    Csv(csv::Csv),
    /// The same with typed columns.
    TypedCsv(csv_types::TypedCsv),
    /// Lines.
    Lines(lines::Lines),
    /// Lines as Label Studio has them.
    LineEnds(line_ends::LineEnds),
    /// One value.
    Whole(whole::Whole),
    /// A table that is one value.
    Series(series::Series),
    /// An Arrow record batch.
    Columns(columns::Columns),
    /// A Parquet row group.
    RowGroup(row_group::RowGroup),
    /// The rejects of an earlier run.
    Rejects(rejects::Rejects),
    /// A record too large to be held.
    Oversize(Oversize),
}

/// A record that was passed over, to be reported once.
pub struct Oversize {
    fault: Fault,
    lines: u64,
}

impl Decoder {
    /// The decoder for a chunk's shape and body. It takes the body; what else the chunk holds stays with the caller.
    /// `watch`: the fields to note in JSON.
    #[must_use]
    pub fn new(chunk: &mut Chunk, nul: Nul, watch: &Arc<Watch>) -> Decoder {
        let before = match chunk.start {
            Start::Text { before, .. } => before,
            Start::Group { .. } => Before::Chunk,
        };
        let body = std::mem::replace(&mut chunk.body, Body::Text(Buffer::default()));
        match (body, &*chunk.shape) {
            (Body::Oversize { lines, fault, .. }, _) => {
                Decoder::Oversize(Oversize { fault, lines })
            }
            (Body::Batch(batch), _) => Decoder::Columns(columns::Columns::new(&batch, nul)),
            (Body::RowGroup(group), _) => Decoder::RowGroup(row_group::RowGroup::new(group, nul)),
            (Body::Text(text), Shape::Json(framing)) => {
                Decoder::Json(json::Json::new(text, *framing, before, nul, watch))
            }
            (
                Body::Text(text),
                Shape::Table {
                    columns,
                    delimiter,
                    typing,
                },
            ) => match typing.rule {
                CsvTypes::Text => Decoder::Csv(csv::Csv::new(text, columns.len(), *delimiter, nul)),
                CsvTypes::Auto | CsvTypes::LabelStudio => Decoder::TypedCsv(
                    csv_types::TypedCsv::new(text, columns.len(), *delimiter, typing, nul),
                ),
            },
            (Body::Text(text), Shape::Rejects) => {
                Decoder::Rejects(rejects::Rejects::new(text, nul, watch))
            }
            (Body::Text(text), Shape::Lines(LineEnds::LabelStudio)) => {
                Decoder::LineEnds(line_ends::LineEnds::new(text))
            }
            (Body::Text(text), Shape::Whole(Whole::Series { columns, delimiter })) => {
                Decoder::Series(series::Series::new(text, columns.clone(), *delimiter, nul))
            }
            (Body::Text(text), Shape::Whole(whole)) => {
                Decoder::Whole(whole::Whole::new(text, *whole == Whole::Base64))
            }
            (Body::Text(text), Shape::Lines(LineEnds::Lf) | Shape::Columns(_)) => {
                Decoder::Lines(lines::Lines::new(text))
            }
        }
    }
}

/// What to do about a NUL character in text, which PostgreSQL cannot store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nul {
    /// Reject the record.
    #[default]
    Reject,
    /// Put U+FFFD in its place, and count it.
    Replace,
}

impl Decode for Decoder {
    fn decode<C: Consumer>(&mut self, consumer: &mut C) -> Result<bool, Fatal> {
        match self {
            Decoder::Json(d) => d.decode(consumer),
            Decoder::Csv(d) => d.decode(consumer),
            Decoder::TypedCsv(d) => d.decode(consumer),
            Decoder::Lines(d) => d.decode(consumer),
            Decoder::LineEnds(d) => d.decode(consumer),
            Decoder::Whole(d) => d.decode(consumer),
            Decoder::Series(d) => d.decode(consumer),
            Decoder::Columns(d) => d.decode(consumer),
            Decoder::RowGroup(d) => d.decode(consumer),
            Decoder::Rejects(d) => d.decode(consumer),
            Decoder::Oversize(record) => {
                consumer.fault(Mark::default(), record.fault.clone(), &[]);
                Ok(false)
            }
        }
    }

    fn extent(&self) -> Extent {
        match self {
            Decoder::Json(d) => d.extent(),
            Decoder::Csv(d) => d.extent(),
            Decoder::TypedCsv(d) => d.extent(),
            Decoder::Lines(d) => d.extent(),
            Decoder::LineEnds(d) => d.extent(),
            Decoder::Whole(d) => d.extent(),
            Decoder::Series(d) => d.extent(),
            Decoder::Columns(d) => d.extent(),
            Decoder::RowGroup(d) => d.extent(),
            Decoder::Rejects(d) => d.extent(),
            Decoder::Oversize(record) => Extent {
                records: 1,
                lines: record.lines,
            },
        }
    }
}
