//! The packer: record batches in, imports out.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::Value;
use sluice::cli::args::{FieldArguments, ImportArguments, LimitArguments, NulArgument};
use sluice::cli::caller::{Application, Caller};
use sluice::cli::pack::{Packing, Ready, checked};
use sluice::error::{Code, Error, Result};
use sluice::report::Report;
use sluice::sink::directory::REJECTS;
use sluice::source::batches::{HandOver, batches};
use sluice::stop::Cause;

use crate::capsule::{self, Batches};
use crate::error::{raised, usage};
use crate::work::of_json;

/// Packs Arrow data into imports of Label Studio tasks, in a folder or in a bucket.
#[pyclass(frozen, module = "sluice")]
pub(crate) struct Packer {
    shared: Arc<Shared>,
    run: String,
}

struct Shared {
    application: Arc<Application>,
    state: Mutex<State>,
    /// Where imports go, and the folder there of the part that this is.
    to: String,
    part: Option<String>,
}

enum State {
    /// Nothing has come yet, and nothing is opened.
    Ready {
        ready: Box<Ready>,
        hand: HandOver,
    },
    Open {
        hand: HandOver,
        work: JoinHandle<Result<()>>,
    },
    Closed(Box<Report>),
    Failed,
    GivenUp,
}

#[pymethods]
impl Packer {
    #[new]
    #[pyo3(signature = (
        to, *, label_config=None, map=None, pick=None, set=None, data_key=None, max_tasks=None, max_bytes=None,
        max_rejects=None, predictions_from=None, model_version=None, score_from=None, validate=true, provenance=false,
        dedupe=None, nul="reject", run_id=None, part=None, overwrite=false, threads=None, memory=None
    ))]
    #[allow(
        clippy::too_many_arguments,
        clippy::fn_params_excessive_bools,
        clippy::needless_pass_by_value,
        reason = "they are keywords to whoever calls it"
    )]
    fn new(
        py: Python<'_>,
        to: PathBuf,
        label_config: Option<PathBuf>,
        map: Option<&Bound<'_, PyDict>>,
        pick: Option<Vec<String>>,
        set: Option<&Bound<'_, PyDict>>,
        data_key: Option<String>,
        max_tasks: Option<usize>,
        max_bytes: Option<usize>,
        max_rejects: Option<&Bound<'_, PyAny>>,
        predictions_from: Option<&Bound<'_, PyAny>>,
        model_version: Option<String>,
        score_from: Option<String>,
        validate: bool,
        provenance: bool,
        dedupe: Option<String>,
        nul: &str,
        run_id: Option<String>,
        part: Option<String>,
        overwrite: bool,
        threads: Option<u16>,
        memory: Option<usize>,
    ) -> PyResult<Self> {
        let raise = |error| raised(py, error);
        let to = to.into_os_string().into_string();
        let to = to.map_err(|_| raise(usage("the target's name is not Unicode")))?;
        let folder = part.map(|part| checked(&part).map(|part| format!("part-{part}")));
        let folder = folder.transpose().map_err(raise)?;
        let whole = match &folder {
            Some(folder) => format!("{}/{folder}", to.trim_end_matches('/')),
            None => to.clone(),
        };
        let mut packing = Packing::new(&whole).map_err(raise)?;
        packing.part = folder.is_some();
        packing.run = run_id;
        let ImportArguments {
            fields,
            limits,
            delivery,
            ..
        } = &mut packing.arguments;
        if let Some(config) = label_config {
            // What begins like one is a labelling config; anything else names a file with one.
            match config
                .to_str()
                .filter(|text| text.trim_start().starts_with('<'))
            {
                Some(xml) => packing.label_config = Some(xml.to_owned()),
                None => fields.label_config = Some(config),
            }
        }
        set_fields(fields, map, set)?;
        set_limits(limits, max_tasks, max_bytes, max_rejects).map_err(|e| e.raised(py))?;
        fields.pick = pick;
        fields.data_key = data_key;
        fields.no_validation = !validate;
        fields.provenance = provenance;
        fields.dedupe = dedupe;
        fields.score_from = score_from;
        if let Some(version) = model_version {
            fields.model_version = version;
        }
        fields.nul = match nul {
            "reject" => NulArgument::Reject,
            "replace" => NulArgument::Replace,
            other => {
                return Err(raise(usage(format!(
                    "nul=`{other}`: it is `reject` or `replace`"
                ))));
            }
        };
        if let Some(from) = predictions_from {
            fields.predictions_from = from_words(from)?;
        }
        limits.threads = threads.filter(|threads| *threads > 0).or(limits.threads);
        limits.memory = memory.filter(|bytes| *bytes > 0).unwrap_or(limits.memory);
        let application = Arc::new(Application::default());
        delivery.server.reach.caller = Caller::of(&application);
        packing.arguments.overwrite = overwrite;
        let (run, state) = py.detach(|| ready(packing)).map_err(raise)?;
        let shared = Arc::new(Shared {
            application,
            state: Mutex::new(state),
            to,
            part: folder,
        });
        Ok(Packer { shared, run })
    }

    /// The run's id.
    #[getter]
    fn run_id(&self) -> &str {
        &self.run
    }

    /// Packs the rows of any object with `__arrow_c_stream__` or `__arrow_c_array__`; gives how many there were.
    fn write(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<u64> {
        let batches = capsule::batches(data)?;
        let shared = &self.shared;
        match py.detach(|| shared.give(batches)) {
            Ok(rows) => Ok(rows),
            Err(Ended::Raised(raised)) => Err(raised),
            Err(Ended::Failed(error)) => Err(raised(py, error)),
        }
    }

    /// Writes what is left, and ends it; gives what was packed. Once more gives the same.
    fn close(&self, py: Python<'_>) -> PyResult<Packed> {
        let shared = &self.shared;
        let report = py.detach(|| shared.close());
        let report = report.map_err(|error| raised(py, error))?;
        let manifest = shared.application.manifest.get();
        let manifest = manifest.map_or(&[][..], Vec::as_slice);
        Ok(Packed::of(
            &report,
            manifest,
            &shared.to,
            shared.part.as_deref(),
        ))
    }

    /// Gives it up: what was written stays, and counts for nothing.
    fn abort(&self, py: Python<'_>) {
        let shared = &self.shared;
        py.detach(|| shared.abort());
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        kind: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let shared = &self.shared;
        if !kind.is_none() {
            self.abort(py);
        } else if !py.detach(|| matches!(*shared.state(), State::GivenUp)) {
            self.close(py)?;
        }
        Ok(false)
    }
}

