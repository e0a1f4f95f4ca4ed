//! **Takes** the records of one [`Chunk`], from its decoder.
//! **Gives** [`Tasks`]: encoded Label Studio tasks, a mark for each, and what was rejected on the way.
//! **Waits on** nothing.
//! **To add one:** a rule on fields belongs in [`mapping`]; a new kind of record is a method of [`Consumer`](crate::decode::Consumer).
//!
//! Decoding and normalizing are one job: a record is written as a task while it is still in the cache.

pub mod data_key;
pub mod dedupe;
pub mod fit;
pub mod inline;
pub mod join;
pub mod layout;
pub mod mapping;
pub mod media;
pub mod predictions;
pub mod provenance;
pub mod tasks;
mod writer;

use std::sync::Arc;

use self::dedupe::Dedupe;
use self::fit::Fit;
use self::fit::beside::Judged;
use self::inline::Inline;
use self::join::Join;
use self::layout::Layout;
use self::mapping::Mapping;
use self::media::Dead;
use self::predictions::PredictionsFrom;
use self::provenance::Provenance;
use self::tasks::Tasks;
use self::writer::Writer;
use crate::budget::{ANSWER_BYTES, Held};
use crate::buffer::{Buffer, Buffers};
use crate::decode::{Decode, Decoder, Fatal, Mark, Nul};
use crate::error::Result;
use crate::place::SourceId;
use crate::read::{Before, Body, Chunk, Shape, Start};

/// How records become tasks.
#[derive(Clone, Debug)]
pub struct Normalizer {
    /// What happens to fields on the way.
    pub mapping: Mapping,
    /// What the labelling config asks of every task, if one is known.
    pub fit: Option<Arc<Fit>>,
    /// Which fields become predictions, if any do.
    pub predictions: Option<Arc<PredictionsFrom>>,
    /// What is said of where tasks are from, if anything is.
    pub provenance: Option<Provenance>,
    /// By what records that come again are known, if they are to be left out.
    pub dedupe: Option<Dedupe>,
    /// The fields that a table holds beside the tasks, if there is one.
    pub join: Option<Arc<Join>>,
    /// The media that are not there, if any were looked for and are missing.
    pub dead: Option<Arc<Dead>>,
    /// The fields whose addresses are to be replaced by the texts behind them, if any are.
    pub inline: Option<Arc<Inline>>,
    /// What to do about NUL characters.
    pub nul: Nul,
    /// Bytes of the largest task that fits in an import.
    pub task_bytes: usize,
    /// The byte between tasks: a comma in a JSON array, a line feed in JSON Lines.
    pub separator: u8,
    /// Where buffers for tasks come from.
    pub buffers: Buffers,
}

impl Normalizer {
    /// The same for the tasks of another run.
    #[must_use]
    pub fn of_run(self: &Arc<Self>, run: &str) -> Arc<Normalizer> {
        match &self.provenance {
            None => Arc::clone(self),
            Some(provenance) => Arc::new(Normalizer {
                provenance: Some(provenance.of_run(run)),
                ..(**self).clone()
            }),
        }
    }

    /// The same, which refuses tasks that speak of media that are not there.
    #[must_use]
    pub fn refusing(self: Arc<Self>, dead: Option<Dead>) -> Arc<Normalizer> {
        match dead.filter(|dead| !dead.why.is_empty()) {
            None => self,
            Some(dead) => Arc::new(Normalizer {
                dead: Some(Arc::new(dead)),
                ..(*self).clone()
            }),
        }
    }

    /// Whether it takes certain columns for a table to be normalized.
    #[must_use]
    pub fn names_columns(&self) -> bool {
        self.mapping.source_names().next().is_some()
            || self.fit.is_some()
            || self.predictions.is_some()
            || self.join.is_some()
    }

