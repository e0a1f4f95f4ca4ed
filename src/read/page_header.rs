//! The headers of Parquet pages, read before the pages are: what a page will take is known before memory is taken.
//!
//! They are Thrift structs in the compact protocol (parquet-format, `PageHeader`); only lengths and counts are kept.

use std::io;

use super::positioned::Positioned;

/// Bytes read for a header at first: more than any without statistics has.
const FIRST_BYTES: usize = 256;

/// Bytes that a header may have: statistics hold whole values, which writers cut off long before this.
const MOST_BYTES: usize = 16 << 20;

/// Structs within structs; a header has two.
const DEPTH: usize = 16;

/// What a page's header says of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PageHeader {
    /// Bytes of the header itself.
    pub length: usize,
    /// Bytes of the page as stored.
    pub stored: usize,
    /// Bytes of the page decompressed.
    pub plain: usize,
    /// Values in it, with nulls and empty lists.
    pub values: usize,
    kind: i64,
    /// The numbers and flags of the struct for its kind, by their ids.
    about: [Option<i64>; 8],
}

impl PageHeader {
    /// Reads the header at `offset`, in a column that ends at `end`.
    pub(crate) fn read(file: &Positioned, offset: u64, end: u64) -> io::Result<PageHeader> {
        let rest = usize::try_from(end.min(file.len()).saturating_sub(offset))
            .unwrap_or(usize::MAX)
            .min(MOST_BYTES);
        let mut bytes = FIRST_BYTES.min(rest);
        loop {
            let buffer = file.at(offset, bytes)?;
            match PageHeader::parse(&buffer) {
                Some(header) => return header,
                None if bytes < rest => bytes = bytes.saturating_mul(16).min(rest),
                None => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "a page header is cut off",
                    ));
                }
            }
        }
    }

    /// A page of values.
    pub(crate) fn is_data(&self) -> bool {
        matches!(self.kind, 0 | 3)
    }

    /// A page of a dictionary.
    pub(crate) fn is_dictionary(&self) -> bool {
        self.kind == 2
    }

    /// Which data page: the second version counts rows, and has its levels apart.
    pub(crate) fn is_v2(&self) -> bool {
        self.kind == 3
    }

    /// A number or flag of the struct for its kind, by its id in parquet-format.
    pub(crate) fn about(&self, id: usize) -> Option<i64> {
        self.about.get(id).copied().flatten()
    }

    /// Nothing when the buffer ends before the header does.
    fn parse(buffer: &[u8]) -> Option<Result<PageHeader, io::Error>> {
        let mut thrift = Thrift { buffer, at: 0 };
        let mut found = PageHeader::default();
        let mut bad = false;
        let mut id = 0;
        while let Some((field, kind)) = thrift.field(id)? {
            id = field;
            match (field, kind) {
                (1, I32) => found.kind = thrift.integer()?,
                (2, I32) => found.plain = length(thrift.integer()?, &mut bad),
                (3, I32) => found.stored = length(thrift.integer()?, &mut bad),
                (5 | 7 | 8, STRUCT) => {
                    let mut inner = 0;
                    while let Some((field, kind)) = thrift.field(inner)? {
                        inner = field;
                        let slot = usize::try_from(field)
                            .ok()
                            .and_then(|field| found.about.get_mut(field));
                        match (slot, kind) {
                            (Some(slot), I32) => *slot = Some(thrift.integer()?),
                            (Some(slot), TRUE | FALSE) => *slot = Some(i64::from(kind == TRUE)),
                            _ => bad |= !thrift.skip(kind, DEPTH)?,
                        }
                        if bad {
                            break;
                        }
                    }
                }
                _ => bad |= !thrift.skip(kind, DEPTH)?,
            }
            if bad {
                return Some(Err(malformed()));
            }
        }
        found.length = thrift.at;
        found.values = length(found.about(1).unwrap_or(0), &mut bad);
        if bad {
            return Some(Err(malformed()));
        }
        Some(Ok(found))
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a page header is malformed")
}

