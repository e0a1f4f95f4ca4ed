//! The look before the run at the media that tasks speak of: are they there?
//!
//! ```text
//! reader thread ── budget ──▶ pool: tasks → their references ──▶ media thread: each once ── (256) ──▶ asked (tokio)
//! ```
//!
//! The tasks are those of the run, made by the same normalizer and then dropped. Nothing in the pool waits; the media
//! thread waits for those who ask, and these for servers alone. Whoever asks no more closes the channel, which ends the
//! thread, and with it the pool and the reader.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::stream::{self, StreamExt};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::alone::until_stopped;
use super::reading::Before;
use super::survey::Input;
use super::{Around, READER, join, start};
use crate::batch::tracker::Tracker;
use crate::decode::{Extent, Mark};
use crate::error::{Code, Error, Result};
use crate::fetch::Fetcher;
use crate::in_order::{self, Answers};
use crate::normalize;
use crate::normalize::media::{AddressHash, Dead, References, hash, is_http, told};
use crate::normalize::tasks::Tasks;
use crate::place::{Place, SourceId};
use crate::plan::{MediaCheck, Sample};
use crate::read::{Chunk, Start};
use crate::report::Watch;
use crate::wording::{agreeing, counted};

/// The thread's name.
const MEDIA: &str = "sluice-media";

/// References that are asked about at once, whatever their servers.
const AT_ONCE: usize = 64;

/// References that wait to be asked about.
const WAITING: usize = 256;

/// References that are remembered, so that each is asked about once.
const REMEMBERED: usize = 1 << 20;

/// Dead references that are told of by name, besides the first.
const ALSO_TOLD: usize = 5;

/// Dead references that are kept at most, whatever the run accepts: some 100 MB.
const MOST_DEAD: usize = 1 << 20;

/// A reference, where it was met first.
type Met = (Place, String);

/// What the references of some tasks are.
struct Spoken {
    source: SourceId,
    start: Start,
    references: Vec<(Mark, String)>,
    extent: Option<Extent>,
}

/// Looks at what the tasks speak of, as the plan asks for it; those before `from` are left alone. Gives the references
/// that are dead, if any were looked for; what was found is of no use if the run was stopped meanwhile.
///
/// # Errors
/// When a sample has dead references, or there are more than the run accepts rejects; those of reading.
pub(super) fn dead(
    around: &Arc<Around>,
    runtime: &Runtime,
    input: &mut Input,
    from: Option<Place>,
) -> Result<Option<Dead>> {
    let Some(check) = &around.plan.media_check else {
        return Ok(None);
    };
    let fetcher = Fetcher::new()?;
    let _looking = Looking::start(&around.watch);
    let spooled = input.stand_ins(around, from)?;
    let before = Before {
        sources: input.sources.clone(),
        spooled,
        from,
        tables_only: false,
        types: input.types.clone(),
    };
    let (reading, plan) = (Arc::clone(around), &around.plan);
    let (normalizer, references) = (Arc::clone(&plan.normalizer), check.references.clone());
    let work = move |chunk| {
        let references = references.clone();
        normalize::tasks(&normalizer, chunk).map(move |tasks| Spoken::of(&tasks, &references))
    };
    let (jobs, answers) = in_order::pool(plan.threads, 2 * plan.threads, Chunk::ahead, work)?;
    let reader = start(READER, move || {
        let check_columns = |columns: &[String]| reading.plan.normalizer.check_columns(columns);
        before.read(&reading, jobs, &check_columns);
    })?;
    let answers = answers.until(&around.stop);
    let (met, met_in) = mpsc::channel(WAITING);
    let (meeting, sample) = (Arc::clone(around), check.sample);
    let thread = start(MEDIA, move || meet(&meeting, answers, sample, from, &met))?;
    let found = runtime.block_on(ask(around, &fetcher, met_in));
    if around.stop.is_tripped() {
        // The reader is left to itself: it may wait for standard input for ever.
        return Ok(None);
    }
    let met = join(thread)?;
    join(reader)?;
    // The run meets what went wrong again, and says so after what comes before it.
    let records = met.unwrap_or(u64::MAX);
    found.judge(around, check, records)?;
    Ok(Some(Dead {
        references: check.references.clone(),
        why: found.why,
    }))
}

/// Tells who watches that the media are looked at, while it is there.
struct Looking<'a>(&'a Watch);

impl<'a> Looking<'a> {
    fn start(watch: &'a Watch) -> Self {
        watch.media.looking.store(true, Ordering::Relaxed);
        Looking(watch)
    }
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.0.media.looking.store(false, Ordering::Relaxed);
    }
}

impl Spoken {
    fn of(tasks: &Tasks, references: &References) -> Spoken {
        let mut spoken = Vec::new();
        for (i, task) in tasks.marks.iter().enumerate() {
            let text = std::str::from_utf8(&tasks.bytes[tasks.task_start(i)..task.end]);
            references.each(text.unwrap_or_default(), &mut |address| {
                spoken.push((task.mark, address.to_owned()));
            });
        }
        Spoken {
            source: tasks.source,
            start: tasks.start,
            references: spoken,
            extent: tasks.extent,
        }
    }
}

