//! The command line: what the user typed, and what is made of it. One file a command.

pub mod args;
pub mod explain;
pub mod import;
pub mod inspect;
pub mod manual;
pub mod plan;
pub mod push;
pub mod runs;
pub mod serve;
pub mod undo;
pub mod verify;

mod config;
mod delivery;
mod file_types;
mod next;
mod packed;
mod plans;
mod predicting;
mod recorded;
mod server;
mod table;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use self::args::{Arguments, Command};
use crate::in_order::WORKER;
use crate::pipeline::READER;

/// Runs the command line `words`, program name first, and gives the exit code.
#[must_use]
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(e) => {
            // Help and version are data the user asked for, and go to standard output; the rest is talk.
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() { 2 } else { 0 });
        }
    };
    quiet_workers();
    let outcome = match &arguments.command {
        Command::Import(arguments) => import::run(arguments),
        Command::Plan(arguments) => plan::run(arguments),
        Command::Inspect(arguments) => inspect::run(arguments),
        Command::Push(arguments) => push::run(arguments),
        Command::Runs(arguments) => runs::run(arguments),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Undo(arguments) => undo::run(arguments),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Completions(arguments) => manual::completions(arguments),
        Command::Man(arguments) => manual::man(arguments),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// A panic of a decoder, in a worker or on opening a file in the reader, becomes an error with the source's name; its own
/// words on standard error would only confuse.
fn quiet_workers() {
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
