//! `--inline`: between the pool and the batcher, the addresses in tasks are replaced by the texts behind them.
//!
//! ```text
//! answers, in order ──▶ asker thread ── (64: an answer, then its texts) ──▶ batcher thread: waits for the oldest, splices
//!                            └─ each text: fetched on the thread of what is remote, kept for whoever asks again
//! ```
//!
//! Nothing in the pool waits for a network: the normalizer only notes where addresses stand. The asker starts to fetch
//! each text as it hands on that it is coming, so that at most 64 are on their way or wait for their turn, of which none
//! takes more than a small part of the memory: what is larger is left, and fetched when its turn has come, alone. Tasks
//! keep their order, since the batcher takes texts in the order of their addresses, whichever comes first.
//!
//! The asker waits for the pool and for room among the 64; the batcher for the text whose turn it is, which waits for its
//! server alone, and that for a limited time. Whoever ends drops its side of the channel, which ends the other.
//!
//! A run that goes on fetches only what its remaining tasks speak of. What was sent was sent whole, with the texts as they
//! were then; what was not is made anew, with the texts as they are now. So a task has one text, and is there once, though
//! two tasks of one address may have the texts of two days.

mod asker;
mod splice;

use std::io;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, bounded};
use futures::io::AsyncReadExt;
use tokio::runtime::Handle;

use self::asker::{Asker, Kept};
use self::splice::Inlined;
use super::{Around, start};
use crate::decode::Changes;
use crate::error::{Code, Fault, Result};
use crate::fetch::Fetcher;
use crate::fetch::text::{Refused, Text, Wanted};
use crate::in_order::Answers;
use crate::normalize::inline::{How, Inline, value};
use crate::normalize::media::told;
use crate::normalize::tasks::Tasks;
use crate::normalize::{Normalizer, TaskStream};
use crate::place::Place;
use crate::read::head::cell;
use crate::source::remote::thread;

/// The asker thread's name.
const ASKER: &str = "sluice-asker";

/// Texts that are on their way, or wait for their turn; answers count too.
const AHEAD: usize = 64;

/// The part of a run's memory that one text may take that is not the oldest: all of them take a quarter.
const SMALL_SHARE: usize = 4 * AHEAD;

/// The smallest and the largest of such texts.
const SMALL: std::ops::RangeInclusive<usize> = (64 << 10)..=(1 << 20);

/// The part of a run's memory for texts that may be asked for again.
const KEPT_SHARE: usize = 8;

/// A text that is there, or on its way.
struct Coming {
    got: OnceLock<Got>,
    /// Closed when it is there.
    ready: Receiver<()>,
    address: String,
}

/// What became of a text.
enum Got {
    /// It, as it stands in a task.
    Value(Vec<u8>, Changes),
    /// It is larger than one that is not the oldest may be.
    TooLarge,
    /// Why it cannot be had.
    Fault(Fault),
}

/// What the asker hands on.
enum Item {
    /// An answer of the pool, whose texts follow.
    Answer(Box<Result<Tasks>>),
    /// A text; none where nobody wants it any more, or there is no address.
    Text(Option<Arc<Coming>>),
}

/// What all texts are fetched with.
#[derive(Clone)]
struct Fetching {
    fetcher: Arc<Fetcher>,
    normalizer: Arc<Normalizer>,
    inline: Arc<Inline>,
    runtime: &'static Handle,
    /// Bytes of the largest text of all.
    most: usize,
}

/// Starts the asker; gives the answers, which begin at `read_from`, with texts in the place of addresses. Those of tasks
/// before `from` are left.
///
/// # Errors
/// When the thread cannot be started, or nothing can be fetched.
pub(super) fn inlined(
    around: &Arc<Around>,
    answers: Answers<TaskStream>,
    normalizer: &Arc<Normalizer>,
    inline: &Arc<Inline>,
    (read_from, from): (Option<Place>, Option<Place>),
) -> Result<(JoinHandle<()>, Inlined)> {
    let memory = around.plan.memory;
    let fetching = Fetching {
        fetcher: Arc::new(Fetcher::new()?),
        normalizer: Arc::clone(normalizer),
        inline: Arc::clone(inline),
        runtime: thread::handle()?,
        most: normalizer.task_bytes.min(around.plan.reading.record_bytes),
    };
    let (items, items_in) = bounded(AHEAD);
    let mut asker = Asker {
        small: (memory / SMALL_SHARE)
            .clamp(*SMALL.start(), *SMALL.end())
            .min(fetching.most),
        fetching: fetching.clone(),
        kept: Kept::new(memory / KEPT_SHARE),
        items,
        read_from,
        from,
    };
    let (alive, cancelled) = bounded(0);
    let alive = std::sync::Mutex::new(Some(alive));
    around.stop.on_trip(move || {
        drop(
            alive
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .take(),
        );
    });
    let asker = start(ASKER, move || {
        // The batcher ended first, and knows why.
        let _ = asker.run(answers);
    })?;
    let inlined = Inlined {
        around: Arc::clone(around),
        fetching,
        items: items_in,
        cancelled,
        current: None,
        ended: false,
    };
    Ok((asker, inlined))
}

impl Fetching {
    /// Starts to fetch a text of `most` bytes at most.
    fn start(&self, field: usize, address: String, most: usize) -> Arc<Coming> {
        let (there, ready) = bounded(0);
        let coming = Arc::new(Coming {
            got: OnceLock::new(),
            ready,
            address,
        });
        let (this, fetched) = (self.clone(), Arc::clone(&coming));
        self.runtime.spawn(async move {
            let got = this
                .got(this.inline.how(field), &fetched.address, most)
                .await;
            let _ = fetched.got.set(got);
            drop(there);
        });
        coming
    }

    async fn got(&self, how: &How, address: &str, most: usize) -> Got {
        let told_of = |address: &str, why: &str| {
            Got::Fault(
                Fault::new(Code::NotInlined, told(address, why))
                    .help("mend the address, or what is behind it, and import the rejects"),
            )
        };
        let mut found = None;
        if let Some(resolver) = &how.resolver {
            let read = |text| cell(text, resolver);
            match self
                .fetcher
                .read(address, most, Wanted::Beginning, read)
                .await
            {
                Ok(cell) => found = Some(cell),
                Err(Refused::TooLarge) => return Got::TooLarge,
                Err(Refused::Failed(why)) => return told_of(address, &why),
            }
        }
        // What a resolver finds may be an address in its turn, or nothing.
        let next = found.as_deref().unwrap_or(address).to_owned();
        if how.url && !next.is_empty() {
            match self.fetcher.read(&next, most, Wanted::Whole, whole).await {
                Ok(text) => found = Some(text),
                Err(Refused::TooLarge) => return Got::TooLarge,
                Err(Refused::Failed(why)) => return told_of(&next, &why),
            }
        }
        let mut changes = Changes::default();
        let text = found.unwrap_or_default();
        match value(&text, how.form, self.normalizer.nul, &mut changes) {
            Ok(value) if value.len() <= 2 * most + 2 => Got::Value(value, changes),
            // Signs that JSON writes with six.
            Ok(_) => Got::TooLarge,
            Err(fault) if fault.code == Code::NotInlined => told_of(&next, &fault.reason),
            Err(fault) => Got::Fault(Fault {
                reason: told(&next, &format!("cannot be put in a task: {}", fault.reason)),
                offset: 0,
                ..fault
            }),
        }
    }
}

async fn whole(mut text: Text) -> io::Result<String> {
    let mut whole = String::new();
    text.read_to_string(&mut whole).await?;
    Ok(whole)
}
