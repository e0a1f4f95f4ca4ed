//! The asker: has each text fetched once, and hands on that it is coming.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crossbeam_channel::Sender;

use super::{Coming, Fetching, Got, Item};
use crate::batch::tracker::Tracker;
use crate::in_order::Answers;
use crate::normalize::TaskStream;
use crate::normalize::inline::Reference;
use crate::normalize::media::{AddressHash, hash};
use crate::place::Place;

/// Texts that are kept at most.
const MOST_KEPT: usize = 10_000;

/// The other side is gone.
pub(super) struct Gone;

/// The asker thread.
pub(super) struct Asker {
    pub(super) fetching: Fetching,
    /// Bytes of the largest text that may be fetched before its turn.
    pub(super) small: usize,
    pub(super) kept: Kept,
    pub(super) items: Sender<Item>,
    /// The first record that is read, and the first whose task is wanted, where these are not the first of all.
    pub(super) read_from: Option<Place>,
    pub(super) from: Option<Place>,
}

impl Asker {
    pub(super) fn run(&mut self, answers: Answers<TaskStream>) -> Result<(), Gone> {
        let mut tracker = self
            .read_from
            .map_or_else(Tracker::default, Tracker::starting_at);
        for answer in answers {
            let Ok(tasks) = answer else {
                return self.send(Item::Answer(Box::new(answer)));
            };
            tracker.enter(tasks.source, tasks.start);
            let wanted = |reference: &Reference| {
                let place = tracker.place(tasks.marks[reference.task].mark);
                self.from.is_none_or(|from| place >= from)
            };
            let asked: Vec<_> = tasks
                .references
                .iter()
                .map(|reference| {
                    let address = reference.address.clone().filter(|_| wanted(reference));
                    (reference.field, address)
                })
                .collect();
            if let Some(extent) = tasks.extent {
                tracker.leave(extent);
            }
            self.send(Item::Answer(Box::new(Ok(tasks))))?;
            for (field, address) in asked {
                let coming = address.map(|address| self.coming(field, address));
                self.send(Item::Text(coming))?;
            }
        }
        Ok(())
    }

    fn send(&self, item: Item) -> Result<(), Gone> {
        self.items.send(item).map_err(|_| Gone)
    }

    /// The text for an address, which is fetched unless it is known.
    fn coming(&mut self, field: usize, address: String) -> Arc<Coming> {
        let how = self.fetching.inline.how(field);
        let key = hash(&format!("{how:?} {address}"));
        if let Some(known) = self.kept.get(key) {
            return known;
        }
        let coming = self.fetching.start(field, address, self.small);
        self.kept.add(key, &coming);
        coming
    }
}

/// Texts that are kept, in the order in which they were asked for first.
pub(super) struct Kept {
    most_bytes: usize,
    bytes: usize,
    texts: HashMap<AddressHash, Arc<Coming>>,
    /// Those that are there, with their bytes.
    there: VecDeque<(AddressHash, usize)>,
    /// Those that were on their way when they were last looked at.
    on_their_way: Vec<AddressHash>,
}

impl Kept {
    pub(super) fn new(most_bytes: usize) -> Self {
        Kept {
            most_bytes,
            bytes: 0,
            texts: HashMap::new(),
            there: VecDeque::new(),
            on_their_way: Vec::new(),
        }
    }

    fn get(&self, key: AddressHash) -> Option<Arc<Coming>> {
        self.texts.get(&key).map(Arc::clone)
    }

    fn add(&mut self, key: AddressHash, coming: &Arc<Coming>) {
        self.texts.insert(key, Arc::clone(coming));
        self.on_their_way.push(key);
        let Kept {
            bytes,
            texts,
            there,
            on_their_way,
            ..
        } = self;
        on_their_way.retain(|key| {
            let Some(coming) = texts.get(key) else {
                return false;
            };
            let Some(got) = coming.got.get() else {
                return true;
            };
            let size = coming.address.len()
                + 256
                + match got {
                    Got::Value(value, _) => value.capacity(),
                    Got::TooLarge | Got::Fault(_) => 0,
                };
            *bytes += size;
            there.push_back((*key, size));
            false
        });
        while self.bytes > self.most_bytes || self.there.len() > MOST_KEPT {
            let Some((key, size)) = self.there.pop_front() else {
                return;
            };
            self.texts.remove(&key);
            self.bytes -= size;
        }
    }
}
