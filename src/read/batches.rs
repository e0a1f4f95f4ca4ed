//! stub
use std::fs::File;
use super::peek::Peek;
use super::{Halt, Reader};
use crate::source::Source;
impl Reader<'_> {
    pub(super) fn ipc_file(&self, source: &Source, file: File) -> Result<(), Halt> { todo!() }
    pub(super) fn ipc_stream(&self, source: &Source, bytes: Peek) -> Result<(), Halt> { todo!() }
}
