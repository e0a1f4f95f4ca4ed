//! **Takes** [`Source`]s, in plan order.
//! **Gives** [`Chunk`]s: whole records, in order, each small enough to be held and large enough to be worth a job.
//! **Waits on** the source's bytes and on the [`Budget`].
//! **To add one:** a framing of text is a [`Cut`]; a format read by its own index is a file like [`row_groups`].
//!
//! The reader finds where records end and nothing more. Counting records and lines, checking UTF-8 and parsing are the
//! jobs' work, so that the one thread all bytes pass through stays fast.
//!
//! It starts at the first record of all or, where a run goes on that was cut off, at any ([`Reader::from`]): from there it
//! hands on what it would have handed on anyway.

pub mod archive;
pub mod batches;
pub mod cells;
pub mod chunk;
pub mod column_types;
mod columns_ahead;
pub mod cut_csv;
pub mod cut_json;
pub mod cut_line_ends;
pub mod cut_lines;
pub mod cut_whole;
mod cutter;
pub mod decompress;
pub mod dialect;
pub mod encoding;
mod fetched;
pub mod files;
pub mod found;
mod groups_ahead;
pub mod head;
pub mod line_ends;
mod messages;
mod midway;
pub mod names;
pub(crate) mod page_bytes;
pub(crate) mod page_header;
pub mod peek;
mod pending;
pub(crate) mod positioned;
pub mod row_groups;
pub mod seen;
pub mod server_table;
pub(crate) mod shared_file;
mod table;
pub mod text;
mod whole;

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use self::archive::members::Opened;
pub use self::chunk::{Before, Body, Chunk, Shape, Start};
use self::column_types::{CsvTypes, Types};
use self::files::{Files, Whole};
use self::found::Found;
use self::peek::{Input, Peek};
use self::positioned::Positioned;
use self::seen::Seen;
use crate::budget::{Budget, Held};
use crate::buffer::{Buffers, SPARE_BUFFERS};
pub(crate) use crate::error::SourceFault;
use crate::error::{Code, Error, Fault, Result};
use crate::place::{Place, SourceId, Spot};
use crate::source::foreign::Foreign;
use crate::source::listed::Sources;
pub use crate::source::sniff::Framing;
use crate::source::sniff::{Compression, Format};
use crate::source::{Location, Source, kept, local};
use crate::stop::Stop;
use crate::stopwatch::Stopwatch;

/// How many of the largest records a run may hold at once: one is held as it is read, as it is written, and once more
/// while its buffer grows. The memory of a run is this many times [`Reading::record_bytes`].
pub const RECORDS_IN_MEMORY: usize = 4;

/// Where records end. No I/O: the reader owns the buffer.
pub trait Cut: Send {
    /// Looks for the end of the last (or first) whole record of `buf`, which starts where the last cut ended and grows
    /// until a cut is found. What was looked at before is not looked at again.
    ///
    /// # Errors
    /// When no record can end here or anywhere after.
    fn cut(&mut self, buf: &[u8], at_end: bool, which: Which) -> Result<Cutting, Fault>;

    /// Forgets the first `bytes` of the buffer: they were passed over.
    fn forget(&mut self, bytes: usize);

    /// The line ends in bytes that were passed over, or cut off as the first record.
    fn line_ends(&self, passed: &[u8]) -> u64 {
        memchr::memchr_iter(b'\n', passed).count() as u64
    }
}

/// Which of the records that end in a buffer to cut after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The first: used to get past one record.
    First,
    /// The last: the chunk is as large as it can be.
    Last,
}

/// Where to cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cutting {
    /// The chunk is the first `end` bytes of the buffer; 0: more bytes are needed.
    pub end: usize,
    /// Bytes after these that belong to no record, such as an array's closing bracket.
    pub skip: usize,
    /// Nothing but white space may follow.
    pub done: bool,
}

/// How sources are to be read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The format, where it is not to be told from content and name.
    pub format: Option<Format>,
    /// The byte between cells, where it is not to be found out.
    pub delimiter: Option<u8>,
    /// Whether a table's first row names its columns.
    pub header: bool,
    /// How the cells of a table become values.
    pub csv_types: CsvTypes,
    /// The text encoding, where it is neither UTF-8 nor told by a byte-order mark.
    pub encoding: Option<&'static encoding_rs::Encoding>,
    /// Bytes of text in a chunk, unless a record is larger.
    pub chunk_bytes: usize,
    /// Bytes of the largest record that is held.
    pub record_bytes: usize,
    /// The columns to read, where not all are wanted (in formats that can leave some out).
    pub pick: Option<Vec<String>>,
    /// What becomes of files by their type alone.
    pub files: Files,
}

/// What the reader tells while it works.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes read, as stored.
    pub bytes: AtomicU64,
    /// Sources finished.
    pub sources: AtomicU64,
    /// What the reader does.
    pub stopwatch: Stopwatch,
}

