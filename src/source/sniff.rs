//! What a source is, told from its first bytes and, where these leave a choice, from its name.

use std::fmt;

use serde::de::IgnoredAny;

use super::media;

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
    /// An HTML page: one task.
    Html,
    /// An XML document: one task.
    Xml,
    /// A file that the task speaks of by its address: an image, a sound, a film, a PDF.
    Reference,
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC, file or stream.
    Arrow,
    /// The `rejects.jsonl` of an earlier run, mended.
    Rejects,
}

/// How JSON values follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One a line; a bad line costs itself alone.
    Lines,
    /// Elements of one array, commas between them; after a bad one nothing can be trusted.
    Elements,
    /// One after another, white space between them; after a bad one nothing can be trusted.
    Values,
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
    ("htm", Format::Html),
    ("html", Format::Html),
    ("xhtml", Format::Html),
    ("xml", Format::Xml),
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
        let (_, suffix) = uncompressed(&lower).rsplit_once('.')?;
        if media::type_of(suffix).is_some() {
            return Some(Format::Reference);
        }
        SUFFIXES
            .iter()
            .find(|(known, _)| *known == suffix)
            .map(|(_, format)| *format)
    }

    /// What the first bytes say beyond doubt: the formats that start with a mark of their own.
    #[must_use]
    pub fn of_magic(head: &[u8]) -> Option<Format> {
        // An IPC stream starts with the continuation mark and the length of the schema message (format, "Encapsulated
        // message format").
        let ipc_stream = head.len() >= 8 && head.starts_with(&[0xFF; 4]) && head[7] == 0;
        if head.starts_with(b"PAR1") || head.starts_with(b"PARE") {
            Some(Format::Parquet)
        } else if head.starts_with(b"ARROW1") || ipc_stream || is_legacy_ipc(head) {
            Some(Format::Arrow)
        } else {
            None
        }
    }
}

/// A name in lower case without the suffix of a compression.
pub(crate) fn uncompressed(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((inner, suffix)) if COMPRESSED.contains(&suffix) => inner,
        _ => name,
    }
}

/// Whether a name says that a file is compressed as a whole.
#[must_use]
pub fn is_compressed(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    uncompressed(&lower) != lower
}

/// The content type that HTTP gives a file of this name; none where the name tells neither media nor text.
#[must_use]
pub fn content_type(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let (_, suffix) = lower.rsplit_once('.')?;
    media::type_of(suffix).or_else(|| {
        let (_, format) = SUFFIXES.iter().find(|(known, _)| *known == suffix)?;
        Some(match format {
            Format::Csv => "text/csv; charset=utf-8",
            Format::Tsv => "text/tab-separated-values; charset=utf-8",
            Format::Txt => "text/plain; charset=utf-8",
            Format::Html => "text/html; charset=utf-8",
            // An XML document says itself how it is encoded.
            Format::Xml => "application/xml",
            Format::Json | Format::Jsonl | Format::Rejects => "application/json",
            Format::Parquet | Format::Arrow | Format::Reference => "application/octet-stream",
        })
    })
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::Txt => "txt",
            Format::Json => "json",
            Format::Jsonl => "jsonl",
            Format::Html => "html",
            Format::Xml => "xml",
            Format::Reference => "reference",
            Format::Parquet => "parquet",
            Format::Arrow => "arrow",
            Format::Rejects => "rejects",
        })
    }
}

impl Compression {
    /// What a file name says.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Compression> {
        let lower = name.to_ascii_lowercase();
        let (_, suffix) = lower.rsplit_once('.')?;
        Some(match suffix {
            "gz" | "gzip" | "tgz" => Compression::Gzip,
            "zst" | "zstd" | "tzst" => Compression::Zstd,
            "bz2" | "tbz" | "tbz2" => Compression::Bzip2,
            "xz" | "txz" => Compression::Xz,
            "lz4" => Compression::Lz4,
            _ => return None,
        })
    }

    /// What the first bytes say; the marks stand in each format's own description.
    #[must_use]
    pub fn of_magic(head: &[u8]) -> Option<Compression> {
        match head {
            [0x1F, 0x8B, 8, ..] => Some(Compression::Gzip),
            // A frame, or a skippable frame before it.
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => {
                Some(Compression::Zstd)
            }
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some(Compression::Bzip2),
            [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Some(Compression::Xz),
            [0x04, 0x22, 0x4D, 0x18, ..] => Some(Compression::Lz4),
            _ => None,
        }
    }
}

