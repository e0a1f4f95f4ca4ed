//! What a file says of options: TOML, a section a command, keys called as the options are.
//!
//! A key above all sections is for every command that has such an option. All of the file is held against the parser,
//! whichever command runs: what is wrong in it is not to wait for the night when it is needed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Command;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::options::{self, Kind, Opt};
use super::{Origin, Setting, Surroundings, chosen, judge};
use crate::error::{Code, Error, Result};

/// How alike a key is to the one that is meant, at least.
const ALIKE: f64 = 0.8;

/// Words in the names of what is secret.
const SECRETS: [&str; 5] = ["token", "api-key", "password", "secret", "credential"];

/// The file, understood.
#[derive(Debug)]
pub(super) struct File {
    /// Each key, with its section if it is in one.
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    section: Option<String>,
    key: String,
    setting: Setting,
}

impl File {
    /// Reads the file that is named, or the one in the working directory; nothing if there is none.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, has a key that is no option, or a value that is none of its option's.
    pub(super) fn read(
        all: &Command,
        named: Option<&Path>,
        around: &dyn Surroundings,
    ) -> Result<Option<File>> {
        let Some(path) = chosen(named, around) else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(&path).map_err(|e| {
            let shown = path.display();
            Error::new(Code::Usage, format!("cannot read `{shown}`: {e}"))
                .help("`--config FILE` and SLUICE_CONFIG name it")
        })?;
        let reader = Reader {
            all,
            text: &text,
            path,
        };
        reader.read().map(Some)
    }

    /// What it says of an option of a command.
    pub(super) fn setting(&self, path: &[String], option: &Opt<'_>) -> Option<Setting> {
        let of = |section: Option<&str>| {
            let mut entries = self.entries.iter();
            entries.find(|entry| entry.section.as_deref() == section && entry.key == option.name)
        };
        let command = path.first().map(String::as_str);
        let entry = of(command).or_else(|| of(None))?;
        Some(entry.setting.clone())
    }
}

struct Reader<'a> {
    all: &'a Command,
    text: &'a str,
    path: PathBuf,
}

