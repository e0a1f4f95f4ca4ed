//! Whether the value of a region is one of its control's class, and chooses nothing that is not there.
//!
//! The checks of label-studio-sdk raise Python's own exceptions on values that are far from right; their text is part
//! of the message, and stands in the `Err` of these functions.

use super::asked::Asked;
use super::given::{Given, quoted};
use super::shape::Member;
use super::tags::{self, Known};

/// What Python says of a value that is not what its code takes it for.
type Raised = String;

/// Whether the value of a region is one of its control's; `result` holds the regions beside it.
pub(super) fn fits(
    asked: &Asked<'_>,
    region: &Given<'_>,
    value: &Given<'_>,
    result: &[Given<'_>],
) -> Result<bool, Raised> {
    let Some(known) = tags::of(asked.tag) else {
        return Ok(true);
    };
    match known.tag {
        "relations" => {
            return Err(
                "RelationsTag.validate_value() takes 1 positional argument but 2 were given"
                    .to_owned(),
            );
        }
        "ranker" => return Ok(shaped(known.value.unwrap_or_default(), value)),
        "videorectangle"
            if !asked.has_labels()
                && matches!(value, Given::Object(_))
                && value.get("labels").is_none() =>
        {
            return Ok(shaped(known.value.unwrap_or_default(), value));
        }
        _ => {}
    }
    let value = inner(asked, value);
    if !chosen_fits(asked, known, value)? {
        return Ok(false);
    }
    let Some(members) = known.value else {
        return Ok(true);
    };
    let partner = if known.tag == "labels" {
        partner(region, result)?
    } else {
        None
    };
    Ok(shaped(partner.unwrap_or(members), value))
}

/// The value itself, where it stands under the control's name.
fn inner<'v, 'g>(asked: &Asked<'_>, value: &'v Given<'g>) -> &'v Given<'g> {
    match value.get(asked.name) {
        Some(inner @ Given::Object(_)) => inner,
        _ => value,
    }
}

fn shaped(members: &[Member], value: &Given<'_>) -> bool {
    matches!(value, Given::Object(_)) && members.iter().all(|member| member.fits(value))
}

/// Python's `name in value`.
fn holds(value: &Given<'_>, name: &str) -> Result<bool, Raised> {
    match value {
        Given::Object(_) => Ok(value.get(name).is_some()),
        Given::Text(text) => Ok(text.contains(name)),
        Given::List(list) => Ok(list.iter().any(|value| value.text() == Some(name))),
        _ => Err(not_iterable(value)),
    }
}

/// What Python raises for `in` on what holds nothing.
pub(super) fn not_iterable(value: &Given<'_>) -> Raised {
    format!("argument of type '{}' is not iterable", value.kind())
}

/// What Python raises for a method that only other types have.
pub(super) fn no_method(value: &Given<'_>, method: &str) -> Raised {
    format!("'{}' object has no attribute '{method}'", value.kind())
}

/// Whether what was chosen is there and can be chosen.
fn chosen_fits(asked: &Asked<'_>, known: &Known, value: &Given<'_>) -> Result<bool, Raised> {
    let Some(name) = known.labels else {
        return Ok(true);
    };
    if known.tag != "taxonomy" && !holds(value, name)? {
        return Ok(false);
    }
    if !matches!(value, Given::Object(_)) {
        return Err(no_method(value, "get"));
    }
    let chosen = value.get(name).unwrap_or(&Given::Null);
    match known.tag {
        "taxonomy" => {
            let Given::List(paths) = chosen else {
                return Ok(false);
            };
            let mut flat = Vec::new();
            for path in paths {
                let Given::List(path) = path else {
                    return Ok(false);
                };
                flat.extend(path);
            }
            listed(asked, flat.into_iter())
        }
        "rating" => rating(asked, chosen),
        _ => can_be_chosen(asked, chosen),
    }
}

fn can_be_chosen(asked: &Asked<'_>, chosen: &Given<'_>) -> Result<bool, Raised> {
    if !asked.has_labels() || chosen.is_empty() {
        return Ok(true);
    }
    match chosen {
        Given::List(list) => listed(asked, list.iter()),
        Given::Object(members) => Ok(members.iter().all(|(key, _)| asked.has_label(key))),
        Given::Text(text) => Ok(text
            .chars()
            .all(|c| asked.has_label(c.encode_utf8(&mut [0; 4])))),
        other => Err(format!("'{}' object is not iterable", other.kind())),
    }
}

fn listed<'v, 'g: 'v>(
    asked: &Asked<'_>,
    mut chosen: impl Iterator<Item = &'v Given<'g>> + Clone,
) -> Result<bool, Raised> {
    if !asked.has_labels() {
        return Ok(true);
    }
    hashable(chosen.clone())?;
    Ok(chosen.all(|value| value.text().is_some_and(|text| asked.has_label(text))))
}

