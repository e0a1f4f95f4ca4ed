//! The command line, as a person or a script meets it: exit codes, what is said and where, what is left behind.
#![allow(
    unsafe_code,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests measure their children by wait4, and say when they fail"
)]

mod common;

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{PATIENCE, Ran, Target};
use serde_json::{Value, json};

/// A folder to run in, with a few sources of its own.
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

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// Runs `sluice WORDS` here; what is asked of every run holds.
    fn sluice(&self, words: &[&str]) -> Ran {
        self.fed(words, "")
    }

    /// The same, with this on standard input.
    fn fed(&self, words: &[&str], stdin: &'static str) -> Ran {
        let mut command = common::sluice();
        command.args(words).current_dir(self.dir.path());
        checked(common::run_fed(&mut command, PATIENCE, move |mut pipe| {
            common::pour(&mut pipe, stdin.as_bytes());
        }))
    }

    /// What stands in a target folder here.
    fn target(&self, name: &str) -> Target {
        Target::read(&self.path(name)).expect("a whole target")
    }
}

/// No mishap, and nothing that only a terminal understands.
fn checked(ran: Ran) -> Ran {
    assert_eq!(ran.misbehaviour(), None, "{}", ran.stderr);
    let plain = !ran.stderr.contains(['\u{1b}', '\r']) && !ran.stdout.contains(&0x1b);
    assert!(
        plain,
        "escape bytes where there is no terminal: {:?}",
        ran.stderr
    );
    ran
}

/// Exit code and standard error, as one text to compare; times and rates differ from run to run.
fn said(ran: &Ran) -> String {
    format!("exit {}\n{}", ran.code(), ran.stderr)
}

macro_rules! assert_said {
    ($ran:expr, @$expected:literal) => {
        insta::with_settings!({filters => vec![
            (r"in \d+\.\d\d s \([^)]*/s\)", "in TIME"),
            (r"(?m) +$", ""),
        ]}, { insta::assert_snapshot!(said(&$ran), @$expected); });
    };
}

const THREE: &str = "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n";
const ONE_BAD: &str = "{\"n\":1}\n{\"n\": tru}\n{\"n\":3}\n";

// Exit codes, and what is said.

