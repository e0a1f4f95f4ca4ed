//! `sluice plan --sample`: an estimate, with its error.

use std::fmt::Write as _;

use indicatif::{DecimalBytes, HumanCount};
use serde::Serialize;

use super::document::VERSION;
use crate::batch::limits::Limits;
use crate::cli::args::{Amount as Asked, PlanArguments};
use crate::cli::next;
use crate::cli::table::print;
use crate::error::{Code, Error, Result};
use crate::inspect::estimate::Estimate;
use crate::inspect::head::Look;
use crate::inspect::sample::{Amount, Sample, sample};
use crate::pipeline;
use crate::plan::Plan;
use crate::wording::counted;

/// The document that `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    target: String,
    sample: &'a Sample,
    /// How many imports there would be, as full as they may be.
    imports: Estimate,
}

/// Takes a sample of a plan's sources, and prints what it says. Gives the exit code; nothing if the sample would be about
/// all there is.
///
/// # Errors
/// When a source cannot be read.
pub(super) fn run(arguments: &PlanArguments, plan: &Plan, amount: Asked) -> Result<Option<u8>> {
    let look = Look {
        reading: &plan.reading,
        normalizer: &plan.normalizer,
        memory: plan.memory,
        tasks: 0,
    };
    let amount = match amount {
        Asked::Records(records) => Amount::Records(records.get()),
        Asked::Bytes(bytes) => Amount::Bytes(bytes.get()),
    };
    let seed = seed(plan)?;
    let Some(sample) = pipeline::looking(|| sample(&look, &plan.sources, amount, seed))? else {
        return Ok(None);
    };
    let imports = imports(&sample, &plan.limits);
    let import = &arguments.import;
    print(&if arguments.import.delivery.json {
        let document = Document {
            version: VERSION,
            target: import.to.join(" "),
            sample: &sample,
            imports,
        };
        serde_json::to_string_pretty(&document)
            .map(|json| json + "\n")
            .map_err(|e| Error::new(Code::Internal, format!("no plan: {e}")))?
    } else {
        text(&sample, imports, plan.normalizer.dedupe.is_some())
    })?;
    let rejects = !sample.rejects_by_code.is_empty();
    if !import.delivery.watching.quiet {
        next::after_plan(rejects, true);
    }
    Ok(Some(if rejects { 3 } else { 0 }))
}

/// The same sources have the same sample: what draws it is made of their names and sizes.
fn seed(plan: &Plan) -> Result<u64> {
    let mut hasher = blake3::Hasher::new();
    for source in &plan.sources {
        let source = source?;
        hasher.update(source.name.as_bytes());
        hasher.update(&source.bytes.unwrap_or_default().to_le_bytes());
    }
    let mut seed = [0; 8];
    seed.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    Ok(u64::from_le_bytes(seed))
}

fn imports(sample: &Sample, limits: &Limits) -> Estimate {
    let number = |tasks: f64, bytes: f64| {
        let by_tasks = tasks / limits.tasks.get() as f64;
        by_tasks.max(bytes / limits.bytes.get() as f64).ceil()
    };
    let (tasks, bytes) = (sample.tasks, sample.bytes);
    let both = |tasks: Option<f64>, bytes: Option<f64>| tasks.zip(bytes).map(|(t, b)| number(t, b));
    Estimate {
        likely: number(tasks.likely, bytes.likely),
        least: both(tasks.least, bytes.least),
        // An import is left when the next task does not fit: the last of it may be empty.
        most: both(tasks.most, bytes.most).map(|most| most + 1.0),
    }
}

fn text(sample: &Sample, imports: Estimate, dedupe: bool) -> String {
    let count = |number: f64| HumanCount(number.round() as u64).to_string();
    let size = |number: f64| DecimalBytes(number.round() as u64).to_string();
    let of = |estimate: Estimate, shown: &dyn Fn(f64) -> String| {
        let likely = shown(estimate.likely);
        match estimate.least.zip(estimate.most) {
            Some((least, most)) => format!("{likely} (from {} to {})", shown(least), shown(most)),
            None => format!("{likely} (no error can be stated)"),
        }
    };
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "an estimate, from a sample of {}:",
        counted(sample.looked_at, "record")
    );
    for (what, estimate, shown) in [
        ("records", sample.records, &count as &dyn Fn(f64) -> String),
        ("tasks", sample.tasks, &count),
        ("rejects", sample.rejects, &count),
        ("bytes of tasks", sample.bytes, &size),
        ("imports", imports, &count),
    ] {
        let _ = writeln!(text, "  {what:14}  {}", of(estimate, shown));
    }
    for (code, seen) in &sample.rejects_by_code {
        let _ = writeln!(text, "  {code}: {} in the sample", HumanCount(seen.count));
        let _ = writeln!(text, "    {}", seen.first);
    }
    if sample.windows > 0 {
        let _ = writeln!(
            text,
            "{} of {} together were drawn from all of the text; nineteen of twenty such samples have the truth between their bounds",
            counted(sample.windows, "window"),
            DecimalBytes(sample.bytes_looked_at)
        );
    }
    if sample.heads > 0 {
        let _ = writeln!(
            text,
            "{} can be read from the start only, and what follows the head may differ from it",
            counted(sample.heads, "source")
        );
    }
    if dedupe {
        text.push_str(
            "records that come again were not looked for: `--dedupe` may leave out more\n",
        );
    }
    text
}
