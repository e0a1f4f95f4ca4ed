//! A run's journal beside its manifest: put there after every record, so that another machine can go on.
//!
//! What is recorded is first safe on this machine's disk, then in the store, and only then is done what comes after it
//! ([`World::observer`]). A machine that dies between the two has done nothing of what its own disk knows and the store
//! does not. So a run that goes on takes the store's, whatever its own disk has.
//!
//! Each copy replaces the one that this process put before, by compare and swap. If something else is there, someone else
//! pushes, and this run stops. A new holder of the lease puts a copy before it does anything, after which no swap of an
//! earlier holder can be done.
//!
//! A copy is a Zstandard file: a frame to be skipped that says who put it, and the database. `zstd -d` makes it a database
//! that SQLite's own tools open. Rejects are put beside it, before the records that rest on them. A journal of 20,000
//! imports, a week at 30 s each, is 9.3 MB and its copy 1.9 MB; an import is five records, so five copies.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::cell::{Cell, Held, Place, Swap, Version};
use super::lease::Holder;
use crate::error::{Code, Error, Result};
use crate::journal::{Journal, World, copies};
use crate::source::remote::thread;

/// What a copy is called.
pub const COPY: &str = "journal.sqlite3.zst";

/// Bytes of a copy, at most.
const MOST_COPY: u64 = 1 << 30;

/// Bytes of the rejects of a run, at most.
const MOST_REJECTS: u64 = 4 << 30;

/// How hard copies are compressed: most of a journal are digests, which harder does not make smaller.
const LEVEL: i32 = 1;

/// How long a store is tried before the run ends, to be gone on with later.
const PATIENCE: Duration = Duration::from_mins(2);

/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// What begins a frame that readers skip (RFC 8878, section 3.1.2).
const SKIPPED: [u8; 4] = 0x184D_2A50_u32.to_le_bytes();

/// Who put a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sign {
    /// For people.
    pub holder: String,
    /// What no other process has.
    pub unlike: String,
    /// The lease that it holds.
    pub lease: String,
    /// How often that was taken.
    pub fence: u64,
}

impl Sign {
    /// That of who holds a lease, as the people call it.
    #[must_use]
    pub fn new(holder: &Holder, lease: String, fence: u64) -> Self {
        let Holder { name, unlike } = holder.clone();
        Sign {
            holder: name,
            unlike,
            lease,
            fence,
        }
    }
}

/// The journal of a run that lies beside its manifest.
pub struct Beside {
    place: Place,
    directory: PathBuf,
    sign: Sign,
    state: Mutex<State>,
}

struct State {
    journal: Kept,
    /// By the names of their files.
    rejects: BTreeMap<String, Kept>,
    /// After a failure nothing is put any more: what comes after it may not be done.
    failed: bool,
}

/// A file of which a copy is kept.
struct Kept {
    cell: Arc<dyn Cell>,
    /// What is there.
    version: Option<Version>,
    /// The size and time of the file when it was put there.
    seen: Option<(u64, Option<SystemTime>)>,
}

impl Beside {
    /// Fetches the journal that lies at a place into a directory, which is made anew, and opens it there. From then on a
    /// copy of every record is put at the place.
    ///
    /// # Errors
    /// When the store or the directory cannot be used, the copy is none, or someone else pushes.
    pub fn open(place: Place, directory: &Path, sign: Sign) -> Result<Journal> {
        let cell = place.cell(COPY, MOST_COPY)?;
        let there = read(&cell)?;
        if let Some(Held { bytes, .. }) = &there {
            let other = read_sign(bytes).ok_or_else(|| no_copy(&cell.shown(), "it has no sign"))?;
            if other.lease == sign.lease && other.fence > sign.fence {
                return Err(pushed(&cell.shown(), Some(&other)));
            }
        }
        restore(there.as_ref(), &cell, directory)?;
        let state = State {
            journal: Kept {
                cell,
                version: there.map(|held| held.version),
                seen: None,
            },
            rejects: BTreeMap::new(),
            failed: false,
        };
        let beside = Arc::new(Beside {
            place,
            directory: directory.to_owned(),
            sign,
            state: Mutex::new(state),
        });
        let observer = Arc::clone(&beside);
        let world = World {
            observer: Arc::new(move || observer.put()),
            ..World::default()
        };
        let journal = Journal::open_in(directory, world)?;
        for run in journal.runs()? {
            beside.fetch_rejects(&journal.rejects_of(&run.id))?;
        }
        beside.put()?;
        Ok(journal)
    }

