//! One round: everything that was made up, imported once.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use futures::FutureExt;
use futures::future::BoxFuture;
use indicatif::DecimalBytes;
use serde_json::Value;

use super::measured::{Asked, Machine};
use super::usage;
use crate::batch::body::Store;
use crate::batch::import::Import;
use crate::batch::limits::Wanted;
use crate::cli::args::{Arguments, BenchArguments, BenchTarget, Command};
use crate::cli::delivery::Named;
use crate::cli::import;
use crate::deliver::{Begin, Receipt, Run, Sink};
use crate::error::{Code, Error, Result};
use crate::generate;
use crate::journal::Journal;
use crate::label_studio::address::Address;
use crate::label_studio::settings::Settings;
use crate::label_studio::token::Token;
use crate::pipeline::{self, Outcome};
use crate::plan::{Plan, new_run_id};
use crate::read::seen::Seen;
use crate::report::Watch;
use crate::report::stages::Account;
use crate::sink::directory::Directory;
use crate::sink::label_studio::target::Connection;
use crate::sink::label_studio::{self, LabelStudio};
use crate::stand_in::{Behaviour, StandIn, TOKEN};

/// Where rounds take place: a folder with what was made up, which is removed with this.
pub(super) struct Workshop {
    arguments: BenchArguments,
    folder: PathBuf,
    input: PathBuf,
    bytes: u64,
}

/// What was measured of one round.
pub(super) struct Round {
    pub(super) bytes: u64,
    pub(super) tasks: u64,
    pub(super) imports: u64,
    pub(super) seconds: Duration,
    pub(super) processor: Option<Duration>,
    pub(super) peak: Option<u64>,
    /// How long each import took its target, in order of time.
    pub(super) times: Vec<Duration>,
    pub(super) stages: Account,
}

impl Round {
    pub(super) fn megabytes_a_second(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.seconds.as_secs_f64()
    }
}

