//! The folder that is served: which files of it there are, and what addresses they have.
//!
//! A file is served if its name tells media or text, no name on the way to it starts with a dot, and it is in the folder
//! itself: a link that leads out of it is not followed.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::error::{Code, Error, Result};
use crate::source::address::{Prefix, percent_decode};
use crate::source::sniff::{Format, content_type};

/// A folder whose files are served.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Without links in it.
    path: PathBuf,
}

/// A file that a request has found.
#[derive(Debug)]
pub struct Found {
    /// The file.
    pub file: File,
    /// Its size in bytes.
    pub length: u64,
    /// What it is.
    pub content_type: &'static str,
}

impl Folder {
    /// The folder at this path.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(path: &Path) -> Result<Folder> {
        let shown = path.display();
        let missing = |cause: String| Error::new(Code::SourceMissing, format!("`{shown}`{cause}"));
        let found = path
            .canonicalize()
            .map_err(|e| missing(format!(" cannot be served: {e}")))?;
        if !found.is_dir() {
            return Err(
                missing(" is no folder".to_owned()).help("name the folder that holds the files")
            );
        }
        Ok(Folder { path: found })
    }

    /// The file that the path of an address stands for, as it is written there; none if there is no such file, or it
    /// is none that is served. Which of these it is, nobody is told.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Found> {
        let mut at = self.path.clone();
        let mut last = Vec::new();
        for part in path.strip_prefix('/')?.split('/') {
            let name = percent_decode(part)?;
            if !is_served_part(&name) {
                return None;
            }
            at.push(OsStr::from_bytes(&name));
            last = name;
        }
        let content_type = content_type(&String::from_utf8_lossy(&last))?;
        let at = at.canonicalize().ok()?;
        if !at.starts_with(&self.path) {
            return None;
        }
        // A pipe would be waited for as it is opened.
        if !at.metadata().ok()?.is_file() {
            return None;
        }
        let file = File::open(&at).ok()?;
        let length = file
            .metadata()
            .ok()
            .filter(std::fs::Metadata::is_file)?
            .len();
        Some(Found {
            file,
            length,
            content_type,
        })
    }

    /// Gives the address of every medium in the folder that is served, in the byte order of the paths, to `each`;
    /// how many there are.
    ///
    /// # Errors
    /// When the folder cannot be listed; those of `each`.
    pub fn addresses(
        &self,
        prefix: &Prefix,
        mut each: impl FnMut(&str) -> Result<()>,
    ) -> Result<u64> {
        let mut count = 0;
        let walk = WalkDir::new(&self.path)
            .follow_links(true)
            .sort_by(|a, b| a.file_name().cmp(b.file_name()))
            .into_iter()
            .filter_entry(|entry| {
                entry.depth() == 0 || is_served_part(entry.file_name().as_bytes())
            });
        for entry in walk {
            let entry = match entry {
                Ok(entry) => entry,
                // A link to nowhere, or to a folder around it, is no file.
                Err(e) if e.loop_ancestor().is_some() || is_missing(&e) => continue,
                Err(e) => {
                    return Err(Error::new(
                        Code::SourceRead,
                        format!("cannot list `{}`: {e}", self.path.display()),
                    ));
                }
            };
            let name = entry.file_name().to_string_lossy();
            if !entry.file_type().is_file()
                || Format::of_name(&name) != Some(Format::Reference)
                || content_type(&name).is_none()
            {
                continue;
            }
            let inside = entry
                .path()
                .canonicalize()
                .is_ok_and(|path| path.starts_with(&self.path));
            let relative = entry.path().strip_prefix(&self.path);
            if let (true, Some(address)) =
                (inside, relative.ok().and_then(|path| prefix.address(path)))
            {
                each(&address)?;
                count += 1;
            }
        }
        Ok(count)
    }
}

fn is_missing(error: &walkdir::Error) -> bool {
    error
        .io_error()
        .is_some_and(|e| e.kind() == std::io::ErrorKind::NotFound)
}

/// Whether a name may stand in the path of a file that is served: not `..`, nothing hidden, and nothing that a file
/// system takes for several names.
fn is_served_part(name: &[u8]) -> bool {
    !name.is_empty() && name[0] != b'.' && !name.iter().any(|byte| matches!(byte, b'/' | 0))
}

#[cfg(test)]
mod tests {
    use super::is_served_part;
    use crate::source::address::percent_decode;

    #[test]
    fn a_part_is_decoded_once_and_wholly() {
        assert_eq!(percent_decode("a%20b").unwrap(), b"a b");
        assert_eq!(percent_decode("%252e").unwrap(), b"%2e");
        assert_eq!(percent_decode("%C3%bc").unwrap(), "ü".as_bytes());
        for bad in ["%", "%2", "%zz", "a%2", "%+1"] {
            assert_eq!(percent_decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_leads_out_of_the_folder_is_no_part() {
        for bad in [&b""[..], b".", b"..", b".git", b"a/b", b"a\0"] {
            assert!(!is_served_part(bad), "{bad:?}");
        }
        assert!(is_served_part(b"a b..jpg"));
    }
}
