//! Local files, folders, patterns and standard input: what the words on the command line stand for.

mod stored;
mod taking;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::GlobBuilder;
use url::Url;
use walkdir::WalkDir;

pub(super) use self::stored::open_path;
use self::stored::unreadable;
pub use self::stored::{Stored, open, open_file};
pub(super) use self::taking::InFolder;
pub use self::taking::Taking;
use super::listed::Sources;
use super::remote::Page;
use super::remote::bucket::{Address, Bucket};
use super::sniff::Format;
use super::window::Window;
use super::{Location, Source, address, redis};
use crate::error::{Code, Error, Fault, Result};
use crate::place::{SourceId, Spot};

/// The sources that some words stand for.
#[derive(Debug, Default)]
pub struct Listing {
    /// What to read, in the order of the words; files of a folder or pattern in the byte order of their paths.
    pub sources: Sources,
    /// Files in folders that were left out, because their names say nothing of a format sluice reads.
    pub left_out: Vec<PathBuf>,
    /// What a person should know of how they are reached.
    pub told: Vec<String>,
    /// The buckets that were opened.
    pub(super) buckets: Vec<Arc<Bucket>>,
    /// What servers said of files that are still to be added.
    pub(super) asked: HashMap<Url, Result<Page, Fault>>,
}

impl Listing {
    /// One source that no words stand for.
    ///
    /// # Errors
    /// As [`Sources::push`].
    pub fn of(source: Source) -> Result<Self> {
        Ok(Listing {
            sources: Sources::of([source])?,
            ..Listing::default()
        })
    }
}

/// Lists what `words` stand for, all files by their own names, without addresses: see [`list_as`].
///
/// # Errors
/// As [`list_as`].
pub fn list(words: &[String]) -> Result<Listing> {
    list_as(words, &Taking::default())
}

/// Lists what `words` stand for: a file, a folder (all its files, recursively), a pattern such as `data/**/*.csv`, the
/// same in a bucket, such as `s3://bucket/data/**/*.csv`, the address of a file or of keys of a Redis, or `-` for standard
/// input.
///
/// In folders, hidden files, files that other tools leave as marks (`_SUCCESS`) and what a directory target of sluice
/// holds beside its imports are passed over; a file whose name tells no format is left out and listed as such. A file
/// named outright, or by a pattern, is always read, unless its name says that sluice cannot.
///
/// A file has an address if there is a prefix: the path after it is that from the folder that was named, or from the
/// folder before a pattern's first sign; a file named outright has its name alone. Files to be spoken of by their address
/// are not opened. Without a prefix those in folders are left out.
///
/// # Errors
/// When a word names nothing, a folder cannot be read, or a pattern is malformed; when a file named outright cannot be
/// read, or is to be spoken of and has no address.
pub fn list_as(words: &[String], taking: &Taking) -> Result<Listing> {
    let mut listing = Listing::default();
    for word in words {
        listing.word(word, taking)?;
    }
    Ok(listing)
}

impl Listing {
    /// Adds what one word stands for.
    ///
    /// # Errors
    /// As [`list_as`].
    pub fn word(&mut self, word: &str, taking: &Taking) -> Result<()> {
        let path = Path::new(word);
        if word == "-" {
            self.add("-".into(), Location::Stdin, None, None)
        } else if redis::is_address(word) {
            let address = Box::new(word.parse()?);
            self.add(word.into(), Location::Redis(address), None, None)
        } else if let Some(address) = Address::parse(word)? {
            self.objects(word, &address, taking)
        } else if let Some(url) = Page::parse(word)? {
            self.page(url, taking)
        } else if let Some(error) =
            address::unknown_scheme(word, "source").filter(|_| !path.exists())
        {
            Err(error)
        } else if path.is_dir() {
            let before = self.sources.len();
            self.folder(path, taking)?;
            if self.sources.len() == before {
                return Err(self.no_data(word));
            }
            Ok(())
        } else if path.exists() || !word.contains(['*', '?', '[', '{']) {
            self.file(path, named(path), taking)
        } else {
            self.pattern(word, taking)
        }
    }

    fn no_data(&self, folder: &str) -> Error {
        let media = |path: &PathBuf| Format::of_name(&named(path).to_string_lossy()).is_some();
        let error = Error::new(
            Code::SourceMissing,
            format!("no data files in the folder `{folder}`"),
        );
        if self.left_out.iter().any(media) {
            error.help("for tasks with the addresses of its media, say what stands before their paths with `--media-url PREFIX`")
        } else {
            error.help("name the files themselves, or a pattern such as `folder/*`")
        }
    }

