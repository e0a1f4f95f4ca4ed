//! The server's calls: who may, what they ask for, what they get.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequest, Multipart, State as Given};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request as HttpRequest, Response, header};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures::StreamExt;
use serde_json::{Map, Value, json};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::answers::{Answer, VERSION};
use super::faults::{Call, Fault, Faults};
use super::history::Request;
use super::imports::{self, Load, Order};
use super::line::{Gate, Line};
use super::store::{Project, State, Task, body_json};
use super::{ACCESS_SECONDS, LEGACY_TOKEN, Options};

/// All that the server is, between its requests.
pub struct Shared {
    pub options: Options,
    pub gate: Arc<Gate>,
    pub faults: Mutex<Faults>,
    pub history: Mutex<Vec<Request>>,
    pub pat: String,
    state: Mutex<State>,
    /// Access tokens and their ends.
    access: Mutex<BTreeMap<String, Instant>>,
    works: Mutex<Vec<AbortHandle>>,
    born: (Instant, u64),
}

impl Shared {
    pub fn new(faults: Faults, options: Options) -> Shared {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Shared {
            state: Mutex::new(State::new(&options)),
            options,
            gate: Arc::new(Gate::new()),
            faults: Mutex::new(faults),
            history: Mutex::default(),
            pat: jwt("refresh", now, 200 * 365 * 86_400, "e462545927a649cba5a7d077616f55e2"),
            access: Mutex::default(),
            works: Mutex::default(),
            born: (Instant::now(), now),
        }
    }

