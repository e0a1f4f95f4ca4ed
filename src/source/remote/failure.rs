//! What goes wrong with a store, said in the words of this program, without what a request carried.

use std::error::Error as _;

use crate::error::{Code, Error, Fault};
use crate::source::address::without_secrets;

/// What to do about a source that changes while it is read.
const STILL: &str =
    "run again when nobody writes to it; keep versions, or copy it first, if that is always";

/// The fault of an object that a store does not give.
pub(super) fn of_store(cause: &object_store::Error) -> Fault {
    use object_store::Error as Cause;
    match cause {
        Cause::NotFound { .. } => Fault::new(Code::SourceMissing, "there is no such object"),
        Cause::Precondition { .. } => changed("the store has another version of it"),
        Cause::PermissionDenied { .. } => Fault::new(
            Code::Unauthorized,
            "the store does not let these credentials read it",
        )
        .help("give them the right to list the bucket and to read its objects"),
        Cause::Unauthenticated { .. } => Fault::new(
            Code::Unauthorized,
            "the store does not accept the credentials",
        )
        .help("see whether they are those of this store, and have not expired"),
        _ => Fault::new(
            Code::SourceRead,
            format!("the store does not give it: {}", store_says(cause)),
        ),
    }
}

/// The fault of a source that is not what it was when it was listed.
pub(super) fn changed(how: &str) -> Fault {
    Fault::new(
        Code::SourceChanged,
        format!("it has changed since it was listed: {how}"),
    )
    .help(STILL)
}

/// The same for a store as a whole, which `what` names.
pub(super) fn of_bucket(what: &str, cause: &object_store::Error) -> Error {
    let missing = matches!(cause, object_store::Error::NotFound { .. })
        || ["NoSuchBucket", "ContainerNotFound"]
            .iter()
            .any(|code| cause.to_string().contains(code));
    if missing {
        return Error::new(
            Code::SourceMissing,
            format!("there is no such bucket as `{what}`"),
        );
    }
    let fault = of_store(cause);
    let error = Error::new(fault.code, format!("`{what}`: {}", fault.reason));
    match fault.help {
        Some(help) => error.help(help),
        None => error,
    }
}

/// What a store said: the cause behind all causes, since those before it name addresses, with all that these carry.
#[must_use]
pub fn store_says(cause: &object_store::Error) -> String {
    let mut text = cause.to_string();
    let mut next = cause.source();
    while let Some(inner) = next {
        text = inner.to_string();
        next = inner.source();
    }
    // What stores say is XML around a sentence.
    let sentence = text
        .split_once("<Message>")
        .and_then(|(_, rest)| rest.split_once("</Message>"))
        .map_or(text.as_str(), |(sentence, _)| sentence.trim());
    without_secrets(sentence)
}
