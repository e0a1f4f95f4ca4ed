//! Checks JSON text a block at a time, as fast as memory is read: the grammar as arithmetic on the bits of [`blocks`].
//!
//! Every token says what may follow it: a colon a value, an object's comma a key, a value a comma or a closing bracket.
//! The bytes that do follow are found for all tokens of a block at once, by moving their bits on by one and over white
//! space ([`Follow`]), and compared with those that may. What remains to be gone through one by one are brackets, which
//! must match, and what is rare in most data: escapes by number, `true` and `null`, exponents.
//!
//! It says yes only to what [`Scanner`] would accept too, and the same of it. To all else it says nothing: bad text, and
//! what is too unusual to be worth a word here, is looked at again by the scanner, which knows what is wrong and where.
//!
//! [`Scanner`]: super::scan::Scanner

use super::scan::{Kind, skip_space};
use super::tokens::{escape, number};
use super::watch::{Key, Noted};
use crate::blocks::{BLOCK, Lanes, Work, block_at, escaped, odd_up_to, ones};

/// Levels of nesting that are followed here.
const MOST_LEVELS: u32 = 63;

/// An object or list that starts at a byte of a text, to be checked.
pub struct Check<'a> {
    /// The text around it.
    pub text: &'a str,
    /// Where it starts.
    pub at: usize,
    /// Where it must have ended.
    pub limit: usize,
    /// What is noted on the way.
    pub noted: &'a mut Noted,
}

impl Work for Check<'_> {
    /// The offset after it and what it is, if there is nothing wrong with it.
    type Output = Option<(usize, Kind)>;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Self::Output {
        let Check {
            text,
            at,
            limit,
            noted,
        } = self;
        let bytes = text.as_bytes();
        let kind = match bytes.get(at)? {
            b'{' => Kind::Object,
            b'[' => Kind::Other,
            _ => return None,
        };
        let mut state = State {
            kind,
            ..State::default()
        };
        let mut base = at;
        while base < limit {
            let live = ones(limit - base);
            if let Some(end) = state.block(lanes, text, base, live, noted)? {
                return Some((end, state.kind));
            }
            base += BLOCK;
        }
        None
    }
}

/// What one block has to tell the next.
#[derive(Default)]
struct State {
    kind: Kind,
    /// Open brackets: a bit each, the innermost the lowest, set for an object.
    open: u64,
    depth: u32,
    /// Whether the block ends within a string: all ones or none.
    inside: u64,
    escape: u64,
    /// Escapes before this offset have been looked at.
    escapes_seen: usize,
    after_brace: Follow,
    after_bracket: Follow,
    after_member: Follow,
    before_value: Follow,
    after_key: Follow,
    after_value: Follow,
    keys: Keys,
    scalars: Scalars,
}

/// The bytes that follow tokens, over white space and from block to block.
#[derive(Clone, Copy, Default)]
struct Follow(u64);

impl Follow {
    #[inline(always)]
    fn of(&mut self, tokens: u64, space: u64) -> u64 {
        let next = tokens << 1 | self.0;
        self.0 = tokens >> 63;
        if space == 0 {
            return next;
        }
        // An addition to the first bit of a row of ones moves on to the bit after it.
        let (moved, over) = (next & space).overflowing_add(space);
        self.0 |= u64::from(over);
        (next | moved) & !space
    }
}

/// Where keys are.
#[derive(Default)]
struct Keys {
    /// Whether the string that goes on in the next block is a key.
    carry: u64,
    /// Whether a key that goes on there has an escape.
    escape: bool,
    /// The starts of keys, of the last block.
    starts: u64,
    /// Where the last key of all starts.
    last: usize,
}

/// The brackets and what stands between them.
struct Structure {
    braces: u64,
    brackets: u64,
    closing_braces: u64,
    closing_brackets: u64,
    commas: u64,
    colons: u64,
    scalars: u64,
}

