//! Whether two JSON texts say the same to the server: what it gives back is seldom the text that it was given.
//!
//! On PostgreSQL the order of keys changes, `-0.0` is `0.0`, `1e22` has become an integer with all its digits, and of a
//! key that was given twice the last is left (the contract's PostgreSQL part, section 6). Integers keep every digit,
//! and are compared so; other numbers are what a double holds of them.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// Characters of a value that are shown.
const SHOWN: usize = 80;

/// The first place where two values differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where: `data.text`, `annotations[0].result`.
    pub path: String,
    /// What was sent, shortened; nothing if it is only in what is stored.
    pub sent: Option<String>,
    /// What is stored, shortened; nothing if it is missing there.
    pub stored: Option<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        let (sent, stored) = (side(&self.sent), side(&self.stored));
        write!(f, "{}: sent {sent}, stored {stored}", self.path)
    }
}

impl Difference {
    /// A difference at a path, of JSON texts.
    #[must_use]
    pub fn new(path: &str, sent: Option<&str>, stored: Option<&str>) -> Self {
        Difference {
            path: path.to_owned(),
            sent: sent.map(shorten),
            stored: stored.map(shorten),
        }
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Whether two JSON texts have the same value. What is no JSON is the same as its own text alone.
#[must_use]
pub fn same(sent: &str, stored: &str) -> bool {
    difference("", sent, stored).is_none()
}

/// The first difference of two JSON texts that stand at `path`.
#[must_use]
pub fn difference(path: &str, sent: &str, stored: &str) -> Option<Difference> {
    // Most are as they were, or differ in white space at the ends alone.
    let (sent, stored) = (sent.trim_ascii(), stored.trim_ascii());
    if sent == stored {
        return None;
    }
    let here = || Some(Difference::new(path, Some(sent), Some(stored)));
    match (Json::of(sent), Json::of(stored)) {
        (Some(Json::Object(sent)), Some(Json::Object(stored))) => {
            for (key, sent) in &sent {
                let path = join(path, key);
                match stored.get(key) {
                    None => return Some(Difference::new(&path, Some(sent.get()), None)),
                    Some(stored) => {
                        if let Some(found) = difference(&path, sent.get(), stored.get()) {
                            return Some(found);
                        }
                    }
                }
            }
            let (key, value) = stored.iter().find(|(key, _)| !sent.contains_key(*key))?;
            Some(Difference::new(&join(path, key), None, Some(value.get())))
        }
        (Some(Json::List(sent)), Some(Json::List(stored))) => {
            let most = sent.len().max(stored.len());
            (0..most).find_map(|at| {
                let path = format!("{path}[{at}]");
                match (sent.get(at), stored.get(at)) {
                    (Some(sent), Some(stored)) => difference(&path, sent.get(), stored.get()),
                    (sent, stored) => {
                        let (sent, stored) = (sent.map(|it| it.get()), stored.map(|it| it.get()));
                        Some(Difference::new(&path, sent, stored))
                    }
                }
            })
        }
        (Some(Json::Text(sent)), Some(Json::Text(stored))) if sent == stored => None,
        (Some(Json::Number(sent)), Some(Json::Number(stored))) if same_number(sent, stored) => None,
        _ => here(),
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// One level of a JSON value.
enum Json<'a> {
    Object(BTreeMap<String, &'a RawValue>),
    List(Vec<&'a RawValue>),
    Text(String),
    Number(&'a str),
    /// `true`, `false`, `null`: the same if the texts are.
    Word,
}

impl<'a> Json<'a> {
    fn of(text: &'a str) -> Option<Self> {
        match text.as_bytes().first()? {
            b'{' => serde_json::from_str(text).ok().map(Json::Object),
            b'[' => serde_json::from_str(text).ok().map(Json::List),
            b'"' => serde_json::from_str(text).ok().map(Json::Text),
            b'-' | b'0'..=b'9' => Some(Json::Number(text)),
            _ => Some(Json::Word),
        }
    }
}

/// Whether a number that was sent is the one that is stored.
#[must_use]
pub fn same_number(sent: &str, stored: &str) -> bool {
    let integer = |text: &str| !text.contains(['.', 'e', 'E']);
    if integer(sent) {
        // It keeps every digit, however it is written.
        return Decimal::of(sent)
            .zip(Decimal::of(stored))
            .is_some_and(|(sent, stored)| sent == stored);
    }
    let double = |text: &str| text.parse::<f64>().ok();
    double(sent)
        .zip(double(stored))
        .is_some_and(|(sent, stored)| sent.partial_cmp(&stored) == Some(Ordering::Equal))
}

/// A number as it is written: `digits` times ten to the power of `exponent`, the digits without zeros at either end.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn of(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let exponent = power.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        let kept = digits.trim_end_matches('0');
        let gone = i64::try_from(digits.len() - kept.len()).ok()?;
        let kept = kept.trim_start_matches('0');
        Some(if kept.is_empty() {
            Decimal {
                negative: false,
                digits: String::new(),
                exponent: 0,
            }
        } else {
            Decimal {
                negative,
                digits: kept.to_owned(),
                exponent: exponent.checked_add(gone)?,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_jsonb_makes_of_a_value_is_the_same() {
        for (sent, stored) in [
            ("-0.0", "0.0"),
            ("-0", "0"),
            ("1e22", "10000000000000000000000"),
            ("1e308", &format!("1{}", "0".repeat(308))),
            ("1.0", "1.0"),
            ("1e5", "100000.0"),
            ("1E+2", "100.0"),
            ("1.50", "1.5"),
            ("1e-7", "1e-07"),
            ("0.1234567890123456789", "0.12345678901234568"),
            ("9007199254740993", "9007199254740993"),
            (
                r#"{"zebra":1,"b":{"y":1,"x":2}}"#,
                r#"{"b": {"x": 2, "y": 1}, "zebra": 1}"#,
            ),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (r#""\u00e9""#, "\"é\""),
            ("[ 1 , {} ]", "[1,{}]"),
        ] {
            assert_eq!(difference("", sent, stored), None, "{sent}");
        }
    }

    #[test]
    fn another_value_is_a_difference_with_its_path() {
        for (sent, stored, told) in [
            (
                "9007199254740993",
                "9007199254740992",
                ": sent 9007199254740993, stored 9007199254740992",
            ),
            (
                "9007199254740993",
                "9007199254740992.0",
                ": sent 9007199254740993, stored 9007199254740992.0",
            ),
            ("1.5", "1.6", ": sent 1.5, stored 1.6"),
            ("1", "\"1\"", ": sent 1, stored \"1\""),
            ("null", "false", ": sent null, stored false"),
            (
                r#"{"a":[1,{"b":2}]}"#,
                r#"{"a":[1,{"b":3}]}"#,
                "a[1].b: sent 2, stored 3",
            ),
            (r#"{"a":1}"#, "{}", "a: sent 1, stored nothing"),
            ("{}", r#"{"a":null}"#, "a: sent nothing, stored null"),
            ("[1]", "[1,2]", "[1]: sent nothing, stored 2"),
        ] {
            let found = difference("", sent, stored).expect("they differ");
            assert_eq!(found.to_string(), told);
        }
    }
}
