//! Where the bytes of an import are kept while it fills, and until it is delivered.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::files::{FileBody, Files, Writer, files};
use super::limits::MOST_BYTES;
use crate::stopwatch::Stopwatch;

/// How a target wants the bodies of imports to be kept.
#[derive(Clone, Debug)]
pub enum Store {
    /// In memory.
    Memory,
    /// In memory, with the place of every task, so that an import can be divided.
    Divisible,
    /// As files of this folder, under temporary names.
    Folder(Arc<Path>),
    /// Not at all: only the place of every task is kept, and how many bytes there would be.
    Nothing,
}

/// Where new bodies come from.
#[derive(Clone, Debug)]
pub enum Bodies {
    /// From memory.
    Memory,
    /// From memory; the place of every task is kept too.
    Divisible,
    /// From a folder, whose files are written by a [`Writer`].
    Files(Files),
    /// They are not kept; the place of every task is.
    Nothing,
}

/// The bytes of one import.
#[derive(Debug)]
pub enum Body {
    /// In memory.
    Memory(Vec<u8>),
    /// In a file.
    File(FileBody),
    /// Nowhere.
    Nothing,
}

impl Store {
    /// Opens it; what writes to it is to be run on a thread of its own.
    #[must_use]
    pub fn open(self) -> (Bodies, Option<Writer>) {
        match self {
            Store::Memory => (Bodies::Memory, None),
            Store::Divisible => (Bodies::Divisible, None),
            Store::Nothing => (Bodies::Nothing, None),
            Store::Folder(folder) => {
                let (files, writer) = files(folder);
                (Bodies::Files(files), Some(writer))
            }
        }
    }
}

impl Bodies {
    /// The same, where the `stopwatch` is told of waiting for the writer.
    #[must_use]
    pub fn timed(self, stopwatch: &Arc<Stopwatch>) -> Self {
        match self {
            Bodies::Files(files) => Bodies::Files(files.timed(stopwatch)),
            memory => memory,
        }
    }

    /// Starts the body of an import.
    #[must_use]
    pub fn start(&self, number: u64) -> Body {
        match self {
            Bodies::Memory | Bodies::Divisible => Body::Memory(Vec::new()),
            Bodies::Files(files) => Body::File(files.start(number)),
            Bodies::Nothing => Body::Nothing,
        }
    }
}

impl Body {
    /// Appends bytes.
    ///
    /// # Errors
    /// When they cannot be kept.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Body::Memory(body) => {
                if body.is_empty() {
                    body.reserve(MOST_BYTES);
                }
                body.extend_from_slice(bytes);
                Ok(())
            }
            Body::File(file) => file.push(bytes),
            Body::Nothing => Ok(()),
        }
    }

    /// Says that nothing more comes.
    ///
    /// # Errors
    /// When the last of it cannot be kept.
    pub fn end(&mut self) -> io::Result<()> {
        match self {
            Body::Memory(_) | Body::Nothing => Ok(()),
            Body::File(file) => file.end(),
        }
    }
}
