//! The text behind an address, as it comes, decoded.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};
use futures::io::AsyncRead;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method, Response};
use tokio::time::{Instant, timeout};
use url::Url;

use super::{Fetcher, Trouble, passing, sent};
use crate::http::innermost;
use crate::source::remote::bucket::{Address, Bucket};
use crate::source::remote::store_says;

/// How long one text may be waited for, once its server has answered.
const COMING: Duration = Duration::from_secs(if cfg!(debug_assertions) { 5 } else { 60 });

/// A text as it comes, in UTF-8.
pub type Text = Pin<Box<dyn AsyncRead + Send>>;

/// How much of a text is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it.
    Whole,
    /// Its beginning: it may go on for ever.
    Beginning,
}

/// Why a text cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is larger than it may be.
    TooLarge,
    /// Why, in words that follow its address.
    Failed(String),
}

/// Buckets that are known.
pub(super) type Buckets = Mutex<HashMap<String, Result<Arc<Bucket>, String>>>;

/// A trouble on its way through `std::io`.
#[derive(Debug)]
enum Broken {
    Trouble(Trouble),
    TooLarge,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Trouble(Trouble::Passing(why, _) | Trouble::Lasting(why)) => f.write_str(why),
            Broken::TooLarge => f.write_str("is too large"),
        }
    }
}

impl std::error::Error for Broken {}

impl From<Broken> for io::Error {
    fn from(broken: Broken) -> Self {
        io::Error::other(broken)
    }
}

/// Where the bytes of a text come from.
enum Bytewise {
    Web(Box<Response>),
    /// With its size.
    Object(BoxStream<'static, object_store::Result<Bytes>>, u64),
}

impl Bytewise {
    /// Whether there are more bytes than `most`, as far as that is said.
    fn is_over(&self, most: usize) -> bool {
        let said = match self {
            Bytewise::Web(answer) => answer.content_length(),
            Bytewise::Object(_, bytes) => Some(*bytes),
        };
        said.is_some_and(|bytes| bytes > most as u64)
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Trouble> {
        match self {
            Bytewise::Web(answer) => answer.chunk().await.map_err(|e| {
                let why = innermost(&e.without_url());
                Trouble::Passing(format!("comes in part only: {why}"), None)
            }),
            Bytewise::Object(stream, _) => stream
                .try_next()
                .await
                .map_err(|e| Trouble::Lasting(format!("comes in part only: {}", store_says(&e)))),
        }
    }
}

/// The bytes of a text on their way to be UTF-8.
struct Coming {
    bytes: Bytewise,
    encoding: &'static Encoding,
    decoder: Decoder,
    /// Bytes that came, and those that may still come.
    came: usize,
    left: usize,
    until: Instant,
    ended: bool,
}

impl Fetcher {
    /// Reads the text behind an address of the web or of a bucket, of `most` bytes at most. `read` takes as much of it as it
    /// wants: the connection is then dropped. It is called again where what went wrong may pass.
    ///
    /// The text is in UTF-8, or in the encoding that its mark or the server says.
    ///
    /// # Errors
    /// Why it cannot be had; those of `read`.
    pub async fn read<T, F>(
        &self,
        address: &str,
        most: usize,
        wanted: Wanted,
        read: impl Fn(Text) -> F,
    ) -> Result<T, Refused>
    where
        F: Future<Output = io::Result<T>>,
    {
        let failed = |why: &str| Refused::Failed(why.to_owned());
        let bucket = Address::parse(address).map_err(|e| failed(e.message()))?;
        let url = Url::parse(address).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
        let server = match (&bucket, &url) {
            (Some(bucket), _) => bucket.root.clone(),
            (None, Some(url)) => url.origin().ascii_serialization(),
            (None, None) => return Err(failed("is no address of the web or of a bucket")),
        };
        let mut patience = self.patience(&server).await;
        loop {
            let asked = match (&bucket, &url) {
                (Some(bucket), _) => self.object(bucket).await,
                (None, Some(url)) => page(self.clients.of(url), url).await,
                (None, None) => return Err(failed("is no address")),
            };
            let outcome = match asked {
                Ok((bytes, _)) if wanted == Wanted::Whole && bytes.is_over(most) => Ok(None),
                Ok((bytes, encoding)) => settled(read(text(bytes, encoding, most)).await),
                Err(trouble) => Err(trouble),
            };
            match outcome {
                Ok(had) => {
                    patience.done();
                    return had.ok_or(Refused::TooLarge);
                }
                Err(trouble) => patience.again(trouble).await.map_err(Refused::Failed)?,
            }
        }
    }

