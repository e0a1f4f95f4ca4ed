//! A Label Studio that can be made to fail: its answers as measured, its failures by seed or by script.
//!
//! ```ignore
//! let fake = Fake::start(Faults::from_seed(7), Options::default());
//! // ... a client imports into format!("{}/projects/1", fake.address()) with fake.token() ...
//! fake.stored_equals(&expected)?;
//! no_overlap(&fake.history())?;
//! ```
//!
//! **Time.** The server works, waits and forgets tokens by tokio's clock. `Fake::start` serves in the runtime it is
//! called in, over real loopback sockets. With `#[tokio::test(start_paused = true)]` that runtime's clock jumps ahead
//! whenever nothing else is to be done; `brake` sees to it that it does not jump while bytes are on the wire, and never
//! past a timer. Two rules keep it so:
//! - All that waits on the network is in this runtime. What runs on another thread is not seen by the clock, unless it
//!   is in `spawn_blocking`, which holds the clock: a client that computes on threads of its own finds that hours have
//!   passed. For such a client, and for another process, there is `Fake::on_thread`, where time is real.
//! - Times are right to a quarter of a second (`brake::STRIDE`): give timeouts in whole seconds.
//!
//! **Work without a connection.** As the real one, the server goes on when its client has gone. It does so for at most
//! `Faults::latest` (20 s) and the time of an honest import; a client that waits that long before it looks sees all
//! there will be.
#![allow(dead_code, reason = "each test file uses its own part")]

#[path = "fake_label_studio/answers.rs"]
mod answers;
#[path = "fake_label_studio/brake.rs"]
mod brake;
#[path = "fake_label_studio/calls.rs"]
mod calls;
#[path = "fake_label_studio/faults.rs"]
mod faults;
#[path = "fake_label_studio/history.rs"]
mod history;
#[path = "fake_label_studio/imports.rs"]
mod imports;
#[path = "fake_label_studio/line.rs"]
mod line;
#[path = "fake_label_studio/serve.rs"]
mod serve;
#[path = "fake_label_studio/store.rs"]
mod store;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

#[allow(unused_imports, reason = "each test file uses its own part")]
pub use faults::{Call, Fault, Faults, Prng};
#[allow(unused_imports, reason = "each test file uses its own part")]
pub use history::{Request, attempts, commits_spaced, no_overlap, spaced};
#[allow(unused_imports, reason = "each test file uses its own part")]
pub use store::{Project, Task, Upload};

use line::{Door, Line};
use serve::Shared;

/// Does some work in a runtime of its own, whose clock jumps ahead whenever nothing else is to be done.
pub fn in_paused_time<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(work)
}

/// How long an access token is good for.
pub const ACCESS_SECONDS: u64 = 300;

/// The token of the old kind.
pub const LEGACY_TOKEN: &str = "0123456789abcdef0123456789abcdef01234567";

/// A labelling config that asks for `text`.
pub const TEXT_CONFIG: &str = r#"<View><Text name="text" value="$text"/><Choices name="c" toName="text"><Choice value="a"/><Choice value="b"/></Choices></View>"#;

/// What stores the tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    /// Refuses NUL and lone surrogates; does not use the ids of deleted tasks again.
    Postgres,
}

/// How imports are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edition {
    /// When they are done.
    Community,
    /// At once with a number, to be asked for until it is completed or failed.
    Enterprise,
}

/// What kind of server it is.
#[derive(Clone, Debug)]
pub struct Options {
    /// The labelling configs of the projects there are, numbered from 1.
    pub projects: Vec<String>,
    /// Whether tokens of the old kind are taken.
    pub legacy: bool,
    /// What stands before every path, such as `/label-studio`.
    pub prefix: String,
    pub database: Database,
    pub edition: Edition,
    /// A proxy refuses longer bodies by 413.
    pub max_body: Option<usize>,
    /// What every import takes.
    pub request_time: Duration,
    /// What every task takes; five times that with annotations or predictions, and four times to replace one.
    pub task_time: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            projects: vec![TEXT_CONFIG.to_owned()],
            legacy: false,
            prefix: String::new(),
            database: Database::Sqlite,
            edition: Edition::Community,
            max_body: None,
            request_time: Duration::from_millis(20),
            task_time: Duration::from_micros(200),
        }
    }
}

/// A running server. It ends when this is dropped.
pub struct Fake {
    shared: Arc<Shared>,
    address: SocketAddr,
    running: Running,
}

/// Where it runs.
enum Running {
    Here([AbortHandle; 2]),
    Thread { _end: oneshot::Sender<()> },
}

impl Fake {
    /// Starts a server in the runtime this is called in.
    #[must_use]
    pub fn start(faults: Faults, options: Options) -> Fake {
        let shared = Arc::new(Shared::new(faults, options));
        let door = Door::new(Arc::clone(&shared.gate));
        let address = door.address();
        let service =
            serve::router(Arc::clone(&shared)).into_make_service_with_connect_info::<Line>();
        let serving = tokio::spawn(async move { axum::serve(door, service).await }).abort_handle();
        let braking = tokio::spawn(brake::run(Arc::downgrade(&shared.gate))).abort_handle();
        Fake {
            shared,
            address,
            running: Running::Here([serving, braking]),
        }
    }

