//! When imports start: spaced, one at a time, whatever process, restart or clock.

use std::future::pending;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use sluice::deliver::throttle::{Clock, INTERVAL, Pace, Throttle};
use sluice::journal::Journal;
use tokio::time::{Instant, sleep};

const SERVER: &str = "http://localhost:8080";

/// A wall clock in step with tokio's, that can be set.
struct Wall {
    began: Instant,
    set_by_ms: AtomicI64,
}

impl Wall {
    fn new() -> Arc<Self> {
        Arc::new(Wall {
            began: Instant::now(),
            set_by_ms: AtomicI64::new(0),
        })
    }

    fn set(&self, by: i64) {
        self.set_by_ms.fetch_add(by * 1_000, Ordering::SeqCst);
    }
}

impl Clock for Wall {
    fn wall(&self) -> SystemTime {
        let at = 1_700_000_000_000 + self.set_by_ms.load(Ordering::SeqCst);
        UNIX_EPOCH
            + Duration::from_millis(u64::try_from(at).expect("a time after 1970"))
            + self.began.elapsed()
    }
}

/// As another process would open it.
fn throttle(folder: &Path, interval: Duration, clock: &Arc<Wall>) -> Throttle {
    let journal = Journal::open(folder).expect("a journal");
    Throttle::with_clock(
        journal,
        SERVER,
        interval,
        Arc::clone(clock) as Arc<dyn Clock>,
    )
}

/// One import that takes so long; when it started and ended.
async fn import(
    throttle: &Throttle,
    takes: Duration,
    retry_after: Option<Duration>,
) -> (Instant, Instant) {
    let attempt = throttle
        .start(pending())
        .await
        .expect("it works")
        .expect("not stopped");
    let start = Instant::now();
    sleep(takes).await;
    attempt.answered(retry_after).expect("it is kept");
    (start, Instant::now())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn paused<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(work)
}

#[tokio::test(start_paused = true)]
async fn the_last_import_ends_when_the_pace_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let throttle = throttle(folder.path(), INTERVAL, &Wall::new());
    let began = Instant::now();
    for _ in 0..40 {
        import(&throttle, seconds(20), None).await;
    }
    let ideal = (39 * INTERVAL + seconds(20)).as_secs_f64();
    let took = began.elapsed().as_secs_f64();
    assert!(
        took >= ideal && took <= 1.001 * ideal,
        "{took} s for {ideal} s"
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_waited_for_and_nothing_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let throttle = throttle(folder.path(), INTERVAL, &Wall::new());
    let (_, end) = import(&throttle, seconds(100), None).await;
    let (start, _) = import(&throttle, seconds(1), None).await;
    assert!(start - end < Duration::from_millis(5), "{:?}", start - end);
}

#[tokio::test(start_paused = true)]
async fn a_restart_waits_for_what_the_last_process_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Wall::new();
    let (first, _) = import(&throttle(folder.path(), INTERVAL, &clock), seconds(2), None).await;
    let (second, _) = import(
        &throttle(folder.path(), INTERVAL, &clock),
        seconds(2),
        Some(seconds(90)),
    )
    .await;
    let (third, _) = import(&throttle(folder.path(), INTERVAL, &clock), seconds(2), None).await;
    assert!(second - first >= INTERVAL && second - first < INTERVAL + seconds(1));
    assert!(
        third - second >= seconds(92) && third - second < seconds(93),
        "{:?}",
        third - second
    );
}

