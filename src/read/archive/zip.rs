//! What is in a zip: its central directory, of which one entry at a time is in memory, and members taken out of it.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use ::zip::CompressionMethod;
use ::zip::read::{Config, HasZipMetadata, ZipFileEntry};
use ::zip::result::ZipError;
use ::zip::unstable::read::ZipIterable;
use bytes::Bytes;
use flate2::read::DeflateDecoder;

use super::super::decompress::is_fault;
use super::super::positioned::{Positioned, fenced};
use super::super::read_error;
use super::{List, MOST_MEMBERS, damaged};
use crate::error::{Code, Error, Fault, Result, SourceFault};
use crate::source::archive::{Method, Span};

/// Bytes of a header before a member, without the name and what else follows.
pub(super) const HEADER: u64 = 30;

/// Bytes that are read at once of the directory.
const WINDOW: usize = 64 << 10;

/// The member that Office's own archives start with.
const OFFICE: &str = "[Content_Types].xml";

/// The largest window of a zstd frame, as a power of two.
const ZSTD_WINDOW: u32 = 27;

/// Lists what is in a zip.
pub(super) fn list(file: Positioned, list: &mut List<'_>) -> Result<()> {
    let whole = file.len();
    let mut zip = fenced(|| {
        ZipIterable::try_new(Windowed::new(file), Config::default()).map_err(|e| explain(&e))
    })?;
    if zip.len() as u64 > MOST_MEMBERS {
        // No more is read of it than that.
        list.members = MOST_MEMBERS;
        return list.count(&[]);
    }
    let entries = zip.files().map_err(|e| explain(&e))?;
    let mut spans: Vec<Range<u64>> = Vec::new();
    let mut directory = whole;
    while let Some(entry) = fenced(|| entries.next().transpose().map_err(|e| explain(&e)))? {
        directory = directory.min(entry.central_header_start());
        let (header, stored) = (entry.header_start(), entry.compressed_size());
        let taken = HEADER + entry.name_raw().len() as u64;
        let end = stored
            .checked_add(taken)
            .and_then(|n| n.checked_add(header));
        spans.push(header..end.unwrap_or(u64::MAX));
        let name = entry.name().map_err(|e| explain(&e))?;
        list.digest.update(name.as_bytes());
        for number in [header, stored, entry.size(), entry.crc32().into()] {
            list.digest.update(&number.to_le_bytes());
        }
        list.count(entry.name_raw())?;
        if name == OFFICE {
            return Err(Error::new(
                Code::Format,
                "this is an office document, which sluice does not read",
            )
            .help("save it as CSV, or as text"));
        }
        if entry.is_symlink() {
            list.pass_over(&name);
        } else if !name.ends_with('/') {
            list.file(&name, || span(&entry))?;
        }
    }
    apart(spans, directory)
}

/// Where a member is, if it can be read.
fn span(entry: &ZipFileEntry<'_>) -> Result<Span> {
    if entry.encrypted() || entry.get_metadata().is_encrypted() {
        return Err(Error::new(Code::Archive, "the member is encrypted")
            .help("unpack it with its password, and name the folder"));
    }
    let method = match entry.compression() {
        CompressionMethod::STORE => Method::Stored,
        CompressionMethod::DEFLATE => Method::Deflated,
        CompressionMethod::ZSTD => Method::Zstd,
        other => {
            let reason = format!("the member is compressed by {other}, which is not read");
            return Err(Error::new(Code::Archive, reason).help("pack it again, deflated or stored"));
        }
    };
    Ok(Span::Zip {
        header: entry.header_start(),
        stored: entry.compressed_size(),
        bytes: entry.size(),
        crc: entry.crc32(),
        method,
    })
}

/// Makes sure that members stand one after another, before the directory: a small archive could have any size otherwise.
fn apart(mut spans: Vec<Range<u64>>, directory: u64) -> Result<()> {
    spans.sort_unstable_by_key(|span| (span.start, span.end));
    let overlap = spans.windows(2).find(|pair| pair[0].end > pair[1].start);
    if let Some([one, other]) = overlap {
        let (one, other) = (one.start, other.start);
        let reason = format!("members overlap, those at bytes {one} and {other}");
        return Err(Error::new(Code::Archive, reason)
            .help("such an archive is made to fill disks; pack it anew from a folder"));
    }
    match spans.last() {
        Some(last) if last.end > directory => Err(damaged(format_args!(
            "the member at byte {} reaches beyond the others",
            last.start
        ))),
        _ => Ok(()),
    }
}

