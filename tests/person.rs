//! The person at the terminal before anything is sent: `plan`, `inspect`, `explain`, and the help that leads from one to
//! the other.
#![allow(
    unsafe_code,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests measure their children by wait4, and say when they fail"
)]

mod common;
#[path = "common/fake_label_studio.rs"]
mod fake_label_studio;
#[path = "common/library.rs"]
mod library;
#[path = "stores/misbehaving.rs"]
mod misbehaving;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{PATIENCE, Ran};
use fake_label_studio::{Fake, Faults, Options};
use misbehaving::{Manner, Server};
use proptest::prelude::*;
use serde_json::{Value, json};
use sluice::error::Code;

/// A folder to run in.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place {
            dir: common::temp(),
        }
    }

    fn with(self, name: &str, body: impl AsRef<[u8]>) -> Place {
        if let Some(folder) = self.path(name).parent() {
            std::fs::create_dir_all(folder).expect("a folder");
        }
        common::write(self.dir.path(), name, body);
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = common::sluice();
        command
            .args(words)
            .current_dir(self.dir.path())
            .env("HOME", self.path("home"))
            .env("SLUICE_STATE_DIR", self.path("state"));
        command
    }

    fn sluice(&self, words: &[&str]) -> Ran {
        checked(common::run(&mut self.command(words), PATIENCE))
    }

    fn json(&self, words: &[&str]) -> (i32, Value) {
        let ran = self.sluice(&[words, &["--json", "-q"]].concat());
        assert_eq!(ran.stderr, "", "{words:?}");
        (
            ran.code(),
            serde_json::from_slice(&ran.stdout).expect("JSON"),
        )
    }
}

fn checked(ran: Ran) -> Ran {
    assert_eq!(ran.misbehaviour(), None, "{}", ran.stderr);
    let plain = !ran.stderr.contains(['\u{1b}', '\r']) && !ran.stdout.contains(&0x1b);
    assert!(plain, "escape bytes where there is no terminal");
    ran
}

fn told(ran: &Ran) -> String {
    format!(
        "exit {}\n{}---\n{}",
        ran.code(),
        String::from_utf8_lossy(&ran.stdout),
        ran.stderr
    )
}

macro_rules! assert_told {
    ($ran:expr, @$expected:literal) => {
        insta::with_settings!({filters => vec![(r"(?m) +$", ""), (r"127\.0\.0\.1:\d+", "HOST")]}, {
            insta::assert_snapshot!(told(&$ran), @$expected);
        });
    };
}

const TEXT: &str = r#"<View><Text name="t" value="$text"/><Choices name="c" toName="t"><Choice value="a"/></Choices></View>"#;

const ONE_BAD: &str = "{\"text\":\"a\"}\n{\"text\": tru}\n{\"txt\":\"b\"}\n";

// Plan.

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_plan_says_what_the_import_then_does(
        samples in prop::collection::vec(library::sample(), 1..4),
        max_tasks in 1..12_u32,
        max_bytes in prop::sample::select(vec!["200", "1000", "50MB"]),
        dedupe in any::<bool>(),
        threads in prop::sample::select(vec!["1", "3"]),
    ) {
        let place = Place::new();
        let mut words = Vec::new();
        for (number, sample) in samples.iter().enumerate() {
            let name = format!("{number}-{}", sample.name);
            common::write(place.dir.path(), &name, &sample.bytes);
            words.push(name);
        }
        let max_tasks = max_tasks.to_string();
        words.extend(["--max-tasks", &max_tasks, "--max-bytes", max_bytes, "--threads", threads].map(str::to_owned));
        words.extend(["--max-rejects", "100%"].map(str::to_owned));
        if dedupe {
            words.extend(["--dedupe", "content"].map(str::to_owned));
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let before = common::names(place.dir.path());
        let (planned_code, plan) = place.json(&[&["plan"], words.as_slice()].concat());
        prop_assert_eq!(common::names(place.dir.path()), before, "a plan leaves nothing behind");

        let import = [&["import"], words.as_slice(), &["--to", "out", "--report", "r.json", "-q"]].concat();
        let ran = place.sluice(&import);
        prop_assert_eq!(planned_code, ran.code(), "{}", ran.stderr);
        let report: Value = serde_json::from_slice(&std::fs::read(place.path("r.json")).expect("a report")).expect("JSON");
        let manifest: Value =
            serde_json::from_slice(&std::fs::read(place.path("out/manifest.json")).expect("a manifest")).expect("JSON");
        for field in ["records", "tasks", "rejects", "bytes", "bytes_read", "complete", "rejects_by_code", "changes"] {
            prop_assert_eq!(&plan[field], &report[field], "{}", field);
        }
        let duplicates = report["duplicates"].as_u64().unwrap_or_default();
        prop_assert_eq!(plan["duplicates"].as_u64(), Some(duplicates));
        prop_assert_eq!(&plan["tasks"], &manifest["tasks"]);
        let imports = manifest["imports"].as_array().expect("imports");
        prop_assert_eq!(&plan["imports"]["count"], &json!(imports.len()));
        prop_assert!(plan["imports"]["fewest"].as_u64() <= plan["imports"]["count"].as_u64());
        let sizes = imports.iter().map(|import| import["bytes"].as_u64().unwrap());
        let tasks = imports.iter().map(|import| import["tasks"].as_u64().unwrap());
        prop_assert_eq!(plan["bytes"].as_u64(), Some(sizes.sum()));
        prop_assert_eq!(plan["tasks"].as_u64(), Some(tasks.sum()));
        let bars = plan["imports"]["histogram"].as_array().expect("bars").iter();
        prop_assert_eq!(bars.map(|bar| bar.as_u64().unwrap()).sum::<u64>(), imports.len() as u64);

        // Source by source, what is there is what stands in the imports and in the rejects.
        let sources = plan["sources"].as_array().expect("sources");
        prop_assert_eq!(sources.len(), samples.len());
        for field in ["records", "tasks", "rejects", "duplicates"] {
            let of_sources = sources.iter().map(|source| source[field].as_u64().unwrap()).sum::<u64>();
            prop_assert_eq!(Some(of_sources), plan[field].as_u64(), "{}", field);
        }
        for (source, sample) in sources.iter().zip(&samples) {
            let too_large = source["rejects_by_code"]["task-too-large"]["count"].as_u64().unwrap_or_default();
            let rejected = sample.rejected.len() as u64 + too_large;
            prop_assert_eq!(source["rejects"].as_u64(), Some(rejected));
            prop_assert_eq!(&source["records"], &json!(sample.tasks.len() + sample.rejected.len()));
        }
        // Each import has its brackets and, for each task but one, a comma.
        let task_bytes = sources.iter().map(|source| source["task_bytes"].as_u64().unwrap()).sum::<u64>();
        let around = plan["tasks"].as_u64().unwrap() + imports.len() as u64;
        prop_assert_eq!(Some(task_bytes + around), plan["bytes"].as_u64());
    }
}

