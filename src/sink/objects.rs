//! A prefix in a bucket: each import an object, or each task; a manifest last. A folder is one where each task is a file.
//!
//! An object's name carries its number and the digest of its bytes, so what is there already is not written again: the
//! same run twice writes nothing twice, and one that was cut off goes on where it was. An object of that number with
//! another digest is of another run, and ends this one. The manifest is put only where there is none.

use std::collections::HashMap;
use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, WriteMultipart};

use super::directory::{DUPLICATES, MANIFEST, REJECTS};
use crate::batch::body::{Body, Store};
use crate::batch::import::Import;
use crate::deliver::{Begin, Receipt, Run, Sink};
use crate::error::{Code, Error, Result};
use crate::source::remote::bucket::{Address, Bucket};
use crate::source::remote::thread;

/// Imports on their way at once: each is in memory until it is there.
const AT_ONCE: usize = 2;

/// Tasks on their way at once, where each is an object.
const TASKS_AT_ONCE: usize = 32;

/// Larger objects are put in parts of so many bytes. Builds for tests make parts of what a store takes at least.
const PART: usize = if cfg!(debug_assertions) {
    5 << 20
} else {
    8 << 20
};

/// What tasks are below, where each is an object.
pub const TASKS: &str = "tasks";

/// Letters of the digest in a name.
const DIGEST: usize = 16;

/// What is put there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Layout {
    /// One object for each import: an array of tasks, as Label Studio's import takes it
    #[default]
    Import,
    /// One object for each task below `tasks/`, as a source storage of Label Studio reads it: a sync that is cut off in the
    /// middle of an object never reads the rest of it
    Storage,
}

/// A prefix that imports go to.
pub struct Objects {
    bucket: Bucket,
    prefix: String,
    layout: Layout,
    overwrite: bool,
    /// The folder that it is, if it is one.
    folder: Option<PathBuf>,
    /// Where rejects are written until they are put there.
    rejects: PathBuf,
    /// What an earlier run left there: names and sizes by what is before the digest in the names.
    there: Mutex<HashMap<String, (String, u64)>>,
}

impl Objects {
    /// A prefix of a bucket. `overwrite`: what an earlier run left there is removed first. Rejects are kept in a file of this
    /// `run` meanwhile.
    ///
    /// # Errors
    /// When there are no credentials, or they cannot be used.
    pub fn new(address: &Address, layout: Layout, overwrite: bool, run: &str) -> Result<Self> {
        let bucket = Bucket::open(address)?;
        let prefix = address.key.trim_matches('/').to_owned();
        Ok(Self::of(bucket, prefix, layout, overwrite, run))
    }

    /// A folder, in which each task is to be a file.
    ///
    /// # Errors
    /// When there is none, and none can be made.
    pub fn in_folder(folder: &FilePath, overwrite: bool, run: &str) -> Result<Self> {
        let bucket = Bucket::of_folder(folder)?;
        let layout = Layout::Storage;
        Ok(Objects {
            folder: Some(folder.to_owned()),
            ..Self::of(bucket, String::new(), layout, overwrite, run)
        })
    }

    fn of(bucket: Bucket, prefix: String, layout: Layout, overwrite: bool, run: &str) -> Self {
        // One process may have several parts of a run in hand.
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("sluice-rejects-{run}-{}-{number}.jsonl", std::process::id());
        Objects {
            bucket,
            prefix,
            layout,
            overwrite,
            folder: None,
            rejects: std::env::temp_dir().join(name),
            there: Mutex::default(),
        }
    }

    /// Where its credentials are from.
    #[must_use]
    pub fn told(&self) -> String {
        let bucket = self.bucket.address().trim_end_matches('/');
        format!("writing to {bucket} with {}", self.bucket.credentials())
    }

    fn store(&self) -> &Arc<dyn ObjectStore> {
        self.bucket.store()
    }

