//! What is done about a run after it was pushed from a bucket: told, verified and taken back, from any machine.

use std::path::Path;

use crate::common::{self, Ran};
use crate::fake_label_studio::{Fake, Faults, Options};
use crate::kills::{TASKS, lease, lock, pack, push_for, stored};
use crate::servers::{Store, gcs};

/// Runs a command of a machine with this state.
fn ran(store: &Store, fake: &Fake, state: &Path, words: &[&str]) -> Ran {
    let mut sluice = store.sluice();
    sluice.env("LABEL_STUDIO_API_KEY", fake.token());
    sluice.args(words).arg("--state-dir").arg(state);
    common::run(&mut sluice, common::PATIENCE)
}

/// The id of the one run that a machine knows of.
fn only_run(store: &Store, fake: &Fake, state: &Path) -> String {
    let told = ran(store, fake, state, &["runs", "--json"]);
    assert_eq!(told.code(), 0, "{}", told.stderr);
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).expect("JSON");
    assert_eq!(told.as_array().map(Vec::len), Some(1), "{told}");
    told[0]["run"].as_str().expect("an id").to_owned()
}

#[test]
fn a_pushed_run_is_verified_and_taken_back_by_its_id_or_by_what_was_pushed_wherever() {
    let store = gcs();
    let packed = format!("{}/after/run", store.root);
    pack(store, "after/run", 3 * TASKS);
    let fake = Fake::on_thread(Faults::none(), Options::default());
    let machines = common::temp();
    let [first, second, third] =
        ["first", "second", "third"].map(|name| machines.path().join(name));
    let done = common::run(
        &mut push_for(store, "after/run", ("0", "30s"), &fake, &first),
        common::PATIENCE,
    );
    assert_eq!(done.code(), 0, "{}", done.stderr);

    // By its id, where it was pushed: nobody has to know where its journal is.
    let run = only_run(store, &fake, &first);
    let shown = ran(store, &fake, &first, &["runs", "show", &run]);
    assert_eq!(shown.code(), 0, "{}", shown.stderr);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("tasks    60 in 3 imports"), "{shown}");
    let verified = ran(
        store,
        &fake,
        &first,
        &["verify", &run[..12], "--deep", "--interval", "0"],
    );
    assert_eq!(verified.code(), 0, "{}", verified.stderr);

    // By what was pushed, where nothing is known; what is not right is mended there, and the journal goes back.
    fake.change(1, |project| drop(project.tasks.remove(0)));
    let looked = ran(
        store,
        &fake,
        &second,
        &["verify", &packed, "--interval", "0"],
    );
    assert_eq!(looked.code(), 7, "{}", looked.stderr);
    let mended = ran(
        store,
        &fake,
        &second,
        &["verify", &packed, "--repair", "--interval", "0"],
    );
    assert_eq!(mended.code(), 0, "{}", mended.stderr);
    fake.stored_equals(&stored(3 * TASKS))
        .expect("all is there once");
    assert_eq!(only_run(store, &fake, &second), run);

    // While another machine has the server's lease, nothing is touched.
    let path = lock(&fake);
    let given_back = store.get(&path);
    let there = lease(store, &fake).expect("a lease");
    let mut other = serde_json::to_value(&there).expect("JSON");
    other["holder"] = "process 1 on elsewhere".into();
    other["held"] = true.into();
    other["length_ms"] = 3_600_000.into();
    store.put(&path, serde_json::to_vec(&other).expect("JSON"));
    let renewed = std::thread::spawn({
        let (path, mut other) = (path.clone(), other);
        move || {
            std::thread::sleep(std::time::Duration::from_millis(500));
            other["sequence"] = 1_000.into();
            gcs().put(&path, serde_json::to_vec(&other).expect("JSON"));
        }
    });
    let refused = ran(store, &fake, &third, &["undo", &packed, "--yes"]);
    renewed.join().expect("it is put");
    assert_eq!(refused.code(), 5, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("process 1 on elsewhere"),
        "{}",
        refused.stderr
    );
    assert_eq!(fake.project(1).tasks.len(), 3 * TASKS);
    store.put(&path, given_back);

    // Taken back elsewhere; the machine that pushed it hears of that.
    let undone = ran(store, &fake, &third, &["undo", &packed, "--yes"]);
    assert_eq!(undone.code(), 0, "{}", undone.stderr);
    assert_eq!(fake.project(1).tasks.len(), 0);
    let gone = ran(store, &fake, &first, &["verify", &run, "--interval", "0"]);
    assert_eq!(gone.code(), 2, "{}", gone.stderr);
    assert!(gone.stderr.contains("was taken back"), "{}", gone.stderr);
    let again = common::run(
        &mut push_for(store, "after/run", ("0", "30s"), &fake, &first),
        common::PATIENCE,
    );
    assert_eq!(again.code(), 0, "{}", again.stderr);
    fake.stored_equals(&stored(3 * TASKS))
        .expect("all is there once more");
}

#[test]
fn what_was_never_pushed_is_no_run() {
    let store = gcs();
    pack(store, "never/run", TASKS);
    let fake = Fake::on_thread(Faults::none(), Options::default());
    let state = common::temp();
    let packed = format!("{}/never/run", store.root);
    let looked = ran(
        store,
        &fake,
        state.path(),
        &["verify", &packed, "--interval", "0"],
    );
    assert_eq!(looked.code(), 2, "{}", looked.stderr);
    let said = format!("nothing was pushed from `{packed}`");
    assert!(looked.stderr.contains(&said), "{}", looked.stderr);
}