/// What the reader works with.
pub struct Reader<'a> {
    /// How sources are to be read.
    pub reading: &'a Reading,
    /// Where buffers for text come from.
    pub buffers: &'a Buffers,
    /// Bytes that may be in flight.
    pub budget: &'a Arc<Budget>,
    /// How many jobs run at once.
    pub threads: usize,
    /// Bytes of a member of an archive that may be kept on the disk, where its format is read from its end.
    pub spool_limit: u64,
    /// The word to end early.
    pub stop: &'a Stop,
    /// What it tells while it works.
    pub progress: Arc<Progress>,
    /// The first record to read, where that is not the first of all.
    pub from: Option<Place>,
    /// Whether sources that are no tables are passed over.
    pub tables_only: bool,
    /// The types of the tables' columns, where they have been found out.
    pub types: Option<&'a Types>,
    /// Where the digest of what is read is kept, if there is to be one.
    pub seen: Option<Arc<Seen>>,
    /// Where it is noted what a source is, if only its head is wanted: nothing is then fetched ahead of it.
    pub found: Option<&'a RefCell<Found>>,
    /// Refuses the columns of a table that do not fit the options.
    pub check_columns: &'a dyn Fn(&[String]) -> Result<()>,
    /// Where chunks go; it waits for a place.
    pub submit: &'a dyn Fn(Chunk) -> Result<(), Ended>,
}

/// There is no more use in reading: the run was stopped, or those who take the chunks have ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended;

/// Why reading one source came to an end early.
pub enum Halt {
    /// Nobody wants more; not a failure of the source.
    Ended,
    /// The source is at fault.
    Failed(Error),
}

impl From<Ended> for Halt {
    fn from(Ended: Ended) -> Self {
        Halt::Ended
    }
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Halt::Failed(error)
    }
}

