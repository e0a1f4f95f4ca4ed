//! Reading that starts at a record gives what reading from the beginning gives from that record on: the same tasks and
//! rejects, to the byte, at the same places.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    unsafe_code,
    reason = "a test says what it expects, and fails where it is not so"
)]

#[path = "common/library.rs"]
mod library;
#[path = "stores/misbehaving.rs"]
mod misbehaving;
#[path = "resume_reading/samples.rs"]
mod samples;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use library::{Options, Ran, run};
use proptest::prelude::*;
use samples::{File, Wrap, in_rows, large, small};
use serde_json::Value;
use sluice::error::{Code, Error};
use sluice::place::{At, Place, SourceId};
use sluice::read::files::{Files, LineEnds};
use sluice::read::seen::{Prefix, Seen};

/// Tasks with the places of their records, rejects, and what was told of the reading.
#[derive(Debug, PartialEq)]
struct Read {
    tasks: Vec<(Place, Vec<u8>)>,
    rejects: Vec<Value>,
    told: (u64, u64),
}

/// Every import holds one task, whose place is then known.
fn one_by_one(options: &Options) -> Options {
    Options {
        max_tasks: 1,
        ..options.clone()
    }
}

fn read(folder: &Path, options: &Options) -> Result<Read, Error> {
    let Ran {
        imports,
        totals,
        rejects,
        read,
        error,
    } = run(folder, &one_by_one(options));
    assert!(error.is_some() || totals.is_conserved());
    assert!(error.is_some() || totals.records == (imports.len() + rejects.len()) as u64);
    let tasks = imports
        .into_iter()
        .map(|(about, body)| (about.first, body))
        .collect();
    match error {
        Some(error) => Err(error),
        None => Ok(Read {
            tasks,
            rejects,
            told: read,
        }),
    }
}

/// What of all that is read comes at `place` and after it; `names` are those of the sources.
fn tail(whole: &Read, place: Place, names: &[String]) -> Read {
    let at_or_after =
        |source: u32, record: u64| (SourceId(source), record) >= (place.source, place.record);
    let source = |reject: &Value| {
        let is_it = |name: &String| reject["source"].as_str().unwrap().ends_with(name);
        u32::try_from(names.iter().position(is_it).unwrap()).unwrap()
    };
    let tasks = whole
        .tasks
        .iter()
        .filter(|(at, _)| at_or_after(at.source.0, at.record));
    let rejects = whole
        .rejects
        .iter()
        .filter(|reject| at_or_after(source(reject), reject["record"].as_u64().unwrap()));
    Read {
        tasks: tasks.cloned().collect(),
        rejects: rejects.cloned().collect(),
        told: whole.told,
    }
}

fn folder(files: &[File]) -> (tempfile::TempDir, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let names: Vec<String> = files
        .iter()
        .enumerate()
        .map(|(i, file)| format!("{i}-{}", file.name))
        .collect();
    for (name, file) in names.iter().zip(files) {
        std::fs::write(folder.path().join(name), &file.bytes).expect("a file");
    }
    (folder, names)
}

/// Some of the places: the first and the last, and what lies between at even distances.
fn some(places: &[Place], most: usize) -> Vec<Place> {
    let step = places.len().div_ceil(most).max(1);
    let mut some: Vec<Place> = places.iter().copied().step_by(step).collect();
    some.extend(places.last());
    some
}

