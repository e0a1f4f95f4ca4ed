//! Predictions, annotations, regions and tasks that label-studio-sdk 2.1.2 has judged, judged again.
//!
//! The cases are those of the corpora (`SLUICE_CORPORA` names the folder, `../shared/corpora` is the default): a
//! labelling config, what was judged, and yes or no with the messages.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests say when they fail"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use sluice::labelling_config::LabellingConfig;
use sluice::labelling_config::prediction::{
    Consequence, Given, Members, RegionFault, completed_by,
};

/// Cases judged otherwise on purpose, by their ids, each with the reason.
const DIFFERENT: &[(&str, &str)] = &[];

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    method: String,
    config: String,
    value: Box<RawValue>,
    valid: Option<bool>,
    messages: Value,
}

fn corpora() -> PathBuf {
    std::env::var_os("SLUICE_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora"),
        PathBuf::from,
    )
}

impl Case {
    /// What is wrong by our own judgement.
    fn judged(&self) -> Vec<String> {
        let config = match LabellingConfig::parse(&self.config) {
            Ok(config) => config,
            Err(fault) => return vec![fault.reason],
        };
        let given = Given::parse(self.value.get()).expect("the corpora hold JSON");
        let faults = match self.method.as_str() {
            "validate" => return Vec::new(),
            "validate_prediction" => config.prediction_faults(given),
            "validate_annotation" => config.annotation_faults(given),
            "validate_region" => config.region_faults(given),
            "validate_task" => config.task_faults(given),
            other => panic!("no check is called {other}"),
        };
        faults.into_iter().map(|fault| fault.message).collect()
    }

    /// The messages, those of relations taken out of their own lists.
    fn expected(&self) -> Vec<String> {
        fn flat(value: &Value, into: &mut Vec<String>) {
            match value {
                Value::Array(list) => list.iter().for_each(|value| flat(value, into)),
                other => into.push(other.as_str().expect("a message").to_owned()),
            }
        }
        let mut messages = Vec::new();
        flat(&self.messages, &mut messages);
        messages
    }
}

#[test]
fn every_case_is_judged_as_the_sdk_judges_it() {
    let file = corpora().join("label-studio-prediction-cases/cases.json");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let Cases { cases } = serde_json::from_str(&text).expect("cases");
    assert!(!cases.is_empty(), "{} has no cases", file.display());
    let mut wrong = BTreeMap::new();
    for case in &cases {
        let judged = case.judged();
        let expected = case.expected();
        // A config is refused in our own words.
        let worded = case.method != "validate" && !expected.is_empty();
        let as_said = case.valid == Some(judged.is_empty()) && (!worded || expected == judged);
        let meant = DIFFERENT.iter().any(|(id, _)| *id == case.id);
        if as_said == meant {
            let Case {
                config,
                value,
                valid,
                ..
            } = case;
            wrong.insert(
                &case.id,
                format!(
                    "{config}\n  {value}\n  expected {valid:?} {expected:#?}\n  judged {judged:#?}"
                ),
            );
        }
    }
    let table: Vec<_> = wrong
        .iter()
        .map(|(id, why)| format!("{id}: {why}"))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} cases judged otherwise\n{}",
        wrong.len(),
        cases.len(),
        table.join("\n\n")
    );
    println!("{} cases judged alike", cases.len());
}

/// A control of every kind.
const ALL: &str = r#"<View>
  <Text name="text" value="$text"/>
  <Image name="image" value="$image"/>
  <Video name="video" value="$video"/>
  <Chat name="chat" value="$chat"/>
  <Choices name="choices" toName="text"><Choice value="a"/><Choice value="b"/></Choices>
  <Labels name="labels" toName="text,image"><Label value="a"/><Label value="b"/></Labels>
  <Taxonomy name="taxonomy" toName="text"><Choice value="a"><Choice value="b"/></Choice></Taxonomy>
  <Rating name="rating" toName="text"/>
  <Number name="number" toName="text"/>
  <Ranker name="ranker" toName="text"/>
  <Pairwise name="pairwise" toName="text,image"/>
  <TextArea name="textarea" toName="text"/>
  <DateTime name="datetime" toName="text"/>
  <Relations name="relations" toName="text"/>
  <RectangleLabels name="rectanglelabels" toName="image"><Label value="a"/></RectangleLabels>
  <Rectangle name="rectangle" toName="image"/>
  <Polygon name="polygon" toName="image"/>
  <Brush name="brush" toName="image"/>
  <VideoRectangle name="videorectangle" toName="video"/>
  <VideoVector name="videovector" toName="image"/>
  <TimelineLabels name="timelinelabels" toName="video"><Label value="a"/></TimelineLabels>
