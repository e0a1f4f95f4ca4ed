//! One import: its limits are kept by construction, since [`Filling`] alone can make one.

use serde::Serialize;

use super::body::{Bodies, Body};
use super::limits::{Limits, Wanted};
use crate::error::{Code, Error, Result};
use crate::normalize::tasks::Tasks;
use crate::place::Place;

/// Tasks that are sent, or written, as one.
#[derive(Debug)]
pub struct Import {
    /// What is known of it.
    pub about: About,
    /// Its bytes.
    pub body: Body,
    /// Its tasks one by one, if it is [divisible](super::body::Store::Divisible) or not kept at all.
    pub tasks: Vec<TaskAt>,
}

/// One task of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskAt {
    /// The offset after its last byte in the import's body.
    pub end: usize,
    /// Where its record starts.
    pub place: Place,
}

/// What is known of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct About {
    /// Its number in the run, from 1.
    pub number: u64,
    /// How many tasks it holds.
    pub tasks: usize,
    /// Its exact size in bytes.
    pub bytes: usize,
    /// The digest of its bytes.
    pub blake3: Digest,
    /// Where its first task's record starts.
    pub first: Place,
    /// Where its last task's record starts.
    pub last: Place,
    /// Where the record of the next import's first task starts; nothing if this is the last import. All rejects
    /// before it have been handed on.
    #[serde(skip)]
    pub next: Option<Place>,
}

/// A BLAKE3 digest in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Digest(pub String);

/// An import in the making.
pub struct Filling {
    limits: Limits,
    wanted: Wanted,
    bodies: Bodies,
    number: u64,
    body: Option<Body>,
    hasher: blake3::Hasher,
    tasks: usize,
    bytes: usize,
    span: Option<(Place, Place)>,
    each: Vec<TaskAt>,
}

/// What became of some tasks.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub enum Push {
    /// So many of them are in.
    Added {
        /// How many.
        tasks: usize,
    },
    /// Not even the first fits: close the import, and push it to the next.
    Full,
    /// The first task fits in no import.
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
    },
}

impl Filling {
    /// An empty one.
    #[must_use]
    pub fn new(number: u64, limits: Limits, wanted: Wanted, bodies: Bodies) -> Self {
        let bytes = limits.framing.open.len() + limits.framing.close.len();
        Filling {
            limits,
            wanted,
            bodies,
            number,
            body: None,
            hasher: blake3::Hasher::new(),
            tasks: 0,
            bytes,
            span: None,
            each: Vec::new(),
        }
    }

    /// Changes how much it is to hold; whether that is another amount than before.
    pub fn want(&mut self, wanted: Wanted) -> bool {
        std::mem::replace(&mut self.wanted, wanted) != wanted
    }

    /// Adds as many of the tasks from number `next` on as fit; `place` says where a task's record starts.
    ///
    /// # Errors
    /// When they cannot be kept.
    pub fn push(
        &mut self,
        tasks: &Tasks,
        next: usize,
        place: impl Fn(usize) -> Place,
    ) -> Result<Push> {
        let start = tasks.task_start(next);
        let separator = usize::from(self.tasks > 0);
        let most = self.limits.all();
        let room = (self.wanted.bytes.min(most.bytes)).saturating_sub(self.bytes + separator);
        let places = (self.wanted.tasks.min(most.tasks)).saturating_sub(self.tasks);
        let candidates = &tasks.marks[next..tasks.marks.len().min(next + places)];
        let mut fit = candidates.partition_point(|mark| mark.end - start <= room);
        if fit == 0 {
            let bytes = tasks.marks[next].end - start;
            if bytes > self.limits.task_bytes() {
                return Ok(Push::TooLarge { bytes });
            }
            if self.tasks > 0 {
                return Ok(Push::Full);
            }
            // Whatever is wanted, a task that fits the limits makes an import.
            fit = 1;
        }
        let marks = &tasks.marks[next..next + fit];
        let end = marks[fit - 1].end;
        if separator == 0 {
            self.body = Some(self.bodies.start(self.number));
            self.append(self.limits.framing.open)?;
        } else {
            self.append(&[self.limits.framing.separator])?;
        }
        if matches!(self.bodies, Bodies::Divisible | Bodies::Nothing) {
            let offset = self.bytes - self.limits.framing.close.len() + separator;
            let each = marks.iter().enumerate().map(|(i, mark)| TaskAt {
                end: offset + mark.end - start,
                place: place(next + i),
            });
            self.each.extend(each);
        }
        self.append(&tasks.bytes[start..end])?;
        self.bytes += separator + end - start;
        self.tasks += fit;
        let last = place(next + fit - 1);
        self.span = Some((
            self.span.map_or_else(|| place(next), |(first, _)| first),
            last,
        ));
        Ok(Push::Added { tasks: fit })
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        match &mut self.body {
            Some(body) => body.push(bytes).map_err(|e| unkept(&e)),
            None => Ok(()),
        }
    }

    /// The import, unless it would be empty; `next` is where the record of the task after it starts.
    ///
    /// # Errors
    /// When its end cannot be kept.
    pub fn close(mut self, next: Option<Place>) -> Result<Option<Import>> {
        self.append(self.limits.framing.close)?;
        if let Some(body) = &mut self.body {
            body.end().map_err(|e| unkept(&e))?;
        }
        let Filling {
            number,
            tasks,
            bytes,
            each,
            ..
        } = self;
        let blake3 = Digest(self.hasher.finalize().to_hex().to_string());
        Ok(self
            .body
            .zip(self.span)
            .map(|(body, (first, last))| Import {
                about: About {
                    number,
                    tasks,
                    bytes,
                    blake3,
                    first,
                    last,
                    next,
                },
                body,
                tasks: each,
            }))
    }
}

fn unkept(cause: &std::io::Error) -> Error {
    Error::new(
        Code::TargetWrite,
        format!("cannot write an import: {cause}"),
    )
}
