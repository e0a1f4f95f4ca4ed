//! `sluice bench`: what this machine makes of made-up data, stage by stage and end to end.

mod compare;
mod measured;
mod rounds;
mod statistics;
mod told;
mod usage;

use self::measured::Measured;
use self::rounds::Workshop;
use super::args::BenchArguments;
use super::table::print;
use crate::error::{Code, Error, Result};
use crate::report::log;

/// Runs the command.
///
/// # Errors
/// When a round fails, or there is nothing to compare with.
pub fn run(arguments: &BenchArguments) -> Result<u8> {
    // Before minutes are spent on it.
    let before = arguments
        .compare
        .as_deref()
        .map(Measured::read)
        .transpose()?;
    let workshop = Workshop::new(arguments)?;
    if let Some(before) = &before {
        before.is_comparable(&workshop.asked())?;
    }
    let talk = |what: &str| {
        if !arguments.quiet {
            log::tell(format_args!("{what}"));
        }
    };
    talk(&format!(
        "{} of {} made up",
        workshop.shown_bytes(),
        workshop.name()
    ));
    workshop.round()?;
    talk("warmed up");
    let mut rounds = Vec::new();
    for number in 1..=arguments.rounds.get() {
        let round = workshop.round()?;
        talk(&format!(
            "round {number} of {}: {:.1} MB/s",
            arguments.rounds,
            round.megabytes_a_second()
        ));
        rounds.push(round);
    }
    let measured = Measured::of(workshop.asked(), &rounds);
    let to_stdout = arguments
        .report
        .as_deref()
        .is_some_and(|path| path.as_os_str() == "-");
    if let Some(path) = arguments.report.as_deref() {
        let json = measured.to_json()?;
        if to_stdout {
            print(&json)?;
        } else {
            std::fs::write(path, json).map_err(|e| {
                let shown = path.display();
                let message = format!("cannot write the report to `{shown}`: {e}");
                Error::new(Code::TargetWrite, message)
            })?;
        }
    }
    if !to_stdout {
        print(&told::table(&measured, before.as_ref()))?;
    }
    Ok(0)
}
