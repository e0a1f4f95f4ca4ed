//! An indexed job that packs into a bucket: its processes may run twice, and only what is committed counts.

use std::process::{Child, Stdio};

use serde_json::Value;

use crate::servers::{self, Store};
use crate::targets::told;
use crate::{common, import_with, imports_of};

fn run(store: &Store, words: &[&str]) -> common::Ran {
    common::run(store.sluice().args(words), common::PATIENCE)
}

/// The tasks of the imports that a manifest names, in its order.
fn committed(store: &Store, prefix: &str) -> Vec<Value> {
    let manifest = store.get(&format!("{prefix}/manifest.json"));
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let imports = manifest["imports"].as_array().unwrap().iter();
    let bodies = imports.map(|import| {
        let name = import["name"].as_str().unwrap();
        store.get(&format!("{prefix}/{name}"))
    });
    bodies
        .flat_map(|body| serde_json::from_slice::<Vec<Value>>(&body).unwrap())
        .collect()
}

#[test]
fn a_job_is_committed_once_and_only_when_all_of_it_is_there() {
    let local = import_with(&[&common::data("penguins.csv").display().to_string()], &[]);
    let local: Vec<Value> = imports_of(&local)
        .iter()
        .flat_map(|(_, body)| serde_json::from_slice::<Vec<Value>>(body).unwrap())
        .collect();
    for store in servers::all() {
        store.put(
            "job-source/penguins.csv",
            std::fs::read(common::data("penguins.csv")).unwrap(),
        );
        let source = format!("{}/job-source/penguins.csv", store.root);
        let target = format!("{}/job", store.root);
        let start = |index: u32| {
            let shard = format!("{index}/4");
            let words = [
                "import",
                &source,
                "--to",
                &target,
                "--max-tasks",
                "50",
                "--shard",
                &shard,
            ];
            store
                .sluice()
                .args(words)
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let end = |process: Child| {
            let ended = process.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&ended.stderr);
            assert_eq!(ended.status.code(), Some(0), "{}: {said}", store.root);
        };
        // Two of them run twice, at the same time, and one once more when all have ended.
        let early: Vec<Child> = [0, 2, 2].map(start).into();
        early.into_iter().for_each(end);
        assert_eq!(run(store, &["commit", &target]).code(), 5);
        let others: Vec<Child> = [1, 3, 3].map(start).into();
        others.into_iter().for_each(end);
        let before = told(store, "job");
        end(start(0));
        assert_eq!(told(store, "job"), before, "{}", store.root);
        store.put(
            "job/shard-00001-of-00004/import-000042-0123456789abcdef.json",
            "[{}]",
        );
        for said in ["written", "was there already"] {
            let ran = run(store, &["commit", &target]);
            assert_eq!(ran.code(), 0, "{}: {}", store.root, ran.stderr);
            assert!(ran.stderr.contains(said), "{}", ran.stderr);
        }
        assert_eq!(committed(store, "job"), local, "{}", store.root);
        let removed = run(store, &["gc", &target]);
        let left = format!("{target}/shard-00001-of-00004/import-000042-0123456789abcdef.json\n");
        assert_eq!(String::from_utf8(removed.stdout).unwrap(), left);
        assert_eq!(committed(store, "job"), local, "{}", store.root);
    }
}
