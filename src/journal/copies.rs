//! A journal as bytes, and bytes as a journal: how it is carried from one machine to another.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{DATABASE, Trouble, make_directory};
use crate::error::{Code, Error, Result};
use crate::partial_file::PartialFile;

/// Bytes of a journal that is carried, at most: one of a million imports has some hundred MB.
const MOST_BYTES: u64 = 4 << 30;

/// Hands on the database of a state directory as it is now, with all that was recorded.
///
/// # Errors
/// When it cannot be read.
pub fn database<T>(directory: &Path, each: impl FnOnce(&[u8]) -> T) -> Result<T> {
    let path = directory.join(DATABASE);
    let read = || -> Result<T, Trouble> {
        let mut connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let database = connection.serialize("main")?;
        Ok(each(&database))
    };
    read().map_err(|trouble| trouble.into_error(&path))
}

/// Makes a state directory anew, with the database that some bytes are, or with none yet. What was there is gone.
///
/// # Errors
/// When it cannot be made, or the bytes cannot be read.
pub fn restore(directory: &Path, database: Option<&mut dyn Read>) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(unwritten(directory, &e)),
        _ => make_directory(directory)?,
    }
    let Some(database) = database else {
        return Ok(());
    };
    let path = directory.join(DATABASE);
    let mut write = || -> io::Result<u64> {
        let mut file = PartialFile::create(&path)?;
        let bytes = io::copy(&mut database.take(MOST_BYTES + 1), &mut file)?;
        if bytes <= MOST_BYTES {
            file.finish()?;
        }
        Ok(bytes)
    };
    match write() {
        Ok(bytes) if bytes <= MOST_BYTES => Ok(()),
        Ok(_) => Err(Error::new(
            Code::Journal,
            format!("a journal that was fetched has more than {MOST_BYTES} bytes"),
        )),
        Err(e) => Err(unwritten(&path, &e)),
    }
}

fn unwritten(path: &Path, cause: &io::Error) -> Error {
    Error::new(
        Code::Journal,
        format!("cannot write to `{}`: {cause}", path.display()),
    )
}
