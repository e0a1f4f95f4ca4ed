//! Options that are not on the command line: from the environment, and from a file.
//!
//! ```text
//! flag  >  SLUICE_OPTION  >  sluice.toml: [command], then above all sections  >  default
//! ```
//!
//! There is one definition of each option, the parser's own ([`super::args`]). What the environment and the file say is
//! made into words of the command line, as if the user had typed them, unless a flag says otherwise; so a value is
//! parsed, judged and recorded with the run in one way, wherever it comes from.

mod environment;
mod file;
mod options;
pub mod show;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory};

use self::file::File;
use self::options::{Kind, Opt};
use super::args::Arguments;
use crate::error::{Code, Error, Result};

/// The file that is read if it is in the working directory, and no other is named.
pub const FILE: &str = "sluice.toml";

/// What names another file.
const VARIABLE: &str = "SLUICE_CONFIG";

/// Where the value of an option is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// This variable of the environment.
    Environment(String),
    /// The file.
    File {
        /// Its name.
        path: PathBuf,
        /// The line of the key, from 1.
        line: usize,
        /// The key's first character in it, from 1.
        column: usize,
    },
    /// It is built in.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag => f.write_str("flag"),
            Origin::Environment(name) => f.write_str(name),
            Origin::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// What is said of one option outside the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Setting {
    /// Its values, as on the command line: `true` for each time that a flag is given.
    values: Vec<String>,
    origin: Origin,
}

/// The surroundings of a command line.
pub trait Surroundings {
    /// A variable of the environment.
    fn variable(&self, name: &str) -> Option<OsString>;
}

/// Those of the process.
#[derive(Clone, Copy, Debug)]
pub struct Process;

impl Surroundings for Process {
    fn variable(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name).filter(|value| !value.is_empty())
    }
}

/// The words of a command line, program name first, with what is said outside it. Words that ask for help, or that the
/// parser does not understand, stay as they are: it is to say so.
///
/// # Errors
/// When there is no such file, it has a key that is no option, or a value is none of its option's.
pub fn settle(words: Vec<OsString>, around: &dyn Surroundings) -> Result<Vec<OsString>> {
    let all = built(Arguments::command());
    let Ok(matches) = lenient(Arguments::command())
        .ignore_errors(true)
        .try_get_matches_from(&words)
    else {
        return Ok(words);
    };
    let Some((path, command, typed)) = leaf(&all, &matches) else {
        return Ok(words);
    };
    let config = matches.get_one::<PathBuf>("config").map(PathBuf::as_path);
    let file = File::read(&all, config, around)?;
    let given = |name: &str| typed.value_source(name) == Some(ValueSource::CommandLine);
    let resolved = resolve(command, &path, given, file.as_ref(), around)?;
    let mut more = Vec::new();
    for (option, setting) in resolved {
        more.extend(option.words(&setting.values).map(OsString::from));
    }
    let mut words = words;
    let end = words.iter().position(|word| word == OsStr::new("--"));
    let end = end.unwrap_or(words.len());
    words.splice(end..end, more);
    Ok(words)
}

/// What is said of the options of a command that are not `given`, where that does not contradict what is.
fn resolve<'a>(
    command: &'a Command,
    path: &[String],
    given: impl Fn(&str) -> bool,
    file: Option<&File>,
    around: &dyn Surroundings,
) -> Result<Vec<(Opt<'a>, Setting)>> {
    let options: Vec<Opt<'a>> = options::of(command).collect();
    let mut shut = BTreeSet::new();
    let mut shut_by = |option: &Opt<'a>, is_given: bool| {
        if is_given {
            let others = command.get_arg_conflicts_with(option.arg);
            shut.extend(others.into_iter().map(clap::Arg::get_id));
        }
        shut.insert(option.arg.get_id());
        shut.clone()
    };
    let mut closed = BTreeSet::new();
    for option in options.iter().filter(|o| given(o.arg.get_id().as_str())) {
        closed = shut_by(option, true);
    }
    let mut found = Vec::new();
    for from_file in [false, true] {
        let mut next = closed.clone();
        for option in options.iter().filter(|o| !closed.contains(o.arg.get_id())) {
            let said = if from_file {
                file.and_then(|file| file.setting(path, option))
            } else {
                environment::setting(option, around)?
            };
            let Some(setting) = said else {
                continue;
            };
            judge(path, option, &setting)?;
            // A flag that is set to `false` is in nobody's way.
            next = shut_by(option, !setting.values.is_empty());
            found.push((option.clone(), setting));
        }
        closed = next;
    }
    Ok(found)
}

/// Has the parser judge a value of its own.
fn judge(path: &[String], option: &Opt<'_>, setting: &Setting) -> Result<()> {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let all = lenient(Arguments::command());
    let program = std::iter::once("sluice".to_owned()).chain(path.iter().cloned());
    let words = program.chain(option.words(&setting.values));
    let Err(error) = all.try_get_matches_from(words) else {
        return Ok(());
    };
    let why = match error.kind() {
        ErrorKind::ValueValidation => {
            let cause = std::error::Error::source(&error);
            cause.map(|cause| format!(": {cause}")).unwrap_or_default()
        }
        ErrorKind::InvalidValue => match error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(known)) => {
                format!("; there are {}", known.join(", "))
            }
            _ => String::new(),
        },
        // What is missing beside it may be on the command line.
        _ => return Ok(()),
    };
    let Setting { values, origin } = setting;
    let name = option.name;
    Err(Error::new(
        Code::Usage,
        format!("{origin}: `{}` is no `{name}`{why}", values.join(" ")),
    )
    .help(format!(
        "`sluice {} --help` says what it takes",
        path.join(" ")
    )))
}

/// The command that is asked for, its path, and what was typed of it.
fn leaf<'a>(
    all: &'a Command,
    matches: &'a ArgMatches,
) -> Option<(Vec<String>, &'a Command, &'a ArgMatches)> {
    let (mut path, mut command, mut typed) = (Vec::new(), all, matches);
    while let Some((name, deeper)) = typed.subcommand() {
        command = command.find_subcommand(name)?;
        typed = deeper;
        path.push(name.to_owned());
    }
    (!path.is_empty()).then_some((path, command, typed))
}

/// A command whose own options are in its subcommands too, where they are.
fn built(mut command: Command) -> Command {
    command.build();
    command
}

/// The same, with nothing required.
fn lenient(command: Command) -> Command {
    command
        .mut_args(|arg| arg.required(false))
        .mut_subcommands(lenient)
}

/// The file that is read: the one that is named, else the one that lies in the working directory.
///
/// # Errors
/// When the one that is named is not there.
fn chosen(named: Option<&Path>, around: &dyn Surroundings) -> Option<PathBuf> {
    let named = named.map(Path::to_owned);
    let named = named.or_else(|| around.variable(VARIABLE).map(PathBuf::from));
    named.or_else(|| Some(PathBuf::from(FILE)).filter(|file| file.is_file()))
}

/// What is no option of a file and of the environment: what asks for something else than the command, and the consent to
/// delete, which is given each time.
const TYPED_ONLY: [&str; 4] = ["config", "help", "version", "yes"];
