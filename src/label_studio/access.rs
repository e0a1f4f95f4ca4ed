//! What goes into the `Authorization` header: a legacy token as it is, or an access token that is young enough.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use memchr::memmem;
use reqwest::header::HeaderValue;
use tokio::time::Instant;

use super::token::{Claims, Kind, Token};

/// How long an access token lives if it does not say (the contract, section 2).
const LIFETIME: Duration = Duration::from_mins(5);

/// How much of its life an access token may have behind it when a request begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// Four fifths (4 of 5 minutes): the request is short.
    Any,
    /// One fifth (1 of 5 minutes): the token is looked at when the last byte of the body is in, so it must outlive the
    /// upload; 50 MB in the remaining 4 minutes are 1.7 Mbit/s.
    Young,
}

/// The credentials of one request.
#[derive(Clone)]
pub(super) struct Credentials {
    secret: Arc<str>,
    pub(super) header: HeaderValue,
    asked: Instant,
    lifetime: Duration,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// Those of a legacy token, which has no age.
    pub(super) fn legacy(token: &Token) -> Option<Self> {
        let header = header("Token", token.secret())?;
        (token.kind() == Kind::Legacy).then(|| Credentials {
            secret: Arc::from(token.secret()),
            header,
            asked: Instant::now(),
            lifetime: Duration::MAX,
        })
    }

    /// Those of an access token that was asked for at this moment. Its life is what it says it is by the server's
    /// clock, counted by ours, so that the two need not agree.
    pub(super) fn access(token: &str, asked: Instant) -> Option<Self> {
        let lifetime = Claims::of(token).and_then(|claims| claims.lifetime());
        let lifetime = lifetime
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .unwrap_or(LIFETIME);
        Some(Credentials {
            secret: Arc::from(token),
            header: header("Bearer", token)?,
            asked,
            lifetime,
        })
    }

    /// Whether a request may begin with them now.
    pub(super) fn serve(&self, age: Age) -> bool {
        let most = match age {
            Age::Any => self.lifetime / 5 * 4,
            Age::Young => self.lifetime / 5,
        };
        self.asked.elapsed() < most
    }

    /// Whether they are the same.
    pub(super) fn are(&self, other: &Credentials) -> bool {
        self.secret == other.secret
    }

    /// Whether a text holds the secret.
    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        memmem::find(text, self.secret.as_bytes()).is_some()
    }

    /// The text with the secret in it made unreadable: the server may repeat what it was sent.
    pub(super) fn redact(&self, text: &str) -> String {
        text.replace(&*self.secret, "***")
    }
}

fn header(scheme: &str, secret: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("{scheme} {secret}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}
