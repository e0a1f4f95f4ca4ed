//! What a push asks of a store: the cost model of the README rests on these counts.

use std::collections::BTreeMap;

use crate::common;
use crate::fake_label_studio::{Fake, Faults, Options};
use crate::gcs::heard;
use crate::kills::{TASKS, lock, pack, push_for};
use crate::servers::{Store, gcs};

/// Requests of one push: of objects, of the journal's copy and of the lease, by method.
type Asked = BTreeMap<(&'static str, String), usize>;

fn requests(store: &Store, run: &str, imports: usize) -> Asked {
    pack(store, run, imports * TASKS);
    let fake = Fake::on_thread(Faults::none(), Options::default());
    let (state, lock) = (common::temp(), lock(&fake));
    let before = heard().len();
    // Nothing is renewed for its age alone: that is three requests a lease time, whatever is sent meanwhile.
    let mut command = push_for(store, run, ("0", "1h"), &fake, state.path());
    let ran = common::run(&mut command, common::PATIENCE);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let mut asked = Asked::new();
    for (method, key) in heard().split_off(before) {
        let what = match &*key {
            key if *key == *lock => "lease",
            key if !key.contains(run) => continue,
            key if key.starts_with('?') => "listing",
            key if key.ends_with("/manifest.json") => "manifest",
            key if key.contains("/push/") => "journal",
            _ => "import",
        };
        *asked.entry((what, method)).or_default() += 1;
    }
    asked
}

#[test]
fn what_a_push_asks_of_its_store_is_what_the_cost_model_says() {
    let store = gcs();
    let few = requests(store, "requests/few", 4);
    let many = requests(store, "requests/many", 14);
    println!("4 imports: {few:?}\n14 imports: {many:?}");
    let of = |asked: &Asked, what: &'static str, method: &str| {
        asked.get(&(what, method.to_owned())).copied().unwrap_or(0)
    };
    let each = |what: &'static str, method: &str| {
        let (few, many) = (of(&few, what, method), of(&many, what, method));
        (many - few) as f64 / 10.0
    };
    // Once a run: the manifest, and a page of the listing for a thousand objects.
    for asked in [&few, &many] {
        assert_eq!(of(asked, "manifest", "GET"), 1, "{asked:?}");
        assert_eq!(of(asked, "listing", "GET"), 1, "{asked:?}");
        assert!(
            asked
                .keys()
                .all(|(_, method)| method == "GET" || method == "PUT"),
            "{asked:?}"
        );
    }
    // For each import.
    assert_eq!(each("import", "GET"), 1.0);
    assert_eq!(each("journal", "PUT"), 5.0);
    assert_eq!(each("journal", "GET"), 0.0);
    assert!(each("lease", "PUT") <= 2.0, "{few:?} {many:?}");
    assert_eq!(each("lease", "GET"), 0.0);
}
