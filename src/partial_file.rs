//! Files that appear whole or not at all: they fill under a temporary name, are synced, and renamed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
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

    /// The same, for writes that go past the page cache; whether they do, which not every file system can. Such writes
    /// start and end at multiples of 4096 bytes, in the file and in memory.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create_direct(path: &Path) -> io::Result<(Self, bool)> {
        #[cfg(target_os = "linux")]
        {
            use std::os::unix::fs::OpenOptionsExt;
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true);
            if let Ok(file) = options.custom_flags(libc::O_DIRECT).open(partial(path)) {
                let path = path.to_owned();
                let whole = false;
                return Ok((PartialFile { file, path, whole }, true));
            }
        }
        PartialFile::create(path).map(|file| (file, false))
    }

    /// Goes on after so many bytes with writes of any size.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn through_the_cache(&mut self, after: u64) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(partial(&self.path))?;
        file.seek(SeekFrom::Start(after))?;
        self.file = file;
        Ok(())
    }

    /// Cuts it off after so many bytes.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
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
