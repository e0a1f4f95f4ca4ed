//! **Takes** addresses of files that tasks speak of.
//! **Gives** whether a file is there, without reading it; the text that it is, as far as that is wanted ([`text`]).
//! **Waits on** the servers of these addresses, each of them only so many times at once.
//! **To add one:** another question to a server is a method of [`Fetcher`].
//!
//! Addresses are data, and strangers' servers answer: nothing here knows a token, redirects hand on no credentials, every
//! answer has a time by which it must be there, and no body is read that nobody wants. Buckets are read with the
//! credentials of whoever runs this, as they are as sources.

pub mod text;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::RANGE;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use url::Url;

use crate::error::{Code, Error, Result};
use crate::http::{Clients, innermost, retry_after};

/// Requests to one server at once: a browser has six.
const AT_ONE_HOST: usize = 16;

/// How often a file is asked for before what goes wrong in passing is taken for good.
const TRIES: u32 = 4;

/// The time before the second try; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest that is waited because a server asks to.
const MOST_PATIENCE: Duration = Duration::from_secs(30);

/// Files in a row that a server gave no answer about, after which each other is asked for once only.
const GIVEN_UP_AFTER: u32 = 2 * AT_ONE_HOST as u32;

/// How long a server may take to answer.
const ANSWER: Duration = Duration::from_secs(20);

/// Servers that are remembered.
const HOSTS: usize = 10_000;

/// Asks servers about files.
pub struct Fetcher {
    clients: Clients,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
    buckets: text::Buckets,
}

/// What is known of one server.
struct Host {
    places: Arc<Semaphore>,
    /// Files in a row that it gave no answer about.
    silent: AtomicU32,
}

/// Why a file cannot be had.
#[derive(Debug)]
enum Trouble {
    /// It may be had later; the server may have said when.
    Passing(String, Option<Duration>),
    /// It never can.
    Lasting(String),
}

impl Fetcher {
    /// Knows no server yet.
    ///
    /// # Errors
    /// When the machine's certificates cannot be read.
    pub fn new() -> Result<Fetcher> {
        let clients = Clients::new().map_err(|why| {
            Error::new(
                Code::Usage,
                format!("cannot set up connections to servers of media: {why}"),
            )
        })?;
        Ok(Fetcher {
            clients,
            hosts: Mutex::default(),
            buckets: text::Buckets::default(),
        })
    }

    /// Whether there is a file at an address, by `HEAD`, or by its first byte where a server does not answer that.
    ///
    /// # Errors
    /// Why it cannot be had, in words that follow its address.
    pub async fn is_there(&self, address: &str) -> Result<(), String> {
        let url = Url::parse(address).map_err(|e| format!("is no address: {e}"))?;
        let client = self.clients.of(&url);
        let mut patience = self.patience(&url.origin().ascii_serialization()).await;
        loop {
            let trouble = match look(client, &url).await {
                Ok(()) => {
                    patience.done();
                    return Ok(());
                }
                Err(trouble) => trouble,
            };
            patience.again(trouble).await?;
        }
    }

    /// Waits for a place among those who ask a server.
    async fn patience(&self, server: &str) -> Patience {
        let host = self.host(server);
        let place = Arc::clone(&host.places).acquire_owned().await.ok();
        Patience {
            host,
            _place: place,
            tries: 0,
        }
    }

    fn host(&self, name: &str) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= HOSTS && !hosts.contains_key(name) {
            // Those that are being asked are held by those who ask.
            hosts.retain(|_, host| Arc::strong_count(host) > 1);
        }
        let new = || {
            Arc::new(Host {
                places: Arc::new(Semaphore::new(AT_ONE_HOST)),
                silent: AtomicU32::new(0),
            })
        };
        Arc::clone(hosts.entry(name.to_owned()).or_insert_with(new))
    }
}

/// Asking one server for one thing, several times where that may help. Whoever waits because the server asks to keeps the
/// place: fewer ask meanwhile.
struct Patience {
    host: Arc<Host>,
    _place: Option<OwnedSemaphorePermit>,
    tries: u32,
}

impl Patience {
    /// The server has answered, one way or another.
    fn done(&self) {
        self.host.silent.store(0, Ordering::Relaxed);
    }

    /// Waits for when it may be asked again.
    ///
    /// # Errors
    /// Why there is no use in it.
    async fn again(&mut self, trouble: Trouble) -> Result<(), String> {
        let (why, after) = match trouble {
            Trouble::Lasting(why) => {
                self.done();
                return Err(why);
            }
            Trouble::Passing(why, after) => (why, after),
        };
        self.tries += 1;
        let silent = &self.host.silent;
        if self.tries == TRIES || silent.load(Ordering::Relaxed) >= GIVEN_UP_AFTER {
            silent.fetch_add(1, Ordering::Relaxed);
            let times = if self.tries == 1 {
                ""
            } else {
                ", several times"
            };
            return Err(format!("{why}{times}"));
        }
        let pause = FIRST_PAUSE * 2_u32.pow(self.tries - 1);
        sleep(after.unwrap_or_default().min(MOST_PATIENCE).max(pause)).await;
        Ok(())
    }
}

/// Asks once.
async fn look(client: &Client, url: &Url) -> Result<(), Trouble> {
    let ask = |method| client.request(method, url.clone());
    let answer = sent(ask(Method::HEAD)).await?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    if let Some(trouble) = passing(&answer) {
        return Err(trouble);
    }
    // Many servers do not know HEAD, and signed addresses are good for GET alone.
    let answer = sent(ask(Method::GET).header(RANGE, "bytes=0-0")).await?;
    let status = answer.status();
    if let Some(trouble) = passing(&answer) {
        return Err(trouble);
    }
    // An empty file has no first byte.
    if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE {
        // The byte is taken, so that the connection is good for more; a whole file is not.
        if status == StatusCode::PARTIAL_CONTENT && answer.content_length().is_some_and(|n| n <= 1)
        {
            let _ = timeout(ANSWER, answer.bytes()).await;
        }
        return Ok(());
    }
    Err(Trouble::Lasting(format!("answers {status}")))
}

async fn sent(request: RequestBuilder) -> Result<Response, Trouble> {
    let answer = timeout(ANSWER, request.send()).await;
    let late = |_| Trouble::Passing("does not answer in time".to_owned(), None);
    answer.map_err(late)?.map_err(|e| {
        let lasting = e.is_builder() || e.is_redirect();
        let why = if e.is_timeout() {
            "does not answer in time".to_owned()
        } else {
            format!("cannot be reached: {}", innermost(&e.without_url()))
        };
        if lasting {
            Trouble::Lasting(why)
        } else {
            Trouble::Passing(why, None)
        }
    })
}

/// Whether an answer is one that another may follow.
fn passing(answer: &Response) -> Option<Trouble> {
    let status = answer.status();
    let is_busy = status == StatusCode::TOO_MANY_REQUESTS;
    let is_broken = status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED;
    (is_busy || is_broken)
        .then(|| Trouble::Passing(format!("answers {status}"), retry_after(answer.headers())))
}
