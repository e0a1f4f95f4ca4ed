//! Rejected records, with place and reason: what is kept of them, and the file they are written to.
//!
//! A line of the file holds what is needed to import the record again once `raw` has been mended: the file is itself a
//! source.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::decode::Fatal;
use crate::error::{Code, Error, Fault, Result};
use crate::normalize::tasks::RAW_BYTES;
use crate::partial_file::PartialFile;
use crate::place::{At, Place, SourceId, Spot};
use crate::read::Shape;
use crate::read::files::Whole;
use crate::source::listed::Sources;

/// Bytes shown of a record that is too long to be kept.
const HEAD_BYTES: usize = 1 << 10;

/// First places kept of the rejects of one code.
const FIRST_PLACES: usize = 5;

/// The rejects of one code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rejects {
    /// How many.
    pub count: u64,
    /// The first few: place and reason.
    pub first: Vec<String>,
    /// How to mend the first, if there is a way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Rejects {
    /// Counts one more; `source` is the name of its source.
    pub fn add(&mut self, reject: &Reject, source: &str) {
        if self.count == 0 {
            self.help.clone_from(&reject.fault.help);
        }
        self.count += 1;
        if self.first.len() < FIRST_PLACES {
            let spot = reject.spot_in(source);
            self.first.push(format!("{spot}: {}", reject.fault.reason));
        }
    }
}

/// A record that became no task.
#[derive(Clone, Debug)]
pub struct Reject {
    /// Where its record starts.
    pub place: Place,
    /// What is wrong with it.
    pub fault: Fault,
    /// Line and column of the trouble itself, from 1; the column in characters. None where a source has no lines.
    pub spot: Option<(u64, u64)>,
    /// Its bytes, as far as they are kept.
    pub raw: Vec<u8>,
    /// What its record should have looked like.
    pub shape: Arc<Shape>,
}

impl Reject {
    /// Works out the line and column of the trouble from the record's bytes.
    #[must_use]
    pub fn new(place: Place, fault: Fault, raw: Vec<u8>, shape: &Arc<Shape>) -> Self {
        let raw = match &**shape {
            // What can be read by whoever has it is not kept.
            Shape::Whole(Whole::Signed { plain }) => plain.as_bytes().to_vec(),
            _ => raw,
        };
        let spot = trouble(place, &raw[..fault.offset.min(raw.len())]);
        let shape = Arc::clone(shape);
        Reject {
            place,
            fault,
            spot,
            raw,
            shape,
        }
    }

    /// The record at which a run ends; it is not kept.
    #[must_use]
    pub fn fatal(place: Place, fatal: Fatal, shape: &Arc<Shape>) -> Self {
        let spot = fatal.read.as_ref().and_then(|read| trouble(place, read));
        let (raw, shape) = (Vec::new(), Arc::clone(shape));
        Reject {
            place,
            fault: fatal.fault,
            spot,
            raw,
            shape,
        }
    }

    /// The reject as one line of JSON.
    #[must_use]
    pub fn line(&self, source: &str) -> String {
        let (byte, row) = match self.place.at {
            At::Text { byte, .. } => (Some(byte + self.fault.offset as u64), None),
            At::Row { group, row } => (None, Some((group, row))),
        };
        let whole = self.raw.len() < RAW_BYTES;
        let raw = std::str::from_utf8(&self.raw)
            .ok()
            .filter(|raw| whole && !raw.is_empty());
        let line = Line {
            sluice_reject: 1,
            source,
            record: self.place.record,
            line: self.spot.map(|(line, _)| line),
            column: self.spot.map(|(_, column)| column),
            byte,
            row_group: row.map(|(group, _)| group),
            row: row.map(|(_, row)| row),
            code: self.fault.code.as_str(),
            reason: &self.fault.reason,
            help: self.fault.help.as_deref(),
            shape: RejectShape::of(&self.shape),
            raw,
            raw_hex: (raw.is_none() && whole && !self.raw.is_empty()).then(|| hex(&self.raw)),
            raw_head: (!whole).then(|| String::from_utf8_lossy(&self.raw[..HEAD_BYTES])),
        };
        serde_json::to_string(&line).unwrap_or_default()
    }

