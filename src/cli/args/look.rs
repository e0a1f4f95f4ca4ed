//! The words and flags of `sluice plan` and `sluice inspect`.

use std::num::NonZeroU64;
use std::str::FromStr;

use clap::Args;

use super::values::size;
use super::{FieldArguments, ImportArguments, ReachArguments, ReadingArguments, examples};

/// The words and flags of `sluice plan`.
#[derive(Args, Debug)]
#[command(mut_arg("json", |json| json.help("Print the plan as JSON")))]
#[command(after_help = "`sluice plan --help` has all flags, and examples.", after_long_help = examples::PLAN)]
pub struct PlanArguments {
    /// Read a sample only, of some N records or of this many bytes such as `64MiB`, and say how far off the estimate may
    /// be
    #[arg(long, value_name = "N|SIZE")]
    pub sample: Option<Amount>,

    #[command(flatten)]
    #[allow(missing_docs, reason = "they are those of import")]
    pub import: ImportArguments,
}

/// How much of the sources a sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// About so many records.
    Records(NonZeroU64),
    /// About so many bytes.
    Bytes(NonZeroU64),
}

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = text.parse::<NonZeroU64>();
            return number.map(Amount::Records).map_err(|_| {
                format!(
                    "`{text}` is no number of records, such as 10000, or of bytes, such as 64MiB"
                )
            });
        }
        let bytes = NonZeroU64::new(size(text)? as u64);
        bytes
            .map(Amount::Bytes)
            .ok_or_else(|| format!("`{text}` is no number of bytes"))
    }
}

/// The words and flags of `sluice inspect`.
#[derive(Args, Debug)]
#[command(after_help = "`sluice inspect --help` has all flags, and examples.", after_long_help = examples::INSPECT)]
pub struct InspectArguments {
    /// What to look at: the same words as for `sluice import`
    #[arg(value_name = "SOURCE", required = true)]
    pub sources: Vec<String>,

    /// Hold fields to the labelling config of this project, by its address as the browser shows it
    #[arg(long, value_name = "TARGET")]
    pub to: Option<String>,

    /// Tasks that are shown of each source
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub tasks: u16,

    /// Print what is found as JSON
    #[arg(long)]
    pub json: bool,

    /// Show no hints
    #[arg(short, long)]
    pub quiet: bool,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the heading in the help says it")]
    pub reading: ReadingArguments,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the heading in the help says it")]
    pub fields: FieldArguments,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the heading in the help says it")]
    pub reach: ReachArguments,
}
