//! Predictions made from fields: shapes and sources, exact bytes, what survives, and what is said of what makes none.
#![allow(
    unsafe_code,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests measure their children by wait4, and say when they fail"
)]

mod common;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field, Fields, Schema};
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use common::{PATIENCE, Ran};
use sluice::labelling_config::LabellingConfig;
use sluice::labelling_config::prediction::Given;
use sluice::normalize::predictions::{MODEL_VERSION, PredictionsFrom};

const CONFIG: &str = r#"<View>
  <Text name="text" value="$text"/>
  <Image name="image" value="$image"/>
  <Video name="video" value="$video"/>
  <Audio name="audio" value="$audio"/>
  <Paragraphs name="dialogue" value="$dialogue"/>
  <Chat name="chat" value="$messages"/>
  <Choices name="sentiment" toName="text"><Choice value="positive"/><Choice value="negative"/><Choice value="1"/></Choices>
  <Choices name="open" toName="text" value="$options"/>
  <Labels name="ner" toName="text"><Label value="PER"/><Label value="ORG"/></Labels>
  <RectangleLabels name="box" toName="image"><Label value="cat"/><Label value="dog"/></RectangleLabels>
  <Rectangle name="plain" toName="image"/>
  <PolygonLabels name="outline" toName="image"><Label value="cat"/></PolygonLabels>
  <KeyPointLabels name="point" toName="image"><Label value="nose"/></KeyPointLabels>
  <EllipseLabels name="round" toName="image"><Label value="cat"/></EllipseLabels>
  <BrushLabels name="mask" toName="image"><Label value="cat"/></BrushLabels>
  <Taxonomy name="kind" toName="text">
    <Choice value="animal"><Choice value="cat"/><Choice value="dog"/></Choice>
    <Choice value="plant"><Choice value="tree"/></Choice>
  </Taxonomy>
  <TextArea name="caption" toName="image"/>
  <Rating name="stars" toName="text" maxRating="5"/>
  <Number name="count" toName="text"/>
  <DateTime name="day" toName="text"/>
  <Pairwise name="better" toName="text,image"/>
  <Ranker name="order" toName="text"/>
  <ParagraphLabels name="turn" toName="dialogue"><Label value="ask"/></ParagraphLabels>
  <TimeSeriesLabels name="peak" toName="text"><Label value="up"/></TimeSeriesLabels>
  <TimelineLabels name="scene" toName="video"><Label value="day"/></TimelineLabels>
</View>"#;

fn config() -> Arc<LabellingConfig> {
    Arc::new(LabellingConfig::parse(CONFIG).expect("a config"))
}

fn from(control: &str) -> PredictionsFrom {
    let pair = (control.to_owned(), control.to_owned());
    PredictionsFrom::new(config(), &[pair], MODEL_VERSION, None).expect("a control")
}

/// What is made of a value for a control: the predictions, or the reason and the help of the fault.
fn made(control: &str, value: &str) -> Result<Option<String>, (String, String)> {
    let mut out = Vec::new();
    match from(control).append(&[Some(value.into())], &mut out) {
        Ok(any) => {
            let text = String::from_utf8(out).expect("UTF-8");
            assert_eq!(any, !text.is_empty());
            Ok(any.then_some(text))
        }
        Err(fault) => {
            assert_eq!(fault.code.as_str(), "prediction-invalid");
            Err((fault.reason, fault.help.unwrap_or_default()))
        }
    }
}

/// The values of the regions of the only prediction, which the SDK's rules take.
fn values(control: &str, value: &str) -> Vec<Value> {
    let text = made(control, value)
        .unwrap_or_else(|fault| panic!("{control}: {value}: {fault:?}"))
        .unwrap_or_else(|| panic!("{control}: {value}: none"));
    let faults = config().prediction_faults(Given::parse(&text).unwrap());
    assert_eq!(faults, [], "{text}");
    let prediction: Value = serde_json::from_str(&text).unwrap();
    let regions = prediction["result"].as_array().unwrap().clone();
    regions
        .into_iter()
        .map(|mut region| region["value"].take())
        .collect()
}

