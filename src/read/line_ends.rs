//! Line ends as Python's `str.splitlines` knows them, in UTF-8: what Label Studio splits a text file at.

/// Where a line ends, and where the next one starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineEnd {
    /// The offset after the line's last byte.
    pub at: usize,
    /// The offset after the line end.
    pub next: usize,
}

/// Bytes that end a line, or may be the first of several that do.
const STOPS: [bool; 256] = {
    let mut stops = [false; 256];
    let bytes = [
        b'\n',
        b'\r',
        0x0B,
        0x0C,
        0x1C,
        0x1D,
        0x1E,
        NEL[0],
        SEPARATOR[0],
    ];
    let mut i = 0;
    while i < bytes.len() {
        stops[bytes[i] as usize] = true;
        i += 1;
    }
    stops
};

/// U+0085, next line.
const NEL: [u8; 2] = [0xC2, 0x85];

/// U+2028 and U+2029, line and paragraph separator, but for the last byte.
const SEPARATOR: [u8; 2] = [0xE2, 0x80];

/// What is found at an offset.
enum Found {
    /// A line end of so many bytes.
    End(usize),
    /// None.
    Nothing,
    /// The text ends before it can be told.
    CutOff,
}

/// The first line end of `text` from `from` on. Where the text ends too early to tell whether, or where, one ends, the
/// offset from which to look when there is more; `at_end`: there is no more.
///
/// # Errors
/// The offset to go on from, when no line ends in the text.
pub fn next(text: &[u8], from: usize, at_end: bool) -> Result<LineEnd, usize> {
    let mut at = from;
    while let Some(stop) = text
        .get(at..)
        .and_then(|rest| rest.iter().position(|b| STOPS[usize::from(*b)]))
    {
        at += stop;
        match look(&text[at..], at_end) {
            Found::End(bytes) => {
                return Ok(LineEnd {
                    at,
                    next: at + bytes,
                });
            }
            Found::CutOff => return Err(at),
            Found::Nothing => at += 1,
        }
    }
    Err(text.len())
}

fn look(text: &[u8], at_end: bool) -> Found {
    match text {
        [b'\r', b'\n', ..] => Found::End(2),
        [b'\r'] if !at_end => Found::CutOff,
        [first, ..] if *first < 0x80 => Found::End(1),
        [0xC2, 0x85, ..] => Found::End(NEL.len()),
        [0xE2, 0x80, 0xA8 | 0xA9, ..] => Found::End(SEPARATOR.len() + 1),
        [0xC2 | 0xE2] | [0xE2, 0x80] if !at_end => Found::CutOff,
        _ => Found::Nothing,
    }
}