#[tokio::test(start_paused = true)]
async fn a_dropped_attempt_counts_and_is_told_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Wall::new();
    let throttle = throttle(folder.path(), INTERVAL, &clock);
    let (began, at) = (Instant::now(), clock.wall());
    let attempt = throttle
        .start(pending())
        .await
        .expect("it works")
        .expect("not stopped");
    assert_eq!(attempt.unanswered(), None);
    sleep(seconds(3)).await;
    drop(attempt);
    assert_eq!(throttle.state(), Pace::Idle);
    let attempt = throttle
        .start(pending())
        .await
        .expect("it works")
        .expect("not stopped");
    assert!(began.elapsed() >= INTERVAL);
    let since = attempt.unanswered().expect("one was not answered");
    assert!(since.duration_since(at).expect("later") < Duration::from_millis(2));
    attempt.answered(None).expect("it is kept");
    let attempt = throttle
        .start(pending())
        .await
        .expect("it works")
        .expect("not stopped");
    assert_eq!(attempt.unanswered(), None);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_waiting() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Wall::new();
    let one = throttle(folder.path(), INTERVAL, &clock);
    import(&one, seconds(1), None).await;
    let began = Instant::now();
    assert!(
        one.start(sleep(seconds(5)))
            .await
            .expect("it works")
            .is_none()
    );
    assert_eq!(began.elapsed(), seconds(5));
    // While another is on its way too.
    let attempt = one
        .start(pending())
        .await
        .expect("it works")
        .expect("not stopped");
    let other = throttle(folder.path(), INTERVAL, &clock);
    assert!(
        other
            .start(sleep(seconds(7)))
            .await
            .expect("it works")
            .is_none()
    );
    drop(attempt);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_makes_nobody_wait_long_or_start_early() {
    for set in [-1_000_000, -31, -30, -29, -1, 1, 29, 1_000_000] {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Wall::new();
        let mine = throttle(folder.path(), INTERVAL, &clock);
        let (first, end) = import(&mine, seconds(2), None).await;
        clock.set(set);
        // The same process goes by the clock that no one sets.
        let (second, _) = import(&mine, seconds(2), None).await;
        assert!(
            second - first >= INTERVAL,
            "set by {set} s: after {:?}",
            second - first
        );
        assert!(
            second - end <= INTERVAL + seconds(1),
            "set by {set} s: after {:?}",
            second - end
        );
        // Set back while the attempt was on its way; then another process comes.
        let attempt = mine
            .start(pending())
            .await
            .expect("it works")
            .expect("not stopped");
        clock.set(set);
        attempt.answered(Some(seconds(50))).expect("it is kept");
        let answered = Instant::now();
        let (third, _) = import(&throttle(folder.path(), INTERVAL, &clock), seconds(2), None).await;
        assert!(
            third - answered <= seconds(51),
            "set by {set} s: after {:?}",
            third - answered
        );
        if set < 0 {
            assert!(
                third - answered >= seconds(50),
                "set by {set} s: after {:?}",
                third - answered
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_no_interval_one_is_in_flight_and_pauses_are_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Wall::new();
    let throttle = throttle(folder.path(), Duration::ZERO, &clock);
    let began = Instant::now();
    let both = tokio::join!(
        import(&throttle, seconds(3), None),
        import(&throttle, seconds(3), None)
    );
    let overlap = both.0.1.min(both.1.1) > both.0.0.max(both.1.0);
    assert!(
        !overlap && began.elapsed() >= seconds(6),
        "{:?}",
        began.elapsed()
    );
    import(&throttle, seconds(1), Some(seconds(9))).await;
    let paused = Instant::now();
    import(&throttle, seconds(1), None).await;
    assert!(paused.elapsed() >= seconds(10) && paused.elapsed() < seconds(11));
}

#[tokio::test(start_paused = true)]
async fn the_longer_of_two_intervals_holds_for_its_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Wall::new();
    let (brisk, calm) = (
        throttle(folder.path(), seconds(10), &clock),
        throttle(folder.path(), seconds(60), &clock),
    );
    let (first, _) = import(&brisk, seconds(1), None).await;
    let (second, _) = import(&calm, seconds(1), None).await;
    let (third, _) = import(&brisk, seconds(1), None).await;
    assert!(second - first >= seconds(60) && third - second >= seconds(60));
}

#[tokio::test(start_paused = true)]
async fn other_servers_are_not_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = Journal::open(folder.path()).expect("a journal");
    let began = Instant::now();
    for server in [
        "http://localhost:1",
        "http://localhost:2",
        "https://localhost:443",
    ] {
        let _attempt = Throttle::new(journal.clone(), server, INTERVAL)
            .start(pending())
            .await
            .expect("it works");
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_state_is_in_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Wall::new();
    let (one, other) = (
        throttle(folder.path(), INTERVAL, &clock),
        throttle(folder.path(), INTERVAL, &clock),
    );
    assert_eq!(one.state().to_string(), "no import is ready yet");
    let attempt = one
        .start(pending())
        .await
        .expect("it works")
        .expect("not stopped");
    let waits = tokio::spawn({
        let other = other.clone();
        async move { import(&other, seconds(1), None).await }
    });
    sleep(Duration::from_millis(18_300)).await;
    assert_eq!(one.state().to_string(), "server is working, 18 s");
    assert_eq!(
        other.state().to_string(),
        "another run is importing to this server, waiting 18 s"
    );
    attempt.answered(None).expect("it is kept");
    sleep(Duration::from_millis(500)).await;
    assert_eq!(
        other.state().to_string(),
        "waiting 12 s for the next import slot"
    );
    waits.await.expect("it ends");
    assert_eq!(other.state(), Pace::Idle);
}

#[derive(Clone, Debug)]
struct Step {
    /// Nothing to send for so long.
    idle_ms: u64,
    takes_ms: u64,
    retry_after: Option<u64>,
    /// The process is started anew.
    restart: bool,
    /// It gives up on the answer.
    dropped: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let retry_after = prop::option::weighted(0.3, 0..100_u64);
    (
        0..50_000_u64,
        0..90_000_u64,
        retry_after,
        any::<bool>(),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(idle_ms, takes_ms, retry_after, restart, dropped)| Step {
            idle_ms,
            takes_ms,
            retry_after,
            restart,
            dropped,
        })
}

/// What a server saw of one attempt: its start, its end, and before when nothing may start.
type Seen = (Instant, Instant, Option<Instant>);

async fn process(
    folder: &Path,
    clock: Arc<Wall>,
    interval: Duration,
    steps: Vec<Step>,
    seen: Arc<Mutex<Vec<Seen>>>,
) {
    let mut pace = throttle(folder, interval, &clock);
    for step in steps {
        if step.restart {
            pace = throttle(folder, interval, &clock);
        }
        sleep(Duration::from_millis(step.idle_ms)).await;
        let attempt = pace
            .start(pending())
            .await
            .expect("it works")
            .expect("not stopped");
        let start = Instant::now();
        sleep(Duration::from_millis(step.takes_ms)).await;
        let end = Instant::now();
        let pause = step.retry_after.map(seconds).filter(|_| !step.dropped);
        seen.lock()
            .expect("no panic")
            .push((start, end, pause.map(|pause| end + pause)));
        if step.dropped {
            drop(attempt);
        } else {
            attempt.answered(pause).expect("it is kept");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_two_imports_are_closer_than_the_interval_or_overlap(
        processes in prop::collection::vec(prop::collection::vec(step(), 1..8), 1..4),
        interval in 0..60_u64,
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let interval = seconds(interval);
        let count: usize = processes.iter().map(Vec::len).sum();
        paused(async {
            let clock = Wall::new();
            let all = processes.into_iter().map(|steps| {
                process(folder.path(), Arc::clone(&clock), interval, steps, Arc::clone(&seen))
            });
            futures::future::join_all(all).await;
        });
        let mut seen = seen.lock().expect("no panic").clone();
        seen.sort();
        prop_assert_eq!(seen.len(), count);
        for pair in seen.windows(2) {
            prop_assert!(pair[1].0 - pair[0].0 >= interval, "{:?} apart", pair[1].0 - pair[0].0);
            prop_assert!(pair[1].0 >= pair[0].1, "they overlap");
        }
        for (at, &(_, _, pause)) in seen.iter().enumerate() {
            let early = seen[at + 1..].iter().any(|later| pause.is_some_and(|pause| later.0 < pause));
            prop_assert!(!early, "one started before Retry-After was over");
        }
    }
}
