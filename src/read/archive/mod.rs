//! Archives: each member that is data is a source of its own, known as `archive.zip/path/in/it.csv`.
//!
//! **Members are listed before the run**, as the files of a folder are: so a place is exact (member, record, line and byte
//! in it), a run goes on at any record, and formats, rejects, provenance, series and joins know nothing of archives. The
//! order is that of the archive: of a tar as it was written, of a zip as in its central directory. What it costs:
//!
//! - A zip has its directory at the end, so a few reads list it. A tar is gone through from header to header: past the
//!   members where their bytes can be passed over, with all of them where a compression is around it, which is then read
//!   twice. For that, a damaged or cut-off tar is told before anything is sent, and nothing is on the disk.
//! - What comes only once is kept in a temporary file up to `--spool-limit` ([`kept::keep`]): standard input, pipes, and a zip
//!   whose server gives no parts of it. Of a member the same is done where its format is read from its end (Parquet).
//!
//! **Memory** is that of the list: names and spans, bounded by [`MOST_MEMBERS`] and [`MOST_NAME_BYTES`]; extended headers
//! of a tar have bounds too. Members are streamed. One is read after the other, by one reader that goes on through the archive
//! so that a compressed tar is decompressed once in a run.
//!
//! **Archives are not trusted.** Names that lead elsewhere are refused, though nothing is ever written by name. A member of a zip has as many bytes as the directory says, and their CRC, or it is an error; members that
//! overlap are refused. A member may be compressed itself, once; an archive in an archive is refused.
//!
//! **Whether it is still the same archive** is told by a digest of what its listing says: of all headers of a tar, and of
//! sizes and CRCs in a zip; of all bytes of what was kept; besides size, time and `ETag` of the archive.

mod look;
pub(super) mod members;
mod names;
mod tar;
mod zip;

use std::collections::HashSet;
use std::fs::{self, File};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use self::look::{Looked, look};
use super::peek::Peek;
use super::positioned::Positioned;
use super::{decompress, read_error};
use crate::error::{Code, Error, Result};
use crate::place::Spot;
use crate::source::archive::{Archive, Kind, Member, Span, Taken, Whole, spot};
use crate::source::kept;
use crate::source::listed::Sources;
use crate::source::local::{self, Listing, Taking};
use crate::source::{Location, Source};
use crate::wording::agreeing;

/// Members of one archive, at most, whether they are read or not.
pub const MOST_MEMBERS: u64 = 1 << 20;

/// Bytes of the names of one archive's members together, each with the archive's own before it.
pub const MOST_NAME_BYTES: usize = 64 << 20;

/// How archives are looked for.
#[derive(Clone, Copy, Debug)]
pub struct Looking {
    /// Bytes that may be kept on the disk of an archive that comes only once.
    pub spool_limit: u64,
    /// Whether standard input is looked at, which waits for it.
    pub stdin: bool,
}

/// Puts the members of every archive of a listing in its place.
///
/// # Errors
/// When an archive is damaged, cut off, or has a member that is refused; when it has no data.
pub fn expand(listing: &mut Listing, taking: &Taking, looking: Looking) -> Result<()> {
    let sources = listing.sources.clone();
    // Where there is none, as in a bucket of a million media, the list stays as it is.
    let mut any = false;
    for (number, source) in sources.iter().enumerate() {
        let source = source?;
        let at = || Spot::source(&source.name);
        match look(&source, looking).map_err(|e| e.at(at))? {
            None if any => listing.sources.push(source)?,
            None => {}
            Some(looked) => {
                if !any {
                    any = true;
                    listing.sources = Sources::default();
                    for before in sources.iter().take(number) {
                        listing.sources.push(before?)?;
                    }
                }
                let before = listing.sources.len();
                members_of(&source, looked, listing, taking, looking).map_err(|e| e.at(at))?;
                if listing.sources.len() == before {
                    return Err(no_data(listing).at(at));
                }
            }
        }
    }
    Ok(())
}

/// Adds the members of an archive.
fn members_of(
    source: &Source,
    looked: Looked,
    listing: &mut Listing,
    taking: &Taking,
    looking: Looking,
) -> Result<()> {
    let Looked { kind, compression } = looked;
    let mut list = List {
        archive: &source.name,
        listing,
        taking,
        found: Vec::new(),
        names: HashSet::new(),
        members: 0,
        name_bytes: 0,
        passed_over: Vec::new(),
        digest: blake3::Hasher::new(),
    };
    let (whole, kept) = whole(source, kind, looking)?;
    let mut archive = Archive {
        name: Arc::clone(&source.name),
        bytes: bytes(&whole),
        modified: modified(&whole),
        whole,
        compression,
        version: String::new(),
    };
    match kind {
        Kind::Zip => zip::list(positioned(&archive.whole)?, &mut list)?,
        Kind::Tar => {
            let stored = members::stored(&archive, None)?;
            tar::list(stored, &mut list)?;
        }
    }
    let List {
        found,
        passed_over,
        mut digest,
        ..
    } = list;
    if let Whole::Remote(remote) = &archive.whole {
        digest.update(remote.version().unwrap_or_default().as_bytes());
    }
    digest.update(&kept);
    archive.version = digest.finalize().to_hex().to_string();
    listing.told.extend(told(&source.name, &passed_over));
    let archive = Arc::new(archive);
    for (path, span, taken) in found {
        let archive = Arc::clone(&archive);
        listing.add_member(Member { archive, span }, &path, taken)?;
    }
    Ok(())
}

