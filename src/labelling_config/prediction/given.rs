//! JSON as it is given: members in their order, whole numbers told from others, and all of it shown as Python shows it,
//! since the messages of label-studio-sdk do.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Given<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// A number without fraction or exponent, within 64 bits.
    Whole(i128),
    /// Any other number.
    Real(f64),
    /// A string.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<Given<'a>>),
    /// An object; of two members with one name the last counts.
    Object(Vec<(Cow<'a, str>, Given<'a>)>),
}

impl<'a> Given<'a> {
    /// Reads JSON text.
    ///
    /// # Errors
    /// When it is not JSON, or is nested more than 127 levels deep.
    pub fn parse(text: &'a str) -> serde_json::Result<Given<'a>> {
        serde_json::from_str(text)
    }

    /// The member of this name, if it is an object that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Given<'a>> {
        match self {
            Given::Object(members) => members
                .iter()
                .rev()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Given::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Python's name for what it is.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Given::Null => "NoneType",
            Given::Flag(_) => "bool",
            Given::Whole(_) => "int",
            Given::Real(_) => "float",
            Given::Text(_) => "str",
            Given::List(_) => "list",
            Given::Object(_) => "dict",
        }
    }

    /// Whether Python takes it for false.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Given::Null => true,
            Given::Flag(flag) => !flag,
            Given::Whole(number) => *number == 0,
            Given::Real(number) => *number == 0.0,
            Given::Text(text) => text.is_empty(),
            Given::List(list) => list.is_empty(),
            Given::Object(members) => members.is_empty(),
        }
    }

    /// Whether Python takes the two for equal, neither being a list or an object.
    pub(super) fn same(&self, other: &Given<'_>) -> bool {
        match (self, other) {
            (Given::Null, Given::Null) => true,
            (Given::Text(one), Given::Text(two)) => one == two,
            (one, two) => one
                .number()
                .zip(two.number())
                .is_some_and(|(a, b)| a.total_cmp(&b).is_eq() || a.abs() + b.abs() <= 0.0),
        }
    }

    /// The number, booleans being 0 and 1.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Given::Flag(flag) => Some(f64::from(u8::from(*flag))),
            Given::Whole(number) => Some(*number as f64),
            Given::Real(number) => Some(*number),
            _ => None,
        }
    }

    /// As Python's `str` gives it: text without quotes.
    #[must_use]
    pub fn shown(&self) -> Cow<'_, str> {
        match self {
            Given::Text(text) => Cow::Borrowed(text),
            other => Cow::Owned(other.to_string()),
        }
    }
}

/// As Python's `repr` gives it.
impl fmt::Display for Given<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Given::Null => f.write_str("None"),
            Given::Flag(true) => f.write_str("True"),
            Given::Flag(false) => f.write_str("False"),
            Given::Whole(number) => write!(f, "{number}"),
            Given::Real(number) => real(f, *number),
            Given::Text(text) => quoted(f, text),
            Given::List(list) => {
                f.write_char('[')?;
                for (i, value) in list.iter().enumerate() {
                    let separator = if i > 0 { ", " } else { "" };
                    write!(f, "{separator}{value}")?;
                }
                f.write_char(']')
            }
            Given::Object(members) => {
                f.write_char('{')?;
                for (i, (key, value)) in members.iter().enumerate() {
                    f.write_str(if i > 0 { ", " } else { "" })?;
                    quoted(f, key)?;
                    write!(f, ": {value}")?;
                }
                f.write_char('}')
            }
        }
    }
}

/// A float as Python writes it: `1e+16`, `1e-05`, `nan`.
pub(super) fn real(f: &mut impl fmt::Write, number: f64) -> fmt::Result {
    if number.is_nan() {
        return f.write_str("nan");
    }
    let digits = format!("{number:?}");
    match digits.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) = match exponent.strip_prefix('-') {
                Some(exponent) => ('-', exponent),
                None => ('+', exponent),
            };
            write!(f, "{digits}e{sign}{exponent:0>2}")
        }
        None => f.write_str(&digits),
    }
}

/// Text as a Python literal.
pub(super) fn quoted(f: &mut impl fmt::Write, text: &str) -> fmt::Result {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    f.write_char(quote)?;
    for c in text.chars() {
        match c {
            '\\' => f.write_str(r"\\")?,
            '\n' => f.write_str(r"\n")?,
            '\r' => f.write_str(r"\r")?,
            '\t' => f.write_str(r"\t")?,
            _ if c == quote => write!(f, "\\{c}")?,
            _ if c == ' ' || !unseen(c) => f.write_char(c)?,
            _ => match u32::from(c) {
                code @ ..0x100 => write!(f, "\\x{code:02x}")?,
                code @ ..0x1_0000 => write!(f, "\\u{code:04x}")?,
                code => write!(f, "\\U{code:08x}")?,
            },
        }
    }
    f.write_char(quote)
}

/// Whether a character has no shape of its own: control and format characters, spaces, those for private use.
fn unseen(c: char) -> bool {
    c.is_control()
        || c.is_whitespace()
        || matches!(c,
            '\u{AD}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}' | '\u{180E}'
            | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{E000}'..='\u{F8FF}' | '\u{FEFF}' | '\u{FFF0}'..='\u{FFFB}' | '\u{FFFE}'..='\u{FFFF}'
            | '\u{E0000}'..='\u{10FFFF}')
}

impl<'de: 'a, 'a> Deserialize<'de> for Given<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

/// Text that borrows where it can.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(Reader)? {
            Given::Text(text) => Ok(Key(text)),
            _ => Err(D::Error::custom("a key is text")),
        }
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Given<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Given<'de>, E> {
        Ok(Given::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Given<'de>, E> {
        Ok(Given::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Given<'de>, E> {
        Ok(Given::Whole(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Given<'de>, E> {
        Ok(Given::Whole(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Given<'de>, E> {
        Ok(Given::Real(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Given<'de>, E> {
        Ok(Given::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Given<'de>, E> {
        Ok(Given::Text(Cow::Borrowed(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Given<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = access.next_element()? {
            list.push(value);
        }
        Ok(Given::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Given<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some((Key(key), value)) = access.next_entry::<Key<'de>, _>()? {
            members.push((key, value));
        }
        Ok(Given::Object(members))
    }
}

impl<'a> From<&'a Value> for Given<'a> {
    fn from(value: &'a Value) -> Given<'a> {
        match value {
            Value::Null => Given::Null,
            Value::Bool(flag) => Given::Flag(*flag),
            Value::Number(number) => {
                let whole = number.as_i64().map(i128::from);
                match whole.or(number.as_u64().map(i128::from)) {
                    Some(whole) => Given::Whole(whole),
                    None => Given::Real(number.as_f64().unwrap_or(f64::NAN)),
                }
            }
            Value::String(text) => Given::Text(Cow::Borrowed(text)),
            Value::Array(list) => Given::List(list.iter().map(Given::from).collect()),
            Value::Object(members) => Given::Object(
                members
                    .iter()
                    .map(|(key, value)| (Cow::Borrowed(key.as_str()), Given::from(value)))
                    .collect(),
            ),
        }
    }
}
