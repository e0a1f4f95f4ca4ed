//! Prefixes in buckets as targets: every import there once, however often the command is run and whatever breaks.

use object_store::ObjectMeta;

use crate::servers::{self, Store, failing, s3};
use crate::{Imported, common, import_by, import_with, imports_of};

fn penguins() -> String {
    common::data("penguins.csv").display().to_string()
}

fn to(store: &Store, sources: &[&str], prefix: &str, flags: &[&str]) -> common::Ran {
    let mut sluice = store.sluice();
    sluice.arg("import").args(sources).args(flags);
    sluice.arg("--to").arg(format!("{}/{prefix}", store.root));
    common::run(&mut sluice, common::PATIENCE)
}

/// Everything below a prefix, as the store tells it: written once more it would be told otherwise.
pub fn told(store: &Store, prefix: &str) -> Vec<ObjectMeta> {
    use futures::TryStreamExt;
    let path = object_store::path::Path::parse(prefix).unwrap();
    let mut told =
        servers::now(async { store.client.list(Some(&path)).try_collect::<Vec<_>>().await })
            .unwrap();
    told.sort_by(|a, b| a.location.cmp(&b.location));
    told
}

/// That the objects below a prefix are the imports of a folder.
fn same(store: &Store, prefix: &str, local: &Imported) {
    let keys = store.keys(prefix);
    let imports: Vec<_> = keys.iter().filter(|key| key.contains("/import-")).collect();
    let bodies: Vec<_> = imports.iter().map(|key| store.get(key)).collect();
    let expected: Vec<_> = imports_of(local)
        .into_iter()
        .map(|(_, body)| body)
        .collect();
    assert!(bodies == expected, "{keys:?}");
    let manifest: serde_json::Value =
        serde_json::from_slice(&store.get(&format!("{prefix}/manifest.json"))).unwrap();
    let listed = manifest["imports"].as_array().unwrap();
    let names: Vec<_> = listed
        .iter()
        .map(|i| format!("{prefix}/{}", i["name"].as_str().unwrap()))
        .collect();
    assert!(names.iter().eq(imports), "{names:?}");
}

#[test]
fn a_run_that_is_repeated_writes_nothing_twice() {
    let source = penguins();
    let flags = ["--max-tasks", "100"];
    let local = import_with(&[&source], &flags);
    for store in servers::all() {
        let ran = to(store, &[&source], "twice", &flags);
        assert_eq!(ran.code(), 0, "{}: {}", store.root, ran.stderr);
        same(store, "twice", &local);
        let before = told(store, "twice");
        let ran = to(store, &[&source], "twice", &flags);
        assert_eq!(ran.code(), 0, "{}: {}", store.root, ran.stderr);
        assert!(told(store, "twice") == before, "{}", store.root);

        // As a run that was cut off leaves it.
        for gone in ["twice/manifest.json", before[1].location.as_ref()] {
            store.delete(gone);
        }
        let ran = to(store, &[&source], "twice", &flags);
        assert_eq!(ran.code(), 0, "{}: {}", store.root, ran.stderr);
        same(store, "twice", &local);
        let untouched = |told: Vec<ObjectMeta>| told.into_iter().next();
        assert!(
            untouched(told(store, "twice")) == untouched(before),
            "{}",
            store.root
        );

        // Another run's imports are no place for this one's.
        let before = told(store, "twice");
        let other = to(store, &[&source], "twice", &["--max-tasks", "50"]);
        assert_eq!(other.code(), 2, "{}: {}", store.root, other.stderr);
        assert!(other.stderr.contains("of another run"), "{}", other.stderr);
        assert!(told(store, "twice") == before, "{}", store.root);
        let over = to(
            store,
            &[&source],
            "twice",
            &["--max-tasks", "100", "--overwrite"],
        );
        assert_eq!(over.code(), 0, "{}: {}", store.root, over.stderr);
        same(store, "twice", &local);
    }
}

#[test]
fn whichever_connection_breaks_every_import_is_there_once() {
    let source = penguins();
    let flags = ["--max-tasks", "100"];
    let local = import_with(&[&source], &flags);
    let store = s3();
    for k in 1..=6 {
        let way = failing(&store.settings["AWS_ENDPOINT_URL"], k);
        let prefix = format!("broken-{k}");
        let mut sluice = store.sluice();
        sluice.env("AWS_ENDPOINT_URL", way);
        sluice.args(["import", &source, "--max-tasks", "100", "--to"]);
        sluice.arg(format!("s3://sluice/{prefix}"));
        let ran = common::run(&mut sluice, common::PATIENCE);
        assert_eq!(ran.code(), 0, "{k}: {}", ran.stderr);
        same(store, &prefix, &local);
    }
}

#[test]
fn a_large_import_is_put_in_parts() {
    let folder = common::temp();
    let text = "x".repeat(1_000);
    let body: String = (0..12_000)
        .map(|i| format!("{{\"n\":{i},\"text\":\"{text}\"}}\n"))
        .collect();
    let file = common::write(folder.path(), "large.jsonl", body);
    let local = import_with(&[file.to_str().unwrap()], &[]);
    for store in servers::all() {
        let ran = to(store, &[file.to_str().unwrap()], "large", &[]);
        assert_eq!(ran.code(), 0, "{}: {}", store.root, ran.stderr);
        same(store, "large", &local);
    }
}

#[test]
fn rejects_are_put_beside_the_imports_and_a_prefix_of_others_is_left_alone() {
    let folder = common::temp();
    let file = common::write(
        folder.path(),
        "some.jsonl",
        "{\"a\":1}\n{\"a\":\n{\"a\":3}\n",
    );
    let store = s3();
    let ran = to(store, &[file.to_str().unwrap()], "rejects", &[]);
    assert_eq!(ran.code(), 3, "{}", ran.stderr);
    let rejects = String::from_utf8(store.get("rejects/rejects.jsonl")).unwrap();
    assert!(rejects.contains("json-syntax"), "{rejects}");
    store.put("others/precious.txt", "mine");
    let ran = to(store, &[file.to_str().unwrap()], "others", &[]);
    assert_eq!(ran.code(), 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("already holds `precious.txt`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_storage_has_one_object_for_each_task() {
    let source = penguins();
    let flags = ["--layout", "storage", "--max-tasks", "100"];
    let local = import_with(&[&source], &[]);
    let store = s3();
    for _ in 0..2 {
        let ran = to(store, &[&source], "storage", &flags);
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
    }
    assert_eq!(store.keys("storage/tasks").len(), 344);
    let first: serde_json::Value =
        serde_json::from_slice(&store.get(&store.keys("storage/tasks")[0])).unwrap();
    assert_eq!(first["data"]["species"], "Adelie");
    let back = import_by(&mut store.sluice(), &["s3://sluice/storage/tasks/"], &[]);
    assert_eq!(back.ran.code(), 0, "{}", back.ran.stderr);
    assert!(imports_of(&back) == imports_of(&local));
    let mut stdout = store.sluice();
    stdout.args(["import", &source, "--to", "-", "--layout", "storage"]);
    let ran = common::run(&mut stdout, common::PATIENCE);
    assert_eq!(ran.code(), 2, "{}", ran.stderr);
}
