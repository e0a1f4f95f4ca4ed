//! A fault at the k-th call: the run ends well, or the same command once more does; then all is as if nothing had been.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common;
use crate::places::{Kind, Place, remote};
use crate::way::{Act, at_call};

/// Calls that are broken in turn.
const CALLS: usize = 50;

/// What breaks a call of a store.
pub const OF_STORES: [Act; 6] = [
    Act::Say("503 Slow Down", ""),
    Act::Cut,
    Act::MakeAndSay("500 Internal Server Error", ""),
    Act::MakeAndCut,
    Act::CutWithin,
    Act::Say("429 Too Many Requests", ""),
];

/// What breaks a command of a Redis.
pub const OF_REDIS: [Act; 5] = [
    Act::Say("LOADING", "Redis is loading the dataset in memory"),
    Act::Cut,
    Act::MakeAndSay("ERR", "something went wrong"),
    Act::MakeAndCut,
    Act::Say("READONLY", "You can't write against a read only replica."),
];

/// Runs with a fault at the `k`th call, and makes sure of what comes of it.
fn survives(place: &Place, k: usize, act: Act, undisturbed: &impl Fn(&Place, &str)) -> bool {
    let way = place.way(at_call(k, act));
    let prefix = format!("{k}-{}", act_name(act));
    let ran = place.run(&prefix, Some(&way));
    assert!(way.calls() >= k, "{place:?}: call {k} was never made");
    let well = ran.code() == 0;
    if !well {
        assert!(
            matches!(ran.code(), 1 | 5) && ran.stderr.contains("error["),
            "{place:?}, {act:?} at {k}: {}",
            ran.stderr
        );
        let again = place.run(&prefix, None);
        assert_eq!(
            again.code(),
            0,
            "{place:?}, {act:?} at {k}: {}",
            again.stderr
        );
    }
    undisturbed(place, &prefix);
    well
}

fn act_name(act: Act) -> String {
    let name: String = format!("{act:?}")
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    name.to_lowercase()
}

/// Breaks each call, or each of every `step`, by the acts in turn; `turn` tells with which to begin.
fn each_call(place: &Place, acts: &[Act], turn: usize, step: usize) {
    let expected = place.undisturbed();
    let same = |place: &Place, prefix: &str| {
        assert!(
            place.result(prefix) == expected,
            "{place:?}: {prefix} is not as it is to be"
        );
    };
    // Most of a run is waiting for a server: several at once.
    let calls: Vec<usize> = (1..=CALLS).step_by(step).collect();
    let (next, wells) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(k) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let well = survives(place, *k, acts[(k + turn) % acts.len()], &same);
                    wells.fetch_add(usize::from(well), Ordering::Relaxed);
                }
            });
        }
    });
    let (wells, runs) = (wells.into_inner(), calls.len());
    println!("{place:?}: {wells} of {runs} runs went on by themselves");
    // A store's call is made again; a Redis is left to the next run.
    assert!(
        wells >= runs * 9 / 10 || acts == OF_REDIS,
        "{place:?}: {wells} of {runs}"
    );
}

#[test]
fn whichever_call_fails_and_however_all_is_there_once() {
    for (turn, place) in remote().iter().enumerate() {
        let acts: &[Act] = match place.kind {
            Kind::Redis(_) => &OF_REDIS,
            _ => &OF_STORES,
        };
        // The calls of the other layout of a store are those of the first, but for the names.
        let other = place.layout == "storage" && acts != OF_REDIS;
        each_call(place, acts, turn, if other { 3 } else { 1 });
    }
}

#[test]
fn a_large_import_survives_a_fault_of_any_of_its_parts() {
    let dir = common::temp();
    let text = "x".repeat(1_000);
    let body: String = (0..12_000)
        .map(|i| format!("{{\"n\":{i},\"text\":\"{text}\"}}\n"))
        .collect();
    let file = common::write(dir.path(), "large.jsonl", body);
    for place in remote().iter().filter(|place| place.layout == "import") {
        let run = |prefix: &str, way: Option<&crate::way::Way>| {
            let mut command = place.program(way);
            command
                .arg("import")
                .arg(&file)
                .arg("--to")
                .arg(place.to(prefix, way));
            common::run(&mut command, common::PATIENCE)
        };
        let ran = run("large", None);
        assert_eq!(ran.code(), 0, "{place:?}: {}", ran.stderr);
        let expected = place.result("large");
        // The list, the beginning (which Azure has not), three parts, the end, the manifest.
        for k in 1..=7 {
            for act in [OF_STORES[k % OF_STORES.len()], Act::MakeAndCut] {
                let way = place.way(at_call(k, act));
                let prefix = format!("large-{k}-{}", act_name(act));
                let ran = run(&prefix, Some(&way));
                assert!(
                    way.calls() >= k || k == 7,
                    "{place:?}: call {k} was never made"
                );
                if ran.code() != 0 {
                    let again = run(&prefix, None);
                    assert_eq!(
                        again.code(),
                        0,
                        "{place:?}, {act:?} at {k}: {}",
                        again.stderr
                    );
                }
                assert!(
                    place.result(&prefix) == expected,
                    "{place:?}, {act:?} at {k}"
                );
            }
        }
    }
}
