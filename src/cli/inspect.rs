//! `sluice inspect`: what sources are, and what their first tasks would be.

mod paint;
mod text;

use serde::Serialize;

use self::paint::Paint;
use super::args::{InspectArguments, LimitArguments};
use super::delivery::{self, Named};
use super::import::{self, Asked};
use super::next;
use super::table::print;
use crate::error::{Code, Error, Result};
use crate::inspect::About;
use crate::inspect::head::Look;
use crate::pipeline;
use crate::place::Spot;

/// The version of the document that `--json` prints.
const VERSION: u32 = 1;

/// Sources that are looked at; a folder may have a million.
const MOST: usize = 10;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    sources: &'a [About],
    /// Sources that were not looked at.
    more_sources: usize,
}

/// Runs the command.
///
/// # Errors
/// The first of a source that cannot be read, after what is known of those before it is printed.
pub fn run(arguments: &InspectArguments) -> Result<u8> {
    let named = match &arguments.to {
        Some(to) => Named::of(std::slice::from_ref(to))?,
        None => Named::Stdout,
    };
    let limits = LimitArguments::default();
    let asked = Asked {
        sources: &arguments.sources,
        list: None,
        shard: None,
        reading: &arguments.reading,
        fields: &arguments.fields,
        limits: &limits,
        reach: &arguments.reach,
        quiet: arguments.quiet,
        stdin: true,
    };
    let plan = import::plan(&asked, &named)?;
    if !arguments.quiet {
        delivery::left_out(&plan, false);
    }
    let look = Look {
        reading: &plan.reading,
        normalizer: &plan.normalizer,
        memory: plan.memory,
        tasks: arguments.tasks.into(),
    };
    let mut found = Vec::new();
    let mut failed = None;
    for source in plan.sources.iter().take(MOST) {
        let source = source?;
        match pipeline::looking(|| look.at(&source)) {
            Ok(about) => found.push(about),
            Err(error) => {
                failed = Some(error.at(|| Spot::source(&source.name)));
                break;
            }
        }
    }
    let more_sources = plan.sources.len() - plan.sources.len().min(MOST);
    print(&if arguments.json {
        let document = Document {
            version: VERSION,
            sources: &found,
            more_sources,
        };
        serde_json::to_string_pretty(&document)
            .map(|json| json + "\n")
            .map_err(|e| Error::new(Code::Internal, format!("no document: {e}")))?
    } else {
        text::text(&found, more_sources, Paint::of_stdout())
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    if !arguments.quiet {
        let mends = found.iter().filter_map(|about| about.fitting.as_ref());
        let mut mends: Vec<_> = mends.flat_map(|fitting| fitting.mend.clone()).collect();
        mends.dedup();
        next::after_inspect(&mends);
    }
    Ok(0)
}
