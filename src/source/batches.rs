//! Record batches that a caller hands over in memory, one after another: a source where sluice is a library.

use arrow_array::RecordBatch;
use crossbeam_channel::{Receiver, Sender, bounded, select};

use crate::error::{Code, Error, Result};
use crate::stop::Stop;

/// Batches that wait to be read: one that the reader turns to while the caller makes the next.
const WAITING: usize = 1;

/// What is called by this where no other name is given.
pub const NAME: &str = "batches";

/// The end of the caller. Dropped without [`HandOver::end`], it is the end of a caller that failed, and fails the run.
pub struct HandOver(Sender<Handed>);

/// The end of the reader.
#[derive(Clone, Debug)]
pub struct Batches(Receiver<Handed>);

/// What is handed over.
#[derive(Debug)]
enum Handed {
    Batch(RecordBatch),
    End,
}

/// Nobody reads any more: the run has ended, and knows why.
#[derive(Debug, PartialEq, Eq)]
pub struct Unread;

/// Both ends.
#[must_use]
pub fn batches() -> (HandOver, Batches) {
    let (sender, receiver) = bounded(WAITING);
    (HandOver(sender), Batches(receiver))
}

impl HandOver {
    /// Hands over a batch; waits until there is room for it.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub fn give(&self, batch: RecordBatch) -> Result<(), Unread> {
        self.0.send(Handed::Batch(batch)).map_err(|_| Unread)
    }

    /// Says that there are no more.
    pub fn end(self) {
        // Whoever has stopped reading needs no end.
        let _ = self.0.send(Handed::End);
    }
}

impl Batches {
    /// Takes every batch until the caller says that there are no more, or the run is stopped.
    ///
    /// # Errors
    /// Those of `each`; when the caller went away before it said so.
    pub fn each<E: From<Error>>(
        &self,
        stop: &Stop,
        mut each: impl FnMut(RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        let (trip, tripped) = bounded(1);
        stop.on_trip(move || {
            // It is full where it was tripped before.
            let _ = trip.try_send(());
        });
        loop {
            let handed = select! {
                recv(self.0) -> handed => handed,
                recv(tripped) -> _ => return Ok(()),
            };
            match handed {
                Ok(Handed::Batch(batch)) => each(batch)?,
                Ok(Handed::End) => return Ok(()),
                Err(_) => {
                    let message =
                        "whoever handed over the record batches went away before the last";
                    return Err(Error::new(Code::SourceRead, message).into());
                }
            }
        }
    }
}

/// Two are the same if what is handed to one may be read from the other.
impl PartialEq for Batches {
    fn eq(&self, other: &Self) -> bool {
        self.0.same_channel(&other.0)
    }
}

impl Eq for Batches {}
