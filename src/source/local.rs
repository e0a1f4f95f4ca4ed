//! Local files, folders, patterns and standard input: what the words on the command line stand for.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use globset::GlobBuilder;
use url::Url;
use walkdir::WalkDir;

use super::address::{self, Prefix};
use super::foreign::Foreign;
use super::kept::Kept;
use super::redis::values::Values;
use super::remote::bucket::{Address, Bucket};
use super::remote::{Page, Parts, Remote};
use super::sniff::Format;
use super::stdin::Stdin;
use super::window::Window;
use super::{Location, Source, archive, redis};
use crate::error::{Code, Error, Fault, Result};
use crate::place::{SourceId, Spot};

/// The sources that some words stand for.
#[derive(Debug, Default)]
pub struct Listing {
    /// What to read, in the order of the words; files of a folder or pattern in the byte order of their paths.
    pub sources: Vec<Source>,
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
    #[must_use]
    pub fn of(source: Source) -> Self {
        Listing {
            sources: vec![source],
            ..Listing::default()
        }
    }
}

/// What becomes of a file in a folder.
pub(super) enum InFolder {
    /// It is no data: hidden, a mark of another tool, or what sluice writes beside its imports.
    Passed,
    /// Its name tells no format.
    LeftOut,
    /// It is read, or spoken of.
    Taken,
}

