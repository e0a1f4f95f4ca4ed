//! A project: what is brought there, counted, read back and taken away, each call by its name.

use reqwest::Method;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Counts;
use super::address::Address;
use super::client::{Call, Client, Payload, Purpose};
use super::content::{Content, file_name};
use super::failure::{Failure, Outcome};
use super::job::{self, Imported};
use crate::labelling_config::prediction::Members;

/// A project of a server. A clone is the same one.
#[derive(Clone, Debug)]
pub struct Project {
    client: Client,
    id: u64,
}

/// What the server says of a project.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct About {
    /// Its number.
    pub id: u64,
    /// Its title.
    #[serde(default, deserialize_with = "or_default")]
    pub title: String,
    /// Its labelling config, an XML text; empty if it has none.
    #[serde(default, deserialize_with = "or_default")]
    pub label_config: String,
    /// How many tasks it holds.
    #[serde(default, deserialize_with = "or_default")]
    pub task_number: u64,
    /// How many annotations its tasks have.
    #[serde(
        default,
        deserialize_with = "or_default",
        rename = "total_annotations_number"
    )]
    pub annotations: u64,
    /// How many predictions its tasks have.
    #[serde(
        default,
        deserialize_with = "or_default",
        rename = "total_predictions_number"
    )]
    pub predictions: u64,
    /// Whether it is still being set up in the browser.
    #[serde(default, deserialize_with = "or_default")]
    pub is_draft: bool,
}

/// A file that was brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploaded {
    /// Its number, by which it is committed and its tasks are counted. The server never gives it to another file.
    pub id: u64,
    /// The name that it was sent under; [`Project::find_upload`] finds it by that.
    pub name: String,
    /// How many tasks the server sees in it. It has not yet looked whether they suit the project.
    pub tasks: u64,
}

/// A file in the server's list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Upload {
    /// Its number.
    pub id: u64,
    /// Where the server keeps it: `upload/7/d35eef39-NAME`.
    pub file: String,
    /// Its size in bytes, if the server says.
    #[serde(default)]
    pub size: Option<u64>,
}

impl Upload {
    /// The name that it was sent under: what follows the first `-` of the file's name.
    #[must_use]
    pub fn name(&self) -> &str {
        let base = self.file.rsplit('/').next().unwrap_or_default();
        base.split_once('-').map_or(base, |(_, name)| name)
    }
}

/// A task as the server gives it back. On PostgreSQL the order of keys and the form of some numbers have changed:
/// compare values, not texts.
#[derive(Clone, Debug, Deserialize)]
pub struct StoredTask {
    /// Its number.
    pub id: u64,
    /// Its data, as JSON text.
    pub data: Box<RawValue>,
    /// Its meta, as JSON text; `None` if it has none, or `null`.
    #[serde(default)]
    pub meta: Option<Box<RawValue>>,
    /// Its annotations, each an object with `result` and more that the server adds.
    #[serde(default, deserialize_with = "or_default")]
    pub annotations: Vec<Box<RawValue>>,
    /// Its predictions, likewise.
    #[serde(default, deserialize_with = "or_default")]
    pub predictions: Vec<Box<RawValue>>,
}

/// A page of tasks and what all pages together hold.
#[derive(Debug, Deserialize)]
struct Page<T> {
    total: u64,
    #[serde(default, deserialize_with = "or_default")]
    total_annotations: u64,
    #[serde(default, deserialize_with = "or_default")]
    total_predictions: u64,
    tasks: Vec<T>,
}

/// `null` means what a missing field means.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

impl Project {
    /// A project of a client's server.
    #[must_use]
    pub fn new(client: Client, address: &Address) -> Self {
        Project {
            client,
            id: address.project,
        }
    }

