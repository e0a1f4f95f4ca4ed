//! What the reader hands on.

use std::sync::Arc;

use super::batches;
use super::column_types::Typing;
use super::files::{LineEnds, Whole};
use super::row_groups;
use crate::budget::{AHEAD, Held};
use crate::buffer::Buffer;
use crate::error::Fault;
use crate::place::SourceId;
use crate::source::sniff::Framing;

/// Whole records of one source, in order: the unit of parallel work.
pub struct Chunk {
    /// The source they are from.
    pub source: SourceId,
    /// Where the body starts.
    pub start: Start,
    /// What the records look like; one for all chunks of a source.
    pub shape: Arc<Shape>,
    /// The records.
    pub body: Body,
    /// Their share of the budget.
    pub held: Held,
    /// Whether they are only counted, so that those after them have their places: another run reads them.
    pub only_counted: bool,
}

impl Chunk {
    /// How many answers of its job may be ready before the first is taken; their bytes are in its share of the budget.
    #[must_use]
    pub fn ahead(&self) -> usize {
        match &self.body {
            Body::RowGroup(group) => group.ahead,
            Body::Text(_) | Body::Batch(_) | Body::Oversize { .. } => AHEAD,
        }
    }
}

/// Where a chunk's body starts in its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// In text.
    Text {
        /// Byte offset from 0, after decompression and decoding to UTF-8.
        byte: u64,
        /// Lines between the end of the chunk before and this one: a header, the lines before an array's bracket.
        lines_before: u64,
        /// Which records of the source come before it.
        before: Before,
    },
    /// In a Parquet or Arrow file.
    Group {
        /// The row group or record batch, from 0.
        group: u32,
        /// The row in it, from 0.
        row: u64,
        /// Records between the end of the chunk before and this one: those of groups that another run reads.
        records_before: u64,
    },
}

/// The records of a source that come before a chunk of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// None.
    Nothing,
    /// Some that were passed over: the text starts with a record, not with what separates it from the one before.
    PassedOver,
    /// Those of the chunk before it.
    Chunk,
}

/// The records of a chunk.
pub enum Body {
    /// Text; owned, so that a job may do with it what it likes.
    Text(Buffer),
    /// One Arrow record batch, or a slice of one.
    Batch(batches::Batch),
    /// One Parquet row group, to be read by the job.
    RowGroup(row_groups::RowGroup),
    /// One record of text that is larger than a run may hold, passed over.
    Oversize {
        /// Its length in bytes.
        bytes: u64,
        /// The line ends in it.
        lines: u64,
        /// Why it is refused.
        fault: Fault,
    },
}

/// What the records of a source look like, learned on opening it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// JSON values.
    Json(Framing),
    /// Rows of cells.
    Table {
        /// The columns' names, made unique.
        columns: Vec<String>,
        /// The byte between cells.
        delimiter: u8,
        /// What the cells are.
        typing: Typing,
    },
    /// Lines, each a value of its own.
    Lines(LineEnds),
    /// One value.
    Whole(Whole),
    /// Arrow columns, by their names made unique.
    Columns(Vec<String>),
    /// Rejects of an earlier run, each in the shape of its own source.
    Rejects,
}
