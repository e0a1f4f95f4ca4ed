//! What the tests of the binary share: running it under a clock, measuring its memory, reading what it wrote.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use serde_json::value::RawValue;

/// A run still alive after this is a hang.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// No run may ever hold more than this, whatever it reads.
pub const ONE_GIB: u64 = 1 << 30;

/// A run past this is ended, so that a memory fault fails a test and not the machine.
const CEILING: u64 = 2 * ONE_GIB;

/// The caps of one import.
pub const MAX_TASKS: usize = 250_000;
/// The caps of one import.
pub const MAX_BYTES: u64 = 50_000_000;

/// The binary under test, with nothing of the caller's environment that would change what it says.
pub fn sluice() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null());
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SLUICE_"))
    {
        command.env_remove(name);
    }
    command
}

/// A run that has ended.
#[derive(Debug)]
pub struct Ran {
    /// How it ended.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// All of its standard error.
    pub stderr: String,
    /// Its peak resident size in bytes.
    pub peak: u64,
    /// How long it took.
    pub took: Duration,
    /// It was killed, for this reason.
    pub killed: Option<&'static str>,
}

impl Ran {
    /// Its exit code, or -1 if a signal ended it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// What no run may do: hang, grow past 1 GiB, die of a signal, show a panic.
    pub fn misbehaviour(&self) -> Option<String> {
        if let Some(why) = self.killed {
            return Some(format!(
                "{why} (after {:.1} s, peak {} MiB)",
                self.took.as_secs_f64(),
                self.peak >> 20
            ));
        }
        if let Some(signal) = self.status.signal() {
            return Some(format!("died of signal {signal}"));
        }
        if self.peak >= ONE_GIB {
            return Some(format!("peak memory {} MiB", self.peak >> 20));
        }
        let panic = ["panicked at", "RUST_BACKTRACE"]
            .into_iter()
            .find(|word| self.stderr.contains(word))?;
        Some(format!("shows a panic ({panic:?})"))
    }
}

/// Runs to the end, or to `patience`.
pub fn run(command: &mut Command, patience: Duration) -> Ran {
    drive(command, patience, None, |_| {})
}

/// The same, with `feed` writing to its standard input; a pipe closed early is no fault of the feeder.
pub fn run_fed(
    command: &mut Command,
    patience: Duration,
    feed: impl FnOnce(ChildStdin) + Send + 'static,
) -> Ran {
    run_told(command, patience, feed, |_| {})
}

/// The same, and `tell` hears the run's process id.
pub fn run_told(
    command: &mut Command,
    patience: Duration,
    feed: impl FnOnce(ChildStdin) + Send + 'static,
    tell: impl FnOnce(i32),
) -> Ran {
    command.stdin(Stdio::piped());
    drive(command, patience, Some(Box::new(feed)), tell)
}

type Feed = Box<dyn FnOnce(ChildStdin) + Send>;

#[expect(clippy::zombie_processes, reason = "`wait` waits for it, by wait4")]
fn drive(
    command: &mut Command,
    patience: Duration,
    feed: Option<Feed>,
    tell: impl FnOnce(i32),
) -> Ran {
    let started = Instant::now();
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let (out, err) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let feeder = feed
        .zip(child.stdin.take())
        .map(|(feed, stdin)| thread::spawn(move || feed(stdin)));
    let pid = i32::try_from(child.id()).expect("a pid fits");
    tell(pid);
    let (status, peak, killed) = wait(pid, started, patience);
    let took = started.elapsed();
    if let Some(feeder) = feeder {
        feeder.join().expect("the feeder ends");
    }
    let stderr = String::from_utf8_lossy(&err.join().expect("stderr is read")).into_owned();
    Ran {
        status,
        stdout: out.join().expect("stdout is read"),
        stderr,
        peak,
        took,
        killed,
    }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut all);
        }
        all
    })
}

