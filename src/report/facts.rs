//! What ran, how it was asked for, and what it was to expect: known before the first byte is read.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::source::listed::Sources;

/// What is known of a run before it begins; no secrets.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Facts {
    /// The run's id.
    pub run: String,
    /// When it began, in UTC: RFC 3339.
    pub began: String,
    /// The words it was asked for with, program name first; addresses without user and query.
    pub command: Vec<String>,
    /// What ran.
    pub made_by: MadeBy,
    /// What there is to read.
    pub sources: Expected,
    /// What bounds its imports.
    pub limits: Bounds,
}

/// What ran.
#[derive(Clone, Debug, Serialize)]
pub struct MadeBy {
    /// The version of sluice.
    pub sluice: &'static str,
    /// The operating system.
    pub os: &'static str,
    /// The kind of processor.
    pub arch: &'static str,
    /// Threads that decode.
    pub threads: usize,
}

impl Default for MadeBy {
    fn default() -> Self {
        MadeBy {
            sluice: env!("CARGO_PKG_VERSION"),
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            threads: 1,
        }
    }
}

/// What there is to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Expected {
    /// How many sources.
    pub count: usize,
    /// Their size as stored, where it is known of all.
    pub bytes: Option<u64>,
}

impl Expected {
    /// Of these.
    #[must_use]
    pub fn of(sources: &Sources) -> Self {
        Expected {
            count: sources.len(),
            bytes: sources.bytes(),
        }
    }
}

/// What bounds the imports of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bounds {
    /// Tasks in one import, at most.
    pub tasks: usize,
    /// Bytes of one import, at most.
    pub bytes: usize,
    /// Between the starts of two imports; nothing where the target has no pace.
    #[serde(rename = "seconds_interval", serialize_with = "pace")]
    pub interval: Option<Duration>,
}

#[expect(clippy::ref_option, reason = "serde asks for it")]
fn pace<S: Serializer>(interval: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    interval
        .map(|time| time.as_secs_f64())
        .serialize(serializer)
}
