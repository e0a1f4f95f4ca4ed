//! stub
use super::{Consumer, Decode, Extent, Mark, Nul};
use crate::error::Fault;

/// stub
pub struct Rejects;
impl Rejects {
    /// stub
    #[must_use]
    pub fn new(text: Vec<u8>, nul: Nul) -> Self { todo!() }
}
impl Decode for Rejects {
    fn decode<C: Consumer>(&mut self, consumer: &mut C) -> Result<bool, (Mark, Fault)> { todo!() }
    fn extent(&self) -> Extent { todo!() }
}
