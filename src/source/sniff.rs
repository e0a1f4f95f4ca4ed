//! What a source is, told from its first bytes and, where these leave a choice, from its name.

use std::fmt;

/// How the records of a source are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub enum Format {
    /// Cells separated by commas, or by what is found instead.
    Csv,
    /// Cells separated by tabs.
    Tsv,
    /// One task a line.
    Txt,
    /// A JSON array of records, or JSON values one after another.
    Json,
    /// One JSON value a line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC, file or stream.
    Arrow,
    /// The `rejects.jsonl` of an earlier run, mended.
    Rejects,
}

/// The compression around a whole source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip, one member or several.
    Gzip,
    /// Zstandard.
    Zstd,
    /// bzip2, one stream or several.
    Bzip2,
    /// xz.
    Xz,
    /// The LZ4 frame format.
    Lz4,
}

/// The suffixes that a name may end in, and what they say.
const SUFFIXES: &[(&str, Format)] = &[
    ("csv", Format::Csv),
    ("psv", Format::Csv),
    ("tbl", Format::Csv),
    ("tsv", Format::Tsv),
    ("tab", Format::Tsv),
    ("txt", Format::Txt),
    ("text", Format::Txt),
    ("json", Format::Json),
    ("geojson", Format::Json),
    ("jsonl", Format::Jsonl),
    ("ndjson", Format::Jsonl),
    ("geojsonl", Format::Jsonl),
    ("jsonlines", Format::Jsonl),
    ("parquet", Format::Parquet),
    ("parq", Format::Parquet),
    ("pq", Format::Parquet),
    ("arrow", Format::Arrow),
    ("arrows", Format::Arrow),
    ("feather", Format::Arrow),
    ("ipc", Format::Arrow),
];

/// The suffixes that a compressed file's name ends in, after that of its content.
const COMPRESSED: &[&str] = &["gz", "gzip", "zst", "zstd", "bz2", "xz", "lz4"];

impl Format {
    /// What a file name says: its suffix, in any case, before that of a compression if there is one.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Format> {
        let lower = name.to_ascii_lowercase();
        let mut stem = lower.as_str();
        if let Some((inner, suffix)) = stem.rsplit_once('.') && COMPRESSED.contains(&suffix) {
            stem = inner;
        }
        let (_, suffix) = stem.rsplit_once('.')?;
        SUFFIXES.iter().find(|(known, _)| *known == suffix).map(|(_, format)| *format)
    }

    /// What the first bytes say beyond doubt: the formats that start with a mark of their own.
    #[must_use]
    pub fn of_magic(head: &[u8]) -> Option<Format> {
        // An IPC stream starts with the continuation mark and the length of the schema message (format, "Encapsulated
        // message format").
        let ipc_stream = head.len() >= 8 && head.starts_with(&[0xFF; 4]) && head[7] == 0;
        if head.starts_with(b"PAR1") || head.starts_with(b"PARE") {
            Some(Format::Parquet)
        } else if head.starts_with(b"ARROW1") || ipc_stream {
            Some(Format::Arrow)
        } else {
            None
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::Txt => "txt",
            Format::Json => "json",
            Format::Jsonl => "jsonl",
            Format::Parquet => "parquet",
            Format::Arrow => "arrow",
            Format::Rejects => "rejects",
        })
    }
}

impl Compression {
    /// What the first bytes say; the marks stand in each format's own description.
    #[must_use]
    pub fn of_magic(head: &[u8]) -> Option<Compression> {
        match head {
            [0x1F, 0x8B, 8, ..] => Some(Compression::Gzip),
            // A frame, or a skippable frame before it.
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Some(Compression::Zstd),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some(Compression::Bzip2),
            [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Some(Compression::Xz),
            [0x04, 0x22, 0x4D, 0x18, ..] => Some(Compression::Lz4),
            _ => None,
        }
    }
}
