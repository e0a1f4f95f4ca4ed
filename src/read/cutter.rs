//! The loop that cuts an opened text source into chunks.

use std::sync::Arc;

use super::pending::Pending;
use super::text::Opened;
use super::{
    Before, Body, Chunk, Cutting, Ended, Halt, RECORDS_IN_MEMORY, Reader, Start, Which, read_error,
};
use crate::budget::{self, Held};
use crate::error::{Code, Error, Fault, Result};
use crate::source::Source;

/// Bytes of the first read. A small file is one small chunk; a large one soon has chunks of full size.
const FIRST_CHUNK: usize = 32 << 10;

/// By how much chunks grow until they are of full size.
const GROWTH: usize = 4;

/// The loop over one source.
pub(super) struct Cutter<'a> {
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

impl<'a> Cutter<'a> {
    /// Before the first record that is read, which comes after those that `before` says.
    pub(super) fn new(
        reader: &'a Reader<'a>,
        source: &'a Source,
        opened: Opened,
        before: Before,
    ) -> Self {
        Cutter {
            reader,
            source,
            opened,
            pending: Pending::default(),
            before,
            want: FIRST_CHUNK,
        }
    }
}

impl Cutter<'_> {
    /// Reads to the end of the source, or of the part of it that is read.
    ///
    /// # Errors
    /// Those of the source.
    pub(super) fn run(mut self) -> Result<(), Halt> {
        let reading = self.reader.reading;
        self.want = self.want.min(self.chunk_bytes());
        'chunks: loop {
            if self.opened.byte >= self.source.window.to {
                // What comes is read by another run.
                return Ok(());
            }
            let ahead = self.ahead();
            let (want, mut which) = self.stride(ahead);
            let mut held = self.acquire(want)?;
            let mut at_end = !self.fill(want)?;
            let mut cutting = self.cut(at_end, which)?;
            while cutting.end == 0 && !cutting.done && !at_end {
                if self.pending.len() >= reading.record_bytes {
                    if self.pass_over(held)? {
                        return self.only_space_left();
                    }
                    continue 'chunks;
                }
                // A record larger than the buffer: doubling keeps the whole linear.
                let more = (self.pending.len() * 2).min(reading.record_bytes);
                if ahead.is_some_and(|ahead| ahead < more as u64) {
                    // Only the first may reach across the edge.
                    which = Which::First;
                }
                held.resize(budget::chunk_share(more));
                at_end = !self.fill(more)?;
                cutting = self.cut(at_end, which)?;
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

    /// How far the next edge of the window is ahead, if there is one.
    fn ahead(&self) -> Option<u64> {
        let byte = self.opened.byte;
        (self.source.window.edge_after(byte)).map(|edge| edge - byte)
    }

    /// How much to read for the next chunk, and where in it to cut. A chunk ends where a window does: with the record that
    /// reaches across the edge, for which it is the first that is wanted.
    fn stride(&self, ahead: Option<u64>) -> (usize, Which) {
        let want = self.want.max(self.pending.len());
        match ahead.filter(|ahead| *ahead < want as u64) {
            None => (want, Which::Last),
            // The records before the edge are a chunk of their own, if they are more than one.
            Some(ahead) if ahead > self.pending.len() as u64 => (ahead as usize, Which::Last),
            Some(_) => (want, Which::First),
        }
    }

    /// Whether the next chunk is before the part of the source that this run reads.
    fn is_before_the_window(&self) -> bool {
        self.opened.byte < self.source.window.from
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
        let only_counted = self.is_before_the_window();
        let start = self.start((end + skip) as u64);
        let shape = Arc::clone(&self.opened.shape);
        self.reader.submit(Chunk {
            source: self.source.id,
            start,
            shape,
            body: Body::Text(text),
            held,
            only_counted,
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
        let only_counted = self.is_before_the_window();
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
            only_counted,
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