/// Holds a reading from every place, or from some, against the reading from the beginning, which it gives.
fn resumes_at_every_place(files: &[File], options: &Options, most: usize) -> Read {
    let (folder, names) = folder(files);
    let whole = read(folder.path(), options).expect("the sources are sound");
    let places: Vec<Place> = whole.tasks.iter().map(|(place, _)| *place).collect();
    for (i, place) in some(&places, most).into_iter().enumerate() {
        let options = Options {
            threads: [1, 2, 8][i % 3],
            from: Some(place),
            // A digest must be of all bytes, so that nothing is passed over without being read.
            seen: (i % 2 == 1).then(Arc::default),
            ..options.clone()
        };
        let resumed = read(folder.path(), &options).unwrap_or_else(|e| panic!("{place:?}: {e}"));
        assert_eq!(
            resumed,
            tail(&whole, place, &names),
            "{names:?} from {place:?}"
        );
    }
    whole
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_run_from_any_record_is_the_tail_of_the_whole(
        files in prop::collection::vec(small(), 1..4),
        chunk_bytes in prop::sample::select(vec![64, 128, 1000, 4096]),
    ) {
        let options = Options { chunk_bytes, ..Options::default() };
        resumes_at_every_place(&files, &options, 24);
    }

    #[test]
    fn records_too_large_to_be_held_are_passed_over_or_rejected_at_their_places(
        lengths in prop::collection::vec(0..400usize, 1..20),
        name in prop::sample::select(vec!["s.jsonl", "s.json", "s.csv", "s.txt"]),
    ) {
        let texts = lengths.iter().map(|length| "abc".repeat(length / 3));
        let input = match name {
            "s.csv" => format!("text\n{}\n", texts.map(|t| format!("\"{t}\"")).collect::<Vec<_>>().join("\n")),
            "s.txt" => texts.collect::<Vec<_>>().join("\n"),
            "s.json" => format!("[{}]", texts.map(|t| format!("\"{t}\"")).collect::<Vec<_>>().join(" ,\n ")),
            _ => texts.map(|t| format!("\"{t}\"\n")).collect::<Vec<_>>().concat(),
        };
        let files = [File::new(name, input.into_bytes())];
        let options = Options { chunk_bytes: 128, memory: 4 * 200, ..Options::default() };
        resumes_at_every_place(&files, &options, 24);
        // A reject's place is as good: that of an element is the comma before it.
        let (folder, names) = folder(&files);
        let whole = read(folder.path(), &options).unwrap();
        for reject in &whole.rejects {
            let at = At::Text { line: reject["line"].as_u64().unwrap(), byte: reject["byte"].as_u64().unwrap() };
            let place = Place { source: SourceId(0), record: reject["record"].as_u64().unwrap(), at };
            let resumed = read(folder.path(), &Options { from: Some(place), ..options.clone() }).unwrap();
            prop_assert_eq!(resumed, tail(&whole, place, &names));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn lines_as_label_studio_has_them_are_resumed_too(
        pieces in prop::collection::vec(
            prop::sample::select(vec!["\r", "\n", "\r\n", "\u{b}", "\u{85}", "\u{2028}", "\u{2029}", "é", "some words", "\u{feff}"]),
            1..60,
        ),
        chunk_bytes in 8..100usize,
        memory in prop::sample::select(vec![4 * 20, 16 << 20]),
    ) {
        let files = [File::new("a.txt", pieces.concat().into_bytes()), File::new("b.txt", b"one\rtwo".to_vec())];
        let files_as = Files { lines: LineEnds::LabelStudio, ..Files::default() };
        let options = Options { chunk_bytes, memory, files: files_as, ..Options::default() };
        resumes_at_every_place(&files, &options, 24);
    }
}

#[test]
fn a_large_source_is_resumed_beyond_its_head_whatever_is_around_it() {
    for file in large() {
        let mut plain = None;
        for wrap in Wrap::of(&file) {
            let options = Options {
                chunk_bytes: 5000,
                ..Options::default()
            };
            let whole = resumes_at_every_place(&[wrap.around(&file)], &options, 4);
            // A place says nothing of what is around the text.
            let plain = plain.get_or_insert_with(|| whole.tasks.clone());
            assert!(*plain == whole.tasks, "{} {wrap:?}", file.name);
        }
    }
}

#[test]
fn sources_before_the_place_are_not_opened_and_count_as_read() {
    let files = [
        File::new("a.txt", b"1\n2\n".to_vec()),
        File::new("b.txt", b"3\n4\n5\n".to_vec()),
    ];
    let (folder, _) = folder(&files);
    // A table that could not be read: its first line is not text.
    std::fs::write(folder.path().join("0-a.csv"), b"\xFF\xFF,x\n").unwrap();
    let place = Place {
        source: SourceId(2),
        record: 2,
        at: At::Text { line: 2, byte: 2 },
    };
    let options = Options {
        from: Some(place),
        ..Options::default()
    };
    let resumed = read(folder.path(), &options).unwrap();
    assert_eq!(resumed.tasks[0].0, place);
    assert_eq!(resumed.tasks.len(), 2);
    assert_eq!(resumed.told, (5 + 4 + 6, 3));
}

#[test]
#[cfg(unix)]
fn a_pipe_is_read_up_to_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.txt");
    let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: the name is a string that ends in NUL and outlives the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let lines: Vec<String> = (0..50_000).map(|i| format!("{i:09}\n")).collect();
    let writer = std::thread::spawn(move || std::fs::write(path, lines.concat()));
    let place = Place {
        source: SourceId(0),
        record: 40_001,
        at: At::Text {
            line: 40_001,
            byte: 400_000,
        },
    };
    let options = Options {
        from: Some(place),
        ..Options::default()
    };
    let ran = run(folder.path(), &options);
    writer.join().unwrap().unwrap();
    assert!(ran.error.is_none());
    assert_eq!(ran.imports[0].0.first, place);
    assert_eq!(ran.data().len(), 10_000);
    assert_eq!(ran.data()[0]["text"], "000040000");
}

#[test]
fn an_array_that_breaks_off_is_an_error_at_the_same_place() {
    let text = "[{\"a\":1}, {\"a\":2},{\"a\":3}, {\"a\":nope}]";
    let (folder, _) = folder(&[File::new("s.json", text.as_bytes().to_vec())]);
    let whole = read(folder.path(), &Options::default()).unwrap_err();
    let place = |record, byte| Place {
        source: SourceId(0),
        record,
        at: At::Text { line: 1, byte },
    };
    assert_eq!(whole.code(), Code::JsonSyntax);
    for from in [place(1, 1), place(2, 10), place(3, 18)] {
        let options = Options {
            from: Some(from),
            ..Options::default()
        };
        let resumed = read(folder.path(), &options).unwrap_err();
        assert_eq!(resumed.message(), whole.message());
        let (then, now) = (whole.spot().unwrap(), resumed.spot().unwrap());
        assert_eq!(now.place, then.place);
        // The start of the line is not at hand any more, so no column is better than a wrong one.
        assert_eq!(now.column, then.column.filter(|_| from.record == 1));
    }
}

fn refused(file: &File, record: u64, at: At) -> Error {
    let (folder, _) = folder(std::slice::from_ref(file));
    let place = Place {
        source: SourceId(0),
        record,
        at,
    };
    let options = Options {
        from: Some(place),
        ..Options::default()
    };
    let error = read(folder.path(), &options).unwrap_err();
    assert_eq!(error.spot().unwrap().place, Some(place));
    assert!(
        error
            .to_string()
            .contains("give the same input again, or begin a new run")
    );
    error
}

#[test]
fn a_place_that_the_source_does_not_have_is_an_error() {
    let table = File::new("s.csv", b"a,b\n1,2\n3,4\n".to_vec());
    let text = |byte| At::Text { line: 3, byte };
    let before = refused(&table, 2, text(3));
    assert_eq!(before.code(), Code::Format);
    assert_eq!(
        before.message(),
        "the source's first record starts at byte 4, after record 2, where the run stopped"
    );
    for wrap in Wrap::of(&table) {
        for byte in [12, 13, 1 << 40, u64::MAX] {
            let after = refused(&wrap.around(&table), 3, text(byte));
            assert_eq!(after.code(), Code::SourceRead, "{wrap:?} {byte}");
            assert_eq!(
                after.message(),
                "the source ends before record 3, where the run stopped"
            );
        }
    }
    let row = |group, row| At::Row { group, row };
    assert_eq!(refused(&table, 2, row(0, 1)).code(), Code::Format);
    for file in in_rows() {
        assert_eq!(refused(&file, 2, text(10)).code(), Code::Format);
        for at in [row(0, 1 << 40), row(1, 7), row(4, 0), row(u32::MAX, 0)] {
            assert_eq!(
                refused(&file, 9, at).code(),
                Code::SourceRead,
                "{} {at:?}",
                file.name
            );
        }
    }
}

#[test]
fn a_place_in_a_source_that_is_not_there_is_an_error() {
    let (folder, _) = folder(&[File::new("s.txt", b"a\n".to_vec())]);
    let place = Place {
        source: SourceId(1),
        record: 1,
        at: At::Text { line: 1, byte: 0 },
    };
    let options = Options {
        from: Some(place),
        ..Options::default()
    };
    let error = read(folder.path(), &options).unwrap_err();
    assert_eq!(error.code(), Code::SourceMissing);
    assert_eq!(
        error.message(),
        "the run stopped in its source number 2, and there are 1"
    );
}

fn prefix(bytes: &[u8], length: usize) -> Prefix {
    Prefix {
        source: SourceId(0),
        bytes: length as u64,
        blake3: blake3::hash(&bytes[..length]).to_hex().to_string(),
    }
}

fn with_seen(seen: Seen) -> Options {
    Options {
        seen: Some(Arc::new(seen)),
        ..Options::default()
    }
}

#[test]
fn the_digest_is_of_all_stored_bytes() {
    for file in large()
        .iter()
        .flat_map(|file| Wrap::of(file).into_iter().map(|wrap| wrap.around(file)))
    {
        let (folder, names) = folder(std::slice::from_ref(&file));
        let options = with_seen(Seen::default());
        read(folder.path(), &options).unwrap();
        let snapshot = options.seen.unwrap().snapshot();
        if file.name == "s.parquet" || file.name == "s.arrow" {
            assert_eq!(snapshot, None, "it is read by position");
            continue;
        }
        let stored = std::fs::read(folder.path().join(&names[0])).unwrap();
        let snapshot = snapshot.expect("it is read from its first byte to its last");
        // Of an Arrow file that is read as a stream, the footer is of no interest.
        let footer = file.name.starts_with("s.arrow.");
        let length = usize::try_from(snapshot.bytes).unwrap();
        assert!(length == stored.len() || footer && length < stored.len());
        assert_eq!(snapshot, prefix(&stored, length), "{}", file.name);
    }
}

#[test]
fn a_snapshot_is_of_some_bytes_from_the_first_on_whenever_it_is_taken() {
    let file = File::new("s.txt", "some text\n".repeat(200_000).into_bytes());
    let (folder, _) = folder(std::slice::from_ref(&file));
    let options = with_seen(Seen::default());
    let seen = options.seen.clone().unwrap();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                if let Some(snapshot) = seen.snapshot() {
                    let length = usize::try_from(snapshot.bytes).unwrap();
                    assert_eq!(snapshot, prefix(&file.bytes, length));
                }
            }
        });
        let ran = run(folder.path(), &options);
        ended.store(true, Ordering::Relaxed);
        assert!(ran.error.is_none());
    });
    let last = seen.snapshot().unwrap();
    assert_eq!(last, prefix(&file.bytes, file.bytes.len()));
}

