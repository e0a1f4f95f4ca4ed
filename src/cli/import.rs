//! `sluice import`: the main job.

use std::sync::Arc;
use std::time::Instant;

use super::args::{
    FieldArguments, ImportArguments, LimitArguments, NulArgument, ReachArguments, ReadingArguments,
};
use super::config;
use super::delivery::{self, Delivery, Named, Placing};
use super::file_types;
use super::plans::Fields;
use crate::batch::limits::Limits;
use crate::decode::Nul;
use crate::error::{Code, Error, Result};
use crate::labelling_config::LabellingConfig;
use crate::normalize::data_key::DataKey;
use crate::normalize::dedupe::Dedupe;
use crate::normalize::fit::Fit;
use crate::normalize::join::Join;
use crate::normalize::mapping::Mapping;
use crate::normalize::media::References;
use crate::plan::{MediaCheck, Plan, Sample};
use crate::read::Reading;
use crate::read::column_types::CsvTypes;
use crate::source::local;

/// The part of a run's memory that a table to join may take besides.
const JOIN_SHARE: usize = 4;

/// Runs the command; gives the exit code of a run that came to its end.
///
/// # Errors
/// What ended it early.
pub fn run(arguments: &ImportArguments) -> Result<u8> {
    let started = Instant::now();
    let named = Named::of(&arguments.to)?;
    let plan = plan(&Asked::from(arguments), &named)?;
    delivery::run(Delivery {
        started,
        plan,
        named,
        to: &arguments.to,
        placing: Placing {
            overwrite: arguments.overwrite,
            layout: arguments.layout,
        },
        arguments: &arguments.delivery,
    })
}

/// What decides what the tasks are.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) sources: &'a [String],
    pub(super) reading: &'a ReadingArguments,
    pub(super) fields: &'a FieldArguments,
    pub(super) limits: &'a LimitArguments,
    pub(super) reach: &'a ReachArguments,
    pub(super) quiet: bool,
}

impl<'a> From<&'a ImportArguments> for Asked<'a> {
    fn from(arguments: &'a ImportArguments) -> Self {
        Asked {
            sources: &arguments.sources,
            reading: &arguments.reading,
            fields: &arguments.fields,
            limits: &arguments.limits,
            reach: &arguments.delivery.server.reach,
            quiet: arguments.delivery.quiet,
        }
    }
}

/// What an import of these words to this target is.
///
/// # Errors
/// When there is no such source, or the words ask for what cannot be.
pub(super) fn plan(asked: &Asked<'_>, named: &Named) -> Result<Plan> {
    let Asked {
        sources,
        reading,
        fields,
        limits,
        quiet,
        ..
    } = *asked;
    let (csv_types, spool_limit) = (reading.csv_types.into(), reading.spool_limit);
    let media_check = reading.media_check;
    if reading.no_header && csv_types == CsvTypes::LabelStudio {
        return Err(no_header());
    }
    let bounds = Limits::new(limits.max_tasks, limits.max_bytes, named.framing())?;
    // What the server makes of tasks is then left to it.
    let unknown =
        fields.no_validation && fields.predictions_from.is_empty() && fields.label_config.is_none();
    let config = if unknown {
        None
    } else {
        config::of(asked, named)?
    };
    let (key, known) = (
        fields.data_key.as_deref(),
        config.as_ref().map(|known| &*known.config),
    );
    let taking = file_types::taking(reading, key, known);
    let listing = local::list_as(sources, &taking)?;
    if !quiet {
        listing.told.iter().for_each(|line| eprintln!("{line}"));
    }
    let mapping = Mapping::new(
        fields.pick.clone(),
        fields.map.clone(),
        fields.set.clone(),
        DataKey::decide(key, known),
    )?;
    let files = file_types::files(reading, key, known);
    let reading = Reading {
        files,
        format: reading.format,
        delimiter: reading.delimiter,
        header: !reading.no_header,
        csv_types,
        encoding: reading.encoding,
        pick: fields.pick.clone(),
        ..limits.reading()
    };
    let nul = match fields.nul {
        NulArgument::Reject => Nul::Reject,
        NulArgument::Replace => Nul::Replace,
    };
    let join = fields
        .join
        .iter()
        .zip(&fields.on)
        .map(|(table, on)| Join::read(table, on, &limits.reading(), limits.memory / JOIN_SHARE))
        .next()
        .transpose()?;
    let fit = config
        .as_ref()
        .filter(|_| !fields.no_validation)
        .map(|known| {
            let joined = join.as_ref().map_or(&[][..], Join::columns);
            Fit::new(
                Arc::clone(&known.config),
                known.members.clone(),
                &mapping,
                joined,
            )
        })
        .transpose()?;
    let settled = Fields {
        mapping,
        fit,
        join,
        provenance: fields.provenance,
        dedupe: fields.dedupe.as_deref().map(Dedupe::of),
        nul,
    };
    let media_check = media_check
        .map(|sample| self::media_check(sample, known))
        .transpose()?;
    let mut plan = Plan {
        spool_limit: spool_limit as u64,
        media_check,
        ..limits.plan(listing, reading, settled, bounds)
    };
    fields.predict(&mut plan, config.map(|known| known.config))?;
    Ok(plan)
}

/// A look at the media that the labelling config shows; at those that are known by their names where there is none.
fn media_check(sample: Sample, config: Option<&LabellingConfig>) -> Result<MediaCheck> {
    let references = References::of(config);
    if references.are_none() {
        return Err(Error::new(
            Code::Usage,
            "`--media-check`: the labelling config shows no field as an address",
        )
        .help("leave it out, or give the tag that shows it `valueType=\"url\"`"));
    }
    Ok(MediaCheck { sample, references })
}

fn no_header() -> Error {
    Error::new(
        Code::Usage,
        "`--csv-types label-studio` does not go with `--no-header`: Label Studio takes the first row for the header",
    )
    .help("leave one of them out")
}
