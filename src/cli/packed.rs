//! What a target folder holds, and where it came from: its manifest, written by a run and read by `sluice push`.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::batch::limits::MOST_BYTES;
use crate::deliver::Receipt;
use crate::error::{Code, Error, Result};
use crate::plan::Plan;
use crate::report::Report;
use crate::sink::directory::MANIFEST;

/// The version of the manifest's layout.
const VERSION: u32 = 1;

/// The manifest of a target folder, as it is written.
#[derive(Serialize)]
pub(super) struct Manifest<'a> {
    version: u32,
    run: &'a str,
    complete: bool,
    plan: String,
    sources: Vec<&'a str>,
    max_tasks: usize,
    max_bytes: usize,
    records: u64,
    tasks: u64,
    rejects: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicates: Option<u64>,
    bytes: u64,
    imports: &'a [Receipt],
}

impl<'a> Manifest<'a> {
    /// That of a run that has ended.
    ///
    /// # Errors
    /// Never, unless a name cannot be written as JSON.
    pub(super) fn of(plan: &'a Plan, report: &'a Report) -> Result<Self> {
        Ok(Manifest {
            version: VERSION,
            run: &plan.run,
            complete: report.complete,
            plan: plan.digest()?,
            sources: plan.sources.iter().map(|source| &*source.name).collect(),
            max_tasks: plan.limits.tasks.get(),
            max_bytes: plan.limits.bytes.get(),
            records: report.totals.records,
            tasks: report.totals.tasks,
            rejects: report.totals.rejects,
            duplicates: (plan.normalizer.dedupe.is_some()).then_some(report.totals.duplicates),
            bytes: report.totals.bytes,
            imports: &report.deliveries,
        })
    }
}

impl Manifest<'_> {
    /// As it is written.
    ///
    /// # Errors
    /// Never, unless a name cannot be written as JSON.
    pub(super) fn to_json(&self) -> Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::new(Code::Internal, format!("no manifest: {e}")))?;
        json.push(b'\n');
        Ok(json)
    }
}

/// Tells whether another manifest speaks of the same imports, made in the same way of the same sources.
pub(super) fn same_but_run(manifest: &[u8]) -> impl FnOnce(&[u8]) -> bool + use<> {
    let without_run = |json: &[u8]| {
        let mut value: serde_json::Value = serde_json::from_slice(json).ok()?;
        value.as_object_mut()?.remove("run");
        Some(value)
    };
    let this = without_run(manifest);
    move |other| this.is_some() && this == without_run(other)
}

/// What was packed earlier: a folder, and the imports that its manifest lists.
pub(super) struct Packed {
    folder: PathBuf,
    imports: Vec<PackedImport>,
}

/// The manifest, as far as it is read again.
#[derive(Deserialize)]
struct Listed {
    version: u32,
    complete: bool,
    tasks: u64,
    imports: Vec<PackedImport>,
}

/// One import of a manifest.
#[derive(Deserialize)]
struct PackedImport {
    name: String,
    tasks: u64,
    bytes: u64,
    blake3: String,
}

impl Packed {
    /// Reads the manifest of a folder, which is named itself, or by its manifest.
    ///
    /// # Errors
    /// When there is none, it is none of this sluice's, or it does not say that it is complete.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let manifest = if path.is_dir() {
            path.join(MANIFEST)
        } else {
            path.to_owned()
        };
        let shown = manifest.display();
        let text = fs::read(&manifest).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => {
                Error::new(Code::SourceMissing, format!("no such file: `{shown}`"))
                    .help("name a folder that `sluice import --to FOLDER` has filled")
            }
            _ => Error::new(Code::SourceRead, format!("cannot read `{shown}`: {e}")),
        })?;
        let listed: Listed = serde_json::from_slice(&text).map_err(|e| {
            Error::new(
                Code::Format,
                format!("`{shown}` is not the manifest of a target folder: {e}"),
            )
            .help("name a folder that `sluice import --to FOLDER` has filled")
        })?;
        if listed.version != VERSION {
            let version = listed.version;
            return Err(Error::new(
                Code::Format,
                format!(
                    "`{shown}` has version {version}, this sluice knows version {VERSION} alone"
                ),
            )
            .help("use the sluice that wrote it"));
        }
        if !listed.complete {
            return Err(Error::new(
                Code::Format,
                format!("`{shown}` is not complete: the run that packed it ended early"),
            )
            .help("pack again with `sluice import ... --overwrite`"));
        }
        let folder = manifest.parent().unwrap_or(Path::new("")).to_owned();
        let Listed { tasks, imports, .. } = listed;
        let packed = Packed { folder, imports };
        if packed
            .imports
            .iter()
            .map(|import| import.tasks)
            .sum::<u64>()
            != tasks
        {
            return Err(Error::new(
                Code::Format,
                format!("`{shown}` does not agree with itself: its imports do not hold {tasks} tasks together"),
            )
            .help(AGAIN));
        }
        Ok(packed)
    }

    /// How many imports there are.
    pub(super) fn len(&self) -> usize {
        self.imports.len()
    }

    /// The files, in the order of the manifest.
    ///
    /// # Errors
    /// When a name is no plain name: what is outside the folder is not its content.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>> {
        let file = |import: &PackedImport| {
            let name = Path::new(&import.name);
            match name.components().collect::<Vec<_>>().as_slice() {
                [Component::Normal(_)] => Ok(self.folder.join(name)),
                _ => Err(Error::new(
                    Code::Format,
                    format!(
                        "the manifest names `{}`, which is no file of its folder",
                        import.name
                    ),
                )
                .help(AGAIN)),
            }
        };
        self.imports.iter().map(file).collect()
    }

    /// Holds every file against what the manifest says of it: size, digest, number of tasks.
    ///
    /// # Errors
    /// The first that is not so.
    pub(super) fn check(&self) -> Result<()> {
        for (path, import) in self.files()?.iter().zip(&self.imports) {
            let shown = path.display();
            let damaged = |what: String| {
                Error::new(
                    Code::Format,
                    format!("`{shown}` is not what the manifest says: {what}"),
                )
                .help(AGAIN)
            };
            let unread = |e: io::Error| match e.kind() {
                io::ErrorKind::NotFound => damaged("it is not there".to_owned()),
                _ => Error::new(Code::SourceRead, format!("cannot read `{shown}`: {e}")),
            };
            let PackedImport {
                tasks,
                bytes,
                blake3,
                ..
            } = import;
            let there = fs::metadata(path).map_err(unread)?.len();
            if there != *bytes || there > MOST_BYTES as u64 {
                return Err(damaged(format!("it has {there} bytes, not {bytes}")));
            }
            let body = fs::read(path).map_err(unread)?;
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

/// How a folder that is not what its manifest says is mended.
const AGAIN: &str = "pack the sources again with `sluice import ... --overwrite`; nothing was sent";
