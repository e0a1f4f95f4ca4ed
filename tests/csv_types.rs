//! CSV with typed columns: `auto` loses nothing, `label-studio` is what Label Studio stores, and neither depends on how
//! the source was cut up.
//!
//! What Label Studio stores is recorded: case by case from a running server, in the conformance set that
//! `SLUICE_CONFORMANCE` names (`../shared/label-studio-conformance` is the default), and for random tables from pandas
//! 3.1.1 in `csv_types/pandas.jsonl`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    unsafe_code,
    reason = "tests measure their children by wait4, and say when they fail"
)]

mod common;
#[path = "common/library.rs"]
mod library;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use library::{Options, Ran, run_on};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sluice::plan::Tolerance;
use sluice::read::column_types::CsvTypes;

/// The data of each task as JSON text, with its numbers as written and nothing else that may be written in two ways;
/// or why there is none.
fn import(name: &str, bytes: &[u8], options: &Options) -> Result<Vec<String>, String> {
    #[derive(Deserialize)]
    struct Task<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let Ran { imports, error, .. } = run_on(name, bytes, options);
    if let Some(error) = error {
        assert!(imports.is_empty(), "{name}: something was sent");
        return Err(error.to_string());
    }
    let mut data = Vec::new();
    for (_, body) in &imports {
        let tasks: Vec<Task<'_>> = serde_json::from_slice(body).unwrap();
        data.extend(tasks.iter().map(|task| plain(task.data.get())));
    }
    Ok(data)
}

