//! The sizes of imports against simulated servers: near the fewest once learned, never over a cap, never stuck.

use std::time::Duration;

use proptest::prelude::*;
use sluice::deliver::sizing::{BEST_TASKS, FEWEST_TASKS, Load, MOST_BYTES, MOST_TASKS, Sizing};

const INTERVAL: Duration = Duration::from_secs(30);

/// What an import is to take at an interval of 30 s.
const AIM: f64 = 24.0;

/// Seconds a request, a task, an annotated task beyond that, and a byte cost.
#[derive(Clone, Copy)]
struct Server {
    request: f64,
    task: f64,
    annotated: f64,
    byte: f64,
    /// More bytes are a 413.
    most_bytes: usize,
    /// More seconds are a 504.
    patience: f64,
    /// Relative, either way.
    noise: f64,
}

/// As the contract measured it, section 4.
const MEASURED: Server = Server {
    request: 0.12,
    task: 0.19e-3,
    annotated: 0.76e-3,
    byte: 0.0,
    most_bytes: usize::MAX,
    patience: f64::INFINITY,
    noise: 0.0,
};

impl Server {
    fn seconds(&self, load: Load) -> f64 {
        self.request
            + self.task * load.tasks as f64
            + self.annotated * load.annotated as f64
            + self.byte * load.bytes as f64
    }
}

/// Bytes of a task and whether it is annotated, by its number.
type Source<'a> = &'a dyn Fn(u64) -> (usize, bool);

fn plain(_: u64) -> (usize, bool) {
    (190, false)
}

/// Fills an import from task number `from`, as long as `fits`.
fn fill(source: Source, from: u64, fits: impl Fn(Load) -> bool) -> Load {
    let mut load = Load {
        tasks: 0,
        bytes: 1,
        annotated: 0,
    };
    loop {
        let (bytes, annotated) = source(from + load.tasks as u64);
        let more = Load {
            tasks: load.tasks + 1,
            bytes: load.bytes + bytes + 1,
            annotated: load.annotated + usize::from(annotated),
        };
        if !fits(more) {
            return load;
        }
        load = more;
    }
}

/// A number of 0 to 1 that only the seed and the turn decide.
fn random(seed: u64, turn: u64) -> f64 {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ turn.wrapping_mul(0xd1b5_4a32_d192_ed03);
    for _ in 0..3 {
        x ^= x >> 31;
        x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    (x >> 11) as f64 / (1_u64 << 53) as f64
}

struct Run<'a> {
    sizing: Sizing,
    source: Source<'a>,
    at: u64,
    turn: u64,
    seed: u64,
    /// Of each import that was stored.
    loads: Vec<(Load, f64)>,
    refused: usize,
    timeouts: usize,
}

impl<'a> Run<'a> {
    fn new(source: Source<'a>) -> Self {
        Self::on(Sizing::new(INTERVAL, MOST_TASKS, MOST_BYTES, None), source)
    }

    fn on(sizing: Sizing, source: Source<'a>) -> Self {
        let (loads, refused, timeouts) = (Vec::new(), 0, 0);
        Run {
            sizing,
            source,
            at: 0,
            turn: 0,
            seed: 7,
            loads,
            refused,
            timeouts,
        }
    }

    fn sent(&self) -> usize {
        self.loads.len() + self.refused + self.timeouts
    }

    fn import(&mut self, server: &Server) {
        let (tasks, bytes) = self.sizing.limits();
        assert!(
            (FEWEST_TASKS..=MOST_TASKS).contains(&tasks),
            "{tasks} tasks"
        );
        assert!(bytes <= MOST_BYTES, "{bytes} bytes");
        let load = fill(self.source, self.at, |load| {
            load.tasks <= tasks && load.bytes <= bytes
        });
        assert!(load.tasks > 0, "nothing fits in {bytes} bytes");
        self.turn += 1;
        let noise = 1.0 + server.noise * (2.0 * random(self.seed, self.turn) - 1.0);
        let seconds = server.seconds(load) * noise;
        if load.bytes > server.most_bytes {
            self.refused += 1;
            self.sizing.refused_too_large(load.bytes);
        } else if seconds > server.patience {
            self.timeouts += 1;
            self.sizing.timed_out(load, server.patience);
        } else {
            self.at += load.tasks as u64;
            self.loads.push((load, seconds));
            self.sizing.answered(load, seconds);
        }
    }

    fn imports(&mut self, count: usize, server: &Server) {
        (0..count).for_each(|_| self.import(server));
    }

