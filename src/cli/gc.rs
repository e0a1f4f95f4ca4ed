//! `sluice gc`: removes what lies where a run does and counts for nothing.

use indicatif::DecimalBytes;

use super::args::GcArguments;
use super::table::print;
use crate::error::Result;
use crate::packed::leftovers::{Leftover, leftovers};
use crate::report::log;
use crate::wording::counted;

/// Runs the command; gives the exit code. The names go to standard output, one a line.
///
/// # Errors
/// When the run has no manifest, or a file cannot be removed.
pub fn run(arguments: &GcArguments) -> Result<u8> {
    let (home, left) = leftovers(&arguments.run)?;
    for Leftover { name, .. } in &left {
        if !arguments.dry_run {
            home.remove(name)?;
        }
        print(&format!("{}\n", home.shown(name)))?;
    }
    let bytes = left.iter().map(|leftover| leftover.bytes).sum();
    log::tell(format_args!(
        "{} ({}) that no manifest names{}",
        counted(left.len() as u64, "file"),
        DecimalBytes(bytes),
        if arguments.dry_run { "" } else { " removed" }
    ));
    Ok(0)
}