#[test]
fn the_same_source_is_taken_for_the_same_wherever_it_was_left() {
    let file = File::new("s.txt", "some text\n".repeat(20_000).into_bytes());
    for wrap in Wrap::of(&file) {
        let wrapped = wrap.around(&file);
        let (folder, _) = folder(std::slice::from_ref(&wrapped));
        let length = wrapped.bytes.len();
        for bytes in [0, 1, 15, 16, 17, 65_536, length - 1, length] {
            let bytes = bytes.min(length);
            let options = Options {
                from: Some(Place {
                    source: SourceId(0),
                    record: 10_001,
                    at: At::Text {
                        line: 10_001,
                        byte: 100_000,
                    },
                }),
                ..with_seen(Seen::expecting(prefix(&wrapped.bytes, bytes)))
            };
            let ran = run(folder.path(), &options);
            assert!(ran.error.is_none(), "{wrap:?} {bytes}");
            assert_eq!(ran.totals.tasks, 10_000);
        }
    }
}

#[test]
fn another_source_is_refused_where_it_was_left_and_where_it_ends() {
    let file = File::new("s.txt", "some text\n".repeat(20_000).into_bytes());
    for wrap in Wrap::of(&file) {
        let wrapped = wrap.around(&file);
        let (folder, _) = folder(std::slice::from_ref(&wrapped));
        let length = wrapped.bytes.len();
        let mut others: Vec<Prefix> = [1, 15, 16, 17, length / 2, length - 1, length]
            .map(|bytes| Prefix {
                blake3: blake3::hash(b"other").to_hex().to_string(),
                ..prefix(&wrapped.bytes, bytes)
            })
            .to_vec();
        others.push(Prefix {
            bytes: length as u64 + 1,
            ..prefix(&wrapped.bytes, length)
        });
        for expected in others {
            let bytes = expected.bytes;
            let ran = run(folder.path(), &with_seen(Seen::expecting(expected.clone())));
            let error = ran.error.unwrap_or_else(|| panic!("{wrap:?} {bytes}"));
            assert_eq!(
                error.code(),
                Code::SourceChanged,
                "{wrap:?} {bytes}: {error}"
            );
            assert_eq!(
                ran.imports.len(),
                0,
                "an import that is not full is not sent"
            );
            let text = error.to_string();
            assert!(text.contains(&format!("of which {bytes} bytes were read")));
            assert!(
                text.contains(
                    "give the same input again, or resume with `--accept-changed-sources`"
                )
            );
            // It is a matter of that source alone.
            let elsewhere = Prefix {
                source: SourceId(1),
                ..expected
            };
            assert!(
                run(folder.path(), &with_seen(Seen::expecting(elsewhere)))
                    .error
                    .is_none()
            );
        }
    }
}

