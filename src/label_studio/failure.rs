//! How a request can fail, and what that says of what the server did.

use std::time::Duration;

use crate::error::{Code, Error};

/// The result of a request.
pub type Outcome<T> = Result<T, Failure>;

/// Why a request did not do what it was sent for.
///
/// Only [`Unknown`](Failure::Unknown) and [`JobFailed`](Failure::JobFailed) leave tasks in doubt: after any other one
/// the request has stored and deleted nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The server certainly did not get it: no connection, no such host, no trust in its certificate.
    NotSent {
        /// What went wrong.
        cause: String,
    },
    /// It may have been done, or may still be done: a timeout, a connection that broke, an answer cut off, any 5xx.
    Unknown {
        /// What went wrong.
        cause: String,
        /// The answer's status, if there was one. 502 and 504 are a proxy's, which says nothing of the server.
        status: Option<u16>,
        /// How long the request had been under way.
        after: Duration,
        /// Whether tasks are in doubt: false for requests that only read, or that only bring a file.
        doubt: bool,
    },
    /// 413: more bytes than the server, or a proxy before it, takes.
    TooLarge {
        /// What it said.
        detail: String,
    },
    /// 429, or 503 with a time: the server asks to wait.
    Busy {
        /// For how long, if it said.
        retry_after: Option<Duration>,
    },
    /// 400: the server looked at it and refuses it, whole.
    Invalid {
        /// What it said, at most about 300 characters.
        detail: String,
        /// The tasks it names, counted from 0 in what was sent, each with its reason.
        items: Vec<(usize, String)>,
        /// Whether it stopped looking before the last task, as it does once it has seen 100: there may be more.
        truncated: bool,
        /// How many tasks it looked at, if its answer shows that; 0 if not.
        checked: usize,
    },
    /// A job of the server, for an import that it answers before it is done, failed; part of it may be stored.
    JobFailed {
        /// What it said.
        detail: String,
        /// The tasks it names, as in [`Invalid`](Failure::Invalid).
        items: Vec<(usize, String)>,
    },
    /// 401.
    Unauthorized(Denied),
    /// 403: the token is good, its user may not do this.
    Forbidden {
        /// What it said.
        detail: String,
    },
    /// 404: no such project, or nothing of a Label Studio at this address.
    Missing {
        /// The address, below the server's.
        path: String,
        /// What it said.
        detail: String,
    },
    /// 3xx: the server sends elsewhere. It is not followed, since the token would go there.
    Moved {
        /// Where to, without its query.
        to: String,
    },
    /// Anything else.
    Unexpected {
        /// The answer's status.
        status: u16,
        /// The beginning of what it said.
        excerpt: String,
    },
}

/// Why a token was not accepted (the contract, section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The server does not know the legacy token.
    WrongToken,
    /// The server knows the legacy token, but takes none of that kind.
    LegacyDisabled,
    /// The server does not exchange the personal access token.
    Personal {
        /// Whether the token's own expiry date has passed.
        expired: bool,
    },
    /// The server got no credentials it can read: an access token that expired on the way, or a proxy that drops them.
    NotSeen {
        /// How long the request had been under way.
        after: Duration,
    },
    /// Another reason, as it said it.
    Other(String),
}

