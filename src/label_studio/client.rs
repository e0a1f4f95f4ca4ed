//! One server: its credentials, its connections, and every request to it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, redirect, retry};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use url::Url;

use super::access::{Age, Credentials};
use super::address::Address;
use super::answer::{Answer, shorten};
use super::content::Content;
use super::failure::{Denied, Failure, Outcome};
use super::settings::{Settings, certificates};
use super::token::{Kind, Token};
use crate::error::{Code, Error, Result};

/// How often a request that only reads is sent before its failure is given up to.
const TRIES: u32 = 8;

/// How often the time between two of them doubles: 2 s become 32 s, and eight tries some two minutes.
const DOUBLINGS: u32 = 4;

/// The longest that a request that only reads waits because the server asks to.
const MOST_PATIENCE: Duration = Duration::from_mins(5);

/// What stands before the reason why there is no connection, and says no more than that.
const NO_CONNECTION: &str = "error sending request: client error (Connect): ";

/// The most of an answer that is taken: a page of tasks may be large, but something has to be the end.
const MOST_ANSWER: usize = 512 * 1024 * 1024;

/// A server and the credentials for it. A clone is the same client.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    server: Url,
    token: Token,
    settings: Settings,
    /// The access token in use, or the legacy token; held while it is exchanged, so that this happens once.
    credentials: Mutex<Option<Credentials>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("server", &self.0.server.as_str())
            .finish_non_exhaustive()
    }
}

/// What a request is for, which says what a failure of it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It changes nothing.
    Look,
    /// It brings a file, or removes one: no task is touched.
    Upload,
    /// It creates or deletes tasks, or a project.
    Change,
}

/// What a request carries.
#[derive(Clone, Debug)]
pub(super) enum Payload {
    Nothing,
    Json(Value),
    Upload { name: String, content: Content },
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    /// Below the server's address.
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) payload: Payload,
    pub(super) purpose: Purpose,
    pub(super) timeout: Duration,
}

