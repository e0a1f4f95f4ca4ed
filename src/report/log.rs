//! What is said on standard error: text for people, or one JSON object a line.
//!
//! People get the messages as they always were; `-v`, `-vv` and `SLUICE_LOG` add events. With `--log-format json` every
//! line is an object, messages and errors too. Events are told by the stages through `tracing`, once for a source, a try or
//! an import, never for a record, and cost a look at a number where nobody listens.
//!
//! Only events of sluice itself are let through, whatever `SLUICE_LOG` says: what libraries tell may hold tokens.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use chrono::{SecondsFormat, Utc};
use clap::ValueEnum;
use indicatif::ProgressBar;
use serde_json::{Value, json};
use tracing::Level;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;

use super::eta::Known;
use crate::error::{Code, Error, Result};
use crate::source::address::without_secrets;

/// What lines on standard error look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text, for people.
    #[default]
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}

/// The variable that says which events are told: a level, or levels by module, as in `sluice::sink=debug`.
pub const FILTER: &str = "SLUICE_LOG";

/// The crate's name, with which the targets of its events begin.
const OWN: &str = "sluice";

static FORMAT: OnceLock<Format> = OnceLock::new();

/// What is drawn on the terminal, and has to make way for lines.
static DRAWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Says what lines look like, from now on.
pub fn begin(format: Format) {
    let _ = FORMAT.set(format);
    if format == Format::Json {
        let told = |panic: &std::panic::PanicHookInfo<'_>| {
            line(Level::ERROR, &panic.to_string(), json!({}));
        };
        std::panic::set_hook(Box::new(told));
    }
}

