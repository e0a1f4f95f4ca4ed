//! Arrow IPC, file and stream: one record batch in memory at a time, handed on in slices.
//!
//! Messages are framed here, and every length in them is checked before anything is allocated for it; their content is
//! for the `arrow-ipc` crate, with its validation on. A file that is not read from its index (a compressed one, or one
//! from standard input) is read as the stream that it holds.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{RecordBatchDecoder, read_dictionary, read_footer_length};
use arrow_ipc::{
    Block, Endianness, Message, MessageHeader, MetadataVersion, root_as_footer, root_as_message,
};
use arrow_schema::SchemaRef;

use super::decompress::MAGIC_BYTES;
use super::midway::FirstRow;
use super::peek::Peek;
use super::positioned::{Positioned, fenced};
use super::{Body, Chunk, Halt, Reader, Shape, Start, names, read_error};
use crate::budget::Held;
use crate::error::{Code, Error};
use crate::place::SourceId;
use crate::source::Source;

/// The mark at both ends of a file.
const MAGIC: &[u8] = b"ARROW1";

/// After the mark come zeros up to a multiple of 8, or of this, where a writer aligns more than it must.
const MOST_ALIGNED: usize = 64;

/// What comes before a message's length since Arrow 0.15.
const CONTINUATION: [u8; 4] = [0xFF; 4];

/// Bytes of a message body that make one slice: enough to be worth a job, few enough for several workers.
const SLICE_BYTES: u64 = 2 << 20;

/// Bytes allocated for a message before any of it has been read.
const FIRST_BYTES: usize = 1 << 20;

/// A record batch, or some of its rows.
pub struct Batch {
    /// The rows.
    pub records: RecordBatch,
    /// Bytes of JSON that one of them may come to.
    pub record_bytes: usize,
}

