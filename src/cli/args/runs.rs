//! The words and flags of what is done about runs.

use clap::{Args, Subcommand};

use super::{
    LeaseArguments, ReachArguments, SHORT_HELP, ServerArguments, StateArguments, examples,
};

/// The words and flags of `sluice runs`.
#[derive(Args, Debug)]
#[command(after_help = SHORT_HELP, after_long_help = [examples::RUNS, RUNS].concat(), args_conflicts_with_subcommands = true)]
pub struct RunsArguments {
    /// What to tell; the list if not given.
    #[command(subcommand)]
    pub what: Option<RunsCommand>,

    #[command(flatten)]
    #[allow(missing_docs, reason = "its flags say it")]
    pub told: ToldArguments,
}

/// What is told of runs.
#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// What a run was asked for with, its imports, and what became of them
    Show {
        /// The run, by its id or the beginning of it
        #[arg(value_name = "RUN")]
        run: String,

        #[command(flatten)]
        #[allow(missing_docs, reason = "its flags say it")]
        told: ToldArguments,
    },
}

/// How it is told.
#[derive(Args, Debug)]
pub struct ToldArguments {
    /// Tell as JSON
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    #[allow(missing_docs, reason = "its flag says it")]
    pub state: StateArguments,
}

/// The words and flags of `sluice verify`.
#[derive(Args, Debug)]
#[command(after_help = SHORT_HELP, after_long_help = [examples::VERIFY, VERIFY].concat())]
pub struct VerifyArguments {
    /// The run, as `sluice runs` lists it, or the beginning of its id; or what was pushed, `s3://...`: its last run
    #[arg(value_name = "RUN")]
    pub run: String,

    /// Read the sources again, and compare every task with what the target holds
    #[arg(long)]
    pub deep: bool,

    /// Commit imports that are not right once more; what people have annotated in their tasks since is lost, so
    /// imports with more annotations than were sent are left alone
    #[arg(long)]
    pub repair: bool,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the heading in the help says it")]
    pub lease: LeaseArguments,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the heading in the help says it")]
    pub server: ServerArguments,
}

/// The words and flags of `sluice undo`.
#[derive(Args, Debug)]
#[command(after_help = SHORT_HELP, after_long_help = [examples::UNDO, UNDO].concat())]
pub struct UndoArguments {
    /// The run, as `sluice runs` lists it, or the beginning of its id; or what was pushed, `s3://...`: its last run
    #[arg(value_name = "RUN")]
    pub run: String,

    /// Delete without asking
    #[arg(short, long)]
    pub yes: bool,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the heading in the help says it")]
    pub lease: LeaseArguments,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the heading in the help says it")]
    pub reach: ReachArguments,
}

const RUNS: &str = "\
Recorded are runs into projects of Label Studio, and all runs that are given an id with `--run-id`. What another run has \
put into a folder or a bucket, its own `manifest.json` says.";

const VERIFY: &str = "\
Every import is counted where it is: `ok`; `missing`, fewer tasks than were sent; `twice`, more; `annotations lost` and \
`predictions lost`, all tasks, but fewer of these. Nothing is changed unless `--repair` is given.

Exit codes: 0 all is right; 1 failed; 2 usage; 5 the run is not over, or the server is away; 6 not authorised; 7 something \
is not right, and listed; 130 or 143 stopped by a signal.";

const UNDO: &str = "\
Exactly the run's tasks are deleted, with all annotations and predictions in them, and the files they were made of. \
Tasks that were there before stay. If it is cut off, run it again: it goes on.

Exit codes: 0 taken back; 1 failed; 2 usage; 5 for the time being, run again to go on; 6 not authorised; 7 outcome \
unknown, run again to look; 130 or 143 stopped by a signal, run again to go on.";
