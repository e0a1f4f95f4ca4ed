//! Files that are known and cannot be read: read as text they would become tasks that nobody wants.

use super::sniff::uncompressed;
use crate::error::{Code, Error};

/// A kind of file, and what to do about one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// What it is: `an Avro file`.
    pub what: &'static str,
    help: &'static str,
}

const OFFICE: &str = "save it as CSV, or as text";
const TABLE: &str = "write it as Parquet, Arrow, CSV or JSON Lines first";
const ARCHIVE: &str = "unpack it first, and name the folder";
const TAR_NAME: &str = "give it a name in `.tar`, with the suffix of its compression; what is in an archive itself is to be unpacked first";
const MARKUP: &str = "write it as JSON first, or read its lines with `--format txt`";
const MEDIA: &str = "give it the name it should have, or take it for a reference with `--format reference --media-url PREFIX`";

/// What the suffixes of names say.
const SUFFIXES: &[(&[&str], Foreign)] = &[
    (
        &["xlsx", "xlsm", "xls", "ods"],
        foreign("a spreadsheet", OFFICE),
    ),
    (
        &["docx", "doc", "odt", "rtf", "pptx", "ppt"],
        foreign("an office document", OFFICE),
    ),
    (&["avro"], foreign("an Avro file", TABLE)),
    (&["orc"], foreign("an ORC file", TABLE)),
    (&["db", "sqlite", "sqlite3"], foreign("a database", TABLE)),
    (
        &["h5", "hdf5", "npy", "npz", "pkl", "pickle"],
        foreign("a file of arrays or objects", TABLE),
    ),
    (&["zip", "7z", "rar"], foreign("an archive", ARCHIVE)),
    (&["yaml", "yml"], foreign("a YAML file", MARKUP)),
];

/// What the first bytes say.
const MAGIC: &[(&[u8], Foreign)] = &[
    (
        b"PK\x03\x04",
        foreign(
            "a zip archive, as office documents are",
            "give it a name in `.zip`; what is in an archive itself is to be unpacked first, and a document saved as CSV or \
             as text",
        ),
    ),
    (b"Obj\x01", foreign("an Avro file", TABLE)),
    (b"ORC", foreign("an ORC file", TABLE)),
    (b"SQLite format 3\0", foreign("a SQLite database", TABLE)),
    (b"\x89HDF\r\n\x1A\n", foreign("an HDF5 file", TABLE)),
    (b"\x93NUMPY", foreign("a file of arrays", TABLE)),
    (
        b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1",
        foreign("an office document", OFFICE),
    ),
    (b"7z\xBC\xAF\x27\x1C", foreign("a 7z archive", ARCHIVE)),
    (b"Rar!\x1A\x07", foreign("a RAR archive", ARCHIVE)),
    (b"\x89PNG\r\n\x1A\n", foreign("a PNG image", MEDIA)),
    (b"\xFF\xD8\xFF", foreign("a JPEG image", MEDIA)),
    (b"GIF87a", foreign("a GIF image", MEDIA)),
    (b"GIF89a", foreign("a GIF image", MEDIA)),
    (b"%PDF-", foreign("a PDF document", MEDIA)),
    (b"OggS\0", foreign("an Ogg file", MEDIA)),
    (b"fLaC\0", foreign("a FLAC file", MEDIA)),
];

/// Where a tar archive says what it is.
const TAR: usize = 257;

const fn foreign(what: &'static str, help: &'static str) -> Foreign {
    Foreign { what, help }
}

/// Whether bytes are text as far as they are there; the last character may be cut off.
fn is_text(head: &[u8]) -> bool {
    std::str::from_utf8(head).map_or_else(|e| e.error_len().is_none(), |_| true)
        && !head.contains(&0)
}

fn is_printable(magic: &[u8]) -> bool {
    magic.iter().all(u8::is_ascii_graphic)
}

impl Foreign {
    /// What a file's name says, before the suffix of a compression.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Foreign> {
        let lower = name.to_ascii_lowercase();
        let (_, suffix) = uncompressed(&lower).rsplit_once('.')?;
        SUFFIXES
            .iter()
            .find(|(suffixes, _)| suffixes.contains(&suffix))
            .map(|(_, foreign)| *foreign)
    }

    /// What a source's first bytes say.
    #[must_use]
    pub fn of_magic(head: &[u8]) -> Option<Foreign> {
        let tar = head
            .get(TAR..)
            .is_some_and(|rest| rest.starts_with(b"ustar"));
        let known = MAGIC.iter().find(|(magic, _)| head.starts_with(magic));
        match known {
            _ if tar => Some(foreign("a tar archive", TAR_NAME)),
            // Some marks are letters, which text may start with too.
            Some((magic, _)) if is_printable(magic) && is_text(head) => None,
            known => known.map(|(_, foreign)| *foreign),
        }
    }

    /// The error that refuses it.
    #[must_use]
    pub fn refused(self) -> Error {
        Error::new(
            Code::Format,
            format!("this is {}, which sluice does not read", self.what),
        )
        .help(self.help)
    }
}
