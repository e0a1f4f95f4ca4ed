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

use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::{Value, json};

use sluice::labelling_config::{ConfigFault, Encoding, LabellingConfig, SeveralKeys, ValueType};

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
    let object = |tag: &sluice::labelling_config::Tag| json!({ "tag": tag.tag, "name": tag.name, "value": tag.value() });
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

fn refused(xml: &str) -> String {
    LabellingConfig::parse(xml)
        .expect_err("Label Studio refuses it")
        .to_string()
}

fn read(xml: &str) -> LabellingConfig {
    LabellingConfig::parse(xml).expect("Label Studio takes it")
}

#[test]
fn a_config_that_is_no_xml_is_refused_with_its_place() {
    let cases = [
        ("", "1:1: the labelling config has no tag"),
        (
            "<View>\n  <Text name=\"a\" value=\"$b\">",
            "2:29: the labelling config is not XML: it ends before all its tags are closed",
        ),
        (
            "<View>\n é<Text></View>",
            "2:10: the labelling config is not XML: `</View>` stands where `<Text>` should be closed",
        ),
        (
            "<View a=\"1\" a=\"2\"/>",
            "1:13: the labelling config is not XML: the attribute `a` stands twice",
        ),
        (
            "<View>&nbsp;</View>",
            "1:7: the labelling config is not XML: `&nbsp;` is no entity of XML: write the character itself",
        ),
        (
            "<View>a & b</View>",
            "1:9: the labelling config is not XML: a lone `&`: write `&amp;`",
        ),
        (
            "<View>&#xD800;</View>",
            "1:7: the labelling config is not XML: `&#xD800;` is no character",
        ),
        (
            "<View><a:b/></View>",
            "1:8: the labelling config is not XML: the prefix `a` is not declared",
        ),
        (
            "<!DOCTYPE View [<!ENTITY a \"b\">]><View>&a;</View>",
            "1:1: a `<!DOCTYPE` is not allowed in a labelling config",
        ),
        (
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><View/>",
            "1:1: the XML declaration names an encoding, which Label Studio refuses: leave `encoding` out",
        ),
        (
            "<?xml version=\"2.0\"?><View/>",
            "1:1: the XML declaration has a version other than 1.0",
        ),
        (
            "<View><comment/></View>",
            "1:7: Label Studio fails at a tag called `comment`: write `<!-- ... -->`",
        ),
        (
            "<View><?x name='a'?></View>",
            "1:7: Label Studio fails at a processing instruction with a name: remove `<?x`",
        ),
    ];
    for (xml, reason) in cases {
        assert_eq!(refused(xml), reason, "{xml}");
    }
    for xml in [
        "<?xml version=\"1.0\"?>\n<View/>",
        "\u{feff}<View/>",
        "<View><!-- name=\"a\" name=\"a\" --></View>",
        "<Text/>",
    ] {
        read(xml);
    }
    let nested = |tag: &str, deep| {
        format!(
            "{}{}",
            format!("<{tag}>").repeat(deep),
            format!("</{tag}>").repeat(deep)
        )
    };
    read(&nested("a", 256));
    assert_eq!(
        refused(&nested("a", 100_000)),
        "1:769: tags are nested more than 256 deep, which Label Studio does not read"
    );
    read(&nested("View", 124));
    assert_eq!(
        refused(&nested("View", 125)),
        "1:745: `View`s are nested more than 124 deep, which Label Studio does not read"
    );
}

#[test]
fn a_tag_that_the_schema_asks_more_of_is_refused_with_its_place() {
    let cases = [
        (
            "<TextArea name=\"c\"/>",
            "2:1: `TextArea` needs a `toName`, it has none",
        ),
        (
            "<Number toName=\"t\"/>",
            "2:1: `Number` needs a `name`, it has none",
        ),
        (
            "<Image value=\"$i\"/>",
            "2:1: `Image` needs a `name`, it has none",
        ),
        (
            "<Image name=\"i\"/>",
            "2:1: `Image` needs a `value` or a `valueList`, it has neither",
        ),
        (
            "<Image name=\"i\" value=\"$a\" valueList=\"$b\"/>",
            "2:28: `Image` has both `value` and `valueList`: only one may stand",
        ),
        (
            "<Choices name=\"c\" toName=\"t\"/>",
            "2:1: `Choices` needs a `Choice`, a `View` or a `value`, it has none",
        ),
        (
            "<Labels name=\"c\" toName=\"t\"/>",
            "2:1: `Labels` needs a `Label`, a `View` or a `value`, it has none",
        ),
        (
            "<Labels name=\"c\" toName=\"t\"><Label alias=\"x\"/></Labels>",
            "2:29: `Label` needs a `value`, it has none",
        ),
        (
            "<View><Choice/></View>",
            "2:7: `Choice` needs a `value`, it has none",
        ),
        (
            "<TextArea name=\" 1_0\" toName=\"t\"/>",
            "2:11: `name` is \"1_0\", which Label Studio reads as a number: it must be text",
        ),
        (
            "<TextArea name=\"c\" toName=\"TRUE\"/>",
            "2:20: `toName` is \"TRUE\", which Label Studio reads as a boolean: it must be text",
        ),
        (
            "<Choices name=\"c\" toName=\"t\">5<Choice value=\"a\"/></Choices>",
            "2:30: the text in `Choices` is \"5\", which Label Studio reads as a number: it must be text",
        ),
        (
            "<Choices name=\"c\" toName=\"t\"><Choice value=\"a\"/></Choices><Choices name=\"d\" toName=\"t\" value=\"$d\"/>",
            "2:1: `Choices` has a single `Choice`, which Label Studio takes only if each `Choices` beside it has one too \
             and all of them stand in `View`s",
        ),
    ];
    for (tag, reason) in cases {
        let xml = format!("<View><Text name=\"t\" value=\"$t\"/>\n{tag}</View>");
        assert_eq!(refused(&xml), reason, "{xml}");
    }
    // The schema knows `View` only: below any other root or tag it looks at nothing, nor at labels in the root.
    read("<Panel><TextArea/></Panel>");
    read("<View><Panel><TextArea/></Panel><Choice/></View>");
    read("<View><Image name=\"i\" valueList=\"$i\"/></View>");
}

