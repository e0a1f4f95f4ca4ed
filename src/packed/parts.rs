//! Makes one run of the parts that an engine such as Spark says count: each is what one attempt of a partition packed.
//!
//! A partition may have been packed several times, and its folder has a name of its own each time. So whether a run that
//! was committed before is the same does not hang on names: it is, if as many imports of each digest were made in the
//! same way. Rows in another order, or in other partitions, are another run.

use super::commit::{Committed, add, belongs};
use super::home::Home;
use super::manifest::Listed;
use crate::error::{Code, Error, Result};
use crate::plan::Tolerance;
use crate::sink::directory::MANIFEST;
use crate::wording::{agreeing, counted};

/// Writes the manifest of a run of these parts, in their order. `most`: how many rejects all of them may have.
///
/// # Errors
/// When there is no part, they do not belong together, too many records were rejected, or another run was committed here.
pub fn commit(home: &Home, parts: Vec<Listed>, most: Option<Tolerance>) -> Result<Committed> {
    let count = parts.len() as u32;
    let mut all: Option<Listed> = None;
    for (number, part) in (1..).zip(parts) {
        let shown = format!("part {number} of {count}");
        part.check(&shown)?;
        match &mut all {
            None => all = Some(part),
            Some(all) if belongs(all, &part) => add(all, part),
            Some(_) => {
                return Err(Error::new(
                    Code::Format,
                    format!("{shown} was packed with other options than those before it"),
                )
                .help("pack all parts of a run in the same way"));
            }
        }
    }
    let manifest = all.ok_or_else(|| Error::new(Code::Usage, "a run has at least one part"))?;
    let Listed {
        records, rejects, ..
    } = manifest;
    if let Some(most) = most.filter(|most| most.exceeded(rejects, records, true)) {
        let message = format!(
            "{} {} rejected in all parts, the run accepts {most}",
            counted(rejects, "record"),
            agreeing(rejects, "was", "were")
        );
        return Err(Error::new(Code::TooManyRejects, message)
            .help("mend the source, or accept more of them"));
    }
    let written = home.put_new(MANIFEST, manifest.to_json()?)?;
    if !written {
        let shown = home.shown(MANIFEST);
        let there = Listed::parse(&home.manifest("")?.unwrap_or_default(), &shown)?;
        if !same_content(&manifest, &there) {
            return Err(Error::new(
                Code::TargetNotEmpty,
                format!("`{shown}` is the manifest of another run"),
            )
            .help("give this one an id of its own: what was committed is not changed"));
        }
    }
    Ok(Committed {
        manifest,
        shards: count,
        written,
    })
}

/// Whether two runs hold the same imports, made in the same way.
fn same_content(one: &Listed, other: &Listed) -> bool {
    let counts = |of: &Listed| (of.complete, of.records, of.tasks, of.rejects);
    let digests = |of: &Listed| {
        let mut digests: Vec<String> = of.imports.iter().map(|i| i.blake3.clone()).collect();
        digests.sort_unstable();
        digests
    };
    belongs(one, other) && counts(one) == counts(other) && digests(one) == digests(other)
}