impl State {
    /// Checks the block at `base`, of which the `live` bytes count. Gives the offset after the value if it ends there;
    /// nothing at all where anything is unusual.
    #[inline(always)]
    fn block<L: Lanes>(
        &mut self,
        lanes: L,
        text: &str,
        base: usize,
        live: u64,
        noted: &mut Noted,
    ) -> Option<Option<usize>> {
        let bytes = text.as_bytes();
        let raw = block_at(bytes, base);
        let block = lanes.load(&raw);

        let backslashes = lanes.equal(block, b'\\') & live;
        let mut quotes = lanes.equal(block, b'"') & live;
        let control = lanes.below(block, 0x20) & live;
        let mut escapes = 0;
        if backslashes | self.escape != 0 {
            escapes = escaped(backslashes, &mut self.escape) & live;
            quotes &= !escapes;
        } else if quotes | !self.inside == 0 {
            // The middle of a long text.
            return (control == 0).then_some(None);
        }
        let inside = odd_up_to(quotes) ^ self.inside;
        self.inside = (inside.cast_signed() >> 63).cast_unsigned();
        if control & inside != 0 || escapes & !inside != 0 {
            return None;
        }
        if escapes != 0 {
            self.escapes(lanes, block, text, base, escapes)?;
        }

        let outside = live & !(inside | quotes);
        let found = |byte| lanes.equal(block, byte) & outside;
        let mut space = found(b' ');
        if control != 0 {
            let white = found(b'\n') | found(b'\r') | found(b'\t');
            if control & outside & !white != 0 {
                return None;
            }
            space |= white;
        }
        let mut structure = Structure {
            braces: found(b'{'),
            brackets: found(b'['),
            closing_braces: found(b'}'),
            closing_brackets: found(b']'),
            commas: found(b','),
            colons: found(b':'),
            scalars: 0,
        };
        let depth = self.depth;
        let (objects, end) = self.brackets(&structure)?;
        let live = end.map_or(live, |end| live & ones(end + 1));
        structure.scalars = live
            & outside
            & !(structure.braces
                | structure.brackets
                | structure.closing_braces
                | structure.closing_brackets
                | structure.commas
                | structure.colons
                | space);
        let quotes = quotes & live;
        let (string_starts, string_ends) = (quotes & inside, quotes & !inside);
        let scalar_starts = self.scalars.starts(structure.scalars);

        let values = structure.braces | structure.brackets | string_starts | scalar_starts;
        let members = structure.commas & objects;
        let after_brace = self.after_brace.of(structure.braces & live, space);
        let after_bracket = self.after_bracket.of(structure.brackets & live, space);
        let after_member = self.after_member.of(members, space);
        let before_value = structure.colons | structure.commas & !objects;
        let before_value = self.before_value.of(before_value, space);
        let key_starts = string_starts & (after_brace | after_member);
        // An addition to the first bit of a string moves on to its closing quote.
        let (moved, over) = key_starts.overflowing_add(inside);
        let (moved, over_too) = moved.overflowing_add(self.keys.carry);
        let key_ends = moved & !inside & live;
        let after_key = self.after_key.of(key_ends, space);
        let value_ends = structure.closing_braces
            | structure.closing_brackets
            | string_ends & !key_ends
            | self.scalars.last_bytes(structure.scalars);
        let after_value = self.after_value.of(value_ends & live, space)
            | self.scalars.ended(structure.scalars, space);
        let wrong = after_brace & !(string_starts | structure.closing_braces)
            | after_bracket & !(values | structure.closing_brackets)
            | after_member & !string_starts
            | before_value & !values
            | after_key ^ structure.colons
            | after_value
                & !(structure.commas | structure.closing_braces | structure.closing_brackets);
        if wrong & live != 0 {
            return None;
        }

        let within_keys = (moved ^ inside) & inside;
        let key_escape = self.keys.escape || backslashes & within_keys != 0;
        let mut told = if noted.is_on() || key_escape {
            key_ends
        } else {
            // None but `data` matters, which ends five bytes after its start.
            key_ends & (key_starts << 5 | self.keys.starts >> 59)
        };
        self.keys.carry = u64::from(over | over_too);
        self.keys.escape = key_escape && self.keys.carry != 0;
        while told != 0 {
            let bit = told.trailing_zeros();
            let below = ones(bit as usize);
            told &= told - 1;
            let opened = ((structure.braces | structure.brackets) & below).count_ones();
            let closed =
                ((structure.closing_braces | structure.closing_brackets) & below).count_ones();
            let level = depth + opened - closed;
            if level > 2 {
                continue;
            }
            let start = match key_starts & below {
                0 => self.keys.last,
                starts => base + 63 - starts.leading_zeros() as usize,
            };
            self.key(bytes, (start, base + bit as usize), level, noted);
        }
        if key_starts != 0 {
            self.keys.last = base + 63 - key_starts.leading_zeros() as usize;
        }
        self.keys.starts = key_starts;

        if structure.scalars | self.scalars.pending() != 0 {
            self.scalars
                .check(lanes, block, text, base, structure.scalars, scalar_starts)?;
        }
        Some(end.map(|end| base + end + 1))
    }

