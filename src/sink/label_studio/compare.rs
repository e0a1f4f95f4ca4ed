//! Comparing what is read from the sources again with what the projects hold.
//!
//! A sink that takes the tasks of a run in order, each with its place, and meets each with the task that the server
//! has for it: imports hold their tasks in the order in which they were sent. A page of tasks is held at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::Path;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::Mutex;

use super::part::Part;
use super::recorded::Recorded;
use super::target::Target;
use crate::batch::body::Store;
use crate::batch::import::Import;
use crate::batch::limits::Wanted;
use crate::deliver::{Begin, Receipt, Run, Sink};
use crate::error::{Code, Error, Result};
use crate::journal::{Entry, RunState, State};
use crate::label_studio::failure::Failure;
use crate::label_studio::project::StoredTask;
use crate::label_studio::same::{Difference, difference, same};
use crate::place::{Place, SourceId};
use crate::source::listed::Sources;

/// Tasks that are fetched at a time.
const PAGE: u64 = 1_000;

/// Bytes of tasks that are read at a time.
const READ_BYTES: usize = 4 << 20;

/// Differences that are kept; all are counted.
const KEPT: usize = 20;

/// A task that is not what was sent.
#[derive(Clone, Debug)]
pub struct Differing {
    /// Where its record starts.
    pub place: Place,
    /// The import it belongs to; nothing if it belongs to none, and was never sent.
    pub import: Option<u64>,
    /// Its number at the server.
    pub task: Option<u64>,
    /// Where it differs.
    pub difference: Difference,
}

/// What came of comparing.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// Tasks that were compared.
    pub tasks: u64,
    /// How many of them differ.
    pub differing: u64,
    /// The first of those.
    pub first: Vec<Differing>,
    /// The imports they belong to.
    pub imports: BTreeSet<u64>,
    /// Imports whose places hold another number of tasks in the sources than were sent, with that number.
    pub uneven: BTreeMap<u64, u64>,
}

impl Compared {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.differing == 0 && self.uneven.is_empty()
    }

    fn differs(&mut self, differing: Differing) {
        self.differing += 1;
        self.imports.extend(differing.import);
        if self.first.len() < KEPT {
            self.first.push(differing);
        }
    }
}

/// Takes tasks as a target does, and compares them.
pub struct Comparison {
    run: String,
    imports: Vec<(Entry, Target)>,
    /// Those whose content is compared; the others are passed over.
    chosen: BTreeSet<u64>,
    /// Records that were sent and refused.
    refused: HashSet<(SourceId, u64)>,
    /// Whether a record that belongs to no import is one that was forgotten.
    complete: bool,
    at: Mutex<At>,
}

/// How far it is.
#[derive(Default)]
struct At {
    import: usize,
    /// Tasks of the sources that belong to this import.
    seen: u64,
    /// Pages of it that were fetched, and what is left of the last.
    pages: u64,
    page: VecDeque<StoredTask>,
    compared: Compared,
}

impl Comparison {
    /// Compares the imports of a run that have these numbers; `sources` are those of its plan.
    ///
    /// # Errors
    /// When the journal or the run's rejects cannot be read.
    pub fn new(recorded: &Recorded, sources: &Sources, chosen: BTreeSet<u64>) -> Result<Self> {
        let log = recorded.log();
        let mut imports = Vec::new();
        for entry in log.deliveries()? {
            let target = recorded.target_of(&entry)?.clone();
            imports.push((entry, target));
        }
        let path = log.journal().rejects_of(&log.run().id);
        Ok(Comparison {
            run: log.run().id.clone(),
            imports,
            chosen,
            refused: refused(&path, sources)?,
            complete: log.run().state == RunState::Done,
            at: Mutex::default(),
        })
    }

    /// What came of it.
    #[must_use]
    pub fn outcome(self) -> Compared {
        self.at.into_inner().compared
    }

