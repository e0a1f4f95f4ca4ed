//! Sources that are one record: documents, tables that are one value, and files that tasks only speak of.

use std::sync::Arc;
use std::time::Duration;

use super::cut_whole::CutWhole;
use super::files::{Series, Whole};
use super::peek::Peek;
use super::text::Opened;
use super::{Before, Body, Chunk, Halt, Reader, Shape, Start, encoding, read_error};
use crate::budget;
use crate::buffer::Buffer;
use crate::error::{Code, Error, Result};
use crate::source::Source;
use crate::source::remote::Object;

impl Reader<'_> {
    /// Reads a document: all of it, a byte order mark included.
    pub(super) fn document(&self, source: &Source, bytes: Peek, whole: Whole) -> Result<(), Halt> {
        let bytes = if whole == Whole::Base64 {
            bytes
        } else {
            let (mut bytes, mark) = encoding::decode(bytes, self.reading.encoding)?;
            bytes.put_back(mark);
            bytes
        };
        self.one_value(source, bytes, (0, 0), whole)
    }

    /// Reads a table that is one value; `series` says in which form.
    pub(super) fn series(
        &self,
        source: &Source,
        table: Opened,
        series: Series,
    ) -> Result<(), Halt> {
        let Shape::Table {
            columns, delimiter, ..
        } = &*table.shape
        else {
            return Err(Error::new(Code::Internal, "a series that is no table").into());
        };
        if series == Series::Url {
            return self.address(source, Whole::SeriesAddress);
        }
        let picked = |name: &&String| {
            let pick = self.reading.pick.as_ref();
            pick.is_none_or(|pick| pick.contains(name))
        };
        let columns = columns
            .iter()
            .map(|name| Some(name).filter(picked).cloned());
        let whole = Whole::Series {
            columns: columns.collect(),
            delimiter: *delimiter,
        };
        let skipped = (table.byte, table.lines);
        self.one_value(source, table.bytes, skipped, whole)
    }

    fn one_value(
        &self,
        source: &Source,
        mut bytes: Peek,
        (byte, lines): (u64, u64),
        whole: Whole,
    ) -> Result<(), Halt> {
        let shape = Arc::new(Shape::Whole(whole));
        if bytes.peek(1).map_err(|e| read_error(&e))?.is_empty() {
            // Nothing to cut, and a value all the same.
            return self.hand_on(source, Buffer::default(), shape);
        }
        self.cut(
            source,
            Opened {
                bytes,
                shape,
                cut: Box::new(CutWhole),
                byte,
                lines,
            },
        )
    }

    /// Hands on the address of a source that is not read.
    pub(super) fn address(&self, source: &Source, whole: Whole) -> Result<(), Halt> {
        let address = source.address.as_deref().ok_or_else(no_address)?;
        if let Some(seen) = &self.seen {
            // What is not read has no digest.
            seen.leave();
        }
        let text = address.as_bytes().to_vec().into();
        self.hand_on(source, text, Arc::new(Shape::Whole(whole)))
    }

    /// Hands on an address of an object that is not read, made now.
    pub(super) fn signed(
        &self,
        source: &Source,
        object: &Object,
        time: Duration,
    ) -> Result<(), Halt> {
        let address = object.presigned(time)?;
        if let Some(seen) = &self.seen {
            seen.leave();
        }
        let plain = Arc::clone(&object.address);
        let text = address.into_bytes().into();
        self.hand_on(
            source,
            text,
            Arc::new(Shape::Whole(Whole::Signed { plain })),
        )
    }

    fn hand_on(&self, source: &Source, text: Buffer, shape: Arc<Shape>) -> Result<(), Halt> {
        if !source.window.holds(0) {
            return Ok(());
        }
        let share = budget::chunk_share(text.len());
        let held = self.acquire(share)?;
        self.submit(Chunk {
            source: source.id,
            start: Start::Text {
                byte: 0,
                lines_before: 0,
                before: Before::Nothing,
            },
            shape,
            body: Body::Text(text),
            held,
            only_counted: false,
        })?;
        Ok(())
    }
}

/// The error of a table whose address is wanted and not known. (What else has no address is refused when it is listed.)
fn no_address() -> Error {
    Error::new(
        Code::Usage,
        "the table is a time series that is loaded from an address, and this one has none",
    )
    .help(
        "say what stands before its path with `--media-url PREFIX`, put its columns into the task with `--series json`, or \
         make each row a task with `--series tasks`",
    )
}