#[test]
fn a_plan_for_a_person() {
    let place = Place::new().with("bad.jsonl", ONE_BAD).with("c.xml", TEXT);
    let ran = place.sluice(&["plan", "bad.jsonl", "--label-config", "c.xml"]);
    assert_told!(ran, @r###"
exit 3
3 records: 1 task, 2 rejected
  field-missing: 1
    bad.jsonl:3:1  (record 3, byte 27): the labelling config needs `text`, there is `txt`
    help: rename it with `--map text=txt`, or set such records aside with `--max-rejects`
  json-syntax: 1
    bad.jsonl:2:10  (record 2, byte 22): expected a value, found `t`
1 import, 23 B together; one holds at most 250,000 tasks and 50.00 MB; so much fits in 1 at the fewest
  full to 0 %
sent to a Label Studio later, the last starts after 0 s at the earliest (1 import, 30 s apart)
SOURCE     SIZE  RECORDS  TASKS  REJECTS  BYTES OF TASKS
bad.jsonl  39 B        3      1        2            21 B
---
`sluice explain CODE` says what a reject's code means, and how it is mended
next: sluice import bad.jsonl --label-config c.xml
"###);
}

#[test]
fn a_plan_goes_past_the_rejects_at_which_an_import_stops() {
    let place = Place::new().with("bad.jsonl", "{\n".repeat(300));
    let (code, plan) = place.json(&["plan", "bad.jsonl"]);
    assert_eq!(
        (code, &plan["rejects"], &plan["accepted"]),
        (3, &json!(300), &json!(false))
    );
    let ran = place.sluice(&["import", "bad.jsonl"]);
    assert_eq!(ran.code(), 4);
    let (_, plan) = place.json(&["plan", "bad.jsonl", "--max-rejects", "300"]);
    assert_eq!(plan["accepted"], json!(true));
}

#[test]
fn a_plan_of_what_cannot_be_read_says_what_came_before() {
    let place = Place::new().with("a.json", "[{\"n\":1},{\"n\":2},{\"n\":tru}]");
    let ran = place.sluice(&["plan", "a.json", "--json"]);
    let plan: Value = serde_json::from_slice(&ran.stdout).expect("JSON");
    assert_eq!((ran.code(), &plan["complete"]), (1, &json!(false)));
    assert!(
        plan["error"]
            .as_str()
            .is_some_and(|error| error.starts_with("error[json-syntax]"))
    );
    assert!(ran.stderr.contains("error[json-syntax]"), "{}", ran.stderr);
}

fn at_server(place: &Place, fake: &Fake, words: &[&str]) -> Ran {
    let mut command = place.command(words);
    command.env("LABEL_STUDIO_API_KEY", fake.token());
    checked(common::run(&mut command, PATIENCE))
}

#[test]
fn a_plan_for_a_project_sends_nothing() {
    let fake = Fake::on_thread(Faults::none(), Options::default());
    let rows: String = (0..5_000)
        .map(|n| format!("{{\"text\":\"row {n}\"}}\n"))
        .collect();
    let place = Place::new().with("rows.jsonl", rows);
    let to = format!("{}/projects/1", fake.address());
    let before: u64 = fake.project(1).tasks.len() as u64;
    for more in [&[][..], &["--sample", "100"], &["--spread", "1500"]] {
        let ran = at_server(
            &place,
            &fake,
            &[&["plan", "rows.jsonl", "--to", &to, "--json"], more].concat(),
        );
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
    }
    for inspected in [&["--json"][..], &[]] {
        let ran = at_server(
            &place,
            &fake,
            &[&["inspect", "rows.jsonl", "--to", &to], inspected].concat(),
        );
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
    }
    let history = fake.history();
    let sent: Vec<_> = history
        .iter()
        .filter(|request| {
            request.method != "GET" && !request.path.starts_with("/api/token/refresh")
        })
        .map(ToString::to_string)
        .collect();
    assert_eq!(sent, Vec::<String>::new());
    assert!(!history.is_empty());
    assert_eq!(fake.projects().len(), 1);
    assert_eq!(fake.project(1).tasks.len() as u64, before);
    assert!(!place.path("state").exists(), "no run is recorded");
}

#[test]
fn a_plan_for_a_project_knows_its_size_and_its_pace() {
    let fake = Fake::on_thread(Faults::none(), Options::default());
    let rows: String = (0..5_000)
        .map(|n| format!("{{\"text\":\"row {n}\"}}\n"))
        .collect();
    let place = Place::new()
        .with("rows.jsonl", rows)
        .with("one.jsonl", "{\"text\":\"a\"}\n");
    let to = format!("{}/projects/1", fake.address());
    let ran = at_server(
        &place,
        &fake,
        &["import", "one.jsonl", "--to", &to, "--interval", "0"],
    );
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let plan = |more: &[&str]| -> Value {
        let ran = at_server(
            &place,
            &fake,
            &[&["plan", "rows.jsonl", "--to", &to, "--json", "-q"], more].concat(),
        );
        serde_json::from_slice(&ran.stdout).expect("JSON")
    };
    let whole = plan(&[]);
    assert_eq!(
        whole["projects"],
        json!([{"address": to, "tasks_before": 1, "tasks_after": 5001, "over_advice": false}])
    );
    assert_eq!(whole["imports"]["fewest"], json!(1));
    assert_eq!(whole["pace"]["earliest_seconds"], json!(0.0));
    let expected = whole["pace"]["expected_seconds"]
        .as_f64()
        .expect("a server has an expected time");
    assert!(expected > 0.0, "{expected}");
    // Two fill their projects, which makes them imports of their own.
    let spread = plan(&["--spread", "2000"]);
    let after: Vec<_> = spread["projects"]
        .as_array()
        .expect("projects")
        .iter()
        .map(|p| p["tasks_after"].as_u64())
        .collect();
    assert_eq!(after, [Some(2000), Some(2000), Some(1001)]);
    let many = plan(&["--max-tasks", "100"]);
    assert_eq!(many["imports"]["count"], json!(50));
    assert_eq!(many["pace"]["earliest_seconds"], json!(49.0 * 30.0));
}

#[test]
fn each_command_leads_to_the_next() {
    let place = Place::new()
        .with("a b.csv", "headline\nOne\nTwo\n")
        .with("c.xml", TEXT);
    let config = ["--label-config", "c.xml"];
    let next = |words: &[&str]| {
        let ran = place.sluice(words);
        let line = ran
            .stderr
            .lines()
            .find_map(|line| line.strip_prefix("next: ").map(str::to_owned));
        line.unwrap_or_else(|| panic!("{words:?}: {}", ran.stderr))
    };
    let inspect = [
        &["--log-format", "text", "inspect", "a b.csv", "--tasks", "1"],
        &config[..],
    ]
    .concat();
    let plan = next(&inspect);
    assert_eq!(
        plan,
        "sluice --log-format text plan 'a b.csv' --label-config c.xml --map text=headline"
    );
    // What is suggested works: it leads on to an import.
    let words = [
        "plan",
        "a b.csv",
        "--label-config",
        "c.xml",
        "--map=text=headline",
        "--json",
        "--sample",
        "1",
    ];
    assert_eq!(
        next(&words),
        "sluice import 'a b.csv' --label-config c.xml --map=text=headline"
    );
    let quiet = place.sluice(&["plan", "a b.csv", "-q"]);
    assert_eq!(quiet.stderr, "");
}

// Samples.

/// Rows whose lengths and faults come in stretches, as real data has them.
fn rows(seed: u64, quoted: bool) -> (String, u64) {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut random = |most: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % most
    };
    let (mut text, mut bad) = ("id,text,more\n".to_owned(), 0);
    let (mut longest, mut faults) = (40, 20);
    for row in 0..12_000 {
        if random(300) == 0 {
            (longest, faults) = (5 + random(150), 5 + random(60));
        }
        let words = "x".repeat(1 + random(longest) as usize);
        if random(1_000) < faults {
            bad += 1;
            text.push_str(&format!("{row},{words}\n"));
        } else if quoted && random(5) == 0 {
            text.push_str(&format!("{row},\"{words}\n,\"\"b\"\" {words}\",z\n"));
        } else {
            text.push_str(&format!("{row},{words},z\n"));
        }
    }
    (text, bad)
}

