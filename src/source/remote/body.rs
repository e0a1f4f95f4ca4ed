//! The bytes of a file behind HTTP, one after another: a connection that breaks is made again, and goes on at the byte.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Response, StatusCode, header};

use super::failure;
use super::web::{self, Described, Page};
use crate::error::{Code, Fault};
use crate::http::{innermost, retry_after};

/// How often something is tried that brings nothing.
const TRIES: u32 = 6;

/// How long to wait before the second try; twice as long before each one after.
const WAIT: Duration = Duration::from_millis(if cfg!(debug_assertions) { 20 } else { 500 });

/// How long a server may ask to wait.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// The bytes of a range of a file.
pub(super) struct Body {
    page: Page,
    /// What is still to come.
    rest: Range<u64>,
    /// What came, hashed: where a server gives no ranges, a file is read again from its first byte, and is to be the same.
    came: blake3::Hasher,
    answer: Option<Answer>,
    /// Tries since the last byte.
    tries: u32,
}

/// An answer whose next byte is the next of the range.
struct Answer {
    /// What was taken from it already.
    taken: Bytes,
    response: Response,
}

impl Answer {
    async fn next(&mut self) -> reqwest::Result<Option<Bytes>> {
        if self.taken.is_empty() {
            self.response.chunk().await
        } else {
            Ok(Some(std::mem::take(&mut self.taken)))
        }
    }
}

impl Body {
    pub(super) fn new(page: Page, range: Range<u64>) -> Self {
        Body {
            page,
            rest: range,
            came: blake3::Hasher::new(),
            answer: None,
            tries: 0,
        }
    }

    /// The next bytes; nothing after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            if self.rest.is_empty() {
                return Ok(None);
            }
            if self.answer.is_none() {
                self.answer = open(self.page.about(), &self.rest, &self.came).await?;
            }
            let next = match &mut self.answer {
                Some(answer) => answer.next().await.map_err(reqwest::Error::without_url),
                None => Ok(None),
            };
            let why = match next {
                Ok(Some(bytes)) if bytes.is_empty() => continue,
                Ok(Some(mut bytes)) => {
                    let left = self.rest.end - self.rest.start;
                    // A server may give more than was asked for.
                    bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                    self.rest.start += bytes.len() as u64;
                    if !self.page.about().ranges {
                        self.came.update(&bytes);
                    }
                    self.tries = 0;
                    return Ok(Some(bytes));
                }
                // Of a file of unknown size this is the end; that it is whole, the chunks' own framing says.
                Ok(None) if self.rest.end == u64::MAX && self.answer.is_some() => return Ok(None),
                Ok(None) => "the answer ended".to_owned(),
                Err(e) => innermost(&e),
            };
            self.answer = None;
            self.tries += 1;
            if self.tries >= TRIES {
                let at = self.rest.start;
                let size = self.page.about().bytes;
                let of = size.map_or(String::new(), |size| format!(" of {size}"));
                let reason = format!("the connection broke at byte {at}{of}, {TRIES} times: {why}");
                return Err(
                    Fault::new(Code::SourceRead, reason).help("run again when the server is well")
                );
            }
            tokio::time::sleep(WAIT * 2u32.pow(self.tries - 1)).await;
        }
    }
}