    /// Imports sent for `count` more fewest possible ones of at most `aim` seconds, in parts of those.
    fn beyond_fewest(&mut self, count: usize, server: &Server, aim: f64) -> f64 {
        let mut end = self.at;
        for _ in 0..count {
            let fits = |load: Load| {
                load.tasks <= MOST_TASKS
                    && load.bytes <= MOST_BYTES.min(server.most_bytes)
                    && server.seconds(load) <= aim
            };
            end += fill(self.source, end, fits).tasks as u64;
        }
        let before = self.sent();
        let mut last = self.at;
        while self.at < end {
            last = self.at;
            self.import(server);
            assert!(self.sent() - before < 20 * count, "it does not get on");
        }
        // The last import reaches beyond the end.
        let part = (end - last) as f64 / (self.at - last) as f64;
        ((self.sent() - before - 1) as f64 + part) / count as f64
    }
}

#[test]
fn a_linear_server_is_learned_in_a_few_imports() {
    let mut run = Run::new(&plain);
    assert_eq!(run.sizing.limits().0, 1_000, "it starts small");
    run.imports(6, &MEASURED);
    let beyond = run.beyond_fewest(100, &MEASURED, AIM);
    assert!((0.95..=1.05).contains(&beyond), "{beyond}");
    assert!(
        run.loads
            .windows(2)
            .all(|pair| pair[1].0.tasks <= 4 * pair[0].0.tasks),
        "it grows at most fourfold"
    );
}

#[test]
fn noise_costs_few_imports_and_moves_the_size_little() {
    for seed in 0..20 {
        let server = Server {
            noise: 0.2,
            ..MEASURED
        };
        let mut run = Run {
            seed,
            ..Run::new(&plain)
        };
        run.imports(8, &server);
        let learned = run.loads.len();
        let beyond = run.beyond_fewest(60, &server, AIM);
        assert!(beyond <= 1.05, "seed {seed}: {beyond}");
        let sizes: Vec<usize> = run.loads[learned..]
            .iter()
            .map(|(load, _)| load.tasks)
            .collect();
        let (least, most) = (
            sizes.iter().min().expect("some"),
            sizes.iter().max().expect("some"),
        );
        assert!(
            *most as f64 <= 1.7 * *least as f64,
            "seed {seed}: from {least} to {most}"
        );
    }
}

#[test]
fn a_fast_server_gets_all_the_caps_allow() {
    let fast = Server {
        task: 0.01e-3,
        ..MEASURED
    };
    let mut run = Run::new(&plain);
    run.imports(8, &fast);
    assert_eq!(run.loads.last().expect("one").0.tasks, MOST_TASKS);
    let large = |_| (20_000, false);
    let mut run = Run::new(&large);
    run.imports(8, &fast);
    let beyond = run.beyond_fewest(50, &fast, AIM);
    assert!(beyond <= 1.05, "{beyond}");
}

#[test]
fn a_slow_server_gets_little_but_not_less_than_the_floor() {
    let slow = Server {
        request: 3.0,
        task: 4e-3,
        ..MEASURED
    };
    let mut run = Run::new(&plain);
    run.imports(10, &slow);
    let beyond = run.beyond_fewest(60, &slow, AIM);
    assert!(beyond <= 1.05, "{beyond}");
    let stuck = Server {
        task: 1.0,
        ..MEASURED
    };
    let mut run = Run::new(&plain);
    run.imports(10, &stuck);
    assert_eq!(run.loads.last().expect("one").0.tasks, FEWEST_TASKS);
}

#[test]
fn what_costs_by_the_byte_is_learned_when_tasks_grow() {
    let server = Server {
        byte: 200e-9,
        ..MEASURED
    };
    let source = |task: u64| (if task < 2_000_000 { 200 } else { 20_000 }, false);
    let mut run = Run::new(&source);
    while run.at < 2_000_000 {
        run.import(&server);
    }
    let grown = run.loads.len();
    run.imports(6, &server);
    assert!(
        run.loads[grown - 1..]
            .iter()
            .all(|(_, seconds)| *seconds < 3.0 * AIM),
        "{:?}",
        &run.loads[grown - 1..]
    );
    let beyond = run.beyond_fewest(40, &server, AIM);
    assert!(beyond <= 1.05, "{beyond}");
}

