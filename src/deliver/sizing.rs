//! How large the next import is: as many tasks as the server stores in the time meant for one import.
//!
//! It starts small, grows at most fourfold from one import to the next, and asks of a [`cost`] model fitted to the
//! last answers what would fill the time. A 413 halves the bytes, and later successes search what lies between; a
//! timeout halves the tasks and lowers the time, and when it does not come again, the time is raised again. All that
//! was learned is kept per server in the journal, so that the next run starts where this one ended.

pub mod cost;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::cost::{Answer, Cost};

/// Tasks in one import to Label Studio, at most: 249,990 are stored, 250,000 are stored and answered with a 500, since
/// SQLite takes no more variables (the contract, sections 0 and 3).
pub const MOST_TASKS: usize = 249_000;

/// Bytes of one import, at most: 50 MB, the import guide's limit.
pub const MOST_BYTES: usize = crate::batch::limits::MOST_BYTES;

/// Tasks of the first import to a server nothing is known of: 0.3 s where the contract was measured (section 4).
pub const FIRST_TASKS: usize = 1_000;

/// Bytes of that import: what [`FIRST_TASKS`] have, tenfold.
pub const FIRST_BYTES: usize = 2_000_000;

/// Fewest tasks an import is held to, however slow the server: below this a request costs more than its tasks.
pub const FEWEST_TASKS: usize = 100;

/// Fewest bytes an import is held to, unless one task has more.
pub const FEWEST_BYTES: usize = 16 * 1024;

/// Tasks of an import that nothing paces: the server's rate is best at 5,000 to 30,000, and 30,000 had the highest
/// (the contract, section 4).
pub const BEST_TASKS: usize = 30_000;

/// Seconds an import that nothing paces may take: three times what [`BEST_TASKS`] took, and well inside the 60 s that
/// proxies wait.
const UNPACED_SECONDS: f64 = 20.0;

/// The part of the interval that an import is to fill: the rest is for an answer that comes late.
const FILLED: f64 = 0.8;

/// The part of a proxy's patience that an import is to take.
const PATIENCE_FILLED: f64 = 0.8;

/// How many times the time meant for an import the costliest mix of late may take, if the next is all of it.
const WORST_MIX: f64 = 4.0;

/// From one import to the next, at most.
const GROWTH: usize = 4;

/// Between bytes that were taken and bytes that were refused the search ends when they are as close as this.
const CLOSE_ENOUGH: f64 = 1.03;

/// An import that is so full has shown that its cap is taken.
const FULL: f64 = 0.9;

/// Answers after which a timeout that has come once is no longer believed.
const DOUBT_AFTER: u32 = 8;

/// Two timeouts as close as this are one proxy's.
const SAME_TIMEOUT: f64 = 1.25;

/// Answers the prediction of the next mix looks back on.
const MIX_ANSWERS: usize = 4;

/// What an import was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Tasks.
    pub tasks: usize,
    /// Bytes.
    pub bytes: usize,
    /// Tasks that have annotations or predictions: they cost about five times a plain one.
    pub annotated: usize,
}

/// Chooses the size of imports to one server.
#[derive(Clone, Debug)]
pub struct Sizing {
    /// Seconds an import is to take.
    seconds: f64,
    most_tasks: usize,
    most_bytes: usize,
    largest_task: usize,
    learned: Learned,
    cost: Cost,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Learned {
    answers: Vec<Answer>,
    /// What growth allows.
    grown_tasks: usize,
    grown_bytes: usize,
    /// The cap that a 413 taught, what it refused, and the most that was taken.
    byte_cap: Option<usize>,
    bytes_refused: Option<usize>,
    bytes_taken: usize,
    patience: Option<Patience>,
}

/// After how many seconds someone before the server gives up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Patience {
    seconds: f64,
    /// It has come twice.
    certain: bool,
    answers_since: u32,
    /// Once no longer believed, it is kept to be recognized.
    doubted: bool,
}

impl Default for Learned {
    fn default() -> Self {
        Learned {
            answers: Vec::new(),
            grown_tasks: FIRST_TASKS,
            grown_bytes: FIRST_BYTES,
            byte_cap: None,
            bytes_refused: None,
            bytes_taken: 0,
            patience: None,
        }
    }
}

