//! The tokens of JSON text, a byte at a time: strings, their escapes, numbers, and what to say of bytes that are none.

use crate::error::{Code, Fault};

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = ONES << 7;

/// The first byte from `i` on that ends a run of plain string text: a quote, a backslash or a control character.
///
/// Eight bytes at a time: of each comparison only the high bit of a byte is right, and only up to the first hit, which
/// is all that is asked.
#[inline]
pub(super) fn plain_end(s: &[u8], mut i: usize) -> usize {
    while let Some(eight) = s.get(i..).and_then(|rest| rest.first_chunk::<8>()) {
        let x = u64::from_le_bytes(*eight);
        let quote = x ^ (ONES * 0x22);
        let backslash = x ^ (ONES * 0x5C);
        let found = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (x.wrapping_sub(ONES * 0x20) & !x);
        let found = found & HIGHS;
        if found != 0 {
            return i + (found.trailing_zeros() / 8) as usize;
        }
        i += 8;
    }
    while s
        .get(i)
        .is_some_and(|b| !matches!(b, b'"' | b'\\' | 0..0x20))
    {
        i += 1;
    }
    i
}

/// What an escape comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Escape {
    /// The offset after it, or after the second of a surrogate pair.
    pub(super) end: usize,
    /// It stands for a NUL character.
    pub(super) nul: bool,
}

/// The escape whose backslash is at `i`.
///
/// # Errors
/// When it is none, or is half of a surrogate pair.
pub(super) fn escape(s: &[u8], i: usize) -> Result<Escape, Fault> {
    let plain = |length| {
        Ok(Escape {
            end: i + length,
            nul: false,
        })
    };
    match s.get(i + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => plain(2),
        Some(b'u') => match hex4(s, i + 2) {
            Some(0) => Ok(Escape {
                end: i + 6,
                nul: true,
            }),
            Some(0xD800..=0xDBFF) => {
                let pair = s.get(i + 6..i + 8) == Some(br"\u")
                    && matches!(hex4(s, i + 8), Some(0xDC00..=0xDFFF));
                if pair {
                    plain(12)
                } else {
                    Err(lone_surrogate(s, i))
                }
            }
            Some(0xDC00..=0xDFFF) => Err(lone_surrogate(s, i)),
            Some(_) => plain(6),
            None => Err(Fault::new(
                Code::JsonSyntax,
                r"`\u` must be followed by four hexadecimal digits",
            )
            .at(i)),
        },
        Some(_) => Err(Fault::new(
            Code::JsonSyntax,
            "a backslash must be followed by one of `\"\\/bfnrtu`",
        )
        .at(i)),
        None => Err(Fault::new(Code::JsonSyntax, "the JSON ends inside a string").at(i)),
    }
}

fn hex4(s: &[u8], at: usize) -> Option<u32> {
    let digits = s.get(at..at + 4)?;
    digits.iter().try_fold(0, |value, digit| {
        Some(value * 16 + char::from(*digit).to_digit(16)?)
    })
}

fn digits(s: &[u8], mut i: usize) -> usize {
    while let Some(b'0'..=b'9') = s.get(i) {
        i += 1;
    }
    i
}

#[inline]
pub(super) fn number(text: &str, at: usize) -> Result<usize, Fault> {
    let s = text.as_bytes();
    let whole = at + usize::from(s[at] == b'-');
    let mut i = match s.get(whole) {
        Some(b'0') => whole + 1,
        Some(b'1'..=b'9') => digits(s, whole + 1),
        Some(b'I') => return Err(unexpected(text, at, "a value")),
        _ => return Err(unexpected(text, whole, "a digit")),
    };
    if s.get(i) == Some(&b'.') {
        let fraction = i + 1;
        i = digits(s, fraction);
        if i == fraction {
            return Err(unexpected(text, i, "a digit"));
        }
    }
    let mut range = i - at > 300;
    if let Some(b'e' | b'E') = s.get(i) {
        let signed = i + 1;
        let exponent = signed + usize::from(matches!(s.get(signed), Some(b'+' | b'-')));
        i = digits(s, exponent);
        if i == exponent {
            return Err(unexpected(text, i, "a digit"));
        }
        range = true;
    }
    if range && text[at..i].parse::<f64>().is_ok_and(f64::is_infinite) {
        let shown = shorten(&text[at..i]);
        let reason = format!(
            "the number `{shown}` is outside the range of a double, and breaks the server's whole import"
        );
        return Err(Fault::new(Code::NumberRange, reason).at(at));
    }
    Ok(i)
}

/// The fault of text that should have been something else at `at`.
#[cold]
pub(super) fn unexpected(text: &str, at: usize, wanted: &str) -> Fault {
    let rest = text.get(at..).unwrap_or_default();
    let word = rest.trim_start_matches('-');
    if word.starts_with("NaN") || word.starts_with("Infinity") {
        let word = word
            .split(|c: char| !c.is_alphabetic())
            .next()
            .unwrap_or_default();
        return Fault::new(
            Code::NotFinite,
            format!("`{word}` is not JSON, and breaks the server's whole import"),
        )
        .help("write `null` where there is no number")
        .at(at);
    }
    let reason = match rest.chars().next() {
        Some(found) => format!("expected {wanted}, found `{}`", found.escape_default()),
        None => format!("expected {wanted}, found the end of the record"),
    };
    Fault::new(Code::JsonSyntax, reason).at(at)
}

#[cold]
fn lone_surrogate(s: &[u8], at: usize) -> Fault {
    let shown = String::from_utf8_lossy(s.get(at..at + 6).unwrap_or_default()).into_owned();
    Fault::new(
        Code::LoneSurrogate,
        format!("`{shown}` is half of a surrogate pair, and breaks the whole project"),
    )
    .at(at)
}

fn shorten(text: &str) -> String {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text.to_owned(),
    }
}
