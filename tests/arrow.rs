//! Parquet and Arrow IPC, from files to rows of JSON.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what it expects, and fails where it is not so"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_array::builder::{
    FixedSizeListBuilder, Int32Builder, LargeListBuilder, LargeListViewBuilder, ListBuilder,
    ListViewBuilder, MapBuilder, StringBuilder, UnionBuilder,
};
use arrow_array::types::{Float64Type, Int8Type, Int32Type};
use arrow_array::*;
use arrow_buffer::{
    IntervalDayTime, IntervalMonthDayNano, NullBuffer, OffsetBuffer, ScalarBuffer, i256,
};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow_schema::{DataType, Field, Fields, Schema};
use half::f16;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{WriterProperties, WriterVersion};
use sha2::{Digest, Sha256};
use sluice::budget::Budget;
use sluice::buffer::Buffers;
use sluice::decode::scan::Value;
use sluice::decode::{Changes, Consumer, Decode, Decoder, Fatal, Mark, Nul, Row};
use sluice::error::{Code, Error, Fault};
use sluice::place::SourceId;
use sluice::read::column_types::CsvTypes;
use sluice::read::files::Files;
use sluice::read::{Chunk, Ended, Progress, Reader, Reading, Shape, Start};
use sluice::source::sniff::Format;
use sluice::source::{Location, Source};
use sluice::stop::Stop;

/// The JSON of one cell, or what is wrong with it.
type Cell = Result<String, Fault>;

/// Collects rows as JSON, and is full after `bytes` of them.
struct Rows {
    columns: usize,
    bytes: usize,
    written: usize,
    rows: Vec<Vec<Cell>>,
    records: Vec<u32>,
    changes: Changes,
}

impl Rows {
    fn new(columns: usize, bytes: usize) -> Self {
        Rows {
            columns,
            bytes,
            written: 0,
            rows: Vec::new(),
            records: Vec::new(),
            changes: Changes::default(),
        }
    }
}

impl Consumer for Rows {
    fn is_full(&self) -> bool {
        self.written >= self.bytes
    }
    fn json(&mut self, _: Mark, _: Value<'_>) {
        panic!("a row was expected");
    }
    fn text(&mut self, _: Mark, _: &str) {
        panic!("a row was expected");
    }
    fn row<R: Row>(&mut self, mark: Mark, row: &R) {
        assert!(row.raw().is_empty());
        self.records.push(mark.record);
        let mut out = Vec::new();
        let mut cells = Vec::new();
        for column in 0..self.columns {
            let start = out.len();
            let cell = row.cell(column, &mut out, &mut self.changes);
            let text =
                cell.map(|()| String::from_utf8(out[start..].to_vec()).expect("JSON is UTF-8"));
            if let Ok(text) = &text
                && let Err(cause) = serde_json::from_str::<serde::de::IgnoredAny>(text)
            {
                panic!("{text} is no JSON: {cause}");
            }
            cells.push(text);
        }
        self.rows.push(cells);
        self.written += out.len().max(1);
    }
    fn fault(&mut self, _: Mark, fault: Fault, _: &[u8]) {
        panic!("a row was expected, not {fault:?}");
    }
    fn changed(&mut self, changes: Changes) {
        self.changes += changes;
    }
}

/// What a file came to.
#[derive(Default)]
struct Read {
    names: Vec<String>,
    rows: Vec<Vec<Cell>>,
    changes: Changes,
    chunks: usize,
    starts: Vec<(u32, u32)>,
}

/// How a file is read.
#[derive(Clone)]
struct With {
    record_bytes: usize,
    budget: usize,
    full: usize,
    pick: Option<Vec<String>>,
    format: Option<Format>,
    nul: Nul,
}

const PLAIN: With = With {
    record_bytes: 64 << 20,
    budget: 1 << 20,
    full: 1 << 20,
    pick: None,
    format: None,
    nul: Nul::Reject,
};

fn reading(record_bytes: usize, pick: Option<Vec<String>>, format: Option<Format>) -> Reading {
    Reading {
        format,
        delimiter: None,
        header: true,
        csv_types: CsvTypes::Text,
        encoding: None,
        chunk_bytes: 1 << 20,
        record_bytes,
        pick,
        files: Files::default(),
    }
}

fn source(path: &Path) -> Source {
    let name = path.display().to_string().into();
    Source {
        id: SourceId(0),
        name,
        location: Location::File(path.to_owned()),
        bytes: None,
        address: None,
        window: sluice::source::window::Window::ALL,
    }
}

fn read(path: &Path, with: &With) -> Result<Read, Error> {
    let reading = reading(with.record_bytes, with.pick.clone(), with.format);
    let stop = Stop::default();
    let budget = Budget::new(with.budget, &stop);
    let found = Mutex::new((Read::default(), None));
    let take = |mut chunk: Chunk| -> Result<(), Ended> {
        let Shape::Columns(names) = &*chunk.shape else {
            panic!("columns were expected")
        };
        let names = names.clone();
        let Start::Group { group, row, .. } = chunk.start else {
            panic!("a group was expected")
        };
        let mut decoder = Decoder::new(&mut chunk, with.nul, &Arc::default());
        let mut guard = found.lock().unwrap();
        let (read, error) = &mut *guard;
        let columns = names.len();
        read.names = names;
        read.chunks += 1;
        read.starts.push((group, u32::try_from(row).unwrap()));
        let mut expected = 0;
        loop {
            let mut rows = Rows::new(columns, with.full);
            let outcome = catch_unwind(AssertUnwindSafe(|| decoder.decode(&mut rows)));
            for record in &rows.records {
                assert_eq!(
                    *record, expected,
                    "records are numbered from the chunk's first"
                );
                expected += 1;
            }
            read.changes += rows.changes;
            read.rows.append(&mut rows.rows);
            match outcome {
                Ok(Ok(more)) => {
                    assert_eq!(decoder.extent().records, u64::from(expected));
                    if !more {
                        return Ok(());
                    }
                    assert!(rows.written >= with.full, "left before it was full");
                }
                Ok(Err(Fatal { mark, fault, .. })) => {
                    assert_eq!(mark.record, expected);
                    *error = Some(Error::from(fault));
                    return Err(Ended);
                }
                Err(panic) => {
                    let text = panic
                        .downcast_ref::<String>()
                        .cloned()
                        .unwrap_or_else(|| "a panic".to_owned());
                    *error = Some(Error::new(Code::DecoderPanic, text));
                    return Err(Ended);
                }
            }
        }
    };
    let progress = Arc::new(Progress::default());
    let buffers = Buffers::new(0);
    let reader = Reader {
        reading: &reading,
        buffers: &buffers,
        budget: &budget,
        threads: 2,
        spool_limit: 0,
        stop: &stop,
        progress,
        from: None,
        tables_only: false,
        types: None,
        seen: None,
        found: None,
        check_columns: &|_| Ok(()),
        submit: &take,
    };
    reader.one(&source(path))?;
    assert_eq!(budget.in_flight(), 0);
    let (read, error) = found.into_inner().unwrap();
    error.map_or(Ok(read), Err)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let field =
        |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), true);
    let fields: Fields = columns.iter().map(field).collect();
    let rows = columns.first().map_or(0, |(_, array)| array.len());
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).unwrap()
}

