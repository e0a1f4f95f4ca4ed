//! Nowhere: imports are counted as they would be sent, and nothing is sent or kept.
//!
//! Where a server is to take them, it is reckoned how it would: what is wanted of each import follows from what the
//! server is expected to answer to those before it, by the same rules as in a run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::batch::body::Store;
use crate::batch::import::{Import, TaskAt};
use crate::batch::limits::{Framing, Wanted};
use crate::batch::tally::Tally;
use crate::deliver::sizing::{Load, Sizing};
use crate::deliver::{Begin, Receipt, Run, Sink};
use crate::error::Result;

use super::label_studio::SLACK;

/// Counts imports.
pub struct Counted {
    framing: Framing,
    tally: Arc<Tally>,
    state: Mutex<State>,
}

struct State {
    imports: Vec<Size>,
    server: Option<Server>,
}

/// How large an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Tasks.
    pub tasks: usize,
    /// Bytes, with everything around the tasks.
    pub bytes: usize,
}

/// A server that is to take the imports.
#[derive(Clone, Debug)]
pub struct Server {
    /// What it is known to bear.
    sizing: Sizing,
    /// Between the starts of two imports.
    interval: Duration,
    /// How many tasks the projects take that are filled in turn, and each that is made after them; nothing if that is
    /// not limited.
    pub rooms: Option<Rooms>,
    /// How long the imports so far take, but for the last.
    before: Duration,
    /// How long the last one takes.
    last: Duration,
}

/// How many tasks projects take.
#[derive(Clone, Debug)]
pub struct Rooms {
    /// Those that are there.
    pub there: Vec<u64>,
    /// Each new one.
    pub new: u64,
}

impl Rooms {
    /// How much the project that is filled now takes; a new one if none takes any.
    fn now(&mut self) -> &mut u64 {
        let at = self.there.iter().position(|room| *room > 0);
        let at = at.unwrap_or_else(|| {
            self.there.push(self.new);
            self.there.len() - 1
        });
        &mut self.there[at]
    }
}

impl Server {
    /// A server that bears what `sizing` says, whose imports start `interval` apart.
    #[must_use]
    pub fn new(sizing: Sizing, interval: Duration, rooms: Option<Rooms>) -> Self {
        Server {
            sizing,
            interval,
            rooms,
            before: Duration::ZERO,
            last: Duration::ZERO,
        }
    }

    fn wanted(&mut self) -> Wanted {
        let (tasks, bytes) = self.sizing.limits();
        let room = self.room();
        Wanted {
            tasks: tasks.min(room).max(1),
            bytes,
        }
    }

    fn room(&mut self) -> usize {
        let room = self.rooms.as_mut().map_or(u64::MAX, |rooms| *rooms.now());
        usize::try_from(room).unwrap_or(usize::MAX)
    }

    /// How many of some tasks go together, as a run divides what has become too large meanwhile.
    fn part(&mut self, size: Size) -> usize {
        let (tasks, bytes) = self.sizing.limits();
        let over = |there: usize, wanted: usize| there as f64 / wanted.max(1) as f64;
        let times = over(size.tasks, tasks).max(over(size.bytes, bytes));
        let parts = if times <= SLACK {
            1
        } else {
            times.ceil() as usize
        };
        (size.tasks / parts.min(size.tasks).max(1))
            .min(self.room())
            .max(1)
    }

    fn takes(&mut self, size: Size) {
        let load = Load {
            tasks: size.tasks,
            bytes: size.bytes,
            annotated: 0,
        };
        let seconds = self.sizing.expected(load);
        self.sizing.answered(load, seconds);
        let took = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        self.before += if self.last.is_zero() {
            Duration::ZERO
        } else {
            self.last.max(self.interval)
        };
        self.last = took;
        if let Some(rooms) = &mut self.rooms {
            let room = rooms.now();
            *room = room.saturating_sub(size.tasks as u64);
        }
    }

    /// How long all imports so far take.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.before + self.last
    }
}

impl Counted {
    /// Counts imports that are framed so; `server` is to take them, if one is.
    #[must_use]
    pub fn new(framing: Framing, server: Option<Server>) -> Self {
        Counted {
            framing,
            tally: Arc::default(),
            state: Mutex::new(State {
                imports: Vec::new(),
                server,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counts of each source.
    #[must_use]
    pub fn sources(&self) -> &Tally {
        &self.tally
    }

    /// The imports so far, in order.
    #[must_use]
    pub fn imports(&self) -> Vec<Size> {
        self.state().imports.clone()
    }

    /// The server that takes them, if one does.
    #[must_use]
    pub fn server(&self) -> Option<Server> {
        self.state().server.clone()
    }

    fn count(&self, import: &Import) {
        self.tally.tasks(&import.tasks, self.framing.open.len());
        let state = &mut *self.state();
        let Some(server) = &mut state.server else {
            state.imports.push(Size {
                tasks: import.about.tasks,
                bytes: import.about.bytes,
            });
            return;
        };
        let around = self.framing.open.len() + self.framing.close.len();
        let (mut start, mut rest) = (self.framing.open.len(), &import.tasks[..]);
        while !rest.is_empty() {
            let all = size(rest, start, around);
            let part = server.part(all).min(rest.len());
            let size = size(&rest[..part], start, around);
            server.takes(size);
            state.imports.push(size);
            start = rest[part - 1].end + 1;
            rest = &rest[part..];
        }
    }
}

/// The size of an import of some tasks, the first of which starts at `start`.
fn size(tasks: &[TaskAt], start: usize, around: usize) -> Size {
    Size {
        tasks: tasks.len(),
        bytes: tasks.last().map_or(0, |last| last.end - start) + around,
    }
}

impl Sink for Counted {
    fn begin<'a>(&'a self, _run: &'a dyn Run) -> BoxFuture<'a, Result<Begin>> {
        futures::future::ok(Begin::First).boxed()
    }

    fn store(&self) -> Store {
        Store::Nothing
    }

    fn at_once(&self) -> usize {
        1
    }

    fn wanted(&self) -> Option<Wanted> {
        self.state().server.as_mut().map(Server::wanted)
    }

    fn tally(&self) -> Option<Arc<Tally>> {
        Some(Arc::clone(&self.tally))
    }

    fn deliver<'a>(
        &'a self,
        import: Import,
        _run: &'a dyn Run,
    ) -> BoxFuture<'a, Result<Vec<Receipt>>> {
        self.count(&import);
        futures::future::ok(vec![Receipt {
            name: String::new(),
            import: import.about,
            times: None,
        }])
        .boxed()
    }
}