    /// Fetches the journal that lies at a place into a directory, which is made anew, to look at it: nothing that is done
    /// with it is put back.
    ///
    /// # Errors
    /// When the store or the directory cannot be used, or the copy is none.
    pub fn look(place: &Place, directory: &Path) -> Result<Journal> {
        let cell = place.cell(COPY, MOST_COPY)?;
        restore(read(&cell)?.as_ref(), &cell, directory)?;
        Journal::open(directory)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches a file of rejects, if there is one.
    fn fetch_rejects(&self, path: &Path) -> Result<()> {
        let Some(name) = name_of(path) else {
            return Ok(());
        };
        let cell = self.place.cell(&name, MOST_REJECTS)?;
        let there = read(&cell)?;
        let Some(Held { bytes, version }) = there else {
            return Ok(());
        };
        fs::write(path, &bytes).map_err(|e| unread(path, &e))?;
        let kept = Kept {
            cell,
            version: Some(version),
            seen: seen(path),
        };
        self.state().rejects.insert(name, kept);
        Ok(())
    }

    /// Puts a copy of what there is now.
    fn put(&self) -> Result<()> {
        let mut state = self.state();
        if state.failed {
            return Err(Error::new(
                Code::Journal,
                "the journal's copy failed before",
            ));
        }
        // Put aside until all is done.
        state.failed = true;
        self.put_rejects(&mut state.rejects)?;
        let copy = copies::database(&self.directory, |database| packed(&self.sign, database))?
            .map_err(|e| Error::new(Code::Internal, format!("no copy of the journal: {e}")))?;
        state.journal.put(copy.into())?;
        state.failed = false;
        Ok(())
    }

    fn put_rejects(&self, known: &mut BTreeMap<String, Kept>) -> Result<()> {
        let files = fs::read_dir(&self.directory).map_err(|e| unread(&self.directory, &e))?;
        for path in files.flatten().map(|file| file.path()) {
            let Some(name) = name_of(&path).filter(|name| is_rejects(name)) else {
                continue;
            };
            let now = seen(&path);
            let kept = match known.get_mut(&name) {
                Some(kept) => kept,
                None => {
                    let cell = self.place.cell(&name, MOST_REJECTS)?;
                    known.entry(name).or_insert(Kept {
                        cell,
                        version: None,
                        seen: None,
                    })
                }
            };
            if kept.seen != now {
                let bytes = fs::read(&path).map_err(|e| unread(&path, &e))?;
                kept.put(bytes.into())?;
                kept.seen = now;
            }
        }
        Ok(())
    }
}

impl Kept {
    /// Puts some bytes in the place of those that are known to be there.
    fn put(&mut self, bytes: Bytes) -> Result<()> {
        let (cell, there) = (Arc::clone(&self.cell), self.version.clone());
        let put = async move { put(&*cell, there.as_ref(), bytes).await };
        self.version = Some(asked(&self.cell, put)?);
        Ok(())
    }
}

/// Makes a directory anew with the database of a copy, if there is one.
fn restore(there: Option<&Held>, cell: &Arc<dyn Cell>, directory: &Path) -> Result<()> {
    let mut database = there
        .map(|held| zstd::Decoder::with_buffer(&held.bytes[..]))
        .transpose()
        .map_err(|e| no_copy(&cell.shown(), e))?;
    let database = database.as_mut().map(|reader| reader as &mut dyn io::Read);
    copies::restore(directory, database)
}

/// What is in a cell.
fn read(cell: &Arc<dyn Cell>) -> Result<Option<Held>> {
    let asking = Arc::clone(cell);
    asked(cell, async move { asking.read().await })
}

/// Puts some bytes into a cell, also where answers are lost.
async fn put(cell: &dyn Cell, there: Option<&Version>, bytes: Bytes) -> Result<Version> {
    loop {
        let failed = match cell.swap(there, bytes.clone()).await {
            Ok(Swap::Done(version)) => return Ok(version),
            Ok(Swap::Other) => None,
            Err(error) if error.code() == Code::Unauthorized => return Err(error),
            Err(error) => Some(error),
        };
        match cell.read().await {
            // It was done, and the answer lost.
            Ok(Some(held)) if held.bytes == bytes => return Ok(held.version),
            Ok(held) if failed.is_none() || held.as_ref().map(|held| &held.version) != there => {
                let other = held.and_then(|held| read_sign(&held.bytes));
                return Err(pushed(&cell.shown(), other.as_ref()));
            }
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Asks a cell on the thread that waits on networks, and waits for it, whoever this is: also within a runtime, whose
/// thread then stands still, as it does while the disk is written.
fn asked<T: Send + 'static>(
    cell: &Arc<dyn Cell>,
    ask: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let shown = cell.shown();
    let (give, take) = mpsc::channel();
    thread::handle()?.spawn(async move {
        let answer = tokio::time::timeout(PATIENCE, ask).await;
        // Whoever asked waits for this.
        let _ = give.send(answer);
    });
    match take.recv() {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(Error::new(
            Code::ServerUnreachable,
            format!(
                "`{shown}` cannot be read or written: no answer in {} s",
                PATIENCE.as_secs()
            ),
        )
        .help("run the same command again: it goes on")),
        Err(_) => Err(Error::new(Code::Internal, "asking a store ended")),
    }
}

/// A copy: who put it, and the database.
fn packed(sign: &Sign, database: &[u8]) -> io::Result<Vec<u8>> {
    let sign = serde_json::to_vec(sign)?;
    let length = u32::try_from(sign.len()).map_err(io::Error::other)?;
    let mut copy = Vec::with_capacity(database.len() / 3);
    copy.extend_from_slice(&SKIPPED);
    copy.extend_from_slice(&length.to_le_bytes());
    copy.extend_from_slice(&sign);
    zstd::stream::copy_encode(database, &mut copy, LEVEL)?;
    Ok(copy)
}

/// Who put a copy, if it is one.
fn read_sign(copy: &[u8]) -> Option<Sign> {
    let rest = copy.strip_prefix(&SKIPPED)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    serde_json::from_slice(rest.get(..length)?).ok()
}

fn is_rejects(name: &str) -> bool {
    name.strip_prefix("rejects-")
        .is_some_and(|rest| rest.strip_suffix(".jsonl").is_some())
}

fn name_of(path: &Path) -> Option<String> {
    path.file_name()?.to_str().map(str::to_owned)
}

fn seen(path: &Path) -> Option<(u64, Option<SystemTime>)> {
    let about = fs::metadata(path).ok()?;
    Some((about.len(), about.modified().ok()))
}

fn no_copy(shown: &str, why: impl std::fmt::Display) -> Error {
    Error::new(
        Code::Journal,
        format!("`{shown}` is no copy of a journal: {why}"),
    )
    .help(
        "move it away and run again; what was sent is then not known, so look at the server before",
    )
}

fn pushed(shown: &str, by: Option<&Sign>) -> Error {
    let by = by.map_or_else(|| "another sluice".to_owned(), |sign| sign.holder.clone());
    Error::new(
        Code::Lease,
        format!("{by} pushes the same run now, and has written `{shown}`; this run has stopped"),
    )
    .help("run the same command again when no other runs: it goes on where the last one stopped")
}

fn unread(path: &Path, cause: &io::Error) -> Error {
    Error::new(
        Code::Journal,
        format!("cannot read or write `{}`: {cause}", path.display()),
    )
}
