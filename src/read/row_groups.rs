//! Parquet: the footer is read once, then each row group becomes a chunk whose pages the job reads from the file.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_schema::{DataType, Field, FieldRef, Fields, SchemaRef};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::{FieldLevels, ProjectionMask, parquet_to_arrow_field_levels};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};

use super::groups_ahead::{self, GroupsAhead};
use super::midway::FirstRow;
use super::page_bytes::first_pages;
use super::positioned::{Positioned, fenced};
use super::shared_file::SharedFile;
use super::{Body, Chunk, Halt, RECORDS_IN_MEMORY, Reader, Shape, Start, names};
use crate::budget;
use crate::error::{Code, Error};
use crate::source::{Location, Source};

/// Bytes set aside for a row group beside its pages: the rows that are decoded and not yet encoded.
const BATCH_BYTES: usize = 4 << 20;

/// One row group, to be read by a job.
pub struct RowGroup {
    /// The file it is in.
    pub(crate) file: SharedFile,
    /// The file's footer.
    pub(crate) metadata: Arc<ParquetMetaData>,
    /// The wanted columns, with the Arrow types they are to be read as.
    pub(crate) levels: Arc<FieldLevels>,
    /// Its number in the file.
    pub(crate) index: usize,
    /// Its rows.
    pub(crate) rows: u32,
    /// The first of them that is wanted; the chunk starts there.
    pub(crate) first_row: u32,
    /// Bytes that its pages, as they are read, may take at a time.
    pub(crate) page_bytes: usize,
    /// Bytes of JSON that one row may come to.
    pub(crate) record_bytes: usize,
    /// Answers that may be ready before it is its turn.
    pub(crate) ahead: usize,
}

impl RowGroup {
    /// What the footer says of it.
    pub(crate) fn about(&self) -> &RowGroupMetaData {
        self.metadata.row_group(self.index)
    }
}

