//! What is told of a run: its report as JSON and as a page, metrics, and what is said on standard error.
#![allow(
    unsafe_code,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests measure their children by wait4, and say when they fail"
)]

mod common;
#[path = "common/fake_label_studio.rs"]
mod fake_label_studio;

#[path = "watch/browser.rs"]
mod browser;
#[path = "watch/logs.rs"]
mod logs;
#[path = "watch/metrics.rs"]
mod metrics;
#[path = "stores/misbehaving.rs"]
mod misbehaving;
#[path = "watch/page.rs"]
mod page;
#[path = "watch/report.rs"]
mod report;
#[path = "watch/secrets.rs"]
mod secrets;

use std::path::PathBuf;
use std::process::Command;

use common::{PATIENCE, Ran};
use fake_label_studio::{Fake, Faults, Options};

/// A folder to run in, and a server to send to.
struct Bench {
    dir: tempfile::TempDir,
    fake: Fake,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(Faults::none())
    }

    fn with(faults: Faults) -> Bench {
        Bench {
            dir: common::temp(),
            fake: Fake::on_thread(faults, Options::default()),
        }
    }

    fn write(&self, name: &str, body: impl AsRef<[u8]>) {
        common::write(self.dir.path(), name, body);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a file of text")
    }

    fn json(&self, name: &str) -> serde_json::Value {
        serde_json::from_str(&self.read(name)).expect("JSON")
    }

    fn to(&self) -> String {
        format!("{}/projects/1", self.fake.address())
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = common::sluice();
        command
            .args(words)
            .current_dir(self.dir.path())
            .env("LABEL_STUDIO_API_KEY", self.fake.token())
            .env("SLUICE_STATE_DIR", self.path("state"));
        command
    }

    fn sluice(&self, words: &[&str]) -> Ran {
        let ran = common::run(&mut self.command(words), PATIENCE * 3);
        assert_eq!(ran.misbehaviour(), None, "{}", ran.stderr);
        ran
    }
}

fn lines(tasks: std::ops::Range<u32>) -> String {
    tasks
        .map(|n| format!("{{\"text\":\"t{n}\",\"n\":{n}}}\n"))
        .collect()
}
