//! A client of the fake Label Studio that can be killed: the real sink, fed as the pipeline feeds it, in the runtime of
//! the fake, so that one paused clock counts for both.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use sluice::batch::body::Bodies;
use sluice::batch::import::{Filling, Import, Push};
use sluice::batch::limits::{ARRAY, Limits, Wanted};
use sluice::budget::Budget;
use sluice::buffer::Buffer;
use sluice::decode::Mark;
use sluice::deliver::{self, Begin, Sink};
use sluice::error::{Code, Error, Result};
use sluice::journal::{Clock, Entry, Journal, Run, World};
use sluice::label_studio::address::Address;
use sluice::label_studio::settings::Settings;
use sluice::label_studio::token::Token;
use sluice::normalize::tasks::{TaskMark, Tasks};
use sluice::place::{At, Place, SourceId};
use sluice::read::{Before, Framing, Shape, Start};
use sluice::rejects::Reject;
use sluice::sink::label_studio::spread::{Spread, TITLE};
use sluice::sink::label_studio::target::Connection;
use sluice::sink::label_studio::{Asked, LabelStudio};
use sluice::source::listed::Sources;
use sluice::source::window::Window;
use sluice::source::{Location, Source};
use sluice::stop::Stop;
use tempfile::TempDir;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, sleep_until};

use crate::fake_label_studio::Fake;

/// Tasks that are handed to the batcher at a time.
const CHUNK: usize = 40;

/// Where files are made: in memory if that can be, since a thousand journals are synced a hundred times each.
#[must_use]
pub fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a folder")
}

/// A task, and where its record starts.
pub struct Given {
    pub place: Place,
    pub json: String,
    pub value: Value,
}

/// Files of JSON Lines, a task on each.
pub struct Input {
    folder: TempDir,
    pub sources: Sources,
    pub tasks: Vec<Given>,
}

impl Input {
    /// One file for each list of tasks.
    #[must_use]
    pub fn new(files: &[Vec<Value>]) -> Input {
        let folder = folder();
        let (mut sources, mut tasks) = (Vec::new(), Vec::new());
        for (number, file) in (0_u32..).zip(files) {
            let path = folder.path().join(format!("{number}.jsonl"));
            let mut text = String::new();
            for (line, value) in (1_u64..).zip(file) {
                let at = At::Text {
                    line,
                    byte: text.len() as u64,
                };
                let place = Place {
                    source: SourceId(number),
                    record: line,
                    at,
                };
                let json = value.to_string();
                text.push_str(&json);
                text.push('\n');
                tasks.push(Given {
                    place,
                    json,
                    value: value.clone(),
                });
            }
            std::fs::write(&path, &text).expect("a file");
            sources.push(Source {
                id: SourceId(number),
                name: path.display().to_string().into(),
                location: Location::File(path),
                bytes: Some(text.len() as u64),
                address: None,
                window: Window::ALL,
            });
        }
        Input {
            folder,
            sources: Sources::of(sources).expect("a list"),
            tasks,
        }
    }

    #[must_use]
    pub fn path(&self, file: usize) -> PathBuf {
        self.folder.path().join(format!("{file}.jsonl"))
    }

    #[must_use]
    pub fn values(&self) -> Vec<Value> {
        self.tasks.iter().map(|task| task.value.clone()).collect()
    }
}

/// A task of the number: plain, with meta, or with annotations and predictions too.
#[must_use]
pub fn task(number: usize) -> Value {
    let text = format!("the text of task {number}, which is as long as that of a message");
    let result = json!([{"from_name": "c", "to_name": "text", "type": "choices", "value": {"choices": ["a"]}}]);
    match number % 5 {
        0 => json!({
            "data": {"text": text}, "meta": {"number": number},
            "annotations": [{"result": result}, {"result": []}], "predictions": [{"result": result, "score": 0.5}],
        }),
        1 => {
            json!({"data": {"text": text}, "predictions": [{"result": result, "model_version": "m"}]})
        }
        2 => json!({"data": {"text": text, "n": number}, "meta": {"number": number}}),
        _ => json!({"data": {"text": text}}),
    }
}

