//! JSON written from values: text, and nothing that a server would not survive.

use super::{Changes, Nul};
use crate::blocks::{self, Lanes, Work, with_lanes};
use crate::error::{Code, Fault};

/// Appends text as a JSON string, with quotes.
///
/// Only what JSON asks to be escaped is escaped: the quote, the backslash and the control characters.
///
/// # Errors
/// When there is a NUL in it and these are to be rejected.
pub fn string(out: &mut Vec<u8>, text: &str, nul: Nul, changes: &mut Changes) -> Result<(), Fault> {
    out.push(b'"');
    escaped(out, text.as_bytes(), nul, changes)?;
    out.push(b'"');
    Ok(())
}

/// Bytes of a short text that are looked at together.
const PIECE: usize = 16;

/// Appends text as it stands between the quotes of a JSON string.
///
/// # Errors
/// As [`string`].
pub fn escaped(
    out: &mut Vec<u8>,
    text: &[u8],
    nul: Nul,
    changes: &mut Changes,
) -> Result<(), Fault> {
    let mut done = 0;
    while text.len() - done >= blocks::BLOCK {
        let plain = with_lanes(Plain { text, from: done });
        out.extend_from_slice(&text[done..plain]);
        done = plain;
        if let Some(special) = text.get(done..=done) {
            each(out, special, done, nul, changes)?;
            done += 1;
        }
    }
    short(out, text, done, nul, changes)
}

/// The bytes of a text that need no escape, of those from one on.
struct Plain<'a> {
    text: &'a [u8],
    from: usize,
}

impl Work for Plain<'_> {
    /// The offset of the first byte that needs one, or of the end of the text.
    type Output = usize;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> usize {
        let Plain { text, from } = self;
        let mut at = from;
        while at < text.len() {
            // The last block ends with the text, and begins with bytes that were looked at.
            at = at.min(text.len() - blocks::BLOCK);
            let block = lanes.load(&blocks::block_at(text, at));
            let special =
                lanes.below(block, 0x20) | lanes.equal(block, b'"') | lanes.equal(block, b'\\');
            // Those before `from` are not asked about.
            let special = special & !blocks::ones(from.saturating_sub(at));
            if special != 0 {
                return at + special.trailing_zeros() as usize;
            }
            at += blocks::BLOCK;
        }
        text.len()
    }
}

/// The same for text from a byte on that is shorter than what is best looked at in large blocks.
fn short(
    out: &mut Vec<u8>,
    text: &[u8],
    from: usize,
    nul: Nul,
    changes: &mut Changes,
) -> Result<(), Fault> {
    let text_end = text.len();
    let text = &text[from..];
    out.reserve(text.len() + PIECE);
    let mut rest = text;
    while let Some((block, after)) = rest.split_first_chunk::<PIECE>() {
        out.extend_from_slice(block);
        if any_escape(block) {
            out.truncate(out.len() - PIECE);
            each(out, block, text_end - rest.len(), nul, changes)?;
        }
        rest = after;
    }
    // The rest is looked at together with bytes before it where there are enough.
    let needs = match text.last_chunk::<PIECE>() {
        Some(last) => any_escape(last),
        None => rest.iter().fold(0u8, |found, b| found | needs_escape(*b)) != 0,
    };
    if !needs {
        out.extend_from_slice(rest);
        return Ok(());
    }
    each(out, rest, text_end - rest.len(), nul, changes)
}

/// Whether any byte of a block needs an escape, eight at a time: a subtraction borrows into the highest bit of a byte
/// that is smaller, and a byte compared for equality is first made zero where it is equal.
fn any_escape(block: &[u8; PIECE]) -> bool {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES * 0x80;
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    let (words, _) = block.as_chunks::<8>();
    let found = words.iter().fold(0, |found, word| {
        let word = u64::from_le_bytes(*word);
        let quote = below(word ^ (ONES * u64::from(b'"')), 1);
        let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
        found | below(word, 0x20) | quote | backslash
    });
    found & HIGH != 0
}

fn needs_escape(byte: u8) -> u8 {
    u8::from(byte < 0x20) | u8::from(byte == b'"') | u8::from(byte == b'\\')
}

/// The same, a byte at a time; `offset` is where `bytes` start in their text.
fn each(
    out: &mut Vec<u8>,
    bytes: &[u8],
    offset: usize,
    nul: Nul,
    changes: &mut Changes,
) -> Result<(), Fault> {
    for (i, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0 if nul == Nul::Replace => {
                changes.nul_replaced += 1;
                out.extend_from_slice("\u{FFFD}".as_bytes());
            }
            0 => return Err(nul_fault().at(offset + i)),
            0x01..0x20 => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
            _ => out.push(*byte),
        }
    }
    Ok(())
}

/// The fault of text with a NUL in it.
#[must_use]
pub fn nul_fault() -> Fault {
    Fault::new(
        Code::Nul,
        "the text has a NUL character, for which PostgreSQL refuses a whole import",
    )
    .help("put U+FFFD in its place with `--nul replace`")
}
