//! Reading that starts in the middle of a source: the record at which a run goes on, and what is wrong with a source
//! that does not have it.
//!
//! A source is opened as ever, since its shape is told by its head. Text is then passed over up to the record's byte;
//! row groups and record batches are passed over up to the record's row.

use std::sync::Arc;

use super::Reader;
use crate::error::{Code, Error, Result};
use crate::place::{At, Place, SourceId, Spot};
use crate::source::Source;

/// What may be done about a source that has no such place.
const HELP: &str = "give the same input again, or begin a new run";

/// The record at which reading starts, in a source with others before it.
pub(super) struct Midway {
    source: Arc<str>,
    place: Place,
}

/// The same in a source of row groups or record batches, all of whose rows may be wanted.
pub(super) struct FirstRow(Option<(Midway, u32, u64)>);

impl Reader<'_> {
    /// Where reading starts in this source, if records come before that.
    pub(super) fn midway(&self, source: &Source) -> Option<Midway> {
        let place = self
            .from
            .filter(|from| from.source == source.id && from.record > 1)?;
        Some(Midway {
            source: Arc::clone(&source.name),
            place,
        })
    }

    /// The same for a source that is read by rows.
    pub(super) fn first_row(&self, source: &Source) -> Result<FirstRow> {
        let Some(midway) = self.midway(source) else {
            return Ok(FirstRow(None));
        };
        match midway.place.at {
            At::Row { group, row } => Ok(FirstRow(Some((midway, group, row)))),
            At::Text { .. } => Err(midway.other_format("text")),
        }
    }
}

impl Midway {
    /// Its offset in text.
    pub(super) fn byte(&self) -> Result<u64> {
        match self.place.at {
            At::Text { byte, .. } => Ok(byte),
            At::Row { .. } => Err(self.other_format("row groups")),
        }
    }

    /// The error of a source whose first record, at byte `first`, comes after it.
    pub(super) fn before_the_first(&self, first: u64) -> Error {
        let record = self.place.record;
        self.error(
            Code::Format,
            format!("the source's first record starts at byte {first}, after record {record}, where the run stopped"),
        )
    }

    /// The error of a source that ends before it.
    pub(super) fn after_the_end(&self) -> Error {
        let record = self.place.record;
        self.error(
            Code::SourceRead,
            format!("the source ends before record {record}, where the run stopped"),
        )
    }

    fn other_format(&self, then: &str) -> Error {
        self.error(
            Code::Format,
            format!("the run stopped in a source of {then}, and this is none"),
        )
    }

    fn error(&self, code: Code, message: String) -> Error {
        let spot = || Spot {
            source: Arc::clone(&self.source),
            place: Some(self.place),
            column: None,
        };
        Error::new(code, message).at(spot).help(HELP)
    }
}

impl FirstRow {
    /// Whether all rows of a group come before it.
    pub(super) fn is_after(&self, group: u32) -> bool {
        self.0.as_ref().is_some_and(|(_, first, _)| group < *first)
    }

    /// The first row that is wanted of a group which is not all before it.
    ///
    /// # Errors
    /// When the group should have it and has fewer rows.
    pub(super) fn of(&self, group: u32, rows: u32) -> Result<u32> {
        match &self.0 {
            Some((midway, first, row)) if *first == group => u32::try_from(*row)
                .ok()
                .filter(|row| *row < rows)
                .ok_or_else(|| midway.after_the_end()),
            _ => Ok(0),
        }
    }

    /// Makes sure that a source of so many groups had it.
    ///
    /// # Errors
    /// When it is in a group after these.
    pub(super) fn check_end(&self, groups: u32) -> Result<()> {
        match &self.0 {
            Some((midway, first, _)) if *first >= groups => Err(midway.after_the_end()),
            _ => Ok(()),
        }
    }
}

/// The error of a run that stopped in a source which is not there any more.
pub(super) fn no_source(source: SourceId, sources: usize) -> Error {
    let number = u64::from(source.0) + 1;
    Error::new(
        Code::SourceMissing,
        format!("the run stopped in its source number {number}, and there are {sources}"),
    )
    .help(HELP)
}