impl Reader<'_> {
    fn read(&self) -> Result<File> {
        let table = DeTable::parse(self.text).map_err(|e| {
            let at = e.span().map_or(0, |span| span.start);
            self.error(at, e.message())
        })?;
        let mut entries = Vec::new();
        for (key, value) in in_order(table.get_ref()) {
            let name = key.get_ref().as_ref();
            match value.get_ref() {
                DeValue::Table(section) => self.section(name, key, section, &mut entries)?,
                _ => entries.push(self.entry(None, key, value)?),
            }
        }
        Ok(File { entries })
    }

    fn section(
        &self,
        name: &str,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        section: &DeTable<'_>,
        entries: &mut Vec<Entry>,
    ) -> Result<()> {
        let commands = || self.commands().map(Command::get_name);
        if !commands().any(|command| command == name) {
            let known = commands().collect();
            return Err(self.unknown(
                key.span().start,
                &format!("no command `{name}`"),
                name,
                &known,
            ));
        }
        for (key, value) in in_order(section) {
            entries.push(self.entry(Some(name), key, value)?);
        }
        Ok(())
    }

    /// The commands that have options to be set.
    fn commands(&self) -> impl Iterator<Item = &Command> {
        let all = self.all.get_subcommands();
        all.filter(|command| command.get_name() != "help")
    }

    fn entry(
        &self,
        section: Option<&str>,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Entry> {
        let (name, at) = (key.get_ref().as_ref(), key.span().start);
        let lower = name.to_lowercase().replace('_', "-");
        if SECRETS.iter().any(|secret| lower.contains(secret)) {
            return Err(self.error(at, &format!("`{name}`: no secret goes into this file")).help(
                "the token comes from LABEL_STUDIO_API_KEY, from the file that LABEL_STUDIO_API_KEY_FILE names, or from \
                 what the command in LABEL_STUDIO_API_KEY_COMMAND prints; the password of a Redis from \
                 SLUICE_REDIS_PASSWORD; those of buckets from the environment and the usual files",
            ));
        }
        let within = |command: &&Command| section.is_none_or(|name| command.get_name() == name);
        let mut takers = Vec::new();
        for command in self.commands().filter(within) {
            takers.extend(having(command, vec![command.get_name().to_owned()], name));
        }
        let Some((_, first)) = takers.first() else {
            return Err(self.no_option(section, name, at));
        };
        let (line, column) = self.place(at);
        let setting = Setting {
            values: self.values(first, value)?,
            origin: Origin::File {
                path: self.path.clone(),
                line,
                column,
            },
        };
        for (path, option) in &takers {
            judge(path, option, &setting)?;
        }
        Ok(Entry {
            section: section.map(str::to_owned),
            key: name.to_owned(),
            setting,
        })
    }

    /// The values of a key, as they are typed.
    fn values(&self, option: &Opt<'_>, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>> {
        let (name, at) = (option.name, value.span().start);
        let times = |n: usize| vec!["true".to_owned(); n];
        let wrong = |wanted: &str| {
            let is = value.get_ref().type_str();
            Err(self.error(
                at,
                &format!("`{name}` is {wanted}, and this is a value of type {is}"),
            ))
        };
        match (option.kind, value.get_ref()) {
            (Kind::Switch, DeValue::Boolean(on)) => Ok(times(usize::from(*on))),
            (Kind::Switch, _) => wrong("`true` or `false`"),
            (Kind::Count, DeValue::Integer(_)) => {
                match self.scalar(value)?.and_then(|text| text.parse::<u8>().ok()) {
                    Some(count) => Ok(times(usize::from(count))),
                    None => wrong("a number from 0 to 255"),
                }
            }
            (Kind::Count, _) => wrong("a number"),
            (Kind::Many, DeValue::Array(values)) => {
                let mut all = Vec::new();
                for value in values {
                    match self.scalar(value)? {
                        Some(text) => all.push(text),
                        None => return wrong("a list of texts or numbers"),
                    }
                }
                Ok(all)
            }
            (Kind::One | Kind::Many, _) => match self.scalar(value)? {
                Some(text) => Ok(vec![text]),
                None => wrong("a text or a number"),
            },
        }
    }

    /// A text or a number, as it is typed; `None` for anything else.
    fn scalar(&self, value: &Spanned<DeValue<'_>>) -> Result<Option<String>> {
        let at = value.span().start;
        match value.get_ref() {
            DeValue::String(text) => {
                let open = text.split_once("://").is_some_and(|(_, rest)| {
                    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
                    host.rsplit_once('@')
                        .is_some_and(|(user, _)| user.contains(':'))
                });
                if open {
                    return Err(self
                        .error(at, "no secret goes into this file, and this address has a password")
                        .help("leave it out of the address; SLUICE_REDIS_PASSWORD has that of a Redis"));
                }
                Ok(Some(text.to_string()))
            }
            DeValue::Integer(number) => {
                let digits = number.as_str().replace('_', "");
                let parsed = i128::from_str_radix(&digits, number.radix());
                let parsed = parsed.map_err(|_| self.error(at, "this is no number"))?;
                Ok(Some(parsed.to_string()))
            }
            DeValue::Float(number) => Ok(Some(number.as_str().replace('_', ""))),
            _ => Ok(None),
        }
    }

    fn no_option(&self, section: Option<&str>, name: &str, at: usize) -> Error {
        let mut known = BTreeSet::new();
        let mut elsewhere = None;
        for command in self.commands() {
            let own = command.get_name();
            let inside = section.is_none_or(|section| section == own);
            if inside {
                known.extend(names(command));
            } else if names(command).contains(name) {
                elsewhere.get_or_insert(own);
            }
        }
        let of = section.map_or("no command".to_owned(), |name| format!("not `{name}`"));
        let what = format!("`{name}` is no option of this section");
        match (section, elsewhere) {
            (Some(_), Some(other)) => self.error(at, &what).help(format!(
                "it is one of `{other}`, {of}: put it below `[{other}]`"
            )),
            (Some(_), None) => self.unknown(at, &what, name, &known),
            (None, _) => self.unknown(at, &format!("`{name}` is an option of {of}"), name, &known),
        }
    }

    fn unknown(&self, at: usize, what: &str, name: &str, known: &BTreeSet<&str>) -> Error {
        let error = self.error(at, what);
        let alike = |known: &&&str| strsim::jaro_winkler(name, known);
        let nearest = known
            .iter()
            .max_by(|a, b| alike(a).total_cmp(&alike(b)))
            .filter(|known| alike(known) >= ALIKE);
        match nearest {
            Some(known) => error.help(format!("did you mean `{known}`?")),
            None => error.help("`sluice config show` lists all that there are"),
        }
    }

    fn error(&self, at: usize, what: &str) -> Error {
        let (line, column) = self.place(at);
        let path = self.path.display();
        Error::new(Code::Usage, format!("{path}:{line}:{column}: {what}"))
    }

    /// Line and column of a byte, both from 1.
    fn place(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        (line, before[start..].chars().count() + 1)
    }
}

/// The keys of a table in the order in which they are written.
fn in_order<'a, 'i>(
    table: &'a DeTable<'i>,
) -> Vec<(
    &'a Spanned<std::borrow::Cow<'i, str>>,
    &'a Spanned<DeValue<'i>>,
)> {
    let mut keys: Vec<_> = table.iter().collect();
    keys.sort_by_key(|(key, _)| key.span().start);
    keys
}

/// The option of that name in a command and in those below it, each with the command's path.
fn having<'a>(command: &'a Command, path: Vec<String>, name: &str) -> Vec<(Vec<String>, Opt<'a>)> {
    let mut found = Vec::new();
    for below in command.get_subcommands() {
        let mut path = path.clone();
        path.push(below.get_name().to_owned());
        found.extend(having(below, path, name));
    }
    let own = options::of(command).find(|option| option.name == name);
    found.extend(own.map(|option| (path, option)));
    found
}

/// The names of the options of a command and of those below it.
fn names(command: &Command) -> BTreeSet<&str> {
    let below = command.get_subcommands().flat_map(names);
    options::of(command)
        .map(|option| option.name)
        .chain(below)
        .collect()
}
