//! `--run-id` and `--json`.

use std::fs;

use serde_json::json;

use super::common::{data, temp, write};
use super::{command, last, lines, ran, sluice, tasks, text};

const IMPORT: [&str; 6] = ["import", "in.jsonl", "--to", "out", "--max-tasks", "10"];

fn import<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&IMPORT, more].concat()
}

#[test]
fn the_same_command_again_does_nothing() {
    let dir = temp();
    write(dir.path(), "in.jsonl", lines(0..25));
    let words = import(&["--run-id", "day-1", "--json"]);
    let first = sluice(dir.path(), &words);
    assert_eq!(first.code(), 0, "{}", first.stderr);
    let said = last(&first);
    assert_eq!((&said["tasks"], &said["imports"]), (&json!(25), &json!(3)));
    assert_eq!(
        (&said["done_before"], &said["run"]),
        (&json!(false), &json!("day-1"))
    );
    let modified = |name: &str| {
        fs::metadata(dir.path().join("out").join(name))
            .unwrap()
            .modified()
            .unwrap()
    };
    let before = ["manifest.json", "import-000001.json"].map(modified);

    // With the journal, and without: the folder says what it holds.
    for state in ["state", "another"] {
        let mut again = command(dir.path(), &words);
        let again = ran(again.env("SLUICE_STATE_DIR", dir.path().join(state)));
        assert_eq!(again.code(), 0, "{}", again.stderr);
        let said = last(&again);
        assert_eq!(
            (&said["done_before"], &said["complete"]),
            (&json!(true), &json!(true))
        );
        assert_eq!((&said["tasks"], &said["records"]), (&json!(25), &json!(25)));
        assert_eq!(
            again.stderr,
            "run day-1 has brought all 25 tasks already: there is nothing to do\n"
        );
        assert_eq!(
            ["manifest.json", "import-000001.json"].map(modified),
            before
        );
    }

    let listed = text(&sluice(dir.path(), &["runs"]));
    let cells: Vec<_> = listed.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(cells[..4], ["day-1", "done", "25", "3"], "{listed}");
    let shown = text(&sluice(dir.path(), &["runs", "show", "day", "--json"]));
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (&shown["outcome"]["tasks"], &shown["state"]),
        (&json!(25), &json!("done"))
    );
    for command in [&["verify", "day"][..], &["undo", "day", "--yes"]] {
        let ran = sluice(dir.path(), command);
        assert_eq!(ran.code(), 2, "{}", ran.stderr);
        assert!(
            ran.stderr.contains("only projects of Label Studio"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn another_plan_or_target_under_an_id_is_refused() {
    let dir = temp();
    write(dir.path(), "in.jsonl", lines(0..25));
    write(dir.path(), "other.jsonl", lines(0..5));
    assert_eq!(sluice(dir.path(), &import(&["--run-id", "a"])).code(), 0);
    let cases = [
        (
            import(&["--run-id", "a", "--nul", "replace"]),
            "other sources or options",
        ),
        (
            vec!["import", "other.jsonl", "--to", "out", "--run-id", "a"],
            "other sources or options",
        ),
        (
            vec![
                "import",
                "in.jsonl",
                "--to",
                "out2",
                "--max-tasks",
                "10",
                "--run-id",
                "a",
            ],
            "/out`",
        ),
    ];
    for (words, why) in cases {
        let ran = sluice(dir.path(), &[&words[..], &["--json"]].concat());
        assert_eq!(ran.code(), 2, "{words:?}: {}", ran.stderr);
        assert!(
            ran.stderr.contains(why) && ran.stderr.contains("another `--run-id`"),
            "{}",
            ran.stderr
        );
        assert_eq!(last(&ran)["error"]["code"], "usage");
        assert_eq!(tasks(&dir.path().join("out")).len(), 25);
        assert!(!dir.path().join("out2").exists());
    }
    // Other data under the id of what is done.
    write(dir.path(), "in.jsonl", lines(0..26));
    let ran = sluice(dir.path(), &import(&["--run-id", "a"]));
    assert_eq!(ran.code(), 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("`in.jsonl` has changed") && ran.stderr.contains("another `--run-id`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_run_that_ended_early_begins_anew_in_its_folder() {
    let dir = temp();
    write(dir.path(), "in.jsonl", lines(0..25) + "{\n");
    let words = import(&["--run-id", "a", "--json", "--max-rejects", "0"]);
    let ran = sluice(dir.path(), &words);
    assert_eq!(ran.code(), 4, "{}", ran.stderr);
    assert_eq!(last(&ran)["complete"], false);
    let listed = text(&sluice(dir.path(), &["runs"]));
    assert!(
        listed.contains("failed") && listed.contains("to go on: cd "),
        "{listed}"
    );
    // Nothing that is no run's is ever removed.
    write(&dir.path().join("out"), "mine.txt", "mine");
    write(dir.path(), "in.jsonl", lines(0..25));
    let ran = sluice(dir.path(), &words);
    assert_eq!(ran.code(), 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("--accept-changed-sources"),
        "{}",
        ran.stderr
    );
    let ran = sluice(
        dir.path(),
        &[&words[..], &["--accept-changed-sources"]].concat(),
    );
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let expected: Vec<_> = (0..25).map(|n| json!(format!("t{n}"))).collect();
    assert_eq!(tasks(&dir.path().join("out")), expected);
    assert_eq!(fs::read(dir.path().join("out/mine.txt")).unwrap(), b"mine");
    // A file that somebody removed comes again.
    fs::remove_file(dir.path().join("out/import-000002.json")).unwrap();
    assert_eq!(sluice(dir.path(), &words).code(), 0);
    assert_eq!(tasks(&dir.path().join("out")), expected);
}

#[test]
fn a_folder_of_someone_else_is_left_as_it_is() {
    let dir = temp();
    write(dir.path(), "in.jsonl", lines(0..25));
    fs::create_dir(dir.path().join("out")).unwrap();
    write(&dir.path().join("out"), "import-000001.json", "mine");
    for _ in 0..2 {
        let ran = sluice(dir.path(), &import(&["--run-id", "a", "--json"]));
        assert_eq!(ran.code(), 2, "{}", ran.stderr);
        assert_eq!(last(&ran)["error"]["code"], "target-not-empty");
        assert_eq!(
            fs::read(dir.path().join("out/import-000001.json")).unwrap(),
            b"mine"
        );
    }
    // The id is free for what is meant.
    let meant = ["import", "in.jsonl", "--to", "out3", "--run-id", "a"];
    assert_eq!(sluice(dir.path(), &meant).code(), 0);
}

#[test]
fn ids_are_judged_and_standard_output_has_none() {
    let dir = temp();
    write(dir.path(), "in.jsonl", lines(0..5));
    let long = "a".repeat(101);
    for id in ["", "a/b", "..", "-a", "a b", "a:b", "é", &long] {
        let flag = format!("--run-id={id}");
        let ran = sluice(dir.path(), &import(&[&flag]));
        assert_eq!(ran.code(), 2, "{id}: {}", ran.stderr);
        assert!(!dir.path().join("out").exists() && !dir.path().join("state").exists());
    }
    let long = "A.b_c-9".repeat(14);
    assert_eq!(sluice(dir.path(), &import(&["--run-id", &long])).code(), 0);
    for flag in ["--run-id=a", "--json"] {
        let ran = sluice(dir.path(), &["import", "in.jsonl", "--to", "-", flag]);
        assert_eq!(ran.code(), 2, "{}", ran.stderr);
        assert!(
            ran.stderr.contains("does not go with `--to -`"),
            "{}",
            ran.stderr
        );
        assert!(!text(&ran).contains("t0"));
    }
}

#[test]
fn the_last_line_agrees_with_the_exit_code() {
    let dir = temp();
    write(dir.path(), "good.jsonl", lines(0..5));
    write(dir.path(), "bad.jsonl", lines(0..5) + "{\n");
    fs::copy(data("penguins.csv"), dir.path().join("penguins.csv")).unwrap();
    // There is no token, so nobody is asked at port 1.
    let cases: [(&[&str], i32, &str); 6] = [
        (&["good.jsonl", "--to", "a"], 0, ""),
        (&["good.jsonl", "--to", "a"], 2, "target-not-empty"),
        (&["bad.jsonl", "--to", "b"], 3, ""),
        (
            &["bad.jsonl", "--to", "c", "--max-rejects", "0"],
            4,
            "too-many-rejects",
        ),
        (&["none.jsonl", "--to", "d"], 1, "source-missing"),
        (
            &["good.jsonl", "--to", "http://127.0.0.1:1/projects/1"],
            6,
            "unauthorized",
        ),
    ];
    for (words, code, error) in cases {
        let words = [&["import"], words, &["--json"]].concat();
        let mut command = command(dir.path(), &words);
        let ran = ran(command.env_remove("LABEL_STUDIO_API_KEY"));
        assert_eq!(ran.code(), code, "{words:?}: {}", ran.stderr);
        let said = last(&ran);
        assert_eq!(said["error"]["code"].as_str().unwrap_or_default(), error);
        assert_eq!(said["complete"], code == 0 || code == 3, "{said}");
        let counts = ["tasks", "rejects", "duplicates"].map(|name| said[name].as_u64().unwrap());
        if matches!(code, 0 | 3) {
            assert_eq!(said["records"], counts.iter().sum::<u64>());
        }
    }
    // A report before it is another thing than the last line.
    let ran = sluice(
        dir.path(),
        &[
            "import",
            "good.jsonl",
            "--to",
            "e",
            "--report",
            "-",
            "--json",
        ],
    );
    assert_eq!(last(&ran)["tasks"], 5);
    assert!(text(&ran).lines().count() > 5);
}
