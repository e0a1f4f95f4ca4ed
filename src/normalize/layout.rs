//! The fixed text around the cells of a row, written once for all rows of a chunk.

use super::mapping::{Mapping, key};

/// What stands around the cells of a row and around a single value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// `{"data":{`
    pub open: Vec<u8>,
    /// The columns that are kept, in order, each with what stands before its cell: `"id":` or `,"text":`.
    pub cells: Vec<(usize, Vec<u8>)>,
    /// What stands after the last cell: constant fields, and `}}`.
    pub close: Vec<u8>,
    /// What stands before a single value: `{"data":{"text":`.
    pub single_open: Vec<u8>,
}

impl Layout {
    /// The layout of rows with these columns, or of single values if there are no columns to speak of.
    #[must_use]
    pub fn new(columns: Option<&[String]>, mapping: &Mapping) -> Self {
        let open = br#"{"data":{"#.to_vec();
        let mut cells: Vec<(usize, Vec<u8>)> = Vec::new();
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
            cells.push((i, before));
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
