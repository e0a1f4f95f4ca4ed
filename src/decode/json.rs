//! stub
use super::{Consumer, Decode, Extent, Mark, Nul};
use crate::error::Fault;
use crate::read::Framing;
/// stub
pub struct Json;
impl Json {
    /// stub
    #[must_use]
    pub fn new(text: Vec<u8>, framing: Framing, first: bool, nul: Nul) -> Self { todo!() }
}
impl Decode for Json {
    fn decode<C: Consumer>(&mut self, consumer: &mut C) -> Result<bool, (Mark, Fault)> { todo!() }
    fn extent(&self) -> Extent { todo!() }
}
