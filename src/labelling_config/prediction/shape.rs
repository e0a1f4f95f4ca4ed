//! What a value must look like, as pydantic 2 (which label-studio-sdk uses) takes it: text for a number and a number for a
//! flag will do, and members that are not asked for are no fault.

use super::given::Given;

/// What a value must look like.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// A string.
    Text,
    /// A number, at most this.
    Real(f64),
    /// A number without fraction, at least this.
    Whole(i128),
    /// True or false.
    Flag,
    /// A number or a string.
    Point,
    /// A list of so many at least.
    List(usize, &'static Shape),
    /// A list of two.
    Pair(&'static Shape),
    /// An object with any names.
    Map(&'static Shape),
    /// Anything.
    Any,
    /// An object with these members, and others.
    Object(&'static [Member]),
    /// A mask: bytes, at least one.
    Mask,
}

/// A member of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// Its name.
    pub(super) name: &'static str,
    shape: Shape,
    need: Need,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Must,
    May,
    MayBeNull,
}

/// Any number.
pub(super) const REAL: Shape = Shape::Real(f64::INFINITY);
/// A share of a hundred.
pub(super) const PERCENT: Shape = Shape::Real(100.0);
/// Any number without fraction.
pub(super) const WHOLE: Shape = Shape::Whole(i128::MIN);
/// Strings.
pub(super) const TEXTS: Shape = Shape::List(0, &Shape::Text);

/// A member that must be there.
pub(super) const fn must(name: &'static str, shape: Shape) -> Member {
    Member {
        name,
        shape,
        need: Need::Must,
    }
}

/// A member that may be missing, but not null.
pub(super) const fn may(name: &'static str, shape: Shape) -> Member {
    Member {
        name,
        shape,
        need: Need::May,
    }
}

/// A member that may be missing or null.
pub(super) const fn may_be_null(name: &'static str, shape: Shape) -> Member {
    Member {
        name,
        shape,
        need: Need::MayBeNull,
    }
}

impl Member {
    /// Whether an object's member will do.
    pub(super) fn fits(&self, object: &Given<'_>) -> bool {
        match object.get(self.name) {
            None => self.need != Need::Must,
            Some(Given::Null) if self.need == Need::MayBeNull => true,
            Some(value) => self.shape.fits(value),
        }
    }
}

impl Shape {
    /// Whether a value will do.
    pub(super) fn fits(&self, value: &Given<'_>) -> bool {
        match self {
            Shape::Any => true,
            Shape::Text => matches!(value, Given::Text(_)),
            Shape::Point => value.text().is_some() || value.number().is_some(),
            Shape::Flag => flag(value),
            // Not a number is not at most anything, unless there is no such limit.
            Shape::Real(most) => {
                real(value).is_some_and(|number| most.is_infinite() || number <= *most)
            }
            Shape::Whole(least) => whole(value).is_some_and(|number| number >= *least),
            Shape::List(fewest, each) => matches!(value, Given::List(list)
                if list.len() >= *fewest && list.iter().all(|value| each.fits(value))),
            Shape::Pair(each) => matches!(value, Given::List(list)
                if list.len() == 2 && list.iter().all(|value| each.fits(value))),
            Shape::Map(each) => matches!(value, Given::Object(members)
                if members.iter().all(|(_, value)| each.fits(value))),
            Shape::Object(members) => {
                matches!(value, Given::Object(_)) && members.iter().all(|m| m.fits(value))
            }
            Shape::Mask => matches!(value, Given::List(list) if !list.is_empty()
                && list.iter().all(|byte| matches!(whole(byte), Some(0..=255)))),
        }
    }
}

fn flag(value: &Given<'_>) -> bool {
    const WORDS: [&str; 12] = [
        "0", "1", "f", "false", "n", "no", "off", "on", "t", "true", "y", "yes",
    ];
    match value {
        Given::Text(text) => WORDS.iter().any(|word| word.eq_ignore_ascii_case(text)),
        other => matches!(whole(other), Some(0 | 1)),
    }
}

/// A value taken for a number.
fn real(value: &Given<'_>) -> Option<f64> {
    match value {
        Given::Text(text) => real_of(text),
        other => other.number(),
    }
}

/// Text taken for a number: white space around it and single underscores between digits do not count.
pub(super) fn real_of(text: &str) -> Option<f64> {
    let text = joined(text.trim())?;
    // What Rust takes for a number is what Python does, but for `infinity` and `nan` in any case.
    text.parse().ok()
}

/// The text without the underscores between its digits; none if one stands elsewhere.
fn joined(text: &str) -> Option<String> {
    let s = text.as_bytes();
    let digit = |i: Option<usize>| i.and_then(|i| s.get(i)).is_some_and(u8::is_ascii_digit);
    let stray = |i: usize| s[i] == b'_' && !(digit(i.checked_sub(1)) && digit(Some(i + 1)));
    if (0..s.len()).any(stray) {
        return None;
    }
    Some(text.replace('_', ""))
}

/// A value taken for a number without fraction; one too large for 128 bits is as good as the largest.
fn whole(value: &Given<'_>) -> Option<i128> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    match value {
        Given::Flag(flag) => Some(i128::from(*flag)),
        Given::Whole(number) => Some(*number),
        Given::Real(number) if number.fract() == 0.0 && (-LIMIT..LIMIT).contains(number) => {
            Some(*number as i128)
        }
        Given::Text(text) => whole_of(text),
        _ => None,
    }
}

/// Text taken for a number without fraction: `7`, `1_000`, `7.00`.
pub(super) fn whole_of(text: &str) -> Option<i128> {
    let text = text.trim();
    let text = match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole,
        Some(_) => return None,
        None => text,
    };
    let text = joined(text)?;
    let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let most = if text.starts_with('-') {
        i128::MIN
    } else {
        i128::MAX
    };
    Some(text.parse().unwrap_or(most))
}
