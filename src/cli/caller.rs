//! Who asks for a command: a person at a terminal, or an application that has sluice as a library.

use std::ffi::OsString;
use std::sync::{Arc, OnceLock};
use std::{fmt, iter};

use clap::Parser;

use super::args::{Arguments, Command};
use super::settings;
use crate::error::{Code, Error, Result};
use crate::pipeline::EndedBy;
use crate::report::{Report, Watch};
use crate::stop::Stop;

/// An application that has sluice as a library: what it says of a command, and what it is told.
#[derive(Default)]
pub struct Application {
    /// What ends the command early; signals are left to the application.
    pub stop: Arc<Stop>,
    /// The run, as soon as there is one.
    pub watch: OnceLock<Arc<Watch>>,
    /// What an import would come to, as JSON, where that was asked for.
    pub plan: OnceLock<String>,
    /// What it came to, be it by an error.
    pub report: OnceLock<Report>,
    /// The manifest of what it packed to a folder or a bucket, as JSON; of a part of a run too, which is written nowhere.
    pub manifest: OnceLock<Vec<u8>>,
}

/// Who asks: a person at a terminal, if it is no application.
#[derive(Clone, Default)]
pub struct Caller(Option<Arc<Application>>);

impl Caller {
    /// An application.
    #[must_use]
    pub fn of(application: &Arc<Application>) -> Self {
        Caller(Some(Arc::clone(application)))
    }

    /// The application, if it is one.
    pub(super) fn application(&self) -> Option<&Application> {
        self.0.as_deref()
    }

    /// What may end the command early.
    pub(super) fn ends(&self) -> EndedBy {
        match &self.0 {
            Some(application) => EndedBy::Stop(Arc::clone(&application.stop)),
            None => EndedBy::Signals,
        }
    }

    /// Tells the application of a run.
    pub(super) fn watches(&self, watch: &Arc<Watch>) {
        if let Some(application) = self.application() {
            let _ = application.watch.set(Arc::clone(watch));
        }
    }
}

/// What these words after `sluice` ask for, with what the environment and a file add to them.
///
/// # Errors
/// When they ask for what cannot be.
pub fn command(words: &[String]) -> Result<Command> {
    let words = iter::once("sluice").chain(words.iter().map(String::as_str));
    let words = settings::settle(words.map(OsString::from).collect(), &settings::Process)?;
    let parsed = Arguments::try_parse_from(&words);
    let mut command = parsed.map_err(|e| refused(&e.to_string()))?.command;
    command.asked_with(words.get(1..).unwrap_or_default());
    Ok(command)
}

/// What the parser says of words that it does not take, without what is for a terminal.
fn refused(said: &str) -> Error {
    let said = said.trim_start_matches("error: ");
    let said = said.split("\n\nUsage:").next().unwrap_or_default();
    Error::new(Code::Usage, said.trim())
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Some(_) => "an application",
            None => "a person",
        })
    }
}
