//! Pages in the codecs whose decoders, as the `parquet` crate uses them, go on past the length that a page's header
//! gives: some kilobytes of Brotli can go on for gigabytes. Here they stop.

use std::io::Read;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::Page;
use parquet::errors::{ParquetError, Result};

use crate::read::page_header::PageHeader;

/// A codec whose decoder has to be stopped.
#[derive(Clone, Copy)]
pub(super) enum Unbounded {
    Gzip,
    Brotli,
}

impl Unbounded {
    /// Nothing for the codecs that keep to the length they are given.
    pub(super) fn of(codec: Compression) -> Option<Self> {
        match codec {
            Compression::GZIP(_) => Some(Unbounded::Gzip),
            Compression::BROTLI(_) => Some(Unbounded::Brotli),
            _ => None,
        }
    }

    /// The page with this header, of its bytes as stored.
    pub(super) fn page(self, header: &PageHeader, stored: Vec<u8>) -> Result<Page> {
        let number = |id| header.about(id).and_then(|n| u32::try_from(n).ok()).ok_or_else(malformed);
        let encoding = |id| header.about(id).and_then(encoding).ok_or_else(malformed);
        let num_values = number(1)?;
        if header.is_dictionary() {
            let buf = self.decompressed(header, &stored, 0)?;
            return Ok(Page::DictionaryPage {
                buf,
                num_values,
                encoding: encoding(2)?,
                is_sorted: header.about(3) == Some(1),
            });
        }
        if !header.is_v2() {
            return Ok(Page::DataPage {
                buf: self.decompressed(header, &stored, 0)?,
                num_values,
                encoding: encoding(2)?,
                def_level_encoding: encoding(3)?,
                rep_level_encoding: encoding(4)?,
                statistics: None,
            });
        }
        let (def_levels_byte_len, rep_levels_byte_len) = (number(5)?, number(6)?);
        let levels = (def_levels_byte_len as usize).saturating_add(rep_levels_byte_len as usize);
        let is_compressed = header.about(7) != Some(0);
        if levels > stored.len() || levels > header.plain {
            return Err(malformed());
        }
        let buf = if is_compressed { self.decompressed(header, &stored, levels)? } else { Bytes::from(stored) };
        Ok(Page::DataPageV2 {
            buf,
            num_values,
            encoding: encoding(4)?,
            num_nulls: number(2)?,
            num_rows: number(3)?,
            def_levels_byte_len,
            rep_levels_byte_len,
            is_compressed,
            statistics: None,
        })
    }

    /// The bytes of a page, of which the first `levels` are stored as they are.
    fn decompressed(self, header: &PageHeader, stored: &[u8], levels: usize) -> Result<Bytes> {
        let (levels, stored) = stored.split_at_checked(levels).ok_or_else(malformed)?;
        let mut plain = Vec::with_capacity(header.plain);
        plain.extend_from_slice(levels);
        let rest = header.plain - levels.len();
        // A page of nothing but nulls may have no bytes at all.
        if rest > 0 {
            // One byte more shows that there are more.
            let most = rest as u64 + 1;
            match self {
                Unbounded::Gzip => flate2::read::MultiGzDecoder::new(stored).take(most).read_to_end(&mut plain)?,
                Unbounded::Brotli => brotli::Decompressor::new(stored, 4_096).take(most).read_to_end(&mut plain)?,
            };
        }
        if plain.len() != header.plain {
            let (found, told) = (plain.len(), header.plain);
            let found = if found > told { "more".to_owned() } else { format!("only {found}") };
            let reason = format!("a page has {found} bytes decompressed where its header says {told}");
            return Err(ParquetError::General(reason));
        }
        Ok(Bytes::from(plain))
    }
}

fn malformed() -> ParquetError {
    ParquetError::General("a page header is malformed".to_owned())
}

/// The numbers are those of parquet-format, `Encoding`.
fn encoding(number: i64) -> Option<Encoding> {
    #[expect(deprecated, reason = "old files have levels so")]
    let bit_packed = Encoding::BIT_PACKED;
    Some(match number {
        0 => Encoding::PLAIN,
        2 => Encoding::PLAIN_DICTIONARY,
        3 => Encoding::RLE,
        4 => bit_packed,
        5 => Encoding::DELTA_BINARY_PACKED,
        6 => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        7 => Encoding::DELTA_BYTE_ARRAY,
        8 => Encoding::RLE_DICTIONARY,
        9 => Encoding::BYTE_STREAM_SPLIT,
        _ => return None,
    })
}
