//! A source that is one value: a document, verbatim or in base64, or the address of a file.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::utf8::{LineCount, Utf8};
use super::{Consumer, Decode, Extent, Fatal, Mark};
use crate::buffer::Buffer;

/// The decoder of one value.
pub struct Whole {
    bytes: Buffer,
    base64: bool,
}

impl Whole {
    /// `base64`: the value is the base64 of the bytes, which need not be text.
    #[must_use]
    pub fn new(bytes: Buffer, base64: bool) -> Self {
        Whole { bytes, base64 }
    }
}

impl Decode for Whole {
    fn decode<C: Consumer>(&mut self, consumer: &mut C) -> Result<bool, Fatal> {
        let mark = Mark::default();
        if self.base64 {
            consumer.text(mark, &STANDARD.encode(&self.bytes[..]));
            return Ok(false);
        }
        match Utf8::new(&self.bytes, 0).record(0, self.bytes.len()) {
            Ok(text) => consumer.text(mark, text),
            Err(fault) => consumer.fault(mark, fault, &self.bytes),
        }
        Ok(false)
    }

    fn extent(&self) -> Extent {
        Extent {
            records: 1,
            lines: LineCount::default().total(&self.bytes),
        }
    }
}
