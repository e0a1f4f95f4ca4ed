//! Rows to values and back.

use chrono::{DateTime, Utc};
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, Transaction, params, params_from_iter};

use super::Trouble;
use super::identity::{Prefix, SourceIdentity};
use super::places::{self, signed, unsigned};
use super::run::{Counts, Entry, Intent, Run, RunState, State};
use crate::place::SourceId;

/// Columns of `imports` besides the places, in the order [`entry`] reads them.
const IMPORT_COLUMNS: &str = "number, tasks, annotations, predictions, bytes, blake3, name, upload_id, state, attempts, \
    cause, stored_tasks, stored_annotations, stored_predictions, intended_at, changed_at, target, \
    asked_again_at, cancelled";

/// Where the places' columns start, after those.
const FIRST_PLACE: usize = 19;

fn place_columns() -> String {
    let columns = ["first", "last", "next"].map(|which| {
        places::COLUMNS
            .map(|column| format!("{which}_{column}"))
            .join(", ")
    });
    columns.join(", ")
}

pub(super) fn run(transaction: &Transaction<'_>, id: &str) -> Result<Option<Run>, Trouble> {
    Ok(runs(transaction)?.into_iter().find(|run| run.id == id))
}

pub(super) fn keep_outcome(
    transaction: &Transaction<'_>,
    run: &str,
    outcome: &serde_json::Value,
) -> Result<(), Trouble> {
    let sql = "UPDATE runs SET outcome = ?2 WHERE id = ?1";
    transaction.execute(sql, params![run, outcome.to_string()])?;
    Ok(())
}

pub(super) fn runs(transaction: &Transaction<'_>) -> Result<Vec<Run>, Trouble> {
    let sql = "SELECT id, plan_digest, target, created, state, options, outcome FROM runs ORDER BY created, rowid";
    collect(transaction, sql, [], |row| {
        let state: String = row.get(4)?;
        let options: String = row.get(5)?;
        let outcome: Option<String> = row.get(6)?;
        Ok(Run {
            id: row.get(0)?,
            plan_digest: row.get(1)?,
            target: row.get(2)?,
            created: time(row.get(3)?)?,
            state: known(RunState::ALL, RunState::as_str, &state)?,
            options: json("options", &options)?,
            outcome: outcome
                .map(|outcome| json("an outcome", &outcome))
                .transpose()?,
        })
    })
}

pub(super) fn keep_source(
    transaction: &Transaction<'_>,
    run: &str,
    source: &SourceIdentity,
) -> Result<(), Trouble> {
    let SourceIdentity {
        id,
        name,
        bytes,
        modified,
        head_digest,
        version,
        prefix,
    } = source;
    transaction.execute(
        "INSERT OR REPLACE INTO sources (run, id, name, bytes, modified, head_digest, prefix_digest, prefix_bytes, version) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            run,
            id.0,
            super::identity::without_secrets(name),
            bytes.map(signed).transpose()?,
            modified,
            head_digest,
            prefix.as_ref().map(|prefix| &prefix.blake3),
            prefix.as_ref().map(|prefix| signed(prefix.bytes)).transpose()?,
            version,
        ],
    )?;
    Ok(())
}

pub(super) fn keep_prefix(
    transaction: &Transaction<'_>,
    run: &str,
    read: &Prefix,
) -> Result<(), Trouble> {
    let changed = transaction.execute(
        "UPDATE sources SET prefix_digest = ?3, prefix_bytes = ?4 WHERE run = ?1 AND id = ?2",
        params![run, read.source.0, read.blake3, signed(read.bytes)?],
    )?;
    if changed == 0 {
        return Err(Trouble::refused(format!(
            "the run has no source {}",
            read.source.0
        )));
    }
    Ok(())
}

pub(super) fn sources(
    transaction: &Transaction<'_>,
    run: &str,
) -> Result<Vec<SourceIdentity>, Trouble> {
    let sql = "SELECT id, name, bytes, modified, head_digest, prefix_digest, prefix_bytes, version FROM sources \
               WHERE run = ? ORDER BY id";
    collect(transaction, sql, params![run], |row| {
        let id = SourceId(row.get(0)?);
        let prefix = row
            .get::<_, Option<String>>(5)?
            .zip(row.get::<_, Option<i64>>(6)?);
        let prefix = prefix.map(|(blake3, bytes)| {
            Ok::<_, Trouble>(Prefix {
                source: id,
                bytes: unsigned(bytes)?,
                blake3,
            })
        });
        Ok(SourceIdentity {
            id,
            name: row.get(1)?,
            bytes: row.get::<_, Option<i64>>(2)?.map(unsigned).transpose()?,
            modified: row.get(3)?,
            head_digest: row.get(4)?,
            version: row.get(7)?,
            prefix: prefix.transpose()?,
        })
    })
}