#[test]
fn names_that_stand_twice_or_nowhere_are_refused() {
    let cases = [
        (
            "<A name='a'/>\n<B name=\"a\"/>",
            "2:4: the name \"a\" stands twice: names must be unique",
        ),
        (
            "<A name='a'/>name=\"a\"",
            "1:20: the name \"a\" stands twice: Label Studio counts each `name=\"...\"`, in other attributes and in text too",
        ),
        (
            "<A name='a' toname=\"a\"/>",
            "1:19: the name \"a\" stands twice: Label Studio counts each `name=\"...\"`, in other attributes and in text too",
        ),
        (
            "<A name='a' toName=\"b\"/><B name='c'/>",
            "1:19: toName \"b\" is no tag's name: there are \"a\", \"c\"",
        ),
        (
            "<A name='a' toName=\"b, a\"/><B name='b'/>",
            "1:19: toName \" a\" is no tag's name: write it without the space, which Label Studio keeps",
        ),
        (
            "<A toName=\"\"/>",
            "1:10: toName \"\" is no tag's name: there are none",
        ),
    ];
    for (tags, reason) in cases {
        assert_eq!(refused(&format!("<View>{tags}</View>")), reason, "{tags}");
    }
    let many: String = (10..22).map(|at| format!("<A name='{at}'/>")).collect();
    assert!(
        refused(&format!("<View>{many}<B toName='b'/></View>"))
            .ends_with("\"18\", \"19\" and 2 more")
    );
}

#[test]
fn the_speeds_of_a_video_are_checked() {
    let cases = [
        (
            "defaultPlaybackSpeed='abc'",
            "1:34: `defaultPlaybackSpeed` of a `Video` is \"abc\": it must be a number",
        ),
        (
            "minplaybackspeed='1_5'",
            "1:34: `minPlaybackSpeed` of a `Video` is 15: it must be from 0.05 to 10",
        ),
        (
            "minPlaybackSpeed='nan'",
            "1:34: `minPlaybackSpeed` of a `Video` is NaN: it must be from 0.05 to 10",
        ),
        (
            "defaultPlaybackSpeed='2' minPlaybackSpeed=' 3 '",
            "1:59: `minPlaybackSpeed` of a `Video` is 3, which is more than its `defaultPlaybackSpeed`, 2",
        ),
    ];
    for (speeds, reason) in cases {
        assert_eq!(
            refused(&format!(
                "<View><Video name='v' value='$v' {speeds}/></View>"
            )),
            reason,
            "{speeds}"
        );
    }
    read("<View><Video name='v' value='$v' minPlaybackSpeed='' minplaybackspeed='99'/></View>");
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
    let holds = |name: &str| config.object(name).and_then(|tag| tag.value_type());
    assert_eq!(holds("t"), Some(ValueType::Url));
    assert_eq!(holds("h"), Some(ValueType::Text));
    assert_eq!(holds("p"), Some(ValueType::Json));
    assert_eq!(holds("a"), Some(ValueType::Url));
    assert_eq!(
        config.object("t").and_then(|tag| tag.resolver()),
        Some("csv|column=a")
    );
    assert_eq!(
        read("<View><TimeSeries name='s' value='$x'/></View>")
            .time_series()
            .and_then(|s| s.value_type()),
        Some(ValueType::Url)
    );
    assert_eq!(read("<View/>").time_series(), None);
}

/// Pieces of which XML is made, well or ill.
fn xmlish() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "<View>", "</View>", "<View", "/>", ">", "<Text", "<Choices", "</Choices>", "<Choice", "<Labels>", "<Chat",
            " name=\"a\"", " name='b'", " toName=\"a\"", " value='$x'", " value=\"$x[{{i}}].y\"", " valueList='$z'",
            " xmlns:a='u'", " xmlns:a=''", " a:name='q'", " minPlaybackSpeed='1_0'", "<Video", "&amp;", "&#xD800;", "&#1",
            "<!--", "-->", "<![CDATA[", "]]>", "<?x", "?>", "<?xml version='1.0'", "<?xml\n", "name=\"", "\u{feff}",
            "é", "\u{1f600}", "\0", "\r\n", "<!DOCTYPE", "<comment>", "encoding='", "'", "\"", "=",
        ]).prop_map(str::to_owned),
        1 => ".{0,3}",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4096) })]

    #[test]
    fn whatever_the_text_it_is_read_or_refused_with_a_place(xml in xmlish(), wrap: bool) {
        let xml = if wrap { format!("<View>{xml}</View>") } else { xml };
        if let Err(fault) = LabellingConfig::parse(&xml) {
            let lines: Vec<_> = xml.split('\n').collect();
            let line = lines.get(fault.line as usize - 1);
            prop_assert!(line.is_some_and(|line| (fault.column as usize) <= line.chars().count() + 1), "{fault}");
            prop_assert!(!fault.reason.is_empty() && !fault.reason.ends_with('.'), "{fault}");
        }
    }
}
