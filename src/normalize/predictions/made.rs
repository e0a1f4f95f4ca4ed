//! Regions made of the value of a field, in the shapes that people have.

use std::borrow::Cow;

use super::object;
use super::text::{self, elements, member, plain, string};
use crate::decode::Nul;
use crate::decode::scan::{self, Scanner};
use crate::labelling_config::Control;
use crate::labelling_config::prediction::chosen_member;

/// What is wrong with a value, as a person reads it.
pub(super) type Wrong = String;

/// The value of a field: JSON text, unpacked where a string holds more JSON.
pub(super) struct Value<'a>(Cow<'a, str>);

/// What a value is before anything is made of it.
pub(super) enum Ready<'a> {
    /// Predictions.
    Predictions(Vec<&'a str>),
    /// The list of a prediction's regions.
    Regions(Cow<'a, str>),
    /// Neither.
    No,
}

impl<'a> Value<'a> {
    /// The value of a field, for this control; none if there is nothing in it.
    pub(super) fn read(json: &'a str, control: &Control) -> Result<Option<Value<'a>>, Wrong> {
        let json = json.trim();
        if text::is_nothing(json) {
            return Ok(None);
        }
        let inside = string(json).map(|text| text.trim().to_owned());
        let Some(inside) = inside.filter(|text| text.starts_with(['[', '{'])) else {
            return Ok(Some(Value(Cow::Borrowed(json))));
        };
        let whole = Ok(Some(Value(Cow::Borrowed(json))));
        if control.labels.iter().any(|label| label.value == inside) {
            return whole;
        }
        let (is_text, is_choice) = match kind(control).as_str() {
            "textarea" | "datetime" => (true, true),
            "choices" | "taxonomy" | "pairwise" => (false, true),
            _ => (false, false),
        };
        let outcome = Scanner::new(Nul::Reject).value(&inside, 0, inside.len());
        let outcome = outcome.and_then(|(end, _)| match scan::skip_space(inside.as_bytes(), end) {
            end if end == inside.len() => Ok(()),
            end => Err(crate::error::Fault::new(
                crate::error::Code::JsonSyntax,
                format!("something follows the JSON at byte {end}"),
            )),
        });
        match outcome {
            Err(_) if is_choice => whole,
            Err(fault) => Err(format!("the text in it is no JSON: {}", fault.reason)),
            Ok(()) if text::is_nothing(&inside) && !is_text => Ok(None),
            Ok(()) => {
                let unpacked = Value(Cow::Owned(inside));
                if is_text && matches!(unpacked.ready(), Ready::No) {
                    return whole;
                }
                Ok(Some(unpacked))
            }
        }
    }

    /// Whether it is made already: predictions, or their regions, as Label Studio exports them.
    pub(super) fn ready(&self) -> Ready<'_> {
        let is_prediction =
            |json: &str| member(json, "result").is_some_and(|result| result.starts_with('['));
        let is_region = |json: &str| {
            let is_relation = member(json, "type").and_then(string).as_deref() == Some("relation");
            let names = ["from_name", "to_name", "type"];
            is_relation
                || member(json, "value").is_some_and(|value| value.starts_with('{'))
                    && names.iter().any(|name| member(json, name).is_some())
        };
        let json: &str = &self.0;
        if is_prediction(json) {
            return Ready::Predictions(vec![json]);
        }
        if is_region(json) {
            return Ready::Regions(Cow::Owned(format!("[{json}]")));
        }
        match elements(json).filter(|list| !list.is_empty()) {
            Some(list) if list.iter().all(|json| is_prediction(json)) => Ready::Predictions(list),
            Some(list) if list.iter().all(|json| is_region(json)) => {
                Ready::Regions(Cow::Borrowed(json))
            }
            _ => Ready::No,
        }
    }
}

pub(super) fn kind(control: &Control) -> String {
    control.tag.tag.to_lowercase()
}

/// What a field must hold for a control, as a sentence.
pub(super) fn wanted(control: &Control) -> String {
    let kind = kind(control);
    let shape = match kind.as_str() {
        "choices" => "a choice, or a list of choices",
        "taxonomy" => "a choice, a path such as `A > B`, or a list of paths that are lists",
        "textarea" => "text, or a list of texts",
        "rating" => "a whole number",
        "number" => "a number",
        "datetime" => "text",
        "pairwise" => "`left` or `right`",
        "ranker" => "an object with lists of items",
        "chatmessage" => "objects with `role` and `content`",
        "reactcode" => "an object",
        "labels" | "hypertextlabels" | "paragraphlabels" | "timeserieslabels" => {
            "objects with `start`, `end` and `label`, or lists of these three"
        }
        "rectanglelabels" => {
            "objects with `x`, `y`, `width`, `height` and `label`, in percent or with `image_width` and `image_height`"
        }
        _ if chosen_member(&kind).is_some() => "objects as in a region's `value`, with `label`",
        _ => "objects as in a region's `value`",
    };
    format!(
        "<{}> wants {shape}, or regions as Label Studio exports them",
        control.tag.tag
    )
}

/// The regions made of a value, each as JSON.
pub(super) fn regions(value: &Value<'_>, control: &Control) -> Result<Vec<String>, Wrong> {
    let json: &str = &value.0;
    let kind = kind(control);
    let own = chosen_member(&kind).unwrap_or(&kind);
    // A value as Label Studio has it, which the server takes as it is.
    let is_own = member(json, own).is_some();
    let one = |value: String| Ok(vec![region(control, &value, &[])]);
    let member_of = |value: &str| format!("{{{}:{value}}}", text::quoted(own));
    match kind.as_str() {
        "choices" | "textarea" | "taxonomy" | "rating" | "number" | "datetime" | "pairwise"
        | "ranker"
            if is_own =>
        {
            one(as_lists(json, own))
        }
        "choices" | "textarea" if json.starts_with('{') => match member(json, "label") {
            Some(label) => {
                let extra: Vec<_> = member(json, "score")
                    .map(|score| ("score", score.to_owned()))
                    .into_iter()
                    .collect();
                Ok(vec![region(control, &member_of(&labels(label)?), &extra)])
            }
            None => Err("found an object".to_owned()),
        },
        "choices" | "textarea" => one(member_of(&labels(json)?)),
        "taxonomy" => one(member_of(&paths(json, control)?)),
        "rating" | "number" => one(member_of(&number(json, kind == "rating")?)),
        "datetime" | "pairwise" => match text::as_string(json) {
            Some(text) => one(member_of(&text)),
            None => Err(format!("found {}", text::kind(json))),
        },
        "ranker" if json.starts_with('{') => one(member_of(json)),
        "ranker" => Err(format!("found {}", text::kind(json))),
        "chatmessage" | "reactcode" => each(json, |json| {
            let value = if member(json, own).is_some() {
                json.to_owned()
            } else {
                member_of(json)
            };
            Ok(region(control, &value, &[]))
        }),
        _ if chosen_member(&kind).is_none() && !json.starts_with(['{', '[']) => {
            one(format!("{{{}:[{json}]}}", text::quoted(&kind)))
        }
        _ => {
            if let ("labels", Some(span)) = (kind.as_str(), elements(json).filter(|l| is_span(l))) {
                return Ok(vec![span_region(control, &span)?]);
            }
            each(json, |json| match elements(json) {
                Some(span) if is_span(&span) && own.ends_with("labels") => {
                    span_region(control, &span)
                }
                _ => object::region(control, own, json),
            })
        }
    }
}

/// A region for each object of a list, or for the only one.
fn each(json: &str, make: impl Fn(&str) -> Result<String, Wrong>) -> Result<Vec<String>, Wrong> {
    match elements(json) {
        Some(list) => list
            .into_iter()
            .enumerate()
            .map(|(i, json)| make(json).map_err(|what| format!("element {i}: {what}")))
            .collect(),
        None => Ok(vec![make(json)?]),
    }
}

/// `[start, end, label]`.
fn is_span(list: &[&str]) -> bool {
    matches!(list, [start, end, label] if text::kind(start) == "a number"
        && text::kind(end) == "a number" && label.starts_with('"'))
}

fn span_region(control: &Control, span: &[&str]) -> Result<String, Wrong> {
    let [start, end, label] = span else {
        return Err("found a list".to_owned());
    };
    let span = format!(r#"{{"start":{start},"end":{end},"label":{label}}}"#);
    let kind = kind(control);
    object::region(control, chosen_member(&kind).unwrap_or("labels"), &span)
}

/// The region with this value, and what else stands in it.
pub(super) fn region(control: &Control, value: &str, extra: &[(&str, String)]) -> String {
    let to_name = control.to_names.first().map_or("", String::as_str);
    let mut out = format!(
        r#"{{"from_name":{},"to_name":{},"type":{},"value":{value}"#,
        text::quoted(&control.tag.name),
        text::quoted(to_name),
        text::quoted(&kind(control)),
    );
    for (name, json) in extra {
        out.push(',');
        out.push_str(&text::quoted(name));
        out.push(':');
        out.push_str(json);
    }
    out.push('}');
    out
}

/// A value as it is given, its own member made a list if it is to be one.
fn as_lists(json: &str, own: &str) -> String {
    match member(json, own) {
        Some(text) if matches!(own, "choices" | "text") && text.starts_with('"') => {
            format!("{{{}:[{text}]}}", text::quoted(own))
        }
        _ => json.to_owned(),
    }
}

/// A string, number or boolean, or a list of them, as a JSON list of strings.
pub(super) fn labels(json: &str) -> Result<String, Wrong> {
    let all = elements(json).unwrap_or_else(|| vec![json]);
    let strings: Option<Vec<_>> = all.iter().map(|json| text::as_string(json)).collect();
    match strings {
        Some(strings) => Ok(format!("[{}]", strings.join(","))),
        None => {
            let odd = all.iter().find(|json| text::as_string(json).is_none());
            let odd = odd.map_or("nothing", |json| text::kind(json));
            let list = if json.starts_with('[') {
                " in the list"
            } else {
                ""
            };
            Err(format!("found {odd}{list}"))
        }
    }
}

/// The paths of a taxonomy, as a JSON list of lists.
fn paths(json: &str, control: &Control) -> Result<String, Wrong> {
    let list = elements(json).unwrap_or_else(|| vec![json]);
    if list.iter().all(|json| json.starts_with('[')) {
        return Ok(json.to_owned());
    }
    let texts: Option<Vec<String>> = list
        .iter()
        .map(|json| text::as_string(json).map(|json| plain(&json).into_owned()))
        .collect();
    let Some(texts) = texts else {
        let odd = list.iter().find(|json| text::as_string(json).is_none());
        return Err(format!(
            "found {} in the list",
            odd.map_or("nothing", |json| text::kind(json))
        ));
    };
    let is_path = |path: &[String]| control.labels.iter().any(|label| label.path == path);
    let paths: Vec<Vec<String>> = if texts.len() > 1 && is_path(&texts) {
        vec![texts]
    } else {
        texts.iter().map(|text| path(text, control)).collect()
    };
    serde_json::to_string(&paths).map_err(|e| e.to_string())
}

/// The path that a text names: written out with `>`, or that of the only choice of this name.
fn path(text: &str, control: &Control) -> Vec<String> {
    let mut named = control.labels.iter().filter(|label| label.value == text);
    match (named.next(), named.next()) {
        (Some(only), None) => return only.path.clone(),
        (Some(_), Some(_)) => return vec![text.to_owned()],
        _ => {}
    }
    text.split('>').map(|part| part.trim().to_owned()).collect()
}

fn number(json: &str, whole: bool) -> Result<String, Wrong> {
    let found = || {
        let found = text::shortened(json).into_owned();
        format!("found {} {found}", text::kind(json))
    };
    if json.starts_with(['t', 'f', '[', '{']) {
        return Err(format!("found {}", text::kind(json)));
    }
    let (text, number) = text::number(&plain(json)).ok_or_else(found)?;
    if !whole || number.fract() != 0.0 || number.abs() >= 1e15 {
        return Ok(text);
    }
    Ok(format!("{}", number as i64))
}
