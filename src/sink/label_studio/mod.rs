//! Projects of Label Studio servers: every task in, once, whatever breaks.
//!
//! ```text
//! begin     a run that was cut off? settle what it left in doubt, and go on after it
//! deliver   import ──▶ parts that the server bears and the project has room for
//!             send      intent journaled ─ slot of the throttle ─ upload ─ commit ──▶ delivered
//!               settle    no answer, or another than it should be: look, and commit again when it is quiet
//!             refused   the tasks the server names are rejects; the rest is sent again
//! finish    every import counted once more; the run is done
//! ```
//!
//! What is sent is journaled before, what came of it after, so that a kill between any two steps leaves a state that
//! `begin` can settle by looking.

mod begin;
mod check;
pub mod compare;
mod contents;
mod part;
pub mod recorded;
mod send;
mod settle;
pub mod spread;
pub mod target;
pub mod undo;
pub mod verify;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, OnceLock};

use futures::FutureExt;
use futures::future::{BoxFuture, Either, select, select_all};
use serde_json::Value;
use tokio::sync::Mutex as AsyncMutex;

use self::part::Part;
use self::send::{Sender, Sent};
use self::spread::{Projects, Spread};
use self::target::{Connection, Leases, Target};
use crate::batch::body::Store;
use crate::batch::import::Import;
use crate::batch::limits::Wanted;
use crate::deliver::lease::Lease;
use crate::deliver::throttle::Pace;
use crate::deliver::times::Meter;
use crate::deliver::{Begin, Receipt, Run, Sink};
use crate::error::{Code, Error, Fault, Result};
use crate::journal::{Journal, RunLog, RunState};
use crate::label_studio::address::Address;
use crate::read::files::Whole;
use crate::read::seen::Seen;
use crate::read::{Framing, Shape};
use crate::rejects::Reject;
use crate::source::Location;
use crate::source::listed::Sources;

/// How much larger than wanted a part may be before it is divided: what is wanted changes a little with every answer,
/// and an import of a few tasks costs a slot.
pub(super) const SLACK: f64 = 1.25;

/// What is asked of a run.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The id of the run, if it is a new one.
    pub run: String,
    /// The id was chosen by the user: a run that has it is gone on with, and no other.
    pub named: bool,
    /// The digest of all that decides what its tasks are.
    pub plan: String,
    /// Its sources.
    pub sources: Sources,
    /// What else is to be known of it later; no secrets.
    pub options: Value,
    /// How tasks are spread over projects, if they are.
    pub spread: Option<Spread>,
    /// Begin a new run, whatever there was.
    pub again: bool,
    /// Go on although sources have changed.
    pub accept_changed_sources: bool,
}

/// What there was of a run when it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Before {
    /// Its id.
    pub run: String,
    /// Tasks that were there already.
    pub tasks: u64,
    /// Whether that is all of them.
    pub complete: bool,
}

/// The projects that a run fills.
pub struct LabelStudio {
    journal: Journal,
    asked: Asked,
    /// The names of the projects it was given: a run is found again by them.
    target: String,
    projects: Projects,
    leases: Vec<Lease>,
    log: AsyncMutex<Option<RunLog>>,
    before: OnceLock<Option<Before>>,
    run: OnceLock<String>,
    seen: OnceLock<Arc<Seen>>,
}

impl LabelStudio {
    /// Projects by their addresses, filled in this order.
    ///
    /// # Errors
    /// When the connection's settings cannot be used, or the journal cannot be read.
    pub fn new(
        addresses: &[Address],
        connection: &Connection,
        journal: Journal,
        asked: Asked,
    ) -> Result<Self> {
        let leases = Leases::none(&journal);
        Self::leased(addresses, connection, journal, asked, leases)
    }

    /// The same, where other machines are held off by leases. A lease that is lost ends the run at once.
    ///
    /// # Errors
    /// Those of [`LabelStudio::new`].
    pub fn leased(
        addresses: &[Address],
        connection: &Connection,
        journal: Journal,
        asked: Asked,
        leases: Leases,
    ) -> Result<Self> {
        let targets = Target::all(addresses, connection, &journal, &leases)?;
        let names: Vec<_> = targets.iter().map(|target| target.name.as_str()).collect();
        Ok(LabelStudio {
            target: names.join(" "),
            projects: Projects::new(targets, asked.spread.clone()),
            journal,
            asked,
            leases: leases.leases.into_values().collect(),
            log: AsyncMutex::default(),
            before: OnceLock::new(),
            run: OnceLock::new(),
            seen: OnceLock::new(),
        })
    }

    /// The run's id: that of the one that is gone on with, once that is known.
    #[must_use]
    pub fn run_id(&self) -> &str {
        self.run.get().unwrap_or(&self.asked.run)
    }

    /// What there was before, once it has begun; nothing if the run is new.
    #[must_use]
    pub fn before(&self) -> Option<&Before> {
        self.before.get().and_then(Option::as_ref)
    }

    /// What it is doing, if it is doing anything.
    #[must_use]
    pub fn doing(&self) -> Option<Pace> {
        let targets = self.projects.targets();
        let mut paces = targets.iter().map(|target| target.server.throttle.state());
        paces.find(|pace| *pace != Pace::Idle)
    }

