//! What was packed: a folder, or a prefix in a bucket, and the manifest that says which imports in it count.
//!
//! ```text
//! RUN/manifest.json                     written last, and only where there is none: what it does not name does not count
//! RUN/import-000001.json                imports of one process
//! RUN/shard-00003-of-00016/             imports of one process of many, with a manifest of its own
//! RUN/part-00003-0f6c3b7e...            imports of one attempt of a partition, for the engine that tells which counts
//! ```
//!
//! A run writes it ([`manifest`]), the processes of an indexed job have theirs joined ([`commit`]), and so has an engine
//! its [`parts`]; what none names is removed ([`leftovers`]), and `sluice push` reads it again ([`Packed`]).

pub mod commit;
pub mod home;
pub mod leftovers;
pub mod manifest;
pub mod parts;

use serde::de::IgnoredAny;

use self::home::Home;
use self::manifest::{Imported, Listed, Nothing};
use crate::batch::limits::MOST_BYTES;
use crate::error::{Code, Error, Result};
use crate::sink::directory::MANIFEST;

/// How what is not what its manifest says is mended.
pub const AGAIN: &str =
    "pack the sources again with `sluice import ... --overwrite`; nothing was sent";

/// Imports packed earlier.
pub struct Packed {
    home: Home,
    manifest: Listed<Nothing>,
}

impl Packed {
    /// Reads the manifest of a folder or prefix, which is named itself, or by its manifest.
    ///
    /// # Errors
    /// When there is none, it is none of this sluice's, it does not say that it is complete, or does not agree with itself.
    pub fn open(word: &str) -> Result<Self> {
        let home = Home::of_packed(word)?;
        let shown = home.shown(MANIFEST);
        let manifest = home.open(MANIFEST)?.ok_or_else(|| {
            Error::new(Code::SourceMissing, format!("no such file: `{shown}`"))
                .help("name what `sluice import --to TARGET` has filled")
        })?;
        let manifest = Listed::read(manifest, &shown)?;
        manifest.check(&shown)?;
        Ok(Packed { home, manifest })
    }

    /// How many imports there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.manifest.imports.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.manifest.imports.is_empty()
    }

    /// Where they are.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// What the manifest says of each, in its order.
    #[must_use]
    pub fn imports(&self) -> &[Imported<Nothing>] {
        &self.manifest.imports
    }

    /// Holds every import against what the manifest says of it: size, digest, number of tasks.
    ///
    /// # Errors
    /// The first that is not so.
    pub fn check(&self) -> Result<()> {
        for import in self.imports() {
            let shown = self.home.shown(&import.name);
            let damaged = |what: String| {
                Error::new(
                    Code::Format,
                    format!("`{shown}` is not what the manifest says: {what}"),
                )
                .help(AGAIN)
            };
            let Imported {
                tasks,
                bytes,
                blake3,
                ..
            } = import;
            let there = self.home.size(&import.name)?;
            let there = there.ok_or_else(|| damaged("it is not there".to_owned()))?;
            if there != *bytes || there > MOST_BYTES as u64 {
                return Err(damaged(format!("it has {there} bytes, not {bytes}")));
            }
            let body = self.home.read(&import.name)?.unwrap_or_default();
            if blake3::hash(&body).to_hex().as_str() != blake3 {
                return Err(damaged("its BLAKE3 is another".to_owned()));
            }
            let there = serde_json::from_slice::<Vec<IgnoredAny>>(&body)
                .map_err(|e| damaged(format!("it is no array of tasks: {e}")))?
                .len();
            if there as u64 != *tasks {
                return Err(damaged(format!("it has {there} tasks, not {tasks}")));
            }
        }
        Ok(())
    }
}
