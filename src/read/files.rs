//! How files are read that say by their type alone what becomes of them: text by the line or whole, documents, tables
//! that are one value.

use std::sync::Arc;

use crate::source::sniff::Format;

/// What is asked for of such files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Where lines of text end.
    pub lines: LineEnds,
    /// A text file is one value, not lines.
    pub whole: bool,
    /// Documents are given as base64 of their bytes, as the labelling config asks.
    pub base64: bool,
    /// What a table is.
    pub series: Series,
    /// A table with this column is a list of tasks, whatever `series` says: the column holds the series, or their
    /// addresses.
    pub tasks_with: Option<String>,
}

/// Where a line of text ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LineEnds {
    /// At a line feed, with or without a carriage return before it.
    #[default]
    Lf,
    /// Where Label Studio ends it, which is where Python's `str.splitlines` does: also at VT, FF, FS, GS, RS, NEL, and the
    /// line and paragraph separators; a byte order mark is part of the first line.
    LabelStudio,
}

/// What a table is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Series {
    /// A list of tasks, one a row.
    #[default]
    Tasks,
    /// One task, with the columns in it as arrays.
    Json,
    /// One task, with the address of the file.
    Url,
}

/// A source that is one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whole {
    /// Text, verbatim.
    Text,
    /// Bytes, given in base64.
    Base64,
    /// The address of a file.
    Address,
    /// The address of a file by which whoever has it can read the file.
    Signed {
        /// Its address without that, for those who must not.
        plain: Arc<str>,
    },
    /// A table, given as an object with an array for each column.
    Series {
        /// The columns' names, made unique; none for one that is left out.
        columns: Vec<Option<String>>,
        /// The byte between cells.
        delimiter: u8,
    },
    /// The address of a table that is one value.
    SeriesAddress,
}

impl Files {
    /// What a source of this format is, if it is one value; nothing is known of a format that no name tells.
    #[must_use]
    pub fn document(&self, format: Option<Format>) -> Option<Whole> {
        let whole = match format {
            Some(Format::Html | Format::Xml) => true,
            Some(Format::Txt) | None => self.whole,
            Some(_) => false,
        };
        whole.then_some(if self.base64 {
            Whole::Base64
        } else {
            Whole::Text
        })
    }

    /// What a table with these columns is, if it is one value.
    #[must_use]
    pub fn series(&self, columns: &[String]) -> Series {
        let listed = self
            .tasks_with
            .as_ref()
            .is_some_and(|key| columns.contains(key));
        if listed || columns.is_empty() {
            Series::Tasks
        } else {
            self.series
        }
    }
}