impl Workshop {
    /// Makes up what is imported.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn new(arguments: &BenchArguments) -> Result<Self> {
        let parent = arguments.dir.clone().unwrap_or_else(std::env::temp_dir);
        let folder = parent.join(format!("sluice-bench-{}", new_run_id()));
        let input = folder.join(format!("input.{}", arguments.kind.ending()));
        let mut workshop = Workshop {
            arguments: arguments.clone(),
            folder,
            input,
            bytes: 0,
        };
        let BenchArguments {
            kind, size, seed, ..
        } = *arguments;
        let write = |folder: &Path, input: &Path| {
            std::fs::create_dir_all(folder)?;
            let mut file = BufWriter::with_capacity(1 << 20, File::create(input)?);
            generate::write(kind, &mut file, size as u64, seed)?;
            file.flush()?;
            Ok(file.get_ref().metadata()?.len())
        };
        let written = write(&workshop.folder, &workshop.input);
        workshop.bytes = written.map_err(|e: std::io::Error| {
            let shown = workshop.folder.display();
            let message = format!("cannot write to `{shown}`: {e}");
            Error::new(Code::TargetWrite, message)
                .help("name a folder on another disk with `--dir`")
        })?;
        Ok(workshop)
    }

    /// What was asked for, by which two benches are of one kind.
    pub(super) fn asked(&self) -> Asked {
        let a = &self.arguments;
        Asked {
            kind: self.name(),
            seed: a.seed,
            input_bytes: self.bytes,
            target: name_of(&a.target),
            latency_ms: a.latency.as_secs_f64() * 1e3,
            faults: a.faults,
            threads: a.threads.map(usize::from),
            memory: a.memory as u64,
            max_tasks: a.max_tasks as u64,
            max_bytes: a.max_bytes as u64,
            machine: Machine::this(),
        }
    }

    pub(super) fn name(&self) -> String {
        name_of(&self.arguments.kind)
    }

    pub(super) fn shown_bytes(&self) -> String {
        DecimalBytes(self.bytes).to_string()
    }

    /// One round.
    ///
    /// # Errors
    /// What ended it early.
    pub(super) fn round(&self) -> Result<Round> {
        let plan = Arc::new(self.plan()?);
        match self.arguments.target {
            BenchTarget::Directory => {
                let out = self.folder.join("out");
                self.measure(&plan, &Directory::new(&out, true))
            }
            BenchTarget::StandIn => {
                let BenchArguments {
                    latency,
                    faults,
                    seed,
                    ..
                } = self.arguments;
                let server = StandIn::start(Behaviour {
                    latency,
                    faults,
                    seed,
                })?;
                let sink = self.projects(&server, &plan)?;
                self.measure(&plan, &sink)
            }
        }
    }

    /// The plan of `sluice import` with these words: a bench measures no other way than that one.
    fn plan(&self) -> Result<Plan> {
        let a = &self.arguments;
        let mut words = vec![
            "sluice".to_owned(),
            "import".to_owned(),
            "--quiet".to_owned(),
            format!("--to={}", self.folder.join("out").display()),
            format!("--memory={}", a.memory),
            format!("--max-tasks={}", a.max_tasks),
            format!("--max-bytes={}", a.max_bytes),
        ];
        words.extend(a.threads.map(|threads| format!("--threads={threads}")));
        words.push("--".to_owned());
        words.push(self.input.display().to_string());
        let parsed = Arguments::try_parse_from(words);
        match parsed.map(|arguments| arguments.command) {
            Ok(Command::Import(import)) => {
                import::plan(&import::Asked::from(&*import), &Named::of(&import.to)?)
            }
            _ => Err(Error::new(
                Code::Internal,
                "a bench has words that are no import's",
            )),
        }
    }

    fn projects(&self, server: &StandIn, plan: &Plan) -> Result<LabelStudio> {
        let most = plan.limits.all();
        let connection = Connection {
            token: Token::parse(TOKEN, "the stand-in's token")?,
            settings: Settings {
                // Faults are many, and the machine is near.
                poll_interval: Duration::from_millis(20),
                ..Settings::default()
            },
            interval: Duration::ZERO,
            late: Duration::ZERO,
            most_tasks: most.tasks,
            most_bytes: most.bytes,
        };
        let asked = label_studio::Asked {
            run: plan.run.clone(),
            named: false,
            plan: plan.digest()?,
            sources: plan.sources.clone(),
            options: Value::Null,
            spread: None,
            again: true,
            accept_changed_sources: false,
        };
        // What one round has learned of the server is not for the next.
        let state = self.folder.join(format!("state-{}", plan.run));
        let journal = Journal::open(&state)?;
        LabelStudio::new(
            &[Address::parse(&server.project())?],
            &connection,
            journal,
            asked,
        )
    }

    fn measure(&self, plan: &Arc<Plan>, sink: &dyn Sink) -> Result<Round> {
        let timed = Timed {
            sink,
            times: Mutex::default(),
        };
        let watch = Arc::new(Watch::default());
        usage::forget_peak();
        let (before, started) = (usage::processor(), Instant::now());
        let Outcome { error, .. } = pipeline::run(plan, &timed, &watch);
        let seconds = started.elapsed();
        let processor = usage::processor()
            .zip(before)
            .map(|(after, before)| after.saturating_sub(before));
        let peak = usage::peak();
        if let Some(error) = error {
            return Err(error);
        }
        let so_far = watch.counters.so_far();
        let mut times = timed
            .times
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        times.sort_unstable();
        Ok(Round {
            bytes: self.bytes,
            tasks: so_far.tasks,
            imports: so_far.imports,
            seconds,
            processor,
            peak,
            times,
            stages: watch.account(),
        })
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // A folder for temporary files may keep it.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn name_of(value: &impl ValueEnum) -> String {
    let possible = value.to_possible_value();
    possible.map_or_else(String::new, |value| value.get_name().to_owned())
}

/// A sink, and how long it takes over each import.
struct Timed<'a> {
    sink: &'a dyn Sink,
    times: Mutex<Vec<Duration>>,
}

impl Sink for Timed<'_> {
    fn begin<'a>(&'a self, run: &'a dyn Run) -> BoxFuture<'a, Result<Begin>> {
        self.sink.begin(run)
    }

    fn store(&self) -> Store {
        self.sink.store()
    }

    fn at_once(&self) -> usize {
        self.sink.at_once()
    }

    fn wanted(&self) -> Option<Wanted> {
        self.sink.wanted()
    }

    fn run(&self) -> Option<&str> {
        self.sink.run()
    }

    fn rejects(&self) -> Option<PathBuf> {
        self.sink.rejects()
    }

    fn seen(&self) -> Option<Arc<Seen>> {
        self.sink.seen()
    }

    fn deliver<'a>(
        &'a self,
        import: Import,
        run: &'a dyn Run,
    ) -> BoxFuture<'a, Result<Vec<Receipt>>> {
        async move {
            let started = Instant::now();
            let receipts = self.sink.deliver(import, run).await?;
            let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
            times.push(started.elapsed());
            Ok(receipts)
        }
        .boxed()
    }

    fn finish<'a>(&'a self, run: &'a dyn Run) -> BoxFuture<'a, Result<()>> {
        self.sink.finish(run)
    }
}
