//! `sluice import` into real servers, on SQLite and on PostgreSQL: every task there, once, whatever is killed.
//!
//! Each database has one server for all tests, which take turns: a server has one writer at a time.

#[path = "common/real_label_studio.rs"]
mod real_label_studio;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};
use sluice::labelling_config::LabellingConfig;

use real_label_studio::{CONFIG, Real};

/// A server, or why there is none.
type Started = Result<Mutex<Real>, String>;

static SQLITE: LazyLock<Started> = LazyLock::new(|| start("sqlite"));
static POSTGRES: LazyLock<Started> = LazyLock::new(|| start("postgres"));

fn start(database: &'static str) -> Started {
    Real::start(database, &format!("real-{database}")).map(Mutex::new)
}

/// A server to itself, a new project, and a folder for the journal.
struct Bench {
    real: MutexGuard<'static, Real>,
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
    project: u64,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(server: &'static Started) -> Bench {
        let real = match server {
            Ok(real) => real.lock().unwrap_or_else(PoisonError::into_inner),
            Err(why) => panic!("{why}"),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let mut bench = Bench {
            real,
            runtime,
            // A connection that is kept does not outlive its server.
            http: reqwest::Client::builder()
                .pool_max_idle_per_host(0)
                .build()
                .expect("a client"),
            project: 0,
            folder: tempfile::tempdir().expect("a folder"),
        };
        bench.project = bench.new_project();
        bench
    }

    fn new_project(&self) -> u64 {
        self.new_project_with(CONFIG)
    }

    fn new_project_with(&self, config: &str) -> u64 {
        let request = self
            .http
            .post(format!("{}/api/projects", self.real.url))
            .json(&json!({"title": "real", "label_config": config}));
        self.send(request)["id"].as_u64().expect("a number")
    }

    fn send(&self, request: reqwest::RequestBuilder) -> Value {
        let request = request.header("Authorization", format!("Token {}", self.real.token));
        self.runtime.block_on(async {
            let answer = request.send().await.expect("an answer");
            let status = answer.status();
            let text = answer.text().await.expect("text");
            assert!(status.is_success(), "{status}: {text}");
            serde_json::from_str(&text).expect("JSON")
        })
    }

    fn get(&self, path: &str) -> Value {
        self.send(self.http.get(format!("{}{path}", self.real.url)))
    }

    fn to(&self) -> String {
        format!("{}/projects/{}", self.real.url, self.project)
    }

    /// `sluice` with words, the personal access token and a journal of its own.
    fn sluice(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
        command
            .args(words)
            .env("LABEL_STUDIO_API_KEY", &self.real.pat)
            .env("SLUICE_STATE_DIR", self.folder.path().join("state"))
            .stdin(Stdio::null());
        command
    }

    /// `sluice import` into the project, unpaced.
    fn import(&self, source: &Path, more: &[&str]) -> Command {
        let mut command = self.sluice(&["import"]);
        command
            .arg(source)
            .args(["--to", &self.to(), "--interval", "0"])
            // A server that was killed goes on with nothing.
            .args(["--late", "20s"])
            .args(more);
        command
    }

    fn write(&self, name: &str, tasks: &[Value]) -> PathBuf {
        let lines: String = tasks.iter().map(|task| format!("{task}\n")).collect();
        let path = self.folder.path().join(name);
        std::fs::write(&path, lines).expect("a file");
        path
    }

    /// Every task of the project as it was sent, in the order of their numbers.
    fn stored(&self) -> Vec<Value> {
        let mut stored = Vec::new();
        loop {
            let page = stored.len() / 1_000 + 1;
            let project = self.project;
            let path =
                format!("/api/tasks?project={project}&page={page}&page_size=1000&fields=all");
            let answer = self.get(&path);
            let tasks = answer["tasks"].as_array().expect("tasks");
            stored.extend(tasks.iter().map(as_sent));
            if stored.len() as u64 >= answer["total"].as_u64().expect("a count") {
                return stored;
            }
        }
    }

    /// Exactly these tasks are there, each once, in order, with all that belongs to them.
    fn has(&self, tasks: &[Value]) {
        let stored = self.stored();
        let mut copies: BTreeMap<u64, i64> = BTreeMap::new();
        for (tasks, step) in [(tasks, -1), (&stored, 1)] {
            for task in tasks {
                *copies
                    .entry(task["data"]["n"].as_u64().expect("n"))
                    .or_default() += step;
            }
        }
        copies.retain(|_, count| *count != 0);
        assert!(
            copies.is_empty(),
            "missing (-) or too often (+): {copies:?}"
        );
        let other = stored
            .iter()
            .zip(tasks)
            .find(|(stored, sent)| stored != sent);
        assert_eq!(other, None, "a task is not as it was sent");
    }
}

/// What was sent of a task that the server gives back.
fn as_sent(task: &Value) -> Value {
    let results = |name: &str| -> Vec<Value> {
        let parts = task[name].as_array().cloned().unwrap_or_default();
        let part = |part: &Value| {
            let mut sent = json!({"result": part["result"]});
            if part["was_cancelled"] == true {
                sent["was_cancelled"] = true.into();
            }
            sent
        };
        parts.iter().map(part).collect()
    };
    let mut sent = json!({"data": task["data"]});
    for name in ["annotations", "predictions"] {
        let results = results(name);
        if !results.is_empty() {
            sent[name] = results.into();
        }
    }
    if let Some(meta) = task["meta"].as_object().filter(|meta| !meta.is_empty()) {
        sent["meta"] = meta.clone().into();
    }
    sent
}

/// Tasks of all kinds, told apart by `n`.
fn tasks(count: u64) -> Vec<Value> {
    let choice = |value: &str| json!({"result": [{"from_name": "c", "to_name": "text", "type": "choices", "value": {"choices": [value]}}]});
    let task = |n: u64| {
        let mut task = json!({"data": {"n": n, "text": format!("number {n} of many, with a few words to read")}});
        if n.is_multiple_of(5) {
            task["annotations"] = json!([choice("a")]);
        }
        if n.is_multiple_of(50) {
            task["annotations"][0]["was_cancelled"] = true.into();
        }
        if n.is_multiple_of(4) {
            task["predictions"] = json!([choice("b")]);
        }
        if n.is_multiple_of(3) {
            task["meta"] = json!({"batch": n / 100});
        }
        task
    };
    (0..count).map(task).collect()
}

fn ended_well(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    let token = |secret: &str| said.contains(secret);
    assert!(!token("eyJ"), "a token is shown: {said}");
}

/// A number from 0 to `below` - 1 that follows another, evenly enough.
fn next(seed: &mut u64, below: u64) -> u64 {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}

/// Runs the command until it has ended by itself; gives how often it was killed.
fn kill_at_random(command: impl Fn() -> Command, times: u32, seed: &mut u64) -> u32 {
    let mut killed = 0;
    for _ in 0..times {
        let mut child = command().stderr(Stdio::null()).spawn().expect("it starts");
        sleep(Duration::from_millis(50 + next(seed, 1_500)));
        if child.try_wait().expect("a child").is_some() {
            return killed;
        }
        child.kill().expect("SIGKILL");
        child.wait().expect("it ends");
        killed += 1;
    }
    killed
}

fn a_table_comes_in(server: &'static Started) {
    let bench = Bench::new(server);
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/penguins.csv");
    let mut records = csv_records(&table);
    for record in &mut records {
        let species = record.remove("species").expect("a column");
        record.insert("text".into(), species);
    }
    for token in [&bench.real.token, &bench.real.pat] {
        let output = bench
            .import(&table, &["--map", "text=species", "--again"])
            .env("LABEL_STUDIO_API_KEY", token)
            .output()
            .expect("it runs");
        ended_well(&output);
        assert!(!String::from_utf8_lossy(&output.stderr).contains(token.as_str()));
    }
    let twice = [records.clone(), records].concat();
    let stored: Vec<Value> = bench
        .stored()
        .into_iter()
        .map(|mut task| task["data"].take())
        .collect();
    let sent: Vec<Value> = twice.into_iter().map(Value::from).collect();
    assert_eq!(stored, sent);
}

fn csv_records(path: &Path) -> Vec<serde_json::Map<String, Value>> {
    let mut reader = csv::Reader::from_path(path).expect("a table");
    let header = reader.headers().expect("a header").clone();
    let record = |row: csv::StringRecord| {
        let cells = header.iter().zip(&row);
        cells
            .map(|(key, cell)| (key.to_owned(), Value::from(cell)))
            .collect()
    };
    reader
        .records()
        .map(|row| record(row.expect("a row")))
        .collect()
}

fn the_client_is_killed(server: &'static Started, times: u32) {
    let bench = Bench::new(server);
    let sent = tasks(6_000);
    let source = bench.write("many.jsonl", &sent);
    let command = || bench.import(&source, &["--max-tasks", "100"]);
    let mut seed = 7;
    assert_eq!(
        kill_at_random(command, times, &mut seed),
        times,
        "it ended too soon to be killed"
    );
    ended_well(&command().output().expect("it runs"));
    bench.has(&sent);
    // Nothing is left to do.
    let again = command().output().expect("it runs");
    ended_well(&again);
    bench.has(&sent);
}

fn the_server_is_killed(server: &'static Started, times: u32) {
    let bench = Bench::new(server);
    let sent = tasks(8_000);
    let source = bench.write("many.jsonl", &sent);
    let command = || bench.import(&source, &["--max-tasks", "300"]);
    let mut child = command().stderr(Stdio::null()).spawn().expect("it starts");
    let mut seed = 11;
    for _ in 0..times {
        sleep(Duration::from_millis(200 + next(&mut seed, 2_000)));
        bench.real.crash();
    }
    // It has waited for the server, or said that it can be gone on with.
    let code = child.wait().expect("it ends").code();
    assert!(matches!(code, Some(0 | 5)), "exit {code:?}");
    ended_well(&command().output().expect("it runs"));
    bench.has(&sent);
}

#[test]
fn a_table_comes_in_with_both_kinds_of_token() {
    a_table_comes_in(&SQLITE);
}

#[test]
fn a_table_comes_in_with_both_kinds_of_token_on_postgresql() {
    a_table_comes_in(&POSTGRES);
}

#[test]
fn twenty_kills_of_the_client_lose_and_double_nothing() {
    the_client_is_killed(&SQLITE, 20);
}

#[test]
fn twenty_kills_of_the_client_lose_and_double_nothing_on_postgresql() {
    the_client_is_killed(&POSTGRES, 20);
}

#[test]
fn five_kills_of_the_server_lose_and_double_nothing() {
    the_server_is_killed(&SQLITE, 5);
}

#[test]
fn five_kills_of_the_server_lose_and_double_nothing_on_postgresql() {
    the_server_is_killed(&POSTGRES, 5);
}

#[test]
fn three_hundred_thousand_tasks_come_in_several_imports() {
    const TASKS: i64 = 300_000;
    let bench = Bench::new(&SQLITE);
    let source = bench.folder.path().join("many.jsonl");
    let lines: String = (0..TASKS)
        .map(|n| format!("{{\"n\":{n},\"text\":\"number {n}\"}}\n"))
        .collect();
    std::fs::write(&source, lines).expect("a file");
    let report = bench.folder.path().join("report.json");
    let output = bench.import(&source, &["--report"]).arg(&report).output();
    ended_well(&output.expect("it runs"));
    let report: Value =
        serde_json::from_slice(&std::fs::read(&report).expect("a report")).expect("JSON");
    assert!(report["imports"].as_i64().expect("a count") > 1, "{report}");
    assert_eq!(report["tasks"], TASKS);
    // By the database itself, since the server lists so many tasks for minutes.
    let files = bench.real.data().join("files/label_studio.sqlite3");
    let database =
        rusqlite::Connection::open_with_flags(files, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY);
    let (all, unlike): (i64, i64) = database
        .expect("the server's database")
        .query_row(
            "SELECT count(*), count(DISTINCT json_extract(data, '$.n')) FROM task WHERE project_id = ?",
            [i64::try_from(bench.project).expect("small")],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .expect("a count");
    assert_eq!((all, unlike), (TASKS, TASKS));
}

/// The README's block that starts a server, run as it stands but for the folder of its server and the binary.
#[test]
fn the_readmes_commands_bring_a_table_into_a_server() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    let readme = readme.expect("README.md");
    let block = readme
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .find(|block| block.contains("scripts/label-studio start"))
        .expect("the README starts a server");
    let folder =
        tempfile::tempdir_in(concat!(env!("CARGO_MANIFEST_DIR"), "/target")).expect("a folder");
    let start = format!(
        "scripts/label-studio start --data {} --for {}",
        folder.path().join("server").display(),
        std::process::id()
    );
    let code = block
        .replace("scripts/label-studio start", &start)
        .replace("cargo run --release --", env!("CARGO_BIN_EXE_sluice"));
    let output = Command::new("bash")
        .args(["-eu", "-c", &code])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("SLUICE_STATE_DIR", folder.path().join("state"))
        .output()
        .expect("it runs");
    ended_well(&output);
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["task_number"], 344);
    let stop = format!(
        "scripts/label-studio stop --data {}",
        folder.path().join("server").display()
    );
    let stopped = Command::new("bash")
        .args(["-c", &stop])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(stopped.expect("it runs").success());
}

