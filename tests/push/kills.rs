//! Two pushers on machines of their own, one killed after the other: every task once, and no two imports too close.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use object_store::ObjectStoreExt;
use serde_json::{Value, json};
use sluice::deliver::lease::{Record, name};
use sluice::label_studio::address::Address;

use crate::common;
use crate::fake_label_studio::{Call, Fake, Faults, Options, Prng, no_overlap, spaced};
use crate::servers::{Store, now, s3};

const INTERVAL: Duration = Duration::from_millis(700);

/// Tasks of an import.
pub const TASKS: usize = 20;

/// Everything must be over by then.
const PATIENCE: Duration = Duration::from_mins(5);

pub fn text(number: usize) -> Value {
    json!({"text": format!("text {number}")})
}

/// What is stored of so many tasks.
pub fn stored(count: usize) -> Vec<Value> {
    (0..count)
        .map(|number| json!({"data": text(number)}))
        .collect()
}

/// Packs so many tasks into a bucket.
pub fn pack(store: &Store, run: &str, count: usize) {
    let folder = common::temp();
    let lines: String = (0..count)
        .map(|number| format!("{}\n", text(number)))
        .collect();
    let file = common::write(folder.path(), "texts.jsonl", lines);
    let mut sluice = store.sluice();
    sluice
        .arg("import")
        .arg(file)
        .args(["--max-tasks", &TASKS.to_string()]);
    sluice.args(["--to", &format!("{}/{run}", store.root)]);
    let ran = common::run(&mut sluice, common::PATIENCE);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
}

/// The command that pushes a run to the first project of a server.
fn push(store: &Store, run: &str, interval: &str, fake: &Fake, state: &Path) -> Command {
    push_for(store, run, (interval, "3s"), fake, state)
}

/// The same with an interval and a lease time.
pub fn push_for(
    store: &Store,
    run: &str,
    (interval, lease_time): (&str, &str),
    fake: &Fake,
    state: &Path,
) -> Command {
    let mut sluice = store.sluice();
    sluice.env("LABEL_STUDIO_API_KEY", fake.token());
    sluice.args(["push", &format!("{}/{run}/manifest.json", store.root)]);
    sluice.args(["--to", &format!("{}/projects/1", fake.address())]);
    sluice.args(["--interval", interval, "--lease-time", lease_time]);
    // The server that is spoken to is never busy for long.
    sluice.args(["--late", "5s"]);
    sluice.args(["--max-tasks", &TASKS.to_string(), "--state-dir"]);
    sluice.arg(state);
    sluice
}

/// The key of a server's lease in a bucket.
pub fn lock(fake: &Fake) -> String {
    let address = Address::parse(&format!("{}/projects/1", fake.address())).expect("an address");
    format!("locks/{}", name(&address.server_key()))
}

/// The lease as it is now.
pub fn lease(store: &Store, fake: &Fake) -> Option<Record> {
    let path = object_store::path::Path::from(lock(fake));
    let got = now(async { store.client.get(&path).await?.bytes().await }).ok()?;
    Some(Record::parse(&got, "the lease").expect("a lease"))
}

fn commits(fake: &Fake) -> usize {
    let history = fake.history();
    let answered = history.iter().filter(|one| one.call == Call::Reimport);
    answered.count()
}

/// What one pusher's commands came to.
#[derive(Debug, Default)]
struct Told {
    codes: Vec<Option<i32>>,
    said: Vec<String>,
}