fn hashable<'v, 'g: 'v>(mut values: impl Iterator<Item = &'v Given<'g>>) -> Result<(), Raised> {
    match values.find(|value| matches!(value, Given::List(_) | Given::Object(_))) {
        Some(value) => Err(format!("unhashable type: '{}'", value.kind())),
        None => Ok(()),
    }
}

fn rating(asked: &Asked<'_>, chosen: &Given<'_>) -> Result<bool, Raised> {
    if matches!(chosen, Given::Null) {
        return Ok(false);
    }
    let most = match asked.most {
        None => 5,
        Some(most) => integer(most).ok_or_else(|| {
            let mut raised = "invalid literal for int() with base 10: ".to_owned();
            let _ = quoted(&mut raised, most);
            raised
        })?,
    };
    let rating = match chosen {
        Given::Text(text) => integer(text),
        Given::Real(number) => Some(*number as i128),
        Given::Whole(number) => Some(*number),
        Given::Flag(flag) => Some(i128::from(*flag)),
        _ => None,
    };
    Ok(rating.is_some_and(|rating| (0..=most).contains(&rating)))
}

/// Text as Python's `int` reads it.
fn integer(text: &str) -> Option<i128> {
    if text.contains('.') {
        return None;
    }
    super::shape::whole_of(text)
}

/// The geometry that stands in for a span, where a region with the same id is of that type.
fn partner(region: &Given<'_>, result: &[Given<'_>]) -> Result<Option<&'static [Member]>, Raised> {
    let is_labels = region
        .get("type")
        .and_then(Given::text)
        .is_some_and(|kind| kind.to_lowercase() == "labels");
    let id = region.get("id").unwrap_or(&Given::Null);
    if !is_labels || *id == Given::Null {
        return Ok(None);
    }
    for other in result {
        let Given::Object(_) = other else { continue };
        let kind = match other.get("type") {
            Some(Given::Text(kind)) => kind.to_lowercase(),
            Some(odd) if !odd.is_empty() => return Err(no_method(odd, "lower")),
            _ => String::new(),
        };
        let same = other
            .get("id")
            .is_some_and(|other| other.same(id) || other == id);
        if let (true, Some(members)) = (same, tags::partner(&kind)) {
            return Ok(Some(members));
        }
    }
    Ok(None)
}

/// The control whose geometry a region of `Labels` carries itself, by its type: `videovectorlabels` for a `VideoVector`
/// about the same object.
pub(super) fn merged<'a>(
    asked: &Asked<'_>,
    kind: &str,
    mut controls: impl Iterator<Item = Asked<'a>>,
) -> Option<Asked<'a>> {
    let geometry = kind
        .strip_suffix("labels")
        .filter(|rest| !rest.is_empty())?;
    if !asked.tag.eq_ignore_ascii_case("labels") {
        return None;
    }
    controls.find(|control| {
        control.name != asked.name
            && control.kind() == geometry
            && control
                .to_names
                .iter()
                .any(|name| asked.to_names.contains(name))
    })
}

