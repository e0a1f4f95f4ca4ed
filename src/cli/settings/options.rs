//! The options of a command, as the parser defines them.

use clap::{Arg, ArgAction, Command};

use super::TYPED_ONLY;

/// One option.
#[derive(Clone, Debug)]
pub(super) struct Opt<'a> {
    /// Its long name, without dashes: also its key in the file.
    pub(super) name: &'a str,
    /// The parser's definition.
    pub(super) arg: &'a Arg,
    /// What it takes.
    pub(super) kind: Kind,
}

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing: it is given or not.
    Switch,
    /// Nothing: it counts how often it is given.
    Count,
    /// One value.
    One,
    /// Any number of values.
    Many,
}

/// The options of a command that may be set outside the command line.
pub(super) fn of(command: &Command) -> impl Iterator<Item = Opt<'_>> {
    command.get_arguments().filter_map(|arg| {
        let name = arg.get_long().filter(|name| !TYPED_ONLY.contains(name))?;
        let kind = match arg.get_action() {
            ArgAction::SetTrue => Kind::Switch,
            ArgAction::Count => Kind::Count,
            ArgAction::Set => Kind::One,
            ArgAction::Append => Kind::Many,
            _ => return None,
        };
        Some(Opt { name, arg, kind })
    })
}

impl Opt<'_> {
    /// The name of its variable.
    pub(super) fn variable(&self) -> String {
        format!("SLUICE_{}", self.name.replace('-', "_").to_uppercase())
    }

    /// The words of the command line that give it these values.
    pub(super) fn words(&self, values: &[String]) -> impl Iterator<Item = String> {
        let word = |value: &String| match self.kind {
            Kind::Switch | Kind::Count => format!("--{}", self.name),
            Kind::One | Kind::Many => format!("--{}={value}", self.name),
        };
        values.iter().map(word).collect::<Vec<_>>().into_iter()
    }
}
