//! Errors as exceptions.

use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyKeyboardInterrupt};
use pyo3::prelude::*;
use sluice::error::Code;
use sluice::place::{At, Spot};

create_exception!(
    sluice,
    Error,
    PyException,
    "What sluice cannot do: `code` is stable and short, `place` is where in the data, `help` how to mend it."
);

/// Where in the data: its source, and the record, counted from 1.
#[pyclass(frozen, get_all, module = "sluice")]
pub(crate) struct Place {
    /// The source's name.
    source: String,
    /// Which record of the source, from 1; of data that was written, the row.
    record: Option<u64>,
    /// The line, from 1, in text.
    line: Option<u64>,
    /// The byte, from 0, in text.
    byte: Option<u64>,
    /// The record batch or row group, from 0.
    batch: Option<u32>,
    /// The row in it, from 0.
    row: Option<u64>,
    /// All of it, for a person.
    text: String,
}

#[pymethods]
impl Place {
    fn __str__(&self) -> &str {
        &self.text
    }

    fn __repr__(&self) -> String {
        format!("Place({:?})", self.text)
    }
}

impl From<&Spot> for Place {
    fn from(spot: &Spot) -> Self {
        let (mut line, mut byte, mut batch, mut row) = (None, None, None, None);
        match spot.place.map(|place| place.at) {
            Some(At::Text { line: l, byte: b }) => (line, byte) = (Some(l), Some(b)),
            Some(At::Row { group, row: r }) => (batch, row) = (Some(group), Some(r)),
            None => {}
        }
        Place {
            source: spot.source.to_string(),
            record: spot.place.map(|place| place.record),
            line,
            byte,
            batch,
            row,
            text: spot.to_string(),
        }
    }
}

/// An error as it is raised.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is the end of it, and `map_err` gives it away"
)]
pub(crate) fn raised(py: Python<'_>, error: sluice::error::Error) -> PyErr {
    let raised = Error::new_err(error.to_string());
    let place = error.spot().map(Place::from);
    let value = raised.value(py);
    let set = value
        .setattr("code", error.code().as_str())
        .and_then(|()| value.setattr("message", error.message()))
        .and_then(|()| value.setattr("exit_code", error.exit_code()))
        .and_then(|()| value.setattr("place", place))
        .and_then(|()| value.setattr("help", error.how_to_mend()));
    match set {
        Ok(()) if error.code() == Code::Interrupted => PyKeyboardInterrupt::new_err(()),
        Ok(()) => raised,
        Err(other) => other,
    }
}

/// A command line that asks for what cannot be.
pub(crate) fn usage(message: impl Into<String>) -> sluice::error::Error {
    sluice::error::Error::new(Code::Usage, message)
}
