//! What a bench has measured, as its report keeps it.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rounds::Round;
use super::statistics::{Interval, interval, median};
use crate::error::{Code, Error, Result};

/// The version of the report's layout.
const VERSION: u32 = 1;

/// What a bench has measured.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Measured {
    version: u32,
    /// That of the sluice that measured.
    pub(super) sluice: String,
    pub(super) asked: Asked,
    pub(super) tasks: u64,
    pub(super) imports: u64,
    pub(super) measures: Vec<Measure>,
}

/// What was asked for. Only what was asked for in the same way is compared.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Asked {
    pub(super) kind: String,
    pub(super) seed: u64,
    pub(super) input_bytes: u64,
    pub(super) target: String,
    pub(super) latency_ms: f64,
    pub(super) faults: f64,
    pub(super) threads: Option<usize>,
    pub(super) memory: u64,
    pub(super) max_tasks: u64,
    pub(super) max_bytes: u64,
    pub(super) machine: Machine,
}

/// What it ran on, and how it was built.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Machine {
    pub(super) os: String,
    pub(super) architecture: String,
    pub(super) processors: usize,
    /// Whether it was built for speed.
    pub(super) optimized: bool,
}

/// One number, round by round.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Measure {
    pub(super) name: String,
    pub(super) unit: String,
    /// Whether more of it is better.
    pub(super) more_is_better: bool,
    pub(super) rounds: Vec<f64>,
    pub(super) median: f64,
    /// In which the median lies with 95 % certainty.
    pub(super) interval: Interval,
}

impl Machine {
    pub(super) fn this() -> Self {
        Machine {
            os: std::env::consts::OS.to_owned(),
            architecture: std::env::consts::ARCH.to_owned(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            optimized: !cfg!(debug_assertions),
        }
    }
}

impl Measured {
    /// What all rounds together came to.
    pub(super) fn of(asked: Asked, rounds: &[Round]) -> Self {
        let mut measures = Vec::new();
        let mut add =
            |name: &str, unit: &str, more_is_better, of: &dyn Fn(&Round) -> Option<f64>| {
                // What the system does not say of every round is left out.
                let rounds: Option<Vec<f64>> = rounds.iter().map(of).collect();
                let Some(rounds) = rounds.filter(|rounds| !rounds.is_empty()) else {
                    return;
                };
                measures.push(Measure {
                    name: name.to_owned(),
                    unit: unit.to_owned(),
                    more_is_better,
                    median: median(&rounds),
                    interval: interval(&rounds),
                    rounds,
                });
            };
        let mb = |bytes: u64, time: Duration| {
            (time > Duration::ZERO).then(|| bytes as f64 / 1e6 / time.as_secs_f64())
        };
        add("end to end", "MB/s", true, &|r| {
            Some(r.megabytes_a_second())
        });
        add("tasks", "1/s", true, &|r| {
            Some(r.tasks as f64 / r.seconds.as_secs_f64())
        });
        add("processor time", "s", false, &|r| {
            Some(r.processor?.as_secs_f64())
        });
        add("peak memory", "MB", false, &|r| Some(r.peak? as f64 / 1e6));
        let time = |r: &Round, share: f64| Some(percentile(&r.times, share)?.as_secs_f64() * 1e3);
        add("time of an import, p50", "ms", false, &|r| time(r, 0.5));
        add("time of an import, p99", "ms", false, &|r| time(r, 0.99));
        add("read", "MB/s", true, &|r| {
            mb(r.stages.read.bytes, r.stages.read.seconds_busy)
        });
        add("decode and normalize", "MB/s", true, &|r| {
            mb(r.bytes, r.stages.decode.seconds_busy)
        });
        add("batch", "MB/s", true, &|r| {
            mb(r.bytes, r.stages.batch.seconds_busy)
        });
        add("deliver", "MB/s", true, &|r| {
            mb(r.bytes, r.stages.deliver.seconds_busy)
        });
        let last = rounds.last();
        Measured {
            version: VERSION,
            sluice: env!("CARGO_PKG_VERSION").to_owned(),
            asked,
            tasks: last.map_or(0, |round| round.tasks),
            imports: last.map_or(0, |round| round.imports),
            measures,
        }
    }

    /// Reads a report.
    ///
    /// # Errors
    /// When it cannot be read, or is none of this version.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = std::fs::read(path)
            .map_err(|e| Error::new(Code::SourceRead, format!("cannot read `{shown}`: {e}")))?;
        let bad = |why: String| {
            Error::new(
                Code::Usage,
                format!("`{shown}` is no report of a bench: {why}"),
            )
            .help("write one with `sluice bench --report FILE`")
        };
        let measured: Measured = serde_json::from_slice(&text).map_err(|e| bad(e.to_string()))?;
        if measured.version != VERSION {
            let version = measured.version;
            return Err(bad(format!("its version is {version}, not {VERSION}")));
        }
        Ok(measured)
    }

    /// Whether another bench may be held against this one.
    ///
    /// # Errors
    /// When something else was asked for, with the first thing that differs.
    pub(super) fn is_comparable(&self, asked: &Asked) -> Result<()> {
        let as_json = |asked: &Asked| serde_json::to_value(asked).unwrap_or_default();
        let (then, now) = (as_json(&self.asked), as_json(asked));
        let Some(fields) = then.as_object() else {
            return Ok(());
        };
        let differs = |(name, value): &(&String, &Value)| now[*name] != **value;
        let mut other: Vec<_> = fields.iter().filter(differs).collect();
        // It follows from the others.
        other.sort_by_key(|(name, _)| *name == "input_bytes");
        match other.first() {
            None => Ok(()),
            Some((name, value)) => Err(Error::new(
                Code::Usage,
                format!("the report to compare with is of another bench: its `{name}` was {value}, now it is {}", now[*name]),
            )
            .help("give the same options, on the same machine, with a sluice built in the same way")),
        }
    }

    /// As it is written.
    ///
    /// # Errors
    /// Never, unless a name cannot be written as JSON.
    pub(super) fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self)
            .map(|json| json + "\n")
            .map_err(|e| Error::new(Code::Internal, format!("no report: {e}")))
    }

    /// How many rounds there were.
    pub(super) fn rounds(&self) -> usize {
        let rounds = |measure: &Measure| measure.rounds.len();
        self.measures.iter().map(rounds).max().unwrap_or_default()
    }

    /// The measure of that name.
    pub(super) fn measure(&self, name: &str) -> Option<&Measure> {
        self.measures.iter().find(|measure| measure.name == name)
    }
}

/// The shortest of the times, which are sorted, that is not shorter than this share of them.
fn percentile(times: &[Duration], share: f64) -> Option<Duration> {
    let at = (times.len() as f64 * share).ceil() as usize;
    times.get(at.clamp(1, times.len().max(1)) - 1).copied()
}
