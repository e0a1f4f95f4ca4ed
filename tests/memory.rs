//! Memory is bounded by construction: the peak of a real run does not follow the size of what it reads.
#![allow(
    unsafe_code,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests measure their children by wait4, and say when they fail"
)]

mod common;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ChildStdin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::{ONE_GIB, Ran};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

const MB: u64 = 1_000_000;
/// The size of a chunk in a release build; debug builds use tiny ones.
const CHUNK: [&str; 2] = ["--chunk-bytes", "524288"];
/// A gigabyte through a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_mins(5);
/// What ten times the input may add to the peak.
const TOLERANCE: f64 = 0.20;

/// One run at a time, so that none is slowed to where its queues fill otherwise than they would.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `sluice import ARGUMENTS --to DIR/out`, feeding its stdin; what is asked of every run holds.
fn import(dir: &Path, arguments: &[&str], feed: impl FnOnce(ChildStdin) + Send + 'static) -> Ran {
    let mut command = common::sluice();
    command
        .arg("import")
        .args(arguments)
        .arg("--to")
        .arg(dir.join("out"))
        .args(CHUNK)
        .current_dir(dir);
    let ran = common::run_fed(&mut command, PATIENCE, feed);
    println!(
        "{arguments:?}: exit {}, peak {} MiB, {:.1} s",
        ran.code(),
        ran.peak >> 20,
        ran.took.as_secs_f64()
    );
    assert_eq!(ran.misbehaviour(), None, "{}", ran.stderr);
    ran
}

/// The manifest, which has the totals.
fn totals(dir: &Path) -> Value {
    let manifest = std::fs::read_to_string(dir.join("out/manifest.json")).expect("a manifest");
    serde_json::from_str::<Value>(&manifest).expect("a manifest is JSON")
}

/// Some 2 MB of records: real headlines, numbered.
fn block() -> (Vec<u8>, u64) {
    let headlines = std::fs::read_to_string(common::data("headlines.jsonl")).expect("headlines");
    let (mut block, mut records) = (Vec::new(), 0);
    while (block.len() as u64) < 2 * MB {
        for line in headlines.lines() {
            let rest = line.strip_prefix('{').expect("an object");
            writeln!(block, "{{\"id\":{records},{rest}").expect("memory takes it");
            records += 1;
        }
    }
    (block, records)
}

/// Reads this many megabytes of JSON Lines from a pipe; the peak.
fn peak_of(megabytes: u64) -> u64 {
    let dir = common::temp();
    let (block, records) = block();
    let times = megabytes * MB / block.len() as u64;
    let ran = import(dir.path(), &["-", "--format", "jsonl"], move |mut stdin| {
        for _ in 0..times {
            stdin.write_all(&block).expect("the run reads to the end");
        }
    });
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert_eq!(totals(dir.path())["tasks"], times * records);
    ran.peak
}

#[test]
fn ten_times_the_input_takes_the_same_memory() {
    let _alone = alone();
    let (small, large) = (peak_of(100), peak_of(1_000));
    let growth = large as f64 / small as f64 - 1.0;
    println!(
        "100 MB: {} MiB, 1 GB: {} MiB, {:+.1} %",
        small >> 20,
        large >> 20,
        growth * 100.0
    );
    assert!(
        growth.abs() < TOLERANCE,
        "100 MB: {small} bytes, 1 GB: {large} bytes"
    );
}

#[test]
fn a_line_of_300_mb_costs_itself_alone() {
    let _alone = alone();
    let dir = common::temp();
    let ran = import(dir.path(), &["-", "--format", "jsonl"], |mut stdin| {
        let mut send = |bytes: &[u8]| common::pour(&mut stdin, bytes);
        send(b"{\"text\":\"before\"}\n{\"text\":\"");
        let part = vec![b'a'; MB as usize];
        for _ in 0..300 {
            send(&part);
        }
        send(b"\"}\n{\"text\":\"after\"}\n");
    });
    assert_eq!(ran.code(), 3, "{}", ran.stderr);
    let target = common::Target::read(&dir.path().join("out")).expect("a whole target");
    let texts: Vec<_> = target
        .values()
        .iter()
        .map(|task| task["data"]["text"].clone())
        .collect();
    assert_eq!(texts, ["before", "after"]);
    assert_eq!(target.rejects.len(), 1);
    let reject = &target.rejects[0];
    assert_eq!(
        (&reject["code"], &reject["line"]),
        (&"record-too-large".into(), &2.into()),
        "{reject}"
    );
    assert!(reject.to_string().contains("--memory"), "{reject}");
}