impl Reader<'_> {
    /// Reads a Parquet file.
    pub(super) fn row_groups(&self, source: &Source, file: Positioned) -> Result<(), Halt> {
        let file = SharedFile(Arc::new(file));
        let opened = fenced(|| Opened::new(&file, self.reading.pick.as_deref()))?;
        self.found(|found| {
            found.footer = Some(Arc::clone(&opened.metadata));
            found.schema = Some(Arc::clone(&opened.schema));
        });
        (self.check_columns)(&opened.names)?;
        let shape = Arc::new(Shape::Columns(opened.names.clone()));
        let wanted = self.first_row(source)?;
        let mut uncounted = file.0.uncounted();
        // Whoever only looks at a source wants none of it ahead.
        let mut ahead =
            (opened.groups_ahead(source, file.0.len(), &wanted)).filter(|_| self.found.is_none());
        let mut count = |about: &RowGroupMetaData| {
            let stored = u64::try_from(about.compressed_size()).unwrap_or(0);
            let stored = stored.min(uncounted);
            uncounted -= stored;
            self.progress.bytes.fetch_add(stored, Ordering::Relaxed);
        };
        // Rows that another run reads.
        let mut passed_over = 0;
        for (index, about) in opened.metadata.row_groups().iter().enumerate() {
            let place = |what: String| damaged(format_args!("row group {index}: {what}"));
            let rows = about.num_rows();
            let rows = u32::try_from(rows).map_err(|_| {
                place(format!(
                    "it has {rows} rows; a row group has at most {}",
                    u32::MAX
                ))
            })?;
            let number =
                u32::try_from(index).map_err(|_| place("there are too many".to_owned()))?;
            if wanted.is_after(number) {
                count(about);
                continue;
            }
            if !source.window.holds(first_byte(about)) {
                passed_over += u64::from(rows);
                continue;
            }
            let first_row = wanted.of(number, rows)?;
            check(about, &file.0).map_err(place)?;
            if rows == 0 {
                continue;
            }
            // What is fetched is held as long as the row group is, besides its pages.
            let fetched = ahead.as_ref().map_or(0, |ahead| ahead.bytes(index));
            let answers = self.ahead(fetched > 0);
            let (file, held, bytes) = match &mut ahead {
                None => {
                    let bytes = self.bytes_at_a_time(about, &opened.mask, &file.0, index)?;
                    let held = self.acquire(budget::share(bytes, answers))?;
                    (file.clone(), held, bytes)
                }
                Some(ahead) => {
                    let mut held = self.acquire(budget::share(fetched + BATCH_BYTES, answers))?;
                    let file = SharedFile(Arc::new(ahead.take(index)?));
                    let bytes = self.bytes_at_a_time(about, &opened.mask, &file.0, index)?;
                    held.resize(budget::share(fetched.saturating_add(bytes), answers));
                    (file, held, bytes)
                }
            };
            self.submit(Chunk {
                source: source.id,
                start: Start::Group {
                    group: number,
                    row: first_row.into(),
                    records_before: std::mem::take(&mut passed_over),
                },
                shape: Arc::clone(&shape),
                body: Body::RowGroup(RowGroup {
                    file,
                    metadata: Arc::clone(&opened.metadata),
                    levels: Arc::clone(&opened.levels),
                    index,
                    rows,
                    first_row,
                    // Pages differ in size: twice what was seen, and never less than one record may take.
                    page_bytes: bytes
                        .saturating_mul(2)
                        .max(self.reading.record_bytes)
                        .min(self.limit()),
                    record_bytes: self.reading.record_bytes,
                    ahead: answers,
                }),
                held,
                only_counted: false,
            })?;
            count(about);
        }
        let groups = u32::try_from(opened.metadata.num_row_groups());
        wanted.check_end(groups.unwrap_or(u32::MAX))?;
        self.progress.bytes.fetch_add(uncounted, Ordering::Relaxed);
        Ok(())
    }

    /// How many answers of a row group may wait for their turn. A row group makes many, one after another: those behind
    /// it would stand still if they could not go ahead, so each job has its share of the memory for that, the answer in
    /// the making included, and one share is left for what is read. What is `fetched` ahead is none of these.
    fn ahead(&self, fetched: bool) -> usize {
        let coming = if fetched { groups_ahead::LARGEST } else { 0 };
        let coming = usize::try_from(coming).unwrap_or(usize::MAX);
        let share = self.budget.total().saturating_sub(coming) / (self.threads + 1);
        let answers = share / budget::ANSWER_BYTES;
        answers.saturating_sub(1).max(budget::AHEAD)
    }

    /// What a run may hold.
    fn limit(&self) -> usize {
        self.reading.record_bytes.saturating_mul(RECORDS_IN_MEMORY)
    }

    /// Bytes that a row group takes while it is read: the first pages of all wanted columns, and some rows.
    fn bytes_at_a_time(
        &self,
        about: &RowGroupMetaData,
        mask: &ProjectionMask,
        file: &Positioned,
        index: usize,
    ) -> Result<usize, Error> {
        let columns = about
            .columns()
            .iter()
            .enumerate()
            .filter(|(leaf, _)| mask.leaf_included(*leaf));
        let pages = columns
            .map(|(_, column)| first_pages(column, file))
            .fold(0usize, usize::saturating_add);
        let limit = self.limit();
        if pages > limit {
            let reason = format!(
                "row group {index} takes {pages} bytes for one page of each column, more than the {limit} that a run \
                 may hold"
            );
            return Err(Error::new(Code::RecordTooLarge, reason).help(
                "raise `--memory`, read fewer columns, or write the file with smaller pages",
            ));
        }
        Ok(pages.saturating_add(BATCH_BYTES).min(limit))
    }
}

/// Where a row group begins in its file, as far as its columns are inside it.
fn first_byte(about: &RowGroupMetaData) -> u64 {
    let starts = about.columns().iter().flat_map(|column| {
        let dictionary = column.dictionary_page_offset();
        [Some(column.data_page_offset()), dictionary]
    });
    let first = starts.flatten().min().unwrap_or(0);
    u64::try_from(first).unwrap_or(0)
}

/// Makes sure that a row group's columns are inside the file.
fn check(about: &RowGroupMetaData, file: &Positioned) -> Result<(), String> {
    for column in about.columns() {
        let name = column.column_path().string();
        if column.compressed_size() < 0 || column.uncompressed_size() < 0 || column.num_values() < 0
        {
            return Err(format!("column `{name}` has a negative length"));
        }
        let starts = [
            Some(column.data_page_offset()),
            column.dictionary_page_offset(),
        ];
        let end = |start: i64| {
            u64::try_from(start)
                .ok()?
                .checked_add(column.compressed_size().unsigned_abs())
        };
        if starts.into_iter().flatten().any(|start| start < 0) {
            return Err(format!("column `{name}` starts at a negative offset"));
        }
        let start = starts.into_iter().flatten().min().unwrap_or(0);
        if end(start).is_none_or(|end| end > file.len()) {
            return Err(format!(
                "column `{name}` reaches beyond the end of the file, which has {} bytes",
                file.len()
            ));
        }
        if column.file_path().is_some_and(|path| !path.is_empty()) {
            return Err(format!("column `{name}` is in another file"));
        }
    }
    Ok(())
}

