//! What to do next, said on standard error: one command leads to the other.

use crate::report::log;
use crate::source::address::word_without_secrets;
use crate::wording::quoted;

/// The flags that only a look takes; whether a value follows.
const LOOKING: [(&str, bool); 3] = [("--json", false), ("--sample", true), ("--tasks", true)];

/// After `sluice plan`; `accepted`: an import would go to its end.
pub(super) fn after_plan(rejects: bool, accepted: bool) {
    if rejects {
        log::tell(format_args!(
            "`sluice explain CODE` says what a reject's code means, and how it is mended"
        ));
    }
    let first = if accepted {
        ""
    } else {
        "mend the rejects, then "
    };
    log::tell(format_args!("next: {first}{}", words("plan", "import")));
}

/// After `sluice inspect`; `mends` are what `--map` is to be given for fields to fit.
pub(super) fn after_inspect(mends: &[String]) {
    let mut next = words("inspect", "plan");
    for mend in mends {
        next.push_str(" --map ");
        next.push_str(&quoted(mend));
    }
    log::tell(format_args!("next: {next}"));
}

/// After an import into projects.
pub(super) fn after_import(run: &str) {
    log::tell(format_args!("next: sluice verify {run}"));
}

/// The same words for the command `next` in the place of `this`.
fn words(this: &str, next: &str) -> String {
    let mut words = vec!["sluice".to_owned()];
    let mut this = Some(this);
    let mut given = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned());
    while let Some(word) = given.next() {
        // What holds for all commands may stand before the command.
        if this.take_if(|this| *this == word).is_some() {
            words.push(next.to_owned());
            continue;
        }
        let looking = LOOKING.iter().find(|(flag, _)| {
            let rest = word.strip_prefix(flag);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        });
        match looking {
            Some((_, true)) if !word.contains('=') => drop(given.next()),
            Some(_) => {}
            None => words.push(quoted(&word_without_secrets(&word)).into_owned()),
        }
    }
    words.join(" ")
}
