//! Rows of cells: the cutter and the decoder against the `csv` crate, a naive reader and the corpora.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what it expects, and fails where it is not so"
)]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use sha2::{Digest, Sha256};
use sluice::decode::csv::Csv;
use sluice::decode::scan::Value;
use sluice::decode::{Changes, Consumer, Decode, Mark, Nul, Row};
use sluice::error::{Code, Fault};
use sluice::read::cut_csv::CutCsv;
use sluice::read::dialect::{header, sniff};
use sluice::read::head::{TableHead, table};
use sluice::read::{Chunk, Cut, Ended, Progress, Reader, Reading, Shape, Which};

/// A record as it came out: its place in the whole text, and its cells or what is wrong with it.
#[derive(Debug, PartialEq)]
struct Got {
    line: u64,
    byte: u64,
    raw: Vec<u8>,
    cells: Result<Vec<String>, Fault>,
}

struct Collect {
    columns: usize,
    /// Full after as many records, until emptied.
    most: usize,
    held: usize,
    line: u64,
    byte: u64,
    records: u32,
    changes: Changes,
    got: Vec<Got>,
}

impl Collect {
    fn keep(&mut self, mark: Mark, raw: &[u8], cells: Result<Vec<String>, Fault>) {
        assert_eq!(mark.record, self.records);
        self.records += 1;
        self.held += 1;
        let (line, byte) = (
            self.line + u64::from(mark.line),
            self.byte + u64::from(mark.byte),
        );
        self.got.push(Got {
            line,
            byte,
            raw: raw.to_vec(),
            cells,
        });
    }
}

impl Consumer for Collect {
    fn is_full(&self) -> bool {
        self.held >= self.most
    }
    fn json(&mut self, _: Mark, _: Value<'_>) {
        unreachable!("a table has rows only")
    }
    fn text(&mut self, _: Mark, _: &str) {
        unreachable!("a table has rows only")
    }
    fn row<R: Row>(&mut self, mark: Mark, row: &R) {
        let mut changes = Changes::default();
        let cells = (0..self.columns).map(|column| {
            let mut json = b"before".to_vec();
            row.cell(column, &mut json, &mut changes)?;
            Ok(serde_json::from_slice(&json[6..]).expect("a cell is a JSON string"))
        });
        let cells = cells.collect();
        self.changes += changes;
        self.keep(mark, row.raw(), cells);
    }
    fn fault(&mut self, mark: Mark, fault: Fault, raw: &[u8]) {
        self.keep(mark, raw, Err(fault));
    }
    fn changed(&mut self, _: Changes) {}
}

/// How a text is read.
#[derive(Clone, Copy)]
struct How<'a> {
    columns: usize,
    delimiter: u8,
    nul: Nul,
    which: Which,
    /// Bytes that the buffer grows by, over and over.
    steps: &'a [usize],
    /// Records after which the consumer is full.
    most: usize,
}

/// Reads a text as the reader does: the buffer starts at the last cut and grows until another is found.
fn read(text: &[u8], how: How) -> (Vec<Got>, Changes) {
    let mut cut = CutCsv::new(how.delimiter);
    let mut steps = how.steps.iter().cycle();
    let mut consumer = Collect {
        columns: how.columns,
        most: how.most,
        held: 0,
        line: 0,
        byte: 0,
        records: 0,
        changes: Changes::default(),
        got: Vec::new(),
    };
    let (mut start, mut end, mut lines) = (0, 0, 0);
    while start < text.len() {
        let cutting = cut
            .cut(&text[start..end], end == text.len(), how.which)
            .expect("any text can be cut");
        if cutting.end == 0 {
            assert!(end < text.len(), "the end is a cut");
            end = text
                .len()
                .min(end + steps.next().expect("a cycle has no end"));
            continue;
        }
        let chunk = &text[start..start + cutting.end];
        (consumer.line, consumer.byte, consumer.records) = (lines, start as u64, 0);
        let mut csv = Csv::new(chunk.to_vec().into(), how.columns, how.delimiter, how.nul);
        loop {
            consumer.held = 0;
            let more = csv.decode(&mut consumer).expect("a bad row is one row");
            assert!(consumer.held <= how.most);
            if !more {
                break;
            }
        }
        assert_eq!(csv.extent().records, u64::from(consumer.records));
        assert_eq!(csv.extent().lines, line_ends(chunk));
        if how.which == Which::First {
            assert!(
                consumer.records == 1 || start + cutting.end == text.len(),
                "one record: {chunk:?}"
            );
        }
        lines += csv.extent().lines;
        start += cutting.end;
    }
    (consumer.got, consumer.changes)
}

