//! What the server answered, read with distrust: JSON or a page of HTML, its own or a proxy's.

use std::time::Duration;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LOCATION, RETRY_AFTER};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::failure::{Failure, Outcome};
use crate::http::retry_after;

/// The most characters of an answer that a message repeats.
const EXCERPT: usize = 300;

/// The most characters of the reason for one task; the server repeats the whole task in it.
const REASON: usize = 300;

/// Entries of the list of bad tasks at which the server stops looking (the contract, section 3: the one at this
/// index, or one more, reads `...`).
const LIST: usize = 100;

/// An answer that is there whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// How long it took.
    pub(super) after: Duration,
    /// Whether the request was to change tasks.
    pub(super) doubt: bool,
}

impl Answer {
    /// The value that a good answer holds.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Outcome<T> {
        serde_json::from_slice(&self.body).map_err(|_| self.unexpected())
    }

    /// The failure of an answer that is good by its status, and not what was to be expected. If the request was to
    /// change tasks, it may have.
    pub(super) fn unexpected(&self) -> Failure {
        let status = self.status.as_u16();
        let excerpt = self.excerpt();
        if self.doubt && self.status.is_success() {
            let cause = format!("it answered {status}, but not as a Label Studio does: {excerpt}");
            return Failure::Unknown {
                cause,
                status: Some(status),
                after: self.after,
                doubt: true,
            };
        }
        Failure::Unexpected { status, excerpt }
    }

    /// The failure that the answer is, if it is one; never a 401, which needs more to be known.
    pub(super) fn failure(&self, url: &Url, path: &str) -> Option<Failure> {
        let detail = || self.excerpt();
        Some(match self.status.as_u16() {
            200..=299 => return None,
            300..=399 => self.moved(url),
            400 => self.invalid(),
            403 => Failure::Forbidden { detail: detail() },
            404 => Failure::Missing {
                path: path.to_owned(),
                detail: detail(),
            },
            413 => Failure::TooLarge { detail: detail() },
            429 => Failure::Busy {
                retry_after: retry_after(&self.headers),
            },
            503 if self.headers.contains_key(RETRY_AFTER) => Failure::Busy {
                retry_after: retry_after(&self.headers),
            },
            // 408 is a proxy's that gave up on the request; what it had passed on by then is not known.
            status @ (408 | 500..=599) => Failure::Unknown {
                cause: format!("{status} {}", detail()),
                status: Some(status),
                after: self.after,
                doubt: self.doubt,
            },
            status => Failure::Unexpected {
                status,
                excerpt: detail(),
            },
        })
    }

    /// What it says, in at most [`EXCERPT`] characters.
    pub(super) fn excerpt(&self) -> String {
        let text = match serde_json::from_slice::<Value>(&self.body) {
            Ok(value) => words(&value),
            Err(_) => without_tags(&String::from_utf8_lossy(
                &self.body[..self.body.len().min(64 * 1024)],
            )),
        };
        let text = shorten(&text, EXCERPT);
        if text.is_empty() {
            self.status
                .canonical_reason()
                .unwrap_or("nothing")
                .to_owned()
        } else {
            text
        }
    }

    fn moved(&self, url: &Url) -> Failure {
        let location = self
            .headers
            .get(LOCATION)
            .and_then(|value| value.to_str().ok());
        let Some(mut to) = location.and_then(|location| url.join(location).ok()) else {
            return self.unexpected();
        };
        // A login page's query may hold what should not be shown.
        to.set_query(None);
        to.set_fragment(None);
        Failure::Moved {
            to: shorten(to.as_str(), EXCERPT),
        }
    }

    fn invalid(&self) -> Failure {
        let value: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let errors = value.get("validation_errors").unwrap_or(&Value::Null);
        let mut found = from_list(list_in(errors));
        if found.items.is_empty() {
            // Predictions are checked elsewhere, and reported as one text.
            let mut text = String::new();
            strings(errors, &mut |line| text.extend([line, "\n"]));
            found.items = from_text(&text);
        }
        let Found {
            items,
            truncated,
            checked,
        } = found;
        let detail = match items.first() {
            Some((item, reason)) => {
                let more = items.len() - 1;
                let more = if more > 0 {
                    format!(" (and {more} more)")
                } else {
                    String::new()
                };
                shorten(&format!("task {item} of the import: {reason}"), EXCERPT) + &more
            }
            None => self.excerpt(),
        };
        Failure::Invalid {
            detail,
            items,
            truncated,
            checked,
        }
    }
}