    fn there(&self) -> MutexGuard<'_, HashMap<String, (String, u64)>> {
        self.there.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, name: &str) -> Result<Path> {
        let key = if self.prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{}/{name}", self.prefix)
        };
        Path::parse(key)
            .map_err(|e| Error::new(Code::Usage, format!("`{}` is no prefix: {e}", self.prefix)))
    }

    /// Finds out what is there, and makes sure that it is not someone else's.
    async fn prepare(&self) -> Result<()> {
        if let Some(folder) = &self.folder {
            remove_unfinished(folder);
        }
        let prefix = (!self.prefix.is_empty()).then(|| Path::parse(&self.prefix));
        let prefix = prefix
            .transpose()
            .map_err(|e| Error::new(Code::Usage, format!("`{}` is no prefix: {e}", self.prefix)))?;
        let mut found = self.store().list(prefix.as_ref());
        let mut there = HashMap::new();
        while let Some(about) = found
            .try_next()
            .await
            .map_err(|e| self.unwritten("list", &e))?
        {
            let name = about.location.as_ref()[self.prefix.len()..].trim_start_matches('/');
            if !is_ours(name) && !self.overwrite {
                let reason = format!("the target `{}` already holds `{name}`", self.shown());
                return Err(Error::new(Code::TargetNotEmpty, reason)
                    .help("name an empty prefix with `--to`, or leave what is there and replace what an earlier run left with `--overwrite`"));
            }
            if is_ours(name) {
                there.insert(stem(name).to_owned(), (name.to_owned(), about.size));
            }
        }
        if self.overwrite {
            // Without its manifest nothing there counts.
            let mut names: Vec<_> = there.drain().map(|(_, (name, _))| name).collect();
            names.sort_by_key(|name| name != MANIFEST);
            for name in names {
                let path = self.path(&name)?;
                let deleted = self.store().delete(&path).await;
                deleted.map_err(|e| self.unwritten("remove what is in", &e))?;
            }
        }
        *self.there() = there;
        Ok(())
    }

    /// Puts some bytes there, unless they are there already.
    async fn put(&self, name: &str, body: Bytes) -> Result<()> {
        match self.there().get(stem(name)) {
            Some((there, bytes)) if there == name && *bytes == body.len() as u64 => return Ok(()),
            // It was cut off while it was written, as some stores allow.
            Some((there, _)) if there == name => {}
            None => {}
            Some((other, _)) => {
                let reason = format!(
                    "the target `{}` holds `{other}` of another run",
                    self.shown()
                );
                return Err(Error::new(Code::TargetNotEmpty, reason).help(
                    "name an empty prefix with `--to`, or replace what an earlier run left there with `--overwrite`",
                ));
            }
        }
        let path = self.path(name)?;
        let outcome = if body.len() <= PART {
            self.store().put(&path, body.into()).await.map(drop)
        } else {
            self.put_in_parts(&path, body).await
        };
        outcome.map_err(|e| self.unwritten("write to", &e))
    }

    /// Puts one task there.
    async fn put_task(&self, import: u64, index: u64, task: Bytes) -> Result<()> {
        let digest = blake3::hash(&task).to_hex();
        let digest = &digest[..DIGEST];
        let name = format!("{TASKS}/{import:06}-{index:06}-{digest}.json");
        self.put(&name, task).await
    }

    async fn put_in_parts(&self, path: &Path, body: Bytes) -> object_store::Result<()> {
        let upload = self.store().put_multipart(path).await?;
        let mut parts = WriteMultipart::new_with_chunk_size(upload, PART);
        let bytes = body.len() as u64;
        parts.put(body);
        match parts.finish().await {
            Ok(_) => Ok(()),
            // A store that had put the parts together when the connection broke knows nothing of them the next time.
            Err(failed) => match self.store().head(path).await {
                Ok(there) if there.size == bytes => Ok(()),
                _ => Err(failed),
            },
        }
    }

    /// The manifest that is there, if there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn manifest(&self) -> Result<Option<Bytes>> {
        let path = self.path(MANIFEST)?;
        thread::wait(async {
            let there = async { self.store().get(&path).await?.bytes().await };
            match there.await {
                Ok(manifest) => Ok(Some(manifest)),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(e) => Err(self.unwritten("read the manifest of", &e)),
            }
        })?
    }

    /// Ends a run of which everything is there: puts what it rejected, and the manifest, unless there is one that says the
    /// same. `same` tells whether another does.
    ///
    /// # Errors
    /// When they cannot be put, or there is a manifest of another run.
    pub fn finish(&self, manifest: Vec<u8>, same: impl FnOnce(&[u8]) -> bool) -> Result<()> {
        thread::wait(async {
            self.put_records().await?;
            let path = self.path(MANIFEST)?;
            let options = PutOptions::from(PutMode::Create);
            match self.store().put_opts(&path, manifest.into(), options).await {
                Ok(_) => Ok(()),
                Err(
                    object_store::Error::AlreadyExists { .. }
                    | object_store::Error::Precondition { .. },
                ) => {
                    let there = async { self.store().get(&path).await?.bytes().await };
                    let there = there
                        .await
                        .map_err(|e| self.unwritten("read the manifest of", &e))?;
                    if same(&there) {
                        return Ok(());
                    }
                    let reason = format!(
                        "the target `{}` holds the manifest of another run",
                        self.shown()
                    );
                    Err(Error::new(Code::TargetNotEmpty, reason)
                        .help("name an empty prefix with `--to`, or replace what an earlier run left there with `--overwrite`"))
                }
                Err(e) => Err(self.unwritten("write the manifest to", &e)),
            }
        })?
    }

    /// The same for a part of a run, whose manifest another puts.
    ///
    /// # Errors
    /// When what it rejected cannot be put.
    pub fn finish_part(&self) -> Result<()> {
        thread::wait(self.put_records())?
    }

    /// Puts the lists of what became no task.
    async fn put_records(&self) -> Result<()> {
        let duplicates = crate::rejects::RecordsFile::of_duplicates(&self.rejects);
        for (file, name) in [(&self.rejects, REJECTS), (&duplicates, DUPLICATES)] {
            self.put_file(file, name).await?;
        }
        Ok(())
    }

    /// Puts a local file there, if it is there, and removes it.
    async fn put_file(&self, file: &FilePath, name: &str) -> Result<()> {
        let Ok(body) = std::fs::read(file) else {
            return Ok(());
        };
        let path = self.path(name)?;
        let put = self.store().put(&path, body.into()).await;
        put.map_err(|e| {
            let kept = file.display();
            self.unwritten(
                &format!("write `{name}`, which is kept as `{kept}`, to"),
                &e,
            )
        })?;
        // It is in the bucket now; a copy that stays harms nobody.
        let _ = std::fs::remove_file(file);
        Ok(())
    }

    /// The prefix as a person wrote it.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("{}{}", self.bucket.address(), self.prefix)
    }

    fn unwritten(&self, what: &str, cause: &object_store::Error) -> Error {
        use object_store::Error as Cause;
        let shown = self.shown();
        match cause {
            Cause::PermissionDenied { .. } | Cause::Unauthenticated { .. } => Error::new(
                Code::Unauthorized,
                format!("the store does not let these credentials {what} `{shown}`"),
            )
            .help("give them the right to list the bucket, and to read and write its objects"),
            Cause::NotFound { .. } => Error::new(
                Code::TargetWrite,
                format!("cannot {what} `{shown}`: there is no such bucket"),
            ),
            _ => {
                let why = crate::source::remote::store_says(cause);
                Error::new(Code::TargetWrite, format!("cannot {what} `{shown}`: {why}"))
                    .help("run the same command again: what is there already is not written again")
            }
        }
    }
}