fn write_file(path: &Path, batches: &[RecordBatch]) {
    let mut writer =
        FileWriter::try_new(File::create(path).unwrap(), batches[0].schema_ref()).unwrap();
    batches
        .iter()
        .for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
}

fn write_stream(path: &Path, batches: &[RecordBatch], compression: Option<CompressionType>) {
    let options = IpcWriteOptions::default()
        .try_with_compression(compression)
        .unwrap();
    let file = File::create(path).unwrap();
    let mut writer =
        StreamWriter::try_new_with_options(file, batches[0].schema_ref(), options).unwrap();
    batches
        .iter()
        .for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
}

fn write_parquet(path: &Path, batches: &[RecordBatch], properties: WriterProperties) {
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batches[0].schema(), Some(properties)).unwrap();
    batches
        .iter()
        .for_each(|batch| writer.write(batch).unwrap());
    writer.close().unwrap();
}

/// The JSON of a column's values, the same through file, stream and compressed stream, in one go and row by row.
fn ipc(array: ArrayRef) -> Vec<Cell> {
    let folder = folder();
    let batch = batch(vec![("x", array)]);
    let twice = [batch.clone(), batch.slice(1, batch.num_rows() - 1)];
    let mut all: Vec<Vec<Cell>> = Vec::new();
    for kind in ["file", "stream", "lz4", "zstd"] {
        let path = folder.path().join(kind);
        match kind {
            "file" if matches!(batch.column(0).data_type(), DataType::Dictionary(..)) => {
                write_file(&path, &[batch.clone(), batch.clone()]);
            }
            "file" => write_file(&path, &twice),
            "stream" => write_stream(&path, &twice, None),
            "lz4" => write_stream(&path, &twice, Some(CompressionType::LZ4_FRAME)),
            _ => write_stream(&path, &twice, Some(CompressionType::ZSTD)),
        }
        for full in [1, 1 << 20] {
            let read = read(&path, &With { full, ..PLAIN }).unwrap();
            let mut cells: Vec<Cell> = read.rows.into_iter().map(|mut row| row.remove(0)).collect();
            let again = cells.split_off(batch.num_rows());
            assert!(
                cells.ends_with(&again),
                "a slice is written as what it is a slice of"
            );
            all.push(cells);
        }
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
    all.remove(0)
}

/// The same through Parquet.
fn parquet(array: ArrayRef) -> Vec<Cell> {
    let folder = folder();
    let path = folder.path().join("x.parquet");
    write_parquet(
        &path,
        &[batch(vec![("x", array)])],
        WriterProperties::default(),
    );
    let [by_row, at_once] =
        [1, 1 << 20].map(|full| read(&path, &With { full, ..PLAIN }).unwrap().rows);
    assert_eq!(by_row, at_once);
    at_once.into_iter().map(|mut row| row.remove(0)).collect()
}

/// Both, for types that both have.
fn both(array: ArrayRef) -> Vec<Cell> {
    let cells = ipc(Arc::clone(&array));
    assert_eq!(parquet(array), cells);
    cells
}

#[track_caller]
fn expect(cells: Vec<Cell>, expected: &[&str]) {
    let shown = |cell: Cell| cell.unwrap_or_else(|fault| fault.code.to_string());
    let cells: Vec<String> = cells.into_iter().map(shown).collect();
    assert_eq!(cells, expected);
}

/// The same, where every expected text stands without its quotes.
#[track_caller]
fn expect_strings(cells: Vec<Cell>, expected: &[&str]) {
    let quoted: Vec<String> = expected.iter().map(|text| format!("\"{text}\"")).collect();
    expect(
        cells,
        &quoted.iter().map(String::as_str).collect::<Vec<_>>(),
    );
}

fn arc(array: impl Array + 'static) -> ArrayRef {
    Arc::new(array)
}

#[test]
fn plain_values() {
    expect(
        both(arc(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        &["true", "null", "false"],
    );
    expect(
        both(arc(Int8Array::from(vec![Some(-128), None, Some(127)]))),
        &["-128", "null", "127"],
    );
    expect(
        both(arc(Int16Array::from(vec![i16::MIN, i16::MAX]))),
        &["-32768", "32767"],
    );
    expect(
        both(arc(Int32Array::from(vec![i32::MIN, 0]))),
        &["-2147483648", "0"],
    );
    expect(
        both(arc(Int64Array::from(vec![i64::MIN, i64::MAX]))),
        &["-9223372036854775808", "9223372036854775807"],
    );
    expect(both(arc(UInt8Array::from(vec![0, 255]))), &["0", "255"]);
    expect(
        both(arc(UInt16Array::from(vec![0, u16::MAX]))),
        &["0", "65535"],
    );
    expect(
        both(arc(UInt32Array::from(vec![0, u32::MAX]))),
        &["0", "4294967295"],
    );
    expect(
        both(arc(UInt64Array::from(vec![0, u64::MAX]))),
        &["0", "18446744073709551615"],
    );
    expect(both(arc(NullArray::new(2))), &["null", "null"]);
    let texts = StringArray::from(vec![Some("a\"b\\\n\u{1F600}"), None, Some("")]);
    expect(
        both(arc(texts)),
        &["\"a\\\"b\\\\\\n\u{1F600}\"", "null", "\"\""],
    );
    expect(
        both(arc(LargeStringArray::from(vec![Some("x"), None]))),
        &["\"x\"", "null"],
    );
    let views = StringViewArray::from(vec!["short", "long enough not to be inline"]);
    expect_strings(both(arc(views)), &["short", "long enough not to be inline"]);
    let bytes = BinaryArray::from(vec![Some(&b"\xFF\x00"[..]), None, Some(b""), Some(b"abc")]);
    expect(both(arc(bytes)), &["\"/wA=\"", "null", "\"\"", "\"YWJj\""]);
    expect(
        both(arc(LargeBinaryArray::from(vec![Some(&b"a"[..]), None]))),
        &["\"YQ==\"", "null"],
    );
    expect(
        both(arc(BinaryViewArray::from(vec![Some(&b"a"[..]), None]))),
        &["\"YQ==\"", "null"],
    );
    let fixed =
        FixedSizeBinaryArray::try_from_sparse_iter_with_size([Some(b"abc"), None].into_iter(), 3)
            .unwrap();
    expect(both(arc(fixed)), &["\"YWJj\"", "null"]);
}

#[test]
fn numbers_that_are_not_whole() {
    let doubles = Float64Array::from(vec![0.1, -0.0, 1.0, 1e300, f64::NAN, f64::INFINITY]);
    expect(
        both(arc(doubles)),
        &["0.1", "-0.0", "1.0", "1e+300", "null", "null"],
    );
    let floats = Float32Array::from(vec![0.1, 16_777_216.0, f32::NEG_INFINITY]);
    expect(both(arc(floats)), &["0.1", "16777216.0", "null"]);
    let halves = [0.1, -0.0, 65_504.0, 1.0, 0.333].map(f16::from_f32);
    expect(
        both(arc(Float16Array::from(halves.to_vec()))),
        &["0.1", "-0.0", "65500.0", "1.0", "0.333"],
    );
    let folder = folder();
    let path = folder.path().join("x");
    write_file(
        &path,
        &[batch(vec![(
            "x",
            arc(Float64Array::from(vec![f64::NAN, 1.0, f64::INFINITY])),
        )])],
    );
    assert_eq!(read(&path, &PLAIN).unwrap().changes.nulled, 2);
    let all: Vec<f16> = (0..=u16::MAX)
        .map(f16::from_bits)
        .filter(|half| half.is_finite())
        .collect();
    for (half, text) in all
        .iter()
        .zip(parquet(arc(Float16Array::from(all.clone()))))
    {
        let text = text.unwrap();
        assert_eq!(
            f16::from_f32(text.parse().unwrap()).to_bits(),
            half.to_bits(),
            "{text}"
        );
    }
}

#[test]
fn decimals() {
    let of = |values: Vec<Option<i128>>, scale| {
        arc(Decimal128Array::from(values)
            .with_precision_and_scale(20, scale)
            .unwrap())
    };
    let values = vec![Some(150), None, Some(-5), Some(0), Some(-12_345)];
    expect(
        both(of(values, 2)),
        &["1.50", "null", "-0.05", "0.00", "-123.45"],
    );
    expect(both(of(vec![Some(7), Some(-7)], 0)), &["7", "-7"]);
    expect(
        ipc(of(vec![Some(15), Some(0), Some(-1)], -2)),
        &["1500", "0", "-100"],
    );
    let small = Decimal32Array::from(vec![Some(150), None])
        .with_precision_and_scale(9, 2)
        .unwrap();
    expect(both(arc(small)), &["1.50", "null"]);
    let middle = Decimal64Array::from(vec![Some(150), None])
        .with_precision_and_scale(18, 1)
        .unwrap();
    expect(both(arc(middle)), &["15.0", "null"]);
    let large = i256::from_string("12345678901234567890123456789012345678901234567890").unwrap();
    let large = Decimal256Array::from(vec![Some(large), None])
        .with_precision_and_scale(60, 10)
        .unwrap();
    expect(
        both(arc(large)),
        &[
            "1234567890123456789012345678901234567890.1234567890",
            "null",
        ],
    );
}

#[test]
fn times() {
    let days = Date32Array::from(vec![0, 19_782, -719_528, 2_932_896]);
    expect_strings(
        both(arc(days)),
        &["1970-01-01", "2024-02-29", "0000-01-01", "9999-12-31"],
    );
    expect(
        both(arc(Date32Array::from(vec![Some(0), None]))),
        &["\"1970-01-01\"", "null"],
    );
    // The last two as java.time.LocalDate has them.
    let far = [
        "-0001-12-31",
        "+10000-01-01",
        "-5877641-06-23",
        "+5881580-07-11",
    ];
    expect_strings(
        both(arc(Date32Array::from(vec![
            -719_529,
            2_932_897,
            i32::MIN,
            i32::MAX,
        ]))),
        &far,
    );
    let days = Date64Array::from(vec![86_400_000, 86_400_001, -1]);
    expect_strings(
        ipc(arc(days)),
        &[
            "1970-01-02",
            "1970-01-02T00:00:00.001",
            "1969-12-31T23:59:59.999",
        ],
    );
    expect(
        both(arc(Time32SecondArray::from(vec![Some(47_109), None]))),
        &["\"13:05:09\"", "null"],
    );
    let times = Time32MillisecondArray::from(vec![0, 1, 86_399_999]);
    expect_strings(
        both(arc(times)),
        &["00:00:00", "00:00:00.001", "23:59:59.999"],
    );
    let times = Time32SecondArray::from(vec![86_400, 86_401, -1]);
    expect(
        ipc(arc(times)),
        &["\"24:00:00\"", "value-unsupported", "value-unsupported"],
    );
    let times = Time64MicrosecondArray::from(vec![1, 100_000]);
    expect_strings(both(arc(times)), &["00:00:00.000001", "00:00:00.100000"]);
    expect_strings(
        both(arc(Time64NanosecondArray::from(vec![1, 0]))),
        &["00:00:00.000000001", "00:00:00"],
    );
    expect(
        ipc(arc(TimestampSecondArray::from(vec![Some(-1), None]))),
        &["\"1969-12-31T23:59:59\"", "null"],
    );
    let instants = TimestampMillisecondArray::from(vec![1_709_211_909_123]);
    expect_strings(both(arc(instants)), &["2024-02-29T13:05:09.123"]);
    let instants = TimestampMicrosecondArray::from(vec![i64::MAX, 0]);
    expect_strings(
        both(arc(instants)),
        &["+294247-01-10T04:00:54.775807", "1970-01-01T00:00:00"],
    );
    let instants = TimestampNanosecondArray::from(vec![i64::MIN, i64::MAX]);
    expect_strings(
        both(arc(instants)),
        &[
            "1677-09-21T00:12:43.145224192",
            "2262-04-11T23:47:16.854775807",
        ],
    );
    let zoned = |zone: &str| {
        arc(TimestampMillisecondArray::from(vec![1_709_211_909_000]).with_timezone(zone))
    };
    expect_strings(both(zoned("UTC")), &["2024-02-29T13:05:09Z"]);
    expect_strings(both(zoned("+00:00")), &["2024-02-29T13:05:09Z"]);
    expect_strings(both(zoned("+02:00")), &["2024-02-29T15:05:09+02:00"]);
    expect_strings(both(zoned("-0930")), &["2024-02-29T03:35:09-09:30"]);
    expect_strings(both(zoned("Europe/Paris")), &["2024-02-29T13:05:09Z"]);
}

#[test]
fn spans_of_time() {
    let spans = DurationSecondArray::from(vec![Some(90_061), None, Some(0)]);
    expect(both(arc(spans)), &["\"PT90061S\"", "null", "\"PT0S\""]);
    expect_strings(
        both(arc(DurationMillisecondArray::from(vec![1_500, -1_500]))),
        &["PT1.5S", "PT-1.5S"],
    );
    expect_strings(
        both(arc(DurationMicrosecondArray::from(vec![1]))),
        &["PT0.000001S"],
    );
    expect_strings(
        both(arc(DurationNanosecondArray::from(vec![i64::MIN]))),
        &["PT-9223372036.854775808S"],
    );
    let months = IntervalYearMonthArray::from(vec![14, -14, 0, 1]);
    expect_strings(ipc(arc(months)), &["P1Y2M", "P-1Y-2M", "PT0S", "P1M"]);
    let days = vec![
        IntervalDayTime::new(3, 4_500),
        IntervalDayTime::new(-3, 0),
        IntervalDayTime::new(0, i32::MIN),
    ];
    expect_strings(
        ipc(arc(IntervalDayTimeArray::from(days))),
        &["P3DT4.5S", "P-3D", "PT-2147483.648S"],
    );
    let all = vec![
        IntervalMonthDayNano::new(1, 2, 3_500_000_000),
        IntervalMonthDayNano::new(12, 0, -1),
    ];
    expect_strings(
        ipc(arc(IntervalMonthDayNanoArray::from(all))),
        &["P1M2DT3.5S", "P1YT-0.000000001S"],
    );
}

macro_rules! list {
    ($builder:ident) => {{
        let mut builder = $builder::new(Int32Builder::new());
        for items in [
            Some(vec![Some(1), None, Some(3)]),
            None,
            Some(vec![]),
            Some(vec![Some(4)]),
        ] {
            items
                .iter()
                .flatten()
                .for_each(|item| builder.values().append_option(*item));
            builder.append(items.is_some());
        }
        arc(builder.finish())
    }};
}

#[test]
fn lists() {
    let expected = ["[1,null,3]", "null", "[]", "[4]"];
    expect(both(list!(ListBuilder)), &expected);
    expect(both(list!(LargeListBuilder)), &expected);
    expect(both(list!(ListViewBuilder)), &expected);
    expect(both(list!(LargeListViewBuilder)), &expected);
    let mut fixed = FixedSizeListBuilder::new(StringBuilder::new(), 2);
    fixed.values().append_value("a");
    fixed.values().append_null();
    fixed.append(true);
    fixed.values().append_null();
    fixed.values().append_null();
    fixed.append(false);
    expect(both(arc(fixed.finish())), &["[\"a\",null]", "null"]);
}

#[test]
fn structs() {
    let fields: Fields = ["a", "b", "b"]
        .map(|name| Field::new(name, DataType::Int32, true))
        .to_vec()
        .into();
    let column = |n| arc(Int32Array::from(vec![Some(n), None]));
    let nulls = NullBuffer::from(vec![true, false]);
    let array = StructArray::new(fields.clone(), vec![column(1), column(2), column(3)], None);
    expect(
        ipc(arc(array)),
        &[
            "{\"a\":1,\"b\":2,\"b.1\":3}",
            "{\"a\":null,\"b\":null,\"b.1\":null}",
        ],
    );
    let two: Fields = fields.iter().take(2).cloned().collect();
    let array = StructArray::new(two, vec![column(1), column(2)], Some(nulls.clone()));
    expect(both(arc(array.clone())), &["{\"a\":1,\"b\":2}", "null"]);
    expect(
        ipc(arc(StructArray::new_empty_fields(2, Some(nulls)))),
        &["{}", "null"],
    );
    let item = Arc::new(Field::new_list_field(array.data_type().clone(), true));
    let list = ListArray::new(item, OffsetBuffer::from_lengths([2, 0]), arc(array), None);
    expect(both(arc(list)), &["[{\"a\":1,\"b\":2},null]", "[]"]);
}

#[test]
fn maps() {
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    map.keys().append_value("a\n");
    map.values().append_value(1);
    map.keys().append_value("b");
    map.values().append_null();
    map.append(true).unwrap();
    map.append(false).unwrap();
    map.append(true).unwrap();
    map.keys().append_value("a");
    map.values().append_value(1);
    map.keys().append_value("a");
    map.values().append_value(2);
    map.append(true).unwrap();
    expect(
        both(arc(map.finish())),
        &[
            "{\"a\\n\":1,\"b\":null}",
            "null",
            "{}",
            "[[\"a\",1],[\"a\",2]]",
        ],
    );
    let mut map = MapBuilder::new(
        None,
        Int32Builder::new(),
        ListBuilder::new(Int32Builder::new()),
    );
    map.keys().append_value(7);
    map.values().append(true);
    map.append(true).unwrap();
    expect(both(arc(map.finish())), &["{\"7\":[]}"]);
}

#[test]
fn values_that_stand_for_others() {
    let dictionary: DictionaryArray<Int8Type> = [Some("x"), None, Some("x"), Some("y")]
        .into_iter()
        .collect();
    expect(both(arc(dictionary)), &["\"x\"", "null", "\"x\"", "\"y\""]);
    let runs: RunArray<Int32Type> = [Some("x"), Some("x"), None, Some("y")]
        .into_iter()
        .collect();
    expect(ipc(arc(runs)), &["\"x\"", "\"x\"", "null", "\"y\""]);
    for mut union in [UnionBuilder::new_dense(), UnionBuilder::new_sparse()] {
        union.append::<Int32Type>("i", 7).unwrap();
        union.append::<Float64Type>("f", 0.5).unwrap();
        union.append_null::<Int32Type>("i").unwrap();
        union.append::<Int32Type>("i", 9).unwrap();
        expect(ipc(arc(union.build().unwrap())), &["7", "0.5", "null", "9"]);
    }
}

#[test]
fn nul_in_text_and_in_names() {
    let folder = folder();
    let path = folder.path().join("x");
    let fields: Fields = vec![Field::new("a\0", DataType::Int32, true)].into();
    let odd = StructArray::new(fields, vec![arc(Int32Array::from(vec![1]))], None);
    write_file(
        &path,
        &[batch(vec![
            ("x", arc(StringArray::from(vec!["a\0b"]))),
            ("y", arc(odd)),
        ])],
    );
    let rejected = read(&path, &PLAIN).unwrap().rows.remove(0);
    assert!(
        rejected
            .iter()
            .all(|cell| cell.as_ref().is_err_and(|fault| fault.code == Code::Nul))
    );
    assert!(
        rejected[0]
            .as_ref()
            .is_err_and(|fault| fault.reason.contains("column `x`"))
    );
    let replaced = read(
        &path,
        &With {
            nul: Nul::Replace,
            ..PLAIN
        },
    )
    .unwrap();
    assert_eq!(replaced.rows[0][0], Ok("\"a\u{FFFD}b\"".to_owned()));
    assert_eq!(replaced.rows[0][1], Ok("{\"a\u{FFFD}\":1}".to_owned()));
    assert_eq!(replaced.changes.nul_replaced, 1);
}

/// Rows of several types, enough for many batches.
fn wide(rows: i64) -> RecordBatch {
    let texts = (0..rows).map(|i| (i % 7 != 0).then(|| format!("row number {i} of quite a few")));
    let mut lists = ListBuilder::new(StringBuilder::new());
    for i in 0..rows {
        (0..i % 4).for_each(|n| lists.values().append_value(format!("item {n}")));
        lists.append(i % 5 != 0);
    }
    let same = (0..rows).map(|i| if i % 2 == 0 { "even" } else { "odd" });
    batch(vec![
        ("id", arc(Int64Array::from_iter_values(0..rows))),
        ("text", arc(texts.collect::<StringArray>())),
        (
            "even",
            arc((0..rows)
                .map(|i| Some(i % 2 == 0))
                .collect::<BooleanArray>()),
        ),
        ("list", arc(lists.finish())),
        ("same", arc(StringArray::from_iter_values(same))),
    ])
}

fn check_wide(read: &Read, rows: i64) {
    assert_eq!(read.rows.len(), usize::try_from(rows).unwrap());
    for (i, row) in (0i64..).zip(&read.rows) {
        assert_eq!(row[0], Ok(i.to_string()));
        let text = if i % 7 == 0 {
            "null".to_owned()
        } else {
            format!("\"row number {i} of quite a few\"")
        };
        assert_eq!(row[1], Ok(text));
        assert_eq!(row[2], Ok((i % 2 == 0).to_string()));
        assert_eq!(
            row[4],
            Ok(format!("\"{}\"", if i % 2 == 0 { "even" } else { "odd" }))
        );
    }
}

#[test]
fn many_rows_whatever_the_limits() {
    let folder = folder();
    let rows = 50_000;
    let whole = wide(rows);
    let path = folder.path().join("x.parquet");
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        let codec = match version {
            WriterVersion::PARQUET_1_0 => Compression::SNAPPY,
            WriterVersion::PARQUET_2_0 => Compression::BROTLI(Default::default()),
        };
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(20_000))
            .set_data_page_row_count_limit(1_000)
            .set_writer_version(version)
            .set_compression(codec)
            .build();
        write_parquet(&path, std::slice::from_ref(&whole), properties);
        for (full, record_bytes) in [
            (1, 64 << 20),
            (1 << 20, 64 << 20),
            (100, 1 << 20),
            (1 << 20, 600 << 10),
        ] {
            let read = read(
                &path,
                &With {
                    full,
                    record_bytes,
                    ..PLAIN
                },
            )
            .unwrap();
            check_wide(&read, rows);
            assert_eq!(read.starts, [(0, 0), (1, 0), (2, 0)]);
        }
    }
    let path = folder.path().join("x.arrow");
    write_file(&path, std::slice::from_ref(&whole));
    let read = read(&path, &PLAIN).unwrap();
    check_wide(&read, rows);
    assert!(read.chunks > 1, "a large batch is cut into slices");
    assert!(read.starts.is_sorted() && read.starts[0] == (0, 0));
    assert!(
        read.starts
            .last()
            .is_some_and(|(index, row)| *index == 0 && *row > 0)
    );
}

/// One chunk's answers, each as soon as its consumer is full.
struct Answers {
    decoder: Decoder,
    chunk: Chunk,
    columns: usize,
    more: bool,
}

impl Iterator for Answers {
    type Item = Vec<String>;
    fn next(&mut self) -> Option<Vec<String>> {
        if !self.more {
            return None;
        }
        let mut rows = Rows::new(self.columns, 5_000);
        self.more = self.decoder.decode(&mut rows).expect("a readable chunk");
        if !self.more {
            self.chunk.held.resize(0);
        }
        Some(
            rows.rows
                .into_iter()
                .map(|mut row| row.remove(0).unwrap())
                .collect(),
        )
    }
}

fn ids_through_the_pool(path: &Path) -> Vec<String> {
    let (jobs, answers) = sluice::in_order::pool(3, 4, Chunk::ahead, |mut chunk: Chunk| {
        let Shape::Columns(names) = &*chunk.shape else {
            panic!("columns were expected")
        };
        let columns = names.len();
        Answers {
            decoder: Decoder::new(&mut chunk, Nul::Reject, &Arc::default()),
            chunk,
            columns,
            more: true,
        }
    })
    .unwrap();
    let source = source(path);
    let thread = std::thread::spawn(move || {
        let reading = reading(16 << 20, None, None);
        let stop = Stop::default();
        let budget = Budget::new(32 << 20, &stop);
        let submit = |chunk| jobs.submit(chunk).map_err(|_| Ended);
        let progress = Arc::new(Progress::default());
        let buffers = Buffers::new(0);
        let reader = Reader {
            reading: &reading,
            buffers: &buffers,
            budget: &budget,
            threads: 2,
            spool_limit: 0,
            stop: &stop,
            progress,
            from: None,
            tables_only: false,
            types: None,
            seen: None,
            found: None,
            check_columns: &|_| Ok(()),
            submit: &submit,
        };
        let outcome = reader.one(&source);
        jobs.end(outcome);
    });
    let ids = answers.flat_map(|answer| answer.unwrap()).collect();
    thread.join().unwrap();
    ids
}

#[test]
fn several_threads_read_one_file() {
    let folder = folder();
    let (parquet, arrow) = (
        folder.path().join("x.parquet"),
        folder.path().join("x.arrow"),
    );
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(1_000))
        .build();
    write_parquet(&parquet, &[wide(30_000)], properties);
    write_file(&arrow, &[wide(30_000)]);
    let expected: Vec<String> = (0..30_000).map(|i| i.to_string()).collect();
    for path in [parquet, arrow] {
        assert_eq!(ids_through_the_pool(&path), expected);
    }
}

