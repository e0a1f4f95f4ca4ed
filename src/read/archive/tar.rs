//! What is in a tar: old, ustar, GNU and pax headers, as GNU tar and Python read them.
//!
//! Links, devices and directories have no bytes of their own and are passed over. Sparse files, and files that go on in
//! another volume, are refused where they would be read. Blocks of zeros end an archive; another may follow.

use std::io::Read;

use ::tar::{EntryType, Header};

use super::super::peek::Peek;
use super::super::read_error;
use super::look::{BLOCK, is_header, is_zeros};
use super::{List, damaged};
use crate::error::{Code, Error, Result};
use crate::source::archive::Span;

/// Bytes of an extended header, or of a long name.
const MOST_EXTENDED: u64 = 1 << 20;

/// What extended headers say of the next member.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    bytes: Option<u64>,
    sparse: bool,
}

/// What a member is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    /// A file that has holes.
    Sparse,
    /// A file that began in another volume.
    Continued,
    Folder,
    /// A link or a device, which has no bytes.
    Nothing,
    /// Something else, which may have bytes.
    Unknown,
}

impl Kind {
    fn of(header: &Header, name: &str, is_sparse: bool) -> Kind {
        match header.entry_type() {
            EntryType::Directory => Kind::Folder,
            // So the oldest archives write a folder.
            EntryType::Regular if name.ends_with('/') => Kind::Folder,
            EntryType::Regular | EntryType::Continuous if is_sparse => Kind::Sparse,
            EntryType::Regular | EntryType::Continuous => Kind::File,
            EntryType::GNUSparse => Kind::Sparse,
            EntryType::Link
            | EntryType::Symlink
            | EntryType::Char
            | EntryType::Block
            | EntryType::Fifo => Kind::Nothing,
            other if other.as_byte() == b'M' => Kind::Continued,
            _ => Kind::Unknown,
        }
    }
}

/// The bytes of a tar, and how far they have been read.
struct Headers {
    bytes: Peek,
    at: u64,
}

/// Lists what is in a tar.
pub(super) fn list(bytes: Peek, list: &mut List<'_>) -> Result<()> {
    let mut headers = Headers { bytes, at: 0 };
    let mut extended = Extended::default();
    let mut ended = false;
    while let Some(block) = headers.block()? {
        if is_zeros(&block) {
            ended = true;
            continue;
        }
        let at = headers.at - BLOCK as u64;
        if !is_header(&block) {
            return Err(damaged(format_args!("there is no header at byte {at}")));
        }
        ended = false;
        list.digest.update(&block);
        let header = Header::from_byte_slice(&block);
        let told = header
            .entry_size()
            .map_err(|_| damaged(format_args!("the header at byte {at} has no size")))?;
        let kind = header.entry_type();
        match kind {
            EntryType::XHeader => extended.take(&headers.extended(told, list)?, at)?,
            EntryType::GNULongName => {
                let mut name = headers.extended(told, list)?;
                name.truncate(name.iter().position(|b| *b == 0).unwrap_or(name.len()));
                extended.name = Some(name);
            }
            EntryType::GNULongLink | EntryType::XGlobalHeader => {
                headers.extended(told, list)?;
            }
            _ => headers.member(header, std::mem::take(&mut extended), told, list)?,
        }
    }
    if ended {
        Ok(())
    } else {
        let at = headers.at;
        Err(damaged(format_args!("it has no end after byte {at}")))
    }
}

