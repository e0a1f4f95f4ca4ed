//! What the cells of CSV are: text, or values of the type that their column has.
//!
//! A type belongs to a whole column of one source, so it is known only after the source was read once from end to end:
//! the survey does that, with the same reader, before the run begins. What it found is handed to the reader of the run,
//! which puts it into the shape of every chunk.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Code, Error, Result};
use crate::place::SourceId;

/// How cells of CSV and TSV become values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CsvTypes {
    /// Every cell is text: nothing is lost.
    #[default]
    Text,
    /// A column has a type if every cell of it comes back to the same text.
    Auto,
    /// What Label Studio stores when the file is uploaded to it.
    LabelStudio,
}

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Text.
    Text,
    /// Integers of any size, as they are written.
    Integer,
    /// Numbers, as they are written.
    Number,
    /// `true` and `false`.
    Boolean,
    /// What Label Studio makes of the column.
    Stored(Stored),
}

/// What Label Studio makes of a column: the types that pandas has for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Integers of any size, without what is written around their digits; a missing one is `""`.
    Integer,
    /// Integers, some of which are missing: they are given as doubles.
    Whole,
    /// Doubles.
    Float,
    /// `true` and `false` in any case.
    Boolean,
    /// Text, in which the words for a missing value are `""`.
    Text,
    /// Text as it is: pandas had given up on large integers before it came to look for missing values.
    Literal,
}

/// What the types are called in the file of rejects, by which a mended record gets the values it would have had.
const NAMES: [(&str, ColumnType); 10] = [
    ("text", ColumnType::Text),
    ("integer", ColumnType::Integer),
    ("number", ColumnType::Number),
    ("boolean", ColumnType::Boolean),
    ("stored-integer", ColumnType::Stored(Stored::Integer)),
    ("stored-whole", ColumnType::Stored(Stored::Whole)),
    ("stored-float", ColumnType::Stored(Stored::Float)),
    ("stored-boolean", ColumnType::Stored(Stored::Boolean)),
    ("stored-text", ColumnType::Stored(Stored::Text)),
    ("stored-literal", ColumnType::Stored(Stored::Literal)),
];

impl ColumnType {
    /// What the type is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        let named = NAMES.iter().find(|(_, column_type)| *column_type == self);
        named.map_or("text", |(name, _)| name)
    }

    /// The type of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let named = NAMES.iter().find(|(known, _)| *known == name);
        named.map(|(_, column_type)| *column_type)
    }
}

/// What is known of the cells of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typing {
    /// The rule that the types follow.
    pub rule: CsvTypes,
    /// Cells at the start of each row that belong to no column: Label Studio drops them.
    pub leading: usize,
    /// The columns' types; none while they are being found out, and none if there was no row to find them out by.
    pub columns: Arc<[ColumnType]>,
}

/// What a survey found: the types of the columns of each table.
pub type Types = BTreeMap<SourceId, Arc<[ColumnType]>>;

impl Typing {
    /// What is known of the cells of a source with so many columns; `types` is nothing while they are found out.
    ///
    /// # Errors
    /// When the source is not the one that was surveyed.
    pub fn of(
        rule: CsvTypes,
        leading: usize,
        types: Option<&Types>,
        source: SourceId,
        columns: usize,
    ) -> Result<Self> {
        let found = match types.filter(|_| rule != CsvTypes::Text) {
            None => Arc::default(),
            Some(types) => match types.get(&source) {
                // It had no rows.
                None => Arc::default(),
                Some(found) if found.len() == columns => Arc::clone(found),
                Some(_) => return Err(changed()),
            },
        };
        Ok(Typing {
            rule,
            leading,
            columns: found,
        })
    }
}

impl Typing {
    /// What is known of the cells of a row by its columns' types alone.
    #[must_use]
    pub fn of_types(leading: usize, columns: Vec<ColumnType>) -> Self {
        let is_stored = |column_type: &ColumnType| matches!(column_type, ColumnType::Stored(_));
        Typing {
            rule: if columns.iter().any(is_stored) {
                CsvTypes::LabelStudio
            } else {
                CsvTypes::Auto
            },
            leading,
            columns: columns.into(),
        }
    }
}

fn changed() -> Error {
    let reason = "the source has other columns than when their types were found out";
    Error::new(Code::SourceChanged, reason)
        .help("let no one write to it while it is imported, and run again")
}