impl Reader<'_> {
    /// Reads all sources, one after another; those before the one to start in are not opened.
    ///
    /// # Errors
    /// The first that a source has; everything before it has been handed on.
    pub fn run(&self, sources: &Sources) -> Result<()> {
        let first = self.from.map_or(SourceId(0), |place| place.source);
        if self.from.is_some() && sources.len() <= first.0 as usize {
            return Err(midway::no_source(first, sources.len()));
        }
        let mut archives = Opened::default();
        for source in sources {
            let source = &source?;
            if source.window.is_none() {
                // All of it is read by other runs.
            } else if source.id < first {
                let bytes = source.bytes.unwrap_or(0);
                self.progress.bytes.fetch_add(bytes, Ordering::Relaxed);
            } else if !self.whole(source, &mut archives)? {
                return Ok(());
            }
            self.progress.sources.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Reads a source alone, and hands on its chunks.
    ///
    /// # Errors
    /// As [`Reader::run`].
    pub fn one(&self, source: &Source) -> Result<()> {
        self.whole(source, &mut Opened::default()).map(drop)
    }

    /// Reads a source to its end; false if the run ended before.
    fn whole(&self, source: &Source, archives: &mut Opened) -> Result<bool> {
        match self.unchanged(source, archives) {
            Ok(()) => Ok(true),
            Err(Halt::Ended) => Ok(false),
            Err(Halt::Failed(error)) => Err(error.at(|| Spot::source(&source.name))),
        }
    }

    /// Waits for `bytes` of the budget.
    fn acquire(&self, bytes: usize) -> Result<Held, Ended> {
        let _waiting = self.progress.stopwatch.wait_for_room();
        self.budget.acquire(bytes, self.stop).map_err(|_| Ended)
    }

    /// Hands on a chunk, which waits for a place.
    fn submit(&self, chunk: Chunk) -> Result<(), Ended> {
        let _waiting = self.progress.stopwatch.wait_for_room();
        (self.submit)(chunk)
    }

    /// Reads a source, which must be the one that was expected where one was.
    fn unchanged(&self, source: &Source, archives: &mut Opened) -> Result<(), Halt> {
        let span = tracing::info_span!("source", number = source.id.0, source = &*source.name);
        let _in_source = span.enter();
        tracing::debug!("source begun");
        let outcome = self.source(source, archives);
        match &outcome {
            Ok(()) => tracing::info!(bytes = source.bytes, "source read"),
            Err(Halt::Ended) => tracing::info!("reading stopped"),
            Err(Halt::Failed(error)) => {
                tracing::error!(code = error.code().as_str(), "source not read");
            }
        }
        let changed = self.seen.as_ref().and_then(|seen| seen.fault());
        match (outcome, changed) {
            (Err(Halt::Ended), _) => Err(Halt::Ended),
            // Whatever else went wrong, or did not, came of it: a decoder may take the end of what it is given for
            // the end of its input.
            (_, Some(changed)) => Err(Halt::Failed(changed.into())),
            (outcome, None) => outcome,
        }
    }

    fn source(&self, source: &Source, archives: &mut Opened) -> Result<(), Halt> {
        if let Some(seen) = &self.seen {
            seen.begin(source.id);
        }
        match &source.location {
            Location::Referred => {
                self.found(|found| found.format = Some(Format::Reference));
                return self.address(source, Whole::Address);
            }
            Location::Presigned(object, time) => {
                self.found(|found| found.format = Some(Format::Reference));
                return self.signed(source, object, *time);
            }
            _ => {}
        }
        if let Location::Batches(batches) = &source.location {
            return self.handed_over(source, batches);
        }
        let Location::Member(member) = &source.location else {
            let (progress, seen) = (Arc::clone(&self.progress), self.seen.clone());
            let stored = decompress::Counted::new(local::open(source)?, progress, seen);
            return self.bytes(source, Box::new(stored));
        };
        if let Some(seen) = &self.seen {
            // The archive is known by its listing.
            seen.leave();
        }
        self.bytes(source, archives.open(member, &self.progress)?)?;
        if !self.tables_only {
            archives.finish().map_err(|e| read_error(&e))?;
        }
        Ok(())
    }

    /// Reads a source, whose bytes these are as they are stored.
    fn bytes(&self, source: &Source, stored: Box<dyn Input>) -> Result<(), Halt> {
        let mut stored = Peek::new(stored);
        if matches!(source.location, Location::Redis(_)) {
            return self.values(source, stored);
        }
        let magic = stored
            .peek(decompress::MAGIC_BYTES)
            .map_err(|e| read_error(&e))?;
        let compression = Compression::of_magic(magic);
        self.found(|found| found.compression = compression);
        let forced = self.reading.format;
        let format = forced.or_else(|| Format::of_magic(magic));
        let indexed = format == Some(Format::Parquet)
            || format == Some(Format::Arrow)
                && matches!(source.location, Location::File(_))
                && magic.starts_with(b"ARROW1");
        if indexed && compression.is_none() {
            if self.tables_only {
                return Ok(());
            }
            if let Some(seen) = &self.seen {
                seen.leave();
            }
            let file = match source.location {
                Location::Member(_) => self.kept(stored)?,
                _ => positioned::open(source)?,
            };
            self.found(|found| found.format = format);
            return match format {
                Some(Format::Parquet) => self.row_groups(source, file),
                _ => self.ipc_file(source, &file),
            };
        }
        let plain = match compression {
            Some(compression) => {
                decompress::decompress(compression, stored).map_err(|e| read_error(&e))?
            }
            None => stored,
        };
        self.stream(source, plain)
    }

    /// Keeps a source that comes one byte after another, to read it from its end.
    fn kept(&self, mut stored: Peek) -> Result<Positioned, Halt> {
        let file = kept::keep(&mut stored, self.spool_limit, Some(self.stop), &mut |_| {})?;
        if self.stop.is_tripped() {
            return Err(Halt::Ended);
        }
        Ok(Positioned::kept(file).map_err(|e| read_error(&e))?)
    }

    /// Reads a source from its first byte to its last.
    fn stream(&self, source: &Source, mut bytes: Peek) -> Result<(), Halt> {
        let head = bytes.peek(text::HEAD_BYTES).map_err(|e| read_error(&e))?;
        match self.reading.format.or_else(|| Format::of_magic(head)) {
            Some(Format::Parquet | Format::Arrow) if self.tables_only => Ok(()),
            Some(Format::Parquet) => Err(Error::new(
                Code::Format,
                "a Parquet file must not be compressed as a whole",
            )
            .help("decompress it first: Parquet compresses its own pages")
            .into()),
            Some(Format::Arrow) => {
                self.found(|found| found.format = Some(Format::Arrow));
                self.ipc_stream(source, bytes)
            }
            None if let Some(foreign) = Foreign::of_magic(head) => Err(foreign.refused().into()),
            known => self.text(source, bytes, known),
        }
    }
}

/// Reads one source on this thread, with `in_flight` bytes of memory, and hands each chunk to `each`, which may end it.
///
/// # Errors
/// Those of reading, and of `each`.
pub fn alone(
    source: &Source,
    reading: &Reading,
    in_flight: usize,
    each: impl FnMut(Chunk) -> Result<()>,
) -> Result<()> {
    let stop = Stop::default();
    let state = RefCell::new((each, None));
    let reader = Reader {
        reading,
        buffers: &Buffers::new(SPARE_BUFFERS),
        budget: &Budget::new(in_flight, &stop),
        threads: 1,
        spool_limit: 0,
        stop: &stop,
        progress: Arc::new(Progress::default()),
        from: None,
        tables_only: false,
        types: None,
        seen: None,
        found: None,
        check_columns: &|_| Ok(()),
        submit: &|chunk| {
            let (each, failed) = &mut *state.borrow_mut();
            each(chunk).map_err(|error| {
                failed.get_or_insert(error);
                Ended
            })
        },
    };
    let outcome = reader.one(source);
    state.into_inner().1.map_or(outcome, Err)
}

/// An error of reading or decompressing, as one of a source.
pub(crate) fn read_error(cause: &std::io::Error) -> Error {
    Error::of_reading(cause)
}
