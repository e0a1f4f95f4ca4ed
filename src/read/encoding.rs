//! Text encodings: everything after this is UTF-8.
//!
//! UTF-8 passes untouched and is checked by the jobs. Every other encoding is decoded here, and a sequence that is
//! none in it ends the run: it was the wrong encoding, and no byte is ever replaced silently.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};

use super::SourceFault;
use super::peek::{Input, Peek, read_and_drop};
use crate::error::{Code, Error, Fault, Result};

/// Passes over a byte-order mark and, unless the text is UTF-8, puts a decoder in front of it. Gives the bytes of the mark
/// too where they are UTF-8 and can be [put back](Peek::put_back).
///
/// `label` is the encoding that the user named; a byte-order mark that says otherwise wins over it, since it is part
/// of the data.
///
/// # Errors
/// When the text looks like UTF-16 or UTF-32 without a mark: read as UTF-8 it would be full of NUL characters.
pub fn decode(mut bytes: Peek, label: Option<&'static Encoding>) -> Result<(Peek, usize)> {
    let head = bytes.peek(1024).map_err(|e| super::read_error(&e))?;
    let marked = Encoding::for_bom(head);
    let encoding = match (marked, label) {
        (Some((encoding, _)), _) | (None, Some(encoding)) => encoding,
        (None, None) => {
            refuse_unmarked(head)?;
            UTF_8
        }
    };
    let mark = marked.map_or(0, |(_, length)| length);
    bytes.skip(mark);
    if encoding == UTF_8 {
        return Ok((bytes, mark));
    }
    let decoder = encoding.new_decoder_without_bom_handling();
    let text = Peek::new(Box::new(Transcode {
        bytes,
        encoding,
        decoder,
        raw: Vec::new(),
        offset: 0,
        text: Vec::new(),
        given: 0,
        ended: false,
    }));
    Ok((text, 0))
}

/// The encoding other than UTF-8 that a byte-order mark tells, if there is one.
///
/// # Errors
/// When the source cannot be read.
pub fn marked(bytes: &mut Peek) -> Result<Option<&'static Encoding>> {
    let head = bytes.peek(4).map_err(|e| super::read_error(&e))?;
    let marked = Encoding::for_bom(head).map(|(encoding, _)| encoding);
    Ok(marked.filter(|encoding| *encoding != UTF_8))
}

/// UTF-16 and UTF-32 text of any Western script has a zero in every other byte; UTF-8 text has none.
fn refuse_unmarked(head: &[u8]) -> Result<()> {
    let head = &head[..head.len() & !1];
    let zeros = |odd: usize| {
        head.iter()
            .skip(odd)
            .step_by(2)
            .filter(|b| **b == 0)
            .count()
    };
    let (even, odd) = (zeros(0), zeros(1));
    let most = head.len() / 2 * 7 / 10;
    let like = match () {
        () if head.len() < 8 => return Ok(()),
        () if odd > most && even == 0 => "utf-16le",
        () if even > most && odd == 0 => "utf-16be",
        () => return Ok(()),
    };
    let zero = head.iter().position(|b| *b == 0).unwrap_or(0);
    Err(Error::new(
        Code::Encoding,
        format!("byte {zero} is a NUL, as if the text were {like} without a byte-order mark"),
    )
    .help(format!("name the encoding: `--encoding {like}`")))
}

/// The encoding that a label such as `latin1` or `shift_jis` names (the labels of the web's Encoding Standard), or one that
/// differs from such a label in what is between its letters, as `latin-1` and `utf_8` do.
///
/// # Errors
/// When no encoding has that label.
pub fn of_label(label: &str) -> Result<&'static Encoding, String> {
    let other = |separator: &str| {
        let label = label.replace(['-', '_', ' '], separator);
        Encoding::for_label(label.as_bytes())
    };
    let encoding = Encoding::for_label(label.as_bytes());
    let encoding = encoding.or_else(|| other("")).or_else(|| other("-"));
    encoding.or_else(|| other("_")).ok_or_else(|| {
        format!("`{label}` is no encoding; try utf-8, utf-16le, utf-16be, windows-1252, iso-8859-2, shift_jis, gbk, euc-kr")
    })
}

struct Transcode {
    bytes: Peek,
    encoding: &'static Encoding,
    decoder: Decoder,
    /// Stored bytes before the decoder, and the offset of the first of them.
    raw: Vec<u8>,
    offset: u64,
    /// Decoded text, of which `given` bytes have been read.
    text: Vec<u8>,
    given: usize,
    ended: bool,
}

/// Stored bytes decoded at a time.
const RAW_BYTES: usize = 64 << 10;

impl Transcode {
    fn refill(&mut self) -> io::Result<()> {
        self.offset += self.raw.len() as u64;
        self.raw.clear();
        self.ended = !self.bytes.fill(&mut self.raw, RAW_BYTES)?;
        let most = self
            .decoder
            .max_utf8_buffer_length_without_replacement(self.raw.len());
        self.text.resize(most.unwrap_or(RAW_BYTES * 4), 0);
        let (result, read, written) =
            self.decoder
                .decode_to_utf8_without_replacement(&self.raw, &mut self.text, self.ended);
        self.text.truncate(written);
        self.given = 0;
        match result {
            DecoderResult::Malformed(length, after) => {
                let at = (self.offset + read as u64)
                    .saturating_sub(u64::from(length) + u64::from(after));
                let fault = Fault::new(
                    Code::Encoding,
                    format!("byte {at} is not {} text", self.encoding.name()),
                )
                .help("name the encoding it is in with `--encoding`");
                Err(io::Error::other(SourceFault(fault)))
            }
            DecoderResult::InputEmpty | DecoderResult::OutputFull => Ok(()),
        }
    }
}

impl Input for Transcode {
    fn pass_over(&mut self, bytes: u64) -> io::Result<u64> {
        read_and_drop(self, bytes)
    }
}

impl Read for Transcode {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() && !self.ended {
            self.refill()?;
        }
        let waiting = &self.text[self.given..];
        let n = waiting.len().min(out.len());
        out[..n].copy_from_slice(&waiting[..n]);
        self.given += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::of_label;

    #[test]
    fn labels_are_known_however_their_words_are_joined() {
        for (label, name) in [
            ("latin1", "windows-1252"),
            ("latin-1", "windows-1252"),
            ("Latin_1", "windows-1252"),
            ("utf_8", "UTF-8"),
            ("shift-jis", "Shift_JIS"),
            ("windows 1250", "windows-1250"),
        ] {
            assert_eq!(of_label(label).map(|it| it.name()), Ok(name), "{label}");
        }
        assert!(of_label("latin-99").is_err() && of_label("").is_err());
    }
}
