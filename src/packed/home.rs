//! Where a run lies: a folder, or a prefix in a bucket. Names in it have `/` between their parts.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path as Key;
use object_store::{ObjectStoreExt, PutMode, PutOptions};
use walkdir::WalkDir;

use crate::error::{Code, Error, Result};
use crate::partial_file::PartialFile;
use crate::sink::directory::MANIFEST;
use crate::source::remote::bucket::{Address, Bucket};
use crate::source::remote::{store_says, thread};

/// Where a run lies.
#[derive(Clone, Debug)]
pub enum Home {
    /// A folder.
    Folder(PathBuf),
    /// What keys in a bucket begin with, without a slash at its end.
    Prefix(Arc<Bucket>, String),
}

/// Whether a name stays below its home.
#[must_use]
pub fn is_inside(name: &str) -> bool {
    let parts = Path::new(name).components();
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    !name.is_empty() && !name.contains('\\') && parts.into_iter().all(plain)
}

impl Home {
    /// The home that a word names: a folder, or a prefix such as `s3://bucket/run`.
    ///
    /// # Errors
    /// When the bucket cannot be reached.
    pub fn of(word: &str) -> Result<Home> {
        match Address::parse(word)? {
            Some(address) => {
                let prefix = address.key.trim_matches('/').to_owned();
                Ok(Home::Prefix(Arc::new(Bucket::open(&address)?), prefix))
            }
            None => Ok(Home::Folder(PathBuf::from(word))),
        }
    }

    /// The same, where the word may also name the manifest in it.
    ///
    /// # Errors
    /// When the bucket cannot be reached.
    pub fn of_packed(word: &str) -> Result<Home> {
        let manifest = format!("/{MANIFEST}");
        let home = match word.strip_suffix(&manifest) {
            Some("") => "/",
            Some(home) => home,
            None if word == MANIFEST => "",
            None => word,
        };
        Home::of(home)
    }

    /// A name in it, as a person knows it.
    #[must_use]
    pub fn shown(&self, name: &str) -> String {
        match self {
            Home::Folder(folder) => folder.join(name).display().to_string(),
            Home::Prefix(bucket, _) => format!("{}{}", bucket.address(), self.key(name)),
        }
    }

