//! Local files, folders, patterns and standard input: what the words on the command line stand for.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::GlobBuilder;
use walkdir::WalkDir;

use super::sniff::Format;
use super::{Location, Source};
use crate::error::{Code, Error, Result};
use crate::place::{SourceId, Spot};

/// The sources that some words stand for.
#[derive(Debug, Default)]
pub struct Listing {
    /// What to read, in the order of the words; files of a folder or pattern in the byte order of their paths.
    pub sources: Vec<Source>,
    /// Files in folders that were left out, because their names say nothing of a format sluice reads.
    pub left_out: Vec<PathBuf>,
}

/// Lists what `words` stand for: a file, a folder (all its files, recursively), a pattern such as `data/**/*.csv`, or
/// `-` for standard input.
///
/// In folders, hidden files, files that other tools leave as marks (`_SUCCESS`) and what a directory target of sluice
/// holds beside its imports are passed over; a file whose name tells no format is left out and listed as such. A file
/// named outright, or by a pattern, is always read.
///
/// # Errors
/// When a word names nothing, a folder cannot be read, or a pattern is malformed.
pub fn list(words: &[String]) -> Result<Listing> {
    let mut listing = Listing::default();
    for word in words {
        let path = Path::new(word);
        if word == "-" {
            listing.add("-", Location::Stdin, None)?;
        } else if path.is_dir() {
            let before = listing.sources.len();
            listing.folder(path)?;
            if listing.sources.len() == before {
                return Err(Error::new(
                    Code::SourceMissing,
                    format!("no data files in the folder `{word}`"),
                )
                .help("name the files themselves, or a pattern such as `folder/*`"));
            }
        } else if path.exists() || !word.contains(['*', '?', '[', '{']) {
            listing.file(path)?;
        } else {
            listing.pattern(word)?;
        }
    }
    Ok(listing)
}

impl Listing {
    fn add(&mut self, name: &str, location: Location, bytes: Option<u64>) -> Result<()> {
        let id = u32::try_from(self.sources.len())
            .map_err(|_| Error::new(Code::Usage, "more than 4,294,967,295 sources"))?;
        self.sources.push(Source {
            id: SourceId(id),
            name: Arc::from(name),
            location,
            bytes,
        });
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<()> {
        let about = fs::metadata(path).map_err(|e| unreadable(path, &e))?;
        let bytes = about.is_file().then_some(about.len());
        self.add(
            &path.display().to_string(),
            Location::File(path.to_owned()),
            bytes,
        )
    }

    fn folder(&mut self, folder: &Path) -> Result<()> {
        for path in files_below(folder)? {
            let name = path
                .file_name()
                .map(|n| n.to_string_lossy().into_owned())
                .unwrap_or_default();
            if name.starts_with(['.', '_'])
                || matches!(name.as_str(), "manifest.json" | "rejects.jsonl")
            {
                continue;
            }
            if Format::of_name(&name).is_some() {
                self.file(&path)?;
            } else {
                self.left_out.push(path);
            }
        }
        Ok(())
    }

    fn pattern(&mut self, word: &str) -> Result<()> {
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
                    self.file(path)?;
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
            Stored::Stream(stream) => io::copy(&mut stream.take(bytes), &mut io::sink()),
        }
    }
}

impl Read for Stored {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Stored::File(file) => file.read(out),
            Stored::Stream(stream) => stream.read(out),
        }
    }
}

/// Opens a source's bytes as they are stored.
///
/// # Errors
/// When it has vanished since it was listed, or may not be read.
pub fn open(source: &Source) -> Result<Stored> {
    match &source.location {
        Location::Stdin => Ok(Stored::Stream(Box::new(io::stdin()))),
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
