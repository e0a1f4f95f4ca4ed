//! Runs by their ids, wherever their journals are: that of this machine, and those that lie beside what was pushed from a
//! bucket. What is done about such a run later is done as a push is: with the server's lease, and the journal fetched from
//! where it lies and put back there, since another machine may have gone on since.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::args::{LeaseArguments, ReachArguments, StateArguments};
use super::leases::{Shared, Taken};
use super::push::LOCKS;
use super::server;
use crate::deliver::beside::{Beside, COPY};
use crate::deliver::cell::Place;
use crate::deliver::lease;
use crate::error::{Code, Error, Result};
use crate::journal::{Journal, Run, RunState, one_of};
use crate::packed::home::Home;
use crate::partial_file::PartialFile;
use crate::sink::label_studio::recorded::Recorded;
use crate::sink::label_studio::target::Leases;
use crate::source::remote::bucket::Address;

/// Where the copies of fetched journals are, in the state directory.
const PUSHES: &str = "push";

/// How the journal of a push is found again: no secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// Where it lies.
    beside: String,
    /// Where the leases of its servers are.
    lease: String,
}

impl Note {
    /// That of a journal that lies at a place.
    pub(super) fn new(beside: &Place, lease: &Place) -> Self {
        Note {
            beside: beside.shown(),
            lease: lease.shown(),
        }
    }

    /// The folder of its copy on a machine that paces its imports by this journal.
    pub(super) fn directory(&self, pace: &Journal) -> PathBuf {
        let digest = lease::digest(&format!("{}/{COPY}", self.beside));
        pace.directory().join(PUSHES).join(&digest[..32])
    }

    /// Keeps it beside that folder, which is made anew each time.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn keep(&self, pace: &Journal) -> Result<()> {
        let path = self.directory(pace).with_extension("json");
        let write = || {
            let json = serde_json::to_vec_pretty(self)?;
            fs::create_dir_all(pace.directory().join(PUSHES))?;
            let mut file = PartialFile::create(&path)?;
            std::io::Write::write_all(&mut file, &json)?;
            file.finish()
        };
        write().map_err(|e| failed("write", &path, &e))
    }

    /// All that are kept.
    fn all(pace: &Journal) -> Result<Vec<Note>> {
        let folder = pace.directory().join(PUSHES);
        let files = match fs::read_dir(&folder) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            files => files.map_err(|e| failed("read", &folder, &e))?,
        };
        let mut paths: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|end| end == "json"));
        paths.sort();
        let read = |path: &PathBuf| {
            let json = fs::read(path).map_err(|e| failed("read", path, &e))?;
            serde_json::from_slice(&json).map_err(|e| failed("read", path, &e.into()))
        };
        paths.iter().map(read).collect()
    }
}

/// All journals of a machine: its own, and the copies of those that lie in buckets.
///
/// # Errors
/// When one cannot be read.
pub(super) fn journals(state: &StateArguments) -> Result<Vec<(Journal, Option<Note>)>> {
    let own = server::journal(state)?;
    let mut all = vec![(own.clone(), None)];
    for note in Note::all(&own)? {
        let directory = note.directory(&own);
        // A push that failed before it had fetched any leaves none.
        if directory.exists() {
            all.push((Journal::open(&directory)?, Some(note)));
        }
    }
    Ok(all)
}

/// A run, and the journal that it is in.
pub(super) struct Known {
    /// The run.
    pub(super) run: Run,
    /// Its journal, or the copy that this machine has of it.
    pub(super) journal: Journal,
    note: Option<Note>,
    /// Holds a copy that is of no use later.
    _folder: Option<tempfile::TempDir>,
}

/// The run of this id, or the only one whose id starts so, in whichever journal; the last run that was pushed, where the
/// word is the address of what was.
///
/// # Errors
/// When there is none, or not one alone; when a journal cannot be read.
pub(super) fn find(state: &StateArguments, word: &str) -> Result<Known> {
    if Address::parse(word)?.is_some() {
        return beside(word);
    }
    let mut all = Vec::new();
    let journals = journals(state)?;
    for (journal, note) in &journals {
        for run in journal.runs()? {
            all.push((run, (journal.clone(), note.clone())));
        }
    }
    let path = journals[0].0.path();
    let (run, (journal, note)) = one_of(all, word, &path)?;
    Ok(Known {
        run,
        journal,
        note,
        _folder: None,
    })
}

