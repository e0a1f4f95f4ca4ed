//! The manifest of a target: what a run writes when everything is in, and what is read of it again.

use std::io::{self, BufReader, Read, Seek};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::AGAIN;
use super::home::is_inside;
use crate::deliver::Receipt;
use crate::error::{Code, Error, Result};
use crate::plan::Plan;
use crate::report::{Report, Totals};
use crate::source::listed::Sources;

/// The version of the manifest's layout.
pub const VERSION: u32 = 1;

/// The manifest, as a run writes it.
#[derive(Serialize)]
pub struct Manifest<'a> {
    version: u32,
    run: &'a str,
    complete: bool,
    plan: String,
    #[serde(serialize_with = "names")]
    sources: &'a Sources,
    max_tasks: usize,
    max_bytes: usize,
    records: u64,
    tasks: u64,
    rejects: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicates: Option<u64>,
    bytes: u64,
    imports: Vec<&'a Receipt>,
}

fn names<S: Serializer>(sources: &Sources, serializer: S) -> Result<S::Ok, S::Error> {
    let names = sources.each(|source| source.name.to_string());
    names.serialize(serializer)
}

impl<'a> Manifest<'a> {
    /// That of a run that has ended.
    ///
    /// # Errors
    /// Never, unless a name cannot be written as JSON.
    pub fn of(plan: &'a Plan, report: &'a Report) -> Result<Self> {
        let imports = report.deliveries.iter().map(|delivery| &delivery.receipt);
        Self::with(plan, report.complete, &report.totals, imports.collect())
    }

    /// That of a run that has begun: it says whose the target is.
    ///
    /// # Errors
    /// Never, unless a name cannot be written as JSON.
    pub fn begun(plan: &'a Plan) -> Result<Self> {
        Self::with(plan, false, &Totals::default(), Vec::new())
    }

    fn with(
        plan: &'a Plan,
        complete: bool,
        totals: &Totals,
        imports: Vec<&'a Receipt>,
    ) -> Result<Self> {
        Ok(Manifest {
            version: VERSION,
            run: &plan.run,
            complete,
            plan: plan.digest()?,
            sources: &plan.sources,
            max_tasks: plan.limits.tasks.get(),
            max_bytes: plan.limits.bytes.get(),
            records: totals.records,
            tasks: totals.tasks,
            rejects: totals.rejects,
            duplicates: (plan.normalizer.dedupe.is_some()).then_some(totals.duplicates),
            bytes: totals.bytes,
            imports,
        })
    }

    /// As it is written.
    ///
    /// # Errors
    /// Never, unless a name cannot be written as JSON.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        to_json(self)
    }
}

/// The manifest, as it is read again, with `More` of each import than is needed to read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listed<More = Rest> {
    /// [`VERSION`].
    pub version: u32,
    /// The id of the run that wrote it.
    pub run: String,
    /// Whether all of the input is in.
    pub complete: bool,
    /// The digest of all that decides what the tasks are.
    pub plan: String,
    /// The names of what was read.
    pub sources: Vec<String>,
    /// Tasks that an import holds at most.
    pub max_tasks: u64,
    /// Bytes that an import holds at most.
    pub max_bytes: u64,
    /// Records read, good and bad.
    pub records: u64,
    /// Tasks in the imports.
    pub tasks: u64,
    /// Records that became no task.
    pub rejects: u64,
    /// Records that came before and were left out, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<u64>,
    /// Bytes of the imports.
    pub bytes: u64,
    /// The imports, in order.
    pub imports: Vec<Imported<More>>,
}

/// All that a manifest says of an import.
pub type Rest = serde_json::Map<String, Value>;

/// No more than is needed to read it: there may be a great many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nothing {}

/// One import of a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Imported<More = Rest> {
    /// What it is called, from the manifest's own place on.
    pub name: String,
    /// Its number in the manifest, from 1.
    pub number: u64,
    /// Its tasks.
    pub tasks: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// The digest of its bytes, in hexadecimal.
    pub blake3: String,
    /// The places of its first and last task, and whatever else its writer says of it.
    #[serde(flatten)]
    pub more: More,
}

impl<More: DeserializeOwned> Listed<More> {
    /// Reads a manifest, which is called `shown`.
    ///
    /// # Errors
    /// When it is no manifest, or of another version.
    pub fn parse(json: &[u8], shown: &str) -> Result<Self> {
        Self::read(io::Cursor::new(json), shown)
    }

    /// The same of what need not be in memory: it is read twice.
    ///
    /// # Errors
    /// Those of [`Listed::parse`].
    pub fn read(json: impl Read + Seek, shown: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Of {
            version: Option<u64>,
        }
        let mut json = BufReader::new(json);
        let not = |e: serde_json::Error| {
            Error::new(
                Code::Format,
                format!("`{shown}` is not the manifest of a target: {e}"),
            )
            .help("name what `sluice import --to TARGET` has filled")
        };
        let Of { version } = serde_json::from_reader(&mut json).map_err(not)?;
        json.rewind()
            .map_err(|e| not(serde::de::Error::custom(e)))?;
        match version {
            Some(version) if version != u64::from(VERSION) => Err(Error::new(
                Code::Format,
                format!(
                    "`{shown}` has version {version}, this sluice knows version {VERSION} alone"
                ),
            )
            .help("use the sluice that wrote it")),
            _ => serde_json::from_reader(json).map_err(not),
        }
    }

    /// Makes sure that it is complete, and agrees with itself.
    ///
    /// # Errors
    /// When it is not.
    pub fn check(&self, shown: &str) -> Result<()> {
        if !self.complete {
            return Err(Error::new(
                Code::Format,
                format!("`{shown}` is not complete: the run that packed it ended early"),
            )
            .help("pack again with `sluice import ... --overwrite`"));
        }
        let tasks = self.tasks;
        if self.imports.iter().map(|import| import.tasks).sum::<u64>() != tasks {
            return Err(Error::new(
                Code::Format,
                format!("`{shown}` does not agree with itself: its imports do not hold {tasks} tasks together"),
            )
            .help(AGAIN));
        }
        match self.imports.iter().find(|import| !is_inside(&import.name)) {
            Some(import) => Err(Error::new(
                Code::Format,
                format!(
                    "the manifest names `{}`, which is no file of its folder",
                    import.name
                ),
            )
            .help(AGAIN)),
            None => Ok(()),
        }
    }
}

impl<More: Serialize> Listed<More> {
    /// As it is written.
    ///
    /// # Errors
    /// Never, unless a name cannot be written as JSON.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        to_json(self)
    }
}

fn to_json(manifest: &impl Serialize) -> Result<Vec<u8>> {
    let mut json = serde_json::to_vec_pretty(manifest)
        .map_err(|e| Error::new(Code::Internal, format!("no manifest: {e}")))?;
    json.push(b'\n');
    Ok(json)
}

/// Tells whether another manifest speaks of the same imports, made in the same way of the same sources.
pub fn same_but_run(manifest: &[u8]) -> impl FnOnce(&[u8]) -> bool + use<> {
    let without_run = |json: &[u8]| {
        let mut value: Value = serde_json::from_slice(json).ok()?;
        value.as_object_mut()?.remove("run");
        Some(value)
    };
    let this = without_run(manifest);
    move |other| this.is_some() && this == without_run(other)
}