fn line_ends(text: &[u8]) -> u64 {
    let ends = |i: usize| text[i] == b'\n' || text[i] == b'\r' && text.get(i + 1) != Some(&b'\n');
    (0..text.len()).filter(|i| ends(*i)).count() as u64
}

/// A record as a reader without any haste finds it.
#[derive(Debug, Default)]
struct Naive {
    start: usize,
    end: usize,
    cells: Vec<Vec<u8>>,
    open: bool,
}

fn naive(text: &[u8], delimiter: u8) -> Vec<Naive> {
    #[derive(PartialEq)]
    enum At {
        CellStart,
        Bare,
        Quoted,
        AfterQuote,
    }
    let mut records = Vec::new();
    let mut record: Option<Naive> = None;
    let mut state = At::CellStart;
    for (i, byte) in text.iter().enumerate() {
        let is_end = *byte == b'\n' || *byte == b'\r';
        if record.is_none() && is_end {
            continue;
        }
        let current = record.get_or_insert_with(|| Naive {
            start: i,
            cells: vec![Vec::new()],
            ..Naive::default()
        });
        let cell = current.cells.last_mut().expect("there is a first");
        match (&state, *byte) {
            (At::CellStart, b'"') => state = At::Quoted,
            (At::Quoted, b'"') => state = At::AfterQuote,
            (At::Quoted, _) => cell.push(*byte),
            (At::AfterQuote, b'"') => {
                cell.push(b'"');
                state = At::Quoted;
            }
            (_, b) if b == delimiter => {
                current.cells.push(Vec::new());
                state = At::CellStart;
            }
            _ if is_end => {
                current.end = i;
                records.extend(record.take());
                state = At::CellStart;
            }
            _ => {
                cell.push(*byte);
                state = At::Bare;
            }
        }
    }
    if let Some(mut last) = record {
        last.end = text.len();
        last.open = state == At::Quoted;
        records.push(last);
    }
    records
}

fn by_csv_crate(text: &[u8], delimiter: u8) -> Vec<Vec<Vec<u8>>> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .has_headers(false)
        .delimiter(delimiter)
        .from_reader(text);
    reader
        .byte_records()
        .map(|record| {
            record
                .expect("in memory")
                .iter()
                .map(<[u8]>::to_vec)
                .collect()
        })
        .collect()
}

/// Checks one text in one way of reading it, for rows of every length it has.
fn check(text: &[u8], delimiter: u8, steps: &[usize], which: Which, most: usize) {
    let expected = naive(text, delimiter);
    let cells: Vec<_> = expected.iter().map(|record| record.cells.clone()).collect();
    assert_eq!(
        by_csv_crate(text, delimiter),
        cells,
        "the naive reader is the csv crate"
    );
    let mut widths: Vec<usize> = cells.iter().map(Vec::len).chain([1]).collect();
    widths.sort_unstable();
    widths.dedup();
    for columns in widths {
        let how = How {
            columns,
            delimiter,
            nul: Nul::Reject,
            which,
            steps,
            most,
        };
        let (got, _) = read(text, how);
        assert_eq!(
            got.len(),
            expected.len(),
            "{:?}",
            String::from_utf8_lossy(text)
        );
        for (got, expected) in got.iter().zip(&expected) {
            let record = &text[expected.start..expected.end];
            assert_eq!(got.raw, record);
            assert_eq!(got.byte, expected.start as u64);
            assert_eq!(got.line, line_ends(&text[..expected.start]));
            match &got.cells {
                Ok(cells) => {
                    assert!(!expected.open && std::str::from_utf8(record).is_ok());
                    let cells: Vec<_> =
                        cells.iter().map(|cell| cell.clone().into_bytes()).collect();
                    assert_eq!(cells, expected.cells, "{:?}", String::from_utf8_lossy(text));
                }
                Err(fault) if expected.open => {
                    assert_eq!(fault.code, Code::QuoteOpen);
                    assert_eq!(record[fault.offset], b'"');
                }
                Err(fault) => match std::str::from_utf8(record) {
                    Err(error) => assert_eq!(
                        (fault.code, fault.offset),
                        (Code::Encoding, error.valid_up_to())
                    ),
                    Ok(_) if expected.cells.len() != columns => {
                        assert_eq!(fault.code, Code::RowLength)
                    }
                    Ok(_) => {
                        assert_eq!(fault.code, Code::Nul);
                        assert_eq!(record[fault.offset], 0);
                    }
                },
            }
        }
    }
}

