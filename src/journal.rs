//! The record of what was sent: runs, their sources and imports, and when each server may be asked again.
//!
//! One SQLite database in the state directory, in write-ahead mode. Every call that records something is one
//! transaction and one fsync: when it has returned, a kill or a power cut does not take it back. What excludes two
//! processes from each other are file locks, which the system drops when a process ends, however it ends.
//!
//! No secret goes in: addresses lose their user, password, query and fragment on the way
//! ([`identity::without_secrets`]).

pub mod claim;
pub mod copies;
mod entries;
pub mod identity;
mod lock;
pub mod log;
mod places;
pub mod run;
mod schema;
mod servers;
mod sources;
pub mod world;

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use self::claim::Claim;
pub use self::identity::{Change, Prefix, SourceIdentity};
pub use self::lock::LockFile;
pub use self::log::RunLog;
pub use self::run::{Counts, Entry, Intent, ResumePoint, Run, RunState, State, one_of};
pub use self::servers::Server;
pub use self::world::{Clock, SystemClock, World};
use crate::error::{Code, Error, Result};

/// The database's name in the state directory.
pub const DATABASE: &str = "journal.sqlite3";

/// How long one transaction waits for another process's: transactions are single rows, so ten seconds is a stuck disk.
const BUSY: Duration = Duration::from_secs(10);

/// The record of runs, shared by all that write to it.
#[derive(Clone, Debug)]
pub struct Journal {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    connection: Mutex<Connection>,
    world: World,
}

/// Where the journal is kept: `SLUICE_STATE_DIR`, else `XDG_STATE_HOME/sluice`, else `HOME/.local/state/sluice`.
///
/// `environment` looks up a variable. One that is empty counts as unset, and so does an `XDG_STATE_HOME` that is not
/// absolute, as the XDG base directory specification asks.
///
/// # Errors
/// When none of the three is set.
pub fn state_directory(environment: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf> {
    let variable = |name| {
        environment(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(directory) = variable("SLUICE_STATE_DIR") {
        return Ok(directory);
    }
    if let Some(directory) = variable("XDG_STATE_HOME").filter(|directory| directory.is_absolute())
    {
        return Ok(directory.join("sluice"));
    }
    let home = variable("HOME").ok_or_else(|| {
        Error::new(
            Code::Journal,
            "there is no folder for the journal: `HOME` is not set",
        )
        .help("name one with `--state-dir` or `SLUICE_STATE_DIR`")
    })?;
    Ok(home.join(".local/state/sluice"))
}

impl Journal {
    /// Opens the journal of a state directory, which is made (for its owner alone) if it is missing; a journal of an
    /// older sluice is brought up to date.
    ///
    /// # Errors
    /// When the directory or the database cannot be made or read, is damaged, is not a journal, or was written by a
    /// newer sluice.
    pub fn open(directory: &Path) -> Result<Self> {
        Self::open_in(directory, World::default())
    }

    /// The same, in another world.
    ///
    /// # Errors
    /// Those of [`Journal::open`].
    pub fn open_in(directory: &Path, world: World) -> Result<Self> {
        make_directory(directory)?;
        let path = directory.join(DATABASE);
        // Held while the database is made or migrated: switching to the write-ahead mode does not wait for others.
        let _alone = LockFile::wait(directory, "open")?;
        let new = !path.exists();
        let connection = schema::open(&path).map_err(|trouble| trouble.into_error(&path))?;
        if new {
            sync_directory(directory)?;
        }
        let shared = Shared {
            directory: directory.to_owned(),
            connection: Mutex::new(connection),
            world,
        };
        Ok(Journal {
            shared: Arc::new(shared),
        })
    }

    /// Where the rejects of a run are kept, if its target has no place for them.
    #[must_use]
    pub fn rejects_of(&self, run: &str) -> PathBuf {
        self.shared.directory.join(format!("rejects-{run}.jsonl"))
    }

    /// The clock that its times are by.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.world.clock
    }

    /// Milliseconds since 1970.
    fn now(&self) -> i64 {
        self.shared.world.now()
    }

    /// The state directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.shared
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// One transaction, on the disk when this returns; nothing of it is kept if `work` fails.
    fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Trouble>) -> Result<T> {
        let mut connection = self.connection();
        let attempt = || {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        let value = attempt().map_err(|trouble: Trouble| trouble.into_error(&self.path()))?;
        (self.shared.world.observer)()?;
        Ok(value)
    }

    /// Reads one state of the database, whatever others write meanwhile.
    fn read<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Trouble>) -> Result<T> {
        let mut connection = self.connection();
        let attempt = || work(&connection.transaction()?);
        attempt().map_err(|trouble: Trouble| trouble.into_error(&self.path()))
    }

    /// The file of its database.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.shared.directory.join(DATABASE)
    }
}

fn make_directory(directory: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(|cause| {
        let text = format!(
            "cannot make the journal's folder `{}`: {cause}",
            directory.display()
        );
        Error::new(Code::Journal, text).help("name another with `--state-dir`")
    })
}

/// Makes the name of a new database as durable as its content. Windows has no such call, and needs none.
fn sync_directory(directory: &Path) -> Result<()> {
    if cfg!(unix) {
        File::open(directory)
            .and_then(|folder| folder.sync_all())
            .map_err(|cause| {
                let text = format!("cannot write to `{}`: {cause}", directory.display());
                Error::new(Code::Journal, text)
            })?;
    }
    Ok(())
}

/// What can go wrong in a transaction.
#[derive(Debug)]
enum Trouble {
    Database(rusqlite::Error),
    Refused(Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(cause: rusqlite::Error) -> Self {
        Trouble::Database(cause)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Trouble::Refused(error)
    }
}

impl Trouble {
    /// A mistake of the caller, or a row that no sluice wrote.
    fn refused(message: impl Into<String>) -> Self {
        Trouble::Refused(Error::new(Code::Journal, message))
    }

    fn into_error(self, path: &Path) -> Error {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseCorrupt, DiskFull, NotADatabase, PermissionDenied,
            ReadOnly,
        };
        let cause = match self {
            Trouble::Refused(error) => return error,
            Trouble::Database(cause) => cause,
        };
        let path = path.display();
        let error = |what: &str| {
            Error::new(
                Code::Journal,
                format!("the journal `{path}` {what}: {cause}"),
            )
        };
        match cause.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => error("is damaged").help(format!(
                "move it away and run again; what it recorded is then not known, so look at the target before sending anything twice: mv '{path}' '{path}.damaged'"
            )),
            Some(DatabaseBusy) => error("is held by another process").exit_with(5),
            Some(DiskFull) => error("cannot be written").help("make room on its disk and run again; the run resumes"),
            Some(CannotOpen | PermissionDenied | ReadOnly) => {
                error("cannot be opened for writing").help("name a folder of your own with `--state-dir`")
            }
            _ => error("does not work"),
        }
    }
}
