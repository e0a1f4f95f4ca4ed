//! The reading before the run that finds out the types of CSV columns: a type belongs to a whole column.
//!
//! ```text
//! reader thread ── budget ──▶ pool: what a chunk says of its columns ──▶ survey thread: merged, in order
//! ```
//!
//! Of each chunk a few bytes a column are kept. Nothing here waits but for the reader and the pool, as in a run; the
//! main thread waits for the outcome on the runtime, so that a signal is heard.

use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::reading::Before;
use super::{Around, READER, join, start};
use crate::batch::tracker::Tracker;
use crate::decode::csv_types::survey::{Columns, Surveyed, refuses_infinite, survey};
use crate::error::{Code, Error, Fault, Result};
use crate::in_order::{self, Answers};
use crate::place::{Place, SourceId, Spot};
use crate::read::Chunk;
use crate::read::column_types::{CsvTypes, Types};
use crate::report::Watch;
use crate::source::Source;
use crate::source::listed::Sources;
use crate::source::sniff::Format;
use crate::source::spool::{self, Spool};
use crate::source::window::Window;
use crate::wording::counted;

/// The thread's name.
const SURVEY: &str = "sluice-survey";

/// What a run reads, and what is known of it before.
#[derive(Default)]
pub(super) struct Input {
    /// The sources; a temporary file stands for what can be read only once.
    pub(super) sources: Sources,
    /// The types of the columns of tables, where they are asked for.
    pub(super) types: Option<Types>,
    /// The temporary files: they are removed with this.
    spools: Vec<Spool>,
}

/// Finds out what a run needs to know of its sources; those before `from` are left alone. Nothing if it was stopped.
///
/// # Errors
/// Those of reading; what Label Studio refuses, where its types are asked for.
pub(super) fn input(
    around: &Arc<Around>,
    runtime: &Runtime,
    from: Option<Place>,
) -> Result<Option<Input>> {
    let plan = &around.plan;
    let reading = &plan.reading;
    let may_be_tables = reading
        .format
        .is_none_or(|format| matches!(format, Format::Csv | Format::Tsv));
    let mut input = Input {
        sources: plan.sources.clone(),
        ..Input::default()
    };
    if reading.csv_types == CsvTypes::Text || !may_be_tables {
        return Ok(Some(input));
    }
    let first = from.map_or(SourceId(0), |place| place.source);
    let spooled = input.stand_ins(around, from)?;
    let count = input.sources.len().saturating_sub(first.0 as usize);
    let sources = if first == SourceId(0) && !input.sources.are_shared() {
        input.sources.clone()
    } else {
        // What came before is not looked at, the rest whole, whoever else reads it.
        input.sources.with_windows(|source| match source.window {
            _ if source.id < first => Window::NONE,
            window => window.widened(),
        })?
    };
    let _surveying = Surveying::start(&around.watch);

    let work = |chunk| iter::once(survey(chunk));
    let (jobs, answers) = in_order::pool(plan.threads, 2 * plan.threads, Chunk::ahead, work)?;
    let tables = Arc::new(AtomicUsize::new(0));
    let (reading, seen) = (Arc::clone(around), Arc::clone(&tables));
    let before = Before {
        sources,
        spooled,
        from: None,
        tables_only: true,
        types: None,
    };
    let reader = start(READER, move || {
        let check_columns = |columns: &[String]| {
            seen.fetch_add(1, Ordering::Relaxed);
            reading.plan.normalizer.mapping.check_columns(columns)
        };
        before.read(&reading, jobs, &check_columns);
    })?;
    let answers = answers.until(&around.stop);
    let merging = Arc::clone(around);
    let (found, found_in) = oneshot::channel();
    let survey = start(SURVEY, move || {
        // Nobody is left to tell only after a panic.
        let _ = found.send(merge(&merging, answers));
    })?;
    let found = runtime.block_on(found_in);
    if around.stop.is_tripped() {
        // The reader is left to itself: it may wait for standard input for ever.
        return Ok(None);
    }
    join(survey)?;
    join(reader)?;
    let found =
        found.map_err(|_| Error::new(Code::Internal, "the survey ended without a word"))??;
    if plan.reading.csv_types == CsvTypes::LabelStudio {
        let is_empty = from.is_none() && found.records == 0;
        if is_empty && count > 0 && tables.load(Ordering::Relaxed) == count {
            return Err(no_rows().at(|| Spot::source(&plan.sources.name(SourceId(0)))));
        }
        found.judge(around)?;
    }
    input.types = Some(found.types);
    Ok(Some(input))
}

