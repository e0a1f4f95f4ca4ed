//! What is said of a task that does not fit the labelling config, and how it may be mended.

use super::Type;
use crate::error::{Code, Fault};
use crate::labelling_config::DataKey;
use crate::wording::quoted;

/// Fields of a record that are named in a message.
const SHOWN: usize = 5;

/// From here on two names are taken for spellings of one (Jaro-Winkler; `txt` and `text` have 0.93).
const SIMILAR: f64 = 0.8;

/// The fault of a record without a field that is needed; `fields` are the names it has, with their values as JSON.
#[cold]
pub(super) fn missing(key: &DataKey, fields: &[(&str, &str)]) -> Fault {
    let mut names: Vec<String> = fields
        .iter()
        .take(SHOWN)
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    if fields.len() > SHOWN {
        names.push(format!("{} more", fields.len() - SHOWN));
    }
    let has = match names.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    };
    let name = key.path().first().copied().unwrap_or_default();
    let fault = Fault::new(
        Code::FieldMissing,
        format!("the labelling config needs `{}`, there is {has}", key.key),
    );
    fault.help(match similar(key, name, fields) {
        Some(field) => format!(
            "rename it with `--map {}`, or set such records aside with `--max-rejects`",
            quoted(&format!("{name}={field}"))
        ),
        None => format!(
            "rename a field with `--map {}`, or set such records aside with `--max-rejects`",
            quoted(&format!("{name}=FIELD"))
        ),
    })
}

/// The field that is most likely meant by one that is needed, if one is: its name is near, or it is the first that holds
/// an address where a tag wants one, or there is no other. `name` is the first name of the key, and fields are given with
/// their values as JSON.
#[must_use]
pub fn similar<'a>(key: &DataKey, name: &str, fields: &[(&'a str, &str)]) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let alike = |field: &str| strsim::jaro_winkler(&wanted, &field.to_lowercase());
    let closest = fields
        .iter()
        .map(|(field, _)| (*field, alike(field)))
        .max_by(|(_, a), (_, b)| a.total_cmp(b));
    if let Some((field, _)) = closest.filter(|(_, alike)| *alike >= SIMILAR) {
        return Some(field);
    }
    let media = matches!(
        key.tag.as_str(),
        "Image" | "Audio" | "AudioPlus" | "Video" | "Pdf" | "PDF" | "TimeSeries"
    );
    let by_value = || {
        let mut fields = fields.iter();
        fields
            .find(|(_, value)| media && value.starts_with('"') && value.contains("://"))
            .map(|(field, _)| *field)
    };
    match by_value() {
        Some(field) => Some(field),
        None => match fields {
            [(only, _)] => Some(only),
            _ => None,
        },
    }
}

/// The fault of a value that its tag cannot show.
#[cold]
pub(super) fn wrong_type(key: &DataKey, found: Type) -> Fault {
    let is = found.told();
    let types = key.types();
    let wanted: Vec<&str> = [
        (types.text, "text"),
        (types.number, "a number"),
        (types.list, "a list"),
        (types.object, "an object"),
        (types.null, "null"),
    ]
    .into_iter()
    .filter_map(|(takes, name)| takes.then_some(name))
    .collect();
    let wanted = match wanted.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => wanted.concat(),
    };
    let for_whom = if key.repeats() { "Repeater" } else { &key.tag };
    Fault::new(
        Code::FieldType,
        format!("`{}` is {is}, the tag {for_whom} wants {wanted}", key.key),
    )
    .help("mend the value, or set such records aside with `--max-rejects`")
}
