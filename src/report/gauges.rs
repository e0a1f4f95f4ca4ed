//! How full what is between the stages is, and how long imports took: looked at by whoever asks, told by nobody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::mpsc::WeakSender;

use crate::batch::import::Import;
use crate::budget::Budget;

/// What is between the stages, once it is there.
#[derive(Default)]
pub struct Gauges {
    memory: OnceLock<Arc<Budget>>,
    order: OnceLock<Arc<Budget>>,
    /// The way from the batcher to the deliverer.
    pub imports: OnceLock<WeakSender<Import>>,
}

impl Gauges {
    /// What the reader takes from: memory, and places in the order.
    pub fn reading(&self, memory: &Arc<Budget>, order: &Arc<Budget>) {
        // There is one reader in a run.
        let _ = self.memory.set(Arc::clone(memory));
        let _ = self.order.set(Arc::clone(order));
    }

    /// Bytes in flight between the reader and the batcher, and how many there may be.
    #[must_use]
    pub fn memory(&self) -> (usize, usize) {
        self.memory
            .get()
            .map_or((0, 0), |memory| (memory.in_flight(), memory.total()))
    }

    /// Chunks that are in the order: being worked on, or waiting for their turn.
    #[must_use]
    pub fn chunks(&self) -> usize {
        self.order.get().map_or(0, |order| order.shares())
    }

    /// Imports that are ready and wait for the deliverer.
    #[must_use]
    pub fn imports(&self) -> usize {
        let way = self.imports.get().and_then(WeakSender::upgrade);
        way.map_or(0, |way| way.max_capacity() - way.capacity())
    }
}

/// The upper ends of the classes of [`Durations`], in seconds.
pub const CLASSES: [f64; 12] = [
    0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
];

/// How many durations are in which class, and their sum.
#[derive(Debug, Default)]
pub struct Durations {
    /// Of each class, and those that are longer than all.
    classes: [AtomicU64; CLASSES.len() + 1],
    micros: AtomicU64,
}

impl Durations {
    /// Adds one.
    pub fn add(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let class = CLASSES.partition_point(|end| *end < seconds);
        self.classes[class].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// How many are in each class, none of them counted twice; the last are those that are longer than all.
    #[must_use]
    pub fn classes(&self) -> [u64; CLASSES.len() + 1] {
        self.classes
            .each_ref()
            .map(|class| class.load(Ordering::Relaxed))
    }

    /// Their mean; zero if there is none.
    #[must_use]
    pub fn mean(&self) -> Duration {
        let count: u64 = self.classes().iter().sum();
        self.sum() / u32::try_from(count.max(1)).unwrap_or(u32::MAX)
    }

    /// All together.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }
}