impl Headers {
    /// The next block; nothing at the end.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        let read = self.read(&mut block)?;
        match read {
            0 => Ok(None),
            BLOCK => Ok(Some(block)),
            _ => Err(damaged(format_args!(
                "it ends within a header, at byte {}",
                self.at
            ))),
        }
    }

    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < out.len() {
            match self.bytes.read_some(&mut out[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) => return Err(read_error(&e)),
            }
        }
        self.at += filled as u64;
        Ok(filled)
    }

    /// The bytes of an extended header.
    fn extended(&mut self, told: u64, list: &mut List<'_>) -> Result<Vec<u8>> {
        if told > MOST_EXTENDED {
            let reason = format!(
                "an extended header of {told} bytes, where {MOST_EXTENDED} are read at most"
            );
            return Err(
                Error::new(Code::Archive, reason).help("pack it again without extended attributes")
            );
        }
        let mut bytes = Vec::new();
        let read = (&mut self.bytes).take(told).read_to_end(&mut bytes);
        self.at += read.map_err(|e| read_error(&e))? as u64;
        if (bytes.len() as u64) < told {
            return Err(damaged(format_args!(
                "it ends within an extended header, at byte {}",
                self.at
            )));
        }
        list.digest.update(&bytes);
        self.padding(told)?;
        Ok(bytes)
    }

    /// Takes a member, and passes over its bytes.
    fn member(
        &mut self,
        header: &Header,
        extended: Extended,
        told: u64,
        list: &mut List<'_>,
    ) -> Result<()> {
        let name = extended
            .name
            .unwrap_or_else(|| header.path_bytes().into_owned());
        list.count(&name)?;
        let name = String::from_utf8_lossy(&name);
        let kind = Kind::of(header, &name, extended.sparse);
        let bytes = match kind {
            // Whatever its header says.
            Kind::Folder | Kind::Nothing => 0,
            _ => extended.bytes.unwrap_or(told),
        };
        let offset = self.at;
        let end = offset
            .checked_add(bytes)
            .filter(|end| *end < u64::MAX - BLOCK as u64);
        if end.is_none() {
            return Err(damaged(format_args!(
                "a member of {bytes} bytes at byte {offset}"
            )));
        }
        match kind {
            Kind::File => list.file(&name, || Ok(Span::Tar { offset, bytes }))?,
            Kind::Sparse => list.file(&name, || {
                Err(
                    Error::new(Code::Archive, "a sparse file in an archive is not read")
                        .help("pack it again without `--sparse`"),
                )
            })?,
            Kind::Continued => {
                return Err(Error::new(
                    Code::Archive,
                    "the archive goes on from another volume, and is not read",
                )
                .help("join its volumes first"));
            }
            Kind::Folder => {}
            Kind::Nothing | Kind::Unknown => list.pass_over(&name),
        }
        if header.entry_type() == EntryType::GNUSparse {
            self.sparse_map(header)?;
        }
        let passed = self.bytes.pass_over(bytes).map_err(|e| read_error(&e))?;
        self.at += passed;
        if passed < bytes {
            let reason = format!("it ends after {passed} of the {bytes} bytes of a member");
            return Err(
                damaged(reason).at(|| super::spot(list.archive, &super::names::shown(&name)))
            );
        }
        self.padding(bytes)
    }

    /// Passes over the blocks that go on with the map of a sparse file.
    fn sparse_map(&mut self, header: &Header) -> Result<()> {
        let mut goes_on = header.as_gnu().is_some_and(::tar::GnuHeader::is_extended);
        while goes_on {
            let Some(block) = self.block()? else {
                return Err(damaged("it ends within the map of a sparse file"));
            };
            goes_on = block[504] == 1;
        }
        Ok(())
    }

    /// Passes over what fills up the last block; where it is cut off, the archive has no end either.
    fn padding(&mut self, bytes: u64) -> Result<()> {
        let padding = bytes.next_multiple_of(BLOCK as u64) - bytes;
        self.at += self.bytes.pass_over(padding).map_err(|e| read_error(&e))?;
        Ok(())
    }
}

impl Extended {
    /// Takes the records of a pax header: a length, a space, a key, `=`, a value of any bytes, and a line end.
    fn take(&mut self, bytes: &[u8], at: u64) -> Result<()> {
        let broken = || {
            damaged(format_args!(
                "the extended header at byte {at} is malformed"
            ))
        };
        let mut rest = bytes;
        while rest.first().is_some_and(|byte| *byte != 0) {
            let space = rest.iter().take(20).position(|byte| *byte == b' ');
            let space = space.ok_or_else(broken)?;
            let length = std::str::from_utf8(&rest[..space])
                .ok()
                .and_then(|digits| digits.parse::<usize>().ok());
            let record = length
                .and_then(|length| rest.get(space + 1..length))
                .ok_or_else(broken)?;
            rest = &rest[space + 1 + record.len()..];
            let record = record.strip_suffix(b"\n").ok_or_else(broken)?;
            let equals = record.iter().position(|byte| *byte == b'=');
            let (key, value) = record.split_at(equals.ok_or_else(broken)?);
            let value = &value[1..];
            match key {
                b"path" => self.name = Some(value.to_vec()),
                b"size" => {
                    let digits = std::str::from_utf8(value).ok();
                    self.bytes = Some(digits.and_then(|d| d.parse().ok()).ok_or_else(broken)?);
                }
                _ if key.starts_with(b"GNU.sparse.") => {
                    self.sparse = true;
                    if key == b"GNU.sparse.name" {
                        self.name = Some(value.to_vec());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}