/// The media thread: hands on each reference once, with its place, or the sample of them at the end. How many records
/// there were.
fn meet(
    around: &Around,
    answers: Answers<impl Iterator<Item = Spoken> + Send + 'static>,
    sample: Sample,
    from: Option<Place>,
    met: &mpsc::Sender<Met>,
) -> Result<u64> {
    let mut tracker = from.map_or_else(Tracker::default, Tracker::starting_at);
    let mut known: HashSet<AddressHash> = HashSet::new();
    // Those with the smallest hashes are as good a sample as any, each taken once, and the same whatever the threads.
    let mut drawn: BTreeMap<AddressHash, Met> = BTreeMap::new();
    let mut records = 0;
    for answer in answers {
        let place = tracker.reached();
        let spoken = answer.map_err(|error| error.at(|| around.spot(place)))?;
        tracker.enter(spoken.source, spoken.start);
        for (mark, address) in spoken.references {
            if !is_http(&address) {
                around
                    .watch
                    .media
                    .passed_over
                    .fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let hash = hash(&address);
            let place = tracker.place(mark);
            match sample {
                Sample::All => {
                    if known.len() >= REMEMBERED {
                        known.clear();
                    }
                    if known.insert(hash) && met.blocking_send((place, address)).is_err() {
                        return Ok(records);
                    }
                }
                Sample::Some(most) => {
                    drawn.entry(hash).or_insert((place, address));
                    if drawn.len() > most.get() {
                        drawn.pop_last();
                    }
                }
            }
        }
        if let Some(extent) = spoken.extent {
            records += extent.records;
            tracker.leave(extent);
        }
    }
    let mut drawn: Vec<Met> = drawn.into_values().collect();
    drawn.sort_by_key(|(place, _)| *place);
    for met_first in drawn {
        if met.blocking_send(met_first).is_err() {
            break;
        }
    }
    Ok(records)
}

/// Asks for every reference that is handed on, until there are more dead ones than the run accepts.
async fn ask(around: &Around, fetcher: &Fetcher, met: mpsc::Receiver<Met>) -> Found {
    let mut found = Found::default();
    let Some(check) = &around.plan.media_check else {
        return found;
    };
    let met = stream::unfold(met, |mut met| async { Some((met.recv().await?, met)) });
    let asked = met
        .take_until(until_stopped(around.stopped.clone()))
        .map(|(place, address)| async move {
            let answer = fetcher.is_there(&address).await;
            (place, address, answer)
        })
        .buffer_unordered(AT_ONCE);
    let mut asked = pin!(asked);
    let mut stopped = pin!(until_stopped(around.stopped.clone()));
    loop {
        let next = tokio::select! {
            next = asked.next() => next,
            // What is asked for meanwhile is of no use to anybody.
            () = &mut stopped => None,
        };
        let Some((place, address, answer)) = next else {
            return found;
        };
        around.watch.media.asked.fetch_add(1, Ordering::Relaxed);
        if let Err(why) = answer {
            around.watch.media.dead.fetch_add(1, Ordering::Relaxed);
            found.add(place, &address, why);
            // A sample is told of as a whole. A share of the records is known at the end alone.
            if check.sample == Sample::All && !found.is_acceptable(around, check, u64::MAX) {
                return found;
            }
        }
    }
}

/// What was found dead.
#[derive(Default)]
struct Found {
    why: HashMap<AddressHash, String>,
    /// The records that were the first to speak of a dead reference: there are at least so many rejects.
    records: BTreeSet<Place>,
    /// The first few, in words.
    first: BTreeMap<(Place, AddressHash), String>,
}

impl Found {
    fn add(&mut self, place: Place, address: &str, why: String) {
        let hash = hash(address);
        self.first.insert((place, hash), told(address, &why));
        if self.first.len() > 1 + ALSO_TOLD {
            self.first.pop_last();
        }
        self.records.insert(place);
        self.why.insert(hash, why);
    }

    /// Whether a run of so many records accepts this.
    fn is_acceptable(&self, around: &Around, check: &MediaCheck, records: u64) -> bool {
        match check.sample {
            Sample::Some(_) => self.why.is_empty(),
            Sample::All => {
                let dead = self.records.len() as u64;
                self.why.len() < MOST_DEAD && !around.plan.max_rejects.exceeded(dead, records, true)
            }
        }
    }

    /// Refuses, before anything is sent, what is dead if that is too much.
    fn judge(&self, around: &Around, check: &MediaCheck, records: u64) -> Result<()> {
        if self.is_acceptable(around, check, records) {
            return Ok(());
        }
        let Some((((place, _), first), also)) = self.first.iter().next().map(|first| {
            let also = self.first.iter().skip(1).take(ALSO_TOLD);
            (first, also)
        }) else {
            return Ok(());
        };
        let also: Vec<_> = also
            .map(|((place, _), told)| format!("\n    {}: {told}", around.spot(Some(*place))))
            .collect();
        let (dead, asked) = (
            self.why.len(),
            around.watch.media.asked.load(Ordering::Relaxed),
        );
        let (code, message, help) = match check.sample {
            Sample::Some(_) => (
                Code::MediaDead,
                format!(
                    "{dead} of {asked} media that were asked for are not there; the first: {first}"
                ),
                "mend the addresses, or set such records aside with `--media-check all`",
            ),
            Sample::All => (
                Code::TooManyRejects,
                format!(
                    "{} {} of media that are not there, the run accepts {}; the first: {first}",
                    counted(self.records.len() as u64, "record"),
                    agreeing(self.records.len() as u64, "speaks", "speak"),
                    around.plan.max_rejects,
                ),
                "mend the addresses, or accept more with `--max-rejects N` or `--max-rejects P%`",
            ),
        };
        let help = match also.as_slice() {
            [] => help.to_owned(),
            also => format!("{help}; others:{}", also.concat()),
        };
        let spot = around.spot(Some(*place));
        Err(Error::new(code, message).at(|| spot).help(help))
    }
}
