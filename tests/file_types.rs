//! What becomes of files: as Label Studio has it, case by case, and what is done otherwise on purpose.
//!
//! The cases are recorded from a real server (`label-studio-conformance`, beside the corpora; its README says what each
//! field means): what it stored is what sluice sends, to the digit, and where it refuses or breaks, sluice refuses with a
//! place and a reason and sends nothing. [`different::DIFFERENT`] is the only list of exceptions.
#![allow(
    unsafe_code,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests measure their children by wait4, and say when they fail"
)]

mod common;
#[path = "file_types/different.rs"]
mod different;
#[path = "common/library.rs"]
mod library;
#[path = "file_types/properties.rs"]
mod properties;
#[path = "file_types/same.rs"]
mod same;
#[path = "file_types/words.rs"]
mod words;

use std::path::{Path, PathBuf};

use serde_json::Value;
use serde_json::value::RawValue;

use common::{PATIENCE, Target};
use different::{DIFFERENT, NOTHING};

/// What the server made of a case.
#[derive(serde::Deserialize)]
struct About {
    status: u32,
    #[serde(default)]
    raw_stored_json: Vec<String>,
    #[serde(default)]
    error: Value,
}

/// What became of a source.
#[derive(Debug)]
pub enum Outcome {
    /// The data of each task.
    Tasks(Vec<Box<RawValue>>),
    /// No task, and nothing wrong.
    Nothing,
    /// An error, or rejects, by their first code.
    Refused(String),
}

impl Outcome {
    fn is(&self, other: &Outcome) -> bool {
        match (self, other) {
            (Outcome::Tasks(ours), Outcome::Tasks(theirs)) => {
                ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| same::same(a, b))
            }
            (Outcome::Refused(_), Outcome::Refused(_)) | (Outcome::Nothing, Outcome::Nothing) => {
                true
            }
            _ => false,
        }
    }

    fn is_as_listed(&self, listed: &different::Ours) -> bool {
        match (self, listed) {
            (Outcome::Tasks(ours), different::Ours::Tasks(theirs)) => {
                ours.len() == theirs.len() && ours.iter().zip(*theirs).all(|(a, b)| a.get() == *b)
            }
            (Outcome::Refused(code), different::Ours::Refused(listed)) => code == listed,
            _ => false,
        }
    }
}

fn shared(name: &str) -> PathBuf {
    let corpora = std::env::var_os("SLUICE_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora"),
        PathBuf::from,
    );
    let folder = corpora.join(name);
    assert!(
        folder.is_dir(),
        "{} is not there: name the folder of the corpora with SLUICE_CORPORA=/path/to/corpora",
        folder.display()
    );
    folder
}

/// Imports files with a labelling config, as much like the server as the flags allow.
fn import(files: &[PathBuf], config: &Path) -> Outcome {
    let place = common::temp();
    let target = place.path().join("out");
    let mut command = common::sluice();
    command
        .arg("import")
        .args(files)
        .arg("--label-config")
        .arg(config);
    command.arg("--to").arg(&target).arg("--quiet");
    command.args(["--media-url", "/data/upload/{project}/"]);
    command.args(["--csv-types", "label-studio", "--max-rejects", "0"]);
    if files
        .iter()
        .any(|file| file.extension().is_some_and(|e| e == "txt"))
    {
        command.args(["--lines", "label-studio"]);
    }
    let ran = common::run(&mut command, PATIENCE);
    assert_eq!(ran.misbehaviour(), None, "{files:?}");
    let told = Target::read(&target);
    match ran.code() {
        0 => {
            let data: Vec<_> = told
                .expect("a target")
                .data()
                .iter()
                .map(same::object)
                .collect();
            if data.is_empty() {
                Outcome::Nothing
            } else {
                Outcome::Tasks(data)
            }
        }
        4 if told.as_ref().is_ok_and(|told| !told.rejects.is_empty()) => {
            let target = told.expect("a target");
            assert!(target.data().is_empty(), "{files:?}: something was sent");
            let reject = &target.rejects[0];
            let reason = reject["reason"].as_str().expect("a reason");
            assert!(
                !reason.is_empty() && reject["byte"].is_u64(),
                "{files:?}: {reject}"
            );
            Outcome::Refused(reject["code"].as_str().expect("a code").to_owned())
        }
        _ => {
            let sent = told.is_ok_and(|told| !told.data().is_empty());
            assert!(!sent, "{files:?}: something was sent");
            assert!(
                ran.stderr.contains("\n  --> "),
                "{files:?} has no place: {}",
                ran.stderr
            );
            let code = ran
                .stderr
                .strip_prefix("error[")
                .and_then(|rest| rest.split_once(']'));
            Outcome::Refused(code.expect("an error has a code").0.to_owned())
        }
    }
}

