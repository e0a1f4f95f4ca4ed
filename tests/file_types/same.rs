//! Whether two JSON texts are the same to Label Studio, which keeps the order of keys, the last of keys given twice, and
//! numbers as Python reads them.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::common::Fields;

/// The object that these fields are.
pub fn object(fields: &Fields) -> Box<RawValue> {
    let members: Vec<_> = fields
        .0
        .iter()
        .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), value.get()))
        .collect();
    RawValue::from_string(format!("{{{}}}", members.join(","))).expect("JSON")
}

/// A stored task, without the chance prefix of a file's name.
pub fn stored(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.replace("{hex8}-", "")).expect("JSON")
}

/// Whether they are the same.
pub fn same(a: &RawValue, b: &RawValue) -> bool {
    fn array(raw: &RawValue) -> Option<Vec<Box<RawValue>>> {
        serde_json::from_str(raw.get()).ok()
    }
    fn members(raw: &RawValue) -> Option<Vec<(String, Box<RawValue>)>> {
        let fields = serde_json::from_str::<Fields>(raw.get()).ok()?.0;
        let mut last: Vec<(String, Box<RawValue>)> = Vec::new();
        for (key, value) in fields {
            match last.iter_mut().find(|(known, _)| *known == key) {
                Some(known) => known.1 = value,
                None => last.push((key, value)),
            }
        }
        Some(last)
    }
    match (a.get().as_bytes()[0], b.get().as_bytes()[0]) {
        (b'{', b'{') => members(a).zip(members(b)).is_some_and(|(a, b)| {
            a.len() == b.len()
                && a.iter()
                    .zip(&b)
                    .all(|(a, b)| a.0 == b.0 && same(&a.1, &b.1))
        }),
        (b'[', b'[') => array(a)
            .zip(array(b))
            .is_some_and(|(a, b)| a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| same(a, b))),
        (b'"', b'"') => {
            let text =
                |raw: &RawValue| serde_json::from_str::<String>(raw.get()).expect("a string");
            text(a) == text(b)
        }
        (b'-' | b'0'..=b'9', b'-' | b'0'..=b'9') => number(a.get(), b.get()),
        _ => a.get() == b.get(),
    }
}

/// Integers are kept to the digit, and are none with a point or an exponent; those are doubles.
fn number(a: &str, b: &str) -> bool {
    let double = |text: &str| text.contains(['.', 'e', 'E']);
    if a == b || a == "-0" && b == "0" {
        return true;
    }
    let value = |text: &str| text.parse::<f64>().expect("a number").to_bits();
    double(a) && double(b) && value(a) == value(b)
}
