//! A world for leases: one cell, one server, several machines with clocks of their own, and all that goes wrong between
//! them, by seed. Its time is tokio's, which is paused: hours pass in milliseconds.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use sluice::deliver::cell::{Cell, Held, Swap, Version};
use sluice::deliver::lease::Time;
use sluice::error::{Code, Error, Result};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::fake_label_studio::Prng;

/// Between the starts of two imports.
pub const INTERVAL: Duration = Duration::from_secs(3);

/// The longest that the server works on an import, with or without a connection.
pub const LONGEST_IMPORT: Duration = Duration::from_secs(15);

/// How fast and how slowly clocks go, of a thousand: together they differ by less than a tenth.
pub const CLOCKS: (u64, u64) = (960, 1_040);

/// What happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub imports: usize,
    pub takes: usize,
    pub from_the_dead: usize,
    pub refused: usize,
    pub lost: usize,
    pub crashes: usize,
    pub freezes: usize,
    pub lost_answers: usize,
    pub late_swaps: usize,
}

impl Counts {
    pub fn add(&mut self, other: Counts) {
        self.imports += other.imports;
        self.takes += other.takes;
        self.from_the_dead += other.from_the_dead;
        self.refused += other.refused;
        self.lost += other.lost;
        self.crashes += other.crashes;
        self.freezes += other.freezes;
        self.lost_answers += other.lost_answers;
        self.late_swaps += other.late_swaps;
    }
}

/// One import at the server.
#[derive(Clone, Copy, Debug)]
struct Import {
    by: usize,
    start: Instant,
    end: Instant,
}

pub struct World {
    state: Mutex<State>,
    pub began: Instant,
}

struct State {
    content: Option<Bytes>,
    number: u64,
    imports: Vec<Import>,
    prng: Prng,
    /// Of a hundred requests of the cell, how many go wrong.
    faults: u64,
    counts: Counts,
    said: Vec<String>,
    wrong: Option<String>,
}

impl World {
    pub fn new(seed: u64) -> Arc<World> {
        let mut prng = Prng::new(seed);
        let faults = [0, 5, 20, 50][prng.below(4) as usize];
        Arc::new(World {
            state: Mutex::new(State {
                content: None,
                number: 0,
                imports: Vec::new(),
                prng,
                faults,
                counts: Counts::default(),
                said: Vec::new(),
                wrong: None,
            }),
            began: Instant::now(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no one panicked")
    }

    pub fn below(&self, end: u64) -> u64 {
        self.state().prng.below(end)
    }

    /// Some time of at most so much.
    pub fn some(&self, most: Duration) -> Duration {
        Duration::from_millis(self.below(most.as_millis() as u64 + 1))
    }

    pub fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.state().counts);
    }

    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    pub fn say(&self, what: String) {
        let at = self.began.elapsed().as_secs_f64();
        self.state().said.push(format!("{at:9.3} {what}"));
    }

    /// What went wrong, with all that was said before.
    pub fn wrong(&self) -> Option<String> {
        let state = self.state();
        let why = state.wrong.as_ref()?;
        Some(format!("{why}\n{}", state.said.join("\n")))
    }

    /// A machine starts an import; gives when the server is done with it, whatever becomes of the machine.
    pub fn import(&self, by: usize) -> Instant {
        let takes = self.some(LONGEST_IMPORT);
        let start = Instant::now();
        self.say(format!("{by} imports for {takes:?}"));
        let mut state = self.state();
        state.counts.imports += 1;
        if let Some(last) = state.imports.last().copied() {
            let gap = start - last.start;
            // A waiting machine's clock may go fast.
            let fast = u32::try_from(CLOCKS.1).expect("small");
            if gap * fast < INTERVAL * 1_000 {
                let why = format!("{by} starts {gap:?} after {}", last.by);
                state.wrong.get_or_insert(why);
            }
        }
        if let Some(other) = state.imports.iter().find(|one| one.end > start).copied() {
            let why = format!("{by} starts while the import of {} goes on", other.by);
            state.wrong.get_or_insert(why);
        }
        let end = start + takes;
        state.imports.push(Import { by, start, end });
        end
    }

    fn get(&self) -> Option<Held> {
        let state = self.state();
        state.content.clone().map(|bytes| Held {
            bytes,
            version: version(state.number),
        })
    }

    fn put(&self, there: Option<&Version>, bytes: Bytes) -> Swap {
        let mut state = self.state();
        let known = state.content.is_some().then(|| version(state.number));
        if known.as_ref() != there {
            return Swap::Other;
        }
        state.number += 1;
        state.content = Some(bytes);
        Swap::Done(version(state.number))
    }

    fn goes_wrong(&self) -> bool {
        let mut state = self.state();
        state.prng.below(100) < state.faults
    }

    /// Whether nothing goes wrong in it.
    pub fn is_calm(&self) -> bool {
        self.state().faults == 0
    }

    /// Empties the cell, as a person might.
    pub fn remove(&self) {
        self.state().content = None;
    }
}

fn version(number: u64) -> Version {
    Version {
        tag: None,
        number: Some(number.to_string()),
    }
}

/// How one request of the cell goes.
enum Way {
    Well,
    /// It is never done.
    Lost,
    /// It is done, and nobody hears of it.
    Unheard,
    /// It is done when nobody waits for it any more.
    Late,
}

/// The world's cell, as one machine sees it.
pub struct Far(pub Arc<World>);

impl Far {
    /// Does some work at the cell, which goes on whatever becomes of who asked.
    fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&World) -> T + Send + 'static,
    ) -> BoxFuture<'_, Result<T>> {
        let world = Arc::clone(&self.0);
        async move {
            let wrong = world.goes_wrong();
            let way = match world.below(4) {
                _ if !wrong => Way::Well,
                0 => Way::Lost,
                1 | 2 => Way::Unheard,
                _ => Way::Late,
            };
            let there = world.some(Duration::from_millis(300));
            let back = world.some(Duration::from_millis(300));
            let given_up = world.some(Duration::from_secs(2));
            let (give, take) = oneshot::channel();
            let (done, late) = match way {
                Way::Lost => {
                    sleep(given_up).await;
                    return Err(away());
                }
                Way::Well => (there, false),
                Way::Unheard => (there, false),
                Way::Late => (there + given_up + world.some(Duration::from_secs(6)), true),
            };
            let heard = matches!(way, Way::Well);
            if !heard {
                world.count(|counts| {
                    counts.late_swaps += usize::from(late);
                    counts.lost_answers += usize::from(!late);
                });
            }
            tokio::spawn(async move {
                sleep(done).await;
                let out = work(&world);
                sleep(back).await;
                let _ = give.send(out);
            });
            if heard {
                take.await.map_err(|_| away())
            } else {
                sleep(given_up).await;
                Err(away())
            }
        }
        .boxed()
    }
}

