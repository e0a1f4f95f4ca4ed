//! The sources of a run: however many were listed, they take little memory.
//!
//! Up to some thousands are held as they are. Of more, a block at a time is held, the others are in a temporary file that
//! is gone with the process: a bucket may have millions of keys, each with its name, its size and its version.

mod spilled;

use std::fmt;
use std::sync::Arc;

use serde::ser::{Error as _, SerializeSeq};
use serde::{Serialize, Serializer};

use self::spilled::{At, Spilled, can_be_kept};
use super::Source;
use super::remote::bucket::Bucket;
use super::window::Window;
use crate::error::{Code, Error, Result};
use crate::place::SourceId;

/// Sources of a block. Builds for tests take small ones, so that short lists have several.
const BLOCK: usize = if cfg!(debug_assertions) { 4 } else { 1024 };

/// How many blocks are held as they are.
const HELD: usize = if cfg!(debug_assertions) { 2 } else { 16 };

/// Sources in the order in which they are read: the number of each is its place among them.
#[derive(Clone, Default)]
pub struct Sources {
    blocks: Vec<Block>,
    count: u32,
    /// The size of all; nothing if it is not known of one.
    bytes: Sum,
    /// Whether one of them is not read as a whole.
    in_parts: bool,
    /// The last name, and the number of the last source whose name comes before that of the one ahead of it.
    last: Option<Arc<str>>,
    out_of_order: Option<u32>,
    /// The buckets of those that are kept in the file.
    buckets: Vec<Arc<Bucket>>,
    file: Option<Arc<Spilled>>,
}

/// Some sources, one after another; all blocks but the last are full.
#[derive(Clone)]
enum Block {
    Held(Vec<Source>),
    Kept(At),
}

/// A sum that may be unknown.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sum(Option<u64>);

impl Default for Sum {
    fn default() -> Self {
        Sum(Some(0))
    }
}

impl Sources {
    /// These sources.
    ///
    /// # Errors
    /// As [`Sources::push`].
    pub fn of(sources: impl IntoIterator<Item = Source>) -> Result<Self> {
        let mut all = Sources::default();
        for source in sources {
            all.push(source)?;
        }
        Ok(all)
    }

    /// Adds a source; its number is its place.
    ///
    /// # Errors
    /// When there are more than can be numbered, or the temporary file cannot be written.
    pub fn push(&mut self, source: Source) -> Result<()> {
        let id = SourceId(self.count);
        let more = self.count.checked_add(1);
        self.count =
            more.ok_or_else(|| Error::new(Code::Usage, "more than 4,294,967,295 sources"))?;
        self.bytes = Sum(self
            .bytes
            .0
            .zip(source.bytes)
            .map(|(all, one)| all.saturating_add(one)));
        self.in_parts |= source.window != Window::ALL;
        if self.last.as_ref().is_some_and(|last| *last > source.name) {
            self.out_of_order = Some(id.0);
        }
        self.last = Some(Arc::clone(&source.name));
        let source = Source { id, ..source };
        match self.blocks.last_mut() {
            Some(Block::Held(block)) if block.len() < BLOCK => block.push(source),
            _ => {
                self.keep_last()?;
                self.blocks.push(Block::Held(vec![source]));
            }
        }
        Ok(())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Their size as stored, where it is known of all.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.bytes.0
    }

    /// Whether other runs read some of them.
    #[must_use]
    pub fn are_shared(&self) -> bool {
        self.in_parts
    }

