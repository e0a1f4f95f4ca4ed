//! stub
use super::{Consumer, Decode, Extent, Mark, Nul};
use crate::error::Fault;
/// stub
pub struct Columns;
impl Columns {
    /// stub
    #[must_use]
    pub fn new(batch: &arrow_array::RecordBatch, nul: Nul) -> Self { todo!() }
}
impl Decode for Columns {
    fn decode<C: Consumer>(&mut self, consumer: &mut C) -> Result<bool, (Mark, Fault)> { todo!() }
    fn extent(&self) -> Extent { todo!() }
}
