//! Where a record stands: enough to name it in an error and to resume after it.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// The number of a source in the plan, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SourceId(pub u32);

/// Where a record starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Which source of the plan.
    pub source: SourceId,
    /// Which record of the source, from 1; a header is not a record.
    pub record: u64,
    /// Where in the source.
    #[serde(flatten)]
    pub at: At,
}

/// Where in a source: text is counted in lines and bytes, tables with row groups in rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum At {
    /// In text.
    Text {
        /// Line, from 1.
        line: u64,
        /// Byte offset from 0, after decompression and decoding to UTF-8.
        byte: u64,
    },
    /// In a Parquet or Arrow file.
    Row {
        /// Row group or record batch, from 0.
        group: u32,
        /// Row within the group, from 0.
        row: u64,
    },
}

/// A place with the source's name, as a person reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The source's name as given.
    pub source: Arc<str>,
    /// Where in it, if that is known.
    pub place: Option<Place>,
    /// Column in the line, in characters from 1, if it is known.
    pub column: Option<u64>,
}

impl Spot {
    /// The source as a whole.
    #[must_use]
    pub fn source(name: &Arc<str>) -> Self {
        Spot {
            source: Arc::clone(name),
            place: None,
            column: None,
        }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        let Some(Place { record, at, .. }) = self.place else {
            return Ok(());
        };
        match at {
            At::Text { line, byte } => {
                write!(f, ":{line}")?;
                if let Some(column) = self.column {
                    write!(f, ":{column}")?;
                }
                write!(f, "  (record {record}, byte {byte})")
            }
            At::Row { group, row } => {
                write!(f, "  (record {record}, row group {group}, row {row})")
            }
        }
    }
}
