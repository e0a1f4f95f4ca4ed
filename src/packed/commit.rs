//! Joins what the processes of an indexed job have packed into one run.
//!
//! The job is done when every process has written its manifest; only then is one written for all. It is put where there
//! is none: who comes second finds it there, and has done nothing if it says the same.

use super::home::Home;
use super::manifest::{Imported, Listed, same_but_run};
use crate::error::{Code, Error, Result};
use crate::plan::shard::Shard;
use crate::sink::directory::MANIFEST;

/// What a commit came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// The manifest of all.
    pub manifest: Listed,
    /// How many processes, or parts, there were.
    pub shards: u32,
    /// Whether it was written now; else the same was there.
    pub written: bool,
}

/// Writes the manifest of a job's run.
///
/// # Errors
/// When not all processes have ended, they do not belong together, or another run was committed here.
pub fn commit(home: &Home) -> Result<Committed> {
    let shards = shards(home)?;
    let mut all: Option<Listed> = None;
    for shard in &shards {
        let (folder, shown) = (shard.folder(), home.shown(&shard.folder()));
        let json = home.manifest(&folder)?.unwrap_or_default();
        let one = Listed::parse(&json, &shown)?;
        one.check(&shown)?;
        match &mut all {
            None => all = Some(joined(one, &folder)),
            Some(all) if belongs(all, &one) => add(all, joined(one, &folder)),
            Some(_) => {
                return Err(Error::new(
                    Code::Format,
                    format!("`{shown}` was packed from other sources, or with other options, than those before it"),
                )
                .help("pack it again with the same words as the others, or all of them below another prefix"));
            }
        }
    }
    let Some(manifest) = all else {
        return Err(no_shards(home));
    };
    let (count, json) = (shards.len() as u32, manifest.to_json()?);
    let written = put_manifest(home, json)?;
    Ok(Committed {
        manifest,
        shards: count,
        written,
    })
}

/// Puts the manifest of a run where there is none; whether that was so, and not the same there already.
///
/// # Errors
/// When there is another, or it cannot be written.
pub fn put_manifest(home: &Home, json: Vec<u8>) -> Result<bool> {
    let same = same_but_run(&json);
    if home.put_new(MANIFEST, json)? {
        return Ok(true);
    }
    let there = home.manifest("")?.unwrap_or_default();
    if same(&there) {
        return Ok(false);
    }
    let shown = home.shown(MANIFEST);
    Err(Error::new(
        Code::TargetNotEmpty,
        format!("`{shown}` is the manifest of another run"),
    )
    .help("pack this one below another prefix: what was committed is not changed"))
}

/// All processes of the job, in order.
fn shards(home: &Home) -> Result<Vec<Shard>> {
    let mark = format!("/{MANIFEST}");
    let mut shards: Vec<Shard> = home
        .list()?
        .iter()
        .filter_map(|(name, _)| Shard::of_folder(name.strip_suffix(&mark)?))
        .collect();
    shards.sort();
    let Some(of) = shards.first().map(|shard| shard.of()) else {
        return Err(no_shards(home));
    };
    if let Some(other) = shards.iter().find(|shard| shard.of() != of) {
        let (shown, others) = (home.shown(""), other.of());
        return Err(Error::new(
            Code::Format,
            format!("`{shown}` has shards of two jobs: one of {of} processes, one of {others}"),
        )
        .help("remove the folders of one of them, or pack below another prefix"));
    }
    let missing: Vec<String> = (0..of)
        .filter(|index| {
            shards
                .binary_search_by_key(index, |shard| shard.index())
                .is_err()
        })
        .map(|index| index.to_string())
        .collect();
    if missing.is_empty() {
        return Ok(shards);
    }
    let (shown, there) = (home.shown(""), shards.len());
    let some = missing.iter().take(10).cloned().collect::<Vec<_>>();
    let more = if some.len() < missing.len() {
        ", ..."
    } else {
        ""
    };
    Err(Error::new(
        Code::SourceMissing,
        format!(
            "`{shown}` has {there} of {of} shards; missing: {}{more}",
            some.join(", ")
        ),
    )
    .help("let them end, or run them again with their `--shard`, and commit then")
    .exit_with(5))
}

fn no_shards(home: &Home) -> Error {
    let shown = home.shown("");
    Error::new(
        Code::SourceMissing,
        format!("`{shown}` has no shards that are done"),
    )
    .help("name what the processes of a job have filled with `sluice import ... --to RUN --shard I/N`")
}

/// Whether a shard is of the same job as those before it.
pub(super) fn belongs(all: &Listed, one: &Listed) -> bool {
    (&all.plan, all.max_tasks, all.max_bytes) == (&one.plan, one.max_tasks, one.max_bytes)
        && all.sources == one.sources
}

/// A shard's manifest as a part of that of all.
fn joined(mut one: Listed, folder: &str) -> Listed {
    for import in &mut one.imports {
        import.name = format!("{folder}/{}", import.name);
    }
    one
}

pub(super) fn add(all: &mut Listed, one: Listed) {
    let Listed {
        records,
        tasks,
        rejects,
        duplicates,
        bytes,
        imports,
        ..
    } = one;
    all.records += records;
    all.tasks += tasks;
    all.rejects += rejects;
    all.bytes += bytes;
    if let Some(more) = duplicates {
        *all.duplicates.get_or_insert_default() += more;
    }
    let before = all.imports.len() as u64;
    let numbered = imports.into_iter().map(|import| Imported {
        number: before + import.number,
        ..import
    });
    all.imports.extend(numbered);
}
