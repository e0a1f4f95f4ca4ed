//! Encoded tasks of one chunk: one buffer, one mark a task, the records that were rejected on the way.

use std::sync::Arc;

use super::inline::Reference;
use crate::budget::Held;
use crate::buffer::Buffer;
use crate::decode::{Changes, Extent, Fatal, Mark};
use crate::error::Fault;
use crate::place::SourceId;
use crate::read::{Shape, Start};

/// Bytes of a rejected record that are kept, so that it can be mended and imported again.
pub const RAW_BYTES: usize = 1 << 20;

/// Some or all of the tasks of one chunk.
pub struct Tasks {
    /// The source they are from.
    pub source: SourceId,
    /// Where their chunk starts; marks count from there.
    pub start: Start,
    /// What their records look like.
    pub shape: Arc<Shape>,
    /// Tasks with a separator after each.
    pub bytes: Buffer,
    /// Where each task ends, and where its record stands.
    pub marks: Vec<TaskMark>,
    /// What stands for each task, where records that come again are to be left out.
    pub hashes: Vec<Option<u128>>,
    /// The addresses in the tasks that are to be replaced, in order.
    pub references: Vec<Reference>,
    /// The bytes of the records of the tasks that have such, [`RAW_BYTES`] at most of each, by the tasks' numbers.
    pub raws: Vec<(usize, Vec<u8>)>,
    /// Whether each task has room for its record's number.
    pub numbered: bool,
    /// Records that became no task, in order.
    pub rejected: Vec<Rejected>,
    /// What was changed in the data.
    pub changes: Changes,
    /// Whether its records count here for the places of those after them alone.
    pub only_counted: bool,
    /// What the chunk came to, with its last answer.
    pub extent: Option<Extent>,
    /// A fault after which nothing in the source can be trusted; the last answer of the source.
    pub fatal: Option<Fatal>,
    /// The chunk's share of the budget, given back when its last answer is gone.
    held: Arc<Held>,
}

/// Where a task ends in the buffer, and where its record stands in the chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskMark {
    /// The offset after its last byte; the separator stands there.
    pub end: usize,
    /// Where its record stands.
    pub mark: Mark,
}

/// A record that became no task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Where it stands in the chunk.
    pub mark: Mark,
    /// What is wrong with it.
    pub fault: Fault,
    /// Its bytes, [`RAW_BYTES`] at most.
    pub raw: Vec<u8>,
}

impl Tasks {
    /// No tasks yet, in this buffer.
    #[must_use]
    pub fn new(
        source: SourceId,
        start: Start,
        shape: Arc<Shape>,
        held: Arc<Held>,
        bytes: Buffer,
    ) -> Self {
        Tasks {
            source,
            start,
            shape,
            bytes,
            marks: Vec::new(),
            hashes: Vec::new(),
            references: Vec::new(),
            raws: Vec::new(),
            numbered: false,
            rejected: Vec::new(),
            changes: Changes::default(),
            only_counted: false,
            extent: None,
            fatal: None,
            held,
        }
    }

    /// No tasks yet, of the same chunk, in this buffer.
    #[must_use]
    pub fn following(&self, bytes: Buffer) -> Self {
        let (shape, held) = (Arc::clone(&self.shape), Arc::clone(&self.held));
        Tasks {
            numbered: self.numbered,
            ..Tasks::new(self.source, self.start, shape, held, bytes)
        }
    }

    /// Adds a reject.
    #[cold]
    pub fn reject(&mut self, mark: Mark, fault: Fault, raw: &[u8]) {
        let raw = raw[..raw.len().min(RAW_BYTES)].to_vec();
        self.rejected.push(Rejected { mark, fault, raw });
    }

    /// Leaves out all but what the chunk came to, and a fault that ends the source: another run has the rest.
    pub fn leave_out(&mut self) {
        self.bytes.truncate(0);
        self.marks.clear();
        self.hashes.clear();
        self.rejected.clear();
        self.changes = Changes::default();
        self.only_counted = true;
    }

    /// Leaves out the tasks that are not to be kept; `keep` has a word on each.
    pub fn retain(&mut self, keep: &[bool]) {
        let (mut start, mut written, mut kept) = (0, 0, 0);
        for (i, keep) in keep.iter().enumerate() {
            let TaskMark { end, mark } = self.marks[i];
            if *keep {
                // The separator goes with its task.
                self.bytes.copy_within(start..=end, written);
                let moved = written + end - start;
                self.marks[kept] = TaskMark { end: moved, mark };
                written = moved + 1;
                kept += 1;
            }
            start = end + 1;
        }
        self.marks.truncate(kept);
        self.bytes.truncate(written);
    }

    /// Where task `i` starts in the buffer.
    #[must_use]
    pub fn task_start(&self, i: usize) -> usize {
        match i.checked_sub(1) {
            Some(before) => self.marks[before].end + 1,
            None => 0,
        }
    }
}