impl Sink for Objects {
    fn begin<'a>(&'a self, _run: &'a dyn Run) -> BoxFuture<'a, Result<Begin>> {
        async { self.prepare().await.map(|()| Begin::First) }.boxed()
    }

    fn store(&self) -> Store {
        match self.layout {
            Layout::Import => Store::Memory,
            Layout::Storage => Store::Divisible,
        }
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    fn rejects(&self) -> Option<PathBuf> {
        Some(self.rejects.clone())
    }

    fn deliver<'a>(
        &'a self,
        import: Import,
        _run: &'a dyn Run,
    ) -> BoxFuture<'a, Result<Vec<Receipt>>> {
        async move {
            let Import { about, body, tasks } = import;
            let Body::Memory(body) = body else {
                return Err(Error::new(
                    Code::Internal,
                    "a bucket takes imports from memory",
                ));
            };
            let (number, body) = (about.number, Bytes::from(body));
            let name = match self.layout {
                Layout::Import => {
                    let name = format!("import-{number:06}-{}.json", &about.blake3.0[..DIGEST]);
                    self.put(&name, body).await?;
                    name
                }
                Layout::Storage => {
                    // The bracket, and then the commas, stand before each.
                    let starts = std::iter::once(0).chain(tasks.iter().map(|task| task.end));
                    let each = starts
                        .zip(&tasks)
                        .map(|(start, task)| body.slice(start + 1..task.end));
                    let each: Vec<Bytes> = each.collect();
                    stream::iter((1..).zip(each))
                        .map(|(index, task)| self.put_task(number, index, task))
                        .buffer_unordered(TASKS_AT_ONCE)
                        .try_collect::<()>()
                        .await?;
                    format!("{TASKS}/{number:06}-*.json")
                }
            };
            Ok(vec![Receipt {
                name,
                import: about,
                times: None,
            }])
        }
        .boxed()
    }
}

/// What is before the digest in a name: no two objects of one run have the same.
fn stem(name: &str) -> &str {
    name.rsplit_once('-').map_or(name, |(stem, _)| stem)
}

/// Removes what a run that was killed had begun to write in a folder: a file has its name with `#` and a number until it is
/// whole. What stays harms nobody.
fn remove_unfinished(folder: &FilePath) {
    for (folder, prefix) in [(folder.join(TASKS), "tasks/"), (folder.to_owned(), "")] {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let unfinished = name
                .to_str()
                .and_then(|name| name.rsplit_once('#'))
                .is_some_and(|(name, number)| {
                    number.bytes().all(|b| b.is_ascii_digit())
                        && is_ours(&format!("{prefix}{name}"))
                });
            if unfinished {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// Whether an object below the prefix is one that a run of sluice leaves there.
fn is_ours(name: &str) -> bool {
    let numbered = name
        .strip_prefix("import-")
        .or_else(|| name.strip_prefix(TASKS)?.strip_prefix('/'));
    let ours = numbered
        .and_then(|rest| rest.strip_suffix(".json"))
        .is_some_and(|rest| rest.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit()));
    ours || matches!(name, MANIFEST | REJECTS | DUPLICATES)
}