impl Client {
    /// A client of the server of a project.
    ///
    /// # Errors
    /// [`Code::Usage`] when the file of certificates cannot be read or holds none.
    pub fn new(address: &Address, token: Token, settings: Settings) -> Result<Client> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(settings.connect_timeout)
            // Followed, a redirect would take the token to another host, and make a POST a GET.
            .redirect(redirect::Policy::none())
            // Whether a request may be sent again is decided here, never below.
            .retry(retry::never())
            .http1_only()
            // A kept connection may be closed by the server just when a request is on its way, and then nobody knows
            // whether that was done. A new one costs milliseconds.
            .pool_max_idle_per_host(0)
            // An import is silent for minutes; what lies between must not forget the connection.
            .tcp_keepalive(Duration::from_mins(1));
        if address.is_loopback() {
            builder = builder.no_proxy();
        }
        if let Some(path) = &settings.ca_cert {
            builder = builder.tls_certs_merge(certificates(path)?);
        }
        let http = builder.build().map_err(|e| {
            Error::new(
                Code::Usage,
                format!("cannot set up the connection to the server: {}", chain(&e)),
            )
        })?;
        let credentials = Mutex::new(Credentials::legacy(&token));
        Ok(Client(Arc::new(Inner {
            http,
            server: address.server.clone(),
            token,
            settings,
            credentials,
        })))
    }

    /// How it talks to the server.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The server's version, such as `1.23.2`.
    ///
    /// # Errors
    /// Those of a request that only reads, after its retries.
    pub async fn version(&self) -> Outcome<String> {
        #[derive(Deserialize)]
        struct Version {
            release: String,
        }
        let version: Version = self.look(&self.get("api/version")).await?.parse()?;
        Ok(version.release)
    }

    /// A request that only reads.
    pub(super) fn get(&self, path: impl Into<String>) -> Call {
        let timeout = self.0.settings.answer_timeout;
        let (path, payload) = (path.into(), Payload::Nothing);
        Call {
            method: Method::GET,
            path,
            query: Vec::new(),
            payload,
            purpose: Purpose::Look,
            timeout,
        }
    }

    /// A request that sends something.
    pub(super) fn send(
        &self,
        method: Method,
        path: impl Into<String>,
        payload: Payload,
        purpose: Purpose,
    ) -> Call {
        let timeout = self.0.settings.import_timeout;
        Call {
            method,
            path: path.into(),
            query: Vec::new(),
            payload,
            purpose,
            timeout,
        }
    }

    /// Sends a request that only reads, again and again while its failure is a passing one: during the commit of an
    /// import even these can get a 500 (the contract, section 4).
    pub(super) async fn look(&self, call: &Call) -> Outcome<Answer> {
        let mut tries = 0;
        loop {
            let failure = match self.call(call).await {
                Err(failure) if failure.is_passing() => failure,
                outcome => return outcome,
            };
            tries += 1;
            if tries == TRIES {
                return Err(failure);
            }
            self.pause(tries - 1, &failure).await;
        }
    }

    /// Waits before what failed so often before is tried again.
    pub(super) async fn pause(&self, failures: u32, failure: &Failure) {
        let wait = self.0.settings.poll_interval * 2_u32.pow(failures.min(DOUBLINGS));
        let asked = match failure {
            Failure::Busy {
                retry_after: Some(asked),
            } => (*asked).min(MOST_PATIENCE),
            _ => Duration::ZERO,
        };
        sleep(wait.max(asked)).await;
    }

    /// Sends a request, once; and once more with a new access token if the answer is a 401, which is given before
    /// anything is done (the contract, section 2).
    pub(super) async fn call(&self, call: &Call) -> Outcome<Answer> {
        let age = if call.purpose == Purpose::Look {
            Age::Any
        } else {
            Age::Young
        };
        let credentials = self.credentials(age).await?;
        match self.attempt(call, &credentials).await {
            Err(Failure::Unauthorized(_))
                if matches!(self.0.token.kind(), Kind::Personal { .. }) =>
            {
                let mut held = self.0.credentials.lock().await;
                if held.as_ref().is_some_and(|held| held.are(&credentials)) {
                    *held = None;
                }
                drop(held);
                let credentials = self.credentials(age).await?;
                self.attempt(call, &credentials).await
            }
            outcome => outcome,
        }
    }

    /// Has credentials at hand that a request can begin with, so that it begins at once. When there are none to be had,
    /// the request will say why.
    pub async fn prepare(&self) {
        let _ = self.credentials(Age::Young).await;
    }

    /// Credentials of at most this age.
    async fn credentials(&self, age: Age) -> Outcome<Credentials> {
        let mut held = self.0.credentials.lock().await;
        if let Some(credentials) = held.as_ref().filter(|held| held.serve(age)) {
            return Ok(credentials.clone());
        }
        let new = self.exchange().await.map_err(|failure| match failure {
            // Whatever became of the exchange, the request itself was not sent.
            Failure::Unknown { cause, .. } => Failure::NotSent {
                cause: format!("no access token: {cause}"),
            },
            failure => failure,
        })?;
        Ok(held.insert(new).clone())
    }

    /// An access token for the personal one.
    async fn exchange(&self) -> Outcome<Credentials> {
        #[derive(Deserialize)]
        struct Access {
            access: String,
        }
        let payload = Payload::Json(json!({ "refresh": self.0.token.secret() }));
        let mut call = self.send(Method::POST, "api/token/refresh", payload, Purpose::Look);
        call.timeout = self.0.settings.answer_timeout;
        let asked = Instant::now();
        let answer = self.request(&call, None).await?;
        if answer.status.as_u16() == 401 {
            let now = chrono::Utc::now().timestamp();
            let expired =
                matches!(self.0.token.kind(), Kind::Personal { expires: Some(at) } if at <= now);
            return Err(Failure::Unauthorized(Denied::Personal { expired }));
        }
        let answer = self.judge(&call, answer)?;
        let access: Access = answer.parse()?;
        Credentials::access(&access.access, asked).ok_or_else(|| answer.unexpected())
    }

    async fn attempt(&self, call: &Call, credentials: &Credentials) -> Outcome<Answer> {
        let answer = self.request(call, Some(credentials)).await?;
        if answer.status.as_u16() != 401 {
            return self.judge(call, answer);
        }
        let detail = answer.excerpt();
        let legacy = self.0.token.kind() == Kind::Legacy;
        Err(Failure::Unauthorized(
            if detail.contains("legacy token authentication has been disabled") {
                Denied::LegacyDisabled
            } else if legacy && detail.contains("Invalid token") {
                Denied::WrongToken
            } else if detail.contains("credentials were not provided") {
                Denied::NotSeen {
                    after: answer.after,
                }
            } else {
                Denied::Other(detail)
            },
        ))
    }

    /// The answer, unless it is a failure.
    fn judge(&self, call: &Call, answer: Answer) -> Outcome<Answer> {
        match answer.failure(&self.url(call)?, &call.path) {
            Some(failure) => Err(failure),
            None => Ok(answer),
        }
    }

    fn url(&self, call: &Call) -> Outcome<Url> {
        let mut url = self
            .0
            .server
            .join(&call.path)
            .map_err(|e| Failure::NotSent {
                cause: e.to_string(),
            })?;
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        Ok(url)
    }

    /// Sends a request and takes its whole answer, whatever that is.
    async fn request(&self, call: &Call, credentials: Option<&Credentials>) -> Outcome<Answer> {
        let started = Instant::now();
        let doubt = call.purpose == Purpose::Change;
        let mut request = self
            .0
            .http
            .request(call.method.clone(), self.url(call)?)
            .timeout(call.timeout);
        if let Some(credentials) = credentials {
            request = request.header(AUTHORIZATION, HeaderValue::clone(&credentials.header));
        }
        request = match &call.payload {
            Payload::Nothing => request,
            Payload::Json(value) => request.json(value),
            Payload::Upload { name, content } => {
                let form = content.form(name).map_err(|e| Failure::NotSent {
                    cause: format!("cannot read `{name}`: {e}"),
                })?;
                request.multipart(form)
            }
        };
        let failed = |e: reqwest::Error, status| {
            let cause = self.redact(&chain(&e.without_url()), credentials);
            Failure::Unknown {
                cause,
                status,
                after: started.elapsed(),
                doubt,
            }
        };
        let mut response = request.send().await.map_err(|e| {
            // A connection was never made, or the request could not even be put together.
            let certain = e.is_connect() || e.is_builder();
            match failed(e, None) {
                Failure::Unknown { cause, .. } if certain => {
                    let cause = cause.strip_prefix(NO_CONNECTION).unwrap_or(&cause);
                    let server = self.0.server.origin().ascii_serialization();
                    Failure::NotSent {
                        cause: format!("{server}: {cause}"),
                    }
                }
                failure => failure,
            }
        })?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let mut body = BytesMut::new();
        loop {
            let piece = match response.chunk().await {
                Ok(Some(piece)) if body.len() + piece.len() <= MOST_ANSWER => piece,
                Ok(None) => break,
                Ok(Some(_)) => {
                    return Err(Failure::Unexpected {
                        status: status.as_u16(),
                        excerpt: "no end".into(),
                    });
                }
                // The status alone is enough where it says that nothing was done.
                Err(_) if status.is_client_error() || status.is_redirection() => break,
                Err(e) => return Err(failed(e, Some(status.as_u16()))),
            };
            body.extend_from_slice(&piece);
        }
        let body = self.without_secrets(body.freeze(), credentials);
        Ok(Answer {
            status,
            headers,
            body,
            after: started.elapsed(),
            doubt,
        })
    }

    /// The body of an answer, without what the server may have repeated of the request's secrets.
    fn without_secrets(&self, body: Bytes, credentials: Option<&Credentials>) -> Bytes {
        let holds = |secret: &str| memmem::find(&body, secret.as_bytes()).is_some();
        if holds(self.0.token.secret())
            || credentials.is_some_and(|credentials| credentials.is_in(&body))
        {
            return Bytes::from(self.redact(&String::from_utf8_lossy(&body), credentials));
        }
        body
    }

    fn redact(&self, text: &str, credentials: Option<&Credentials>) -> String {
        let text = text.replace(self.0.token.secret(), "***");
        credentials.map_or_else(|| text.clone(), |credentials| credentials.redact(&text))
    }
}

/// An error and its causes, the innermost last, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !said.contains(&words) {
            said = format!("{said}: {words}");
        }
        next = cause.source();
    }
    shorten(&said, 300)
}
