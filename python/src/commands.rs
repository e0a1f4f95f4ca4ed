//! The commands, as functions: the same words as on the command line, the same code.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList, PyTuple};
use serde_json::json;
use sluice::cli::args::Command;
use sluice::cli::caller::{Application, Caller, command};
use sluice::cli::{plan as planning, push as pushing, verify as verifying};
use sluice::error::{Code, Error};
use sluice::packed::home::Home;
use sluice::packed::manifest::Listed;
use sluice::packed::parts;
use sluice::plan::Tolerance;

use crate::error::{raised, usage};
use crate::work::{of_json, watched};

/// Sends imports packed earlier to projects of Label Studio: `sluice push PACKED --to TO ...`. Every other keyword is a
/// flag of that name. `progress` is called a few times a second with a dictionary. Gives the report.
///
/// The token is taken from the environment, as by the command.
#[pyfunction]
#[pyo3(signature = (packed, to, *, progress=None, **flags))]
pub(crate) fn push<'py>(
    py: Python<'py>,
    packed: PathBuf,
    to: &Bound<'py, PyAny>,
    progress: Option<&Bound<'py, PyAny>>,
    flags: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut words = vec!["push".to_owned(), text(packed).map_err(|e| raised(py, e))?];
    add(&mut words, "to", to)?;
    add_all(&mut words, flags)?;
    words.push("--quiet".to_owned());
    let application: Arc<Application> = Arc::default();
    let command = command(&words).map_err(|e| raised(py, e))?;
    let Command::Push(mut arguments) = command else {
        return Err(raised(py, usage("no push")));
    };
    arguments.delivery.server.reach.caller = Caller::of(&application);
    watched(py, &application, progress, move || pushing::run(&arguments))?;
    let report = application.report.get();
    let report = report.and_then(|report| serde_json::to_string(report).ok());
    let none = || Error::new(Code::Internal, "the run has left no report");
    of_json(py, &report.ok_or_else(|| raised(py, none()))?)
}

/// What an import of these sources would come to: `sluice plan SOURCE... --to TO ...`. Nothing is sent.
#[pyfunction]
#[pyo3(signature = (sources, to=None, *, progress=None, **flags))]
pub(crate) fn plan<'py>(
    py: Python<'py>,
    sources: &Bound<'py, PyAny>,
    to: Option<&Bound<'py, PyAny>>,
    progress: Option<&Bound<'py, PyAny>>,
    flags: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut words = vec!["plan".to_owned(), "--quiet".to_owned()];
    if let Some(to) = to {
        add(&mut words, "to", to)?;
    }
    add_all(&mut words, flags)?;
    words.push("--".to_owned());
    if sources.is_instance_of::<PyList>() || sources.is_instance_of::<PyTuple>() {
        for source in sources.try_iter()? {
            words.push(source?.str()?.to_string());
        }
    } else {
        words.push(sources.str()?.to_string());
    }
    let application: Arc<Application> = Arc::default();
    let command = command(&words).map_err(|e| raised(py, e))?;
    let Command::Plan(mut arguments) = command else {
        return Err(raised(py, usage("no plan")));
    };
    arguments.import.delivery.server.reach.caller = Caller::of(&application);
    watched(py, &application, progress, move || {
        planning::run(&arguments)
    })?;
    let none = || Error::new(Code::Internal, "there is no plan");
    of_json(
        py,
        application.plan.get().ok_or_else(|| raised(py, none()))?,
    )
}

/// Counts a run's imports at the target: `sluice verify RUN ...`. Gives `ok`, and what was found of every import.
#[pyfunction]
#[pyo3(signature = (run, *, progress=None, **flags))]
pub(crate) fn verify<'py>(
    py: Python<'py>,
    run: &str,
    progress: Option<&Bound<'py, PyAny>>,
    flags: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut words = vec!["verify".to_owned(), run.to_owned()];
    add_all(&mut words, flags)?;
    let application: Arc<Application> = Arc::default();
    let command = command(&words).map_err(|e| raised(py, e))?;
    let Command::Verify(mut arguments) = command else {
        return Err(raised(py, usage("no verify")));
    };
    arguments.server.reach.caller = Caller::of(&application);
    // What is compared with its sources is read from the folder it was imported from.
    let folder = std::env::current_dir();
    let found = watched(py, &application, progress, move || {
        verifying::look(&arguments)
    });
    if let Ok(folder) = folder {
        let _ = std::env::set_current_dir(folder);
    }
    let found = found?;
    let imports = found.counted.iter().map(|one| {
        let (sent, there) = (&one.entry.intent, one.stored);
        json!({
            "number": sent.number, "result": one.verdict.to_string(), "target": sent.target,
            "tasks": there.tasks, "tasks_sent": sent.tasks,
            "annotations": there.annotations, "annotations_sent": sent.annotations,
            "predictions": there.predictions, "predictions_sent": sent.predictions,
        })
    });
    let imports: Vec<_> = imports.collect();
    let outcome = found.outcome();
    let compared = found.compared.as_ref();
    let compared = compared.map(|c| json!({ "tasks": c.tasks, "differing": c.differing }));
    let verified = json!({
        "ok": outcome.is_ok(),
        "why": outcome.err().map(|e| e.message().to_owned()),
        "imports": imports,
        "compared": compared,
        "text": found.report(),
    });
    of_json(py, &verified.to_string())
}

/// Writes the manifest of a run whose parts, packed by `Packer(run, part=...)`, are these: each part's own manifest, in
/// their order. Gives whether it was written; else the same run had been committed there.
#[pyfunction]
#[pyo3(signature = (run, parts, *, max_rejects=None))]
pub(crate) fn commit(
    py: Python<'_>,
    run: PathBuf,
    parts: Vec<String>,
    max_rejects: Option<&Bound<'_, PyAny>>,
) -> PyResult<bool> {
    let most = match max_rejects {
        Some(most) => {
            let most = most.str()?.to_string().parse::<Tolerance>();
            Some(most.map_err(|said| raised(py, usage(said)))?)
        }
        None => None,
    };
    let committed = py.detach(|| {
        let listed = (1..).zip(parts);
        let listed = listed.map(|(n, json)| Listed::parse(json.as_bytes(), &format!("part {n}")));
        let listed = listed.collect::<sluice::error::Result<_>>()?;
        parts::commit(&Home::of(&text(run)?)?, listed, most)
    });
    let committed = committed.map_err(|error| raised(py, error))?;
    Ok(committed.written)
}

fn text(path: PathBuf) -> sluice::error::Result<String> {
    let text = path.into_os_string().into_string();
    text.map_err(|_| usage("a path is not Unicode"))
}

fn add_all(words: &mut Vec<String>, flags: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
    for (flag, value) in flags.into_iter().flatten() {
        add(words, &flag.extract::<String>()?, &value)?;
    }
    Ok(())
}

/// A flag: `True` is the flag alone, `None` and `False` none, a list the flag with each.
fn add(words: &mut Vec<String>, flag: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let flag = flag.replace('_', "-");
    if let Ok(said) = value.cast::<PyBool>() {
        words.extend(said.is_true().then(|| format!("--{flag}")));
    } else if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        for each in value.try_iter()? {
            add(words, &flag, &each?)?;
        }
    } else if !value.is_none() {
        words.push(format!("--{flag}={}", value.str()?));
    }
    Ok(())
}