/// Bytes that have a meaning somewhere, and runs about as long as what is read at a time.
const PARTS: &[&[u8]] = &[
    b"a",
    b"\"",
    b"\"",
    b"\"\"",
    b",",
    b",",
    b";",
    b"\t",
    b"|",
    b"\n",
    b"\r",
    b"\r\n",
    b" ",
    b"\\",
    b"\x01",
    "é".as_bytes(),
    "😀".as_bytes(),
    b"aaaaaaaaaaaaaa",
    b"aaaaaaaaaaaaaaa",
    b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(PARTS), 0..60).prop_map(|parts| parts.concat())
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![Just(Which::First), Just(Which::Last)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cutter_and_decoder_agree_with_the_csv_crate(
        text in text(),
        delimiter in prop::sample::select(&b",;\t| "[..]),
        steps in prop::collection::vec(1usize..64, 1..8),
        which in which(),
        most in prop_oneof![Just(1usize), Just(3), Just(usize::MAX)],
    ) {
        check(&text, delimiter, &steps, which, most);
    }

    #[test]
    fn cutter_and_decoder_agree_byte_by_byte(text in text(), which in which()) {
        check(&text, b',', &[1], which, usize::MAX);
    }

    #[test]
    fn bytes_that_are_no_text_cost_their_record_alone(
        text in text(),
        bad in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(&[0u8, 0xFF, 0xC3, 0x80][..])), 1..4),
        steps in prop::collection::vec(1usize..64, 1..8),
    ) {
        let mut text = text;
        for (index, byte) in bad {
            let at = index.index(text.len() + 1);
            text.insert(at, byte);
        }
        // A byte-order mark at the start is taken away before, by whoever reads.
        prop_assume!(!text.starts_with(&[0xEF]));
        check(&text, b',', &steps, Which::Last, usize::MAX);
    }

    #[test]
    fn header_and_body_make_the_whole(text in text(), at in any::<prop::sample::Index>()) {
        let expected = naive(&text, b',');
        let whole = header(&text, true, b',', true);
        match expected.first() {
            None => prop_assert!(whole.expect("nothing wrong").expect("complete").names.is_empty()),
            Some(first) if first.open => prop_assert_eq!(whole.expect_err("open").code, Code::QuoteOpen),
            Some(first) => {
                let whole = whole.expect("nothing wrong").expect("complete");
                prop_assert_eq!(whole.names.len(), first.cells.len());
                let mut end = first.end;
                for byte in [b'\r', b'\n'] {
                    end += usize::from(text.get(end) == Some(&byte));
                }
                prop_assert_eq!(whole.bytes, end);
                prop_assert_eq!(whole.lines, line_ends(&text[..end]));
                let part = &text[..at.index(text.len() + 1)];
                if let Ok(Some(part)) = header(part, false, b',', true) {
                    prop_assert_eq!(part, whole);
                }
            }
        }
    }
}

fn rows(text: &str, columns: usize) -> Vec<Got> {
    let how = How {
        columns,
        delimiter: b',',
        nul: Nul::Reject,
        which: Which::Last,
        steps: &[64],
        most: usize::MAX,
    };
    read(text.as_bytes(), how).0
}