    async fn meet(&self, at: &mut At, place: Place, task: &[u8]) -> Result<()> {
        while self
            .imports
            .get(at.import)
            .is_some_and(|(entry, _)| entry.intent.last < place)
        {
            self.leave(at);
        }
        if self.refused.contains(&(place.source, place.record)) {
            return Ok(());
        }
        let here = self.imports.get(at.import);
        let Some((entry, target)) = here.filter(|(entry, _)| entry.intent.first <= place) else {
            if self.complete {
                let text = String::from_utf8_lossy(task);
                at.compared.differs(Differing {
                    place,
                    import: None,
                    task: None,
                    difference: Difference::new("task", Some(&text), None),
                });
            }
            return Ok(());
        };
        at.seen += 1;
        let number = entry.intent.number;
        let (Some(upload), true) = (entry.upload_id, self.chosen.contains(&number)) else {
            return Ok(());
        };
        if at.page.is_empty() {
            at.pages += 1;
            let page = target.project.tasks(upload, at.pages, PAGE).await;
            at.page = page.map_err(Failure::into_error)?.into();
        }
        let stored = at.page.pop_front();
        at.compared.tasks += 1;
        let found = match &stored {
            Some(stored) => of_task(task, stored)?,
            None => {
                let text = String::from_utf8_lossy(task);
                Some(Difference::new("task", Some(&text), None))
            }
        };
        if let Some(difference) = found {
            at.compared.differs(Differing {
                place,
                import: Some(number),
                task: stored.map(|stored| stored.id),
                difference,
            });
        }
        Ok(())
    }

    /// The next import: of this one there are no more tasks in the sources.
    fn leave(&self, at: &mut At) {
        if let Some((entry, _)) = self.imports.get(at.import) {
            let number = entry.intent.number;
            let sent = entry.intent.tasks;
            if at.seen != sent && entry.state != State::SetAside && self.chosen.contains(&number) {
                at.compared.uneven.insert(number, at.seen);
            }
        }
        at.import += 1;
        (at.seen, at.pages) = (0, 0);
        at.page.clear();
    }
}

impl Sink for Comparison {
    fn begin<'a>(&'a self, _run: &'a dyn Run) -> BoxFuture<'a, Result<Begin>> {
        futures::future::ok(Begin::First).boxed()
    }

    fn run(&self) -> Option<&str> {
        Some(&self.run)
    }

    fn store(&self) -> Store {
        Store::Divisible
    }

    fn at_once(&self) -> usize {
        1
    }

    fn wanted(&self) -> Option<Wanted> {
        Some(Wanted {
            tasks: PAGE as usize,
            bytes: READ_BYTES,
        })
    }

    fn deliver<'a>(
        &'a self,
        import: Import,
        _run: &'a dyn Run,
    ) -> BoxFuture<'a, Result<Vec<Receipt>>> {
        async move {
            let mut at = self.at.lock().await;
            let tasks = Part::all(import)?;
            for number in 0..tasks.len() {
                if let Some((place, task)) = tasks.task(number) {
                    self.meet(&mut at, place, task).await?;
                }
            }
            Ok(Vec::new())
        }
        .boxed()
    }

    fn finish<'a>(&'a self, _run: &'a dyn Run) -> BoxFuture<'a, Result<()>> {
        async {
            let mut at = self.at.lock().await;
            while at.import < self.imports.len() {
                self.leave(&mut at);
            }
            Ok(())
        }
        .boxed()
    }
}

/// The records that a run sent and that the server refused, by its rejects.
fn refused(path: &Path, sources: &Sources) -> Result<HashSet<(SourceId, u64)>> {
    #[derive(Deserialize)]
    struct Line {
        source: String,
        record: u64,
        code: String,
    }
    let mut refused = HashSet::new();
    let mut by_name = HashMap::<String, Vec<u64>>::new();
    let file = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(refused),
        Err(e) => return Err(unread(path, &e)),
    };
    let by_server = [Code::TaskRefused.as_str(), Code::TaskTooLarge.as_str()];
    for line in file.split(b'\n') {
        let line = line.map_err(|e| unread(path, &e))?;
        if let Ok(line) = serde_json::from_slice::<Line>(&line)
            && by_server.contains(&line.code.as_str())
        {
            by_name.entry(line.source).or_default().push(line.record);
        }
    }
    if !by_name.is_empty() {
        for source in sources {
            let source = source?;
            // A source that is read twice is refused the same both times.
            let records = by_name.get(&*source.name).into_iter().flatten();
            refused.extend(records.map(|record| (source.id, *record)));
        }
    }
    Ok(refused)
}

fn unread(path: &Path, cause: &std::io::Error) -> Error {
    Error::new(
        Code::Journal,
        format!("cannot read the rejects in `{}`: {cause}", path.display()),
    )
}

