//! `sluice bench`: what this machine makes of made-up data, stage by stage and end to end.

mod compare;
mod measured;
mod page;
mod rounds;
mod statistics;
mod told;
mod usage;

use self::measured::Measured;
use self::rounds::Workshop;
use super::args::BenchArguments;
use super::table::print;
use super::watching;
use crate::error::Result;
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
    for path in &arguments.report {
        let report = if watching::is_page(path) {
            page::page(&measured, before.as_ref())
        } else {
            measured.to_json()?
        };
        watching::write(path, report.as_bytes())?;
    }
    if arguments.report.iter().all(|path| path.as_os_str() != "-") {
        print(&told::table(&measured, before.as_ref()))?;
    }
    Ok(0)
}