    /// Where it is, with its source's name.
    #[must_use]
    pub fn spot_in(&self, source: &str) -> Spot {
        let mut place = self.place;
        let mut column = None;
        if let (At::Text { line, byte }, Some((fault_line, fault_column))) =
            (&mut place.at, self.spot)
        {
            *line = fault_line;
            *byte += self.fault.offset as u64;
            column = Some(fault_column);
        }
        Spot {
            source: Arc::from(source),
            place: Some(place),
            column,
        }
    }

    /// The code, for counting.
    #[must_use]
    pub fn code(&self) -> Code {
        self.fault.code
    }
}

/// The line of a record that came before and was left out.
#[must_use]
pub fn duplicate_line(place: Place, source: &str) -> String {
    #[derive(Serialize)]
    struct Duplicate<'a> {
        source: &'a str,
        record: u64,
        #[serde(flatten)]
        at: At,
    }
    let duplicate = Duplicate {
        source,
        record: place.record,
        at: place.at,
    };
    serde_json::to_string(&duplicate).unwrap_or_default()
}

/// A file that lists records, a line of JSON with `source` and `record` each: those that were rejected, or left out as
/// duplicates. It is not there before there is one.
#[derive(Debug, Default)]
pub struct RecordsFile {
    path: Option<PathBuf>,
    file: Option<BufWriter<File>>,
    /// Whether there is anything that may not be on the disk.
    dirty: bool,
}

impl RecordsFile {
    /// Where the duplicates of a run are listed whose rejects are at `rejects`.
    #[must_use]
    pub fn of_duplicates(rejects: &Path) -> PathBuf {
        let name = rejects.file_name().unwrap_or_default().to_string_lossy();
        rejects.with_file_name(name.replacen("rejects", "duplicates", 1))
    }

    /// A file at `path`, or none at all. Where a run goes on `from` a place, the records before it are kept, else none
    /// that is there; by their names it is known of which of the run's sources they are.
    ///
    /// # Errors
    /// When what is there cannot be read, removed or written anew.
    pub fn new(path: Option<PathBuf>, from: Option<(Place, &Sources)>) -> Result<Self> {
        let file = match (&path, from) {
            (Some(path), Some((from, sources))) => {
                let numbers = numbers(path, sources)?;
                keep_before(path, from, &numbers).map_err(|e| unwritable(path, &e))?
            }
            (Some(path), None) => match std::fs::remove_file(path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(unwritable(path, &e));
                }
                _ => None,
            },
            (None, _) => None,
        };
        Ok(RecordsFile {
            path,
            file,
            dirty: false,
        })
    }

    /// Adds a record, by its line.
    ///
    /// # Errors
    /// When the file cannot be written: a reject that is not kept would be lost.
    pub fn write(&mut self, mut line: String) -> Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        line.push('\n');
        let file = if let Some(file) = &mut self.file {
            file
        } else {
            let file = File::create(path).map_err(|e| unwritable(path, &e))?;
            self.file.insert(BufWriter::new(file))
        };
        self.dirty = true;
        file.write_all(line.as_bytes())
            .map_err(|e| unwritable(path, &e))
    }

    /// Makes what was written safe on the disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn sync(&mut self) -> Result<()> {
        let (Some(path), Some(file), true) = (&self.path, &mut self.file, self.dirty) else {
            return Ok(());
        };
        self.dirty = false;
        file.flush()
            .and_then(|()| file.get_ref().sync_all())
            .map_err(|e| unwritable(path, &e))
    }

    /// Ends it: what was written is safe on the disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(&mut self) -> Result<()> {
        let outcome = self.sync();
        self.file = None;
        outcome
    }
}

/// Where a line's record is from.
#[derive(Deserialize)]
struct Of {
    source: String,
    record: u64,
}