    /// Does some work as long as the leases are held: what is on its way when one is lost is cut off.
    async fn while_held<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        if self.leases.is_empty() {
            return work.await;
        }
        let lost = self.leases.iter().map(|lease| Box::pin(lease.lost()));
        match select(pin!(work), select_all(lost)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(((error, ..), _)) => Err(error),
        }
    }

    async fn deliver_parts(&self, import: Import, run: &dyn Run) -> Result<Vec<Receipt>> {
        let log = self.log.lock().await;
        let log = log.as_ref().ok_or_else(not_begun)?;
        let mut parts = VecDeque::from([Part::all(import)?]);
        let mut receipts = Vec::new();
        while let Some(part) = parts.pop_front() {
            let (target, room) = self.projects.with_room(self.run_id(), run).await?;
            let mut divided = part
                .clone()
                .divided(part.parts(target.server.wanted(), SLACK));
            let part = divided.remove(0);
            divided
                .into_iter()
                .rev()
                .for_each(|rest| parts.push_front(rest));
            let (part, rest) = part.up_to(usize::try_from(room).unwrap_or(usize::MAX));
            if let Some(rest) = rest {
                parts.push_front(rest);
            }
            let sender = Sender {
                log,
                target: &target,
                run,
                seen: self.seen.get().map(|seen| &**seen),
                meter: Meter::default(),
            };
            match sender.send(&part).await? {
                Sent::Delivered(receipt) => {
                    self.projects.filled(&target, part.len());
                    receipts.push(*receipt);
                }
                Sent::TooLarge(_) if part.len() > 1 => {
                    part.divided(2)
                        .into_iter()
                        .rev()
                        .for_each(|half| parts.push_front(half));
                }
                Sent::TooLarge(detail) => {
                    let reason = format!(
                        "the server takes no request of {} bytes: {detail}",
                        part.bytes()
                    );
                    let code = Code::TaskTooLarge;
                    self.set_aside(log, run, &part, &[(0, reason)], code)?;
                }
                Sent::Refused { detail, items } if items.is_empty() => {
                    return Err(Error::new(
                        Code::ServerRefused,
                        format!("the server refuses an import without naming a task: {detail}"),
                    )
                    .help("mend what it names, and run the same command again: it goes on where it stopped"));
                }
                Sent::Refused { items, .. } => {
                    let left = self.set_aside(log, run, &part, &items, Code::TaskRefused)?;
                    if let Some(left) = left {
                        parts.push_front(left);
                    }
                }
            }
        }
        Ok(receipts)
    }
}

impl LabelStudio {
    /// Makes rejects of some tasks of a part that the server refused; what is left is to be sent again.
    fn set_aside(
        &self,
        log: &RunLog,
        run: &dyn Run,
        part: &Part,
        items: &[(usize, String)],
        code: Code,
    ) -> Result<Option<Part>> {
        let task_shape = Arc::new(Shape::Json(Framing::Lines));
        for (number, reason) in items {
            let Some((place, task)) = part.task(*number) else {
                return Err(Error::new(
                    Code::ServerRefused,
                    format!(
                        "the server refuses task {number} of {}: {reason}",
                        part.len()
                    ),
                ));
            };
            let fault = Fault::new(code, reason);
            let source = self.asked.sources.get(place.source)?;
            let shape = match source.map(|source| source.location) {
                Some(Location::Presigned(object, _)) => {
                    let plain = object.address;
                    Arc::new(Shape::Whole(Whole::Signed { plain }))
                }
                _ => Arc::clone(&task_shape),
            };
            run.reject(Reject::new(place, fault, task.to_vec(), &shape))?;
        }
        let numbers: Vec<_> = items.iter().map(|(number, _)| *number).collect();
        let left = part.without(&numbers);
        if left.is_none() {
            log.set_aside(log.next_number()?)?;
        }
        Ok(left)
    }
}

fn not_begun() -> Error {
    Error::new(Code::Internal, "the run has not begun")
}

impl Sink for LabelStudio {
    fn begin<'a>(&'a self, run: &'a dyn Run) -> BoxFuture<'a, Result<Begin>> {
        self.while_held(self.begin_or_go_on(run)).boxed()
    }

    fn run(&self) -> Option<&str> {
        Some(self.run_id())
    }

    fn store(&self) -> Store {
        Store::Divisible
    }

    fn at_once(&self) -> usize {
        1
    }

    fn wanted(&self) -> Option<Wanted> {
        let (target, room) = self.projects.next();
        let Wanted { tasks, bytes } = target.server.wanted();
        let tasks = tasks
            .min(usize::try_from(room).unwrap_or(usize::MAX))
            .max(1);
        Some(Wanted { tasks, bytes })
    }

    fn rejects(&self) -> Option<PathBuf> {
        Some(self.journal.rejects_of(self.run_id()))
    }

    fn seen(&self) -> Option<Arc<Seen>> {
        self.seen.get().cloned()
    }

    fn deliver<'a>(
        &'a self,
        import: Import,
        run: &'a dyn Run,
    ) -> BoxFuture<'a, Result<Vec<Receipt>>> {
        self.while_held(self.deliver_parts(import, run)).boxed()
    }

    fn finish<'a>(&'a self, run: &'a dyn Run) -> BoxFuture<'a, Result<()>> {
        let finish = async move {
            let mut log = self.log.lock().await;
            let log = log.as_mut().ok_or_else(not_begun)?;
            if log.run().state != RunState::Done {
                self.check(log, run).await?;
                log.finish(RunState::Done)?;
            }
            Ok(())
        };
        self.while_held(finish).boxed()
    }
}