fn cells(text: &str, columns: usize) -> Vec<Vec<String>> {
    rows(text, columns)
        .into_iter()
        .map(|got| got.cells.expect("a good row"))
        .collect()
}

fn fault(text: &str, columns: usize) -> Fault {
    rows(text, columns)
        .pop()
        .expect("a record")
        .cells
        .expect_err("a bad row")
}

#[test]
fn quotes_mean_something_only_at_a_cells_start() {
    assert_eq!(cells("\"abc\"def,5\" pipe\n", 2), [["abcdef", "5\" pipe"]]);
    assert_eq!(cells("\"a\"\"b\",\"\"\n", 2), [["a\"b", ""]]);
    assert_eq!(cells("\"\"\"\",\"a\"\"\" \"\"\n", 2), [["\"", "a\" \"\""]]);
    assert_eq!(cells("a, \"b\"\n", 2), [["a", " \"b\""]]);
    assert_eq!(cells("\"x,\ny\r\nz\",\\\t\n", 2), [["x,\ny\r\nz", "\\\t"]]);
}

#[test]
fn empty_lines_are_no_records() {
    assert_eq!(cells("\n\na\r\n\r\n\"\"\n \n\n", 1), [["a"], [""], [" "]]);
    let lines: Vec<_> = rows("\n\na\r\n\r\n\"\"\n \n\n", 1)
        .iter()
        .map(|got| got.line)
        .collect();
    assert_eq!(lines, [2, 4, 5]);
}

#[test]
fn a_quote_that_never_closes_is_a_fault() {
    let found = fault("a,b\nc,\"d\n\",\"e\nf", 3);
    assert_eq!((found.code, found.offset), (Code::QuoteOpen, 7));
    assert_eq!(
        found.reason,
        "the quote that opens a cell on line 2 of the record is never closed"
    );
}

#[test]
fn a_row_of_another_length_is_a_fault() {
    let found = fault("a,b,c\n", 4);
    assert_eq!(
        (found.code, found.reason.as_str()),
        (Code::RowLength, "3 cells, the header has 4")
    );
    assert_eq!(fault("a\n", 4).reason, "1 cell, the header has 4");
    assert!(found.help.is_some());
}

#[test]
fn nul_is_rejected_or_replaced() {
    let text = b"a,\"b\"\"\0\0\"\n\0,\n";
    let how = How {
        columns: 2,
        delimiter: b',',
        nul: Nul::Reject,
        which: Which::Last,
        steps: &[9],
        most: 1,
    };
    let offsets: Vec<_> = read(text, how)
        .0
        .into_iter()
        .map(|got| got.cells.expect_err("a NUL").offset)
        .collect();
    assert_eq!(offsets, [6, 0]);
    let (got, changes) = read(
        text,
        How {
            nul: Nul::Replace,
            ..how
        },
    );
    assert_eq!(
        got[0].cells,
        Ok(vec!["a".to_owned(), "b\"\u{FFFD}\u{FFFD}".to_owned()])
    );
    assert_eq!(changes.nul_replaced, 3);
}

#[test]
fn a_source_of_carriage_returns_is_cut() {
    let text = "a,b\rc,\"d\re\"\rf,g".repeat(50);
    let mut cut = CutCsv::new(b',');
    let cutting = cut
        .cut(text.as_bytes(), false, Which::Last)
        .expect("any text can be cut");
    assert_eq!(cutting.end, text.rfind('\r').map_or(0, |at| at + 1));
}

#[test]
fn a_record_passed_over_in_parts_ends_where_it_ends() {
    let text = b"a,\"b\nb\",\"\"\"c\"\nd,e\n";
    for step in 1..text.len() {
        let mut cut = CutCsv::new(b',');
        let mut at = 0;
        let end = loop {
            let buf = &text[at..text.len().min(at + step)];
            let cutting = cut
                .cut(buf, false, Which::First)
                .expect("any text can be cut");
            if cutting.end > 0 {
                break at + cutting.end;
            }
            cut.forget(buf.len());
            at += buf.len();
        };
        assert_eq!(end, 14, "in steps of {step}");
    }
}

