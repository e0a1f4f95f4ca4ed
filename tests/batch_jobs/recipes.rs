//! The recipes for schedulers, taken from the README: their command lines run as the scheduler would run them, with
//! this machine's paths in the place of theirs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::common::{data, temp};
use super::{ran, tasks};

/// The blocks of a language in the section about schedulers.
fn blocks(language: &str) -> Vec<String> {
    let readme =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let section = readme
        .split("\n## ")
        .find(|part| part.starts_with("Run by a scheduler"))
        .expect("a section");
    let fence = format!("```{language}\n");
    let inside = section.split(&fence).skip(1);
    inside
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

/// A folder as the recipes have it, with what is to be imported.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let dir = temp();
        fs::create_dir(dir.path().join("incoming")).unwrap();
        fs::copy(
            data("headlines.jsonl"),
            dir.path().join("incoming/headlines.jsonl"),
        )
        .unwrap();
        Place { dir }
    }

    /// The text with this machine's paths.
    fn here(&self, text: &str) -> String {
        text.replace("/usr/local/bin/sluice", env!("CARGO_BIN_EXE_sluice"))
            .replace("/srv/headlines", &self.dir.path().display().to_string())
            .replace(
                "/var/lib/sluice",
                &self.dir.path().join("state").display().to_string(),
            )
    }

    /// A command with no more of the environment than a scheduler gives it.
    fn bare(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.dir.path())
            .env("LOGNAME", "somebody")
            .env("SHELL", "/bin/sh")
            .current_dir("/");
        command
    }

    /// Twice the same: the second time there is nothing to do.
    fn twice(&self, run: impl Fn() -> Command) {
        for _ in 0..2 {
            let ran = ran(&mut run());
            assert_eq!(ran.code(), 0, "{}\n{}", ran.stderr, super::text(&ran));
            assert_eq!(self.packed(), headlines());
        }
    }

    /// What was packed, wherever below `packed`.
    fn packed(&self) -> Vec<serde_json::Value> {
        let manifest = |entry: &walkdir::DirEntry| entry.file_name() == "manifest.json";
        let entries = walkdir::WalkDir::new(self.dir.path().join("packed"));
        let found: Vec<PathBuf> = entries
            .into_iter()
            .flatten()
            .filter(manifest)
            .map(walkdir::DirEntry::into_path)
            .collect();
        assert_eq!(found.len(), 1, "{found:?}");
        tasks(found[0].parent().unwrap())
    }
}

fn headlines() -> Vec<serde_json::Value> {
    let text = fs::read_to_string(data("headlines.jsonl")).unwrap();
    let value =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["text"].clone();
    text.lines().map(value).collect()
}

#[test]
fn cron() {
    let place = Place::new();
    let line = &blocks("crontab")[0];
    // Five fields of time, then the command, in which cron takes a bare `%` for a line end.
    let command = line.trim().splitn(6, ' ').nth(5).unwrap();
    assert!(!command.replace("\\%", "").contains('%'), "{command}");
    let command = place.here(&command.replace("\\%", "%"));
    place.twice(|| {
        let mut shell = place.bare("/bin/sh");
        shell.args(["-c", &command]);
        shell
    });
    let log = fs::read_to_string(place.dir.path().join("sluice.log")).unwrap();
    let told: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&told[0]["done_before"], &told[1]["done_before"]),
        (&false.into(), &true.into()),
        "{log}"
    );
}

#[test]
fn systemd() {
    let place = Place::new();
    let units = blocks("ini");
    let value = |key: &str| {
        let mut lines = units[0].lines();
        let line = lines
            .find_map(|line| line.strip_prefix(&format!("{key}=")))
            .expect(key);
        place.here(&line.replace("%%", "%"))
    };
    let start = value("ExecStart");
    let script = start
        .strip_prefix("/bin/sh -c '")
        .and_then(|rest| rest.strip_suffix('\''))
        .expect(&start);
    let (name, state) = {
        let pair = value("Environment");
        let (name, state) = pair.split_once('=').expect("a variable");
        (name.to_owned(), state.to_owned())
    };
    place.twice(|| {
        let mut shell = place.bare("/bin/sh");
        // systemd puts the value of a variable that is set in the place of `$NAME`; `$day` is none.
        shell
            .args(["-c", script])
            .current_dir(value("WorkingDirectory"))
            .env(&name, &state);
        shell
    });
    let (service, timer) = (
        place.dir.path().join("headlines.service"),
        place.dir.path().join("headlines.timer"),
    );
    fs::write(&service, place.here(&units[0])).unwrap();
    fs::write(&timer, &units[1]).unwrap();
    // Where there is no systemd, only its own look at the files is left out.
    if let Ok(output) = Command::new("systemd-analyze")
        .arg("verify")
        .args([&service, &timer])
        .output()
    {
        let said = String::from_utf8_lossy(&output.stderr);
        let ours: Vec<_> = said
            .lines()
            .filter(|line| line.contains("headlines."))
            .collect();
        assert!(ours.is_empty(), "{}", ours.join("\n"));
    }
}

