//! Regions made of objects: boxes, spans, outlines.

use super::made::{self, Wrong};
use super::text::{self, elements, member, plain};
use crate::decode::scan;
use crate::labelling_config::Control;
use crate::labelling_config::prediction::chosen_member;

/// A region made of an object: what belongs to the region itself, what was chosen, and the rest, which is its value.
pub(super) fn region(control: &Control, own: &str, json: &str) -> Result<String, Wrong> {
    if !json.starts_with('{') {
        return Err(format!("found {}", text::kind(json)));
    }
    let has_own = member(json, own).is_some();
    let has_labels = chosen_member(&made::kind(control)).is_some();
    let mut value: Vec<(String, String)> = Vec::new();
    let mut extra: Vec<(&str, String)> = Vec::new();
    let mut chosen = None;
    let mut wrong = None;
    let mut size: [Option<f64>; 2] = [None, None];
    let members = scan::members(json, |key, json| {
        let name = plain(key).into_owned();
        match name.as_str() {
            _ if json == "null" => {}
            name if has_labels
                && (name == own || !has_own && matches!(name, "label" | "labels")) =>
            {
                match made::labels(json) {
                    Ok(labels) => chosen = Some(labels),
                    Err(what) => wrong = Some(format!("{what} under `{name}`")),
                }
            }
            "id" => extra.extend(text::as_string(json).map(|id| ("id", id))),
            "score" => extra.push(("score", json.to_owned())),
            "parentID" => extra.push(("parentID", json.to_owned())),
            "meta" => extra.push(("meta", json.to_owned())),
            "origin" => extra.push(("origin", json.to_owned())),
            "image_rotation" => extra.push(("image_rotation", json.to_owned())),
            "original_width" | "image_width" => {
                size[0] = text::number(&plain(json)).map(|(_, number)| number);
                extra.push(("original_width", json.to_owned()));
            }
            "original_height" | "image_height" => {
                size[1] = text::number(&plain(json)).map(|(_, number)| number);
                extra.push(("original_height", json.to_owned()));
            }
            _ => value.push((name, json.to_owned())),
        }
    });
    members.map_err(|fault| fault.reason)?;
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    // What Label Studio exports has its own member for labels, and percent beside the size.
    if !has_own && let [Some(width), Some(height)] = size {
        in_percent(&mut value, width, height)?;
    }
    complete(&mut value, own);
    if let Some(chosen) = chosen {
        value.push((own.to_owned(), chosen));
    }
    let value: Vec<_> = value
        .iter()
        .map(|(name, json)| format!("{}:{json}", text::quoted(name)))
        .collect();
    Ok(made::region(
        control,
        &format!("{{{}}}", value.join(",")),
        &extra,
    ))
}

/// What people leave out of a value, since it says nothing.
fn complete(value: &mut Vec<(String, String)>, own: &str) {
    let of = |name: &str| {
        value
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, json)| json)
    };
    if own == "timeserieslabels" && of("instant").is_none() {
        let instant = of("start") == of("end");
        value.push(("instant".to_owned(), instant.to_string()));
    } else if of("rle").is_some() && of("format").is_none() {
        value.insert(0, ("format".to_owned(), text::quoted("rle")));
    }
}

/// Pixels as shares of a hundred.
fn in_percent(value: &mut [(String, String)], width: f64, height: f64) -> Result<(), Wrong> {
    if width <= 0.0 || height <= 0.0 {
        return Err(format!("an image of {width} by {height} pixels"));
    }
    let share = |json: &str, size: f64, name: &str| {
        let number = text::number(&plain(json)).map(|(_, number)| number * 100.0 / size);
        let share = number.and_then(serde_json::Number::from_f64);
        share
            .map(|share| share.to_string())
            .ok_or_else(|| format!("found {} under `{name}`", text::kind(json)))
    };
    for (name, json) in value {
        match name.as_str() {
            "x" | "width" | "radiusX" => *json = share(json, width, name)?,
            "y" | "height" | "radiusY" => *json = share(json, height, name)?,
            "points" => {
                let points = elements(json).unwrap_or_default();
                let points: Result<Vec<_>, _> = points
                    .into_iter()
                    .map(|point| match elements(point).as_deref() {
                        Some([x, y]) => Ok(format!(
                            "[{},{}]",
                            share(x, width, name)?,
                            share(y, height, name)?
                        )),
                        _ => Err(format!("found {} among `points`", text::kind(point))),
                    })
                    .collect();
                *json = format!("[{}]", points?.join(","));
            }
            _ => {}
        }
    }
    Ok(())
}
