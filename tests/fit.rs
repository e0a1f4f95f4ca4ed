//! Tasks that do not fit the labelling config are rejects, with their places, before anything is sent.

use std::process::Command;

use proptest::prelude::*;
use serde_json::{Value, json};

const CONFIG: &str =
    r#"<View><Image name="i" value="$image"/><Text name="t" value="$a.b"/></View>"#;

/// Runs `sluice import` on one file with a labelling config; gives the tasks, the report and what was said.
fn import(name: &str, content: &[u8], config: &str, more: &[&str]) -> (Vec<Value>, Value, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at(name), content).expect("a file");
    std::fs::write(at("config.xml"), config).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .current_dir(folder.path())
        .args(["import", name, "--to", "-", "--label-config", "config.xml"])
        .args(["--report", "report.json"])
        .args(more)
        .output()
        .expect("sluice runs");
    let tasks = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("a task"))
        .collect();
    let report = std::fs::read(at("report.json")).unwrap_or_default();
    (
        tasks,
        serde_json::from_slice(&report).unwrap_or_default(),
        String::from_utf8(output.stderr).expect("text"),
    )
}

#[test]
fn misfits_are_counted_by_code_with_place_and_mend() {
    let lines = [
        r#"{"url":"http://x/1.png","a":{"b":"q"}}"#,
        r#"{"image":1,"a":{"b":"q"}}"#,
        r#"{"data":{"image":"z","a":{"b":null}}}"#,
        r#"{"data":{"image":"z","a":{"b":3}},"image":3}"#,
        r#"{"image":"z","a.b":"u"}"#,
        r#"{"image":"z","a":"u"}"#,
        r#"{"im\u0061ge":["z"],"a":{"b":true}}"#,
        r#""text""#,
    ];
    let (tasks, report, _) = import("m.jsonl", lines.join("\n").as_bytes(), CONFIG, &[]);
    assert_eq!(
        tasks,
        [
            json!({"data": {"image": "z", "a": {"b": 3}}, "image": 3}),
            json!({"data": {"image": ["z"], "a": {"b": true}}}),
        ]
    );
    let by_code = &report["rejects_by_code"];
    assert_eq!(
        by_code["field-missing"]["first"],
        json!([
            "m.jsonl:1:1  (record 1, byte 0): the labelling config needs `image`, there is `url` and `a`",
            "m.jsonl:5:1  (record 5, byte 148): the labelling config needs `a.b`, there is `image` and `a.b`",
            "m.jsonl:6:18  (record 6, byte 189): the labelling config needs `a.b`, `a` has no `b`",
        ])
    );
    assert_eq!(
        by_code["field-missing"]["help"],
        "rename it with `--map image=url`, or set such records aside with `--max-rejects`"
    );
    assert_eq!(
        by_code["data-key"]["first"],
        json!([
            "m.jsonl:8:1  (record 8, byte 230): the labelling config has 2 data keys, `image` and `a.b`: a value with no name of its own could go to any"
        ])
    );
    assert_eq!(
        by_code["field-type"]["first"],
        json!([
            "m.jsonl:2:10  (record 2, byte 48): `image` is a number, the tag Image wants text or a list",
            "m.jsonl:3:26  (record 3, byte 90): `a.b` is null, the tag Text wants text, a number or a list",
        ])
    );
}

#[test]
fn a_table_without_a_column_is_refused_before_its_first_row() {
    let config = r#"<View><Text name="t" value="$text"/></View>"#;
    let (tasks, _, said) = import("m.csv", b"id,txt\n1,a\n", config, &["--quiet"]);
    assert!(tasks.is_empty());
    assert_eq!(
        said,
        "error[field-missing]: the labelling config needs `text`, there is `id` and `txt`\n  --> m.csv\n  help: \
         rename it with `--map text=txt`, or set such records aside with `--max-rejects`\n"
    );
    let (tasks, _, _) = import("m.csv", b"id,txt\n1,a\n", config, &["--map", "text=txt"]);
    assert_eq!(tasks, [json!({"data": {"id": "1", "text": "a"}})]);
    let (tasks, _, _) = import("m.csv", b"id,txt\n1,a\n", config, &["--no-validation"]);
    assert_eq!(tasks, [json!({"data": {"id": "1", "txt": "a"}})]);
}