/// How files are to be taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taking {
    /// The format of all files, where their names do not tell it.
    pub format: Option<Format>,
    /// What stands before the path of a file in its address.
    pub prefix: Option<Prefix>,
    /// Whether objects are spoken of by addresses that are good for so long.
    pub presign: Option<Duration>,
    /// The formats whose files are spoken of by their address, besides [`Format::Reference`], and why.
    pub referred: Vec<(Format, String)>,
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
        let id = u32::try_from(self.sources.len())
            .map_err(|_| Error::new(Code::Usage, "more than 4,294,967,295 sources"))?;
        self.sources.push(Source {
            id: SourceId(id),
            name,
            location,
            bytes,
            address,
            window: Window::ALL,
        });
        Ok(())
    }

    /// Puts the sources from number `first` on in the order of their names' bytes. Most stores give them so.
    pub(super) fn in_order_from(&mut self, first: usize) {
        let added = &mut self.sources[first..];
        if !added.is_sorted_by(|a, b| a.name <= b.name) {
            let first = added.first().map_or(0, |source| source.id.0);
            added.sort_by(|a, b| a.name.cmp(&b.name));
            for (id, source) in (first..).zip(added) {
                source.id = SourceId(id);
            }
        }
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
        match why.map_err(|error| error.at(spot))? {
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
                InFolder::LeftOut => self.left_out.push(path),
                InFolder::Taken => {
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

impl Taking {
    /// What becomes of a file of this name in a folder.
    pub(super) fn in_folder(&self, name: &str) -> InFolder {
        if name.starts_with(['.', '_']) || matches!(name, "manifest.json" | "rejects.jsonl") {
            return InFolder::Passed;
        }
        let known = match Format::of_name(name) {
            Some(Format::Reference) => match self.format {
                None => self.prefix.is_some() || self.presign.is_some(),
                Some(format) => format == Format::Reference,
            },
            format => format.is_some(),
        };
        if known || archive::Kind::of_name(name).is_some() {
            InFolder::Taken
        } else {
            InFolder::LeftOut
        }
    }

    /// Why a file of this name is to be spoken of by its address, if it is.
    pub(super) fn why_referred(&self, name: &str) -> Result<Option<String>> {
        if archive::Kind::of_name(name).is_some() {
            // What is said of files is said of its members.
            return Ok(None);
        }
        let format = self.format.or_else(|| Format::of_name(name));
        let asked = self
            .referred
            .iter()
            .find(|(asked, _)| Some(*asked) == format);
        match (format, asked) {
            (_, Some((_, why))) => Ok(Some(why.clone())),
            (Some(Format::Reference), None) => Ok(Some(
                "media are not read: a task has their address".to_owned(),
            )),
            (None, None) => {
                Foreign::of_name(name).map_or(Ok(None), |foreign| Err(foreign.refused()))
            }
            (Some(_), None) => Ok(None),
        }
    }

    /// The error of a file that a task is to speak of by an address that it has not.
    pub(super) fn no_address(&self, why: &str, name: &str) -> Error {
        let lines = if self.format.or_else(|| Format::of_name(name)) == Some(Format::Txt) {
            "; or read each line as an address with `--lines lf`"
        } else {
            ""
        };
        Error::new(Code::Usage, format!("{why}, and this file has none")).help(format!(
            "say what stands before its path with `--media-url`: an address such as `https://files.example.com/`, a bucket \
             such as `s3://bucket/`, or `/data/local-files/?d=` for files that Label Studio serves itself{lines}"
        ))
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

/// A source's bytes as they are stored, from the first to the last.
pub enum Stored {
    /// A file in which some can be passed over without being read.
    File(File),
    /// Bytes that come one after another: standard input, a pipe.
    Stream(Box<dyn Read + Send>),
    /// Bytes that are fetched.
    Remote(Parts),
    /// Bytes that came once, and were kept.
    Kept(Kept),
}

impl Stored {
    /// Passes over the next `bytes` bytes, or over all that are left if these are fewer. Gives how many they were.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn pass_over(&mut self, bytes: u64) -> io::Result<u64> {
        match self {
            Stored::File(file) => {
                // A position after the end is as good as any to the file system, and is no place in the source.
                let (here, end) = (file.stream_position()?, file.metadata()?.len());
                let passed = bytes.min(end.saturating_sub(here));
                file.seek(SeekFrom::Start(here + passed))?;
                Ok(passed)
            }
            Stored::Remote(parts) => parts.pass_over(bytes),
            Stored::Kept(kept) => kept.pass_over(bytes),
            Stored::Stream(stream) => io::copy(&mut stream.take(bytes), &mut io::sink()),
        }
    }
}

impl Read for Stored {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Stored::File(file) => file.read(out),
            Stored::Stream(stream) => stream.read(out),
            Stored::Remote(parts) => parts.read(out),
            Stored::Kept(kept) => kept.read(out),
        }
    }
}

/// Opens a source's bytes as they are stored.
///
/// # Errors
/// When it has vanished since it was listed, or may not be read.
pub fn open(source: &Source) -> Result<Stored> {
    match &source.location {
        Location::Stdin => Ok(Stored::Stream(Box::new(Stdin))),
        Location::Redis(address) => Ok(Stored::Stream(Box::new(Values::open(address)?))),
        Location::Remote(remote) => Ok(match remote.checked() {
            Some(file) => {
                let file =
                    file.map_err(|fault| Error::from(fault).at(|| Spot::source(&source.name)))?;
                Stored::Kept(Kept::new(Arc::new(file)))
            }
            None => Stored::Remote(Parts::new(remote.clone())),
        }),
        Location::Member(_) => Err(Error::new(
            Code::Internal,
            "a member of an archive is not opened alone",
        )),
        Location::Batches(_) => Err(Error::new(
            Code::Internal,
            "record batches have no bytes to be opened",
        )),
        Location::Presigned(object, _) => {
            let remote = Remote::Object(object.clone());
            Ok(Stored::Remote(Parts::new(remote)))
        }
        Location::Referred => open_file(source).map(Stored::File),
        Location::File(path) => {
            let file = open_file(source)?;
            let about = file.metadata().map_err(|e| unreadable(path, &e))?;
            Ok(if about.is_file() {
                Stored::File(file)
            } else {
                Stored::Stream(Box::new(file))
            })
        }
    }
}

/// Opens a source that is a file.
///
/// # Errors
/// As [`open`]; also when it is no file.
pub fn open_file(source: &Source) -> Result<File> {
    let Location::File(path) = &source.location else {
        return Err(Error::new(
            Code::Format,
            "this format is read from its end, so it must be a file",
        )
        .at(|| Spot::source(&source.name))
        .help("write standard input to a file first"));
    };
    open_path(path)
}

/// Opens a file.
///
/// # Errors
/// As [`open`].
pub(super) fn open_path(path: &Path) -> Result<File> {
    File::open(path).map_err(|e| unreadable(path, &e))
}

fn unreadable(path: &Path, cause: &io::Error) -> Error {
    let shown = path.display();
    match cause.kind() {
        io::ErrorKind::NotFound => {
            Error::new(Code::SourceMissing, format!("no such file: `{shown}`"))
        }
        _ => Error::new(Code::SourceRead, format!("cannot read `{shown}`: {cause}")),
    }
}
