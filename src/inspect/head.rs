//! Reads the head of a source: the records that are looked at.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::value::RawValue;

use super::About;
use super::columns::Columns;
use super::fitting::Fitting;
use crate::batch::tracker::Tracker;
use crate::budget::{Budget, Held};
use crate::buffer::{Buffer, Buffers};
use crate::decode::csv_types::survey::survey;
use crate::error::{Fault, Result};
use crate::normalize::mapping::Mapping;
use crate::normalize::tasks::{Rejected, Tasks};
use crate::normalize::{self, Normalizer};
use crate::read::column_types::CsvTypes;
use crate::read::found::Found;
use crate::read::{Body, Chunk, Ended, Framing, Progress, Reader, Reading, Shape};
use crate::rejects::{Reject, Rejects};
use crate::source::Source;
use crate::source::sniff::Format;
use crate::source::spool::SPOOL_LIMIT;
use crate::stop::Stop;

/// Records that are looked at.
const RECORDS: u64 = 1_000;

/// Bytes of tasks after which no more records are looked at.
const BYTES: usize = 1 << 20;

/// How sources are looked at.
pub struct Look<'a> {
    /// How they are read.
    pub reading: &'a Reading,
    /// How records become tasks; these stand a line each.
    pub normalizer: &'a Normalizer,
    /// Bytes that may be in flight.
    pub memory: usize,
    /// How many tasks are kept.
    pub tasks: usize,
}

/// What was seen so far.
struct Seen {
    about: About,
    columns: Columns,
    tracker: Tracker,
    /// The schema's types, by the columns' names.
    arrow: HashMap<String, String>,
    bytes: usize,
    /// All tasks that were looked at, a line each.
    lines: Vec<u8>,
    /// Whether the reading was ended before the source's end.
    enough: bool,
}

impl Look<'_> {
    /// Looks at a source.
    ///
    /// # Errors
    /// When it cannot be read so far.
    pub fn at(&self, source: &Source) -> Result<About> {
        let stop = Arc::new(Stop::default());
        let aside = Budget::new(self.memory, &stop);
        let (found, columns) = (RefCell::<Found>::default(), RefCell::new(None));
        let seen = RefCell::new(Seen {
            about: About::new(source),
            columns: Columns::default(),
            tracker: Tracker::default(),
            arrow: HashMap::new(),
            bytes: 0,
            lines: Vec::new(),
            enough: false,
        });
        // What does not fit the config is to be shown, and shown to be so.
        let normalizer = Arc::new(Normalizer {
            fit: None,
            ..self.normalizer.clone()
        });
        let check_columns = |names: &[String]| {
            *columns.borrow_mut() = Some(names.to_vec());
            normalizer.check_columns(names)
        };
        let submit = |chunk: Chunk| {
            let held = aside.acquire(0, &stop).map_err(|_| Ended)?;
            let chunk = typed(chunk, held);
            let format = found.borrow().format;
            let mut seen = seen.borrow_mut();
            let outcome = seen.chunk(&normalizer, chunk, source, format, self.tasks);
            seen.enough = outcome.is_err();
            outcome
        };
        let outcome = self.read(source, &found, &check_columns, &submit).map(drop);
        let mut seen = seen.into_inner();
        let found = found.into_inner();
        seen.about.found(&found);
        seen.schema(&found);
        match outcome {
            // A source is known by what comes before the trouble, if anything does.
            Err(error) if seen.about.looked_at > 0 => seen.about.fault(&error.into_fault()),
            outcome => outcome?,
        }
        seen.about.all = !seen.enough && seen.about.fault.is_none();
        Ok(self.end(seen, columns.into_inner()))
    }

    /// Reads a source until `submit` wants no more of it; gives the bytes read of it, as stored.
    pub(super) fn read(
        &self,
        source: &Source,
        found: &RefCell<Found>,
        check_columns: &dyn Fn(&[String]) -> Result<()>,
        submit: &dyn Fn(Chunk) -> Result<(), Ended>,
    ) -> Result<u64> {
        let stop = Arc::new(Stop::default());
        let progress = Arc::<Progress>::default();
        let reader = Reader {
            reading: self.reading,
            buffers: &Buffers::new(1),
            budget: &Budget::new(self.memory, &stop),
            threads: 1,
            spool_limit: SPOOL_LIMIT,
            stop: &stop,
            progress: Arc::clone(&progress),
            from: None,
            tables_only: false,
            types: None,
            seen: None,
            found: Some(found),
            check_columns,
            submit,
        };
        reader.one(source)?;
        Ok(progress.bytes.load(Ordering::Relaxed))
    }

    fn end(&self, seen: Seen, names: Option<Vec<String>>) -> About {
        let mut about = seen.about;
        about.more_columns = seen.columns.more;
        about.columns = seen.columns.columns(&seen.arrow);
        if about.columns.is_empty() {
            // A table without rows has columns all the same.
            let mut none = Columns::default();
            let names = names.unwrap_or_default();
            let named = names
                .iter()
                .filter_map(|name| self.normalizer.mapping.name_of(name));
            let data: serde_json::Map<_, _> = named
                .map(|name| (name.to_owned(), serde_json::Value::Null))
                .collect();
            if !data.is_empty() {
                none.task(&serde_json::json!({ "data": data }).to_string());
            }
            about.columns = none.columns(&seen.arrow);
            for column in &mut about.columns {
                column.null = 0;
            }
        }
        let Some(fit) = &self.normalizer.fit else {
            return about;
        };
        let mut fitting = Fitting::new(fit.config(), &about.columns);
        let tasks = memchr::memchr_iter(b'\n', &seen.lines).count() as u64;
        // The tasks are held to the config as they would be if they stood in a file.
        if let Ok(fit) = fit.of_tasks() {
            let normalizer = Arc::new(Normalizer {
                mapping: Mapping::default(),
                fit: Some(Arc::new(fit)),
                predictions: None,
                provenance: None,
                dedupe: None,
                join: None,
                ..self.normalizer.clone()
            });
            let stop = Arc::new(Stop::default());
            let held = Budget::new(self.memory, &stop).acquire(0, &stop);
            if let Ok(held) = held {
                let lines = Buffer::from(seen.lines);
                let chunk = normalize::text_chunk(lines, Shape::Json(Framing::Lines), held);
                for tasks in normalize::tasks(&normalizer, chunk) {
                    for Rejected { fault, .. } in tasks.rejected {
                        fitting.misfit += 1;
                        fitting.misfits(fault);
                    }
                }
            }
        }
        fitting.fit = tasks - fitting.misfit;
        about.fitting = Some(fitting);
        about
    }
}

