//! Tables: how one is written, what its columns are called, and what is known of their types.

use std::sync::Arc;

use encoding_rs::Encoding;

use super::column_types::{CsvTypes, Typing};
use super::cut_csv::CutCsv;
use super::dialect::{self, Table};
use super::peek::Peek;
use super::text::{HEAD_BYTES, Opened};
use super::{Reader, Reading, Shape, read_error, server_table};
use crate::error::{Code, Error, Fault, Result};
use crate::source::Source;
use crate::source::sniff::Format;

impl Reader<'_> {
    /// Learns the dialect and the columns of a table.
    pub(super) fn open_table(
        &self,
        source: &Source,
        mut bytes: Peek,
        format: Format,
    ) -> Result<Opened> {
        let Reader { reading, .. } = self;
        let mut head_bytes = HEAD_BYTES;
        loop {
            let head = bytes.peek(head_bytes).map_err(|e| read_error(&e))?;
            let complete = head.len() < head_bytes;
            if let Some(table) = self.table(head, complete, format)? {
                let Table {
                    delimiter,
                    leading,
                    header,
                } = table;
                let (rule, columns) = (reading.csv_types, header.names.len());
                let typing = Typing::of(rule, leading, self.types, source.id, columns)?;
                bytes.skip(header.bytes);
                return Ok(Opened {
                    byte: header.bytes as u64,
                    lines: header.lines,
                    bytes,
                    shape: Arc::new(Shape::Table {
                        columns: header.names,
                        delimiter,
                        typing,
                    }),
                    cut: Box::new(CutCsv::new(delimiter)),
                });
            }
            if head_bytes >= reading.record_bytes {
                return Err(Error::new(
                    Code::RecordTooLarge,
                    format!("the header has more than {head_bytes} bytes"),
                )
                .help(
                    "check `--delimiter` and the quotes of the first line, or raise `--memory`",
                ));
            }
            head_bytes *= 2;
        }
    }

    /// How a table is written, by its head; none when more of it is to be seen.
    fn table(&self, head: &[u8], complete: bool, format: Format) -> Result<Option<Table>, Fault> {
        let Reading {
            delimiter,
            header,
            csv_types,
            ..
        } = *self.reading;
        if csv_types == CsvTypes::LabelStudio {
            return server_table::table(head, complete, delimiter, format);
        }
        let fallback = if format == Format::Tsv { b'\t' } else { b',' };
        let sniffed =
            || dialect::sniff(head, complete).map_or(fallback, |sniffed| sniffed.delimiter);
        let delimiter = delimiter.unwrap_or_else(sniffed);
        let header = dialect::header(head, complete, delimiter, header)?;
        Ok(header.map(|header| Table {
            delimiter,
            leading: 0,
            header,
        }))
    }
}

/// Label Studio reads tables as UTF-8 and nothing else.
pub(super) fn not_utf8(marked: &'static Encoding) -> Error {
    let name = marked.name();
    Error::new(
        Code::Encoding,
        format!("its byte-order mark says {name}; Label Studio refuses a table that is not UTF-8"),
    )
    .help("save it as UTF-8, or import it without `--csv-types label-studio`")
}
