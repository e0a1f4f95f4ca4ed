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
use serde_json::{Value, json};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::answers::Answer;
use super::calls::other;
use super::faults::{Call, Fault, Faults};
use super::history::Request;
use super::imports::{self, Load, Order};
use super::line::{Gate, Line};
use super::store::{State, body_json};
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
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        Shared {
            state: Mutex::new(State::new(&options)),
            options,
            gate: Arc::new(Gate::new()),
            faults: Mutex::new(faults),
            history: Mutex::default(),
            pat: jwt(
                "refresh",
                now,
                200 * 365 * 86_400,
                "e462545927a649cba5a7d077616f55e2",
            ),
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

    pub fn refresh(&self, bytes: &[u8]) -> Answer {
        let mut guard = self.state.lock().expect("no one panicked");
        let body = match body_json(bytes, &mut guard.prng) {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        let mut access = self.access.lock().expect("no one panicked");
        match body["refresh"].as_str() {
            None => Answer::invalid(
                &json!({"refresh": ["This field is required."]}),
                &mut guard.prng,
            ),
            Some(token) if token == self.pat => {
                let id = guard.uuid().replace('-', "");
                let token = jwt("access", self.seconds(), ACCESS_SECONDS, &id);
                access.insert(
                    token.clone(),
                    Instant::now() + Duration::from_secs(ACCESS_SECONDS),
                );
                Answer::json(200, format!(r#"{{"access":"{token}"}}"#))
            }
            Some(token) if access.contains_key(token) => {
                Answer::error(401, "Token has wrong type", &mut guard.prng)
            }
            Some(_) => Answer::error(401, "Token is invalid", &mut guard.prng),
        }
    }

    fn authorize(&self, headers: &HeaderMap) -> Result<(), Answer> {
        let text = |name: &str| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        let given = text("authorization");
        let legacy = given
            .strip_prefix("Token ")
            .or(Some(text("x-api-key")).filter(|key| !key.is_empty()));
        let denied = match legacy {
            Some(LEGACY_TOKEN) if self.options.legacy => return Ok(()),
            Some(LEGACY_TOKEN) => {
                "Authentication token no longer valid: legacy token authentication has been disabled for this organization"
            }
            Some(_) => "Invalid token.",
            None => {
                let access = self.access.lock().expect("no one panicked");
                let end = given
                    .strip_prefix("Bearer ")
                    .and_then(|token| access.get(token));
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
    let claims =
        format!(r#"{{"token_type":"{kind}","exp":{exp},"iat":{now},"jti":"{id}","user_id":"1"}}"#);
    let signed = format!(
        "{}.{}",
        encode(r#"{"alg":"HS256","typ":"JWT"}"#),
        encode(&claims)
    );
    let signature = BASE64_URL_SAFE_NO_PAD.encode(blake3::hash(signed.as_bytes()).as_bytes());
    format!("{signed}.{signature}")
}

pub fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .fallback(answer)
        .layer(DefaultBodyLimit::disable())
        .with_state(shared)
}

/// A request in the history; without an answer when it is dropped, it has had none.
struct Entry<'a>(&'a Shared, usize);

impl Entry<'_> {
    fn close(self, answer: Answer) -> Response<Body> {
        self.0
            .entry(self.1, |entry| entry.status = Some(answer.status));
        answer.into_response()
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let makes_own_end =
            |entry: &Request| entry.call.makes_tasks() || entry.call == Call::Upload;
        self.0.entry(self.1, |entry| {
            entry.answered = Some(Instant::now());
            if !makes_own_end(entry) || entry.status.is_some() && entry.stored == 0 {
                entry.finished.get_or_insert(Instant::now());
            }
        });
    }
}

fn call_of(method: &str, segments: &[&str], uploads_only: bool) -> Call {
    match (method, segments) {
        (_, ["health" | "version"] | ["api", "health" | "version"]) => Call::About,
        (_, ["api", "token", "refresh"]) => Call::Refresh,
        ("POST", ["api", "projects", _, "import"]) if uploads_only => Call::Upload,
        ("POST", ["api", "projects", _, "import"]) => Call::Import,
        ("POST", ["api", "projects", _, "reimport"]) => Call::Reimport,
        ("GET", ["api", "tasks"]) => Call::Tasks,
        ("GET", _) => Call::Read,
        _ => Call::Write,
    }
}

/// Begins a request in the history.
fn open(shared: &Shared, call: Call, parts: &Parts) -> usize {
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
}

/// Reads a body to its end, or to so many bytes; None if the client goes before that.
async fn read(body: Body, most: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut stream = body.into_data_stream();
    while bytes.len() < most {
        match stream.next().await {
            Some(chunk) => bytes.extend_from_slice(&chunk.ok()?),
            None => break,
        }
    }
    Some(bytes)
}

async fn answer(
    Given(shared): Given<Arc<Shared>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: HttpRequest<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let path = parts
        .uri
        .path()
        .strip_prefix(shared.options.prefix.as_str())
        .unwrap_or("/?")
        .to_owned();
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let commits = bool_of(&query, "commit_to_project", true);
    let call = call_of(parts.method.as_str(), &segments, commits == Ok(false));
    let number = open(&shared, call, &parts);
    let entry = Entry(&shared, number);
    let length = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let bearer = parts
        .headers
        .get(header::AUTHORIZATION)
        .is_some_and(|value| value.as_bytes().starts_with(b"Bearer "));
    let mut fault =
        shared
            .faults
            .lock()
            .expect("no one panicked")
            .draw(call, length.unwrap_or(0), bearer);
    if shared
        .options
        .max_body
        .is_some_and(|most| length.unwrap_or(0) > most)
    {
        fault = Fault::TooLarge;
    }
    if fault != Fault::Honest {
        shared.entry(number, |entry| entry.fault = Some(fault.name()));
    }

    let cut_at = if let Fault::CutUpload { at } = fault {
        at
    } else {
        usize::MAX
    };
    let Some(mut bytes) = read(body, cut_at).await else {
        return pending().await;
    };
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
    if segments[0] == "api"
        && !matches!(call, Call::About | Call::Refresh)
        && let Err(answer) = shared.authorize(&parts.headers)
    {
        return entry.close(answer);
    }
    if let Fault::TooMany { retry_after } = fault {
        let answer = Answer {
            retry_after: Some(retry_after),
            ..Answer::html(429)
        };
        return entry.close(answer);
    }
    if matches!(call, Call::Upload | Call::Import | Call::Reimport) {
        if let Err(value) = commits {
            let why = format!(
                "Incorrect bool value \"{value}\". It should be one of [1, 0, true, false, yes, no]"
            );
            let answer = shared.with(|state| {
                Answer::invalid(&json!({ "commit_to_project": why }), &mut state.prng)
            });
            return entry.close(answer);
        }
        let return_ids = bool_of(&query, "return_task_ids", false).unwrap_or(false);
        let order = order(
            &shared,
            call,
            &segments,
            parts,
            bytes.into(),
            return_ids,
            number,
        )
        .await;
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

pub fn bool_of(
    query: &BTreeMap<String, String>,
    name: &str,
    default: bool,
) -> Result<bool, String> {
    let Some(value) = query.get(name) else {
        return Ok(default);
    };
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
    let kind = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let load = if kind.starts_with("multipart/form-data") && call != Call::Reimport {
        let unreadable = || {
            shared.with(|state| Answer::error(400, "Multipart form parse error", &mut state.prng))
        };
        let request = HttpRequest::from_parts(parts, Body::from(bytes));
        let mut form = Multipart::from_request(request, &())
            .await
            .map_err(|_| unreadable())?;
        let mut files: Vec<(String, String, Bytes)> = Vec::new();
        while let Some(field) = form.next_field().await.map_err(|_| unreadable())? {
            let (field_name, file_name) = (
                field.name().unwrap_or_default().to_owned(),
                field.file_name().map(str::to_owned),
            );
            let bytes = field.bytes().await.map_err(|_| unreadable())?;
            let Some(file_name) = file_name else { continue };
            // Of several files under one name the last is read.
            files.retain(|(name, ..)| *name != field_name);
            files.push((field_name, file_name, bytes));
        }
        if files.is_empty() {
            let errors =
                json!({ "non_field_errors": ["load_tasks: No data found in DATA or in FILES"] });
            return Err(shared.with(|state| Answer::invalid(&errors, &mut state.prng)));
        }
        Load::Files(
            files
                .into_iter()
                .map(|(_, name, bytes)| (name, bytes))
                .collect(),
        )
    } else if kind.starts_with("application/json") || bytes.is_empty() {
        Load::Body(bytes)
    } else if call == Call::Reimport {
        // A form makes the number 11 into the text "11", which matches no upload.
        Load::Body(Bytes::from_static(br#"{"file_upload_ids":[0]}"#))
    } else {
        let why = format!("Unsupported media type \"{kind}\" in request.");
        return Err(shared.with(|state| Answer::error(415, &why, &mut state.prng)));
    };
    Ok(Order {
        call,
        project,
        load,
        return_ids,
        number,
    })
}

pub fn ids_of(body: &Value) -> Vec<u64> {
    body["file_upload_ids"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_u64)
        .collect()
}
