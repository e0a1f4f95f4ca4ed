//! What a push holds in memory.

use std::time::Duration;

use object_store::ObjectStoreExt;
use serde_json::json;

use crate::common;
use crate::fake_label_studio::{Fake, Faults, Options};
use crate::servers::{gcs, now};

/// What a push holds in memory is an import that is sent, one that is read, and what is known of all: here of 20,000, of
/// which three are as large as imports are.
#[test]
fn a_run_of_20000_imports_takes_less_than_200_mb() {
    const IMPORTS: usize = 20_000;
    /// Up to here all are right: the run ends there, since nobody wants to wait for the rest.
    const WRONG: usize = 100;
    let store = gcs();
    let large = |number: usize| {
        let texts = (0..4_500).map(|task| {
            format!(
                "{{\"data\":{{\"text\":\"{number} {task} {}\"}}}}",
                "x".repeat(9_900)
            )
        });
        format!("[{}]", texts.collect::<Vec<_>>().join(",")).into_bytes()
    };
    let small = |number: usize| format!("[{{\"data\":{{\"text\":\"{number}\"}}}}]").into_bytes();
    let place = |record: usize| json!({"source": 0, "record": record, "line": record, "byte": 10_000 * record});
    let (mut listed, mut all, mut objects) = (Vec::new(), 0, Vec::new());
    for number in 1..=IMPORTS {
        let body = if number <= 3 {
            large(number)
        } else {
            small(number)
        };
        let tasks = if number <= 3 { 4_500 } else { 1 };
        let mut blake3 = blake3::hash(&body).to_hex().to_string();
        if number == WRONG {
            blake3.replace_range(..2, "zz");
        }
        let name = format!(
            "shard-00000-of-00001/import-{number:06}-{}.json",
            &blake3[..16]
        );
        let (first, last) = (place(all + 1), place(all + tasks));
        listed.push(json!({"name": name, "number": number, "tasks": tasks, "bytes": body.len(), "blake3": blake3,
            "first": first, "last": last, "next": place(all + tasks + 1)}));
        all += tasks;
        objects.push((format!("huge/{name}"), body));
    }
    let manifest = json!({"version": 1, "run": "20261122-000000-abcdef", "complete": true, "plan": "0".repeat(64),
        "sources": ["one.jsonl"], "max_tasks": 250_000, "max_bytes": 50_000_000, "records": all, "tasks": all,
        "rejects": 0, "bytes": 0, "imports": listed});
    objects.push((
        "huge/manifest.json".to_owned(),
        serde_json::to_vec_pretty(&manifest).expect("JSON"),
    ));
    now(async {
        use futures::StreamExt;
        let put = objects.into_iter().map(|(key, body)| async move {
            let path = object_store::path::Path::from(key);
            store
                .client
                .put(&path, body.into())
                .await
                .expect("it is put");
        });
        futures::stream::iter(put)
            .buffer_unordered(8)
            .collect::<Vec<()>>()
            .await;
    });
    let options = Options {
        task_time: Duration::ZERO,
        ..Options::default()
    };
    let fake = Fake::on_thread(Faults::none(), options);
    let state = common::temp();
    let mut sluice = store.sluice();
    sluice.env("LABEL_STUDIO_API_KEY", fake.token());
    sluice.args([
        "push",
        "gs://sluice/huge",
        "--to",
        &format!("{}/projects/1", fake.address()),
    ]);
    sluice
        .args(["--interval", "0", "--state-dir"])
        .arg(state.path());
    let ran = common::run(&mut sluice, Duration::from_mins(5));
    println!("peak {} MB, {:?}", ran.peak / 1_000_000, ran.took);
    assert_eq!(ran.code(), 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("its BLAKE3 is another"),
        "{}",
        ran.stderr
    );
    let uploads = fake.history();
    let largest = uploads.iter().map(|one| one.body_bytes).max();
    assert!(largest > Some(40_000_000), "{largest:?}");
    assert!(ran.peak < 200_000_000, "{} MB", ran.peak / 1_000_000);
}
