//! `--join`: fields that a table holds beside the tasks, such as the captions of images, put into the tasks' data.
//!
//! A row belongs to the tasks that have the same text in the field that the table's column is called by; where a task
//! has no such field, to those whose media has that file name.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::mapping::{self, Mapping};
use crate::decode::scan::{Value, data_of, members};
use crate::decode::watch::{Watch, is_key};
use crate::decode::{Changes, Consumer, Decode, Decoder, Mark, Nul, Row};
use crate::error::{Code, Error, Fault, Result};
use crate::place::{SourceId, Spot};
use crate::read::{self, Body, Chunk, Reading, Shape};
use crate::source::address::percent_decode;
use crate::source::sniff::Format;
use crate::source::{Source, local};

/// What a row takes besides its text.
const ROW_BYTES: usize = 96;

/// Bytes that may be in flight while the table is read.
const READ_BYTES: usize = 64 << 20;

/// A table, in memory.
#[derive(Clone, Debug)]
pub struct Join {
    /// The column by which rows are known, and the field of the task.
    on: String,
    /// The other columns.
    columns: Vec<Joined>,
    /// By the text in that column: the fields of the row as members of an object, with commas between them.
    rows: HashMap<Box<str>, Box<str>>,
    digest: String,
}

/// A field that tasks get.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// Its name.
    pub name: String,
    /// A value of each JSON type that is in its column.
    pub examples: Vec<String>,
}

impl Joined {
    fn met(&mut self, value: &[u8]) {
        let kind = |value: &[u8]| {
            value.first().map(|byte| match byte {
                b'-' | b'0'..=b'9' => b'0',
                b'f' => b't',
                byte => *byte,
            })
        };
        let known = |example: &String| kind(example.as_bytes()) == kind(value);
        if !self.examples.iter().any(known) {
            self.examples
                .push(String::from_utf8_lossy(value).into_owned());
        }
    }
}

impl Join {
    /// Reads a table: CSV, TSV, Parquet or Arrow, however it is compressed.
    ///
    /// # Errors
    /// When it cannot be read, has no such column, names one thing twice, or takes more than `most` bytes.
    pub fn read(path: &str, on: &str, reading: &Reading, most: usize) -> Result<Join> {
        let listing = local::list(&[path.to_owned()])?;
        let (Some(source), 1) = (listing.sources.get(SourceId(0))?, listing.sources.len()) else {
            return Err(Error::new(
                Code::Usage,
                format!("`--join {path}` is not one file"),
            ));
        };
        let spot = || Spot::source(&source.name);
        let table = Table::read(&source, on, reading, most).map_err(|error| error.at(spot))?;
        let Some(columns) = table.columns else {
            return Err(Error::new(Code::Usage, "the table to join is empty").at(spot));
        };
        Ok(Join {
            on: on.to_owned(),
            columns,
            rows: table.rows,
            digest: table.digest.finalize().to_hex().to_string(),
        })
    }

    /// The fields that tasks get.
    #[must_use]
    pub fn columns(&self) -> &[Joined] {
        &self.columns
    }

