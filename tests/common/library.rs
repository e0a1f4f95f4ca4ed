//! Runs of the library in this process, on made-up files, into memory.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use proptest::prelude::*;
use serde_json::{Value, json};
use sluice::batch::body::{Body, Store};
use sluice::batch::import::{About, Import};
use sluice::batch::limits::{ARRAY, Limits};
use sluice::buffer::{Buffers, SPARE_BUFFERS};
use sluice::decode::Nul;
use sluice::deliver::{Begin, Receipt, Run, Sink};
use sluice::error::{Error, Result};
use sluice::normalize::Normalizer;
use sluice::normalize::dedupe::Dedupe;
use sluice::normalize::inline::Inline;
use sluice::normalize::mapping::Mapping;
use sluice::pipeline;
use sluice::place::Place;
use sluice::plan::{Plan, Tolerance};
use sluice::read::Reading;
use sluice::read::archive::{self, Looking};
use sluice::read::column_types::CsvTypes;
use sluice::read::files::Files;
use sluice::read::seen::Seen;
use sluice::report::{Totals, Watch};
use sluice::source::local::{self, Taking};
use sluice::source::sniff::Format;
use sluice::source::spool::SPOOL_LIMIT;
use sluice::source::window::Window;

/// How a run is to go.
#[derive(Clone, Debug)]
pub struct Options {
    pub threads: usize,
    pub chunk_bytes: usize,
    pub max_tasks: usize,
    pub max_bytes: usize,
    pub memory: usize,
    pub format: Option<Format>,
    pub max_rejects: Tolerance,
    pub from: Option<Place>,
    pub seen: Option<Arc<Seen>>,
    pub dedupe: Option<Dedupe>,
    pub inline: Option<Arc<Inline>>,
    pub csv_types: CsvTypes,
    pub files: Files,
    /// The part of each source that is read.
    pub window: Window,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            threads: 2,
            chunk_bytes: 4096,
            max_tasks: 250_000,
            max_bytes: 50_000_000,
            memory: 16 << 20,
            format: None,
            max_rejects: Tolerance::Percent(100.0),
            from: None,
            seen: None,
            dedupe: None,
            inline: None,
            csv_types: CsvTypes::Text,
            files: Files::default(),
            window: Window::ALL,
        }
    }
}

/// What a run came to.
pub struct Ran {
    pub imports: Vec<(About, Vec<u8>)>,
    pub totals: Totals,
    pub rejects: Vec<Value>,
    /// What the reader told: bytes as stored, and sources.
    pub read: (u64, u64),
    pub error: Option<Error>,
}

impl Ran {
    /// All tasks, in order.
    pub fn tasks(&self) -> Vec<Value> {
        let parse = |body: &Vec<u8>| {
            serde_json::from_slice::<Vec<Value>>(body).expect("an import is a JSON array")
        };
        self.imports
            .iter()
            .flat_map(|(_, body)| parse(body))
            .collect()
    }

    /// The data of all tasks, in order.
    pub fn data(&self) -> Vec<Value> {
        self.tasks()
            .into_iter()
            .map(|mut task| task["data"].take())
            .collect()
    }
}

/// A target that keeps what it is given.
struct Collector {
    imports: Mutex<Vec<(About, Vec<u8>)>>,
    rejects: PathBuf,
    from: Option<Place>,
    seen: Option<Arc<Seen>>,
}

impl Sink for Collector {
    fn begin<'a>(&'a self, _run: &'a dyn Run) -> BoxFuture<'a, Result<Begin>> {
        futures::future::ok(self.from.map_or(Begin::First, Begin::At)).boxed()
    }

    fn rejects(&self) -> Option<PathBuf> {
        Some(self.rejects.clone())
    }

    fn seen(&self) -> Option<Arc<Seen>> {
        self.seen.clone()
    }

    fn store(&self) -> Store {
        Store::Memory
    }

    fn at_once(&self) -> usize {
        1
    }

    fn deliver<'a>(
        &'a self,
        import: Import,
        _run: &'a dyn Run,
    ) -> BoxFuture<'a, Result<Vec<Receipt>>> {
        let Body::Memory(body) = import.body else {
            unreachable!("the store is memory")
        };
        let receipt = Receipt {
            name: import.about.number.to_string(),
            import: import.about.clone(),
            times: None,
        };
        self.imports
            .lock()
            .expect("no one panicked")
            .push((import.about, body));
        futures::future::ok(vec![receipt]).boxed()
    }
}

