//! A folder: each import a file, a manifest last.
//!
//! A file appears whole or not at all: it fills under a temporary name, is synced, and renamed. The manifest lists
//! only what is whole, so a folder whose manifest says `"complete": true` is all of a run.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::batch::body::{Body, Store};
use crate::batch::import::Import;
use crate::deliver::{Begin, Receipt, Run, Sink};
use crate::error::{Code, Error, Result};
use crate::partial_file::{PARTIAL, PartialFile};

/// The manifest's name.
pub const MANIFEST: &str = "manifest.json";

/// The rejects' name.
pub const REJECTS: &str = "rejects.jsonl";

/// The name of the list of duplicates.
pub const DUPLICATES: &str = "duplicates.jsonl";

/// Imports on their way at once: the disk may be slower than the rest for a while.
const AT_ONCE: usize = 4;

/// A folder that imports go to.
#[derive(Clone, Debug)]
pub struct Directory {
    path: Arc<Path>,
    overwrite: bool,
    begun: Option<Vec<u8>>,
}

impl Directory {
    /// A folder, which need not be there yet. `overwrite`: what an earlier run left there is removed first.
    #[must_use]
    pub fn new(path: &Path, overwrite: bool) -> Self {
        Directory {
            path: Arc::from(path),
            overwrite,
            begun: None,
        }
    }

    /// The same, with a manifest that says whose the folder is as soon as the run begins. `goes_on`: what an earlier
    /// process of the run left there is removed first.
    #[must_use]
    pub fn begun_as(mut self, manifest: Vec<u8>, goes_on: bool) -> Self {
        self.begun = Some(manifest);
        self.overwrite |= goes_on;
        self
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn prepare(&self) -> Result<()> {
        let path = &self.path;
        fs::create_dir_all(path).map_err(|e| unwritable("create the folder", path, &e))?;
        let entries = fs::read_dir(path).map_err(|e| unwritable("list the folder", path, &e))?;
        let mut found = Vec::new();
        for entry in entries {
            found.push(
                entry
                    .map_err(|e| unwritable("list the folder", path, &e))?
                    .path(),
            );
        }
        // Without its manifest nothing there counts: it goes first.
        found.sort_by_cached_key(|path| (!path.ends_with(MANIFEST), path.clone()));
        if let (Some(first), false) = (found.first(), self.overwrite) {
            let first = first
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let reason = format!("the target `{}` already holds `{first}`", path.display());
            return Err(Error::new(Code::TargetNotEmpty, reason)
                .help("name an empty folder with `--to`, or replace what an earlier run left there with `--overwrite`"));
        }
        for old in found.iter().filter(|path| is_ours(path)) {
            fs::remove_file(old).map_err(|e| unwritable("remove", old, &e))?;
        }
        // A folder that cannot be written should be known before hours of reading.
        let probe = path.join(format!(".probe{PARTIAL}"));
        File::create(&probe)
            .and_then(|_| fs::remove_file(&probe))
            .map_err(|e| unwritable("write to the folder", path, &e))?;
        self.begun
            .as_ref()
            .map_or(Ok(()), |begun| self.finish(begun))
    }

    /// Writes the manifest, which ends the run in this folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(&self, manifest: &[u8]) -> Result<()> {
        let path = self.path.join(MANIFEST);
        let write = || {
            let mut file = PartialFile::create(&path)?;
            file.write_all(manifest)?;
            file.finish()?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(|e| unwritable("write", &path, &e))
    }
}

/// Whether a file in a target folder is one that a run of sluice leaves there.
fn is_ours(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let import = name
        .strip_prefix("import-")
        .and_then(|rest| rest.strip_suffix(".json"));
    name == MANIFEST
        || name == REJECTS
        || name == DUPLICATES
        || name.ends_with(PARTIAL)
        || import.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
}

fn unwritable(what: &str, path: &Path, cause: &io::Error) -> Error {
    let error = Error::new(
        Code::TargetWrite,
        format!("cannot {what} `{}`: {cause}", path.display()),
    );
    match cause.kind() {
        io::ErrorKind::StorageFull => {
            error.help("make room, or name a folder on another disk with `--to`")
        }
        _ => error,
    }
}

impl Sink for Directory {
    fn begin<'a>(&'a self, _run: &'a dyn Run) -> BoxFuture<'a, Result<Begin>> {
        async { self.prepare().map(|()| Begin::First) }.boxed()
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    fn store(&self) -> Store {
        Store::Folder(Arc::clone(&self.path))
    }

    fn rejects(&self) -> Option<PathBuf> {
        Some(self.path.join(REJECTS))
    }

    fn deliver<'a>(
        &'a self,
        import: Import,
        _run: &'a dyn Run,
    ) -> BoxFuture<'a, Result<Vec<Receipt>>> {
        let finish = move || {
            let Body::File(file) = import.body else {
                return Err(Error::new(
                    Code::Internal,
                    "a folder takes imports from files",
                ));
            };
            let path = file.path().to_owned();
            file.finish().map_err(|e| unwritable("write", &path, &e))?;
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            Ok(vec![Receipt {
                name,
                import: import.about,
                times: None,
            }])
        };
        async { super::join(tokio::task::spawn_blocking(finish).await) }.boxed()
    }
}
