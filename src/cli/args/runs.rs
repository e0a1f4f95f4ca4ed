//! The words and flags of what is done about runs, and of sending what was packed earlier.

use std::path::PathBuf;

use clap::Args;

use super::{
    DeliveryArguments, EXIT_CODES, LimitArguments, ReachArguments, SHORT_HELP, ServerArguments,
    StateArguments, examples,
};

/// The words and flags of `sluice push`.
#[derive(Args, Debug)]
#[command(after_help = SHORT_HELP, after_long_help = [examples::PUSH, EXIT_CODES].concat())]
pub struct PushArguments {
    /// A folder that `sluice import --to FOLDER` has filled, or its manifest
    #[arg(value_name = "DIR|MANIFEST")]
    pub packed: PathBuf,

    /// Where imports go: a Label Studio project's address as the browser shows it; several projects are filled in turn
    #[arg(long, value_name = "TARGET", required = true)]
    pub to: Vec<String>,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the heading in the help says it")]
    pub limits: LimitArguments,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the headings in the help say it")]
    pub delivery: DeliveryArguments,
}

/// The words and flags of `sluice runs`.
#[derive(Args, Debug)]
#[command(after_long_help = examples::RUNS)]
pub struct RunsArguments {
    /// List the imports of this run
    #[arg(value_name = "RUN")]
    pub run: Option<String>,

    /// List as JSON
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
    /// The run, as `sluice runs` lists it
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
    pub server: ServerArguments,
}

/// The words and flags of `sluice undo`.
#[derive(Args, Debug)]
#[command(after_help = SHORT_HELP, after_long_help = [examples::UNDO, UNDO].concat())]
pub struct UndoArguments {
    /// The run, as `sluice runs` lists it
    #[arg(value_name = "RUN")]
    pub run: String,

    /// Delete without asking
    #[arg(short, long)]
    pub yes: bool,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the heading in the help says it")]
    pub reach: ReachArguments,
}

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
