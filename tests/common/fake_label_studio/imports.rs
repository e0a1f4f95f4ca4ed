//! Uploads, imports and reimports: looked at, worked on for a while, stored at once; with all that can go wrong.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::answers::Answer;
use super::faults::{Call, Fault};
use super::line::Line;
use super::serve::Shared;
use super::store::{Item, State, body_json};
use super::{Database, Edition};

/// What a request brings.
pub enum Load {
    Files(Vec<(String, Bytes)>),
    Body(Bytes),
}

/// One request that makes uploads or tasks.
pub struct Order {
    pub call: Call,
    pub project: u64,
    pub load: Load,
    pub return_ids: bool,
    pub number: usize,
}

/// Looked at and accepted.
struct Ready {
    uploads: Vec<u64>,
    items: Vec<Item>,
    columns: Vec<String>,
    formats: usize,
    /// What a reimport sees, and so replaces: not what comes while it works.
    replaces: Vec<u64>,
}

/// Starts the work and gives what is sent back, if anything is: the work goes on without a connection.
pub fn start(
    shared: &Arc<Shared>,
    order: Order,
    fault: Fault,
    line: Line,
) -> oneshot::Receiver<Answer> {
    let (reply, answer) = oneshot::channel();
    let community = shared.options.edition == Edition::Community;
    let (task, number) = (Arc::clone(shared), order.number);
    shared.works(async move {
        let done = Done(Arc::clone(&task), number);
        if community {
            in_request(&task, &order, &fault, &line, reply).await;
        } else {
            in_background(&task, &order, &fault, &line, reply).await;
        }
        drop(done);
    });
    answer
}

/// Notes the end of the work, however it ends.
struct Done(Arc<Shared>, usize);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.entry(self.1, |entry| {
            entry.finished = Some(tokio::time::Instant::now())
        });
    }
}

async fn in_request(
    shared: &Arc<Shared>,
    order: &Order,
    fault: &Fault,
    line: &Line,
    reply: oneshot::Sender<Answer>,
) {
    let ready = match shared.with(|state| prepare(state, order)) {
        Ok(ready) => ready,
        Err(answer) => {
            reply.send(answer).ok();
            return;
        }
    };
    shared.entry(order.number, |entry| {
        entry.uploads.clone_from(&ready.uploads)
    });
    if let Fault::StoreLate { .. } = fault {
        line.cut();
    }
    sleep(time(shared, order, &ready)).await;
    let store = |fault: &Fault| commit(shared, order, &ready, fault);
    match fault {
        Fault::DropReply => {
            store(fault);
            line.cut();
        }
        Fault::StoreLate { after } => {
            sleep(*after).await;
            store(fault);
        }
        Fault::ErrorAfterStoring => {
            store(fault);
            reply.send(database_error(shared)).ok();
        }
        Fault::ErrorBeforeStoring => {
            reply.send(database_error(shared)).ok();
        }
        Fault::Html { status, stores } => {
            if stores.is_some_and(|after| after.is_zero()) {
                store(fault);
            }
            reply.send(Answer::html(*status)).ok();
            if let Some(after) = stores.filter(|after| !after.is_zero()) {
                sleep(after).await;
                store(fault);
            }
        }
        Fault::Slow { by } => {
            sleep(*by).await;
            reply.send(store(fault).0).ok();
        }
        Fault::Restart { stores, down } => {
            if *stores {
                store(fault);
            }
            shared.crash(order.number, *down);
        }
        _ => {
            reply.send(store(fault).0).ok();
        }
    }
}

