//! `sluice inspect`.
use super::args::InspectArguments;
use crate::error::Result;
/// Runs the command.
///
/// # Errors
/// x
pub fn run(_arguments: &InspectArguments) -> Result<u8> {
    Ok(0)
}
