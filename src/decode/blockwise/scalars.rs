//! Numbers and words, a block at a time.

use super::Follow;
use crate::blocks::{BLOCK, Lanes, ones};
use crate::decode::tokens::number;

/// Numbers, `true`, `false` and `null`: what stands outside strings and is no structure.
#[derive(Default)]
pub(super) struct Scalars {
    /// Whether the last byte belongs to one: 1 or 0.
    carry: u64,
    /// The same, of bytes that are not `passed`.
    number: u64,
    after: Follow,
    /// Bytes before this offset were looked at one by one.
    passed: usize,
    /// The first byte of the next block must be a digit.
    digit_due: u64,
    /// It comes after a leading zero.
    zero: u64,
    /// It comes after a leading minus.
    minus: u64,
    /// The last byte is a digit.
    digit: u64,
    /// It goes on a fraction.
    fraction: u64,
}

impl Scalars {
    #[inline(always)]
    pub(super) fn starts(&self, scalars: u64) -> u64 {
        scalars & !(scalars << 1 | self.carry)
    }

    /// The last bytes of those that end before the end of the block.
    #[inline(always)]
    pub(super) fn last_bytes(scalars: u64) -> u64 {
        scalars & !(scalars >> 1) & (!0 >> 1)
    }

    /// What follows one that ended with the block before.
    #[inline(always)]
    pub(super) fn ended(&mut self, scalars: u64, space: u64) -> u64 {
        self.after.0 |= self.carry & !scalars;
        self.after.of(0, space)
    }

    #[inline(always)]
    pub(super) fn check<L: Lanes>(
        &mut self,
        lanes: L,
        block: L::Block,
        text: &str,
        base: usize,
        scalars: u64,
        starts: u64,
    ) -> Option<()> {
        if scalars | self.carry == 0 {
            return Some(());
        }
        let digits = lanes.digits(block);
        let minus = lanes.equal(block, b'-');
        let exponents = (lanes.equal(block, b'e') | lanes.equal(block, b'E')) & scalars;
        let mut numbers = scalars & !ones(self.passed.saturating_sub(base));
        let words = starts & !(digits | minus);
        if words | exponents & numbers != 0 {
            numbers = self.one_by_one(text, base, numbers, words, exponents)?;
        }
        let dots = lanes.equal(block, b'.') & numbers;
        let own_digits = digits & numbers;
        let minus = minus & numbers;
        let first = numbers & !(numbers << 1 | self.number);
        let after_digit = own_digits << 1 | self.digit;
        let digit_due = (minus | dots) << 1 | self.digit_due;
        let zeros = lanes.equal(block, b'0') & (first | minus << 1 | self.minus) & numbers;
        let after_zero = zeros << 1 | self.zero;
        let (fractions, over) = (dots << 1 | self.fraction).overflowing_add(own_digits);
        let wrong = numbers & !(own_digits | minus | dots)
            | minus & !first
            | dots & !after_digit
            | digit_due & !digits
            | after_zero & own_digits
            | fractions & !own_digits & dots;
        // A number of a hundred digits is worth a look at its size.
        if wrong != 0 || numbers == !0 {
            return None;
        }
        self.carry = scalars >> 63;
        self.number = numbers >> 63;
        self.digit = own_digits >> 63;
        self.digit_due = (minus | dots) >> 63;
        self.zero = zeros >> 63;
        self.minus = minus >> 63;
        self.fraction = u64::from(over) | dots >> 63;
        Some(())
    }

    /// Looks at words, and at numbers with an exponent; gives the bytes of the other numbers.
    #[inline]
    fn one_by_one(
        &mut self,
        text: &str,
        base: usize,
        numbers: u64,
        mut words: u64,
        exponents: u64,
    ) -> Option<u64> {
        let bytes = text.as_bytes();
        let mut numbers = numbers;
        while words != 0 {
            let bit = words.trailing_zeros() as usize;
            words &= words - 1;
            let rest = &bytes[base + bit..];
            let length = match rest.first()? {
                b't' if rest.starts_with(b"true") => 4,
                b'f' if rest.starts_with(b"false") => 5,
                b'n' if rest.starts_with(b"null") => 4,
                _ => return None,
            };
            ends_there(rest.get(length))?;
            numbers &= !(ones(length) << bit);
            self.passed = base + bit + length;
        }
        let mut exponents = exponents & numbers;
        while exponents != 0 {
            let at = base + exponents.trailing_zeros() as usize;
            let before = bytes[..at].iter().rev();
            let start = at
                - before
                    .take_while(|b| matches!(b, b'0'..=b'9' | b'.' | b'-'))
                    .count();
            let end = number(text, start).ok()?;
            ends_there(bytes.get(end))?;
            self.passed = self.passed.max(end);
            let range = ones((end - base).min(BLOCK)) & !ones(start.saturating_sub(base));
            numbers &= !range;
            exponents &= numbers;
        }
        Some(numbers)
    }
}

/// Whether the byte after a scalar ends it.
#[inline(always)]
fn ends_there(byte: Option<&u8>) -> Option<()> {
    matches!(
        byte,
        Some(b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t')
    )
    .then_some(())
}
