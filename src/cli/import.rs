//! `sluice import`: the main job.

use std::sync::Arc;
use std::time::Instant;

use super::args::{
    CsvTypesArgument, FieldArguments, ImportArguments, InlineArgument, LimitArguments,
    ReachArguments, ReadingArguments,
};
use super::config::{self, Known};
use super::delivery::{self, Delivery, Named, Placing};
use super::file_types;
use super::last_line::LastLine;
use super::leases::Shared;
use super::lists;
use super::plans::Fields;
use super::sync::{self, Sync};
use crate::batch::limits::Limits;
use crate::error::{Code, Error, Result};
use crate::labelling_config::LabellingConfig;
use crate::normalize::data_key::DataKey;
use crate::normalize::dedupe::Dedupe;
use crate::normalize::fit::Fit;
use crate::normalize::inline::{self, Inline};
use crate::normalize::join::Join;
use crate::normalize::mapping::Mapping;
use crate::normalize::media::References;
use crate::plan::shard::Shard;
use crate::plan::{MediaCheck, Plan, Sample};
use crate::read::Reading;
use crate::read::archive::{self, Looking};
use crate::report::log;
use crate::source::local::{self, Listing, Taking};

/// The part of a run's memory that a table to join may take besides.
const JOIN_SHARE: usize = 4;

/// Runs the command; gives the exit code of a run that came to its end.
///
/// # Errors
/// What ended it early.
pub fn run(arguments: &ImportArguments) -> Result<u8> {
    let asked = arguments.delivery.json;
    LastLine::after("import", &arguments.to, asked, |last| {
        begin(arguments, last)
    })
}

fn begin(arguments: &ImportArguments, last: &mut LastLine) -> Result<u8> {
    let started = Instant::now();
    let mut named = Named::of(&arguments.to)?;
    if let Some(shard) = arguments.shard {
        self::shard(arguments)?;
        named = named.within(shard)?;
    }
    let sync = Sync::of(arguments, &named)?;
    let plan = plan(&Asked::from(arguments), &named)?;
    let (code, tasks) = delivery::run(Delivery {
        started,
        plan,
        named,
        to: &arguments.to,
        placing: Placing {
            overwrite: arguments.overwrite,
            layout: arguments.layout,
            part: false,
        },
        shared: Shared::asked(&arguments.delivery.lease)?,
        arguments: &arguments.delivery,
        last,
    })?;
    // What is written is all there.
    if let Some(sync) = sync.filter(|_| tasks > 0) {
        let synced = sync.run(arguments, tasks)?;
        if !arguments.delivery.watching.quiet {
            log::tell(format_args!("{}", sync::told(&synced)));
        }
    }
    Ok(code)
}

/// What decides what the tasks are.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) sources: &'a [String],
    /// The sources are lists of sources, with this column.
    pub(super) list: Option<&'a str>,
    pub(super) shard: Option<Shard>,
    pub(super) reading: &'a ReadingArguments,
    pub(super) fields: &'a FieldArguments,
    pub(super) limits: &'a LimitArguments,
    pub(super) reach: &'a ReachArguments,
    pub(super) quiet: bool,
    /// Standard input is there, and is looked at.
    pub(super) stdin: bool,
}

impl<'a> From<&'a ImportArguments> for Asked<'a> {
    fn from(arguments: &'a ImportArguments) -> Self {
        Asked {
            sources: &arguments.sources,
            list: arguments.list.as_deref(),
            shard: arguments.shard,
            reading: &arguments.reading,
            fields: &arguments.fields,
            limits: &arguments.limits,
            reach: &arguments.delivery.server.reach,
            quiet: arguments.delivery.watching.quiet,
            stdin: true,
        }
    }
}

/// What an import of these words to this target is.
///
/// # Errors
/// When there is no such source, or the words ask for what cannot be.
pub(super) fn plan(asked: &Asked<'_>, named: &Named) -> Result<Plan> {
    let Asked {
        reading,
        fields,
        quiet,
        ..
    } = *asked;
    if reading.presign.is_some() {
        presignable(reading.media_check, named, asked.shard.is_some())?;
    }
    if reading.no_header && reading.csv_types == CsvTypesArgument::LabelStudio {
        return Err(no_header());
    }
    // What the server makes of tasks is then left to it.
    let unknown = fields.no_validation
        && fields.predictions_from.is_empty()
        && fields.inline.is_empty()
        && fields.label_config.is_none();
    let config = if unknown {
        None
    } else {
        config::of(asked, named)?
    };
    let (key, known) = (
        fields.data_key.as_deref(),
        config.as_ref().map(|known| &*known.config),
    );
    let inline = inlined(fields, known)?;
    let taking = file_types::taking(reading, key, known, inline.is_some());
    let mut listing = listing(asked, &taking)?;
    let looking = Looking {
        spool_limit: reading.spool_limit as u64,
        stdin: asked.stdin,
    };
    archive::expand(&mut listing, &taking, looking)?;
    if let Some(shard) = asked.shard {
        listing.sources = shard.of_sources(&listing.sources)?;
    }
    if !quiet {
        listing
            .told
            .iter()
            .for_each(|line| log::tell(format_args!("{line}")));
    }
    plan_of(asked, named, config, listing)
}

