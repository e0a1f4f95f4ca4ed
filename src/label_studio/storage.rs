//! Source storages of a project: by their sync the server reads tasks itself from where they were written.
//!
//! A sync answers 200 whatever became of it, goes by the names of files alone, and never reads again what it has begun with
//! (the contract, section 8). So there is one storage for one place, whoever made it; what it says of itself is looked at;
//! and its tasks are counted against those that were written.

use std::fmt::Write;
use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use super::answer::shorten;
use super::client::{Payload, Purpose};
use super::failure::{Failure, Outcome};
use super::project::{Project, or_default};
use crate::error::{Code, Error, Result};
use crate::source::address::without_secrets;
use crate::wording::{agreeing, counted};

/// The tasks a second that a server was seen to make of a storage's files.
pub const TASKS_A_SECOND: u64 = 46;

/// Names of files that are tasks: what another program leaves beside them would end a sync.
const TASKS_ONLY: &str = r".*\.json$";

/// Characters of what a server says of a failure.
const SAID: usize = 400;

/// Characters of a secret by which it is found in what a server says.
const KNOWN_BY: usize = 6;

/// A source storage as it is to be.
#[derive(Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The server's name for its kind: `s3`, `gcs`, `azure`, `redis`, `localfiles`.
    pub kind: &'static str,
    /// The fields that say where it reads, by which it is found again.
    pub place: Map<String, Value>,
    /// Fields that matter only when it is made.
    pub more: Map<String, Value>,
    /// Fields that are secrets, which only the server is told.
    pub secrets: Vec<(String, String)>,
    /// Whether its tasks are files with names that end in `.json`.
    pub files: bool,
}

/// A source storage as the server has it.
#[derive(Clone, Debug, Deserialize)]
struct Storage {
    id: u64,
    #[serde(default, deserialize_with = "or_default")]
    status: String,
    #[serde(default, deserialize_with = "or_default")]
    last_sync_count: u64,
    #[serde(default, deserialize_with = "or_default")]
    traceback: String,
    #[serde(default, deserialize_with = "or_default")]
    meta: Map<String, Value>,
    #[serde(default, deserialize_with = "or_default")]
    use_blob_urls: bool,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// What came of a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The storage's number.
    pub storage: u64,
    /// Whether it was there before.
    pub found: bool,
    /// Tasks that the sync made.
    pub created: u64,
    /// Tasks that an earlier sync had made.
    pub existed: u64,
}

impl Wanted {
    /// Whether a storage reads from there.
    fn is(&self, storage: &Storage) -> bool {
        let text = |value: Option<&Value>| match value {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.trim_matches('/').to_owned(),
            Some(other) => other.to_string(),
        };
        let mut fields = self.place.iter();
        fields.all(|(name, value)| text(Some(value)) == text(storage.fields.get(name)))
    }

    /// What is sent to make it.
    fn body(&self, project: u64) -> Value {
        let mut body = self.place.clone();
        body.extend(self.more.clone());
        body.insert("project".to_owned(), project.into());
        body.insert("title".to_owned(), "sluice".into());
        if self.files {
            body.insert("regex_filter".to_owned(), TASKS_ONLY.into());
        }
        body.insert("use_blob_urls".to_owned(), false.into());
        let secrets = self.secrets.iter().cloned();
        body.extend(secrets.map(|(field, value)| (field, value.into())));
        Value::Object(body)
    }

    /// What a server said, without what it must not say.
    fn unsaid(&self, said: &str) -> String {
        let mut said = without_secrets(said);
        for (_, secret) in &self.secrets {
            // What is said may have been cut off within it.
            let start: String = secret.chars().take(KNOWN_BY).collect();
            if start.is_empty() {
                continue;
            }
            let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>');
            let (mut clean, mut rest) = (String::new(), said.as_str());
            while let Some(at) = rest.find(&start) {
                clean.push_str(&rest[..at]);
                clean.push_str("***");
                let secret = &rest[at..];
                rest = &secret[secret.find(ends).unwrap_or(secret.len()).max(start.len())..];
            }
            clean.push_str(rest);
            said = clean;
        }
        said
    }

    fn failed(&self, failure: Failure) -> Error {
        let failure = match failure {
            Failure::Unexpected { status, excerpt } => Failure::Unexpected {
                status,
                excerpt: self.unsaid(&excerpt),
            },
            Failure::Invalid { detail, .. } | Failure::Forbidden { detail } => {
                let reason = format!(
                    "the server does not take the storage: {}",
                    self.unsaid(&detail)
                );
                return Error::new(Code::ServerRefused, reason).help(
                    "the server reads it by itself: give it credentials in its own environment, or by `--sync-env`, and \
                     let it reach the place; then run the same command again",
                );
            }
            failure => failure,
        };
        failure.into_error()
    }
}