    /// The key of a name in it, in a bucket.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        match self {
            Home::Prefix(_, prefix) if prefix.is_empty() => name.to_owned(),
            Home::Prefix(_, prefix) if name.is_empty() => prefix.clone(),
            Home::Prefix(_, prefix) => format!("{prefix}/{name}"),
            Home::Folder(_) => name.to_owned(),
        }
    }

    fn path(&self, name: &str) -> Result<Key> {
        Key::parse(self.key(name)).map_err(|e| {
            let shown = self.shown(name);
            Error::new(Code::Usage, format!("`{shown}` is no key: {e}"))
        })
    }

    /// All of a file; nothing if there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match self {
            Home::Folder(folder) => self.found(name, fs::read(folder.join(name))),
            Home::Prefix(bucket, _) => {
                let (path, store) = (self.path(name)?, bucket.store());
                let got = thread::wait(async { store.get(&path).await?.bytes().await })?;
                self.got(name, got.map(|bytes| bytes.to_vec()))
            }
        }
    }

    /// A file to be read from its beginning, without all of it being in memory: what comes from a bucket is kept on the
    /// disk meanwhile. Nothing if there is none.
    ///
    /// # Errors
    /// When it cannot be read, or kept.
    pub fn open(&self, name: &str) -> Result<Option<File>> {
        let bucket = match self {
            Home::Folder(folder) => return self.found(name, File::open(folder.join(name))),
            Home::Prefix(bucket, _) => bucket,
        };
        let (path, store) = (self.path(name)?, bucket.store());
        let mut file = tempfile::tempfile().map_err(|e| self.unkept(name, &e))?;
        let fetched = thread::wait(async {
            let mut stream = store.get(&path).await?.into_stream();
            while let Some(bytes) = stream.try_next().await? {
                if let Err(e) = file.write_all(&bytes) {
                    return Ok(Err(e));
                }
            }
            Ok(file.rewind())
        })?;
        let kept = self.got(name, fetched)?.transpose();
        let kept = kept.map_err(|e| self.unkept(name, &e))?;
        Ok(kept.map(|()| file))
    }

    /// The manifest of a folder in it, or its own if that is empty; nothing if there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn manifest(&self, folder: &str) -> Result<Option<Vec<u8>>> {
        if folder.is_empty() {
            self.read(MANIFEST)
        } else {
            self.read(&format!("{folder}/{MANIFEST}"))
        }
    }

    /// The size of a file; nothing if there is none.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn size(&self, name: &str) -> Result<Option<u64>> {
        match self {
            Home::Folder(folder) => {
                let about = fs::metadata(folder.join(name));
                self.found(name, about.map(|about| about.len()))
            }
            Home::Prefix(bucket, _) => {
                let (path, store) = (self.path(name)?, bucket.store());
                let got = thread::wait(async { store.head(&path).await })?;
                self.got(name, got.map(|about| about.size))
            }
        }
    }

    /// The names and sizes of all files in it, in the order of the names' bytes; none if it is not there.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn list(&self) -> Result<Vec<(String, u64)>> {
        let mut files = match self {
            Home::Folder(folder) => {
                below(folder).map_err(|e| self.unreadable("list", "", &e.to_string()))?
            }
            Home::Prefix(bucket, prefix) => {
                let path = (!prefix.is_empty()).then(|| self.path("")).transpose()?;
                let found: Vec<_> = thread::wait(bucket.store().list(path.as_ref()).try_collect())?
                    .map_err(|e| self.unreadable("list", "", &store_says(&e)))?;
                let name = |about: object_store::ObjectMeta| {
                    let key = about.location.as_ref();
                    let name = key[prefix.len()..].trim_start_matches('/');
                    (name.to_owned(), about.size)
                };
                found.into_iter().map(name).collect()
            }
        };
        files.sort();
        Ok(files)
    }

    /// Writes a file where there is none; whether that was so.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_new(&self, name: &str, body: Vec<u8>) -> Result<bool> {
        match self {
            Home::Folder(folder) => put_new(&folder.join(name), &body)
                .map_err(|e| self.unwritable("write", name, &e.to_string())),
            Home::Prefix(bucket, _) => {
                let (path, store) = (self.path(name)?, bucket.store());
                let options = PutOptions::from(PutMode::Create);
                let put =
                    thread::wait(async { store.put_opts(&path, body.into(), options).await })?;
                match put {
                    Ok(_) => Ok(true),
                    Err(
                        object_store::Error::AlreadyExists { .. }
                        | object_store::Error::Precondition { .. },
                    ) => Ok(false),
                    Err(e) => Err(self.unwritable("write", name, &store_says(&e))),
                }
            }
        }
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, name: &str) -> Result<()> {
        match self {
            Home::Folder(folder) => match fs::remove_file(folder.join(name)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    Err(self.unwritable("remove", name, &e.to_string()))
                }
                _ => Ok(()),
            },
            Home::Prefix(bucket, _) => {
                let (path, store) = (self.path(name)?, bucket.store());
                match thread::wait(async { store.delete(&path).await })? {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                    Err(e) => Err(self.unwritable("remove", name, &store_says(&e))),
                }
            }
        }
    }

    fn found<T>(&self, name: &str, outcome: io::Result<T>) -> Result<Option<T>> {
        match outcome {
            Ok(found) => Ok(Some(found)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.unreadable("read", name, &e.to_string())),
        }
    }

    fn got<T>(&self, name: &str, outcome: object_store::Result<T>) -> Result<Option<T>> {
        match outcome {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(self.unreadable("read", name, &store_says(&e))),
        }
    }

    fn unreadable(&self, what: &str, name: &str, why: &str) -> Error {
        let shown = self.shown(name);
        Error::new(Code::SourceRead, format!("cannot {what} `{shown}`: {why}"))
    }

    fn unkept(&self, name: &str, cause: &io::Error) -> Error {
        let why = format!("it cannot be kept in a temporary file: {cause}");
        self.unreadable("read", name, &why)
            .help("set TMPDIR to a folder with room")
    }

    fn unwritable(&self, what: &str, name: &str, why: &str) -> Error {
        let shown = self.shown(name);
        Error::new(Code::TargetWrite, format!("cannot {what} `{shown}`: {why}"))
    }
}

/// The files below a folder. Links are not followed: what they lead to is no part of it.
fn below(folder: &Path) -> io::Result<Vec<(String, u64)>> {
    let mut files = Vec::new();
    if !folder.exists() {
        return Ok(files);
    }
    for entry in WalkDir::new(folder) {
        let entry = entry?;
        if entry.file_type().is_file() {
            let name = entry.path().strip_prefix(folder).unwrap_or(entry.path());
            files.push((name.to_string_lossy().into_owned(), entry.metadata()?.len()));
        }
    }
    Ok(files)
}

/// A file appears whole, and never in the place of another: a link is made only where there is nothing.
fn put_new(path: &Path, body: &[u8]) -> io::Result<bool> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let aside = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = PartialFile::create(&aside)?;
    file.write_all(body)?;
    file.finish()?;
    let linked = fs::hard_link(&aside, path);
    fs::remove_file(&aside)?;
    match linked {
        Ok(()) => File::open(folder_or_here(folder))?
            .sync_all()
            .map(|()| true),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(e),
    }
}

fn folder_or_here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    }
}