    pub fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().expect("no one panicked"))
    }

    /// Changes what the history says of a request.
    pub fn entry(&self, number: usize, change: impl FnOnce(&mut Request)) {
        change(&mut self.history.lock().expect("no one panicked")[number]);
    }

    /// Work that needs no connection.
    pub fn works(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut works = self.works.lock().expect("no one panicked");
        works.retain(|work| !work.is_finished());
        works.push(tokio::spawn(work).abort_handle());
    }

    /// What a kill does: no connection, no work.
    pub fn kill(&self) {
        self.gate.shut();
        for work in self.works.lock().expect("no one panicked").drain(..) {
            work.abort();
        }
    }

    /// A kill from within one of the works, and a start after it.
    pub fn crash(self: &Arc<Self>, number: usize, down: Duration) {
        self.kill();
        self.entry(number, |entry| entry.finished = Some(Instant::now()));
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            sleep(down).await;
            shared.gate.open();
        });
    }

    fn seconds(&self) -> u64 {
        self.born.1 + self.born.0.elapsed().as_secs()
    }

    fn refresh(&self, bytes: &[u8]) -> Answer {
        let mut guard = self.state.lock().expect("no one panicked");
        let body = match body_json(bytes, &mut guard.prng) {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        let mut access = self.access.lock().expect("no one panicked");
        match body["refresh"].as_str() {
            None => Answer::invalid(&json!({"refresh": ["This field is required."]}), &mut guard.prng),
            Some(token) if token == self.pat => {
                let id = guard.uuid().replace('-', "");
                let token = jwt("access", self.seconds(), ACCESS_SECONDS, &id);
                access.insert(token.clone(), Instant::now() + Duration::from_secs(ACCESS_SECONDS));
                Answer::json(200, format!(r#"{{"access":"{token}"}}"#))
            }
            Some(token) if access.contains_key(token) => Answer::error(401, "Token has wrong type", &mut guard.prng),
            Some(_) => Answer::error(401, "Token is invalid", &mut guard.prng),
        }
    }

    fn authorize(&self, headers: &HeaderMap) -> Result<(), Answer> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let given = text("authorization");
        let legacy = given.strip_prefix("Token ").or(Some(text("x-api-key")).filter(|key| !key.is_empty()));
        let denied = match legacy {
            Some(LEGACY_TOKEN) if self.options.legacy => return Ok(()),
            Some(LEGACY_TOKEN) => {
                "Authentication token no longer valid: legacy token authentication has been disabled for this organization"
            }
            Some(_) => "Invalid token.",
            None => {
                let access = self.access.lock().expect("no one panicked");
                let end = given.strip_prefix("Bearer ").and_then(|token| access.get(token));
                if end.is_some_and(|end| Instant::now() < *end) {
                    return Ok(());
                }
                "Authentication credentials were not provided."
            }
        };
        Err(self.with(|state| Answer::error(401, denied, &mut state.prng)))
    }
}

fn jwt(kind: &str, now: u64, lasts: u64, id: &str) -> String {
    let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let exp = now + lasts;
    let claims = format!(r#"{{"token_type":"{kind}","exp":{exp},"iat":{now},"jti":"{id}","user_id":"1"}}"#);
    let signed = format!("{}.{}", encode(r#"{"alg":"HS256","typ":"JWT"}"#), encode(&claims));
    let signature = BASE64_URL_SAFE_NO_PAD.encode(blake3::hash(signed.as_bytes()).as_bytes());
    format!("{signed}.{signature}")
}

pub fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(shared)
}

/// A request in the history; without an answer when it is dropped, it has had none.
struct Entry<'a>(&'a Shared, usize);

impl Entry<'_> {
    fn close(self, answer: Answer) -> Response<Body> {
        self.0.entry(self.1, |entry| entry.status = Some(answer.status));
        answer.into_response()
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let makes_own_end = |entry: &Request| entry.call.makes_tasks() || entry.call == Call::Upload;
        self.0.entry(self.1, |entry| {
            entry.answered = Some(Instant::now());
            if !makes_own_end(entry) || entry.status.is_some() && entry.stored == 0 {
                entry.finished.get_or_insert(Instant::now());
            }
        });
    }
}

async fn answer(
    Given(shared): Given<Arc<Shared>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: HttpRequest<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let path = parts.uri.path().strip_prefix(shared.options.prefix.as_str()).unwrap_or("/?").to_owned();
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let commits = bool_of(&query, "commit_to_project", true);
    let call = match (parts.method.as_str(), segments.as_slice()) {
        (_, ["health" | "version"] | ["api", "health" | "version"]) => Call::About,
        (_, ["api", "token", "refresh"]) => Call::Refresh,
        ("POST", ["api", "projects", _, "import"]) if commits == Ok(false) => Call::Upload,
        ("POST", ["api", "projects", _, "import"]) => Call::Import,
        ("POST", ["api", "projects", _, "reimport"]) => Call::Reimport,
        ("GET", ["api", "tasks"]) => Call::Tasks,
        ("GET", _) => Call::Read,
        _ => Call::Write,
    };
    let number = {
        let mut history = shared.history.lock().expect("no one panicked");
        let number = history.len();
        history.push(Request {
            number,
            call,
            method: parts.method.to_string(),
            path: parts.uri.to_string(),
            start: Instant::now(),
            answered: None,
            finished: None,
            status: None,
            fault: None,
            body_bytes: 0,
            stored: 0,
            uploads: Vec::new(),
        });
        number
    };
    let entry = Entry(&shared, number);
    let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let bearer = parts.headers.get(header::AUTHORIZATION).is_some_and(|value| value.as_bytes().starts_with(b"Bearer "));
    let mut fault = shared.faults.lock().expect("no one panicked").draw(call, length.unwrap_or(0), bearer);
    if shared.options.max_body.is_some_and(|most| length.unwrap_or(0) > most) {
        fault = Fault::TooLarge;
    }
    if fault != Fault::Honest {
        shared.entry(number, |entry| entry.fault = Some(fault.name()));
    }

    let cut_at = if let Fault::CutUpload { at } = fault { at } else { usize::MAX };
    let mut bytes = Vec::new();
    let mut stream = body.into_data_stream();
    while bytes.len() < cut_at {
        match stream.next().await {
            Some(Ok(chunk)) => bytes.extend_from_slice(&chunk),
            // The client has gone.
            Some(Err(_)) => return pending().await,
            None => break,
        }
    }
    shared.entry(number, |entry| {
        entry.body_bytes = bytes.len();
        if call == Call::Reimport {
            entry.uploads = ids_of(&serde_json::from_slice(&bytes).unwrap_or_default());
        }
    });
    if let Fault::CutUpload { .. } = fault {
        line.cut();
        return pending().await;
    }
    if fault == Fault::TooLarge {
        return entry.close(Answer::html(413));
    }
    // A body without a length is not read: it is an empty one.
    let chunked = length.is_none();
    if chunked {
        bytes.clear();
    }
    if fault == Fault::TokenExpires {
        shared.access.lock().expect("no one panicked").clear();
    }
    if segments[0] == "api" && !matches!(call, Call::About | Call::Refresh)
        && let Err(answer) = shared.authorize(&parts.headers)
    {
        return entry.close(answer);
    }
    if let Fault::TooMany { retry_after } = fault {
        let answer = Answer { retry_after: Some(retry_after), ..Answer::html(429) };
        return entry.close(answer);
    }
    if matches!(call, Call::Upload | Call::Import | Call::Reimport) {
        if let Err(value) = commits {
            let why = format!("Incorrect bool value \"{value}\". It should be one of [1, 0, true, false, yes, no]");
            let answer = shared.with(|state| Answer::invalid(&json!({ "commit_to_project": why }), &mut state.prng));
            return entry.close(answer);
        }
        let return_ids = bool_of(&query, "return_task_ids", false).unwrap_or(false);
        let order = order(&shared, call, &segments, parts, bytes.into(), return_ids, number).await;
        return match order {
            Err(answer) => entry.close(answer),
            Ok(order) => match imports::start(&shared, order, fault, line).await {
                Ok(answer) => entry.close(answer),
                // No answer comes, and the connection has been cut.
                Err(_) => pending().await,
            },
        };
    }
    match fault {
        Fault::Slow { by } => sleep(by).await,
        Fault::Html { status, stores } => {
            if call == Call::Write && stores.is_some() {
                other(&shared, &parts, &segments, &query, &bytes);
            }
            return entry.close(Answer::html(status));
        }
        _ => {}
    }
    let answer = other(&shared, &parts, &segments, &query, &bytes);
    if fault == Fault::DropReply {
        line.cut();
        return pending().await;
    }
    entry.close(answer)
}

fn bool_of(query: &BTreeMap<String, String>, name: &str, default: bool) -> Result<bool, String> {
    let Some(value) = query.get(name) else { return Ok(default) };
    match value.to_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(value.clone()),
    }
}

