//! Text sources: what they are, where their records start, and the loop that cuts them into chunks.

use std::sync::Arc;

use memchr::memchr_iter;

use super::column_types::CsvTypes;
use super::cut_json::CutJson;
use super::cut_line_ends::CutLineEnds;
use super::cut_lines::CutLines;
use super::files::{LineEnds, Series};
use super::midway::Midway;
use super::peek::Peek;
use super::pending::Pending;
use super::{
    Before, Body, Chunk, Cut, Cutting, Ended, Framing, Halt, RECORDS_IN_MEMORY, Reader, Shape,
    Start, Which, dialect, encoding, read_error, table,
};
use crate::budget::{self, Held};
use crate::error::{Code, Error, Fault, Result};
use crate::source::Source;
use crate::source::sniff::{Format, json_framing, text_format};

/// Bytes of text that are looked at to tell what it is: enough for a wide header and some rows.
pub const HEAD_BYTES: usize = 64 << 10;

/// Bytes of the first read. A small file is one small chunk; a large one soon has chunks of full size.
const FIRST_CHUNK: usize = 32 << 10;

/// By how much chunks grow until they are of full size.
const GROWTH: usize = 4;

/// A text source with its first record next.
pub(super) struct Opened {
    pub(super) bytes: Peek,
    pub(super) shape: Arc<Shape>,
    pub(super) cut: Box<dyn Cut>,
    /// Bytes and lines of what comes before the first record.
    pub(super) byte: u64,
    pub(super) lines: u64,
}

impl Opened {
    /// Passes on to the record where reading starts.
    fn pass_to(&mut self, midway: &Midway) -> Result<Before> {
        let byte = midway.byte()?;
        let ahead = byte
            .checked_sub(self.byte)
            .ok_or_else(|| midway.before_the_first(self.byte))?;
        let passed = self.bytes.pass_over(ahead).map_err(|e| read_error(&e))?;
        let next = self.bytes.peek(1).map_err(|e| read_error(&e))?;
        let Some(next) = next.first().filter(|_| passed == ahead) else {
            return Err(midway.after_the_end());
        };
        // A record that was too large to be held has the place of the comma before it.
        let comma = *self.shape == Shape::Json(Framing::Elements) && *next == b',';
        // The lines that were passed over are known by whoever knows the place.
        (self.byte, self.lines) = (byte, 0);
        Ok(if comma {
            Before::Chunk
        } else {
            Before::PassedOver
        })
    }
}