/// JSON text with every string written in one way and without space around its tokens. Numbers stay as they are.
fn plain(json: &str) -> String {
    let mut text = String::new();
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        let length = if first == '"' {
            let mut values = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            let value = values.next().unwrap().unwrap();
            write!(text, "{value:?}").unwrap();
            values.byte_offset()
        } else {
            if !first.is_ascii_whitespace() {
                text.push(first);
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    text
}

fn server(options: &Options) -> Options {
    Options {
        csv_types: CsvTypes::LabelStudio,
        max_rejects: Tolerance::Count(0),
        ..options.clone()
    }
}

/// Where sluice does something else than Label Studio on purpose: which inputs, and why.
type Difference = (fn(&str, &[u8]) -> bool, &'static str);
const DIFFERENCES: [Difference; 3] = [
    (
        |_, bytes| std::str::from_utf8(bytes).is_ok_and(|text| text.contains('\0')),
        "PostgreSQL refuses a whole import for a NUL: such a record is a reject, or `--nul replace` mends it",
    ),
    (
        |name, _| {
            name.rsplit('.')
                .next()
                .is_some_and(|end| end.chars().any(char::is_uppercase))
        },
        "a table is one whatever the case of its name; Label Studio makes one task of the file's address",
    ),
    (
        |_, bytes| {
            bytes
                .windows(3)
                .any(|at| matches!(at, [b'\r' | b'\n', b'\r', b',' | b';' | b'\t']))
        },
        "pandas loses the delimiter right after an empty line that ends in a lone CR, and so shifts the cells of that \
         row; here they stay in their columns",
    ),
];

/// An answer of the server that is about the labelling config, not about the file.
fn is_of_the_config(expected: &Value) -> bool {
    expected["error"].to_string().contains("key is expected")
}

#[test]
fn label_studio_types_are_those_of_the_server() {
    let folder = std::env::var_os("SLUICE_CONFORMANCE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/label-studio-conformance"),
        PathBuf::from,
    );
    assert!(
        folder.is_dir(),
        "the recorded answers are not at {}: name their folder with SLUICE_CONFORMANCE",
        folder.display()
    );
    let (mut held, mut faults) = (0, Vec::new());
    for case in common::names(&folder) {
        if !case.starts_with("csv-") && !case.starts_with("tsv-") {
            continue;
        }
        let folder = folder.join(&case);
        let expected = std::fs::read(folder.join("expected.json")).unwrap();
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        let is_input = |name: &String| name.starts_with("input.");
        let name = common::names(&folder).into_iter().find(is_input).unwrap();
        let bytes = std::fs::read(folder.join(&name)).unwrap();
        if is_of_the_config(&expected) {
            continue;
        }
        let got = import(&name, &bytes, &server(&Options::default()));
        let stored = expected["raw_stored_json"].as_array().map(|tasks| {
            let each = tasks.iter().map(|task| plain(task.as_str().unwrap()));
            each.collect::<Vec<_>>()
        });
        let same = match (&got, &stored) {
            (Ok(got), Some(stored)) => got == stored,
            (Err(error), None) => error.contains("-->"),
            _ => false,
        };
        let deliberate = DIFFERENCES.iter().find(|(is_it, _)| is_it(&name, &bytes));
        match deliberate {
            None if same => held += 1,
            None => faults.push(format!("{case}: {got:?}\n  the server: {expected}")),
            Some((_, why)) if same => faults.push(format!("{case} is no difference: {why}")),
            Some(_) => {}
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(held > 40, "{held} cases");
}

/// A table, and what pandas makes of it: the records as Python writes them, or nothing if it refuses.
#[derive(Deserialize)]
struct Recorded {
    name: String,
    text: String,
    rows: Option<Vec<String>>,
}

fn recorded() -> impl Iterator<Item = Recorded> {
    let lines = include_str!("csv_types/pandas.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).unwrap())
}

#[test]
fn label_studio_types_are_those_of_pandas() {
    for Recorded { name, text, rows } in recorded() {
        let got = import(&name, text.as_bytes(), &server(&Options::default()));
        let rows = rows.map(|rows| rows.iter().map(|row| plain(row)).collect::<Vec<_>>());
        assert_eq!(got.as_ref().ok(), rows.as_ref(), "{name} {text:?}: {got:?}");
    }
}

#[test]
fn types_do_not_depend_on_how_a_source_is_cut_up() {
    for rule in [CsvTypes::LabelStudio, CsvTypes::Auto] {
        for (i, Recorded { name, text, .. }) in recorded().enumerate().step_by(3) {
            let of = |threads, chunk_bytes| {
                let options = Options {
                    threads,
                    chunk_bytes,
                    csv_types: rule,
                    max_rejects: Tolerance::Count(0),
                    ..Options::default()
                };
                import(&name, text.as_bytes(), &options)
            };
            let whole = of(1, 1 << 20);
            let cut = of([2, 8][i % 2], [1, 7, 16, 64][i % 4]);
            assert_eq!(whole.is_ok(), cut.is_ok(), "{name} {text:?}");
            if whole.is_ok() {
                assert_eq!(whole, cut, "{name} {text:?}");
            }
        }
    }
}

#[test]
fn a_run_that_goes_on_has_the_types_of_the_whole_source() {
    let rows: String = (0..2000).map(|i| format!("t{i},{i},{i}.5\n")).collect();
    let text = format!("text,n,m\n{rows}last,,x\n");
    for rule in [CsvTypes::LabelStudio, CsvTypes::Auto] {
        let options = Options {
            csv_types: rule,
            max_tasks: 1,
            ..Options::default()
        };
        let whole = run_on("a.csv", text.as_bytes(), &options);
        assert_eq!(whole.data()[7]["m"], "7.5");
        for at in [1, 1000, 2000] {
            let from = Some(whole.imports[at].0.first);
            let rest = run_on(
                "a.csv",
                text.as_bytes(),
                &Options {
                    from,
                    ..options.clone()
                },
            );
            assert!(rest.error.is_none());
            assert_eq!(rest.data(), whole.data()[at..]);
        }
    }
}

/// A cell for each kind of type, and what is nearly of it.
fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "-?[1-9][0-9]{0,24}",
        2 => any::<f64>().prop_map(|value| format!("{value}")),
        2 => any::<f64>().prop_map(|value| format!("{value:e}")),
        2 => "-?[0-9]{1,3}\\.[0-9]{1,3}",
        2 => "true|false",
        2 => Just(String::new()),
        1 => "[-+]?0{0,2}[0-9]|1e5|1e\\+16|True|FALSE|NA|null| 1|1 |1_0|-0|-0\\.0|1\\.|\\.5|0x1|inf|NaN",
        1 => "[a-z\"',; \n]{0,5}",
    ]
}

fn csv(rows: &[Vec<String>]) -> String {
    let mut text = String::from("a,b,c\n");
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .map(|cell| format!("\"{}\"", cell.replace('"', "\"\"")))
            .collect();
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Columns of cells of few kinds, so that some have a type.
    #[test]
    fn auto_loses_nothing(
        columns in prop::collection::vec(
            prop::collection::vec(cell(), 1..4).prop_flat_map(|few| {
                prop::collection::vec(prop::sample::select(few), 12)
            }),
            3,
        ),
        chunk_bytes in prop::sample::select(vec![1, 16, 64, 4096]),
    ) {
        let rows: Vec<Vec<String>> = (0..12)
            .map(|row| columns.iter().map(|column| column[row].clone()).collect())
            .collect();
        let options = Options { csv_types: CsvTypes::Auto, chunk_bytes, ..Options::default() };
        let ran = run_on("a.csv", csv(&rows).as_bytes(), &options);
        prop_assert!(ran.error.is_none());
        let mut got = Vec::new();
        for (_, body) in &ran.imports {
            let tasks: Vec<BTreeMap<String, BTreeMap<String, Box<RawValue>>>> =
                serde_json::from_slice(body).unwrap();
            got.extend(tasks.into_iter().map(|mut task| task.remove("data").unwrap()));
        }
        prop_assert_eq!(got.len(), rows.len());
        for (i, name) in ["a", "b", "c"].into_iter().enumerate() {
            let mut texts = 0;
            for (row, data) in rows.iter().zip(&got) {
                let value = data[name].get();
                let is_text = value.starts_with('"');
                let back = if is_text { serde_json::from_str(value).unwrap() } else { value.to_owned() };
                prop_assert_eq!(&back, &row[i]);
                texts += usize::from(is_text && !back.is_empty());
            }
            // A column is of one kind, and of a type if it can be.
            let filled = rows.iter().filter(|row| !row[i].is_empty()).count();
            prop_assert!(texts == 0 || texts == filled);
            let all = |is_it: fn(&str) -> bool| rows.iter().all(|row| row[i].is_empty() || is_it(&row[i]));
            if all(|cell| cell == "true" || cell == "false")
                || all(|cell| cell.parse::<i64>().is_ok_and(|value| value.to_string() == cell))
            {
                prop_assert_eq!(texts, 0);
            }
        }
    }
}

#[test]
fn auto_has_four_types() {
    let text = "i,n,b,z,e,p,big\n1,1.5,true,007,,1.50,123456789012345678901234567890\n-2,2,false,8,,2.25,0\n";
    let options = Options {
        csv_types: CsvTypes::Auto,
        ..Options::default()
    };
    let got = import("a.csv", text.as_bytes(), &options).unwrap();
    assert_eq!(
        got,
        [
            r#"{"i":1,"n":1.5,"b":true,"z":"007","e":"","p":"1.50","big":123456789012345678901234567890}"#,
            r#"{"i":-2,"n":2,"b":false,"z":"8","e":"","p":"2.25","big":0}"#,
        ]
    );
}

#[test]
fn what_label_studio_loses_is_counted() {
    let text = "a,b,c\nx,0.1234567890123456789,007,NA\ny,1.5,8,\n";
    let ran = run_on("a.csv", text.as_bytes(), &server(&Options::default()));
    assert!(ran.error.is_none());
    let changes = ran.totals.changes;
    assert_eq!(changes.cells_dropped, 2);
    assert_eq!(changes.rounded, 1);
    assert_eq!(changes.zeros_dropped, 1);
    assert_eq!(changes.missing_emptied, 1);
    let data = ran.data();
    assert_eq!(data[0]["a"], 0.123_456_789_012_345_68);
    assert_eq!(data[1]["c"], "");
}

#[test]
fn a_file_that_label_studio_refuses_is_refused_before_anything_is_sent() {
    let many = "x,1\n".repeat(5000);
    let cases = [
        (format!("text,n\n{many}y,2,3\n"), "a.csv:5002  (record 5001"),
        (
            format!("text,n\n{many}y,1e999\n{many}"),
            "a.csv:5002  (record 5001",
        ),
        (format!("text,n\n{many}\"y,1\n"), "a.csv:5002  (record 5001"),
        ("text,n\n".to_owned(), "there is a header and no row"),
        (" \n\n".to_owned(), "there is no header"),
    ];
    for (text, why) in cases {
        let options = Options {
            max_tasks: 10,
            ..server(&Options::default())
        };
        let error = import("a.csv", text.as_bytes(), &options).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    // Who accepts rejects gets the rest.
    let text = "text,n\nx,1\ny,2,3\nz,inf\n";
    let options = Options {
        max_rejects: Tolerance::Count(2),
        ..server(&Options::default())
    };
    let ran = run_on("a.csv", text.as_bytes(), &options);
    assert!(ran.error.is_none());
    assert_eq!((ran.data().len(), ran.rejects.len()), (1, 2));
}

#[test]
fn a_mended_reject_has_the_types_of_its_columns() {
    let text = "text,n,m\n1,x,1\n2,y,2,3\n,z,\n";
    let options = Options {
        max_rejects: Tolerance::Count(1),
        ..server(&Options::default())
    };
    let ran = run_on("a.csv", text.as_bytes(), &options);
    assert_eq!(
        plain(&ran.data()[0].to_string()),
        r#"{"m":1.0,"n":"x","text":1.0}"#
    );
    // By its first key the file is told.
    let line = format!("{{\"sluice_reject\":1,{}", &ran.rejects[0].to_string()[1..]);
    let mended = line.replace("2,y,2,3", "2,NA,2");
    assert_ne!(line, mended);
    let mended = import("rejects.jsonl", mended.as_bytes(), &Options::default()).unwrap();
    assert_eq!(mended, [r#"{"text":2.0,"n":"","m":2.0}"#]);
}

#[test]
fn standard_input_is_kept_on_the_disk_while_it_is_read_twice() {
    let folder = common::temp();
    let run = |words: &[&str]| {
        let mut command = common::sluice();
        command
            .args(["import", "-", "--csv-types", "auto", "--to", "-"])
            .args(words)
            .env("TMPDIR", folder.path());
        let mut command = assert_cmd::Command::from_std(command);
        let output = command.write_stdin("text,n\nx,1\ny,2\n").output().unwrap();
        // Nothing of it stays behind.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        output
    };
    let output = run(&[]);
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "{\"data\":{\"text\":\"x\",\"n\":1}}\n{\"data\":{\"text\":\"y\",\"n\":2}}\n"
    );
    let refused = run(&["--spool-limit", "8"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stdout.is_empty());
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(told.contains("--spool-limit"), "{told}");
}