    /// Starts a server on a thread of its own, where time is real.
    #[must_use]
    pub fn on_thread(faults: Faults, options: Options) -> Fake {
        let (give, take) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let fake = Fake::start(faults, options);
                let (end, ended) = oneshot::channel();
                let running = Running::Thread { _end: end };
                give.send(Fake {
                    shared: Arc::clone(&fake.shared),
                    address: fake.address,
                    running,
                })
                .ok();
                ended.await.ok();
            });
        });
        take.recv().expect("the thread starts")
    }

    /// Where it is, with its prefix: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://{}{}", self.address, self.shared.options.prefix)
    }

    /// A token that works: of the old kind if such are taken, else a personal access token.
    #[must_use]
    pub fn token(&self) -> String {
        if self.shared.options.legacy {
            LEGACY_TOKEN.to_owned()
        } else {
            self.pat()
        }
    }

    /// The personal access token.
    #[must_use]
    pub fn pat(&self) -> String {
        self.shared.pat.clone()
    }

    /// A project as it is now.
    ///
    /// # Panics
    /// If there is none of that number.
    #[must_use]
    pub fn project(&self, id: u64) -> Project {
        self.shared.with(|state| state.project(id).clone())
    }

    /// All projects as they are now.
    #[must_use]
    pub fn projects(&self) -> Vec<Project> {
        self.shared
            .with(|state| state.projects.values().cloned().collect())
    }

    /// Changes what is stored, as a person at the server might.
    pub fn change(&self, project: u64, change: impl FnOnce(&mut Project)) {
        self.shared.with(|state| change(state.project(project)));
    }

    /// Every request so far.
    #[must_use]
    pub fn history(&self) -> Vec<Request> {
        self.shared.history.lock().expect("no one panicked").clone()
    }

    /// How often each kind of fault has happened, by `Fault::name`.
    #[must_use]
    pub fn faults_seen(&self) -> BTreeMap<&'static str, usize> {
        self.shared
            .faults
            .lock()
            .expect("no one panicked")
            .seen()
            .clone()
    }

    /// From here on the server is honest.
    pub fn become_honest(&self) {
        self.shared.faults.lock().expect("no one panicked").clear();
    }

    /// From here on these go wrong.
    pub fn misbehave(&self, faults: Faults) {
        *self.shared.faults.lock().expect("no one panicked") = faults;
    }

    /// Whether requests are worked on whose connection may have gone.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.history()
            .iter()
            .any(|request| request.finished.is_none())
    }

    /// Kills the server: connections are reset, work is lost, what is stored stays, the port refuses.
    pub async fn stop(&self) {
        self.shared.kill();
        self.shared.gate.settled().await;
    }

    /// Starts it again, on the same port; kills it first if it runs.
    pub async fn restart(&self) {
        self.stop().await;
        self.shared.gate.open();
        self.shared.gate.settled().await;
    }

    /// Whether exactly these tasks are stored, each once, in any project and order, with all that belongs to them.
    ///
    /// # Errors
    /// Says which are missing and which are there too often.
    pub fn stored_equals(&self, expected: &[Value]) -> Result<(), String> {
        let mut balance: BTreeMap<String, i64> = BTreeMap::new();
        for task in expected {
            *balance.entry(canonical(task)).or_default() -= 1;
        }
        for task in self.projects().iter().flat_map(|project| &project.tasks) {
            let Task {
                data,
                meta,
                annotations,
                predictions,
                ..
            } = task;
            let parts = |parts: &[Value]| parts.iter().map(without_id).collect::<Vec<_>>();
            let (annotations, predictions) = (parts(annotations), parts(predictions));
            let task = json!({"data": data, "meta": meta, "annotations": annotations, "predictions": predictions});
            *balance.entry(canonical(&task)).or_default() += 1;
        }
        balance.retain(|_, count| *count != 0);
        if balance.is_empty() {
            return Ok(());
        }
        let missing: i64 = balance
            .values()
            .filter(|count| **count < 0)
            .map(|count| -count)
            .sum();
        let extra: i64 = balance.values().filter(|count| **count > 0).sum();
        let some: Vec<String> = balance
            .iter()
            .take(5)
            .map(|(task, count)| format!("{count:+} {task}"))
            .collect();
        Err(format!(
            "{missing} tasks are missing, {extra} too many:\n{}",
            some.join("\n")
        ))
    }
}

/// A task as it is compared.
fn canonical(task: &Value) -> String {
    let (data, task) = match task.get("data") {
        Some(data) => (data, task),
        None => (task, &Value::Null),
    };
    let list = |name: &str| task[name].as_array().cloned().unwrap_or_default();
    let meta = if task["meta"].is_null() {
        json!({})
    } else {
        task["meta"].clone()
    };
    json!({"data": data, "meta": meta, "annotations": list("annotations"), "predictions": list("predictions")}).to_string()
}

fn without_id(part: &Value) -> Value {
    let mut part = part.clone();
    if let Some(members) = part.as_object_mut() {
        members.remove("id");
    }
    part
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shared.kill();
        if let Running::Here(tasks) = &self.running {
            for task in tasks {
                task.abort();
            }
        }
    }
}
