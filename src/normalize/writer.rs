//! Writes the records of a chunk as tasks, one after another, while each is still in the cache.

use super::Normalizer;
use super::fit::beside::Judged;
use super::inline::Inline;
use super::layout::Layout;
use super::predictions::{self, PredictionsFrom};
use super::tasks::{RAW_BYTES, TaskMark, Tasks};
use crate::budget::ANSWER_BYTES;
use crate::decode::scan::{self, Kind, Value};
use crate::decode::{Changes, Consumer, Mark, Row, write};
use crate::error::{Code, Fault};

/// Writes the records of a chunk as tasks.
pub(super) struct Writer<'a> {
    pub(super) normalizer: &'a Normalizer,
    pub(super) judged: &'a mut Judged,
    pub(super) layout: &'a Layout,
    pub(super) predicted: Option<&'a [usize]>,
    pub(super) tasks: Tasks,
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
        if let Some(inline) = &self.normalizer.inline {
            self.refer(inline, start, raw);
        }
        let end = self.tasks.bytes.len();
        self.tasks.marks.push(TaskMark { end, mark });
        self.tasks.bytes.push(self.normalizer.separator);
    }

    /// Notes the addresses in the task that starts at `start` and is yet to be counted.
    #[cold]
    fn refer(&mut self, inline: &Inline, start: usize, raw: &[u8]) {
        let number = self.tasks.marks.len();
        let task = std::str::from_utf8(&self.tasks.bytes[start..]).unwrap_or_default();
        let references = &mut self.tasks.references;
        let before = references.len();
        inline.references(task, number, start, references);
        if references.len() > before {
            let raw = raw[..raw.len().min(RAW_BYTES)].to_vec();
            self.tasks.raws.push((number, raw));
        }
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