    /// Follows the brackets of a block: the bytes whose innermost bracket is that of an object, and the bracket that
    /// closes the outermost one.
    #[inline(always)]
    fn brackets(&mut self, structure: &Structure) -> Option<(u64, Option<usize>)> {
        let opening = structure.braces | structure.brackets;
        let closing = structure.closing_braces | structure.closing_brackets;
        let of_objects = structure.braces | structure.closing_braces;
        let mut objects = 0u64.wrapping_sub(self.open & 1);
        let mut rest = opening | closing;
        while rest != 0 {
            let bit = rest & rest.wrapping_neg();
            rest ^= bit;
            let object = u64::from(of_objects & bit != 0);
            if opening & bit != 0 {
                if self.depth == MOST_LEVELS {
                    return None;
                }
                self.open = self.open << 1 | object;
                self.depth += 1;
            } else {
                if self.open & 1 != object || self.depth == 0 {
                    return None;
                }
                self.open >>= 1;
                self.depth -= 1;
                if self.depth == 0 {
                    return Some((objects, Some(bit.trailing_zeros() as usize)));
                }
            }
            let from_here = bit.wrapping_neg();
            objects = objects & !from_here | 0u64.wrapping_sub(self.open & 1) & from_here;
        }
        Some((objects, None))
    }

    /// Looks at escapes, each by its second byte.
    #[inline(always)]
    fn escapes<L: Lanes>(
        &mut self,
        lanes: L,
        block: L::Block,
        text: &str,
        base: usize,
        escapes: u64,
    ) -> Option<()> {
        let simple = b"\"\\/bfnrt"
            .iter()
            .fold(0, |simple, byte| simple | lanes.equal(block, *byte));
        let mut others = escapes & !simple;
        while others != 0 {
            let at = base + others.trailing_zeros() as usize;
            others &= others - 1;
            // The second half of a surrogate pair was seen with the first.
            if at >= self.escapes_seen {
                let escape = escape(text.as_bytes(), at - 1).ok()?;
                if escape.nul {
                    return None;
                }
                self.escapes_seen = escape.end;
            }
        }
        Some(())
    }

    /// Takes the key of a member, from quote to quote, of an object at `level`.
    #[inline]
    fn key(&mut self, text: &[u8], (start, end): (usize, usize), level: u32, noted: &mut Noted) {
        let quoted = &text[start..=end];
        let key = Key::new(quoted, quoted.contains(&b'\\'));
        let value = skip_space(text, skip_space(text, end + 1) + 1);
        if level == 2 {
            return noted.inner_key(key, value);
        }
        noted.outer_key(key, start, value);
        if key.is("data") {
            self.kind = Kind::of_data(text, value);
        }
    }
}

/// Numbers, `true`, `false` and `null`: what stands outside strings and is no structure.
#[derive(Default)]
struct Scalars {
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
    fn starts(&self, scalars: u64) -> u64 {
        scalars & !(scalars << 1 | self.carry)
    }

    /// Whether anything is left to be seen in a block that may have no scalar.
    #[inline(always)]
    fn pending(&self) -> u64 {
        self.carry
    }

    /// The last bytes of those that end before the end of the block.
    #[inline(always)]
    fn last_bytes(&self, scalars: u64) -> u64 {
        scalars & !(scalars >> 1) & (!0 >> 1)
    }

    /// What follows one that ended with the block before.
    #[inline(always)]
    fn ended(&mut self, scalars: u64, space: u64) -> u64 {
        self.after.0 |= self.carry & !scalars;
        self.after.of(0, space)
    }

    #[inline(always)]
    fn check<L: Lanes>(
        &mut self,
        lanes: L,
        block: L::Block,
        text: &str,
        base: usize,
        scalars: u64,
        starts: u64,
    ) -> Option<()> {
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
