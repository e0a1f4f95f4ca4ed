//! What the user typed, validated, nothing opened.

mod bench;
mod config;
mod delivery;
mod examples;
mod help;
mod lease;
mod look;
mod packed;
mod runs;
mod serve;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use encoding_rs::Encoding;

pub use self::bench::{BenchArguments, BenchTarget};
pub use self::config::{ConfigArguments, ConfigCommand, ConfigShowArguments};
use self::delivery::WATCHING;
pub use self::delivery::{
    DeliveryArguments, ReachArguments, ServerArguments, StateArguments, WatchingArguments,
};
pub(super) use self::help::for_people;
pub use self::help::{CompletionsArguments, ExplainArguments, ManArguments};
pub use self::lease::LeaseArguments;
pub use self::look::{Amount, InspectArguments, PlanArguments};
pub use self::packed::{CommitArguments, GcArguments, PushArguments};
pub use self::runs::{RunsArguments, RunsCommand, ToldArguments, UndoArguments, VerifyArguments};
pub use self::serve::ServeArguments;
use self::values::{delimiter, lasting, pair, size};
use crate::batch::limits::{MOST_BYTES, MOST_TASKS};
use crate::decode::Nul;
use crate::normalize::predictions::MODEL_VERSION;
use crate::plan::shard::Shard;
use crate::plan::{Sample, Tolerance};
use crate::read::column_types::CsvTypes;
use crate::read::encoding;
use crate::read::files::{LineEnds, Series};
use crate::report::log::Format;
use crate::sink::objects::Layout;
use crate::source::address::Prefix;
use crate::source::sniff;

/// Stream large files into Label Studio.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, max_term_width = 100, after_long_help = examples::SLUICE)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// The file with options that are not given as flags; `sluice.toml` in the working directory if it is there
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What lines on standard error look like; with `json` each is an object
    #[arg(long, value_name = "FORMAT", global = true, default_value = "text", help_heading = WATCHING)]
    pub log_format: Format,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Turn files into imports of Label Studio tasks, never over its limits, nothing lost
    Import(Box<ImportArguments>),
    /// Say what an import would come to, nothing sent: records, tasks, rejects, imports, earliest finish
    Plan(Box<PlanArguments>),
    /// Look at the heads of sources: format, columns and types, the first tasks, what fits the labelling config
    Inspect(Box<InspectArguments>),
    /// Send imports packed earlier
    Push(Box<PushArguments>),
    /// Make one run of what the processes of a job have packed with `--shard`
    Commit(CommitArguments),
    /// Remove what was packed and counts for nothing: imports that no manifest names
    Gc(GcArguments),
    /// List what ran
    Runs(RunsArguments),
    /// Count a run's imports at the target
    Verify(VerifyArguments),
    /// Take a run back: delete its tasks at the target
    Undo(UndoArguments),
    /// Serve local media to browsers, and list their addresses as a source
    Serve(ServeArguments),
    /// Measure this machine with made-up data, stage by stage and end to end
    Bench(BenchArguments),
    /// Show what options are set to, and where
    Config(ConfigArguments),
    /// Say what an error code means, and how to mend it
    Explain(ExplainArguments),
    /// Print completions for a shell
    Completions(CompletionsArguments),
    /// Print a manual page, or write all of them
    Man(ManArguments),
}

impl Command {
    /// Keeps the words that it was asked for with, without the program's name, for the record of a run.
    pub(super) fn asked_with(&mut self, words: &[OsString]) {
        let delivery = match self {
            Command::Import(arguments) => &mut arguments.delivery,
            Command::Push(arguments) => &mut arguments.delivery,
            _ => return,
        };
        let words = words.iter().map(|word| word.to_string_lossy().into_owned());
        delivery.words = words.collect();
    }
}

/// The words and flags of `sluice import`.
#[derive(Args, Debug)]
#[command(after_help = SHORT_HELP, after_long_help = [examples::IMPORT, EXIT_CODES].concat())]
pub struct ImportArguments {
    /// Files, archives (zip, tar), folders, patterns such as `data/**/*.csv`, the same in a bucket (`s3://`, `gs://`,
    /// `az://`, `abfss://`), addresses of files (`https://`), `redis://HOST:PORT/DB?path=PREFIX`, or `-` for standard input
    #[arg(value_name = "SOURCE", required = true)]
    pub sources: Vec<String>,

    /// Each SOURCE is a list of sources: a text with one in each line (blank ones and those that start with `#` are passed
    /// over), or a table with a column of them: COLUMN, or one called `url`, `uri` or `path`, or the only one
    #[arg(long, value_name = "COLUMN", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub list: Option<String>,

    /// Where imports go: a Label Studio project's address as the browser shows it, a folder, a prefix in a bucket, keys of
    /// a Redis as `redis://HOST:PORT/DB?path=PREFIX`, or `-` for tasks as JSON Lines on standard output; several projects
    /// are filled in turn
    #[arg(long, value_name = "TARGET", default_value = "sluice-out")]
    pub to: Vec<String>,

