//! Text sources: what they are, where their records start, and the loop that cuts them into chunks.

use std::sync::Arc;

use memchr::memchr_iter;

use super::column_types::CsvTypes;
use super::cut_json::CutJson;
use super::cut_line_ends::CutLineEnds;
use super::cut_lines::CutLines;
use super::cutter::Cutter;
use super::files::{LineEnds, Series};
use super::midway::Midway;
use super::peek::Peek;
use super::{Before, Cut, Framing, Halt, Reader, Shape, dialect, encoding, read_error, table};
use crate::error::{Code, Error, Result};
use crate::source::Source;
use crate::source::sniff::{Format, json_framing, text_format};

/// Bytes of text that are looked at to tell what it is: enough for a wide header and some rows.
pub const HEAD_BYTES: usize = 64 << 10;

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
        Cutter::new(self, source, opened, before).run()
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
        let format = text_kind(known, head, complete, &source.name);
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

/// What a text of this name is, by its head, unless it is known.
pub(super) fn text_kind(known: Option<Format>, head: &[u8], complete: bool, name: &str) -> Format {
    let format = known.unwrap_or_else(|| text_format(head, complete, name));
    let nameless = known.is_none() && Format::of_name(name).is_none();
    match format {
        Format::Txt if nameless && dialect::sniff(head, complete).is_some_and(|s| s.is_table()) => {
            Format::Csv
        }
        format => format,
    }
}
