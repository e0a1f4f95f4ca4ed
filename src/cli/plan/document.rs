//! What a plan says, as `--json` prints it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::batch::limits::{Limits, Wanted};
use crate::batch::tally::Counts;
use crate::decode::Changes;
use crate::rejects::Rejects;
use crate::sink::counted::Size;

/// The version of the document's layout.
pub(super) const VERSION: u32 = 1;

/// Bars of the histogram of how full imports are.
const BARS: usize = 10;

/// What an import would come to.
#[derive(Debug, Serialize)]
pub(super) struct Document {
    /// [`VERSION`].
    pub(super) version: u32,
    /// Whether all sources could be read to their end.
    pub(super) complete: bool,
    /// The error that ended the reading early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    /// Where the imports would go.
    pub(super) target: String,
    /// Records read, good and bad.
    pub(super) records: u64,
    /// Those that would be tasks.
    pub(super) tasks: u64,
    /// Those that would be rejected.
    pub(super) rejects: u64,
    /// Those that came before and would be left out.
    pub(super) duplicates: u64,
    /// Bytes of all imports.
    pub(super) bytes: u64,
    /// Bytes read from the sources, as stored.
    pub(super) bytes_read: u64,
    /// Whether an import would go to its end with so many rejects.
    pub(super) accepted: bool,
    /// How many rejects it accepts.
    pub(super) max_rejects: String,
    /// The rejects by code.
    pub(super) rejects_by_code: BTreeMap<String, Rejects>,
    /// What would be changed in the data, by a stated rule or because it was asked for.
    pub(super) changes: Changes,
    /// The imports.
    pub(super) imports: Imports,
    /// How long they would take a server, where a server may take them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pace: Option<Pace>,
    /// The projects that would take them.
    pub(super) projects: Vec<Project>,
    /// The sources, in order.
    pub(super) sources: Vec<Source>,
}

/// The imports of a plan.
#[derive(Debug, Default, Serialize)]
pub(super) struct Imports {
    /// How many.
    pub(super) count: u64,
    /// Fewer than these cannot hold so many bytes and tasks.
    pub(super) fewest: u64,
    /// What one may hold.
    pub(super) max_tasks: usize,
    /// The same in bytes.
    pub(super) max_bytes: usize,
    /// How full they are, of one: by tasks or by bytes, whichever is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) full: Option<Full>,
    /// How many are full to a tenth, two tenths and so on.
    pub(super) histogram: [u64; BARS],
}

/// How full imports are.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Full {
    /// The one that holds least.
    pub(super) least: f64,
    /// The one in the middle.
    pub(super) median: f64,
    /// The last one.
    pub(super) last: f64,
}

/// How long imports take a server.
#[derive(Clone, Copy, Debug, Serialize)]
#[expect(
    clippy::struct_field_names,
    reason = "whoever reads the document is to see the unit"
)]
pub(super) struct Pace {
    /// Seconds between the starts of two.
    pub(super) interval_seconds: f64,
    /// Seconds from the start of the first to that of the last, if they are as few as can be.
    pub(super) earliest_seconds: f64,
    /// Seconds to the end of the last, if the server answers as it did before, or as the one did that was measured;
    /// nothing where no server is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expected_seconds: Option<f64>,
}

/// A project that takes tasks.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Project {
    /// Its address; nothing if it is to be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<String>,
    /// Tasks that are there.
    pub(super) tasks_before: u64,
    /// Tasks that would be there.
    pub(super) tasks_after: u64,
    /// Whether that is more than Label Studio's guide advises.
    pub(super) over_advice: bool,
}

/// What becomes of a source.
#[derive(Debug, Serialize)]
pub(super) struct Source {
    /// Its name.
    #[serde(rename = "source")]
    pub(super) name: String,
    /// Its size as stored, if that is known before it is read.
    pub(super) bytes: Option<u64>,
    /// Its records.
    pub(super) records: u64,
    /// What becomes of them.
    #[serde(flatten)]
    pub(super) counts: Counts,
}

impl Imports {
    /// Those of these sizes, within these limits; `most` is what the target takes of one.
    pub(super) fn of(sizes: &[Size], limits: &Limits, most: Wanted) -> Self {
        let mut full: Vec<f64> = sizes
            .iter()
            .map(|size| {
                let tasks = size.tasks as f64 / most.tasks as f64;
                tasks.max(size.bytes as f64 / most.bytes as f64)
            })
            .collect();
        let last = full.last().copied();
        let mut histogram = [0; BARS];
        for share in &full {
            histogram[((share * BARS as f64) as usize).min(BARS - 1)] += 1;
        }
        full.sort_by(f64::total_cmp);
        let full = last.map(|last| Full {
            least: full[0],
            median: full[full.len() / 2],
            last,
        });
        Imports {
            count: sizes.len() as u64,
            fewest: fewest(sizes, limits, most),
            max_tasks: most.tasks,
            max_bytes: most.bytes,
            full,
            histogram,
        }
    }
}

/// The fewest imports that can hold so many tasks and bytes.
fn fewest(sizes: &[Size], limits: &Limits, most: Wanted) -> u64 {
    // Each import has this beside its tasks and one separator for each.
    let around = (limits.framing.open.len() + limits.framing.close.len()).saturating_sub(1);
    let tasks: u64 = sizes.iter().map(|size| size.tasks as u64).sum();
    let bytes: u64 = sizes.iter().map(|size| (size.bytes - around) as u64).sum();
    let by_tasks = tasks.div_ceil(most.tasks as u64);
    by_tasks.max(bytes.div_ceil((most.bytes.saturating_sub(around)).max(1) as u64))
}

impl Pace {
    /// Of so few imports, so far apart.
    pub(super) fn new(fewest: u64, interval: Duration, expected: Option<Duration>) -> Self {
        let interval = interval.as_secs_f64();
        Pace {
            interval_seconds: interval,
            earliest_seconds: fewest.saturating_sub(1) as f64 * interval,
            expected_seconds: expected
                .map(|expected| (expected.as_secs_f64() * 10.0).round() / 10.0),
        }
    }
}
