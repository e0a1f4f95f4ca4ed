//! Archives that are cut off or have a bit that flipped: an error, or everything; never less without a word.

use serde_json::Value;
use sluice::error::Error;

use crate::library::{Options, try_run_on};
use crate::pack::{KINDS, Member, member, pack};

fn members() -> Vec<Member> {
    let lines: String = (0..40).map(|i| format!("{{\"n\":{i}}}\n")).collect();
    vec![
        member("a.jsonl", lines),
        member("b.csv", "a,b\n1,2\n3,4\n"),
        member("c/d.txt", "one\ntwo\n"),
    ]
}

/// What an archive comes to: all tasks, or what was wrong.
fn outcome(kind: &str, bytes: &[u8]) -> Result<Vec<Value>, Error> {
    let ran = try_run_on(kind, bytes, &Options::default())?;
    match ran.error {
        Some(error) => Err(error),
        None => {
            assert!(ran.rejects.is_empty() || ran.totals.is_conserved());
            Ok(ran.data())
        }
    }
}

#[test]
fn an_archive_cut_off_anywhere_is_an_error_or_all_of_it() {
    for kind in KINDS {
        let bytes = pack(kind, &members());
        let whole = outcome(kind, &bytes).unwrap();
        assert_eq!(whole.len(), 44);
        let mut errors = 0;
        for end in (0..bytes.len()).step_by(7) {
            match outcome(kind, &bytes[..end]) {
                Ok(tasks) => assert_eq!(tasks, whole, "{kind} cut at {end} of {}", bytes.len()),
                Err(error) => {
                    errors += 1;
                    let place = error
                        .spot()
                        .unwrap_or_else(|| panic!("{kind} at {end}: {error}"));
                    assert!(place.source.contains(kind), "{error}");
                }
            }
        }
        assert!(errors > bytes.len() / 7 / 2, "{kind}");
    }
}

#[test]
fn a_flipped_bit_never_makes_other_tasks_where_there_are_checksums() {
    for kind in KINDS {
        let bytes = pack(kind, &members());
        let whole = outcome(kind, &bytes).unwrap();
        // Of a zip, the members and the headers before them; names and attributes in its directory have no checksum.
        let checked = if kind.ends_with(".zip") {
            bytes
                .windows(4)
                .position(|window| window == b"PK\x01\x02")
                .unwrap()
        } else {
            bytes.len()
        };
        for at in (0..bytes.len()).step_by(5) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            // That it comes back at all is the point.
            let outcome = outcome(kind, &flipped);
            if let (Ok(tasks), true) = (outcome, at < checked && kind != "a.tar") {
                assert_eq!(tasks, whole, "{kind}, bit {at}");
            }
        }
    }
}