impl Failure {
    /// Whether the same request may succeed later, all else unchanged.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Failure::NotSent { .. } | Failure::Unknown { .. } | Failure::Busy { .. }
        )
    }

    /// Whether the request may have stored or deleted tasks, or may still do so.
    #[must_use]
    pub fn leaves_doubt(&self) -> bool {
        matches!(
            self,
            Failure::Unknown { doubt: true, .. } | Failure::JobFailed { .. }
        )
    }

    /// The error that ends a run with it: its words, and the way to mend it.
    #[must_use]
    pub fn into_error(self) -> Error {
        const LATER: &str =
            "run the same command again once it is there; it goes on where it stopped";
        match self {
            Failure::NotSent { cause } => {
                Error::new(Code::ServerUnreachable, format!("cannot reach the server: {cause}")).help(trust_or(&cause, LATER))
            }
            Failure::Unknown { cause, after, doubt: true, .. } => Error::new(
                Code::OutcomeUnknown,
                format!("after {} the server's answer is lost, and it may have stored tasks: {cause}", seconds(after)),
            )
            .help("run the same command again: it looks at what the server has before it sends anything"),
            Failure::Unknown { cause, after, .. } => {
                Error::new(Code::ServerUnreachable, format!("after {} the server gave no answer: {cause}", seconds(after)))
                    .help(LATER)
            }
            Failure::TooLarge { detail } => {
                Error::new(Code::ServerRefused, format!("the server takes no request of this size: {detail}"))
                    .help("make imports smaller, or raise the limit of the proxy before the server")
            }
            Failure::Busy { retry_after } => {
                let wait = retry_after.map_or(String::new(), |wait| format!(" for {}", seconds(wait)));
                Error::new(Code::ServerUnreachable, format!("the server asks to wait{wait}")).help(LATER)
            }
            Failure::Invalid { detail, .. } => {
                Error::new(Code::ServerRefused, format!("the server refuses the request: {detail}"))
            }
            Failure::JobFailed { detail, .. } => {
                Error::new(Code::OutcomeUnknown, format!("the server accepted the import, and then failed: {detail}"))
                    .help("run the same command again: it looks at what the server has before it sends anything")
            }
            Failure::Unauthorized(denied) => denied.into_error(),
            Failure::Forbidden { detail } => {
                Error::new(Code::Unauthorized, format!("the token's user may not do this: {detail}"))
                    .help("use the token of a user who may import into the project, or ask for that role")
            }
            Failure::Missing { path, detail } => {
                Error::new(Code::ProjectMissing, format!("the server has no `{path}`: {detail}")).help(
                    "open the project in the browser and give the address it shows, prefix included; \
                     a project that the token's user may not see looks the same",
                )
            }
            Failure::Moved { to } => Error::new(Code::ServerRefused, format!("the server sends elsewhere, to `{to}`"))
                .help(
                    "the token is not sent there; if Label Studio is there, give that address with `--to`; \
                     if that is a login page, let the API through the proxy before the server",
                ),
            Failure::Unexpected { status, excerpt } => {
                Error::new(Code::ServerRefused, format!("the server answers {status}: {excerpt}"))
                    .help("check in the browser that this is the address of a Label Studio server")
            }
        }
    }
}

impl Denied {
    fn into_error(self) -> Error {
        const COPY: &str = "copy it again from `Account & Settings` of this server";
        let (message, help) = match self {
            Denied::WrongToken => ("the server does not know the token".to_owned(), COPY),
            Denied::LegacyDisabled => (
                "the token is a legacy token, and the server has these switched off".to_owned(),
                "create a personal access token in `Account & Settings` and give that; \
                 or let the organization's owner switch legacy tokens on",
            ),
            Denied::Personal { expired: true } => (
                "the personal access token has expired".to_owned(),
                "create a new one in `Account & Settings` of this server",
            ),
            Denied::Personal { expired: false } => (
                "the server does not accept the personal access token: it was revoked, or is of another server".to_owned(),
                "copy it again, whole, or create a new one in `Account & Settings` of this server",
            ),
            Denied::NotSeen { after } => (
                format!("the server saw no valid credentials, {} into the request", seconds(after)),
                "an access token lives some minutes and is checked when the last byte is in: on a slow line make imports \
                 smaller; otherwise see whether a proxy before the server drops the `Authorization` header",
            ),
            Denied::Other(detail) => (format!("the server does not accept the token: {detail}"), COPY),
        };
        Error::new(Code::Unauthorized, message).help(help)
    }
}

/// The help for a server that cannot be reached: a certificate is mended otherwise than a cable.
fn trust_or<'a>(cause: &str, otherwise: &'a str) -> &'a str {
    if cause.to_ascii_lowercase().contains("certificate") {
        "if the server's certificate is signed by an authority of your own, name that one's with `--ca-cert FILE`"
    } else {
        otherwise
    }
}

/// A time for people: `4.2 s`.
fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