#[test]
fn the_bounds_of_a_sample_hold_the_truth_for_most_seeds() {
    for (quoted, name) in [(false, "rows.csv"), (true, "quoted.csv")] {
        let (text, bad) = rows(7, quoted);
        let place = Place::new().with(name, &text);
        let (_, plan) = place.json(&["plan", name, "--max-rejects", "100%"]);
        assert_eq!(plan["rejects"], json!(bad));
        let plan_of = library::plan(place.dir.path(), &library::Options::default());
        let look = sluice::inspect::head::Look {
            reading: &plan_of.reading,
            normalizer: &plan_of.normalizer,
            memory: plan_of.memory,
            tasks: 0,
        };
        let sources = &plan_of.sources;
        let truth = |field: &str| plan[field].as_f64().expect("a number");
        let task_bytes =
            plan["sources"][0]["task_bytes"].as_f64().expect("a number") + truth("tasks");
        let (seeds, mut missed) = (200, [0; 4]);
        for seed in 0..seeds {
            let amount = sluice::inspect::sample::Amount::Records(1_200);
            let sample =
                sluice::inspect::sample::sample(&look, sources, amount, seed).expect("it is read");
            let sample = sample.expect("it is less than all");
            assert_eq!(sample.heads, 0);
            assert!(sample.looked_at < 4_000, "{}", sample.looked_at);
            let pairs = [
                (sample.records, truth("records")),
                (sample.tasks, truth("tasks")),
                (sample.rejects, truth("rejects")),
                (sample.bytes, task_bytes),
            ];
            for (missed, (estimate, truth)) in missed.iter_mut().zip(pairs) {
                let (least, most) = (
                    estimate.least.expect("bounds"),
                    estimate.most.expect("bounds"),
                );
                assert!(least <= estimate.likely + 1e-6 && estimate.likely <= most + 1e-6);
                *missed += i32::from(!(least..=most).contains(&truth));
            }
        }
        // One of twenty is what is said; three of forty are allowed, since seeds are few.
        assert!(
            missed.iter().all(|missed| *missed <= 15),
            "{name}: {missed:?} of {seeds}"
        );
    }
}

