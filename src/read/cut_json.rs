//! Cuts JSON text between values: the elements of one array, or values one after another.
//!
//! Looks at strings and brackets only, once, in order. Whether the text is JSON is the decoder's question: text that
//! is not is cut somewhere, and refused there.

use memchr::memchr2;

use super::{Cut, Cutting, Framing, Which};
use crate::error::{Code, Fault};

/// Quotes, braces and brackets.
const STRUCTURAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut i = 0;
    while i < STRUCTURE.len() {
        table[STRUCTURE[i] as usize] = true;
        i += 1;
    }
    table
};

const STRUCTURE: &[u8] = b"\"{}[]";

/// Cuts between JSON values, for [`Framing::Elements`] and [`Framing::Values`].
///
/// A chunk of elements starts with the comma that follows the chunk before it, so that the decoder sees every comma; a
/// chunk of values starts after white space, so that it sees where that is missing.
#[derive(Debug)]
pub struct CutJson {
    framing: Framing,
    seen: usize,
    depth: usize,
    in_string: bool,
}

impl CutJson {
    /// For elements, the text starts after the opening bracket.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        CutJson {
            framing,
            seen: 0,
            depth: 0,
            in_string: false,
        }
    }

    /// The rest of a string that starts (or goes on) at `at`: the offset after its closing quote, or none yet.
    fn string(&mut self, buf: &[u8], mut at: usize) -> Option<usize> {
        self.in_string = true;
        while let Some(found) = buf.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
            at += found;
            if buf[at] == b'"' {
                self.in_string = false;
                return Some(at + 1);
            }
            if at + 1 == buf.len() {
                // The escaped byte is not here yet: look at the backslash again when it is.
                self.seen = at;
                return None;
            }
            at += 2;
        }
        self.seen = at.min(buf.len());
        None
    }
}

impl Cut for CutJson {
    fn cut(&mut self, buf: &[u8], at_end: bool, which: Which) -> Result<Cutting, Fault> {
        let mut cutting = Cutting::default();
        let mut at = self.seen;
        if self.in_string {
            match self.string(buf, at) {
                Some(after) => at = after,
                None => at = buf.len(),
            }
        }
        let mut stopped = false;
        while at < buf.len() {
            if self.depth > 0 {
                // Within a value only these bytes mean anything: most are passed over without a further look.
                let structural = buf[at..]
                    .iter()
                    .position(|byte| STRUCTURAL[usize::from(*byte)]);
                at = structural.map_or(buf.len(), |found| at + found);
                if at == buf.len() {
                    break;
                }
            }
            let end = match buf[at] {
                b'"' => {
                    let Some(after) = self.string(buf, at + 1) else {
                        break;
                    };
                    at = after;
                    continue;
                }
                b'{' | b'[' => {
                    self.depth += 1;
                    0
                }
                b']' if self.depth == 0 && self.framing == Framing::Elements => {
                    cutting = Cutting {
                        end: at,
                        skip: 1,
                        done: true,
                    };
                    stopped = true;
                    break;
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    0
                }
                b',' if self.depth == 0 && self.framing == Framing::Elements => at,
                b' ' | b'\t' | b'\r' | b'\n'
                    if self.depth == 0 && self.framing == Framing::Values =>
                {
                    at + 1
                }
                _ => 0,
            };
            at += 1;
            if end > 0 {
                cutting.end = end;
                if which == Which::First {
                    stopped = true;
                    break;
                }
            }
        }
        if !stopped && at_end {
            if self.framing == Framing::Elements {
                return Err(Fault::new(
                    Code::JsonSyntax,
                    "the JSON array is not closed: the text ends inside it",
                )
                .at(buf.len()));
            }
            cutting = Cutting {
                end: buf.len(),
                skip: 0,
                done: false,
            };
        }
        if !self.in_string {
            self.seen = at;
        }
        self.seen = self.seen.saturating_sub(cutting.end + cutting.skip);
        Ok(cutting)
    }

    fn forget(&mut self, bytes: usize) {
        self.seen = self.seen.saturating_sub(bytes);
    }
}