#[test]
fn a_list_of_a_repeater_cannot_be_a_cell_of_text() {
    let config = r#"<View><Repeater on="$images" indexFlag="{{idx}}"><Image name="i_{{idx}}" value="$images[{{idx}}].url"/></Repeater></View>"#;
    let (tasks, report, _) = import("m.csv", b"images\nx\n", config, &[]);
    assert!(tasks.is_empty());
    assert_eq!(
        report["rejects_by_code"]["field-type"]["first"][0],
        "m.csv:2:1  (record 1, byte 7): `images[{{idx}}].url` is text, the tag Repeater wants a list"
    );
    let (tasks, _, _) = import("m.jsonl", br#"{"images":[{"url":"x"}]}"#, config, &[]);
    assert_eq!(tasks, [json!({"data": {"images": [{"url": "x"}]}})]);
}

#[test]
fn constants_and_names_are_held_to_the_config_first() {
    let config = r#"<View><Text name="t" value="$text"/></View>"#;
    let (_, _, said) = import("m.jsonl", b"{}", config, &["--set", "text=null"]);
    assert_eq!(
        said,
        "error[usage]: `--set text=null`: `text` is null, the tag Text wants text, a number or a list\n  help: mend the \
         value, or set such records aside with `--max-rejects`\n"
    );
    let (_, _, said) = import("m.jsonl", b"{}", config, &["--pick", "id"]);
    assert_eq!(
        said,
        "error[usage]: the labelling config needs `text`, which `--pick` and `--map` leave out\n"
    );
    let (tasks, _, _) = import("m.jsonl", b"{}", config, &["--set", "text=1"]);
    assert_eq!(tasks, [json!({"data": {"text": 1}})]);
}

#[test]
fn a_config_that_is_none_is_refused_with_its_place() {
    let (_, _, said) = import("m.jsonl", b"{}", "<View>\n  <Text</View>", &[]);
    let first = said.lines().next().unwrap_or_default();
    assert!(
        first.starts_with("error[label-config]: config.xml:2:"),
        "{said}"
    );
}

#[test]
fn predictions_are_judged_one_by_one_however_alike_they_are() {
    let config = r#"<View><Text name="t" value="$text"/><Choices name="c" toName="t"><Choice value="a"/></Choices></View>"#;
    let task = |score: &str, choice: &str| {
        let region = format!(
            r#"{{"from_name":"c","to_name":"t","type":"choices","value":{{"choices":["{choice}"]}}}}"#
        );
        format!(
            r#"{{"predictions": [{{"score":{score},"result":[{region}]}}] , "data":{{"text":"\"score\":7"}}}}"#
        )
    };
    let lines = [
        task("0.5", "a"),
        task("0.25", "a"),
        task("1.5", "a"),
        task("-0", "a"),
        task("1", "a"),
        task("0.5", "b"),
        task("null", "a"),
        task("\"0.5\"", "a"),
        task("\"x\"", "a"),
        task("0.75", "a").replace("predictions", "annotations"),
        task("0.5", "\\\"score\\\":2"),
        task("[0.5]", "a"),
        task("1e0", "a"),
        task("1.0000001", "a"),
        task(" 0.125", "a"),
        task(" 1.125", "a"),
    ];
    let (tasks, report, _) = import(
        "p.jsonl",
        lines.join("\n").as_bytes(),
        config,
        &["--threads", "1"],
    );
    let fitting = [0, 1, 3, 4, 6, 7, 9, 12, 14]
        .map(|i| serde_json::from_str::<Value>(&lines[i]).expect("JSON"));
    assert_eq!(tasks, fitting);
    assert_eq!(report["rejects_by_code"]["prediction-invalid"]["count"], 7);
}

/// Any JSON value, the names and the types in question among them.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z\"\\\\{}\\[\\]:,]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name = prop_oneof![
            4 => Just("image".to_owned()), 4 => Just("a".to_owned()), 4 => Just("b".to_owned()),
            3 => Just("data".to_owned()), 1 => "[a-z\"\\\\]{0,4}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// What the contract (section 7) says of `$image` for an Image and `$a.b` for a Text.
fn fits(record: &Value) -> bool {
    let data = match &record["data"] {
        Value::Object(data) if !data.is_empty() => &record["data"],
        _ => record,
    };
    let image = matches!(data["image"], Value::String(_) | Value::Array(_));
    let text = data["a"].get("b").is_some_and(|b| {
        matches!(
            b,
            Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Array(_)
        )
    });
    record.is_object() && image && text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn what_fits_is_a_task_and_what_does_not_is_a_reject(
        records in prop::collection::vec(prop_oneof![
            any_value(),
            any_value().prop_map(|value| json!({"data": value})),
            (any_value(), any_value()).prop_map(|(i, a)| json!({"image": i, "a": {"b": a}})),
        ], 1..12)
    ) {
        let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
        let (tasks, report, said) = import("p.jsonl", lines.as_bytes(), CONFIG, &["--data-key", "other"]);
        let fitting: Vec<_> = records.iter().filter(|record| fits(record)).collect();
        prop_assert_eq!(tasks.len(), fitting.len(), "{}", said);
        prop_assert_eq!(&report["rejects"], &json!(records.len() - fitting.len()));
    }
}