    /// The source of a number, if there is one.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn get(&self, id: SourceId) -> Result<Option<Source>> {
        let (block, place) = (id.0 as usize / BLOCK, id.0 as usize % BLOCK);
        Ok(match self.blocks.get(block) {
            Some(Block::Held(block)) => block.get(place).cloned(),
            Some(Block::Kept(_)) => self.read(block)?.get(place).cloned(),
            None => None,
        })
    }

    /// The name of a source. Where the temporary file cannot be read it is that number: whoever speaks of a source has
    /// something else to tell.
    #[must_use]
    pub fn name(&self, id: SourceId) -> Arc<str> {
        match self.get(id) {
            Ok(Some(source)) => source.name,
            _ => format!("source {}", id.0).into(),
        }
    }

    /// All of them, in order. What comes is an error where the temporary file cannot be read.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            sources: self,
            next: 0,
            block: None,
        }
    }

    /// What `of` gives for each, as a list to be written: it is never held.
    pub fn each<T: Serialize, F: Fn(&Source) -> T>(&self, of: F) -> Each<'_, F> {
        Each { sources: self, of }
    }

    /// Whether one that is no file, no object and no address alone is such: standard input, a Redis, a pipe, a member of
    /// an archive. These are always held.
    pub fn any_apart(&self, mut is_such: impl FnMut(&Source) -> bool) -> bool {
        self.held()
            .any(|source| !can_be_kept(source) && is_such(source))
    }

    /// Changes those that [`Sources::any_apart`] looks at.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn change_apart(
        &mut self,
        mut change: impl FnMut(&mut Source) -> Result<()>,
    ) -> Result<()> {
        let held = self.blocks.iter_mut().filter_map(|block| match block {
            Block::Held(block) => Some(block),
            Block::Kept(_) => None,
        });
        held.flatten()
            .filter(|source| !can_be_kept(source))
            .try_for_each(&mut change)
    }

    /// The same sources, each with the window that is given for it.
    ///
    /// # Errors
    /// When the temporary file cannot be read or written.
    pub fn with_windows(&self, mut window: impl FnMut(&Source) -> Window) -> Result<Self> {
        let mut all = Sources::default();
        for source in self {
            let source = source?;
            let window = window(&source);
            all.push(Source { window, ..source })?;
        }
        Ok(all)
    }

    /// Puts those from number `first` on in the order of their names' bytes. Most stores give them so: of those that do
    /// not, all are held for it.
    ///
    /// # Errors
    /// When the temporary file cannot be read or written.
    pub(super) fn in_order_from(&mut self, first: usize) -> Result<()> {
        if self.out_of_order.is_none_or(|last| last as usize <= first) {
            return Ok(());
        }
        let mut all = self.iter().collect::<Result<Vec<_>>>()?;
        all[first..].sort_by(|a, b| a.name.cmp(&b.name));
        *self = Sources::of(all)?;
        Ok(())
    }

    fn held(&self) -> impl Iterator<Item = &Source> {
        let held = self.blocks.iter().filter_map(|block| match block {
            Block::Held(block) => Some(block),
            Block::Kept(_) => None,
        });
        held.flatten()
    }

    /// Puts the last block into the file, if there are many and all of it can be kept.
    fn keep_last(&mut self) -> Result<()> {
        let number = self.blocks.len();
        let Some(Block::Held(block)) = self.blocks.last() else {
            return Ok(());
        };
        if number <= HELD || !block.iter().all(can_be_kept) {
            return Ok(());
        }
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(Arc::new(Spilled::new()?)),
        };
        let at = file.write(block, &mut self.buckets)?;
        self.blocks[number - 1] = Block::Kept(at);
        Ok(())
    }

    /// A block of the file.
    fn read(&self, number: usize) -> Result<Arc<Vec<Source>>> {
        match (self.blocks.get(number), &self.file) {
            (Some(Block::Kept(at)), Some(file)) => {
                let first = u32::try_from(number * BLOCK).unwrap_or(u32::MAX);
                file.read(*at, first, &self.buckets)
            }
            _ => Ok(Arc::default()),
        }
    }
}

/// Sources in order.
pub struct Iter<'a> {
    sources: &'a Sources,
    next: usize,
    /// The block of the file that is read, whoever else reads others.
    block: Option<(usize, Arc<Vec<Source>>)>,
}

impl Iterator for Iter<'_> {
    type Item = Result<Source>;

    fn next(&mut self) -> Option<Self::Item> {
        let (number, place) = (self.next / BLOCK, self.next % BLOCK);
        let block = match self.sources.blocks.get(number)? {
            Block::Held(block) => block,
            Block::Kept(_) => {
                if self
                    .block
                    .as_ref()
                    .is_none_or(|(known, _)| *known != number)
                {
                    match self.sources.read(number) {
                        Ok(block) => self.block = Some((number, block)),
                        Err(error) => {
                            self.next = usize::MAX;
                            return Some(Err(error));
                        }
                    }
                }
                self.block.as_ref().map(|(_, block)| &**block)?
            }
        };
        let source = block.get(place)?.clone();
        self.next += 1;
        Some(Ok(source))
    }
}

impl<'a> IntoIterator for &'a Sources {
    type Item = Result<Source>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Something of each source, in order.
pub struct Each<'a, F> {
    sources: &'a Sources,
    of: F,
}

impl<T: Serialize, F: Fn(&Source) -> T> Serialize for Each<'_, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.sources.len()))?;
        for source in self.sources {
            let source = source.map_err(S::Error::custom)?;
            list.serialize_element(&(self.of)(&source))?;
        }
        list.end()
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sources", self.count)
    }
}