impl Sizing {
    /// Sizes for imports that start `interval` apart, or one after the other if it is zero, of at most so many tasks
    /// and bytes; [`MOST_TASKS`] and [`MOST_BYTES`] hold whatever is asked. `learned` is what [`Sizing::learned`]
    /// gave; what cannot be read of it is learned again.
    #[must_use]
    pub fn new(
        interval: Duration,
        most_tasks: usize,
        most_bytes: usize,
        learned: Option<&Value>,
    ) -> Self {
        let paced = !interval.is_zero();
        let cap = if paced { MOST_TASKS } else { BEST_TASKS };
        let mut learned = learned
            .and_then(|json| Learned::deserialize(json).ok())
            .unwrap_or_default();
        learned.answers.retain(Answer::is_sound);
        learned.patience = learned
            .patience
            .filter(|patience| patience.seconds.is_finite() && patience.seconds > 0.0);
        let cost = Cost::fit(&learned.answers);
        Sizing {
            seconds: if paced {
                FILLED * interval.as_secs_f64()
            } else {
                UNPACED_SECONDS
            },
            most_tasks: most_tasks.clamp(1, cap),
            most_bytes: most_bytes.clamp(1, MOST_BYTES),
            largest_task: 0,
            learned,
            cost,
        }
    }

    /// What was learned, to be kept.
    #[must_use]
    pub fn learned(&self) -> Value {
        serde_json::to_value(&self.learned).unwrap_or_default()
    }

    /// The most tasks and bytes of the next import. A task of [`Sizing::holds`] bytes fits, whatever was learned.
    #[must_use]
    pub fn limits(&self) -> (usize, usize) {
        let learned = &self.learned;
        let seconds = self.aim();
        let mix = Mix::expected(&learned.answers);
        let fill = self.cost.tasks_in(seconds, mix);
        let bear = self.cost.tasks_in(
            self.bearable(),
            Mix::costliest(&learned.answers, &self.cost),
        );
        let tasks = whole(fill.min(bear))
            .min(learned.grown_tasks)
            .max(FEWEST_TASKS)
            .min(self.most_tasks);
        let cap = learned
            .byte_cap
            .unwrap_or(usize::MAX)
            .min(learned.grown_bytes);
        let bytes = whole(self.cost.bytes_in(seconds))
            .min(cap)
            .max(FEWEST_BYTES.max(self.largest_task));
        (tasks, bytes.min(self.most_bytes))
    }

    /// Seconds the model expects for an import.
    #[must_use]
    pub fn expected(&self, load: Load) -> f64 {
        self.cost.seconds(load)
    }

    /// From now on a task of so many bytes, with what stands around it, must fit; a 413 of it alone is its own.
    pub fn holds(&mut self, bytes: usize) {
        self.largest_task = self.largest_task.max(bytes);
    }

    /// The server stored an import in so many seconds.
    pub fn answered(&mut self, load: Load, seconds: f64) {
        self.observe(load, seconds);
        let learned = &mut self.learned;
        learned.grown_tasks = learned
            .grown_tasks
            .max(load.tasks.saturating_mul(GROWTH))
            .min(MOST_TASKS);
        learned.grown_bytes = learned
            .grown_bytes
            .max(load.bytes.saturating_mul(GROWTH))
            .min(MOST_BYTES);
        learned.bytes_taken = learned.bytes_taken.max(load.bytes);
        if let (Some(cap), Some(refused)) = (learned.byte_cap, learned.bytes_refused)
            && load.bytes as f64 >= FULL * cap as f64
            && refused as f64 > CLOSE_ENOUGH * cap as f64
        {
            learned.byte_cap = Some(cap + (refused - cap) / 2);
        }
        if let Some(patience) = learned
            .patience
            .as_mut()
            .filter(|patience| !patience.certain)
        {
            patience.answers_since = patience.answers_since.saturating_add(1);
            patience.doubted =
                patience.answers_since >= DOUBT_AFTER || seconds > SAME_TIMEOUT * patience.seconds;
        }
    }

    /// Someone refused an import of so many bytes as too large: a 413.
    pub fn refused_too_large(&mut self, bytes: usize) {
        let learned = &mut self.learned;
        if learned.bytes_taken >= bytes {
            // What was taken once is taken no longer.
            learned.bytes_taken = 0;
        }
        learned.bytes_refused = Some(
            learned
                .bytes_refused
                .map_or(bytes, |refused| refused.min(bytes)),
        );
        let half = bytes / 2;
        let cap = learned.byte_cap.map_or(half, |cap| cap.min(half));
        learned.byte_cap = Some(
            if learned.bytes_taken > half {
                learned.bytes_taken
            } else {
                cap
            }
            .max(FEWEST_BYTES),
        );
    }

