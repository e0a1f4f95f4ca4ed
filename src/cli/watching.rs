//! What is told of a run: where lines go, who watches it, and its reports.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, SecondsFormat, Utc};

use super::args::{Command, DeliveryArguments, WatchingArguments};
use crate::error::{Code, Error, Result};
use crate::plan::Plan;
use crate::report::exposed::{Exposed, PATH};
use crate::report::facts::{Bounds, Expected, Facts, MadeBy};
use crate::report::log::{self, FILTER, Format};
use crate::report::progress::{How, Shown};
use crate::report::{Report, Watch, page};
use crate::source::address::word_without_secrets;

/// The format of lines that words ask for which are no command line.
pub(super) fn format_in(words: &[OsString]) -> Format {
    let asked = words
        .iter()
        .zip(
            words
                .iter()
                .skip(1)
                .map(OsString::as_os_str)
                .chain([OsStr::new("")]),
        )
        .any(|(word, next)| {
            word == "--log-format=json" || word == "--log-format" && next == "json"
        });
    if asked { Format::Json } else { Format::Text }
}

/// Says what is wrong with a command line.
pub(super) fn refuse(error: &clap::Error) {
    match log::format() {
        // With its colours, where there is a terminal.
        Format::Text => {
            let _ = error.print();
        }
        Format::Json => log::usage(&error.render().to_string()),
    }
}

/// Lets events through, as the command and the environment ask for.
///
/// # Errors
/// When the environment asks for what cannot be.
pub(super) fn listen(command: &Command) -> Result<()> {
    let (quiet, verbose) = match command {
        Command::Import(arguments) => told(&arguments.delivery.watching),
        Command::Push(arguments) => told(&arguments.delivery.watching),
        Command::Serve(arguments) => (arguments.quiet, 0),
        _ => (false, 0),
    };
    let filter = std::env::var(FILTER).ok();
    log::listen(quiet, verbose, filter.as_deref())
}

fn told(arguments: &WatchingArguments) -> (bool, u8) {
    (arguments.quiet, arguments.verbose)
}

/// What is known of a run before it begins; `paced` says whether its target has a pace.
pub(super) fn facts(
    plan: &Plan,
    arguments: &DeliveryArguments,
    started: Instant,
    paced: bool,
) -> Facts {
    let began = DateTime::<Utc>::from(std::time::SystemTime::now() - started.elapsed());
    Facts {
        run: plan.run.clone(),
        began: began.to_rfc3339_opts(SecondsFormat::Millis, true),
        command: std::iter::once("sluice")
            .chain(arguments.words.iter().map(String::as_str))
            .map(word_without_secrets)
            .collect(),
        made_by: MadeBy {
            threads: plan.threads,
            ..MadeBy::default()
        },
        sources: Expected::of(&plan.sources),
        limits: Bounds {
            tasks: plan.limits.tasks.get(),
            bytes: plan.limits.bytes.get(),
            interval: paced.then_some(arguments.server.interval),
        },
    }
}

/// Whoever watches a run; until this is dropped.
pub(super) struct Watchers {
    _shown: Shown,
    _exposed: Option<Exposed>,
}

impl Watchers {
    /// Starts what the words ask for.
    ///
    /// # Errors
    /// When metrics cannot be served.
    pub(super) fn start(
        watch: &Arc<Watch>,
        facts: &Facts,
        arguments: &WatchingArguments,
    ) -> Result<Watchers> {
        let exposed = match arguments.metrics {
            Some(at) => Some(Exposed::start(at, watch, &Arc::new(facts.clone()))?),
            None => None,
        };
        if let Some(Exposed { at, .. }) = &exposed
            && !arguments.quiet
        {
            log::tell(format_args!("metrics are at http://{at}{PATH}"));
            if !at.ip().is_loopback() {
                log::warn(format_args!("whoever reaches {at} can read them"));
            }
        }
        let how = How {
            shown: !arguments.quiet,
            recorded: !arguments.report.is_empty(),
        };
        Ok(Watchers {
            _shown: Shown::start(watch, facts, how),
            _exposed: exposed,
        })
    }
}

/// Whether words ask for reports that cannot be.
///
/// # Errors
/// When two go to one place.
pub(super) fn check_reports(paths: &[PathBuf]) -> Result<()> {
    let twice = |(at, path): (usize, &PathBuf)| paths[..at].contains(path);
    match paths.iter().enumerate().find(|one| twice(*one)) {
        Some((_, path)) => Err(Error::new(
            Code::Usage,
            format!("`--report {}` is given twice", path.display()),
        )
        .help("name another file for each report: one that ends in `.html` is a page, others are JSON")),
        None => Ok(()),
    }
}

/// Writes the reports that are asked for.
///
/// # Errors
/// When one cannot be written.
pub(super) fn write_reports(paths: &[PathBuf], report: &Report) -> Result<()> {
    paths.iter().try_for_each(|path| {
        let bytes = if is_page(path) {
            page::page(report).into_bytes()
        } else {
            let mut json = serde_json::to_vec_pretty(report)
                .map_err(|e| Error::new(Code::Internal, format!("no report: {e}")))?;
            json.push(b'\n');
            json
        };
        write(path, &bytes)
    })
}

/// Whether the report that goes there is a page, by its name.
pub(super) fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|ending| {
        ending.eq_ignore_ascii_case("html") || ending.eq_ignore_ascii_case("htm")
    })
}

/// Writes a report to a file, or to standard output with `-`.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let outcome = if path == Path::new("-") {
        std::io::stdout().write_all(bytes)
    } else {
        std::fs::write(path, bytes)
    };
    outcome.map_err(|e| {
        Error::new(
            Code::TargetWrite,
            format!("cannot write the report to `{}`: {e}", path.display()),
        )
    })
}
