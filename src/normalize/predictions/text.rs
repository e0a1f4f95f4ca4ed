//! JSON text taken apart and put together, so that what passes keeps its digits.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// Text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The text of a JSON string; other JSON as it is written.
pub(super) fn plain(json: &str) -> Cow<'_, str> {
    match string(json) {
        Some(text) => text,
        None => Cow::Borrowed(json),
    }
}

/// The text of a JSON string.
pub(super) fn string(json: &str) -> Option<Cow<'_, str>> {
    if !json.starts_with('"') {
        return None;
    }
    match serde_json::from_str::<&str>(json) {
        Ok(text) => Some(Cow::Borrowed(text)),
        Err(_) => serde_json::from_str(json).ok().map(Cow::Owned),
    }
}

/// The elements of a list.
pub(super) fn elements(json: &str) -> Option<Vec<&str>> {
    if !json.starts_with('[') {
        return None;
    }
    let list: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    Some(list.into_iter().map(RawValue::get).collect())
}

/// The member of an object.
pub(super) fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    if !object.starts_with('{') {
        return None;
    }
    let mut found = None;
    crate::decode::scan::members(object, |key, value| {
        if crate::decode::watch::is_key(key.as_bytes(), name) {
            found = Some(value);
        }
    })
    .ok()?;
    found
}

/// A number, or text that is one, as JSON and as a number.
pub(super) fn number(text: &str) -> Option<(String, f64)> {
    let text = text.trim();
    let number: f64 = text
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite())?;
    let is_json = serde_json::from_str::<f64>(text).is_ok();
    let json = if is_json {
        text.to_owned()
    } else {
        serde_json::Number::from_f64(number)?.to_string()
    };
    Some((json, number))
}

/// A string, number or boolean as a JSON string.
pub(super) fn as_string(json: &str) -> Option<String> {
    match json.as_bytes().first()? {
        b'"' => Some(json.to_owned()),
        b'[' | b'{' | b'n' => None,
        _ => Some(quoted(json)),
    }
}

/// Whether there is nothing in a value: null, an empty or blank string, an empty list or object.
pub(super) fn is_nothing(json: &str) -> bool {
    match json.as_bytes() {
        b"null" => true,
        [b'"', ..] => string(json).is_some_and(|text| text.trim().is_empty()),
        [b'[', inside @ .., b']'] | [b'{', inside @ .., b'}'] => inside.trim_ascii().is_empty(),
        _ => false,
    }
}

/// What a value is, for a person.
pub(super) fn kind(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'"') => "text",
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') | None => "null",
        Some(_) => "a number",
    }
}

/// The start of a text that is too long to be read.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    const SHOWN: usize = 400;
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => Cow::Owned(format!("{}...", &text[..cut])),
        None => Cow::Borrowed(text),
    }
}
