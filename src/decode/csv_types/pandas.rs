//! The types that Label Studio gives to the columns of a table: those of pandas 3.1.1, `read_csv(...).fillna('')`.
//!
//! pandas tries one type after another on the cells of a column from the first to the last: integers of 64 bits, then
//! doubles, then booleans, then text. An integer beyond 64 bits leads aside: to integers without a sign, and to those of
//! Python; where that fails the column is text, and no cell of it is missing any more. So it matters which cell of a
//! column is the *first* that is no integer, which is what a [`Column`] keeps.
//!
//! pandas reads a file of more than about 2^20 cells in parts and gives each part types of its own, so that `1` may be
//! a number in one part of a column and text in another. Here a column has one type whatever the size of the file: the
//! one that pandas gives to it in a small file, or in a large one with `low_memory=False`.
//!
//! Cases of all this are in the conformance set as `csv-*`; it was held against pandas 3.1.1 with random tables.

use super::auto::MOST_DIGITS;
use super::float::{digits, is_number, is_space, parse, trim, unsigned};
use crate::read::column_types::Stored;

/// The words that stand for a missing value, besides an empty cell (`STR_NA_VALUES`).
const MISSING: [&[u8]; 18] = [
    b"-1.#IND",
    b"1.#QNAN",
    b"1.#IND",
    b"-1.#QNAN",
    b"#N/A N/A",
    b"#N/A",
    b"N/A",
    b"n/a",
    b"NA",
    b"<NA>",
    b"#NA",
    b"NULL",
    b"null",
    b"NaN",
    b"-NaN",
    b"nan",
    b"-nan",
    b"None",
];

/// Bytes of the longest of them.
const LONGEST_WORD: usize = 8;

/// Whether a cell stands for a missing value.
#[inline]
#[must_use]
pub fn is_missing(cell: &[u8]) -> bool {
    match cell {
        [] => true,
        [b'-' | b'1' | b'#' | b'N' | b'n' | b'<', ..] => {
            cell.len() <= LONGEST_WORD && MISSING.contains(&cell)
        }
        _ => false,
    }
}

/// Whether a cell is called infinite.
#[must_use]
pub fn is_infinite(cell: &[u8]) -> bool {
    let word = unsigned(cell);
    word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"infinity")
}

/// Why a cell is no integer of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Not {
    /// It is one, and larger than the kind.
    TooLarge,
    /// It is none at all.
    Integer,
}

/// What is known of the cells of a column seen so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is seen by itself, and all are merged alike"
)]
pub struct Column {
    /// What the first cell that is no `i64` is.
    not_i64: Option<Not>,
    /// What the first cell that is no `u64` is; one that starts with a minus is passed over.
    not_u64: Option<Not>,
    /// A cell starts with a minus.
    negative: bool,
    /// A cell is a `u64` and no `i64`.
    beyond_i64: bool,
    /// A cell is missing.
    missing: bool,
    /// All are integers as Python reads them.
    integers: bool,
    /// All are doubles.
    doubles: bool,
    /// All are booleans.
    booleans: bool,
}

impl Default for Column {
    fn default() -> Self {
        Column {
            not_i64: None,
            not_u64: None,
            negative: false,
            beyond_i64: false,
            missing: false,
            integers: true,
            doubles: true,
            booleans: true,
        }
    }
}

impl Column {
    /// Takes in the next cell of the column, without its quotes; true if it is an infinite number and the column may be
    /// one of numbers.
    #[inline]
    pub fn see(&mut self, cell: &[u8]) -> bool {
        if self.is_settled() {
            return false;
        }
        if is_missing(cell) {
            self.missing = true;
            return false;
        }
        if self.not_i64.is_none() {
            self.not_i64 = signed(cell).err();
        }
        self.see_unsigned(cell);
        self.integers = self.integers && is_python_integer(cell);
        self.booleans = self.booleans && boolean(cell).is_some();
        if !self.doubles {
            return false;
        }
        let named = is_infinite(cell);
        self.doubles = named || is_number(trim(cell));
        named || self.doubles && may_be_infinite(cell) && parse(cell).is_some_and(f64::is_infinite)
    }

    #[inline]
    fn see_unsigned(&mut self, cell: &[u8]) {
        if self.not_u64.is_some() {
            return;
        }
        match trim_start(cell) {
            [b'-', ..] => self.negative = true,
            rest => match unsigned_value(rest) {
                Ok(value) => self.beyond_i64 |= i64::try_from(value).is_err(),
                Err(not) => self.not_u64 = Some(not),
            },
        }
    }