/// What runs over files of a folder, in the order of their names.
pub fn plan(folder: &Path, options: &Options) -> Plan {
    try_plan(folder, options).expect("the files are there, and archives are sound")
}

/// The same, where a file may be one that cannot be listed.
pub fn try_plan(folder: &Path, options: &Options) -> Result<Plan> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    let words: Vec<String> = files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let mut listing = local::list(&words)?;
    let looking = Looking {
        spool_limit: SPOOL_LIMIT,
        stdin: false,
    };
    archive::expand(&mut listing, &Taking::default(), looking)?;
    let sources = listing.sources.with_windows(|_| options.window)?;
    let limits = Limits::new(options.max_tasks, options.max_bytes, ARRAY).expect("limits in range");
    Ok(Plan {
        run: "test".to_owned(),
        sources,
        left_out: Vec::new(),
        reading: Reading {
            format: options.format,
            delimiter: None,
            header: true,
            csv_types: options.csv_types,
            encoding: None,
            chunk_bytes: options.chunk_bytes,
            record_bytes: options.memory / 4,
            pick: None,
            files: options.files.clone(),
        },
        normalizer: Arc::new(Normalizer {
            fit: None,
            provenance: None,
            dedupe: options.dedupe.clone(),
            mapping: Mapping::new(None, Vec::new(), Vec::new(), "text".to_owned())
                .expect("no mapping"),
            predictions: None,
            join: None,
            dead: None,
            inline: options.inline.clone(),
            nul: Nul::Reject,
            task_bytes: limits.task_bytes(),
            separator: b',',
            buffers: Buffers::new(SPARE_BUFFERS),
        }),
        limits,
        threads: options.threads,
        memory: options.memory,
        max_rejects: options.max_rejects,
        spool_limit: SPOOL_LIMIT,
        media_check: None,
        shard: None,
    })
}

/// Runs over files of a folder, in the order of their names.
pub fn run(folder: &Path, options: &Options) -> Ran {
    run_plan(plan(folder, options), options)
}

fn run_plan(plan: Plan, options: &Options) -> Ran {
    let scratch = tempfile::tempdir().expect("a folder");
    let rejects = scratch.path().join("rejects.jsonl");
    let sink = Collector {
        imports: Mutex::default(),
        rejects: rejects.clone(),
        from: options.from,
        seen: options.seen.clone(),
    };
    let watch = Arc::new(Watch::default());
    let outcome = pipeline::run(&Arc::new(plan), &sink, &watch);
    let lines = std::fs::read_to_string(&rejects).unwrap_or_default();
    let progress = &watch.progress;
    Ran {
        imports: sink.imports.into_inner().expect("no one panicked"),
        totals: watch.counters.totals(),
        rejects: lines
            .lines()
            .map(|line| serde_json::from_str(line).expect("a reject is JSON"))
            .collect(),
        read: (
            progress.bytes.load(Ordering::Relaxed),
            progress.sources.load(Ordering::Relaxed),
        ),
        error: outcome.error,
    }
}

/// Runs over one made-up file.
pub fn run_on(name: &str, bytes: &[u8], options: &Options) -> Ran {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(name), bytes).expect("a file");
    run(folder.path(), options)
}

/// The same, where the file may be one that cannot be listed.
pub fn try_run_on(name: &str, bytes: &[u8], options: &Options) -> Result<Ran> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(name), bytes).expect("a file");
    Ok(run_plan(try_plan(folder.path(), options)?, options))
}

/// A made-up file, and what must become of it.
#[derive(Clone, Debug)]
pub struct Sample {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    /// The data of each task, in order.
    pub tasks: Vec<Value>,
    /// The number of each record, from 1, that must be rejected.
    pub rejected: Vec<u64>,
}

/// Text with everything in it that formats quote or escape.
fn text() -> impl Strategy<Value = String> {
    proptest::string::string_regex(
        "([a-z0-9 ]{0,12}|[\"\\\\,;\t'|{}\\[\\]:]|é|日本|😀|\\n|\\r\\n){0,6}",
    )
    .expect("a pattern")
}