impl Project {
    /// Has the server make tasks of what is written at a place, `tasks` in number, by the source storage that reads there:
    /// one that is there already, else a new one. The same call again makes no task twice.
    ///
    /// # Errors
    /// When the server takes no such storage, or does not reach the place; [`Code::OutcomeUnknown`] when its tasks are not
    /// those that were written.
    pub async fn sync(&self, wanted: &Wanted, tasks: u64) -> Result<Synced> {
        let failed = |failure| wanted.failed(failure);
        let there = self.storage_at(wanted).await.map_err(failed)?;
        let found = there.is_some();
        let storage = match there {
            Some(storage) => storage,
            None => self.make(wanted).await.map_err(failed)?,
        };
        if storage.use_blob_urls {
            let id = storage.id;
            return Err(Error::new(
                Code::ServerRefused,
                format!("the project's storage {id} reads the same place, and makes a task of each file's address"),
            )
            .help("delete that storage in the project's settings, or write to another place"));
        }
        let id = storage.id;
        // Whoever has begun a sync of it makes the same tasks.
        let before = self.until_over(wanted, storage).await?;
        let path = format!("api/storages/{}/{id}/sync", wanted.kind);
        let call = self.client().send(
            Method::POST,
            path,
            Payload::Json(json!({})),
            Purpose::Change,
        );
        let began = match self.client().call(&call).await {
            Ok(answer) => answer.parse().map_err(failed)?,
            // It goes on without us.
            Err(failure) if failure.leaves_doubt() => {
                let now = self.again(wanted, id).await?;
                // Each sync leaves its times there.
                if now.meta == before.meta {
                    return Err(failed(failure));
                }
                now
            }
            Err(failure) => return Err(failed(failure)),
        };
        let over = self.until_over(wanted, began).await?;
        let existed = over.meta.get("tasks_existed").and_then(Value::as_u64);
        let synced = Synced {
            storage: id,
            found,
            created: over.last_sync_count,
            existed: existed.unwrap_or_default(),
        };
        wanted.judge(&over, &synced, tasks).map(|()| synced)
    }

    /// The storage that reads there, if there is one.
    async fn storage_at(&self, wanted: &Wanted) -> Outcome<Option<Storage>> {
        // The server looks whether syncs that are said to be under way are so when it is asked for the list.
        let mut call = self.client().get(format!("api/storages/{}", wanted.kind));
        call.query = vec![("project", self.id().to_string())];
        let storages: Vec<Storage> = self.client().look(&call).await?.parse()?;
        Ok(storages.into_iter().find(|storage| wanted.is(storage)))
    }

    async fn make(&self, wanted: &Wanted) -> Outcome<Storage> {
        let (path, body) = (
            format!("api/storages/{}", wanted.kind),
            wanted.body(self.id()),
        );
        let call = self
            .client()
            .send(Method::POST, path, Payload::Json(body), Purpose::Change);
        match self.client().call(&call).await {
            Ok(answer) => answer.parse(),
            // A second one would bring everything again.
            Err(failure) if failure.leaves_doubt() => self.storage_at(wanted).await?.ok_or(failure),
            Err(failure) => Err(failure),
        }
    }

    /// The storage as it is now.
    async fn again(&self, wanted: &Wanted, id: u64) -> Result<Storage> {
        let there = self.storage_at(wanted).await;
        let there = there.map_err(|failure| wanted.failed(failure))?;
        there
            .filter(|storage| storage.id == id)
            .ok_or_else(|| Error::new(Code::OutcomeUnknown, format!("the storage {id} is gone")))
    }

    /// Waits until no sync of a storage is under way.
    async fn until_over(&self, wanted: &Wanted, mut storage: Storage) -> Result<Storage> {
        let settings = self.client().settings();
        let end = Instant::now() + settings.import_timeout;
        let pause = settings.poll_interval.max(Duration::from_millis(10));
        while matches!(storage.status.as_str(), "queued" | "in_progress") {
            if Instant::now() >= end {
                let id = storage.id;
                let reason = format!("the storage {id} is still being synced");
                return Err(Error::new(Code::OutcomeUnknown, reason).help(
                    "run the same command again later, or wait longer with `--import-timeout`",
                ));
            }
            sleep(pause).await;
            storage = self.again(wanted, storage.id).await?;
        }
        Ok(storage)
    }
}

impl Wanted {
    /// Whether a sync has made what it was to make.
    fn judge(&self, storage: &Storage, synced: &Synced, tasks: u64) -> Result<()> {
        const AGAIN: &str =
            "mend it and run the same command again: what is there already is not made twice";
        let id = storage.id;
        if storage.status != "completed" {
            let mut reason = format!("the sync of storage {id} says `{}`", storage.status);
            let lines = storage.traceback.lines().map(str::trim);
            if let Some(said) = lines.rev().find(|line| !line.is_empty()) {
                // Writing to a string cannot fail.
                let _ = write!(reason, ": {}", shorten(&self.unsaid(said), SAID));
            }
            return Err(Error::new(Code::ServerRefused, reason).help(AGAIN));
        }
        let there = synced.created + synced.existed;
        if there != tasks {
            let reason = format!(
                "{} {} written, and the sync of storage {id} counts {there}",
                counted(tasks, "task"),
                agreeing(tasks, "was", "were")
            );
            return Err(Error::new(Code::OutcomeUnknown, reason)
                .help("look whether the server reads the same place, and whether something else writes there"));
        }
        Ok(())
    }
}
