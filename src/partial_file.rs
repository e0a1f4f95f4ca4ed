//! Files that appear whole or not at all: they fill under a temporary name, are synced, and renamed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What a file is called until it is whole: its name and this.
pub const PARTIAL: &str = ".partial";

/// A file that appears whole or not at all. Dropped before it is whole, it is removed.
#[derive(Debug)]
pub struct PartialFile {
    file: File,
    path: PathBuf,
    whole: bool,
}

impl PartialFile {
    /// Makes the file that is to be `path`.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = File::create(partial(path))?;
        Ok(PartialFile {
            file,
            path: path.to_owned(),
            whole: false,
        })
    }

    /// Makes it whole: what was written is safe on the disk, and the file has its name.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(partial(&self.path), &self.path)?;
        self.whole = true;
        Ok(())
    }

    /// The name it has once it is whole.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(PARTIAL);
    PathBuf::from(name)
}

impl Write for PartialFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if !self.whole {
            // Best effort: whoever drops it has an error to report, or was told to stop.
            let _ = fs::remove_file(partial(&self.path));
        }
    }
}