impl Reader<'_> {
    /// Reads an Arrow file by its footer.
    pub(super) fn ipc_file(&self, source: &Source, file: &Positioned) -> Result<(), Halt> {
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
        // All but the bytes by which the file was recognized, which are counted.
        let mut uncounted = file.len().saturating_sub(MAGIC_BYTES as u64);
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
    fn check_length(&self, bytes: u64, index: u32) -> Result<usize, Error> {
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

/// What a message in a file's index must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Dictionary,
    Batch,
}

/// What is known of a source between its messages.
struct Messages<'r, 'a> {
    reader: &'r Reader<'a>,
    source: SourceId,
    schema: SchemaRef,
    shape: Arc<Shape>,
    picked: Option<Vec<usize>>,
    dictionaries: HashMap<i64, ArrayRef>,
    /// Record batches before the next.
    index: u32,
    /// The first row that is wanted.
    first_row: FirstRow,
}

impl<'r, 'a> Messages<'r, 'a> {
    fn open(
        reader: &'r Reader<'a>,
        source: &Source,
        schema: arrow_ipc::Schema<'_>,
    ) -> Result<Self, Error> {
        if schema.endianness() != Endianness::Little {
            return Err(Error::new(Code::Format, "the Arrow data is big-endian, which sluice does not read")
                .help("write it again on a little-endian machine, or with an Arrow library that swaps the bytes"));
        }
        let schema = fenced(|| try_fb_to_schema(schema).map_err(damaged))?;
        let names = names::unique(
            schema
                .fields()
                .iter()
                .map(|field| field.name().clone())
                .collect(),
        );
        let picked = reader
            .reading
            .pick
            .as_ref()
            .map(|pick| super::row_groups::picked(&names, pick));
        let names = match &picked {
            Some(picked) => picked.iter().map(|i| names[*i].clone()).collect(),
            None => names,
        };
        (reader.check_columns)(&names)?;
        Ok(Messages {
            reader,
            source: source.id,
            schema: Arc::new(schema),
            shape: Arc::new(Shape::Columns(names)),
            picked,
            dictionaries: HashMap::new(),
            index: 0,
            first_row: reader.first_row(source)?,
        })
    }

    fn malformed(&self, cause: impl std::fmt::Display) -> Error {
        damaged(format_args!("record batch {}: {cause}", self.index))
    }

    /// Takes one message, whose body `read` reads once there is memory for it.
    fn take(
        &mut self,
        message: &Message<'_>,
        kind: Option<Kind>,
        read: impl FnOnce(usize) -> Result<Vec<u8>, Error>,
    ) -> Result<(), Halt> {
        check_version(message.version())?;
        let length = u64::try_from(message.bodyLength())
            .map_err(|_| self.malformed("its length is negative"))?;
        let length = self.reader.check_length(length, self.index)?;
        // The permits of all slices but the last are empty, and are taken first: the reader never waits for the budget
        // while it holds a share of it. Compressed bytes are taken to be a quarter of what they stand for.
        let batch = message.header_as_record_batch();
        let expected = length as u64
            * if batch.is_some_and(|b| b.compression().is_some()) {
                4
            } else {
                1
            };
        let mut slices = Vec::new();
        for _ in 1..expected.div_ceil(SLICE_BYTES) {
            slices.push(self.reader.acquire(0)?);
        }
        let mut held = self.reader.acquire(length)?;
        let body = {
            let _waiting = self.reader.progress.stopwatch.wait_for_input();
            read(length)?
        };
        match (message.header_type(), kind) {
            (MessageHeader::RecordBatch, None | Some(Kind::Batch)) => {
                let batch = batch.ok_or_else(|| self.malformed("its header is missing"))?;
                held.resize(self.check_buffers(&batch, &body)?);
                slices.push(held);
                let rows = u32::try_from(batch.length()).map_err(|_| {
                    self.malformed(format_args!(
                        "it has {} rows; a batch has at most 4294967295",
                        batch.length()
                    ))
                })?;
                let records = self.decode(message, batch, body)?;
                self.submit(&records, rows, slices)
            }
            (MessageHeader::DictionaryBatch, None | Some(Kind::Dictionary)) => {
                let dictionary = message
                    .header_as_dictionary_batch()
                    .ok_or_else(|| self.malformed("its header is missing"))?;
                let data = dictionary
                    .data()
                    .ok_or_else(|| self.malformed("a dictionary has no data"))?;
                let bytes = self.check_buffers(&data, &body)?;
                held.resize(bytes);
                self.check_dictionaries(bytes)?;
                let (schema, dictionaries) = (&self.schema, &mut self.dictionaries);
                let index = self.index;
                fenced(|| {
                    read_dictionary(
                        &Buffer::from_vec(body),
                        dictionary,
                        schema,
                        dictionaries,
                        &message.version(),
                    )
                    .map_err(|e| {
                        damaged(format_args!(
                            "a dictionary before record batch {index}: {e}"
                        ))
                    })
                })?;
                Ok(())
            }
            (MessageHeader::NONE, None) => Ok(()),
            (other, _) => Err(self
                .malformed(format_args!(
                    "a message of type {other:?} has no place here"
                ))
                .into()),
        }
    }

    fn decode(
        &self,
        message: &Message<'_>,
        batch: arrow_ipc::RecordBatch<'_>,
        body: Vec<u8>,
    ) -> Result<RecordBatch, Error> {
        fenced(|| {
            let body = Buffer::from_vec(body);
            let version = message.version();
            RecordBatchDecoder::try_new(
                &body,
                batch,
                Arc::clone(&self.schema),
                &self.dictionaries,
                &version,
            )
            .and_then(|decoder| {
                decoder
                    .with_projection(self.picked.as_deref())
                    .read_record_batch()
            })
            .map_err(|e| self.malformed(e))
        })
    }

    /// Makes sure that a body's buffers are inside it and no larger, decompressed, than a run may hold; what they come to.
    fn check_buffers(
        &self,
        batch: &arrow_ipc::RecordBatch<'_>,
        body: &[u8],
    ) -> Result<usize, Error> {
        let mut total = body.len() as u64;
        for buffer in batch.buffers().into_iter().flatten() {
            let range = usize::try_from(buffer.offset())
                .ok()
                .zip(usize::try_from(buffer.length()).ok());
            let bytes =
                range.and_then(|(start, length)| body.get(start..start.checked_add(length)?));
            let Some(bytes) = bytes else {
                return Err(self.malformed("a buffer is outside the message"));
            };
            if batch.compression().is_some()
                && let Some(prefix) = bytes.first_chunk::<8>()
            {
                // -1: stored as it is.
                total =
                    total.saturating_add(u64::try_from(i64::from_le_bytes(*prefix)).unwrap_or(0));
            }
        }
        self.reader.check_length(total, self.index)
    }

    /// Dictionaries stay for the whole source and are in no budget, so all of them must fit where one batch does.
    fn check_dictionaries(&self, more: usize) -> Result<(), Error> {
        let held: usize = self
            .dictionaries
            .values()
            .map(|values| values.get_array_memory_size())
            .sum();
        self.reader
            .check_length(held.saturating_add(more) as u64, self.index)
            .map(drop)
    }

    /// Hands on a batch in as many slices as there are permits; the last permit, the last to be given back, is the one
    /// that counts, since all slices share the batch's memory.
    fn submit(&mut self, records: &RecordBatch, rows: u32, permits: Vec<Held>) -> Result<(), Halt> {
        let mut first_row = self.first_row.of(self.index, rows)?;
        let slices = u32::try_from(permits.len()).unwrap_or(u32::MAX).max(1);
        let each = (rows - first_row).div_ceil(slices);
        let last = permits.len().saturating_sub(1);
        for (i, held) in permits.into_iter().enumerate() {
            let length = if i == last {
                rows - first_row
            } else {
                each.min(rows - first_row)
            };
            if length == 0 && i < last || rows == 0 {
                continue;
            }
            let records = records.slice(first_row as usize, length as usize);
            self.reader.submit(Chunk {
                source: self.source,
                start: Start::Group {
                    group: self.index,
                    row: first_row.into(),
                },
                shape: Arc::clone(&self.shape),
                body: Body::Batch(Batch {
                    records,
                    record_bytes: self.reader.reading.record_bytes,
                }),
                held,
            })?;
            first_row += length;
        }
        self.index = self
            .index
            .checked_add(1)
            .ok_or_else(|| damaged("there are more than 4294967295 record batches"))?;
        Ok(())
    }
}

/// An error of a file that is not what Arrow asks for.
fn damaged(cause: impl std::fmt::Display) -> Error {
    Error::new(Code::Format, format!("not a readable Arrow file: {cause}"))
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

/// Layouts before version 4 (Arrow 0.8, 2017) are others, and none after 5 is known.
fn check_version(version: MetadataVersion) -> Result<(), Error> {
    match version {
        MetadataVersion::V4 | MetadataVersion::V5 => Ok(()),
        other => Err(damaged(format_args!(
            "its metadata version is {}, and sluice reads 4 and 5",
            i32::from(other.0) + 1
        ))),
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