    /// Whether the fields of a table, by their names in the task, leave room for those of this one.
    ///
    /// # Errors
    /// When both have one of the same name.
    pub fn check_fields<'a>(&self, mut fields: impl Iterator<Item = &'a str>) -> Result<()> {
        let is_joined = |field: &str| self.columns.iter().any(|column| column.name == field);
        match fields.find(|field| is_joined(field)) {
            Some(field) => Err(twice(field).into()),
            None => Ok(()),
        }
    }

    /// All that decides what tasks get.
    #[must_use]
    pub fn decisive(&self) -> String {
        format!("{} {}", self.on, self.digest)
    }

    /// Puts the fields of its row into the task that `out` holds from `start` on.
    ///
    /// # Errors
    /// When there is no row for it, or it has such a field already.
    pub fn add(&self, out: &mut Vec<u8>, start: usize) -> Result<(), Fault> {
        let task = std::str::from_utf8(&out[start..]).unwrap_or_default();
        let data = data_of(task).unwrap_or_default();
        let mut known = None;
        let mut media = None;
        let mut twice = None;
        let mut is_empty = true;
        members(data, |key, value| {
            is_empty = false;
            let is = |name: &String| is_key(key.as_bytes(), name);
            if is(&self.on) {
                known = text(value);
            } else if media.is_none() {
                media = text(value).and_then(|address| file_name(&address));
            }
            if twice.is_none() {
                let mut names = self.columns.iter().map(|column| &column.name);
                twice = names.find(|name| is(name));
            }
        })?;
        if let Some(field) = twice {
            return Err(self::twice(field));
        }
        let Some(name) = known.or(media) else {
            let reason = format!(
                "the record has no field `{}` to join by, and no media",
                self.on
            );
            return Err(Fault::new(Code::JoinMissing, reason));
        };
        let Some(row) = self.rows.get(name.as_str()) else {
            let reason = format!(
                "the table to join has no row with `{name}` in `{}`",
                self.on
            );
            return Err(Fault::new(Code::JoinMissing, reason)
                .help("add the row, or import such records without `--join`"));
        };
        let after = data.as_ptr().addr() - task.as_ptr().addr() + data.len() - 1;
        let comma = if is_empty || row.is_empty() { "" } else { "," };
        let more = [comma.as_bytes(), row.as_bytes()].concat();
        out.splice(start + after..start + after, more);
        Ok(())
    }
}

fn twice(field: &str) -> Fault {
    let reason = format!("the record has a field `{field}`, and so has the table to join");
    Fault::new(Code::FieldTwice, reason)
        .help("leave the record's out with `--pick`, or call it otherwise with `--map`")
}

/// The text that a JSON value is or stands for; none of what is no single value.
fn text(value: &str) -> Option<String> {
    match value.as_bytes().first()? {
        b'"' => serde_json::from_str(value).ok(),
        b'-' | b'0'..=b'9' => Some(value.to_owned()),
        _ => None,
    }
}

/// The file name in the address of a medium.
fn file_name(address: &str) -> Option<String> {
    // Files that Label Studio serves have their path in the query.
    let path = match address.split_once("?d=") {
        Some((_, path)) => path,
        None => address.split(['?', '#']).next()?,
    };
    let name = path.rsplit('/').next()?;
    let name = String::from_utf8(percent_decode(name)?).ok()?;
    (Format::of_name(&name) == Some(Format::Reference)).then_some(name)
}

/// The table as far as it is read.
struct Table<'a> {
    on: &'a str,
    most: usize,
    columns: Option<Vec<Joined>>,
    /// The number of the column by which rows are known.
    key: usize,
    names: Vec<Vec<u8>>,
    rows: HashMap<Box<str>, Box<str>>,
    bytes: usize,
    records: u64,
    digest: blake3::Hasher,
    error: Option<Error>,
}