#[test]
fn columns_are_picked_and_named_apart() {
    let folder = folder();
    let one = |n| arc(Int32Array::from(vec![n]));
    let columns = batch(vec![
        ("a", one(1)),
        ("b", one(2)),
        ("a", one(3)),
        ("c", one(4)),
    ]);
    let (file, stream) = (folder.path().join("file"), folder.path().join("stream"));
    write_file(&file, std::slice::from_ref(&columns));
    write_stream(&stream, std::slice::from_ref(&columns), None);
    let parquet = folder.path().join("parquet");
    write_parquet(
        &parquet,
        &[columns.project(&[0, 1, 3]).unwrap()],
        WriterProperties::default(),
    );
    for path in [&file, &stream] {
        assert_eq!(read(path, &PLAIN).unwrap().names, ["a", "b", "a.1", "c"]);
        let pick = Some(vec!["c".to_owned(), "a.1".to_owned(), "zzz".to_owned()]);
        let picked = read(path, &With { pick, ..PLAIN }).unwrap();
        assert_eq!(picked.names, ["a.1", "c"]);
        assert_eq!(picked.rows, [[Ok("3".to_owned()), Ok("4".to_owned())]]);
    }
    let picked = read(
        &parquet,
        &With {
            pick: Some(vec!["c".to_owned(), "a".to_owned()]),
            ..PLAIN
        },
    )
    .unwrap();
    assert_eq!(picked.names, ["a", "c"]);
    assert_eq!(picked.rows, [[Ok("1".to_owned()), Ok("4".to_owned())]]);
    for path in [&file, &stream, &parquet] {
        let none = read(
            path,
            &With {
                pick: Some(Vec::new()),
                ..PLAIN
            },
        )
        .unwrap();
        assert_eq!(
            (none.names.len(), none.rows.len()),
            (0, 1),
            "a row without columns is a row"
        );
    }
}

