//! What is done about runs, by the binary against a made-up server: listing, verifying, repairing, undoing, pushing.
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

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use common::{PATIENCE, Ran, Target};
use fake_label_studio::{Call, Database, Fake, Fault, Faults, Options};
use proptest::prelude::*;
use serde_json::{Value, json};
use sluice::label_studio::same::{difference, same};

/// A server, and a folder to run in.
struct Bench {
    fake: Fake,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new(database: Database, faults: Faults) -> Bench {
        Bench::with(
            faults,
            Options {
                database,
                ..Options::default()
            },
        )
    }

    fn with(faults: Faults, options: Options) -> Bench {
        Bench {
            fake: Fake::on_thread(faults, options),
            dir: common::temp(),
        }
    }

    fn write(&self, name: &str, body: impl AsRef<[u8]>) {
        common::write(self.dir.path(), name, body);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn to(&self) -> String {
        format!("{}/projects/1", self.fake.address())
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = common::sluice();
        command
            .args(words)
            .current_dir(self.dir.path())
            .env("LABEL_STUDIO_API_KEY", self.fake.token())
            .env("SLUICE_STATE_DIR", self.path("state"));
        command
    }

    /// Runs `sluice WORDS`; no mishap, and no token.
    fn sluice(&self, words: &[&str]) -> Ran {
        let ran = common::run(&mut self.command(words), PATIENCE * 3);
        assert_eq!(ran.misbehaviour(), None, "{}", ran.stderr);
        self.no_token(&ran);
        ran
    }

    fn no_token(&self, ran: &Ran) {
        let token = self.fake.token();
        assert!(!ran.stderr.contains(&token) && !text(ran).contains(&token));
        for entry in walk(&self.path("state")) {
            let bytes = std::fs::read(&entry).expect("a file of the state");
            let found = memchr::memmem::find(&bytes, token.as_bytes());
            assert_eq!(found, None, "{}", entry.display());
        }
    }

    fn ok(&self, words: &[&str]) -> String {
        let ran = self.sluice(words);
        assert_eq!(ran.code(), 0, "{words:?}: {}\n{}", ran.stderr, text(&ran));
        text(&ran)
    }

    fn import(&self, words: &[&str]) {
        let to = self.to();
        let all = [&["import"], words, &["--to", &to, "--interval", "0"]].concat();
        self.ok(&all);
    }

    /// The id of the only run that is not undone.
    fn run(&self) -> String {
        let runs: Value = serde_json::from_str(&self.ok(&["runs", "--json"])).expect("JSON");
        let open = |run: &&Value| run["state"] != "undone";
        let runs: Vec<&Value> = runs.as_array().expect("runs").iter().filter(open).collect();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs[0]["run"].as_str().expect("an id").to_owned()
    }

    fn tasks(&self) -> Vec<Value> {
        let project = self.fake.project(1);
        project.tasks.iter().map(|task| task.data.clone()).collect()
    }
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect()
}

fn text(ran: &Ran) -> String {
    String::from_utf8(ran.stdout.clone()).expect("UTF-8")
}

fn lines(tasks: std::ops::Range<u32>) -> String {
    tasks
        .map(|n| format!("{{\"text\":\"t{n}\",\"n\":{n}}}\n"))
        .collect()
}

/// Tasks with one annotation and one prediction each.
fn annotated(tasks: u32) -> String {
    let result = json!([{"from_name": "c", "to_name": "text", "type": "choices", "value": {"choices": ["a"]}}]);
    let task = |n: u32| {
        json!({
            "data": {"text": format!("t{n}")},
            "meta": {"n": n},
            "annotations": [{"result": result}],
            "predictions": [{"result": result, "score": 1, "model_version": "m1"}],
        })
    };
    (0..tasks).map(|n| format!("{}\n", task(n))).collect()
}

const BOTH: [Database; 2] = [Database::Sqlite, Database::Postgres];

#[test]
fn help_is_there_for_each() {
    let bench = Bench::new(Database::Sqlite, Faults::none());
    for (command, flags) in [
        ("runs", &["show", "--json", "--state-dir"][..]),
        (
            "verify",
            &["<RUN>", "--deep", "--repair", "--interval", "Exit codes"],
        ),
        ("undo", &["<RUN>", "--yes", "--ca-cert", "Exit codes"]),
        (
            "push",
            &[
                "<DIR|MANIFEST>",
                "--to",
                "--interval",
                "--spread",
                "--again",
                "--report",
                "Exit codes",
            ],
        ),
    ] {
        let help = bench.ok(&[command, "--help"]);
        for flag in flags {
            assert!(
                help.contains(flag),
                "{command} does not name {flag}:\n{help}"
            );
        }
        assert!(
            help.lines().all(|line| line.chars().count() <= 100),
            "{command}"
        );
    }
}

#[test]
fn runs_lists_what_ran() {
    let bench = Bench::new(Database::Sqlite, Faults::none());
    assert_eq!(bench.ok(&["runs"]), "");
    bench.write("a b.jsonl", lines(0..25));
    bench.import(&["a b.jsonl", "--max-tasks", "10"]);
    let run = bench.run();
    let listed = bench.ok(&["runs"]);
    let row = listed.lines().nth(1).expect("a row");
    let cells: Vec<_> = row.split_whitespace().collect();
    assert_eq!(cells[..4], [&run, "done", "25", "3"], "{listed}");
    assert_eq!(cells[5], bench.to());
    let one = bench.ok(&["runs", "show", &run]);
    assert!(
        one.contains("sluice import 'a b.jsonl' --max-tasks 10"),
        "{one}"
    );
    assert_eq!(
        one.lines()
            .filter(|line| line.contains(" delivered "))
            .count(),
        3,
        "{one}"
    );
    let json: Value =
        serde_json::from_str(&bench.ok(&["runs", "show", &run, "--json"])).expect("JSON");
    assert_eq!(
        (&json["tasks"], &json["imports"], &json["go_on"]),
        (&json!(25), &json!(3), &Value::Null)
    );
    assert_eq!(json["deliveries"][1]["tasks"], 10);
    assert_eq!(json["deliveries"][2]["stored"]["tasks"], 5);

    // By the beginning of its id, as long as there is but one.
    for start in [&run[..3], &run[..run.len() - 1]] {
        assert_eq!(bench.ok(&["runs", "show", start]), one);
    }
    bench.write("c.jsonl", lines(0..1));
    bench.import(&["c.jsonl"]);
    let ran = bench.sluice(&["undo", &run[..3], "--yes"]);
    assert_eq!(ran.code(), 2);
    assert!(
        ran.stderr
            .contains(&format!("2 runs start with `{}`: {run}, ", &run[..3])),
        "{}",
        ran.stderr
    );

    let ran = bench.sluice(&["runs", "show", "nosuch"]);
    assert_eq!(ran.code(), 1);
    assert!(
        ran.stderr.contains("there is no run `nosuch`") && ran.stderr.contains("help: "),
        "{}",
        ran.stderr
    );
}

/// The last line of standard output.
fn last(ran: &Ran) -> Value {
    serde_json::from_str(text(ran).lines().last().expect("a line")).expect("JSON")
}

#[test]
fn a_run_by_its_id_goes_on_or_has_nothing_to_do() {
    let bench = Bench::with(
        Faults::none(),
        Options {
            task_time: Duration::from_millis(20),
            ..Options::default()
        },
    );
    bench.write("in.jsonl", lines(0..40));
    let to = bench.to();
    // Longer than what the server keeps of a name.
    let id = "scheduled--2026-01-01T00-00-00-with-a-long-name";
    let words = |id: &'static str, more: &[&'static str]| {
        let words = ["import", "in.jsonl", "--interval", "0", "--max-tasks", "10"];
        let mut words: Vec<&str> = words.to_vec();
        words.extend(["--json", "--run-id", id]);
        words.extend(more);
        words
    };
    let with_to = |words: Vec<&'static str>| -> Vec<String> {
        let to = ["--to".to_owned(), to.clone()];
        words.into_iter().map(str::to_owned).chain(to).collect()
    };
    let sluice = |id, more: &[&'static str]| {
        let words = with_to(words(id, more));
        bench.sluice(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let all = with_to(words(id, &[]));
    kill_after_first(&bench, &all.iter().map(String::as_str).collect::<Vec<_>>());
    // What is not over is gone on with under its own id.
    let other = sluice("another", &[]);
    assert_eq!(other.code(), 2, "{}", other.stderr);
    assert!(
        other.stderr.contains(&format!("--run-id {id}")),
        "{}",
        other.stderr
    );
    let other = sluice(id, &["--nul", "replace"]);
    assert_eq!(other.code(), 2, "{}", other.stderr);
    assert!(
        other.stderr.contains("other sources or options"),
        "{}",
        other.stderr
    );

    let ran = sluice(id, &[]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let said = last(&ran);
    assert_eq!(said["run"], id);
    assert_eq!(
        said["tasks"].as_u64().unwrap() + said["tasks_before"].as_u64().unwrap(),
        40
    );
    // The same id, or another with the same sources: nothing is sent twice.
    for name in [id, "another"] {
        let ran = sluice(name, &[]);
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
        let said = last(&ran);
        assert_eq!(
            (&said["done_before"], &said["tasks_before"]),
            (&json!(true), &json!(40))
        );
        assert_eq!(bench.tasks().len(), 40);
    }
    bench.ok(&["verify", "scheduled", "--deep"]);

    // A run whose id another's begins with: taking one back leaves the other.
    bench.write("in.jsonl", lines(0..3));
    for id in ["a", "a-000001"] {
        let ran = sluice(id, &["--again"]);
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
    }
    assert_eq!(bench.tasks().len(), 46);
    bench.ok(&["undo", "a", "--yes"]);
    assert_eq!(bench.tasks().len(), 43);
    bench.ok(&["verify", "a-000001", "--deep"]);
    let ran = sluice("a", &[]);
    assert_eq!(ran.code(), 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("run `a` was taken back"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_run_that_was_cut_off_says_how_to_go_on() {
    let bench = Bench::with(
        Faults::none(),
        Options {
            task_time: Duration::from_millis(20),
            ..Options::default()
        },
    );
    bench.write("in.jsonl", lines(0..40));
    let to = bench.to();
    kill_after_first(
        &bench,
        &[
            "import",
            "in.jsonl",
            "--to",
            &to,
            "--interval",
            "0",
            "--max-tasks",
            "10",
        ],
    );
    let listed = bench.ok(&["runs"]);
    let command = listed
        .lines()
        .nth(2)
        .and_then(|line| line.split_once("to go on: "));
    let command = command.expect(&listed).1;
    assert!(
        command.starts_with("cd ") && command.contains("sluice import in.jsonl"),
        "{listed}"
    );
    let run = bench.run();
    let ran = bench.sluice(&["verify", &run]);
    // Right as far as it went, or cut off in the middle of an import.
    assert!([5, 7].contains(&ran.code()), "{}", ran.stderr);
    assert!(ran.stderr.contains("the run is not over"), "{}", ran.stderr);
    bench.import(&["in.jsonl", "--max-tasks", "10"]);
    assert_eq!(bench.tasks().len(), 40);
    bench.ok(&["verify", &run, "--deep"]);
}

#[test]
fn verify_counts_and_repair_mends() {
    for database in BOTH {
        let bench = Bench::new(database, Faults::none());
        bench.write("in.jsonl", annotated(30));
        bench.import(&["in.jsonl", "--max-tasks", "10"]);
        let run = bench.run();
        let said = bench.ok(&["verify", &run]);
        assert!(said.contains("3 of 3 imports ok, 30 tasks there"), "{said}");
        let expected = bench.tasks();

        bench.fake.change(1, |project| {
            project.tasks.remove(3);
            let mut twice = project.tasks[15].clone();
            twice.id += 1_000;
            project.tasks.push(twice);
            project
                .tasks
                .iter_mut()
                .find(|task| task.data["text"] == "t22")
                .unwrap()
                .annotations
                .clear();
        });
        let ran = bench.sluice(&["verify", &run]);
        assert_eq!(ran.code(), 7, "{}", ran.stderr);
        assert!(
            ran.stderr
                .contains("error[outcome-unknown]: 3 of 3 imports"),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("--repair"), "{}", ran.stderr);
        let said = text(&ran);
        let row = |number: usize| {
            said.lines()
                .nth(number)
                .unwrap()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert!(row(1).starts_with("1 missing 9 of 10"), "{said}");
        assert!(row(2).starts_with("2 twice 11 of 10"), "{said}");
        assert!(
            row(3).starts_with("3 annotations lost 10 of 10 9 of 10 10 of 10"),
            "{said}"
        );

        // Looking has changed nothing.
        assert_eq!(bench.fake.project(1).tasks.len(), 30);
        bench.ok(&["verify", &run, "--repair", "--interval", "0"]);
        bench.ok(&["verify", &run, "--deep"]);
        let mut there = bench.tasks();
        let key = |task: &Value| task["text"].as_str().unwrap()[1..].parse::<u32>().unwrap();
        there.sort_by_key(key);
        assert_eq!(there, expected);
        assert_eq!(
            bench
                .fake
                .project(1)
                .tasks
                .iter()
                .filter(|task| task.annotations.len() == 1)
                .count(),
            30
        );
    }
}

#[test]
fn repair_spares_what_people_annotated_and_what_cannot_be_mended() {
    let bench = Bench::new(Database::Sqlite, Faults::none());
    bench.write("in.jsonl", lines(0..20));
    bench.import(&["in.jsonl", "--max-tasks", "10"]);
    let run = bench.run();
    bench.fake.change(1, |project| {
        project.tasks[5]
            .annotations
            .push(json!({"id": 99, "result": []}));
        project.tasks.remove(0);
        let last = project.tasks.pop().unwrap();
        project
            .uploads
            .retain(|upload| Some(upload.id) != last.file_upload);
    });
    let ran = bench.sluice(&["verify", &run, "--repair", "--interval", "0"]);
    assert_eq!(ran.code(), 7, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("import 1 is left as it is: its tasks have been annotated"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr
            .contains("import 2 is left as it is: the server has its file no more"),
        "{}",
        ran.stderr
    );
    assert_eq!(bench.fake.project(1).tasks.len(), 18);
}

#[test]
fn one_command_leads_to_the_next_and_what_is_done_says_so() {
    let bench = Bench::new(BOTH[0], Faults::none());
    bench.write("in.jsonl", "{\"text\":\"a\"}\n{\"text\"\n");
    let to = bench.to();
    let words = ["import", "in.jsonl", "--to", &to, "--interval", "0"];
    let ran = bench.sluice(&words);
    assert_eq!(ran.code(), 3, "{}", ran.stderr);
    let run = bench.run();
    for said in [
        "2 records: 1 task in 1 import (",
        "\nrejects are in ",
        &format!("\nnext: sluice verify {run}\n"),
    ] {
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
    let said = bench.ok(&["verify", &run]);
    assert!(said.contains("1 of 1 import ok, 1 task there"), "{said}");
    // The second time there is nothing to do, and no summary of nothing.
    let ran = bench.sluice(&words);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let said = format!("run {run} has brought its 1 task already: there is nothing to do");
    assert!(ran.stderr.contains(&said), "{}", ran.stderr);
    assert!(!ran.stderr.contains("0 records"), "{}", ran.stderr);
}

#[test]
fn verify_deep_finds_one_changed_value() {
    for database in BOTH {
        let bench = Bench::new(database, Faults::none());
        bench.write("one.jsonl", annotated(2_300));
        bench.write(
            "two.csv",
            (0..700).fold("text,x\n".to_owned(), |csv, n| csv + &format!("c{n},{n}\n")),
        );
        bench.import(&["one.jsonl", "two.csv", "--max-tasks", "1250"]);
        let run = bench.run();
        let said = bench.ok(&["verify", &run, "--deep"]);
        assert!(said.contains("3,000 tasks compared, 0 differ"), "{said}");

        bench.fake.change(1, |project| {
            project.tasks[2_305].data["x"] = json!("5x");
            project.tasks[1_777].predictions[0]["score"] = json!(0.5);
        });
        bench.ok(&["verify", &run]);
        let ran = bench.sluice(&["verify", &run, "--deep"]);
        assert_eq!(ran.code(), 7, "{}", ran.stderr);
        let said = text(&ran);
        assert!(said.contains("two.csv:7  (record 6, byte "), "{said}");
        assert!(said.contains("data.x: sent \"5\", stored \"5x\""), "{said}");
        assert!(
            said.contains("one.jsonl:1778  (record 1778, byte "),
            "{said}"
        );
        assert!(
            said.contains("predictions[0].score: sent 1, stored 0.5"),
            "{said}"
        );
        assert!(said.contains("3,000 tasks compared, 2 differ"), "{said}");
        bench.ok(&["verify", &run, "--deep", "--repair", "--interval", "0"]);
        bench.ok(&["verify", &run, "--deep"]);
    }
}

#[test]
fn verify_deep_passes_over_what_the_server_refused_and_what_has_the_same_value() {
    let bench = Bench::new(Database::Postgres, Faults::none());
    let mut tasks = vec!["{\"other\":1}".to_owned()];
    for n in 0..30 {
        tasks.push(match n % 10 {
            0 => format!("{{\"no\":{n}}}"),
            1 => format!(
                "{{\"zebra\":[1.50,-0.0],\"text\":\"t{n}\",\"a\":{{\"y\":1e5,\"x\":null}}}}"
            ),
            2 => format!("{{\"text\":\"first\",\"text\":\"t{n}\"}}"),
            3 => "{\"text\": broken".to_owned(),
            _ => format!("{{\"text\":\"t{n}\",\"big\":9007199254740993}}"),
        });
    }
    bench.write("in.jsonl", tasks.join("\n"));
    let to = bench.to();
    let ran = bench.sluice(&[
        "import",
        "in.jsonl",
        "--to",
        &to,
        "--interval",
        "0",
        "--max-tasks",
        "8",
    ]);
    assert_eq!(ran.code(), 3, "{}", ran.stderr);
    let run = bench.run();
    let said = bench.ok(&["verify", &run, "--deep"]);
    assert!(said.contains("24 tasks compared, 0 differ"), "{said}");
    bench.fake.change(1, |project| {
        project.tasks[1].data["big"] = json!(9_007_199_254_740_992_u64);
        project.tasks[0].data["zebra"] = json!([1.5, 0]);
    });
    let found = bench.sluice(&["verify", &run, "--deep"]);
    assert_eq!(found.code(), 7, "{}", found.stderr);
}

#[test]
fn verify_deep_refuses_sources_that_changed_and_goes_to_their_folder() {
    let bench = Bench::new(Database::Sqlite, Faults::none());
    bench.write("in.jsonl", lines(0..10));
    bench.import(&["in.jsonl"]);
    let run = bench.run();
    let elsewhere = common::temp();
    let mut command = bench.command(&["verify", &run, "--deep"]);
    let ran = common::run(command.current_dir(elsewhere.path()), PATIENCE);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    bench.write("in.jsonl", lines(0..11));
    let ran = bench.sluice(&["verify", &run, "--deep"]);
    assert_eq!(ran.code(), 1, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("`in.jsonl` has changed since the run began"),
        "{}",
        ran.stderr
    );
    std::fs::remove_file(bench.path("in.jsonl")).expect("removed");
    let ran = bench.sluice(&["verify", &run, "--deep"]);
    assert_eq!(ran.code(), 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("error[source-missing]"),
        "{}",
        ran.stderr
    );
    bench.ok(&["verify", &run]);
}

#[test]
fn undo_takes_back_its_own_and_no_more() {
    for faults in [
        Faults::none(),
        Faults::script_on(vec![
            (
                Call::Write,
                Fault::Html {
                    status: 502,
                    stores: None,
                },
            ),
            (Call::Write, Fault::DropReply),
            (
                Call::Tasks,
                Fault::Html {
                    status: 500,
                    stores: None,
                },
            ),
        ]),
    ] {
        let bench = Bench::new(Database::Sqlite, Faults::none());
        bench.write("theirs.jsonl", lines(100..120));
        bench.import(&["theirs.jsonl"]);
        let theirs = bench.run();
        let before = bench.fake.project(1);
        bench.write("in.jsonl", lines(0..30));
        bench.import(&["in.jsonl", "--max-tasks", "10"]);
        let runs: Value = serde_json::from_str(&bench.ok(&["runs", "--json"])).unwrap();
        let run = runs[1]["run"].as_str().unwrap().to_owned();
        bench.fake.change(1, |project| {
            // An upload whose answer was lost, and a task that a person made.
            let mut orphan = project.uploads.last().unwrap().clone();
            orphan.id = 900;
            project.uploads.push(orphan);
            let mut own = project.tasks[0].clone();
            (own.id, own.file_upload) = (900, None);
            project.tasks.push(own);
        });
        let ran = bench.sluice(&["undo", &run]);
        assert_eq!(ran.code(), 2, "{}", ran.stderr);
        assert!(ran.stderr.contains("--yes"), "{}", ran.stderr);
        assert_eq!(bench.fake.project(1).tasks.len(), 51);

        bench.fake.misbehave(faults);
        let ran = bench.sluice(&["undo", &run, "--yes"]);
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
        assert!(ran.stderr.contains("30 tasks"), "{}", ran.stderr);
        let after = bench.fake.project(1);
        assert_eq!(after.tasks[..20], before.tasks);
        assert_eq!((after.tasks.len(), after.tasks[20].id), (21, 900));
        assert_eq!(after.uploads.len(), before.uploads.len());

        let requests = bench.fake.history().len();
        let ran = bench.sluice(&["undo", &run, "--yes"]);
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
        assert_eq!(bench.fake.history().len(), requests);
        assert_eq!(bench.sluice(&["verify", &run]).code(), 2);
        bench.ok(&["verify", &theirs]);
        fake_label_studio::no_overlap(&bench.fake.history()).expect("one at a time");

        // What was undone can be imported again.
        bench.import(&["in.jsonl", "--max-tasks", "10"]);
        assert_eq!(bench.tasks().len(), 51);
    }
}

#[test]
fn undo_goes_on_after_a_kill() {
    let bench = Bench::new(Database::Sqlite, Faults::none());
    bench.write("in.jsonl", lines(0..50));
    bench.import(&["in.jsonl", "--max-tasks", "10"]);
    let run = bench.run();
    let slow = Fault::Slow {
        by: Duration::from_millis(700),
    };
    bench
        .fake
        .misbehave(Faults::script_on(vec![(Call::Write, slow); 9]));
    let mut child = bench
        .command(&["undo", &run, "--yes"])
        .spawn()
        .expect("it starts");
    let started = Instant::now();
    while bench.tasks().len() > 40 && started.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("killed");
    child.wait().expect("it has ended");
    assert!(!bench.tasks().is_empty());
    bench.fake.become_honest();
    bench.ok(&["undo", &run, "--yes"]);
    assert!(bench.tasks().is_empty());
    assert!(bench.fake.project(1).uploads.is_empty());
}

#[test]
fn push_sends_what_was_packed_in_order() {
    let bench = Bench::new(Database::Postgres, Faults::none());
    bench.write("in.jsonl", lines(0..35) + &annotated(10));
    bench.ok(&["import", "in.jsonl", "--to", "packed", "--max-tasks", "10"]);
    let packed = Target::read(&bench.path("packed")).expect("a target");
    let to = bench.to();
    let report = bench.ok(&[
        "push",
        "packed",
        "--to",
        &to,
        "--interval",
        "0",
        "--report",
        "-",
    ]);
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(
        (&report["tasks"], &report["complete"]),
        (&json!(45), &json!(true))
    );
    let data: Vec<Value> = packed
        .values()
        .iter()
        .map(|task| task["data"].clone())
        .collect();
    assert_eq!(bench.tasks(), data);
    bench
        .fake
        .stored_equals(&packed.values())
        .expect("the same");
    bench.ok(&["verify", &bench.run(), "--deep"]);
    // Once more is nothing.
    bench.ok(&[
        "push",
        "packed/manifest.json",
        "--to",
        &to,
        "--interval",
        "0",
    ]);
    assert_eq!(bench.tasks().len(), 45);
}

#[test]
fn push_refuses_what_is_not_whole() {
    let bench = Bench::new(Database::Sqlite, Faults::none());
    bench.write("in.jsonl", lines(0..30));
    bench.ok(&["import", "in.jsonl", "--to", "packed", "--max-tasks", "10"]);
    let to = bench.to();
    let refused = |word: &str| {
        let ran = bench.sluice(&["push", "packed", "--to", &to, "--interval", "0"]);
        assert_ne!(ran.code(), 0);
        assert!(
            ran.stderr.contains(word) && ran.stderr.contains("help: "),
            "{}",
            ran.stderr
        );
    };
    let second = bench.path("packed/import-000002.json");
    let whole = std::fs::read(&second).expect("an import");
    let mut damaged = whole.clone();
    damaged[20] ^= 1;
    std::fs::write(&second, &damaged).unwrap();
    refused("import-000002.json");
    std::fs::write(&second, &whole[1..]).unwrap();
    refused("import-000002.json");
    std::fs::remove_file(&second).unwrap();
    refused("import-000002.json");
    std::fs::write(&second, &whole).unwrap();

    let manifest = bench.path("packed/manifest.json");
    let text = std::fs::read_to_string(&manifest).expect("a manifest");
    std::fs::write(
        &manifest,
        text.replace("\"complete\": true", "\"complete\": false"),
    )
    .unwrap();
    refused("is not complete");
    std::fs::write(&manifest, text.replace("\"tasks\": 10", "\"tasks\": 11")).unwrap();
    refused("manifest.json");
    std::fs::write(
        &manifest,
        text.replace("import-000002.json", "../import-000002.json"),
    )
    .unwrap();
    refused("../import-000002.json");
    std::fs::write(&manifest, "{}").unwrap();
    refused("manifest.json");
    std::fs::remove_file(&manifest).unwrap();
    refused("manifest.json");
    let ran = bench.sluice(&["push", "packed", "--to", "elsewhere"]);
    assert_eq!(ran.code(), 2, "{}", ran.stderr);
    assert!(bench.fake.history().is_empty());
}

#[test]
fn push_goes_on_after_a_kill() {
    let bench = Bench::with(
        Faults::none(),
        Options {
            task_time: Duration::from_millis(20),
            ..Options::default()
        },
    );
    bench.write("in.jsonl", lines(0..60));
    bench.ok(&["import", "in.jsonl", "--to", "packed", "--max-tasks", "10"]);
    let to = bench.to();
    let words = [
        "push",
        "packed",
        "--to",
        &to,
        "--interval",
        "0",
        "--max-tasks",
        "10",
    ];
    kill_after_first(&bench, &words);
    bench.ok(&words);
    assert_eq!(
        bench.tasks(),
        Target::read(&bench.path("packed")).unwrap().data_values()
    );
    bench.ok(&["verify", &bench.run(), "--deep"]);
}

impl Target {
    fn data_values(&self) -> Vec<Value> {
        self.values()
            .iter()
            .map(|task| task["data"].clone())
            .collect()
    }
}

/// Kills a command once the project holds tasks of it, and not all.
fn kill_after_first(bench: &Bench, words: &[&str]) {
    let mut child = bench.command(words).spawn().expect("it starts");
    let started = Instant::now();
    while bench.tasks().is_empty() && started.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("killed");
    child.wait().expect("it has ended");
}

// Values.

/// Some JSON, as text, and another text that PostgreSQL would give back for it.
fn value() -> impl Strategy<Value = (String, String)> {
    let plain = |text: String| (text.clone(), text);
    let leaf = prop_oneof![
        Just(plain("null".into())),
        any::<bool>().prop_map(move |it| plain(it.to_string())),
        any::<i64>().prop_map(move |it| plain(it.to_string())),
        "[1-9][0-9]{20,40}".prop_map(plain),
        (-1e15_f64..1e15).prop_map(|it| (format!("{it:e}"), format!("{it:?}"))),
        (1_u64..1_000, 16_usize..40)
            .prop_map(|(n, zeros)| (format!("{n}e{zeros}"), format!("{n}{}", "0".repeat(zeros)))),
        Just(("-0.0".to_owned(), "0.0".to_owned())),
        any::<String>().prop_map(|it| {
            let escaped: String = it
                .encode_utf16()
                .map(|unit| format!("\\u{unit:04x}"))
                .collect();
            (format!("\"{escaped}\""), json!(it).to_string())
        }),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| {
                let join = |side: fn(&(String, String)) -> &String| {
                    let items: Vec<_> = items.iter().map(|it| side(it).as_str()).collect();
                    format!("[{}]", items.join(","))
                };
                (join(|it| &it.0), join(|it| &it.1))
            }),
            prop::collection::btree_map("[a-z]{1,3}", (inner.clone(), inner), 0..6).prop_map(
                |members| {
                    // Every key is given twice, and comes back once, in the other order.
                    let before = members
                        .iter()
                        .map(|(key, (first, _))| format!("\"{key}\":{}", first.0));
                    let sent = before.chain(
                        members
                            .iter()
                            .map(|(key, (_, last))| format!("\"{key}\" : {}", last.0)),
                    );
                    let sent = sent.collect::<Vec<_>>().join(" ,");
                    let stored = members
                        .iter()
                        .rev()
                        .map(|(key, (_, last))| format!("\"{key}\": {}", last.1));
                    let stored = stored.collect::<Vec<_>>().join(", ");
                    (format!("{{{sent}}}"), format!("{{{stored}}}"))
                }
            ),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_comes_back_is_what_was_sent((sent, stored) in value()) {
        prop_assert_eq!(difference("", &sent, &stored), None);
        prop_assert!(same(&sent, &sent));
    }

    #[test]
    fn two_values_are_the_same_only_if_they_are((one, _) in value(), (other, _) in value()) {
        // Where a double holds the whole of both, the same is what serde says.
        let parse = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        if parse(&one) != parse(&other) {
            prop_assert!(!same(&one, &other) || one.contains(['e', '.']) || other.contains(['e', '.']));
        }
    }

    #[test]
    fn one_digit_of_an_integer_counts(digits in "[1-9][0-9]{1,60}", at in 0_usize..60, by in 1_u8..10) {
        let at = 1 + at % (digits.len() - 1);
        let mut other = digits.clone().into_bytes();
        other[at] = b'0' + (other[at] - b'0' + by) % 10;
        let other = String::from_utf8(other).expect("digits");
        let (sent, stored) = (format!("{{\"a\":[{digits}]}}"), format!("{{\"a\":[{other}]}}"));
        prop_assert_eq!(difference("data", &sent, &stored).map(|it| it.path), Some("data.a[0]".to_owned()));
    }
}