/// Tasks that an answer names.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    items: Vec<(usize, String)>,
    truncated: bool,
    checked: usize,
}

/// The tasks that the error of a job names: the list that a refused import is answered with, or some text.
pub(super) fn named_in(error: &str) -> Vec<(usize, String)> {
    let list: Value = serde_json::from_str(error).unwrap_or_default();
    let found = from_list(list_in(&list));
    if found.items.is_empty() {
        from_text(error)
    } else {
        found.items
    }
}

fn list_in(errors: &Value) -> &[Value] {
    let list = errors.get("non_field_errors").unwrap_or(errors);
    list.as_array().map_or(&[][..], Vec::as_slice)
}

/// The tasks in the list of errors: one entry per task it looked at, `{}` for a good one.
fn from_list(list: &[Value]) -> Found {
    let truncated = list.get(LIST - 1).and_then(Value::as_str) == Some("...");
    // A list of one text may be about everything: then it names no task.
    let per_task = list.len() > 1;
    let mut items = Vec::new();
    for (position, entry) in list.iter().enumerate() {
        let Some(text) = entry.as_str() else { continue };
        if truncated && position == LIST - 1 {
            // It stands for the task at this index only if the list ends here; else that one was good.
            if list.len() == LIST {
                items.push((position, "the server does not say why".to_owned()));
            }
            continue;
        }
        match item(text) {
            Some((number, reason)) => items.push((number, reason)),
            None if per_task => items.push((position, reason_of(text))),
            None => {}
        }
    }
    let checked = if items.is_empty() { 0 } else { list.len() };
    Found {
        items,
        truncated,
        checked,
    }
}

/// The task and the reason of `Error at item 3: ...`.
fn item(text: &str) -> Option<(usize, String)> {
    let (number, reason) = text.strip_prefix("Error at item ")?.split_once(':')?;
    Some((number.trim().parse().ok()?, reason_of(reason)))
}

/// The tasks that a text names: `Error at item 3: ...`, or a line `- Task 3, prediction 0: ...`.
fn from_text(text: &str) -> Vec<(usize, String)> {
    let mut items: Vec<(usize, String)> = Vec::new();
    let mut add = |number: usize, reason: String| {
        if items.iter().all(|(known, _)| *known != number) {
            items.push((number, reason));
        }
    };
    for (at, _) in text.match_indices("Error at item ") {
        // Up to the next one, of which the text may hold several on one line.
        let rest = &text[at..];
        let end = rest[1..]
            .find("Error at item ")
            .map_or(rest.len(), |end| end + 1);
        if let Some((number, reason)) = item(&rest[..end]) {
            add(number, reason);
        }
    }
    for line in text.lines() {
        let Some(rest) = line.trim().strip_prefix("- Task ") else {
            continue;
        };
        let Some((number, reason)) = rest.split_once(',') else {
            continue;
        };
        if let Ok(number) = number.parse() {
            add(number, shorten(reason, REASON));
        }
    }
    items
}

/// A reason without the task that the server repeats after it.
fn reason_of(text: &str) -> String {
    shorten(
        text.split_once("  :: ").map_or(text, |(reason, _)| reason),
        REASON,
    )
}

