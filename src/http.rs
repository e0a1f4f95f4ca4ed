//! What all who speak HTTP have in common: a server of projects, of files, of media.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// How long an answer asks to wait, in seconds or until a date; a date is compared with the answer's own, since the
/// clocks of two machines differ.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let after = text(RETRY_AFTER)?.trim();
    if let Ok(seconds) = after.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text| {
        DateTime::parse_from_rfc2822(text)
            .ok()
            .map(|date| date.with_timezone(&Utc))
    };
    let now = text(DATE).and_then(date).unwrap_or_else(Utc::now);
    (date(after)? - now).to_std().ok().or(Some(Duration::ZERO))
}

/// The cause behind all causes of an error: those before it only say where it comes by.
#[must_use]
pub fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}
