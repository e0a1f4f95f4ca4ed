//! What pages of Parquet take while they are read.

use parquet::basic::Type;
use parquet::file::metadata::ColumnChunkMetaData;

use super::page_header::PageHeader;
use super::positioned::Positioned;

/// What a page takes that has its values in it, as stored and decompressed: most writers end one at a mebibyte
/// (`write.parquet.page-size-bytes` of Iceberg, `data_page_size` of Arrow, `parquet.page.size` of Hadoop).
const PLAIN_PAGE_BYTES: usize = 2 << 20;

/// Bytes that a column's dictionary and its first page take; those of the whole column where these cannot be told.
pub(super) fn first_pages(column: &ColumnChunkMetaData, file: &Positioned) -> usize {
    let whole = column
        .uncompressed_size()
        .saturating_add(column.compressed_size());
    let whole = usize::try_from(whole).unwrap_or(usize::MAX);
    let (mut offset, length) = column.byte_range();
    let end = offset.saturating_add(length);
    let mut bytes = 0usize;
    while offset < end {
        let Ok(header) = PageHeader::read(file, offset, end) else {
            return whole;
        };
        let page = page_bytes(&header, column);
        if header.is_data() && bytes > 0 {
            // A page of numbers into a dictionary is small. When the dictionary is full, pages have the values themselves.
            let rest = whole.saturating_sub(bytes);
            return bytes.saturating_add(page.max(rest.min(PLAIN_PAGE_BYTES)));
        }
        bytes = bytes.saturating_add(page);
        if header.is_data() {
            return bytes;
        }
        offset = offset
            .saturating_add(header.length as u64)
            .saturating_add(header.stored as u64);
    }
    whole
}

/// Bytes that a page takes while it is read: as stored, decompressed, and what is decoded of it all at once.
pub(crate) fn page_bytes(header: &PageHeader, column: &ColumnChunkMetaData) -> usize {
    let pages = header.stored.saturating_add(header.plain);
    // A record of a column that is not repeated has one value; of one that is, it may have all in the page.
    let repeated = column.column_descr().max_rep_level() > 0;
    let decoded = if header.is_dictionary() || repeated {
        value_bytes(column)
    } else {
        0
    };
    pages.saturating_add(header.values.saturating_mul(decoded))
}

/// Bytes of a decoded value with its two levels; strings are views.
pub(crate) fn value_bytes(column: &ColumnChunkMetaData) -> usize {
    let value = match column.column_type() {
        Type::BOOLEAN => 1,
        Type::INT32 | Type::FLOAT => 4,
        Type::INT64 | Type::DOUBLE | Type::INT96 => 8,
        Type::BYTE_ARRAY => 16,
        Type::FIXED_LEN_BYTE_ARRAY => {
            usize::try_from(column.column_descr().type_length()).unwrap_or(0)
        }
    };
    value.saturating_add(4)
}
