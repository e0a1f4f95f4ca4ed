//! Arrow IPC, file and stream: one record batch in memory at a time, handed on in slices.
//!
//! Messages are framed here, and every length in them is checked before anything is allocated for it; their content is
//! for the `arrow-ipc` crate, with its validation on. A file that is not read from its index (a compressed one, or one
//! from standard input) is read as the stream that it holds.

use std::io::{self, Read};
use std::sync::atomic::Ordering;

use arrow_ipc::reader::read_footer_length;
use arrow_ipc::{Block, MessageHeader, root_as_footer, root_as_message};

pub use super::messages::Batch;
use super::messages::{Kind, Messages, check_version, damaged};
use super::peek::Peek;
use super::positioned::Positioned;
use super::{Halt, Reader, read_error};
use crate::error::{Code, Error};
use crate::source::Source;

/// The mark at both ends of a file.
const MAGIC: &[u8] = b"ARROW1";

/// After the mark come zeros up to a multiple of 8, or of this, where a writer aligns more than it must.
const MOST_ALIGNED: usize = 64;

/// What comes before a message's length since Arrow 0.15.
const CONTINUATION: [u8; 4] = [0xFF; 4];

/// Bytes allocated for a message before any of it has been read.
const FIRST_BYTES: usize = 1 << 20;

impl Reader<'_> {
    /// Reads an Arrow file by its footer.
    pub(super) fn ipc_file(&self, source: &Source, file: &Positioned) -> Result<(), Halt> {
        if !source.window.holds(0) {
            return Ok(());
        }
        let tail = file
            .len()
            .checked_sub(10)
            .ok_or_else(|| damaged("the file is too short to have a footer"))?;
        let read = |offset, bytes| file.at(offset, bytes).map_err(|e| cut_off(&e));
        let mut end = [0; 10];
        end.copy_from_slice(&read(tail, 10)?);
        let footer_bytes = read_footer_length(end).map_err(|e| {
            damaged(e).help(
                "it may not have been closed by its writer; what is in it can be read as a stream",
            )
        })?;
        let footer_start = tail
            .checked_sub(footer_bytes as u64)
            .ok_or_else(|| damaged("the footer is longer than the file"))?;
        let footer = read(footer_start, footer_bytes)?;
        let footer = root_as_footer(&footer)
            .map_err(|e| damaged(format_args!("the footer is malformed: {e}")))?;
        // The footer's version is not looked at: some old writers left it out. That of each message is.
        let schema = footer
            .schema()
            .ok_or_else(|| damaged("the footer has no schema"))?;
        let mut messages = Messages::open(self, source, schema)?;
        let mut uncounted = file.uncounted();
        let mut count = |whole: u64| {
            let more = whole.min(uncounted);
            uncounted -= more;
            self.progress.bytes.fetch_add(more, Ordering::Relaxed);
        };
        let dictionaries = footer
            .dictionaries()
            .into_iter()
            .flatten()
            .map(|block| (block, Kind::Dictionary));
        let batches = footer
            .recordBatches()
            .into_iter()
            .flatten()
            .map(|block| (block, Kind::Batch));
        for (block, kind) in dictionaries.chain(batches) {
            if kind == Kind::Batch && messages.first_row.is_after(messages.index) {
                let metadata = u64::from(block.metaDataLength().unsigned_abs());
                count(block.bodyLength().unsigned_abs().saturating_add(metadata));
                messages.index += 1;
                continue;
            }
            let metadata = self.metadata_of(file, block, messages.index)?;
            let message = root_as_message(&metadata).map_err(|e| messages.malformed(e))?;
            let whole = message
                .bodyLength()
                .unsigned_abs()
                .saturating_add(metadata.len() as u64);
            messages.take(&message, Some(kind), |bytes| {
                let (offset, metadata) = (
                    block.offset().unsigned_abs(),
                    block.metaDataLength().unsigned_abs(),
                );
                let start = offset
                    .checked_add(u64::from(metadata))
                    .ok_or_else(|| damaged("a block starts nowhere"))?;
                read(start, bytes)
            })?;
            count(whole);
        }
        messages.first_row.check_end(messages.index)?;
        self.progress.bytes.fetch_add(uncounted, Ordering::Relaxed);
        Ok(())
    }

    /// The flatbuffer of a block's message.
    fn metadata_of(&self, file: &Positioned, block: &Block, index: u32) -> Result<Vec<u8>, Error> {
        let (offset, bytes) = (
            u64::try_from(block.offset()),
            usize::try_from(block.metaDataLength()),
        );
        let (Ok(offset), Ok(bytes)) = (offset, bytes) else {
            return Err(damaged(format_args!(
                "the footer gives record batch {index} a negative place or length"
            )));
        };
        self.check_length(bytes as u64, index)?;
        let prefixed = file.at(offset, bytes).map_err(|e| cut_off(&e))?;
        let prefix = if prefixed.starts_with(&CONTINUATION) {
            8
        } else {
            4
        };
        let told = prefixed
            .get(prefix - 4..prefix)
            .and_then(|told| told.try_into().ok())
            .map(u32::from_le_bytes);
        let told = told
            .and_then(|told| usize::try_from(told).ok())
            .unwrap_or(0);
        match prefixed.get(prefix..) {
            Some(rest) if (1..=rest.len()).contains(&told) => Ok(rest[..told].to_vec()),
            _ => Err(damaged(format_args!(
                "the message of record batch {index} is {told} bytes long in a block of {bytes}"
            ))),
        }
    }

    /// Reads an Arrow stream, or a file from its first byte to its last.
    pub(super) fn ipc_stream(&self, source: &Source, mut bytes: Peek) -> Result<(), Halt> {
        if !source.window.holds(0) {
            return Ok(());
        }
        let head = bytes.peek(MOST_ALIGNED).map_err(|e| read_error(&e))?;
        if head.starts_with(MAGIC) {
            let zeros = head[MAGIC.len()..]
                .iter()
                .take_while(|byte| **byte == 0)
                .count();
            let padded = (MAGIC.len() + zeros) / 8 * 8;
            bytes.skip(padded);
        }
        let Some(metadata) = self.next_metadata(&mut bytes, 0)? else {
            return Err(damaged("the stream is empty").into());
        };
        let message = root_as_message(&metadata)
            .map_err(|e| damaged(format_args!("the schema is malformed: {e}")))?;
        check_version(message.version())?;
        let schema = message
            .header_as_schema()
            .ok_or_else(|| damaged("the stream does not start with a schema"))?;
        let mut messages = Messages::open(self, source, schema)?;
        let skipped = self.check_length(message.bodyLength().unsigned_abs(), 0)?;
        exactly(&mut bytes, skipped)?;
        while let Some(metadata) = self.next_metadata(&mut bytes, messages.index)? {
            let message = root_as_message(&metadata).map_err(|e| messages.malformed(e))?;
            if message.header_type() == MessageHeader::RecordBatch
                && messages.first_row.is_after(messages.index)
            {
                pass_over(&mut bytes, message.bodyLength().unsigned_abs())?;
                messages.index += 1;
                continue;
            }
            messages.take(&message, None, |length| exactly(&mut bytes, length))?;
        }
        messages.first_row.check_end(messages.index)?;
        Ok(())
    }

    /// The flatbuffer of the next message of a stream; nothing at its end, marked or not.
    fn next_metadata(&self, bytes: &mut Peek, index: u32) -> Result<Option<Vec<u8>>, Error> {
        let mut length = exactly_or_end(bytes, 4)?;
        if length == CONTINUATION {
            length = exactly(bytes, 4)?;
        }
        let Ok(length) = <[u8; 4]>::try_from(length).map(i32::from_le_bytes) else {
            return Ok(None);
        };
        if length == 0 {
            return Ok(None);
        }
        let length = u64::try_from(length).map_err(|_| {
            damaged(format_args!(
                "the message of record batch {index} has a negative length"
            ))
        })?;
        let length = self.check_length(length, index)?;
        exactly(bytes, length).map(Some)
    }

    /// A length from a message, unless a run may not hold so much.
    pub(super) fn check_length(&self, bytes: u64, index: u32) -> Result<usize, Error> {
        let limit = self
            .reading
            .record_bytes
            .saturating_mul(super::RECORDS_IN_MEMORY);
        usize::try_from(bytes).ok().filter(|bytes| *bytes <= limit).ok_or_else(|| {
            let reason = format!("record batch {index} takes {bytes} bytes, more than the {limit} that a run may hold");
            Error::new(Code::RecordTooLarge, reason).help("raise `--memory`, or write the file in smaller batches")
        })
    }
}

