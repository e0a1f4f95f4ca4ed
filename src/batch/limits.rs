//! What an import may hold, and where each number comes from.

use std::num::NonZeroUsize;

use crate::error::{Code, Error, Result};

/// Tasks in one import, at most: Label Studio's import guide, "Import data into Label Studio", file size limits.
pub const MOST_TASKS: usize = 250_000;

/// Bytes of one import, at most: 50 MB in the same place. What the server itself enforces is larger (262,144,000
/// bytes of request body; the contract, section 3).
pub const MOST_BYTES: usize = 50_000_000;

/// How tasks are joined to one body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// What stands before the first task.
    pub open: &'static [u8],
    /// The byte between two tasks.
    pub separator: u8,
    /// What stands after the last task.
    pub close: &'static [u8],
}

/// A JSON array.
pub const ARRAY: Framing = Framing {
    open: b"[",
    separator: b',',
    close: b"]",
};

/// JSON Lines.
pub const LINES: Framing = Framing {
    open: b"",
    separator: b'\n',
    close: b"\n",
};

/// What an import may hold. It cannot be more than the guide's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Tasks, at most.
    pub tasks: NonZeroUsize,
    /// Bytes, at most, with everything around the tasks.
    pub bytes: NonZeroUsize,
    /// How the tasks are joined.
    pub framing: Framing,
}

/// How much an import is to hold, within its limits: what its target asks for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Tasks, at most.
    pub tasks: usize,
    /// Bytes, at most, with everything around the tasks; a task that is larger makes an import of its own.
    pub bytes: usize,
}

impl Limits {
    /// As much as there may be.
    #[must_use]
    pub fn all(&self) -> Wanted {
        Wanted {
            tasks: self.tasks.get(),
            bytes: self.bytes.get(),
        }
    }

    /// Limits of `tasks` and `bytes`.
    ///
    /// # Errors
    /// When one is zero or over the guide's.
    pub fn new(tasks: usize, bytes: usize, framing: Framing) -> Result<Self> {
        let checked = |value: usize, most: usize, flag: &str| {
            let bad = || {
                Error::new(
                    Code::Usage,
                    format!("`{flag} {value}`: an import holds 1 to {most}"),
                )
                .help("that is what Label Studio's guide allows; what is more goes to the next import by itself")
            };
            NonZeroUsize::new(value)
                .filter(|value| value.get() <= most)
                .ok_or_else(bad)
        };
        Ok(Limits {
            tasks: checked(tasks, MOST_TASKS, "--max-tasks")?,
            bytes: checked(bytes, MOST_BYTES, "--max-bytes")?,
            framing,
        })
    }

    /// Bytes of the largest task that fits.
    #[must_use]
    pub fn task_bytes(&self) -> usize {
        self.bytes
            .get()
            .saturating_sub(self.framing.open.len() + self.framing.close.len())
    }
}
