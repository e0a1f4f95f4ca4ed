//! One import: its limits are kept by construction, since [`Filling`] alone can make one.

use std::io::{self, Write};

use bytes::Bytes;
use serde::Serialize;

use super::limits::{Framing, Limits};
use crate::normalize::tasks::Tasks;
use crate::place::Place;

/// Tasks that are sent, or written, as one.
#[derive(Clone, Debug)]
pub struct Import {
    /// Its number in the run, from 1.
    pub number: u64,
    /// How many tasks it holds.
    pub tasks: usize,
    /// Its exact size in bytes.
    pub bytes: usize,
    /// Where its first task's record starts.
    pub first: Place,
    /// Where its last task's record starts.
    pub last: Place,
    framing: Framing,
    pieces: Vec<Bytes>,
}

/// The BLAKE3 digest of an import's bytes, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Digest(pub String);

impl Import {
    /// Its bytes, in order, in parts that need no copy.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let separator: &[u8] = if self.framing.separator == b'\n' { b"\n" } else { b"," };
        let joined = self.pieces.iter().enumerate().flat_map(move |(i, piece)| {
            let before: &[u8] = if i == 0 { self.framing.open } else { separator };
            [before, piece.as_ref()]
        });
        joined.chain([self.framing.close]).filter(|part| !part.is_empty())
    }

    /// Writes its bytes, and gives their digest.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<Digest> {
        let mut hasher = blake3::Hasher::new();
        for part in self.parts() {
            hasher.update(part);
            out.write_all(part)?;
        }
        Ok(Digest(hasher.finalize().to_hex().to_string()))
    }
}

/// An import in the making.
pub struct Filling {
    limits: Limits,
    pieces: Vec<Bytes>,
    tasks: usize,
    bytes: usize,
    span: Option<(Place, Place)>,
}

/// What became of some tasks.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub enum Push {
    /// So many of them are in.
    Added {
        /// How many.
        tasks: usize,
    },
    /// Not even the first fits: close the import, and push it to the next.
    Full,
    /// The first task fits in no import.
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
    },
}

impl Filling {
    /// An empty one.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let bytes = limits.framing.open.len() + limits.framing.close.len();
        Filling { limits, pieces: Vec::new(), tasks: 0, bytes, span: None }
    }

    /// Adds as many of the tasks from number `next` on as fit. `bytes` is their buffer.
    pub fn push(&mut self, bytes: &Bytes, tasks: &Tasks, next: usize, place: impl Fn(usize) -> Place) -> Push {
        let start = tasks.task_start(next);
        let separator = usize::from(self.tasks > 0);
        let room = self.limits.bytes.get().saturating_sub(self.bytes + separator);
        let places = self.limits.tasks.get() - self.tasks;
        let candidates = &tasks.marks[next..tasks.marks.len().min(next + places)];
        let fit = candidates.partition_point(|mark| mark.end - start <= room);
        let Some(last) = candidates[..fit].last() else {
            let size = tasks.marks[next].end - start;
            let alone = size > self.limits.task_bytes();
            return if alone { Push::TooLarge { bytes: size } } else { Push::Full };
        };
        self.pieces.push(bytes.slice(start..last.end));
        self.bytes += separator + last.end - start;
        self.tasks += fit;
        let end = place(next + fit - 1);
        self.span = Some((self.span.map_or_else(|| place(next), |(first, _)| first), end));
        Push::Added { tasks: fit }
    }

    /// The import, unless it would be empty.
    #[must_use]
    pub fn close(self, number: u64) -> Option<Import> {
        let (first, last) = self.span?;
        let Filling { limits, pieces, tasks, bytes, .. } = self;
        Some(Import { number, tasks, bytes, first, last, framing: limits.framing, pieces })
    }
}
