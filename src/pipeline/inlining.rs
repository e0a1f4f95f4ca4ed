//! `--inline`: between the pool and the batcher, the addresses in tasks are replaced by the texts behind them.
//!
//! ```text
//! answers, in order ──▶ asker thread ── (64: an answer, then its texts) ──▶ batcher thread: waits for the oldest, splices
//!                            └─ each text: fetched on the thread of what is remote, kept for whoever asks again
//! ```
//!
//! Nothing in the pool waits for a network: the normalizer only notes where addresses stand. The asker starts to fetch
//! each text as it hands on that it is coming, so that at most 64 are on their way or wait for their turn, of which none
//! takes more than a small part of the memory: what is larger is left, and fetched when its turn has come, alone. Tasks
//! keep their order, since the batcher takes texts in the order of their addresses, whichever comes first.
//!
//! The asker waits for the pool and for room among the 64; the batcher for the text whose turn it is, which waits for its
//! server alone, and that for a limited time. Whoever ends drops its side of the channel, which ends the other.
//!
//! A run that goes on fetches only what its remaining tasks speak of. What was sent was sent whole, with the texts as they
//! were then; what was not is made anew, with the texts as they are now. So a task has one text, and is there once, though
//! two tasks of one address may have the texts of two days.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded, select};
use futures::io::AsyncReadExt;
use tokio::runtime::Handle;

use super::{Around, start};
use crate::batch::tracker::Tracker;
use crate::budget::ANSWER_BYTES;
use crate::decode::Changes;
use crate::error::{Code, Error, Fault, Result};
use crate::fetch::Fetcher;
use crate::fetch::text::{Refused, Text, Wanted};
use crate::in_order::Answers;
use crate::normalize::inline::{How, Inline, Reference, value};
use crate::normalize::media::{AddressHash, hash, told};
use crate::normalize::tasks::{TaskMark, Tasks};
use crate::normalize::{Normalizer, TaskStream};
use crate::place::Place;
use crate::read::head::cell;
use crate::source::remote::thread;

/// The asker thread's name.
const ASKER: &str = "sluice-asker";

/// Texts that are on their way, or wait for their turn; answers count too.
const AHEAD: usize = 64;

/// The part of a run's memory that one text may take that is not the oldest: all of them take a quarter.
const SMALL_SHARE: usize = 4 * AHEAD;

/// The smallest and the largest of such texts.
const SMALL: std::ops::RangeInclusive<usize> = (64 << 10)..=(1 << 20);

/// The part of a run's memory for texts that may be asked for again.
const KEPT_SHARE: usize = 8;

/// Texts that are kept at most.
const MOST_KEPT: usize = 10_000;

/// A text that is there, or on its way.
struct Coming {
    got: OnceLock<Got>,
    /// Closed when it is there.
    ready: Receiver<()>,
    address: String,
}

/// What became of a text.
enum Got {
    /// It, as it stands in a task.
    Value(Vec<u8>, Changes),
    /// It is larger than one that is not the oldest may be.
    TooLarge,
    /// Why it cannot be had.
    Fault(Fault),
}

/// What the asker hands on.
enum Item {
    /// An answer of the pool, whose texts follow.
    Answer(Result<Tasks>),
    /// A text; none where nobody wants it any more, or there is no address.
    Text(Option<Arc<Coming>>),
}

/// What all texts are fetched with.
#[derive(Clone)]
struct Fetching {
    fetcher: Arc<Fetcher>,
    normalizer: Arc<Normalizer>,
    inline: Arc<Inline>,
    runtime: &'static Handle,
    /// Bytes of the largest text of all.
    most: usize,
}

