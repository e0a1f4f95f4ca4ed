//! Made-up inputs for benches and tests of memory: review-like records with a Zipf vocabulary, quotes, line breaks and
//! some text that is not ASCII. The same kind, size and seed give the same bytes.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, StringBuilder, StructBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Fields, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

/// Words of the vocabulary; a Zipf law with this exponent says how often each is used.
const VOCABULARY: usize = 20_000;
const ZIPF: f64 = 1.05;
/// Words of the text that records are cut from, over and over.
const CORPUS: usize = 2_000_000;
/// Words of a record: a log-normal law, and this many more.
const LOG_MEAN: f64 = 3.6;
const LOG_DEVIATION: f64 = 0.7;
const FEWEST_WORDS: usize = 3;
/// Every so many records the text has a line break, or is a quotation.
const BREAK_EVERY: u64 = 7;
const QUOTE_EVERY: u64 = 11;
/// Every so many rows of a table have an empty cell.
const EMPTY_EVERY: u64 = 50;
/// The columns a wide table has beyond the seven of a narrow one.
const WIDE: usize = 60;
/// Rows of a Parquet row group.
const ROW_GROUP: usize = 100_000;

const LETTERS: &[u8; 26] = b"etaoinshrdlucmfwypvbgkjqxz";
const LETTER_WEIGHTS: [f64; 26] = [
    12.0, 9.0, 8.0, 7.6, 7.2, 7.0, 6.3, 6.0, 5.9, 4.3, 4.0, 2.8, 2.7, 2.6, 2.3, 2.2, 2.1, 2.0, 1.9,
    1.5, 1.0, 0.8, 0.2, 0.1, 0.1, 0.1,
];
const LANGUAGES: [&str; 4] = ["en", "fr", "de", "ja"];
const TAGS: [&str; 2] = ["a", "b c"];

/// What can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Every kind with its name.
    pub const ALL: [(&'static str, Kind); 9] = [
        ("jsonl", Kind::Jsonl),
        ("tasks-jsonl", Kind::TasksJsonl),
        ("array", Kind::Array),
        ("pretty", Kind::Pretty),
        ("csv", Kind::Csv),
        ("wide-csv", Kind::WideCsv),
        ("tsv", Kind::Tsv),
        ("txt", Kind::Txt),
        ("parquet", Kind::Parquet),
    ];

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL
            .into_iter()
            .find(|(known, _)| *known == name)
            .map(|(_, kind)| kind)
    }
}

/// SplitMix64: small, fast, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to and without 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 0 up to and without `n`.
    fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    fn normal(&mut self) -> f64 {
        let (radius, angle) = (
            (-2.0 * (1.0 - self.unit()).ln()).sqrt(),
            std::f64::consts::TAU * self.unit(),
        );
        radius * angle.cos()
    }
}

/// Draws from given weights: the running sums, and a search in them.
struct Weighted(Vec<f64>);

impl Weighted {
    fn new(weights: impl Iterator<Item = f64>) -> Self {
        let mut sum = 0.0;
        Weighted(
            weights
                .map(|weight| {
                    sum += weight;
                    sum
                })
                .collect(),
        )
    }

    fn draw(&self, random: &mut Random) -> usize {
        let at = random.unit() * self.0[self.0.len() - 1];
        self.0
            .partition_point(|sum| *sum <= at)
            .min(self.0.len() - 1)
    }
}

/// One record.
#[derive(Debug, Default)]
pub struct Record {
    id: u64,
    text: String,
    image: String,
    stars: u64,
    helpful: f64,
    verified: bool,
    lang: &'static str,
    user: String,
    ts: String,
    tags: &'static [&'static str],
    score: f64,
    choice: &'static str,
}

/// Records without end.
pub struct Records {
    random: Random,
    /// All words of the corpus, each followed by a space, and where each ends.
    corpus: String,
    ends: Vec<u32>,
    word: usize,
    id: u64,
}

