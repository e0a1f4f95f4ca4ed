//! File locks: the system drops them when their process ends, however it ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Journal;
use crate::error::{Code, Error, Result};

/// A lock that is held until this is dropped. Within a process it excludes as it does between processes.
#[derive(Debug)]
pub struct LockFile {
    _file: File,
}

impl LockFile {
    /// The lock of this name in a directory, once whoever holds it has let go.
    ///
    /// # Errors
    /// When its file cannot be made.
    pub fn wait(directory: &Path, name: &str) -> Result<LockFile> {
        let (path, file) = open(directory, name)?;
        file.lock().map_err(|cause| failed(&path, &cause))?;
        Ok(held(file))
    }
}

impl Journal {
    /// The lock of this name, or nothing if someone holds it.
    ///
    /// # Errors
    /// When its file cannot be made.
    pub fn try_lock(&self, name: &str) -> Result<Option<LockFile>> {
        let (path, file) = open(self.directory(), name)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(held(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(cause)) => Err(failed(&path, &cause)),
        }
    }

    /// The process that took the lock last, as far as its file tells.
    pub(super) fn lock_holder(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(path(self.directory(), name)).ok()?;
        Some(text.trim().to_owned()).filter(|holder| !holder.is_empty())
    }
}

/// The file stays when the lock goes: were it removed, two could each lock a file of its name.
fn open(directory: &Path, name: &str) -> Result<(PathBuf, File)> {
    let path = path(directory, name);
    let folder = path.parent().unwrap_or(directory);
    let file = fs::create_dir_all(folder)
        .and_then(|()| {
            OpenOptions::new()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(&path)
        })
        .map_err(|cause| failed(&path, &cause))?;
    Ok((path, file))
}

fn path(directory: &Path, name: &str) -> PathBuf {
    // A name may be any text, a file's name may not.
    let plain = name.len() <= 100
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let digest;
    let name = if plain {
        name
    } else {
        digest = blake3::hash(name.as_bytes()).to_hex();
        &digest[..32]
    };
    directory.join("locks").join(format!("{name}.lock"))
}

fn held(mut file: File) -> LockFile {
    // For people and messages alone, so it may fail.
    let _ = file
        .set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    LockFile { _file: file }
}

fn failed(path: &Path, cause: &io::Error) -> Error {
    let text = format!("cannot lock `{}`: {cause}", path.display());
    Error::new(Code::Journal, text).help("name a folder on a local disk with `--state-dir`")
}
