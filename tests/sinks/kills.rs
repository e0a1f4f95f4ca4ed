//! A run that is killed in the middle of writing: what it has left counts for nothing or for what it is, and the same
//! command goes on with it.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::common::{self, signal};
use crate::places::{Kind, Place, all, expected, remote};
use crate::way::{Act, Way, at_call};

/// Runs until the call that is held, and kills the run there.
fn kill_at(place: &Place, prefix: &str, way: &Way) {
    let ran = common::run_told(
        &mut place.command(prefix, Some(way)),
        common::PATIENCE,
        drop,
        |pid| {
            way.wait_until_held();
            signal(pid, libc::SIGKILL);
        },
    );
    assert_eq!(ran.code(), -1, "{place:?}: {}", ran.stderr);
}

#[test]
fn a_run_that_is_killed_at_any_call_is_gone_on_with() {
    for place in remote() {
        let expected = place.undisturbed();
        for k in [1, 2, 3, 17, 40, 60] {
            for act in [Act::Hold, Act::MakeAndHold] {
                let way = place.way(at_call(k, act));
                let prefix = format!("killed-{k}-{act:?}");
                kill_at(&place, &prefix, &way);
                let left = place.contents(&prefix);
                let stamps = place.stamps(&prefix);
                assert!(
                    !left.contains_key("manifest.json"),
                    "{place:?}: killed at call {k}"
                );
                let whole = |(name, body): (&String, &Vec<u8>)| expected.get(name) == Some(body);
                assert!(
                    left.iter().all(whole),
                    "{place:?}: killed at call {k}, it left {:?}",
                    left.keys()
                );

                let ran = place.run(&prefix, None);
                assert_eq!(
                    ran.code(),
                    0,
                    "{place:?}: killed at call {k}: {}",
                    ran.stderr
                );
                assert!(
                    place.result(&prefix) == expected,
                    "{place:?}: killed at call {k}"
                );
                let now = place.stamps(&prefix);
                let again: BTreeMap<_, _> = stamps
                    .iter()
                    .filter(|(name, stamp)| now[*name] != **stamp)
                    .collect();
                assert!(again.is_empty(), "{place:?}: written twice: {again:?}");
            }
        }
    }
}

#[test]
fn a_folder_whose_run_was_killed_counts_for_nothing_or_is_gone_on_with() {
    for place in all()
        .into_iter()
        .filter(|place| matches!(place.kind, Kind::Folder(_)))
    {
        for most in [1, 2, 30] {
            let prefix = format!("killed-{most}");
            let to = place.to(&prefix, None);
            let tasks = if place.layout == "storage" {
                format!("{to}/tasks")
            } else {
                to.clone()
            };
            let mut command = place.program(None);
            command.args([
                "import",
                "-",
                "--format",
                "jsonl",
                "--max-tasks",
                "1",
                "--layout",
                place.layout,
                "--to",
                &to,
            ]);
            let (there, is_there) = channel();
            let ran = common::run_told(
                &mut command,
                common::PATIENCE,
                move |mut stdin| {
                    // More and more is fed until so much is there; then it waits for more, and is killed.
                    for n in 0_u64.. {
                        let count = |names: Vec<String>| {
                            names.iter().filter(|name| name.ends_with(".json")).count()
                        };
                        if count(common::names(tasks.as_ref())) >= most {
                            break;
                        }
                        if stdin
                            .write_all(format!("{{\"n\":{n}}}\n").repeat(100).as_bytes())
                            .is_err()
                        {
                            break;
                        }
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    there.send(()).unwrap();
                },
                |pid| {
                    is_there.recv().unwrap();
                    signal(pid, libc::SIGKILL);
                },
            );
            assert!(
                ran.code() == -1 || !place.contents(&prefix).is_empty(),
                "{}",
                ran.stderr
            );
            let left = place.contents(&prefix);
            assert!(!left.contains_key("manifest.json"), "{place:?}");
            for (name, body) in left.iter().filter(|(name, _)| name.ends_with(".json")) {
                serde_json::from_slice::<serde_json::Value>(body)
                    .unwrap_or_else(|e| panic!("{place:?}: {name} is cut off: {e}"));
            }

            // It is another run's to the next, which leaves it alone until it is told otherwise.
            let ran = place.run(&prefix, None);
            assert_eq!(ran.code(), 2, "{place:?}: {}", ran.stderr);
            let mut command = place.command(&prefix, None);
            let ran = common::run(command.arg("--overwrite"), common::PATIENCE);
            assert_eq!(ran.code(), 0, "{place:?}: {}", ran.stderr);
            assert_eq!(place.tasks(&prefix), expected(), "{place:?}");
        }
    }
}
