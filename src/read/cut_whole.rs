//! Cuts nothing: the source is one record.

use super::{Cut, Cutting, Which};
use crate::error::Fault;

/// Waits for the end.
#[derive(Debug, Default)]
pub struct CutWhole;

impl Cut for CutWhole {
    fn cut(&mut self, buf: &[u8], at_end: bool, _: Which) -> Result<Cutting, Fault> {
        Ok(Cutting {
            end: if at_end { buf.len() } else { 0 },
            skip: 0,
            done: false,
        })
    }

    fn forget(&mut self, _: usize) {}
}