/// Why no more was taken.
enum Ended {
    Failed(Error),
    Raised(PyErr),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Ended::Failed(error)
    }
}

fn ready(packing: Packing) -> Result<(String, State)> {
    let (hand, batches) = batches();
    let ready = Box::new(Ready::new(packing, batches)?);
    Ok((ready.run_id().to_owned(), State::Ready { ready, hand }))
}

impl State {
    /// Begins, if that is still to be done; the end that batches are handed to, if it is open then.
    fn open(&mut self) -> Result<Option<&HandOver>> {
        if let State::Ready { .. } = self
            && let State::Ready { ready, hand } = std::mem::replace(self, State::Failed)
        {
            let work = thread::Builder::new()
                .name("sluice-packer".to_owned())
                .spawn(move || ready.run())
                .map_err(|e| Error::new(Code::Internal, format!("cannot start a thread: {e}")))?;
            *self = State::Open { hand, work };
        }
        Ok(match self {
            State::Open { hand, .. } => Some(hand),
            State::Ready { .. } | State::Closed(_) | State::Failed | State::GivenUp => None,
        })
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over batches. Whoever writes at the same time waits.
    fn give(&self, batches: Batches) -> Result<u64, Ended> {
        let mut state = self.state();
        let mut rows = 0;
        if state.open()?.is_none() {
            return Err(closed().into());
        }
        for batch in batches {
            let batch = batch?;
            #[expect(
                clippy::redundant_closure_for_method_calls,
                reason = "the method is for one lifetime, and this for any"
            )]
            Python::attach(|py| py.check_signals()).map_err(Ended::Raised)?;
            rows += batch.num_rows() as u64;
            let given = state.open()?.map(|hand| hand.give(batch));
            if given != Some(Ok(())) {
                return Err(match end(&mut state, |_| ()) {
                    Ok(()) => closed(),
                    Err(error) => error,
                }
                .into());
            }
        }
        Ok(rows)
    }

    fn close(&self) -> Result<Report> {
        let mut state = self.state();
        match &*state {
            State::Closed(report) => return Ok((**report).clone()),
            State::Failed | State::GivenUp => return Err(closed()),
            State::Ready { .. } | State::Open { .. } => {}
        }
        state.open()?;
        end(&mut state, HandOver::end)?;
        let report = self.application.report.get().cloned();
        let report = report
            .ok_or_else(|| Error::new(Code::Internal, "what was packed has left no report"))?;
        *state = State::Closed(Box::new(report.clone()));
        Ok(report)
    }

    fn abort(&self) {
        let given_up = || Error::new(Code::SourceRead, "the packer was given up");
        self.application.stop.trip(Cause::Failed(given_up()));
        let mut state = self.state();
        if !matches!(*state, State::Closed(_)) {
            // It failed, as it was told to.
            let _ = end(&mut state, drop);
            *state = State::GivenUp;
        }
    }
}

/// Ends the work and waits for it.
fn end(state: &mut State, hand_over: impl FnOnce(HandOver)) -> Result<()> {
    match std::mem::replace(state, State::Failed) {
        State::Open { hand, work } => {
            hand_over(hand);
            work.join()
                .unwrap_or_else(|_| Err(Error::new(Code::Internal, "the packer panicked")))
        }
        // Nothing had come, and nothing was written.
        State::Ready { .. } | State::Failed | State::GivenUp => Ok(()),
        State::Closed(report) => {
            *state = State::Closed(report);
            Ok(())
        }
    }
}

fn closed() -> Error {
    usage("the packer is closed").help("make another one, with a run or a part of its own")
}

/// An error that may be Python's own.
enum Wrong {
    Said(Error),
    Raised(PyErr),
}