/// So many of them.
#[must_use]
pub fn tasks(count: usize) -> Vec<Value> {
    (0..count).map(task).collect()
}

/// The wall clock that goes with tokio's.
struct Wall {
    base: SystemTime,
    started: Instant,
}

impl Clock for Wall {
    fn wall(&self) -> SystemTime {
        self.base + self.started.elapsed()
    }
}

/// When a client ends without a word.
#[derive(Clone, Copy, Debug)]
pub struct Kill {
    /// After this record of its journal, counted from 1 ...
    pub after: u64,
    /// ... and so much later; zero: before anything else is done.
    pub later: Duration,
}

/// How a client ended.
#[derive(Debug)]
pub enum Ended {
    /// By itself, with all done.
    Done,
    /// By itself, since it was asked to.
    Stopped,
    /// Killed.
    Killed,
    /// With an error.
    Failed(Error),
}

/// What is known of a client afterwards.
#[derive(Debug)]
pub struct Ran {
    pub ended: Ended,
    /// Where it began, if it came so far.
    pub begin: Option<Begin>,
    /// Records of its journal.
    pub records: u64,
    pub run: String,
    /// Imports that it says are there.
    pub receipts: usize,
}

/// A command line, and all that outlives a process.
pub struct Machine {
    pub state: Arc<TempDir>,
    pub input: Input,
    pub addresses: Vec<String>,
    pub token: String,
    pub interval: Duration,
    pub most_tasks: usize,
    pub plan: String,
    pub spread: Option<u64>,
    pub again: bool,
    pub accept_changed_sources: bool,
    /// The rejects file.
    pub rejects: Mutex<Vec<(Place, Code, Vec<u8>)>>,
    wall: Arc<Wall>,
    runs: AtomicU64,
}

impl Machine {
    /// One that imports into project 1 of a server.
    #[must_use]
    pub fn new(fake: &Fake, input: Input) -> Machine {
        Machine {
            state: Arc::new(folder()),
            input,
            addresses: vec![format!("{}/projects/1", fake.address())],
            token: fake.token(),
            interval: Duration::from_secs(30),
            most_tasks: 50,
            plan: "plan".to_owned(),
            spread: None,
            again: false,
            accept_changed_sources: false,
            rejects: Mutex::default(),
            wall: Arc::new(Wall {
                base: SystemTime::now(),
                started: Instant::now(),
            }),
            runs: AtomicU64::new(0),
        }
    }

    /// Another command line on the same machine: another input, for another project.
    #[must_use]
    pub fn beside(&self, input: Input, address: String) -> Machine {
        Machine {
            state: Arc::clone(&self.state),
            input,
            addresses: vec![address],
            token: self.token.clone(),
            plan: format!("{} too", self.plan),
            rejects: Mutex::default(),
            wall: Arc::clone(&self.wall),
            runs: AtomicU64::new(0),
            ..*self
        }
    }

    fn journal_in(&self, life: &Arc<Life>) -> Result<Journal> {
        let life = Arc::clone(life);
        let world = World {
            clock: Arc::clone(&self.wall) as Arc<dyn Clock>,
            observer: Arc::new(move || life.recorded()),
        };
        Journal::open_in(self.state.path(), world)
    }

