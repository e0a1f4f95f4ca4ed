//! Tasks come in the input's order, and the bytes are the same whatever the threads and the size of chunks.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what it expects, and fails where it is not so"
)]

#[path = "common/library.rs"]
mod library;

use library::{Options, run, run_on, sample};
use proptest::prelude::*;
use serde_json::json;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_bytes_do_not_depend_on_threads_or_chunks(sample in sample(), max_bytes in 100..3000usize) {
        let of = |threads, chunk_bytes| {
            let options = Options { threads, chunk_bytes, max_bytes, ..Options::default() };
            let ran = run_on(sample.name, &sample.bytes, &options);
            (ran.imports, ran.rejects)
        };
        let (imports, rejects) = of(1, 1 << 20);
        for (threads, chunk_bytes) in [(1, 128), (2, 150), (8, 4096)] {
            let (others, other_rejects) = of(threads, chunk_bytes);
            prop_assert_eq!(&others, &imports);
            let place = |reject: &serde_json::Value| (reject["record"].clone(), reject["code"].clone(), reject["byte"].clone());
            let (ours, theirs): (Vec<_>, Vec<_>) =
                (rejects.iter().map(place).collect(), other_rejects.iter().map(place).collect());
            prop_assert_eq!(ours, theirs);
        }
    }
}

#[test]
fn many_files_come_in_the_order_of_their_names() {
    let folder = tempfile::tempdir().expect("a folder");
    for file in 0..200 {
        let lines: Vec<String> = (0..file % 7)
            .map(|line| format!("{{\"file\":{file},\"line\":{line}}}"))
            .collect();
        std::fs::write(
            folder.path().join(format!("{file:03}.jsonl")),
            lines.join("\n"),
        )
        .expect("a file");
    }
    let ran = run(
        folder.path(),
        &Options {
            threads: 8,
            chunk_bytes: 128,
            max_tasks: 50,
            ..Options::default()
        },
    );
    let expected: Vec<_> = (0..200)
        .flat_map(|file| (0..file % 7).map(move |line| json!({"file": file, "line": line})))
        .collect();
    assert_eq!(ran.data(), expected);
}
