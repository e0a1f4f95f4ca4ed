//! What all commands that talk to a Label Studio server have in common.

use std::time::Duration;

use serde_json::{Value, json};

use super::args::{ReachArguments, StateArguments};
use crate::batch::limits::{MOST_BYTES, MOST_TASKS, Wanted};
use crate::error::Result;
use crate::journal::{DATABASE, Journal, state_directory};
use crate::label_studio::address::Address;
use crate::label_studio::settings::Settings;
use crate::label_studio::token::Token;
use crate::report::log;
use crate::sink::label_studio::LabelStudio;
use crate::sink::label_studio::target::Connection;
use crate::source::address::word_without_secrets;
use crate::source::redis;
use crate::wording::{agreeing, counted};

/// What it takes to talk to servers.
#[derive(Clone, Debug)]
pub(super) struct Access {
    pub(super) token: Token,
    pub(super) settings: Settings,
    late: Duration,
}

impl Access {
    /// How the servers of some addresses are reached. What the user should know of it is said on standard error.
    ///
    /// # Errors
    /// When there is no token.
    pub(super) fn new(arguments: &ReachArguments, addresses: &[Address]) -> Result<Access> {
        let token = Token::from_environment()?;
        let plain = addresses.iter().filter_map(Address::warn_plain_http);
        for warning in plain.chain(token.warning().map(str::to_owned)) {
            log::warn(format_args!("{warning}"));
        }
        let settings = Settings {
            ca_cert: arguments.ca_cert.clone(),
            import_timeout: arguments.import_timeout,
            ..Settings::default()
        };
        Ok(Access {
            token,
            settings,
            late: arguments.late,
        })
    }

    /// The same, and how fast servers are filled.
    pub(super) fn connection(self, interval: Duration, most: Wanted) -> Connection {
        Connection {
            token: self.token,
            settings: self.settings,
            interval,
            late: self.late,
            most_tasks: most.tasks,
            most_bytes: most.bytes,
        }
    }
}

/// The journal of all runs.
///
/// # Errors
/// When it cannot be opened.
pub(super) fn journal(arguments: &StateArguments) -> Result<Journal> {
    let directory = match &arguments.state_dir {
        Some(directory) => directory.clone(),
        None => state_directory(|name| std::env::var_os(name))?,
    };
    // Some commands go to another folder later.
    Journal::open(&std::path::absolute(&directory).unwrap_or(directory))
}

/// What was learned of how much a server bears, if anything was: nothing is written, and no journal made.
///
/// # Errors
/// When there is a journal that cannot be read.
pub(super) fn learned(arguments: &StateArguments, key: &str) -> Result<Option<Value>> {
    let directory = match &arguments.state_dir {
        Some(directory) => directory.clone(),
        None => state_directory(|name| std::env::var_os(name))?,
    };
    if !directory.join(DATABASE).exists() {
        return Ok(None);
    }
    Ok(journal(arguments)?.server(key)?.sizing)
}

/// How the servers of a recorded run are reached.
///
/// # Errors
/// When there is no token.
pub(super) fn connection(
    reach: &ReachArguments,
    interval: Duration,
    addresses: &[Address],
) -> Result<Connection> {
    let most = Wanted {
        tasks: MOST_TASKS,
        bytes: MOST_BYTES,
    };
    Ok(Access::new(reach, addresses)?.connection(interval, most))
}

/// What a run is to be known by later: the words it was asked for with, and where. Addresses lose their secrets.
pub(super) fn options(words: &[String]) -> Value {
    let words: Vec<String> = words.iter().map(|word| without_password(word)).collect();
    let folder = std::env::current_dir().map(|folder| folder.display().to_string());
    json!({ "words": words, "folder": folder.unwrap_or_default() })
}

/// A word without its secrets. Of an address of Redis the query stays, which says what its keys start with.
fn without_password(word: &str) -> String {
    if let Some((option, value)) = word
        .split_once('=')
        .filter(|(name, _)| name.starts_with("--"))
    {
        return format!("{option}={}", without_password(value));
    }
    match word.parse::<redis::Address>() {
        Ok(address) if redis::is_address(word) => address.to_string(),
        _ => word_without_secrets(word),
    }
}

/// Says what there was of a run before, and how to refer to it.
pub(super) fn tell(projects: &LabelStudio) {
    let run = projects.run_id();
    match projects.before() {
        Some(before) if before.complete => log::tell(format_args!(
            "run {run} has brought {} {} already: there is nothing to do; `--again` brings the same once more",
            agreeing(before.tasks, "its", "all"),
            counted(before.tasks, "task")
        )),
        Some(before) => log::tell(format_args!(
            "run {run} goes on: {} {} there",
            counted(before.tasks, "task"),
            agreeing(before.tasks, "was", "were")
        )),
        None => log::tell(format_args!("run {run}")),
    }
}
