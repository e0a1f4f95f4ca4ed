//! Made-up inputs for `sluice bench`, benches and tests of memory: review-like records with a Zipf vocabulary, quotes,
//! line breaks and some text that is not ASCII. The same kind, size and seed give the same bytes.

mod columns;
mod records;

use std::io::{self, Write};

use clap::ValueEnum;

pub use self::records::{Random, Record, Records};

/// Every so many rows of a table have an empty cell.
const EMPTY_EVERY: u64 = 50;
/// The columns a wide table has beyond the seven of a narrow one.
const WIDE: usize = 60;

/// What can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// JSON Lines, flat records with one nested object.
    Jsonl,
    /// JSON Lines of whole tasks: `data` and `predictions`.
    TasksJsonl,
    /// One JSON array of whole tasks, one to a line.
    Array,
    /// The same array, indented.
    Pretty,
    /// CSV of seven columns, quoted where needed, with line breaks in cells.
    Csv,
    /// CSV of 67 columns, 60 of them numbers.
    WideCsv,
    /// Tab-separated, otherwise as CSV.
    Tsv,
    /// A text a line.
    Txt,
    /// Parquet with a nested column, zstd, row groups of 100,000 rows; its megabytes are those of the data in memory.
    Parquet,
}

impl Kind {
    /// The ending of a file's name that tells its format.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Kind::Jsonl | Kind::TasksJsonl => "jsonl",
            Kind::Array | Kind::Pretty => "json",
            Kind::Csv | Kind::WideCsv => "csv",
            Kind::Tsv => "tsv",
            Kind::Txt => "txt",
            Kind::Parquet => "parquet",
        }
    }
}

/// Writes at least `bytes` of this kind.
///
/// # Errors
/// Those of `out`.
pub fn write(kind: Kind, out: impl Write + Send, bytes: u64, seed: u64) -> io::Result<()> {
    let mut records = Records::new(seed);
    if kind == Kind::Parquet {
        return columns::parquet(&mut records, out, bytes);
    }
    let mut out = out;
    let mut record = Record::default();
    let mut line = Vec::new();
    let mut written = 0;
    let mut first = true;
    match kind {
        Kind::Array | Kind::Pretty => out.write_all(b"[")?,
        Kind::Csv | Kind::Tsv => out.write_all(&header(kind, 0))?,
        Kind::WideCsv => out.write_all(&header(kind, WIDE))?,
        _ => {}
    }
    while written < bytes {
        records.next(&mut record);
        line.clear();
        match kind {
            Kind::Jsonl => flat(&mut line, &record, "", "\n"),
            Kind::TasksJsonl => {
                task(&mut line, &record, "");
                line.push(b'\n');
            }
            Kind::Array | Kind::Pretty => {
                line.extend_from_slice(if first { b"\n" } else { b",\n" });
                task(
                    &mut line,
                    &record,
                    if kind == Kind::Pretty { "\n    " } else { "" },
                );
            }
            Kind::Csv | Kind::Tsv => row(&mut line, &record, kind, 0, &mut records.random),
            Kind::WideCsv => row(&mut line, &record, kind, WIDE, &mut records.random),
            Kind::Txt => {
                line.extend(
                    record
                        .text
                        .bytes()
                        .map(|b| if b == b'\n' { b' ' } else { b }),
                );
                line.push(b'\n');
            }
            // Written above.
            Kind::Parquet => {}
        }
        first = false;
        written += line.len() as u64;
        out.write_all(&line)?;
    }
    if matches!(kind, Kind::Array | Kind::Pretty) {
        out.write_all(b"\n]\n")?;
    }
    out.flush()
}

/// A record as a JSON object, each field after `gap`, then `end`.
fn flat(line: &mut Vec<u8>, record: &Record, gap: &str, end: &str) {
    let Record {
        id,
        stars,
        helpful,
        verified,
        lang,
        ..
    } = record;
    put(line, format_args!("{{{gap}\"id\":{id},{gap}\"text\":"));
    string(line, &record.text);
    put(
        line,
        format_args!(
            ",{gap}\"image\":\"{}\",{gap}\"stars\":{stars},{gap}\"helpful\":{helpful:?}",
            record.image
        ),
    );
    put(
        line,
        format_args!(",{gap}\"verified\":{verified},{gap}\"lang\":\"{lang}\""),
    );
    put(
        line,
        format_args!(
            ",{gap}\"meta\":{{\"user\":\"{}\",\"ts\":\"{}\",\"tags\":",
            record.user, record.ts
        ),
    );
    let tags = ["[]", r#"["a"]"#, r#"["a","b c"]"#][record.tags.len()];
    put(line, format_args!("{tags}}}}}{end}"));
}

/// A record as a task with a prediction.
fn task(line: &mut Vec<u8>, record: &Record, gap: &str) {
    put(line, format_args!("{{{gap}\"data\":"));
    flat(line, record, gap, "");
    put(
        line,
        format_args!(
            ",{gap}\"predictions\":[{{\"model_version\":\"v1\",\"score\":{:?},",
            record.score
        ),
    );
    put(
        line,
        format_args!(
            "\"result\":[{{\"from_name\":\"sentiment\",\"to_name\":\"text\",\"type\":\"choices\","
        ),
    );
    put(
        line,
        format_args!("\"value\":{{\"choices\":[\"{}\"]}}}}]}}]}}", record.choice),
    );
}

fn header(kind: Kind, more: usize) -> Vec<u8> {
    let columns = [
        "id", "text", "image", "stars", "helpful", "verified", "lang",
    ]
    .map(str::to_owned)
    .into_iter();
    let columns: Vec<_> = columns.chain((0..more).map(|k| format!("f{k}"))).collect();
    (columns.join(if kind == Kind::Tsv { "\t" } else { "," }) + "\n").into_bytes()
}

fn row(line: &mut Vec<u8>, record: &Record, kind: Kind, more: usize, random: &mut Random) {
    let comma = if kind == Kind::Tsv { '\t' } else { ',' };
    let Record {
        id,
        stars,
        helpful,
        verified,
        image,
        ..
    } = record;
    put(line, format_args!("{id}{comma}"));
    if record.text.contains([comma, '"', '\n']) {
        put(
            line,
            format_args!("\"{}\"", record.text.replace('"', "\"\"")),
        );
    } else {
        line.extend_from_slice(record.text.as_bytes());
    }
    let lang = if record.id.is_multiple_of(EMPTY_EVERY) {
        ""
    } else {
        record.lang
    };
    put(
        line,
        format_args!(
            "{comma}{image}{comma}{stars}{comma}{helpful:?}{comma}{verified}{comma}{lang}"
        ),
    );
    for k in 0..more {
        if k % 2 == 1 {
            put(line, format_args!("{comma}{}", random.below(1_000_001)));
        } else {
            put(
                line,
                format_args!("{comma}{:?}", (random.unit() * 1e6).round() / 1e6),
            );
        }
    }
    line.push(b'\n');
}

fn put(line: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Memory takes what is written to it.
    let _ = line.write_fmt(text);
}

fn string(line: &mut Vec<u8>, text: &str) {
    // Memory takes what is written to it.
    let _ = serde_json::to_writer(line, text);
}
