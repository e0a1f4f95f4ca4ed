//! Types that lose nothing: a column has one only if every cell of it, written as JSON and read by Label Studio, comes
//! back as the text it was.
//!
//! Label Studio reads JSON numbers with Python, and Python writes a double with the fewest digits that tell it from
//! others: `1.50` comes back as `1.5`, so a column with it stays text. Integers come back whatever their size.

use super::float;
use crate::read::column_types::ColumnType;

/// Digits of the longest integer that Python reads (`sys.int_info.default_max_str_digits`).
pub const MOST_DIGITS: usize = 4300;

/// Bytes of the longest text of a double, `-2.2250738585072014e-308`.
const LONGEST_DOUBLE: usize = 24;

/// What the cells of a column seen so far may all be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is seen by itself, and all are merged alike"
)]
pub struct Column {
    integers: bool,
    numbers: bool,
    booleans: bool,
    /// A cell was seen that is not empty.
    any: bool,
}

impl Default for Column {
    fn default() -> Self {
        Column {
            integers: true,
            numbers: true,
            booleans: true,
            any: false,
        }
    }
}

impl Column {
    /// Takes in one more cell, without its quotes.
    #[inline]
    pub fn see(&mut self, cell: &[u8]) {
        if cell.is_empty() || self.is_settled() {
            return;
        }
        self.any = true;
        let integer = is_integer(cell);
        self.integers &= integer;
        self.numbers = self.numbers && (integer || is_double(cell));
        self.booleans = self.booleans && is_boolean(cell);
    }

    /// Takes in the cells of another part of the column.
    pub fn merge(&mut self, other: Column) {
        self.integers &= other.integers;
        self.numbers &= other.numbers;
        self.booleans &= other.booleans;
        self.any |= other.any;
    }

    /// The column's type, if that was all of it.
    #[must_use]
    pub fn column_type(self) -> ColumnType {
        match self {
            Column { any: false, .. } => ColumnType::Text,
            Column { integers: true, .. } => ColumnType::Integer,
            Column { numbers: true, .. } => ColumnType::Number,
            Column { booleans: true, .. } => ColumnType::Boolean,
            _ => ColumnType::Text,
        }
    }

    fn is_settled(self) -> bool {
        !self.numbers && !self.booleans
    }
}

/// Appends a cell as a value of this type; false if it is none.
#[inline]
pub fn write(column_type: ColumnType, cell: &[u8], out: &mut Vec<u8>) -> bool {
    if cell.is_empty() {
        out.extend_from_slice(b"\"\"");
        return true;
    }
    let fits = match column_type {
        ColumnType::Integer => is_integer(cell),
        ColumnType::Number => is_integer(cell) || is_double(cell),
        ColumnType::Boolean => is_boolean(cell),
        ColumnType::Text | ColumnType::Stored(_) => false,
    };
    if fits {
        out.extend_from_slice(cell);
    }
    fits
}

/// Whether a cell is an integer as Python writes one: no plus, no leading zero, no `-0`.
#[inline]
fn is_integer(cell: &[u8]) -> bool {
    let digits = cell.strip_prefix(b"-").unwrap_or(cell);
    match digits {
        b"0" => digits.len() == cell.len(),
        [b'1'..=b'9', rest @ ..] => rest.len() < MOST_DIGITS && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// Whether a cell is a double as Python writes one.
#[inline]
fn is_double(cell: &[u8]) -> bool {
    if cell.len() > LONGEST_DOUBLE || !matches!(cell.first(), Some(b'-' | b'0'..=b'9')) {
        return false;
    }
    let Some(value) = float::parse(cell).filter(|value| value.is_finite()) else {
        return false;
    };
    let mut written = Vec::with_capacity(LONGEST_DOUBLE);
    float::write(value, &mut written);
    written == cell
}

/// Whether a cell is `true` or `false` as JSON has them.
fn is_boolean(cell: &[u8]) -> bool {
    cell == b"true" || cell == b"false"
}
