//! Cuts JSON text between values: the elements of one array, or values one after another.
//!
//! Looks at strings and brackets only, once, in order. Whether the text is JSON is the decoder's question: text that
//! is not is cut somewhere, and refused there.

use super::{Cut, Cutting, Framing, Which};
use crate::blocks::{BLOCK, Lanes, Work, block_at, escaped, odd_up_to, ones, with_lanes};
use crate::error::{Code, Fault};

/// Cuts between JSON values, for [`Framing::Elements`] and [`Framing::Values`].
///
/// A chunk of elements starts with the comma that follows the chunk before it, so that the decoder sees every comma; a
/// chunk of values starts after white space, so that it sees where that is missing.
#[derive(Debug)]
pub struct CutJson {
    framing: Framing,
    seen: usize,
    depth: usize,
    /// Whether what was seen ends within a string: all ones or none.
    inside: u64,
    /// Whether it ends with a backslash that escapes what follows: 1 or 0.
    escape: u64,
}

impl CutJson {
    /// For elements, the text starts after the opening bracket.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        CutJson {
            framing,
            seen: 0,
            depth: 0,
            inside: 0,
            escape: 0,
        }
    }
}

/// A look at the bytes of a buffer that were not seen before.
struct Look<'a> {
    cut: &'a mut CutJson,
    buf: &'a [u8],
    which: Which,
}

/// What was found, and whether there is no use in looking further.
#[derive(Default)]
struct Found {
    cutting: Cutting,
    stopped: bool,
}

impl Work for Look<'_> {
    type Output = Found;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Found {
        let Look { cut, buf, which } = self;
        let mut found = Found::default();
        while cut.seen < buf.len() && !found.stopped {
            let base = cut.seen;
            let live = ones(buf.len() - base);
            let last = live.count_ones() - 1;
            cut.seen += BLOCK.min(buf.len() - base);
            let block = lanes.load(&block_at(buf, base));

            let mut quotes = lanes.equal(block, b'"') & live;
            let backslashes = lanes.equal(block, b'\\') & live;
            if backslashes | cut.escape != 0 {
                let escapes = escaped(backslashes, &mut cut.escape);
                quotes &= !escapes;
                if live != !0 {
                    // What it escapes is not here yet.
                    cut.escape = escapes >> (last + 1) & 1;
                }
            }
            let inside = odd_up_to(quotes) ^ cut.inside;
            cut.inside = 0u64.wrapping_sub(inside >> last & 1);
            let outside = live & !(inside | quotes);
            let is = |byte| lanes.equal(block, byte) & outside;
            let opening = is(b'{') | is(b'[');
            let lists = is(b']');
            let closing = is(b'}') | lists;
            if cut.depth > closing.count_ones() as usize {
                // No value ends here, whatever their order.
                cut.depth =
                    cut.depth + opening.count_ones() as usize - closing.count_ones() as usize;
                continue;
            }
            let between = match cut.framing {
                Framing::Elements => is(b','),
                _ => is(b' ') | is(b'\t') | is(b'\r') | is(b'\n'),
            };
            cut.one_by_one((opening, closing, lists, between), base, which, &mut found);
        }
        found
    }
}

impl CutJson {
    /// Goes through the brackets of a block, and what stands between values.
    #[inline]
    fn one_by_one(
        &mut self,
        (opening, closing, lists, between): (u64, u64, u64, u64),
        base: usize,
        which: Which,
        found: &mut Found,
    ) {
        let mut rest = opening | closing | between;
        while rest != 0 {
            let bit = rest & rest.wrapping_neg();
            rest ^= bit;
            let at = base + bit.trailing_zeros() as usize;
            if opening & bit != 0 {
                self.depth += 1;
            } else if self.depth > 0 {
                self.depth -= usize::from(closing & bit != 0);
            } else if lists & bit != 0 && self.framing == Framing::Elements {
                found.cutting = Cutting {
                    end: at,
                    skip: 1,
                    done: true,
                };
                found.stopped = true;
            } else if between & bit != 0 {
                // Before the comma, or after the space. An end of 0 is none: nothing stands before it.
                found.cutting.end = at + usize::from(self.framing != Framing::Elements);
                found.stopped = which == Which::First && found.cutting.end > 0;
            }
            if found.stopped {
                (self.seen, self.inside, self.escape) = (at + 1, 0, 0);
                return;
            }
        }
    }
}

impl Cut for CutJson {
    fn cut(&mut self, buf: &[u8], at_end: bool, which: Which) -> Result<Cutting, Fault> {
        let look = Look {
            cut: self,
            buf,
            which,
        };
        let Found {
            mut cutting,
            stopped,
        } = with_lanes(look);
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
        self.seen = self.seen.saturating_sub(cutting.end + cutting.skip);
        Ok(cutting)
    }

    fn forget(&mut self, bytes: usize) {
        self.seen = self.seen.saturating_sub(bytes);
    }
}
