//! What the pages of a row group take while a batch of its rows is read.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts bytes of pages, and says no when there are too many. Columns are read one after another, so that it is never
/// waited for; the lock is there because the reader that holds it moves between threads.
pub(super) struct Meter {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The dictionary and the page that each column has open.
    open: usize,
    /// Pages that columns have left since the batch began; the batch's values may point into them.
    left: usize,
    exceeded_by: Option<String>,
}

impl Meter {
    pub(super) fn new(limit: usize) -> Self {
        Meter {
            limit,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A column opens a page, or finds that the one it opened takes more than it seemed to.
    pub(super) fn open(&self, bytes: usize, column: &str) -> Result<(), Exceeded> {
        let mut state = self.state();
        let open = state.open.saturating_add(bytes);
        if open.saturating_add(state.left) > self.limit {
            state.exceeded_by.get_or_insert_with(|| column.to_owned());
            return Err(Exceeded);
        }
        state.open = open;
        Ok(())
    }

    /// A column leaves a page.
    pub(super) fn leave(&self, bytes: usize) {
        let mut state = self.state();
        state.open = state.open.saturating_sub(bytes);
        state.left = state.left.saturating_add(bytes);
    }

    /// A batch is done with.
    pub(super) fn reset(&self) {
        self.state().left = 0;
    }

    /// Whether it has said no.
    pub(super) fn is_exceeded(&self) -> bool {
        self.state().exceeded_by.is_some()
    }

    /// The column it said no to.
    pub(super) fn exceeded_by(&self) -> Option<String> {
        self.state().exceeded_by.clone()
    }
}

/// There is no room for the page.
pub(super) struct Exceeded;
