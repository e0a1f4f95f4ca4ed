//! What will run: sources listed, formats and limits fixed, nothing opened.

pub mod shard;

use std::io::BufWriter;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use self::shard::Shard;
use crate::batch::limits::Limits;
use crate::error::{Code, Error, Result};
use crate::normalize::Normalizer;
use crate::normalize::media::References;
use crate::read::Reading;
use crate::source::Location;
use crate::source::listed::Sources;

/// The largest record whatever the memory, since marks count in 32 bits.
pub const MOST_RECORD_BYTES: usize = 1 << 30;

/// One invocation's work.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The run's id.
    pub run: String,
    /// What is read, in order.
    pub sources: Sources,
    /// Files that were passed over in folders.
    pub left_out: Vec<PathBuf>,
    /// How it is read.
    pub reading: Reading,
    /// How records become tasks.
    pub normalizer: Arc<Normalizer>,
    /// What an import may hold.
    pub limits: Limits,
    /// Threads that decode.
    pub threads: usize,
    /// Bytes in flight between the reader and the batcher.
    pub memory: usize,
    /// How many records may be rejected.
    pub max_rejects: Tolerance,
    /// Bytes of standard input that may be kept on the disk, where it has to be read twice; of a member of an archive, where
    /// its format is read from its end.
    pub spool_limit: u64,
    /// Whether it is looked before the run that the media are there of which tasks speak.
    pub media_check: Option<MediaCheck>,
    /// Which part of the sources this run reads, where several share them.
    pub shard: Option<Shard>,
}

/// A look at the media that tasks speak of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaCheck {
    /// How many are asked for.
    pub sample: Sample,
    /// Which fields speak of them.
    pub references: References,
}

/// How many media are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// So many, drawn from all: one that is not there ends the run.
    Some(NonZeroUsize),
    /// All: records that speak of one that is not there are rejected.
    All,
}

/// The largest sample that is drawn: it is held in memory.
const MOST_SAMPLED: usize = 100_000;

impl std::str::FromStr for Sample {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Sample::All);
        }
        let number = text.parse::<NonZeroUsize>().ok();
        number
            .filter(|number| number.get() <= MOST_SAMPLED)
            .map(Sample::Some)
            .ok_or_else(|| {
                format!("`{text}` is neither `all` nor a number from 1 to {MOST_SAMPLED}")
            })
    }
}

/// How many records may be rejected before the run ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// So many; one more ends the run.
    Count(u64),
    /// So many of a hundred; judged once 1,000 records have passed, and at the end.
    Percent(f64),
}

/// Records that must have passed before a share of them is judged.
const JUDGED_FROM: u64 = 1_000;

impl Tolerance {
    /// Whether `rejects` of `records` are too many; `at_end`: there are no more to come.
    #[must_use]
    pub fn exceeded(self, rejects: u64, records: u64, at_end: bool) -> bool {
        match self {
            Tolerance::Count(most) => rejects > most,
            Tolerance::Percent(share) => {
                (at_end || records >= JUDGED_FROM)
                    && rejects as f64 * 100.0 > share * records as f64
            }
        }
    }
}

impl std::str::FromStr for Tolerance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is neither a number such as `100` nor a share such as `5%`");
        match text.strip_suffix('%') {
            Some(share) => match share.trim().parse::<f64>() {
                Ok(share) if (0.0..=100.0).contains(&share) => Ok(Tolerance::Percent(share)),
                _ => Err(bad()),
            },
            None => text.parse().map(Tolerance::Count).map_err(|_| bad()),
        }
    }
}

impl std::fmt::Display for Tolerance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Tolerance::Count(most) => write!(f, "{most}"),
            Tolerance::Percent(share) => write!(f, "{share}%"),
        }
    }
}

impl Plan {
    /// The same, of a run with this id.
    #[must_use]
    pub fn of_run(self, run: &str) -> Self {
        Plan {
            run: run.to_owned(),
            normalizer: self.normalizer.of_run(run),
            ..self
        }
    }

    /// The digest of all that decides what the tasks are: the sources' names, and every option that changes a byte.
    /// Threads and memory are not among them. Whether a source has changed is seen by comparing it.
    ///
    /// # Errors
    /// Never, unless a name cannot be written as JSON.
    pub fn digest(&self) -> Result<String> {
        #[derive(Serialize)]
        struct Decisive<S, A> {
            sources: S,
            addresses: A,
            reading: String,
            normalizer: String,
            tasks: usize,
            bytes: usize,
            /// Seconds that signed addresses are good for. What they are is no matter: they are others each time.
            #[serde(skip_serializing_if = "Option::is_none")]
            presigned: Option<u64>,
        }
        let mut presigned = None;
        for source in &self.sources {
            if let Location::Presigned(_, time) = source?.location {
                presigned = Some(time.as_secs());
                break;
            }
        }
        let Reading {
            format,
            delimiter,
            header,
            encoding,
            record_bytes,
            pick,
            files,
            csv_types,
            ..
        } = &self.reading;
        let Normalizer {
            mapping,
            predictions,
            provenance,
            dedupe,
            join,
            inline,
            nul,
            ..
        } = &*self.normalizer;
        let provenance = provenance.is_some();
        let mut normalizer = format!("{mapping:?} {nul:?} {provenance} {dedupe:?}");
        if let Some(from) = predictions {
            normalizer.push(' ');
            normalizer.push_str(&from.decisive());
        }
        if let Some(join) = join {
            normalizer.push(' ');
            normalizer.push_str(&join.decisive());
        }
        if let Some(inline) = inline {
            normalizer.push(' ');
            normalizer.push_str(&inline.decisive());
        }
        let decisive = Decisive {
            sources: self.sources.each(|source| source.name.to_string()),
            addresses: (self.sources).each(|source| source.address.as_deref().map(str::to_owned)),
            reading: format!(
                "{format:?} {delimiter:?} {header} {:?} {record_bytes} {pick:?} {csv_types:?} {files:?}",
                encoding.map(encoding_rs::Encoding::name)
            ),
            normalizer,
            tasks: self.limits.tasks.get(),
            bytes: self.limits.bytes.get(),
            presigned,
        };
        // There may be a million sources, so the text is never held.
        let mut digest = blake3::Hasher::new();
        serde_json::to_writer(BufWriter::new(&mut digest), &decisive)
            .map_err(|e| Error::new(Code::Internal, format!("no digest of the plan: {e}")))?;
        Ok(digest.finalize().to_hex().to_string())
    }
}

/// A new run's id: when it started, in UTC, and a few digits that tell two runs of one second apart.
#[must_use]
pub fn new_run_id() -> String {
    let now = chrono::Utc::now();
    let unlike = blake3::hash(format!("{now:?} {}", std::process::id()).as_bytes());
    format!("{}-{}", now.format("%Y%m%d-%H%M%S"), &unlike.to_hex()[..6])
}