fn length(number: i64, bad: &mut bool) -> usize {
    usize::try_from(number).unwrap_or_else(|_| {
        *bad = true;
        0
    })
}

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const I32: u8 = 5;
const STRUCT: u8 = 12;

/// The compact protocol. Everywhere, nothing means that the buffer ends first.
struct Thrift<'a> {
    buffer: &'a [u8],
    at: usize,
}

impl Thrift<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.buffer.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                break;
            }
        }
        Some(number)
    }

    fn integer(&mut self) -> Option<i64> {
        let number = self.varint()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// The id and type of the next field, given the id of the last; nothing inside at the end of the struct.
    #[expect(
        clippy::option_option,
        reason = "the outer one is the end of the buffer, as everywhere"
    )]
    fn field(&mut self, last: i64) -> Option<Option<(i64, u8)>> {
        let byte = self.byte()?;
        if byte.trailing_zeros() >= 4 {
            return Some(None);
        }
        let id = if byte >> 4 == 0 {
            self.integer()?
        } else {
            last.wrapping_add(i64::from(byte >> 4))
        };
        Some(Some((id, byte & 0x0F)))
    }

    /// Passes over a value; false when there is no such type, or it is too deep.
    fn skip(&mut self, kind: u8, depth: usize) -> Option<bool> {
        let Some(depth) = depth.checked_sub(1) else {
            return Some(false);
        };
        match kind {
            TRUE | FALSE => {}
            3 => drop(self.byte()?),
            4..=6 => drop(self.varint()?),
            7 => self.pass(8)?,
            8 => {
                let bytes = self.varint()?;
                self.pass(usize::try_from(bytes).unwrap_or(usize::MAX))?;
            }
            9 | 10 => {
                let byte = self.byte()?;
                let count = if byte >> 4 == 15 {
                    self.varint()?
                } else {
                    u64::from(byte >> 4)
                };
                for _ in 0..count {
                    // In a list even a boolean takes a byte, so that a false length ends with the buffer.
                    let passed = if matches!(byte & 0x0F, TRUE | FALSE) {
                        self.byte().map(|_| true)?
                    } else {
                        self.skip(byte & 0x0F, depth)?
                    };
                    if !passed {
                        return Some(false);
                    }
                }
            }
            STRUCT => {
                let mut id = 0;
                while let Some((field, kind)) = self.field(id)? {
                    id = field;
                    if !self.skip(kind, depth)? {
                        return Some(false);
                    }
                }
            }
            _ => return Some(false),
        }
        Some(true)
    }

    fn pass(&mut self, bytes: usize) -> Option<()> {
        self.at = self
            .at
            .checked_add(bytes)
            .filter(|at| *at <= self.buffer.len())?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::PageHeader;

    #[test]
    fn a_header_is_read_and_a_part_of_it_is_not() {
        // type = 0, plain = 100, stored = 50, data_page_header { values = 7, encoding = 0 }.
        let bytes = [
            0x15, 0, 0x15, 200, 1, 0x15, 100, 0x2C, 0x15, 14, 0x15, 0, 0, 0, 99,
        ];
        let header = PageHeader::parse(&bytes).and_then(Result::ok);
        let about = [None, Some(7), Some(0), None, None, None, None, None];
        assert_eq!(
            header,
            Some(PageHeader {
                length: 14,
                stored: 50,
                plain: 100,
                values: 7,
                kind: 0,
                about
            })
        );
        for end in 0..14 {
            assert!(PageHeader::parse(&bytes[..end]).is_none(), "{end}");
        }
    }

    #[test]
    fn a_negative_length_is_malformed() {
        assert!(PageHeader::parse(&[0x15, 0, 0x15, 1, 0]).is_some_and(|header| header.is_err()));
    }
}