/// Other editions answer with a number at once and work in a queue.
async fn in_background(
    shared: &Arc<Shared>,
    order: &Order,
    fault: &Fault,
    line: &Line,
    reply: oneshot::Sender<Answer>,
) {
    let kind = if order.call == Call::Reimport {
        "reimport"
    } else {
        "import"
    };
    let mut after = Duration::ZERO;
    if let Fault::Html { status, stores } = fault {
        reply.send(Answer::html(*status)).ok();
        let Some(later) = stores else { return };
        after = *later;
        shared.with(|state| state.job(kind, order.project));
    } else {
        let id = shared.with(|state| state.job(kind, order.project));
        match fault {
            Fault::DropReply | Fault::StoreLate { .. } => line.cut(),
            _ => drop(reply.send(Answer::json(201, format!("{{\"{kind}\":{id}}}")))),
        }
    }
    if let Fault::StoreLate { after: late } | Fault::Slow { by: late } = fault {
        after = *late;
    }
    let id = shared.with(|state| {
        state
            .jobs
            .keys()
            .filter(|(of, _)| *of == kind)
            .map(|(_, id)| *id)
            .max()
            .unwrap_or(0)
    });
    let set = |status: &'static str, error: Option<String>, result: Map<String, Value>| {
        shared.with(|state| {
            if let Some(job) = state.jobs.get_mut(&(kind, id)) {
                (job.status, job.error, job.result) = (status, error, result);
            }
        });
    };
    set("in_progress", None, Map::new());
    let ready = match shared.with(|state| prepare(state, order)) {
        Ok(ready) => ready,
        Err(answer) => {
            let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
            let why = if body["validation_errors"].is_null() {
                &body["detail"]
            } else {
                &body["validation_errors"]
            };
            return set("failed", Some(why.to_string()), Map::new());
        }
    };
    shared.entry(order.number, |entry| {
        entry.uploads.clone_from(&ready.uploads)
    });
    sleep(time(shared, order, &ready) + after).await;
    let lost = || Some("terminating connection due to administrator command".to_owned());
    match fault {
        Fault::ErrorBeforeStoring => set("failed", lost(), Map::new()),
        Fault::ErrorAfterStoring => {
            commit(shared, order, &ready, fault);
            set("failed", lost(), Map::new());
        }
        Fault::Restart { stores, down } => {
            if *stores {
                commit(shared, order, &ready, fault);
            }
            set(
                "failed",
                Some("Work-horse terminated unexpectedly".to_owned()),
                Map::new(),
            );
            shared.crash(order.number, *down);
        }
        _ => {
            let result = commit(shared, order, &ready, fault).1;
            set("completed", None, result);
        }
    }
}

fn database_error(shared: &Shared) -> Answer {
    let detail = match shared.options.database {
        Database::Sqlite => "too many SQL variables",
        Database::Postgres => "terminating connection due to administrator command",
    };
    shared.with(|state| Answer::error(500, detail, &mut state.prng))
}

/// How long the server works on it.
fn time(shared: &Shared, order: &Order, ready: &Ready) -> Duration {
    let annotated = ready
        .items
        .iter()
        .filter(|item| item.is_annotated())
        .count();
    let tasks = match order.call {
        Call::Upload => 0,
        _ => ready.items.len() + 4 * annotated + 4 * ready.replaces.len(),
    };
    shared.options.request_time + shared.options.task_time * tasks as u32
}

fn prepare(state: &mut State, order: &Order) -> Result<Ready, Answer> {
    let mut uploads = Vec::new();
    let mut values = Vec::new();
    match &order.load {
        Load::Files(files) => {
            for (name, bytes) in files {
                let end = name.rsplit_once('.').map_or("", |(_, end)| end);
                if end != "json" {
                    let why = format!(".{end} extension is not supported");
                    return Err(Answer::invalid(
                        &json!({ "non_field_errors": [why] }),
                        &mut state.prng,
                    ));
                }
                uploads.push(state.upload(order.project, name, bytes.clone()));
            }
            for upload in &uploads {
                values.extend(state.read(order.project, *upload)?);
            }
        }
        Load::Body(bytes) => {
            let body = body_json(bytes, &mut state.prng)?;
            if order.call == Call::Reimport {
                uploads = body["file_upload_ids"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_u64)
                    .collect();
                for upload in &uploads {
                    values.extend(state.read(order.project, *upload)?);
                }
            } else {
                match body {
                    Value::Array(items) => values = items,
                    one => values.push(one),
                }
            }
        }
    }
    let from_files = !uploads.is_empty();
    let columns = if from_files {
        columns(&values)
    } else {
        Vec::new()
    };
    let formats = if from_files && !values.is_empty() {
        uploads.len()
    } else {
        0
    };
    let items = match order.call {
        // An unknown upload is no error, and an upload alone is read but not checked against the labelling config.
        Call::Reimport if values.is_empty() => Vec::new(),
        Call::Upload if !values.is_empty() => values.into_iter().map(Item::unchecked).collect(),
        _ => state.check(order.project, values)?,
    };
    let replaces = match order.call {
        Call::Reimport => {
            let ours = |upload: Option<u64>| upload.is_some_and(|id| uploads.contains(&id));
            state
                .project(order.project)
                .tasks
                .iter()
                .filter(|task| ours(task.file_upload))
                .map(|task| task.id)
                .collect()
        }
        _ => Vec::new(),
    };
    Ok(Ready {
        uploads,
        items,
        columns,
        formats,
        replaces,
    })
}