#[test]
fn names_are_kept_and_made_unique() {
    let names = |text: &str| {
        header(text.as_bytes(), true, b',', true)
            .expect("good")
            .expect("complete")
            .names
    };
    assert_eq!(names("\n a,\"b\"\"c\",a\"\n1,2,3"), [" a", "b\"c", "a\""]);
    assert_eq!(names(",a,,a,a.1,a"), ["", "a", ".1", "a.2", "a.1", "a.3"]);
    let unnamed = header(b"\n1,2,3\n", true, b',', false)
        .expect("good")
        .expect("complete");
    assert_eq!(
        (unnamed.names, unnamed.bytes, unnamed.lines),
        (
            ["column1", "column2", "column3"].map(String::from).to_vec(),
            0,
            0
        )
    );
    assert_eq!(header(b"a,b\r", false, b',', true), Ok(None));
    assert_eq!(header(b"a,\"b\n", false, b',', true), Ok(None));
    assert_eq!(
        header(b"a,\xFF\n", false, b',', true)
            .expect_err("no text")
            .code,
        Code::Encoding
    );
}

#[test]
fn dialects_are_told_apart() {
    let delimiter =
        |text: &str| sniff(text.as_bytes(), true).map(|found| char::from(found.delimiter));
    assert_eq!(delimiter("a;b\n1,5;2,5\n3;4\n"), Some(';'));
    assert_eq!(delimiter("a\tb\n1,5\t2\n3\t4\n"), Some('\t'));
    assert_eq!(delimiter("a|b\n1|2\n"), Some('|'));
    assert_eq!(delimiter("a,b\n\"1;2\",2\n"), Some(','));
    assert_eq!(delimiter("a;b;c,d\n"), Some(';'));
    assert_eq!(delimiter("text\nHello; you\nthere\n"), None);
    assert_eq!(delimiter(""), None);
    let is_table = |text: &str| sniff(text.as_bytes(), true).is_some_and(|found| found.is_table());
    assert!(is_table("a,b\n1,2\n"));
    assert!(!is_table("a,b\n"));
    assert!(!is_table("Dear you,\nthanks\n"));
    assert!(!is_table("one, two\n\nthree, four\n"));
    assert!(!is_table("a,b\n1,\"2\n"));
}

/// The corpora's folder, if there is one.
fn corpora() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(|root| root.join("shared/corpora"));
    std::env::var_os("SLUICE_CORPORA")
        .map(PathBuf::from)
        .or(beside)
        .filter(|folder| folder.is_dir())
}

/// What a file comes to when it is read with a delimiter: its columns, the digest and number of its rows, its faults.
struct Read {
    columns: Vec<String>,
    rows: u64,
    digest: String,
    faults: Vec<Fault>,
}

fn read_file(text: &[u8], delimiter: u8) -> Read {
    let header = match header(text, true, delimiter, true) {
        Ok(header) => header.expect("complete"),
        Err(fault) => {
            return Read {
                columns: Vec::new(),
                rows: 0,
                digest: String::new(),
                faults: vec![fault],
            };
        }
    };
    let body = &text[header.bytes..];
    let columns = header.names.len();
    let how = How {
        columns,
        delimiter,
        nul: Nul::Reject,
        which: Which::Last,
        steps: &[1 << 16],
        most: usize::MAX,
    };
    let mut digest = Sha256::new();
    let (mut rows, mut faults) = (0, Vec::new());
    for got in read(body, how).0 {
        match got.cells {
            Ok(cells) => {
                rows += 1;
                for cell in cells {
                    digest.update(cell.as_bytes());
                    digest.update([0x1F]);
                }
                digest.update([0x1E]);
            }
            Err(fault) => faults.push(fault),
        }
    }
    let digest = digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Read {
        columns: header.names,
        rows,
        digest,
        faults,
    }
}