/// Lets events through: those of `filter`, which is in the words of [`FILTER`]; if there is none, those that `-v` so many
/// times asks for, and none if `quiet`.
///
/// # Errors
/// When the filter is none.
pub fn listen(quiet: bool, verbose: u8, filter: Option<&str>) -> Result<()> {
    let level = match (quiet, format(), verbose) {
        (true, ..) | (false, Format::Text, 0) => LevelFilter::OFF,
        (_, Format::Json, 0) | (_, _, 1) => LevelFilter::INFO,
        (_, _, 2) => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let wanted = match filter {
        Some(filter) => parsed(filter)?,
        None => Targets::new().with_target(OWN, level),
    };
    if wanted.iter().all(|(_, level)| level == LevelFilter::OFF) {
        return Ok(());
    }
    let layer = match format() {
        Format::Text => fmt::layer().with_ansi(false).with_writer(|| Stderr).boxed(),
        Format::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_writer(|| Stderr)
            .boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(wanted));
    tracing::subscriber::set_global_default(subscriber)
        .map_err(|e| Error::new(Code::Internal, format!("events cannot be told: {e}")))
}

/// The levels that a text asks for, of our own modules.
fn parsed(text: &str) -> Result<Targets> {
    let asked: Targets = text.parse().map_err(|e| {
        Error::new(Code::Usage, format!("`{FILTER}={text}`: {e}"))
            .help("give a level (error, warn, info, debug, trace, off), or levels by module: `sluice::sink=debug`")
    })?;
    let own = asked
        .iter()
        .filter(|(target, _)| *target == OWN || target.starts_with("sluice::"))
        .map(|(target, level)| (target.to_owned(), level));
    let all = asked.default_level().map(|level| (OWN.to_owned(), level));
    Ok(Targets::new().with_targets(all.into_iter().chain(own)))
}

/// What lines look like.
#[must_use]
pub fn format() -> Format {
    FORMAT.get().copied().unwrap_or_default()
}

/// Says something to whoever runs this.
pub fn tell(message: impl Display) {
    match format() {
        Format::Text => text(&message.to_string()),
        Format::Json => line(Level::INFO, &message.to_string(), json!({})),
    }
}

/// Asks something; whoever answers does so in the same line.
pub fn ask(question: &str) {
    match format() {
        Format::Text => {
            let _ = write!(Stderr, "{question}");
        }
        Format::Json => line(Level::INFO, question.trim_end(), json!({})),
    }
}

/// Warns; as text it begins with `warning: `.
pub fn warn(message: impl Display) {
    match format() {
        Format::Text => text(&format!("warning: {message}")),
        Format::Json => line(Level::WARN, &message.to_string(), json!({})),
    }
}

/// Says what ended a run.
pub fn fail(error: &Error) {
    match format() {
        Format::Text => text(&error.to_string()),
        Format::Json => {
            let about = json!({
                "code": error.code().as_str(),
                "place": error.spot().map(|spot| without_secrets(&spot.to_string())),
                "help": error.how_to_mend(),
                "exit_code": error.exit_code(),
            });
            line(Level::ERROR, error.message(), about);
        }
    }
}

/// Says what is wrong with the command line, or shows help: `text` as the parser made it.
pub fn usage(message: &str) {
    match format() {
        Format::Text => text(message.trim_end()),
        Format::Json => {
            let about = json!({ "code": Code::Usage.as_str(), "exit_code": 2 });
            line(Level::ERROR, message.trim_end(), about);
        }
    }
}

/// Says how far a run is.
pub(super) fn progress(text: &str, known: &Known, records: u64, imports: u64) {
    match format() {
        Format::Text => self::text(text),
        Format::Json => {
            let about = json!({
                "bytes_read": known.read,
                "records": records,
                "imports": imports,
                "seconds": known.elapsed.as_secs(),
                "seconds_left": known.left().map(|left| left.as_secs()),
            });
            line(Level::INFO, text.trim(), about);
        }
    }
}

/// What is drawn from now on.
pub(super) fn draw(bar: Option<ProgressBar>) {
    *drawn() = bar;
}

fn drawn() -> MutexGuard<'static, Option<ProgressBar>> {
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn text(message: &str) {
    // Nobody is left to be told that nobody listens.
    let _ = writeln!(Stderr, "{message}");
}

/// One line of JSON, laid out as those of events.
fn line(level: Level, message: &str, about: Value) {
    let mut line = json!({
        "timestamp": Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true),
        "level": level.as_str(),
        "message": without_secrets(message),
        "target": OWN,
    });
    if let (Some(line), Value::Object(about)) = (line.as_object_mut(), about) {
        line.extend(about.into_iter().filter(|(_, value)| !value.is_null()));
    }
    text(&line.to_string());
}

/// Standard error, where what is drawn makes way; what is given to it at once is written at once.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let write = || io::stderr().lock().write_all(bytes);
        match &*drawn() {
            Some(bar) => bar.suspend(write)?,
            None => write()?,
        }
        Ok(bytes.len())
    }

    fn write_fmt(&mut self, text: std::fmt::Arguments<'_>) -> io::Result<()> {
        self.write_all(text.to_string().as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_events_are_let_through() {
        let levels = |text: &str| -> Vec<_> {
            let targets = parsed(text).expect(text);
            let mut levels: Vec<_> = targets
                .iter()
                .map(|(target, level)| (target.to_owned(), level))
                .collect();
            levels.sort();
            assert!(
                !targets.would_enable("hyper::client", &Level::ERROR),
                "{text}"
            );
            assert!(!targets.would_enable("reqwest", &Level::ERROR), "{text}");
            levels
        };
        let own = |level| vec![(OWN.to_owned(), level)];
        assert_eq!(levels("debug"), own(LevelFilter::DEBUG));
        assert_eq!(
            levels("hyper=trace,reqwest=trace,sluice=info"),
            own(LevelFilter::INFO)
        );
        assert_eq!(
            levels("warn,sluice::sink=trace"),
            [
                (OWN.to_owned(), LevelFilter::WARN),
                ("sluice::sink".to_owned(), LevelFilter::TRACE)
            ]
        );
        assert_eq!(
            parsed("sluice=loud").expect_err("no level").code(),
            Code::Usage
        );
    }
}