/// The first difference between a task as it was sent and as it is stored.
///
/// What people and the server add is none: further annotations and predictions, and what was not sent of them.
///
/// # Errors
/// When what was sent is no task; the decoders let no such thing pass.
pub fn of_task(sent: &[u8], stored: &StoredTask) -> Result<Option<Difference>> {
    let mistake = |e: &dyn std::fmt::Display| {
        Error::new(
            Code::Internal,
            format!("what was sent is no task of its own: {e}"),
        )
    };
    let text = std::str::from_utf8(sent).map_err(|e| mistake(&e))?;
    let sent: BTreeMap<String, &RawValue> = serde_json::from_str(text).map_err(|e| mistake(&e))?;
    let data = match sent.get("data").map(|data| data.get()) {
        // Of a task with empty data the server takes the whole for the data (the contract, section 6).
        Some(data) if !same(data, "{}") => data,
        _ => text,
    };
    let whole = std::ptr::eq(data, text);
    if let Some(found) = difference("data", data, stored.data.get()) {
        return Ok(Some(found));
    }
    if whole {
        return Ok(None);
    }
    let empty = |text: &&str| !matches!(*text, "null" | "{}");
    let meta = sent.get("meta").map(|meta| meta.get()).filter(empty);
    let stored_meta = stored.meta.as_ref().map(|meta| meta.get()).filter(empty);
    let found = match (meta, stored_meta) {
        (None, None) => None,
        (Some(sent), Some(stored)) => difference("meta", sent, stored),
        (sent, stored) => Some(Difference::new("meta", sent, stored)),
    };
    let annotations = || parts("annotations", sent.get("annotations"), &stored.annotations);
    let predictions = || parts("predictions", sent.get("predictions"), &stored.predictions);
    Ok(found.or_else(annotations).or_else(predictions))
}

/// The first annotation, or prediction, that was sent and is not there.
fn parts(name: &str, sent: Option<&&RawValue>, stored: &[Box<RawValue>]) -> Option<Difference> {
    let sent: Vec<&RawValue> = serde_json::from_str(sent?.get()).ok()?;
    let stored: Vec<Fields<'_>> = stored.iter().map(|part| fields(part)).collect();
    let mut left: Vec<&Fields<'_>> = stored.iter().collect();
    for (number, part) in sent.iter().enumerate() {
        let part = fields(part);
        // The server leaves cancelled ones out of what it counts.
        if part
            .get("was_cancelled")
            .is_some_and(|text| text.get() == "true")
        {
            continue;
        }
        match left.iter().position(|stored| is_part(&part, stored)) {
            Some(at) => {
                left.remove(at);
            }
            None => {
                // Told by the one in its place, where it is the only one left it could be.
                let path = format!("{name}[{number}]");
                return Some(match left.as_slice() {
                    [one] => of_part(&path, &part, one),
                    _ => Difference::new(&path, part.get("result").map(|it| it.get()), None),
                });
            }
        }
    }
    None
}

type Fields<'a> = BTreeMap<String, &'a RawValue>;

fn fields(part: &RawValue) -> Fields<'_> {
    serde_json::from_str(part.get()).unwrap_or_default()
}

/// Whether a stored annotation or prediction is the one that was sent.
fn is_part(sent: &Fields<'_>, stored: &Fields<'_>) -> bool {
    COMPARED.iter().all(|key| same_field(key, sent, stored))
}

/// What is compared of annotations and predictions: the server fills in the rest.
const COMPARED: [&str; 3] = ["result", "score", "model_version"];

fn same_field(key: &str, sent: &Fields<'_>, stored: &Fields<'_>) -> bool {
    let Some(sent) = sent.get(key).map(|it| it.get()) else {
        return true;
    };
    let stored = stored.get(key).map_or("null", |it| it.get());
    match key {
        // Anything but a list is made one by the server.
        "result" => !sent.starts_with('[') || same(sent, stored),
        // Stored as a double, also if it is written as an integer or as text.
        "score" => {
            let double = |text: &str| text.trim_matches('"').parse::<f64>().ok();
            double(sent).is_none_or(|sent| double(stored) == Some(sent))
        }
        _ => !sent.starts_with('"') || same(sent, stored),
    }
}

fn of_part(path: &str, sent: &Fields<'_>, stored: &Fields<'_>) -> Difference {
    for key in COMPARED {
        if same_field(key, sent, stored) {
            continue;
        }
        let path = format!("{path}.{key}");
        let text = |fields: &Fields<'_>| fields.get(key).map_or("null", |it| it.get()).to_owned();
        let (sent, stored) = (text(sent), text(stored));
        return difference(&path, &sent, &stored)
            .unwrap_or_else(|| Difference::new(&path, Some(&sent), Some(&stored)));
    }
    Difference::new(path, None, None)
}
