//! Whether a source is an archive: by its content, where the name says so or says nothing.
//!
//! A source whose name tells another format is not opened for that: should it be an archive all the same, reading it says
//! so. Of objects in buckets, of which there may be a million, the name alone is looked at.

use std::io::{self, Read};

use ::tar::Header;

use super::super::decompress::{MAGIC_BYTES, decompress};
use super::super::peek::{Input, Peek, read_and_drop};
use super::super::read_error;
use super::{Looking, members};
use crate::error::{Code, Error, Result};
use crate::source::archive::Kind;
use crate::source::remote::Remote;
use crate::source::sniff::{Compression, Format};
use crate::source::{Location, Source, local, stdin};

/// Bytes of a block of a tar.
pub(super) const BLOCK: usize = 512;

/// An archive that was recognized.
#[derive(Clone, Copy)]
pub(super) struct Looked {
    pub(super) kind: Kind,
    pub(super) compression: Option<Compression>,
}

/// Looks whether a source is an archive.
pub(super) fn look(source: &Source, looking: Looking) -> Result<Option<Looked>> {
    let named = Kind::of_name(&source.name);
    let nameless = Format::of_name(&source.name).is_none();
    let head: Box<dyn Input> = match &source.location {
        Location::Stdin if looking.stdin => Box::new(Once(stdin::Looked::default())),
        Location::File(path) if path.is_file() && (named.is_some() || nameless) => {
            Box::new(members::Bare::new(local::open(source)?, None))
        }
        Location::Remote(Remote::Page(_)) if named.is_some() || nameless => {
            Box::new(members::Bare::new(local::open(source)?, None))
        }
        Location::Remote(Remote::Object(_)) if named.is_some() => {
            Box::new(members::Bare::new(local::open(source)?, None))
        }
        // A pipe cannot be looked at without taking from it.
        Location::File(path) if named.is_some() && !path.is_dir() => {
            let compression = Compression::of_name(&source.name);
            return Ok(named.map(|kind| Looked { kind, compression }));
        }
        _ => return Ok(None),
    };
    let mut stored = Peek::new(head);
    let magic = stored.peek(MAGIC_BYTES).map_err(|e| read_error(&e))?;
    let compression = Compression::of_magic(magic);
    let mut plain = match compression {
        Some(compression) => decompress(compression, stored).map_err(|e| read_error(&e))?,
        None => stored,
    };
    let head = match plain.peek(BLOCK) {
        Ok(head) => head,
        // Whoever reads it says what is wrong with it.
        Err(_) if named.is_none() => return Ok(None),
        Err(e) => return Err(read_error(&e)),
    };
    let kind = match content(head) {
        Some(Kind::Zip) if compression.is_some() => None,
        // It may stand behind a program that unpacks it.
        None if named == Some(Kind::Zip) && compression.is_none() => named,
        // There is nothing in it.
        None if named == Some(Kind::Tar) && is_zeros(head) => named,
        kind => kind,
    };
    match (kind, named) {
        (Some(kind), _) => Ok(Some(Looked { kind, compression })),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Error::new(
            Code::Archive,
            "its name is that of an archive, and its content is none",
        )
        .help("call it what it is")),
    }
}

/// The kind of archive that starts with these bytes.
fn content(head: &[u8]) -> Option<Kind> {
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        Some(Kind::Zip)
    } else if head.first_chunk().is_some_and(is_header) {
        Some(Kind::Tar)
    } else {
        None
    }
}

/// Whether a block is a header of a tar: whether its checksum is right.
pub(super) fn is_header(block: &[u8; BLOCK]) -> bool {
    let told = Header::from_byte_slice(block).cksum();
    // That of the field itself is not in it, but as many spaces.
    let (before, after) = (&block[..148], &block[156..]);
    let sum: u32 = before
        .iter()
        .chain(after)
        .map(|byte| u32::from(*byte))
        .sum();
    told.is_ok_and(|told| told == sum + 8 * u32::from(b' ')) && !is_zeros(block)
}

/// Whether bytes are a whole block of zeros.
pub(super) fn is_zeros(block: &[u8]) -> bool {
    block.len() == BLOCK && block.iter().all(|byte| *byte == 0)
}

/// Standard input as it is looked at.
struct Once(stdin::Looked);

impl Read for Once {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}

impl Input for Once {
    fn pass_over(&mut self, bytes: u64) -> io::Result<u64> {
        read_and_drop(self, bytes)
    }
}
