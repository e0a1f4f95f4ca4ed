//! What the journal knows of a run's command line, and what is made of it again.

use std::path::PathBuf;

use clap::Parser;

use super::args::{Arguments, Command};
use super::delivery::Named;
use super::import::Asked;
use super::{import, push};
use crate::batch::limits::ARRAY;
use crate::error::{Code, Error, Result};
use crate::journal::Run;
use crate::packed::Packed;
use crate::plan::Plan;
use crate::wording::quoted;

/// The words that a run was asked for with, and where.
pub(super) struct Words {
    /// The words after the program's name.
    pub(super) words: Vec<String>,
    /// The folder they were said in.
    pub(super) folder: PathBuf,
}

impl Words {
    /// Those of a run, if they are known.
    pub(super) fn of(run: &Run) -> Option<Self> {
        let words = run.options["words"].as_array()?;
        let words = words.iter().map(|word| word.as_str().map(str::to_owned));
        Some(Words {
            words: words.collect::<Option<_>>()?,
            folder: PathBuf::from(run.options["folder"].as_str()?),
        })
    }

    /// The command, to be pasted into a shell.
    pub(super) fn command(&self) -> String {
        let folder = self.folder.display().to_string();
        let folder = quoted(&folder);
        let words: Vec<_> = self.words.iter().map(|word| quoted(word)).collect();
        format!("cd {folder} && sluice {}", words.join(" "))
    }

    /// The plan that the words ask for now. The process goes to their folder: relative paths are from there.
    ///
    /// # Errors
    /// When the folder or a source is not there, or the words are not of this sluice.
    pub(super) fn plan(&self) -> Result<Plan> {
        std::env::set_current_dir(&self.folder).map_err(|e| {
            let folder = self.folder.display();
            Error::new(
                Code::SourceMissing,
                format!("cannot go to `{folder}`, where the run was asked for: {e}"),
            )
            .help("put the sources back where they were")
        })?;
        let program = std::iter::once("sluice".to_owned());
        let arguments = Arguments::try_parse_from(program.chain(self.words.iter().cloned()))
            .map_err(|_| unreadable(&self.words))?;
        match &arguments.command {
            Command::Import(arguments) => {
                let asked = Asked {
                    stdin: false,
                    ..Asked::from(&**arguments)
                };
                import::plan(&asked, &Named::of(&arguments.to)?)
            }
            Command::Push(arguments) => {
                push::plan(arguments, &Packed::open(&arguments.packed)?, ARRAY)
            }
            // No other command makes a run.
            _ => Err(unreadable(&self.words)),
        }
    }
}

fn unreadable(words: &[String]) -> Error {
    Error::new(
        Code::Journal,
        format!(
            "the run was asked for with words that this sluice does not know: {}",
            words.join(" ")
        ),
    )
    .help("use the sluice that made the run")
}