    /// The journal, for looking.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.journal_in(&Arc::default()).expect("a journal")
    }

    /// The runs, each with its imports.
    #[must_use]
    pub fn recorded(&self) -> Vec<(Run, Vec<Entry>)> {
        let journal = self.journal();
        let runs = journal.runs().expect("runs");
        let imports = |run: Run| {
            let log = journal.reopen(&run.id).expect("no one has it");
            (log.run().clone(), log.deliveries().expect("imports"))
        };
        runs.into_iter().map(imports).collect()
    }

    /// Starts the command, which may be killed, or asked to stop after a time.
    pub async fn run(&self, kill: Option<Kill>, stop: Option<Duration>) -> Ran {
        let life = Arc::new(Life {
            kill,
            ..Life::default()
        });
        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        let run = format!("run-{number}-{}", self.plan.len());
        let ran = Mutex::new(Ran {
            ended: Ended::Killed,
            begin: None,
            records: 0,
            run,
            receipts: 0,
        });
        {
            let killed = async {
                match kill {
                    Some(Kill { later, .. }) if !later.is_zero() => {
                        life.reached.notified().await;
                        sleep(later).await;
                    }
                    _ => std::future::pending().await,
                }
            };
            let work = async {
                match self.work(&life, stop, &ran).await {
                    Ok(ended) => ended,
                    Err(_) if life.is_over() => Ended::Killed,
                    Err(error) if error.code() == Code::Interrupted => Ended::Stopped,
                    Err(error) => Ended::Failed(error),
                }
            };
            let ended = tokio::select! {
                biased;
                () = killed => Ended::Killed,
                ended = work => ended,
            };
            ran.lock().expect("no one panicked").ended = ended;
        }
        assert!(
            !life.spoke_after_its_end.load(Ordering::Relaxed),
            "something was recorded after the end"
        );
        let mut ran = ran.into_inner().expect("no one panicked");
        ran.records = life.records.load(Ordering::Relaxed);
        ran
    }

    async fn work(
        &self,
        life: &Arc<Life>,
        stop: Option<Duration>,
        ran: &Mutex<Ran>,
    ) -> Result<Ended> {
        let journal = self.journal_in(life)?;
        let addresses = self.addresses.iter().map(|text| Address::parse(text));
        let addresses = addresses.collect::<Result<Vec<_>>>()?;
        let connection = Connection {
            late: Duration::from_mins(5),
            token: Token::parse(&self.token, "the test")?,
            settings: Settings::default(),
            interval: self.interval,
            most_tasks: self.most_tasks,
            most_bytes: 1_000_000,
        };
        let asked = Asked {
            run: ran.lock().expect("no one panicked").run.clone(),
            named: false,
            plan: self.plan.clone(),
            sources: self.input.sources.clone(),
            options: json!({"test": true}),
            spread: self.spread.map(|most| Spread {
                most,
                title: TITLE.to_owned(),
            }),
            again: self.again,
            accept_changed_sources: self.accept_changed_sources,
        };
        let sink = LabelStudio::new(&addresses, &connection, journal, asked)?;
        let around = Around {
            machine: self,
            stop_at: stop.map(|after| Instant::now() + after),
        };
        let begin = sink.begin(&around).await?;
        {
            let mut ran = ran.lock().expect("no one panicked");
            ran.begin = Some(begin);
            sink.run_id().clone_into(&mut ran.run);
        }
        let from = match begin {
            Begin::Nothing => {
                sink.finish(&around).await?;
                return Ok(Ended::Done);
            }
            Begin::First => 0,
            Begin::At(place) => {
                // Where a source was changed, records are told apart by their number alone.
                let number = |place: Place| (place.source, place.record);
                let here = |task: &Given| number(task.place) == number(place);
                self.input.tasks.iter().position(here).expect("a record")
            }
        };
        // As the rejects file does: what is met again is written again.
        let from_place = self.input.tasks.get(from).map(|task| task.place);
        let before = |place: &Place| from_place.is_none_or(|from| *place < from);
        self.rejects
            .lock()
            .expect("no one panicked")
            .retain(|(place, ..)| before(place));

        let (imports, imports_in) = mpsc::channel(1);
        let (asked, asked_in) = mpsc::unbounded_channel();
        let wanted = sink.wanted().expect("it says what it wants");
        let each = |_: &_| ran.lock().expect("no one panicked").receipts += 1;
        let (fed, delivered) = tokio::join!(
            self.feed(from, wanted, asked_in, imports),
            deliver::run(imports_in, Some(asked), &sink, &around, each)
        );
        delivered?;
        fed?;
        if around.is_stopped() {
            return Ok(Ended::Stopped);
        }
        sink.finish(&around).await?;
        Ok(Ended::Done)
    }

    /// The batcher and what stands before it.
    async fn feed(
        &self,
        from: usize,
        mut wanted: Wanted,
        mut asked: mpsc::UnboundedReceiver<Wanted>,
        imports: mpsc::Sender<Import>,
    ) -> Result<()> {
        let limits = Limits::new(self.most_tasks, 1_000_000, ARRAY)?;
        let mut now = None;
        let mut filling = Filling::new(1, limits, wanted, Bodies::Divisible);
        for chunk in self.input.tasks[from..].chunks(CHUNK) {
            let tasks = chunk_of(chunk);
            let mut next = 0;
            while next < chunk.len() {
                match filling.push(&tasks, next, |i| chunk[i].place)? {
                    Push::Added { tasks } => next += tasks,
                    Push::TooLarge { bytes } => panic!("a task of {bytes} bytes"),
                    Push::Full => {
                        wanted = match now {
                            Some(wanted) => wanted,
                            None => match asked.recv().await {
                                Some(wanted) => wanted,
                                None => return Ok(()),
                            },
                        };
                        now = Some(wanted);
                        if filling.want(wanted) {
                            continue;
                        }
                        let following = Filling::new(1, limits, wanted, Bodies::Divisible);
                        let full = std::mem::replace(&mut filling, following);
                        now = None;
                        let import = full.close(Some(chunk[next].place))?.expect("it has tasks");
                        if imports.send(import).await.is_err() {
                            return Ok(());
                        }
                    }
                }
            }
        }
        if let Some(import) = filling.close(None)? {
            // Nobody listens when the delivery has ended.
            let _ = imports.send(import).await;
        }
        Ok(())
    }
}

