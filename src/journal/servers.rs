//! What is known of each server, whichever project and process: when it may be asked again, and what it bears.

use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::Value;

use super::identity::without_secrets;
use super::{Journal, Trouble};
use crate::error::Result;

/// One server's row. Times are in milliseconds of the wall clock since 1970.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Server {
    /// No import starts before this.
    pub next_allowed_at: Option<i64>,
    /// How many milliseconds ahead that was when it was written: no clock may make anyone wait longer.
    pub ahead: i64,
    /// When an import last started.
    pub last_start: Option<i64>,
    /// When the import started that has not been answered, as far as is known: it goes on, or its process is gone.
    pub unanswered_since: Option<i64>,
    /// What was learned of how much the server bears; the caller's own JSON.
    pub sizing: Option<Value>,
}

impl Journal {
    /// What is known of a server; all is empty if it is new.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn server(&self, key: &str) -> Result<Server> {
        self.read(|transaction| get(transaction, &without_secrets(key)))
    }

    /// Changes what is known of a server: no one else does between what `change` sees and what it leaves.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn update_server<T>(&self, key: &str, change: impl FnOnce(&mut Server) -> T) -> Result<T> {
        let key = without_secrets(key);
        self.write(|transaction| {
            let before = get(transaction, &key)?;
            let mut server = before.clone();
            let value = change(&mut server);
            if server != before {
                let Server { next_allowed_at, ahead, last_start, unanswered_since, sizing } = server;
                transaction.execute(
                    "INSERT OR REPLACE INTO servers (key, next_allowed_at, ahead, last_start, unanswered_since, sizing) \
                     VALUES (?, ?, ?, ?, ?, ?)",
                    params![key, next_allowed_at, ahead, last_start, unanswered_since, sizing.map(|json| json.to_string())],
                )?;
            }
            Ok(value)
        })
    }
}

fn get(transaction: &Transaction<'_>, key: &str) -> Result<Server, Trouble> {
    let sql = "SELECT next_allowed_at, ahead, last_start, unanswered_since, sizing FROM servers WHERE key = ?";
    let row = transaction.query_row(sql, [key], |row| {
        // What cannot be read is learned again.
        let sizing = row
            .get::<_, Option<String>>(4)?
            .and_then(|json| serde_json::from_str(&json).ok());
        Ok(Server {
            next_allowed_at: row.get(0)?,
            ahead: row.get(1)?,
            last_start: row.get(2)?,
            unanswered_since: row.get(3)?,
            sizing,
        })
    });
    Ok(row.optional()?.unwrap_or_default())
}
