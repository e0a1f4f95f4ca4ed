//! The part of a source that one of several runs reads, where they share its records between them.

/// Bytes of a source, of text after decompression and decoding: a record belongs to the window in which it begins. The
/// windows of all runs leave nothing between them, and the last has no end, so that it matters to nobody but the balance
/// whether the size was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first byte.
    pub from: u64,
    /// The byte after the last.
    pub to: u64,
}

impl Window {
    /// All of a source.
    pub const ALL: Window = Window {
        from: 0,
        to: u64::MAX,
    };

    /// Nothing of it.
    pub const NONE: Window = Window { from: 0, to: 0 };

    /// All of a source of which anything belongs to it: a column has one type in the whole file.
    #[must_use]
    pub fn widened(self) -> Window {
        if self.is_none() { self } else { Window::ALL }
    }

    /// Whether nothing belongs to it.
    #[must_use]
    pub fn is_none(self) -> bool {
        self.from >= self.to
    }

    /// Whether what begins at `byte` belongs to it. What is not cut at bytes begins at 0.
    #[must_use]
    pub fn holds(self, byte: u64) -> bool {
        (self.from..self.to).contains(&byte)
    }

    /// The next of its two ends after `byte`, if there is one: no chunk reaches across it.
    #[must_use]
    pub fn edge_after(self, byte: u64) -> Option<u64> {
        let edge = |at: u64| (at > byte && at < u64::MAX).then_some(at);
        edge(self.from).or_else(|| edge(self.to))
    }
}