fn away() -> Error {
    Error::new(Code::ServerUnreachable, "the store is away")
}

impl Cell for Far {
    fn read(&self) -> BoxFuture<'_, Result<Option<Held>>> {
        self.ask(World::get)
    }

    fn swap<'a>(&'a self, there: Option<&'a Version>, bytes: Bytes) -> BoxFuture<'a, Result<Swap>> {
        let there = there.cloned();
        self.ask(move |world| world.put(there.as_ref(), bytes))
    }

    fn shown(&self) -> String {
        "the cell".to_owned()
    }
}

/// One machine: when it stands still, and how fast its clock goes.
pub struct Machine {
    began: Instant,
    /// Of a thousand.
    rate: u64,
    /// From when to when, in order.
    still: Vec<(Instant, Instant)>,
    /// Whether its clock stands still meanwhile, as where a machine sleeps.
    sleeps: bool,
}

impl Machine {
    pub fn new(world: &World) -> Machine {
        let began = Instant::now();
        let mut still = Vec::new();
        let mut at = began;
        for _ in 0..world.below(4) {
            let from = at + world.some(Duration::from_secs(30));
            at = from + world.some(Duration::from_secs(12));
            still.push((from, at));
            world.count(|counts| counts.freezes += 1);
        }
        Machine {
            began,
            rate: CLOCKS.0 + world.below(CLOCKS.1 - CLOCKS.0 + 1),
            still,
            sleeps: world.below(2) == 0,
        }
    }

    fn since(&self, stood_still: Duration) -> Duration {
        let rate = u32::try_from(self.rate).expect("small");
        (self.began.elapsed() - stood_still) * rate / 1_000
    }
}

impl Time for Machine {
    fn surely(&self) -> Duration {
        let now = Instant::now();
        let stood = |(from, to): &(Instant, Instant)| now.min(*to).saturating_duration_since(*from);
        let stood: Duration = self.still.iter().map(stood).sum();
        self.since(if self.sleeps { stood } else { Duration::ZERO })
    }

    fn perhaps(&self) -> Duration {
        self.since(Duration::ZERO)
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        let rate = u32::try_from(self.rate).expect("small");
        sleep(time * 1_000 / rate).boxed()
    }
}

/// What a process does on a machine: nothing while that stands still.
pub struct On<F> {
    machine: Arc<Machine>,
    work: Pin<Box<F>>,
    again: Option<Pin<Box<Sleep>>>,
}

impl<F: Future> On<F> {
    pub fn new(machine: &Arc<Machine>, work: F) -> Self {
        On {
            machine: Arc::clone(machine),
            work: Box::pin(work),
            again: None,
        }
    }
}

impl<F: Future> Future for On<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let now = Instant::now();
        let still = &self.machine.still;
        let until = still.iter().find(|(from, to)| (*from..*to).contains(&now));
        if let Some((_, until)) = until {
            let until = *until;
            let again = self.again.insert(Box::pin(sleep_until(until)));
            if again.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
        self.work.as_mut().poll(context)
    }
}