/// Starts the command, each time on what looks like another machine, until it says that all is there.
fn again_and_again(store: &Store, fake: &Fake, over: &AtomicBool) -> Told {
    let mut told = Told::default();
    while !over.load(Ordering::Relaxed) {
        let state = common::temp();
        let mut command = push(store, "kills/run", "700ms", fake, &state.path().join("new"));
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let child: Child = command.spawn().expect("the binary starts");
        let ended = child.wait_with_output().expect("it ends");
        told.codes.push(ended.status.code());
        told.said
            .push(String::from_utf8_lossy(&ended.stderr).into_owned());
        if ended.status.code() == Some(0) {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    told
}

#[test]
fn killed_five_times_on_machines_that_know_nothing_every_task_is_there_once() {
    let count = 9 * TASKS;
    let store = s3();
    pack(store, "kills/run", count);
    let options = Options {
        request_time: Duration::from_millis(150),
        ..Options::default()
    };
    let fake = Fake::on_thread(Faults::none(), options);
    let (over, began) = (AtomicBool::new(false), Instant::now());
    let mut prng = Prng::new(std::process::id().into());
    let mut killed = BTreeSet::new();
    let [one, other] = thread::scope(|scope| {
        let pushers = [(); 2].map(|()| scope.spawn(|| again_and_again(store, &fake, &over)));
        while killed.len() < 5 && began.elapsed() < PATIENCE {
            let due = 1 + 3 * killed.len() / 2;
            let holder = lease(store, &fake).filter(|lease| lease.held);
            let pid = holder.and_then(|lease| lease.holder.split(' ').nth(1)?.parse::<i32>().ok());
            let Some(pid) = pid.filter(|pid| commits(&fake) >= due && !killed.contains(pid)) else {
                thread::sleep(Duration::from_millis(10));
                continue;
            };
            thread::sleep(Duration::from_millis(prng.below(900)));
            common::signal(pid, libc::SIGKILL);
            killed.insert(pid);
        }
        while pushers.iter().any(|one| !one.is_finished()) && began.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(20));
        }
        over.store(true, Ordering::Relaxed);
        pushers.map(|one| one.join().expect("no one panicked"))
    });
    let said = format!("{one:#?}\n{other:#?}");
    println!("{:?}: {:?} {:?}", began.elapsed(), one.codes, other.codes);
    assert_eq!(killed.len(), 5, "{said}");
    fake.stored_equals(&stored(count))
        .unwrap_or_else(|why| panic!("{why}\n{said}"));
    let history = fake.history();
    no_overlap(&history).unwrap_or_else(|why| panic!("{why}\n{said}"));
    spaced(&history, INTERVAL).unwrap_or_else(|why| panic!("{why}\n{said}"));

    let codes: Vec<_> = one.codes.iter().chain(&other.codes).collect();
    assert_eq!(
        codes.iter().filter(|code| code.is_none()).count(),
        5,
        "{said}"
    );
    assert_eq!(
        codes.iter().filter(|code| ***code == Some(0)).count(),
        2,
        "{said}"
    );
    assert!(
        codes.iter().all(|code| matches!(code, None | Some(0 | 5))),
        "{said}"
    );
    assert!(said.contains("another sluice imports into"), "{said}");
    assert!(said.contains("goes on:"), "{said}");
    // One run, whoever pushed it; and its journal is that of all.
    let kept = store.keys("kills/run/push");
    assert!(
        matches!(&kept[..], [one] if one.ends_with("/journal.sqlite3.zst")),
        "{kept:?}"
    );
    let database = zstd::decode_all(&store.get(&kept[0])[..]).expect("zstd -d opens it");
    assert!(database.starts_with(b"SQLite format 3\0"));
    assert!(memchr::memmem::find(&database, fake.token().as_bytes()).is_none());
    let last = lease(store, &fake).expect("a lease");
    assert!(!last.held && last.fence >= 6, "{last:?}");
}