/// Takes the body apart.
async fn order(
    shared: &Shared,
    call: Call,
    segments: &[&str],
    parts: Parts,
    bytes: Bytes,
    return_ids: bool,
    number: usize,
) -> Result<Order, Answer> {
    let project = segments[2].parse().unwrap_or(0);
    if !shared.with(|state| state.projects.contains_key(&project)) {
        return Err(Answer::html(404));
    }
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let load = if kind.starts_with("multipart/form-data") && call != Call::Reimport {
        let unreadable = |_| shared.with(|state| Answer::error(400, "Multipart form parse error", &mut state.prng));
        let request = HttpRequest::from_parts(parts, Body::from(bytes));
        let mut form = match Multipart::from_request(request, &()).await {
            Ok(form) => form,
            Err(_) => return Err(unreadable(())),
        };
        let mut files: Vec<(String, String, Bytes)> = Vec::new();
        while let Some(field) = form.next_field().await.map_err(|_| unreadable(()))? {
            let (field_name, file_name) = (field.name().unwrap_or_default().to_owned(), field.file_name().map(str::to_owned));
            let bytes = field.bytes().await.map_err(|_| unreadable(()))?;
            let Some(file_name) = file_name else { continue };
            // Of several files under one name the last is read.
            files.retain(|(name, ..)| *name != field_name);
            files.push((field_name, file_name, bytes));
        }
        if files.is_empty() {
            let errors = json!({ "non_field_errors": ["load_tasks: No data found in DATA or in FILES"] });
            return Err(shared.with(|state| Answer::invalid(&errors, &mut state.prng)));
        }
        Load::Files(files.into_iter().map(|(_, name, bytes)| (name, bytes)).collect())
    } else if kind.starts_with("application/json") || bytes.is_empty() {
        Load::Body(bytes)
    } else if call == Call::Reimport {
        // A form makes the number 11 into the text "11", which matches no upload.
        Load::Body(Bytes::from_static(br#"{"file_upload_ids":[0]}"#))
    } else {
        let why = format!("Unsupported media type \"{kind}\" in request.");
        return Err(shared.with(|state| Answer::error(415, &why, &mut state.prng)));
    };
    Ok(Order { call, project, load, return_ids, number })
}

/// Everything that is no import.
fn other(
    shared: &Shared,
    parts: &Parts,
    segments: &[&str],
    query: &BTreeMap<String, String>,
    bytes: &[u8],
) -> Answer {
    let ok = |body: Value| Answer::json(200, body.to_string());
    if let (_, ["api", "token", "refresh"]) = (parts.method.as_str(), segments) {
        return shared.refresh(bytes);
    }
    shared.with(|state| {
        let id = |text: &str| text.parse::<u64>().ok().filter(|id| state.projects.contains_key(id));
        let here = match segments {
            ["api", "projects", number, ..] => id(number),
            ["api", "tasks" | "dm", ..] => query.get("project").and_then(|number| id(number)),
            _ => None,
        };
        let missing = |state: &mut State| Answer::error(404, "No Project matches the given query.", &mut state.prng);
        match (parts.method.as_str(), segments) {
            (_, ["health"] | ["api", "health"]) => {
                Answer { html: true, ..Answer::json(200, r#"{"status": "UP"}"#.to_owned()) }
            }
            (_, ["api", "version"]) => ok(json!({"release": VERSION, "edition": "Community"})),
            (_, ["version"]) => {
                let body = format!("<pre>{{\n  \"release\": \"{VERSION}\",\n  \"edition\": \"Community\"\n}}</pre>");
                Answer { html: true, ..Answer::json(200, body) }
            }
            ("POST", ["api", "projects"]) => create(state, bytes),
            ("GET", ["api", "projects"]) => {
                let all: Vec<Value> = state.projects.values().map(project_json).collect();
                ok(json!({"count": all.len(), "next": null, "previous": null, "results": all}))
            }
            ("GET", ["api", "projects", "counts"]) => {
                let ids: Vec<u64> =
                    query.get("ids").into_iter().flat_map(|ids| ids.split(',')).filter_map(|id| id.parse().ok()).collect();
                let one = |project: &Project| json!({"id": project.id, "task_number": project.tasks.len()});
                let results: Vec<Value> = state.projects.values().filter(|one| ids.contains(&one.id)).map(one).collect();
                ok(json!({"count": results.len(), "next": null, "previous": null, "results": results}))
            }
            ("GET", ["api", "projects", _]) => match here {
                Some(id) => ok(only(project_json(&state.projects[&id]), query.get("include"))),
                None => missing(state),
            },
            ("GET", ["api", "projects", _, kind @ ("imports" | "reimports"), number]) => {
                let kind = if *kind == "imports" { "import" } else { "reimport" };
                let job = number.parse().ok().and_then(|number| state.jobs.get(&(kind, number)).map(|job| (number, job)));
                match job.filter(|(_, job)| Some(job.project) == here) {
                    Some((number, job)) => {
                        let mut body = json!({
                            "id": number, "project": job.project, "status": job.status, "error": job.error,
                            "task_count": 0, "annotation_count": 0, "prediction_count": 0, "duration": 0,
                            "file_upload_ids": [], "found_formats": [], "data_columns": [],
                        });
                        body.as_object_mut().expect("an object").extend(job.result.clone());
                        ok(body)
                    }
                    None => {
                        let model = if kind == "import" { "ProjectImport" } else { "ProjectReimport" };
                        Answer::error(404, &format!("No {model} matches the given query."), &mut state.prng)
                    }
                }
            }
            (method, ["api", "projects", _, "file-uploads"]) => {
                let Some(here) = here else { return Answer::html(404) };
                match method {
                    "GET" if bool_of(query, "all", false) == Ok(true) => {
                        let one = |one: &super::Upload| {
                            format!(r#"{{"id":{},"file":"{}","size":{}}}"#, one.id, one.file, one.bytes.len())
                        };
                        let all: Vec<String> = state.project(here).uploads.iter().map(one).collect();
                        Answer::json(200, format!("[{}]", all.join(",")))
                    }
                    "GET" => Answer::json(200, "[]".to_owned()),
                    "DELETE" => delete_uploads(state, here, bytes),
                    _ => Answer::error(405, &format!("Method \"{method}\" not allowed."), &mut state.prng),
                }
            }
            ("GET", ["api", "tasks"]) => match here {
                Some(here) => tasks(state, here, query),
                None => missing(state),
            },
            ("POST", ["api", "dm", "actions"]) => match here {
                Some(here) => delete_tasks(state, here, query, bytes),
                None => missing(state),
            },
            _ => Answer::html(404),
        }
    })
}

fn create(state: &mut State, bytes: &[u8]) -> Answer {
    let body = match body_json(bytes, &mut state.prng) {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let (title, config) = (body["title"].as_str().unwrap_or(""), body["label_config"].as_str().unwrap_or("<View></View>"));
    let length = title.chars().count();
    let wrong = match length {
        0..3 => Some("Ensure this field has at least 3 characters."),
        51.. => Some("Ensure this field has no more than 50 characters."),
        _ => None,
    };
    if let Some(why) = wrong {
        return Answer::invalid(&json!({ "title": [why] }), &mut state.prng);
    }
    let id = state.create(title, config);
    Answer::json(201, project_json(&state.projects[&id]).to_string())
}

fn project_json(project: &Project) -> Value {
    let count = |of: fn(&Task) -> usize| project.tasks.iter().map(of).sum::<usize>();
    json!({
        "id": project.id,
        "title": project.title,
        "description": "",
        "label_config": project.label_config,
        "organization": 1,
        "maximum_annotations": 1,
        "is_draft": false,
        "is_published": false,
        "created_by": {"id": 1, "first_name": "", "last_name": "", "email": "admin@example.com", "avatar": null},
        "task_number": project.tasks.len(),
        "total_annotations_number": count(|task| task.annotations.len()),
        "total_predictions_number": count(|task| task.predictions.len()),
        "parsed_label_config": {},
    })
}

/// The members that `include` names.
fn only(value: Value, include: Option<&String>) -> Value {
    let (Value::Object(members), Some(include)) = (&value, include) else { return value };
    let wanted: Vec<&str> = include.split(',').collect();
    Value::Object(members.iter().filter(|(name, _)| wanted.contains(&name.as_str())).map(|(a, b)| (a.clone(), b.clone())).collect())
}

/// Whether a task is one that these filters of the Data Manager let through.
fn filter(filters: &Value, uploads: &[super::Upload]) -> Result<impl Fn(&Task) -> bool + use<>, String> {
    let mut tests: Vec<Box<dyn Fn(&Task) -> bool>> = Vec::new();
    for item in filters["items"].as_array().into_iter().flatten() {
        let (name, operator) = (item["filter"].as_str().unwrap_or(""), item["operator"].as_str().unwrap_or(""));
        let value = item["value"].clone();
        match (name.strip_prefix("filter:tasks:"), operator) {
            (Some("file_upload_id"), "equal") => {
                let wanted = value.as_u64().or_else(|| value.as_str()?.parse().ok());
                tests.push(Box::new(move |task| task.file_upload == wanted && wanted.is_some()));
            }
            (Some("file_upload"), "equal" | "contains") => {
                let text = value.as_str().unwrap_or("").to_lowercase();
                let exact = operator == "equal";
                let fits = |file: &str| if exact { file == text } else { file.to_lowercase().contains(&text) };
                let ids: Vec<u64> = uploads.iter().filter(|one| fits(&one.file)).map(|one| one.id).collect();
                tests.push(Box::new(move |task| task.file_upload.is_some_and(|id| ids.contains(&id))));
            }
            _ => return Err(format!("the fake does not know the filter {item}")),
        }
    }
    let any = filters["conjunction"] == "or";
    Ok(move |task: &Task| if any { tests.iter().any(|test| test(task)) } else { tests.iter().all(|test| test(task)) })
}

fn tasks(state: &mut State, here: u64, query: &BTreeMap<String, String>) -> Answer {
    let project = &state.projects[&here];
    let view: Value = query.get("query").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let keep = match filter(&view["filters"], &project.uploads) {
        Ok(keep) => keep,
        Err(why) => return Answer::error(500, &why, &mut state.prng),
    };
    let number = |name: &str, default: usize| query.get(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (size, page) = (number("page_size", 100).max(1), number("page", 1));
    let found: Vec<&Task> = project.tasks.iter().filter(|task| keep(task)).collect();
    if page == 0 || page > 1 && (page - 1) * size >= found.len() {
        return Answer::error(404, "Invalid page.", &mut state.prng);
    }
    if project.poisoned {
        let detail = "'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed";
        return Answer::error(500, detail, &mut state.prng);
    }
    let (mut annotations, mut predictions) = (0, 0);
    for task in &found {
        annotations += task.annotations.len();
        predictions += task.predictions.len();
    }
    let shown: Vec<Value> = found
        .iter()
        .skip((page - 1) * size)
        .take(size)
        .map(|task| only(task_json(task, project), query.get("include")))
        .collect();
    let total = found.len();
    let shown = Value::from(shown);
    Answer::json(
        200,
        format!(r#"{{"total_annotations":{annotations},"total_predictions":{predictions},"total":{total},"tasks":{shown}}}"#),
    )
}

fn task_json(task: &Task, project: &Project) -> Value {
    let part = |part: &Value, more: Value| {
        let mut members: Map<String, Value> = more.as_object().cloned().unwrap_or_default();
        members.extend([("task".to_owned(), task.id.into()), ("project".to_owned(), project.id.into())]);
        members.extend(part.as_object().cloned().unwrap_or_default());
        Value::Object(members)
    };
    let annotation = json!({"completed_by": 1, "was_cancelled": false, "ground_truth": true, "lead_time": null});
    let prediction = json!({"model_version": "undefined", "score": null, "cluster": null, "neighbors": null});
    let annotations: Vec<Value> = task.annotations.iter().map(|one| part(one, annotation.clone())).collect();
    let predictions: Vec<Value> = task.predictions.iter().map(|one| part(one, prediction.clone())).collect();
    let file = project.uploads.iter().find(|one| Some(one.id) == task.file_upload).map(super::Upload::stored_name);
    json!({
        "id": task.id,
        "inner_id": task.inner_id,
        "project": project.id,
        "data": task.data,
        "meta": if task.meta.is_null() { json!({}) } else { task.meta.clone() },
        "annotations": annotations,
        "predictions": predictions,
        "total_annotations": annotations.len(),
        "total_predictions": predictions.len(),
        "cancelled_annotations": 0,
        "drafts": [],
        "file_upload": file,
        "storage_filename": null,
        "is_labeled": !annotations.is_empty(),
        "overlap": 1,
    })
}

fn delete_tasks(state: &mut State, here: u64, query: &BTreeMap<String, String>, bytes: &[u8]) -> Answer {
    let body = match body_json(bytes, &mut state.prng) {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    if query.get("id").map(String::as_str) != Some("delete_tasks") {
        return Answer::html(404);
    }
    let keep = match filter(&body["filters"], &state.projects[&here].uploads) {
        Ok(keep) => keep,
        Err(why) => return Answer::error(500, &why, &mut state.prng),
    };
    let picked = &body["selectedItems"];
    let listed = |name: &str, id: u64| picked[name].as_array().is_some_and(|ids| ids.contains(&id.into()));
    let goes = |task: &Task| {
        let chosen = if picked["all"] == true { !listed("excluded", task.id) } else { listed("included", task.id) };
        chosen && keep(task)
    };
    let project = state.project(here);
    let before = project.tasks.len();
    project.tasks.retain(|task| !goes(task));
    let count = before - project.tasks.len();
    Answer::json(200, format!(r#"{{"processed_items":{count},"reload":false,"detail":"Deleted {count} tasks"}}"#))
}

fn ids_of(body: &Value) -> Vec<u64> {
    body["file_upload_ids"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
}

fn delete_uploads(state: &mut State, here: u64, bytes: &[u8]) -> Answer {
    let body = match body_json(bytes, &mut state.prng) {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let ids = ids_of(&body);
    let project = state.project(here);
    let before = project.uploads.len();
    project.uploads.retain(|one| !ids.contains(&one.id));
    for task in &mut project.tasks {
        task.file_upload = task.file_upload.filter(|id| !ids.contains(id));
    }
    Answer::json(200, format!(r#"{{"deleted":{}}}"#, before - project.uploads.len()))
}