/// Writes an intent, in the place of one that came to nothing; when it was first intended and its attempts stay.
pub(super) fn intend(
    transaction: &Transaction<'_>,
    run: &str,
    intent: &Intent,
    now: i64,
) -> Result<(), Trouble> {
    let number = signed(intent.number)?;
    let sql = "SELECT intended_at, attempts FROM imports WHERE run = ? AND number = ?";
    let before = transaction
        .query_row(sql, params![run, number], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let (intended_at, attempts): (i64, i64) = before.unwrap_or((now, 0));
    let sql = format!(
        "INSERT OR REPLACE INTO imports (run, {IMPORT_COLUMNS}, {}) VALUES ({})",
        place_columns(),
        vec!["?"; 1 + FIRST_PLACE + 3 * places::COLUMNS.len()].join(", "),
    );
    let text = |text: &str| Value::Text(text.to_owned());
    let mut values = vec![
        text(run),
        number.into(),
        signed(intent.tasks)?.into(),
        signed(intent.annotations)?.into(),
        signed(intent.predictions)?.into(),
        signed(intent.bytes)?.into(),
        text(&intent.blake3),
        text(&intent.name),
        Value::Null,
        text(State::Intended.as_str()),
        attempts.into(),
        Value::Null,
        Value::Null,
        Value::Null,
        Value::Null,
        intended_at.into(),
        now.into(),
        Value::Text(super::identity::without_secrets(&intent.target)),
        Value::Null,
        signed(intent.cancelled)?.into(),
    ];
    for place in [Some(intent.first), Some(intent.last), intent.next] {
        values.extend(places::values(place)?);
    }
    transaction.execute(&sql, params_from_iter(values))?;
    Ok(())
}

pub(super) fn all(transaction: &Transaction<'_>, run: &str) -> Result<Vec<Entry>, Trouble> {
    let sql = format!(
        "SELECT {IMPORT_COLUMNS}, {} FROM imports WHERE run = ? ORDER BY number",
        place_columns()
    );
    collect(transaction, &sql, params![run], entry)
}

pub(super) fn find(
    transaction: &Transaction<'_>,
    run: &str,
    number: u64,
) -> Result<Option<Entry>, Trouble> {
    let columns = place_columns();
    let sql =
        format!("SELECT {IMPORT_COLUMNS}, {columns} FROM imports WHERE run = ? AND number = ?");
    Ok(collect(transaction, &sql, params![run, signed(number)?], entry)?.pop())
}

pub(super) fn last(transaction: &Transaction<'_>, run: &str) -> Result<Option<Entry>, Trouble> {
    let columns = place_columns();
    let sql = format!(
        "SELECT {IMPORT_COLUMNS}, {columns} FROM imports WHERE run = ? ORDER BY number DESC LIMIT 1"
    );
    Ok(collect(transaction, &sql, params![run], entry)?.pop())
}

fn entry(row: &Row<'_>) -> Result<Entry, Trouble> {
    let count = |column: usize| {
        row.get::<_, i64>(column)
            .map_err(Trouble::from)
            .and_then(unsigned)
    };
    let perhaps = |column: usize| row.get::<_, Option<i64>>(column)?.map(unsigned).transpose();
    let place = |which: usize| places::place(row, FIRST_PLACE + which * places::COLUMNS.len());
    let required = |which| {
        place(which)?.ok_or_else(|| Trouble::refused("the journal has an import without its place"))
    };
    let state: String = row.get(8)?;
    let stored = perhaps(11)?.zip(perhaps(12)?).zip(perhaps(13)?);
    Ok(Entry {
        intent: Intent {
            number: count(0)?,
            first: required(0)?,
            last: required(1)?,
            next: place(2)?,
            tasks: count(1)?,
            annotations: count(2)?,
            predictions: count(3)?,
            cancelled: count(18)?,
            bytes: count(4)?,
            blake3: row.get(5)?,
            target: row.get(16)?,
            name: row.get(6)?,
            read: None,
        },
        state: known(State::ALL, State::as_str, &state)?,
        upload_id: perhaps(7)?,
        attempts: row.get(9)?,
        cause: row.get(10)?,
        asked_again_at: row.get::<_, Option<i64>>(17)?.map(time).transpose()?,
        stored: stored.map(|((tasks, annotations), predictions)| Counts {
            tasks,
            annotations,
            predictions,
        }),
        intended_at: time(row.get(14)?)?,
        changed_at: time(row.get(15)?)?,
    })
}

fn collect<T>(
    transaction: &Transaction<'_>,
    sql: &str,
    parameters: impl rusqlite::Params,
    each: impl Fn(&Row<'_>) -> Result<T, Trouble>,
) -> Result<Vec<T>, Trouble> {
    let mut statement = transaction.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    let mut values = Vec::new();
    while let Some(row) = rows.next()? {
        values.push(each(row)?);
    }
    Ok(values)
}

fn json(what: &str, text: &str) -> Result<serde_json::Value, Trouble> {
    serde_json::from_str(text)
        .map_err(|cause| Trouble::refused(format!("the journal has {what} not in JSON: {cause}")))
}

fn known<T: Copy, const N: usize>(
    all: [T; N],
    name: fn(T) -> &'static str,
    text: &str,
) -> Result<T, Trouble> {
    let found = all.into_iter().find(|&value| name(value) == text);
    found.ok_or_else(|| {
        Trouble::refused(format!(
            "the journal has the state `{text}`, which there is not"
        ))
    })
}

fn time(milliseconds: i64) -> Result<DateTime<Utc>, Trouble> {
    DateTime::from_timestamp_millis(milliseconds).ok_or_else(|| {
        Trouble::refused(format!(
            "the journal has a time there is not: {milliseconds}"
        ))
    })
}
