//! Jobs: other editions answer an import with a number, and do it afterwards.
//!
//! `{"import": 5}` is watched at `GET api/projects/7/imports/5/`, `{"reimport": 5}` at `.../reimports/5/`: its status
//! is `created`, `in_progress`, `completed` or `failed`; while it is in progress its counts grow.

use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::answer::{named_in, shorten};
use super::client::Client;
use super::failure::{Failure, Outcome};

/// Either answer to an import: the counts, or the number of the job that will have them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Imported {
    pub(super) task_count: Option<u64>,
    pub(super) annotation_count: Option<u64>,
    pub(super) prediction_count: Option<u64>,
    pub(super) file_upload_ids: Vec<u64>,
    import: Option<u64>,
    reimport: Option<u64>,
}

/// What a job says of itself.
#[derive(Debug, Deserialize)]
struct Job {
    status: String,
    error: Option<String>,
    traceback: Option<String>,
    #[serde(flatten)]
    imported: Imported,
}

impl Imported {
    /// The path of the job that it is about, if it is.
    pub(super) fn job(&self, project: u64) -> Option<String> {
        let (kind, number) = match (self.reimport, self.import) {
            (Some(number), _) => ("reimports", number),
            (None, Some(number)) => ("imports", number),
            (None, None) => return None,
        };
        Some(format!("api/projects/{project}/{kind}/{number}/"))
    }
}

/// Watches a job until it is completed. `doubt`: whether it changes tasks.
///
/// # Errors
/// [`Failure::JobFailed`], or [`Failure::Unknown`] when it cannot be watched any longer.
pub(super) async fn watch(client: &Client, path: String, doubt: bool) -> Outcome<Imported> {
    let started = Instant::now();
    let settings = client.settings();
    let lost = |cause: String| Failure::Unknown {
        cause,
        status: None,
        after: started.elapsed(),
        doubt,
    };
    let call = client.get(path);
    let mut failures = 0;
    loop {
        if started.elapsed() >= settings.import_timeout {
            return Err(lost(format!(
                "the server's job `{}` has not ended",
                call.path
            )));
        }
        let outcome = match client.call(&call).await {
            Ok(answer) => answer.parse::<Job>(),
            Err(failure) => Err(failure),
        };
        match outcome {
            Ok(job) if job.status == "completed" => return Ok(job.imported),
            Ok(job) if job.status == "failed" => {
                let told = job.error.filter(|error| !error.is_empty());
                // The last line of a traceback is the error.
                let last = |trace: String| trace.trim_end().lines().next_back().map(str::to_owned);
                let told = told
                    .or_else(|| job.traceback.and_then(last))
                    .unwrap_or_else(|| "it does not say why".into());
                return Err(Failure::JobFailed {
                    detail: shorten(&told, 300),
                    items: named_in(&told),
                });
            }
            Ok(_) => {
                failures = 0;
                sleep(settings.poll_interval).await;
            }
            Err(failure) if failure.is_passing() => {
                client.pause(failures, &failure).await;
                failures += 1;
            }
            // The job was begun, and goes on whether or not it is watched.
            Err(failure) => {
                return Err(lost(format!(
                    "cannot watch the server's job: {}",
                    failure.into_error().message()
                )));
            }
        }
    }
}
