//! The words and flags of `sluice bench`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::values::{size, time};
use super::{SHORT_HELP, examples};
use crate::batch::limits::{MOST_BYTES, MOST_TASKS};
use crate::generate::Kind;

/// The words and flags of `sluice bench`.
#[derive(Args, Clone, Debug)]
#[command(after_help = SHORT_HELP, after_long_help = [examples::BENCH, BENCH].concat())]
pub struct BenchArguments {
    /// What is made up to be imported
    #[arg(long, value_name = "KIND", default_value = "csv")]
    pub kind: Kind,

    /// How much of it
    #[arg(long, value_name = "SIZE", default_value = "256MB", value_parser = size)]
    pub size: usize,

    /// By which it is made up: the same kind, size and seed give the same bytes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// How often it is imported and measured, after one time that does not count
    #[arg(long, value_name = "N", default_value = "7")]
    pub rounds: NonZeroUsize,

    /// Where it goes
    #[arg(long, value_name = "WHAT", default_value = "directory")]
    pub target: BenchTarget,

    /// How long each answer of the stand-in takes at least
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = time)]
    pub latency: Duration,

    /// The share of the stand-in's answers to uploads and commits that are errors, such as `5%`
    #[arg(long, value_name = "P%", default_value = "0%", value_parser = share)]
    pub faults: f64,

    /// The folder for what is made up and for what comes of it, whose disk is then measured; the one for temporary
    /// files if not given
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,

    /// Threads that decode; as many as there are processors if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,

    /// Bytes in flight between reading and packing
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = size)]
    pub memory: usize,

    /// Tasks in one import, at most
    #[arg(long, value_name = "N", default_value_t = MOST_TASKS)]
    pub max_tasks: usize,

    /// Bytes of one import, at most
    #[arg(long, value_name = "SIZE", default_value_t = MOST_BYTES, value_parser = size)]
    pub max_bytes: usize,

    /// Write what was measured to FILE: a page where its name ends in `.html`, JSON otherwise, and to standard output, in
    /// place of the table, with `-`; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub report: Vec<PathBuf>,

    /// Say what has changed since this report was written, and whether it is more than noise
    #[arg(long, value_name = "FILE")]
    pub compare: Option<PathBuf>,

    /// Show errors only, and what was measured
    #[arg(short, long)]
    pub quiet: bool,
}

/// Where a bench's imports go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchTarget {
    /// A folder
    Directory,
    /// A server in this process that answers as a Label Studio does, and keeps nothing
    StandIn,
}

/// A share such as `5%`, from 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    let percent = text.strip_suffix('%').unwrap_or(text).trim().parse::<f64>();
    match percent {
        // With more the end is far, and 100% never ends.
        Ok(percent) if (0.0..=50.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("wants a share from 0% to 50%".to_owned()),
    }
}

const BENCH: &str = "\
Told is the median of all rounds, with the interval in which it lies with 95 % certainty (bootstrap). MB are of the \
input as stored; those of a stage are per second that its threads worked. `time of an import` is from the moment the \
target takes it until it is safe there. Processor time and memory are those of this process, the stand-in's included.

With `--compare`, a change counts as more than noise if all rounds together make it so (Mann-Whitney, p < 0.01) and the \
medians differ by more than 2 %. It takes 5 rounds on both sides at least. Noise that lasts longer than a bench, such as \
a busy machine, is not seen: compare what was measured one after the other, on a machine at rest.";
