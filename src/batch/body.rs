//! Where the bytes of an import are kept while it fills, and until it is delivered.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::limits::MOST_BYTES;
use crate::partial_file::PartialFile;

/// How the bodies of a run's imports are kept.
#[derive(Clone, Debug)]
pub enum Store {
    /// In memory.
    Memory,
    /// In memory, with the place of every task, so that an import can be divided.
    Divisible,
    /// As files of this folder, under temporary names.
    Folder(Arc<Path>),
}

/// The bytes of one import.
#[derive(Debug)]
pub enum Body {
    /// In memory.
    Memory(Vec<u8>),
    /// In a file.
    File(PartialFile),
}

impl Store {
    /// Starts the body of an import.
    ///
    /// # Errors
    /// When its file cannot be made.
    pub fn start(&self, number: u64) -> io::Result<Body> {
        match self {
            Store::Memory | Store::Divisible => Ok(Body::Memory(Vec::new())),
            Store::Folder(folder) => {
                PartialFile::create(&folder.join(format!("import-{number:06}.json")))
                    .map(Body::File)
            }
        }
    }
}

impl Body {
    /// Appends bytes.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Body::Memory(body) => {
                if body.is_empty() {
                    body.reserve(MOST_BYTES);
                }
                body.extend_from_slice(bytes);
                Ok(())
            }
            Body::File(file) => file.write_all(bytes),
        }
    }
}
