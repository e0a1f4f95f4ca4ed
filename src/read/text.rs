//! stub
use super::peek::Peek;
use super::{Halt, Reader};
use crate::source::Source;
use crate::source::sniff::Format;
/// Bytes of text that are looked at to tell what it is.
pub const HEAD_BYTES: usize = 64 << 10;
impl Reader<'_> {
    pub(super) fn text(&self, source: &Source, bytes: Peek, known: Option<Format>) -> Result<(), Halt> { todo!() }
}
