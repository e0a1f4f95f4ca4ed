//! What the batcher takes: tasks in order, each with its texts in the place of their addresses.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::{Receiver, select};

use super::{Around, Coming, Fetching, Got, Item};
use crate::budget::ANSWER_BYTES;
use crate::decode::Changes;
use crate::error::{Code, Error, Fault, Result};
use crate::normalize::inline::Reference;
use crate::normalize::media::told;
use crate::normalize::tasks::{TaskMark, Tasks};

/// The answers of the pool, with texts in the place of addresses.
pub(in crate::pipeline) struct Inlined {
    pub(super) around: Arc<Around>,
    pub(super) fetching: Fetching,
    pub(super) items: Receiver<Item>,
    pub(super) cancelled: Receiver<()>,
    pub(super) current: Option<Current>,
    pub(super) ended: bool,
}

/// An answer whose tasks are gone through.
pub(super) struct Current {
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
                    tasks: (*tasks)?,
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
