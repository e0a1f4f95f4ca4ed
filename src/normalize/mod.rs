//! **Takes** the records of one [`Chunk`], from its decoder.
//! **Gives** [`Tasks`]: encoded Label Studio tasks, a mark for each, and what was rejected on the way.
//! **Waits on** nothing.
//! **To add one:** a rule on fields belongs in [`mapping`]; a new kind of record is a method of [`Consumer`].
//!
//! Decoding and normalizing are one job: a record is written as a task while it is still in the cache.

pub mod data_key;
pub mod dedupe;
pub mod fit;
pub mod join;
pub mod layout;
pub mod mapping;
pub mod media;
pub mod predictions;
pub mod provenance;
pub mod tasks;

use std::sync::Arc;

use self::dedupe::Dedupe;
use self::fit::Fit;
use self::fit::beside::Judged;
use self::join::Join;
use self::layout::Layout;
use self::mapping::Mapping;
use self::media::Dead;
use self::predictions::PredictionsFrom;
use self::provenance::Provenance;
use self::tasks::{TaskMark, Tasks};
use crate::budget::{ANSWER_BYTES, Held};
use crate::buffer::{Buffer, Buffers};
use crate::decode::scan::{self, Kind, Value};
use crate::decode::{Changes, Consumer, Decode, Decoder, Fatal, Mark, Nul, Row, write};
use crate::error::{Code, Fault, Result};
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
        Some(tasks)
    }
}

/// Writes the records of a chunk as tasks.
struct Writer<'a> {
    normalizer: &'a Normalizer,
    judged: &'a mut Judged,
    layout: &'a Layout,
    predicted: Option<&'a [usize]>,
    tasks: Tasks,
}

impl Writer<'_> {
    /// Ends the task that starts at `start`, of which only the data is written.
    #[inline]
    fn finish(&mut self, mark: Mark, start: usize, raw: &[u8]) {
        if let Some(provenance) = &self.normalizer.provenance {
            provenance.add(self.tasks.source, &mut self.tasks.bytes);
        }
        self.end(mark, start, raw);
    }

    /// Ends the task that starts at `start`: a mark and a separator, or a reject if it is too large.
    fn end(&mut self, mark: Mark, start: usize, raw: &[u8]) {
        if let Some(join) = &self.normalizer.join
            && let Err(fault) = join.add(&mut self.tasks.bytes, start)
        {
            return self.discard(mark, start, fault, raw);
        }
        let bytes = self.tasks.bytes.len() - start;
        let most = self.normalizer.task_bytes;
        if bytes > most {
            self.tasks.bytes.truncate(start);
            let reason = format!("the task has {bytes} bytes, an import holds {most} of one task");
            let fault = Fault::new(Code::TaskTooLarge, reason).help(
                "leave large fields out with `--pick`, or store them elsewhere and refer to them",
            );
            return self.fault(mark, fault, raw);
        }
        if let Some(dead) = &self.normalizer.dead {
            let task = std::str::from_utf8(&self.tasks.bytes[start..]);
            if let Some(fault) = dead.fault(task.unwrap_or_default()) {
                return self.discard(mark, start, fault, raw);
            }
        }
        if self.normalizer.separator == b'\n' {
            // A line end can only stand between the tokens of JSON text, where a space is as good.
            for byte in &mut self.tasks.bytes[start..] {
                if matches!(byte, b'\n' | b'\r') {
                    *byte = b' ';
                }
            }
        }
        if let Some(dedupe) = &self.normalizer.dedupe {
            let task = std::str::from_utf8(&self.tasks.bytes[start..]);
            let hash = task.ok().and_then(|task| dedupe.hash(task));
            self.tasks.hashes.push(hash);
        }
        let end = self.tasks.bytes.len();
        self.tasks.marks.push(TaskMark { end, mark });
        self.tasks.bytes.push(self.normalizer.separator);
    }

    /// Begins the task of a single value, which is of the type of `like`, a JSON text.
    #[inline]
    fn single(&mut self, like: &str) -> Result<(), Fault> {
        self.layout.open_single(&mut self.tasks.bytes)?;
        match (&self.layout.single_need, &self.normalizer.fit) {
            (Err(fault), _) => Err(fault.clone()),
            (Ok(Some(need)), Some(fit)) => fit.single_value(*need, like),
            (Ok(_), _) => Ok(()),
        }
    }

    /// Adds the predictions made of a row to its task, which starts at `start`.
    #[cold]
    fn predict_row<R: Row>(
        &mut self,
        start: usize,
        row: &R,
        columns: &[usize],
    ) -> Result<(), Fault> {
        let Some(from) = &self.normalizer.predictions else {
            return Ok(());
        };
        predictions::add(&mut self.tasks.bytes, start, false, |out| {
            let cell = |column: &usize| {
                let mut json = Vec::new();
                row.cell(*column, &mut json, &mut Changes::default())?;
                Ok(Some(String::from_utf8_lossy(&json).into_owned().into()))
            };
            let values: Result<Vec<_>, Fault> = columns.iter().map(cell).collect();
            from.append(&values?, out)
        })
    }

    /// Adds the predictions made of an object or a task to what was written of it from `start` on.
    #[cold]
    fn predict_json(
        &mut self,
        start: usize,
        value: Value<'_>,
        from: &PredictionsFrom,
    ) -> Result<(), Fault> {
        let is_task = value.kind == Kind::Task;
        let data = if is_task {
            scan::data_of(value.text).unwrap_or(value.text)
        } else {
            value.text
        };
        predictions::add(&mut self.tasks.bytes, start, is_task, |out| {
            from.append(&from.values(data)?, out)
        })
    }

    fn discard(&mut self, mark: Mark, start: usize, fault: Fault, raw: &[u8]) {
        self.tasks.bytes.truncate(start);
        self.fault(mark, fault, raw);
    }
}

