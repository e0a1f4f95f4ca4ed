//! Records that come again are left out: the first wins, each is counted and listed, whatever the threads, the chunks,
//! and the place where a run goes on.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    unsafe_code,
    reason = "a test says what it expects, and fails where it is not so"
)]

#[path = "common/library.rs"]
mod library;

use std::collections::HashSet;
use std::process::Command;

use library::{Options, Ran, run_on};
use proptest::prelude::*;
use serde_json::{Value, json};
use sluice::batch::import::About;
use sluice::normalize::dedupe::Dedupe;

/// A line of JSON Lines, with what it is known by; none is a record that is no task.
#[derive(Clone, Debug)]
struct Line {
    text: String,
    known_by: Option<String>,
    rejected: bool,
}

/// Few different ones, so that many come again.
fn line(by_field: bool) -> impl Strategy<Value = Line> {
    let fields = move |id: u8, text: u8| {
        let known_by = if by_field {
            format!("{id}")
        } else {
            format!("{id} {text}")
        };
        Line {
            text: json!({"id": id, "text": text.to_string()}).to_string(),
            known_by: Some(known_by),
            rejected: false,
        }
    };
    prop_oneof![
        8 => (0..20u8, 0..2u8).prop_map(move |(id, text)| fields(id, text)),
        1 => (0..20u8, 0..2u8).prop_map(move |(id, text)| {
            let line = fields(id, text);
            Line { text: format!(r#"{{"meta":{{}},"data":{}}}"#, line.text), ..line }
        }),
        1 => (0..5u8).prop_map(move |text| Line {
            text: json!({"text": text}).to_string(),
            known_by: (!by_field).then(|| format!("only {text}")),
            rejected: false,
        }),
        1 => Just(Line { text: "{".to_owned(), known_by: None, rejected: true }),
    ]
}

/// The numbers of the records that are to become tasks, and of those that came before.
fn expected(lines: &[Line]) -> (Vec<u64>, Vec<u64>) {
    let mut known = HashSet::new();
    let (mut tasks, mut duplicates) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(lines).filter(|(_, line)| !line.rejected) {
        match &line.known_by {
            Some(known_by) if !known.insert(known_by) => duplicates.push(number),
            _ => tasks.push(number),
        }
    }
    (tasks, duplicates)
}

fn records(ran: &Ran) -> Vec<u64> {
    let record = |(about, _): &(About, _)| about.first.record;
    ran.imports.iter().map(record).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_first_wins(
        (by_field, lines) in any::<bool>()
            .prop_flat_map(|by| (Just(by), prop::collection::vec(line(by), 1..80))),
        chunk_bytes in prop_oneof![Just(1usize), 16..400usize],
        threads in 1..4usize,
        from in any::<prop::sample::Index>(),
    ) {
        let text: String = lines.iter().map(|line| format!("{}\n", line.text)).collect();
        let dedupe = if by_field { Dedupe::of("id") } else { Dedupe::of("content") };
        let options = Options {
            chunk_bytes,
            threads,
            max_tasks: 1,
            dedupe: Some(dedupe),
            ..Options::default()
        };
        let (tasks, duplicates) = expected(&lines);
        let ran = run_on("0.jsonl", text.as_bytes(), &options);
        prop_assert!(ran.error.is_none());
        prop_assert_eq!(records(&ran), tasks.clone());
        prop_assert_eq!(ran.totals.duplicates, duplicates.len() as u64);
        prop_assert!(ran.totals.is_conserved());

        // A run that goes on there knows what came before.
        if tasks.is_empty() {
            return Ok(());
        }
        let (about, _) = from.get(&ran.imports);
        let place = about.first;
        let rest = run_on("0.jsonl", text.as_bytes(), &Options { from: Some(place), ..options });
        let here = |number: &u64| *number >= place.record;
        prop_assert_eq!(records(&rest), tasks.into_iter().filter(here).collect::<Vec<_>>());
        prop_assert_eq!(rest.totals.duplicates, duplicates.iter().filter(|n| here(n)).count() as u64);
        prop_assert_eq!(rest.totals.records, lines.len() as u64 + 1 - place.record);
        prop_assert!(rest.totals.is_conserved());
    }
}

#[test]
fn duplicates_are_listed_with_their_places() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = "id,text\n1,a\n2,b\n1,c\n2,b\n";
    std::fs::write(folder.path().join("a.csv"), input).expect("a file");
    std::fs::write(folder.path().join("b.csv"), "id,text\n3,d\n2,b\n").expect("a file");
    let import = |by: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_sluice"))
            .current_dir(folder.path())
            .args(["import", "a.csv", "b.csv", "--overwrite", "--dedupe", by])
            .output()
            .expect("sluice runs");
        assert_eq!(output.status.code(), Some(0));
        let read =
            |name: &str| std::fs::read_to_string(folder.path().join("sluice-out").join(name));
        let tasks: Value =
            serde_json::from_str(&read("import-000001.json").expect("an import")).expect("JSON");
        (
            tasks,
            read("duplicates.jsonl").expect("a list"),
            String::from_utf8(output.stderr).expect("text"),
        )
    };
    let (tasks, list, said) = import("id");
    let data = |id: &str, text: &str| json!({"data": {"id": id, "text": text}});
    assert_eq!(
        tasks,
        json!([data("1", "a"), data("2", "b"), data("3", "d")])
    );
    assert_eq!(
        list,
        "{\"source\":\"a.csv\",\"record\":3,\"line\":4,\"byte\":16}\n\
         {\"source\":\"a.csv\",\"record\":4,\"line\":5,\"byte\":20}\n\
         {\"source\":\"b.csv\",\"record\":2,\"line\":3,\"byte\":12}\n"
    );
    assert!(
        said.contains(
            "  3 records came before and were left out\n    a.csv:4  (record 3, byte 16)\n"
        ),
        "{said}"
    );
    let (tasks, list, _) = import("content");
    assert_eq!(
        tasks,
        json!([
            data("1", "a"),
            data("2", "b"),
            data("1", "c"),
            data("3", "d")
        ])
    );
    assert_eq!(list.lines().count(), 2);
}

#[test]
fn one_text_written_in_two_ways_is_one_key() {
    let lines = "{\"k\":\"a\"}\n{\"k\":\"\\u0061\"}\n{\"k\":null}\n{\"k\":null}\n{\"k\":1}\n{\"k\":\"1\"}\n";
    let options = Options {
        max_tasks: 1,
        dedupe: Some(Dedupe::of("k")),
        ..Options::default()
    };
    let ran = run_on("0.jsonl", lines.as_bytes(), &options);
    assert_eq!(records(&ran), [1, 3, 4, 5, 6]);
}