</View>"#;

/// The words of these checks, and any other JSON.
fn values() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "result",
        "score",
        "type",
        "from_name",
        "to_name",
        "value",
        "id",
        "relation",
        "direction",
        "from_id",
        "to_id",
        "x",
        "y",
        "width",
        "height",
        "labels",
        "choices",
        "choices",
        "taxonomy",
        "rating",
        "ranker",
        "text",
        "rectanglelabels",
        "image",
        "a",
        "b",
        "videovectorlabels",
        "completed_by",
        "email",
        "start",
        "end",
        "points",
        "rle",
        "sequence",
        "chatmessage",
        "chat",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC*".prop_map(Value::from),
        words.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((words.clone(), inner), 0..6).prop_map(|members| Value::Object(
                members
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect()
            )),
        ]
    })
}

fn region() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "choices",
        "labels",
        "taxonomy",
        "rating",
        "number",
        "ranker",
        "pairwise",
        "textarea",
        "datetime",
        "relations",
        "rectanglelabels",
        "rectangle",
        "polygon",
        "brush",
        "chat",
        "videorectangle",
        "timelinelabels",
    ]);
    (names, prop::sample::select(vec!["text", "image", "video", "chat"]), values()).prop_map(
        |(name, to, value)| json!({"from_name": name, "to_name": to, "type": name, "value": value}),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_value_panics(value in values(), regions in prop::collection::vec(region(), 0..3)) {
        let config = LabellingConfig::parse(ALL).unwrap();
        let members = Members { ids: [("a@b.c".to_owned(), 1)].into() };
        for given in [&value, &json!({"result": regions}), &json!({"result": value})] {
            let text = given.to_string();
            let faults = config.prediction_faults(given);
            let read: Value = serde_json::from_str(&text).unwrap();
            let again = config.prediction_faults(Given::parse(&text).unwrap());
            prop_assert_eq!(config.prediction_faults(&read).is_empty(), again.is_empty());
            prop_assert_eq!(faults.is_empty(), again.is_empty());
            let _ = config.annotation_faults(given);
            let _ = config.region_faults(given);
            let _ = config.task_faults(given);
            let _ = completed_by::fault(given, Some(&members));
        }
    }
}

/// Asserts that there is one fault, and gives its message and help.
fn only(faults: Vec<RegionFault>) -> (Option<usize>, Option<&'static str>, String) {
    let [fault] = <[RegionFault; 1]>::try_from(faults).expect("one fault");
    (fault.region, fault.field, fault.help.unwrap_or_default())
}

fn choice(from_name: &str, label: &str) -> Value {
    json!({"result": [
        {"from_name": "rating", "to_name": "text", "type": "rating", "value": {"rating": 1}},
        {"from_name": from_name, "to_name": "text", "type": "choices", "value": {"choices": [label]}},
    ]})
}

