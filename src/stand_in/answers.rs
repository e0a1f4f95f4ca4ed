//! What the stand-in answers to one request.

use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::Behaviour;
use crate::generate::Random;

/// Its labelling config: it shows the field that every made-up record has.
const CONFIG: &str = r#"<View><Text name="text" value="$text"/><Choices name="sentiment" toName="text"><Choice value="Positive"/><Choice value="Negative"/></Choices></View>"#;

/// The server, between its requests.
#[derive(Debug)]
pub struct Server {
    behaviour: Behaviour,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    random: Random,
    uploads: Vec<Upload>,
}

/// A file that was brought.
#[derive(Clone, Debug)]
struct Upload {
    name: String,
    bytes: usize,
    counts: Counts,
    committed: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    tasks: u64,
    annotations: u64,
    predictions: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, more: Counts) {
        self.tasks += more.tasks;
        self.annotations += more.annotations;
        self.predictions += more.predictions;
    }
}

type Answer = (StatusCode, Value);

impl Server {
    /// One without tasks.
    #[must_use]
    pub fn new(behaviour: Behaviour) -> Self {
        Server {
            behaviour,
            state: Mutex::new(State {
                random: Random::new(behaviour.seed),
                uploads: Vec::new(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request.
    ///
    /// # Errors
    /// Never: what cannot be done is an answer too.
    pub async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (parts, body) = request.into_parts();
        let body = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        sleep(self.behaviour.latency).await;
        let path = parts.uri.path().trim_end_matches('/');
        let query = parts.uri.query().unwrap_or_default();
        let (status, value) = match (&parts.method, path, body) {
            (&Method::GET, "/api/version", _) => ok(json!({"release": "1.23.2"})),
            (&Method::GET, "/api/users", _) => ok(json!([])),
            (&Method::GET, "/api/projects/1", _) => ok(self.about()),
            (&Method::GET, "/api/projects/1/file-uploads", _) => ok(self.uploads()),
            (&Method::GET, "/api/tasks", _) => ok(self.count(query)),
            (&Method::POST, "/api/projects/1/import", Ok(body)) => {
                self.upload(&parts.headers, &body)
            }
            (&Method::POST, "/api/projects/1/reimport", Ok(body)) => self.commit(&body),
            _ => (StatusCode::NOT_FOUND, json!({"detail": "Not found."})),
        };
        let mut response = Response::new(Full::from(value.to_string()));
        *response.status_mut() = status;
        let json = hyper::header::HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        Ok(response)
    }

    fn about(&self) -> Value {
        let mut all = Counts::default();
        let state = self.state();
        let committed = state.uploads.iter().filter(|upload| upload.committed);
        committed.for_each(|upload| all += upload.counts);
        json!({
            "id": 1,
            "title": "stand-in",
            "label_config": CONFIG,
            "task_number": all.tasks,
            "total_annotations_number": all.annotations,
            "total_predictions_number": all.predictions,
            "is_draft": false,
        })
    }

    fn uploads(&self) -> Value {
        let state = self.state();
        let listed = state.uploads.iter().enumerate().map(|(at, upload)| {
            let file = format!("upload/1/00000000-{}", upload.name);
            json!({"id": at + 1, "file": file, "size": upload.bytes})
        });
        listed.collect()
    }

    /// How many tasks there are of the upload that a filter names.
    fn count(&self, query: &str) -> Value {
        #[derive(Deserialize)]
        struct Query {
            filters: Filters,
        }
        #[derive(Deserialize)]
        struct Filters {
            items: Vec<Filter>,
        }
        #[derive(Deserialize)]
        struct Filter {
            value: usize,
        }
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        let asked = pairs.find(|(name, _)| name == "query");
        let asked = asked.and_then(|(_, text)| serde_json::from_str::<Query>(&text).ok());
        let number = asked.and_then(|asked| Some(asked.filters.items.first()?.value));
        let state = self.state();
        let upload = number.and_then(|number| state.uploads.get(number.checked_sub(1)?));
        let upload = upload.filter(|upload| upload.committed);
        let counts = upload.map_or(Counts::default(), |upload| upload.counts);
        json!({
            "total": counts.tasks,
            "total_annotations": counts.annotations,
            "total_predictions": counts.predictions,
            "tasks": [],
        })
    }

    fn upload(&self, headers: &HeaderMap, body: &[u8]) -> Answer {
        if self.fails() {
            return (
                StatusCode::SERVICE_UNAVAILABLE,
                json!({"detail": "a fault"}),
            );
        }
        let file = file(headers, body);
        let Some((name, counts)) = file.and_then(|(name, file)| Some((name, counted(file)?)))
        else {
            return (
                StatusCode::BAD_REQUEST,
                json!({"detail": "no array of tasks"}),
            );
        };
        let mut state = self.state();
        state.uploads.push(Upload {
            name,
            bytes: body.len(),
            counts,
            committed: false,
        });
        let id = state.uploads.len();
        (
            StatusCode::CREATED,
            json!({"task_count": counts.tasks, "file_upload_ids": [id]}),
        )
    }

    fn commit(&self, body: &[u8]) -> Answer {
        #[derive(Deserialize)]
        struct Asked {
            file_upload_ids: Vec<usize>,
        }
        let asked = serde_json::from_slice::<Asked>(body).map(|asked| asked.file_upload_ids);
        let mut all = Counts::default();
        {
            let mut state = self.state();
            for number in asked.unwrap_or_default() {
                let at = number.wrapping_sub(1);
                if let Some(upload) = state.uploads.get_mut(at) {
                    upload.committed = true;
                    all += upload.counts;
                }
            }
        }
        if self.fails() {
            return (StatusCode::GATEWAY_TIMEOUT, json!({"detail": "a fault"}));
        }
        ok(json!({
            "task_count": all.tasks,
            "annotation_count": all.annotations,
            "prediction_count": all.predictions,
        }))
    }

    fn fails(&self) -> bool {
        self.state().random.unit() < self.behaviour.faults
    }
}

fn ok(value: Value) -> Answer {
    (StatusCode::OK, value)
}

/// The one file of a form: its name, and its bytes.
fn file<'a>(headers: &HeaderMap, body: &'a [u8]) -> Option<(String, &'a [u8])> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let boundary = kind.split_once("boundary=")?.1.trim_matches('"');
    let head = memchr::memmem::find(body, b"\r\n\r\n")?;
    let end = memchr::memmem::rfind(body, format!("\r\n--{boundary}--").as_bytes())?;
    let about = std::str::from_utf8(&body[..head]).ok()?;
    let name = about.split_once("filename=\"")?.1.split('"').next()?;
    Some((name.to_owned(), body.get(head + 4..end)?))
}

/// How many tasks are in an array, and what is with them.
fn counted(file: &[u8]) -> Option<Counts> {
    #[derive(Deserialize)]
    struct Task {
        #[serde(default)]
        annotations: Vec<IgnoredAny>,
        #[serde(default)]
        predictions: Vec<IgnoredAny>,
    }
    let tasks: Vec<Task> = serde_json::from_slice(file).ok()?;
    let mut all = Counts::default();
    for task in tasks {
        all += Counts {
            tasks: 1,
            annotations: task.annotations.len() as u64,
            predictions: task.predictions.len() as u64,
        };
    }
    Some(all)
}