    /// Whether a table with these columns can be normalized at all.
    ///
    /// # Errors
    /// When a column is missing, or two would have one name.
    pub fn check_columns(&self, columns: &[String]) -> Result<()> {
        self.mapping.check_columns(columns)?;
        if let Some(fit) = &self.fit {
            fit.columns(columns)?;
        }
        if let Some(join) = &self.join {
            join.check_fields(
                columns
                    .iter()
                    .filter_map(|column| self.mapping.name_of(column)),
            )?;
        }
        match &self.predictions {
            Some(from) => from.places(columns).map(drop),
            None => Ok(()),
        }
    }
}

/// Starts the work on one chunk: the answers are made as they are asked for, about [`ANSWER_BYTES`] each.
#[must_use]
pub fn tasks(normalizer: &Arc<Normalizer>, mut chunk: Chunk) -> TaskStream {
    let fit = normalizer.fit.as_deref();
    let watch = fit.map_or_else(Arc::default, |fit| Arc::clone(fit.watch()));
    let decoder = Decoder::new(&mut chunk, normalizer.nul, &watch);
    let columns = match &*chunk.shape {
        Shape::Table { columns, .. } | Shape::Columns(columns) => Some(columns.as_slice()),
        Shape::Json(_) | Shape::Lines(_) | Shape::Whole(_) | Shape::Rejects => None,
    };
    let layout = Layout::new(&chunk.shape, &normalizer.mapping, fit);
    let from = normalizer.predictions.as_ref().zip(columns);
    let predicted = from.and_then(|(from, columns)| from.places(columns).ok());
    TaskStream {
        normalizer: Arc::clone(normalizer),
        judged: Judged::default(),
        layout,
        predicted,
        decoder: Some(decoder),
        source: chunk.source,
        start: chunk.start,
        shape: chunk.shape,
        held: Arc::new(chunk.held),
        only_counted: chunk.only_counted,
    }
}

/// The tasks of one chunk, in answers of bounded size.
pub struct TaskStream {
    normalizer: Arc<Normalizer>,
    judged: Judged,
    layout: Layout,
    /// The columns that predictions are made from, if they are.
    predicted: Option<Vec<usize>>,
    /// Gone when the chunk has ended.
    decoder: Option<Decoder>,
    source: SourceId,
    start: Start,
    shape: Arc<Shape>,
    held: Arc<Held>,
    only_counted: bool,
}

impl Iterator for TaskStream {
    type Item = Tasks;

    fn next(&mut self) -> Option<Tasks> {
        let mut decoder = self.decoder.take()?;
        let buffer = self
            .normalizer
            .buffers
            .take(ANSWER_BYTES + ANSWER_BYTES / 4);
        let mut tasks = Tasks::new(
            self.source,
            self.start,
            Arc::clone(&self.shape),
            Arc::clone(&self.held),
            buffer,
        );
        tasks.numbered = self.normalizer.provenance.is_some();
        let mut writer = Writer {
            normalizer: &self.normalizer,
            judged: &mut self.judged,
            layout: &self.layout,
            predicted: self.predicted.as_deref(),
            tasks,
        };
        if let Err(fault) = &self.layout.single_open
            && self.layout.only_single
        {
            // None of the source's records has a field: one error says so, where each would say the same.
            writer.tasks.fatal = Some(Fatal::from((Mark::default(), fault.clone())));
            return Some(writer.tasks);
        }
        let outcome = decoder.decode(&mut writer);
        let mut tasks = writer.tasks;
        match outcome {
            Ok(true) => self.decoder = Some(decoder),
            Ok(false) => tasks.extent = Some(decoder.extent()),
            Err(fatal) => tasks.fatal = Some(fatal),
        }
        if self.only_counted {
            tasks.leave_out();
        }
        Some(tasks)
    }
}

/// The text of a chunk, for tests and benches that need no file.
#[must_use]
pub fn text_chunk(text: Buffer, shape: Shape, held: Held) -> Chunk {
    let start = Start::Text {
        byte: 0,
        lines_before: 0,
        before: Before::Nothing,
    };
    Chunk {
        source: SourceId(0),
        start,
        shape: Arc::new(shape),
        body: Body::Text(text),
        held,
        only_counted: false,
    }
}
