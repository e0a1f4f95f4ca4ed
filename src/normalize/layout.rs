//! The fixed text around the cells of a row, written once for all rows of a chunk.

use super::fit::Fit;
use super::mapping::{Mapping, key};
use crate::error::Fault;
use crate::read::Shape;
use crate::read::files::Whole;

/// What stands around the cells of a row and around a single value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// `{"data":{`
    pub open: Vec<u8>,
    /// The columns that are kept, in order.
    pub cells: Vec<Cell>,
    /// What stands after the last cell: constant fields, and `}}`.
    pub close: Vec<u8>,
    /// What stands before a single value: `{"data":{"text":`; why there is no field for it, if there is none.
    pub single_open: Result<Vec<u8>, Fault>,
    /// What stands after a single value.
    pub single_close: Vec<u8>,
    /// What the labelling config needs a single value for, if it does; why no such value can fit, if none can.
    pub single_need: Result<Option<usize>, Fault>,
    /// Whether all records are single values.
    pub only_single: bool,
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
    /// The layout of records of this shape.
    #[must_use]
    pub fn new(shape: &Shape, mapping: &Mapping, fit: Option<&Fit>) -> Self {
        let (columns, only_single) = match shape {
            Shape::Table { columns, .. } | Shape::Columns(columns) => (columns.as_slice(), false),
            Shape::Lines(_) | Shape::Whole(_) => (Default::default(), true),
            Shape::Json(_) | Shape::Rejects => (Default::default(), false),
        };
        let open = br#"{"data":{"#.to_vec();
        let mut cells: Vec<Cell> = Vec::new();
        for (i, column) in columns.iter().enumerate() {
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
        let path = match shape {
            Shape::Whole(Whole::Series { .. } | Whole::SeriesAddress) => {
                mapping.data_key().series()
            }
            _ => mapping.data_key().single(),
        };
        let single_need = match (path, fit) {
            (Ok(path), Some(fit)) => fit.single(path),
            // Without a field for it, there is no task.
            _ => Ok(None),
        };
        let single_open = path.map(|path| single_open(&open, path));
        let depth = path.map_or(1, <[String]>::len);
        let mut single_close = vec![b'}'; depth.saturating_sub(1)];
        single_close.extend(close(mapping, true));
        Layout {
            close: close(mapping, !cells.is_empty()),
            open,
            cells,
            single_open: single_open.map_err(Clone::clone),
            single_close,
            single_need,
            only_single,
        }
    }

    /// Appends what stands before a single value.
    ///
    /// # Errors
    /// When there is no field for it.
    #[inline]
    pub fn open_single(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        match &self.single_open {
            Ok(open) => {
                out.extend_from_slice(open);
                Ok(())
            }
            Err(fault) => Err(fault.clone()),
        }
    }
}

/// `{"data":{"a":{"b":` for the field `b` of `a`.
fn single_open(open: &[u8], path: &[String]) -> Vec<u8> {
    let mut single = open.to_vec();
    for (depth, name) in path.iter().enumerate() {
        if depth > 0 {
            single.push(b'{');
        }
        single.extend(key(name));
    }
    single
}

/// Constant fields and the end of the task; `after_some`: fields come before them.
fn close(mapping: &Mapping, after_some: bool) -> Vec<u8> {
    let mut close = Vec::new();
    for (i, (name, value)) in mapping.constants().enumerate() {
        if i > 0 || after_some {
            close.push(b',');
        }
        close.extend(key(name));
        close.extend_from_slice(value.as_bytes());
    }
    close.extend_from_slice(b"}}");
    close
}