/// A file whose footer has been read.
struct Opened {
    metadata: Arc<ParquetMetaData>,
    schema: SchemaRef,
    mask: ProjectionMask,
    levels: Arc<FieldLevels>,
    names: Vec<String>,
}

impl Opened {
    /// The row groups that are to be read, fetched ahead where the file is remote.
    fn groups_ahead(&self, source: &Source, len: u64, wanted: &FirstRow) -> Option<GroupsAhead> {
        let Location::Remote(remote) = &source.location else {
            return None;
        };
        let is_wanted = |group: usize, about: &RowGroupMetaData| {
            let is_before = u32::try_from(group).is_ok_and(|group| wanted.is_after(group));
            !is_before && source.window.holds(first_byte(about))
        };
        let (metadata, mask) = (&self.metadata, &self.mask);
        Some(GroupsAhead::new(remote, len, metadata, mask, is_wanted))
    }

    fn new(file: &SharedFile, pick: Option<&[String]>) -> Result<Self, Error> {
        let mut head = [0; 4];
        let start = file
            .0
            .at(0, 4)
            .map_err(|_| damaged("the file is too short"))?;
        head.copy_from_slice(&start);
        if &head == b"PARE" {
            return Err(encrypted());
        }
        // An embedded Arrow schema that does not fit the file is no reason not to read it.
        let options = ArrowReaderOptions::new();
        let read = ArrowReaderMetadata::load(file, options.clone())
            .or_else(|_| ArrowReaderMetadata::load(file, options.with_skip_arrow_metadata(true)))
            .map_err(|e| explain(&e))?;
        let metadata = Arc::clone(read.metadata());
        let descriptor = metadata.file_metadata().schema_descr();
        let fields = read.schema().fields();
        let all = names::unique(fields.iter().map(|field| field.name().clone()).collect());
        let (mask, names) = match pick {
            Some(pick) => {
                let picked = picked(&all, pick);
                let names = picked.iter().map(|i| all[*i].clone()).collect();
                (ProjectionMask::roots(descriptor, picked), names)
            }
            None => (ProjectionMask::all(), all),
        };
        let views: Fields = fields.iter().map(as_views).collect();
        let levels = parquet_to_arrow_field_levels(descriptor, mask.clone(), Some(&views))
            .or_else(|_| parquet_to_arrow_field_levels(descriptor, mask.clone(), Some(fields)))
            .map_err(|e| explain(&e))?;
        Ok(Opened {
            mask,
            levels: Arc::new(levels),
            names,
            metadata,
            schema: Arc::clone(read.schema()),
        })
    }
}

/// The numbers of the wanted columns, in the order of the file.
pub(super) fn picked(names: &[String], pick: &[String]) -> Vec<usize> {
    let wanted: std::collections::HashSet<&String> = pick.iter().collect();
    (0..names.len())
        .filter(|i| wanted.contains(&names[*i]))
        .collect()
}

/// The same field with strings and bytes read as views, which point into a page: a value that a dictionary has once and
/// a million rows refer to is then in memory once.
fn as_views(field: &FieldRef) -> FieldRef {
    Arc::new(Field::clone(field).with_data_type(view(field.data_type())))
}

fn view(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::Dictionary(_, value) => view(value),
        DataType::List(item) => DataType::List(as_views(item)),
        DataType::LargeList(item) => DataType::LargeList(as_views(item)),
        DataType::ListView(item) => DataType::ListView(as_views(item)),
        DataType::LargeListView(item) => DataType::LargeListView(as_views(item)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(as_views(item), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(as_views).collect()),
        DataType::Map(entries, sorted) => DataType::Map(as_views(entries), *sorted),
        other => other.clone(),
    }
}

fn explain(cause: &ParquetError) -> Error {
    let text = cause.to_string();
    if text.contains("ncrypt") {
        encrypted()
    } else {
        damaged(text)
    }
}

fn encrypted() -> Error {
    Error::new(
        Code::Format,
        "the Parquet file is encrypted, and sluice has no keys",
    )
    .help("decrypt it with the tool that wrote it")
}

/// An error of a file that is not what Parquet asks for.
fn damaged(cause: impl std::fmt::Display) -> Error {
    Error::new(
        Code::Format,
        format!("not a readable Parquet file: {cause}"),
    )
}
