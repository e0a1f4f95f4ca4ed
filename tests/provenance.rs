//! `--provenance`: a task says which record of which source it is, and keeps what meta it has.

use std::process::Command;

use serde_json::{Value, json};

/// Runs `sluice import --provenance` on files; gives the tasks, and the run's id by its report.
fn import(files: &[(&str, String)], more: &[&str]) -> (Vec<Value>, Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.current_dir(folder.path()).arg("import");
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).expect("a file");
        command.arg(name);
    }
    let output = command
        .args(["--provenance", "--to", "-", "--report", "report.json"])
        .args(more)
        .output()
        .expect("sluice runs");
    let lines = output.stdout.split(|byte| *byte == b'\n');
    let tasks = lines
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("a task"))
        .collect();
    let report = std::fs::read(folder.path().join("report.json")).expect("a report");
    let mut report: Value = serde_json::from_slice(&report).expect("JSON");
    (tasks, report["run"].take())
}

#[test]
fn every_task_names_its_record() {
    let rows = 25_000;
    let table: String = (1..=rows).map(|i| format!("{i},\"a\nb\"\n")).collect();
    let lines: String = (1..=rows)
        .map(|i| {
            if i % 7 == 0 {
                "{\n".to_owned()
            } else {
                format!("{{\"id\":{i}}}\n")
            }
        })
        .collect();
    let files = [("a.csv", format!("id,text\n{table}")), ("b.jsonl", lines)];
    for threads in ["1", "3"] {
        let (tasks, run) = import(&files, &["--threads", threads, "--max-rejects", "100%"]);
        assert_eq!(tasks.len(), rows + rows - rows / 7);
        for (i, task) in tasks.iter().enumerate() {
            let id = task["data"]["id"].as_str().map_or_else(
                || task["data"]["id"].as_u64().expect("a number"),
                |id| id.parse().expect("a number"),
            );
            let source = if i < rows { "a.csv" } else { "b.jsonl" };
            assert_eq!(
                task["meta"],
                json!({"source": {"source": source, "run": run, "record": id}})
            );
        }
    }
}

#[test]
fn meta_that_is_there_stays() {
    let lines = [
        r#"{"data":{"a":1},"meta":{"x":[1, 2]},"annotations":[]}"#,
        r#"{"meta":null,"data":{"a":1}}"#,
        r#"{"data":{"a":1},"meta":{}}"#,
        r#"{"data":{"a":1},"meta":{"source":"mine"}}"#,
        r#"{"data":{"a":1},"meta":[1]}"#,
        "3",
    ];
    let (tasks, run) = import(&[("t.jsonl", lines.join("\n"))], &[]);
    let origin = |record: u64| json!({"source": "t.jsonl", "run": run, "record": record});
    assert_eq!(
        tasks,
        [
            json!({"data": {"a": 1}, "annotations": [], "meta": {"x": [1, 2], "source": origin(1)}}),
            json!({"data": {"a": 1}, "meta": {"source": origin(2)}}),
            json!({"data": {"a": 1}, "meta": {"source": origin(3)}}),
            json!({"data": {"text": 3}, "meta": {"source": origin(6)}}),
        ]
    );
}

#[test]
fn where_a_record_is_from_does_not_tell_it_from_one_that_came_before() {
    let lines = r#"{"a":1}
{"meta":{"x":1},"data":{"a":1}}
{"a":2}
"#;
    for dedupe in ["content", "a"] {
        let (tasks, _) = import(&[("t.jsonl", lines.to_owned())], &["--dedupe", dedupe]);
        let records: Vec<_> = tasks
            .iter()
            .map(|task| &task["meta"]["source"]["record"])
            .collect();
        assert_eq!(records, [1, 3], "{dedupe}");
    }
}
