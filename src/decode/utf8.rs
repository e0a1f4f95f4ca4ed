//! Text of a chunk: checked to be UTF-8 once, not record by record, and its lines counted.

use memchr::memchr_iter;

use crate::error::{Code, Fault};

/// A chunk's bytes from some offset on, checked in one go; only where that fails is each record checked by itself.
#[derive(Clone, Copy)]
pub struct Utf8<'a> {
    bytes: &'a [u8],
    from: usize,
    whole: Option<&'a str>,
}

impl<'a> Utf8<'a> {
    /// Checks `bytes[from..]`.
    #[must_use]
    pub fn new(bytes: &'a [u8], from: usize) -> Self {
        Utf8 {
            bytes,
            from,
            whole: simdutf8::basic::from_utf8(&bytes[from..]).ok(),
        }
    }

    /// The text of a record, `bytes[from..to]`.
    ///
    /// # Errors
    /// When it is not UTF-8.
    #[inline]
    pub fn record(&self, from: usize, to: usize) -> Result<&'a str, Fault> {
        match self.whole {
            Some(text) => Ok(&text[from - self.from..to - self.from]),
            None => std::str::from_utf8(&self.bytes[from..to])
                .map_err(|e| not_utf8(&self.bytes[from..to], e.valid_up_to())),
        }
    }

    /// The text that a record, `bytes[from..to]`, stands in, and where it starts there: what looks at a block of bytes at
    /// a time may look beyond the end of a record.
    ///
    /// # Errors
    /// When the record is not UTF-8.
    #[inline]
    pub fn around(&self, from: usize, to: usize) -> Result<(&'a str, usize), Fault> {
        match self.whole {
            Some(text) => Ok((text, from - self.from)),
            None => self.record(from, to).map(|record| (record, 0)),
        }
    }

    /// All that is text from `from` on, and what is wrong with the byte after it if that is not the end.
    #[must_use]
    pub fn rest(&self, from: usize) -> (&'a str, Option<Fault>) {
        if let Some(text) = self.whole {
            return (&text[from - self.from..], None);
        }
        let bytes = &self.bytes[from..];
        match std::str::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(e) => {
                let good = e.valid_up_to();
                (
                    std::str::from_utf8(&bytes[..good]).unwrap_or_default(),
                    Some(not_utf8(bytes, good)),
                )
            }
        }
    }
}

/// The fault of a record whose byte at `offset` is not UTF-8.
#[cold]
fn not_utf8(record: &[u8], offset: usize) -> Fault {
    let byte = record.get(offset).copied().unwrap_or_default();
    Fault::new(
        Code::Encoding,
        format!("the byte 0x{byte:02X} is not UTF-8"),
    )
    .help("name the encoding with `--encoding`, such as `--encoding windows-1252`")
    .at(offset)
}

/// Counts line ends as far as it is asked to, each byte once.
#[derive(Clone, Copy, Debug, Default)]
pub struct LineCount {
    counted: usize,
    /// Line ends before the offset last asked for.
    pub lines: u32,
}

impl LineCount {
    /// The line ends before `offset`, which never goes back.
    pub fn up_to(&mut self, bytes: &[u8], offset: usize) -> u32 {
        self.lines += memchr_iter(b'\n', &bytes[self.counted..offset]).count() as u32;
        self.counted = offset;
        self.lines
    }

    /// All line ends.
    #[must_use]
    pub fn total(mut self, bytes: &[u8]) -> u64 {
        u64::from(self.up_to(bytes, bytes.len()))
    }
}