#[test]
fn a_file_is_read_as_a_stream_where_it_is_compressed() {
    let folder = folder();
    let path = folder.path().join("x.arrow");
    write_file(&path, &[wide(1_000), wide(1_000).slice(0, 10)]);
    let stored = std::fs::read(&path).unwrap();
    let path = folder.path().join("x.arrow.gz");
    let mut gzip =
        flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
    gzip.write_all(&stored).unwrap();
    gzip.finish().unwrap();
    assert_eq!(read(&path, &PLAIN).unwrap().rows.len(), 1_010);
}

#[test]
fn empty_files() {
    let folder = folder();
    let path = folder.path().join("x");
    write_file(&path, &[wide(0)]);
    assert_eq!(read(&path, &PLAIN).unwrap().rows.len(), 0);
    write_stream(&path, &[wide(0)], None);
    assert_eq!(read(&path, &PLAIN).unwrap().rows.len(), 0);
    write_parquet(&path, &[wide(0)], WriterProperties::default());
    assert_eq!(read(&path, &PLAIN).unwrap().rows.len(), 0);
    for magic in ["PAR1", "ARROW1"] {
        std::fs::write(&path, magic).unwrap();
        assert_eq!(
            read(&path, &PLAIN).err().map(|e| e.code()),
            Some(Code::Format)
        );
    }
}