#[test]
fn corpora_are_read_as_others_read_them() {
    let Some(corpora) = corpora() else {
        eprintln!("no corpora: set SLUICE_CORPORA to their folder");
        return;
    };
    let mut wrong = Vec::new();
    let (mut accepted, mut rejected) = (0, 0);
    for set in std::fs::read_dir(&corpora).expect("a folder").flatten() {
        let Ok(expected) = std::fs::read(set.path().join("expected.json")) else {
            continue;
        };
        // Sets without tables may have in it what this reader of JSON refuses, such as half a surrogate pair.
        let Ok(expected) = serde_json::from_slice::<serde_json::Value>(&expected) else {
            eprintln!("passed over: {}", set.path().display());
            continue;
        };
        let Some(files) = expected["files"].as_object() else {
            continue;
        };
        for (name, facts) in files {
            let format = facts["format"].as_str().unwrap_or_default();
            let encoding = facts["encoding"].as_str().unwrap_or_default();
            if !matches!(format, "csv" | "tsv") || !facts["container"].is_null() {
                continue;
            }
            let stored = std::fs::read(set.path().join(name)).expect("the file");
            let text = stored.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&stored);
            let delimiter = facts["delimiter"]
                .as_str()
                .map_or(b',', |delimiter| delimiter.as_bytes()[0]);
            let read = read_file(text, delimiter);
            let name = set.path().join(name);
            if !encoding.starts_with("utf-8") {
                continue;
            }
            match facts["expect"].as_str() {
                Some("reject") => {
                    rejected += 1;
                    if read.faults.is_empty() {
                        wrong.push(format!(
                            "{}: no fault in a file to be rejected",
                            name.display()
                        ));
                    }
                }
                Some("accept") => {
                    accepted += 1;
                    let columns: Vec<_> =
                        facts["columns"].as_array().into_iter().flatten().collect();
                    // Names that are empty or there twice are changed; of very many only the first are listed.
                    let renamed = facts["duplicate_or_blank_headers"].as_bool() == Some(true);
                    let same_names = facts["ncols"].as_u64() == Some(read.columns.len() as u64)
                        && columns
                            .iter()
                            .zip(&read.columns)
                            .all(|(a, b)| renamed || a.as_str() == Some(b));
                    if facts["nul_bytes"].as_u64().is_some() {
                        let all_nul = read.faults.iter().all(|fault| fault.code == Code::Nul);
                        if !all_nul
                            || facts["rows"].as_u64() != Some(read.rows + read.faults.len() as u64)
                        {
                            wrong.push(format!(
                                "{}: {} rows, {:?}",
                                name.display(),
                                read.rows,
                                read.faults
                            ));
                        }
                        continue;
                    }
                    let truth = (facts["rows"].as_u64(), facts["cells_sha256"].as_str());
                    if !read.faults.is_empty()
                        || !same_names
                        || truth != (Some(read.rows), Some(&read.digest))
                    {
                        wrong.push(format!(
                            "{}: {} rows, {:?}, faults {:?}; expected {facts}",
                            name.display(),
                            read.rows,
                            read.columns,
                            read.faults.first()
                        ));
                    }
                    // Found out from the head, the delimiter is the same, or makes two columns or more where there was one.
                    let sniffed = sniff(&text[..text.len().min(64 << 10)], text.len() <= 64 << 10);
                    let found = sniffed.map_or(b',', |sniffed| sniffed.delimiter);
                    if found != delimiter {
                        let other = sniffed
                            .map(|sniffed| (sniffed.columns, sniffed.records, sniffed.alike));
                        let line = format!(
                            "{}: sniffed {:?} {other:?} for {} columns",
                            name.display(),
                            char::from(found),
                            read.columns.len()
                        );
                        if read.columns.len() == 1 {
                            eprintln!("{line}")
                        } else {
                            wrong.push(line)
                        }
                    }
                }
                _ => {}
            }
        }
    }
    eprintln!("{accepted} accepted, {rejected} rejected");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the reader of data finds in a table: how it is written, its columns, and its first row.
