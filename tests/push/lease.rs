//! Whatever goes wrong between some machines and the cell of a lease, no two imports overlap or are too close.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use sluice::deliver::lease::{Holder, Lease, Record, Terms, Time};
use sluice::error::{Code, Error};
use tokio::time::{Instant, sleep, sleep_until};

use crate::fake_label_studio::in_paused_time;
use crate::world::{Counts, Far, INTERVAL, LONGEST_IMPORT, Machine, On, World};

/// Seeds that are tried unless `LEASE_SEEDS` says otherwise.
const SEEDS: u64 = 1_000;

/// How long each world lasts.
const LASTS: Duration = Duration::from_secs(150);

/// How long a lease is.
const LENGTH: Duration = Duration::from_secs(4);

fn terms(name: String, wait: bool) -> Terms {
    Terms {
        holder: Holder {
            unlike: name.clone(),
            name,
        },
        length: LENGTH,
        interval: INTERVAL,
        wait,
    }
}

/// Waits for as long as the machine's slow clock says.
async fn wait(machine: &Machine, until: Duration) {
    loop {
        let left = until.saturating_sub(machine.surely());
        if left.is_zero() {
            return;
        }
        machine.sleep(left).await;
    }
}

/// One process: takes the lease, and imports a few times.
async fn process(
    world: &Arc<World>,
    machine: &Arc<Machine>,
    by: usize,
    name: String,
) -> Result<(), Error> {
    let cell = Arc::new(Far(Arc::clone(world)));
    let terms = terms(name, world.below(2) == 0);
    let time: Arc<dyn Time> = Arc::clone(machine) as _;
    let lease = Lease::take(cell, "the server", &terms, time, |_| {}).await?;
    let (working, pause) = lease.found();
    let fence = lease.fence().await;
    world.say(format!(
        "{by} has fence {fence}, found {working} and {pause:?}"
    ));
    world.count(|counts| {
        counts.takes += 1;
        counts.from_the_dead += usize::from(working);
    });
    let mut next = machine.surely() + pause;
    if working {
        // As after a process that was killed, it is waited until what it began must be over.
        next = next.max(machine.surely() + LONGEST_IMPORT * 11 / 10);
    }
    let work = async {
        for _ in 0..1 + world.below(6) {
            wait(machine, next).await;
            lease.announce().await?;
            sleep(world.some(Duration::from_millis(500))).await;
            lease.check()?;
            next = machine.surely() + INTERVAL;
            let done = world.import(by);
            sleep_until(done).await;
            let pause = (world.below(4) == 0).then(|| world.some(2 * INTERVAL));
            lease.answered(pause);
            next = next.max(machine.surely() + pause.unwrap_or_default());
        }
        Ok(())
    };
    let kept = async {
        let (keep, lost) = (pin!(lease.keep()), pin!(lease.lost()));
        match select(keep, lost).await {
            Either::Left((Some(error), _)) | Either::Right((error, _)) => error,
            Either::Left((None, _)) => panic!("given back by whom?"),
        }
    };
    match select(pin!(work), pin!(kept)).await {
        Either::Left((Ok(()), _)) => {
            lease.give_back().await;
            Ok(())
        }
        Either::Left((Err(error), _)) | Either::Right((error, _)) => Err(error),
    }
}

/// A machine on which processes follow one another.
async fn machine(world: Arc<World>, by: usize) {
    let machine = Arc::new(Machine::new(&world));
    for start in 0.. {
        let dies = Instant::now() + Duration::from_secs(2) + world.some(Duration::from_secs(60));
        let dies_at_all = world.below(3) > 0;
        let process = process(&world, &machine, by, format!("machine {by}, start {start}"));
        let process = pin!(On::new(&machine, process));
        let ended = if dies_at_all {
            match select(process, pin!(sleep_until(dies))).await {
                Either::Left((ended, _)) => Some(ended),
                Either::Right(_) => None,
            }
        } else {
            Some(process.await)
        };
        let told = match &ended {
            None => {
                world.count(|counts| counts.crashes += 1);
                "dies".to_owned()
            }
            Some(Ok(())) => "is done".to_owned(),
            Some(Err(error)) => {
                let refused = error.message().starts_with("another sluice");
                let lost = error.message().contains("is lost");
                assert!(
                    refused || lost || error.code() == Code::ServerUnreachable,
                    "{error}"
                );
                world.count(|counts| {
                    counts.refused += usize::from(refused);
                    counts.lost += usize::from(lost);
                });
                error.message().to_owned()
            }
        };
        world.say(format!("{by} {told}"));
        sleep(world.some(Duration::from_secs(5))).await;
    }
}

fn seed(seed: u64) -> (Counts, Option<String>) {
    in_paused_time(async {
        let world = World::new(seed);
        let machines = 2 + world.below(2) as usize;
        let each = (0..machines).map(|by| {
            let work = machine(Arc::clone(&world), by);
            Box::pin(work)
        });
        let all = futures::future::join_all(each);
        let _ = select(all, pin!(sleep(LASTS))).await;
        (world.counts(), world.wrong())
    })
}