fn explain(cause: &ZipError) -> Error {
    match cause {
        ZipError::Io(e) if e.kind() != io::ErrorKind::UnexpectedEof => read_error(e),
        other => damaged(other),
    }
}

/// The bytes of a member, decompressed and checked.
pub(super) struct Unpacked {
    decoder: Box<dyn Read + Send>,
    crc: flate2::Crc,
    expected: u32,
    /// Bytes that are to come.
    left: u64,
    bytes: u64,
    failed: Option<Fault>,
}

impl Unpacked {
    /// Takes a member out of its bytes as stored.
    ///
    /// # Errors
    /// When a decoder cannot be set up.
    pub(super) fn new(
        stored: impl Read + Send + 'static,
        method: Method,
        bytes: u64,
        crc: u32,
    ) -> io::Result<Self> {
        let decoder: Box<dyn Read + Send> = match method {
            Method::Stored => Box::new(stored),
            Method::Deflated => Box::new(DeflateDecoder::new(stored)),
            Method::Zstd => {
                let mut decoder = zstd::Decoder::new(stored)?;
                decoder.window_log_max(ZSTD_WINDOW)?;
                Box::new(decoder)
            }
        };
        Ok(Unpacked {
            decoder,
            crc: flate2::Crc::new(),
            expected: crc,
            left: bytes,
            bytes,
            failed: None,
        })
    }

    fn fail(&mut self, what: &str) -> io::Error {
        let (bytes, read) = (self.bytes, self.bytes - self.left);
        let reason = format!("the member is damaged: {what}, after {read} of its {bytes} bytes");
        let fault = Fault::new(Code::Archive, reason).help("fetch or pack the archive again");
        self.failed = Some(fault.clone());
        io::Error::other(SourceFault(fault))
    }
}

impl Read for Unpacked {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Some(fault) = &self.failed {
            return Err(io::Error::other(SourceFault(fault.clone())));
        }
        if out.is_empty() {
            return Ok(0);
        }
        let n = match self.decoder.read(out) {
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Err(e),
            // The bytes did not come: what did come is as good as it was.
            Err(e) if is_fault(&e) => return Err(e),
            Err(e) => return Err(self.fail(&e.to_string())),
        };
        if n == 0 {
            return match self.left {
                0 if self.crc.sum() == self.expected => Ok(0),
                0 => Err(self.fail("its checksum is another")),
                _ => Err(self.fail("it ends")),
            };
        }
        let Some(left) = self.left.checked_sub(n as u64) else {
            return Err(self.fail("there is more of it than the archive says"));
        };
        self.left = left;
        self.crc.update(&out[..n]);
        Ok(n)
    }
}

/// A file as the `zip` crate reads it: many small reads, one after another.
struct Windowed {
    file: Positioned,
    at: u64,
    window: (u64, Bytes),
}

impl Windowed {
    fn new(file: Positioned) -> Self {
        Windowed {
            file,
            at: 0,
            window: (0, Bytes::new()),
        }
    }
}

impl Read for Windowed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let rest = self.file.len().saturating_sub(self.at);
        if rest == 0 || out.is_empty() {
            return Ok(0);
        }
        let (start, bytes) = &mut self.window;
        let inside = self
            .at
            .checked_sub(*start)
            .filter(|skip| *skip < bytes.len() as u64);
        let skip = match inside {
            Some(skip) => skip as usize,
            None => {
                let wanted = usize::try_from(rest).unwrap_or(WINDOW).min(WINDOW);
                (*start, *bytes) = (self.at, self.file.shared(self.at, wanted)?);
                0
            }
        };
        let n = out.len().min(bytes.len() - skip);
        out[..n].copy_from_slice(&bytes[skip..skip + n]);
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Windowed {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.file.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
