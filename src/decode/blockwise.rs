//! Checks JSON text a block at a time, as fast as memory is read: the grammar as arithmetic on the bits of [`blocks`].
//!
//! Every token says what may follow it: a colon a value, an object's comma a key, a value a comma or a closing bracket.
//! The bytes that do follow are found for all tokens of a block at once, by moving their bits on by one and over white
//! space (`Follow`), and compared with those that may. What remains to be gone through one by one are brackets, which
//! must match, and what is rare in most data: escapes by number, `true` and `null`, exponents.
//!
//! It says yes only to what [`Scanner`] would accept too, and the same of it. To all else it says nothing: bad text, and
//! what is too unusual to be worth a word here, is looked at again by the scanner, which knows what is wrong and where.
//!
//! [`Scanner`]: super::scan::Scanner
//! [`blocks`]: crate::blocks

mod keys;
mod scalars;

use self::keys::Keys;
use self::scalars::Scalars;
use super::scan::Kind;
use super::tokens::escape;
use super::watch::Noted;
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
            match state.block(lanes, text, base, live, noted) {
                Step::On => base += BLOCK,
                Step::End(end) => return Some((end, state.kind)),
                Step::Unusual => return None,
            }
        }
        None
    }
}

/// What becomes of a value with one more block.
enum Step {
    /// It goes on.
    On,
    /// It ends before this offset, and there is nothing wrong with it.
    End(usize),
    /// Something is wrong, or not worth a word here.
    Unusual,
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

/// The strings of a block.
struct Strings {
    /// Quotes that open or close one.
    quotes: u64,
    /// From an opening quote up to the closing one, which is outside.
    inside: u64,
    backslashes: u64,
    /// Control characters.
    control: u64,
}

/// The brackets and what stands between them.
struct Structure {
    braces: u64,
    brackets: u64,
    closing_braces: u64,
    closing_brackets: u64,
    commas: u64,
    colons: u64,
    space: u64,
    /// All else outside strings.
    scalars: u64,
}

impl Structure {
    #[inline(always)]
    fn opening(&self) -> u64 {
        self.braces | self.brackets
    }

    #[inline(always)]
    fn closing(&self) -> u64 {
        self.closing_braces | self.closing_brackets
    }
}

impl State {
    /// Checks the block at `base`, of which the `live` bytes count.
    #[inline(always)]
    fn block<L: Lanes>(
        &mut self,
        lanes: L,
        text: &str,
        base: usize,
        live: u64,
        noted: &mut Noted,
    ) -> Step {
        let block = lanes.load(&block_at(text.as_bytes(), base));
        let Some(strings) = self.strings(lanes, block, text, base, live) else {
            return Step::Unusual;
        };
        if strings.quotes | !strings.inside == 0 {
            // The middle of a long text.
            return Step::On;
        }
        let Some(mut structure) = structure(lanes, block, &strings, live) else {
            return Step::Unusual;
        };
        let depth = self.depth;
        let Some((objects, end)) = self.brackets(&structure) else {
            return Step::Unusual;
        };
        let live = end.map_or(live, |end| live & ones(end + 1));
        structure.scalars &= live;
        let starts = self.scalars.starts(structure.scalars);
        let (wrong, key_starts, key_ends) =
            self.grammar(&strings, &structure, objects, starts, live);
        let wrong = wrong & live != 0;
        if wrong
            || self
                .scalars
                .check(lanes, block, text, base, structure.scalars, starts)
                .is_none()
        {
            return Step::Unusual;
        }
        let told = self.keys.told(key_starts, key_ends, noted.is_on());
        if told != 0 {
            let levels = keys::Levels {
                depth,
                opening: structure.opening(),
                closing: structure.closing(),
            };
            let found = self
                .keys
                .tell(text.as_bytes(), base, (told, key_starts), &levels, noted);
            self.kind = found.unwrap_or(self.kind);
        }
        self.keys.leave(base, key_starts);
        end.map_or(Step::On, |end| Step::End(base + end + 1))
    }

