//! Text looked at sixty-four bytes at a time: which of them are what, a bit each.
//!
//! A question to a block is answered by a `u64` whose lowest bit stands for the first byte. What a record is made of is
//! then a matter of shifts and additions of such numbers, which take as long for a block full of commas as for one that
//! has none: no branch depends on the data.
//!
//! How a processor compares bytes is decided once for a whole piece of work ([`with_lanes`]): with AVX-512, with AVX2, or
//! as the compiler makes of it. All give the same answers; a test holds them to it.

/// Bytes looked at together.
pub const BLOCK: usize = 64;

/// A processor's way to compare the bytes of a block.
pub trait Lanes: Copy {
    /// A block, where the processor can compare it.
    type Block: Copy;

    /// Takes a block in hand.
    fn load(self, bytes: &[u8; BLOCK]) -> Self::Block;

    /// The bytes that are `byte`.
    fn equal(self, block: Self::Block, byte: u8) -> u64;

    /// The bytes that are less than `limit`.
    fn below(self, block: Self::Block, limit: u8) -> u64;

    /// The bytes that are ASCII digits.
    #[inline(always)]
    fn digits(self, block: Self::Block) -> u64 {
        self.below(block, b'9' + 1) & !self.below(block, b'0')
    }
}

/// Work on blocks that is done in whatever way the processor is best at.
pub trait Work {
    /// What it comes to.
    type Output;

    /// Does it. Implementations are to be `#[inline(always)]`, or they are compiled for no processor in particular.
    fn run<L: Lanes>(self, lanes: L) -> Self::Output;
}

/// Does the work with the widest comparisons that this processor has.
#[inline]
pub fn with_lanes<W: Work>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(wide) = pulp::x86::V4::try_new() {
            return wide.vectorize(
                #[inline(always)]
                || work.run(x86::Avx512(wide)),
            );
        }
        if let Some(wide) = pulp::x86::V3::try_new() {
            return wide.vectorize(
                #[inline(always)]
                || work.run(x86::Avx2(wide)),
            );
        }
    }
    work.run(Plain)
}

/// What the work comes to in every way that this processor knows, the plain one first: for tests, which hold them to be
/// the same.
pub fn in_all_lanes<W: Work>(work: impl Fn() -> W) -> Vec<W::Output> {
    let mut outputs = vec![work().run(Plain)];
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(wide) = pulp::x86::V3::try_new() {
            outputs.push(wide.vectorize(|| work().run(x86::Avx2(wide))));
        }
        if let Some(wide) = pulp::x86::V4::try_new() {
            outputs.push(wide.vectorize(|| work().run(x86::Avx512(wide))));
        }
    }
    outputs
}

/// The block of `text` at `at`; after the end of the text come spaces.
#[inline(always)]
#[must_use]
pub fn block_at(text: &[u8], at: usize) -> [u8; BLOCK] {
    let rest = text.get(at..).unwrap_or_default();
    match rest.first_chunk() {
        Some(block) => *block,
        None => padded(rest),
    }
}