/// Starts the asker; gives the answers, which begin at `read_from`, with texts in the place of addresses. Those of tasks
/// before `from` are left.
///
/// # Errors
/// When the thread cannot be started, or nothing can be fetched.
pub(super) fn inlined(
    around: &Arc<Around>,
    answers: Answers<TaskStream>,
    normalizer: &Arc<Normalizer>,
    inline: &Arc<Inline>,
    (read_from, from): (Option<Place>, Option<Place>),
) -> Result<(JoinHandle<()>, Inlined)> {
    let memory = around.plan.memory;
    let fetching = Fetching {
        fetcher: Arc::new(Fetcher::new()?),
        normalizer: Arc::clone(normalizer),
        inline: Arc::clone(inline),
        runtime: thread::handle()?,
        most: normalizer.task_bytes.min(around.plan.reading.record_bytes),
    };
    let (items, items_in) = bounded(AHEAD);
    let mut asker = Asker {
        small: (memory / SMALL_SHARE)
            .clamp(*SMALL.start(), *SMALL.end())
            .min(fetching.most),
        fetching: fetching.clone(),
        kept: Kept::new(memory / KEPT_SHARE),
        items,
        read_from,
        from,
    };
    let (alive, cancelled) = bounded(0);
    let alive = std::sync::Mutex::new(Some(alive));
    around.stop.on_trip(move || {
        drop(
            alive
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .take(),
        );
    });
    let asker = start(ASKER, move || {
        // The batcher ended first, and knows why.
        let _ = asker.run(answers);
    })?;
    let inlined = Inlined {
        around: Arc::clone(around),
        fetching,
        items: items_in,
        cancelled,
        current: None,
        ended: false,
    };
    Ok((asker, inlined))
}

/// The other side is gone.
struct Gone;

/// The asker thread.
struct Asker {
    fetching: Fetching,
    /// Bytes of the largest text that may be fetched before its turn.
    small: usize,
    kept: Kept,
    items: Sender<Item>,
    /// The first record that is read, and the first whose task is wanted, where these are not the first of all.
    read_from: Option<Place>,
    from: Option<Place>,
}