/// Where an archive's bytes are from here on; a digest of them, if they had to be kept.
fn whole(source: &Source, kind: Kind, looking: Looking) -> Result<(Whole, Vec<u8>)> {
    match &source.location {
        Location::File(path) if path.is_file() => {
            return Ok((Whole::File(path.clone()), Vec::new()));
        }
        Location::Remote(remote) if kind == Kind::Tar || remote.is_seekable() => {
            return Ok((Whole::Remote(remote.clone()), Vec::new()));
        }
        _ => {}
    }
    let mut digest = blake3::Hasher::new();
    let mut seen = |bytes: &[u8]| {
        digest.update(bytes);
    };
    let mut stored = local::open(source)?;
    let file = kept::keep(&mut stored, looking.spool_limit, None, &mut seen)?;
    Ok((
        Whole::Kept(Arc::new(file)),
        digest.finalize().as_bytes().to_vec(),
    ))
}

fn positioned(whole: &Whole) -> Result<Positioned> {
    let of_file =
        |file: std::io::Result<File>| file.and_then(Positioned::new).map_err(|e| read_error(&e));
    match whole {
        Whole::File(path) => of_file(File::open(path)),
        Whole::Kept(file) => of_file(file.try_clone()),
        Whole::Remote(remote) => {
            let len = remote.bytes().unwrap_or(0);
            Ok(Positioned::fetched(remote.clone(), len, Vec::new()))
        }
    }
}

fn bytes(whole: &Whole) -> Option<u64> {
    match whole {
        Whole::File(path) => fs::metadata(path).ok().map(|about| about.len()),
        Whole::Kept(file) => file.metadata().ok().map(|about| about.len()),
        Whole::Remote(remote) => remote.bytes(),
    }
}

fn modified(whole: &Whole) -> Option<i64> {
    let Whole::File(path) = whole else {
        return None;
    };
    let modified = fs::metadata(path).ok()?.modified().ok()?;
    let since = modified.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_nanos()).ok()
}

/// What is found in an archive.
struct List<'a> {
    archive: &'a Arc<str>,
    listing: &'a mut Listing,
    taking: &'a Taking,
    found: Vec<(String, Span, Taken)>,
    names: HashSet<String>,
    members: u64,
    name_bytes: usize,
    /// The first few links, devices and the like, and how many there are.
    passed_over: Vec<String>,
    digest: blake3::Hasher,
}

impl List<'_> {
    /// Counts a member of any kind.
    fn count(&mut self, name: &[u8]) -> Result<()> {
        self.members += 1;
        self.name_bytes += self.archive.len() + name.len();
        if self.members > MOST_MEMBERS || self.name_bytes > MOST_NAME_BYTES {
            let reason = format!(
                "more than {MOST_MEMBERS} members, or {MOST_NAME_BYTES} bytes of their names, in one archive"
            );
            return Err(Error::new(Code::Archive, reason)
                .help("unpack it, and name the folder, or pack fewer files into one"));
        }
        Ok(())
    }

    /// Takes a file; `span` says where it is, or why it cannot be read.
    fn file(&mut self, name: &str, span: impl FnOnce() -> Result<Span>) -> Result<()> {
        let path = names::inside(name)
            .map_err(|why| refused(name, &why).at(|| Spot::source(self.archive)))?;
        let at = || spot(self.archive, &path);
        let taken = self.listing.member(self.archive, &path, self.taking);
        let taken = taken.map_err(|e| e.at(at))?;
        if taken == Taken::No {
            return Ok(());
        }
        if !self.names.insert(path.clone()) {
            return Err(
                Error::new(Code::Archive, "the archive has two members of this name")
                    .at(at)
                    .help("unpack it, and name the folder: one of them is then there"),
            );
        }
        let span = span().map_err(|e| e.at(at))?;
        self.found.push((path, span, taken));
        Ok(())
    }

    /// Passes over what is no file.
    fn pass_over(&mut self, name: &str) {
        self.passed_over.push(names::shown(name));
    }
}

/// Says what is passed over: what is passed over silently is lost.
fn told(archive: &str, passed_over: &[String]) -> Option<String> {
    const SHOWN: usize = 3;
    if passed_over.is_empty() {
        return None;
    }
    let more = if passed_over.len() > SHOWN {
        ", ..."
    } else {
        ""
    };
    let names: Vec<_> = passed_over.iter().take(SHOWN).cloned().collect();
    Some(format!(
        "passed over {} {} in {archive}: {}{more}",
        passed_over.len(),
        agreeing(
            passed_over.len() as u64,
            "link, device or the like",
            "links, devices and the like"
        ),
        names.join(", ")
    ))
}

fn refused(name: &str, why: &str) -> Error {
    let shown = names::shown(name);
    Error::new(
        Code::Archive,
        format!("the member `{shown}` is refused: {why}"),
    )
    .help("an archive with such names is made by mistake, or to harm; pack it anew from a folder")
}

fn no_data(listing: &Listing) -> Error {
    let error = Error::new(Code::SourceMissing, "no data files in the archive");
    if listing.left_out.is_empty() {
        error
    } else {
        error.help("names tell formats, as in folders; for tasks with the addresses of media, say what stands before their paths with `--media-url PREFIX`")
    }
}

/// What is damaged about an archive.
fn damaged(what: impl std::fmt::Display) -> Error {
    Error::new(
        Code::Archive,
        format!("the archive is damaged or cut off: {what}"),
    )
    .help("fetch or pack it again")
}

/// The bytes of a tar, whatever is around them.
fn plain(archive: &Archive, stored: Peek) -> Result<Peek> {
    match archive.compression {
        Some(compression) => {
            decompress::decompress(compression, stored).map_err(|e| read_error(&e))
        }
        None => Ok(stored),
    }
}