#[test]
fn no_two_imports_overlap_or_are_too_close_whoever_has_the_lease() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let from = number("LEASE_SEED").unwrap_or(0);
    let seeds = number("LEASE_SEEDS").unwrap_or(SEEDS);
    let (mut seen, mut failed) = (Counts::default(), Vec::new());
    for number in from..from + seeds {
        let (counts, wrong) = seed(number);
        seen.add(counts);
        failed.extend(wrong.map(|why| format!("seed {number}: {why}")));
    }
    println!("{seeds} seeds: {seen:?}");
    assert!(
        failed.is_empty(),
        "{} of {seeds} seeds fail\n{}",
        failed.len(),
        failed.into_iter().take(2).collect::<Vec<_>>().join("\n\n")
    );
    // A proof of nothing would be none.
    let seeds = seeds as usize;
    let Counts {
        imports,
        takes,
        from_the_dead,
        refused,
        lost,
        crashes,
        freezes,
        lost_answers,
        late_swaps,
    } = seen;
    assert!(imports > 5 * seeds && takes > 3 * seeds, "{seen:?}");
    let each = [
        from_the_dead,
        refused,
        lost,
        crashes,
        freezes,
        lost_answers,
        late_swaps,
    ];
    assert!(each.iter().all(|times| *times > seeds / 4), "{seen:?}");
}

/// A world in which nothing goes wrong, and a machine in it whose clock is right.
fn calm() -> (Arc<World>, Arc<dyn Time>) {
    let calm = (0..).map(World::new).find(|world| world.is_calm());
    (
        calm.expect("one of four"),
        Arc::new(sluice::deliver::lease::Clocks::default()),
    )
}

#[test]
fn a_new_holder_keeps_to_the_pause_that_the_server_asked_the_last_one_for() {
    in_paused_time(async {
        let (world, time) = calm();
        let take = |name: &str| {
            let cell = Arc::new(Far(Arc::clone(&world)));
            let (terms, time) = (terms(name.to_owned(), false), Arc::clone(&time));
            async move { Lease::take(cell, "the server", &terms, time, |_| {}).await }
        };
        let first = take("first").await.expect("nobody has it");
        let (working, pause) = first.found();
        assert!(
            !working && pause > INTERVAL / 2 && pause <= INTERVAL,
            "{pause:?}"
        );
        first.announce().await.expect("it is held");
        first.answered(Some(Duration::from_secs(100)));
        first.give_back().await;
        let second = take("second").await.expect("it was given back");
        let (working, pause) = second.found();
        assert!(!working && pause > Duration::from_secs(98), "{pause:?}");
        assert_eq!(second.fence().await, 2);
        second.announce().await.expect("it is held");
        second.give_back().await;
        // What was announced was never answered.
        let third = take("third").await.expect("it was given back");
        assert!(third.found().0);
    });
}

#[test]
fn a_second_is_refused_at_the_first_sign_of_life_and_told_who_has_it() {
    in_paused_time(async {
        let (world, time) = calm();
        let cell = || Arc::new(Far(Arc::clone(&world)));
        let first = terms("first".to_owned(), false);
        let first = Lease::take(cell(), "the server", &first, Arc::clone(&time), |_| {}).await;
        let first = first.expect("nobody has it");
        let second = async {
            let began = Instant::now();
            let told = std::cell::Cell::new(0);
            let hear = |record: &Record| {
                assert_eq!(record.holder, "first");
                told.set(told.get() + 1);
            };
            let terms = terms("second".to_owned(), false);
            let refused = Lease::take(cell(), "the server", &terms, Arc::clone(&time), hear).await;
            assert!(began.elapsed() < LENGTH, "{:?}", began.elapsed());
            assert_eq!(told.get(), 1);
            refused.expect_err("someone has it")
        };
        let error = match select(pin!(first.keep()), pin!(second)).await {
            Either::Right((error, _)) => error,
            Either::Left((why, _)) => panic!("{why:?}"),
        };
        assert_eq!((error.code(), error.exit_code()), (Code::Lease, 5));
        let said = "another sluice imports into the server: first, whose lease lasts until 2";
        assert!(error.message().starts_with(said), "{error}");
    });
}

#[test]
fn a_lease_that_was_removed_is_lost_and_says_so() {
    in_paused_time(async {
        let (world, time) = calm();
        let cell = Arc::new(Far(Arc::clone(&world)));
        let terms = terms("first".to_owned(), false);
        let lease = Lease::take(cell, "the server", &terms, time, |_| {}).await;
        let lease = lease.expect("nobody has it");
        world.remove();
        let (kept, lost) = tokio::join!(lease.keep(), lease.lost());
        for error in [kept.expect("it is lost"), lost] {
            let said = "the lease `the cell` is lost: it was removed; this run has stopped";
            assert_eq!((error.message(), error.exit_code()), (said, 5));
        }
        assert!(lease.announce().await.is_err());
    });
}
