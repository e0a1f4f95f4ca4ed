//! The report as JSON: every key of it, and that its figures agree.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{Bench, lines};

/// Every path to a value, with the value's type; elements of lists are `[]`, what stands under names of its own is `*`.
fn shape(value: &Value, at: &str, all: &mut BTreeSet<String>) {
    const NAMED: [&str; 1] = ["rejects_by_code"];
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let own = NAMED.contains(&at);
                let name = if own { "*" } else { name };
                let below = if at.is_empty() {
                    name.to_owned()
                } else {
                    format!("{at}.{name}")
                };
                shape(value, &below, all);
            }
        }
        Value::Array(values) => {
            for value in values {
                shape(value, &format!("{at}[]"), all);
            }
        }
        Value::String(_) => _ = all.insert(format!("{at}: text")),
        Value::Number(_) => _ = all.insert(format!("{at}: number")),
        Value::Bool(_) => _ = all.insert(format!("{at}: boolean")),
        Value::Null => _ = all.insert(format!("{at}: null")),
    }
}

/// Every key of version 3: one more, one less or one of another type is another version.
#[test]
fn the_report_has_these_keys_and_no_others() {
    let bench = Bench::new();
    bench.write("in.csv", "text,n\na,1\na,1\nb\nc,3\n");
    let mut all = BTreeSet::new();
    let words = [
        "import",
        "in.csv",
        "--dedupe",
        "content",
        "--report",
        "folder.json",
    ];
    assert_eq!(bench.sluice(&words).code(), 3);
    shape(&bench.json("folder.json"), "", &mut all);
    let to = bench.to();
    let words = [
        "import",
        "in.csv",
        "--to",
        &to,
        "--interval",
        "0",
        "--max-rejects",
        "0",
        "--report",
        "server.json",
    ];
    assert_eq!(bench.sluice(&words).code(), 4);
    shape(&bench.json("server.json"), "", &mut all);
    let stage = |name: &str, kind: &str| {
        [
            "seconds_busy",
            "seconds_waiting_for_input",
            "seconds_waiting_for_room",
            "bytes",
        ]
        .map(|figure| format!("{name}.{figure}{kind}: number"))
    };
    let mut expected: BTreeSet<String> = [
        "version: number",
        "complete: boolean",
        "error: text",
        "run: text",
        "began: text",
        "command[]: text",
        "made_by.sluice: text",
        "made_by.os: text",
        "made_by.arch: text",
        "made_by.threads: number",
        "sources.count: number",
        "sources.bytes: number",
        "limits.tasks: number",
        "limits.bytes: number",
        "limits.seconds_interval: null",
        "limits.seconds_interval: number",
        "records: number",
        "tasks: number",
        "rejects: number",
        "duplicates: number",
        "first_duplicates[]: text",
        "imports: number",
        "bytes: number",
        "changes.nulled: number",
        "changes.nul_replaced: number",
        "changes.cells_dropped: number",
        "changes.rounded: number",
        "changes.zeros_dropped: number",
        "changes.missing_emptied: number",
        "rejects_by_code.*.count: number",
        "rejects_by_code.*.first[]: text",
        "rejects_by_code.*.help: text",
        "bytes_read: number",
        "seconds: number",
        "series.seconds[]: number",
        "outcomes.delivered: number",
        "outcomes.refused: number",
        "outcomes.too_large: number",
        "outcomes.in_doubt: number",
        "deliveries[].name: text",
        "deliveries[].number: number",
        "deliveries[].tasks: number",
        "deliveries[].bytes: number",
        "deliveries[].blake3: text",
        "deliveries[].seconds_began: number",
        "deliveries[].seconds_waiting: number",
        "deliveries[].seconds_sending: number",
        "deliveries[].seconds_server: number",
        "deliveries[].first.source: number",
        "deliveries[].first.record: number",
        "deliveries[].first.line: number",
        "deliveries[].first.byte: number",
        "deliveries[].last.source: number",
        "deliveries[].last.record: number",
        "deliveries[].last.line: number",
        "deliveries[].last.byte: number",
    ]
    .map(str::to_owned)
    .into();
    for name in ["read", "decode", "batch", "deliver"] {
        expected.extend(stage(&format!("stages.{name}"), ""));
        expected.extend([format!("stages.{name}.threads: number")]);
        expected.extend(stage(&format!("series.{name}"), "[]"));
    }
    let more: Vec<_> = all.difference(&expected).collect();
    let less: Vec<_> = expected.difference(&all).collect();
    assert!(
        more.is_empty() && less.is_empty(),
        "more: {more:#?}\nless: {less:#?}"
    );
    assert_eq!(bench.json("folder.json")["version"], 3);
}

