//! Files of every format, small and made up by chance or large and always the same, and what may be around them.

use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::{Int64Builder, StringDictionaryBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_ipc::writer::{FileWriter, StreamWriter};
use proptest::prelude::*;

use crate::library;

/// A file with a name that tells its format.
#[derive(Clone, Debug)]
pub struct File {
    pub name: String,
    pub bytes: Vec<u8>,
}

impl File {
    pub fn new(name: &str, bytes: Vec<u8>) -> Self {
        File {
            name: name.to_owned(),
            bytes,
        }
    }

    fn is_text(&self) -> bool {
        !self.name.ends_with(".parquet") && !self.name.contains(".arrow")
    }
}

/// What may be around a file's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrap {
    Nothing,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
    Lz4,
    Bom,
    Utf16Le,
    Utf16Be,
}

impl Wrap {
    /// Those that a file of this format can have.
    pub fn of(file: &File) -> Vec<Wrap> {
        let mut wraps = vec![Wrap::Nothing];
        if !file.name.ends_with(".parquet") {
            wraps.extend([Wrap::Gzip, Wrap::Zstd, Wrap::Bzip2, Wrap::Xz, Wrap::Lz4]);
        }
        if file.is_text() {
            wraps.extend([Wrap::Bom, Wrap::Utf16Le, Wrap::Utf16Be]);
        }
        wraps
    }

    /// The file with this around it.
    pub fn around(self, file: &File) -> File {
        let text = || std::str::from_utf8(&file.bytes).expect("the file is text");
        let bytes = &file.bytes;
        let (suffix, wrapped) = match self {
            Wrap::Nothing => ("", bytes.clone()),
            Wrap::Gzip => (
                ".gz",
                in_two(bytes, |part| {
                    let mut encoder =
                        flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                    encoder.write_all(part).expect("memory takes all");
                    encoder.finish().expect("memory takes all")
                }),
            ),
            Wrap::Zstd => (
                ".zst",
                in_two(bytes, |part| {
                    zstd::encode_all(part, 1).expect("memory takes all")
                }),
            ),
            Wrap::Bzip2 => (
                ".bz2",
                in_two(bytes, |part| {
                    let mut encoder =
                        bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                    encoder.write_all(part).expect("memory takes all");
                    encoder.finish().expect("memory takes all")
                }),
            ),
            Wrap::Xz => (
                ".xz",
                in_two(bytes, |part| {
                    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
                    encoder.write_all(part).expect("memory takes all");
                    encoder.finish().expect("memory takes all")
                }),
            ),
            Wrap::Lz4 => (
                ".lz4",
                in_two(bytes, |part| {
                    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                    encoder.write_all(part).expect("memory takes all");
                    encoder.finish().expect("memory takes all")
                }),
            ),
            Wrap::Bom => ("", [b"\xEF\xBB\xBF", &bytes[..]].concat()),
            Wrap::Utf16Le => {
                let units = "\u{FEFF}".encode_utf16().chain(text().encode_utf16());
                ("", units.flat_map(u16::to_le_bytes).collect())
            }
            Wrap::Utf16Be => {
                let units = "\u{FEFF}".encode_utf16().chain(text().encode_utf16());
                ("", units.flat_map(u16::to_be_bytes).collect())
            }
        };
        File {
            name: format!("{}{suffix}", file.name),
            bytes: wrapped,
        }
    }
}

/// Two compressed parts one after the other, as `cat a.gz b.gz` makes them.
fn in_two(bytes: &[u8], compress: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    [compress(first), compress(second)].concat()
}

/// Small files of every format, with what may be around them.
pub fn small() -> impl Strategy<Value = File> {
    let sample = library::sample().prop_map(|sample| File::new(sample.name, sample.bytes));
    let line = prop::sample::select(vec![
        r#"{"sluice_reject":1,"format":"txt","raw":"mended"}"#,
        r#"{"sluice_reject":1,"format":"json","raw":"{\"a\":[1,2]}"}"#,
        r#"{"sluice_reject":1,"format":"csv","delimiter":",","columns":["a","b"],"raw":"1,\"x\ny\""}"#,
        r#"{"sluice_reject":1,"format":"csv","delimiter":",","columns":["a","b"],"raw":"1"}"#,
        "",
    ]);
    let rejects = prop::collection::vec(line, 1..30).prop_map(|mut lines| {
        lines.insert(0, r#"{"sluice_reject":1,"format":"txt","raw":"first"}"#);
        File::new("rejects.jsonl", lines.join("\n").into_bytes())
    });
    let words = prop::collection::vec(prop::collection::vec("[a-c]{1,2}", 0..9), 1..6);
    let dictionaries = (words, any::<bool>()).prop_map(|(batches, in_file)| {
        if in_file {
            File::new("d.arrow", arrow_file(&batches))
        } else {
            File::new("d.arrows", arrow_stream(&batches))
        }
    });
    (
        prop_oneof![7 => sample, 1 => rejects, 2 => dictionaries],
        any::<prop::sample::Index>(),
    )
        .prop_map(|(file, index)| index.get(&Wrap::of(&file)).around(&file))
}

/// Rows of a word from a dictionary, the word itself, and a number.
fn batch(words: &[String]) -> RecordBatch {
    let mut dictionary = StringDictionaryBuilder::<Int32Type>::new();
    let mut numbers = Int64Builder::new();
    for (number, word) in (0..).zip(words) {
        dictionary.append_value(word);
        numbers.append_value(number);
    }
    let columns: [(&str, ArrayRef); 3] = [
        ("word", Arc::new(dictionary.finish())),
        (
            "same",
            Arc::new(words.iter().map(Some).collect::<StringArray>()),
        ),
        ("number", Arc::new(numbers.finish())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true)))
        .expect("a batch")
}

