//! Every request the server has had, and what a good client's may not look like.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use super::brake::STRIDE;
use super::faults::Call;

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    pub number: usize,
    pub call: Call,
    pub method: String,
    /// With its query.
    pub path: String,
    /// When its head had come in.
    pub start: Instant,
    /// When the client had its answer, or the connection had gone.
    pub answered: Option<Instant>,
    /// When the server's work on it was over; it may be later, or earlier, than the answer.
    pub finished: Option<Instant>,
    /// None: no answer was sent.
    pub status: Option<u16>,
    pub fault: Option<&'static str>,
    pub body_bytes: usize,
    /// How many tasks it put into the project.
    pub stored: usize,
    /// The uploads it made or was about.
    pub uploads: Vec<u64>,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self
            .status
            .map_or("no answer".to_owned(), |status| status.to_string());
        let fault = self.fault.unwrap_or("honest");
        write!(
            f,
            "request {} {} {}: {status}, {fault}, ",
            self.number, self.method, self.path
        )?;
        write!(
            f,
            "{} bytes, {} stored, uploads {:?}",
            self.body_bytes, self.stored, self.uploads
        )
    }
}

/// How far apart two clocks' readings of one moment may be: the server reads its own when the bytes have come in.
const SLACK: Duration = Duration::from_millis(STRIDE.as_millis() as u64 + 50);

/// Never two task-creating requests at once, as a client sees them: the next starts after the answer to the last, or
/// after its connection has gone. (What the server goes on doing without a connection, no client can see.)
pub fn no_overlap(history: &[Request]) -> Result<(), String> {
    let creating: Vec<_> = history
        .iter()
        .filter(|request| request.call.makes_tasks())
        .collect();
    for pair in creating.windows(2) {
        let [first, second] = pair else { continue };
        // A reset and the next connection may come in in the same moment.
        let free = |end: Instant| second.start + Duration::from_millis(5) >= end;
        if !first.answered.is_some_and(free) {
            return Err(format!("{first}\noverlaps\n{second}"));
        }
    }
    Ok(())
}

/// The attempts: an upload with the first reimport of it, or a request that makes tasks by itself.
#[must_use]
pub fn attempts(history: &[Request]) -> Vec<&Request> {
    let mut fresh: Vec<u64> = Vec::new();
    let mut attempts = Vec::new();
    for request in history {
        match request.call {
            Call::Upload => {
                fresh.extend(&request.uploads);
                attempts.push(request);
            }
            Call::Import => attempts.push(request),
            Call::Reimport => {
                let before = fresh.len();
                // Cut before it could say which: it is taken for the one that is due.
                if request.uploads.is_empty() {
                    fresh.pop();
                }
                fresh.retain(|id| !request.uploads.contains(id));
                if fresh.len() == before {
                    attempts.push(request);
                }
            }
            _ => {}
        }
    }
    attempts
}

/// No attempt starts sooner than `interval` after the start of the one before.
pub fn spaced(history: &[Request], interval: Duration) -> Result<(), String> {
    apart(&attempts(history), interval)
}

/// The same of task-creating requests alone, for a client that uploads ahead and paces the commits.
pub fn commits_spaced(history: &[Request], interval: Duration) -> Result<(), String> {
    apart(
        &history
            .iter()
            .filter(|request| request.call.makes_tasks())
            .collect::<Vec<_>>(),
        interval,
    )
}

fn apart(requests: &[&Request], interval: Duration) -> Result<(), String> {
    for pair in requests.windows(2) {
        let gap = pair[1].start - pair[0].start;
        if gap + SLACK.min(interval / 3) < interval {
            return Err(format!(
                "{gap:?} lie between the starts of\n{}\nand\n{}",
                pair[0], pair[1]
            ));
        }
    }
    Ok(())
}