#[cold]
fn padded(rest: &[u8]) -> [u8; BLOCK] {
    let mut block = [b' '; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    block
}

/// So many ones, from the lowest bit on.
#[inline(always)]
#[must_use]
pub fn ones(count: usize) -> u64 {
    if count < BLOCK { (1 << count) - 1 } else { !0 }
}

/// For each bit, whether an odd number of the bits up to and with it are set: between a quote and the next.
#[inline(always)]
#[must_use]
pub fn odd_up_to(bits: u64) -> u64 {
    let mut odd = bits;
    odd ^= odd << 1;
    odd ^= odd << 2;
    odd ^= odd << 4;
    odd ^= odd << 8;
    odd ^= odd << 16;
    odd ^= odd << 32;
    odd
}

/// The bytes that a backslash before them escapes. `carry` is 1 if the first byte is escaped by the block before, and is
/// left so for the block after.
#[inline(always)]
#[must_use]
pub fn escaped(backslashes: u64, carry: &mut u64) -> u64 {
    // Every other bit; in a row of backslashes that starts on such a bit, these escape, and those between are escaped.
    const EVEN: u64 = 0x5555_5555_5555_5555;
    let backslashes = backslashes & !*carry;
    let after = backslashes << 1 | *carry;
    let odd_starts = backslashes & !EVEN & !after;
    let (even_rows, over) = odd_starts.overflowing_add(backslashes);
    *carry = u64::from(over);
    (EVEN ^ even_rows << 1) & after
}

/// Comparisons as the compiler makes of them, on any processor.
#[derive(Clone, Copy)]
pub struct Plain;

impl Lanes for Plain {
    type Block = [u8; BLOCK];

    #[inline(always)]
    fn load(self, bytes: &[u8; BLOCK]) -> [u8; BLOCK] {
        *bytes
    }

    #[inline(always)]
    fn equal(self, block: [u8; BLOCK], byte: u8) -> u64 {
        gather(block.map(|b| u8::from(b == byte)))
    }

    #[inline(always)]
    fn below(self, block: [u8; BLOCK], limit: u8) -> u64 {
        gather(block.map(|b| u8::from(b < limit)))
    }
}

/// Bytes that are 0 or 1, as the bits of a number. One multiplication moves eight such bytes into eight neighbouring
/// bits.
#[inline(always)]
fn gather(bytes: [u8; BLOCK]) -> u64 {
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (words, _) = bytes.as_chunks::<8>();
    let mut bits = 0;
    for (i, word) in words.iter().enumerate() {
        bits |= (u64::from_le_bytes(*word).wrapping_mul(GATHER) >> 56) << (8 * i);
    }
    bits
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m256i, __m512i};

    use pulp::x86::{V3, V4};

    use super::{BLOCK, Lanes};

    /// All of a block at once.
    #[derive(Clone, Copy)]
    pub struct Avx512(pub V4);

    impl Lanes for Avx512 {
        type Block = __m512i;

        #[inline(always)]
        fn load(self, bytes: &[u8; BLOCK]) -> __m512i {
            pulp::cast(*bytes)
        }

        #[inline(always)]
        fn equal(self, block: __m512i, byte: u8) -> u64 {
            let byte = self.0.avx512f._mm512_set1_epi8(byte.cast_signed());
            self.0.avx512bw._mm512_cmpeq_epi8_mask(block, byte)
        }

        #[inline(always)]
        fn below(self, block: __m512i, limit: u8) -> u64 {
            let limit = self.0.avx512f._mm512_set1_epi8(limit.cast_signed());
            self.0.avx512bw._mm512_cmplt_epu8_mask(block, limit)
        }
    }

    /// Half of a block at once.
    #[derive(Clone, Copy)]
    pub struct Avx2(pub V3);

    impl Avx2 {
        #[inline(always)]
        fn bits(self, halves: [__m256i; 2]) -> u64 {
            let [low, high] =
                halves.map(|half| self.0.avx2._mm256_movemask_epi8(half).cast_unsigned());
            u64::from(low) | u64::from(high) << 32
        }
    }

    impl Lanes for Avx2 {
        type Block = [__m256i; 2];

        #[inline(always)]
        fn load(self, bytes: &[u8; BLOCK]) -> [__m256i; 2] {
            let halves: [[u8; BLOCK / 2]; 2] = pulp::cast(*bytes);
            halves.map(|half| pulp::cast(half))
        }

        #[inline(always)]
        fn equal(self, block: [__m256i; 2], byte: u8) -> u64 {
            let byte = self.0.avx._mm256_set1_epi8(byte.cast_signed());
            self.bits(block.map(|half| self.0.avx2._mm256_cmpeq_epi8(half, byte)))
        }

        #[inline(always)]
        fn below(self, block: [__m256i; 2], limit: u8) -> u64 {
            // There is no comparison of unsigned bytes but for a maximum: a byte is the greater of itself and the limit
            // if it is not below it.
            let limit = self.0.avx._mm256_set1_epi8(limit.cast_signed());
            !self.bits(block.map(|half| {
                let greater = self.0.avx2._mm256_max_epu8(half, limit);
                self.0.avx2._mm256_cmpeq_epi8(greater, half)
            }))
        }
    }
}
