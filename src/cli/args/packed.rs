//! The words and flags of what is done with imports packed earlier.

use clap::Args;

use super::{DeliveryArguments, EXIT_CODES, LimitArguments, SHORT_HELP, examples};

/// The words and flags of `sluice push`.
#[derive(Args, Debug)]
#[command(after_help = SHORT_HELP, after_long_help = [examples::PUSH, EXIT_CODES].concat())]
pub struct PushArguments {
    /// A folder or a prefix in a bucket that `sluice import --to TARGET` has filled, or its manifest
    #[arg(value_name = "DIR|MANIFEST")]
    pub packed: String,

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

/// The words and flags of `sluice commit`.
#[derive(Args, Debug)]
#[command(after_help = SHORT_HELP, after_long_help = [examples::COMMIT, COMMIT].concat())]
pub struct CommitArguments {
    /// The folder or the prefix in a bucket that was the target of all processes
    #[arg(value_name = "RUN")]
    pub run: String,
}

/// The words and flags of `sluice gc`.
#[derive(Args, Debug)]
#[command(after_help = SHORT_HELP, after_long_help = [examples::GC, GC].concat())]
pub struct GcArguments {
    /// A folder or a prefix in a bucket with the manifest of a run
    #[arg(value_name = "RUN")]
    pub run: String,

    /// Name what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
}

const COMMIT: &str = "\
The manifest that names the imports of all is written last, and only where there is none: the same job committed twice is \
committed once.

Exit codes: 0 committed, now or before; 1 failed; 2 usage, or another run was committed there; 3 committed, some records \
rejected; 5 not all processes have ended; 6 not authorised.";

const GC: &str = "\
A process that was cut off and started again may leave imports behind that no manifest names. These are removed, and \
nothing else. Without a manifest nothing is.

Exit codes: 0 done; 1 failed; 2 usage; 6 not authorised.";