    /// Takes in the cells that come after those seen so far.
    pub fn merge(&mut self, later: Column) {
        self.not_i64 = self.not_i64.or(later.not_i64);
        self.not_u64 = self.not_u64.or(later.not_u64);
        self.negative |= later.negative;
        self.beyond_i64 |= later.beyond_i64;
        self.missing |= later.missing;
        self.integers &= later.integers;
        self.doubles &= later.doubles;
        self.booleans &= later.booleans;
    }

    /// What the column is, if that was all of it.
    #[must_use]
    pub fn stored(self) -> Stored {
        let large = match (self.not_i64, self.not_u64) {
            (None, _) if self.missing => return Stored::Whole,
            (None, _) => return Stored::Integer,
            (Some(Not::Integer), _) | (_, Some(Not::Integer)) => false,
            (_, Some(Not::TooLarge)) => true,
            // All fit without a sign, or start with a minus.
            (_, None) if self.beyond_i64 && (self.negative || self.missing) => {
                return Stored::Literal;
            }
            (_, None) if self.negative => true,
            (_, None) => return Stored::Integer,
        };
        match self {
            _ if large && self.integers => Stored::Integer,
            _ if large => Stored::Literal,
            Column { doubles: true, .. } => Stored::Float,
            Column { booleans: true, .. } => Stored::Boolean,
            _ => Stored::Text,
        }
    }

    /// Whether no further cell, and no cell before, makes it anything but text.
    fn is_settled(self) -> bool {
        self.not_i64.is_some()
            && self.not_u64.is_some()
            && !self.integers
            && !self.doubles
            && !self.booleans
    }
}

fn trim_start(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_space(*first)
    {
        text = rest;
    }
    text
}

/// The value of a cell that is an integer of 64 bits, as C's `strtoll` reads it.
fn signed(cell: &[u8]) -> Result<i64, Not> {
    let rest = trim_start(cell);
    let (digits, after) = digits(unsigned(rest));
    let negative = rest.first() == Some(&b'-');
    let value = digits.iter().try_fold(0i64, |value, digit| {
        let (value, digit) = (value.checked_mul(10)?, i64::from(digit - b'0'));
        if negative {
            value.checked_sub(digit)
        } else {
            value.checked_add(digit)
        }
    });
    of_digits(digits, after, value)
}

/// The same without a sign, as `strtoull` reads it.
fn unsigned_value(rest: &[u8]) -> Result<u64, Not> {
    let (digits, after) = digits(rest.strip_prefix(b"+").unwrap_or(rest));
    let value = digits.iter().try_fold(0u64, |value, digit| {
        value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    });
    of_digits(digits, after, value)
}

fn of_digits<T>(digits: &[u8], after: &[u8], value: Option<T>) -> Result<T, Not> {
    match value {
        _ if digits.is_empty() => Err(Not::Integer),
        // White space after a number that is too large counts as something else.
        None if after.is_empty() => Err(Not::TooLarge),
        Some(value) if after.iter().all(|byte| is_space(*byte)) => Ok(value),
        _ => Err(Not::Integer),
    }
}

/// The value of a cell that is an integer of 64 bits.
pub(super) fn integer(cell: &[u8]) -> Option<i64> {
    signed(cell).ok()
}

/// Whether Python reads a cell as an integer: white space around it, underscores between its digits, no more than
/// [`MOST_DIGITS`] of these.
pub(super) fn is_python_integer(cell: &[u8]) -> bool {
    let mut before = b'_';
    let mut count = 0;
    for byte in unsigned(trim(cell)) {
        match byte {
            b'0'..=b'9' => count += 1,
            b'_' if before != b'_' => {}
            _ => return false,
        }
        before = *byte;
    }
    before != b'_' && count <= MOST_DIGITS
}

/// The value of a cell that is a boolean, in any case.
pub(super) fn boolean(cell: &[u8]) -> Option<bool> {
    if cell.eq_ignore_ascii_case(b"true") {
        Some(true)
    } else if cell.eq_ignore_ascii_case(b"false") {
        Some(false)
    } else {
        None
    }
}

/// Whether a number may be beyond the doubles: it has an exponent, or 309 digits.
fn may_be_infinite(cell: &[u8]) -> bool {
    cell.len() > 308 || memchr::memchr2(b'e', b'E', cell).is_some()
}