#[test]
fn all_in_is_exit_0() {
    let place = Place::new().with("three.jsonl", THREE);
    let ran = place.sluice(&["import", "three.jsonl"]);
    assert_said!(ran, @r"
    exit 0
    3 records: 3 tasks in 1 import (52 B), 0 rejected
      import-000001.json: 3 tasks, 52 B
    24 B read in TIME, written to sluice-out
    ");
    let target = place.target("sluice-out");
    assert_eq!(
        target.values(),
        [
            json!({"data": {"n": 1}}),
            json!({"data": {"n": 2}}),
            json!({"data": {"n": 3}})
        ]
    );
    assert_eq!(
        common::names(&target.dir),
        ["import-000001.json", "manifest.json"]
    );
}

#[test]
fn some_rejected_is_exit_3() {
    let place = Place::new().with("bad.jsonl", ONE_BAD);
    let ran = place.sluice(&["import", "bad.jsonl"]);
    assert_said!(ran, @r"
    exit 3
    3 records: 2 tasks in 1 import (35 B), 1 rejected
      json-syntax: 1
        bad.jsonl:2:7  (record 2, byte 14): expected a value, found `t`
      import-000001.json: 2 tasks, 35 B
    27 B read in TIME, written to sluice-out
    ");
    let target = place.target("sluice-out");
    assert_eq!(
        target.values(),
        [json!({"data": {"n": 1}}), json!({"data": {"n": 3}})]
    );
    let reject = &target.rejects[0];
    let place = (
        &reject["source"],
        &reject["record"],
        &reject["line"],
        &reject["column"],
        &reject["byte"],
    );
    assert_eq!(
        place,
        (
            &json!("bad.jsonl"),
            &json!(2),
            &json!(2),
            &json!(7),
            &json!(14)
        )
    );
    assert_eq!(
        (&reject["code"], &reject["raw"]),
        (&json!("json-syntax"), &json!("{\"n\": tru}"))
    );
}

#[test]
fn too_many_rejects_is_exit_4_and_their_import_is_not_written() {
    let place = Place::new().with("bad.jsonl", ONE_BAD);
    let ran = place.sluice(&["import", "bad.jsonl", "--max-rejects", "0"]);
    assert_eq!(ran.code(), 4, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("error[too-many-rejects]: "),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("help: "), "{}", ran.stderr);
    let target = place.target("sluice-out");
    assert_eq!(target.tasks.len(), 0);
    assert_eq!(target.manifest["complete"], false);
    assert_eq!(
        common::names(&place.path("sluice-out")),
        ["manifest.json", "rejects.jsonl"]
    );

    for (share, code) in [("50%", 3), ("30%", 4), ("1", 3), ("34%", 3)] {
        let ran = place.sluice(&["import", "bad.jsonl", "--overwrite", "--max-rejects", share]);
        assert_eq!(ran.code(), code, "--max-rejects {share}: {}", ran.stderr);
    }
}

#[test]
fn wrong_usage_is_exit_2_and_nothing_is_touched() {
    let place = Place::new().with("three.jsonl", THREE);
    for words in [
        &["import"][..],
        &[],
        &["export"],
        &["import", "three.jsonl", "--to"],
        &["import", "three.jsonl", "--no-such-flag"],
        &["import", "three.jsonl", "--format", "nope"],
        &["import", "three.jsonl", "--delimiter", "\""],
        &["import", "three.jsonl", "--encoding", "klingon"],
        &["import", "three.jsonl", "--max-rejects", "many"],
        &["import", "three.jsonl", "--max-rejects", "101%"],
        &["import", "three.jsonl", "--max-tasks", "0"],
        &["import", "three.jsonl", "--max-tasks", "250001"],
        &["import", "three.jsonl", "--max-bytes", "50000001"],
        &["import", "three.jsonl", "--memory", "a lot"],
        &["import", "three.jsonl", "--threads", "0"],
        &["import", "three.jsonl", "--nul", "keep"],
        &["import", "three.jsonl", "--map", "n"],
        &["import", "three.jsonl", "--set", "lang=en"],
        &["import", "three.jsonl", "--to", "nosuch://there"],
    ] {
        let ran = place.sluice(words);
        assert_eq!(ran.code(), 2, "{words:?}: {}", ran.stderr);
        assert!(ran.stdout.is_empty(), "{words:?}");
        let named = ran.stderr.lines().any(|line| line.starts_with("error"));
        assert!(
            named || ran.stderr.contains("Usage"),
            "{words:?}: {}",
            ran.stderr
        );
        assert_eq!(
            common::names(place.dir.path()),
            ["three.jsonl"],
            "{words:?}"
        );
    }
    assert_said!(place.sluice(&["import", "three.jsonl", "--set", "lang=en"]), @r#"
    exit 2
    error[usage]: `--set lang=en`: the value is not JSON: expected value at line 1 column 1
      help: text is written in quotes: `--set 'lang="en"'`
    "#);
    assert_said!(place.sluice(&["import", "three.jsonl", "--max-tasks", "300000"]), @r"
    exit 2
    error[usage]: `--max-tasks 300000`: an import holds 1 to 250000
      help: that is what Label Studio's guide allows; what is more goes to the next import by itself
    ");
}

#[test]
fn a_missing_source_is_exit_1() {
    let place = Place::new().with("three.jsonl", THREE);
    assert_said!(place.sluice(&["import", "three.jsonl", "nosuch.jsonl"]), @r"
    exit 1
    error[source-missing]: no such file: `nosuch.jsonl`
    ");
    assert_said!(place.sluice(&["import", "nosuch*.jsonl"]), @r"
    exit 1
    error[source-missing]: no file matches `nosuch*.jsonl`
      help: `*` stays within a folder, `**` crosses folders
    ");
    assert_eq!(common::names(place.dir.path()), ["three.jsonl"]);
}

#[test]
fn a_broken_array_ends_the_run_with_its_place() {
    let place = Place::new().with("broken.json", "[\n  {\"n\": 1},\n  {\"n\": }\n]\n");
    let ran = place.sluice(&["import", "broken.json"]);
    assert_eq!(ran.code(), 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("error[json-syntax]: "),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr
            .contains("\n  --> broken.json:3:9  (record 2, byte "),
        "{}",
        ran.stderr
    );
    assert_eq!(place.target("sluice-out").manifest["complete"], false);

    // Imports that were whole before it are safe, and the manifest says that they are not all.
    let elements = "{\"n\": 1}, ".repeat(25);
    let place = Place::new().with("broken.json", format!("[{elements} nul]"));
    let ran = place.sluice(&["import", "broken.json", "--max-tasks", "10"]);
    assert_eq!(ran.code(), 1, "{}", ran.stderr);
    let target = place.target("sluice-out");
    assert_eq!(
        (target.manifest["complete"].clone(), target.tasks.len()),
        (json!(false), 20)
    );
}

#[test]
fn damaged_compression_is_exit_1() {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(THREE.as_bytes()).expect("memory takes it");
    let gz = gz.finish().expect("memory takes it");
    let place = Place::new().with("cut.jsonl.gz", &gz[..gz.len() - 12]);
    let ran = place.sluice(&["import", "cut.jsonl.gz"]);
    assert_eq!(ran.code(), 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("error[compression]: "),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("\n  --> cut.jsonl.gz"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("\n  help: "), "{}", ran.stderr);
}

// Help.

#[test]
fn help_goes_to_stdout_and_names_every_flag() {
    let place = Place::new();
    for words in [&["--help"][..], &["-h"], &["help"]] {
        let ran = place.sluice(words);
        assert_eq!((ran.code(), ran.stderr.as_str()), (0, ""), "{words:?}");
        assert!(
            String::from_utf8_lossy(&ran.stdout).contains("import"),
            "{words:?}"
        );
    }
    // The short help has what most need, the long one has all there is.
    let most = [
        "SOURCE",
        "--to",
        "--overwrite",
        "--format",
        "--delimiter",
        "--no-header",
        "--encoding",
        "--media-url",
        "--data-key",
        "--label-config",
        "--map",
        "--pick",
        "--set",
        "--predictions-from",
        "--max-tasks",
        "--max-bytes",
        "--max-rejects",
        "--report",
        "--quiet",
        "--log-format",
        "--verbose",
    ];
    let few = [
        "--lines",
        "--whole-file",
        "--series",
        "--model-version",
        "--score-from",
        "--nul",
        "--memory",
        "--threads",
        "--metrics",
        "--spool-limit",
        "--shard",
        "--sync-env",
    ];
    for words in [&["import", "--help"][..], &["import", "-h"]] {
        let ran = place.sluice(words);
        assert_eq!((ran.code(), ran.stderr.as_str()), (0, ""), "{words:?}");
        let help = String::from_utf8(ran.stdout).expect("UTF-8");
        for flag in most {
            assert!(help.contains(flag), "{words:?} does not name {flag}");
        }
        for flag in few {
            let named = help.contains(&format!("{flag} ")) || help.contains(&format!("{flag}\n"));
            assert_eq!(named, words.contains(&"--help"), "{words:?} and {flag}");
        }
        assert!(
            !help.contains("--chunk-bytes"),
            "{words:?} names a flag that is for tests only"
        );
        assert!(
            help.contains("Exit codes:") || words.contains(&"-h"),
            "{words:?}"
        );
        assert!(
            help.lines().all(|line| line.chars().count() <= 100),
            "{words:?} is over 100 wide"
        );
    }
    let version = place.sluice(&["--version"]);
    assert_eq!(
        version.stdout,
        format!("sluice {}\n", env!("CARGO_PKG_VERSION")).as_bytes()
    );
}

// What goes wrong at first.

#[test]
fn a_first_mistake_is_answered_with_what_was_meant() {
    let place = Place::new()
        .with("adverts.csv", "text\na\n")
        .with("empty.csv", "")
        .with("latin.csv", b"Gr\xf6\xdfe;b\n1;2\n".as_slice());
    let said = |words: &[&str], code: i32| {
        let ran = place.sluice(words);
        assert_eq!(ran.code(), code, "{words:?}: {}", ran.stderr);
        format!("{}{}", String::from_utf8_lossy(&ran.stdout), ran.stderr)
    };
    let missing = said(&["import", "advert.csv"], 1);
    assert!(missing.contains("did you mean `adverts.csv`?"), "{missing}");
    let folder = place.dir.path().join("advert.csv");
    let missing = said(&["import", folder.to_str().expect("Unicode")], 1);
    let near = place.dir.path().join("adverts.csv");
    assert!(
        missing.contains(&format!("did you mean `{}`?", near.display())),
        "{missing}"
    );
    let far = said(&["import", "something-else.parquet"], 1);
    assert!(!far.contains("did you mean"), "{far}");
    let negative = said(&["import", "adverts.csv", "--max-tasks", "-5"], 2);
    assert!(
        negative.contains("invalid value '-5' for '--max-tasks <N>'"),
        "{negative}"
    );
    let empty = said(&["import", "empty.csv"], 0);
    assert!(
        empty.contains("warning: no record was found in the sources"),
        "{empty}"
    );
    // A plan of nothing is no plan.
    let unread = said(&["plan", "latin.csv"], 1);
    assert!(
        unread.starts_with("error[encoding]") && unread.contains("--encoding"),
        "{unread}"
    );
}

// What goes where.

#[test]
fn stdout_carries_tasks_only() {
    let place = Place::new().with("bad.jsonl", ONE_BAD);
    let ran = place.sluice(&["import", "bad.jsonl", "--to", "-"]);
    assert_eq!(ran.code(), 3, "{}", ran.stderr);
    assert_eq!(
        String::from_utf8(ran.stdout).expect("UTF-8"),
        "{\"data\":{\"n\":1}}\n{\"data\":{\"n\":3}}\n"
    );
    assert!(ran.stderr.contains("bad.jsonl:2:7"), "{}", ran.stderr);
    assert_eq!(common::names(place.dir.path()), ["bad.jsonl"]);
}

#[test]
fn a_folder_as_target_leaves_stdout_empty() {
    let place = Place::new().with("bad.jsonl", ONE_BAD);
    for words in [
        &["import", "bad.jsonl", "--to", "a"][..],
        &["import", "bad.jsonl", "--to", "b", "-v"],
    ] {
        assert!(place.sluice(words).stdout.is_empty(), "{words:?}");
    }
}

#[test]
fn quiet_says_nothing_but_errors() {
    let place = Place::new().with("bad.jsonl", ONE_BAD);
    let ran = place.sluice(&["import", "bad.jsonl", "-q"]);
    assert_eq!((ran.code(), ran.stderr.as_str()), (3, ""));
    let ran = place.sluice(&["import", "nosuch.jsonl", "-q"]);
    assert_eq!(
        (ran.code(), ran.stderr.as_str()),
        (1, "error[source-missing]: no such file: `nosuch.jsonl`\n")
    );
}

#[test]
fn a_report_is_json() {
    let place = Place::new().with("bad.jsonl", ONE_BAD);
    let ran = place.sluice(&["import", "bad.jsonl", "--report", "report.json"]);
    assert!(ran.stdout.is_empty());
    let written: Value =
        serde_json::from_slice(&std::fs::read(place.path("report.json")).expect("a report"))
            .expect("JSON");
    let ran = place.sluice(&["import", "bad.jsonl", "--overwrite", "--report", "-"]);
    let printed: Value = serde_json::from_slice(&ran.stdout).expect("JSON and nothing else");
    for report in [written, printed] {
        let counts =
            ["version", "records", "tasks", "rejects", "imports"].map(|key| report[key].as_u64());
        assert_eq!(
            counts,
            [Some(3), Some(3), Some(2), Some(1), Some(1)],
            "{report}"
        );
    }
}

#[test]
fn a_report_says_where_the_time_went() {
    let place = Place::new()
        .with("in/a.jsonl", THREE.repeat(20_000))
        .with("in/b.csv", "n,text\n1,one\n".repeat(1_000))
        .with("in/c.json", "[]");
    for (target, threads) in [("one", "1"), ("many", "3")] {
        let report = format!("{target}.report.json");
        let words = ["--max-bytes", "100000", "--threads", threads];
        let words = [
            &["import", "in", "--to", target, "--report", &report],
            &words[..],
        ]
        .concat();
        let started = Instant::now();
        let ran = place.sluice(&words);
        // More than the run took, which is more than any of its threads lived.
        let wall = started.elapsed().as_secs_f64();
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
        let report = std::fs::read(place.path(&report)).expect("a report");
        let report: Value = serde_json::from_slice(&report).expect("JSON");
        let stages = report["stages"].as_object().expect("stages");
        let names: Vec<_> = stages.keys().map(String::as_str).collect();
        assert_eq!(names, ["batch", "decode", "deliver", "read"], "{report}");
        for (name, stage) in stages {
            let spent = ["busy", "waiting_for_input", "waiting_for_room"]
                .map(|what| {
                    let seconds = stage[format!("seconds_{what}")].as_f64().expect("seconds");
                    assert!(seconds >= 0.0, "{name}: {stage}");
                    seconds
                })
                .iter()
                .sum::<f64>();
            let workers = threads.parse::<u32>().expect("a number");
            let expected = if name == "decode" { workers } else { 1 };
            assert_eq!(stage["threads"], expected, "{name}: {stage}");
            // Three figures of a stage are each rounded to a millisecond.
            assert!(
                spent <= wall * f64::from(expected) + 2e-3,
                "{name}: {stage} in {wall} s"
            );
        }
        let bytes = |name: &str| stages[name]["bytes"].as_u64().expect("bytes");
        assert_eq!(report["bytes_read"], bytes("read"));
        let deliveries = report["deliveries"].as_array().expect("deliveries");
        let sizes = deliveries
            .iter()
            .map(|import| import["bytes"].as_u64().expect("bytes"));
        assert!(deliveries.len() > 1, "{report}");
        assert_eq!(bytes("deliver"), sizes.sum::<u64>());
        assert_eq!(bytes("batch"), bytes("deliver"));
        // An import is the encoded tasks, what stands between them, and a bracket on each side of it.
        let tasks = report["tasks"].as_u64().expect("tasks");
        let imports = deliveries.len() as u64;
        assert!(bytes("decode") <= bytes("batch"), "{report}");
        assert!(
            bytes("batch") <= bytes("decode") + tasks + imports,
            "{report}"
        );
    }
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let place = Place::new().with("many.jsonl", THREE.repeat(100_000));
    let mut command = common::sluice();
    command
        .args(["import", "many.jsonl", "--to", "-"])
        .current_dir(place.dir.path());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("error[target-write]: "), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

// Sources.

#[test]
fn a_dash_is_standard_input() {
    let place = Place::new();
    let ran = place.fed(&["import", "-"], THREE);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert_eq!(place.target("sluice-out").tasks.len(), 3);
    let ran = place.fed(
        &["import", "-", "--to", "text", "--format", "txt"],
        "one\ntwo\r\n\nfour",
    );
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let texts: Vec<_> = place
        .target("text")
        .values()
        .iter()
        .map(|task| task["data"]["text"].clone())
        .collect();
    assert_eq!(texts, ["one", "two", "", "four"]);
}

#[test]
fn folders_and_patterns_are_read_in_a_stable_order() {
    let line = |n: u32| format!("{{\"n\":{n}}}\n");
    let place = Place::new()
        .with("in/b/2.jsonl", line(3))
        .with("in/b/10.jsonl", line(2))
        .with("in/a/1.jsonl", line(1))
        .with("in/c.jsonl", line(4))
        .with("in/notes.xyz", "no format tells its name")
        .with("more/x.jsonl", line(5))
        .with("more/y.json", line(6));
    let numbers = |target: &str| -> Vec<_> {
        place
            .target(target)
            .values()
            .iter()
            .map(|task| task["data"]["n"].as_u64().expect("n"))
            .collect()
    };
    let ran = place.sluice(&[
        "import",
        "in",
        "more/*.jsonl",
        "more/y.json",
        "--to",
        "folder",
    ]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert_eq!(numbers("folder"), [1, 2, 3, 4, 5, 6]);
    assert!(
        ran.stderr.contains("notes.xyz"),
        "what is left out is said: {}",
        ran.stderr
    );
    let ran = place.sluice(&["import", "in/**/*.jsonl", "--to", "pattern"]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert_eq!(numbers("pattern"), [1, 2, 3, 4]);
    let ran = place.sluice(&["import", "more/y.json", "more/x.jsonl", "--to", "given"]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert_eq!(numbers("given"), [6, 5]);
}

#[test]
fn a_source_that_vanishes_is_named() {
    let place = Place::new().with("later.jsonl", THREE);
    let later = place.path("later.jsonl");
    let mut command = common::sluice();
    command
        .args([
            "import",
            "-",
            "later.jsonl",
            "--format",
            "jsonl",
            "--max-tasks",
            "25000",
        ])
        .current_dir(place.dir.path());
    let ran = checked(common::run_fed(&mut command, PATIENCE, move |mut stdin| {
        // Once it reads, it has listed its sources.
        common::pour(&mut stdin, THREE.repeat(20_000).as_bytes());
        std::fs::remove_file(later).expect("removed");
    }));
    assert_eq!(ran.code(), 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("error[source-") && ran.stderr.contains("later.jsonl"),
        "{}",
        ran.stderr
    );
    let target = place.target("sluice-out");
    assert_eq!(target.manifest["complete"], false);
    assert_eq!(target.tasks.len(), 50_000);
}

// Targets.

#[test]
fn a_target_that_holds_something_is_never_overwritten_unasked() {
    let place = Place::new()
        .with("three.jsonl", THREE)
        .with("out/mine.txt", "mine");
    assert_eq!(
        place
            .sluice(&["import", "three.jsonl", "--to", "out"])
            .code(),
        2
    );
    assert_eq!(common::names(&place.path("out")), ["mine.txt"]);

    assert_eq!(
        place
            .sluice(&["import", "three.jsonl", "--to", "own", "--max-tasks", "1"])
            .code(),
        0
    );
    let before = std::fs::read(place.path("own/manifest.json")).expect("a manifest");
    let ran = place.sluice(&["import", "three.jsonl", "--to", "own"]);
    assert_eq!(ran.code(), 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("error[target-not-empty]: ") && ran.stderr.contains("--overwrite"),
        "{}",
        ran.stderr
    );
    assert_eq!(
        std::fs::read(place.path("own/manifest.json")).expect("a manifest"),
        before
    );

    assert_eq!(
        place
            .sluice(&["import", "three.jsonl", "--to", "own", "--overwrite"])
            .code(),
        0
    );
    assert_eq!(
        common::names(&place.path("own")),
        ["import-000001.json", "manifest.json"]
    );
    assert_eq!(
        place
            .sluice(&["import", "three.jsonl", "--to", "out", "--overwrite"])
            .code(),
        0
    );
    assert_eq!(
        std::fs::read(place.path("out/mine.txt")).expect("it is still there"),
        b"mine"
    );
}

#[test]
fn a_target_that_cannot_be_written_is_exit_1() {
    let place = Place::new().with("three.jsonl", THREE).with("file", "");
    for target in ["file", "file/below"] {
        let ran = place.sluice(&["import", "three.jsonl", "--to", target]);
        assert_eq!(ran.code(), 1, "{}", ran.stderr);
        assert!(
            ran.stderr.contains("error[target-write]: ") && ran.stderr.contains(target),
            "{}",
            ran.stderr
        );
    }
    // Root may write anywhere.
    // SAFETY: geteuid has no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        std::fs::create_dir(place.path("locked")).expect("a folder");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o555);
        std::fs::set_permissions(place.path("locked"), mode).expect("locked");
        let ran = place.sluice(&["import", "three.jsonl", "--to", "locked"]);
        assert_eq!(ran.code(), 1, "{}", ran.stderr);
        assert!(
            ran.stderr.contains("error[target-write]: "),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn a_disk_that_fills_up_leaves_no_half_of_an_import() {
    let line = format!("{{\"text\":\"{}\"}}\n", "x".repeat(1_000));
    let place = Place::new().with("a.jsonl", line.repeat(3_300));
    // In the first block, in the middle, in the last, and not at all.
    for (bytes, code) in [(60_000, 1), (1_500_000, 1), (3_200_000, 1), (4_000_000, 0)] {
        let mut command = common::sluice();
        command
            .args(["import", "a.jsonl", "--to", "out", "--overwrite", "-q"])
            .current_dir(place.dir.path());
        limit_files(&mut command, bytes);
        let ran = checked(common::run(&mut command, PATIENCE));
        assert_eq!(ran.code(), code, "{bytes}: {}", ran.stderr);
        assert_eq!(ran.stderr.contains("error[target-write]: "), code == 1);
        let files = std::fs::read_dir(place.path("out")).expect("a folder");
        // The manifest, which says how it ended, and the import if it is whole.
        assert_eq!(files.count(), 2 - usize::from(code == 1), "{bytes}");
        place.target("out");
    }
}

/// Has writes beyond so many bytes of a file fail, as on a full disk.
fn limit_files(command: &mut std::process::Command, bytes: libc::rlim_t) {
    let limited = move || {
        let limit = libc::rlimit {
            rlim_cur: bytes,
            rlim_max: bytes,
        };
        // SAFETY: both are allowed between fork and exec, and the limit outlives the call.
        let set = unsafe {
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit)
        };
        if set == 0 {
            Ok(())
        } else {
            Err(std::io::Error::last_os_error())
        }
    };
    // SAFETY: what runs in the child allocates nothing and takes no lock.
    unsafe { std::os::unix::process::CommandExt::pre_exec(command, limited) };
}

#[test]
fn a_full_device_under_stdout_is_exit_1() {
    if !Path::new("/dev/full").exists() {
        println!("not checked: this system has no /dev/full");
        return;
    }
    let place = Place::new().with("three.jsonl", THREE);
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("/dev/full");
    let mut command = common::sluice();
    command
        .args(["import", "three.jsonl", "--to", "-"])
        .current_dir(place.dir.path());
    let output = command
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .expect("it runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("error[target-write]: "), "{stderr}");
}

#[test]
fn a_full_disk_leaves_whole_files_only() {
    let place = Place::new().with("many.jsonl", THREE.repeat(100_000));
    std::fs::create_dir(place.path("disk")).expect("a folder");
    // A file system of 3 MB in a name space of its own; after the run, what stands on it is copied out.
    let script = "mount -t tmpfs -o size=3m tmpfs disk || exit 77\n\
                  code=0; \"$0\" import many.jsonl --to disk/out --max-tasks 50000 || code=$?\n\
                  cp -r disk/out kept; exit $code";
    let mut command = std::process::Command::new("unshare");
    command
        .args(["-Urm", "sh", "-c", script, env!("CARGO_BIN_EXE_sluice")])
        .current_dir(place.dir.path());
    let mut probe = std::process::Command::new("unshare");
    if !probe
        .args(["-Urm", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
    {
        println!("not checked: this system grants no name space to mount a small disk in");
        return;
    }
    let ran = common::run(&mut command, PATIENCE);
    if ran.code() == 77 {
        println!(
            "not checked: this system mounts no small disk: {}",
            ran.stderr
        );
        return;
    }
    let ran = checked(ran);
    assert_eq!(ran.code(), 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("error[target-write]: ") && ran.stderr.contains("help: "),
        "{}",
        ran.stderr
    );
    let kept = place.path("kept");
    let names = common::names(&kept);
    assert!(
        names.iter().all(|name| !name.ends_with(".partial")),
        "{names:?}"
    );
    if kept.join("manifest.json").exists() {
        let target = Target::read(&kept).expect("only whole imports are listed");
        assert_eq!(target.manifest["complete"], false);
        assert!(
            target.tasks.len().is_multiple_of(50_000),
            "{}",
            target.tasks.len()
        );
    }
    for name in names.iter().filter(|name| name.starts_with("import-")) {
        let body = std::fs::read(kept.join(name)).expect("an import");
        let tasks: Vec<Value> = serde_json::from_slice(&body).expect("a whole import");
        assert_eq!(tasks.len(), 50_000, "{name}");
    }
}

// Signals.

/// Starts a run on a pipe that stays open, waits for its first import to be whole, and sends it a signal.
fn stopped_by(signal: i32) -> (Place, Ran) {
    let place = Place::new();
    let out = place.path("out");
    let mut command = common::sluice();
    command
        .args([
            "import",
            "-",
            "--to",
            "out",
            "--max-tasks",
            "1000",
            "--format",
            "jsonl",
        ])
        .current_dir(place.dir.path());
    let (tell, told) = std::sync::mpsc::channel();
    let feed = move |mut stdin: std::process::ChildStdin| {
        common::pour(&mut stdin, THREE.repeat(20_000).as_bytes());
        let started = Instant::now();
        while !out.join("import-000001.json").exists() && started.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        common::signal(told.recv().expect("the pid"), signal);
        // The pipe stays open until the run has ended, however long that takes it.
        while common::pour(&mut stdin, b"\n") && started.elapsed() < 2 * PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let ran = common::run_told(&mut command, PATIENCE, feed, move |pid| {
        tell.send(pid).expect("the feeder waits");
    });
    (place, checked(ran))
}

#[test]
fn a_run_that_is_interrupted_keeps_whole_imports_and_says_so() {
    for (signal, code) in [(libc::SIGINT, 130), (libc::SIGTERM, 143)] {
        let (place, ran) = stopped_by(signal);
        assert_eq!(ran.code(), code, "{}", ran.stderr);
        assert!(
            ran.stderr.contains("error[interrupted]: "),
            "{}",
            ran.stderr
        );
        let target = place.target("out");
        assert_eq!(target.manifest["complete"], false);
        assert!(target.tasks.len() >= 1_000, "{}", target.tasks.len());
        let expected = target
            .values()
            .iter()
            .enumerate()
            .all(|(at, task)| task["data"]["n"] == json!(at % 3 + 1));
        assert!(expected, "the imports are the input's beginning");
        // Nothing whole is left unlisted.
        let listed = target.manifest["imports"]
            .as_array()
            .expect("imports")
            .len();
        let there = common::names(&target.dir)
            .into_iter()
            .filter(|name| name.starts_with("import-"))
            .count();
        assert_eq!(listed, there);
    }
}

// Fields, limits, order.

#[test]
fn fields_are_renamed_picked_and_set() {
    let place = Place::new().with("in.jsonl", "{\"a\":1,\"b\":\"x\",\"c\":null}\n");
    let data = |words: &[&str]| -> Value {
        let ran = place.sluice(&[&["import", "in.jsonl", "--overwrite"], words].concat());
        assert_eq!(ran.code(), 0, "{words:?}: {}", ran.stderr);
        place.target("sluice-out").values()[0]["data"].clone()
    };
    assert_eq!(
        data(&["--map", "text=b"]),
        json!({"a": 1, "text": "x", "c": null})
    );
    assert_eq!(data(&["--pick", "a,c"]), json!({"a": 1, "c": null}));
    assert_eq!(
        data(&["--set", "lang=\"en\"", "--set", "v={\"n\":[1]}"]),
        json!({"a": 1, "b": "x", "c": null, "lang": "en", "v": {"n": [1]}})
    );
    assert_eq!(
        data(&["--pick", "b", "--map", "text=b", "--set", "k=7"]),
        json!({"text": "x", "k": 7})
    );

    let place = Place::new().with("in.txt", "one\n");
    let ran = place.sluice(&["import", "in.txt", "--data-key", "line"]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert_eq!(
        place.target("sluice-out").values(),
        [json!({"data": {"line": "one"}})]
    );
}

#[test]
fn a_nul_is_a_reject_or_is_replaced_and_counted() {
    let place = Place::new().with("nul.jsonl", "{\"a\":\"x\\u0000y\"}\n{\"a\":\"z\"}\n");
    let ran = place.sluice(&["import", "nul.jsonl"]);
    assert_eq!(ran.code(), 3, "{}", ran.stderr);
    assert_eq!(place.target("sluice-out").rejects[0]["code"], "nul");
    let ran = place.sluice(&["import", "nul.jsonl", "--nul", "replace", "--overwrite"]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("U+FFFD"), "{}", ran.stderr);
    assert_eq!(
        place.target("sluice-out").values()[0],
        json!({"data": {"a": "x\u{fffd}y"}})
    );
}

#[test]
fn lower_caps_are_kept_and_filled() {
    let place = Place::new().with("many.jsonl", THREE.repeat(1_000));
    let ran = place.sluice(&[
        "import",
        "many.jsonl",
        "--to",
        "tasks",
        "--max-tasks",
        "700",
    ]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let counts = |target: &str, what: &str| -> Vec<_> {
        let imports = place.target(target).manifest["imports"].clone();
        imports
            .as_array()
            .expect("imports")
            .iter()
            .map(|import| import[what].as_u64().expect("a count"))
            .collect()
    };
    assert_eq!(counts("tasks", "tasks"), [700, 700, 700, 700, 200]);

    // A task takes 16 bytes, a comma between each two, and two brackets: 100 tasks take 1,701.
    for (most, full) in [("1701", 100), ("1700", 99), ("1718", 101)] {
        let ran = place.sluice(&[
            "import",
            "many.jsonl",
            "--to",
            "bytes",
            "--overwrite",
            "--max-bytes",
            most,
        ]);
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
        let tasks = counts("bytes", "tasks");
        assert!(
            tasks[..tasks.len() - 1].iter().all(|n| *n == full),
            "--max-bytes {most}: {tasks:?}"
        );
        assert!(
            counts("bytes", "bytes")
                .iter()
                .all(|n| *n <= most.parse().expect("a number"))
        );
    }

    let place = Place::new().with("large.jsonl", "{\"a\":\"0123456789\"}\n{\"a\":1}\n");
    let ran = place.sluice(&["import", "large.jsonl", "--max-bytes", "20"]);
    assert_eq!(ran.code(), 3, "{}", ran.stderr);
    assert_eq!(
        place.target("sluice-out").rejects[0]["code"],
        "task-too-large"
    );
}

#[test]
fn the_bytes_are_the_same_whatever_the_threads() {
    let headlines = std::fs::read_to_string(common::data("headlines.jsonl")).expect("headlines");
    let place = Place::new().with("in.jsonl", headlines.repeat(50));
    let digests = |threads: &str, chunk: &str| -> Value {
        let words = [
            "import",
            "in.jsonl",
            "--overwrite",
            "--max-tasks",
            "999",
            "--threads",
            threads,
            "--chunk-bytes",
            chunk,
        ];
        let ran = place.sluice(&words);
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
        let imports = place.target("sluice-out").manifest["imports"].clone();
        imports
            .as_array()
            .expect("imports")
            .iter()
            .map(|import| import["blake3"].clone())
            .collect()
    };
    let first = digests("1", "128");
    for (threads, chunk) in [("2", "128"), ("8", "1000"), ("8", "100000")] {
        assert_eq!(
            digests(threads, chunk),
            first,
            "--threads {threads} --chunk-bytes {chunk}"
        );
    }
}

// CSV.

#[test]
fn csv_flags_do_what_they_say() {
    let place = Place::new()
        .with("comma.csv", "a,b\n1,x\n2,\n")
        .with("semicolon.csv", "a;b\n1,5;x\n2,5;y\n")
        .with("latin1.csv", b"a,b\n1,caf\xe9\n");
    let data = |words: &[&str]| -> Vec<Value> {
        let ran = place.sluice(&[&["import", "--overwrite"], words].concat());
        assert_eq!(ran.code(), 0, "{words:?}: {}", ran.stderr);
        place
            .target("sluice-out")
            .values()
            .into_iter()
            .map(|task| task["data"].clone())
            .collect()
    };
    assert_eq!(
        data(&["comma.csv"]),
        [json!({"a": "1", "b": "x"}), json!({"a": "2", "b": ""})]
    );
    assert_eq!(
        data(&["semicolon.csv"]),
        [json!({"a": "1,5", "b": "x"}), json!({"a": "2,5", "b": "y"})]
    );
    assert_eq!(
        data(&["comma.csv", "--delimiter", "|"])[0],
        json!({"a,b": "1,x"})
    );
    let rows = data(&["comma.csv", "--no-header"]);
    assert_eq!(rows[0], json!({"column1": "a", "column2": "b"}));
    assert_eq!(
        data(&["latin1.csv", "--encoding", "latin1"]),
        [json!({"a": "1", "b": "café"})]
    );
    let ran = place.sluice(&["import", "latin1.csv", "--overwrite"]);
    assert_ne!(ran.code(), 0);
    assert!(ran.stderr.contains("--encoding"), "{}", ran.stderr);
}

#[test]
fn rejects_are_a_source_once_mended() {
    let place = Place::new().with("in.csv", "a,b\n1,x\n2\n3,z\n");
    let ran = place.sluice(&["import", "in.csv"]);
    assert_eq!(ran.code(), 3, "{}", ran.stderr);
    let target = place.target("sluice-out");
    let reject = &target.rejects[0];
    assert_eq!(
        (&reject["code"], &reject["line"], &reject["raw"]),
        (&json!("row-length"), &json!(3), &json!("2"))
    );
    let mended = std::fs::read_to_string(place.path("sluice-out/rejects.jsonl"))
        .expect("rejects")
        .replace("\"raw\":\"2\"", "\"raw\":\"2,y\"");
    let place = place.with("mended.jsonl", mended);
    let ran = place.sluice(&["import", "mended.jsonl", "--to", "mended"]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert_eq!(
        place.target("mended").values(),
        [json!({"data": {"a": "2", "b": "y"}})]
    );
}