#[test]
fn what_is_wrong_comes_with_its_place_and_what_was_meant() {
    let xml = ALL.replace(r#""a""#, r#""Positive""#);
    let config = LabellingConfig::parse(&xml).unwrap();
    assert_eq!(
        only(config.prediction_faults(&choice("choises", "b"))),
        (
            Some(1),
            Some("from_name"),
            "did you mean `choices`?".to_owned()
        )
    );
    assert_eq!(
        only(config.prediction_faults(&choice("choices", "positive"))),
        (
            Some(1),
            Some("value"),
            "`positive` is no label of `choices`; did you mean `Positive`?".to_owned()
        )
    );
    assert_eq!(
        only(config.prediction_faults(&json!({"result": [
            {"from_name": "rectangle", "to_name": "image", "type": "rectangle", "value": {"x": 1, "y": 2, "width": 3}}
        ]}))),
        (Some(0), Some("value"), "the value has no `height`".to_owned())
    );
    assert_eq!(
        only(config.prediction_faults(&json!({}))),
        (
            None,
            Some("result"),
            "regions stand in a list under `result`".to_owned()
        )
    );
}

#[test]
fn completed_by_is_a_member_as_the_server_asks() {
    let members = Members {
        ids: [("ada@example.org".to_owned(), 1)].into(),
    };
    let known = |given: Value| {
        let annotation = json!({"result": [], "completed_by": given});
        completed_by::fault(&annotation, Some(&members)).map(|fault| fault.message)
    };
    let unknown = |given: Value| {
        let annotation = json!({"result": [], "completed_by": given});
        completed_by::fault(&annotation, None).is_some()
    };
    assert_eq!(
        completed_by::fault(&json!({"result": []}), Some(&members)),
        None
    );
    for fine in [json!(null), json!(1), json!({"email": "ada@example.org"})] {
        assert_eq!(known(fine.clone()), None, "{fine}");
        assert!(!unknown(fine.clone()), "{fine}");
    }
    // Only the members tell.
    let of = |text: &str| Some(text.to_owned());
    assert_eq!(
        known(json!(999)),
        of("Import data contains completed_by=999 which is not a valid annotator's email or ID")
    );
    assert_eq!(
        known(json!({"email": "no@x.y"})),
        of("Unknown annotator's email no@x.y")
    );
    assert!(!unknown(json!(999)) && !unknown(json!({"email": "no@x.y"})));
    // No server takes these.
    for (wrong, message) in [
        (
            json!({"id": 1}),
            "It's expected to have 'email' field in 'completed_by' data in annotations",
        ),
        (
            json!("ada@example.org"),
            "Import data contains completed_by=ada@example.org which is not a valid annotator's email or ID",
        ),
        (
            json!(true),
            "Import data contains completed_by=True which is not a valid annotator's email or ID",
        ),
        (
            json!([1]),
            "Import data contains completed_by=[1] which is not a valid annotator's email or ID",
        ),
        (
            json!(1.0),
            "Import data contains completed_by=1.0 which is not a valid annotator's email or ID",
        ),
    ] {
        assert_eq!(known(wrong.clone()), of(message));
        assert!(unknown(wrong.clone()), "{wrong}");
    }
}

/// What a server with one member said of these tasks: refused, or stored.
#[test]
fn what_every_server_refuses_is_known() {
    let folder = corpora().join("../label-studio-conformance");
    let members = Members {
        ids: [("ada@example.org".to_owned(), 1)].into(),
    };
    let mut judged = 0;
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
    {
        let case = entry.expect("an entry").path();
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let about = ["json-completed-by-", "json-annotation", "json-prediction-"];
        if !about.iter().any(|start| name.starts_with(start)) {
            continue;
        }
        let read = |file: &str| std::fs::read_to_string(case.join(file)).expect("a file");
        let expected: Value = serde_json::from_str(&read("expected.json")).unwrap();
        let config = LabellingConfig::parse(&read("label_config.xml")).unwrap();
        let tasks: Vec<Value> = serde_json::from_str(&read("input.json")).unwrap();
        let mut faults = Vec::new();
        for task in &tasks {
            let of = |name: &str| task[name].as_array().cloned().unwrap_or_default();
            for annotation in of("annotations") {
                faults.extend(config.annotation_faults(&annotation));
                faults.extend(completed_by::fault(&annotation, Some(&members)));
            }
            for prediction in of("predictions") {
                faults.extend(config.prediction_faults(&prediction));
            }
        }
        let refused = faults
            .iter()
            .any(|fault| fault.consequence == Consequence::Refused);
        assert_eq!(refused, expected["status"] == 400, "{name}: {faults:?}");
        judged += 1;
    }
    assert!(judged > 5, "{} has {judged} such cases", folder.display());
}

#[test]
fn what_loses_the_predictions_of_an_import_is_told_from_what_is_stored() {
    use Consequence::{Lost, Refused, Stored};

    let config = LabellingConfig::parse(ALL).unwrap();
    let worst = |faults: Vec<RegionFault>| faults.iter().map(|fault| fault.consequence).max();
    let prediction = |given: Value| worst(config.prediction_faults(&given));
    let annotation = |given: Value| worst(config.annotation_faults(&given));
    assert_eq!(prediction(choice("choices", "b")), None);
    for (given, of_prediction, of_annotation) in [
        (choice("choices", "c"), Stored, Stored),
        (json!({"score": 1}), Refused, Refused),
        (json!({"result": {"choices": ["a"]}}), Stored, Refused),
        (json!({"result": "a"}), Stored, Refused),
        (json!({"result": null}), Lost, Refused),
        (json!({"result": [1]}), Lost, Stored),
        (json!({"result": [], "score": "high"}), Stored, Stored),
        (json!({"result": [], "score": [1]}), Lost, Stored),
        (json!("a"), Lost, Refused),
        (json!(null), Lost, Refused),
    ] {
        assert_eq!(prediction(given.clone()), Some(of_prediction), "{given}");
        assert_eq!(annotation(given.clone()), Some(of_annotation), "{given}");
    }
}
