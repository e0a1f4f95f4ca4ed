//! What is said on standard error: for people as it always was, for collectors one JSON object a line.

use serde_json::Value;

use crate::common::{self, PATIENCE};
use crate::fake_label_studio::{Call, Fault, Faults};
use crate::{Bench, lines};

/// Every line as an object, with what all have.
fn objects(stderr: &str) -> Vec<Value> {
    stderr
        .lines()
        .map(|line| {
            let object: Value =
                serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
            for key in ["timestamp", "level", "message", "target"] {
                assert!(object[key].is_string(), "{key}: {line}");
            }
            assert!(
                object["target"]
                    .as_str()
                    .expect("text")
                    .starts_with("sluice"),
                "{line}"
            );
            object
        })
        .collect()
}

fn with<'a>(objects: &'a [Value], message: &str) -> Vec<&'a Value> {
    objects
        .iter()
        .filter(|one| one["message"] == message)
        .collect()
}

#[test]
fn every_line_is_an_object() {
    let bench = Bench::new();
    bench.write("in.jsonl", lines(0..3));
    bench.write("bad.jsonl", "{\"n\": tru}\n");
    for (words, code, level) in [
        (
            &["import", "in.jsonl", "--log-format", "json"][..],
            0,
            "INFO",
        ),
        (&["import", "in.jsonl", "--log-format=json"], 2, "ERROR"),
        (
            &["import", "bad.jsonl", "--log-format", "json", "--overwrite"],
            3,
            "INFO",
        ),
        (
            &["import", "nosuch.jsonl", "--log-format", "json", "-q"],
            1,
            "ERROR",
        ),
        (&["import", "--nosuch", "--log-format", "json"], 2, "ERROR"),
        (&["export", "--log-format=json"], 2, "ERROR"),
        (&["--log-format", "json"], 2, "ERROR"),
        (
            &["runs", "show", "nosuch", "--log-format", "json"],
            1,
            "ERROR",
        ),
    ] {
        let ran = bench.sluice(words);
        let said = objects(&ran.stderr);
        assert_eq!(ran.code(), code, "{words:?}: {}", ran.stderr);
        let last = said
            .last()
            .unwrap_or_else(|| panic!("{words:?} says nothing"));
        assert_eq!(last["level"], level, "{words:?}: {last}");
        if level == "ERROR" {
            assert_eq!(last["exit_code"], code, "{words:?}: {last}");
            assert!(last["code"].is_string(), "{words:?}: {last}");
        }
    }
}

#[test]
fn sources_and_imports_are_spans_and_each_import_is_told() {
    let faults = Faults::script_on(vec![(
        Call::Upload,
        Fault::Html {
            status: 502,
            stores: None,
        },
    )]);
    let bench = Bench::with(faults);
    bench.write("a.jsonl", lines(0..30));
    bench.write("b.jsonl", lines(30..60));
    let to = bench.to();
    let words = [
        "import",
        "a.jsonl",
        "b.jsonl",
        "--to",
        &to,
        "--interval",
        "0",
        "--max-tasks",
        "20",
    ];
    let ran = bench.sluice(&[&words[..], &["--log-format", "json", "-v"]].concat());
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let said = objects(&ran.stderr);
    let read = with(&said, "source read");
    let sources: Vec<_> = read
        .iter()
        .map(|one| one["spans"][0]["source"].clone())
        .collect();
    assert_eq!(sources, ["a.jsonl", "b.jsonl"], "{}", ran.stderr);
    assert_eq!(read[1]["spans"][0]["number"], 1);
    let delivered = with(&said, "import delivered");
    let tasks: u64 = delivered
        .iter()
        .map(|one| one["tasks"].as_u64().expect("tasks"))
        .sum();
    assert_eq!(tasks, 60, "{}", ran.stderr);
    for one in delivered {
        assert_eq!(one["spans"][0]["name"], "import", "{one}");
        for key in ["seconds_waiting", "seconds_sending", "seconds_server"] {
            assert!(
                one[key].as_f64().is_some_and(|seconds| seconds >= 0.0),
                "{one}"
            );
        }
    }
    assert!(with(&said, "uploading").is_empty(), "that is for -vv");

    // As text the messages are as they were, and events are added only where they are asked for.
    let again = ["--again"];
    let plain = bench.sluice(&[&words[..], &again].concat());
    assert!(
        !plain.stderr.contains("import delivered"),
        "{}",
        plain.stderr
    );
    let verbose = bench.sluice(&[&words[..], &again, &["-vv"]].concat());
    for word in ["import delivered", "uploading", "committing", "source read"] {
        assert!(verbose.stderr.contains(word), "{word}: {}", verbose.stderr);
    }
    let mut filtered = bench.command(&[&words[..], &again, &["-vv"]].concat());
    filtered.env("SLUICE_LOG", "sluice::read=info");
    let filtered = common::run(&mut filtered, PATIENCE * 3);
    assert!(
        filtered.stderr.contains("source read"),
        "{}",
        filtered.stderr
    );
    assert!(
        !filtered.stderr.contains("uploading"),
        "{}",
        filtered.stderr
    );
    let mut wrong = bench.command(&words);
    wrong.env("SLUICE_LOG", "sluice=loud");
    let wrong = common::run(&mut wrong, PATIENCE);
    assert_eq!(wrong.code(), 2, "{}", wrong.stderr);
    assert!(wrong.stderr.contains("SLUICE_LOG"), "{}", wrong.stderr);
}

/// All that is said goes through `report::log`, which knows the format.
#[test]
fn nothing_is_said_past_the_log() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in walkdir::WalkDir::new(root).into_iter().flatten() {
        if entry
            .path()
            .extension()
            .is_some_and(|ending| ending == "rs")
        {
            let text = std::fs::read_to_string(entry.path()).expect("a source file");
            for (number, line) in text.lines().enumerate() {
                let past =
                    line.contains("eprint") || line.contains("stderr()") && line.contains("write");
                let own = entry.path().ends_with("report/log.rs");
                assert!(
                    !past || own,
                    "{}:{}: {line}",
                    entry.path().display(),
                    number + 1
                );
            }
        }
    }
}
