//! What lies where a run does and counts for nothing: imports of processes that were cut off and done again.

use std::collections::HashSet;

use super::Packed;
use super::home::Home;
use crate::error::Result;
use crate::plan::shard::Shard;
use crate::sink::directory::{DUPLICATES, MANIFEST, REJECTS};

/// A file that no manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// What it is called there.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// Finds the imports of a committed run that its manifest does not name. What sluice never writes there is no one's
/// leftover, and is not among them; nor are the rejects of parts whose imports count.
///
/// # Errors
/// When the run has no manifest, or cannot be listed.
pub fn leftovers(word: &str) -> Result<(Home, Vec<Leftover>)> {
    let packed = Packed::open(word)?;
    let counted: HashSet<&str> = packed
        .imports()
        .iter()
        .map(|import| import.name.as_str())
        .collect();
    let folders: HashSet<&str> = counted
        .iter()
        .filter_map(|name| Some(name.rsplit_once('/')?.0))
        .collect();
    let home = packed.home().clone();
    let is_left = |name: &str| {
        let Some((folder, file)) = name.rsplit_once('/') else {
            return is_import(name) && !counted.contains(name);
        };
        let beside = matches!(file, REJECTS | DUPLICATES) && !folders.contains(folder);
        let counts = counted.contains(name)
            // What a shard that had nothing to pack says of itself.
            || file == MANIFEST
            || matches!(file, REJECTS | DUPLICATES) && Shard::of_folder(folder).is_some();
        is_part(folder) && !counts && (is_import(file) || beside)
    };
    let files = home.list()?.into_iter();
    let left = files
        .filter(|(name, _)| is_left(name))
        .map(|(name, bytes)| Leftover { name, bytes })
        .collect();
    Ok((home, left))
}

/// Whether a folder is one that a process fills on its own.
fn is_part(folder: &str) -> bool {
    folder.starts_with("part-") || Shard::of_folder(folder).is_some()
}

/// Whether a name is one that imports have.
fn is_import(name: &str) -> bool {
    name.strip_prefix("import-")
        .and_then(|rest| rest.strip_suffix(".json"))
        .is_some_and(|rest| rest.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit()))
}