#[track_caller]
fn too_large(outcome: Result<Read, Error>) {
    let error = match outcome {
        Err(error) => error,
        Ok(read) => {
            let fault = read
                .rows
                .into_iter()
                .flatten()
                .find_map(Result::err)
                .expect("an error or a fault");
            Error::from(fault)
        }
    };
    assert_eq!(error.code(), Code::RecordTooLarge, "{error}");
    assert!(error.to_string().contains("--memory"), "{error}");
}

fn rows(outcome: Result<Read, Error>) -> usize {
    let read = outcome.unwrap();
    assert!(read.rows.iter().flatten().all(Result::is_ok));
    read.rows.len()
}

#[test]
fn one_large_string() {
    let folder = folder();
    let path = folder.path().join("x");
    let small = With {
        record_bytes: 1 << 20,
        ..PLAIN
    };
    let large = "x".repeat(64 << 20);
    let one = batch(vec![("x", arc(StringArray::from(vec![large.as_str()])))]);
    for codec in [
        Compression::SNAPPY,
        Compression::ZSTD(Default::default()),
        Compression::BROTLI(Default::default()),
    ] {
        write_parquet(
            &path,
            std::slice::from_ref(&one),
            WriterProperties::builder().set_compression(codec).build(),
        );
        too_large(read(&path, &small));
        assert_eq!(
            rows(read(
                &path,
                &With {
                    record_bytes: 65 << 20,
                    ..PLAIN
                }
            )),
            1
        );
    }
    write_file(&path, std::slice::from_ref(&one));
    too_large(read(&path, &small));
    write_stream(
        &path,
        std::slice::from_ref(&one),
        Some(CompressionType::ZSTD),
    );
    too_large(read(&path, &small));
}

