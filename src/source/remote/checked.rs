//! The bytes of an object whose digest is known: none is given before all are seen to be right.

use std::fs::File;
use std::io::{self, Write};

use super::{Object, thread};
use crate::error::{Code, Error, Fault};

/// Fetches an object in one request into a temporary file without a name (in `TMPDIR`), and looks whether it has this
/// digest, in hexadecimal. An import is at most fifty megabytes.
///
/// # Errors
/// When it cannot be fetched or kept, or is not right.
pub(super) fn fetch(object: &Object, blake3: &str) -> Result<File, Fault> {
    let mut file = tempfile::tempfile().map_err(|e| unkept(&e))?;
    let mut digest = blake3::Hasher::new();
    let whole = async {
        let mut pieces = object.pieces(0..object.bytes).await?;
        while let Some(bytes) = pieces.next().await? {
            digest.update(&bytes);
            file.write_all(&bytes).map_err(|e| unkept(&e))?;
        }
        Ok(())
    };
    thread::wait(whole).map_err(Error::into_fault)??;
    if digest.finalize().to_hex().as_str() == blake3 {
        return Ok(file);
    }
    Err(Fault::new(
        Code::SourceChanged,
        "it is not what the manifest says: its BLAKE3 is another",
    )
    .help("pack the sources again, under another prefix; nothing of this object was sent"))
}

fn unkept(cause: &io::Error) -> Fault {
    Fault::new(
        Code::SourceRead,
        format!("cannot be kept in a temporary file: {cause}"),
    )
    .help("set TMPDIR to a folder with room for one import, 50 MB")
}
