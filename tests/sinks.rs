//! One suite, run by every sink, and by what is read from the same places: what is asked for is there once, whatever ends a
//! run, breaks a call or refuses a byte.
//!
//! Object stores and the Redis are real or stand-ins on loopback (see `tests/stores.rs`); what goes wrong does so on the way
//! to them, at a call of a certain number. Projects of Label Studio have `tests/exactly_once.rs`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    unsafe_code,
    reason = "a test says what it expects, and fails where it is not so"
)]

mod common;
#[path = "sinks/faults.rs"]
mod faults;
#[path = "sinks/full.rs"]
mod full;
#[path = "stores/gcs.rs"]
mod gcs;
#[path = "sinks/kills.rs"]
mod kills;
#[path = "stores/misbehaving.rs"]
mod misbehaving;
#[path = "sinks/places.rs"]
mod places;
#[path = "common/real_label_studio.rs"]
mod real_label_studio;
#[path = "common/redis_server.rs"]
mod redis_server;
#[path = "stores/servers.rs"]
#[allow(dead_code, reason = "the suite of sources uses the rest")]
mod servers;
#[path = "sinks/sources.rs"]
mod sources;
#[path = "sinks/sync.rs"]
mod sync;
#[path = "stores/way.rs"]
mod way;

use std::path::Path;

use places::all;

/// Where the repository is.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program with nothing in its environment that leads to a store.
fn sluice() -> std::process::Command {
    let mut command = common::sluice();
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["AWS_", "AZURE_", "GOOGLE_"]
            .iter()
            .any(|p| name.starts_with(p))
        {
            command.env_remove(&*name);
        }
    }
    command.env("HOME", "/nonexistent");
    command
}

#[test]
fn a_run_brings_every_task_once_and_the_same_run_again_writes_nothing() {
    for place in all() {
        let ran = place.run("whole", None);
        assert_eq!(ran.code(), 0, "{place:?}: {}", ran.stderr);
        assert_eq!(place.tasks("whole"), places::expected(), "{place:?}");
        let before = place.stamps("whole");
        assert!(before.len() >= 60, "{place:?}: {before:?}");
        let ran = place.run("whole", None);
        if place.goes_on() {
            assert_eq!(ran.code(), 0, "{place:?}: {}", ran.stderr);
        } else {
            // A folder that holds a run is not taken for another.
            assert_eq!(ran.code(), 2, "{place:?}: {}", ran.stderr);
        }
        assert_eq!(place.stamps("whole"), before, "{place:?}");
    }
}

#[test]
fn standard_output_has_every_task_once_or_the_run_fails() {
    let (dir, source) = places::source();
    let mut command = sluice();
    command.arg("import").arg(&source).args(["--to", "-"]);
    let ran = common::run(&mut command, common::PATIENCE);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let lines = String::from_utf8(ran.stdout).unwrap();
    let lines: Vec<_> = lines.lines().map(str::to_owned).collect();
    assert_eq!(lines, places::expected());

    // Full, and closed.
    for end in [">/dev/full", "| true"] {
        let mut shell = std::process::Command::new("bash");
        let line = format!(
            "set -o pipefail; '{}' import big.jsonl --to - {end}",
            env!("CARGO_BIN_EXE_sluice")
        );
        let big: String = (0..20_000)
            .map(|n| format!("{{\"text\":\"line {n}\"}}\n"))
            .collect();
        common::write(dir.path(), "big.jsonl", big);
        shell
            .current_dir(dir.path())
            .args(["-c", &line])
            .stdin(std::process::Stdio::null());
        let ran = common::run(&mut shell, common::PATIENCE);
        assert_eq!(ran.code(), 1, "{end}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("error[target-write]"),
            "{end}: {}",
            ran.stderr
        );
    }
}
