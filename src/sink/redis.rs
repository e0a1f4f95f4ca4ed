//! Redis: each task under a key of its own, as Label Studio's Redis storage reads them.
//!
//! A key tells where the task's record stands and what the task is, and is only written if it is not there: the same run
//! writes nothing twice, and one that was cut off writes what is missing.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use redis::{Connection, pipe};

use crate::batch::body::{Body, Store};
use crate::batch::import::{Import, TaskAt};
use crate::deliver::{Begin, Receipt, Run, Sink};
use crate::error::{Code, Error, Result};
use crate::source::redis::Address;

/// Bytes of tasks in one pipeline, at most, unless one is larger.
const BYTES_AT_ONCE: usize = 4 << 20;

/// Tasks in one pipeline, at most.
const TASKS_AT_ONCE: usize = 1_000;

/// Keys of a server.
#[derive(Debug)]
pub struct Redis {
    to: Arc<Target>,
    rejects: PathBuf,
}

struct Target {
    address: Address,
    connection: Mutex<Option<Connection>>,
    written: AtomicU64,
    there: AtomicU64,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.address.fmt(f)
    }
}

impl Redis {
    /// Tasks go under the address's path; `rejects`: where records that became no task are written.
    #[must_use]
    pub fn new(address: Address, rejects: PathBuf) -> Self {
        let to = Target {
            address,
            connection: Mutex::default(),
            written: AtomicU64::new(0),
            there: AtomicU64::new(0),
        };
        Redis {
            to: Arc::new(to),
            rejects,
        }
    }

    /// The server and what the keys start with, without the password.
    #[must_use]
    pub fn shown(&self) -> String {
        self.to.address.to_string()
    }

    /// How many tasks were written, and how many were there already.
    #[must_use]
    pub fn done(&self) -> (u64, u64) {
        let Target { written, there, .. } = &*self.to;
        (
            written.load(Ordering::Relaxed),
            there.load(Ordering::Relaxed),
        )
    }
}

impl Target {
    /// Does something by the connection, which is made first if there is none.
    fn with<T>(&self, work: impl FnOnce(&mut Connection) -> redis::RedisResult<T>) -> Result<T> {
        let mut held = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let connection = match &mut *held {
            Some(connection) => connection,
            None => held.insert(self.address.connect()?),
        };
        work(connection).map_err(|e| self.address.error(Code::TargetWrite, &e))
    }

    fn write(&self, import: Import) -> Result<Receipt> {
        let Import { about, body, tasks } = import;
        let Body::Memory(body) = body else {
            return Err(Error::new(
                Code::Internal,
                "Redis takes imports from memory",
            ));
        };
        let mut name = String::new();
        let mut written = 0;
        let mut start = 1;
        let mut next = 0;
        while next < tasks.len() {
            let mut batch = pipe();
            let (mut bytes, mut count) = (0, 0);
            while let Some(TaskAt { end, .. }) = tasks.get(next)
                && count < TASKS_AT_ONCE
                && (count == 0 || bytes + end - start <= BYTES_AT_ONCE)
            {
                let task = &body[start..*end];
                let key = self.key(&tasks[next], task);
                batch.cmd("SET").arg(&key).arg(task).arg("NX");
                if name.is_empty() {
                    name = key;
                }
                bytes += task.len();
                count += 1;
                // A comma stands between two tasks.
                start = end + 1;
                next += 1;
            }
            let done: Vec<Option<String>> = self.with(|connection| batch.query(connection))?;
            written += done.iter().flatten().count() as u64;
        }
        self.written.fetch_add(written, Ordering::Relaxed);
        let there = (tasks.len() as u64).saturating_sub(written);
        self.there.fetch_add(there, Ordering::Relaxed);
        Ok(Receipt {
            name,
            import: about,
            times: None,
        })
    }

    /// The key of a task: by its source, its record, and 64 bits of the digest of its bytes.
    fn key(&self, task: &TaskAt, bytes: &[u8]) -> String {
        let path = &self.address.path;
        let between = if path.ends_with(['/', ':', '.', '-', '_']) {
            ""
        } else {
            "/"
        };
        let digest = blake3::hash(bytes).to_hex();
        let (source, record) = (task.place.source.0, task.place.record);
        format!("{path}{between}{source:04}-{record:010}-{}", &digest[..16])
    }
}

impl Sink for Redis {
    fn begin<'a>(&'a self, _run: &'a dyn Run) -> BoxFuture<'a, Result<Begin>> {
        let to = Arc::clone(&self.to);
        let look = move || {
            to.with(|connection| redis::cmd("PING").query::<String>(connection))
                .map(|_| Begin::First)
        };
        async { super::join(tokio::task::spawn_blocking(look).await) }.boxed()
    }

    fn at_once(&self) -> usize {
        1
    }

    fn store(&self) -> Store {
        Store::Divisible
    }

    fn rejects(&self) -> Option<PathBuf> {
        Some(self.rejects.clone())
    }

    fn deliver<'a>(
        &'a self,
        import: Import,
        _run: &'a dyn Run,
    ) -> BoxFuture<'a, Result<Vec<Receipt>>> {
        let to = Arc::clone(&self.to);
        let write = move || to.write(import).map(|receipt| vec![receipt]);
        async { super::join(tokio::task::spawn_blocking(write).await) }.boxed()
    }
}