/// What an import of these sources is, whose tasks are to fit what is known.
///
/// # Errors
/// When the words ask for what cannot be.
pub(super) fn plan_of(
    asked: &Asked<'_>,
    named: &Named,
    config: Option<Known>,
    listing: Listing,
) -> Result<Plan> {
    let Asked {
        reading,
        fields,
        limits,
        ..
    } = *asked;
    let spool_limit = reading.spool_limit;
    let media_check = reading.media_check;
    let bounds = Limits::new(limits.max_tasks, limits.max_bytes, named.framing())?;
    let (key, known) = (
        fields.data_key.as_deref(),
        config.as_ref().map(|known| &*known.config),
    );
    let inline = inlined(fields, known)?;
    let mapping = Mapping::new(
        fields.pick.clone(),
        fields.map.clone(),
        fields.set.clone(),
        DataKey::decide(key, known),
    )?;
    let reading = Reading {
        files: file_types::files(reading, key, known),
        pick: fields.pick.clone(),
        ..reading.within(limits)
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
        inline,
        nul: fields.nul.into(),
    };
    let media_check = media_check
        .map(|sample| self::media_check(sample, known, settled.inline.as_ref()))
        .transpose()?;
    let mut plan = Plan {
        spool_limit: spool_limit as u64,
        media_check,
        shard: asked.shard,
        ..limits.plan(listing, reading, settled, bounds)
    };
    fields.predict(&mut plan, config.map(|known| known.config))?;
    Ok(plan)
}

/// What the words on the command line stand for.
fn listing(asked: &Asked<'_>, taking: &Taking) -> Result<Listing> {
    match asked.list {
        None => local::list_as(asked.sources, taking),
        Some(column) => {
            let column = Some(column).filter(|column| !column.is_empty());
            lists::listing(asked.sources, column, taking, asked.limits)
        }
    }
}

/// The fields whose addresses are to be replaced, if any are.
fn inlined(fields: &FieldArguments, config: Option<&LabellingConfig>) -> Result<Option<Inline>> {
    let asked = inline::Asked {
        urls: fields.inline.contains(&InlineArgument::Urls),
        resolvers: fields.inline.contains(&InlineArgument::Resolvers),
    };
    (asked != inline::Asked::default())
        .then(|| Inline::new(config, asked))
        .transpose()
}

/// A look at the media that the labelling config shows; at those that are known by their names where there is none.
/// What is inlined is fetched anyway, and rejected where it is not there.
fn media_check(
    sample: Sample,
    config: Option<&LabellingConfig>,
    inline: Option<&Inline>,
) -> Result<MediaCheck> {
    let references = match (References::of(config), inline) {
        (References::Fields(mut fields), Some(inline)) => {
            fields.retain(|field| !inline.replaces(field));
            References::Fields(fields)
        }
        (references, _) => references,
    };
    if references.are_none() {
        return Err(Error::new(
            Code::Usage,
            "`--media-check`: the labelling config shows no field as an address, or all are inlined",
        )
        .help("leave it out, or give the tag that shows it `valueType=\"url\"`"));
    }
    Ok(MediaCheck { sample, references })
}

/// Makes sure that processes which know nothing of one another can do what is asked for.
fn shard(arguments: &ImportArguments) -> Result<()> {
    let refused = |what: &str, why: &str, help: &str| {
        let reason = format!("`--shard` does not go with {what}: {why}");
        Err(Error::new(Code::Usage, reason).help(help))
    };
    if arguments.fields.dedupe.is_some() {
        let why = "a process does not know which records the others have";
        return refused("`--dedupe`", why, "leave it out, or pack in one process");
    }
    if arguments.sources.iter().any(|word| word == "-") {
        let why = "it cannot be read by several processes";
        return refused("standard input", why, "name files");
    }
    Ok(())
}

/// Whether what is asked for can be had of addresses that are others each time they are made.
fn presignable(check: Option<Sample>, named: &Named, sharded: bool) -> Result<()> {
    if sharded {
        return Err(Error::new(
            Code::Usage,
            "`--presign` does not go with `--shard`: a process that runs twice is to pack the same twice",
        )
        .help("leave one of them out"));
    }
    if check == Some(Sample::All) {
        return Err(Error::new(
            Code::Usage,
            "`--media-check all` does not go with `--presign`: what is signed for a task is not what was looked at",
        )
        .help("look at some of them, as with `--media-check 100`: that they are there is known from the listing"));
    }
    if matches!(named, Named::Redis(_)) {
        return Err(Error::new(
            Code::Usage,
            "`--presign` does not go with a Redis, whose keys tell by the task whether it is there already",
        )
        .help("name a folder, a bucket or a project with `--to`"));
    }
    Ok(())
}

fn no_header() -> Error {
    Error::new(
        Code::Usage,
        "`--csv-types label-studio` does not go with `--no-header`: Label Studio takes the first row for the header",
    )
    .help("leave one of them out")
}