#[test]
fn one_large_list() {
    let folder = folder();
    let path = folder.path().join("x");
    let nulls = arc(Int32Array::new_null(8 << 20));
    let item = Arc::new(Field::new_list_field(DataType::Int32, true));
    let list = ListArray::new(item, OffsetBuffer::from_lengths([8 << 20]), nulls, None);
    write_parquet(
        &path,
        &[batch(vec![("x", arc(list))])],
        WriterProperties::default(),
    );
    assert!(std::fs::metadata(&path).unwrap().len() < 10_000);
    too_large(read(
        &path,
        &With {
            record_bytes: 1 << 20,
            ..PLAIN
        },
    ));
    assert_eq!(
        rows(read(
            &path,
            &With {
                record_bytes: 64 << 20,
                ..PLAIN
            }
        )),
        1
    );
}

#[test]
fn one_large_value_many_times() {
    let folder = folder();
    let path = folder.path().join("x");
    let value = "y".repeat(900 << 10);
    let values: StringArray = (0..500).map(|_| Some(value.as_str())).collect();
    write_parquet(
        &path,
        &[batch(vec![("x", arc(values))])],
        WriterProperties::default(),
    );
    assert!(std::fs::metadata(&path).unwrap().len() < 2_000_000);
    assert_eq!(
        rows(read(
            &path,
            &With {
                record_bytes: 1 << 20,
                ..PLAIN
            }
        )),
        500
    );
    // Each told by how much of the one before it repeats: all are in one page, and together do not fit.
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::DELTA_BYTE_ARRAY)
        .build();
    let values: StringArray = (0..500)
        .map(|i| Some(format!("{}{i}", &value[..500 << 10])))
        .collect();
    write_parquet(&path, &[batch(vec![("x", arc(values))])], properties);
    assert!(std::fs::metadata(&path).unwrap().len() < 2_000_000);
    too_large(read(
        &path,
        &With {
            record_bytes: 10 << 20,
            ..PLAIN
        },
    ));
    assert_eq!(
        rows(read(
            &path,
            &With {
                record_bytes: 300 << 20,
                ..PLAIN
            }
        )),
        500
    );
}

