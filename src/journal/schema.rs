//! The tables, and how a database gets them.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::{BUSY, Trouble};
use crate::error::{Code, Error};

/// `sluc`: what SQLite's header says of a database that is a journal.
const APPLICATION: i32 = 0x736c_7563;

/// One step a version: the database's `user_version` is how many have been taken.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE runs (
        id TEXT PRIMARY KEY,
        plan_digest TEXT NOT NULL,
        target TEXT NOT NULL,
        created INTEGER NOT NULL, -- milliseconds since 1970, as all times here
        state TEXT NOT NULL CHECK (state IN ('open', 'done', 'failed', 'undone')),
        options TEXT NOT NULL
    ) STRICT;
    CREATE INDEX runs_of_a_plan ON runs (plan_digest, target);

    CREATE TABLE sources (
        run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        id INTEGER NOT NULL,
        name TEXT NOT NULL,
        bytes INTEGER,
        modified INTEGER, -- nanoseconds since 1970
        head_digest TEXT,
        prefix_digest TEXT,
        prefix_bytes INTEGER,
        PRIMARY KEY (run, id)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE imports (
        run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        number INTEGER NOT NULL CHECK (number > 0),
        first_source INTEGER NOT NULL, first_record INTEGER NOT NULL,
        first_line INTEGER, first_byte INTEGER, first_group INTEGER, first_row INTEGER,
        last_source INTEGER NOT NULL, last_record INTEGER NOT NULL,
        last_line INTEGER, last_byte INTEGER, last_group INTEGER, last_row INTEGER,
        next_source INTEGER, next_record INTEGER,
        next_line INTEGER, next_byte INTEGER, next_group INTEGER, next_row INTEGER,
        tasks INTEGER NOT NULL,
        annotations INTEGER NOT NULL,
        predictions INTEGER NOT NULL,
        cancelled INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        blake3 TEXT NOT NULL,
        target TEXT NOT NULL,
        name TEXT NOT NULL,
        upload_id INTEGER,
        state TEXT NOT NULL CHECK (state IN
            ('intended', 'uploaded', 'committing', 'delivered', 'refused', 'in-doubt', 'set-aside')),
        attempts INTEGER NOT NULL,
        cause TEXT,
        stored_tasks INTEGER,
        stored_annotations INTEGER,
        stored_predictions INTEGER,
        asked_again_at INTEGER,
        intended_at INTEGER NOT NULL,
        changed_at INTEGER NOT NULL,
        PRIMARY KEY (run, number)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE servers (
        key TEXT PRIMARY KEY,
        next_allowed_at INTEGER,
        ahead INTEGER NOT NULL DEFAULT 0, -- how far in the future that was when it was written
        last_start INTEGER,
        unanswered_since INTEGER,
        sizing TEXT
    ) STRICT, WITHOUT ROWID;
", "
    ALTER TABLE sources ADD COLUMN version TEXT; -- the ETag of what is fetched
", "
    ALTER TABLE runs ADD COLUMN outcome TEXT; -- what it came to, where its imports have no rows
"];

/// Opens the database, which is made if it is missing, and brings its tables up to date.
pub(super) fn open(path: &Path) -> Result<Connection, Trouble> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    let foreign = |text: String| {
        let text = format!(
            "`{}` is not a journal of this sluice: {text}",
            path.display()
        );
        Trouble::Refused(Error::new(Code::Journal, text))
    };
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != i64::from(APPLICATION) && (tables > 0 || application != 0) {
        return Err(foreign("another program's database has its name".into()));
    }
    let done = usize::try_from(version).ok().filter(|&done| done <= MIGRATIONS.len()).ok_or_else(|| {
        let known = MIGRATIONS.len();
        foreign(format!("it has version {version}, this sluice knows versions up to {known}; use the newer sluice that wrote it"))
    })?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let check: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    if check != "ok" {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        return Err(rusqlite::Error::SqliteFailure(code, Some(check)).into());
    }
    if done < MIGRATIONS.len() || application == 0 {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for migration in &MIGRATIONS[done..] {
            transaction.execute_batch(migration)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.execute_batch(&format!("PRAGMA user_version = {}", MIGRATIONS.len()))?;
        transaction.commit()?;
    }
    Ok(connection)
}