impl Consumer for Writer<'_> {
    #[inline]
    fn is_full(&self) -> bool {
        self.tasks.bytes.len() >= ANSWER_BYTES
    }

    #[inline]
    fn json(&mut self, mark: Mark, value: Value<'_>) {
        if value.kind != Kind::Other
            && let Some(fit) = &self.normalizer.fit
            && let Err(fault) = fit.json(&value, self.judged)
        {
            return self.fault(mark, fault, value.text.as_bytes());
        }
        let start = self.tasks.bytes.len();
        let mapping = &self.normalizer.mapping;
        let out = &mut self.tasks.bytes;
        let outcome = match value.kind {
            Kind::Task if mapping.is_identity() => {
                out.extend_from_slice(value.text.as_bytes());
                Ok(())
            }
            Kind::Object if mapping.is_identity() => {
                out.extend_from_slice(br#"{"data":"#);
                out.extend_from_slice(value.text.as_bytes());
                out.push(b'}');
                Ok(())
            }
            Kind::Task => mapping.task(value.text, out),
            Kind::Object => mapping.object(value.text, out),
            Kind::Other => self.single(value.text).map(|()| {
                let out = &mut self.tasks.bytes;
                out.extend_from_slice(value.text.as_bytes());
                out.extend_from_slice(&self.layout.single_close);
            }),
        };
        let outcome = match &self.normalizer.predictions {
            Some(from) if value.kind != Kind::Other => {
                outcome.and_then(|()| self.predict_json(start, value, from))
            }
            _ => outcome,
        };
        if value.kind == Kind::Task
            && let (Ok(()), Some(provenance)) = (&outcome, &self.normalizer.provenance)
        {
            let task = std::str::from_utf8(&self.tasks.bytes[start..]).unwrap_or_default();
            return match provenance.add_to_task(self.tasks.source, task) {
                Ok(task) => {
                    self.tasks.bytes.truncate(start);
                    self.tasks.bytes.extend_from_slice(&task);
                    self.end(mark, start, value.text.as_bytes());
                }
                Err(fault) => self.discard(mark, start, fault, value.text.as_bytes()),
            };
        }
        match outcome {
            Ok(()) => self.finish(mark, start, value.text.as_bytes()),
            Err(fault) => self.discard(mark, start, fault, value.text.as_bytes()),
        }
    }

    #[inline]
    fn text(&mut self, mark: Mark, text: &str) {
        let start = self.tasks.bytes.len();
        let written = self.single("\"\"").and_then(|()| {
            let (nul, tasks) = (self.normalizer.nul, &mut self.tasks);
            write::string(&mut tasks.bytes, text, nul, &mut tasks.changes)
        });
        match written {
            Ok(()) => {
                let out = &mut self.tasks.bytes;
                out.extend_from_slice(&self.layout.single_close);
                self.finish(mark, start, text.as_bytes());
            }
            Err(fault) => self.discard(mark, start, fault, text.as_bytes()),
        }
    }

    #[inline]
    fn row<R: Row>(&mut self, mark: Mark, row: &R) {
        let start = self.tasks.bytes.len();
        let tasks = &mut self.tasks;
        tasks.bytes.extend_from_slice(&self.layout.open);
        for cell in &self.layout.cells {
            tasks.bytes.extend_from_slice(&cell.before);
            let from = tasks.bytes.len();
            let mut outcome = row.cell(cell.column, &mut tasks.bytes, &mut tasks.changes);
            if let (Ok(()), Some(need), Some(fit)) = (&outcome, cell.need, &self.normalizer.fit) {
                outcome = fit.cell(need, &tasks.bytes[from..]);
            }
            if let Err(fault) = outcome {
                return self.discard(mark, start, fault, row.raw());
            }
        }
        tasks.bytes.extend_from_slice(&self.layout.close);
        if let Some(columns) = self.predicted
            && let Err(fault) = self.predict_row(start, row, columns)
        {
            return self.discard(mark, start, fault, row.raw());
        }
        self.finish(mark, start, row.raw());
    }

    fn fault(&mut self, mark: Mark, fault: Fault, raw: &[u8]) {
        self.tasks.reject(mark, fault, raw);
    }

    fn changed(&mut self, changes: Changes) {
        self.tasks.changes += changes;
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
    }
}