#[test]
fn a_page_that_goes_on_past_its_length() {
    let folder = folder();
    let path = folder.path().join("x");
    let gzip = Compression::GZIP(Default::default());
    let value = "x".repeat(1 << 20);
    let one = batch(vec![("x", arc(StringArray::from(vec![value.as_str()])))]);
    for codec in [gzip, Compression::BROTLI(Default::default())] {
        let properties = WriterProperties::builder()
            .set_compression(codec)
            .set_dictionary_enabled(false)
            .build();
        write_parquet(&path, std::slice::from_ref(&one), properties);
        let mut bytes = std::fs::read(&path).unwrap();
        // The page header starts with its type and then the length of the page decompressed.
        assert_eq!((bytes[4], bytes[5], bytes[6]), (0x15, 0, 0x15));
        bytes[7] ^= 2;
        std::fs::write(&path, &bytes).unwrap();
        let error = read(&path, &PLAIN).err().expect("an error");
        assert_eq!(error.code(), Code::Format, "{error}");
        assert!(
            error
                .to_string()
                .contains("bytes decompressed where its header says"),
            "{error}"
        );
    }
}

#[test]
fn lists_that_share_their_items() {
    let folder = folder();
    let path = folder.path().join("x");
    let inner = arc(StringArray::from(vec!["z".repeat(1 << 10); 1_000]));
    let spans = |n: usize, of: i32| {
        (
            ScalarBuffer::from(vec![0; n]),
            ScalarBuffer::from(vec![of; n]),
        )
    };
    let item = Arc::new(Field::new_list_field(DataType::Utf8, true));
    let (offsets, sizes) = spans(1_000, 1_000);
    let views = arc(ListViewArray::new(item, offsets, sizes, inner, None));
    let item = Arc::new(Field::new_list_field(views.data_type().clone(), true));
    let (offsets, sizes) = spans(10, 1_000);
    write_file(
        &path,
        &[batch(vec![(
            "x",
            arc(ListViewArray::new(item, offsets, sizes, views, None)),
        )])],
    );
    too_large(read(
        &path,
        &With {
            record_bytes: 8 << 20,
            ..PLAIN
        },
    ));
}

#[test]
fn what_is_cut_off_is_an_error() {
    let folder = folder();
    let path = folder.path().join("x");
    let whole = wide(500);
    let kinds: [&dyn Fn(); 3] = [
        &|| {
            write_parquet(
                &path,
                std::slice::from_ref(&whole),
                WriterProperties::default(),
            )
        },
        &|| write_file(&path, std::slice::from_ref(&whole)),
        &|| write_stream(&path, std::slice::from_ref(&whole), None),
    ];
    for (kind, write) in kinds.iter().enumerate() {
        write();
        let bytes = std::fs::read(&path).unwrap();
        for end in (16..bytes.len() - 8).step_by(bytes.len() / 150 + 1) {
            std::fs::write(&path, &bytes[..end]).unwrap();
            let outcome = read(&path, &PLAIN);
            // Cut between two messages, a stream is a shorter stream.
            let whole_messages =
                kind == 2 && outcome.as_ref().is_ok_and(|read| read.rows.is_empty());
            assert!(
                outcome.is_err() || whole_messages,
                "kind {kind} cut at {end}"
            );
        }
        // With a byte changed it may be anything but a hang or an escaped panic.
        let format = Some(if kind == 0 {
            Format::Parquet
        } else {
            Format::Arrow
        });
        for at in (8..bytes.len()).step_by(bytes.len() / 150 + 1) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x41;
            std::fs::write(&path, &bytes).unwrap();
            let _ = read(&path, &With { format, ..PLAIN });
        }
    }
}