#[test]
fn an_array_of_200_mb_on_one_line_is_read_as_it_comes() {
    const ELEMENTS: u64 = 2_000_000;
    let _alone = alone();
    let dir = common::temp();
    let ran = import(dir.path(), &["-", "--format", "json"], |mut stdin| {
        let mut part = String::from("[");
        for element in 0..ELEMENTS {
            let comma = if element + 1 < ELEMENTS { "," } else { "]" };
            let _ = write!(
                part,
                "{{\"id\":{element:8},\"text\":\"one line, ] and {{ in strings, and \\\" too: a hundred bytes an element\"}}{comma}"
            );
            if part.len() > 1 << 20 {
                stdin
                    .write_all(part.as_bytes())
                    .expect("the run reads to the end");
                part.clear();
            }
        }
        stdin
            .write_all(part.as_bytes())
            .expect("the run reads to the end");
    });
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert_eq!(totals(dir.path())["tasks"], ELEMENTS);
}

/// A gigabyte of one byte, in members of 16 MB each.
fn bomb(byte: u8) -> Vec<u8> {
    let mut member = GzEncoder::new(Vec::new(), Compression::best());
    member
        .write_all(&vec![byte; 16 * MB as usize])
        .expect("memory takes it");
    member.finish().expect("memory takes it").repeat(63)
}

#[test]
fn a_gzip_bomb_is_a_reject_or_an_error_that_names_the_limit() {
    let _alone = alone();
    for (name, byte) in [
        ("zeros.txt.gz", 0),
        ("zeros.jsonl.gz", 0),
        ("zeros.csv.gz", 0),
        ("quotes.csv.gz", b'"'),
        ("open.json.gz", b'['),
    ] {
        let dir = common::temp();
        common::write(dir.path(), name, bomb(byte));
        let ran = import(dir.path(), &[name], drop);
        assert!(
            [1, 3].contains(&ran.code()),
            "{name}: exit {}, {}",
            ran.code(),
            ran.stderr
        );
        let rejects =
            std::fs::read_to_string(dir.path().join("out/rejects.jsonl")).unwrap_or_default();
        assert!(
            ran.stderr.contains("error[") || !rejects.is_empty(),
            "{name}: {}",
            ran.stderr
        );
        assert!(
            rejects.len() < 10 * MB as usize,
            "{name}: {} bytes of rejects",
            rejects.len()
        );
    }
}

#[test]
fn a_gzip_bomb_of_blank_lines_is_no_records() {
    let _alone = alone();
    let dir = common::temp();
    common::write(dir.path(), "blank.jsonl.gz", bomb(b'\n'));
    let ran = import(dir.path(), &["blank.jsonl.gz"], drop);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert_eq!(totals(dir.path())["tasks"], 0);
    assert!(ran.peak < ONE_GIB / 2, "{} MiB", ran.peak >> 20);
}

#[test]
fn a_hundred_thousand_small_files_take_no_more_than_one() {
    const FILES: u64 = 100_000;
    let _alone = alone();
    let dir = common::temp();
    for folder in 0..100 {
        let folder_path = dir.path().join(format!("in/{folder:02}"));
        std::fs::create_dir_all(&folder_path).expect("a folder");
        for file in 0..FILES / 100 {
            common::write(
                &folder_path,
                format!("{file:04}.jsonl"),
                format!("{{\"folder\":{folder},\"file\":{file}}}\n"),
            );
        }
    }
    let ran = import(dir.path(), &["in"], drop);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert_eq!(totals(dir.path())["tasks"], FILES);
    assert!(ran.peak < ONE_GIB / 2, "{} MiB", ran.peak >> 20);
}