impl Wrong {
    fn raised(self, py: Python<'_>) -> PyErr {
        match self {
            Wrong::Said(error) => raised(py, error),
            Wrong::Raised(raised) => raised,
        }
    }
}

impl From<PyErr> for Wrong {
    fn from(raised: PyErr) -> Self {
        Wrong::Raised(raised)
    }
}

fn set_limits(
    limits: &mut LimitArguments,
    max_tasks: Option<usize>,
    max_bytes: Option<usize>,
    max_rejects: Option<&Bound<'_, PyAny>>,
) -> Result<(), Wrong> {
    limits.max_tasks = max_tasks.unwrap_or(limits.max_tasks);
    limits.max_bytes = max_bytes.unwrap_or(limits.max_bytes);
    if let Some(most) = max_rejects {
        let most = most.str()?.to_string().parse();
        limits.max_rejects = most.map_err(|said: String| Wrong::Said(usage(said)))?;
    }
    Ok(())
}

fn set_fields(
    fields: &mut FieldArguments,
    map: Option<&Bound<'_, PyDict>>,
    set: Option<&Bound<'_, PyDict>>,
) -> PyResult<()> {
    for (new, old) in map.into_iter().flatten() {
        fields.map.push((new.extract()?, old.extract()?));
    }
    for (key, value) in set.into_iter().flatten() {
        let json = value.py().import("json")?.call_method1("dumps", (value,))?;
        fields.set.push((key.extract()?, json.extract()?));
    }
    Ok(())
}

/// `["field"]`, `["control=field"]` or `{"control": "field"}`, as on the command line.
fn from_words(from: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let Ok(controls) = from.cast::<PyDict>() else {
        return from.extract();
    };
    let word = |(control, field): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        Ok(format!("{}={}", control.str()?, field.str()?))
    };
    controls.iter().map(word).collect()
}

/// One import that was packed.
#[pyclass(frozen, get_all, module = "sluice", skip_from_py_object)]
#[derive(Clone)]
pub(crate) struct Import {
    /// Its number in the packer's work, from 1.
    number: u64,
    /// Its name below the run's folder or prefix.
    name: String,
    /// How many tasks it holds.
    tasks: usize,
    /// Its exact size.
    bytes: usize,
    /// The digest of its bytes, in hexadecimal.
    blake3: String,
}

#[pymethods]
impl Import {
    fn __repr__(&self) -> String {
        format!(
            "Import({:?}, tasks={}, bytes={})",
            self.name, self.tasks, self.bytes
        )
    }
}

/// What a packer has packed.
#[pyclass(frozen, get_all, module = "sluice")]
pub(crate) struct Packed {
    /// The run's id.
    run_id: String,
    /// The imports, in order.
    imports: Vec<Import>,
    /// Rows taken.
    records: u64,
    /// Tasks in the imports.
    tasks: u64,
    /// Rows that became no task.
    rejects: u64,
    /// Rows that came before and were left out.
    duplicates: u64,
    /// Bytes of all imports.
    bytes: u64,
    /// Where the rejects are, if there are any.
    rejects_path: Option<String>,
    /// The manifest as JSON, with names from the run's folder on: of a part it is what `commit` takes.
    manifest: String,
    /// The report as JSON.
    report: String,
}

impl Packed {
    fn of(report: &Report, manifest: &[u8], to: &str, part: Option<&str>) -> Self {
        let within =
            |name: &str| part.map_or_else(|| name.to_owned(), |part| format!("{part}/{name}"));
        let mut manifest: Value = serde_json::from_slice(manifest).unwrap_or_default();
        for import in manifest["imports"].as_array_mut().into_iter().flatten() {
            if let Some(name) = import["name"].as_str().map(within) {
                import["name"] = name.into();
            }
        }
        let imports = report
            .deliveries
            .iter()
            .map(|delivery| &delivery.receipt)
            .map(|receipt| Import {
                number: receipt.import.number,
                name: within(&receipt.name),
                tasks: receipt.import.tasks,
                bytes: receipt.import.bytes,
                blake3: receipt.import.blake3.0.clone(),
            });
        let imports = imports.collect();
        let totals = &report.totals;
        let rejects_path = (totals.rejects > 0)
            .then(|| format!("{}/{}", to.trim_end_matches('/'), within(REJECTS)));
        Packed {
            manifest: manifest.to_string(),
            report: serde_json::to_string(report).unwrap_or_default(),
            imports,
            records: totals.records,
            tasks: totals.tasks,
            rejects: totals.rejects,
            duplicates: totals.duplicates,
            bytes: totals.bytes,
            rejects_path,
            run_id: report.facts.run.clone(),
        }
    }
}

#[pymethods]
impl Packed {
    /// All that is known, as `--report` writes it.
    fn as_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        of_json(py, &self.report)
    }

    fn __repr__(&self) -> String {
        format!(
            "Packed(run_id={:?}, imports={}, tasks={}, rejects={}, bytes={})",
            self.run_id,
            self.imports.len(),
            self.tasks,
            self.rejects,
            self.bytes
        )
    }
}
