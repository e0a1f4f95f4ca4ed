//! `sluice undo`: takes a run back.

use std::io::{BufRead, IsTerminal};
use std::time::Duration;

use super::args::UndoArguments;
use super::pushes;
use crate::error::{Code, Error, Result};
use crate::pipeline::alone;
use crate::report::log;
use crate::sink::label_studio::undo::Holding;
use crate::wording::counted;

/// Runs the command.
///
/// # Errors
/// When there is no such run, nobody agreed, or the server fails for long.
pub fn run(arguments: &UndoArguments) -> Result<u8> {
    let UndoArguments {
        run,
        yes,
        lease,
        reach,
    } = arguments;
    let known = pushes::find(&reach.state, run)?.into_projects()?;
    let run = &known.run.id.clone();
    if known.is_undone() {
        log::tell(format_args!("run {run} was taken back already"));
        return Ok(0);
    }
    let terminal = std::io::stdin().is_terminal();
    if !yes && !terminal {
        return Err(Error::new(
            Code::Usage,
            "undoing a run deletes tasks, and there is no terminal to ask on",
        )
        .help("agree to it with `--yes`"));
    }
    let (mut recorded, _leases) = known.in_hand(reach, Duration::ZERO, lease)?;
    let holdings = alone(async |_| recorded.holdings().await)?;
    log::tell(format_args!("{}", told(run, &holdings)));
    if !yes && !agreed()? {
        log::tell(format_args!("nothing was deleted"));
        return Ok(0);
    }
    let mut gone = 0;
    alone(async |around| recorded.undo(around, |tasks| gone += tasks).await)?;
    log::tell(format_args!(
        "run {run} is taken back: {} deleted",
        counted(gone, "task")
    ));
    Ok(0)
}

/// What will be deleted, for a person.
fn told(run: &str, holdings: &[Holding]) -> String {
    let mut lines = vec![format!("undoing run {run} deletes")];
    for holding in holdings {
        let counts = holding.counts();
        lines.push(format!(
            "  {} with {} and {}, and {} of their imports, in {}",
            counted(counts.tasks, "task"),
            counted(counts.annotations, "annotation"),
            counted(counts.predictions, "prediction"),
            counted(holding.uploads.len() as u64, "file"),
            holding.target,
        ));
    }
    lines.push("what was there before stays, and so do the projects".to_owned());
    lines.join("\n")
}

fn agreed() -> Result<bool> {
    log::ask("delete? [y/N] ");
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|e| Error::new(Code::Usage, format!("cannot ask: {e}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
}
