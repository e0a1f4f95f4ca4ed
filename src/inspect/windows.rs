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

/// The records of a text that start from `from` on and before `to`. `before` is whether a record may start at the text's
/// first byte, as it does at the start of all data; else that byte is the one before the window. Nothing if more text is
/// needed to tell where the last one ends; `complete`: there is none.
#[must_use]
pub fn records(
    text: &[u8],
    bytes: usize,
    first: bool,
    complete: bool,
    ends: Ends,
) -> Option<(usize, usize)> {
    let to = if first { bytes } else { bytes + 1 };
    let start = if first { Some(0) } else { start(text, ends) };
    let Some(start) = start else {
        return complete.then_some((text.len(), text.len()));
    };
    if start >= to {
        return Some((start, start));
    }
    match end(text, start, to, ends) {
        Some(end) => Some((start, end)),
        None => complete.then_some((start, text.len())),
    }
}

/// Where the first record starts after the text's first byte.
fn start(text: &[u8], ends: Ends) -> Option<usize> {
    let after_line = |text: &[u8]| memchr(b'\n', text).map(|at| at + 1);
    let Ends::Rows { delimiter, columns } = ends else {
        return after_line(text);
    };
    let outside = after_line(text)?;
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

/// Where the first record starts at `to` or after it, if a record starts at `start`.
fn end(text: &[u8], start: usize, to: usize, ends: Ends) -> Option<usize> {
    match ends {
        Ends::Lines => {
            let from = to.checked_sub(1)?;
            memchr(b'\n', text.get(from..)?).map(|at| from + at + 1)
        }
        Ends::Rows { delimiter, .. } => {
            let rest = text.get(start..)?;
            let mut cells = Cells::new(delimiter, 0);
            loop {
                let record = cells.next(rest)?;
                if record.end >= rest.len() {
                    return None;
                }
                let next = start + after_end(rest, record.end);
                if next >= to {
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
