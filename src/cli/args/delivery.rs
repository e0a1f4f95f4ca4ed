//! How imports are delivered, how servers are reached, and what is told of a run.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::lease::LeaseArguments;
use super::values::time;
use crate::cli::caller::Caller;
use crate::cli::run_ids;
use crate::report::exposed;
use crate::sink::label_studio::spread::TITLE;

/// How imports are delivered, and what is told of it: the same for all commands that send imports.
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct DeliveryArguments {
    #[command(flatten)]
    #[allow(missing_docs, reason = "the heading in the help says it")]
    pub server: ServerArguments,

    /// Tasks in one project, at most, those it has included; the rest goes to the next that `--to` names, and then to new
    /// projects with the first one's labelling config. Not limited for one project, 100000 for several, as Label Studio's
    /// guide advises
    #[arg(long, value_name = "N", help_heading = SERVER, value_parser = clap::value_parser!(u64).range(1..))]
    pub spread: Option<u64>,

    /// The titles of new projects: `{title}` is the first project's, `{number}` counts from 2
    #[arg(long, value_name = "PATTERN", help_heading = SERVER, requires = "spread", default_value = TITLE)]
    pub spread_title: String,

    /// Import once more what an earlier run has brought to the same projects already
    #[arg(long, help_heading = SERVER)]
    pub again: bool,

    /// Go on with a run that was cut off although its sources have changed since
    #[arg(long, help_heading = SERVER)]
    pub accept_changed_sources: bool,

    /// Give the run this id: the same command with it goes on, or has nothing to do once all is in; another is refused.
    /// For schedulers
    #[arg(long, value_name = "ID", value_parser = run_ids::parse)]
    pub run_id: Option<String>,

    /// Print what the run came to as one JSON object, the last line of standard output
    #[arg(long)]
    pub json: bool,

    /// All words of the command line, what the environment and a file add to it included.
    #[arg(skip)]
    pub words: Vec<String>,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the heading in the help says it")]
    pub lease: LeaseArguments,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the heading in the help says it")]
    pub watching: WatchingArguments,
}

/// What is told of a run, while it goes and after it.
#[derive(Args, Debug)]
#[command(next_help_heading = WATCHING)]
pub struct WatchingArguments {
    /// Write a report of the run to FILE: a page where its name ends in `.html`, JSON otherwise, and to standard output
    /// with `-`; may be given twice
    #[arg(long, value_name = "FILE")]
    pub report: Vec<PathBuf>,

    /// Serve metrics for Prometheus while the run goes, at a PORT of this machine alone, or at IP:PORT
    #[arg(long, value_name = "ADDRESS", value_parser = exposed::address)]
    pub metrics: Option<SocketAddr>,

    /// Show errors only
    #[arg(short, long)]
    pub quiet: bool,

    /// Tell what is done: sources, imports, all files left out; twice: every request for an import. `SLUICE_LOG` chooses
    /// more finely, as in `SLUICE_LOG=sluice::sink=debug`
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// The heading of what is told of a run.
pub(super) const WATCHING: &str = "Watching";

/// The heading of what is about servers.
pub(super) const SERVER: &str = "Label Studio";

/// How a Label Studio server is talked to. The token is in `LABEL_STUDIO_API_KEY`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = SERVER)]
pub struct ServerArguments {
    /// The time between the starts of two imports to one server, such as `30s`; 0 for no pause
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub interval: Duration,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the heading in the help says it")]
    pub reach: ReachArguments,
}

/// How a Label Studio server is reached.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = SERVER)]
pub struct ReachArguments {
    /// How long the server may take for one import; giving up does not stop it
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = time)]
    pub import_timeout: Duration,

    /// How long the server may go on with a request whose connection broke: the end of a run waits so long before its
    /// last look at an import that was asked for twice
    #[arg(long, value_name = "TIME", default_value = "5min", value_parser = time)]
    pub late: Duration,

    /// Who asks for the command.
    #[arg(skip)]
    pub caller: Caller,

    /// A PEM file with certificates to trust besides the machine's own
    #[arg(long, value_name = "FILE")]
    pub ca_cert: Option<PathBuf>,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the heading in the help says it")]
    pub state: StateArguments,
}

/// Where the journal is.
#[derive(Args, Clone, Debug)]
pub struct StateArguments {
    /// Where runs are recorded, so that they can be gone on with; the user's state folder if not given
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}