/// Whether the value of such a region has that geometry, and labels of the control.
pub(super) fn merged_fits(
    asked: &Asked<'_>,
    geometry: &Asked<'_>,
    kind: &str,
    value: &Given<'_>,
) -> Result<bool, Raised> {
    let chosen = value.get(kind).or_else(|| value.get("labels"));
    let Some(Given::List(chosen)) = chosen else {
        return Ok(false);
    };
    // The labels are looked at one by one, so that the first that is not there ends it.
    for label in chosen {
        hashable(std::iter::once(label))?;
        if !label.text().is_some_and(|text| asked.has_label(text)) {
            return Ok(false);
        }
    }
    let members = tags::of(geometry.tag).and_then(|known| known.value);
    Ok(!chosen.is_empty() && members.is_none_or(|members| shaped(members, value)))
}

/// The sides of a rectangle that are no share of a hundred, each with its value; none if the value has no rectangle.
pub(super) fn out_of_bounds(value: &Given<'_>) -> Result<Vec<String>, Raised> {
    let mut found = Vec::new();
    for side in ["x", "y", "width", "height"] {
        if !holds(value, side)? {
            continue;
        }
        let Given::Object(_) = value else {
            let of = if let Given::Text(_) = value {
                "string"
            } else {
                "list"
            };
            return Err(format!(
                "{of} indices must be integers{}",
                if of == "string" {
                    ", not 'str'"
                } else {
                    " or slices, not str"
                }
            ));
        };
        let given = value.get(side).unwrap_or(&Given::Null);
        let number = match given {
            Given::Text(text) => super::shape::real_of(text),
            other => other.number(),
        };
        if number.is_none_or(|number| !number.is_nan() && !(0.0..=100.0).contains(&number)) {
            found.push(format!("{side} {}", given.shown()));
        }
    }
    Ok(found)
}

/// What may stand in the value of a control's regions.
pub(super) fn options(asked: &Asked<'_>) -> String {
    let mut parts = Vec::new();
    if let Some(members) = tags::of(asked.tag).and_then(|known| known.value) {
        let fields = python_list(members.iter().map(|member| member.name));
        parts.push(format!("expected fields: {fields}"));
    }
    if asked.has_labels() {
        let labels = python_list(asked.labels().into_iter());
        parts.push(format!("valid labels: {labels}"));
    }
    if parts.is_empty() {
        return "no specific validation rules".to_owned();
    }
    parts.join("; ")
}

/// Names as Python shows a list of them.
pub(super) fn python_list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut list = "[".to_owned();
    for (i, name) in names.enumerate() {
        list.push_str(if i > 0 { ", " } else { "" });
        let _ = quoted(&mut list, name);
    }
    list.push(']');
    list
}

/// What is wrong with a value, in the words of a person: the label that is not there and the one that was meant, or the
/// member that is missing or not what it must be.
pub(super) fn help(asked: &Asked<'_>, value: &Given<'_>) -> Option<String> {
    let known = tags::of(asked.tag)?;
    let value = inner(asked, value);
    let chosen = known.labels.and_then(|name| value.get(name));
    if let Some(Given::List(chosen)) = chosen.filter(|_| asked.has_labels()) {
        let flat = chosen.iter().flat_map(|chosen| match chosen {
            Given::List(path) => path.iter(),
            one => std::slice::from_ref(one).iter(),
        });
        let strange = flat
            .filter_map(Given::text)
            .find(|text| !asked.has_label(text));
        if let Some(strange) = strange {
            let near = super::near::nearest(strange, asked.labels().into_iter());
            return Some(match near {
                Some(near) => format!(
                    "`{strange}` is no label of `{}`; did you mean `{near}`?",
                    asked.name
                ),
                None => format!(
                    "`{strange}` is no label of `{}`; there are {}",
                    asked.name,
                    super::near::listed(asked.labels().into_iter())
                ),
            });
        }
    }
    let member = known.value?.iter().find(|member| !member.fits(value))?;
    Some(match value.get(member.name) {
        None => format!("the value has no `{}`", member.name),
        Some(_) => format!(
            "`{}` is not what a value of <{}> has there",
            member.name, asked.tag
        ),
    })
}