impl Reader<'_> {
    /// Cuts a text source into chunks.
    pub(super) fn text(
        &self,
        source: &Source,
        mut bytes: Peek,
        known: Option<Format>,
    ) -> Result<(), Halt> {
        let named = known.or_else(|| Format::of_name(&source.name));
        self.found(|found| found.format = named);
        if let Some(whole) = self.reading.files.document(named) {
            if self.tables_only {
                return Ok(());
            }
            return self.document(source, bytes, whole);
        }
        let marked = encoding::marked(&mut bytes)?;
        let encoding = marked
            .or(self.reading.encoding)
            .unwrap_or(encoding_rs::UTF_8);
        self.found(|found| found.encoding = Some(encoding));
        let (bytes, mark) = encoding::decode(bytes, self.reading.encoding)?;
        let opened = self.open_text(source, bytes, mark, known)?;
        let Shape::Table {
            columns, typing, ..
        } = &*opened.shape
        else {
            return if self.tables_only {
                Ok(())
            } else {
                self.cut(source, opened)
            };
        };
        if let Some(marked) = marked.filter(|_| typing.rule == CsvTypes::LabelStudio) {
            return Err(table::not_utf8(marked).into());
        }
        match self.reading.files.series(columns) {
            Series::Tasks => {
                (self.check_columns)(columns)?;
                self.cut(source, opened)
            }
            // A series is one task, whose cells are its own affair.
            _ if self.tables_only => Ok(()),
            series => self.series(source, opened, series),
        }
    }

    /// Cuts values that are a line of JSON each into chunks. They are UTF-8, or are rejected one by one.
    pub(super) fn values(&self, source: &Source, bytes: Peek) -> Result<(), Halt> {
        if self.tables_only {
            return Ok(());
        }
        let opened = self.open_text(source, bytes, 0, Some(Format::Jsonl))?;
        self.cut(source, opened)
    }

    /// Cuts what has been opened, from the record on at which reading starts.
    pub(super) fn cut(&self, source: &Source, mut opened: Opened) -> Result<(), Halt> {
        let before = match self.midway(source) {
            Some(midway) => opened.pass_to(&midway)?,
            None => Before::Nothing,
        };
        Cutter {
            reader: self,
            source,
            opened,
            pending: Pending::default(),
            before,
            want: FIRST_CHUNK,
        }
        .run()
    }

    /// Learns the shape of a text source from its head, before which a byte order mark of `mark` bytes was passed over.
    fn open_text(
        &self,
        source: &Source,
        mut bytes: Peek,
        mark: usize,
        known: Option<Format>,
    ) -> Result<Opened> {
        let head = bytes.peek(HEAD_BYTES).map_err(|e| read_error(&e))?;
        let complete = head.len() < HEAD_BYTES;
        let format = known.unwrap_or_else(|| text_format(head, complete, &source.name));
        let nameless = known.is_none() && Format::of_name(&source.name).is_none();
        let format = match format {
            Format::Txt
                if nameless && dialect::sniff(head, complete).is_some_and(|s| s.is_table()) =>
            {
                Format::Csv
            }
            format => format,
        };
        self.found(|found| found.format = Some(format));
        let start = |bytes, shape, cut, skipped: &[u8]| Opened {
            byte: skipped.len() as u64,
            lines: memchr_iter(b'\n', skipped).count() as u64,
            bytes,
            shape: Arc::new(shape),
            cut,
        };
        match format {
            Format::Csv | Format::Tsv => self.open_table(source, bytes, format),
            Format::Txt | Format::Html | Format::Xml => {
                let lines = self.reading.files.lines;
                let cut: Box<dyn Cut> = match lines {
                    LineEnds::Lf => Box::<CutLines>::default(),
                    LineEnds::LabelStudio => {
                        bytes.put_back(mark);
                        Box::<CutLineEnds>::default()
                    }
                };
                Ok(start(bytes, Shape::Lines(lines), cut, &[]))
            }
            Format::Rejects => Ok(start(
                bytes,
                Shape::Rejects,
                Box::<CutLines>::default(),
                &[],
            )),
            Format::Json | Format::Jsonl => {
                let forced = self.reading.format == Some(Format::Jsonl);
                let framing = if forced {
                    Framing::Lines
                } else {
                    json_framing(head, complete, format)
                };
                let cut: Box<dyn Cut> = match framing {
                    Framing::Lines => Box::<CutLines>::default(),
                    Framing::Elements | Framing::Values => Box::new(CutJson::new(framing)),
                };
                if framing == Framing::Values && complete && head.trim_ascii().is_empty() {
                    return Err(Error::new(
                        Code::JsonSyntax,
                        "there is no JSON value in the source",
                    ));
                }
                let bracket = head
                    .iter()
                    .position(|b| *b == b'[')
                    .filter(|_| framing == Framing::Elements);
                let skipped = head[..bracket.map_or(0, |at| at + 1)].to_vec();
                bytes.skip(skipped.len());
                Ok(start(bytes, Shape::Json(framing), cut, &skipped))
            }
            Format::Parquet | Format::Arrow | Format::Reference => Err(Error::new(
                Code::Format,
                format!("the source is text, not {format}"),
            )
            .help("drop `--format`")),
        }
    }
}

/// The loop over one source.
struct Cutter<'a> {
    reader: &'a Reader<'a>,
    source: &'a Source,
    opened: Opened,
    /// What was read and not yet handed on.
    pending: Pending,
    /// Which records come before the next chunk.
    before: Before,
    /// The size of the next chunk.
    want: usize,
}

