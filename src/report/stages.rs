//! The account of a run's time: for each stage what left it, and how long its threads worked and waited.
//!
//! ```text
//! stage     bytes                     waits for input                waits for room
//! read      read, as stored           the source's bytes             memory; a place in the order
//! decode    encoded tasks, taken      chunks                         its answers to be taken
//! batch     imports, handed on        answers, the oldest first      the writer; the deliverer to take an import
//! deliver   imports, delivered        imports                        its turn at the server
//! ```
//!
//! `decode` is decode and normalize, one job a chunk: a worker without a job waits for room if there is a job that is
//! parked, being as far ahead as it may be, or if the reader has no room to bring another; otherwise for input. Reading
//! a Parquet row group is a part of its job. The files of a folder are written on a thread that is in no stage. `deliver`
//! counts as one thread, busy while any import is on its way, and while a server's imports are counted at the end. What
//! comes before the first byte is read, such as the survey of columns, is in no stage.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

use super::seconds;
use crate::stopwatch::{Spent, Stopwatch};

/// What the stages tell while a run goes, but for the reader, whose part is in its
/// [`Progress`](crate::read::Progress).
#[derive(Debug, Default)]
pub struct Stages {
    /// What the workers do.
    pub decode: Arc<Stopwatch>,
    /// What the batcher does.
    pub batch: Arc<Stopwatch>,
    /// What the deliverer does.
    pub deliver: Stopwatch,
    /// Bytes of encoded tasks that the batcher has taken.
    pub decoded: AtomicU64,
    /// Bytes of imports that the batcher has handed on.
    pub batched: AtomicU64,
}

/// The account of a run's time, stage by stage.
#[derive(Clone, Debug, Serialize)]
pub struct Account {
    /// The reader.
    pub read: Stage,
    /// The workers: decode and normalize.
    pub decode: Stage,
    /// The batcher.
    pub batch: Stage,
    /// The deliverer, and the sink.
    pub deliver: Stage,
}

/// One stage's part of the account.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// Its threads; the seconds are those of all of them, added up.
    pub threads: usize,
    /// Bytes that left it.
    pub bytes: u64,
    /// It worked.
    #[serde(serialize_with = "seconds")]
    pub seconds_busy: Duration,
    /// It waited for the stage before it, or for the source.
    #[serde(serialize_with = "seconds")]
    pub seconds_waiting_for_input: Duration,
    /// It waited for the stage after it, or for memory, or for its turn at the server.
    #[serde(serialize_with = "seconds")]
    pub seconds_waiting_for_room: Duration,
}

impl Stages {
    /// The account so far; `read` is the reader's part, `delivered` what the deliverer has counted.
    #[must_use]
    pub fn account(&self, read: &Stopwatch, bytes_read: u64, delivered: u64) -> Account {
        Account {
            read: Stage::of(read.spent(), bytes_read),
            decode: Stage::of(self.decode.spent(), self.decoded.load(Ordering::Relaxed)),
            batch: Stage::of(self.batch.spent(), self.batched.load(Ordering::Relaxed)),
            deliver: Stage::of(self.deliver.spent(), delivered),
        }
    }
}

impl Stage {
    fn of(spent: Spent, bytes: u64) -> Self {
        Stage {
            threads: spent.threads,
            bytes,
            seconds_busy: spent.busy,
            seconds_waiting_for_input: spent.waiting_for_input,
            seconds_waiting_for_room: spent.waiting_for_room,
        }
    }
}