    /// Remove what an earlier run left in the target folder or prefix
    #[arg(long)]
    pub overwrite: bool,

    /// What is an object in a bucket, or a file in a folder
    #[arg(long, value_name = "WHAT", default_value = "import")]
    pub layout: Layout,

    /// Read the part of the sources that falls to process I, from 0, of a job of N, such as
    /// `$JOB_COMPLETION_INDEX/16`, and pack it into a folder of its own below the target; when all N are done, `sluice
    /// commit` makes one run of them
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,

    /// Have a project of Label Studio read the tasks that `--layout storage` has written, by a source storage that is made
    /// if there is none that reads there: its address as the browser shows it
    #[arg(long, value_name = "ADDRESS", conflicts_with = "shard")]
    pub sync: Option<String>,

    /// Give a new source storage these fields, by the names of Label Studio's API, from variables of the environment, such
    /// as `aws_access_key_id=LS_KEY_ID`; else the server has credentials of its own
    #[arg(long, value_name = "FIELD=VARIABLE,...", requires = "sync", value_delimiter = ',', value_parser = pair)]
    pub sync_env: Vec<(String, String)>,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the heading in the help says it")]
    pub reading: ReadingArguments,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the heading in the help says it")]
    pub fields: FieldArguments,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the heading in the help says it")]
    pub limits: LimitArguments,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the headings in the help say it")]
    pub delivery: DeliveryArguments,
}

/// How sources are read.
#[derive(Args, Debug)]
#[command(next_help_heading = "Reading")]
pub struct ReadingArguments {
    /// The format of all sources, where content and name do not tell it
    #[arg(long)]
    pub format: Option<sniff::Format>,

    /// The character between cells of CSV, where it is not found out: `,` `;` `|` or `tab`
    #[arg(long, value_name = "CHAR", value_parser = delimiter)]
    pub delimiter: Option<u8>,

    /// The first row of CSV is data; columns are called column1, column2 ...
    #[arg(long)]
    pub no_header: bool,

    /// What the cells of CSV are: text, which loses nothing; the types of columns of which every cell comes back the
    /// same; or what Label Studio makes of the file, losses included
    #[arg(long, value_name = "RULE", default_value = "text")]
    pub csv_types: CsvTypesArgument,

    /// Bytes of standard input kept on the disk where it has to be read twice, for `--csv-types`, or is an archive; and of
    /// Parquet in an archive
    #[arg(long, value_name = "SIZE", default_value = "10GiB", value_parser = size)]
    pub spool_limit: usize,

    /// Where lines of text end, each of which is a task: at a line feed if not given
    #[arg(long, value_name = "WHERE")]
    pub lines: Option<LineEnds>,

    /// Make one task of each text file, not one of each line
    #[arg(long, conflicts_with = "lines")]
    pub whole_file: bool,

    /// What stands before a file's path in its address, for images, sounds, films and other files that tasks only speak
    /// of: `https://files.example.com/`, `s3://bucket/`, or `/data/local-files/?d=` for files that Label Studio serves
    #[arg(long, value_name = "PREFIX")]
    pub media_url: Option<Prefix>,

    /// Give tasks addresses of media in buckets by which whoever has them can read the file for so long from now, `7d` at
    /// most: `s3://`, `gs://` and `az://` are otherwise for storages of Label Studio's own to read
    #[arg(long, value_name = "TIME", conflicts_with = "media_url", value_parser = lasting)]
    pub presign: Option<Duration>,

    /// Look before the run whether the media are there of which tasks speak by addresses of the web: N of them, where
    /// one that is missing ends the run, or `all`, where tasks with missing ones are rejected
    #[arg(long, value_name = "N|all")]
    pub media_check: Option<Sample>,

    /// What a CSV or TSV is, where it is not what the labelling config's TimeSeries asks for
    #[arg(long, value_name = "WHAT")]
    pub series: Option<Series>,

    /// The text encoding, where it is neither UTF-8 nor marked: windows-1252, shift_jis, utf-16le ...
    #[arg(long, value_name = "LABEL", value_parser = encoding::of_label)]
    pub encoding: Option<&'static Encoding>,
}

/// How cells of CSV become values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CsvTypesArgument {
    /// Every cell is text.
    Text,
    /// A column has a type if every cell of it comes back the same.
    Auto,
    /// What Label Studio makes of the file.
    LabelStudio,
}

impl From<CsvTypesArgument> for CsvTypes {
    fn from(argument: CsvTypesArgument) -> Self {
        match argument {
            CsvTypesArgument::Text => CsvTypes::Text,
            CsvTypesArgument::Auto => CsvTypes::Auto,
            CsvTypesArgument::LabelStudio => CsvTypes::LabelStudio,
        }
    }
}

/// What becomes of fields.
#[derive(Args, Debug)]
#[command(next_help_heading = "Fields")]
pub struct FieldArguments {
    /// The field for values with no name of their own: lines of text, documents, addresses of media, JSON strings and
    /// numbers; if not given, the only one that the labelling config names, or `text`
    #[arg(long, value_name = "KEY")]
    pub data_key: Option<String>,

