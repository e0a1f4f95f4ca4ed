//! Windows into a file of text: which records start in them.

use std::io;

use memchr::memchr;

use crate::read::cells::Cells;

/// Records by which it is judged whether a window begins within quotes.
const JUDGED: usize = 50;

/// How records follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// One a line.
    Lines,
    /// Rows of so many cells, in which line ends may be quoted.
    Rows {
        /// The byte between cells.
        delimiter: u8,
        /// How many cells a row has.
        columns: usize,
    },
}

/// Where the records start and end that start in a window of a text, `skip` bytes after its first and `bytes` long.
/// `first`: a record starts at the text's first byte; else it is found out where the next one does, for which there should
/// be some text before the window. Nothing if more text is needed to tell where the last one ends; `complete`: there is
/// none.
#[must_use]
pub fn records(
    text: &[u8],
    skip: usize,
    bytes: usize,
    first: bool,
    complete: bool,
    ends: Ends,
) -> Option<(usize, usize)> {
    let boundary = |from: usize, at: usize| next(text, from, at, ends);
    let known = if first { Some(0) } else { some(text, ends) };
    let start = known.and_then(|known| boundary(known, skip));
    let Some(start) = start else {
        return complete.then_some((text.len(), text.len()));
    };
    match boundary(start, skip + bytes) {
        Some(end) => Some((start, end)),
        None => complete.then_some((start, text.len())),
    }
}

/// Where some record starts after the text's first byte.
///
/// With quotes it may be that the text starts in a quoted cell: both are tried, and that is taken which makes more rows of
/// the right length. A mistake mends itself after a few rows mostly, since both ways of reading come to the same.
fn some(text: &[u8], ends: Ends) -> Option<usize> {
    let outside = memchr(b'\n', text).map(|at| at + 1)?;
    let Ends::Rows { delimiter, columns } = ends else {
        return Some(outside);
    };
    if memchr(b'"', text).is_none() {
        return Some(outside);
    }
    // As if a quote were open: a quote before the text says so.
    let quoted = [b"\"", text].concat();
    let mut cells = Cells::new(delimiter, 0);
    let inside = cells
        .next(&quoted)
        .map(|record| after_end(&quoted, record.end) - 1);
    let alike = |from: usize| {
        let mut cells = Cells::new(delimiter, 0);
        let rest = text.get(from..).unwrap_or_default();
        let (mut all, mut alike) = (0usize, 0usize);
        while let Some(record) = cells.next(rest).filter(|_| all < JUDGED) {
            // The last may not be all there.
            if record.end < rest.len() {
                all += 1;
                alike += usize::from(record.cells == columns);
            }
        }
        alike as f64 / all.max(1) as f64
    };
    match inside {
        Some(inside) if inside <= text.len() && alike(inside) > alike(outside) => Some(inside),
        _ => Some(outside),
    }
}

/// Where the first record starts at `at` or after it, if one starts at `from`.
fn next(text: &[u8], from: usize, at: usize, ends: Ends) -> Option<usize> {
    if at <= from {
        return Some(from);
    }
    match ends {
        Ends::Lines => {
            let before = at - 1;
            memchr(b'\n', text.get(before..)?).map(|end| before + end + 1)
        }
        Ends::Rows { delimiter, .. } => {
            let rest = text.get(from..)?;
            let mut cells = Cells::new(delimiter, 0);
            loop {
                let record = cells.next(rest)?;
                if record.end >= rest.len() {
                    return None;
                }
                let next = from + after_end(rest, record.end);
                if next >= at {
                    return Some(next);
                }
            }
        }
    }
}

/// Where what follows a record starts, which ends at `end`.
fn after_end(text: &[u8], end: usize) -> usize {
    match text.get(end..) {
        Some([b'\r', b'\n', ..]) => end + 2,
        Some([b'\r' | b'\n', ..]) => end + 1,
        _ => end,
    }
}

/// The bytes of a file from one place to another, fewer where it ends.
///
/// # Errors
/// When it cannot be read.
pub fn bytes(file: &std::fs::File, from: u64, bytes: usize) -> io::Result<Vec<u8>> {
    use std::os::unix::fs::FileExt;
    let mut text = vec![0; bytes];
    let mut filled = 0;
    while filled < bytes {
        match file.read_at(&mut text[filled..], from + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    text.truncate(filled);
    Ok(text)
}
