//! Labelling configs held against Label Studio: each file of the corpus, what the server says of it, and what it is
//! refused for.
//!
//! `SLUICE_CORPORA` names the folder of the corpora; `../shared/corpora` is the default. The set is `label-configs`;
//! its `expected.json` is what `validate_label_config` and `LabelInterface` of Label Studio 1.23.2 made of each file.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails says so"
)]

#[path = "labelling_configs/faults.rs"]
mod faults;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use sluice::labelling_config::{
    ConfigFault, Encoding, LabellingConfig, SeveralKeys, Tag, ValueType,
};

/// Files for which something other than `expected.json` says is right: the file, and why. None.
const DIFFERENT: [(&str, &str); 0] = [];

#[test]
fn every_config_of_the_corpus_is_read_as_label_studio_reads_it() {
    let root = std::env::var_os("SLUICE_CORPORA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora"),
        PathBuf::from,
    );
    let set = root.join("label-configs");
    let told = std::fs::read(set.join("expected.json")).expect("the corpora are there");
    let told: Value = serde_json::from_slice(&told).expect("expected.json is JSON");
    let files = told["files"].as_object().expect("files");
    let (mut valid, mut refused, mut faults) = (0, 0, Vec::new());
    for (file, facts) in files {
        if DIFFERENT.iter().any(|(known, _)| known == file) {
            continue;
        }
        let xml = std::fs::read_to_string(set.join(file)).expect("a config in UTF-8");
        match LabellingConfig::parse(&xml) {
            Ok(config) if facts["valid"] == true => {
                valid += 1;
                let keys: BTreeMap<_, _> =
                    config.keys.iter().map(|key| (&key.key, &key.tag)).collect();
                let pairs = [
                    ("data_types", json!(keys)),
                    ("objects", objects(&config)),
                    ("controls", controls(&config)),
                ];
                for (what, got) in pairs {
                    if facts[what] != got {
                        faults.push(format!("{file}: {what}: {} became {got}", facts[what]));
                    }
                }
            }
            Ok(_) => faults.push(format!("{file}: accepted despite {}", facts["error"])),
            Err(fault) if facts["valid"] == true => faults.push(format!("{file}:{fault}")),
            Err(fault) => {
                refused += 1;
                let error = facts["error"].as_str().expect("an error");
                if !says_the_same(error, &fault) {
                    faults.push(format!("{file}:{fault}: Label Studio says {error}"));
                }
            }
        }
    }
    println!("{valid} valid, {refused} refused");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(valid > 0 && refused > 0, "no configs in {}", set.display());
    assert_eq!(valid + refused + DIFFERENT.len(), files.len());
}

fn objects(config: &LabellingConfig) -> Value {
    let object = |tag: &Tag| json!({ "tag": tag.tag, "name": tag.name, "value": tag.value() });
    config.objects.iter().map(object).collect()
}

fn controls(config: &LabellingConfig) -> Value {
    let controls = config.controls.iter().map(|control| {
        let labels: Vec<_> = control.labels.iter().map(|label| &label.value).collect();
        json!({
            "tag": control.tag.tag,
            "name": control.tag.name,
            "to_name": control.to_names,
            "n_labels": labels.len(),
            "labels": labels,
        })
    });
    controls.collect()
}

/// Whether a fault is the one that the server found, in other words: its reason has what the server's error names, and
/// for XML that is none it stands where the server's parser found it.
fn says_the_same(error: &str, fault: &ConfigFault) -> bool {
    let between = |start: &str, end: &str| {
        let rest = error.split_once(start)?.1;
        Some(rest.split_once(end)?.0.to_owned())
    };
    let has = |word: &str| fault.reason.contains(word);
    if let Some((line, column)) = error
        .rsplit_once(": line ")
        .and_then(|(_, place)| place.split_once(", column "))
    {
        // expat counts columns from 0.
        let column: u32 = column.parse().expect("a column");
        return (line.parse(), column + 1) == (Ok(fault.line), fault.column);
    }
    if let Some(needed) = between("'", "' is a required property") {
        return has("needs a") && has(&format!("`{needed}`"));
    }
    if let Some(to_name) = between("toName=\"", "\" not found in names") {
        return has(&format!("toName \"{to_name}\" is no tag's name"));
    }
    if let Some(attribute) = between("\": ", " ").filter(|_| error.contains("Video tag")) {
        return has(&attribute);
    }
    error.contains("non-unique names") && has("stands twice")
}

fn read(xml: &str) -> LabellingConfig {
    LabellingConfig::parse(xml).expect("Label Studio takes it")
}