impl Cutter<'_> {
    fn run(mut self) -> Result<(), Halt> {
        let reading = self.reader.reading;
        self.want = self.want.min(self.chunk_bytes());
        'chunks: loop {
            let mut held = self.acquire(self.want)?;
            let mut at_end = !self.fill(self.want)?;
            let mut cutting = self.cut(at_end, Which::Last)?;
            while cutting.end == 0 && !cutting.done && !at_end {
                if self.pending.len() >= reading.record_bytes {
                    if self.pass_over(held)? {
                        return self.only_space_left();
                    }
                    continue 'chunks;
                }
                // A record larger than the buffer: doubling keeps the whole linear.
                let more = (self.pending.len() * 2).min(reading.record_bytes);
                held.resize(budget::chunk_share(more));
                at_end = !self.fill(more)?;
                cutting = self.cut(at_end, Which::Last)?;
            }
            if cutting.end > 0 || cutting.done {
                self.submit(cutting, held)?;
            }
            if cutting.done {
                return self.only_space_left();
            }
            if at_end && self.pending.is_empty() {
                return Ok(());
            }
            self.want = (self.want * GROWTH).min(self.chunk_bytes());
        }
    }

    /// The largest chunk of whole records, which is no larger than the largest record: so whether a record fits does not
    /// depend on what stands before it.
    fn chunk_bytes(&self) -> usize {
        self.reader
            .reading
            .chunk_bytes
            .min(self.reader.reading.record_bytes)
    }

    fn acquire(&self, bytes: usize) -> Result<Held, Ended> {
        self.reader.acquire(budget::chunk_share(bytes))
    }

    fn fill(&mut self, len: usize) -> Result<bool> {
        self.pending
            .fill(&mut self.opened.bytes, len)
            .map_err(|e| read_error(&e))
    }

    fn cut(&mut self, at_end: bool, which: Which) -> Result<Cutting> {
        self.opened
            .cut
            .cut(self.pending.bytes(), at_end, which)
            .map_err(|fault| self.error(fault))
    }

    /// Hands on the bytes before the cut and keeps those after it.
    fn submit(&mut self, cutting: Cutting, held: Held) -> Result<(), Ended> {
        let Cutting { end, skip, .. } = cutting;
        let room = self.reader.reading.chunk_bytes * 2;
        let text = self.pending.take(end, skip, self.reader.buffers, room);
        let start = self.start((end + skip) as u64);
        let shape = Arc::clone(&self.opened.shape);
        self.reader.submit(Chunk {
            source: self.source.id,
            start,
            shape,
            body: Body::Text(text),
            held,
        })
    }

    /// Where the next chunk starts; the one after it starts `bytes` later.
    fn start(&mut self, bytes: u64) -> Start {
        let start = Start::Text {
            byte: self.opened.byte,
            lines_before: self.opened.lines,
            before: self.before,
        };
        self.opened.byte += bytes;
        self.opened.lines = 0;
        self.before = Before::Chunk;
        start
    }

    /// Gets past a record that is too large to be held, a buffer at a time; true if it was the last of an array.
    fn pass_over(&mut self, held: Held) -> Result<bool, Halt> {
        let (mut bytes, mut lines, mut at_end) = (0, 0, false);
        let cutting = loop {
            let cutting = self.cut(at_end, Which::First)?;
            let ended = cutting.end > 0 || cutting.done || at_end;
            // The last byte may only be understood with the next: half of a line end, or of an escape.
            let passed = if ended {
                cutting.end
            } else {
                self.pending.len().saturating_sub(1)
            };
            bytes += passed as u64;
            lines += self.opened.cut.line_ends(&self.pending.bytes()[..passed]);
            if ended {
                self.pending.pass_over(passed + cutting.skip);
                break cutting;
            }
            self.opened.cut.forget(passed);
            self.pending.pass_over(passed);
            // The byte that is kept must not be all that a small chunk holds.
            at_end = !self.fill(self.chunk_bytes().max(self.pending.len() + 1))?;
        };
        let limit = self.reader.reading.record_bytes;
        let fault = Fault::new(
            Code::RecordTooLarge,
            format!("the record has {bytes} bytes, a run holds {limit} of one"),
        )
        .help(format!(
            "raise `--memory`, of which a record may take one part in {RECORDS_IN_MEMORY}"
        ));
        let start = self.start(bytes + cutting.skip as u64);
        let shape = Arc::clone(&self.opened.shape);
        let body = Body::Oversize {
            bytes,
            lines,
            fault,
        };
        self.reader.submit(Chunk {
            source: self.source.id,
            start,
            shape,
            body,
            held,
        })?;
        Ok(cutting.done)
    }

    /// After an array's closing bracket.
    fn only_space_left(&mut self) -> Result<(), Halt> {
        loop {
            if let Some(at) = self
                .pending
                .bytes()
                .iter()
                .position(|b| !b.is_ascii_whitespace())
            {
                let fault = Fault::new(
                    Code::JsonSyntax,
                    "there is text after the end of the JSON array",
                );
                self.opened.byte += at as u64;
                return Err(self
                    .error(fault)
                    .help("one array is one source; JSON Lines have a value on each line")
                    .into());
            }
            self.opened.byte += self.pending.len() as u64;
            self.pending.pass_over(self.pending.len());
            if !self.fill(self.chunk_bytes())? && self.pending.is_empty() {
                return Ok(());
            }
        }
    }

    fn error(&self, fault: Fault) -> Error {
        let byte = self.opened.byte + fault.offset as u64;
        let mut fault = fault;
        fault.reason = format!("{} (at byte {byte})", fault.reason);
        fault.into()
    }
}