impl Seen {
    /// Looks at a chunk; ends the reading when enough is seen.
    fn chunk(
        &mut self,
        normalizer: &Arc<Normalizer>,
        chunk: Chunk,
        source: &Source,
        format: Option<Format>,
        keep: usize,
    ) -> Result<(), Ended> {
        self.about.shape(&chunk.shape, format);
        if let Body::Batch(batch) = &chunk.body {
            let schema = batch.records.schema();
            self.fields(schema.fields());
        }
        let typed =
            matches!(&*chunk.shape, Shape::Table { typing, .. } if typing.rule != CsvTypes::Text);
        for mut tasks in normalize::tasks(normalizer, chunk) {
            self.tracker.enter(tasks.source, tasks.start);
            self.tasks(&tasks, keep);
            for rejected in std::mem::take(&mut tasks.rejected) {
                self.about.looked_at += 1;
                let by_code = &mut self.about.rejects_by_code;
                count(by_code, &self.tracker, rejected, &tasks.shape, &source.name);
            }
            if let Some(fatal) = &tasks.fatal {
                let place = self.tracker.place(fatal.mark);
                let spot = Reject::fatal(place, fatal.clone(), &tasks.shape).spot_in(&source.name);
                let fault = Fault {
                    reason: format!("{spot}: {}", fatal.fault.reason),
                    ..fatal.fault.clone()
                };
                self.about.fault(&fault);
                return Err(Ended);
            }
            if let Some(extent) = tasks.extent {
                self.tracker.leave(extent);
            } else if self.is_enough() {
                return Err(Ended);
            }
        }
        // The types of columns are those of what came first.
        if self.is_enough() || typed {
            Err(Ended)
        } else {
            Ok(())
        }
    }

    fn is_enough(&self) -> bool {
        self.about.looked_at >= RECORDS || self.bytes >= BYTES
    }

    fn tasks(&mut self, tasks: &Tasks, keep: usize) {
        for (i, mark) in tasks.marks.iter().enumerate() {
            let task = &tasks.bytes[tasks.task_start(i)..mark.end];
            self.about.looked_at += 1;
            self.bytes += task.len();
            let task = std::str::from_utf8(task).unwrap_or_default();
            self.columns.task(task);
            self.lines.extend_from_slice(task.as_bytes());
            self.lines.push(b'\n');
            if self.about.tasks.len() < keep
                && let Ok(task) = RawValue::from_string(task.to_owned())
            {
                self.about.tasks.push(task);
            }
            if self.is_enough() {
                break;
            }
        }
    }

    fn schema(&mut self, found: &Found) {
        if let Some(schema) = &found.schema {
            self.fields(schema.fields());
        }
    }

    fn fields(&mut self, fields: &arrow_schema::Fields) {
        let fields = fields.iter().map(|field| {
            let null = if field.is_nullable() {
                ""
            } else {
                ", not null"
            };
            (field.name().clone(), format!("{}{null}", field.data_type()))
        });
        self.arrow = fields.collect();
    }
}

/// A chunk of a table whose columns are to have types: with those that its own cells say. `held` is for the copy that is
/// looked at.
fn typed(mut chunk: Chunk, held: Held) -> Chunk {
    let (Shape::Table { typing, .. }, Body::Text(text)) = (&*chunk.shape, &chunk.body) else {
        return chunk;
    };
    if typing.rule == CsvTypes::Text {
        return chunk;
    }
    let surveyed = survey(Chunk {
        source: chunk.source,
        start: chunk.start,
        shape: Arc::clone(&chunk.shape),
        body: Body::Text(Buffer::from(text.to_vec())),
        held,
        only_counted: false,
    });
    if let (Some(surveyed), Shape::Table { typing, .. }) =
        (surveyed, Arc::make_mut(&mut chunk.shape))
    {
        typing.columns = surveyed.columns.types();
    }
    chunk
}

fn count(
    by_code: &mut BTreeMap<&'static str, Rejects>,
    tracker: &Tracker,
    rejected: Rejected,
    shape: &Arc<Shape>,
    source: &str,
) {
    let Rejected { mark, fault, raw } = rejected;
    let reject = Reject::new(tracker.place(mark), fault, raw, shape);
    by_code
        .entry(reject.code().as_str())
        .or_default()
        .add(&reject, source);
}