#[test]
fn tags_are_objects_controls_or_labels_as_the_server_has_them() {
    let config = read(
        "<View>
            <Header value='$title'/>
            <Text name='t' value='$t'/>
            <Image name='pages' valueList='$pages'/>
            <Chat name='chat' value='$chat'/>
            <ReactCode name='code' toName='code' data='$x'/>
            <Filter name='f' toName='c'/>
            <Taxonomy name='c' toName='t,pages' value='$more'>
                <Choice value='a' alias='A'><Choice value='b'/><Choice value='a' alias=''/></Choice>
                <Choice value='A' hint='later'/>
                <View><Choice value='named' name='x'/><Choice/></View>
            </Taxonomy>
        </View>",
    );
    let names = |tags: Vec<(&str, &str)>| {
        tags.iter()
            .map(|(a, b)| format!("{a} {b}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(config.objects.iter().map(|t| (&*t.tag, &*t.name)).collect()),
        [
            "Text t",
            "Image pages",
            "Chat chat",
            "Choice x",
            "ReactCode code"
        ]
    );
    assert_eq!(
        names(
            config
                .controls
                .iter()
                .map(|c| (&*c.tag.tag, &*c.tag.name))
                .collect()
        ),
        ["ReactCode code", "Taxonomy c", "ChatMessage chat"]
    );
    let taxonomy = config.control("c").expect("a control");
    assert_eq!(taxonomy.to_names, ["t", "pages"]);
    let labels: Vec<_> = taxonomy
        .labels
        .iter()
        .map(|label| (&*label.value, label.path.join("/")))
        .collect();
    assert_eq!(
        labels,
        [
            ("A", "A".to_owned()),
            ("b", "A/b".to_owned()),
            ("a", "A/a".to_owned())
        ]
    );
    assert_eq!(taxonomy.labels[0].attributes["hint"], "later");
    let keys: Vec<_> = config
        .keys
        .iter()
        .map(|key| (&*key.key, &*key.tag))
        .collect();
    assert_eq!(
        keys,
        [("t", "Text"), ("chat", "Chat"), ("more", "Taxonomy")]
    );
    let pages = config.object("pages").expect("an object");
    assert_eq!(
        (pages.key(), pages.list_key(), pages.value()),
        (None, Some("pages"), Some("$pages"))
    );
    assert_eq!(config.control("chat").expect("made up").to_names, ["chat"]);
}

#[test]
fn namespaces_stand_in_braces_as_python_has_them() {
    let config = read(
        "<View xmlns:a='u'><a:Text name='t' a:name='q' value='$t'/><Text xmlns='' name='e' value='$e'/></View>",
    );
    let keys: Vec<_> = config.keys.iter().map(|key| &*key.tag).collect();
    assert_eq!(keys, ["{u}Text", "Text"]);
    assert_eq!(config.objects[0].attribute("{u}name"), Some("q"));
}

#[test]
fn video_shows_a_field_before_any_other_tag_and_the_last_of_the_others_does() {
    let tags = |tags: &str| {
        let config = read(&format!("<View>{tags}</View>"));
        config
            .keys
            .iter()
            .map(|key| key.tag.clone())
            .collect::<Vec<_>>()
    };
    let (video, audio, text) = (
        "<Video name='v' value='$x'/>",
        "<Audio name='a' value='$x'/>",
        "<Text name='t' value='see $x'/>",
    );
    assert_eq!(tags(&format!("{video}{audio}{text}")), ["Video"]);
    assert_eq!(tags(&format!("{audio}{video}{text}")), ["Video"]);
    assert_eq!(tags(&format!("{audio}{text}")), ["Text"]);
    // Nothing is asked for the root's sake.
    assert!(read("<Text name='t' value='$x'/>").keys.is_empty());
}

#[test]
fn the_only_field_stands_for_what_has_no_name() {
    assert_eq!(read("<View/>").single_key(), Ok(None));
    let config = read("<View><HyperText name='t' value='$page' encoding='base64'/></View>");
    assert_eq!(config.single_key().expect("one").expect("one").key, "page");
    assert_eq!(config.encoding(), Encoding::Base64);
    let several = read(
        "<View><Text name='a' value='$x' encoding='base64unicode'/><TextArea name='b' toName='a' value='$y'/></View>",
    );
    let keys = ["x", "y"].map(str::to_owned).into();
    let error = several.single_key().expect_err("two");
    assert_eq!(error, SeveralKeys { keys });
    assert_eq!(
        error.to_string(),
        "the labelling config has 2 data keys, not one: `x`, `y`"
    );
    assert_eq!(several.encoding(), Encoding::Plain);
    assert_eq!(
        several.object("a").expect("a").encoding(),
        Encoding::Base64Unicode
    );
}

#[test]
fn a_tag_tells_what_its_field_holds() {
    let config = read(
        "<View>
            <TimeSeries name='s' value='$csv' valuetype='json'/>
            <Text name='t' value='$t' valueType='url' resolver='csv|column=a'/>
            <HyperText name='h' value='$h'/><Paragraphs name='p' value='$p'/><Audio name='a' value='$a'/>
        </View>",
    );
    let series = config.time_series().expect("a time series");
    assert_eq!(
        (series.key(), series.value_type()),
        (Some("csv"), Some(ValueType::Json))
    );
    let holds = |name: &str| config.object(name).and_then(Tag::value_type);
    assert_eq!(holds("t"), Some(ValueType::Url));
    assert_eq!(holds("h"), Some(ValueType::Text));
    assert_eq!(holds("p"), Some(ValueType::Json));
    assert_eq!(holds("a"), Some(ValueType::Url));
    assert_eq!(
        config.object("t").and_then(Tag::resolver),
        Some("csv|column=a")
    );
    assert_eq!(
        read("<View><TimeSeries name='s' value='$x'/></View>")
            .time_series()
            .and_then(Tag::value_type),
        Some(ValueType::Url)
    );
    assert_eq!(read("<View/>").time_series(), None);
}
