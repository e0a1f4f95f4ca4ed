//! An indexed job: its processes read every record once, with the places of one run over everything, and what they packed
//! becomes one run when all have ended.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    unsafe_code,
    reason = "a test says what it expects, and fails where it is not so"
)]

#[path = "common/mod.rs"]
mod common;
#[path = "common/library.rs"]
mod library;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use library::{Options, Ran, run_on, sample};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use serde_json::Value;
use sluice::plan::shard::Shard;
use sluice::source::listed::Sources;
use sluice::source::window::Window;
use sluice::source::{Location, Source};

/// The windows between these cuts, which together are everything.
fn windows(mut cuts: Vec<u64>) -> Vec<Window> {
    cuts.sort_unstable();
    let from = std::iter::once(0).chain(cuts.iter().copied());
    let to = cuts.iter().copied().chain([u64::MAX]);
    from.zip(to).map(|(from, to)| Window { from, to }).collect()
}

fn run_in(name: &str, bytes: &[u8], window: Window, options: &Options) -> Ran {
    let options = Options {
        window,
        ..options.clone()
    };
    run_on(name, bytes, &options)
}

/// Runs a source whole and in parts, and compares everything that a person could tell them apart by.
fn same_in_parts(name: &str, bytes: &[u8], cuts: Vec<u64>, options: &Options) {
    let whole = run_on(name, bytes, options);
    let (mut data, mut rejects, mut places) = (Vec::new(), Vec::new(), Vec::new());
    let (mut records, mut tasks) = (0, 0);
    for window in windows(cuts) {
        let part = run_in(name, bytes, window, options);
        assert!(part.error.is_none(), "{window:?}: {:?}", part.error);
        assert!(part.totals.is_conserved(), "{window:?}: {:?}", part.totals);
        records += part.totals.records;
        tasks += part.totals.tasks;
        data.extend(part.data());
        places.extend(
            part.imports
                .iter()
                .flat_map(|(about, _)| [about.first, about.last]),
        );
        rejects.extend(part.rejects);
    }
    assert!(whole.error.is_none(), "{:?}", whole.error);
    assert_eq!(data, whole.data());
    // A reject has its record, line, byte and bytes in it.
    assert_eq!(without_source(rejects), without_source(whole.rejects));
    assert_eq!((records, tasks), (whole.totals.records, whole.totals.tasks));
    let ends = |places: &[sluice::place::Place]| (places.first().copied(), places.last().copied());
    let of_whole: Vec<_> = whole
        .imports
        .iter()
        .flat_map(|(about, _)| [about.first, about.last])
        .collect();
    assert_eq!(ends(&places), ends(&of_whole));
    assert!(places.is_sorted(), "{places:?}");
}

/// Each run has a folder of its own.
fn without_source(mut rejects: Vec<Value>) -> Vec<Value> {
    for reject in &mut rejects {
        reject["source"].take();
    }
    rejects
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn windows_have_every_record_once_at_its_place(
        sample in sample(),
        cuts in prop::collection::vec(0..6000u64, 1..5),
        threads in prop::sample::select(vec![1, 2]),
        chunk_bytes in prop::sample::select(vec![128, 200, 1000, 4096]),
    ) {
        let end = sample.bytes.len() as u64 + 2;
        let cuts = cuts.into_iter().map(|cut| cut % end).collect();
        let options = Options { threads, chunk_bytes, ..Options::default() };
        same_in_parts(sample.name, &sample.bytes, cuts, &options);
    }

    #[test]
    fn the_shards_of_a_job_leave_nothing_between_them(
        sizes in prop::collection::vec(prop::option::of(0..5000u64), 0..20),
        of in 1..12u32,
        format in prop::sample::select(vec!["csv", "jsonl", "parquet", "jsonl.gz", "arrow", "html"]),
    ) {
        let sources: Vec<Source> = sizes.iter().enumerate().map(|(i, bytes)| Source {
            id: sluice::place::SourceId(u32::try_from(i).unwrap()),
            name: format!("{i}.{format}").into(),
            location: Location::File(format!("{i}.{format}").into()),
            bytes: *bytes,
            address: None,
            window: Window::ALL,
        }).collect();
        let mut taken: Vec<Vec<Window>> = vec![Vec::new(); sources.len()];
        for index in 0..of {
            let shard = format!("{index}/{of}").parse::<Shard>().unwrap();
            let sources = shard.of_sources(&Sources::of(sources.clone()).unwrap()).unwrap();
            for (taken, source) in taken.iter_mut().zip(&sources) {
                taken.extend(Some(source.unwrap().window).filter(|window| !window.is_none()));
            }
        }
        for windows in taken {
            let ends: Vec<u64> = windows.iter().map(|window| window.to).collect();
            let starts: Vec<u64> = windows.iter().map(|window| window.from).collect();
            prop_assert_eq!(starts[0], 0);
            prop_assert_eq!(&starts[1..], &ends[..ends.len() - 1]);
            prop_assert_eq!(*ends.last().unwrap(), u64::MAX);
            if ["jsonl.gz", "arrow", "html"].contains(&format) {
                prop_assert_eq!(windows.len(), 1);
            }
        }
    }
}

