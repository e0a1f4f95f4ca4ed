//! No import is ever over its limits, and every import but the last is full: no next task would have fitted.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what it expects, and fails where it is not so"
)]

#[path = "common/library.rs"]
mod library;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use library::{Options, Ran, run_on, sample};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::value::RawValue;
use sluice::batch::body::{Body, Store};
use sluice::budget::{AHEAD, ANSWER_BYTES, chunk_share, share};
use sluice::in_order::pool;

/// The tasks of an import, as they are written.
fn tasks(body: &[u8]) -> Vec<usize> {
    let tasks: Vec<&RawValue> = serde_json::from_slice(body).expect("an import is a JSON array");
    tasks.into_iter().map(|task| task.get().len()).collect()
}

fn within_limits_and_full(
    ran: &Ran,
    max_tasks: usize,
    max_bytes: usize,
) -> Result<(), TestCaseError> {
    for (i, (about, body)) in ran.imports.iter().enumerate() {
        let sizes = tasks(body);
        prop_assert_eq!(about.number, i as u64 + 1);
        prop_assert_eq!(about.bytes, body.len());
        prop_assert_eq!(about.tasks, sizes.len());
        prop_assert_eq!(&about.blake3.0, &blake3::hash(body).to_hex().to_string());
        prop_assert!(!sizes.is_empty() && sizes.len() <= max_tasks && body.len() <= max_bytes);
        if let Some((_, next)) = ran.imports.get(i + 1) {
            let first = tasks(next)[0];
            prop_assert!(
                sizes.len() == max_tasks || body.len() + 1 + first > max_bytes,
                "import {} is not full",
                i + 1
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn imports_are_within_their_limits_and_full(
        sample in sample(),
        max_tasks in 1..20usize,
        max_bytes in 60..4000usize,
        threads in prop::sample::select(vec![1, 2, 8]),
    ) {
        let options = Options { threads, chunk_bytes: 256, max_tasks, max_bytes, ..Options::default() };
        let ran = run_on(sample.name, &sample.bytes, &options);
        prop_assert!(ran.error.is_none());
        within_limits_and_full(&ran, max_tasks, max_bytes)?;
        // A task that fits in no import is a reject with that reason, and nothing else changes.
        let too_large = ran.rejects.iter().filter(|reject| reject["code"] == "task-too-large").count();
        prop_assert_eq!(ran.tasks().len() + too_large, sample.tasks.len());
        prop_assert!(ran.totals.is_conserved());
    }
}

#[test]
fn a_task_of_exactly_the_limit_fits_and_one_byte_more_does_not() {
    // `[{"data":{"text":"..."}}]` around the text is 22 bytes.
    for (length, fits) in [(78, true), (79, false)] {
        let line = "x".repeat(length);
        let ran = run_on(
            "s.txt",
            line.as_bytes(),
            &Options {
                max_bytes: 100,
                ..Options::default()
            },
        );
        assert_eq!(ran.imports.len(), usize::from(fits), "{length}");
        assert_eq!(ran.totals.rejects, u64::from(!fits), "{length}");
        if fits {
            assert_eq!(ran.imports[0].1.len(), 100);
        }
    }
}

#[test]
fn limits_over_those_of_the_guide_are_refused() {
    use sluice::batch::limits::{ARRAY, Limits};
    assert!(Limits::new(250_000, 50_000_000, ARRAY).is_ok());
    for (tasks, bytes) in [(250_001, 1), (1, 50_000_001), (0, 1), (1, 0)] {
        assert!(Limits::new(tasks, bytes, ARRAY).is_err(), "{tasks} {bytes}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Files are written in blocks, the last of them of any length, past the cache or through it: what was handed over is
    /// what stands there.
    #[test]
    fn a_file_is_what_was_handed_over_whatever_the_pieces(
        files in vec(vec(prop_oneof![1..5_000_usize, 1_048_000..1_049_000_usize, 4_096..2_500_000_usize], 1..5), 1..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (bodies, writer) = Store::Folder(Arc::from(folder.path())).open();
        let writer = std::thread::spawn(move || writer.unwrap().run());
        for (number, pieces) in (1..).zip(&files) {
            let mut expected = Vec::new();
            let mut body = bodies.start(number);
            for (i, length) in pieces.iter().enumerate() {
                let piece: Vec<u8> = (0..*length).map(|at| (at * 31 + i) as u8).collect();
                body.push(&piece).unwrap();
                expected.extend_from_slice(&piece);
            }
            body.end().unwrap();
            let Body::File(file) = body else { panic!("a folder keeps files") };
            let path = file.path().to_owned();
            file.finish().unwrap();
            prop_assert!(std::fs::read(&path).unwrap() == expected, "{} bytes", expected.len());
        }
        // One that is left in the middle leaves nothing.
        let mut left = bodies.start(99);
        left.push(&vec![b'x'; 3_000_000]).unwrap();
        drop((left, bodies));
        writer.join().unwrap();
        let names = std::fs::read_dir(folder.path()).unwrap().count();
        prop_assert_eq!(names, files.len());
    }
}

#[test]
fn a_file_that_cannot_be_made_is_known_when_it_is_to_be_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (bodies, writer) = Store::Folder(Arc::from(folder.path().join("missing"))).open();
    let writer = std::thread::spawn(move || writer.unwrap().run());
    // More blocks than there are: all come back, though none was written.
    for number in [1, 2] {
        let mut body = bodies.start(number);
        body.push(&vec![b'x'; 6_000_000]).unwrap();
        body.end().unwrap();
        let Body::File(file) = body else {
            panic!("a folder keeps files")
        };
        let error = file.finish().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    }
    drop(bodies);
    writer.join().unwrap();
}

#[test]
fn nobody_waits_for_a_writer_that_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (bodies, writer) = Store::Folder(Arc::from(folder.path())).open();
    drop(writer);
    assert!(bodies.start(1).push(&vec![b'x'; 6_000_000]).is_err());
    let mut small = bodies.start(2);
    small.push(b"[]").unwrap();
    assert!(small.end().is_err());
    let Body::File(file) = small else {
        panic!("a folder keeps files")
    };
    assert!(file.finish().is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// What it counts is less by one when it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_job_has_no_more_answers_than_its_share_has_room_for() {
    assert_eq!(chunk_share(7), share(7, AHEAD));
    for ahead in [1, 2, 7] {
        let most = Arc::new(AtomicUsize::new(0));
        let made = Arc::clone(&most);
        let work = move |_| {
            let (alive, most) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&made));
            (0..200).map(move |_| {
                let now = alive.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                Counted(Arc::clone(&alive))
            })
        };
        let (jobs, answers) = pool(2, 8, |ahead: &usize| *ahead, work).unwrap();
        for _ in 0..6 {
            jobs.submit(ahead).unwrap();
        }
        jobs.end(Ok(()));
        let taken = answers.inspect(|_| std::thread::yield_now()).count();
        assert_eq!(taken, 1_200);
        let most = most.load(Ordering::SeqCst);
        assert!(most * ANSWER_BYTES <= share(0, ahead), "{most} of {ahead}");
    }
}