/// Text without line ends.
fn line() -> impl Strategy<Value = String> {
    text().prop_map(|text| text.replace(['\n', '\r'], " "))
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A record of JSON, and the data it must become.
fn json_record() -> impl Strategy<Value = (Value, Value)> {
    prop_oneof![
        4 => prop::collection::vec(("[a-z]{1,4}x", value()), 0..5)
            .prop_map(|members| Value::Object(members.into_iter().collect()))
            .prop_map(|object| (object.clone(), object)),
        2 => prop::collection::vec(("[a-z]{1,4}", value()), 1..4)
            .prop_map(|members| Value::Object(members.into_iter().collect()))
            .prop_map(|data| (json!({"id": 7, "data": data.clone(), "meta": {"m": [1, "]"]}}), data)),
        1 => value().prop_filter("not an object", |value| !value.is_object())
            .prop_map(|value| (value.clone(), json!({"text": value}))),
    ]
}

/// Lines of JSON Lines that are refused.
fn bad_line() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "{\"a\":",
        "{\"a\":1}}",
        "nope",
        "{\"a\":NaN}",
        "{\"a\":1e400}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\u0000\"}",
        "[1,]",
        "{\"a\" 1}",
        "\"open",
        "{'a':1}",
        "{\"a\":1} {\"b\":2}",
        "\u{1}",
    ])
}

fn json_lines() -> impl Strategy<Value = Sample> {
    let record = prop_oneof![6 => json_record().prop_map(Ok), 1 => bad_line().prop_map(Err), 1 => Just(Err(""))];
    let end = prop::sample::select(vec!["\n", "\r\n"]);
    (prop::collection::vec((record, end), 0..60), any::<bool>()).prop_map(|(records, closed)| {
        let mut sample = Sample {
            name: "s.jsonl",
            bytes: Vec::new(),
            tasks: Vec::new(),
            rejected: Vec::new(),
        };
        let mut number = 0;
        let count = records.len();
        for (i, (record, end)) in records.into_iter().enumerate() {
            match record {
                Ok((record, data)) => {
                    number += 1;
                    sample.bytes.extend(record.to_string().bytes());
                    sample.tasks.push(data);
                }
                Err("") => {}
                Err(bad) => {
                    number += 1;
                    sample.bytes.extend(bad.bytes());
                    sample.rejected.push(number);
                }
            }
            if closed || i + 1 < count {
                sample.bytes.extend(end.bytes());
            }
        }
        sample
    })
}

fn json_array() -> impl Strategy<Value = Sample> {
    let space = prop::sample::select(vec!["", " ", "\n", "\r\n\t", "  \n "]);
    (prop::collection::vec((json_record(), space.clone(), space, any::<bool>()), 0..40)).prop_map(
        |elements| {
            let mut text = "[".to_owned();
            for (i, ((record, _), before, after, pretty)) in elements.iter().enumerate() {
                text.push_str(if i > 0 { "," } else { "" });
                text.push_str(before);
                let record = if *pretty {
                    serde_json::to_string_pretty(record)
                } else {
                    serde_json::to_string(record)
                };
                text.push_str(&record.expect("a value is JSON"));
                text.push_str(after);
            }
            text.push_str("]\n");
            let tasks = elements.into_iter().map(|((_, data), ..)| data).collect();
            Sample {
                name: "s.json",
                bytes: text.into_bytes(),
                tasks,
                rejected: Vec::new(),
            }
        },
    )
}

fn json_values() -> impl Strategy<Value = Sample> {
    prop::collection::vec(json_record(), 1..30).prop_map(|records| {
        let object = |value: &Value| {
            serde_json::to_string_pretty(&json!({"v": value})).expect("a value is JSON")
        };
        let text: Vec<String> = records.iter().map(|(record, _)| object(record)).collect();
        let tasks = records
            .iter()
            .map(|(record, _)| json!({"v": record}))
            .collect();
        Sample {
            name: "s.json",
            bytes: text.join("\n").into_bytes(),
            tasks,
            rejected: Vec::new(),
        }
    })
}

fn lines() -> impl Strategy<Value = Sample> {
    prop::collection::vec((line(), prop::sample::select(vec!["\n", "\r\n"])), 0..60).prop_map(
        |lines| {
            let bytes = lines
                .iter()
                .flat_map(|(line, end)| [line.as_bytes(), end.as_bytes()].concat())
                .collect();
            let tasks = lines
                .into_iter()
                .map(|(line, _)| json!({"text": line}))
                .collect();
            Sample {
                name: "s.txt",
                bytes,
                tasks,
                rejected: Vec::new(),
            }
        },
    )
}

