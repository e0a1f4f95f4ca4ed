//! The words and flags of `sluice config`.

use clap::{Args, Subcommand};

use super::{SHORT_HELP, examples};

/// The words and flags of `sluice config`.
#[derive(Args, Debug)]
#[command(after_help = SHORT_HELP, after_long_help = examples::CONFIG)]
pub struct ConfigArguments {
    /// What to do.
    #[command(subcommand)]
    pub what: ConfigCommand,
}

/// What is done about options.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Show every option as it would be without flags: a file that `--config` takes
    Show(ConfigShowArguments),
}

/// The words and flags of `sluice config show`.
#[derive(Args, Debug)]
#[command(after_help = SHORT_HELP, after_long_help = [examples::CONFIG, CONFIG].concat())]
pub struct ConfigShowArguments {
    /// Show the options of this command alone
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,

    /// Say where each value is from
    #[arg(long)]
    pub origin: bool,

    /// Show as JSON, with the origins
    #[arg(long)]
    pub json: bool,
}

const CONFIG: &str = "\
A flag comes before the environment, the environment before the file, the file before the default. The file is the one \
that `--config` or SLUICE_CONFIG names, else `sluice.toml` in the working directory: a section such as `[import]` is for \
one command, keys above all sections are for every command that has such an option. The variable of `--max-tasks` is \
SLUICE_MAX_TASKS: `true` or `false` for a flag, a value a line for what may be given several times.";