/// Bytes of a legacy IPC stream (before Arrow 0.15) that tell it: a length, then a FlatBuffers root offset; both small.
fn is_legacy_ipc(head: &[u8]) -> bool {
    matches!(head, [_, _, _, 0, 4..=64, 0, 0, 0, ..])
}

/// What text is, where nothing but its content and its name tell.
#[must_use]
pub fn text_format(head: &[u8], complete: bool, name: &str) -> Format {
    if head.starts_with(REJECTS_MARK) {
        return Format::Rejects;
    }
    Format::of_name(name)
        .filter(|format| !matches!(format, Format::Parquet | Format::Arrow | Format::Reference))
        .unwrap_or_else(|| {
            let json = opens_like_json(head)
                || first_value(head, complete) != FirstValue::Broken && has_bracket(head);
            if json { Format::Json } else { Format::Txt }
        })
}

fn has_bracket(head: &[u8]) -> bool {
    matches!(head.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// Whether text starts as only JSON does: a brace or bracket, and what may follow it there but hardly elsewhere.
fn opens_like_json(head: &[u8]) -> bool {
    match head.trim_ascii_start() {
        [b'{', rest @ ..] => matches!(rest.trim_ascii_start(), [b'"' | b'}', ..]),
        [b'[', rest @ ..] => matches!(rest.trim_ascii_start(), [b'{' | b'[' | b'"' | b']', ..]),
        _ => false,
    }
}

/// How the lines of a rejects file start.
pub const REJECTS_MARK: &[u8] = br#"{"sluice_reject":"#;

/// How the values of JSON text follow one another.
///
/// Text called JSON Lines is read as lines, unless its first value ends on a later line than it starts. Text called
/// JSON is an array if it starts with a bracket; it is read as lines if its first line is a whole object and another
/// object starts on the next.
#[must_use]
pub fn json_framing(head: &[u8], complete: bool, format: Format) -> Framing {
    let text = head.trim_ascii_start();
    let mut lines = text
        .split(|b| *b == b'\n')
        .filter(|line| !line.trim_ascii().is_empty());
    let first = lines.next().unwrap_or_default();
    let value = first_value(text, complete);
    match first.first() {
        _ if format == Format::Jsonl => match value {
            FirstValue::Whole { bytes } if bytes > first.len() => Framing::Values,
            _ => Framing::Lines,
        },
        Some(b'[') => Framing::Elements,
        Some(b'{') => {
            let whole = match value {
                FirstValue::Whole { bytes } => first
                    .get(bytes..)
                    .is_some_and(|rest| rest.trim_ascii().is_empty()),
                FirstValue::CutOff | FirstValue::Broken => false,
            };
            let another = lines
                .next()
                .is_some_and(|line| line.trim_ascii_start().starts_with(b"{"));
            if whole && another {
                Framing::Lines
            } else {
                Framing::Values
            }
        }
        _ => Framing::Values,
    }
}

#[derive(PartialEq, Eq)]
enum FirstValue {
    Whole { bytes: usize },
    CutOff,
    Broken,
}

/// Whether text starts with a JSON value, as far as it is there.
fn first_value(text: &[u8], complete: bool) -> FirstValue {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => FirstValue::Whole {
            bytes: values.byte_offset(),
        },
        Some(Err(e)) if e.is_eof() && !complete => FirstValue::CutOff,
        _ => FirstValue::Broken,
    }
}
