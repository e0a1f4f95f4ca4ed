//! What the values of options are.

use std::time::Duration;

/// A time such as `30s`.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        other => {
            return Err(format!("`{other}` is no unit; there are ms, s, m, h and d"));
        }
    };
    let number: f64 = digits
        .parse()
        .map_err(|_| format!("`{digits}` is no number"))?;
    Duration::try_from_secs_f64(number * unit).map_err(|_| format!("`{text}` is no time"))
}

/// A time of some seconds.
pub(super) fn lasting(text: &str) -> Result<Duration, String> {
    let time = time(text)?;
    if time < Duration::from_secs(1) {
        return Err("wants a second at least".to_owned());
    }
    Ok(Duration::from_secs(time.as_secs()))
}

/// Two parts with `=` between them.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() => {
            Ok((left.to_owned(), right.to_owned()))
        }
        _ => Err("wants two parts with `=` between them".to_owned()),
    }
}

/// What stands between cells.
pub(super) fn delimiter(text: &str) -> Result<u8, String> {
    match text {
        "tab" | "\\t" => Ok(b'\t'),
        _ => match text.as_bytes() {
            [byte @ (b'\t' | b' '..=b'~')] if !matches!(byte, b'"') => Ok(*byte),
            _ => Err("wants one ASCII character other than a quote, or `tab`".to_owned()),
        },
    }
}

/// A number of bytes such as `64k`.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: usize = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        other => {
            return Err(format!(
                "`{other}` is no unit; there are k, m, g (powers of 1,024) and kb, mb, gb"
            ));
        }
    };
    let number = digits
        .parse::<usize>()
        .map_err(|_| format!("`{digits}` is no number of bytes"))?;
    number
        .checked_mul(unit)
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| format!("`{text}` is no number of bytes"))
}