    pub(super) fn add(
        &mut self,
        name: Arc<str>,
        location: Location,
        bytes: Option<u64>,
        address: Option<Arc<str>>,
    ) -> Result<()> {
        self.sources.push(Source {
            id: SourceId::default(),
            name,
            location,
            bytes,
            address,
            window: Window::ALL,
        })
    }

    /// Adds a file whose address ends in `relative`.
    fn file(&mut self, path: &Path, relative: &Path, taking: &Taking) -> Result<()> {
        let about = fs::metadata(path).map_err(|e| unreadable(path, &e))?;
        let name: Arc<str> = path.display().to_string().into();
        let spot = || Spot::source(&name);
        let address = match &taking.prefix {
            Some(prefix) => prefix.address(relative).map(Some).ok_or_else(|| {
                Error::new(
                    Code::SourceRead,
                    format!("the name is not Unicode, as an address such as `{prefix}` has it"),
                )
                .at(spot)
            })?,
            None => None,
        };
        let why = taking.why_referred(&named(path).to_string_lossy());
        let why = why.map_err(|error| error.at(spot))?.or_else(|| {
            let is_media = taking.is_media_unnamed(path);
            is_media
                .then(|| "its first bytes are those of media: a task has its address".to_owned())
        });
        match why {
            Some(why) if address.is_none() => Err(taking.no_address(&why, &name).at(spot)),
            Some(_) => {
                let address = address.map(Arc::from);
                self.add(Arc::clone(&name), Location::Referred, Some(0), address)
            }
            None => {
                let bytes = about.is_file().then_some(about.len());
                let address = address.map(Arc::from);
                self.add(
                    Arc::clone(&name),
                    Location::File(path.to_owned()),
                    bytes,
                    address,
                )
            }
        }
    }

    fn folder(&mut self, folder: &Path, taking: &Taking) -> Result<()> {
        for path in files_below(folder)? {
            let name = path
                .file_name()
                .map(|n| n.to_string_lossy().into_owned())
                .unwrap_or_default();
            match taking.in_folder(&name) {
                InFolder::Passed => {}
                InFolder::LeftOut if !taking.is_media_unnamed(&path) => self.left_out.push(path),
                InFolder::LeftOut | InFolder::Taken => {
                    let relative = path.strip_prefix(folder).unwrap_or(&path);
                    self.file(&path, relative, taking)?;
                }
            }
        }
        Ok(())
    }

    fn pattern(&mut self, word: &str, taking: &Taking) -> Result<()> {
        let bad = |e: globset::Error| {
            Error::new(
                Code::Usage,
                format!("`{word}` is not a pattern: {}", e.kind()),
            )
        };
        let glob = GlobBuilder::new(word)
            .literal_separator(true)
            .build()
            .map_err(bad)?
            .compile_matcher();
        let base: PathBuf = Path::new(word)
            .components()
            .take_while(|part| {
                !part
                    .as_os_str()
                    .to_string_lossy()
                    .contains(['*', '?', '[', '{'])
            })
            .collect();
        let base = if base.as_os_str().is_empty() {
            Path::new(".")
        } else {
            &base
        };
        let before = self.sources.len();
        if base.is_dir() {
            for path in files_below(base)? {
                let path = path.strip_prefix("./").unwrap_or(&path);
                if glob.is_match(path) {
                    let relative = path.strip_prefix(base).unwrap_or(path);
                    self.file(path, relative, taking)?;
                }
            }
        }
        if self.sources.len() == before {
            return Err(
                Error::new(Code::SourceMissing, format!("no file matches `{word}`"))
                    .help("`*` stays within a folder, `**` crosses folders"),
            );
        }
        Ok(())
    }
}

/// The last name in a path.
fn named(path: &Path) -> &Path {
    path.file_name().map_or(path, Path::new)
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in WalkDir::new(folder)
        .follow_links(true)
        .sort_by(|a, b| a.file_name().cmp(b.file_name()))
    {
        let entry = entry.map_err(|e| {
            let path = e.path().unwrap_or(folder).to_owned();
            Error::new(
                Code::SourceRead,
                format!("cannot list `{}`: {e}", path.display()),
            )
        })?;
        if entry.file_type().is_file() {
            paths.push(entry.into_path());
        }
    }
    Ok(paths)
}