#[test]
fn text_that_is_not_utf8_is_a_fault() {
    // Annotated as JSON, which the Parquet reader does not check.
    let schema =
        parquet::schema::parser::parse_message_type("message m { required binary x (JSON); }")
            .unwrap();
    let folder = folder();
    let path = folder.path().join("x.parquet");
    let file = File::create(&path).unwrap();
    let mut writer = parquet::file::writer::SerializedFileWriter::new(
        file,
        Arc::new(schema),
        Default::default(),
    )
    .unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let values = [
        b"{}".to_vec(),
        b"long enough not to be inline \xFF".to_vec(),
        b"\xC0".to_vec(),
    ];
    let values = values.map(parquet::data_type::ByteArray::from);
    column
        .typed::<parquet::data_type::ByteArrayType>()
        .write_batch(&values, None, None)
        .unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    let read = read(&path, &PLAIN).unwrap();
    let cells: Vec<Cell> = read.rows.into_iter().map(|mut row| row.remove(0)).collect();
    expect(cells, &["\"{}\"", "encoding", "encoding"]);
}

// The corpora.

#[derive(serde::Deserialize)]
struct Expected {
    expect: String,
    #[serde(default)]
    why: String,
    rows: Option<usize>,
    #[serde(default)]
    rows_by_reader: BTreeMap<String, usize>,
    #[serde(default)]
    columns: Vec<Column>,
    container: Option<String>,
}

#[derive(serde::Deserialize)]
struct Column {
    name: String,
    values_sha256: Option<String>,
}

fn corpora() -> Option<PathBuf> {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    let folder = std::env::var_os("SLUICE_CORPORA").map_or_else(default, PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// The hash of a column's values, as `expected.json` has it.
fn values_sha256<'a>(cells: impl Iterator<Item = &'a Cell>) -> String {
    let mut hash = Sha256::new();
    for cell in cells {
        match cell.as_deref() {
            Ok("null") => hash.update([0]),
            Ok(text) if text.starts_with('"') => {
                hash.update(serde_json::from_str::<String>(text).unwrap())
            }
            Ok(text) => hash.update(text),
            Err(fault) => return format!("{fault:?}"),
        }
        hash.update([0x1F]);
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What is not as expected of one file.
fn differences(expected: &Expected, outcome: &Result<Read, Error>) -> Vec<String> {
    let mut found = Vec::new();
    match (expected.expect.as_str(), outcome) {
        ("accept", Err(error)) => found.push(format!("refused: {error}")),
        ("reject", Ok(read)) => found.push(format!(
            "accepted, {} rows; {}",
            read.rows.len(),
            expected.why
        )),
        ("accept" | "either", Ok(read)) => {
            let rows = read.rows.len();
            let mut known = expected
                .rows
                .iter()
                .chain(expected.rows_by_reader.values())
                .peekable();
            if known.peek().is_some() && !known.any(|known| *known == rows) {
                found.push(format!("{rows} rows"));
            }
            for (i, column) in expected.columns.iter().enumerate() {
                // Records with a NUL are rejected, as PostgreSQL asks.
                let nul = |cell: &Cell| cell.as_ref().is_err_and(|fault| fault.code == Code::Nul);
                if read.rows.iter().any(|row| nul(&row[i])) {
                    continue;
                }
                if let Some(hash) = &column.values_sha256
                    && values_sha256(read.rows.iter().map(|row| &row[i])) != *hash
                {
                    found.push(format!("column {i} `{}` has other values", column.name));
                }
            }
        }
        _ => {}
    }
    found
}

#[test]
fn corpora_are_read_as_others_read_them() {
    let Some(corpora) = corpora() else {
        eprintln!("no corpora: set SLUICE_CORPORA");
        return;
    };
    let mut found = Vec::new();
    let mut files = 0;
    for set in std::fs::read_dir(&corpora).unwrap() {
        let set = set.unwrap().path();
        let Ok(expected) = std::fs::read(set.join("expected.json")) else {
            continue;
        };
        // Others are not for this test, and one has lone surrogates, which are not to be read.
        let text = String::from_utf8_lossy(&expected);
        if !["parquet", "ipc"]
            .iter()
            .any(|format| text.contains(&format!("\"format\": \"{format}\"")))
        {
            continue;
        }
        let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
        for (name, expected) in expected["files"].as_object().into_iter().flatten() {
            let format = match expected["format"].as_str() {
                Some("parquet") => Format::Parquet,
                Some("ipc") => Format::Arrow,
                _ => continue,
            };
            let expected: Expected = serde_json::from_value(expected.clone()).unwrap();
            if expected.container.is_some() {
                continue;
            }
            let path = set.join(name);
            files += 1;
            let start = Instant::now();
            for full in [1, 1 << 20] {
                let with = With {
                    format: Some(format),
                    full,
                    record_bytes: 64 << 20,
                    budget: 256 << 20,
                    ..PLAIN
                };
                let outcome = read(&path, &with);
                if std::env::var_os("SLUICE_VERBOSE").is_some() && full > 1 {
                    let rows = |read: &Read| format!("{} rows", read.rows.len());
                    eprintln!(
                        "{} {name}: {}",
                        expected.expect,
                        outcome.as_ref().map_or_else(ToString::to_string, rows)
                    );
                }
                for difference in differences(&expected, &outcome) {
                    found.push(format!("{} {name}: {difference}", expected.expect));
                }
            }
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "{name} took {:?}",
                start.elapsed()
            );
        }
    }
    found.dedup();
    eprintln!("{files} files");
    assert!(
        found.is_empty(),
        "{} differences:\n{}",
        found.len(),
        found.join("\n")
    );
}