#[test]
fn the_figures_of_a_report_agree() {
    let bench = Bench::new();
    bench.write("in.jsonl", lines(0..40_000));
    let words = [
        "import",
        "in.jsonl",
        "--max-bytes",
        "50kB",
        "--report",
        "report.json",
    ];
    assert_eq!(bench.sluice(&words).code(), 0);
    let report = bench.json("report.json");
    let number = |value: &Value| value.as_f64().expect("a number");
    let numbers = |value: &Value| -> Vec<f64> {
        value
            .as_array()
            .expect("a list")
            .iter()
            .map(number)
            .collect()
    };
    // The course adds up to the account.
    let moments = numbers(&report["series"]["seconds"]);
    assert!(
        moments.is_sorted() && !moments.is_empty() && moments.len() <= 241,
        "{moments:?}"
    );
    for stage in ["read", "decode", "batch", "deliver"] {
        for figure in [
            "bytes",
            "seconds_busy",
            "seconds_waiting_for_input",
            "seconds_waiting_for_room",
        ] {
            let course = numbers(&report["series"][stage][figure]);
            assert_eq!(course.len(), moments.len());
            let (sum, whole) = (
                course.iter().sum::<f64>(),
                number(&report["stages"][stage][figure]),
            );
            let rounding = 1e-3 * (course.len() + 1) as f64;
            assert!(
                (sum - whole).abs() <= rounding,
                "{stage} {figure}: {sum} and {whole}"
            );
        }
    }
    // The imports are all of the tasks, within the run.
    let deliveries = report["deliveries"].as_array().expect("deliveries");
    assert_eq!(
        deliveries.len() as f64,
        number(&report["outcomes"]["delivered"])
    );
    let tasks: f64 = deliveries
        .iter()
        .map(|import| number(&import["tasks"]))
        .sum();
    assert_eq!(tasks, number(&report["tasks"]));
    for import in deliveries {
        let end: f64 = ["began", "waiting", "sending", "server"]
            .map(|part| number(&import[format!("seconds_{part}")]))
            .iter()
            .sum();
        assert!(end <= number(&report["seconds"]) + 5e-3, "{import}");
    }
}

#[test]
fn the_times_of_imports_show_the_pace_and_the_server() {
    let bench = Bench::new();
    bench.write("in.jsonl", lines(0..90));
    let to = bench.to();
    let words = [
        "import",
        "in.jsonl",
        "--to",
        &to,
        "--interval",
        "1s",
        "--max-tasks",
        "30",
        "--report",
        "report.json",
    ];
    let ran = bench.sluice(&words);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let report = bench.json("report.json");
    let deliveries = report["deliveries"].as_array().expect("deliveries");
    assert_eq!(deliveries.len(), 3, "{report}");
    let of = |import: &Value, part: &str| {
        import[format!("seconds_{part}")]
            .as_f64()
            .expect("a number")
    };
    let starts: Vec<_> = deliveries
        .iter()
        .map(|import| of(import, "began") + of(import, "waiting"))
        .collect();
    for pair in starts.windows(2) {
        assert!(
            pair[1] - pair[0] > 0.9,
            "slots are a second apart: {starts:?}"
        );
    }
    for import in deliveries {
        // The made-up server takes 20 ms for an import and 0.2 ms for a task.
        assert!(of(import, "server") >= 0.02, "{import}");
    }
    assert_eq!(report["limits"]["seconds_interval"], 1.0);
}

#[test]
fn two_reports_are_written_but_not_to_one_place() {
    let bench = Bench::new();
    bench.write("in.jsonl", lines(0..3));
    let ran = bench.sluice(&["import", "in.jsonl", "--report", "r.html", "--report", "-"]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let printed: Value = serde_json::from_slice(&ran.stdout).expect("JSON and nothing else");
    assert_eq!(printed["tasks"], 3);
    assert!(bench.read("r.html").starts_with("<!DOCTYPE html>"));
    let ran = bench.sluice(&[
        "import", "in.jsonl", "--to", "new", "--report", "r.json", "--report", "r.json",
    ]);
    assert_eq!(ran.code(), 2, "{}", ran.stderr);
    assert!(!bench.path("new").exists());
}
