//! Doubles: read from text as pandas reads them, written as Python writes them.

/// The value of a number in decimal or scientific form, with white space around it or a sign before it; none if the
/// text is no such number. It is the nearest double, as in pandas since 3.1, and infinite beyond the largest.
#[must_use]
pub fn parse(text: &[u8]) -> Option<f64> {
    let text = trim(text);
    if !is_number(text) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// What C takes for white space.
#[inline]
#[must_use]
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The text without what C takes for white space around it.
#[inline]
#[must_use]
pub fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_space(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_space(*last)
    {
        text = rest;
    }
    text
}

/// Whether a text is a number: `[+-]digits[.digits][e[+-]digits]`, with a digit before the `e`.
#[inline]
#[must_use]
pub fn is_number(text: &[u8]) -> bool {
    let unsigned = unsigned(text);
    let (whole, rest) = digits(unsigned);
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => digits(rest),
        rest => (&[][..], rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return false;
    }
    match rest {
        [] => true,
        [b'e' | b'E', rest @ ..] => {
            let (exponent, rest) = digits(self::unsigned(rest));
            !exponent.is_empty() && rest.is_empty()
        }
        _ => false,
    }
}

/// The text without its sign.
#[inline]
pub(super) fn unsigned(text: &[u8]) -> &[u8] {
    match text {
        [b'+' | b'-', rest @ ..] => rest,
        text => text,
    }
}

/// The digits at the start of a text, and the rest.
#[inline]
pub(super) fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

/// Digits of a double, at most; with it stands room for the zeros that `zmij` writes around them.
const ROOM: usize = 40;

/// A decimal number: `0.digits` times a power of ten. Neither the first digit nor the last is a zero.
struct Decimal {
    digits: [u8; ROOM],
    length: usize,
    point: i64,
}

impl Decimal {
    /// The shortest decimal number that is nearer to this double than to any other.
    fn shortest(value: f64) -> Self {
        let mut buffer = zmij::Buffer::new();
        Decimal::of(buffer.format_finite(value).as_bytes()).0
    }

    /// The number that a text is, as far as there is room for its digits; true if there was room for all.
    fn of(text: &[u8]) -> (Self, bool) {
        let mut decimal = Decimal {
            digits: [0; ROOM],
            length: 0,
            point: 0,
        };
        let (mut whole, mut fits) = (true, true);
        let mut zeros = 0;
        let mut rest = unsigned(text);
        while let [byte, after @ ..] = rest {
            rest = after;
            match byte {
                b'.' => whole = false,
                b'e' | b'E' => {
                    decimal.point += exponent(after);
                    break;
                }
                b'0' if decimal.length == 0 => decimal.point -= i64::from(!whole),
                digit => {
                    decimal.point += i64::from(whole);
                    if *digit == b'0' {
                        zeros += 1;
                        continue;
                    }
                    // Zeros count only with a digit after them.
                    let end = decimal.length + zeros;
                    if end < ROOM {
                        decimal.digits[decimal.length..end].fill(b'0');
                        decimal.digits[end] = *digit;
                        decimal.length = end + 1;
                    } else {
                        fits = false;
                    }
                    zeros = 0;
                }
            }
        }
        (decimal, fits)
    }

    fn digits(&self) -> &[u8] {
        &self.digits[..self.length]
    }
}

/// The value of an exponent, which is cut off far beyond the range of doubles.
fn exponent(text: &[u8]) -> i64 {
    const FAR: i64 = 1 << 40;
    let value = digits(unsigned(text)).0.iter().fold(0, |value, digit| {
        (value * 10 + i64::from(digit - b'0')).min(FAR)
    });
    if text.first() == Some(&b'-') {
        -value
    } else {
        value
    }
}

/// Whether a number, written as this double, is another one than its text says.
#[must_use]
pub fn is_rounded(text: &[u8], value: f64) -> bool {
    let (given, fits) = Decimal::of(trim(text));
    if given.length == 0 {
        return false;
    }
    let written = Decimal::shortest(value);
    !fits || given.digits() != written.digits() || given.point != written.point
}

/// Appends a finite double as Python does: the fewest digits that tell it from others, at least one on each side of the
/// point, and an exponent of at least two digits from 1e16 on and below 1e-4.
pub fn write(value: f64, out: &mut Vec<u8>) {
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let decimal = Decimal::shortest(value);
    let digits = decimal.digits();
    let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let zeros = |out: &mut Vec<u8>, count: i64| out.extend((0..count).map(|_| b'0'));
    match decimal.point {
        _ if length == 0 => out.extend_from_slice(b"0.0"),
        point @ -3..=0 => {
            out.extend_from_slice(b"0.");
            zeros(out, -point);
            out.extend_from_slice(digits);
        }
        point @ 1..=16 => {
            let (whole, fraction) = digits.split_at(point.min(length) as usize);
            out.extend_from_slice(whole);
            zeros(out, point - length);
            out.push(b'.');
            out.extend_from_slice(if fraction.is_empty() { b"0" } else { fraction });
        }
        point => {
            let (first, rest) = digits.split_at(1);
            out.extend_from_slice(first);
            if !rest.is_empty() {
                out.push(b'.');
                out.extend_from_slice(rest);
            }
            let exponent = point - 1;
            out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
            if exponent.abs() < 10 {
                out.push(b'0');
            }
            out.extend_from_slice(itoa::Buffer::new().format(exponent.abs()).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{is_rounded, parse, write};

    #[test]
    fn doubles_are_written_as_python_writes_them() {
        let cases = [
            ("1", "1.0"),
            ("-0", "-0.0"),
            ("0e999", "0.0"),
            ("1e5", "100000.0"),
            ("123456789012345.6", "123456789012345.6"),
            ("9007199254740993", "9007199254740992.0"),
            ("1e15", "1000000000000000.0"),
            ("1e16", "1e+16"),
            ("1.5e300", "1.5e+300"),
            (".0001", "0.0001"),
            (".00012345", "0.00012345"),
            ("0.00001", "1e-05"),
            ("1.25e-7", "1.25e-07"),
            ("5e-324", "5e-324"),
            (" +100.250 ", "100.25"),
        ];
        for (text, expected) in cases {
            let mut out = Vec::new();
            write(parse(text.as_bytes()).unwrap_or(f64::MAX), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{text}");
        }
    }

    #[test]
    fn a_number_is_rounded_if_its_digits_change() {
        let rounded = |text: &str| {
            is_rounded(
                text.as_bytes(),
                parse(text.as_bytes()).unwrap_or(f64::INFINITY),
            )
        };
        for text in [
            "0.1",
            "1.50",
            "007",
            "1e5",
            "-0.0",
            "1000000000000000000000",
            " 2.50 ",
            "0.00",
        ] {
            assert!(!rounded(text), "{text}");
        }
        for text in [
            "0.1234567890123456789",
            "9007199254740993",
            "1e-400",
            "4.9e-324",
        ] {
            assert!(rounded(text), "{text}");
        }
    }
}
