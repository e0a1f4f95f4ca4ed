//! The pages of one row group, each looked at before it is read.

use std::sync::Arc;

use bytes::Bytes;
use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;

use super::meter::Meter;
use super::unbounded::Unbounded;
use crate::read::page_bytes::{page_bytes, value_bytes};
use crate::read::page_header::PageHeader;
use crate::read::row_groups::RowGroup;
use crate::read::shared_file::SharedFile;

/// One row group as the `parquet` crate asks for it.
pub(super) struct Pages<'a> {
    pub group: &'a RowGroup,
    pub meter: &'a Arc<Meter>,
}

impl RowGroups for Pages<'_> {
    fn num_rows(&self) -> usize {
        usize::try_from(self.group.rows).unwrap_or(usize::MAX)
    }

    fn column_chunks(&self, leaf: usize) -> Result<Box<dyn PageIterator>> {
        let about = self.group.about();
        let column = about
            .columns()
            .get(leaf)
            .ok_or_else(|| ParquetError::General(format!("the row group has no column {leaf}")))?;
        let file = self.group.file.clone();
        let pages = match Unbounded::of(column.compression()) {
            Some(codec) => Inner::Unbounded(codec),
            None => Inner::Theirs(SerializedPageReader::new(
                Arc::new(file.clone()),
                column,
                self.num_rows(),
                None,
            )?),
        };
        let (offset, length) = column.byte_range();
        let descriptor = column.column_descr();
        Ok(Box::new(Once(Some(Box::new(Column {
            pages,
            file,
            offset,
            end: offset.saturating_add(length),
            name: column.column_path().string(),
            metadata: Arc::clone(&self.group.metadata),
            group: self.group.index,
            leaf,
            repeated: descriptor.max_rep_level() > 0,
            optional: descriptor.max_def_level() > 0,
            meter: Arc::clone(self.meter),
            open: 0,
        })))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.group.about()))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.group.metadata
    }
}

/// The pages of the only chunk that a column has in one row group.
struct Once(Option<Box<dyn PageReader>>);