#[test]
fn a_413_is_remembered_and_its_limit_found() {
    for most_bytes in [
        1_000_000, 1_048_576, 4_000_000, 10_485_760, 30_000_000, 47_000_000,
    ] {
        let server = Server {
            most_bytes,
            task: 0.01e-3,
            ..MEASURED
        };
        let source = |_| (500, false);
        let mut run = Run::new(&source);
        run.imports(40, &server);
        assert!(run.refused <= 10, "{most_bytes}: {} refused", run.refused);
        let refused = run.refused;
        let beyond = run.beyond_fewest(100, &server, AIM);
        assert!(beyond <= 1.05, "{most_bytes}: {beyond}");
        assert_eq!(run.refused, refused, "{most_bytes}: it asks no more");
        // The next run knows it from the start.
        let kept = run.sizing.learned();
        let mut next = Run::on(
            Sizing::new(INTERVAL, MOST_TASKS, MOST_BYTES, Some(&kept)),
            &source,
        );
        let beyond = next.beyond_fewest(30, &server, AIM);
        assert!(
            next.refused == 0 && beyond <= 1.05,
            "{most_bytes}: {beyond}"
        );
    }
}

#[test]
fn a_task_that_must_fit_does_whatever_was_refused() {
    let mut sizing = Sizing::new(INTERVAL, MOST_TASKS, MOST_BYTES, None);
    for _ in 0..40 {
        let (_, bytes) = sizing.limits();
        sizing.refused_too_large(bytes);
    }
    assert!(sizing.limits().1 < 20_000);
    sizing.holds(3_000_000);
    assert_eq!(sizing.limits().1, 3_000_000);
    sizing.timed_out(
        Load {
            tasks: 100,
            bytes: 3_000_000,
            annotated: 0,
        },
        60.0,
    );
    assert_eq!(sizing.limits().1, 3_000_000);
}

#[test]
fn a_504_teaches_how_long_an_import_may_take() {
    for patience in [5.0, 10.0, 20.0] {
        let server = Server {
            patience,
            noise: 0.05,
            ..MEASURED
        };
        let mut run = Run::new(&plain);
        run.imports(40, &server);
        assert!(run.timeouts <= 4, "{patience} s: {} timeouts", run.timeouts);
        let timeouts = run.timeouts;
        let beyond = run.beyond_fewest(100, &server, 0.8 * patience);
        assert!(beyond <= 1.05, "{patience} s: {beyond}");
        assert!(
            run.timeouts <= timeouts + 1,
            "{patience} s: {} timeouts",
            run.timeouts - timeouts
        );
    }
}

#[test]
fn annotated_tasks_count_as_what_they_cost() {
    let source = |_| (600, true);
    let mut run = Run::new(&source);
    run.imports(8, &MEASURED);
    let beyond = run.beyond_fewest(60, &MEASURED, AIM);
    assert!(beyond <= 1.05, "{beyond}");
}

#[test]
fn mixes_of_plain_and_annotated_do_not_stall() {
    // Stretches shorter than an import, about as long as one, and longer.
    for stretch in [1_000, 20_000, 60_000, 120_000, 500_000] {
        let source = |task: u64| {
            if (task / stretch).is_multiple_of(2) {
                (190, false)
            } else {
                (400, true)
            }
        };
        let server = Server {
            noise: 0.05,
            ..MEASURED
        };
        let mut run = Run::new(&source);
        run.imports(20, &server);
        let learned = run.loads.len();
        let beyond = run.beyond_fewest(80, &server, AIM);
        let slowest = run.loads[learned..]
            .iter()
            .map(|(_, seconds)| *seconds)
            .fold(0.0, f64::max);
        assert!(beyond <= 1.05, "{stretch}: {beyond}");
        assert!(
            slowest <= 4.0 * AIM * 1.2,
            "{stretch}: one took {slowest} s"
        );
    }
    let source = |task: u64| {
        if task.is_multiple_of(5) {
            (400, true)
        } else {
            (190, false)
        }
    };
    let mut run = Run::new(&source);
    run.imports(8, &MEASURED);
    let beyond = run.beyond_fewest(60, &MEASURED, AIM);
    assert!(beyond <= 1.05, "an even mix: {beyond}");
}

#[test]
fn it_recovers_from_a_slow_spell() {
    let spell = Server {
        request: 1.0,
        task: 2e-3,
        annotated: 8e-3,
        ..MEASURED
    };
    let mut run = Run::new(&plain);
    run.imports(20, &MEASURED);
    let usual = run.sizing.limits().0;
    run.imports(1, &spell);
    assert!(
        run.sizing.limits().0 * 10 > usual * 8,
        "one slow answer changes little"
    );
    run.imports(7, &spell);
    let (slow, last) = (run.sizing.limits().0, run.loads.last().expect("one").1);
    assert!(
        slow < usual / 4 && last < 1.3 * AIM,
        "{slow} tasks in {last} s"
    );
    run.imports(4, &MEASURED);
    let again = run.sizing.limits().0;
    assert!(
        again * 10 > usual * 8,
        "{again} of {usual} four imports after the spell"
    );
    let beyond = run.beyond_fewest(40, &MEASURED, AIM);
    assert!(beyond <= 1.05, "{beyond}");
}

