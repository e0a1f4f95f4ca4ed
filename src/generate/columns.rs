//! Records as a table of columns.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, StringBuilder,
};
use arrow_array::{ArrayRef, RecordBatch, StructArray};
use arrow_schema::{DataType, Field, Fields, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{Record, Records};

/// Rows of a Parquet row group. Builds for tests make small ones.
const ROW_GROUP: usize = if cfg!(debug_assertions) {
    1_000
} else {
    100_000
};

/// Writes records as Parquet, until their columns hold `bytes` in memory.
///
/// # Errors
/// Those of `out`.
pub fn parquet(records: &mut Records, out: impl Write + Send, bytes: u64) -> io::Result<()> {
    let meta = Fields::from(vec![
        Field::new("user", DataType::Utf8, true),
        Field::new("ts", DataType::Utf8, true),
        Field::new_list("tags", Field::new_list_field(DataType::Utf8, true), true),
    ]);
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("text", DataType::Utf8, true),
        Field::new("image", DataType::Utf8, true),
        Field::new("stars", DataType::Int64, true),
        Field::new("helpful", DataType::Float64, true),
        Field::new("verified", DataType::Boolean, true),
        Field::new("lang", DataType::Utf8, true),
        Field::new("meta", DataType::Struct(meta.clone()), true),
    ]));
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .build();
    let mut writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties))
        .map_err(io::Error::other)?;
    let mut record = Record::default();
    let mut written = 0;
    while written < bytes {
        let (mut id, mut stars) = (Int64Builder::new(), Int64Builder::new());
        let (mut helpful, mut verified) = (Float64Builder::new(), BooleanBuilder::new());
        let [mut text, mut image, mut lang] = [(); 3].map(|()| StringBuilder::new());
        let [mut user, mut ts] = [(); 2].map(|()| StringBuilder::new());
        let mut tags = ListBuilder::new(StringBuilder::new());
        for _ in 0..ROW_GROUP {
            records.next(&mut record);
            id.append_value(record.id.cast_signed());
            text.append_value(&record.text);
            image.append_value(&record.image);
            stars.append_value(record.stars.cast_signed());
            helpful.append_value(record.helpful);
            verified.append_value(record.verified);
            lang.append_value(record.lang);
            user.append_value(&record.user);
            ts.append_value(&record.ts);
            tags.append_value(record.tags.iter().map(|tag| Some(*tag)));
            // What the columns hold in memory: eight bytes a number, four an offset.
            let strings = [&record.text, &record.image, &record.user, &record.ts].map(String::len);
            let labels: usize = record.tags.iter().map(|tag| tag.len() + 4).sum();
            written +=
                (strings.iter().sum::<usize>() + record.lang.len() + labels + 3 * 8 + 6 * 4) as u64;
        }
        let parts: Vec<ArrayRef> = vec![
            Arc::new(user.finish()),
            Arc::new(ts.finish()),
            Arc::new(tags.finish()),
        ];
        let metas = StructArray::try_new(meta.clone(), parts, None).map_err(io::Error::other)?;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(id.finish()),
            Arc::new(text.finish()),
            Arc::new(image.finish()),
            Arc::new(stars.finish()),
            Arc::new(helpful.finish()),
            Arc::new(verified.finish()),
            Arc::new(lang.finish()),
            Arc::new(metas),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(io::Error::other)?;
        writer.write(&batch).map_err(io::Error::other)?;
    }
    writer.close().map_err(io::Error::other)?;
    Ok(())
}
