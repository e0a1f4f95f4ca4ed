//! What was written is read again, whichever call fails and however: the same tasks as those that were written, or an error
//! and the same command once more.

use crate::common;
use crate::faults::{OF_REDIS, OF_STORES};
use crate::places::{Kind, expected, remote};
use crate::way::{Act, Way, at_call};

/// Calls that are broken in turn: the listing, and some of the objects.
const CALLS: usize = 24;

#[test]
fn whichever_call_fails_the_same_is_read() {
    for (turn, place) in remote()
        .iter()
        .filter(|place| place.layout == "storage")
        .enumerate()
    {
        drop(place.undisturbed());
        let is_redis = matches!(place.kind, Kind::Redis(_));
        let acts: &[Act] = if is_redis { &OF_REDIS } else { &OF_STORES };
        let read = |way: Option<&Way>| {
            let mut source = place.to("undisturbed", way);
            if !is_redis {
                source += "/tasks/";
            }
            let mut command = place.program(way);
            command.args(["import", &source, "--to", "-"]);
            let ran = common::run(&mut command, common::PATIENCE);
            assert_eq!(ran.misbehaviour(), None, "{place:?}: {}", ran.stderr);
            let text = String::from_utf8_lossy(&ran.stdout).into_owned();
            let mut tasks: Vec<_> = text.lines().map(str::to_owned).collect();
            // The order of a Redis is its own.
            let number = |task: &String| {
                task.split([':', ','])
                    .nth(2)
                    .and_then(|n| n.parse::<u32>().ok())
            };
            tasks.sort_by_key(number);
            (ran, tasks)
        };
        let mut calls = 0;
        for k in 1..=CALLS {
            let act = acts[(k + turn) % acts.len()];
            let way = place.way(at_call(k, act));
            let (ran, tasks) = read(Some(&way));
            calls = calls.max(way.calls());
            if ran.code() == 0 {
                assert!(tasks == expected(), "{place:?}, {act:?} at {k}: {tasks:?}");
            } else {
                assert!(is_redis, "{place:?}, {act:?} at {k}: {}", ran.stderr);
                assert!(
                    matches!(ran.code(), 1 | 5 | 6) && ran.stderr.contains("error["),
                    "{act:?} at {k}: {}",
                    ran.stderr
                );
                let (again, tasks) = read(None);
                assert_eq!(
                    again.code(),
                    0,
                    "{place:?}, {act:?} at {k}: {}",
                    again.stderr
                );
                assert!(tasks == expected(), "{place:?}, {act:?} at {k}");
            }
        }
        assert!(calls >= CALLS || is_redis, "{place:?}: {calls} calls");
    }
}
