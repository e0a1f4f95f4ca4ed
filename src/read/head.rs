//! A look at the head of a table, without the rest of it: how it is written, what its columns are called, and its first
//! row. One record at a time is taken, so that of a table that is fetched no more need come.
//!
//! What is found is what the reader finds ([`Reader`](super::Reader)): it looks at the same bytes by the same rules. Where
//! the head is too short for that, nothing is found.

use std::io::{self, Cursor, Read};
use std::pin::pin;

use csv_async::{AsyncReader, AsyncReaderBuilder, StringRecord};
use futures::io::{AsyncRead, AsyncReadExt};

use super::column_types::CsvTypes;
use super::decompress::{self, MAGIC_BYTES};
use super::peek::{Input, Peek, read_and_drop};
use super::text::{HEAD_BYTES, text_kind};
use super::{Reading, dialect, encoding, names};
use crate::labelling_config::resolver::{Column, Resolver};
use crate::source::foreign::Foreign;
use crate::source::remote::head::Head;
use crate::source::sniff::{Compression, Format};

/// Bytes of a source that make a head: with whatever stands before its text, and where each letter takes two.
pub const STORED_BYTES: usize = 2 * HEAD_BYTES + (32 << 10);

/// What the head of a table tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableHead {
    /// The byte between its cells.
    pub delimiter: u8,
    /// Its columns' names, made unique.
    pub columns: Vec<String>,
    /// The cells of its first row. None if there is none, or it is longer than the head.
    pub first: Option<Vec<String>>,
}

/// Bytes in memory, as a source.
struct Memory(Cursor<Vec<u8>>);

impl Read for Memory {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}

impl Input for Memory {
    fn pass_over(&mut self, bytes: u64) -> io::Result<u64> {
        read_and_drop(self, bytes)
    }
}

/// What the head of a source called `name` tells, which is read so; none if it is no table, or its head does not tell. What
/// is wrong with it the reader says when it comes to it.
pub async fn table(head: Head, name: &str, reading: &Reading) -> Option<TableHead> {
    if reading.csv_types == CsvTypes::LabelStudio {
        // pandas has rules of its own, and the whole of the table is read for it.
        return None;
    }
    let stored_whole = head.complete;
    let mut bytes = Peek::new(Box::new(Memory(Cursor::new(head.bytes))));
    let compression = Compression::of_magic(bytes.peek(MAGIC_BYTES).ok()?);
    if let Some(compression) = compression {
        // Of what is cut off, the beginning can be had all the same.
        bytes = decompress::decompress(compression, bytes).ok()?;
    }
    let first = bytes.peek(HEAD_BYTES).ok()?;
    let known = reading.format.or_else(|| Format::of_magic(first));
    if known.is_none() && Foreign::of_magic(first).is_some() {
        return None;
    }
    let (mut text, _) = encoding::decode(bytes, reading.encoding).ok()?;
    let text = text.peek(HEAD_BYTES).ok()?;
    let complete = text.len() < HEAD_BYTES;
    if complete && !stored_whole {
        return None;
    }
    let format = text_kind(known, text, complete, name);
    if !matches!(format, Format::Csv | Format::Tsv) {
        return None;
    }
    let fallback = if format == Format::Tsv { b'\t' } else { b',' };
    let sniffed = || dialect::sniff(text, complete).map_or(fallback, |found| found.delimiter);
    let delimiter = reading.delimiter.unwrap_or_else(sniffed);
    let mut rows = rows(text, delimiter);
    let first = next(&mut rows, text, complete).await?;
    if !reading.header {
        return Some(TableHead {
            delimiter,
            columns: (1..=first.len())
                .map(|number| format!("column{number}"))
                .collect(),
            first: Some(first),
        });
    }
    Some(TableHead {
        delimiter,
        columns: names::unique(first),
        first: next(&mut rows, text, complete).await,
    })
}

/// Reads rows of cells, by the rules of [`cells`](super::cells).
fn rows<R: AsyncRead + Unpin + Send>(text: R, delimiter: u8) -> AsyncReader<R> {
    AsyncReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .create_reader(text)
}

/// The next row of a head; none where the head may not hold all of it.
async fn next(rows: &mut AsyncReader<&[u8]>, head: &[u8], complete: bool) -> Option<Vec<String>> {
    let mut row = StringRecord::new();
    let read = rows.read_record(&mut row).await.ok()?;
    let whole = complete || (rows.position().byte() as usize) < head.len();
    (read && whole).then(|| row.iter().map(str::to_owned).collect())
}

/// The cell that a resolver asks for, of the first row of the text; no more of it is read than that takes.
///
/// # Errors
/// Those of reading; when there is no such cell, in words.
pub async fn cell<R: AsyncRead + Send>(text: R, resolver: &Resolver) -> io::Result<String> {
    let mut text = pin!(text);
    let mut head = Vec::new();
    let delimiter = match resolver.separator {
        Some(separator) => separator,
        None => {
            // What fits best is found by a head of a fixed size, or it would depend on how the bytes come.
            let read = (&mut text)
                .take(HEAD_BYTES as u64)
                .read_to_end(&mut head)
                .await?;
            dialect::sniff(&head, read < HEAD_BYTES).map_or(b',', |found| found.delimiter)
        }
    };
    let mut rows = rows(AsyncReadExt::chain(head.as_slice(), text), delimiter);
    let mut row = StringRecord::new();
    let mut header = None;
    if !resolver.headless {
        if !read(&mut rows, &mut row).await? {
            return Err(fault("has no header"));
        }
        header = Some(row.clone());
    }
    if !read(&mut rows, &mut row).await? {
        return Err(fault("has no row"));
    }
    let column = match (&resolver.column, &header) {
        (None, _) => 0,
        (Some(Column::Number(number)), _) => *number,
        (Some(Column::Named(name)), Some(header)) => {
            let number = || name.parse().ok().filter(|number| *number < header.len());
            let called = header.iter().position(|column| column == name);
            called
                .or_else(number)
                .ok_or_else(|| fault(format!("has no column called `{name}`")))?
        }
        (Some(Column::Named(name)), None) => {
            return Err(fault(format!("has no column called `{name}`")));
        }
    };
    match (row.get(column), header) {
        (Some(cell), _) => Ok(cell.to_owned()),
        // A row that is shorter than its header ends in empty cells.
        (None, Some(header)) if column < header.len() => Ok(String::new()),
        (None, _) => Err(fault(format!("has no column {column}, counted from 0"))),
    }
}

async fn read<R: AsyncRead + Unpin + Send>(
    rows: &mut AsyncReader<R>,
    row: &mut StringRecord,
) -> io::Result<bool> {
    rows.read_record(row)
        .await
        .map_err(|e| match e.into_kind() {
            csv_async::ErrorKind::Io(e) => e,
            other => fault(format!("is no table: {other:?}")),
        })
}

fn fault(why: impl Into<String>) -> io::Error {
    io::Error::other(why.into())
}
