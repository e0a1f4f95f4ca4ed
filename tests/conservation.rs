//! Records in = tasks out + rejects: nothing is lost, nothing is made up, whatever the format, the threads and the
//! size of chunks.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what it expects, and fails where it is not so"
)]

#[path = "common/library.rs"]
mod library;

use std::io::Write;

use library::{Options, run_on, sample};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_record_becomes_its_task_or_a_reject(
        sample in sample(),
        threads in prop::sample::select(vec![1, 2, 8]),
        chunk_bytes in prop::sample::select(vec![128, 200, 1000, 4096]),
    ) {
        let ran = run_on(sample.name, &sample.bytes, &Options { threads, chunk_bytes, ..Options::default() });
        prop_assert!(ran.error.is_none(), "{}", ran.error.map(|e| e.to_string()).unwrap_or_default());
        prop_assert_eq!(ran.data(), sample.tasks.clone());
        let rejected: Vec<u64> = ran.rejects.iter().filter_map(|reject| reject["record"].as_u64()).collect();
        prop_assert_eq!(&rejected, &sample.rejected);
        prop_assert!(ran.totals.is_conserved());
        prop_assert_eq!(ran.totals.records, (sample.tasks.len() + sample.rejected.len()) as u64);
        prop_assert_eq!(ran.totals.rejects, sample.rejected.len() as u64);
    }

    #[test]
    fn a_reject_has_its_line_and_its_bytes(sample in sample(), chunk_bytes in prop::sample::select(vec![128, 1000])) {
        let ran = run_on(sample.name, &sample.bytes, &Options { chunk_bytes, ..Options::default() });
        for reject in ran.rejects {
            // The record's own bytes stand where the reject says, and its line is that of its first trouble.
            let raw = reject["raw"].as_str().expect("these records are text").as_bytes();
            let byte = usize::try_from(reject["byte"].as_u64().expect("text has offsets")).expect("it is small");
            let line = reject["line"].as_u64().expect("text has lines");
            let before = sample.bytes[..byte.min(sample.bytes.len())].iter().filter(|b| **b == b'\n').count() as u64;
            prop_assert_eq!(line, before + 1);
            let starts = sample.bytes.windows(raw.len()).any(|window| window == raw);
            prop_assert!(starts, "the record is not in the source: {}", reject);
        }
    }

    #[test]
    fn a_record_too_large_to_be_held_costs_itself_alone(
        records in prop::collection::vec((0..400usize, any::<bool>()), 1..20),
        name in prop::sample::select(vec!["s.jsonl", "s.json", "s.csv", "s.txt"]),
        closed in any::<bool>(),
        chunk_bytes in prop::sample::select(vec![128, 4096]),
    ) {
        // A quarter of the memory: what one record may take, with its line end or the comma before it.
        const HELD: usize = 200;
        let end = if closed || name == "s.json" { "\n" } else { "" };
        let texts: Vec<String> = records.iter().map(|(length, odd)| {
            let unit = if *odd && name != "s.txt" { "a\\\\" } else { "abc" };
            unit.repeat(length / 3)
        }).collect();
        let (written, open, between, close): (Vec<String>, &str, &str, String) = match name {
            "s.csv" => (texts.iter().map(|t| format!("\"{t}\"")).collect(), "text\n", "\n", end.to_owned()),
            "s.txt" => (texts.clone(), "", "\n", end.to_owned()),
            "s.json" => (texts.iter().map(|t| format!("{{\"text\":\"{t}\"}}")).collect(), "[", ",", format!("]{end}")),
            _ => (texts.iter().map(|t| format!("{{\"text\":\"{t}\"}}")).collect(), "", "\n", end.to_owned()),
        };
        let input = format!("{open}{}{close}", written.join(between));
        let options = Options { chunk_bytes, memory: 4 * HELD, ..Options::default() };
        let ran = run_on(name, input.as_bytes(), &options);
        prop_assert!(ran.error.is_none(), "{}", ran.error.map(|e| e.to_string()).unwrap_or_default());
        prop_assert!(ran.totals.is_conserved());
        // A line of text without anything in it, at the very end, is no line.
        let last_is_none = name == "s.txt" && !closed && texts.last().is_some_and(String::is_empty);
        prop_assert_eq!(ran.totals.records, (records.len() - usize::from(last_is_none)) as u64);
        let rejected: Vec<u64> = ran.rejects.iter().filter_map(|reject| reject["record"].as_u64()).collect();
        for (i, record) in written.iter().enumerate() {
            let number = i as u64 + 1;
            if record.len() < HELD {
                prop_assert!(!rejected.contains(&number), "record {} of {} bytes", number, record.len());
            }
            if record.len() > HELD {
                prop_assert!(rejected.contains(&number), "record {} of {} bytes", number, record.len());
            }
        }
        for reject in &ran.rejects {
            prop_assert_eq!(&reject["code"], "record-too-large");
        }
    }
}

#[test]
fn every_frame_of_an_lz4_file_is_read() {
    let frame = |text: &str| {
        let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let stored = [frame("one\n"), frame(""), frame("two\nthr"), frame("ee\n")].concat();
    let ran = run_on("s.txt.lz4", &stored, &Options::default());
    let texts: Vec<_> = ran.data().iter().map(|data| data["text"].clone()).collect();
    assert_eq!(texts, ["one", "two", "three"]);
}
