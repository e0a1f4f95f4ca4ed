//! What the cells of one chunk say of the types of their columns.

use std::sync::Arc;

use super::rows::{Rows, unquoted};
use super::{auto, infinite, pandas};
use crate::buffer::Buffer;
use crate::decode::{Extent, Mark};
use crate::error::Fault;
use crate::place::SourceId;
use crate::read::column_types::{ColumnType, CsvTypes, Stored, Typing};
use crate::read::{Body, Chunk, Shape, Start};

/// What one chunk says.
pub struct Surveyed {
    /// Its source.
    pub source: SourceId,
    /// Where it starts.
    pub start: Start,
    /// What it comes to.
    pub extent: Extent,
    /// What its cells say of their columns.
    pub columns: Columns,
    /// Its rows that are none.
    pub faults: u64,
    /// The first of them.
    pub first_fault: Option<(Mark, Fault)>,
    /// For each column, its infinite numbers, and the first of them; none at all where there is none in any.
    pub infinite: Vec<(u64, Option<(Mark, Fault)>)>,
}

/// What the cells of a table seen so far say of their columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Columns {
    /// By the rule that loses nothing.
    Auto(Vec<auto::Column>),
    /// By the rule of Label Studio.
    Server(Vec<pandas::Column>),
}

impl Columns {
    /// Nothing is said of so many columns.
    #[must_use]
    pub fn new(rule: CsvTypes, columns: usize) -> Self {
        if rule == CsvTypes::LabelStudio {
            Columns::Server(vec![pandas::Column::default(); columns])
        } else {
            Columns::Auto(vec![auto::Column::default(); columns])
        }
    }

    /// Takes in what the rows say that come after those seen so far.
    pub fn merge(&mut self, later: &Columns) {
        match (self, later) {
            (Columns::Auto(all), Columns::Auto(later)) => {
                for (column, later) in all.iter_mut().zip(later) {
                    column.merge(*later);
                }
            }
            (Columns::Server(all), Columns::Server(later)) => {
                for (column, later) in all.iter_mut().zip(later) {
                    column.merge(*later);
                }
            }
            (Columns::Auto(_), Columns::Server(_)) | (Columns::Server(_), Columns::Auto(_)) => {}
        }
    }

    /// The columns' types, if those were all rows.
    #[must_use]
    pub fn types(&self) -> Arc<[ColumnType]> {
        match self {
            Columns::Auto(all) => all.iter().map(|column| column.column_type()).collect(),
            Columns::Server(all) => all
                .iter()
                .map(|column| ColumnType::Stored(column.stored()))
                .collect(),
        }
    }
}

/// Whether an infinite number in a column of this type is at fault.
#[must_use]
pub fn refuses_infinite(column_type: ColumnType) -> bool {
    column_type == ColumnType::Stored(Stored::Float)
}

/// Looks at the cells of a chunk; none if it is not of a table.
#[must_use]
pub fn survey(mut chunk: Chunk) -> Option<Surveyed> {
    let Shape::Table {
        columns,
        delimiter,
        typing,
    } = &*chunk.shape
    else {
        return None;
    };
    let mut surveyed = Surveyed {
        source: chunk.source,
        start: chunk.start,
        extent: Extent::default(),
        columns: Columns::new(typing.rule, columns.len()),
        faults: 0,
        first_fault: None,
        infinite: Vec::new(),
    };
    match std::mem::replace(&mut chunk.body, Body::Text(Buffer::default())) {
        Body::Text(text) => {
            let rows = Rows::new(text, columns.len(), *delimiter, typing);
            surveyed.look(rows, typing);
        }
        Body::Oversize { lines, fault, .. } => {
            surveyed.fault(Mark::default(), fault);
            surveyed.extent = Extent { records: 1, lines };
        }
        Body::Batch(_) | Body::RowGroup(_) => {}
    }
    Some(surveyed)
}

impl Surveyed {
    fn look(&mut self, mut rows: Rows, typing: &Typing) {
        while let Some((mark, record, outcome)) = rows.next() {
            if let Err(fault) = outcome {
                self.fault(mark, fault);
                continue;
            }
            match &mut self.columns {
                Columns::Auto(columns) => {
                    for (i, column) in columns.iter_mut().enumerate() {
                        column.see(&unquoted(rows.cell(&record, i)));
                    }
                }
                Columns::Server(columns) => {
                    let count = columns.len();
                    for (i, column) in columns.iter_mut().enumerate() {
                        let cell = unquoted(rows.cell(&record, i + typing.leading));
                        if column.see(&cell) {
                            self.infinite.resize(count, (0, None));
                            let (found, first) = &mut self.infinite[i];
                            *found += 1;
                            first.get_or_insert_with(|| (mark, infinite(&cell)));
                        }
                    }
                }
            }
        }
        self.extent = rows.extent();
    }

    fn fault(&mut self, mark: Mark, fault: Fault) {
        self.faults += 1;
        self.first_fault.get_or_insert((mark, fault));
    }
}
