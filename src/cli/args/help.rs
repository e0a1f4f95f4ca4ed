//! The words and flags of the commands that teach.

use std::path::PathBuf;

use clap::{Arg, Args, Command};
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

/// The commands with so many flags that the short help has only those that most need.
const MANY: [&str; 4] = ["import", "plan", "inspect", "push"];

/// The flags that the short help of these commands leaves to the long one.
const FOR_FEW: [&str; 28] = [
    "accept_changed_sources",
    "ca_cert",
    "import_timeout",
    "inline",
    "join",
    "late",
    "layout",
    "lines",
    "list",
    "media_check",
    "memory",
    "metrics",
    "model_version",
    "nul",
    "on",
    "presign",
    "run_id",
    "score_from",
    "series",
    "shard",
    "spool_limit",
    "spread",
    "spread_title",
    "state_dir",
    "sync",
    "sync_env",
    "threads",
    "whole_file",
];

/// The parser as people meet it: the short help is short, and a negative number is a bad value rather than a flag.
pub(in crate::cli) fn for_people(command: Command) -> Command {
    let numbers = |arg: Arg| {
        let has_value = !arg.is_positional() && arg.get_action().takes_values();
        arg.allow_negative_numbers(has_value)
    };
    command.mut_subcommands(move |command| {
        let many = MANY.contains(&command.get_name());
        command.mut_args(move |arg| {
            let hidden = many && FOR_FEW.contains(&arg.get_id().as_str());
            let arg = if hidden {
                arg.hide_short_help(true)
            } else {
                arg
            };
            numbers(arg)
        })
    })
}