/// The numbers of the sources that a file lists records of, of each name the first.
fn numbers(path: &Path, sources: &Sources) -> Result<HashMap<String, SourceId>> {
    let there = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(e) => return Err(unwritable(path, &e)),
    };
    let mut names = HashSet::new();
    for line in there.split(b'\n') {
        let line = line.map_err(|e| unwritable(path, &e))?;
        if let Ok(of) = serde_json::from_slice::<Of>(&line) {
            names.insert(of.source);
        }
    }
    let mut numbers = HashMap::new();
    for source in sources {
        let source = source?;
        if let Some(name) = names.take(&*source.name) {
            numbers.insert(name, source.id);
        }
    }
    Ok(numbers)
}

/// Leaves in a file only the records before a place, and opens it for more; nothing if there is no file.
fn keep_before(
    path: &Path,
    from: Place,
    numbers: &HashMap<String, SourceId>,
) -> std::io::Result<Option<BufWriter<File>>> {
    let before = |line: &str| {
        serde_json::from_str::<Of>(line).is_ok_and(|of| {
            let source = numbers.get(&of.source);
            source.is_some_and(|source| (*source, of.record) < (from.source, from.record))
        })
    };
    let there = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut kept = PartialFile::create(path)?;
    let mut writer = BufWriter::new(&mut kept);
    for line in there.split(b'\n') {
        let line = line?;
        // A line that was cut off is that of a record which is met again.
        if std::str::from_utf8(&line).is_ok_and(before) {
            writer.write_all(&line)?;
            writer.write_all(b"\n")?;
        }
    }
    writer.flush()?;
    drop(writer);
    kept.finish()?;
    let file = OpenOptions::new().append(true).open(path)?;
    Ok(Some(BufWriter::new(file)))
}

fn unwritable(path: &Path, cause: &std::io::Error) -> Error {
    Error::new(
        Code::TargetWrite,
        format!("cannot write to `{}`: {cause}", path.display()),
    )
}

/// Line and column after the text `before`, which starts where the line of `place` does.
fn trouble(place: Place, before: &[u8]) -> Option<(u64, u64)> {
    let At::Text { line, .. } = place.at else {
        return None;
    };
    let lines = memchr::memchr_iter(b'\n', before).count() as u64;
    let in_line = &before[memchr::memrchr(b'\n', before).map_or(0, |n| n + 1)..];
    Some((
        line + lines,
        String::from_utf8_lossy(in_line).chars().count() as u64 + 1,
    ))
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are those of the file")]
struct Line<'a> {
    /// The version of this layout; the first key, by which the file is known.
    sluice_reject: u32,
    source: &'a str,
    record: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    byte: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row_group: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<u64>,
    code: &'a str,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
    #[serde(flatten)]
    shape: RejectShape<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'a str>,
    /// A record that is not text.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_hex: Option<String>,
    /// The start of a record that is too long to be kept; it cannot be imported again from here.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_head: Option<Cow<'a, str>>,
}

/// How `raw` is to be read again.
#[derive(Serialize)]
#[serde(tag = "format", rename_all = "lowercase")]
enum RejectShape<'a> {
    Json,
    Txt,
    Csv {
        delimiter: char,
        columns: &'a [String],
        /// The columns' types, unless every cell is text.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        types: Vec<&'static str>,
        /// Cells before the first column, if there are any.
        #[serde(skip_serializing_if = "Option::is_none")]
        leading: Option<usize>,
    },
    Arrow,
    /// Not from here: its own source is to be read again.
    Whole,
}

impl<'a> RejectShape<'a> {
    fn of(shape: &'a Shape) -> Self {
        match shape {
            Shape::Json(_) | Shape::Rejects => RejectShape::Json,
            Shape::Lines(_) | Shape::Whole(Whole::Text | Whole::Address) => RejectShape::Txt,
            Shape::Whole(_) => RejectShape::Whole,
            Shape::Table {
                columns,
                delimiter,
                typing,
            } => RejectShape::Csv {
                delimiter: char::from(*delimiter),
                columns,
                types: typing.columns.iter().map(|t| t.name()).collect(),
                leading: Some(typing.leading).filter(|leading| *leading > 0),
            },
            Shape::Columns(_) => RejectShape::Arrow,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|d| char::from_digit(d.into(), 16))
        .collect()
}
