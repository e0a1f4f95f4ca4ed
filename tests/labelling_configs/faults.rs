//! What a config is refused for, and where.

use proptest::prelude::*;

use sluice::labelling_config::LabellingConfig;

use super::read;

fn refused(xml: &str) -> String {
    LabellingConfig::parse(xml)
        .expect_err("Label Studio refuses it")
        .to_string()
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
            "2:11: the labelling config is not XML: `</View>` stands where `<Text>` should be closed",
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
    let many: String = (10..22)
        .flat_map(|at| ["<A name='".to_owned(), at.to_string(), "'/>".to_owned()])
        .collect();
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
