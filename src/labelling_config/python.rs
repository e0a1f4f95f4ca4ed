//! What Python makes of a text where a number may stand.

/// The digits that Python's `int` takes at most (`sys.int_info.default_max_str_digits`).
const MOST_DIGITS: usize = 4300;

/// What xmljson's BadgerFish convention makes of an attribute or a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guess {
    /// It stays text.
    Text,
    /// `true` or `false`.
    Boolean,
    /// An `int`, or a finite `float`.
    Number,
}

/// What xmljson takes a text for: its `_fromstring`. Digits of other scripts than ours count as text here.
pub(super) fn guess(text: &str) -> Guess {
    if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
        Guess::Boolean
    } else if is_int(text) || float(text).is_some_and(f64::is_finite) {
        Guess::Number
    } else {
        Guess::Text
    }
}

/// What `float(text)` gives: spaces around it and single underscores between digits are allowed.
pub(super) fn float(text: &str) -> Option<f64> {
    let text = text.trim();
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_some_and(u8::is_ascii_digit)
    };
    let apart = memchr::memchr_iter(b'_', bytes)
        .all(|at| digit(at.checked_sub(1)) && digit(at.checked_add(1)));
    if !apart {
        return None;
    }
    text.replace('_', "").parse().ok()
}

/// Whether `int(text)` gives a number.
fn is_int(text: &str) -> bool {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let only = digits.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let count = digits.bytes().filter(u8::is_ascii_digit).count();
    only && count <= MOST_DIGITS && float(digits).is_some()
}

#[cfg(test)]
mod tests {
    use super::{Guess, float, guess};

    #[test]
    fn texts_are_taken_for_what_python_takes_them_for() {
        for number in [
            "1", "007", " 1_1 ", "+.5e-3", "-0", "1.", "9e9", "1_0.2_5", "1\n",
        ] {
            assert_eq!(guess(number), Guess::Number, "{number:?}");
        }
        assert_eq!(guess(&"9".repeat(400)), Guess::Number);
        for text in [
            "", " ", "-", ".", "1__1", "_1", "1_", "1_.5", "1e400", "inf", "nan", "0x10", "1a",
            "true ",
        ] {
            assert_eq!(guess(text), Guess::Text, "{text:?}");
        }
        assert_eq!(guess(&"9".repeat(4301)), Guess::Text);
        assert_eq!(guess("TRUE"), Guess::Boolean);
        assert_eq!(guess("False"), Guess::Boolean);
        assert_eq!(float("1e400"), Some(f64::INFINITY));
        assert_eq!(float("1_0.5"), Some(10.5));
    }
}
