//! **Takes** a [`Source`], and how it is to be read and normalized.
//! **Gives** [`About`] it: what its head says of it, what its columns hold, its first tasks.
//! **Waits on** the source, for its head alone.
//! **To add one:** what is found on the way to the records belongs in [`Found`]; what records say, in [`columns`].
//!
//! The reader, the decoders and the normalizer are those of a run, so that what is shown is what would be sent. All is
//! done on one thread, and ends when enough has been seen.

pub mod columns;
pub mod estimate;
pub mod fitting;
pub mod head;
pub mod sample;
pub mod windows;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use self::columns::Column;
use self::fitting::Fitting;
use crate::error::Fault;
use crate::read::found::Found;
use crate::read::{Framing, Shape};
use crate::rejects::Rejects;
use crate::source::Source;
use crate::source::sniff::{Compression, Format};

/// What is known of a source by its head.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// Its name.
    pub source: String,
    /// Its size as stored, if that is known before it is read.
    pub bytes: Option<u64>,
    /// Its format, as `--format` has it.
    pub format: Option<String>,
    /// How its records follow one another, or what one is.
    pub records_are: &'static str,
    /// The compression around the whole of it.
    pub compression: Option<&'static str>,
    /// The encoding of its text.
    pub encoding: Option<&'static str>,
    /// The character between the cells of a table.
    pub delimiter: Option<char>,
    /// How many records there are, if its footer says so.
    pub records: Option<u64>,
    /// How many were looked at.
    pub looked_at: u64,
    /// Whether these are all.
    pub all: bool,
    /// The row groups of a Parquet file.
    pub row_groups: Option<RowGroups>,
    /// What the fields of its tasks hold.
    pub columns: Vec<Column>,
    /// Columns that are not listed, since there are too many.
    pub more_columns: u64,
    /// The records looked at that would be rejected, by code.
    pub rejects_by_code: BTreeMap<&'static str, Rejects>,
    /// What would end a run there.
    pub fault: Option<String>,
    /// How its tasks fit the labelling config, if there is one.
    pub fitting: Option<Fitting>,
    /// Its first tasks, as they would be sent.
    pub tasks: Vec<Box<RawValue>>,
}

/// What the footer of a Parquet file says of its row groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowGroups {
    /// How many.
    pub count: usize,
    /// The rows of the smallest and of the largest.
    pub rows: (u64, u64),
    /// Their bytes as stored, of the smallest and of the largest.
    pub bytes: (u64, u64),
    /// How pages are compressed.
    pub codecs: Vec<String>,
}

impl About {
    fn new(source: &Source) -> Self {
        About {
            source: source.name.to_string(),
            bytes: source.bytes,
            format: None,
            records_are: "",
            compression: None,
            encoding: None,
            delimiter: None,
            records: None,
            looked_at: 0,
            all: false,
            row_groups: None,
            columns: Vec::new(),
            more_columns: 0,
            rejects_by_code: BTreeMap::new(),
            fault: None,
            fitting: None,
            tasks: Vec::new(),
        }
    }

    /// Takes in what was found on the way to the records.
    fn found(&mut self, found: &Found) {
        self.format = found.format.map(|format| format.to_string());
        self.compression = found.compression.map(compression);
        self.encoding = found.encoding.map(encoding_rs::Encoding::name);
        let Some(footer) = &found.footer else {
            return;
        };
        let groups = footer.row_groups();
        let count = |of: &dyn Fn(usize) -> i64| {
            let all = (0..groups.len()).map(|group| u64::try_from(of(group)).unwrap_or(0));
            (all.clone().min().unwrap_or(0), all.max().unwrap_or(0))
        };
        let mut codecs: Vec<String> = groups
            .iter()
            .flat_map(parquet::file::metadata::RowGroupMetaData::columns)
            .map(|column| codec(&format!("{:?}", column.compression())))
            .collect();
        codecs.sort();
        codecs.dedup();
        self.records = u64::try_from(footer.file_metadata().num_rows()).ok();
        self.row_groups = Some(RowGroups {
            count: groups.len(),
            rows: count(&|group| groups[group].num_rows()),
            bytes: count(&|group| groups[group].compressed_size()),
            codecs,
        });
    }

    /// Takes in what its records look like.
    fn shape(&mut self, shape: &Shape, format: Option<Format>) {
        if let Shape::Table { delimiter, .. } = shape {
            self.delimiter = Some(char::from(*delimiter));
        }
        self.records_are = match shape {
            Shape::Json(Framing::Lines) => "values, one a line",
            Shape::Json(Framing::Elements) => "elements of an array",
            Shape::Json(Framing::Values) => "values, one after another",
            Shape::Table { .. } | Shape::Columns(_) => "rows",
            Shape::Lines(_) => "lines",
            Shape::Rejects => "rejects of an earlier run",
            Shape::Whole(_) if format == Some(Format::Reference) => "the file, by its address",
            Shape::Whole(_) => "the file",
        };
    }

    /// Sets what would end a run there, if anything does so far.
    fn fault(&mut self, fault: &Fault) {
        let help = fault.help.iter().map(|help| format!("; {help}"));
        self.fault.get_or_insert_with(|| {
            format!(
                "[{}] {}{}",
                fault.code,
                fault.reason,
                help.collect::<String>()
            )
        });
    }
}

fn compression(compression: Compression) -> &'static str {
    match compression {
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
        Compression::Bzip2 => "bzip2",
        Compression::Xz => "xz",
        Compression::Lz4 => "lz4",
    }
}

/// A codec as people write it: `ZSTD(ZstdLevel(3))` is zstd.
fn codec(name: &str) -> String {
    let name = name.split('(').next().unwrap_or(name);
    name.to_lowercase()
}