#[test]
fn what_is_not_as_the_manifest_says_is_not_sent() {
    let store = s3();
    pack(store, "damaged/run", 3 * TASKS);
    let fake = Fake::on_thread(Faults::none(), Options::default());
    let state = common::temp();
    let run = || {
        let mut command = push_for(store, "damaged/run", ("0", "30s"), &fake, state.path());
        common::run(&mut command, common::PATIENCE)
    };
    let keys = store.keys("damaged/run");
    let third = keys
        .iter()
        .find(|key| key.contains("import-000003"))
        .expect("it is there");
    let whole = store.get(third);
    let mut other = whole.clone();
    let at = other.iter().position(|byte| *byte == b'5').expect("a five");
    other[at] = b'6';
    store.put(third, other);
    let ran = run();
    assert_eq!(ran.code(), 1, "{}", ran.stderr);
    let said = [
        "error[source-changed]: it is not what the manifest says: its BLAKE3 is another",
        third,
    ];
    assert!(
        said.iter().all(|said| ran.stderr.contains(said)),
        "{}",
        ran.stderr
    );
    let there = fake.project(1).tasks.len();
    assert!(there <= 2 * TASKS, "{there}");

    store.put(third, &whole[1..]);
    let ran = run();
    assert_eq!(ran.code(), 1, "{}", ran.stderr);
    let said = format!("it has {} bytes, not {}", whole.len() - 1, whole.len());
    assert!(ran.stderr.contains(&said), "{}", ran.stderr);
    store.delete(third);
    let ran = run();
    assert!(
        ran.stderr
            .contains("is not what the manifest says: it is not there"),
        "{}",
        ran.stderr
    );
    assert_eq!(fake.project(1).tasks.len(), there);
}

#[test]
fn a_lease_that_is_lost_ends_the_run_at_once_and_says_who_has_it() {
    let store = s3();
    pack(store, "lost/run", 9 * TASKS);
    let fake = Fake::on_thread(Faults::none(), Options::default());
    let state = common::temp();
    let thief = thread::scope(|scope| {
        let ran = scope.spawn(|| {
            let mut command = push(store, "lost/run", "700ms", &fake, state.path());
            common::run(&mut command, common::PATIENCE)
        });
        while commits(&fake) < 2 {
            thread::sleep(Duration::from_millis(10));
        }
        // As a person might who thinks that they know better.
        let there = lease(store, &fake).expect("a lease");
        let mut other = serde_json::to_value(&there).expect("JSON");
        other["holder"] = json!("process 1 on thief");
        other["unlike"] = json!("0123");
        store.put(&lock(&fake), serde_json::to_vec(&other).expect("JSON"));
        ran.join().expect("it ends")
    });
    assert_eq!(thief.code(), 5, "{}", thief.stderr);
    let said = "is lost: process 1 on thief has it now, until 2";
    assert!(
        thief
            .stderr
            .contains("error[lease]: the lease `s3://sluice/locks/"),
        "{}",
        thief.stderr
    );
    assert!(thief.stderr.contains(said), "{}", thief.stderr);
    // The thief does not renew it: it expires, and the run goes on.
    let mut command = push(store, "lost/run", "100ms", &fake, state.path());
    let ran = common::run(&mut command, 3 * common::PATIENCE);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    fake.stored_equals(&stored(9 * TASKS))
        .expect("all is there once");
}

#[test]
fn an_import_takes_a_lease_too_and_a_second_waits_for_it() {
    let folder = common::temp();
    let fake = Fake::on_thread(Faults::none(), Options::default());
    let import = |name: &str, from: usize| {
        let lines: String = (from..from + 2 * TASKS)
            .map(|n| format!("{}\n", text(n)))
            .collect();
        let file = common::write(folder.path(), name, lines);
        let mut sluice = crate::sluice();
        sluice.env("LABEL_STUDIO_API_KEY", fake.token());
        sluice
            .arg("import")
            .arg(file)
            .args(["--interval", "500ms", "--wait"]);
        sluice.args(["--max-tasks", &TASKS.to_string(), "--lease-time", "1s"]);
        sluice.args(["--to", &format!("{}/projects/1", fake.address()), "--lease"]);
        sluice.arg(folder.path().join("locks"));
        sluice
            .arg("--state-dir")
            .arg(folder.path().join(name).with_extension("state"));
        common::run(&mut sluice, 2 * common::PATIENCE)
    };
    let (first, second) = thread::scope(|scope| {
        let first = scope.spawn(|| import("first.jsonl", 0));
        let second = import("second.jsonl", 2 * TASKS);
        (first.join().expect("it ends"), second)
    });
    assert_eq!(
        (first.code(), second.code()),
        (0, 0),
        "{}{}",
        first.stderr,
        second.stderr
    );
    fake.stored_equals(&stored(4 * TASKS))
        .expect("all is there once");
    spaced(&fake.history(), Duration::from_millis(500)).expect("spaced");
}