/// As a normalizer gives them.
fn chunk_of(given: &[Given]) -> Tasks {
    let held = Budget::new(usize::MAX, &Stop::default())
        .acquire(1, &Stop::default())
        .expect("it is not stopped");
    let start = Start::Text {
        byte: 0,
        lines_before: 0,
        before: Before::Nothing,
    };
    let shape = Arc::new(Shape::Json(Framing::Lines));
    let (mut bytes, mut marks) = (Vec::new(), Vec::new());
    for task in given {
        bytes.extend_from_slice(task.json.as_bytes());
        marks.push(TaskMark {
            end: bytes.len(),
            mark: Mark::default(),
        });
        bytes.push(b',');
    }
    let mut tasks = Tasks::new(
        SourceId(0),
        start,
        shape,
        Arc::new(held),
        Buffer::from(bytes),
    );
    tasks.marks = marks;
    tasks
}

/// What the sink sees of the run.
struct Around<'a> {
    machine: &'a Machine,
    stop_at: Option<Instant>,
}

impl Around<'_> {
    fn is_stopped(&self) -> bool {
        self.stop_at.is_some_and(|at| Instant::now() >= at)
    }
}

impl deliver::Run for Around<'_> {
    fn reject(&self, reject: Reject) -> Result<()> {
        let mut rejects = self.machine.rejects.lock().expect("no one panicked");
        rejects.push((reject.place, reject.code(), reject.raw));
        Ok(())
    }

    fn stopped(&self) -> BoxFuture<'_, ()> {
        match self.stop_at {
            Some(at) => sleep_until(at).boxed(),
            None => std::future::pending().boxed(),
        }
    }
}

/// Counts what a process records, and ends it.
#[derive(Default)]
struct Life {
    kill: Option<Kill>,
    records: AtomicU64,
    over: AtomicBool,
    spoke_after_its_end: AtomicBool,
    reached: Notify,
}

impl Life {
    fn recorded(&self) -> Result<()> {
        if self.is_over() {
            self.spoke_after_its_end.store(true, Ordering::Relaxed);
        }
        let number = 1 + self.records.fetch_add(1, Ordering::Relaxed);
        let Some(kill) = self.kill.filter(|kill| kill.after == number) else {
            return Ok(());
        };
        if kill.later.is_zero() {
            self.over.store(true, Ordering::Relaxed);
            return Err(Error::new(Code::Internal, "killed"));
        }
        self.reached.notify_one();
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}