/// What a JSON answer says: the errors it lists, else its detail, else all of it.
fn words(value: &Value) -> String {
    let mut parts = Vec::new();
    match value.get("validation_errors") {
        Some(Value::Object(fields)) => {
            for (field, errors) in fields {
                let named = field != "non_field_errors";
                strings(errors, &mut |text| {
                    parts.push(if named {
                        format!("{field}: {text}")
                    } else {
                        text.to_owned()
                    });
                });
            }
        }
        Some(errors) => strings(errors, &mut |text| parts.push(text.to_owned())),
        None => {}
    }
    if parts.is_empty() {
        let told = ["detail", "error", "message"]
            .iter()
            .find_map(|key| value.get(key)?.as_str());
        parts.push(told.map_or_else(|| value.to_string(), str::to_owned));
    }
    parts.join("; ")
}

/// Calls `each` with every string in a value.
fn strings(value: &Value, each: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => each(text),
        Value::Array(values) => values.iter().for_each(|value| strings(value, each)),
        Value::Object(fields) => fields.values().for_each(|value| strings(value, each)),
        _ => {}
    }
}

/// The text of a page, roughly.
fn without_tags(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        text.extend([before, " "]);
        let hidden = ["style", "script"]
            .into_iter()
            .find(|tag| after.to_ascii_lowercase().starts_with(tag));
        let end = hidden
            .and_then(|tag| after.find(&format!("</{tag}")).map(|at| at + 1))
            .unwrap_or(0);
        rest = after[end..].split_once('>').map_or("", |(_, rest)| rest);
    }
    text + rest
}

/// A text on one line, of at most so many characters.
pub(super) fn shorten(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn reasons(list: Vec<Value>) -> Found {
        from_list(&list)
    }

    #[test]
    fn the_list_of_bad_tasks_is_read_by_position() {
        let found = reasons(vec![
            json!({}),
            json!("Error at item 1: bad  :: {'a': 1}"),
            json!({}),
        ]);
        assert_eq!(
            found,
            Found {
                items: vec![(1, "bad".into())],
                truncated: false,
                checked: 3
            }
        );
        assert_eq!(
            reasons(vec![json!("load_tasks: No tasks added")]),
            Found::default()
        );
        assert_eq!(
            reasons(vec![json!("Error at item 0: x")]).items,
            [(0, "x".into())]
        );
    }

    #[test]
    fn the_hundredth_entry_is_a_task_only_where_the_list_ends() {
        let mut list = vec![json!({}); 99];
        list.push(json!("..."));
        let found = reasons(list.clone());
        assert_eq!(
            (
                found.items.len(),
                found.items[0].0,
                found.truncated,
                found.checked
            ),
            (1, 99, true, 100)
        );
        list.extend(vec![json!({}); 400]);
        list.push(json!("Error at item 500: bad"));
        assert_eq!(
            reasons(list),
            Found {
                items: vec![(500, "bad".into())],
                truncated: true,
                checked: 501
            }
        );
    }

    #[test]
    fn a_text_may_name_tasks() {
        let text = "[ErrorDetail(string='Error at item 4: a', code='x'), ErrorDetail(string='Error at item 7: b')]";
        let numbers: Vec<usize> = from_text(text)
            .into_iter()
            .map(|(number, _)| number)
            .collect();
        assert_eq!(numbers, [4, 7]);
        let text = "Prediction validation failed (2 errors):\n- Task 0, prediction 0: Region 0: x\n- Task 3, prediction 1: y";
        assert_eq!(
            from_text(text),
            [
                (0, "prediction 0: Region 0: x".into()),
                (3, "prediction 1: y".into())
            ]
        );
    }

    #[test]
    fn pages_are_told_in_words() {
        let page = "<html><head><style>b { c }</style><title>502 Bad Gateway</title></head>\n<body><center>nginx</center>";
        assert_eq!(shorten(&without_tags(page), 300), "502 Bad Gateway nginx");
        assert_eq!(shorten("äöü", 2), "äö…");
    }
}