#[test]
fn a_prediction_is_the_one_the_server_makes() {
    assert_eq!(
        made("sentiment", r#""positive""#).unwrap().unwrap(),
        r#"{"result":[{"from_name":"sentiment","to_name":"text","type":"choices","value":{"choices":["positive"]}}],"score":1.0,"model_version":"preannotated"}"#
    );
    assert_eq!(
        made(
            "ner",
            r#"[{"start":0,"end":3.0,"label":"PER","text":"Ada","score":0.50,"id":"r1"}]"#
        )
        .unwrap()
        .unwrap(),
        r#"{"result":[{"from_name":"ner","to_name":"text","type":"labels","value":{"start":0,"end":3.0,"text":"Ada","labels":["PER"]},"score":0.50,"id":"r1"}],"score":1.0,"model_version":"preannotated"}"#
    );
    assert_eq!(
        made("box", r#"[{"x":50,"y":20,"width":100,"height":10,"label":"cat","image_width":200,"image_height":100}]"#)
            .unwrap()
            .unwrap(),
        r#"{"result":[{"from_name":"box","to_name":"image","type":"rectanglelabels","value":{"x":25.0,"y":20.0,"width":50.0,"height":10.0,"rectanglelabels":["cat"]},"original_width":200,"original_height":100}],"score":1.0,"model_version":"preannotated"}"#
    );
}

/// A control, the value of a field, and the values of the regions made of it.
const SHAPES: &[(&str, &str, &str)] = &[
    (
        "sentiment",
        r#"["positive","negative"]"#,
        r#"[{"choices":["positive","negative"]}]"#,
    ),
    (
        "sentiment",
        r#""[\"positive\"]""#,
        r#"[{"choices":["positive"]}]"#,
    ),
    ("sentiment", "1", r#"[{"choices":["1"]}]"#),
    (
        "sentiment",
        r#"{"choices":["positive"]}"#,
        r#"[{"choices":["positive"]}]"#,
    ),
    (
        "sentiment",
        r#"{"choices":"positive"}"#,
        r#"[{"choices":["positive"]}]"#,
    ),
    (
        "sentiment",
        r#"{"label":"negative","score":0.9}"#,
        r#"[{"choices":["negative"]}]"#,
    ),
    ("open", r#""[not JSON""#, r#"[{"choices":["[not JSON"]}]"#),
    (
        "ner",
        r#"{"start":0,"end":3,"label":"PER"}"#,
        r#"[{"start":0,"end":3,"labels":["PER"]}]"#,
    ),
    (
        "ner",
        r#"[{"start":0,"end":3,"labels":["PER","ORG"]}]"#,
        r#"[{"start":0,"end":3,"labels":["PER","ORG"]}]"#,
    ),
    (
        "ner",
        r#""[{\"start\":0,\"end\":3,\"labels\":[\"PER\"]}]""#,
        r#"[{"start":0,"end":3,"labels":["PER"]}]"#,
    ),
    (
        "ner",
        r#"[[0,3,"PER"],[5,8,"ORG"]]"#,
        r#"[{"start":0,"end":3,"labels":["PER"]},{"start":5,"end":8,"labels":["ORG"]}]"#,
    ),
    (
        "ner",
        r#"[0,3,"PER"]"#,
        r#"[{"start":0,"end":3,"labels":["PER"]}]"#,
    ),
    (
        "box",
        r#"[{"x":1,"y":2,"width":3,"height":4,"labels":"dog","rotation":0}]"#,
        r#"[{"x":1,"y":2,"width":3,"height":4,"rotation":0,"rectanglelabels":["dog"]}]"#,
    ),
    // As Label Studio exports it: percent, though the size stands beside it.
    (
        "box",
        r#"[{"x":1,"y":2,"width":3,"height":4,"rectanglelabels":["dog"],"original_width":600,"original_height":400}]"#,
        r#"[{"x":1,"y":2,"width":3,"height":4,"rectanglelabels":["dog"]}]"#,
    ),
    (
        "plain",
        r#"{"x":6,"y":4,"width":3,"height":2,"original_width":600,"original_height":400}"#,
        r#"[{"x":1.0,"y":1.0,"width":0.5,"height":0.5}]"#,
    ),
    (
        "outline",
        r#"[{"points":[[10,10],[20,10],[20,20]],"label":"cat","image_width":"200","image_height":"100"}]"#,
        r#"[{"points":[[5.0,10.0],[10.0,10.0],[10.0,20.0]],"polygonlabels":["cat"]}]"#,
    ),
    (
        "point",
        r#"[{"x":10,"y":10,"label":"nose","image_width":200,"image_height":100}]"#,
        r#"[{"x":5.0,"y":10.0,"keypointlabels":["nose"]}]"#,
    ),
    (
        "round",
        r#"[{"x":10,"y":10,"radiusX":4,"radiusY":4,"label":"cat","image_width":200,"image_height":100}]"#,
        r#"[{"x":5.0,"y":10.0,"radiusX":2.0,"radiusY":4.0,"ellipselabels":["cat"]}]"#,
    ),
    (
        "mask",
        r#"[{"rle":[0,1,255],"label":"cat"}]"#,
        r#"[{"format":"rle","rle":[0,1,255],"brushlabels":["cat"]}]"#,
    ),
    (
        "kind",
        r#"[["animal"],["animal","cat"]]"#,
        r#"[{"taxonomy":[["animal"],["animal","cat"]]}]"#,
    ),
    (
        "kind",
        r#"["animal","cat"]"#,
        r#"[{"taxonomy":[["animal","cat"]]}]"#,
    ),
    (
        "kind",
        r#"["cat","tree"]"#,
        r#"[{"taxonomy":[["animal","cat"],["plant","tree"]]}]"#,
    ),
    (
        "kind",
        r#""animal > dog""#,
        r#"[{"taxonomy":[["animal","dog"]]}]"#,
    ),
    ("kind", r#""tree""#, r#"[{"taxonomy":[["plant","tree"]]}]"#),
    (
        "kind",
        r#"{"taxonomy":[["plant"]]}"#,
        r#"[{"taxonomy":[["plant"]]}]"#,
    ),
    ("caption", r#""a cat""#, r#"[{"text":["a cat"]}]"#),
    (
        "caption",
        r#""[1] see there""#,
        r#"[{"text":["[1] see there"]}]"#,
    ),
    ("caption", r#""[1]""#, r#"[{"text":["[1]"]}]"#),
    ("caption", r#"["a","b"]"#, r#"[{"text":["a","b"]}]"#),
    ("caption", r#"{"text":"a"}"#, r#"[{"text":["a"]}]"#),
    ("stars", "4", r#"[{"rating":4}]"#),
    ("stars", r#""4""#, r#"[{"rating":4}]"#),
    ("stars", "4.0", r#"[{"rating":4}]"#),
    ("stars", r#"{"rating":4}"#, r#"[{"rating":4}]"#),
    ("count", "-2.50", r#"[{"number":-2.5}]"#),
    ("count", r#"" 007 ""#, r#"[{"number":7.0}]"#),
    ("day", r#""2024-02-30""#, r#"[{"datetime":"2024-02-30"}]"#),
    ("better", r#""left""#, r#"[{"selected":"left"}]"#),
    (
        "order",
        r#"{"_":["a","b"]}"#,
        r#"[{"ranker":{"_":["a","b"]}}]"#,
    ),
    (
        "order",
        r#"{"ranker":{"_":["a"]}}"#,
        r#"[{"ranker":{"_":["a"]}}]"#,
    ),
    (
        "chat",
        r#"[{"role":"user","content":"hi"},{"chatmessage":{"role":"bot","content":"ho"}}]"#,
        r#"[{"chatmessage":{"role":"user","content":"hi"}},{"chatmessage":{"role":"bot","content":"ho"}}]"#,
    ),
    (
        "turn",
        r#"[{"start":"0","end":"1","startOffset":0,"endOffset":4,"label":"ask"}]"#,
        r#"[{"start":"0","end":"1","startOffset":0,"endOffset":4,"paragraphlabels":["ask"]}]"#,
    ),
    (
        "peak",
        r#"[{"start":1,"end":1,"label":"up"},{"start":1,"end":2,"label":"up"}]"#,
        r#"[{"start":1,"end":1,"instant":true,"timeserieslabels":["up"]},{"start":1,"end":2,"instant":false,"timeserieslabels":["up"]}]"#,
    ),
    (
        "scene",
        r#"[{"ranges":[{"start":1,"end":5}],"label":"day"}]"#,
        r#"[{"ranges":[{"start":1,"end":5}],"timelinelabels":["day"]}]"#,
    ),
];

#[test]
fn every_shape_makes_a_prediction_that_fits_the_config() {
    for (control, value, expected) in SHAPES {
        let expected: Value = serde_json::from_str(expected).unwrap();
        assert_eq!(
            json!(values(control, value)),
            expected,
            "{control}: {value}"
        );
    }
}

#[test]
fn nothing_makes_no_prediction() {
    for control in ["sentiment", "ner", "box", "kind", "stars"] {
        for value in ["null", r#""""#, r#"" ""#, "[]", "{}", "[ ]", r#""[]""#] {
            assert_eq!(made(control, value), Ok(None), "{control}: {value}");
        }
        let mut out = Vec::new();
        assert_eq!(from(control).append(&[None], &mut out), Ok(false));
    }
    assert_eq!(values("caption", r#""[]""#), [json!({"text": ["[]"]})]);
}

#[test]
fn what_is_made_already_passes_unchanged() {
    let region = r#"{"id":"r1", "from_name":"ner","to_name":"text","type":"labels","value":{"start":0,"end":1.00,"labels":["PER"]}}"#;
    let other = r#"{"id":"r2","from_name":"sentiment","to_name":"text","type":"choices","value":{"choices":["positive"]}}"#;
    let relation = r#"{"type":"relation","from_id":"r1","to_id":"r2","direction":"right"}"#;
    let rest = r#","score":1.0,"model_version":"preannotated"}"#;
    let list = format!("[{region}, {other},{relation}]");
    for control in ["ner", "sentiment", "caption", "kind", "stars"] {
        for given in [list.clone(), Value::from(list.as_str()).to_string()] {
            assert_eq!(
                made(control, &given),
                Ok(Some(format!(r#"{{"result":{list}{rest}"#))),
                "{control}"
            );
        }
    }
    assert_eq!(
        made("ner", region),
        Ok(Some(format!(r#"{{"result":[{region}]{rest}"#)))
    );
    // A whole prediction keeps its own score and version.
    let whole = format!(r#"{{"result": {list}, "score":0.25}}"#);
    let expected = format!(r#"{{"result": {list}, "score":0.25,"model_version":"preannotated"}}"#);
    assert_eq!(made("ner", &whole), Ok(Some(expected.clone())));
    assert_eq!(
        made("ner", &format!("[{whole},{whole}]")),
        Ok(Some(format!("{expected},{expected}")))
    );
    let whole = format!(r#"{{"result":{list},"score":0.25,"model_version":"m"}}"#);
    assert_eq!(made("ner", &whole), Ok(Some(whole.clone())));
}

#[test]
fn what_makes_no_prediction_is_said_with_what_is_wanted() {
    let export = ", or regions as Label Studio exports them";
    let cases: &[(&str, &str, &str, &str)] = &[
        (
            "sentiment",
            r#""positiv""#,
            "the field `sentiment` makes no prediction of `sentiment`: Invalid value for control 'sentiment'. Got: {'choices': ['positiv']}. Valid options: expected fields: ['choices']; valid labels: ['positive', 'negative', '1']",
            "`positiv` is no label of `sentiment`; did you mean `positive`?",
        ),
        (
            "sentiment",
            r#"["positive",null]"#,
            "the field `sentiment` makes no prediction of `sentiment`: found null in the list",
            "<Choices> wants a choice, or a list of choices, or regions as Label Studio exports them",
        ),
        (
            "ner",
            r#""PER""#,
            "the field `ner` makes no prediction of `ner`: found text",
            "<Labels> wants objects with `start`, `end` and `label`, or lists of these three, or regions as Label Studio exports them",
        ),
        (
            "ner",
            r#"[{"start":0,"label":"PER"}]"#,
            "the field `ner` makes no prediction of `ner`: Invalid value for control 'ner'. Got: {'start': 0, 'labels': ['PER']}. Valid options: expected fields: ['start', 'end', 'labels']; valid labels: ['PER', 'ORG']",
            "the value has no `end`",
        ),
        (
            "ner",
            r#"[{"start":0,"end":1,"label":"PER"},7]"#,
            "the field `ner` makes no prediction of `ner`: element 1: found a number",
            "<Labels> wants objects with `start`, `end` and `label`, or lists of these three, or regions as Label Studio exports them",
        ),
        (
            "ner",
            r#""[{\"start\":0,""#,
            "the field `ner` makes no prediction of `ner`: the text in it is no JSON: expected a key in quotes, found the end of the record",
            "<Labels> wants objects with `start`, `end` and `label`, or lists of these three, or regions as Label Studio exports them",
        ),
        (
            "box",
            r#"[{"x":150,"y":0,"width":10,"height":10,"label":"cat"}]"#,
            "the field `box` makes no prediction of `box`: Invalid geometry for control 'box': x 150 out of bounds [0, 100]",
            "`x` is not what a value of <RectangleLabels> has there",
        ),
        (
            "box",
            r#"[{"x":"a","y":0,"width":10,"height":10,"label":"cat","image_width":10,"image_height":10}]"#,
            "the field `box` makes no prediction of `box`: element 0: found text under `x`",
            "<RectangleLabels> wants objects with `x`, `y`, `width`, `height` and `label`, in percent or with `image_width` and `image_height`, or regions as Label Studio exports them",
        ),
        (
            "box",
            r#"[{"x":1,"y":0,"width":10,"height":10,"label":"cat","image_width":0,"image_height":10}]"#,
            "the field `box` makes no prediction of `box`: element 0: an image of 0 by 10 pixels",
            "<RectangleLabels> wants objects with `x`, `y`, `width`, `height` and `label`, in percent or with `image_width` and `image_height`, or regions as Label Studio exports them",
        ),
        (
            "stars",
            r#""many""#,
            "the field `stars` makes no prediction of `stars`: found text \"many\"",
            "<Rating> wants a whole number, or regions as Label Studio exports them",
        ),
        (
            "stars",
            "true",
            "the field `stars` makes no prediction of `stars`: found a boolean",
            "<Rating> wants a whole number, or regions as Label Studio exports them",
        ),
    ];
    for (control, value, reason, help) in cases {
        let fault = made(control, value).expect_err(value);
        assert_eq!(
            (fault.0.as_str(), fault.1.as_str()),
            (*reason, *help),
            "{control}: {value}"
        );
    }
    let fault = made("stars", "9").expect_err("too many");
    assert!(
        fault
            .0
            .ends_with("Got: {'rating': 9}. Valid options: expected fields: ['rating']"),
        "{fault:?}"
    );
    assert!(
        made("count", "[1]")
            .expect_err("a list")
            .1
            .ends_with(export)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever is in a field: a prediction that fits, a fault, or nothing.
    #[test]
    fn no_field_makes_a_prediction_that_does_not_fit(
        field in prop_oneof![
            "\\PC{0,12}".prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            prop::collection::vec((prop::sample::select(vec!["x", "y", "start", "end", "label", "text", "value", "result", "points", "width", "height", "image_width", "image_height"]),
                prop_oneof![any::<i32>().prop_map(Value::from), Just(json!("cat")), Just(json!([])), Just(json!({})), Just(json!([[1, 2]]))]), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())),
        ],
        listed in any::<bool>(),
        control in prop::sample::select(vec!["sentiment", "ner", "box", "kind", "stars", "count", "caption", "outline", "mask", "order", "chat", "better", "plain"]),
    ) {
        let field = if listed { json!([field]) } else { field };
        for text in [field.to_string(), Value::from(field.to_string()).to_string()] {
            if let Ok(Some(made)) = made(control, &text) {
                let given = Given::parse(&made).expect("JSON");
                prop_assert_eq!(config().prediction_faults(given), []);
            }
        }
    }
}

#[test]
fn all_that_decides_a_prediction_is_in_the_digest_of_a_plan() {
    let pair = |control: &str, column: &str| (control.to_owned(), column.to_owned());
    let made = |from: &[(String, String)], version: &str, score: Option<&str>| {
        PredictionsFrom::new(config(), from, version, score)
            .expect("controls")
            .decisive()
    };
    let all = [
        made(&[pair("sentiment", "a")], "v", None),
        made(&[pair("open", "a")], "v", None),
        made(&[pair("sentiment", "b")], "v", None),
        made(&[pair("sentiment", "a")], "w", None),
        made(&[pair("sentiment", "a")], "v", Some("a")),
        made(&[pair("sentiment", "a"), pair("ner", "a")], "v", None),
        made(&[pair("ner", "a"), pair("sentiment", "a")], "v", None),
    ];
    let unlike: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(unlike.len(), all.len(), "{all:#?}");
}

/// A folder with a labelling config, in which the binary is run.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = common::temp();
        common::write(dir.path(), "config.xml", CONFIG);
        Place { dir }
    }

    fn with(self, name: &str, body: &str) -> Self {
        common::write(self.dir.path(), name, body);
        self
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, words: &[&str]) -> Ran {
        let mut command = common::sluice();
        command
            .current_dir(self.dir.path())
            .args(["import", "--quiet", "--label-config", "config.xml"])
            // Of the fields that the config names, each record here has one.
            .arg("--no-validation")
            .args(words);
        common::run(&mut command, PATIENCE)
    }

    /// The tasks that come out on standard output, as written.
    fn tasks(&self, words: &[&str]) -> String {
        let ran = self.run(&[words, &["--to", "-"]].concat());
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
        String::from_utf8(ran.stdout).expect("UTF-8")
    }
}

fn around(regions: &str) -> String {
    format!(r#"{{"result":[{regions}],"score":1.0,"model_version":"preannotated"}}"#)
}

fn choice(label: &str) -> String {
    format!(
        r#"{{"from_name":"sentiment","to_name":"text","type":"choices","value":{{"choices":["{label}"]}}}}"#
    )
}

#[test]
fn columns_of_csv_become_predictions_and_stay_in_the_data() {
    let place = Place::new().with(
        "a.csv",
        "text,label,spans,conf\nAda,positive,\"[{\"\"start\"\":0,\"\"end\"\":3,\"\"label\"\":\"\"PER\"\"}]\",0.75\nBob,,,\n",
    );
    let words = [
        "a.csv",
        "--predictions-from",
        "sentiment=label,ner=spans",
        "--score-from",
        "conf",
        "--model-version",
        "v \"2\"",
    ];
    let spans = r#"{"from_name":"ner","to_name":"text","type":"labels","value":{"start":0,"end":3,"labels":["PER"]}}"#;
    let rest = r#","score":0.75,"model_version":"v \"2\""}"#;
    let expected = format!(
        "{}{}\n{}\n",
        r#"{"data":{"text":"Ada","label":"positive","spans":"[{\"start\":0,\"end\":3,\"label\":\"PER\"}]","conf":"0.75"},"predictions":"#,
        format_args!(
            r#"[{{"result":[{}]{rest},{{"result":[{spans}]{rest}]}}"#,
            choice("positive")
        ),
        r#"{"data":{"text":"Bob","label":"","spans":"","conf":""}}"#
    );
    assert_eq!(place.tasks(&words), expected);
    // A column that is not picked is read all the same.
    let words = [
        "a.csv",
        "--predictions-from",
        "sentiment=label",
        "--pick",
        "text",
    ];
    assert_eq!(
        place.tasks(&words),
        format!(
            "{}\n{}\n",
            format_args!(
                r#"{{"data":{{"text":"Ada"}},"predictions":[{}]}}"#,
                around(&choice("positive"))
            ),
            r#"{"data":{"text":"Bob"}}"#
        )
    );
}

#[test]
fn what_a_task_has_besides_survives() {
    let place = Place::new().with(
        "a.jsonl",
        concat!(
            r#"{"sentiment":"positive","text":"a"}"#, "\n",
            r#"{"data":{"text":"a","sentiment":"negative"},"meta":{"m":1},"annotations":[{"result":[]}]}"#, "\n",
            r#"{"data":{"text":"a","sentiment":"negative"},"predictions":[{"result":[],"score":0.5}],"meta":{"m":1}}"#, "\n",
            r#"{"predictions":[ ],"data":{"text":"a","sentiment":"negative"}}"#, "\n",
            r#"{"predictions":null,"data":{"text":"a","sentiment":"negative"}}"#, "\n",
            r#"{"data":{"text":"a","sentiment":null},"predictions":[{"result":[]}]}"#, "\n",
            r#"{"data":{"text":"a"},"sentiment":"positive"}"#, "\n",
        ),
    );
    let (positive, negative) = (around(&choice("positive")), around(&choice("negative")));
    let expected = [
        format!(r#"{{"data":{{"sentiment":"positive","text":"a"}},"predictions":[{positive}]}}"#),
        format!(
            r#"{{"data":{{"text":"a","sentiment":"negative"}},"meta":{{"m":1}},"annotations":[{{"result":[]}}],"predictions":[{negative}]}}"#
        ),
        format!(
            r#"{{"data":{{"text":"a","sentiment":"negative"}},"predictions":[{{"result":[],"score":0.5}},{negative}],"meta":{{"m":1}}}}"#
        ),
        format!(r#"{{"predictions":[{negative}],"data":{{"text":"a","sentiment":"negative"}}}}"#),
        format!(r#"{{"predictions":[{negative}],"data":{{"text":"a","sentiment":"negative"}}}}"#),
        r#"{"data":{"text":"a","sentiment":null},"predictions":[{"result":[]}]}"#.to_owned(),
        r#"{"data":{"text":"a"},"sentiment":"positive"}"#.to_owned(),
        String::new(),
    ];
    assert_eq!(
        place.tasks(&["a.jsonl", "--predictions-from", "sentiment"]),
        expected.join("\n")
    );
    // Renamed and picked.
    let words = [
        "a.jsonl",
        "--predictions-from",
        "sentiment",
        "--pick",
        "text",
        "--map",
        "body=text",
    ];
    let first = format!(r#"{{"data":{{"body":"a"}},"predictions":[{positive}]}}"#);
    assert_eq!(place.tasks(&words).lines().next(), Some(first.as_str()));
}

#[test]
fn lists_of_structs_in_parquet_become_regions() {
    let place = Place::new();
    parquet(&place.path("a.parquet"));
    let region = |x: &str, label: &str| {
        format!(
            r#"{{"from_name":"box","to_name":"image","type":"rectanglelabels","value":{{"x":{x},"y":2.5,"width":3.0,"height":4.0,"rectanglelabels":["{label}"]}}}}"#
        )
    };
    let caption =
        r#"{"from_name":"caption","to_name":"image","type":"textarea","value":{"text":["two"]}}"#;
    let expected = format!(
        "{}\n{}\n",
        format_args!(
            r#"{{"data":{{"image":"/a.jpg"}},"predictions":[{},{}]}}"#,
            around(&format!(
                "{},{}",
                region("1.0", "cat"),
                region("1.5", "dog")
            )),
            around(caption)
        ),
        r#"{"data":{"image":"/b.jpg"}}"#
    );
    let words = [
        "a.parquet",
        "--predictions-from",
        "box=boxes,caption",
        "--pick",
        "image",
    ];
    assert_eq!(place.tasks(&words), expected);
}

fn parquet(file: &Path) {
    let field = |name: &str, kind: DataType| Field::new(name, kind, true);
    let number = |values: Vec<f64>| Arc::new(Float64Array::from(values)) as ArrayRef;
    let members: Fields = vec![
        field("x", DataType::Float64),
        field("y", DataType::Float64),
        field("width", DataType::Float64),
        field("height", DataType::Float64),
        field("label", DataType::Utf8),
    ]
    .into();
    let boxes = StructArray::new(
        members.clone(),
        vec![
            number(vec![1.0, 1.5]),
            number(vec![2.5, 2.5]),
            number(vec![3.0, 3.0]),
            number(vec![4.0, 4.0]),
            Arc::new(StringArray::from(vec!["cat", "dog"])),
        ],
        None,
    );
    let element = Arc::new(field("item", DataType::Struct(members)));
    let boxes = ListArray::new(
        Arc::clone(&element),
        OffsetBuffer::new(vec![0, 2, 2].into()),
        Arc::new(boxes),
        None,
    );
    let schema = Arc::new(Schema::new(vec![
        field("n", DataType::Int64),
        field("image", DataType::Utf8),
        field("boxes", boxes.data_type().clone()),
        field("caption", DataType::Utf8),
    ]));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1, 2])),
        Arc::new(StringArray::from(vec!["/a.jpg", "/b.jpg"])),
        Arc::new(boxes),
        Arc::new(StringArray::from(vec![Some("two"), None])),
    ];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(file).unwrap(), schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn a_record_that_makes_no_prediction_is_a_reject() {
    let place = Place::new().with(
        "a.csv",
        "text,sentiment,conf\na,positive,0.5\nb,positve,0.5\nc,positive,2\nd,,high\n",
    );
    let ran = place.run(&[
        "a.csv",
        "--predictions-from",
        "sentiment",
        "--score-from",
        "conf",
    ]);
    assert_eq!(ran.code(), 3, "{}", ran.stderr);
    let rejects = std::fs::read_to_string(place.path("sluice-out/rejects.jsonl")).unwrap();
    let rejects: Vec<Value> = rejects
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told: Vec<_> = rejects
        .iter()
        .map(|reject| {
            (
                reject["record"].as_u64(),
                reject["code"].as_str(),
                reject["reason"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                Some(2),
                Some("prediction-invalid"),
                Some(
                    "the field `sentiment` makes no prediction of `sentiment`: Invalid value for control 'sentiment'. Got: {'choices': ['positve']}. Valid options: expected fields: ['choices']; valid labels: ['positive', 'negative', '1']"
                )
            ),
            (
                Some(3),
                Some("prediction-invalid"),
                Some("the field `conf` holds no score: 2")
            ),
        ]
    );
}

#[test]
fn options_that_cannot_be_are_refused_before_anything_is_read() {
    let place = Place::new().with("a.csv", "text,label\na,positive\n");
    let said = |words: &[&str]| {
        let ran = place.run(&[&["a.csv"], words].concat());
        assert_eq!(ran.code(), 2, "{}", ran.stderr);
        ran.stderr
    };
    assert_eq!(
        said(&["--predictions-from", "label"]),
        "error[usage]: `--predictions-from`: the labelling config has no control called `label`\n  \
         help: there are `sentiment`, `open`, `ner`, `box`, `plain`, `outline`, `point`, `round`, `mask`, `kind` \
         and 10 more; name the column of a control as in `--predictions-from sentiment=label`\n"
    );
    assert_eq!(
        said(&["--predictions-from", "sentiment=label,sentiment=text"]),
        "error[usage]: two columns of `--predictions-from` are for the control `sentiment`\n"
    );
    assert!(
        said(&["--predictions-from", "sentiment=lable"])
            .starts_with("error[usage]: no column is called `lable`")
    );
    assert!(said(&["--score-from", "label"]).contains("--predictions-from"));
    let mut command = common::sluice();
    command.current_dir(place.dir.path()).args([
        "import",
        "a.csv",
        "--predictions-from",
        "sentiment=label",
    ]);
    let ran = common::run(&mut command, PATIENCE);
    assert_eq!(ran.code(), 2);
    assert_eq!(
        ran.stderr,
        "error[usage]: `--predictions-from` needs the labelling config\n  help: name the file it is in with `--label-config`\n"
    );
}