/// The last run that was pushed from a bucket, by whatever machine.
fn beside(word: &str) -> Result<Known> {
    let none = |why: String| {
        Error::new(Code::Usage, why).help("name the run by its id, as `sluice runs` lists it")
    };
    let home = Home::of_packed(word)?;
    let Home::Prefix(bucket, prefix) = &home else {
        return Err(none(format!("`{word}` is no address in a bucket")));
    };
    let below = format!("{prefix}/{PUSHES}");
    let below = below.trim_start_matches('/').to_owned();
    let home = Home::Prefix(bucket.clone(), below.clone());
    let copy = format!("/{COPY}");
    let mut names: Vec<String> = home.list()?.into_iter().map(|(name, _)| name).collect();
    names.retain(|name| name.ends_with(&copy));
    let folder = tempfile::tempdir().map_err(|e| failed("make", &std::env::temp_dir(), &e))?;
    let mut last: Option<(Run, Journal, Note)> = None;
    for (number, name) in names.iter().enumerate() {
        let at = format!("{below}/{}", name.trim_end_matches(&copy));
        let place = Place::Bucket(bucket.clone(), at);
        let locks = Place::Bucket(bucket.clone(), LOCKS.to_owned());
        let note = Note::new(&place, &locks);
        let journal = Beside::look(&place, &folder.path().join(number.to_string()))?;
        for run in journal.runs()? {
            if last
                .as_ref()
                .is_none_or(|(last, ..)| last.created <= run.created)
            {
                last = Some((run, journal.clone(), note.clone()));
            }
        }
    }
    let (run, journal, note) =
        last.ok_or_else(|| none(format!("nothing was pushed from `{word}`")))?;
    Ok(Known {
        run,
        journal,
        note: Some(note),
        _folder: Some(folder),
    })
}

impl Known {
    /// Makes sure that its imports are in projects.
    ///
    /// # Errors
    /// When it filled something else.
    pub(super) fn into_projects(self) -> Result<Self> {
        if self.run.is_into_projects() {
            return Ok(self);
        }
        let Run { id, target, .. } = &self.run;
        Err(Error::new(
            Code::Usage,
            format!("run `{id}` went to `{target}`, and only projects of Label Studio can be asked what they have"),
        )
        .help("the manifest of a folder or a bucket says what it holds"))
    }

    /// Takes it in hand, and its projects' servers: with their leases, where its journal lies in a bucket, until what
    /// comes with it is dropped.
    ///
    /// # Errors
    /// When another process or machine has it, it cannot be fetched, or there is no token.
    pub(super) fn in_hand(
        self,
        reach: &ReachArguments,
        interval: Duration,
        leases: &LeaseArguments,
    ) -> Result<(Recorded, Option<Taken>)> {
        let Known {
            run, journal, note, ..
        } = self;
        let addresses = Recorded::addresses(&journal, &run)?;
        let connection = server::connection(reach, interval, &addresses)?;
        let pace = server::journal(&reach.state)?;
        let mut leases = leases.clone();
        if let Some(note) = &note {
            leases.lease.get_or_insert_with(|| note.lease.clone());
        }
        let taken = Shared::asked(&leases)?.take(&addresses, interval, &leases, false)?;
        let held = taken
            .as_ref()
            .map_or_else(|| Leases::none(&pace), |taken| taken.leases(&pace));
        let journal = match (&note, &taken) {
            (Some(note), Some(taken)) => {
                // What was looked at may be older than what is fetched into its place.
                drop(journal);
                note.keep(&pace)?;
                let (place, sign) = (Place::parse(&note.beside)?, taken.sign()?);
                Beside::open(place, &note.directory(&pace), sign)?
            }
            _ => journal,
        };
        let recorded = Recorded::open(&journal, &run.id, &connection, &held)?;
        Ok((recorded, taken))
    }

    /// Whether it was taken back, as far as is known here.
    pub(super) fn is_undone(&self) -> bool {
        self.run.state == RunState::Undone
    }
}

fn failed(what: &str, path: &Path, cause: &std::io::Error) -> Error {
    Error::new(
        Code::Journal,
        format!("cannot {what} `{}`: {cause}", path.display()),
    )
}