    /// The project of this number.
    pub(super) fn of(client: &Client, id: u64) -> Self {
        Project {
            client: client.clone(),
            id,
        }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The client of its server.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What the server says of it; the first thing to ask, since it shows whether address and token are right.
    ///
    /// # Errors
    /// Those of a request that only reads, after its retries.
    pub async fn about(&self) -> Outcome<About> {
        self.client
            .look(&self.client.get(self.path("")))
            .await?
            .parse()
    }

    /// The server's version.
    ///
    /// # Errors
    /// Those of a request that only reads, after its retries.
    pub async fn version(&self) -> Outcome<String> {
        self.client.version().await
    }

    /// The members of its organisation, who may have made annotations.
    ///
    /// # Errors
    /// Those of a request that only reads, after its retries; not every user may ask.
    pub async fn members(&self) -> Outcome<Members> {
        #[derive(Deserialize)]
        struct Member {
            id: i64,
            email: String,
        }
        let call = self.client.get("api/users/");
        let members: Vec<Member> = self.client.look(&call).await?.parse()?;
        Ok(Members {
            ids: members
                .into_iter()
                .map(|member| (member.email, member.id))
                .collect(),
        })
    }

    /// Brings a file of tasks, a JSON array, without making tasks of it. What is kept of `name` is [`file_name`].
    ///
    /// It is sent once. Repeating it is harmless, and leaves an upload without tasks.
    ///
    /// # Errors
    /// Those of any request; none leaves tasks in doubt. A server that refuses early, with a 413, may close the
    /// connection before its answer is seen: then it is [`Failure::Unknown`].
    pub async fn upload(&self, name: &str, content: impl Into<Content>) -> Outcome<Uploaded> {
        let name = file_name(name);
        let payload = Payload::Upload {
            name: name.clone(),
            content: content.into(),
        };
        let mut call =
            self.client
                .send(Method::POST, self.path("/import"), payload, Purpose::Upload);
        call.query.push(("commit_to_project", "false".into()));
        let answer = self.client.call(&call).await?;
        let mut imported: Imported = answer.parse()?;
        if let Some(path) = imported.job(self.id) {
            imported = job::watch(&self.client, path, false).await?;
        }
        match (imported.file_upload_ids.as_slice(), imported.task_count) {
            (&[id], Some(tasks)) => Ok(Uploaded { id, name, tasks }),
            _ => Err(answer.unexpected()),
        }
    }

    /// Makes tasks of an uploaded file, in place of those that were made of it before, and waits until that is done.
    /// The counts are to be compared with what was sent: an upload that is not there gives 0 tasks and no failure.
    ///
    /// It is sent once. Sending it again while the first may still run stores everything twice.
    ///
    /// # Errors
    /// Those of any request. See [`Failure::leaves_doubt`].
    pub async fn commit(&self, upload: u64) -> Outcome<Counts> {
        let payload =
            Payload::Json(json!({ "file_upload_ids": [upload], "files_as_tasks_list": true }));
        let call = self.client.send(
            Method::POST,
            self.path("/reimport"),
            payload,
            Purpose::Change,
        );
        let answer = self.client.call(&call).await?;
        let mut imported: Imported = answer.parse()?;
        if let Some(path) = imported.job(self.id) {
            imported = job::watch(&self.client, path, true).await?;
        }
        let Imported {
            task_count,
            annotation_count,
            prediction_count,
            ..
        } = imported;
        Ok(Counts {
            tasks: task_count.ok_or_else(|| answer.unexpected())?,
            annotations: annotation_count.unwrap_or(0),
            predictions: prediction_count.unwrap_or(0),
        })
    }

    /// All files that this user brought to the project and that are still there.
    ///
    /// # Errors
    /// Those of a request that only reads, after its retries.
    pub async fn uploads(&self) -> Outcome<Vec<Upload>> {
        let mut call = self.client.get(self.path("/file-uploads"));
        call.query.push(("all", "true".into()));
        self.client.look(&call).await?.parse()
    }

    /// The uploads that were sent under a name, the oldest first: none, one, or more if it was sent again.
    ///
    /// # Errors
    /// Those of [`Project::uploads`].
    pub async fn find_upload(&self, name: &str) -> Outcome<Vec<Upload>> {
        let name = file_name(name);
        let mut found = self.uploads().await?;
        found.retain(|upload| upload.name() == name);
        found.sort_by_key(|upload| upload.id);
        Ok(found)
    }

    /// How many tasks of an upload the project holds, and how many annotations (cancelled ones excepted) and
    /// predictions these have. Twice the number that was sent means that two requests overlapped.
    ///
    /// # Errors
    /// Those of a request that only reads, after its retries.
    pub async fn count(&self, upload: u64) -> Outcome<Counts> {
        #[derive(Deserialize)]
        struct Any {}
        let mut call = self.tasks_of(upload, 1, 1);
        call.query.push(("include", "id".into()));
        let page: Page<Any> = self.client.look(&call).await?.parse()?;
        let Page {
            total: tasks,
            total_annotations: annotations,
            total_predictions: predictions,
            ..
        } = page;
        Ok(Counts {
            tasks,
            annotations,
            predictions,
        })
    }

    /// A page of the tasks of an upload, in the order of their numbers; pages count from 1, and the first empty one
    /// is the end.
    ///
    /// # Errors
    /// Those of a request that only reads, after its retries.
    pub async fn tasks(&self, upload: u64, page: u64, page_size: u64) -> Outcome<Vec<StoredTask>> {
        let mut call = self.tasks_of(upload, page, page_size);
        // Otherwise the addresses of media in it are replaced by ones that the server makes up.
        call.query.push(("resolve_uri", "false".into()));
        match self.client.look(&call).await {
            Ok(answer) => Ok(answer.parse::<Page<StoredTask>>()?.tasks),
            Err(Failure::Missing { detail, .. }) if detail.contains("Invalid page") => {
                Ok(Vec::new())
            }
            Err(failure) => Err(failure),
        }
    }

    /// Deletes the tasks of an upload, their annotations and predictions included, and says how many there were. The
    /// upload itself stays. Like [`Project::commit`], it is sent once and must not overlap another.
    ///
    /// # Errors
    /// Those of any request. See [`Failure::leaves_doubt`].
    pub async fn delete_tasks(&self, upload: u64) -> Outcome<u64> {
        #[derive(Deserialize)]
        struct Done {
            processed_items: u64,
        }
        let payload = json!({
            "project": self.id.to_string(),
            "selectedItems": { "all": true, "excluded": [] },
            "filters": filters(upload),
        });
        let mut call = self.client.send(
            Method::POST,
            "api/dm/actions",
            Payload::Json(payload),
            Purpose::Change,
        );
        call.query = vec![
            ("id", "delete_tasks".into()),
            ("project", self.id.to_string()),
        ];
        let done: Done = self.client.call(&call).await?.parse()?;
        Ok(done.processed_items)
    }

    /// Removes uploaded files, and says how many there were. Tasks that were made of them stay, and can no longer be
    /// told from others: delete them before.
    ///
    /// # Errors
    /// Those of any request; none leaves tasks in doubt.
    pub async fn delete_uploads(&self, uploads: &[u64]) -> Outcome<u64> {
        #[derive(Deserialize)]
        struct Done {
            deleted: u64,
        }
        // Not sent: without a list the server removes every upload of the project, so no list is ever near that.
        if uploads.is_empty() {
            return Ok(0);
        }
        let payload = Payload::Json(json!({ "file_upload_ids": uploads }));
        let call = self.client.send(
            Method::DELETE,
            self.path("/file-uploads"),
            payload,
            Purpose::Upload,
        );
        let done: Done = self.client.call(&call).await?.parse()?;
        Ok(done.deleted)
    }

    fn path(&self, rest: &str) -> String {
        format!("api/projects/{}{rest}", self.id)
    }

    fn tasks_of(&self, upload: u64, page: u64, page_size: u64) -> Call {
        let mut call = self.client.get("api/tasks");
        call.query = vec![
            ("project", self.id.to_string()),
            ("page", page.to_string()),
            ("page_size", page_size.to_string()),
            ("fields", "all".into()),
            ("query", json!({ "filters": filters(upload) }).to_string()),
        ];
        call
    }
}

/// The filter for the tasks of an upload.
fn filters(upload: u64) -> Value {
    json!({ "conjunction": "and", "items": [
        { "filter": "filter:tasks:file_upload_id", "operator": "equal", "type": "Number", "value": upload },
    ] })
}