fn read_whole(path: &Path, reading: &Reading) -> TableHead {
    use std::cell::RefCell;
    use std::sync::Arc;

    let sources = sluice::source::local::list(&[path.display().to_string()])
        .unwrap()
        .sources;
    let stop = sluice::stop::Stop::default();
    let found: RefCell<Option<TableHead>> = RefCell::default();
    let submit = |chunk: Chunk| {
        let Shape::Table {
            columns, delimiter, ..
        } = &*chunk.shape
        else {
            panic!("no table");
        };
        let sluice::read::Body::Text(text) = chunk.body else {
            panic!("no text");
        };
        let mut collect = Collect {
            columns: columns.len(),
            most: 1,
            held: 0,
            line: 0,
            byte: 0,
            records: 0,
            changes: Changes::default(),
            got: Vec::new(),
        };
        let mut csv = Csv::new(text, columns.len(), *delimiter, Nul::Reject);
        let _ = csv.decode(&mut collect);
        *found.borrow_mut() = Some(TableHead {
            delimiter: *delimiter,
            columns: columns.clone(),
            first: collect.got.pop().map(|got| got.cells.unwrap()),
        });
        Err(Ended)
    };
    let reader = Reader {
        reading,
        buffers: &sluice::buffer::Buffers::new(4),
        budget: &sluice::budget::Budget::new(64 << 20, &stop),
        threads: 1,
        spool_limit: 0,
        stop: &stop,
        progress: Arc::new(Progress::default()),
        from: None,
        tables_only: false,
        types: None,
        seen: None,
        found: None,
        check_columns: &|_| Ok(()),
        submit: &submit,
    };
    reader.run(&sources).unwrap();
    found.into_inner().expect("a chunk")
}

fn cell_text() -> impl Strategy<Value = String> {
    proptest::string::string_regex("([a-zA-Zäé€ .0-9]|,|;|\t|\\||\"|\n|\r\n|\r){0,6}").unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_head_alone_tells_what_the_reader_finds(
        rows in (2..6usize).prop_flat_map(|columns| {
            let row = prop::collection::vec(cell_text(), columns);
            prop::collection::vec(row, 2..6)
        }),
        delimiter in prop::sample::select(vec![',', ';', '\t', '|']),
        crlf in any::<bool>(),
        large in any::<bool>(),
        named in any::<bool>(),
        stored in 0..4usize,
    ) {
        use std::io::Write as _;

        let quoted = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
        let line = |row: &Vec<String>| {
            let cells: Vec<_> = row.iter().map(quoted).collect();
            cells.join(&delimiter.to_string()) + if crlf { "\r\n" } else { "\n" }
        };
        let body: String = rows[1..].iter().map(line).collect();
        let times = if large { (200 << 10) / body.len() + 1 } else { 1 };
        let text = line(&rows[0]) + &body.repeat(times);
        let bytes = match stored {
            0 => text.into_bytes(),
            1 => format!("\u{feff}{text}").into_bytes(),
            2 => "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect(),
            _ => {
                let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
                gz.write_all(text.as_bytes()).unwrap();
                gz.finish().unwrap()
            }
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        std::fs::write(&path, &bytes).unwrap();
        let reading = Reading {
            format: None,
            delimiter: None,
            header: named,
            csv_types: sluice::read::column_types::CsvTypes::Text,
            encoding: None,
            chunk_bytes: 512 << 10,
            record_bytes: 16 << 20,
            pick: None,
            files: sluice::read::files::Files::default(),
        };
        let expected = read_whole(&path, &reading);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let head = |most: usize| {
            let most = most.min(bytes.len());
            let head = sluice::source::remote::head::Head {
                bytes: bytes[..most].to_vec(),
                complete: most == bytes.len(),
            };
            runtime.block_on(table(head, "table.csv", &reading))
        };
        prop_assert_eq!(head(sluice::read::head::STORED_BYTES), Some(expected.clone()));
        // Less of it tells the same, or nothing.
        for most in [100, 1 << 10, 65 << 10, 70 << 10, 140 << 10] {
            if let Some(found) = head(most) {
                prop_assert_eq!(found, expected.clone());
            }
        }
    }
}
