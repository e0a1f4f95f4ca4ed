//! What is made of the parser: completions for shells, and manual pages.

use std::io::Write;
use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;

use super::args::{Arguments, CompletionsArguments, ManArguments};
use crate::error::{Code, Error, Result};
use crate::report::log;

/// Runs `sluice completions`.
///
/// # Errors
/// When standard output cannot be written.
pub fn completions(arguments: &CompletionsArguments) -> Result<u8> {
    let mut text = Vec::new();
    let mut command = Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "sluice", &mut text);
    written("standard output", std::io::stdout().write_all(&text))?;
    Ok(0)
}

/// Runs `sluice man`: one page on standard output, or all of them into a folder.
///
/// # Errors
/// When a page cannot be written.
pub fn man(arguments: &ManArguments) -> Result<u8> {
    let mut command = Arguments::command();
    command.build();
    let pages = pages(&command)?;
    match &arguments.to {
        None => {
            let wanted = arguments.command.as_deref().map_or_else(
                || "sluice".to_owned(),
                |command| format!("sluice-{command}"),
            );
            let page = pages.iter().find(|(name, _)| *name == wanted);
            let (_, text) = page.ok_or_else(|| {
                let named = wanted.trim_start_matches("sluice-");
                Error::new(Code::Usage, format!("there is no command `{named}`"))
                    .help("`sluice --help` lists all")
            })?;
            written("standard output", std::io::stdout().write_all(text))?;
        }
        Some(folder) => {
            written(&shown(folder), std::fs::create_dir_all(folder))?;
            for (name, text) in &pages {
                let path = folder.join(format!("{name}.1"));
                written(&shown(&path), std::fs::write(&path, text))?;
            }
            log::tell(format_args!(
                "{} pages written to {}",
                pages.len(),
                folder.display()
            ));
        }
    }
    Ok(0)
}

/// The pages by their names: that of sluice, and one for each command.
fn pages(command: &clap::Command) -> Result<Vec<(String, Vec<u8>)>> {
    let mut pages = Vec::new();
    let mut add = |command: &clap::Command, name: String| {
        let mut page = Vec::new();
        let command = command.clone().disable_help_subcommand(true);
        written("a page", Man::new(command).render(&mut page))?;
        pages.push((name, page));
        Ok::<(), Error>(())
    };
    add(command, "sluice".to_owned())?;
    let commands = command.get_subcommands();
    for sub in commands.filter(|sub| sub.get_name() != "help") {
        add(sub, format!("sluice-{}", sub.get_name()))?;
    }
    Ok(pages)
}

fn shown(path: &Path) -> String {
    format!("`{}`", path.display())
}

fn written<T>(what: &str, outcome: std::io::Result<T>) -> Result<T> {
    outcome.map_err(|e| Error::new(Code::TargetWrite, format!("cannot write {what}: {e}")))
}
