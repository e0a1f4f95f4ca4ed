//! Files behind `http://` and `https://`: what a server says of one, and its bytes, whatever becomes of the connection.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::BytesMut;
use reqwest::header::{self, HeaderMap};
use reqwest::{Response, StatusCode};
use url::Url;

use super::body::Body;
use super::failure;
use crate::error::{Code, Error, Fault, Result};
use crate::http::Clients;
use crate::source::address::{shown, word_without_secrets};

/// A file as its server described it. There may be many of them.
#[derive(Clone)]
pub struct Page(Arc<Described>);

/// What is known of a file.
pub(super) struct Described {
    /// Its address, secrets included.
    pub url: Url,
    /// Its size, if the server says it.
    pub bytes: Option<u64>,
    /// Its `ETag`, or when it was changed, if the server says one of them.
    pub version: Option<String>,
    /// Whether the server gives parts of it.
    pub ranges: bool,
}

impl Page {
    /// The address that a word is, if it is one of a server.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn parse(word: &str) -> Result<Option<Url>> {
        if !word.starts_with("http://") && !word.starts_with("https://") {
            return Ok(None);
        }
        Url::parse(word).map(Some).map_err(|e| {
            let shown = word_without_secrets(word);
            Error::new(Code::Usage, format!("`{shown}` is no address: {e}"))
        })
    }

    /// Asks its server for it, and takes the first byte at most.
    ///
    /// # Errors
    /// When it is not there, may not be read, or the server does not answer.
    pub async fn ask(url: Url) -> Result<Page, Fault> {
        let unknown = Described {
            url,
            bytes: None,
            version: None,
            ranges: false,
        };
        let answer = super::body::ask(&unknown, Some(&(0..1))).await?;
        let version = version(answer.headers());
        let (bytes, ranges) = match answer.status() {
            StatusCode::PARTIAL_CONTENT => (whole(answer.headers()), true),
            // There is no first byte.
            StatusCode::RANGE_NOT_SATISFIABLE => (Some(0), false),
            _ => (answer.content_length(), false),
        };
        Ok(Page(Arc::new(Described {
            bytes,
            version,
            ranges,
            ..unknown
        })))
    }

    /// Its address without secrets.
    #[must_use]
    pub fn name(&self) -> String {
        name_of(&self.0.url)
    }

    pub(super) fn about(&self) -> &Described {
        &self.0
    }

    /// Its bytes from an offset on.
    pub(super) fn body(&self, from: u64) -> Body {
        Body::new(self.clone(), from..self.0.bytes.unwrap_or(u64::MAX))
    }

    /// Puts the bytes of a range that is inside it into room for them.
    ///
    /// # Errors
    /// When the server does not give ranges, or what it gives is not what it described.
    pub(super) async fn put(&self, range: Range<u64>, room: &mut BytesMut) -> Result<(), Fault> {
        if !self.0.ranges {
            return Err(Fault::new(
                Code::Format,
                "this format is read from its end, and the server gives no parts of files",
            )
            .help("fetch it to a file first, and name that"));
        }
        let mut body = Body::new(self.clone(), range);
        while let Some(piece) = body.next().await? {
            room.extend_from_slice(&piece);
        }
        Ok(())
    }
}

impl PartialEq for Page {
    fn eq(&self, other: &Self) -> bool {
        let (one, other) = (&*self.0, &*other.0);
        (&one.url, one.bytes, &one.version) == (&other.url, other.bytes, &other.version)
    }
}

impl Eq for Page {}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// An address without secrets.
pub(super) fn name_of(url: &Url) -> String {
    shown(url.as_str())
}

/// What all requests go through.
pub(super) fn clients() -> Result<&'static Clients, Fault> {
    static CLIENTS: OnceLock<Result<Clients, String>> = OnceLock::new();
    let clients = CLIENTS.get_or_init(Clients::new);
    clients
        .as_ref()
        .map_err(|why| Fault::new(Code::Internal, format!("no HTTP client: {why}")))
}

/// What tells one version of a file from another.
pub(super) fn version(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::to_owned);
    text(header::ETAG).or_else(|| text(header::LAST_MODIFIED))
}

/// The size of the whole file, as an answer with a part of it says.
pub(super) fn whole(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.rsplit_once('/')?.1.parse().ok()
}

/// Where the part that an answer has begins in the file.
pub(super) fn start(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    range
        .strip_prefix("bytes ")?
        .split_once('-')?
        .0
        .parse()
        .ok()
}

/// Makes sure that what comes is as the file is stored, or compressed in a way that is told from its first bytes.
pub(super) fn check_encoding(answer: &Response) -> Result<(), Fault> {
    let encoding = answer.headers().get(header::CONTENT_ENCODING);
    let encoding = encoding.map_or("", |name| name.to_str().unwrap_or("?"));
    match encoding.trim() {
        "" | "identity" | "gzip" | "x-gzip" | "zstd" => Ok(()),
        other => Err(Fault::new(
            Code::SourceRead,
            format!("the server sends it encoded as `{other}` though it was asked not to"),
        )
        .help("fetch it to a file first, and name that")),
    }
}

/// The fault of an answer that brings no file, and will not if it is asked for again.
pub(super) fn refused(status: StatusCode) -> Fault {
    let said = format!("the server says {status}");
    match status.as_u16() {
        404 | 410 => Fault::new(Code::SourceMissing, said),
        401 | 403 | 407 => Fault::new(Code::Unauthorized, said).help(
            "give an address that may be read, such as one that is signed and has not expired",
        ),
        412 => failure::changed("the server has another version of it"),
        _ => Fault::new(Code::SourceRead, said),
    }
}