/// One dictionary for all batches: a file has no other, and it comes before them.
fn arrow_file(batches: &[Vec<String>]) -> Vec<u8> {
    let whole = batch(&batches.concat());
    let mut writer = FileWriter::try_new(Vec::new(), whole.schema_ref()).expect("a writer");
    let mut first = 0;
    for words in batches {
        writer
            .write(&whole.slice(first, words.len()))
            .expect("a batch is written");
        first += words.len();
    }
    writer.finish().expect("the file ends");
    writer.into_inner().expect("memory takes all")
}

/// A dictionary of its own before every batch.
fn arrow_stream(batches: &[Vec<String>]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), batch(&[]).schema_ref()).expect("a writer");
    for words in batches {
        writer.write(&batch(words)).expect("a batch is written");
    }
    writer.finish().expect("the stream ends");
    writer.into_inner().expect("memory takes all")
}

fn parquet(batches: &[Vec<String>]) -> Vec<u8> {
    let mut writer = parquet::arrow::ArrowWriter::try_new(Vec::new(), batch(&[]).schema(), None)
        .expect("a writer");
    for words in batches {
        writer.write(&batch(words)).expect("rows are written");
        writer.flush().expect("a row group ends");
    }
    writer.into_inner().expect("memory takes all")
}

/// A Parquet file, an Arrow file and an Arrow stream, each with four groups of seven rows.
pub fn in_rows() -> Vec<File> {
    rows(4, 7)
}

fn rows(groups: usize, each: usize) -> Vec<File> {
    let words = |group: usize| (0..each).map(move |row| format!("word {group} {}", row % 50));
    let batches: Vec<Vec<String>> = (0..groups).map(|group| words(group).collect()).collect();
    vec![
        File::new("s.parquet", parquet(&batches)),
        File::new("s.arrow", arrow_file(&batches)),
        File::new("s.arrows", arrow_stream(&batches)),
    ]
}

/// A file of every format, far larger than what is looked at of a source to tell what it is.
pub fn large() -> Vec<File> {
    const RECORDS: usize = 700;
    let filler = "é 日本 ".repeat(15);
    let of =
        |record: &dyn Fn(usize) -> String| (0..RECORDS).map(record).collect::<Vec<_>>().concat();
    let bad = |i: usize| i % 9 == 4;
    let csv = of(&|i| match i {
        _ if bad(i) => format!("{i},too,many,cells\r\n"),
        _ if i % 5 == 0 => format!("{i},\"{filler}\n\"\"quoted\"\", {i}\r\n\"\n\n"),
        _ => format!("{i},{filler}\n"),
    });
    let jsonl = of(&|i| match i {
        _ if bad(i) => format!("{{\"i\":{i},\n"),
        _ => format!(" {{\"i\":{i},\"text\":\"{filler}\"}}\r\n\n"),
    });
    let object = |i: usize| format!("{{\n  \"i\": {i},\n  \"text\": \"{filler}]}}, \\\"\"\n}}");
    let array = of(&|i| {
        format!(
            "{}{}{}",
            [",", " , ", "\n,\n\t"][i % 3],
            object(i),
            ["", "\r\n"][i % 2]
        )
    });
    let values = of(&|i| format!("{}{}", object(i), ["\n", " ", "\t\r\n"][i % 3]));
    let rejects = of(&|i| match i {
        _ if bad(i) => {
            "{\"sluice_reject\":1,\"format\":\"csv\",\"columns\":[\"a\"],\"raw\":\"1,2\"}\n"
                .to_owned()
        }
        _ => format!("{{\"sluice_reject\":1,\"format\":\"txt\",\"raw\":\"{i} {filler}\"}}\n"),
    });
    let mut files = vec![
        File::new(
            "s.csv",
            format!("\n\"number\nof\",text\n{csv}").into_bytes(),
        ),
        File::new(
            "s.tsv",
            format!("i\ttext\n{}", of(&|i| format!("{i}\t{filler}\n"))).into_bytes(),
        ),
        File::new("s.txt", of(&|i| format!("{i} {filler}\r\n\n")).into_bytes()),
        File::new("s.jsonl", jsonl.into_bytes()),
        File::new(
            "s.json",
            format!("\n [ \n{}\n ] \n", &array[1..]).into_bytes(),
        ),
        File::new("v.json", values.into_bytes()),
        File::new("rejects.jsonl", rejects.into_bytes()),
    ];
    assert!(files.iter().all(|file| file.bytes.len() > 100_000));
    files.extend(rows(5, 400));
    files
}