#[test]
fn every_case_is_as_the_server_has_it_or_listed() {
    let folder = shared("../label-studio-conformance");
    let (mut faults, mut compared, mut listed) = (Vec::new(), 0, Vec::new());
    for case in common::names(&folder) {
        if case == "README.md" {
            continue;
        }
        let about = std::fs::read_to_string(folder.join(&case).join("expected.json"))
            .expect("expected.json");
        // Half of a surrogate pair is no text; such a case is refused.
        let about: About =
            serde_json::from_str(&about.replace("\\ud800", "\\ufffd")).expect("JSON");
        let theirs = if about.status == 201 {
            Outcome::Tasks(
                about
                    .raw_stored_json
                    .iter()
                    .map(|task| same::stored(task))
                    .collect(),
            )
        } else {
            Outcome::Refused(about.error.to_string())
        };
        let mut files: Vec<_> = common::names(&folder.join(&case))
            .into_iter()
            .filter(|name| !["expected.json", "label_config.xml"].contains(&name.as_str()))
            .map(|name| folder.join(&case).join(name))
            .collect();
        files.sort();
        let ours = import(&files, &folder.join(&case).join("label_config.xml"));
        compared += 1;
        let different = DIFFERENT.iter().find(|(name, ..)| *name == case);
        match different {
            Some((_, as_listed, _)) if ours.is_as_listed(as_listed) && !ours.is(&theirs) => {
                listed.push(case)
            }
            None if ours.is(&theirs) => {}
            _ => faults.push(format!(
                "{case}: {ours:?}\n    the server: {theirs:?}\n    the list: {different:?}"
            )),
        }
    }
    assert!(
        faults.is_empty(),
        "{} of {compared}:\n{}",
        faults.len(),
        faults.join("\n")
    );
    let unused: Vec<_> = DIFFERENT
        .iter()
        .filter(|(name, ..)| !listed.iter().any(|l| l == name))
        .collect();
    assert!(unused.is_empty(), "listed, and not met: {unused:?}");
    assert!(compared >= 184, "{compared} cases are too few");
}

#[test]
fn the_readme_lists_what_is_different() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).expect("README.md");
    let reasons = DIFFERENT.iter().map(|(_, _, why)| *why);
    for why in reasons.chain(NOTHING.iter().map(|(_, why)| *why)) {
        assert!(
            readme.contains(&format!("| {why} |")),
            "not in the README: {why}"
        );
    }
}

#[test]
fn the_upload_tests_of_label_studio_come_to_the_same() {
    let text = std::fs::read_to_string(shared("label-studio-import-cases").join("cases.json"))
        .expect("cases");
    let about: Value = serde_json::from_str(&text).expect("JSON");
    let place = common::temp();
    let config = common::write(
        place.path(),
        "config.xml",
        about["label_config"].as_str().expect("a config"),
    );
    let cases = about["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 17);
    for (number, case) in cases.iter().enumerate() {
        let id = case["id"].as_str().expect("an id");
        let name = format!("{number}.{}", case["file_type"].as_str().expect("a type"));
        let file = common::write(place.path(), name, case["body"].as_str().expect("a body"));
        let ours = import(&[file], &config);
        let wanted = case["expect"]["task_count"].as_u64().expect("a count");
        match (case["expect"]["status_code"].as_u64(), &ours) {
            (Some(201), Outcome::Tasks(tasks)) => assert_eq!(tasks.len() as u64, wanted, "{id}"),
            (Some(400), Outcome::Refused(_)) => {}
            (Some(400), Outcome::Nothing) if NOTHING.iter().any(|(name, _)| *name == id) => {}
            _ => panic!("{id}: {ours:?}"),
        }
    }
}