#[test]
fn windows_take_every_record_once() {
    use sluice::inspect::windows::{Ends, records};
    let (table, _) = rows(3, true);
    let table = table.replacen("id,text,more\n", "", 1);
    let lines: String = (0..500)
        .map(|n| format!("{}\n", "l".repeat(n % 97)))
        .collect();
    let ends = Ends::Rows {
        delimiter: b',',
        columns: 3,
    };
    for (text, ends) in [
        (table, ends),
        (lines.clone(), Ends::Lines),
        (lines + "no end", Ends::Lines),
    ] {
        let text = text.as_bytes();
        for window in [1_000, 4_096, 50_000] {
            let (mut at, mut from) = (0, 0);
            while from < text.len() {
                let to = (from + window).min(text.len());
                let before = from.saturating_sub(16 << 10);
                let (start, end) = records(
                    &text[before..],
                    from - before,
                    to - from,
                    before == 0,
                    true,
                    ends,
                )
                .expect("all is there");
                if start < end {
                    assert_eq!(before + start, at, "from {from}, {ends:?}");
                    at = before + end;
                }
                from = to;
            }
            assert_eq!(at, text.len(), "{ends:?}");
        }
    }
}

#[test]
fn what_is_read_from_its_head_states_no_error() {
    let rows: String = (0..20_000)
        .map(|n| format!("{{\"text\":\"row {n}\"}},"))
        .collect();
    let place = Place::new().with("a.json", format!("[{}]", rows.trim_end_matches(',')));
    let (code, plan) = place.json(&["plan", "a.json", "--sample", "500"]);
    let sample = &plan["sample"];
    assert_eq!(
        (code, &sample["heads"], &sample["records"]["most"]),
        (0, &json!(1), &Value::Null)
    );
    let likely = sample["records"]["likely"].as_f64().expect("a number");
    assert!((18_000.0..22_000.0).contains(&likely), "{likely}");
    // Of a Parquet file the footer knows the number of rows.
    let foods = common::data("foods.parquet").display().to_string();
    let (_, plan) = place.json(&["plan", &foods, "--sample", "5"]);
    assert_eq!(
        plan["sample"]["records"],
        json!({"likely": 27.0, "least": 27.0, "most": 27.0})
    );
    // A sample of about everything is everything.
    let (_, plan) = place.json(&[
        "plan",
        &common::data("penguins.csv").display().to_string(),
        "--sample",
        "300",
    ]);
    assert_eq!(plan["records"], json!(344));
}

// Inspect.

