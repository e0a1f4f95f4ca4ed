//! The command line: what the user typed, and what is made of it. One file a command.

pub mod args;
pub mod bench;
pub mod caller;
pub mod commit;
pub mod explain;
pub mod gc;
pub mod import;
pub mod inspect;
pub mod manual;
pub mod pack;
pub mod plan;
pub mod push;
pub mod runs;
pub mod serve;
pub mod settings;
pub mod undo;
pub mod verify;

mod config;
mod delivery;
mod file_types;
mod last_line;
mod leases;
mod lists;
mod next;
mod plans;
mod predicting;
mod pushes;
mod recorded;
mod run_ids;
mod server;
mod sync;
mod table;
mod watching;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use self::args::{Arguments, Command, ConfigArguments, ConfigCommand};
use crate::in_order::WORKER;
use crate::pipeline::READER;
use crate::report::log;

/// Runs the command line `words`, program name first, and gives the exit code.
#[must_use]
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let words: Vec<_> = words.into_iter().collect();
    let format = watching::format_in(&words);
    let words = match settings::settle(words, &settings::Process) {
        Ok(words) => words,
        Err(error) => {
            log::begin(format);
            log::fail(&error);
            return ExitCode::from(error.exit_code());
        }
    };
    let arguments = match parsed(&words) {
        Ok(mut arguments) => {
            arguments
                .command
                .asked_with(words.get(1..).unwrap_or_default());
            arguments
        }
        Err(e) if e.use_stderr() => {
            log::begin(watching::format_in(&words));
            watching::refuse(&e);
            return ExitCode::from(2);
        }
        Err(e) => {
            // Help and version are data the user asked for, and go to standard output; the rest is talk.
            let _ = e.print();
            return ExitCode::SUCCESS;
        }
    };
    log::begin(arguments.log_format);
    quiet_workers();
    let outcome = watching::listen(&arguments.command).and_then(|()| match &arguments.command {
        Command::Import(arguments) => import::run(arguments),
        Command::Plan(arguments) => plan::run(arguments),
        Command::Inspect(arguments) => inspect::run(arguments),
        Command::Push(arguments) => push::run(arguments),
        Command::Commit(arguments) => commit::run(arguments),
        Command::Gc(arguments) => gc::run(arguments),
        Command::Runs(arguments) => runs::run(arguments),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Undo(arguments) => undo::run(arguments),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Config(ConfigArguments { what }) => {
            let ConfigCommand::Show(words) = what;
            settings::show::run(words, arguments.config.as_deref())
        }
        Command::Explain(arguments) => explain::run(arguments),
        Command::Completions(arguments) => manual::completions(arguments),
        Command::Man(arguments) => manual::man(arguments),
    });
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            log::fail(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// What the words ask for.
fn parsed(words: &[OsString]) -> Result<Arguments, clap::Error> {
    let mut command = args::for_people(Arguments::command());
    let matches = command.try_get_matches_from_mut(words)?;
    Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// A panic of a decoder, in a worker or on opening a file in the reader, becomes an error with the source's name; its own
/// words on standard error would only confuse.
pub fn quiet_workers() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let decoding = thread
            .name()
            .is_some_and(|name| name.starts_with(WORKER) || name == READER);
        if !decoding {
            loud(panic);
        }
    }));
}
