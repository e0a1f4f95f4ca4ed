//! What schedulers rest on: options from a file and the environment, runs by their ids, the last line, exit codes, and
//! the recipes of the README, run as far as a machine without the schedulers can.
#![allow(
    unsafe_code,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests measure their children by wait4, and say when they fail"
)]

#[path = "batch_jobs/bench.rs"]
mod bench;
mod common;
#[path = "batch_jobs/recipes.rs"]
mod recipes;
#[path = "batch_jobs/run_ids.rs"]
mod run_ids;
#[path = "batch_jobs/settings.rs"]
mod settings;

use std::path::Path;
use std::process::Command;

use common::{PATIENCE, Ran};
use serde_json::Value;

/// `sluice` in a folder, with a journal of its own.
fn command(dir: &Path, words: &[&str]) -> Command {
    let mut command = common::sluice();
    command
        .args(words)
        .current_dir(dir)
        .env("SLUICE_STATE_DIR", dir.join("state"));
    command
}

fn sluice(dir: &Path, words: &[&str]) -> Ran {
    ran(&mut command(dir, words))
}

fn ran(command: &mut Command) -> Ran {
    let ran = common::run(command, PATIENCE);
    assert_eq!(ran.misbehaviour(), None, "{}", ran.stderr);
    ran
}

fn text(ran: &Ran) -> String {
    String::from_utf8(ran.stdout.clone()).expect("UTF-8")
}

/// The last line of standard output, which is to be JSON, and to agree with how the process ended.
fn last(ran: &Ran) -> Value {
    let said = text(ran);
    let line = said
        .lines()
        .last()
        .unwrap_or_else(|| panic!("no line\n{}", ran.stderr));
    let value: Value = serde_json::from_str(line).expect(line);
    assert!(said.ends_with('\n'));
    assert_eq!(value["version"], 1);
    assert_eq!(value["exit_code"], ran.code(), "{}", ran.stderr);
    assert_eq!(
        value["error"].is_null(),
        matches!(ran.code(), 0 | 3),
        "{line}"
    );
    value
}

fn lines(tasks: std::ops::Range<u32>) -> String {
    tasks.map(|n| format!("{{\"text\":\"t{n}\"}}\n")).collect()
}

/// The tasks in the imports of a folder, in order.
fn tasks(folder: &Path) -> Vec<Value> {
    let names = common::names(folder).into_iter();
    let imports = names.filter(|name| name.starts_with("import-"));
    let read = |name: String| {
        let json = std::fs::read(folder.join(name)).expect("an import");
        serde_json::from_slice::<Vec<Value>>(&json).expect("tasks")
    };
    imports
        .flat_map(read)
        .map(|task| task["data"]["text"].clone())
        .collect()
}
