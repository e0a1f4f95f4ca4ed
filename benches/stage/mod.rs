//! What the benches of the stages share: made-up input of each kind, and what comes of it stage by stage.
#![allow(dead_code, reason = "each bench uses its own part")]
#![allow(clippy::expect_used, reason = "a bench that cannot start says so")]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use criterion::Criterion;
use sluice::batch::limits::{ARRAY, Limits};
use sluice::budget::Budget;
use sluice::buffer::{Buffers, SPARE_BUFFERS};
use sluice::decode::Nul;
use sluice::normalize::mapping::Mapping;
use sluice::normalize::tasks::Tasks;
use sluice::normalize::{self, Normalizer};
use sluice::plan::{Plan, Tolerance};
use sluice::read::column_types::CsvTypes;
use sluice::read::files::Files;
use sluice::read::{Chunk, Progress, Reader, Reading};
use sluice::source::local;
use sluice::source::spool::SPOOL_LIMIT;
use sluice::stop::Stop;

use sluice::generate::{self, Kind};

/// Bytes of each input: larger than the caches, small enough for many runs.
pub const BYTES: u64 = 32_000_000;
/// The seed of the inputs.
pub const SEED: u64 = 7;
/// Bytes of text in a chunk, as in a release build.
pub const CHUNK_BYTES: usize = 512 << 10;
/// Bytes in flight: all chunks of an input at once, where a bench holds them.
pub const MEMORY: usize = 4 << 30;
/// Runs of each bench, and for how long.
const SAMPLES: usize = 20;
const MEASURED_FOR: Duration = Duration::from_secs(5);

/// The kinds that are measured, with the ending that names their format.
pub const KINDS: [(&str, Kind, &str); 7] = [
    ("jsonl", Kind::Jsonl, "jsonl"),
    ("tasks-jsonl", Kind::TasksJsonl, "jsonl"),
    ("array", Kind::Array, "json"),
    ("csv", Kind::Csv, "csv"),
    ("wide-csv", Kind::WideCsv, "csv"),
    ("txt", Kind::Txt, "txt"),
    ("parquet", Kind::Parquet, "parquet"),
];

/// How all stages are measured.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(SAMPLES)
        .measurement_time(MEASURED_FOR)
}

/// Made-up input in a file that is gone when this is dropped.
pub struct Input {
    /// The kind's name.
    pub name: &'static str,
    /// What one run reads; for Parquet the data in memory, not the file.
    pub bytes: u64,
    /// The file.
    pub path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Input {
    /// One of each kind.
    pub fn all() -> impl Iterator<Item = Input> {
        KINDS
            .into_iter()
            .map(|(name, kind, ending)| Input::new(name, kind, ending))
    }

    /// Made-up input of this kind.
    pub fn new(name: &'static str, kind: Kind, ending: &str) -> Input {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(format!("{name}.{ending}"));
        let file = std::fs::File::create(&path).expect("a file");
        generate::write(kind, std::io::BufWriter::new(file), BYTES, SEED)
            .expect("input is written");
        let stored = std::fs::metadata(&path).expect("a file").len();
        let bytes = if kind == Kind::Parquet { BYTES } else { stored };
        Input {
            name,
            bytes,
            path,
            _folder: folder,
        }
    }

    /// What runs on it.
    pub fn plan(&self, threads: usize) -> Plan {
        let limits = Limits::new(250_000, 50_000_000, ARRAY).expect("limits in range");
        let words = [self.path.display().to_string()];
        Plan {
            run: "bench".to_owned(),
            sources: local::list(&words).expect("the file is there").sources,
            left_out: Vec::new(),
            reading: Reading {
                format: None,
                delimiter: None,
                header: true,
                csv_types: CsvTypes::Text,
                encoding: None,
                chunk_bytes: CHUNK_BYTES,
                record_bytes: 64 << 20,
                pick: None,
                files: Files::default(),
            },
            normalizer: Arc::new(Normalizer {
                fit: None,
                provenance: None,
                dedupe: None,
                mapping: Mapping::new(None, Vec::new(), Vec::new(), "text".to_owned())
                    .expect("no mapping"),
                predictions: None,
                join: None,
                dead: None,
                inline: None,
                nul: Nul::Reject,
                task_bytes: limits.task_bytes(),
                separator: b',',
                buffers: Buffers::new(SPARE_BUFFERS),
            }),
            limits,
            threads,
            memory: 256 << 20,
            max_rejects: Tolerance::Count(0),
            spool_limit: SPOOL_LIMIT,
            media_check: None,
            shard: None,
        }
    }

    /// Its chunks.
    pub fn chunks(&self) -> Vec<Chunk> {
        let plan = self.plan(1);
        let stop = Stop::default();
        let chunks = Mutex::new(Vec::new());
        let reader = Reader {
            reading: &plan.reading,
            buffers: &Buffers::new(0),
            budget: &Budget::new(MEMORY, &stop),
            threads: 2,
            spool_limit: 0,
            stop: &stop,
            progress: Arc::new(Progress::default()),
            from: None,
            tables_only: false,
            types: None,
            seen: None,
            found: None,
            check_columns: &|_| Ok(()),
            submit: &|chunk| {
                chunks.lock().expect("no one panicked").push(chunk);
                Ok(())
            },
        };
        reader.run(&plan.sources).expect("the input is sound");
        chunks.into_inner().expect("no one panicked")
    }

    /// Its tasks.
    pub fn tasks(&self) -> Vec<Tasks> {
        let normalizer = self.plan(1).normalizer;
        self.chunks()
            .into_iter()
            .flat_map(|chunk| normalize::tasks(&normalizer, chunk))
            .collect()
    }
}