#[test]
fn one_timeout_is_forgotten() {
    let mut run = Run::new(&plain);
    run.imports(10, &MEASURED);
    let usual = run.sizing.limits().0;
    let last = run.loads.last().expect("one").0;
    run.sizing.timed_out(last, 0.3);
    assert_eq!(
        run.sizing.limits().0,
        last.tasks / 2,
        "it is careful for once"
    );
    run.imports(1, &MEASURED);
    assert!(
        run.sizing.limits().0 * 10 > usual * 9,
        "a stop at once says nothing about time"
    );
    run.sizing.timed_out(last, 14.0);
    assert!(run.sizing.limits().0 <= usual * 6 / 10);
    run.imports(12, &MEASURED);
    let again = run.sizing.limits().0;
    assert!(again * 10 > usual * 8, "{again} of {usual}");
}

#[test]
fn with_no_interval_the_servers_rate_is_near_its_best() {
    for server in [
        MEASURED,
        Server {
            task: 1.5e-3,
            ..MEASURED
        },
        Server {
            request: 0.5,
            task: 0.1e-3,
            ..MEASURED
        },
    ] {
        let mut run = Run::on(
            Sizing::new(Duration::ZERO, MOST_TASKS, MOST_BYTES, None),
            &plain,
        );
        run.imports(6, &server);
        let learned = run.loads.len();
        run.imports(20, &server);
        let late = &run.loads[learned..];
        assert!(late.iter().all(|(load, _)| load.tasks <= BEST_TASKS));
        let tasks: usize = late.iter().map(|(load, _)| load.tasks).sum();
        let seconds: f64 = late.iter().map(|(_, seconds)| seconds).sum();
        let best = Load {
            tasks: BEST_TASKS,
            bytes: 190 * BEST_TASKS,
            annotated: 0,
        };
        let rate = tasks as f64 / seconds / (best.tasks as f64 / server.seconds(best));
        assert!(rate >= 0.95, "{rate} of the best rate");
    }
}

#[test]
fn what_was_learned_is_kept_and_nonsense_is_not() {
    let mut run = Run::new(&plain);
    run.imports(12, &MEASURED);
    let kept: serde_json::Value =
        serde_json::from_str(&run.sizing.learned().to_string()).expect("JSON");
    let next = Sizing::new(INTERVAL, MOST_TASKS, MOST_BYTES, Some(&kept));
    assert_eq!(next.limits(), run.sizing.limits());
    for nonsense in [
        "null",
        "7",
        "{}",
        r#"{"answers":[{"load":{"tasks":0,"bytes":0,"annotated":0},"seconds":-1}]}"#,
    ] {
        let json = serde_json::from_str(nonsense).expect("JSON");
        assert_eq!(
            Sizing::new(INTERVAL, MOST_TASKS, MOST_BYTES, Some(&json))
                .limits()
                .0,
            1_000,
            "{nonsense}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever a server says in whatever order, the caps and the floor hold and the size comes back.
    #[test]
    fn nothing_a_server_says_breaks_the_bounds(
        words in prop::collection::vec((0..4_u8, 1..400_000_usize, 0..80_000_000_usize, 0.0..500.0_f64), 1..60),
        most_tasks in 1..300_000_usize,
        most_bytes in 1..60_000_000_usize,
    ) {
        let mut sizing = Sizing::new(INTERVAL, most_tasks, most_bytes, None);
        for (word, tasks, bytes, seconds) in words {
            let load = Load { tasks, bytes, annotated: tasks / 3 };
            match word {
                0 | 1 => sizing.answered(load, seconds),
                2 => sizing.refused_too_large(bytes),
                _ => sizing.timed_out(load, seconds),
            }
            let (tasks, bytes) = sizing.limits();
            prop_assert!(tasks >= FEWEST_TASKS.min(most_tasks) && tasks <= most_tasks.min(MOST_TASKS));
            prop_assert!(bytes >= 16_384.min(most_bytes) && bytes <= most_bytes.min(MOST_BYTES));
            let kept = sizing.learned();
            prop_assert_eq!(Sizing::new(INTERVAL, most_tasks, most_bytes, Some(&kept)).limits(), (tasks, bytes));
        }
    }
}