#[test]
fn parquet_is_cut_between_row_groups() {
    let (rows, group) = (1000, 70);
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    let words: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..rows).map(|i| "word ".repeat(usize::try_from(i % 9).unwrap())),
    ));
    let batch = RecordBatch::try_from_iter([("n", numbers), ("text", words)]).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    let file = writer.into_inner().unwrap();
    let end = file.len() as u64;
    for cuts in [
        vec![1],
        vec![end / 2],
        vec![end / 5, end / 3, end - 1],
        vec![0, end, end + 1],
    ] {
        same_in_parts("rows.parquet", &file, cuts, &Options::default());
    }
}

#[test]
fn a_type_is_that_of_the_whole_column() {
    // The last cell of one column is no number, which a process that reads the first half has to know.
    let mut table = String::from("a,b\n");
    (0..500).for_each(|i| table.push_str(&format!("{i},{i}\n")));
    table.push_str("x,1\n");
    let options = Options {
        csv_types: sluice::read::column_types::CsvTypes::Auto,
        ..Options::default()
    };
    let half = table.len() as u64 / 2;
    same_in_parts("t.csv", table.as_bytes(), vec![half], &options);
}

/// The files of a job: some are cut, some are not.
fn furnish(folder: &Path) {
    fs::create_dir(folder.join("in")).unwrap();
    for name in [
        "penguins.csv",
        "headlines.jsonl",
        "foods.parquet",
        "penguins-raw.csv.gz",
    ] {
        fs::copy(common::data(name), folder.join("in").join(name)).unwrap();
    }
    let bad = "{\"text\": \"good\"}\nbad\n".repeat(40);
    fs::write(folder.join("in/mixed.jsonl"), bad).unwrap();
}

fn sluice(folder: &Path, words: &[&str]) -> common::Ran {
    common::run(
        common::sluice().current_dir(folder).args(words),
        common::PATIENCE,
    )
}

