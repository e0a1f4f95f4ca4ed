//! How the processes of one indexed job share the sources of a run between them.
//!
//! Every process lists the same sources and cuts their bytes, one after another, into as many stretches as there are
//! processes. A record belongs to the stretch in which it begins: no process need know of another, and together they read
//! every record once, whatever the sizes say ([`Window`]).
//!
//! Large files are cut: Parquet between row groups, text between records. The process that begins in the middle of a text
//! reads what comes before as well, without keeping it: only so are its records' numbers and lines those of the file, and
//! only so is it known which line feed ends a record of CSV. That is at most one file a process. What is compressed as a
//! whole, or is one value, goes to one process.

use std::fmt;
use std::str::FromStr;

use crate::error::Result;
use crate::source::listed::Sources;
use crate::source::sniff::{self, Format};
use crate::source::window::Window;
use crate::source::{Location, Source};

/// What a source counts for beside its bytes: about what is read of a small file in the time that it takes to open one.
/// Without it a million media, which are not read, would all go to one process. Builds for tests take less, so that small
/// files are cut.
const OPENING: u128 = if cfg!(debug_assertions) { 16 } else { 64 << 10 };

/// The most processes of a job: their folders have names with five digits.
pub const MOST_SHARDS: u32 = 99_999;

/// One process of a job: which, from 0, of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    index: u32,
    of: u32,
}

impl Shard {
    /// Which of its job's processes it is, from 0.
    #[must_use]
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many there are.
    #[must_use]
    pub fn of(self) -> u32 {
        self.of
    }

    /// The folder of its imports, such as `shard-00003-of-00016`.
    #[must_use]
    pub fn folder(self) -> String {
        let Shard { index, of } = self;
        format!("shard-{index:05}-of-{of:05}")
    }

    /// The shard of a folder's name.
    #[must_use]
    pub fn of_folder(name: &str) -> Option<Shard> {
        let (index, of) = name.strip_prefix("shard-")?.split_once("-of-")?;
        let shard = format!("{}/{}", index.parse::<u32>().ok()?, of.parse::<u32>().ok()?);
        shard
            .parse()
            .ok()
            .filter(|shard: &Shard| shard.folder() == name)
    }

    /// The sources, each with the window that is this process's.
    ///
    /// # Errors
    /// As [`Sources::with_windows`].
    pub fn of_sources(self, sources: &Sources) -> Result<Sources> {
        let weight = |source: &Source| u128::from(source.bytes.unwrap_or(0)) + OPENING;
        let mut all = 0;
        for source in sources {
            all += weight(&source?);
        }
        let edge = |index: u32| all * u128::from(index) / u128::from(self.of);
        let (from, to) = (edge(self.index), edge(self.index + 1));
        let mut end = 0;
        sources.with_windows(|source| {
            let start = end;
            end += weight(source);
            if is_cut(source) {
                // The last bytes are whatever comes after the edge before them: the file may have grown.
                let within =
                    |edge: u128| u64::try_from(edge.saturating_sub(start)).unwrap_or(u64::MAX);
                Window {
                    from: if from >= end { u64::MAX } else { within(from) },
                    to: if to >= end { u64::MAX } else { within(to) },
                }
            } else if (from..to).contains(&start) {
                Window::ALL
            } else {
                Window::NONE
            }
        })
    }
}

/// Whether a source may be read by several processes, as its name has it. That is a matter of time alone: what turns out
/// not to be cut is read by the process that has its first byte.
fn is_cut(source: &Source) -> bool {
    let bytes = matches!(source.location, Location::File(_) | Location::Remote(_));
    let format = Format::of_name(&source.name);
    let cut = matches!(
        format,
        Some(
            Format::Csv
                | Format::Tsv
                | Format::Txt
                | Format::Json
                | Format::Jsonl
                | Format::Parquet
        )
    );
    bytes && cut && source.bytes.is_some() && !sniff::is_compressed(&source.name)
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text
            .split_once('/')
            .and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((index, of)) if index < of && of <= MOST_SHARDS => Ok(Shard { index, of }),
            _ => Err(format!(
                "`{text}` is no shard such as `3/16`: a number from 0, and of how many, at most {MOST_SHARDS}"
            )),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}
