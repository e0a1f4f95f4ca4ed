//! `--provenance`: where each task is from, in `meta.source` of the task itself.
//!
//! Which record of its source a task is becomes known where chunks come together in order, so room is left for the
//! number at a fixed distance from the task's end, and the batcher puts it there.

use std::borrow::Cow;

use super::mapping::key;
use crate::decode::scan::members;
use crate::decode::watch::is_key;
use crate::error::{Code, Fault};
use crate::place::SourceId;
use crate::source::listed::Sources;

/// Digits of the largest record number: a million million records.
const DIGITS: usize = 12;

/// What follows the number: the ends of `source`, `meta` and the task.
const CLOSE: &[u8] = b"}}}";

/// What is said of the origin of tasks.
#[derive(Clone, Debug)]
pub struct Provenance {
    run: String,
    sources: Sources,
    /// Of each of the first sources, what stands before the record's number.
    opens: Vec<Vec<u8>>,
}

/// Of so many sources it is held.
const HELD: usize = 4096;

impl Provenance {
    /// Of the tasks of a run from these sources.
    #[must_use]
    pub fn new(run: &str, sources: &Sources) -> Self {
        let first = sources.iter().take(HELD).map_while(Result::ok);
        Provenance {
            run: run.to_owned(),
            opens: first.map(|source| opening(run, &source.name)).collect(),
            sources: sources.clone(),
        }
    }

    /// The same of another run.
    #[must_use]
    pub fn of_run(&self, run: &str) -> Self {
        Self::new(run, &self.sources)
    }

    /// Adds it to a task of which nothing but `data` was written, `out[start..]`.
    pub(super) fn add(&self, source: SourceId, out: &mut Vec<u8>) {
        out.pop();
        out.extend_from_slice(br#","meta":"#);
        self.close(source, out, 0);
    }

    /// Adds it to a task that the source has whole, and which has been checked.
    ///
    /// # Errors
    /// When the task's own `meta` leaves no room for it.
    pub(super) fn add_to_task(&self, source: SourceId, task: &str) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::with_capacity(task.len() + 128);
        let mut meta = None;
        members(task, |quoted, value| {
            if is_key(quoted.as_bytes(), "meta") {
                meta = Some(value);
                return;
            }
            out.push(if out.is_empty() { b'{' } else { b',' });
            out.extend_from_slice(quoted.as_bytes());
            out.push(b':');
            out.extend_from_slice(value.as_bytes());
        })?;
        out.extend_from_slice(br#","meta":"#);
        match meta {
            None | Some("null") => {}
            Some(meta) if meta.starts_with('{') => {
                let mut first = true;
                let mut taken = false;
                members(meta, |quoted, value| {
                    taken |= is_key(quoted.as_bytes(), "source");
                    out.push(if first { b'{' } else { b',' });
                    first = false;
                    out.extend_from_slice(quoted.as_bytes());
                    out.push(b':');
                    out.extend_from_slice(value.as_bytes());
                })?;
                if taken {
                    return Err(no_room("has a `source` already"));
                }
                if !first {
                    out.push(b',');
                    self.close(source, &mut out, 1);
                    return Ok(out);
                }
            }
            Some(_) => return Err(no_room("is no object")),
        }
        self.close(source, &mut out, 0);
        Ok(out)
    }

    /// Appends `{"source":{...}}` with room for the number, and the task's end; of what it opens with, `skip` bytes are
    /// there already.
    fn close(&self, source: SourceId, out: &mut Vec<u8>, skip: usize) {
        let held = self.opens.get(source.0 as usize).map(Cow::Borrowed);
        let open = held.unwrap_or_else(|| {
            let name = self.sources.name(source);
            Cow::Owned(opening(&self.run, &name))
        });
        out.extend_from_slice(&open[skip..]);
        out.extend_from_slice(&[b' '; DIGITS]);
        out.extend_from_slice(CLOSE);
    }
}

/// What stands before a record's number.
fn opening(run: &str, source: &str) -> Vec<u8> {
    let mut open = br#"{"source":{"#.to_vec();
    for (at, (field, text)) in [("source", source), ("run", run)].into_iter().enumerate() {
        open.extend_from_slice(if at == 0 { b"" } else { b"," });
        open.extend(key(field));
        // A key is a string too.
        let text = key(text);
        open.extend_from_slice(&text[..text.len() - 1]);
    }
    open.extend_from_slice(br#","record":"#);
    open
}

/// Puts a record's number into the room that was left for it in a task.
pub fn number(task: &mut [u8], record: u64) {
    let Some(room) = task.len().checked_sub(CLOSE.len()) else {
        return;
    };
    let mut record = record;
    for digit in task[..room].iter_mut().rev().take(DIGITS) {
        *digit = b'0' + (record % 10) as u8;
        record /= 10;
        if record == 0 {
            break;
        }
    }
}

#[cold]
fn no_room(why: &str) -> Fault {
    Fault::new(
        Code::FieldTwice,
        format!("the task's `meta` {why}, so where it is from has no place in it"),
    )
    .help("import without `--provenance`, or mend the task's `meta`")
}
