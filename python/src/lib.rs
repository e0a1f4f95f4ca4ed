//! sluice for Python: the module `sluice._sluice`, which the package `sluice` shows.
//!
//! What is here takes Python's words and Arrow data, and gives them to the library; all that decides what a task or an
//! import is, is there. The interpreter is let go of wherever work is done or waited for.

mod capsule;
mod commands;
mod error;
mod packer;
mod work;

use pyo3::prelude::*;

#[pymodule]
fn _sluice(module: &Bound<'_, PyModule>) -> PyResult<()> {
    sluice::cli::quiet_workers();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("Error", module.py().get_type::<error::Error>())?;
    module.add_class::<error::Place>()?;
    module.add_class::<packer::Packer>()?;
    module.add_class::<packer::Packed>()?;
    module.add_class::<packer::Import>()?;
    module.add_function(wrap_pyfunction!(commands::commit, module)?)?;
    module.add_function(wrap_pyfunction!(commands::plan, module)?)?;
    module.add_function(wrap_pyfunction!(commands::push, module)?)?;
    module.add_function(wrap_pyfunction!(commands::verify, module)?)
}
