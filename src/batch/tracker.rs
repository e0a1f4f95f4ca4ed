//! Keeps count of records and lines, chunk by chunk, so that a mark within a chunk becomes a place in its source.

use crate::decode::{Extent, Mark};
use crate::place::{At, Place, SourceId};
use crate::read::Start;

/// Where the batcher stands.
#[derive(Debug, Default)]
pub struct Tracker {
    source: Option<SourceId>,
    /// The chunk that is being taken; its lines before it are counted once.
    start: Option<Start>,
    /// Records and line ends of the source before the chunk.
    records: u64,
    lines: u64,
}

impl Tracker {
    /// Stands before the record at `place`: what comes first is what reading from there gives.
    #[must_use]
    pub fn starting_at(place: Place) -> Self {
        if place.record <= 1 {
            // Its source is read from the start, and its lines are counted from there.
            return Tracker::default();
        }
        let lines = match place.at {
            At::Text { line, .. } => line.saturating_sub(1),
            At::Row { .. } => 0,
        };
        Tracker {
            source: Some(place.source),
            start: None,
            records: place.record - 1,
            lines,
        }
    }

    /// Tasks of this chunk follow; it may be the one they followed from before.
    pub fn enter(&mut self, source: SourceId, start: Start) {
        if self.source != Some(source) {
            *self = Tracker {
                source: Some(source),
                ..Tracker::default()
            };
        }
        if self.start.is_none() {
            self.start = Some(start);
            match start {
                Start::Text { lines_before, .. } => self.lines += lines_before,
                Start::Group { records_before, .. } => self.records += records_before,
            }
        }
    }

    /// The chunk has ended.
    pub fn leave(&mut self, extent: Extent) {
        self.start = None;
        self.records += extent.records;
        self.lines += extent.lines;
    }

    /// Where in the source a mark of the chunk is.
    #[must_use]
    pub fn place(&self, mark: Mark) -> Place {
        let at = match self.start {
            Some(Start::Group { group, row, .. }) => At::Row {
                group,
                row: row + u64::from(mark.record),
            },
            Some(Start::Text { byte, .. }) => At::Text {
                line: self.lines + u64::from(mark.line) + 1,
                byte: byte + u64::from(mark.byte),
            },
            None => At::Text {
                line: self.lines + 1,
                byte: 0,
            },
        };
        let source = self.source.unwrap_or_default();
        Place {
            source,
            record: self.records + u64::from(mark.record) + 1,
            at,
        }
    }

    /// Where the next record starts, as far as is known.
    #[must_use]
    pub fn reached(&self) -> Option<Place> {
        self.start.is_some().then(|| self.place(Mark::default()))
    }
}