#[test]
fn a_table_for_a_person() {
    let place = Place::new()
        .with("a.csv", "id;headline;n\n1;One;\n2;Two;5\n3;Three\n4;;4\n5;e;\n6;f;6\n7;g;7\n8;h;8\n9;i;9\n10;j;10\n11;k;11\n12;l;12\n")
        .with("c.xml", TEXT);
    let ran = place.sluice(&[
        "inspect",
        "a.csv",
        "--label-config",
        "c.xml",
        "--tasks",
        "1",
    ]);
    assert_told!(ran, @r###"
exit 0
a.csv
  csv, UTF-8, `;` between cells, 95 B
  12 records (rows), all of them looked at
  FIELD     TYPE                   NULL   EMPTY  MISSING  EXAMPLES
  id        text, each an integer     -       -        -  1 | 2 | 4
  headline  text                      -   9.1 %        -  One | Two | e
  n         text, each an integer     -  18.2 %        -  5 | 4 | 6
  row-length: 1
    a.csv:4:1  (record 3, byte 29): 2 cells, the header has 3
    help: add what is missing, or name the delimiter with `--delimiter`
  the labelling config: 0 tasks fit, 11 not
  field-missing: 11
    the labelling config needs `text`, there is `id`, `headline` and `n`
    help: rename a field with `--map text=FIELD`, or set such records aside with `--max-rejects`
    `text` for Text is missing
  {
    "data": {
      "id": "1",
      "headline": "One",
      "n": ""
    }
  }
---
next: sluice plan a.csv --label-config c.xml
"###);
}

#[test]
fn a_parquet_file_for_a_person() {
    let place = Place::new();
    std::fs::copy(common::data("foods.parquet"), place.path("foods.parquet")).expect("a copy");
    let ran = place.sluice(&["inspect", "foods.parquet", "--tasks", "1"]);
    assert_told!(ran, @r###"
exit 0
foods.parquet
  parquet, 1.43 kB
  27 records (rows), all of them looked at
  1 row group: 27 rows, 455 B, zstd
  FIELD     TYPE                   NULL  EMPTY  MISSING  EXAMPLES
  category  text (from LargeUtf8)     -      -        -  vegetables | seafood | meat
  calories  integer (from Int64)      -      -        -  45 | 150 | 100
  fats_g    number (from Float64)     -      -        -  0.5 | 5.0 | 0.0
  sugars_g  integer (from Int64)      -      -        -  2 | 0 | 11
  {
    "data": {
      "category": "vegetables",
      "calories": 45,
      "fats_g": 0.5,
      "sugars_g": 2
    }
  }
---
next: sluice plan foods.parquet
"###);
}

#[test]
fn every_kind_of_source_is_what_it_is() {
    let place = Place::new()
        .with("a.jsonl", "{\"t\":\"x\",\"n\":1,\"f\":1.5,\"l\":[1],\"o\":{},\"b\":true,\"z\":null}\n{\"t\":\"\",\"n\":2}\n")
        .with("a.json", "[{\"t\":1},{\"t\":\"x\"}]")
        .with("a.tsv", "a\tb\n1\ttrue\n")
        .with("a.txt", "one\ntwo\n")
        .with("a.html", "<p>x</p>")
        .with("latin.csv", b"a,b\n\xe9,1\n")
        .with("a.jpg", "")
        .with("utf16.csv", [&[0xff, 0xfe][..], &"a,b\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()].concat());
    let one = |words: &[&str]| {
        let (code, about) = place.json(&[&["inspect"], words].concat());
        assert_eq!(code, 0);
        assert_eq!(about["version"], json!(1));
        about["sources"][0].clone()
    };
    let types = |about: &Value| -> Vec<String> {
        let columns = about["columns"].as_array().expect("columns").iter();
        columns
            .map(|c| {
                let types: Vec<_> = c["types"]
                    .as_object()
                    .expect("types")
                    .keys()
                    .cloned()
                    .collect();
                format!(
                    "{}: {}",
                    c["name"].as_str().unwrap_or_default(),
                    types.join("+")
                )
            })
            .collect()
    };
    let lines = one(&["a.jsonl"]);
    assert_eq!(lines["format"], "jsonl");
    assert_eq!(
        types(&lines),
        [
            "t: text",
            "n: integer",
            "f: number",
            "l: list",
            "o: object",
            "b: boolean",
            "z: "
        ]
    );
    assert_eq!(lines["columns"][0]["empty"], json!(1));
    assert_eq!(lines["columns"][2]["missing"], json!(1));
    assert_eq!(lines["columns"][6]["null"], json!(1));
    assert_eq!(
        (&lines["looked_at"], &lines["all"]),
        (&json!(2), &json!(true))
    );
    let array = one(&["a.json"]);
    assert_eq!(
        (&array["format"], &array["records_are"]),
        (&json!("json"), &json!("elements of an array"))
    );
    assert_eq!(types(&array), ["t: integer+text"]);
    let tabs = one(&["a.tsv"]);
    assert_eq!(
        (&tabs["format"], &tabs["delimiter"]),
        (&json!("tsv"), &json!("\t"))
    );
    assert_eq!(tabs["columns"][0]["all_texts_are"], "integer");
    assert_eq!(
        types(&one(&["a.tsv", "--csv-types", "auto"])),
        ["a: integer", "b: boolean"]
    );
    assert_eq!(one(&["a.txt"])["records_are"], "lines");
    assert_eq!(
        one(&["a.html", "--data-key", "html"])["tasks"],
        json!([{"data": {"html": "<p>x</p>"}}])
    );
    assert_eq!(
        one(&["latin.csv"])["rejects_by_code"]["encoding"]["count"],
        json!(1)
    );
    let latin = one(&["latin.csv", "--encoding", "windows-1252"]);
    assert_eq!(
        (&latin["encoding"], &latin["tasks"]),
        (
            &json!("windows-1252"),
            &json!([{"data": {"a": "é", "b": "1"}}])
        )
    );
    assert_eq!(one(&["utf16.csv"])["encoding"], "UTF-16LE");
    let photo = one(&[
        "a.jpg",
        "--media-url",
        "https://x.example/",
        "--data-key",
        "image",
    ]);
    assert_eq!(
        (&photo["format"], &photo["tasks"]),
        (
            &json!("reference"),
            &json!([{"data": {"image": "https://x.example/a.jpg"}}])
        )
    );
    let data = |name: &str| one(&[&common::data(name).display().to_string()]);
    assert_eq!(data("penguins-raw.csv.gz")["compression"], "gzip");
    let foods = data("foods.parquet");
    assert_eq!(
        (&foods["records"], &foods["row_groups"]["count"]),
        (&json!(27), &json!(1))
    );
    assert_eq!(foods["row_groups"]["codecs"], json!(["zstd"]));
    assert_eq!(
        types(&foods),
        [
            "category: text",
            "calories: integer",
            "fats_g: number",
            "sugars_g: integer"
        ]
    );
    assert!(
        data("foods.arrow")["columns"][1]["arrow"]
            .as_str()
            .is_some_and(|arrow| arrow.contains("Int64"))
    );
    assert_eq!(data("predictions.json")["format"], "json");
}

#[test]
fn the_tasks_shown_are_those_that_are_sent() {
    let place = Place::new();
    for name in [
        "penguins.csv",
        "headlines.jsonl",
        "foods.parquet",
        "foods.arrow",
        "penguins-raw.csv.gz",
        "predictions.json",
    ] {
        let path = common::data(name).display().to_string();
        let (_, about) = place.json(&["inspect", &path, "--tasks", "5"]);
        let ran = place.sluice(&["import", &path, "--to", "-", "-q"]);
        let sent: Vec<Value> = ran
            .stdout
            .split(|b| *b == b'\n')
            .filter(|line| !line.is_empty())
            .take(5)
            .map(|l| serde_json::from_slice(l).expect("a task"))
            .collect();
        assert_eq!(about["sources"][0]["tasks"], Value::Array(sent), "{name}");
    }
}

#[test]
fn what_cannot_be_read_is_a_typed_error() {
    let place = Place::new()
        .with("book.xlsx", b"PK\x03\x04")
        .with("cut.csv.gz", b"\x1f\x8b\x08\x00")
        .with("bad.parquet", "PAR1 and no more");
    for (words, code) in [
        (["inspect", "book.xlsx"], "error[format]"),
        (["inspect", "cut.csv.gz"], "error[compression]"),
        (["inspect", "bad.parquet"], "error[format]"),
        (["inspect", "none.csv"], "error[source-missing]"),
    ] {
        let ran = place.sluice(&words);
        assert_eq!(ran.code(), 1, "{words:?}");
        assert!(ran.stderr.starts_with(code), "{words:?}: {}", ran.stderr);
    }
}

#[test]
fn only_the_head_of_a_source_is_read() {
    // One that never ends.
    let place = Place::new();
    let mut command = place.command(&["inspect", "-", "--json", "-q"]);
    let ran = checked(common::run_fed(&mut command, PATIENCE, |mut pipe| {
        let rows = "{\"text\":\"again\"}\n".repeat(1_000);
        while pipe.write_all(rows.as_bytes()).is_ok() {}
    }));
    let about: Value = serde_json::from_slice(&ran.stdout).expect("JSON");
    assert_eq!(
        (ran.code(), &about["sources"][0]["all"]),
        (0, &json!(false))
    );
    assert!(ran.peak < 200 << 20, "{} bytes", ran.peak);

    // One that is far away: text by its head, Parquet by its footer and its first pages.
    let server = Server::start();
    let rows = "{\"text\":\"a row that is of some length, so that there are many bytes\"}\n"
        .repeat(400_000);
    let url = server.put("rows.jsonl", rows.as_bytes(), Manner::Fine);
    let ran = place.sluice(&["inspect", &url, "-q"]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let sent = server.sent();
    assert!(
        sent < rows.len() as u64 / 4,
        "{sent} of {} bytes",
        rows.len()
    );
}

#[test]
fn inspect_gets_along_with_every_file_of_the_corpora() {
    let place = Place::new();
    let folder = std::env::var_os("SLUICE_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora"),
        PathBuf::from,
    );
    let mut files = Vec::new();
    let mut folders = vec![folder.clone()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap_or_else(|e| panic!("{}: {e}", next.display()))
        {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(files.len() > 100, "no corpora in {}", folder.display());
    let files = Arc::new(std::sync::Mutex::new(files));
    let place = Arc::new(place);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                // The lock is not held while a file is looked at.
                let next = || files.lock().unwrap().pop();
                while let Some(path) = next() {
                    let path = path.display().to_string();
                    let ran = place.sluice(&[
                        "inspect",
                        &path,
                        "--json",
                        "-q",
                        "--data-key",
                        "text",
                        "--media-url",
                        "/m/",
                    ]);
                    if ran.code() == 0 {
                        let about = match serde_json::from_slice::<Value>(&ran.stdout) {
                            Ok(about) => about,
                            // What is shown of a task is as deep as the task is.
                            Err(e) if e.to_string().starts_with("recursion limit") => continue,
                            Err(e) => panic!("{path}: {e}"),
                        };
                        // An archive has several.
                        let sources = about["sources"].as_array().map_or(0, Vec::len);
                        assert!(sources >= 1, "{path}");
                    } else {
                        assert_eq!(ran.code(), 1, "{path}: {}", ran.stderr);
                        assert!(ran.stderr.starts_with("error["), "{path}: {}", ran.stderr);
                    }
                }
            });
        }
    });
}

// Help that teaches.

#[test]
fn every_code_can_be_explained() {
    let place = Place::new();
    let listed = place.sluice(&["explain"]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert_eq!(listed.lines().count(), Code::ALL.len());
    for code in Code::ALL {
        let message = format!("error[{code}]: some trouble");
        let ran = place.sluice(&["explain", &message]);
        let text = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(
            ran.code() == 0 && text.starts_with(code.as_str()),
            "{code}: {text}"
        );
        assert!(text.contains("How to mend it:"), "{code}");
    }
    let ran = place.sluice(&["explain", "feild-missing"]);
    assert_told!(ran, @r###"
exit 2
---
error[usage]: there is no code `feild-missing`
  help: did you mean `field-missing`? `sluice explain` lists all
"###);
}

#[test]
fn a_slip_of_the_pen_is_understood() {
    let place = Place::new().with("a.csv", "a\n1\n");
    for (words, meant) in [
        (&["inpsect", "a.csv"][..], "inspect"),
        (&["plan", "a.csv", "--max-task", "5"], "--max-tasks"),
        (&["plan", "a.csv", "--format", "jsonll"], "jsonl"),
        (&["plan", "a.csv", "--format", "parket"], "parquet"),
        (&["plan", "s4://bucket/a"], "`s3://`"),
        (&["inspect", "htps://host/a"], "`https://`"),
        (
            &["import", "a.csv", "--to", "rediss2://host/1"],
            "`rediss://`",
        ),
        (&["completions", "bsh"], "bash"),
    ] {
        let ran = place.sluice(words);
        assert_eq!(ran.code(), 2, "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(meant), "{words:?}: {}", ran.stderr);
    }
}

#[test]
fn completions_and_pages_are_made_of_the_parser() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = place.sluice(&["completions", shell]);
        let text = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(ran.code() == 0 && ran.stderr.is_empty(), "{shell}");
        for word in ["inspect", "max-rejects", "explain"] {
            assert!(text.contains(word), "{shell} knows nothing of {word}");
        }
    }
    let ran = place.sluice(&["man", "--to", "man1"]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    for command in commands() {
        let page = std::fs::read_to_string(place.path(&format!("man1/sluice-{command}.1")))
            .expect(&command);
        assert!(
            page.contains(&format!(".TH sluice-{command} 1")),
            "{command}"
        );
        let ran = place.sluice(&["man", &command]);
        assert_eq!(String::from_utf8_lossy(&ran.stdout), page);
    }
    assert_eq!(place.sluice(&["man", "nothing"]).code(), 2);
}

/// The commands, by their own help.
fn commands() -> Vec<String> {
    let help = help(&["--help"]);
    let (_, listed) = help.split_once("Commands:\n").expect("commands");
    let lines = listed.lines().take_while(|line| !line.is_empty());
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

fn help(words: &[&str]) -> String {
    let ran = Place::new().sluice(words);
    assert_eq!(ran.code(), 0, "{words:?}: {}", ran.stderr);
    String::from_utf8(ran.stdout).expect("text")
}

#[test]
fn every_example_of_the_help_runs() {
    let mut pages = vec![help(&["--help"])];
    let commands = commands();
    pages.extend(commands.iter().map(|command| help(&[command, "--help"])));
    for (command, page) in commands.iter().zip(&pages[1..]) {
        assert!(
            page.contains(&format!("    sluice {command}"))
                || page.contains(&format!("| sluice {command}")),
            "no example of {command}"
        );
        let short = help(&[command, "-h"]);
        assert!(
            short.len() <= page.len() && !short.contains("Examples:"),
            "{command} -h is short"
        );
    }
    let mut ran = 0;
    for page in &pages {
        // One page is one sitting: what a line makes is there for the next.
        let fake = Fake::on_thread(Faults::none(), Options::default());
        let place = furnished();
        let (mut lines, mut run) = (page.lines().peekable(), None);
        let mut serving = Vec::new();
        while let Some(line) = lines.next() {
            let Some(first) = line
                .strip_prefix("    ")
                .filter(|l| l.starts_with("sluice ") || l.starts_with("cat "))
            else {
                continue;
            };
            // A long line goes on below, where the terminal is narrow.
            let mut words = first.to_owned();
            while let Some(more) = lines.next_if(|line| {
                line.starts_with("     ") || (!line.is_empty() && !line.starts_with(' '))
            }) {
                words = format!("{words} {}", more.trim());
            }
            if words.contains("20260102-030405-abcdef") && run.is_none() {
                let to = format!("{}/projects/1", fake.address());
                let imported = at_server(
                    &place,
                    &fake,
                    &["import", "data.csv", "--to", &to, "--interval", "0"],
                );
                assert_eq!(imported.code(), 0, "{}", imported.stderr);
                let runs = place.sluice(&["runs", "--json"]);
                let runs: Value = serde_json::from_slice(&runs.stdout).expect("JSON");
                run = runs[0]["run"].as_str().map(str::to_owned);
            }
            let code = words
                .replace("http://localhost:8080", &fake.address())
                .replace("20260102-030405-abcdef", run.as_deref().unwrap_or_default());
            ran += 1;
            if code.starts_with("sluice serve") {
                // It goes on until the page is done.
                let words: Vec<&str> = code.split(' ').skip(1).chain(["--port", "0"]).collect();
                let mut serve = place.command(&words);
                serve.stdout(Stdio::null()).stderr(Stdio::null());
                serving.push(Serving(serve.spawn().expect("it starts")));
                let begun = Instant::now();
                while std::fs::read(place.path("urls.txt")).map_or(0, |urls| urls.len()) == 0 {
                    assert!(begun.elapsed() < PATIENCE, "no list");
                    std::thread::sleep(Duration::from_millis(20));
                }
                continue;
            }
            let ended = shell(&place, &fake, &code);
            assert_eq!(ended.code(), 0, "{code}\n{}", ended.stderr);
        }
    }
    assert!(ran > 30, "{ran} lines of examples");
}

/// A process that ends with this.
struct Serving(std::process::Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn shell(place: &Place, fake: &Fake, code: &str) -> Ran {
    let binary = Path::new(env!("CARGO_BIN_EXE_sluice"))
        .parent()
        .expect("a folder")
        .to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(binary).chain(std::env::split_paths(&path)));
    let mut shell = Command::new("sh");
    shell
        .args(["-eu", "-c", code])
        .current_dir(place.dir.path())
        .env("PATH", path.expect("a PATH"))
        .env("SLUICE_STATE_DIR", place.path("state"))
        .env("LABEL_STUDIO_API_KEY", fake.token())
        .stdin(Stdio::null());
    common::run(&mut shell, PATIENCE)
}

/// What the examples speak of.
fn furnished() -> Place {
    let place = Place::new()
        .with("data.csv", "id,text,headline\n1,One,A\n2,Two,B\n")
        .with("config.xml", TEXT)
        .with("folder/a.csv", "id,headline\n1,One\n")
        .with("photos/a.jpg", "");
    let rows: String = (0..20_000)
        .map(|n| {
            format!(
                "{{\"text\":\"row {n} of some length, with words in it that make a line of it\"}}\n"
            )
        })
        .collect();
    place.with("tasks.jsonl", rows)
}

#[test]
fn every_flag_that_is_spoken_of_exists() {
    let pages: Vec<String> = std::iter::once(help(&["--help"]))
        .chain(commands().iter().map(|command| help(&[command, "--help"])))
        .chain([
            help(&["config", "show", "--help"]),
            help(&["runs", "show", "--help"]),
        ])
        .collect();
    let known: BTreeSet<String> = pages
        .iter()
        .flat_map(|page| page.lines())
        .filter(|line| line.trim_start().starts_with('-'))
        .flat_map(|line| {
            flags(
                line.split("  ")
                    .find(|part| part.contains("--"))
                    .unwrap_or_default(),
            )
        })
        .collect();
    assert!(
        known.contains("--max-tasks") && known.contains("--sample") && known.len() > 40,
        "{known:?}"
    );
    // Those of cargo, redis-server and the repository's own scripts.
    let others = [
        "--release",
        "--port",
        "--save",
        "--against",
        "--help",
        "--version",
    ];
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"))
        .expect("README.md");
    let sources = ["src/error/explanation.rs", "src/cli/args/examples.rs"].map(|file| {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect(file)
    });
    for (whose, text) in pages
        .iter()
        .map(|page| ("the help", page))
        .chain([("README.md", &readme)])
        .chain(sources.iter().map(|s| ("the examples", s)))
    {
        for flag in flags(text) {
            assert!(
                known.contains(&flag) || others.contains(&flag.as_str()),
                "{whose} speaks of {flag}, which is no flag"
            );
        }
    }
}

/// The long flags in a text.
fn flags(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("--") {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '-' || c == '<' || c == '!') {
            continue;
        }
        let name: String = text[at + 2..]
            .chars()
            .take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-')
            .collect();
        if name.starts_with(|c: char| c.is_ascii_lowercase()) {
            found.push(format!("--{}", name.trim_end_matches('-')));
        }
    }
    found
}
