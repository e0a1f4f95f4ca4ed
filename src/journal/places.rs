//! A place as columns: `first_source`, `first_record`, and a line and byte or a group and row.

use rusqlite::Row;
use rusqlite::types::Value;

use super::Trouble;
use crate::place::{At, Place, SourceId};

/// What each of a place's columns is called after `first_`, `last_` or `next_`.
pub(super) const COLUMNS: [&str; 6] = ["source", "record", "line", "byte", "group", "row"];

/// The columns' values, in that order.
pub(super) fn values(place: Option<Place>) -> Result<[Value; 6], Trouble> {
    let Some(Place { source, record, at }) = place else {
        return Ok([const { Value::Null }; 6]);
    };
    let number = |value: u64| signed(value).map(Value::Integer);
    let [line, byte, group, row] = match at {
        At::Text { line, byte } => [number(line)?, number(byte)?, Value::Null, Value::Null],
        At::Row { group, row } => [
            Value::Null,
            Value::Null,
            number(group.into())?,
            number(row)?,
        ],
    };
    Ok([
        number(source.0.into())?,
        number(record)?,
        line,
        byte,
        group,
        row,
    ])
}

/// The place whose first column is number `start` of the row.
pub(super) fn place(row: &Row<'_>, start: usize) -> Result<Option<Place>, Trouble> {
    let number = |column: usize| -> Result<Option<u64>, Trouble> {
        row.get::<_, Option<i64>>(start + column)?
            .map(unsigned)
            .transpose()
    };
    let Some((source, record)) = number(0)?.zip(number(1)?) else {
        return Ok(None);
    };
    let at = match (number(2)?, number(3)?, number(4)?, number(5)?) {
        (Some(line), Some(byte), None, None) => At::Text { line, byte },
        (None, None, Some(group), Some(row)) => At::Row {
            group: narrow(group)?,
            row,
        },
        _ => {
            return Err(Trouble::refused(
                "the journal has a place that is neither in text nor in a table",
            ));
        }
    };
    Ok(Some(Place {
        source: SourceId(narrow(source)?),
        record,
        at,
    }))
}

/// SQLite's integers are signed.
pub(super) fn signed(value: u64) -> Result<i64, Trouble> {
    i64::try_from(value)
        .map_err(|_| Trouble::refused(format!("{value} is too large for the journal")))
}

pub(super) fn unsigned(value: i64) -> Result<u64, Trouble> {
    u64::try_from(value).map_err(|_| {
        Trouble::refused(format!(
            "the journal has {value} where no number is negative"
        ))
    })
}

fn narrow(value: u64) -> Result<u32, Trouble> {
    u32::try_from(value).map_err(|_| {
        Trouble::refused(format!(
            "the journal has {value} where no number is so large"
        ))
    })
}
