//! Places that take nothing, or nothing more: the run ends with an error that says so, in time, and what was there before
//! is as it was; once there is room the same command brings the rest.

use std::process::Command;

use crate::common;
use crate::places::{Kind, all, expected, remote};
use crate::way::{Act, Call};

const DENIED: &str = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
const QUOTA: &str =
    "<Error><Code>QuotaExceeded</Code><Message>The quota has been exceeded.</Message></Error>";

fn writes(call: &Call<'_>) -> bool {
    matches!(call.what, "PUT" | "POST" | "DELETE" | "SET")
}

#[test]
fn a_place_that_may_only_be_read_ends_the_run() {
    for place in remote() {
        let (status, text, code) = match place.kind {
            Kind::Redis(_) => (
                "NOPERM",
                "this user has no permissions to run the 'set' command",
                6,
            ),
            _ => ("403 Forbidden", DENIED, 6),
        };
        let way = place.way(move |call| {
            if writes(call) {
                Act::Say(status, text)
            } else {
                Act::Pass
            }
        });
        let ran = place.run("denied", Some(&way));
        assert_eq!(ran.code(), code, "{place:?}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("error[unauthorized]") && ran.stderr.contains("help: "),
            "{place:?}: {}",
            ran.stderr
        );
        assert!(place.contents("denied").is_empty(), "{place:?}");
    }
    // A file is no folder, whoever writes.
    for place in all()
        .into_iter()
        .filter(|place| matches!(place.kind, Kind::Folder(_)))
    {
        let to = place.to("file", None);
        std::fs::write(&to, "mine").unwrap();
        let ran = place.run("file", None);
        assert_eq!(ran.code(), 1, "{place:?}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("error[target-write]"),
            "{place:?}: {}",
            ran.stderr
        );
        assert_eq!(std::fs::read(&to).unwrap(), b"mine");
    }
}

#[test]
fn a_place_that_is_full_keeps_what_it_has_and_takes_the_rest_later() {
    for place in remote()
        .into_iter()
        .filter(|place| !matches!(place.kind, Kind::Redis(_)))
    {
        // It is full after twenty.
        let way = place.way(|call| {
            if call.number > 20 && writes(call) {
                Act::Say("507 Insufficient Storage", QUOTA)
            } else {
                Act::Pass
            }
        });
        let ran = place.run("full", Some(&way));
        assert_eq!(ran.code(), 1, "{place:?}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("error[target-write]"),
            "{place:?}: {}",
            ran.stderr
        );
        assert!(
            ran.stderr.contains("507") || ran.stderr.contains("quota"),
            "{place:?}: {}",
            ran.stderr
        );
        let left = place.stamps("full");
        assert!(
            !left.is_empty() && !left.contains_key("manifest.json"),
            "{place:?}: {left:?}"
        );
        let ran = place.run("full", None);
        assert_eq!(ran.code(), 0, "{place:?}: {}", ran.stderr);
        assert!(place.result("full") == place.undisturbed(), "{place:?}");
    }
}

#[test]
fn a_redis_that_is_full_keeps_what_it_has() {
    let place = remote().pop().unwrap();
    let Kind::Redis(_) = place.kind else {
        panic!("the last one is a Redis")
    };
    let way = place.way(|call| {
        if call.number > 20 && writes(call) {
            Act::Say("OOM", "command not allowed when used memory > 'maxmemory'.")
        } else {
            Act::Pass
        }
    });
    let ran = place.run("full", Some(&way));
    assert_eq!(ran.code(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("maxmemory"), "{}", ran.stderr);
    assert!(!place.contents("full").is_empty());
    let ran = place.run("full", None);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert_eq!(place.tasks("full"), expected());
}

#[test]
fn a_full_disk_ends_the_run_and_no_file_is_cut_off() {
    let dir = common::temp();
    let text = "x".repeat(1_000);
    let body: String = (0..4_000)
        .map(|n| format!("{{\"n\":{n},\"text\":\"{text}\"}}\n"))
        .collect();
    let file = common::write(dir.path(), "large.jsonl", body);
    let file = file.to_str().unwrap();
    for (layout, tasks) in [("import", "1000"), ("storage", "1000")] {
        let to = dir.path().join(layout);
        // No file of more than a few KiB: a write past that fails as on a full disk, with another number.
        let blocks = if layout == "import" { "100" } else { "1" };
        let line = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut shell = Command::new("bash");
        shell.args([
            "-c",
            &line,
            env!("CARGO_BIN_EXE_sluice"),
            "import",
            file,
            "--max-tasks",
            tasks,
        ]);
        shell.args(["--layout", layout, "--to"]).arg(&to);
        let ran = common::run(&mut shell, common::PATIENCE);
        assert_eq!(ran.code(), 1, "{layout}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("error[target-write]"),
            "{layout}: {}",
            ran.stderr
        );
        for name in common::names(&to)
            .iter()
            .filter(|name| name.ends_with(".json"))
        {
            let json: serde_json::Value =
                serde_json::from_slice(&std::fs::read(to.join(name)).unwrap()).unwrap();
            assert!(
                name != "manifest.json" || json["complete"] == false,
                "{layout}"
            );
        }
    }
}
