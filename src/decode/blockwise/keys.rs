//! The keys of objects, a block at a time.

use super::Strings;
use crate::blocks::ones;
use crate::decode::scan::{Kind, skip_space};
use crate::decode::watch::{Key, Noted};

/// Levels whose keys are noted.
const NOTED_LEVELS: u32 = 2;

/// Where keys are.
#[derive(Default)]
pub(super) struct Keys {
    /// Whether the string that goes on in the next block is a key.
    carry: u64,
    /// Whether there is an escape in a key of the block, or in one that goes on in the next.
    escape: bool,
    /// The starts of keys, of the last block that has quotes.
    starts: u64,
    /// Where the last key of all starts.
    last: usize,
}

/// What tells how deep in brackets a byte of a block is.
pub(super) struct Levels {
    /// How deep the block starts.
    pub(super) depth: u32,
    pub(super) opening: u64,
    pub(super) closing: u64,
}

impl Levels {
    #[inline(always)]
    fn of(&self, before: u64) -> u32 {
        self.depth + (self.opening & before).count_ones() - (self.closing & before).count_ones()
    }
}

impl Keys {
    /// The closing quotes of the keys that start there, or in a block before.
    #[inline(always)]
    pub(super) fn ends(&mut self, starts: u64, strings: &Strings) -> u64 {
        let inside = strings.inside;
        // An addition to the first bit of a string moves on to its closing quote.
        let (moved, over) = starts.overflowing_add(inside);
        let (moved, over_too) = moved.overflowing_add(self.carry);
        self.escape &= self.carry != 0;
        self.carry = u64::from(over | over_too);
        self.escape |= strings.backslashes & (moved ^ inside) & inside != 0;
        moved & !inside
    }

    /// The ends of keys that somebody may want to know of.
    #[inline(always)]
    pub(super) fn told(&self, starts: u64, ends: u64, all: bool) -> u64 {
        if all || self.escape {
            ends
        } else {
            // None but `data` matters, which ends five bytes after its start.
            ends & (starts << 5 | self.starts >> 59)
        }
    }

    /// Notes the keys that end there. Gives what the value is, if its `data` is among them.
    #[inline]
    pub(super) fn tell(
        &self,
        text: &[u8],
        base: usize,
        (mut told, starts): (u64, u64),
        levels: &Levels,
        noted: &mut Noted,
    ) -> Option<Kind> {
        let mut kind = None;
        while told != 0 {
            let bit = told.trailing_zeros() as usize;
            let before = ones(bit);
            told &= told - 1;
            let level = levels.of(before);
            if level > NOTED_LEVELS {
                continue;
            }
            let start = last_bit(base, starts & before).unwrap_or(self.last);
            let quoted = &text[start..=base + bit];
            let key = Key::new(quoted, quoted.contains(&b'\\'));
            let value = skip_space(text, skip_space(text, base + bit + 1) + 1);
            if level == NOTED_LEVELS {
                noted.inner_key(key, value);
                continue;
            }
            noted.outer_key(key, start, value);
            if key.is("data") {
                kind = Some(Kind::of_data(text, value));
            }
        }
        kind
    }

    /// Goes on to the next block.
    #[inline(always)]
    pub(super) fn leave(&mut self, base: usize, starts: u64) {
        self.last = last_bit(base, starts).unwrap_or(self.last);
        self.starts = starts;
    }
}

/// The offset of the last of some bytes of a block.
#[inline(always)]
fn last_bit(base: usize, bits: u64) -> Option<usize> {
    (bits != 0).then(|| base + 63 - bits.leading_zeros() as usize)
}
