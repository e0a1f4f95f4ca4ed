//! How Label Studio reads the head of a CSV or TSV file: what separates its cells, and what its columns are called.
//!
//! The rules are those of Label Studio 1.23.2 (`data_import/models.py`) with pandas 3.1.1, found by experiment; cases
//! of them are in the conformance set as `csv-*` and `tsv-*`.

use std::collections::{HashMap, HashSet};

use memchr::{memchr, memchr_iter};

use super::cells::{self, Cells, Record};
use super::dialect::{self, Header, Table};
use crate::error::{Code, Fault};
use crate::source::sniff::Format;

/// Whether a record is none for Label Studio: a line of spaces and tabs. A line in which one of them separates cells
/// has more than one.
#[must_use]
pub fn is_blank(record: &Record, raw: &[u8]) -> bool {
    record.cells == 1 && raw.iter().all(|byte| matches!(byte, b' ' | b'\t'))
}

/// Reads the head of a table; none when it, which is not `complete`, may not hold the header and the first row.
///
/// Where the first row is longer than the header, what it has too many stands before the first column: pandas takes
/// that for the names of the rows, which nobody asks for, and so it is dropped.
///
/// # Errors
/// When the header is not UTF-8, a quote in it is not closed, or there is none.
pub fn table(
    head: &[u8],
    complete: bool,
    delimiter: Option<u8>,
    format: Format,
) -> Result<Option<Table>, Fault> {
    let Some(delimiter) = delimiter.or_else(|| separator(head, complete, format)) else {
        return Ok(None);
    };
    let mut cells = Cells::new(delimiter, 0);
    let Some(header) = next(&mut cells, head) else {
        return if complete {
            Err(no_columns())
        } else {
            Ok(None)
        };
    };
    let passed = cells.passed();
    let bytes = passed + usize::from(head[header.end..].starts_with(b"\r\n"));
    let lines = cells.lines();
    let first = next(&mut cells, head);
    // Of a head that goes on, the last record may not be all there.
    let is_whole = first.is_some_and(|first| first.end < head.len());
    if !complete && !is_whole {
        return Ok(None);
    }
    dialect::check_header(head, &header)?;
    let mut cells = Cells::new(delimiter, header.cells);
    next(&mut cells, head);
    let names = (0..header.cells).map(|column| {
        let raw = cells::raw(header.start, cells.ends(), column)
            .and_then(|(start, end)| head.get(start..end));
        cells::text(raw.unwrap_or_default()).into_owned()
    });
    let leading = first.map_or(0, |first| first.cells.saturating_sub(header.cells));
    Ok(Some(Table {
        delimiter,
        leading,
        header: Header {
            names: names_of(names.collect()),
            bytes,
            lines,
        },
    }))
}

/// The next record that is one.
fn next(cells: &mut Cells, head: &[u8]) -> Option<Record> {
    loop {
        let record = cells.next(head)?;
        if !is_blank(&record, &head[record.start..record.end]) {
            return Some(record);
        }
    }
}

/// A tab for TSV. For CSV a semicolon if the first line has more of these than commas, in quotes or not; else a comma.
/// The first line ends at `\n` alone. None when its end is not in sight.
fn separator(head: &[u8], complete: bool, format: Format) -> Option<u8> {
    if format == Format::Tsv {
        return Some(b'\t');
    }
    let line = match memchr(b'\n', head) {
        Some(end) => &head[..end],
        None if complete => head,
        None => return None,
    };
    let count = |byte| memchr_iter(byte, line).count();
    // A line that is not UTF-8 is not looked at, but then neither is the rest.
    Some(if count(b';') > count(b',') {
        b';'
    } else {
        b','
    })
}

/// The columns' names: an empty one is called by its number from 0, a repeated one gets a number that makes it another.
/// Names that were there come first, then those that were not.
fn names_of(mut names: Vec<String>) -> Vec<String> {
    let (mut unnamed, mut order) = (Vec::new(), Vec::with_capacity(names.len()));
    for (i, name) in names.iter_mut().enumerate() {
        if name.is_empty() {
            *name = format!("Unnamed: {i}");
            unnamed.push(i);
        } else {
            order.push(i);
        }
    }
    order.extend(unnamed);
    // Names that some column has, or has given up for another.
    let mut had: HashSet<String> = names.iter().cloned().collect();
    let mut taken: HashSet<String> = HashSet::with_capacity(names.len());
    let mut last: HashMap<String, usize> = HashMap::new();
    for i in order {
        if taken.insert(names[i].clone()) {
            continue;
        }
        let number = last.entry(names[i].clone()).or_default();
        loop {
            *number += 1;
            let name = format!("{}.{number}", names[i]);
            if had.insert(name.clone()) {
                taken.insert(name.clone());
                names[i] = name;
                break;
            }
        }
    }
    names
}

fn no_columns() -> Fault {
    Fault::new(
        Code::Format,
        "there is no header in it, and so no column; Label Studio refuses such a file",
    )
    .help("leave the file out, or import it without `--csv-types label-studio`")
}

#[cfg(test)]
mod tests {
    use super::names_of;

    #[test]
    fn names_are_made_unique_as_pandas_does() {
        // Each pair was seen with pandas 3.1.1.
        let cases: [(&[&str], &[&str]); 6] = [
            (&["a", "a", "text", "a"], &["a", "a.1", "text", "a.2"]),
            (&["a", "a.1", "a", "text"], &["a", "a.1", "a.2", "text"]),
            (&["a", "a", "a.1", "a.1"], &["a", "a.2", "a.1", "a.1.1"]),
            (&["", " ", "text"], &["Unnamed: 0", " ", "text"]),
            (&["", "Unnamed: 0"], &["Unnamed: 0.1", "Unnamed: 0"]),
            (&["x", "", ""], &["x", "Unnamed: 1", "Unnamed: 2"]),
        ];
        for (given, expected) in cases {
            let given = given.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(names_of(given), expected);
        }
    }

    #[test]
    fn a_hundred_thousand_equal_names_take_no_time() {
        let names = names_of(vec!["x".to_owned(); 100_000]);
        assert_eq!(names[99_999], "x.99999");
    }
}
