//! A table that is one value: an object with an array for each column, as Label Studio's `TimeSeries` takes it.

use super::csv::Csv;
use super::scan::Value;
use super::{Changes, Consumer, Decode, Extent, Fatal, Mark, Nul, Row, write};
use crate::buffer::Buffer;
use crate::error::Fault;

/// The decoder of a table without its header.
pub struct Series {
    rows: Csv,
    columns: Vec<Option<String>>,
    nul: Nul,
}

impl Series {
    /// `columns`: the name of each column of the table; none for one that is left out.
    #[must_use]
    pub fn new(text: Buffer, columns: Vec<Option<String>>, delimiter: u8, nul: Nul) -> Self {
        Series {
            rows: Csv::new(text, columns.len(), delimiter, nul),
            columns,
            nul,
        }
    }

    fn value(&self, arrays: &[Vec<u8>]) -> Result<Vec<u8>, Fault> {
        let mut object = Vec::with_capacity(arrays.iter().map(|array| array.len() + 32).sum());
        for (name, array) in self.columns.iter().zip(arrays) {
            let Some(name) = name else { continue };
            object.push(if object.is_empty() { b'{' } else { b',' });
            write::string(&mut object, name, self.nul, &mut Changes::default())?;
            object.extend_from_slice(b":[");
            object.extend_from_slice(array);
            object.push(b']');
        }
        if object.is_empty() {
            object.push(b'{');
        }
        object.push(b'}');
        Ok(object)
    }
}

impl Decode for Series {
    fn decode<C: Consumer>(&mut self, consumer: &mut C) -> Result<bool, Fatal> {
        let mut arrays = Arrays {
            kept: self.columns.iter().map(Option::is_some).collect(),
            cells: vec![Vec::new(); self.columns.len()],
            changes: Changes::default(),
            refused: None,
        };
        while self.rows.decode(&mut arrays)? && arrays.refused.is_none() {}
        let mark = Mark::default();
        consumer.changed(arrays.changes);
        if let Some((fault, raw)) = arrays.refused {
            consumer.fault(mark, fault, &raw);
            return Ok(false);
        }
        match self.value(&arrays.cells) {
            // The decoder read UTF-8 and wrote JSON of it.
            Ok(value) => consumer.json(mark, Value::single(&String::from_utf8_lossy(&value))),
            Err(fault) => consumer.fault(mark, fault, &[]),
        }
        Ok(false)
    }

    fn extent(&self) -> Extent {
        Extent {
            records: 1,
            lines: self.rows.extent().lines,
        }
    }
}

/// Gathers the cells of each column.
struct Arrays {
    kept: Vec<bool>,
    cells: Vec<Vec<u8>>,
    changes: Changes,
    /// The first row that is none, with what is wrong; one is enough to refuse the series.
    refused: Option<(Fault, Vec<u8>)>,
}

impl Arrays {
    fn push<R: Row>(&mut self, row: &R) -> Result<(), Fault> {
        let columns = self.kept.iter().zip(&mut self.cells).enumerate();
        for (column, (kept, array)) in columns {
            if !kept {
                continue;
            }
            if !array.is_empty() {
                array.push(b',');
            }
            let start = array.len();
            row.cell(column, array, &mut self.changes)?;
            // A cell is written as a string; what is a number in it stands without the quotes.
            let number = match &array[start..] {
                [b'"', inside @ .., b'"'] => is_lossless(inside),
                _ => false,
            };
            if number {
                array.pop();
                array.remove(start);
            }
        }
        Ok(())
    }

    fn refuse(&mut self, mark: Mark, fault: Fault, raw: &[u8]) {
        let offset = mark.byte as usize + fault.offset;
        self.refused
            .get_or_insert_with(|| (fault.at(offset), raw.to_vec()));
    }
}

impl Consumer for Arrays {
    fn is_full(&self) -> bool {
        self.refused.is_some()
    }

    fn json(&mut self, _: Mark, _: Value<'_>) {}

    fn text(&mut self, _: Mark, _: &str) {}

    fn row<R: Row>(&mut self, mark: Mark, row: &R) {
        if let Err(fault) = self.push(row) {
            self.refuse(mark, fault, row.raw());
        }
    }

    fn fault(&mut self, mark: Mark, fault: Fault, raw: &[u8]) {
        self.refuse(mark, fault, raw);
    }

    fn changed(&mut self, changes: Changes) {
        self.changes += changes;
    }
}

/// Digits that any double keeps.
const SAFE_DIGITS: usize = 15;

/// Whether a cell is a JSON number that a browser's double holds as written: `1.50` is, `007`, `1e400` and 2^53 + 1 are
/// not.
#[must_use]
pub fn is_lossless(cell: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(cell) else {
        return false;
    };
    if !matches!(cell, [b'-' | b'0'..=b'9', ..])
        || serde_json::from_str::<&serde_json::value::RawValue>(text).is_err()
    {
        return false;
    }
    let Ok(number) = text.parse::<f64>() else {
        return false;
    };
    let Some(written) = decimal(text) else {
        return false;
    };
    if !number.is_finite() {
        return false;
    }
    // Fifteen digits are kept by every double that is not too small; more, or less, is compared.
    let usual = written.0.len() <= SAFE_DIGITS && number.abs() > 1e-290;
    usual || decimal(&format!("{number:e}")).is_some_and(|kept| kept == written)
}

/// The significant digits of a number and the power of ten of the last of them.
fn decimal(text: &str) -> Option<(String, i64)> {
    let text = text.trim_start_matches('-');
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.trim_start_matches('+').parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    let zeros = i64::try_from(digits.len() - significant.len()).ok()?;
    if significant.is_empty() {
        return Some((String::new(), 0));
    }
    let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    Some((significant.to_owned(), exponent.checked_add(zeros)?))
}
