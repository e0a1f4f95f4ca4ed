//! `sluice commit`: makes one run of what the processes of an indexed job have packed.

use indicatif::HumanCount;

use super::args::CommitArguments;
use crate::error::Result;
use crate::packed::commit::{self, Committed};
use crate::packed::home::Home;
use crate::report::log;
use crate::sink::directory::MANIFEST;
use crate::wording::counted;

/// Runs the command; gives the exit code.
///
/// # Errors
/// When not all processes have ended, they do not belong together, or another run was committed there.
pub fn run(arguments: &CommitArguments) -> Result<u8> {
    let home = Home::of(&arguments.run)?;
    let Committed {
        manifest,
        shards,
        written,
    } = commit::commit(&home)?;
    let done = if written {
        "written"
    } else {
        "was there already"
    };
    log::tell(format_args!(
        "{} in {} of {}, {} rejected; {} {done}",
        counted(manifest.tasks, "task"),
        counted(manifest.imports.len() as u64, "import"),
        counted(shards.into(), "shard"),
        HumanCount(manifest.rejects),
        home.shown(MANIFEST)
    ));
    Ok(if manifest.rejects > 0 { 3 } else { 0 })
}
