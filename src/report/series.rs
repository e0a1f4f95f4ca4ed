//! The course of a run, in memory that does not grow with it.
//!
//! What is kept is where the account of the stages stood at some moments. When there are too many, every second one is
//! left out, and from then on moments are kept half as often: since accounts only grow, nothing is lost but resolution.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::stages::{Account, Stage};

/// Moments that are kept at most.
pub const MOST_MOMENTS: usize = 240;

/// The time between two moments at first.
pub const FIRST_STEP: Duration = Duration::from_millis(50);

/// Keeps the course of a run.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Recorded>);

#[derive(Debug)]
struct Recorded {
    step: Duration,
    moments: Vec<Moment>,
}

impl Default for Recorded {
    fn default() -> Self {
        Recorded {
            step: FIRST_STEP,
            moments: Vec::new(),
        }
    }
}

#[derive(Clone, Debug)]
struct Moment {
    at: Duration,
    stages: [Stage; 4],
}

impl Recorder {
    /// Keeps where the run stands after so long.
    pub fn record(&self, at: Duration, account: &Account) {
        let Account {
            read,
            decode,
            batch,
            deliver,
        } = account.clone();
        let mut recorded = self.recorded();
        recorded.moments.push(Moment {
            at,
            stages: [read, decode, batch, deliver],
        });
        if recorded.moments.len() > MOST_MOMENTS {
            recorded.step = recorded.step.saturating_mul(2);
            let mut number = 0_usize;
            recorded.moments.retain(|_| {
                number += 1;
                number % 2 == 1
            });
        }
    }

    /// The time until the next moment is to be kept.
    #[must_use]
    pub fn step(&self) -> Duration {
        self.recorded().step
    }

    /// The course so far.
    #[must_use]
    pub fn series(&self) -> Series {
        let recorded = self.recorded();
        let moments = &recorded.moments;
        let stage = |stage: usize| {
            let figure = |figure: fn(&Stage) -> f64| -> Vec<f64> {
                let mut before = 0.0;
                moments
                    .iter()
                    .map(|moment| {
                        let now = figure(&moment.stages[stage]);
                        let grown = (now - before).max(0.0);
                        before = now;
                        (grown * 1e3).round() / 1e3
                    })
                    .collect()
            };
            Course {
                bytes: figure(|stage| stage.bytes as f64),
                busy: figure(|stage| stage.seconds_busy.as_secs_f64()),
                waiting_for_input: figure(|stage| stage.seconds_waiting_for_input.as_secs_f64()),
                waiting_for_room: figure(|stage| stage.seconds_waiting_for_room.as_secs_f64()),
            }
        };
        Series {
            seconds: moments
                .iter()
                .map(|moment| (moment.at.as_secs_f64() * 1e3).round() / 1e3)
                .collect(),
            read: stage(0),
            decode: stage(1),
            batch: stage(2),
            deliver: stage(3),
        }
    }

    fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The course of a run: what each stage did from each moment to the next. All lists are of one length, at most
/// [`MOST_MOMENTS`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Series {
    /// The ends of the spans, since the run began; the first span begins with the run.
    pub seconds: Vec<f64>,
    /// The reader.
    pub read: Course,
    /// The workers.
    pub decode: Course,
    /// The batcher.
    pub batch: Course,
    /// The deliverer.
    pub deliver: Course,
}

/// What a stage did in each span; seconds are those of all its threads together.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Course {
    /// Bytes that left it.
    pub bytes: Vec<f64>,
    /// It worked.
    #[serde(rename = "seconds_busy")]
    pub busy: Vec<f64>,
    /// It waited for the stage before it.
    #[serde(rename = "seconds_waiting_for_input")]
    pub waiting_for_input: Vec<f64>,
    /// It waited for the stage after it.
    #[serde(rename = "seconds_waiting_for_room")]
    pub waiting_for_room: Vec<f64>,
}