    /// No answer came of an import, or one from a proxy that had none (502, 504), after so many seconds.
    pub fn timed_out(&mut self, load: Load, seconds: f64) {
        let expected = self.expected(load);
        self.learned.grown_tasks = self
            .learned
            .grown_tasks
            .min(load.tasks / 2)
            .max(FEWEST_TASKS);
        self.learned.grown_bytes = self
            .learned
            .grown_bytes
            .min(load.bytes / 2)
            .max(FEWEST_BYTES);
        // One that comes at once, as from a server that starts anew, says nothing about time.
        if seconds < expected / 2.0 || seconds < 1.0 {
            return;
        }
        // It took at least this.
        self.observe(load, seconds.max(expected));
        let before = self.learned.patience;
        let same = |before: &Patience| {
            let ratio = seconds / before.seconds;
            (1.0 / SAME_TIMEOUT..=SAME_TIMEOUT).contains(&ratio)
        };
        self.learned.patience = Some(match before {
            Some(before) if same(&before) => {
                let seconds = seconds.min(before.seconds);
                Patience {
                    seconds,
                    certain: true,
                    answers_since: 0,
                    doubted: false,
                }
            }
            // A later timeout says nothing new while an earlier one is believed.
            Some(before) if seconds > before.seconds && !before.doubted => before,
            _ => Patience {
                seconds,
                certain: false,
                answers_since: 0,
                doubted: false,
            },
        });
    }

    fn observe(&mut self, load: Load, seconds: f64) {
        let answer = Answer { load, seconds };
        if answer.is_sound() {
            let answers = &mut self.learned.answers;
            answers.push(answer);
            let surplus = answers.len().saturating_sub(cost::ANSWERS);
            answers.drain(..surplus);
            self.cost = Cost::fit(answers);
        }
    }

    /// Seconds the next import is to take.
    fn aim(&self) -> f64 {
        self.patience().map_or(self.seconds, |patience| {
            self.seconds.min(PATIENCE_FILLED * patience)
        })
    }

    /// Seconds it may take if its tasks are the costliest there were of late.
    fn bearable(&self) -> f64 {
        let bearable = WORST_MIX * self.seconds;
        self.patience()
            .map_or(bearable, |patience| bearable.min(patience))
    }

    fn patience(&self) -> Option<f64> {
        self.learned
            .patience
            .filter(|patience| !patience.doubted)
            .map(|patience| patience.seconds)
    }
}

/// What an average task is like.
#[derive(Clone, Copy, Debug)]
struct Mix {
    bytes: f64,
    annotated: f64,
}

impl Mix {
    /// Small plain tasks, of which nothing is known.
    const PLAIN: Mix = Mix {
        bytes: 200.0,
        annotated: 0.0,
    };

    fn of(load: Load) -> Self {
        let tasks = load.tasks as f64;
        Mix {
            bytes: load.bytes as f64 / tasks,
            annotated: load.annotated as f64 / tasks,
        }
    }

    /// The next import's tasks: like the last ones', the later the more.
    fn expected(answers: &[Answer]) -> Self {
        let mut sum = [0.0; 3];
        let mut weight = 1.0;
        for Answer { load, .. } in answers.iter().rev().take(MIX_ANSWERS) {
            let part = [load.tasks, load.bytes, load.annotated].map(|count| weight * count as f64);
            sum = [sum[0] + part[0], sum[1] + part[1], sum[2] + part[2]];
            weight /= 2.0;
        }
        if sum[0] > 0.0 {
            Mix {
                bytes: sum[1] / sum[0],
                annotated: sum[2] / sum[0],
            }
        } else {
            Mix::PLAIN
        }
    }

    /// The costliest of all answers that are remembered.
    fn costliest(answers: &[Answer], cost: &Cost) -> Self {
        let mixes = answers.iter().map(|answer| Mix::of(answer.load));
        mixes
            .max_by(|a, b| cost.task(*a).total_cmp(&cost.task(*b)))
            .unwrap_or(Mix::PLAIN)
    }
}

fn whole(count: f64) -> usize {
    // Saturates, and makes no number of what is none.
    count as usize
}