/// Real configs of different tags: each has one that those before it have not.
fn configs(count: usize) -> Vec<(String, LabellingConfig, String)> {
    let folder = std::env::var_os("SLUICE_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora"),
        PathBuf::from,
    );
    let folder = folder.join("label-configs");
    let about = std::fs::read(folder.join("expected.json")).expect("the corpus");
    let about: Value = serde_json::from_slice(&about).expect("JSON");
    let mut tags = BTreeSet::new();
    let mut chosen = Vec::new();
    for (name, about) in about["files"].as_object().expect("files") {
        if about["valid"] != true || chosen.len() == count {
            continue;
        }
        let xml = std::fs::read_to_string(folder.join(name)).expect("a config");
        let config = LabellingConfig::parse(&xml).expect("it is valid");
        let shown = config.objects.iter().map(|tag| tag.tag.clone());
        let asked = config
            .controls
            .iter()
            .map(|control| control.tag.tag.clone());
        let new: Vec<_> = shown
            .chain(asked)
            .filter(|tag| tags.insert(tag.clone()))
            .collect();
        if !new.is_empty() && !config.keys.is_empty() {
            chosen.push((name.clone(), config, xml));
        }
    }
    assert_eq!(chosen.len(), count, "the corpus has too few tags");
    chosen
}