    /// The labelling config, where it is not to be read from the target project
    #[arg(long, value_name = "FILE")]
    pub label_config: Option<PathBuf>,

    /// Rename a field
    #[arg(long, value_name = "NEW=OLD", value_parser = pair)]
    pub map: Vec<(String, String)>,

    /// Keep these fields only, by the source's names
    #[arg(long, value_name = "FIELD,...", value_delimiter = ',')]
    pub pick: Option<Vec<String>>,

    /// Give every task a field with this JSON value, such as `--set lang='"en"'`
    #[arg(long, value_name = "KEY=JSON", value_parser = pair)]
    pub set: Vec<(String, String)>,

    /// Put the columns of a table into the tasks: those of the row with the same `--on`, or with the file name of the
    /// task's media there
    #[arg(long, value_name = "FILE", requires = "on")]
    pub join: Option<String>,

    /// The column of the table to join, and the field of the tasks, by which rows and tasks belong together
    #[arg(long, value_name = "FIELD", requires = "join")]
    pub on: Option<String>,

    /// Put the texts behind addresses in their place, so that they are in the tasks and in what is exported: of the fields
    /// that the labelling config shows with valueType="url" on tags of text, and those with a `resolver`, of whose CSV one
    /// cell is taken. The config of the project must then not have them
    #[arg(long, value_name = "WHAT,...", value_delimiter = ',')]
    pub inline: Vec<InlineArgument>,

    /// Do not look whether tasks fit the labelling config
    #[arg(long)]
    pub no_validation: bool,

    /// Say in each task's `meta.source` where it is from: source, record and run
    #[arg(long)]
    pub provenance: bool,

    /// Leave out records that came before in this run: those with the same `content`, or with the same value of a field
    /// of the task; the first wins, the others are listed in `duplicates.jsonl`
    #[arg(long, value_name = "content|KEY")]
    pub dedupe: Option<String>,

    /// Make predictions from these fields, each for the control that is called as it is, or for CONTROL
    #[arg(long, value_name = "[CONTROL=]FIELD,...", value_delimiter = ',')]
    pub predictions_from: Vec<String>,

    /// The model version of these predictions
    #[arg(long, value_name = "TEXT", requires = "predictions_from", default_value = MODEL_VERSION)]
    pub model_version: String,

    /// The field with the score of these predictions, from 0 to 1; it is 1 if no field is given
    #[arg(long, value_name = "FIELD", requires = "predictions_from")]
    pub score_from: Option<String>,

    /// What to do about NUL characters, for which PostgreSQL refuses a whole import: reject the record, or put U+FFFD
    #[arg(long, value_name = "WHAT", default_value = "reject")]
    pub nul: NulArgument,
}

/// What is put in the place of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum InlineArgument {
    /// The texts behind those of valueType="url".
    Urls,
    /// The cells that resolvers find.
    Resolvers,
}

/// What to do about NUL characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NulArgument {
    /// Reject the record.
    Reject,
    /// Put U+FFFD in the character's place.
    Replace,
}

impl From<NulArgument> for Nul {
    fn from(argument: NulArgument) -> Self {
        match argument {
            NulArgument::Reject => Nul::Reject,
            NulArgument::Replace => Nul::Replace,
        }
    }
}

/// What a run may take.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub struct LimitArguments {
    /// Tasks in one import, at most
    #[arg(long, value_name = "N", default_value_t = MOST_TASKS)]
    pub max_tasks: usize,

    /// Bytes of one import, at most
    #[arg(long, value_name = "SIZE", default_value_t = MOST_BYTES, value_parser = size)]
    pub max_bytes: usize,

    /// Rejected records that are accepted, as a number or a share such as `5%`; one more ends the run
    #[arg(long, value_name = "N|P%", default_value = "100")]
    pub max_rejects: Tolerance,

    /// Bytes in flight between reading and packing, such as `64MiB` or `1G`; one record may take a quarter
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = size)]
    pub memory: usize,

    /// Threads that decode; as many as there are processors if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,

    /// Bytes of text that are decoded at a time
    #[arg(long, value_name = "SIZE", hide = true, value_parser = size)]
    pub chunk_bytes: Option<usize>,
}

const SHORT_HELP: &str = "`--help` has all flags, with more on each, examples, and exit codes.";

const EXIT_CODES: &str = "\
The token for a server comes from LABEL_STUDIO_API_KEY, from the file that LABEL_STUDIO_API_KEY_FILE names, or from \
what the command in LABEL_STUDIO_API_KEY_COMMAND prints.

Exit codes: 0 all records are in; 1 failed; 2 usage; 3 done, some records rejected; 4 stopped, too many rejected; \
5 for the time being, run again to go on; 6 not authorised; 7 outcome unknown, see `sluice verify`; \
130 or 143 stopped by a signal, run again to go on.";