/// Waits by `wait4`, which says what the child's memory peaked at.
///
/// Linux starts a child's peak at what its parent had peaked at when it was forked; where `wait4` says no more than
/// that, what `/proc` said while the child ran is the measure.
fn wait(pid: i32, started: Instant, patience: Duration) -> (ExitStatus, u64, Option<&'static str>) {
    let mut killed = None;
    let mut pause = Duration::from_micros(500);
    let mut seen = Memory::default();
    loop {
        seen = Memory::of(pid).unwrap_or(seen);
        let mut status = 0;
        // SAFETY: an all-zero rusage is a valid one, and wait4 fills what it is given.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers are to locals that outlive the call; the pid is our own child's, not yet waited for.
        let answer = unsafe { libc::wait4(pid, &raw mut status, libc::WNOHANG, &raw mut usage) };
        assert!(answer >= 0, "wait4: {}", io::Error::last_os_error());
        if answer == pid {
            let (told, floor) = (bytes(&usage), own_peak());
            let peak = if told > floor || seen.peak == 0 {
                told
            } else {
                seen.peak
            };
            return (ExitStatus::from_raw(status), peak, killed);
        }
        let over = if started.elapsed() > patience {
            Some("hung")
        } else if seen.now > CEILING {
            Some("grew past 2 GiB")
        } else {
            None
        };
        if over.is_some() && killed.is_none() {
            killed = over;
            signal(pid, libc::SIGKILL);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

/// What a process holds now, and what it held at most, in bytes.
#[derive(Clone, Copy, Default)]
struct Memory {
    now: u64,
    peak: u64,
}

impl Memory {
    /// As `/proc` says; nothing where there is none, or where the process has ended.
    fn of(pid: i32) -> Option<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
        };
        Some(Memory {
            now: field("VmRSS:")?,
            peak: field("VmHWM:")?,
        })
    }
}

/// What this process peaked at.
fn own_peak() -> u64 {
    // SAFETY: an all-zero rusage is a valid one, and getrusage fills what it is given.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a local that outlives the call.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    bytes(&usage)
}

fn bytes(usage: &libc::rusage) -> u64 {
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    u64::try_from(usage.ru_maxrss).expect("a size is not negative") * unit
}

/// Sends a signal to a child of ours.
pub fn signal(pid: i32, signal: i32) {
    // SAFETY: kill has no memory to spoil; the pid is a child not yet waited for, so no one else's.
    unsafe { libc::kill(pid, signal) };
}

/// A directory target, as it stands on disk.
pub struct Target {
    /// Where.
    pub dir: PathBuf,
    /// `manifest.json`.
    pub manifest: Value,
    /// Every task, in order, exactly as written.
    pub tasks: Vec<Box<RawValue>>,
    /// Every line of `rejects.jsonl`.
    pub rejects: Vec<Value>,
}

impl Target {
    /// Reads a target and holds it against what every target must be: each file whole, within the caps, listed in the
    /// manifest with its true size, count and digest, and nothing in the folder that the manifest does not speak of.
    pub fn read(dir: &Path) -> Result<Target, String> {
        let text = |name: &str| {
            std::fs::read_to_string(dir.join(name)).map_err(|e| format!("{name}: {e}"))
        };
        let manifest: Value = serde_json::from_str(&text("manifest.json")?)
            .map_err(|e| format!("manifest.json: {e}"))?;
        let listed = manifest["imports"]
            .as_array()
            .ok_or("manifest.json: no `imports`")?;
        let mut tasks = Vec::new();
        for import in listed {
            let name = import["name"]
                .as_str()
                .ok_or("manifest.json: an import without `name`")?;
            let body = text(name)?;
            let here: Vec<Box<RawValue>> =
                serde_json::from_str(&body).map_err(|e| format!("{name}: {e}"))?;
            let bytes = body.len() as u64;
            if here.len() > MAX_TASKS || bytes > MAX_BYTES || here.is_empty() {
                return Err(format!("{name}: {} tasks in {bytes} bytes", here.len()));
            }
            let digest = blake3::hash(body.as_bytes()).to_hex();
            let digests = import["blake3"]
                .as_str()
                .map(|d| d.trim_start_matches("blake3:"));
            let said = (import["tasks"].as_u64(), import["bytes"].as_u64(), digests);
            if said != (Some(here.len() as u64), Some(bytes), Some(digest.as_str())) {
                return Err(format!(
                    "{name}: the manifest says {import}, it holds {} tasks, {bytes} bytes",
                    here.len()
                ));
            }
            tasks.extend(here);
        }
        let rejects = match std::fs::read_to_string(dir.join("rejects.jsonl")) {
            Ok(text) => text
                .lines()
                .map(serde_json::from_str)
                .collect::<Result<_, _>>(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => return Err(format!("rejects.jsonl: {e}")),
        };
        let rejects = rejects.map_err(|e| format!("rejects.jsonl: {e}"))?;
        let known = |name: &str| {
            ["manifest.json", "rejects.jsonl"].contains(&name)
                || listed.iter().any(|import| import["name"] == name)
        };
        match names(dir).into_iter().find(|name| !known(name)) {
            Some(stray) => Err(format!(
                "{stray} stands in the target and not in the manifest"
            )),
            None => Ok(Target {
                dir: dir.to_owned(),
                manifest,
                tasks,
                rejects,
            }),
        }
    }

    /// The `data` of every task, its keys in the order written.
    pub fn data(&self) -> Vec<Fields> {
        #[derive(serde::Deserialize)]
        struct Task {
            data: Fields,
        }
        self.tasks
            .iter()
            .map(|task| {
                serde_json::from_str::<Task>(task.get())
                    .expect("a task has data")
                    .data
            })
            .collect()
    }

    /// Every task as a value.
    pub fn values(&self) -> Vec<Value> {
        self.tasks
            .iter()
            .map(|task| serde_json::from_str(task.get()).expect("a task is JSON"))
            .collect()
    }
}

/// The names in a folder, sorted; none if there is no such folder.
pub fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut names: Vec<_> = entries
        .map(|e| {
            e.expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// An object with its keys in the order written and its values as written; a key given twice stands twice.
#[derive(Debug)]
pub struct Fields(pub Vec<(String, Box<RawValue>)>);

impl<'de> serde::Deserialize<'de> for Fields {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Fields;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

impl Fields {
    /// The keys, in order.
    pub fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(key, _)| key.as_str()).collect()
    }
}

/// A value of `data` that is a JSON string.
pub fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// A file of `tests/data`.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

/// A folder that is gone when the test ends.
pub fn temp() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("sluice-test-")
        .tempdir()
        .expect("a temporary folder")
}

/// Writes a file and gives its path.
pub fn write(dir: &Path, name: impl AsRef<OsStr>, body: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.join(name.as_ref());
    std::fs::write(&path, body).expect("a file is written");
    path
}

/// Writes to a pipe until it is closed.
pub fn pour(stdin: &mut ChildStdin, bytes: &[u8]) -> bool {
    stdin.write_all(bytes).is_ok()
}