/// Asks for what is still to come of a file of which `came` was there before. Nothing if the answer broke before that.
async fn open(
    page: &Described,
    rest: &Range<u64>,
    came: &blake3::Hasher,
) -> Result<Option<Answer>, Fault> {
    let answer = |response, taken| Some(Answer { taken, response });
    if page.ranges {
        let response = ask(page, Some(rest)).await?;
        check_version(page, &response)?;
        if response.status() != StatusCode::PARTIAL_CONTENT {
            return Err(failure::changed(
                "the server gives no part of that version any more",
            ));
        }
        let total = web::whole(response.headers());
        if web::start(response.headers()) != Some(rest.start) {
            return Err(Fault::new(
                Code::SourceRead,
                "the server gives another part than was asked for",
            ));
        }
        check_size(page, total)?;
        return Ok(answer(response, Bytes::new()));
    }
    let mut response = ask(page, None).await?;
    check_version(page, &response)?;
    check_size(page, response.content_length())?;
    let mut again = blake3::Hasher::new();
    let mut bytes = Bytes::new();
    while again.count() < rest.start {
        let Ok(Some(next)) = response.chunk().await else {
            return Ok(None);
        };
        bytes = next;
        let ahead = usize::try_from(rest.start - again.count()).unwrap_or(usize::MAX);
        again.update(&bytes.split_to(ahead.min(bytes.len())));
    }
    if again.count() > 0 && again.finalize() != came.finalize() {
        return Err(failure::changed("its beginning is not the same"));
    }
    Ok(answer(response, bytes))
}

/// Asks for a file, or for a range of it; tries again where that may help.
///
/// # Errors
/// When the server says that there is no such file, or says nothing of use however often it is asked.
pub(super) async fn ask(page: &Described, range: Option<&Range<u64>>) -> Result<Response, Fault> {
    let client = web::clients()?.of(&page.url);
    let mut tries = 0;
    loop {
        // Compressed on its way, a file has no ranges that go on after a broken connection.
        let mut request = client
            .get(page.url.clone())
            .header(header::ACCEPT_ENCODING, "identity");
        if let Some(range) = range {
            let last = range.end.checked_sub(1).filter(|_| range.end < u64::MAX);
            let last = last.map_or(String::new(), |last| last.to_string());
            request = request.header(header::RANGE, format!("bytes={}-{last}", range.start));
            // A weak tag, or a date, is not enough for a server to go by.
            if let Some(tag) = page.version.as_ref().filter(|tag| tag.starts_with('"')) {
                request = request.header(header::IF_RANGE, tag);
            }
        }
        tries += 1;
        let (why, wait) = match request.send().await {
            Ok(answer) => match answer.status() {
                StatusCode::RANGE_NOT_SATISFIABLE
                    if range.is_some_and(|range| *range == (0..1)) =>
                {
                    return Ok(answer);
                }
                status if status.is_success() => {
                    web::check_encoding(&answer)?;
                    return Ok(answer);
                }
                status
                    if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) =>
                {
                    (
                        format!("the server says {status}"),
                        retry_after(answer.headers()),
                    )
                }
                status => return Err(web::refused(status)),
            },
            Err(e) if e.is_redirect() || e.is_builder() => {
                let why = innermost(&e.without_url());
                return Err(Fault::new(
                    Code::SourceRead,
                    format!("cannot be asked for: {why}"),
                ));
            }
            Err(e) => (innermost(&e.without_url()), None),
        };
        if tries >= TRIES || wait.is_some_and(|wait| wait > LONGEST_WAIT) {
            let asked = wait.map_or(String::new(), |wait| {
                format!(", and asks to wait {} s", wait.as_secs())
            });
            let reason =
                format!("the server cannot be read from: {why}{asked}, after {tries} tries");
            return Err(
                Fault::new(Code::SourceRead, reason).help("run again when the server is well")
            );
        }
        tokio::time::sleep(wait.unwrap_or(WAIT * 2u32.pow(tries - 1))).await;
    }
}

fn check_version(page: &Described, answer: &Response) -> Result<(), Fault> {
    let now = web::version(answer.headers());
    match (&page.version, now) {
        (Some(then), Some(now)) if *then != now => {
            Err(failure::changed("the server has another version of it"))
        }
        _ => Ok(()),
    }
}

fn check_size(page: &Described, now: Option<u64>) -> Result<(), Fault> {
    match page.bytes.zip(now) {
        Some((then, now)) if then != now => {
            let how = format!("it had {then} bytes, now it has {now}");
            Err(failure::changed(&how))
        }
        _ => Ok(()),
    }
}