/// A document: one task, whatever is in it.
fn document() -> impl Strategy<Value = Sample> {
    let name = prop::sample::select(vec!["s.html", "s.xml"]);
    (name, prop::collection::vec(text(), 0..40)).prop_map(|(name, texts)| {
        let text = texts.concat();
        Sample {
            name,
            bytes: text.clone().into_bytes(),
            tasks: vec![json!({ "text": text })],
            rejected: Vec::new(),
        }
    })
}

fn table() -> impl Strategy<Value = Sample> {
    let cell = || (text(), any::<bool>());
    let row = (
        prop::collection::vec(cell(), 3),
        0..20u8,
        prop::sample::select(vec!["\n", "\r\n"]),
    );
    prop::collection::vec(row, 0..50).prop_map(|rows| {
        let mut sample = Sample {
            name: "s.csv",
            bytes: b"a,\"b\"\"q\",c\n".to_vec(),
            tasks: Vec::new(),
            rejected: Vec::new(),
        };
        for (i, (cells, odd, end)) in rows.into_iter().enumerate() {
            let written: Vec<String> = cells
                .iter()
                .map(|(text, quoted)| quote(text, *quoted))
                .collect();
            let mut line = written.join(",");
            match odd {
                0 => line.push_str(",one more"),
                1 => line = "\"only one\"".to_owned(),
                _ => {}
            }
            if odd > 1 {
                sample
                    .tasks
                    .push(json!({"a": cells[0].0, "b\"q": cells[1].0, "c": cells[2].0}));
            } else {
                sample.rejected.push(i as u64 + 1);
            }
            sample.bytes.extend(line.bytes());
            sample.bytes.extend(end.bytes());
        }
        sample
    })
}

fn quote(cell: &str, always: bool) -> String {
    if always || cell.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

/// A Parquet or an Arrow file of a few columns and row groups.
fn columns(parquet: bool) -> impl Strategy<Value = Sample> {
    let row = (
        any::<Option<i64>>(),
        proptest::option::of(text()),
        prop::collection::vec(any::<i32>(), 0..4),
    );
    (prop::collection::vec(row, 0..60), 1..20usize).prop_map(move |(rows, group)| {
        let tasks = rows
            .iter()
            .map(|(a, b, c)| json!({"a": a, "b": b, "c": c}))
            .collect();
        let bytes = if parquet {
            columnar::parquet(&rows, group)
        } else {
            columnar::arrow(&rows, group)
        };
        let name = if parquet { "s.parquet" } else { "s.arrow" };
        Sample {
            name,
            bytes,
            tasks,
            rejected: Vec::new(),
        }
    })
}

/// Made-up files of every format.
pub fn sample() -> impl Strategy<Value = Sample> {
    prop_oneof![
        json_lines(),
        json_array(),
        json_values(),
        lines(),
        document(),
        table(),
        columns(true),
        columns(false),
    ]
}

mod columnar {
    use std::sync::Arc;

    use arrow_array::builder::{Int32Builder, ListBuilder};
    use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};

    pub type Row = (Option<i64>, Option<String>, Vec<i32>);

    fn batch(rows: &[Row]) -> RecordBatch {
        let mut lists = ListBuilder::new(Int32Builder::new());
        rows.iter()
            .for_each(|(_, _, c)| lists.append_value(c.iter().copied().map(Some)));
        let columns: [(&str, ArrayRef); 3] = [
            (
                "a",
                Arc::new(rows.iter().map(|(a, ..)| *a).collect::<Int64Array>()),
            ),
            (
                "b",
                Arc::new(
                    rows.iter()
                        .map(|(_, b, _)| b.as_deref())
                        .collect::<StringArray>(),
                ),
            ),
            ("c", Arc::new(lists.finish())),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true)))
            .expect("a batch")
    }

    pub fn parquet(rows: &[Row], group: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer =
            parquet::arrow::ArrowWriter::try_new(&mut bytes, batch(&[]).schema(), None)
                .expect("a writer");
        for rows in rows.chunks(group) {
            writer.write(&batch(rows)).expect("rows are written");
            writer.flush().expect("a row group ends");
        }
        writer.close().expect("the file ends");
        bytes
    }

    pub fn arrow(rows: &[Row], group: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = arrow_ipc::writer::FileWriter::try_new(&mut bytes, &batch(&[]).schema())
            .expect("a writer");
        for rows in rows.chunks(group) {
            writer.write(&batch(rows)).expect("rows are written");
        }
        writer.finish().expect("the file ends");
        drop(writer);
        bytes
    }
}
