//! The look before the run at the heads of remote tables: a column that an option names and a table has not would else end
//! the run only when its turn comes, after the imports before it were sent.

use std::sync::Arc;

use futures::stream::{self, StreamExt};
use tokio::runtime::Runtime;

use super::Around;
use super::alone::until_stopped;
use crate::error::{Code, Error, Result};
use crate::place::{Place, SourceId, Spot};
use crate::read::files::Series;
use crate::read::head::{STORED_BYTES, TableHead, table};
use crate::source::remote::{Remote, thread};
use crate::source::sniff::Format;
use crate::source::{Location, Source};

/// Heads that are fetched at once.
const AT_ONCE: usize = 16;

/// Tables that are looked at: of more, those that come first.
const MOST: usize = 1_000;

/// Refuses a remote table, from `from` on, whose columns do not fit the options.
///
/// # Errors
/// As when the reader comes to it. What else is wrong with a source, the reader says when it comes to it.
pub(super) fn check(around: &Arc<Around>, runtime: &Runtime, from: Option<Place>) -> Result<()> {
    let plan = &around.plan;
    if !plan.normalizer.names_columns() {
        return Ok(());
    }
    let first = from.map_or(SourceId(0), |place| place.source);
    let is_table = |source: &Source| {
        let format = plan
            .reading
            .format
            .or_else(|| Format::of_name(&source.name));
        source.id >= first && matches!(format, Some(Format::Csv | Format::Tsv))
    };
    let remote = |source: &Source| match &source.location {
        Location::Remote(remote) => Some((Arc::clone(&source.name), remote.clone())),
        _ => None,
    };
    let mut tables = Vec::new();
    for source in &plan.sources {
        if tables.len() == MOST {
            break;
        }
        let source = source?;
        if is_table(&source) {
            tables.extend(remote(&source));
        }
    }
    if tables.is_empty() {
        return Ok(());
    }
    let looking = Arc::clone(around);
    // The connections of sources live on this thread.
    let mut looked = thread::handle()?.spawn(async move {
        let mut heads = stream::iter(tables)
            .map(|(name, remote)| {
                let looking = &looking;
                async move {
                    let head = head(looking, &name, &remote).await;
                    (name, head)
                }
            })
            .buffered(AT_ONCE);
        while let Some((name, head)) = heads.next().await {
            let Some(TableHead { columns, .. }) = head else {
                continue;
            };
            let plan = &looking.plan;
            if plan.reading.files.series(&columns) == Series::Tasks {
                let checked = plan.normalizer.check_columns(&columns);
                checked.map_err(|error| error.at(|| Spot::source(&name)))?;
            }
        }
        Ok(())
    });
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = &mut looked => outcome,
            () = until_stopped(around.stopped.clone()) => Ok(Ok(())),
        }
    });
    looked.abort();
    outcome.unwrap_or_else(|e| {
        Err(Error::new(
            Code::Internal,
            format!("the look at the sources' heads ended: {e}"),
        ))
    })
}

async fn head(around: &Around, name: &str, remote: &Remote) -> Option<TableHead> {
    let head = remote.head(STORED_BYTES).await.ok()?;
    table(head, name, &around.plan.reading).await
}
