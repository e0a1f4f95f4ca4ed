//! What an import costs a server: seconds = a + b × tasks + c × annotated tasks + d × bytes.
//!
//! The four are fitted to the last answers, none below zero, in relative terms: an answer 20 % off weighs the same
//! whether it took one second or thirty. Where the answers do not tell them apart, as when all tasks are alike, they
//! keep the ratios of the server that was measured. On top of that, how fast the server is now is the middle one of the
//! last three answers: a single slow one changes nothing, two do, and two fast ones undo it.

use serde::{Deserialize, Serialize};

use super::{Load, Mix};

/// Answers that are remembered.
pub(super) const ANSWERS: usize = 32;

/// The server that was measured: 0.1 s a request, 0.18 ms a task, four times that more for an annotated one (the
/// contract, section 4), and 50 MB of JSON a second.
const MEASURED: [f64; 4] = [0.1, 0.18e-3, 4.0 * 0.18e-3, 20e-9];

/// How much the measured ratios weigh against one answer.
const PRIOR: f64 = 1e-3;

/// An answer's weight falls to half in so many answers.
const HALF_LIFE: f64 = 12.0;

/// Beyond this relative error an answer's pull no longer grows.
const OUTLIER: f64 = 0.25;

/// Answers of which the middle one says how fast the server is now.
const NOW: usize = 3;

/// An import and the seconds it took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) load: Load,
    pub(super) seconds: f64,
}

impl Answer {
    /// Whether anything can be learned of it.
    pub(super) fn is_sound(&self) -> bool {
        self.load.tasks > 0 && self.seconds.is_finite() && self.seconds > 0.0
    }
}

/// The four costs, in seconds, of a request, a task, an annotated task beyond that, and a byte.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cost([f64; 4]);

impl Cost {
    /// The costs that explain the answers, which are in order.
    pub(super) fn fit(answers: &[Answer]) -> Self {
        let measured = Cost(MEASURED);
        let speed = |cost: &Cost, answers: &[Answer]| {
            median(
                answers
                    .iter()
                    .map(|answer| answer.seconds / cost.seconds(answer.load))
                    .collect(),
            )
        };
        let Some(scale) = speed(&measured, answers) else {
            return measured;
        };
        let scaled = measured.times(scale);
        let rows: Vec<[f64; 4]> = answers.iter().map(|answer| scaled.parts(answer)).collect();
        let age = |row: usize| (answers.len() - 1 - row) as f64;
        let recency: Vec<f64> = (0..rows.len())
            .map(|row| (-age(row) / HALF_LIFE).exp2())
            .collect();
        let mut factors = [1.0; 4];
        for _ in 0..4 {
            let weights: Vec<f64> = rows
                .iter()
                .zip(&recency)
                .map(|(row, recency)| recency * trust(row, &factors))
                .collect();
            factors = least_squares(&rows, &weights, factors);
        }
        let mut fitted = scaled;
        fitted
            .0
            .iter_mut()
            .zip(factors)
            .for_each(|(cost, factor)| *cost *= factor);
        let now = speed(&fitted, &answers[answers.len().saturating_sub(NOW)..]);
        fitted.times(now.filter(|now| now.is_finite()).unwrap_or(1.0))
    }

    /// Seconds for an import.
    pub(super) fn seconds(&self, load: Load) -> f64 {
        let [request, task, annotated, byte] = self.0;
        let [tasks, annotations, bytes] =
            [load.tasks, load.annotated, load.bytes].map(|count| count as f64);
        request + task * tasks + annotated * annotations + byte * bytes
    }

    /// Seconds for one task more of a mix; never zero.
    pub(super) fn task(&self, mix: Mix) -> f64 {
        let [_, task, annotated, byte] = self.0;
        (task + annotated * mix.annotated + byte * mix.bytes).max(f64::MIN_POSITIVE)
    }

    /// Tasks of a mix that fill so many seconds.
    pub(super) fn tasks_in(&self, seconds: f64, mix: Mix) -> f64 {
        (seconds - self.0[0]).max(0.0) / self.task(mix)
    }

    /// Bytes that fill so many seconds by themselves, if they cost anything.
    pub(super) fn bytes_in(&self, seconds: f64) -> f64 {
        (seconds - self.0[0]).max(0.0) / self.0[3].max(f64::MIN_POSITIVE)
    }

    fn times(&self, factor: f64) -> Self {
        Cost(self.0.map(|cost| cost * factor))
    }

    /// The parts of an answer's seconds that each cost explains.
    fn parts(&self, answer: &Answer) -> [f64; 4] {
        let Load {
            tasks,
            bytes,
            annotated,
        } = answer.load;
        let counts = [1.0, tasks as f64, annotated as f64, bytes as f64];
        let mut parts = self.0;
        parts
            .iter_mut()
            .zip(counts)
            .for_each(|(part, count)| *part *= count / answer.seconds);
        parts
    }
}

/// How far an answer is trusted that the factors explain so well.
fn trust(row: &[f64; 4], factors: &[f64; 4]) -> f64 {
    let error = (explained(row, factors) - 1.0).abs();
    if error > OUTLIER {
        OUTLIER / error
    } else {
        1.0
    }
}

fn explained(row: &[f64; 4], factors: &[f64; 4]) -> f64 {
    row.iter()
        .zip(factors)
        .map(|(part, factor)| part * factor)
        .sum()
}

/// Factors, none below zero, that bring every row's sum near one and stay near one themselves: coordinate descent.
fn least_squares(rows: &[[f64; 4]], weights: &[f64], mut factors: [f64; 4]) -> [f64; 4] {
    for _ in 0..200 {
        for which in 0..factors.len() {
            let (mut pull, mut weight) = (PRIOR, PRIOR);
            for (row, trust) in rows.iter().zip(weights) {
                let others = explained(row, &factors) - row[which] * factors[which];
                pull += trust * row[which] * (1.0 - others);
                weight += trust * row[which] * row[which];
            }
            factors[which] = (pull / weight).max(0.0);
        }
    }
    factors
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => values.get(middle).copied(),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}
