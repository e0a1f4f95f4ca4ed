//! Writes cells as Label Studio stores them, and counts what it loses.

use super::{float, pandas};
use crate::decode::Changes;
use crate::read::column_types::Stored;

/// What became of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is appended.
    Value,
    /// It is to be written as text.
    Text,
    /// It is an infinite number, which has no JSON form.
    Infinite,
    /// It is not what its column is said to be.
    Nothing,
}

/// Appends a cell, without its quotes, unless it is text.
#[inline]
pub fn write(stored: Stored, cell: &[u8], out: &mut Vec<u8>, changes: &mut Changes) -> Written {
    if stored == Stored::Literal {
        return Written::Text;
    }
    if pandas::is_missing(cell) {
        changes.missing_emptied += u64::from(!cell.is_empty());
        out.extend_from_slice(b"\"\"");
        return Written::Value;
    }
    match stored {
        Stored::Text | Stored::Literal => Written::Text,
        Stored::Integer => integer(cell, out, changes),
        Stored::Whole => match pandas::integer(cell) {
            Some(value) => {
                changes.zeros_dropped += u64::from(has_zeros(cell));
                double(cell, value as f64, out, changes)
            }
            None => Written::Nothing,
        },
        Stored::Float => {
            if pandas::is_infinite(cell) {
                return Written::Infinite;
            }
            match float::parse(cell) {
                Some(value) if value.is_infinite() => Written::Infinite,
                Some(value) => {
                    changes.zeros_dropped += u64::from(has_zeros(cell));
                    double(cell, value, out, changes)
                }
                None => Written::Nothing,
            }
        }
        Stored::Boolean => match pandas::boolean(cell) {
            Some(value) => {
                out.extend_from_slice(if value { b"true" } else { b"false" });
                Written::Value
            }
            None => Written::Nothing,
        },
    }
}

fn double(cell: &[u8], value: f64, out: &mut Vec<u8>, changes: &mut Changes) -> Written {
    changes.rounded += u64::from(float::is_rounded(cell, value));
    float::write(value, out);
    Written::Value
}

/// Whether there are zeros before the digits of a number that say nothing of its value.
fn has_zeros(cell: &[u8]) -> bool {
    matches!(float::unsigned(float::trim(cell)), [b'0', b'0'..=b'9', ..])
}

/// An integer of any size, its digits alone.
#[inline]
fn integer(cell: &[u8], out: &mut Vec<u8>, changes: &mut Changes) -> Written {
    if !pandas::is_python_integer(cell) {
        return Written::Nothing;
    }
    let text = float::trim(cell);
    changes.zeros_dropped += u64::from(has_zeros(cell));
    let start = out.len();
    let digits = float::unsigned(text).iter().filter(|byte| **byte != b'_');
    out.extend(digits.skip_while(|digit| **digit == b'0'));
    if out.len() == start {
        out.push(b'0');
    } else if text.first() == Some(&b'-') {
        out.insert(start, b'-');
    }
    Written::Value
}