/// What stands for Airflow: a DAG and an operator that keep what they are given, and fill in what the recipe uses.
const AIRFLOW: &str = r#"
import os, subprocess, sys, types

RENDERED = {"{{ ds }}": "2026-01-01", "{{ ts_nodash }}": "20260101T000000"}
OPERATORS = []

class DAG:
    def __init__(self, dag_id, schedule, start_date, catchup, default_args):
        self.dag_id = dag_id
    def __enter__(self):
        return self
    def __exit__(self, *what):
        return None

class BashOperator:
    def __init__(self, task_id, bash_command, cwd, do_xcom_push):
        for template, value in RENDERED.items():
            bash_command = bash_command.replace(template, value)
        assert "{{" not in bash_command, bash_command
        self.words, self.cwd = ["bash", "-c", bash_command], cwd
        OPERATORS.append(self)

modules = {name: types.ModuleType(name) for name in ["airflow", "airflow.operators", "airflow.operators.bash"]}
modules["airflow"].DAG = DAG
modules["airflow.operators.bash"].BashOperator = BashOperator
sys.modules.update(modules)

exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"))
(operator,) = OPERATORS
done = subprocess.run(operator.words, cwd=operator.cwd, stdout=subprocess.PIPE, text=True)
import json
# XCom takes the last line.
assert json.loads(done.stdout.splitlines()[-1])["tasks"] > 0
sys.exit(done.returncode)
"#;

#[test]
fn airflow() {
    let place = Place::new();
    let (dag, stub) = (
        place.dir.path().join("dag.py"),
        place.dir.path().join("airflow_stub.py"),
    );
    fs::write(&dag, place.here(&blocks("python")[0])).unwrap();
    fs::write(&stub, AIRFLOW).unwrap();
    place.twice(|| {
        let mut python = place.bare("python3");
        python.arg(&stub).arg(&dag);
        python
    });
}

fn yaml(block: &str) -> saphyr::Yaml<'_> {
    use saphyr::LoadableYamlNode;
    let mut documents = saphyr::Yaml::load_from_str(block).expect("YAML");
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

#[test]
fn kubernetes() {
    let place = Place::new();
    let block = place.here(&blocks("yaml")[0]);
    let job = yaml(&block);
    assert_eq!(
        (job["apiVersion"].as_str(), job["kind"].as_str()),
        (Some("batch/v1"), Some("Job"))
    );
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(pod["restartPolicy"].as_str(), Some("Never"));
    let container = &pod["containers"][0];
    let words = |key: &str| -> Vec<String> {
        container[key]
            .as_vec()
            .expect(key)
            .iter()
            .map(|word| word.as_str().expect("a text").to_owned())
            .collect()
    };
    place.twice(|| {
        let mut command = place.bare(&words("command")[0]);
        command
            .args(words("args"))
            .current_dir(container["workingDir"].as_str().unwrap());
        for pair in container["env"].as_vec().expect("variables") {
            command.env(
                pair["name"].as_str().unwrap(),
                pair["value"].as_str().unwrap(),
            );
        }
        command
    });
}

#[test]
fn github_actions() {
    let place = Place::new();
    let block = blocks("yaml")[1].clone();
    let workflow = yaml(&block);
    let steps = workflow["jobs"]["pack"]["steps"].as_vec().expect("steps");
    let step = steps
        .iter()
        .find(|step| step.contains_mapping_key("run"))
        .expect("a step that runs");
    let summary = place.dir.path().join("summary.md");
    let bin = place.dir.path().join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sluice"), bin.join("sluice")).unwrap();
    place.twice(|| {
        let mut shell = place.bare("/bin/bash");
        shell
            .args(["-e", "-c", step["run"].as_str().unwrap()])
            .current_dir(place.dir.path())
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .env("GITHUB_RUN_ID", "123456")
            .env("GITHUB_STEP_SUMMARY", &summary);
        let name = "SLUICE_STATE_DIR";
        shell.env(name, step["env"][name].as_str().unwrap());
        shell
    });
    assert_eq!(fs::read_to_string(&summary).unwrap().lines().count(), 2);
}
