//! The messages of Arrow IPC: what each brings, and the record batches that come of it, handed on in slices; and record
//! batches that come as they are.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{RecordBatchDecoder, read_dictionary};
use arrow_ipc::{Endianness, Message, MessageHeader, MetadataVersion};
use arrow_schema::{Schema, SchemaRef};

use super::midway::FirstRow;
use super::positioned::fenced;
use super::{Body, Chunk, Halt, Reader, Shape, Start, names};
use crate::budget::Held;
use crate::error::{Code, Error};
use crate::place::SourceId;
use crate::source::Source;
use crate::source::batches::Batches;

/// Bytes of a message body that make one slice: enough to be worth a job, few enough for several workers.
const SLICE_BYTES: u64 = 2 << 20;

/// A record batch, or some of its rows.
pub struct Batch {
    /// The rows.
    pub records: RecordBatch,
    /// Bytes of JSON that one of them may come to.
    pub record_bytes: usize,
}

/// What a message in a file's index must be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Dictionary,
    Batch,
}

/// What is known of a source between its messages.
pub(super) struct Messages<'r, 'a> {
    reader: &'r Reader<'a>,
    source: SourceId,
    schema: SchemaRef,
    shape: Arc<Shape>,
    picked: Option<Vec<usize>>,
    dictionaries: HashMap<i64, ArrayRef>,
    /// Record batches before the next.
    pub(super) index: u32,
    /// The first row that is wanted.
    pub(super) first_row: FirstRow,
}

impl<'r, 'a> Messages<'r, 'a> {
    pub(super) fn open(
        reader: &'r Reader<'a>,
        source: &Source,
        schema: arrow_ipc::Schema<'_>,
    ) -> Result<Self, Error> {
        if schema.endianness() != Endianness::Little {
            return Err(Error::new(Code::Format, "the Arrow data is big-endian, which sluice does not read")
                .help("write it again on a little-endian machine, or with an Arrow library that swaps the bytes"));
        }
        let schema = fenced(|| try_fb_to_schema(schema).map_err(damaged))?;
        Messages::of_schema(reader, source, Arc::new(schema))
    }

    fn of_schema(
        reader: &'r Reader<'a>,
        source: &Source,
        schema: SchemaRef,
    ) -> Result<Self, Error> {
        let names = names::unique(names_of(&schema));
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
            schema,
            shape: Arc::new(Shape::Columns(names)),
            picked,
            dictionaries: HashMap::new(),
            index: 0,
            first_row: reader.first_row(source)?,
        })
    }

    pub(super) fn malformed(&self, cause: impl std::fmt::Display) -> Error {
        damaged(format_args!("record batch {}: {cause}", self.index))
    }

    /// Takes one message, whose body `read` reads once there is memory for it.
    pub(super) fn take(
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
                let rows = self.check_rows(batch.length())?;
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
            .map(Array::get_array_memory_size)
            .sum();
        self.reader
            .check_length(held.saturating_add(more) as u64, self.index)
            .map(drop)
    }

    /// Takes a batch that is in memory. Only its share of the budget is waited for: whoever made it holds it anyway.
    fn take_batch(&mut self, records: &RecordBatch) -> Result<(), Halt> {
        if !same_names(records.schema_ref(), &self.schema) {
            let message = format!(
                "record batch {} has columns of other names than those before it",
                self.index
            );
            return Err(Error::new(Code::Format, message)
                .help("pack what has other columns by itself")
                .into());
        }
        let rows = self.check_rows(i64::try_from(records.num_rows()).unwrap_or(i64::MAX))?;
        let bytes = records.columns().iter().map(|column| {
            let bytes = column.to_data().get_slice_memory_size();
            bytes.unwrap_or_else(|_| column.get_array_memory_size())
        });
        let bytes: usize = bytes.sum();
        let records = match &self.picked {
            Some(picked) => records.project(picked).map_err(|e| self.malformed(e))?,
            None => records.clone(),
        };
        let mut slices = Vec::new();
        for _ in 1..(bytes as u64).div_ceil(SLICE_BYTES) {
            slices.push(self.reader.acquire(0)?);
        }
        slices.push(self.reader.acquire(bytes)?);
        self.submit(&records, rows, slices)
    }

    /// The rows of a batch, which count in 32 bits.
    fn check_rows(&self, rows: i64) -> Result<u32, Error> {
        u32::try_from(rows).map_err(|_| {
            self.malformed(format_args!(
                "it has {rows} rows; a batch has at most 4294967295"
            ))
        })
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
                    records_before: 0,
                },
                shape: Arc::clone(&self.shape),
                body: Body::Batch(Batch {
                    records,
                    record_bytes: self.reader.reading.record_bytes,
                }),
                held,
                only_counted: false,
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

impl Reader<'_> {
    /// Reads record batches that a caller hands over.
    pub(super) fn handed_over(&self, source: &Source, batches: &Batches) -> Result<(), Halt> {
        let mut messages = None;
        let mut waiting = Some(self.progress.stopwatch.wait_for_input());
        batches.each(self.stop, |batch| {
            waiting = None;
            let messages = match &mut messages {
                Some(messages) => messages,
                None => messages.insert(Messages::of_schema(self, source, batch.schema())?),
            };
            let taken = if messages.first_row.is_after(messages.index) {
                messages.index += 1;
                Ok(())
            } else {
                messages.take_batch(&batch)
            };
            waiting = Some(self.progress.stopwatch.wait_for_input());
            taken
        })
    }
}

fn names_of(schema: &Schema) -> Vec<String> {
    let fields = schema.fields().iter();
    fields.map(|field| field.name().clone()).collect()
}

fn same_names(one: &SchemaRef, other: &SchemaRef) -> bool {
    Arc::ptr_eq(one, other) || names_of(one) == names_of(other)
}

/// An error of a file that is not what Arrow asks for.
pub(super) fn damaged(cause: impl std::fmt::Display) -> Error {
    Error::new(Code::Format, format!("not a readable Arrow file: {cause}"))
}

/// Layouts before version 4 (Arrow 0.8, 2017) are others, and none after 5 is known.
pub(super) fn check_version(version: MetadataVersion) -> Result<(), Error> {
    match version {
        MetadataVersion::V4 | MetadataVersion::V5 => Ok(()),
        other => Err(damaged(format_args!(
            "its metadata version is {}, and sluice reads 4 and 5",
            i32::from(other.0) + 1
        ))),
    }
}
