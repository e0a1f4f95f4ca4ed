//! `sluice push`: sends imports packed earlier.

use std::time::Instant;

use super::args::PushArguments;
use super::delivery::{self, Delivery, Named, Placing};
use super::last_line::LastLine;
use super::plans::Fields;
use crate::batch::limits::{Framing, Limits};
use crate::error::{Code, Error, Result};
use crate::packed::Packed;
use crate::plan::Plan;
use crate::read::Reading;
use crate::report::log;
use crate::source::address::word_without_secrets;
use crate::source::local;
use crate::source::sniff::Format;
use crate::wording::counted;

/// Runs the command; gives the exit code of a run that came to its end.
///
/// # Errors
/// What ended it early; before anything is sent, when what was packed is not whole.
pub fn run(arguments: &PushArguments) -> Result<u8> {
    let asked = arguments.delivery.json;
    LastLine::after("push", &arguments.to, asked, |last| begin(arguments, last))
}

fn begin(arguments: &PushArguments, last: &mut LastLine) -> Result<u8> {
    let started = Instant::now();
    let named = Named::of(&arguments.to)?;
    if !matches!(named, Named::Projects(_)) {
        let to: Vec<_> = arguments
            .to
            .iter()
            .map(|to| word_without_secrets(to))
            .collect();
        let to = to.join(" ");
        return Err(Error::new(
            Code::Usage,
            format!("`--to {to}` is no project of Label Studio: imports packed earlier are sent to projects alone"),
        )
        .help("give the project's address as the browser shows it, such as `http://localhost:8080/projects/7`"));
    }
    let packed = Packed::open(&arguments.packed)?;
    if !arguments.delivery.watching.quiet {
        let place = packed.home().shown("");
        log::tell(format_args!(
            "checking {} packed in {place}",
            counted(packed.len() as u64, "import")
        ));
    }
    packed.check()?;
    let plan = plan(arguments, &packed, named.framing())?;
    delivery::run(Delivery {
        started,
        plan,
        named,
        to: &arguments.to,
        placing: Placing::default(),
        arguments: &arguments.delivery,
        last,
    })
    .map(|(code, _)| code)
}

/// What a push of these words is: the files of the manifest, in its order, each an array of tasks that pass unchanged.
///
/// # Errors
/// When one is not there, or the words ask for what cannot be.
pub(super) fn plan(arguments: &PushArguments, packed: &Packed, framing: Framing) -> Result<Plan> {
    let PushArguments { limits, .. } = arguments;
    let words: Vec<String> = packed
        .imports()
        .iter()
        .map(|import| packed.home().shown(&import.name))
        .collect();
    let listing = local::list(&words)?;
    let bounds = Limits::new(limits.max_tasks, limits.max_bytes, framing)?;
    let reading = Reading {
        format: Some(Format::Json),
        ..limits.reading()
    };
    Ok(limits.plan(listing, reading, Fields::default(), bounds))
}