    /// Asks a store for an object.
    async fn object(&self, address: &Address) -> Result<(Bytewise, &'static Encoding), Trouble> {
        let bucket = {
            let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
            let open = || {
                Bucket::open(address)
                    .map(Arc::new)
                    .map_err(|e| e.message().to_owned())
            };
            let opened = buckets.entry(address.root.clone()).or_insert_with(open);
            opened
                .clone()
                .map_err(|why| Trouble::Lasting(format!("cannot be read: {why}")))?
        };
        let path = Path::parse(&address.key)
            .map_err(|e| Trouble::Lasting(format!("has a key that is no path: {e}")))?;
        // The store's own client tries again.
        let got = bucket.store().get(&path).await;
        let got = got.map_err(|e| {
            Trouble::Lasting(match e {
                object_store::Error::NotFound { .. } => "is not there".to_owned(),
                e => format!("cannot be read: {}", store_says(&e)),
            })
        })?;
        let bytes = got.meta.size;
        Ok((Bytewise::Object(got.into_stream().boxed(), bytes), UTF_8))
    }
}

/// What is to be tried again, and what is not.
fn settled<T>(outcome: io::Result<T>) -> Result<Option<T>, Trouble> {
    outcome.map(Some).or_else(|e| match e.downcast::<Broken>() {
        Ok(Broken::TooLarge) => Ok(None),
        Ok(Broken::Trouble(trouble)) => Err(trouble),
        Err(e) => Err(Trouble::Lasting(e.to_string())),
    })
}

/// Asks a server of the web for a file.
async fn page(client: &Client, url: &Url) -> Result<(Bytewise, &'static Encoding), Trouble> {
    let request = client.request(Method::GET, url.clone());
    let answer = sent(request.header(ACCEPT_ENCODING, "identity")).await?;
    if let Some(trouble) = passing(&answer) {
        return Err(trouble);
    }
    if !answer.status().is_success() {
        return Err(Trouble::Lasting(format!("answers {}", answer.status())));
    }
    let encoded = answer.headers().get(CONTENT_ENCODING);
    let encoded = encoded
        .map_or("", |name| name.to_str().unwrap_or("?"))
        .trim();
    if !matches!(encoded, "" | "identity") {
        return Err(Trouble::Lasting(format!(
            "comes encoded as `{encoded}`, though that was not asked for"
        )));
    }
    let encoding = charset(answer.headers())?;
    Ok((Bytewise::Web(Box::new(answer)), encoding))
}

/// The encoding that a server says a text is in.
fn charset(headers: &HeaderMap) -> Result<&'static Encoding, Trouble> {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let mut parameters = kind.unwrap_or_default().split(';').skip(1);
    let label = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"'))
    });
    let Some(label) = label else {
        return Ok(UTF_8);
    };
    Encoding::for_label(label.as_bytes()).ok_or_else(|| {
        Trouble::Lasting(format!(
            "is in the charset `{label}`, as its server says, which is none"
        ))
    })
}

/// The text that bytes are.
fn text(bytes: Bytewise, encoding: &'static Encoding, most: usize) -> Text {
    let coming = Coming {
        bytes,
        encoding,
        decoder: encoding.new_decoder(),
        came: 0,
        left: most,
        until: Instant::now() + COMING,
        ended: false,
    };
    let pieces = stream::try_unfold(coming, async |mut coming| {
        let piece = coming.next().await?;
        Ok::<_, io::Error>(piece.map(|piece| (piece, coming)))
    });
    Box::pin(pieces.boxed().into_async_read())
}

impl Coming {
    /// The next piece; nothing after the last.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        while !self.ended {
            let left = self.until.saturating_duration_since(Instant::now());
            let next = timeout(left, self.bytes.next()).await;
            let late = || Trouble::Passing("does not come in time".to_owned(), None);
            let next = next
                .unwrap_or_else(|_| Err(late()))
                .map_err(Broken::Trouble)?;
            self.ended = next.is_none();
            let bytes = next.unwrap_or_default();
            self.left = self.left.checked_sub(bytes.len()).ok_or(Broken::TooLarge)?;
            let text = self.decoded(&bytes)?;
            self.came += bytes.len();
            if !text.is_empty() {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    fn decoded(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Broken> {
        let most = self
            .decoder
            .max_utf8_buffer_length_without_replacement(bytes.len());
        let mut text = vec![0; most.unwrap_or(bytes.len() * 4 + 16)];
        let (result, read, written) = self
            .decoder
            .decode_to_utf8_without_replacement(bytes, &mut text, self.ended);
        text.truncate(written);
        match result {
            DecoderResult::Malformed(length, after) => {
                let at =
                    (self.came + read).saturating_sub(usize::from(length) + usize::from(after));
                let name = self.encoding.name();
                let why = format!("is no text: byte {at} is not {name}");
                Err(Broken::Trouble(Trouble::Lasting(why)))
            }
            DecoderResult::InputEmpty | DecoderResult::OutputFull => Ok(text),
        }
    }
}