    /// Tells strings from what is outside; nothing if one has what it must not have.
    #[inline(always)]
    fn strings<L: Lanes>(
        &mut self,
        lanes: L,
        block: L::Block,
        text: &str,
        base: usize,
        live: u64,
    ) -> Option<Strings> {
        let backslashes = lanes.equal(block, b'\\') & live;
        let mut quotes = lanes.equal(block, b'"') & live;
        let mut escapes = 0;
        if backslashes | self.escape != 0 {
            escapes = escaped(backslashes, &mut self.escape) & live;
            quotes &= !escapes;
        }
        let inside = odd_up_to(quotes) ^ self.inside;
        self.inside = (inside.cast_signed() >> 63).cast_unsigned();
        let control = lanes.below(block, 0x20) & live;
        if control & inside != 0 || escapes & !inside != 0 {
            return None;
        }
        if escapes != 0 {
            self.escapes(lanes, block, text, base, escapes)?;
        }
        Some(Strings {
            quotes,
            inside,
            backslashes,
            control,
        })
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
        let simple = b"\"\\/bfnrt".iter();
        let simple = simple.fold(0, |simple, byte| simple | lanes.equal(block, *byte));
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

    /// Follows the brackets of a block: the bytes whose innermost bracket is that of an object, and the bracket that
    /// closes the outermost one.
    #[inline(always)]
    fn brackets(&mut self, structure: &Structure) -> Option<(u64, Option<usize>)> {
        let opening = structure.opening();
        let of_objects = structure.braces | structure.closing_braces;
        let mut objects = 0u64.wrapping_sub(self.open & 1);
        let mut rest = opening | structure.closing();
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

    /// Compares what follows each token with what may; gives the bytes that are wrong, and where keys start and end.
    #[inline(always)]
    fn grammar(
        &mut self,
        strings: &Strings,
        structure: &Structure,
        objects: u64,
        scalar_starts: u64,
        live: u64,
    ) -> (u64, u64, u64) {
        let Structure {
            commas,
            colons,
            space,
            scalars,
            ..
        } = *structure;
        let quotes = strings.quotes & live;
        let (string_starts, string_ends) = (quotes & strings.inside, quotes & !strings.inside);
        let values = structure.opening() | string_starts | scalar_starts;

        let after_brace = self.after_brace.of(structure.braces & live, space);
        let after_bracket = self.after_bracket.of(structure.brackets & live, space);
        let after_member = self.after_member.of(commas & objects, space);
        let before_value = self.before_value.of(colons | commas & !objects, space);
        let key_starts = string_starts & (after_brace | after_member);
        let key_ends = self.keys.ends(key_starts, strings) & live;
        let after_key = self.after_key.of(key_ends, space);
        let value_ends =
            structure.closing() | string_ends & !key_ends | Scalars::last_bytes(scalars);
        let after_value =
            self.after_value.of(value_ends & live, space) | self.scalars.ended(scalars, space);

        let wrong = after_brace & !(string_starts | structure.closing_braces)
            | after_bracket & !(values | structure.closing_brackets)
            | after_member & !string_starts
            | before_value & !values
            | after_key ^ colons
            | after_value & !(commas | structure.closing());
        (wrong, key_starts, key_ends)
    }
}

/// What is outside strings; nothing if that is a control character other than white space.
#[inline(always)]
fn structure<L: Lanes>(
    lanes: L,
    block: L::Block,
    strings: &Strings,
    live: u64,
) -> Option<Structure> {
    let outside = live & !(strings.inside | strings.quotes);
    let found = |byte| lanes.equal(block, byte) & outside;
    let mut space = found(b' ');
    if strings.control != 0 {
        let white = found(b'\n') | found(b'\r') | found(b'\t');
        if strings.control & outside & !white != 0 {
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
        space,
        scalars: 0,
    };
    let known =
        structure.opening() | structure.closing() | structure.commas | structure.colons | space;
    structure.scalars = outside & !known;
    Some(structure)
}
