//! Checks JSON text in one pass, without a tree: its grammar, and what a server would not survive in it.
//!
//! The text passes into a task as it is written, so that `2^70` and `0.1000000000000000055` keep their digits. What
//! is refused besides bad grammar: numbers outside the range of a double, lone surrogates, NUL characters, and
//! nesting beyond [`MOST_LEVELS`].
//!
//! A tape or a tree of the same text costs more than twice the time (measured: 1,700 MB/s against 700 with simd-json's
//! tape and 640 with serde_json's raw value, one core, records of 300 bytes), and would lose the digits.

use std::sync::Arc;

use super::blockwise::Check;
use super::tokens::{Escape, escape, number, plain_end, unexpected};
use super::watch::{Fields, Key, Noted, Watch, is_key};
use super::{Nul, write};
use crate::blocks::with_lanes;
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// An object whose `data` is a non-empty object: a task, taken whole.
    Task,
    /// Any other object: the data of a task.
    Object,
    /// An array, string, number, boolean or null.
    #[default]
    Other,
}

impl Kind {
    /// What an object is whose `data` starts at `at`.
    #[inline]
    pub(super) fn of_data(text: &[u8], at: usize) -> Kind {
        let filled =
            text.get(at) == Some(&b'{') && text.get(skip_space(text, at + 1)) != Some(&b'}');
        if filled { Kind::Task } else { Kind::Object }
    }
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

    /// Checks the value that starts at `at`, which is no white space, and must have ended at `limit`; gives the offset
    /// after it and what it is.
    ///
    /// # Errors
    /// With an offset in `text`.
    #[inline]
    pub fn value(&mut self, text: &str, at: usize, limit: usize) -> Result<(usize, Kind), Fault> {
        self.nuls.clear();
        self.noted.begin();
        let check = Check {
            text,
            at,
            limit,
            noted: &mut self.noted,
        };
        match with_lanes(check) {
            Some(found) => Ok(found),
            None => self.value_by_bytes(&text[..limit], at),
        }
    }

    /// The same, a byte at a time: it knows what is wrong, and where.
    ///
    /// # Errors
    /// With an offset in `text`.
    pub fn value_by_bytes(&mut self, text: &str, at: usize) -> Result<(usize, Kind), Fault> {
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
            *kind = Kind::of_data(s, value);
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
                    let Escape { end, nul } = escape(s, i)?;
                    match self.nul {
                        Nul::Replace if nul => self.nuls.push(i),
                        Nul::Reject if nul => return Err(write::nul_fault().at(i)),
                        Nul::Replace | Nul::Reject => {}
                    }
                    i = end;
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
        let (end, _) = scanner.value(object, value, object.len())?;
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
