//! What is answered to one request: a file or a part of it, with the headers that a page of another server needs to
//! read it.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::{Body, Frame};
use hyper::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW,
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue, IF_RANGE, RANGE, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};

use super::folder::{Folder, Found};
use super::range::{Wanted, wanted};

/// Bytes read from a file at a time.
const BLOCK: u64 = 256 << 10;

/// The methods there are.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// Asked for by browsers before a page of a public address may read from a loopback one.
const PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// What is sent after the headers.
pub type Sent = UnsyncBoxBody<Bytes, io::Error>;

/// Answers a request; pages of `origin` may read it.
///
/// # Errors
/// Never: what cannot be had is an answer too.
pub async fn answer<B: Body>(
    request: &Request<B>,
    folder: Arc<Folder>,
    origin: &str,
) -> Result<Response<Sent>, Infallible> {
    let mut response = match *request.method() {
        Method::GET | Method::HEAD => file(request, folder).await,
        Method::OPTIONS => before_asking(),
        _ => {
            let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(ALLOW, METHODS);
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(
        ACCESS_CONTROL_ALLOW_ORIGIN,
        // It has been looked at when it was given.
        HeaderValue::from_str(origin).unwrap_or(HeaderValue::from_static("null")),
    );
    if origin != "*" {
        headers.insert(VARY, HeaderValue::from_static("Origin"));
    }
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Accept-Ranges, Content-Length, Content-Range"),
    );
    // A browser is not to take a text for a page.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// What a browser is told before it asks on behalf of a page of another server.
fn before_asking() -> Response<Sent> {
    let mut response = empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("*, Range"),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    headers.insert(PRIVATE_NETWORK, HeaderValue::from_static("true"));
    response
}

async fn file<B: Body>(request: &Request<B>, folder: Arc<Folder>) -> Response<Sent> {
    let path = request.uri().path().to_owned();
    // A file system may be slow, and others are waiting.
    let found = tokio::task::spawn_blocking(move || folder.find(&path)).await;
    let Some(Found {
        file,
        length,
        content_type,
    }) = found.ok().flatten()
    else {
        return empty(StatusCode::NOT_FOUND);
    };
    let is_head = request.method() == Method::HEAD;
    // There is nothing to tell one state of a file from another by, so a range that depends on it is not given; and a
    // range means nothing to HEAD.
    let ranged = !is_head && !request.headers().contains_key(IF_RANGE);
    let header = request.headers().get(RANGE).filter(|_| ranged);
    let (status, first, bytes) = match wanted(header.and_then(|h| h.to_str().ok()), length) {
        Wanted::All => (StatusCode::OK, 0, length),
        Wanted::Part { first, bytes } => (StatusCode::PARTIAL_CONTENT, first, bytes),
        Wanted::Beyond => {
            let mut response = empty(StatusCode::RANGE_NOT_SATISFIABLE);
            set(&mut response, CONTENT_RANGE, &format!("bytes */{length}"));
            return response;
        }
    };
    let body = if is_head || bytes == 0 {
        nothing()
    } else {
        content(file, first, bytes)
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    if status == StatusCode::PARTIAL_CONTENT {
        let last = first + bytes - 1;
        set(
            &mut response,
            CONTENT_RANGE,
            &format!("bytes {first}-{last}/{length}"),
        );
    }
    response
}

/// So many bytes of a file, read as they are sent. A file that has become shorter meanwhile cuts the answer off, which
/// its reader sees.
fn content(mut file: File, first: u64, bytes: u64) -> Sent {
    let blocks = stream::try_unfold((file_at(&mut file, first).map(|()| file), bytes), next);
    StreamBody::new(Box::pin(blocks)).boxed_unsync()
}

/// A file as it is read: the error stands where it cannot be.
type Reading = (io::Result<File>, u64);

async fn next((file, left): Reading) -> io::Result<Option<(Frame<Bytes>, Reading)>> {
    if left == 0 {
        return Ok(None);
    }
    let mut file = file?;
    let read = move || {
        let mut block = vec![0; left.min(BLOCK) as usize];
        file.read_exact(&mut block)?;
        Ok::<_, io::Error>((file, block))
    };
    let (file, block) = tokio::task::spawn_blocking(read)
        .await
        .map_err(io::Error::other)??;
    let left = left - block.len() as u64;
    Ok(Some((Frame::data(Bytes::from(block)), (Ok(file), left))))
}

fn file_at(file: &mut File, first: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(first)).map(drop)
}

fn empty(status: StatusCode) -> Response<Sent> {
    let mut response = Response::new(nothing());
    *response.status_mut() = status;
    response
}

fn nothing() -> Sent {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

fn set(response: &mut Response<Sent>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
