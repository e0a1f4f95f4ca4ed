//! What has been read of a source, as it is stored: so many bytes, and their digest.
//!
//! Whoever resumes a run knows a file by its size and its content; standard input is known by nothing but what comes
//! through it. So its digest is kept while it is read, and compared when it is read again.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::SourceFault;
use crate::error::{Code, Fault};
use crate::place::SourceId;

/// The part of a source that has been read, as stored, before decompression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Which source.
    pub source: SourceId,
    /// How many bytes.
    pub bytes: u64,
    /// Their BLAKE3, in hexadecimal.
    pub blake3: String,
}

/// Keeps the digest of the source that is read, from its first byte on. The reader and whoever asks share it.
///
/// A source that is read by position, as Parquet is, has no bytes that were read before others, and no digest.
#[derive(Debug, Default)]
pub struct Seen {
    expected: Option<Prefix>,
    current: Mutex<Option<Current>>,
}

#[derive(Debug)]
struct Current {
    source: SourceId,
    hasher: blake3::Hasher,
    /// How it is not what was expected: then no more of it is read.
    changed: Option<Fault>,
}

impl Seen {
    /// The same, where one source is known from an earlier run: reading ends in an error once as many bytes of it have
    /// been read and they are not the same, or when there are fewer.
    #[must_use]
    pub fn expecting(expected: Prefix) -> Self {
        Seen {
            expected: Some(expected),
            ..Seen::default()
        }
    }

    /// What has been read of the source that was opened last; none before the first, and of one read by position.
    ///
    /// What is read is ahead of what has become imports.
    #[must_use]
    pub fn snapshot(&self) -> Option<Prefix> {
        self.current().as_ref().map(|current| Prefix {
            source: current.source,
            bytes: current.hasher.count(),
            blake3: current.digest(),
        })
    }

    /// The bytes of this source follow.
    pub(super) fn begin(&self, source: SourceId) {
        *self.current() = Some(Current {
            source,
            hasher: blake3::Hasher::new(),
            changed: None,
        });
    }

    /// The source is read by position from here on.
    pub(super) fn leave(&self) {
        *self.current() = None;
    }

    /// Takes the next bytes of the source.
    ///
    /// # Errors
    /// When it is not the one that was expected; then always.
    pub(super) fn pass(&self, bytes: &[u8]) -> io::Result<()> {
        let mut current = self.current();
        let Some(current) = current.as_mut() else {
            return Ok(());
        };
        let mut rest = bytes;
        if let Some(expected) = self.expected_of(current.source)
            && let Some(due) = expected.bytes.checked_sub(current.hasher.count())
            && let Some((before, after)) = usize::try_from(due)
                .ok()
                .and_then(|due| bytes.split_at_checked(due))
        {
            current.hasher.update(before);
            rest = after;
            if current.changed.is_none() && current.digest() != expected.blake3 {
                let how = "the part of it that was read then is not the same";
                current.changed = Some(changed(expected, how));
            }
        }
        current.hasher.update(rest);
        current.unchanged()
    }

    /// The source has ended.
    ///
    /// # Errors
    /// When it is not the one that was expected.
    pub(super) fn end(&self) -> io::Result<()> {
        let mut current = self.current();
        let Some(current) = current.as_mut() else {
            return Ok(());
        };
        let bytes = current.hasher.count();
        if current.changed.is_none()
            && let Some(expected) = self.expected_of(current.source)
            && bytes < expected.bytes
        {
            current.changed = Some(changed(expected, &format!("it ends after {bytes} bytes")));
        }
        current.unchanged()
    }

    /// What is wrong with the source that is read, if it is not the one that was expected.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.current().as_ref()?.changed.clone()
    }

    fn expected_of(&self, source: SourceId) -> Option<&Prefix> {
        self.expected
            .as_ref()
            .filter(|expected| expected.source == source)
    }

    fn current(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn digest(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }

    fn unchanged(&self) -> io::Result<()> {
        match &self.changed {
            Some(fault) => Err(io::Error::other(SourceFault(fault.clone()))),
            None => Ok(()),
        }
    }
}

fn changed(expected: &Prefix, how: &str) -> Fault {
    let bytes = expected.bytes;
    let reason = format!(
        "the source is not the one that the run began with, of which {bytes} bytes were read: {how}"
    );
    Fault::new(Code::SourceChanged, reason)
        .help("give the same input again, or resume with `--accept-changed-sources`")
}