/// The keys that all items have.
fn columns(items: &[Value]) -> Vec<String> {
    let keys = |item: &Value| {
        item["data"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, _)| key.clone())
            .collect()
    };
    let all = items
        .iter()
        .map(keys)
        .reduce(|all: BTreeSet<String>, one| &all & &one);
    all.into_iter().flatten().collect()
}

/// Stores, and words the reply: as text, and as members for a job.
fn commit(
    shared: &Shared,
    order: &Order,
    ready: &Ready,
    fault: &Fault,
) -> (Answer, Map<String, Value>) {
    let twice = *fault == Fault::StoreTwice;
    let extras = *fault != Fault::LoseExtras;
    let mut uploads = ready.uploads.clone();
    let (mut annotations, mut predictions, mut ids) = (Value::Null, Value::Null, Vec::new());
    let mut rows = 0;
    shared.with(|state| {
        if order.call != Call::Upload {
            let stored = state.store(order.project, &ready.items, &ready.replaces, extras);
            (annotations, predictions) = (stored.annotations.into(), stored.predictions.into());
            (rows, ids) = (stored.ids.len(), stored.ids);
        }
        if twice {
            // The server runs the whole request again: its files make new uploads.
            let mut again = ready.items.clone();
            if let Load::Files(files) = &order.load {
                let second: Vec<u64> = files
                    .iter()
                    .map(|(name, bytes)| state.upload(order.project, name, bytes.clone()))
                    .collect();
                let to = |old: Option<u64>| {
                    ready
                        .uploads
                        .iter()
                        .position(|id| Some(*id) == old)
                        .map(|at| second[at])
                };
                for item in &mut again {
                    *item = item.clone().of(to(item.upload()).unwrap_or_default());
                }
                uploads = second;
            }
            if order.call != Call::Upload {
                let stored = state.store(order.project, &again, &[], extras);
                rows += stored.ids.len();
                ids = stored.ids;
            }
        }
    });
    shared.entry(order.number, |entry| {
        entry.stored = rows;
        entry
            .uploads
            .extend(uploads.iter().filter(|id| !ready.uploads.contains(id)));
    });
    let count = ready.items.len();
    let duration = time(shared, order, ready).as_secs_f64();
    let (ids, list) = (json!(ids), json!(uploads));
    let columns = json!(ready.columns);
    let formats = match (ready.formats, &order.load) {
        (0, Load::Body(_)) if order.call != Call::Reimport => json!([]),
        (0, _) => json!({}),
        (files, _) => json!({ ".json": files }),
    };
    let tasks_list = if order.call == Call::Reimport {
        ""
    } else {
        r#""could_be_tasks_list":false,"#
    };
    let with_ids = order.return_ids && order.call == Call::Import;
    let task_ids = if with_ids {
        format!(r#","task_ids":{ids}"#)
    } else {
        String::new()
    };
    let body = format!(
        r#"{{"task_count":{count},"annotation_count":{annotations},"prediction_count":{predictions},"duration":{duration:?},"file_upload_ids":{list},{tasks_list}"found_formats":{formats},"data_columns":{columns}{task_ids}}}"#
    );
    let members = serde_json::from_str(&body).expect("written here");
    let empty = order.call == Call::Reimport && uploads.is_empty();
    (Answer::json(if empty { 200 } else { 201 }, body), members)
}