fn too_short(read: u64, length: u64) -> Error {
    damaged(format_args!(
        "it ends after {read} of the {length} bytes of a message"
    ))
}

fn cut_off(cause: &io::Error) -> Error {
    match cause.kind() {
        io::ErrorKind::UnexpectedEof => damaged(cause),
        _ => read_error(cause),
    }
}

/// Passes over the next `length` bytes.
fn pass_over(bytes: &mut Peek, length: u64) -> Result<(), Error> {
    let passed = bytes.pass_over(length).map_err(|e| read_error(&e))?;
    if passed < length {
        return Err(too_short(passed, length));
    }
    Ok(())
}

/// The next `length` bytes. Memory is taken as they come, not as they are promised.
fn exactly(bytes: &mut Peek, length: usize) -> Result<Vec<u8>, Error> {
    let read = exactly_or_end(bytes, length)?;
    if read.len() < length {
        return Err(too_short(read.len() as u64, length as u64));
    }
    Ok(read)
}

/// The same, or nothing at the end.
fn exactly_or_end(bytes: &mut Peek, length: usize) -> Result<Vec<u8>, Error> {
    let mut buffer = Vec::with_capacity(length.min(FIRST_BYTES));
    bytes
        .by_ref()
        .take(length as u64)
        .read_to_end(&mut buffer)
        .map_err(|e| read_error(&e))?;
    if !buffer.is_empty() && buffer.len() < length {
        return Err(too_short(buffer.len() as u64, length as u64));
    }
    Ok(buffer)
}
