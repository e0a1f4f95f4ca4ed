//! Arrow data of other libraries, by the C data interface in capsules: the only unsafe code of sluice.
//!
//! The interface is a promise between two libraries in one process, which no one can check: that a capsule of the name
//! `arrow_array_stream` holds a stream, and one of `arrow_schema` or `arrow_array` a schema or an array, as
//! <https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html> lays down. What can be checked is: the
//! names, that the pointers are not null, and that each is moved out of its capsule, so that nothing is released twice.
//! The buffers are not copied; whoever made them is told by the last batch that it is done with them.
#![allow(
    unsafe_code,
    reason = "a pointer in a capsule is what its maker says it is"
)]

use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi};
use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow_array::{Array, RecordBatch, StructArray, make_array};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyCapsuleMethods, PyTuple};
use sluice::error::{Code, Error};

/// Record batches, one after another.
pub(crate) type Batches = Box<dyn Iterator<Item = Result<RecordBatch, Error>> + Send>;

/// The record batches of an object that has `__arrow_c_stream__` or `__arrow_c_array__`.
pub(crate) fn batches(data: &Bound<'_, PyAny>) -> PyResult<Batches> {
    if data.hasattr("__arrow_c_stream__")? {
        let capsule = data.call_method0("__arrow_c_stream__")?;
        let pointer = pointer(&capsule, c"arrow_array_stream")?;
        // Safety: the name says that it is a stream; it is moved out, and the capsule is left with one that is released.
        let stream = unsafe { FFI_ArrowArrayStream::from_raw(pointer.as_ptr().cast()) };
        return stream_of(stream).map_err(|e| crate::error::raised(data.py(), e));
    }
    if data.hasattr("__arrow_c_array__")? {
        let pair = data.call_method0("__arrow_c_array__")?;
        let pair = pair.cast::<PyTuple>()?;
        let schema = pointer(&pair.get_item(0)?, c"arrow_schema")?;
        let array = pointer(&pair.get_item(1)?, c"arrow_array")?;
        // Safety: as above, of a schema and an array.
        let (schema, array) = unsafe {
            (
                FFI_ArrowSchema::from_raw(schema.as_ptr().cast()),
                FFI_ArrowArray::from_raw(array.as_ptr().cast()),
            )
        };
        let batch = fenced(|| {
            // Safety: the two belong together, as their maker has said by giving them in one tuple.
            let data = unsafe { from_ffi(array, &schema) }.map_err(malformed)?;
            let array = make_array(data);
            rows(array.as_any().downcast_ref::<StructArray>())
        });
        let batch = batch.map_err(|e| crate::error::raised(data.py(), e))?;
        return Ok(Box::new(std::iter::once(Ok(batch))));
    }
    Err(PyTypeError::new_err(format!(
        "{} has neither `__arrow_c_stream__` nor `__arrow_c_array__`: give a table of pyarrow, Polars, DuckDB or pandas",
        data.get_type().name()?
    )))
}

fn pointer(capsule: &Bound<'_, PyAny>, name: &CStr) -> PyResult<NonNull<std::ffi::c_void>> {
    capsule.cast::<PyCapsule>()?.pointer_checked(Some(name))
}

fn stream_of(stream: FFI_ArrowArrayStream) -> Result<Batches, Error> {
    let mut reader = fenced(|| RecordBatchStreamReader::try_new(stream).map_err(malformed))?;
    let next = move || fenced(|| reader.next().transpose().map_err(malformed)).transpose();
    Ok(Box::new(std::iter::from_fn(next)))
}

fn rows(array: Option<&StructArray>) -> Result<RecordBatch, Error> {
    match array {
        Some(rows) if rows.null_count() == 0 => Ok(RecordBatch::from(rows)),
        Some(_) => Err(malformed("a row is null as a whole")),
        None => Err(malformed("it is one column, not a table")),
    }
}

fn malformed(cause: impl std::fmt::Display) -> Error {
    Error::new(
        Code::Format,
        format!("the Arrow data cannot be taken: {cause}"),
    )
}

/// A panic of the decoder as an error: what it was given is at fault.
fn fenced<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let message = "the Arrow data is not what the C data interface asks for";
        Err(Error::new(Code::DecoderPanic, message))
    })
}