#[test]
fn a_run_that_goes_on_fetches_only_the_texts_of_what_remains() {
    use misbehaving::{Manner, Server};
    use sluice::labelling_config::LabellingConfig;
    use sluice::normalize::dedupe::Dedupe;
    use sluice::normalize::inline::{Asked, Inline};

    let config = r#"<View><Text name="t" value="$text" valueType="url"/></View>"#;
    let config = LabellingConfig::parse(config).unwrap();
    let asked = Asked {
        urls: true,
        resolvers: false,
    };
    let inline = Arc::new(Inline::new(Some(&config), asked).unwrap());
    let server = Server::start();
    let line = |n: usize| {
        let address = match n % 7 {
            3 => format!("{}/lost-{n}", server.address),
            _ => server.put(
                &format!("t{n}"),
                format!("text {n} ").repeat(300),
                Manner::Fine,
            ),
        };
        format!("{{\"n\":{n},\"text\":\"{address}\"}}\n")
    };
    let folder = tempfile::tempdir().unwrap();
    for source in 0..2 {
        let lines: String = (0..40).map(|n| line(source * 100 + n)).collect();
        std::fs::write(folder.path().join(format!("{source}.jsonl")), lines).unwrap();
    }
    let names = ["0.jsonl".to_owned(), "1.jsonl".to_owned()];
    for dedupe in [None, Some(Dedupe::of("n"))] {
        let options = Options {
            inline: Some(Arc::clone(&inline)),
            chunk_bytes: 256,
            dedupe,
            ..Options::default()
        };
        let before = server.heard().len();
        let whole = read(folder.path(), &options).unwrap();
        assert_eq!(server.heard().len() - before, 80);
        assert_eq!((whole.tasks.len(), whole.rejects.len()), (68, 12));
        let places: Vec<Place> = whole.tasks.iter().map(|(place, _)| *place).collect();
        for from in some(&places, 6) {
            let options = Options {
                from: Some(from),
                ..options.clone()
            };
            let before = server.heard().len();
            let ran = run(folder.path(), &one_by_one(&options));
            assert!(ran.error.is_none(), "{:?}", ran.error);
            let tasks: Vec<_> = ran
                .imports
                .into_iter()
                .map(|(about, body)| (about.first, body))
                .collect();
            let expected = tail(&whole, from, &names);
            assert_eq!(tasks, expected.tasks, "from {from:?}");
            assert_eq!(ran.rejects, expected.rejects, "from {from:?}");
            let fetched = server.heard().len() - before;
            assert_eq!(
                fetched,
                expected.tasks.len() + expected.rejects.len(),
                "from {from:?}"
            );
        }
    }
}
