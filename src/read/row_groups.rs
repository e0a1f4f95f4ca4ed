//! stub
use std::fs::File;
use super::{Halt, Reader};
use crate::source::Source;
/// One row group
pub struct RowGroup;
impl Reader<'_> {
    pub(super) fn row_groups(&self, source: &Source, file: File) -> Result<(), Halt> { todo!() }
}
