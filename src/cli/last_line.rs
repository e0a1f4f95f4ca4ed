//! What a run came to, as one JSON object on the last line of standard output: for the program that started it.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::delivery::Named;
use super::table::print;
use crate::error::{Code, Error, Result};
use crate::source::address::{without_secrets, word_without_secrets};

/// The version of its layout.
pub(super) const VERSION: u32 = 1;

/// The last line of a command that sends imports.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LastLine {
    version: u32,
    command: &'static str,
    /// The run's id, once it has one.
    pub(super) run: Option<String>,
    /// Where imports go, without secrets.
    targets: Vec<String>,
    /// What the run came to.
    #[serde(flatten)]
    pub(super) came_to: CameTo,
    seconds: f64,
    exit_code: u8,
    error: Option<Told>,
    #[serde(skip)]
    asked: bool,
    #[serde(skip)]
    started: Instant,
}

/// What a run came to, or the earlier one that has brought everything.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct CameTo {
    /// Whether all of the input is in.
    pub(super) complete: bool,
    /// Whether it was before this began, and nothing was done.
    pub(super) done_before: bool,
    /// Records read.
    pub(super) records: u64,
    /// Tasks in imports that were delivered.
    pub(super) tasks: u64,
    /// Tasks that an earlier process of this run has brought.
    pub(super) tasks_before: u64,
    /// Records that became no task.
    pub(super) rejects: u64,
    /// Records that came before and were left out.
    pub(super) duplicates: u64,
    /// Imports delivered.
    pub(super) imports: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Bytes read from the sources, as stored.
    pub(super) bytes_read: u64,
}

/// An error, in its parts.
#[derive(Clone, Debug, Serialize)]
struct Told {
    code: &'static str,
    message: String,
    place: Option<String>,
    help: Option<String>,
}

impl LastLine {
    /// Runs a command that sends imports to `to`, and prints its last line if it was `asked` for.
    ///
    /// # Errors
    /// Those of the command; when the line cannot be printed.
    pub(super) fn after(
        command: &'static str,
        to: &[String],
        asked: bool,
        work: impl FnOnce(&mut LastLine) -> Result<u8>,
    ) -> Result<u8> {
        let mut line = LastLine {
            version: VERSION,
            command,
            run: None,
            targets: to.iter().map(|to| word_without_secrets(to)).collect(),
            came_to: CameTo::default(),
            seconds: 0.0,
            exit_code: 0,
            error: None,
            asked,
            started: Instant::now(),
        };
        let outcome = line.not_among_tasks(to).and_then(|()| work(&mut line));
        if line.asked {
            line.print(&outcome)?;
        }
        outcome
    }

    fn not_among_tasks(&self, to: &[String]) -> Result<()> {
        let named = self.asked.then(|| Named::of(to)).transpose()?;
        if !matches!(named, Some(Named::Stdout)) {
            return Ok(());
        }
        Err(Error::new(
            Code::Usage,
            "`--json` does not go with `--to -`: its line would stand among the tasks",
        )
        .help("leave it out; the exit code says how it went, and `--report FILE` what it came to"))
    }

    fn print(&mut self, outcome: &Result<u8>) -> Result<()> {
        let spent: Duration = self.started.elapsed();
        self.seconds = (spent.as_secs_f64() * 1e3).round() / 1e3;
        self.exit_code = match outcome {
            Ok(code) => *code,
            Err(error) => error.exit_code(),
        };
        self.error = outcome.as_ref().err().map(|error| Told {
            code: error.code().as_str(),
            message: without_secrets(error.message()),
            place: error.spot().map(|spot| without_secrets(&spot.to_string())),
            help: error.how_to_mend().map(str::to_owned),
        });
        let json = serde_json::to_string(self)
            .map_err(|e| Error::new(Code::Internal, format!("no last line: {e}")))?;
        print(&(json + "\n"))
    }
}
