//! The words and flags of the commands that teach.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

use super::examples;

/// The words of `sluice explain`.
#[derive(Args, Debug)]
#[command(after_long_help = examples::EXPLAIN)]
pub struct ExplainArguments {
    /// The code, such as `field-missing`, or the message that it stands in; all codes are listed if none is given
    #[arg(value_name = "CODE", allow_hyphen_values = true)]
    pub code: Vec<String>,
}

/// The words of `sluice completions`.
#[derive(Args, Debug)]
#[command(after_long_help = examples::COMPLETIONS)]
pub struct CompletionsArguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// The words and flags of `sluice man`.
#[derive(Args, Debug)]
#[command(after_long_help = examples::MAN)]
pub struct ManArguments {
    /// The command whose page is printed; that of sluice itself if none is given
    #[arg(value_name = "COMMAND", conflicts_with = "to")]
    pub command: Option<String>,

    /// Write the pages of all commands into this folder
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
}
