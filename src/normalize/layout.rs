//! The fixed text around the cells of a row, written once for all rows of a chunk.

use super::fit::Fit;
use super::mapping::{Mapping, key};

/// What stands around the cells of a row and around a single value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// `{"data":{`
    pub open: Vec<u8>,
    /// The columns that are kept, in order.
    pub cells: Vec<Cell>,
    /// What stands after the last cell: constant fields, and `}}`.
    pub close: Vec<u8>,
    /// What stands before a single value: `{"data":{"text":`.
    pub single_open: Vec<u8>,
}

/// A column that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Its number in the table.
    pub column: usize,
    /// What stands before its cells: `"id":` or `,"text":`.
    pub before: Vec<u8>,
    /// What the labelling config needs it for, if it does.
    pub need: Option<usize>,
}

impl Layout {
    /// The layout of rows with these columns, or of single values if there are no columns to speak of.
    #[must_use]
    pub fn new(columns: Option<&[String]>, mapping: &Mapping, fit: Option<&Fit>) -> Self {
        let open = br#"{"data":{"#.to_vec();
        let mut cells: Vec<Cell> = Vec::new();
        for (i, column) in columns.unwrap_or_default().iter().enumerate() {
            let Some(name) = mapping.name_of(column) else {
                continue;
            };
            let mut before = if cells.is_empty() {
                Vec::new()
            } else {
                vec![b',']
            };
            before.extend(key(name));
            cells.push(Cell {
                column: i,
                before,
                need: fit.and_then(|fit| fit.need_of(column)),
            });
        }
        let mut close = Vec::new();
        for (i, (name, value)) in mapping.constants().enumerate() {
            if i > 0 || !cells.is_empty() || columns.is_none() {
                close.push(b',');
            }
            close.extend(key(name));
            close.extend_from_slice(value.as_bytes());
        }
        close.extend_from_slice(b"}}");
        let mut single_open = open.clone();
        single_open.extend(key(mapping.data_key()));
        Layout {
            open,
            cells,
            close,
            single_open,
        }
    }
}