impl Asker {
    fn run(&mut self, answers: Answers<TaskStream>) -> Result<(), Gone> {
        let mut tracker = self
            .read_from
            .map_or_else(Tracker::default, Tracker::starting_at);
        for answer in answers {
            let Ok(tasks) = answer else {
                return self.send(Item::Answer(answer));
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
            self.send(Item::Answer(Ok(tasks)))?;
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

impl Fetching {
    /// Starts to fetch a text of `most` bytes at most.
    fn start(&self, field: usize, address: String, most: usize) -> Arc<Coming> {
        let (there, ready) = bounded(0);
        let coming = Arc::new(Coming {
            got: OnceLock::new(),
            ready,
            address,
        });
        let (this, fetched) = (self.clone(), Arc::clone(&coming));
        self.runtime.spawn(async move {
            let got = this
                .got(this.inline.how(field), &fetched.address, most)
                .await;
            let _ = fetched.got.set(got);
            drop(there);
        });
        coming
    }

    async fn got(&self, how: &How, address: &str, most: usize) -> Got {
        let told_of = |address: &str, why: &str| {
            Got::Fault(
                Fault::new(Code::NotInlined, told(address, why))
                    .help("mend the address, or what is behind it, and import the rejects"),
            )
        };
        let mut found = None;
        if let Some(resolver) = &how.resolver {
            let read = |text| cell(text, resolver);
            match self
                .fetcher
                .read(address, most, Wanted::Beginning, read)
                .await
            {
                Ok(cell) => found = Some(cell),
                Err(Refused::TooLarge) => return Got::TooLarge,
                Err(Refused::Failed(why)) => return told_of(address, &why),
            }
        }
        // What a resolver finds may be an address in its turn, or nothing.
        let next = found.as_deref().unwrap_or(address).to_owned();
        if how.url && !next.is_empty() {
            match self.fetcher.read(&next, most, Wanted::Whole, whole).await {
                Ok(text) => found = Some(text),
                Err(Refused::TooLarge) => return Got::TooLarge,
                Err(Refused::Failed(why)) => return told_of(&next, &why),
            }
        }
        let mut changes = Changes::default();
        let text = found.unwrap_or_default();
        match value(&text, how.form, self.normalizer.nul, &mut changes) {
            Ok(value) if value.len() <= 2 * most + 2 => Got::Value(value, changes),
            // Signs that JSON writes with six.
            Ok(_) => Got::TooLarge,
            Err(fault) if fault.code == Code::NotInlined => told_of(&next, &fault.reason),
            Err(fault) => Got::Fault(Fault {
                reason: told(&next, &format!("cannot be put in a task: {}", fault.reason)),
                offset: 0,
                ..fault
            }),
        }
    }
}

async fn whole(mut text: Text) -> io::Result<String> {
    let mut whole = String::new();
    text.read_to_string(&mut whole).await?;
    Ok(whole)
}

/// Texts that are kept, in the order in which they were asked for first.
struct Kept {
    most_bytes: usize,
    bytes: usize,
    texts: HashMap<AddressHash, Arc<Coming>>,
    /// Those that are there, with their bytes.
    there: VecDeque<(AddressHash, usize)>,
    /// Those that were on their way when they were last looked at.
    on_their_way: Vec<AddressHash>,
}

impl Kept {
    fn new(most_bytes: usize) -> Self {
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

/// The answers of the pool, with texts in the place of addresses.
pub(super) struct Inlined {
    around: Arc<Around>,
    fetching: Fetching,
    items: Receiver<Item>,
    cancelled: Receiver<()>,
    current: Option<Current>,
    ended: bool,
}

/// An answer whose tasks are gone through.
struct Current {
    tasks: Tasks,
    /// The next task, the next reference, and the next of the rejects that came with it.
    task: usize,
    reference: usize,
}

impl Iterator for Inlined {
    type Item = Result<Tasks>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let outcome = self.step();
        self.ended = !matches!(outcome, Ok(Some(_)));
        outcome.transpose()
    }
}

impl Inlined {
    /// The next item; nothing after the last.
    fn item(&self) -> Result<Option<Item>> {
        select! {
            recv(self.items) -> item => Ok(item.ok()),
            recv(self.cancelled) -> _ => Err(stopped()),
        }
    }

    fn step(&mut self) -> Result<Option<Tasks>> {
        let current = match self.current.take() {
            Some(current) => current,
            None => match self.item()? {
                None => return Ok(None),
                Some(Item::Answer(tasks)) => Current {
                    tasks: tasks?,
                    task: 0,
                    reference: 0,
                },
                Some(Item::Text(_)) => return Err(out_of_step()),
            },
        };
        if current.tasks.references.is_empty() {
            return Ok(Some(current.tasks));
        }
        self.spliced(current).map(Some)
    }

    /// The next tasks of an answer, about as many as an answer has bytes.
    fn spliced(&mut self, mut current: Current) -> Result<Tasks> {
        let normalizer = Arc::clone(&self.fetching.normalizer);
        let buffer = normalizer.buffers.take(ANSWER_BYTES + ANSWER_BYTES / 4);
        let mut out = current.tasks.following(buffer);
        while current.task < current.tasks.marks.len() && out.bytes.len() < ANSWER_BYTES {
            let number = current.task;
            let TaskMark { end, mark } = current.tasks.marks[number];
            let before = current
                .tasks
                .rejected
                .partition_point(|rejected| rejected.mark.record < mark.record);
            out.rejected.extend(current.tasks.rejected.drain(..before));
            let start = out.bytes.len();
            let mut fault = None;
            let mut from = current.tasks.task_start(number);
            while let Some(reference) = current.tasks.references.get(current.reference)
                && reference.task == number
            {
                current.reference += 1;
                let put = self.text(reference, &mut out.changes)?;
                out.bytes
                    .extend_from_slice(&current.tasks.bytes[from..reference.span.start]);
                from = reference.span.end;
                match put {
                    Put::Value(coming) => {
                        if let Some(Got::Value(value, _)) = coming.got.get() {
                            out.bytes.extend_from_slice(value);
                        }
                    }
                    Put::AsItIs => from = reference.span.start,
                    Put::Fault(why) => {
                        fault.get_or_insert(why);
                    }
                }
            }
            out.bytes.extend_from_slice(&current.tasks.bytes[from..end]);
            let (bytes, most) = (out.bytes.len() - start, normalizer.task_bytes);
            if fault.is_none() && bytes > most {
                let reason = format!(
                    "with its texts the task has {bytes} bytes, an import holds {most} of one task"
                );
                fault = Some(Fault::new(Code::TaskTooLarge, reason));
            }
            if let Some(fault) = fault {
                out.bytes.truncate(start);
                let raws = &current.tasks.raws;
                let raw = raws.binary_search_by_key(&number, |(task, _)| *task);
                let raw = raw.map_or(&[][..], |at| &raws[at].1);
                out.reject(mark, fault, raw);
            } else {
                let end = out.bytes.len();
                out.marks.push(TaskMark { end, mark });
                out.bytes.push(normalizer.separator);
                out.hashes.extend(current.tasks.hashes.get(number).copied());
            }
            current.task += 1;
        }
        if current.task < current.tasks.marks.len() {
            self.current = Some(current);
            return Ok(out);
        }
        out.rejected.append(&mut current.tasks.rejected);
        out.changes += current.tasks.changes;
        out.extent = current.tasks.extent;
        out.fatal = current.tasks.fatal.take();
        Ok(out)
    }

    /// What is put in the place of an address, which waits for its text.
    fn text(&self, reference: &Reference, changes: &mut Changes) -> Result<Put> {
        let Some(Item::Text(coming)) = self.item()? else {
            return Err(out_of_step());
        };
        let Some(address) = &reference.address else {
            let reason = "the field that holds the address of a text is no text itself";
            return Ok(Put::Fault(Fault::new(Code::NotInlined, reason)));
        };
        let Some(mut coming) = coming else {
            return Ok(Put::AsItIs);
        };
        let most = self.fetching.most;
        self.wait(&coming)?;
        if matches!(coming.got.get(), Some(Got::TooLarge)) {
            // It is its turn: nobody else's text is that large.
            coming = self.fetching.start(reference.field, address.clone(), most);
            self.wait(&coming)?;
        }
        match coming.got.get() {
            Some(Got::Value(_, more)) => {
                *changes += *more;
                self.around.watch.inlined.fetch_add(1, Ordering::Relaxed);
                Ok(Put::Value(coming))
            }
            Some(Got::TooLarge) => {
                let why = format!("is larger than the {most} bytes that a task may have of it");
                let fault = Fault::new(Code::TaskTooLarge, told(address, &why));
                Ok(Put::Fault(fault.help(
                    "leave it where it is, and import its address without `--inline`",
                )))
            }
            Some(Got::Fault(fault)) => Ok(Put::Fault(fault.clone())),
            None => Err(Error::new(
                Code::Internal,
                "fetching a text ended without a word",
            )),
        }
    }

    fn wait(&self, coming: &Coming) -> Result<()> {
        if coming.got.get().is_some() {
            return Ok(());
        }
        select! {
            recv(coming.ready) -> _ => Ok(()),
            recv(self.cancelled) -> _ => Err(stopped()),
        }
    }
}

/// What is put in the place of an address.
enum Put {
    /// A text.
    Value(Arc<Coming>),
    /// The address, in a task that nobody wants any more.
    AsItIs,
    /// Nothing: the record is rejected.
    Fault(Fault),
}

fn stopped() -> Error {
    Error::new(Code::Interrupted, "stopped")
}

fn out_of_step() -> Error {
    Error::new(Code::Internal, "texts and their tasks are out of step")
}