impl Iterator for Once {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for Once {}

/// The pages of one column.
struct Column {
    pages: Inner,
    file: SharedFile,
    /// Where the next header is.
    offset: u64,
    end: u64,
    name: String,
    metadata: Arc<ParquetMetaData>,
    group: usize,
    leaf: usize,
    repeated: bool,
    optional: bool,
    meter: Arc<Meter>,
    /// Bytes of the data page that is open.
    open: usize,
}

impl Column {
    /// The header of the next page that holds anything, and passes over it.
    fn header(&mut self) -> Result<Option<PageHeader>> {
        while self.offset < self.end {
            let header = PageHeader::read(&self.file.0, self.offset, self.end)?;
            let next = self
                .offset
                .saturating_add(header.length as u64)
                .saturating_add(header.stored as u64);
            if next > self.end {
                return Err(self.bad("a page reaches beyond the column's end"));
            }
            self.offset = next;
            if header.is_data() || header.is_dictionary() {
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    fn bad(&self, what: impl std::fmt::Display) -> ParquetError {
        ParquetError::General(format!("column `{}`: {what}", self.name))
    }

    fn meter(&self, bytes: usize) -> Result<()> {
        self.meter
            .open(bytes, &self.name)
            .map_err(|_| self.bad("a page is too large"))
    }

    /// Makes sure that a dictionary of so many values can have so many bytes: memory is taken for their number.
    fn check_dictionary(&self, header: &PageHeader) -> Result<()> {
        // The length before each value, or the value itself.
        let least = match self.about().column_type() {
            Type::BOOLEAN => 0,
            Type::BYTE_ARRAY | Type::INT32 | Type::FLOAT => 4,
            Type::INT64 | Type::DOUBLE => 8,
            Type::INT96 => 12,
            Type::FIXED_LEN_BYTE_ARRAY => {
                usize::try_from(self.about().column_descr().type_length()).unwrap_or(0)
            }
        };
        let (values, plain) = (header.values, header.plain);
        if values.saturating_mul(least) > plain {
            return Err(self.bad(format_args!(
                "a dictionary of {values} values cannot have {plain} bytes"
            )));
        }
        Ok(())
    }

    fn about(&self) -> &ColumnChunkMetaData {
        self.metadata.row_group(self.group).column(self.leaf)
    }

    /// Bytes that a page's values come to beyond the page itself: strings that share their beginnings are copied.
    fn expanded(&self, page: &Page) -> Result<usize> {
        let Some((encoding, bytes)) = self.values_of(page) else {
            return Ok(0);
        };
        let count = page.num_values() as usize;
        let bad = || self.bad("the lengths of its values are malformed");
        match encoding {
            Encoding::DELTA_BYTE_ARRAY => {
                let (prefixes, rest) = self.lengths(&bytes, count)?.ok_or_else(bad)?;
                let (suffixes, _) = self.lengths(rest, count)?.ok_or_else(bad)?;
                let mut last = 0usize;
                let mut total = 0usize;
                for (prefix, suffix) in prefixes.iter().zip(&suffixes) {
                    let length = |n: &i64| usize::try_from(*n).unwrap_or(0);
                    last = length(prefix).min(last).saturating_add(length(suffix));
                    total = total.saturating_add(last);
                }
                Ok(total.saturating_add(prefixes.len().saturating_mul(value_bytes(self.about()))))
            }
            Encoding::DELTA_LENGTH_BYTE_ARRAY => {
                let (count, _) = delta_header(&bytes, count).ok_or_else(bad)?;
                Ok(count.saturating_mul(value_bytes(self.about())))
            }
            _ => Ok(0),
        }
    }

    /// A page's encoding, and its bytes after the levels, where what they say is needed.
    fn values_of(&self, page: &Page) -> Option<(Encoding, Bytes)> {
        let encoding = page.encoding();
        if !matches!(
            encoding,
            Encoding::DELTA_BYTE_ARRAY | Encoding::DELTA_LENGTH_BYTE_ARRAY
        ) {
            return None;
        }
        let buffer = page.buffer();
        let levels = match page {
            Page::DataPageV2 {
                def_levels_byte_len,
                rep_levels_byte_len,
                ..
            } => (*def_levels_byte_len as usize).saturating_add(*rep_levels_byte_len as usize),
            _ => {
                // Each kind of level that there is comes with its length before it.
                let mut at = 0usize;
                for _ in 0..usize::from(self.repeated) + usize::from(self.optional) {
                    let length = buffer.get(at..)?.first_chunk::<4>()?;
                    at = at
                        .saturating_add(4)
                        .saturating_add(u32::from_le_bytes(*length) as usize);
                }
                at
            }
        };
        (levels <= buffer.len()).then(|| (encoding, buffer.slice(levels..)))
    }

    /// The numbers at the start of `bytes`, delta-encoded, and what comes after them.
    fn lengths<'a>(&self, bytes: &'a [u8], most: usize) -> Result<Option<(Vec<i64>, &'a [u8])>> {
        let Some((count, _)) = delta_header(bytes, most) else {
            return Ok(None);
        };
        // Held while they are looked at, as the decoder holds them after.
        self.meter(count.saturating_mul(8))?;
        self.meter.leave(count.saturating_mul(8));
        Ok(delta_lengths(bytes, most))
    }
}

impl Iterator for Column {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Column {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let Some(header) = self.header()? else {
            return Ok(None);
        };
        self.meter.leave(std::mem::take(&mut self.open));
        if header.is_dictionary() {
            self.check_dictionary(&header)?;
        }
        let promised = page_bytes(&header, self.about());
        self.meter(promised)?;
        let page = match &mut self.pages {
            Inner::Theirs(pages) => pages.get_next_page()?,
            Inner::Unbounded(codec) => {
                let stored = self
                    .file
                    .0
                    .at(self.offset - header.stored as u64, header.stored)?;
                Some(codec.page(&header, stored)?)
            }
        };
        if header.is_data() {
            self.open = promised;
            if let Some(page) = &page {
                let expanded = self.expanded(page)?;
                self.meter(expanded)?;
                self.open = promised.saturating_add(expanded);
            }
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        if let Inner::Theirs(pages) = &mut self.pages {
            return pages.peek_next_page();
        }
        let here = self.offset;
        let header = self.header()?;
        self.offset = here;
        Ok(header.map(|header| PageMetadata {
            num_rows: header
                .about(3)
                .filter(|_| header.is_v2())
                .and_then(|rows| usize::try_from(rows).ok()),
            num_levels: header.is_data().then_some(header.values),
            is_dict: header.is_dictionary(),
        }))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.header()?;
        match &mut self.pages {
            Inner::Theirs(pages) => pages.skip_next_page(),
            Inner::Unbounded(_) => Ok(()),
        }
    }
}

/// Who reads a column's pages once they have passed the meter.
enum Inner {
    Theirs(SerializedPageReader<SharedFile>),
    Unbounded(Unbounded),
}

/// A number of 7 bits a byte, and what comes after it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0u64;
    for (i, byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7F).wrapping_shl(u32::try_from(i * 7).ok()?);
        if *byte < 0x80 {
            return Some((number, &bytes[i + 1..]));
        }
    }
    None
}

fn zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// How many numbers there are in `DELTA_BINARY_PACKED` bytes, of which there may be `most`; and what comes after that.
fn delta_header(bytes: &[u8], most: usize) -> Option<(usize, &[u8])> {
    let (_, rest) = varint(bytes)?;
    let (_, rest) = varint(rest)?;
    let (count, rest) = varint(rest)?;
    Some((
        usize::try_from(count).ok().filter(|count| *count <= most)?,
        rest,
    ))
}

/// The numbers of `DELTA_BINARY_PACKED` bytes (parquet-format, `Encodings.md`), and what comes after them.
fn delta_lengths(bytes: &[u8], most: usize) -> Option<(Vec<i64>, &[u8])> {
    let (block, rest) = varint(bytes)?;
    let (miniblocks, _) = varint(rest)?;
    let (count, rest) = delta_header(bytes, most)?;
    let (first, mut rest) = varint(rest)?;
    let per_miniblock = usize::try_from(block.checked_div(miniblocks)?).ok()?;
    let miniblocks = usize::try_from(miniblocks).ok()?;
    if per_miniblock == 0 || !per_miniblock.is_multiple_of(32) {
        return None;
    }
    let mut numbers = Vec::with_capacity(count);
    let mut last = zigzag(first);
    if count > 0 {
        numbers.push(last);
    }
    while numbers.len() < count {
        let (least, after) = varint(rest)?;
        let (widths, after) = after.split_at_checked(miniblocks)?;
        rest = after;
        for width in widths {
            if numbers.len() == count {
                break;
            }
            let width = usize::from(*width);
            if width > 64 {
                return None;
            }
            // The last miniblock may be cut off after its last number.
            let stored = per_miniblock.checked_mul(width)? / 8;
            let packed = &rest[..stored.min(rest.len())];
            for i in 0..per_miniblock.min(count - numbers.len()) {
                let delta = zigzag(least)
                    .wrapping_add(bits(packed, i.checked_mul(width)?, width)?.cast_signed());
                last = last.wrapping_add(delta);
                numbers.push(last);
            }
            rest = &rest[packed.len()..];
        }
    }
    Some((numbers, rest))
}

/// The number of `width` bits at `start`, the lowest first.
fn bits(bytes: &[u8], start: usize, width: usize) -> Option<u64> {
    if width == 0 {
        return Some(0);
    }
    let covered = bytes.get(start / 8..(start + width).div_ceil(8))?;
    let number = covered
        .iter()
        .rev()
        .fold(0u128, |number, byte| number << 8 | u128::from(*byte));
    u64::try_from(number >> (start % 8) & ((1u128 << width) - 1)).ok()
}
