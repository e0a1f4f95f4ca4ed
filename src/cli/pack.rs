//! Packing record batches that an application hands over: `sluice import` where there is no file.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Instant;

use clap::Parser;

use super::args::{Arguments, Command, ImportArguments};
use super::config::{self, Known};
use super::delivery::{self, Delivery, Named, Placing};
use super::import;
use super::last_line::LastLine;
use super::leases::Shared;
use super::run_ids;
use crate::error::{Code, Error, Result};
use crate::labelling_config::LabellingConfig;
use crate::plan::Plan;
use crate::source::Source;
use crate::source::address::word_without_secrets;
use crate::source::batches::Batches;
use crate::source::local::Listing;

/// What is to be packed, and how.
#[derive(Debug)]
pub struct Packing {
    /// As on the command line, where they apply: there are no words for sources.
    pub arguments: ImportArguments,
    /// The labelling config itself, where it is in no file.
    pub label_config: Option<String>,
    /// The run's id, where it is not to be made up.
    pub run: Option<String>,
    /// Whether this is a part of a run: what it holds is for the manifest of the whole, and it has none of its own.
    pub part: bool,
}

impl Packing {
    /// Packing to a folder or a prefix in a bucket, with nothing else said.
    ///
    /// # Errors
    /// When it is neither.
    pub fn new(to: &str) -> Result<Self> {
        let shown = word_without_secrets(to);
        // Read from words, so that the defaults have one home.
        let words = ["sluice", "import", "-", "--quiet"].map(OsString::from);
        let parsed =
            Arguments::try_parse_from(words.into_iter().chain([format!("--to={to}").into()]));
        let Ok(Command::Import(arguments)) = parsed.map(|parsed| parsed.command) else {
            return Err(Error::new(Code::Usage, format!("`{shown}` is no target")));
        };
        if !matches!(
            Named::of(&arguments.to)?,
            Named::Directory(_) | Named::Objects(_)
        ) {
            return Err(Error::new(
                Code::Usage,
                format!("`{shown}` is no place to pack to"),
            )
            .help("name a folder, or a prefix such as `s3://bucket/prefix`; `push` sends what was packed"));
        }
        Ok(Packing {
            arguments: *arguments,
            label_config: None,
            run: None,
            part: false,
        })
    }
}

/// What is packed, with all that can be known before the first batch.
pub struct Ready {
    packing: Packing,
    named: Named,
    plan: Plan,
}

impl Ready {
    /// Makes sure that what is asked for can be.
    ///
    /// # Errors
    /// When it cannot; nothing has been opened then.
    pub fn new(packing: Packing, batches: Batches) -> Result<Self> {
        let named = Named::of(&packing.arguments.to)?;
        let plan = plan(&packing, &named, batches)?;
        Ok(Ready {
            packing,
            named,
            plan,
        })
    }

    /// The run's id.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.plan.run
    }

    /// Packs until there are no more batches.
    ///
    /// # Errors
    /// What ended it early.
    pub fn run(self) -> Result<()> {
        let Packing {
            arguments, part, ..
        } = &self.packing;
        let (plan, named) = (self.plan, self.named);
        LastLine::after("import", &arguments.to, false, |last| {
            let delivered = delivery::run(Delivery {
                started: Instant::now(),
                plan,
                named,
                to: &arguments.to,
                placing: Placing {
                    overwrite: arguments.overwrite,
                    layout: arguments.layout,
                    part: *part,
                },
                shared: Shared::asked(&arguments.delivery.lease)?,
                arguments: &arguments.delivery,
                last,
            });
            delivered.map(|(code, _)| code)
        })
        .map(drop)
    }
}

fn plan(packing: &Packing, named: &Named, batches: Batches) -> Result<Plan> {
    let asked = import::Asked::from(&packing.arguments);
    let known = match &packing.label_config {
        Some(xml) => Some(Known {
            config: Arc::new(LabellingConfig::parse(xml).map_err(|fault| {
                Error::new(Code::LabelConfig, format!("the labelling config, {fault}"))
            })?),
            members: None,
        }),
        None => config::of(&asked, named)?,
    };
    let listing = Listing::of(Source::of_batches(batches))?;
    let mut plan = import::plan_of(&asked, named, known, listing)?;
    if let Some(run) = &packing.run {
        plan.run = checked(run)?;
    }
    Ok(plan)
}

/// A run's id, which names files and folders too.
///
/// # Errors
/// When it cannot.
pub fn checked(run: &str) -> Result<String> {
    run_ids::parse(run)
        .map_err(|why| Error::new(Code::Usage, format!("`{run}` is no id of a run: it {why}")))
}
