//! Checks JSON text in one pass, without a tree: its grammar, and what a server would not survive in it.
//!
//! The text passes into a task as it is written, so that `2^70` and `0.1000000000000000055` keep their digits. What
//! is refused besides bad grammar: numbers outside the range of a double, lone surrogates, NUL characters, and
//! nesting beyond [`MOST_LEVELS`].
//!
//! A tape or a tree of the same text costs more than twice the time (measured: 1,700 MB/s against 700 with simd-json's
//! tape and 640 with serde_json's raw value, one core, records of 300 bytes), and would lose the digits.

use std::sync::Arc;

use super::watch::{Fields, Key, Noted, Watch, is_key};
use super::{Nul, write};
use crate::error::{Code, Fault};

/// Levels of nesting that are followed. Label Studio's parser refuses a file at 2,000 (the contract, section 6: stored
/// at 200, "Reached object decoding depth limit" at 2,000; the limit in its source is 1,024); the task around a record
/// adds its own.
pub const MOST_LEVELS: usize = 1_000;

/// A JSON value that has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// The value as written, without the white space around it.
    pub text: &'a str,
    /// What it is to Label Studio.
    pub kind: Kind,
    /// The watched fields of it.
    pub fields: Fields<'a>,
    /// Where it starts in the text that offsets of fields count in.
    pub start: usize,
}

impl<'a> Value<'a> {
    /// A value with no name of its own.
    #[must_use]
    pub fn single(text: &'a str) -> Self {
        Value {
            text,
            kind: Kind::Other,
            fields: Fields::default(),
            start: 0,
        }
    }

    /// The text from a field's offset on; the field's value is what it starts with.
    #[must_use]
    pub fn from(&self, offset: usize) -> &'a str {
        self.text.get(offset - self.start..).unwrap_or_default()
    }

    /// The value of a member of the object, which starts at `offset`, where the next key starts at `next` or there is
    /// none.
    #[must_use]
    pub fn member(&self, offset: usize, next: usize) -> &'a str {
        let end = (next - self.start).min(self.text.len() - 1);
        let member = self.text.get(offset - self.start..end).unwrap_or_default();
        member.trim_end_matches([' ', '\t', '\n', '\r', ','])
    }
}

/// What a JSON value is to Label Studio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An object whose `data` is a non-empty object: a task, taken whole.
    Task,
    /// Any other object: the data of a task.
    Object,
    /// An array, string, number, boolean or null.
    Other,
}

/// The first byte from `at` on that is not white space.
#[must_use]
pub fn skip_space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\t' | b'\r') = text.get(at) {
        at += 1;
    }
    at
}

/// Checks values. It keeps what it needs from one value to the next, so that none is allocated for each.
#[derive(Debug, Default)]
pub struct Scanner {
    nul: Nul,
    /// Offsets of the `\u0000` escapes in the last value, where these are to be replaced.
    nuls: Vec<usize>,
    noted: Noted,
    /// Whether the string that was gone over last has an escape in it.
    escaped: bool,
}

/// Open brackets, a bit each: set for an object.
struct Open {
    bits: [u64; MOST_LEVELS.div_ceil(64)],
    depth: usize,
}

impl Open {
    fn push(&mut self, object: bool, at: usize) -> Result<(), Fault> {
        let Some(word) = self.bits.get_mut(self.depth / 64) else {
            let reason = format!(
                "the JSON is nested more than {MOST_LEVELS} levels deep, which servers refuse"
            );
            return Err(Fault::new(Code::JsonDepth, reason).at(at));
        };
        let bit = 1 << (self.depth % 64);
        *word = if object { *word | bit } else { *word & !bit };
        self.depth += 1;
        Ok(())
    }

    fn in_object(&self) -> bool {
        let top = self.depth - 1;
        self.bits[top / 64] >> (top % 64) & 1 == 1
    }
}

impl Scanner {
    /// A scanner that treats NUL characters as told.
    #[must_use]
    pub fn new(nul: Nul) -> Self {
        Scanner {
            nul,
            ..Scanner::default()
        }
    }

