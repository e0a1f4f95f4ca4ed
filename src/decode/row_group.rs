//! stub
use super::{Consumer, Decode, Extent, Mark, Nul};
use crate::error::Fault;
/// stub
pub struct RowGroup;
impl RowGroup {
    /// stub
    #[must_use]
    pub fn new(group: crate::read::row_groups::RowGroup, nul: Nul) -> Self { todo!() }
}
impl Decode for RowGroup {
    fn decode<C: Consumer>(&mut self, consumer: &mut C) -> Result<bool, (Mark, Fault)> { todo!() }
    fn extent(&self) -> Extent { todo!() }
}