impl<'a> Table<'a> {
    fn read(source: &Source, on: &'a str, reading: &Reading, most: usize) -> Result<Table<'a>> {
        let mut table = Table {
            on,
            most,
            columns: None,
            key: 0,
            names: Vec::new(),
            rows: HashMap::new(),
            bytes: 0,
            records: 0,
            digest: blake3::Hasher::new(),
            error: None,
        };
        read::alone(source, reading, READ_BYTES, |mut chunk| {
            table.take(&mut chunk)
        })?;
        Ok(table)
    }

    fn take(&mut self, chunk: &mut Chunk) -> Result<()> {
        let columns = match &*chunk.shape {
            Shape::Table { columns, .. } | Shape::Columns(columns) => columns.clone(),
            _ => {
                return Err(Error::new(
                    Code::Usage,
                    "`--join` wants a table: CSV, TSV, Parquet or Arrow",
                ));
            }
        };
        if let Body::Oversize { fault, .. } = &chunk.body {
            return Err(fault.clone().into());
        }
        if self.columns.is_none() {
            // The error names the columns that there are.
            let wanted = vec![self.on.to_owned()];
            Mapping::new(Some(wanted), Vec::new(), Vec::new(), "text".to_owned())?
                .check_columns(&columns)?;
            self.key = columns.iter().position(|c| c == self.on).unwrap_or(0);
            self.names = columns.iter().map(|name| mapping::key(name)).collect();
            let others = columns.into_iter().filter(|name| name != self.on);
            let others = others.map(|name| Joined {
                name,
                ..Joined::default()
            });
            self.columns = Some(others.collect());
        }
        let mut decoder = Decoder::new(chunk, Nul::Replace, &Arc::<Watch>::default());
        loop {
            let more = decoder
                .decode(self)
                .map_err(|fatal| Error::from(fatal.fault))?;
            if let Some(error) = self.error.take() {
                return Err(error);
            }
            if !more {
                return Ok(());
            }
        }
    }

    fn add<R: Row>(&mut self, row: &R) -> Result<(), Fault> {
        let mut cell = Vec::new();
        let mut changes = Changes::default();
        row.cell(self.key, &mut cell, &mut changes)?;
        let name = text(&String::from_utf8_lossy(&cell)).unwrap_or_default();
        let mut fields = Vec::new();
        let mut others = self.columns.iter_mut().flatten();
        for (column, key) in self.names.iter().enumerate() {
            if column == self.key {
                continue;
            }
            if !fields.is_empty() {
                fields.push(b',');
            }
            fields.extend_from_slice(key);
            let from = fields.len();
            row.cell(column, &mut fields, &mut changes)?;
            if let Some(joined) = others.next() {
                joined.met(&fields[from..]);
            }
        }
        self.bytes += name.len() + fields.len() + ROW_BYTES;
        if self.bytes > self.most {
            let reason = format!(
                "the table to join takes more than {} bytes of memory, a quarter of what the run may use",
                self.most
            );
            return Err(Fault::new(Code::RecordTooLarge, reason)
                .help("raise `--memory`, or leave columns and rows out that no task needs"));
        }
        self.digest.update(name.as_bytes());
        self.digest.update(&[0]);
        self.digest.update(&fields);
        self.digest.update(&[0]);
        match self.rows.entry(name.into_boxed_str()) {
            Entry::Occupied(known) => {
                let reason = format!(
                    "two rows of the table to join have `{}` in `{}`, the second is row {}",
                    known.key(),
                    self.on,
                    self.records
                );
                Err(Fault::new(Code::Usage, reason).help("leave one of them out"))
            }
            Entry::Vacant(new) => {
                new.insert(
                    String::from_utf8_lossy(&fields)
                        .into_owned()
                        .into_boxed_str(),
                );
                Ok(())
            }
        }
    }
}

impl Consumer for Table<'_> {
    fn is_full(&self) -> bool {
        self.error.is_some()
    }

    fn json(&mut self, mark: Mark, _value: Value<'_>) {
        self.text(mark, "");
    }

    fn text(&mut self, _mark: Mark, _text: &str) {
        self.error
            .get_or_insert_with(|| Error::new(Code::Internal, "a table to join without rows"));
    }

    fn row<R: Row>(&mut self, _mark: Mark, row: &R) {
        self.records += 1;
        if self.error.is_none()
            && let Err(fault) = self.add(row)
        {
            self.error = Some(fault.into());
        }
    }

    fn fault(&mut self, _mark: Mark, fault: Fault, _raw: &[u8]) {
        self.records += 1;
        let row = self.records;
        self.error.get_or_insert_with(|| {
            let reason = format!("row {row} of the table to join: {}", fault.reason);
            Fault { reason, ..fault }.into()
        });
    }

    fn changed(&mut self, _changes: Changes) {}
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn an_address_has_the_name_of_its_file() {
        let cases = [
            ("https://h/a/b%20c.jpg?x=1", Some("b c.jpg")),
            ("/data/local-files/?d=a/b.mp3", Some("b.mp3")),
            ("s3://bucket/a/b.PNG", Some("b.PNG")),
            ("a.jpg", Some("a.jpg")),
            ("some text. With a dot", None),
            ("https://h/a.html", None),
        ];
        for (address, name) in cases {
            assert_eq!(file_name(address).as_deref(), name, "{address}");
        }
    }
}