    /// The same, and it notes where the values of these fields are.
    #[must_use]
    pub fn watching(self, watch: &Arc<Watch>) -> Self {
        Scanner {
            noted: Noted::new(Arc::clone(watch)),
            ..self
        }
    }

    /// The value that was checked last, `text[start..end]`, with what was noted of it.
    #[must_use]
    pub fn checked<'a>(&'a self, text: &'a str, start: usize, end: usize, kind: Kind) -> Value<'a> {
        Value {
            text: &text[start..end],
            kind,
            fields: self.noted.fields(kind == Kind::Task),
            start,
        }
    }

    /// Checks the value that starts at `at`, which is no white space; gives the offset after it and what it is.
    ///
    /// # Errors
    /// With an offset in `text`.
    pub fn value(&mut self, text: &str, at: usize) -> Result<(usize, Kind), Fault> {
        self.nuls.clear();
        self.noted.begin();
        let s = text.as_bytes();
        let mut open = Open {
            bits: [0; MOST_LEVELS.div_ceil(64)],
            depth: 0,
        };
        let mut kind = if s.get(at) == Some(&b'{') {
            Kind::Object
        } else {
            Kind::Other
        };
        let mut i = at;
        'value: loop {
            match s.get(i) {
                Some(b'"') => i = self.string(s, i + 1)?,
                Some(b'{') => {
                    open.push(true, i)?;
                    i = skip_space(s, i + 1);
                    if s.get(i) == Some(&b'}') {
                        open.depth -= 1;
                        i += 1;
                    } else {
                        i = self.key(text, i, &open, &mut kind)?;
                        continue 'value;
                    }
                }
                Some(b'[') => {
                    open.push(false, i)?;
                    i = skip_space(s, i + 1);
                    if s.get(i) == Some(&b']') {
                        open.depth -= 1;
                        i += 1;
                    } else {
                        continue 'value;
                    }
                }
                Some(b'-' | b'0'..=b'9') => i = number(text, i)?,
                Some(b't') if s[i..].starts_with(b"true") => i += 4,
                Some(b'f') if s[i..].starts_with(b"false") => i += 5,
                Some(b'n') if s[i..].starts_with(b"null") => i += 4,
                _ => return Err(unexpected(text, i, "a value")),
            }
            // A value has ended: close what it closes, then go on to the next.
            loop {
                if open.depth == 0 {
                    return Ok((i, kind));
                }
                i = skip_space(s, i);
                match (s.get(i), open.in_object()) {
                    (Some(b','), true) => {
                        i = self.key(text, skip_space(s, i + 1), &open, &mut kind)?;
                        continue 'value;
                    }
                    (Some(b','), false) => {
                        i = skip_space(s, i + 1);
                        continue 'value;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        open.depth -= 1;
                        i += 1;
                    }
                    (_, true) => return Err(unexpected(text, i, "`,` or `}`")),
                    (_, false) => return Err(unexpected(text, i, "`,` or `]`")),
                }
            }
        }
    }

    /// A member's key and colon; gives the offset of its value. Learns whether the value makes the object a task.
    #[inline]
    fn key(&mut self, text: &str, at: usize, open: &Open, kind: &mut Kind) -> Result<usize, Fault> {
        let s = text.as_bytes();
        if s.get(at) != Some(&b'"') {
            return Err(unexpected(text, at, "a key in quotes"));
        }
        self.escaped = false;
        let end = self.string(s, at + 1)?;
        let colon = skip_space(s, end);
        if s.get(colon) != Some(&b':') {
            return Err(unexpected(text, colon, "`:`"));
        }
        let value = skip_space(s, colon + 1);
        if open.depth > 2 {
            return Ok(value);
        }
        let key = Key::new(&s[at..end], self.escaped);
        if open.depth == 2 {
            self.noted.inner_key(key, value);
            return Ok(value);
        }
        self.noted.outer_key(key, at, value);
        if key.is("data") {
            let filled =
                s.get(value) == Some(&b'{') && s.get(skip_space(s, value + 1)) != Some(&b'}');
            *kind = if filled { Kind::Task } else { Kind::Object };
        }
        Ok(value)
    }

    /// The rest of a string that starts before `i`; gives the offset after its closing quote.
    #[inline]
    fn string(&mut self, s: &[u8], mut i: usize) -> Result<usize, Fault> {
        loop {
            i = plain_end(s, i);
            match s.get(i) {
                Some(b'"') => return Ok(i + 1),
                Some(b'\\') => {
                    self.escaped = true;
                    i = self.escape(s, i)?;
                }
                Some(_) => {
                    let reason = format!(
                        "the control character U+{:04X} must be escaped in a JSON string",
                        s[i]
                    );
                    return Err(Fault::new(Code::JsonSyntax, reason).at(i));
                }
                None => {
                    return Err(
                        Fault::new(Code::JsonSyntax, "the JSON ends inside a string").at(i),
                    );
                }
            }
        }
    }

    fn escape(&mut self, s: &[u8], i: usize) -> Result<usize, Fault> {
        match s.get(i + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(i + 2),
            Some(b'u') => match hex4(s, i + 2) {
                Some(0) if self.nul == Nul::Replace => {
                    self.nuls.push(i);
                    Ok(i + 6)
                }
                Some(0) => Err(write::nul_fault().at(i)),
                Some(0xD800..=0xDBFF) => {
                    let pair = s.get(i + 6..i + 8) == Some(br"\u")
                        && matches!(hex4(s, i + 8), Some(0xDC00..=0xDFFF));
                    if pair {
                        Ok(i + 12)
                    } else {
                        Err(lone_surrogate(s, i))
                    }
                }
                Some(0xDC00..=0xDFFF) => Err(lone_surrogate(s, i)),
                Some(_) => Ok(i + 6),
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

    /// The last value with U+FFFD for each NUL, and how many there were; none if it had none.
    #[must_use]
    pub fn replaced(&self, text: &str, from: usize, to: usize) -> Option<(String, u64)> {
        if self.nuls.is_empty() {
            return None;
        }
        let mut value = String::with_capacity(to - from);
        let mut done = from;
        for nul in &self.nuls {
            value.push_str(&text[done..*nul]);
            value.push_str(r"\ufffd");
            done = nul + 6;
        }
        value.push_str(&text[done..to]);
        Some((value, self.nuls.len() as u64))
    }
}

/// Calls `each` with the key (in its quotes) and the value of every member of an object that has been checked.
///
/// # Errors
/// None, if the object has really been checked; the faults of [`Scanner::value`] if not.
pub fn members<'a>(object: &'a str, mut each: impl FnMut(&'a str, &'a str)) -> Result<(), Fault> {
    let s = object.as_bytes();
    // Replacing is what never refuses; the text was checked before.
    let mut scanner = Scanner::new(Nul::Replace);
    let mut i = skip_space(s, 1);
    while s.get(i) == Some(&b'"') {
        let key_end = scanner.string(s, i + 1)?;
        let value = skip_space(s, skip_space(s, key_end) + 1);
        let (end, _) = scanner.value(object, value)?;
        each(&object[i..key_end], &object[value..end]);
        i = skip_space(s, skip_space(s, end) + 1);
    }
    Ok(())
}

/// The data of a task that has been checked; the last of several, as Python has it.
#[must_use]
pub fn data_of(task: &str) -> Option<&str> {
    let mut data = None;
    // A task that says where it is from has room for a number at its end until that is known: it is no JSON there, and
    // nothing comes after it.
    let _ = members(task, |key, value| {
        if is_key(key.as_bytes(), "data") {
            data = Some(value);
        }
    });
    data
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = ONES << 7;

/// The first byte from `i` on that ends a run of plain string text: a quote, a backslash or a control character.
///
/// Eight bytes at a time: of each comparison only the high bit of a byte is right, and only up to the first hit, which
/// is all that is asked.
#[inline]
fn plain_end(s: &[u8], mut i: usize) -> usize {
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
fn number(text: &str, at: usize) -> Result<usize, Fault> {
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
fn unexpected(text: &str, at: usize, wanted: &str) -> Fault {
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