/// A task that fits a config, with a prediction and an annotation.
fn task_for(config: &LabellingConfig, n: u64) -> Value {
    let mut data = json!({"n": n});
    for key in &config.keys {
        let types = key.types();
        let value = if key.repeats() {
            json!([{"url": "https://files.example/1.png", "text": "one"}])
        } else if key.tag == "Paragraphs" {
            json!([{"author": "A", "text": "Good day"}, {"author": "B", "text": "It is"}])
        } else if types.object {
            json!({"a": [1, 2.5], "b": ["x", null]})
        } else if types.text {
            json!(format!("https://files.example/{n}.png"))
        } else {
            json!([1])
        };
        let mut at = &mut data;
        for name in key.path() {
            at = &mut at[name];
        }
        *at = value;
    }
    let regions = config.controls.iter().filter_map(|control| {
        let label = control.labels.first().map(|label| &label.value);
        let value = match (control.tag.tag.as_str(), label) {
            ("Choices", Some(label)) => json!({"choices": [label]}),
            ("Labels", Some(label)) => json!({"start": 0, "end": 4, "labels": [label]}),
            ("RectangleLabels", Some(label)) => {
                json!({"x": 1.5, "y": 2, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": [label]})
            }
            ("Rectangle", _) => json!({"x": 1.5, "y": 2, "width": 30, "height": 40, "rotation": 0}),
            ("TextArea", _) => json!({"text": ["some text"]}),
            ("Rating", _) => json!({"rating": 1}),
            ("Number", _) => json!({"number": 1}),
            _ => return None,
        };
        let to_name = control.to_names.first()?;
        let kind = control.tag.tag.to_lowercase();
        let region = json!({"from_name": control.tag.name, "to_name": to_name, "type": kind, "value": value});
        let fits = config.prediction_faults(&json!({"result": [region]})).is_empty();
        fits.then_some(region)
    });
    let result: Vec<Value> = regions.collect();
    json!({"data": data, "annotations": [{"result": result}], "predictions": [{"result": result}]})
}

#[test]
fn tasks_of_twenty_configs_come_back_as_they_were() {
    let mut bench = Bench::new(&SQLITE);
    let mut regions = 0;
    for (name, config, xml) in configs(20) {
        bench.project = bench.new_project_with(&xml);
        let tasks: Vec<_> = (1..=3).map(|n| task_for(&config, n)).collect();
        let mut lines = tasks.clone();
        // One that the config refuses: the others come in all the same.
        lines.insert(1, json!({"data": {"other": 1}}));
        let source = bench.write(&format!("{}.jsonl", name.replace('/', "-")), &lines);
        let output = bench.import(&source, &[]).output().expect("sluice runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{name}: {said}");
        assert!(said.contains("field-missing: 1"), "{name}: {said}");
        assert_eq!(bench.stored(), tasks, "{name}");
        regions += tasks[0]["predictions"][0]["result"]
            .as_array()
            .map_or(0, Vec::len);
    }
    assert!(regions >= 10, "{regions} regions are too few");
}

fn undo_leaves_the_project_as_it_was(server: &'static Started) {
    let bench = Bench::new(server);
    let (first, more) = (tasks(500), tasks(2_000));
    let report = bench.folder.path().join("report.json");
    let import = |name: &str, tasks: &[Value]| {
        let source = bench.write(name, tasks);
        let mut command = bench.import(&source, &["--max-tasks", "700", "--report"]);
        ended_well(&command.arg(&report).output().expect("it runs"));
        let report: Value =
            serde_json::from_slice(&std::fs::read(&report).expect("a report")).expect("JSON");
        report["run"].as_str().expect("an id").to_owned()
    };
    let (kept, undone) = (import("first.jsonl", &first), import("more.jsonl", &more));
    for run in [&kept, &undone] {
        ended_well(
            &bench
                .sluice(&["verify", run, "--deep"])
                .output()
                .expect("it runs"),
        );
    }
    ended_well(
        &bench
            .sluice(&["undo", &undone, "--yes"])
            .output()
            .expect("it runs"),
    );
    bench.has(&first);
    let uploads = bench.get(&format!(
        "/api/projects/{}/file-uploads?all=true",
        bench.project
    ));
    let left = uploads.as_array().expect("uploads");
    assert!(left.iter().all(|upload| {
        upload["file"]
            .as_str()
            .is_some_and(|file| file.contains(&kept))
    }));
    ended_well(
        &bench
            .sluice(&["verify", &kept, "--deep"])
            .output()
            .expect("it runs"),
    );
}

#[test]
fn undo_leaves_a_project_as_it_was() {
    undo_leaves_the_project_as_it_was(&SQLITE);
}

#[test]
fn undo_leaves_a_project_as_it_was_on_postgresql() {
    undo_leaves_the_project_as_it_was(&POSTGRES);
}

#[test]
fn tasks_are_spread_over_projects_and_new_ones() {
    let bench = Bench::new(&SQLITE);
    let second = bench.new_project();
    let (sent, source) = (tasks(350), bench.write("some.jsonl", &tasks(350)));
    let to = format!("{}/projects/{second}", bench.real.url);
    let words = [
        "--spread",
        "100",
        "--spread-title",
        "{title} part {number}",
        "--to",
        &to,
    ];
    for _ in 0..2 {
        ended_well(&bench.import(&source, &words).output().expect("it runs"));
        let listed =
            bench.get("/api/projects?page_size=1000&include=id,title,task_number,label_config");
        let projects = listed["results"].as_array().expect("projects").clone();
        let mut filled: Vec<_> = projects
            .iter()
            .filter(|project| project["id"].as_u64() >= Some(bench.project))
            .map(|project| {
                (
                    project["id"].as_u64(),
                    project["title"].as_str(),
                    project["task_number"].as_u64(),
                )
            })
            .collect();
        filled.sort_unstable();
        let (titles, counts): (Vec<_>, Vec<_>) = filled
            .iter()
            .map(|(_, title, count)| (title.unwrap_or(""), count.unwrap_or(0)))
            .unzip();
        assert_eq!(titles, ["real", "real", "real part 3", "real part 4"]);
        assert_eq!(counts, [100, 100, 100, 50]);
    }
    let made = Bench {
        project: second + 1,
        ..bench
    };
    made.has(&sent[200..300]);
}
