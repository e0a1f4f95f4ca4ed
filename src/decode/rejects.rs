//! The `rejects.jsonl` of an earlier run: each line holds a record as its source had it, and how it is to be read.
//!
//! The record has been mended by then, or it is rejected again.

use std::sync::Arc;

use simd_json::prelude::{ValueAsScalar, ValueObjectAccessAsArray, ValueObjectAccessAsScalar};
use simd_json::{BorrowedValue, Buffers};

use super::csv::Csv;
use super::csv_types::TypedCsv;
use super::json::one_value;
use super::scan::{Scanner, skip_space};
use super::utf8::Utf8;
use super::watch::Watch;
use super::{Changes, Consumer, Decode, Extent, Fatal, Mark, Nul, Row, write};
use crate::buffer::Buffer;
use crate::error::{Code, Fault};
use crate::read::column_types::{ColumnType, Typing};

/// The decoder of a chunk of rejects.
pub struct Rejects {
    text: Buffer,
    nul: Nul,
    scanner: Scanner,
    buffers: Buffers,
    /// A copy of the line, since simd-json unescapes in place.
    line: Vec<u8>,
    at: usize,
    records: u32,
    lines: u32,
}

impl Rejects {
    /// The text ends after a line end, or with the source; `watch`: the fields to note.
    #[must_use]
    pub fn new(text: Buffer, nul: Nul, watch: &Arc<Watch>) -> Self {
        let scanner = Scanner::new(nul).watching(watch);
        let buffers = Buffers::default();
        Rejects {
            text,
            nul,
            scanner,
            buffers,
            line: Vec::new(),
            at: 0,
            records: 0,
            lines: 0,
        }
    }

    /// Reads one line of the file and hands on the record in it.
    fn reject<C: Consumer>(
        &mut self,
        from: usize,
        to: usize,
        mark: Mark,
        consumer: &mut C,
    ) -> Result<(), Fault> {
        Utf8::new(&self.text[..to], from).record(from, to)?;
        self.line.clear();
        self.line.extend_from_slice(&self.text[from..to]);
        let line: BorrowedValue<'_> =
            simd_json::to_borrowed_value_with_buffers(&mut self.line, &mut self.buffers)
                .map_err(|e| Fault::new(Code::JsonSyntax, format!("the line is not JSON: {e}")))?;
        let raw = line.get_str("raw").ok_or_else(|| {
            Fault::new(
                Code::Format,
                "the reject has no `raw` record to import again",
            )
            .help("import its own source again, with options that accept the record")
        })?;
        match line.get_str("format") {
            Some("txt") => {
                consumer.text(mark, raw);
                Ok(())
            }
            Some("json") => {
                let start = skip_space(raw.as_bytes(), 0);
                one_value(&mut self.scanner, raw, 0..raw.len(), start, mark, consumer)
            }
            Some("csv") => {
                let names = line.get_array("columns").into_iter().flatten();
                let names: Vec<&str> = names.filter_map(|name| name.as_str()).collect();
                let delimiter = line
                    .get_str("delimiter")
                    .and_then(|d| d.bytes().next())
                    .unwrap_or(b',');
                let mut row = OneRow {
                    names: &names,
                    nul: self.nul,
                    outcome: None,
                };
                let text = raw.as_bytes().to_vec().into();
                let _ = match typing(&line) {
                    Some(typing) => TypedCsv::new(text, names.len(), delimiter, &typing, self.nul)
                        .decode(&mut row),
                    None => Csv::new(text, names.len(), delimiter, self.nul).decode(&mut row),
                };
                let object = row
                    .outcome
                    .unwrap_or_else(|| Err(Fault::new(Code::RowLength, "the record is empty")))?;
                let text = String::from_utf8(object)
                    .map_err(|_| Fault::new(Code::Encoding, "the record is not UTF-8"))?;
                one_value(&mut self.scanner, &text, 0..text.len(), 0, mark, consumer)
            }
            other => {
                let reason = format!(
                    "a reject of the format `{}` cannot be read again",
                    other.unwrap_or("none")
                );
                Err(Fault::new(Code::Format, reason))
            }
        }
    }
}

/// The types of a record's columns, if they had any.
fn typing(line: &BorrowedValue<'_>) -> Option<Typing> {
    let names = line.get_array("types")?.iter();
    let types = names.map(|name| ColumnType::named(name.as_str()?));
    let leading = line.get_u64("leading").unwrap_or(0);
    Some(Typing::of_types(
        usize::try_from(leading).ok()?,
        types.collect::<Option<_>>()?,
    ))
}

/// Takes the one row of a rejected CSV record as a JSON object.
struct OneRow<'a> {
    names: &'a [&'a str],
    nul: Nul,
    outcome: Option<Result<Vec<u8>, Fault>>,
}

impl OneRow<'_> {
    fn object<R: Row>(&self, row: &R) -> Result<Vec<u8>, Fault> {
        let mut changes = Changes::default();
        let mut object = Vec::new();
        for (column, name) in self.names.iter().enumerate() {
            object.push(if column == 0 { b'{' } else { b',' });
            write::string(&mut object, name, self.nul, &mut changes)?;
            object.push(b':');
            row.cell(column, &mut object, &mut changes)?;
        }
        object.push(b'}');
        Ok(object)
    }
}

impl Consumer for OneRow<'_> {
    fn is_full(&self) -> bool {
        false
    }

    fn json(&mut self, _: Mark, _: super::scan::Value<'_>) {}

    fn text(&mut self, _: Mark, _: &str) {}

    fn row<R: Row>(&mut self, _: Mark, row: &R) {
        let object = self.object(row);
        self.second(object);
    }

    fn fault(&mut self, _: Mark, fault: Fault, _: &[u8]) {
        self.second(Err(fault));
    }

    fn changed(&mut self, _: Changes) {}
}

impl OneRow<'_> {
    fn second(&mut self, outcome: Result<Vec<u8>, Fault>) {
        let first = self.outcome.take();
        self.outcome = Some(match first {
            None => outcome,
            Some(_) => Err(Fault::new(
                Code::RowLength,
                "the mended record is more than one row",
            )),
        });
    }
}

impl Decode for Rejects {
    fn decode<C: Consumer>(&mut self, consumer: &mut C) -> Result<bool, Fatal> {
        while self.at < self.text.len() {
            if consumer.is_full() {
                return Ok(true);
            }
            let from = self.at;
            let to =
                memchr::memchr(b'\n', &self.text[from..]).map_or(self.text.len(), |n| from + n);
            self.at = (to + 1).min(self.text.len());
            if !self.text[from..to].trim_ascii().is_empty() {
                let mark = Mark {
                    record: self.records,
                    line: self.lines,
                    byte: from as u32,
                };
                self.records += 1;
                if let Err(fault) = self.reject(from, to, mark, consumer) {
                    consumer.fault(mark, fault, &self.text[from..to]);
                }
            }
            self.lines += u32::from(to < self.text.len());
        }
        Ok(false)
    }

    fn extent(&self) -> Extent {
        Extent {
            records: u64::from(self.records),
            lines: u64::from(self.lines),
        }
    }
}
