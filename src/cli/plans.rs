//! How plans are made of what the user typed.

use std::sync::Arc;
use std::thread;

use super::args::{LimitArguments, ReadingArguments};
use crate::batch::limits::{Limits, MOST_BYTES, MOST_TASKS};
use crate::buffer::{Buffers, SPARE_BUFFERS};
use crate::decode::Nul;
use crate::normalize::Normalizer;
use crate::normalize::dedupe::Dedupe;
use crate::normalize::fit::Fit;
use crate::normalize::inline::Inline;
use crate::normalize::join::Join;
use crate::normalize::mapping::Mapping;
use crate::normalize::provenance::Provenance;
use crate::plan::{MOST_RECORD_BYTES, Plan, Tolerance, new_run_id};
use crate::read::column_types::CsvTypes;
use crate::read::files::Files;
use crate::read::{RECORDS_IN_MEMORY, Reading};
use crate::source::local::Listing;
use crate::source::spool::SPOOL_LIMIT;

/// Bytes of text in a chunk: about the size of a second-level cache. Builds for tests take tiny ones, so that every
/// test crosses boundaries.
const CHUNK_BYTES: usize = if cfg!(debug_assertions) {
    4 << 10
} else {
    512 << 10
};

/// What becomes of fields.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) mapping: Mapping,
    pub(super) fit: Option<Fit>,
    pub(super) join: Option<Join>,
    pub(super) provenance: bool,
    pub(super) dedupe: Option<Dedupe>,
    pub(super) inline: Option<Inline>,
    pub(super) nul: Nul,
}

impl Default for LimitArguments {
    /// What holds where nothing is said; a test holds this to the flags.
    fn default() -> Self {
        LimitArguments {
            max_tasks: MOST_TASKS,
            max_bytes: MOST_BYTES,
            max_rejects: Tolerance::Count(100),
            memory: 256 << 20,
            threads: None,
            chunk_bytes: None,
        }
    }
}

impl ReadingArguments {
    /// How sources are read within these limits.
    pub(super) fn within(&self, limits: &LimitArguments) -> Reading {
        Reading {
            format: self.format,
            delimiter: self.delimiter,
            header: !self.no_header,
            csv_types: self.csv_types.into(),
            encoding: self.encoding,
            ..limits.reading()
        }
    }
}

impl LimitArguments {
    /// How sources are read within these limits, if nothing is said of their format.
    pub(super) fn reading(&self) -> Reading {
        Reading {
            format: None,
            delimiter: None,
            header: true,
            csv_types: CsvTypes::Text,
            encoding: None,
            chunk_bytes: self.chunk_bytes.unwrap_or(CHUNK_BYTES),
            record_bytes: (self.memory / RECORDS_IN_MEMORY).clamp(1, MOST_RECORD_BYTES),
            pick: None,
            files: Files::default(),
        }
    }

    /// A plan within these limits; `bounds` are those of an import.
    pub(super) fn plan(
        &self,
        listing: Listing,
        reading: Reading,
        fields: Fields,
        bounds: Limits,
    ) -> Plan {
        let run = new_run_id();
        let provenance = fields
            .provenance
            .then(|| Provenance::new(&run, &listing.sources));
        Plan {
            run,
            sources: listing.sources,
            left_out: listing.left_out,
            reading,
            normalizer: Arc::new(Normalizer {
                mapping: fields.mapping,
                fit: fields.fit.map(Arc::new),
                predictions: None,
                provenance,
                dedupe: fields.dedupe,
                join: fields.join.map(Arc::new),
                dead: None,
                inline: fields.inline.map(Arc::new),
                nul: fields.nul,
                task_bytes: bounds.task_bytes(),
                separator: bounds.framing.separator,
                buffers: Buffers::new(SPARE_BUFFERS),
            }),
            limits: bounds,
            threads: self.threads.map_or_else(processors, usize::from),
            memory: self.memory,
            max_rejects: self.max_rejects,
            spool_limit: SPOOL_LIMIT,
            media_check: None,
            shard: None,
        }
    }
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::LimitArguments;

    #[test]
    fn the_default_limits_are_those_of_the_flags() {
        let command = LimitArguments::augment_args(Command::new("limits"));
        let flags = LimitArguments::from_arg_matches(&command.get_matches_from(["limits"]));
        let flags = flags.map(|limits| format!("{limits:?}")).ok();
        assert_eq!(flags, Some(format!("{:?}", LimitArguments::default())));
    }
}
