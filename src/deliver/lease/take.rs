//! How a lease is taken: where nobody has it, where it was given back, and where its holder is gone.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, Notify, watch};

use super::{Found, Lease, Record, Shared, State, Terms, Time, Writer, relied_on};
use crate::deliver::cell::{Cell, Held, Swap, Version};
use crate::error::{Code, Error, Result};

/// How often in its length a lease that someone holds is looked at.
const LOOKS: u32 = 15;

/// The longest time between two looks: a holder that ends is not waited for longer.
const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// How often a store that cannot be asked is tried.
const TRIES: u32 = 3;

/// A lease that someone had when it was first seen.
struct Watched {
    version: Version,
    /// When it had been seen, by [`Time::surely`].
    since: Duration,
}

impl Lease {
    /// Takes the lease of a server. `told` hears once who has it, if someone may.
    ///
    /// Without [`Terms::wait`] it is refused as soon as its holder gives a sign of life.
    ///
    /// # Errors
    /// When someone else has it, or the store cannot be asked.
    pub async fn take(
        cell: Arc<dyn Cell>,
        server: &str,
        terms: &Terms,
        time: Arc<dyn Time>,
        told: impl Fn(&Record),
    ) -> Result<Lease> {
        let mut watched: Option<Watched> = None;
        let mut failures = 0;
        // What this process asked for, and has not found there yet.
        let mut asked: Vec<(u64, Duration)> = Vec::new();
        let mut record = Record::new(server, &terms.holder, 0, terms.length);
        // What was found when the swap was asked for that may come true.
        let mut found = Found::default();
        loop {
            let there = match cell.read().await {
                Ok(there) => there,
                Err(error) => {
                    failures += 1;
                    if failures >= TRIES {
                        return Err(error);
                    }
                    time.sleep(look(terms.length)).await;
                    continue;
                }
            };
            let there = match there {
                Some(Held { bytes, version }) => {
                    Some((Record::parse(&bytes, &cell.shown())?, version))
                }
                None => None,
            };
            if let Some((there, version)) = &there
                && there.unlike == record.unlike
                && let Some((_, at)) = asked.iter().find(|(number, _)| *number == there.sequence)
            {
                let lease = Lease::new(
                    cell,
                    time,
                    terms,
                    there.clone(),
                    version.clone(),
                    *at,
                    found,
                );
                return lease.check().map(|()| lease);
            }
            let now = time.surely();
            if let Some((there, version)) = there.as_ref().filter(|(there, _)| there.held) {
                let length = there.length();
                let since = match &watched {
                    Some(known) if known.version == *version => known.since,
                    Some(_) if !terms.wait => return Err(held(there, server)),
                    known => {
                        if known.is_none() {
                            told(there);
                        }
                        let version = version.clone();
                        watched = Some(Watched {
                            version,
                            since: now,
                        });
                        now
                    }
                };
                let left = (since + length).saturating_sub(now);
                if !left.is_zero() {
                    time.sleep(look(length).min(left)).await;
                    continue;
                }
            }
            record.fence = there.as_ref().map_or(0, |(there, _)| there.fence) + 1;
            let (pause, working) = there
                .as_ref()
                .map_or((Duration::ZERO, false), |(there, _)| {
                    (there.pause(), there.working)
                });
            let first = terms.interval.max(pause);
            record.working = working;
            let bytes = record.next(first)?;
            let at = time.perhaps();
            found = Found {
                working,
                first: time.surely() + first,
            };
            asked.push((record.sequence, at));
            let version = there.as_ref().map(|(_, version)| version);
            match cell.swap(version, bytes).await {
                Ok(Swap::Done(version)) => {
                    let lease = Lease::new(cell, time, terms, record, version, at, found);
                    return lease.check().map(|()| lease);
                }
                Ok(Swap::Other) => {}
                // It may be done all the same.
                Err(error) if failures + 1 < TRIES && error.code() != Code::Unauthorized => {
                    failures += 1;
                    time.sleep(look(terms.length)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn new(
        cell: Arc<dyn Cell>,
        time: Arc<dyn Time>,
        terms: &Terms,
        record: Record,
        version: Version,
        asked: Duration,
        found: Found,
    ) -> Self {
        let state = State {
            ends: relied_on(asked, record.length()),
            next: found.first,
            working: found.working,
            over: None,
        };
        let writer = Writer {
            asked: vec![(record.sequence, asked)],
            record,
            version,
        };
        Lease {
            shared: Arc::new(Shared {
                cell,
                time,
                interval: terms.interval,
                writer: AsyncMutex::new(writer),
                state: Mutex::new(state),
                over: watch::Sender::new(false),
                news: Notify::new(),
                found,
            }),
        }
    }
}

/// The time between two looks at a lease of this length.
fn look(length: Duration) -> Duration {
    (length / LOOKS).min(LONGEST_LOOK)
}

fn held(there: &Record, server: &str) -> Error {
    let Record {
        holder,
        until,
        next_allowed_at,
        ..
    } = there;
    let text = format!(
        "another sluice imports into {server}: {holder}, whose lease lasts until {until} by its clock, and is renewed; \
         its next import may start at {next_allowed_at}"
    );
    Error::new(Code::Lease, text)
        .help("run the same command again when it has ended, or wait for that with `--wait`")
}