impl Records {
    /// The records of this seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let letters = Weighted::new(LETTER_WEIGHTS.into_iter());
        let mut words: Vec<String> = (0..VOCABULARY)
            .map(|_| {
                let length = 2 + random.below(9);
                (0..length)
                    .map(|_| char::from(LETTERS[letters.draw(&mut random)]))
                    .collect()
            })
            .collect();
        words
            .iter_mut()
            .skip(36)
            .step_by(37)
            .for_each(|word| word.push('é'));
        words
            .iter_mut()
            .step_by(211)
            .for_each(|word| "日本語".clone_into(word));
        words
            .iter_mut()
            .step_by(499)
            .for_each(|word| "😀".clone_into(word));
        let ranks = Weighted::new((1..=VOCABULARY).map(|rank| (rank as f64).powf(-ZIPF)));
        let mut corpus = String::new();
        let mut ends = vec![0];
        for _ in 0..CORPUS {
            corpus += &words[ranks.draw(&mut random)];
            corpus.push(' ');
            ends.push(u32::try_from(corpus.len()).expect("a corpus under 4 GiB"));
        }
        Records {
            random,
            corpus,
            ends,
            word: 0,
            id: 0,
        }
    }

    /// The next record, in place of the last one.
    pub fn next(&mut self, record: &mut Record) {
        let random = &mut self.random;
        let id = self.id;
        self.id += 1;
        let words = ((LOG_MEAN + LOG_DEVIATION * random.normal()).exp() as usize).min(CORPUS / 2)
            + FEWEST_WORDS;
        if self.word + words > CORPUS {
            self.word = random.below(1_000) as usize;
        }
        let (from, to) = (
            self.ends[self.word] as usize,
            self.ends[self.word + words] as usize - 1,
        );
        self.word += words;
        let text = &mut record.text;
        text.clear();
        let quoted = id.is_multiple_of(QUOTE_EVERY);
        if quoted {
            text.push_str("He said \"");
        }
        let mut half = from + (to - from) / 2;
        while !self.corpus.is_char_boundary(half) {
            half += 1;
        }
        text.push_str(&self.corpus[from..half]);
        if id.is_multiple_of(BREAK_EVERY) {
            text.push('\n');
        }
        text.push_str(&self.corpus[half..to]);
        if quoted {
            text.push_str("\", then left.");
        }
        record.id = id;
        record.image = format!(
            "https://cdn.example.com/img/{:05}/{:016x}.jpg",
            id % 9973,
            random.next()
        );
        record.stars = 1 + random.below(5);
        record.helpful = (random.unit() * 1e4).round() / 1e4;
        record.verified = random.below(2) == 0;
        record.lang = LANGUAGES[random.below(4) as usize];
        record.user = format!("u{:08x}", random.next() as u32);
        record.ts = format!(
            "2026-0{}-1{}T0{}:00:00Z",
            1 + random.below(9),
            random.below(10),
            random.below(10)
        );
        record.tags = &TAGS[..random.below(3) as usize];
        record.score = (random.unit() * 1e3).round() / 1e3;
        record.choice = ["Positive", "Negative"][random.below(2) as usize];
    }
}

/// Writes at least `bytes` of this kind.
pub fn write(kind: Kind, out: impl Write + Send, bytes: u64, seed: u64) -> io::Result<()> {
    let mut records = Records::new(seed);
    if kind == Kind::Parquet {
        return parquet(&mut records, out, bytes);
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
            Kind::Parquet => unreachable!("written above"),
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
    line.write_fmt(text)
        .expect("memory takes what is written to it");
}

fn string(line: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(line, text).expect("memory takes what is written to it");
}

fn parquet(records: &mut Records, out: impl Write + Send, bytes: u64) -> io::Result<()> {
    let meta = Fields::from(vec![
        Field::new("user", DataType::Utf8, true),
        Field::new("ts", DataType::Utf8, true),
        Field::new_list("tags", Field::new_list_field(DataType::Utf8, true), true),
    ]);
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("text", DataType::Utf8, true),
        Field::new("image", DataType::Utf8, true),
        Field::new("stars", DataType::Int64, true),
        Field::new("helpful", DataType::Float64, true),
        Field::new("verified", DataType::Boolean, true),
        Field::new("lang", DataType::Utf8, true),
        Field::new("meta", DataType::Struct(meta.clone()), true),
    ]));
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .build();
    let mut writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties))
        .map_err(io::Error::other)?;
    let mut record = Record::default();
    let mut written = 0;
    while written < bytes {
        let (mut id, mut stars) = (Int64Builder::new(), Int64Builder::new());
        let (mut helpful, mut verified) = (Float64Builder::new(), BooleanBuilder::new());
        let [mut text, mut image, mut lang] = [(); 3].map(|()| StringBuilder::new());
        let mut metas = StructBuilder::new(
            meta.clone(),
            vec![
                Box::new(StringBuilder::new()),
                Box::new(StringBuilder::new()),
                Box::new(ListBuilder::new(StringBuilder::new())),
            ],
        );
        for _ in 0..ROW_GROUP {
            records.next(&mut record);
            id.append_value(record.id.cast_signed());
            text.append_value(&record.text);
            image.append_value(&record.image);
            stars.append_value(record.stars.cast_signed());
            helpful.append_value(record.helpful);
            verified.append_value(record.verified);
            lang.append_value(record.lang);
            metas
                .field_builder::<StringBuilder>(0)
                .expect("user")
                .append_value(&record.user);
            metas
                .field_builder::<StringBuilder>(1)
                .expect("ts")
                .append_value(&record.ts);
            let tags = metas
                .field_builder::<ListBuilder<StringBuilder>>(2)
                .expect("tags");
            tags.append_value(record.tags.iter().map(|tag| Some(*tag)));
            metas.append(true);
            // What the columns hold in memory: eight bytes a number, four an offset.
            let strings = [&record.text, &record.image, &record.user, &record.ts].map(String::len);
            let tags: usize = record.tags.iter().map(|tag| tag.len() + 4).sum();
            written +=
                (strings.iter().sum::<usize>() + record.lang.len() + tags + 3 * 8 + 6 * 4) as u64;
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(id.finish()),
            Arc::new(text.finish()),
            Arc::new(image.finish()),
            Arc::new(stars.finish()),
            Arc::new(helpful.finish()),
            Arc::new(verified.finish()),
            Arc::new(lang.finish()),
            Arc::new(metas.finish()),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(io::Error::other)?;
        writer.write(&batch).map_err(io::Error::other)?;
    }
    writer.close().map_err(io::Error::other)?;
    Ok(())
}