impl Input {
    /// Puts a temporary file in the place of each source from `from` on that can be read only once: it is to be filled
    /// before it is read. Gives these pairs.
    ///
    /// # Errors
    /// When there can be no such file.
    pub(super) fn stand_ins(
        &mut self,
        around: &Around,
        from: Option<Place>,
    ) -> Result<Vec<(Source, Source)>> {
        let first = from.map_or(SourceId(0), |place| place.source);
        let mut spooled = Vec::new();
        let spools = &mut self.spools;
        self.sources.change_apart(|source| {
            if source.id >= first && spool::is_stream(source) {
                let spool = Spool::new(&around.plan.run, source)?;
                let stand_in = spool.stands_for(source);
                spooled.push((stand_in.clone(), std::mem::replace(source, stand_in)));
                spools.push(spool);
            }
            Ok(())
        })?;
        Ok(spooled)
    }
}

/// Tells who watches that the columns are looked at, while it is there.
struct Surveying<'a>(&'a Watch);

impl<'a> Surveying<'a> {
    fn start(watch: &'a Watch) -> Self {
        watch.surveying.store(true, Ordering::Relaxed);
        Surveying(watch)
    }
}

impl Drop for Surveying<'_> {
    fn drop(&mut self) {
        self.0.surveying.store(false, Ordering::Relaxed);
    }
}

/// What was found in all sources.
#[derive(Default)]
struct Found {
    types: Types,
    records: u64,
    /// Records that are no rows, or hold what their column cannot, and the first of them.
    faults: u64,
    first: Option<(Place, Fault)>,
}

/// Numbers of one column that are at fault if the column is one of numbers.
type Infinite = (u64, Option<(Place, Fault)>);

/// One table, as far as it was read.
struct Table {
    source: SourceId,
    columns: Columns,
    infinite: Vec<Infinite>,
}

/// The survey thread: what chunks say in, what the columns are out.
fn merge(around: &Around, answers: Answers<iter::Once<Option<Surveyed>>>) -> Result<Found> {
    let mut found = Found::default();
    let mut tracker = Tracker::default();
    let mut table: Option<Table> = None;
    for answer in answers {
        let place = tracker.reached();
        let surveyed = answer.map_err(|error| error.at(|| around.spot(place)))?;
        let Some(surveyed) = surveyed else {
            continue;
        };
        tracker.enter(surveyed.source, surveyed.start);
        found.faults += surveyed.faults;
        found.records += surveyed.extent.records;
        if let Some((mark, fault)) = surveyed.first_fault {
            found.first(tracker.place(mark), fault);
        }
        let infinite = surveyed.infinite.into_iter().map(|(count, first)| {
            (
                count,
                first.map(|(mark, fault)| (tracker.place(mark), fault)),
            )
        });
        match &mut table {
            Some(table) if table.source == surveyed.source => {
                table.columns.merge(&surveyed.columns);
                table.count(infinite.collect());
            }
            _ => {
                let next = Table {
                    source: surveyed.source,
                    columns: surveyed.columns,
                    infinite: infinite.collect(),
                };
                found.end(table.replace(next));
            }
        }
        tracker.leave(surveyed.extent);
    }
    found.end(table);
    Ok(found)
}

impl Table {
    fn count(&mut self, later: Vec<Infinite>) {
        if self.infinite.is_empty() {
            self.infinite = later;
            return;
        }
        for ((count, first), (more, later)) in self.infinite.iter_mut().zip(later) {
            *count += more;
            *first = first.take().or(later);
        }
    }
}

impl Found {
    fn first(&mut self, place: Place, fault: Fault) {
        if self.first.as_ref().is_none_or(|(first, _)| place < *first) {
            self.first = Some((place, fault));
        }
    }

    fn end(&mut self, table: Option<Table>) {
        let Some(table) = table else {
            return;
        };
        let types = table.columns.types();
        for (column_type, (count, first)) in types.iter().zip(table.infinite) {
            if refuses_infinite(*column_type) {
                self.faults += count;
                if let Some((place, fault)) = first {
                    self.first(place, fault);
                }
            }
        }
        self.types.insert(table.source, types);
    }

    /// Refuses, before anything is sent, what would be rejected on the way if that is too much: Label Studio refuses a
    /// whole file for one such record.
    fn judge(&self, around: &Around) -> Result<()> {
        let most = around.plan.max_rejects;
        let Some((place, fault)) = &self.first else {
            return Ok(());
        };
        if !most.exceeded(self.faults, self.records, true) {
            return Ok(());
        }
        let message = format!(
            "{} cannot be imported, the run accepts {most}; the first: {}",
            counted(self.faults, "record"),
            fault.reason
        );
        let error = Error::new(Code::TooManyRejects, message).at(|| around.spot(Some(*place)));
        Err(match &fault.help {
            Some(help) => error.help(help),
            None => error,
        })
    }
}

fn no_rows() -> Error {
    Error::new(
        Code::Format,
        "there is a header and no row; Label Studio refuses such a file",
    )
    .help("leave the file out, or import it without `--csv-types label-studio`")
}