fn tasks(run: &Path) -> Vec<Value> {
    let manifest = fs::read(run.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let imports = manifest["imports"].as_array().unwrap();
    let numbers: Vec<u64> = imports
        .iter()
        .map(|i| i["number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=imports.len() as u64).collect::<Vec<_>>());
    let tasks: Vec<Value> = imports
        .iter()
        .flat_map(|import| {
            let body = fs::read(run.join(import["name"].as_str().unwrap())).unwrap();
            let digest = blake3::hash(&body).to_hex().to_string();
            assert_eq!(import["blake3"], digest.as_str());
            serde_json::from_slice::<Vec<Value>>(&body).unwrap()
        })
        .collect();
    assert_eq!(manifest["tasks"], tasks.len());
    tasks
}

#[test]
fn a_job_is_one_run_once_all_have_ended() {
    let folder = common::temp();
    let folder = folder.path();
    furnish(folder);
    let whole = sluice(folder, &["import", "in", "--to", "whole", "--quiet"]);
    assert_eq!(whole.code(), 3, "{}", whole.stderr);

    let shard = |shard: &str| {
        sluice(
            folder,
            &[
                "import",
                "in",
                "--to",
                "job",
                "--quiet",
                "--max-tasks",
                "30",
                "--shard",
                shard,
            ],
        )
    };
    let commit = || sluice(folder, &["commit", "job"]);
    let nothing = commit();
    assert_eq!(nothing.code(), 1, "{}", nothing.stderr);
    for index in [0, 2] {
        assert!([0, 3].contains(&shard(&format!("{index}/4")).code()));
    }
    let early = commit();
    assert_eq!(early.code(), 5);
    assert!(
        early
            .stderr
            .contains("`job/` has 2 of 4 shards; missing: 1, 3"),
        "{}",
        early.stderr
    );
    for index in [1, 3] {
        assert!([0, 3].contains(&shard(&format!("{index}/4")).code()));
    }
    // What a process that was cut off left behind.
    fs::write(
        folder.join("job/shard-00001-of-00004/import-000099.json"),
        "[{}]",
    )
    .unwrap();
    fs::write(folder.join("job/notes.txt"), "mine").unwrap();
    let committed = commit();
    assert_eq!(committed.code(), 3, "{}", committed.stderr);
    assert_eq!(tasks(&folder.join("job")), tasks(&folder.join("whole")));
    let again = commit();
    assert_eq!(again.code(), 3);
    assert!(
        again.stderr.contains("was there already"),
        "{}",
        again.stderr
    );

    // Rejects are those of one run.
    let lines = |path: &str| fs::read_to_string(folder.join(path)).unwrap_or_default();
    let together: String = (0..4)
        .map(|index| lines(&format!("job/shard-{index:05}-of-00004/rejects.jsonl")))
        .collect();
    assert_eq!(together, lines("whole/rejects.jsonl"));

    let left = "job/shard-00001-of-00004/import-000099.json\n";
    let named = sluice(folder, &["gc", "job", "--dry-run"]);
    assert_eq!(String::from_utf8(named.stdout).unwrap(), left);
    assert!(folder.join(left.trim_end()).exists());
    assert_eq!(sluice(folder, &["gc", "job"]).code(), 0);
    assert!(!folder.join(left.trim_end()).exists());
    assert!(folder.join("job/notes.txt").exists());
    assert_eq!(sluice(folder, &["gc", "job"]).stdout, b"");
    assert_eq!(tasks(&folder.join("job")), tasks(&folder.join("whole")));
}

#[test]
fn a_job_can_write_what_a_storage_of_label_studio_reads() {
    let folder = common::temp();
    let folder = folder.path();
    furnish(folder);
    let whole = sluice(folder, &["import", "in", "--to", "whole", "--quiet"]);
    assert_eq!(whole.code(), 3, "{}", whole.stderr);
    for shard in ["0/3", "1/3", "2/3", "1/3"] {
        let words = [
            "import", "in", "--to", "job", "--quiet", "--layout", "storage", "--shard", shard,
        ];
        assert!([0, 3].contains(&sluice(folder, &words).code()), "{shard}");
    }
    let committed = sluice(folder, &["commit", "job"]);
    assert_eq!(committed.code(), 3, "{}", committed.stderr);
    let mut objects = Vec::new();
    for shard in 0..3 {
        let place = folder.join(format!("job/shard-{shard:05}-of-00003/tasks"));
        for name in common::names(&place) {
            objects.push(
                serde_json::from_slice::<Value>(&fs::read(place.join(name)).unwrap()).unwrap(),
            );
        }
    }
    let mut expected = tasks(&folder.join("whole"));
    for tasks in [&mut objects, &mut expected] {
        tasks.sort_by_key(Value::to_string);
    }
    assert_eq!(objects, expected);
    let left = sluice(folder, &["gc", "job", "--dry-run"]);
    assert_eq!((left.code(), &left.stdout[..]), (0, &b""[..]));
}

#[test]
fn shards_that_do_not_belong_together_are_not_committed() {
    let folder = common::temp();
    let folder = folder.path();
    furnish(folder);
    let shard = |shard: &str, more: &[&str]| {
        let words = [
            "import",
            "in/penguins.csv",
            "--to",
            "job",
            "--quiet",
            "--shard",
            shard,
        ];
        sluice(folder, &[&words[..], more].concat())
    };
    assert_eq!(shard("0/2", &[]).code(), 0);
    assert_eq!(shard("1/2", &["--map", "kind=species"]).code(), 0);
    let mixed = sluice(folder, &["commit", "job"]);
    assert_eq!(mixed.code(), 1);
    assert!(
        mixed.stderr.contains("with other options"),
        "{}",
        mixed.stderr
    );
    assert!(!folder.join("job/manifest.json").exists());

    assert_eq!(shard("0/3", &[]).code(), 0);
    let two_jobs = sluice(folder, &["commit", "job"]);
    assert_eq!(two_jobs.code(), 1);
    assert!(two_jobs.stderr.contains("two jobs"), "{}", two_jobs.stderr);
    assert_eq!(sluice(folder, &["gc", "job"]).code(), 1);
}

#[test]
fn what_processes_cannot_share_is_refused() {
    let folder = common::temp();
    let folder = folder.path();
    furnish(folder);
    let refused = |words: &[&str], why: &str| {
        let ran = sluice(folder, &[&["import"], words].concat());
        assert_eq!(ran.code(), 2, "{}", ran.stderr);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
    };
    let project = "http://127.0.0.1:9/projects/1";
    refused(
        &["in", "--shard", "0/2", "--to", project],
        "`--shard`: the processes of a job pack into a folder",
    );
    refused(
        &["in", "--shard", "0/2", "--dedupe", "content"],
        "`--shard` does not go with `--dedupe`",
    );
    refused(
        &["-", "--shard", "0/2"],
        "`--shard` does not go with standard input",
    );
    for shard in ["2/2", "x", "0/0", "-1/2", "0/100000"] {
        let shard = format!("--shard={shard}");
        refused(&["in", &shard], "is no shard such as `3/16`");
    }
}
