//! `sluice config show`: every option as it would be, and where it is from.

use std::fmt::Write;
use std::path::Path;

use clap::{Command, CommandFactory};
use serde_json::{Map, Value, json};

use super::file::File;
use super::{Kind, Opt, Origin, Process, Setting, built, resolve};
use crate::cli::args::{Arguments, ConfigShowArguments};
use crate::cli::table::print;
use crate::error::{Code, Error, Result};

/// Runs the command; `config` is the file that is named on the command line.
///
/// # Errors
/// When the file or the environment says what cannot be, or there is no such command.
pub fn run(arguments: &ConfigShowArguments, config: Option<&Path>) -> Result<u8> {
    let all = built(Arguments::command());
    let file = File::read(&all, config, &Process)?;
    let mut shown = Vec::new();
    for command in all.get_subcommands() {
        let name = command.get_name();
        if arguments.command.as_deref().is_some_and(|one| one != name) || name == "help" {
            continue;
        }
        let options = settings(command, &[name.to_owned()], file.as_ref())?;
        if !options.is_empty() || arguments.command.is_some() {
            shown.push((name, options));
        }
    }
    if let (true, Some(command)) = (shown.is_empty(), &arguments.command) {
        return Err(
            Error::new(Code::Usage, format!("there is no command `{command}`"))
                .help("`sluice --help` lists them"),
        );
    }
    print(&if arguments.json {
        as_json(&shown)
    } else {
        as_toml(&shown, arguments.origin)
    })?;
    Ok(0)
}

type Shown<'a> = Vec<(&'a str, Vec<(Opt<'a>, Setting)>)>;

/// The options of a command, and of those below it that it does not have itself.
fn settings<'a>(
    command: &'a Command,
    path: &[String],
    file: Option<&File>,
) -> Result<Vec<(Opt<'a>, Setting)>> {
    let said = resolve(command, path, |_| false, file, &Process)?;
    let mut all = Vec::new();
    for option in super::options::of(command) {
        let said = said.iter().find(|(other, _)| other.name == option.name);
        let setting = said.map_or_else(|| default(&option), |(_, setting)| setting.clone());
        all.push((option, setting));
    }
    for below in command.get_subcommands() {
        let path = [path, &[below.get_name().to_owned()]].concat();
        for (option, setting) in settings(below, &path, file)? {
            if all.iter().all(|(known, _)| known.name != option.name) {
                all.push((option, setting));
            }
        }
    }
    Ok(all)
}

fn default(option: &Opt<'_>) -> Setting {
    let values = match option.kind {
        Kind::Switch | Kind::Count => Vec::new(),
        Kind::One | Kind::Many => {
            let values = option.arg.get_default_values().iter();
            values
                .map(|value| value.to_string_lossy().into_owned())
                .collect()
        }
    };
    Setting {
        values,
        origin: Origin::Default,
    }
}

/// The value of an option as the file would have it; `None` if it has none.
fn value((option, setting): &(Opt<'_>, Setting)) -> Option<Value> {
    let values = &setting.values;
    match option.kind {
        Kind::Switch => Some(json!(!values.is_empty())),
        Kind::Count => Some(json!(values.len())),
        Kind::One => values.first().map(|value| json!(value)),
        Kind::Many if values.is_empty() && setting.origin == Origin::Default => None,
        Kind::Many => Some(json!(values)),
    }
}

fn as_json(shown: &Shown<'_>) -> String {
    let mut sections = Map::new();
    for (name, options) in shown {
        let mut section = Map::new();
        for setting in options {
            let (option, Setting { origin, .. }) = setting;
            let about = json!({"value": value(setting), "origin": origin.to_string()});
            section.insert(option.name.to_owned(), about);
        }
        sections.insert((*name).to_owned(), Value::Object(section));
    }
    format!("{:#}\n", Value::Object(sections))
}

/// A file that says the same. An option without a value is a comment.
fn as_toml(shown: &Shown<'_>, origins: bool) -> String {
    let mut text = String::new();
    for (number, (name, options)) in shown.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}[{name}]", if number > 0 { "\n" } else { "" });
        for setting in options
            .iter()
            .filter(|(option, _)| !option.arg.is_hide_set())
        {
            let (option, Setting { origin, .. }) = setting;
            let line = match value(setting) {
                // JSON's texts, numbers and lists are TOML's too, but for one escape that TOML does not need.
                Some(value) => format!("{} = {value}", option.name),
                None => format!("# {} is not set", option.name),
            };
            let _ = match origins {
                true if line.starts_with('#') => writeln!(text, "{line}"),
                true => writeln!(text, "{line:<50} # {origin}"),
                false => writeln!(text, "{line}"),
            };
        }
    }
    text
}
