//! JSON text checked and cut a block at a time is what it is a byte at a time, and what serde_json says it is.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails says so"
)]

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::value::RawValue;
use sluice::blocks::{BLOCK, Lanes, Work, escaped, in_all_lanes, odd_up_to, with_lanes};
use sluice::decode::Nul;
use sluice::decode::blockwise::Check;
use sluice::decode::scan::{Kind, Scanner};
use sluice::decode::watch::{Noted, Watch};
use sluice::read::cut_json::CutJson;
use sluice::read::{Cut, Framing, Which};

/// White space as programs write it, and as nobody does.
fn space() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => Just(String::new()),
        3 => Just(" ".to_owned()),
        1 => "[ \t\r\n]{0,70}",
    ]
}

fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z ,:{}\\[\\]]{0,40}",
        1 => "[a-z]{50,140}",
        2 => prop::sample::select(vec!["\\\"", "\\\\", "\\n", "\\/", "\\u00e9", "\\ud83d\\ude00", "\\\\\\\"", "é", "日本"])
            .prop_map(str::to_owned),
    ];
    vec(piece, 0..5).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn key() -> impl Strategy<Value = String> {
    let known = [
        "data",
        "text",
        "id",
        "d\\u0061ta",
        "annotations",
        "a\\\"b",
        "date",
    ];
    prop_oneof![
        prop::sample::select(known.to_vec()).prop_map(|key| format!("\"{key}\"")),
        string(),
    ]
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => string(),
        2 => prop::sample::select(vec![
            "0", "-0", "1", "-12", "0.5", "-0.25", "1e5", "1E-05", "2.5e+10", "1180591620717411303424", "true", "false", "null",
            "0.1000000000000000055511151231257827021181583404541015625",
        ]).prop_map(str::to_owned),
        1 => "[1-9][0-9]{0,80}(\\.[0-9]{1,70})?",
    ]
}

fn value() -> impl Strategy<Value = String> {
    scalar().prop_recursive(5, 60, 8, |inner| {
        let member = (key(), space(), space(), inner.clone(), space(), space())
            .prop_map(|(key, a, b, value, c, d)| format!("{d}{key}{a}:{b}{value}{c}"));
        let object = (vec(member, 0..8), space())
            .prop_map(|(members, a)| format!("{{{}{a}}}", members.join(",")));
        let item = (space(), inner, space()).prop_map(|(a, value, b)| format!("{a}{value}{b}"));
        let list =
            (vec(item, 0..8), space()).prop_map(|(items, a)| format!("[{}{a}]", items.join(",")));
        prop_oneof![object, list]
    })
}

/// A value, or what becomes of one when a few bytes of it are lost, doubled or replaced.
fn text() -> impl Strategy<Value = String> {
    let byte = prop::sample::select(b"{}[]\",:\\ 0123456789.eE+-tfnul\n\t\x01/".to_vec());
    let change = (0.0..1.0_f64, 0..3, byte);
    (value(), vec(change, 0..3)).prop_map(|(value, changes)| {
        let mut bytes = value.into_bytes();
        for (at, how, byte) in changes {
            let at = (at * bytes.len() as f64) as usize;
            match how {
                0 => drop(bytes.splice(at..(at + 1).min(bytes.len()), [])),
                1 => bytes.insert(at, byte),
                _ => drop(bytes.splice(at..(at + 1).min(bytes.len()), [byte])),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn watch() -> Arc<Watch> {
    Arc::new(Watch {
        data: vec!["text".to_owned(), "id".to_owned(), "a\"b".to_owned()],
        beside: vec!["annotations".to_owned()],
    })
}

/// What a check comes to, with all that it noted.
type Found = Option<(usize, Kind, String)>;

/// A check with a notebook of its own.
struct Noting<'a> {
    text: &'a str,
    at: usize,
    limit: usize,
    watch: &'a Arc<Watch>,
}

impl Work for Noting<'_> {
    type Output = Found;

    fn run<L: Lanes>(self, lanes: L) -> Found {
        let mut noted = Noted::new(Arc::clone(self.watch));
        noted.begin();
        let check = Check {
            text: self.text,
            at: self.at,
            limit: self.limit,
            noted: &mut noted,
        };
        let (end, kind) = check.run(lanes)?;
        Some((end, kind, format!("{:?}", noted.fields(kind == Kind::Task))))
    }
}

fn by_bytes(text: &str, at: usize, limit: usize, watch: &Arc<Watch>) -> Found {
    let mut scanner = Scanner::new(Nul::Reject).watching(watch);
    let (end, kind) = scanner.value_by_bytes(&text[..limit], at).ok()?;
    let fields = scanner.checked(text, at, end, kind).fields;
    Some((end, kind, format!("{fields:?}")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    /// What is accepted a block at a time is accepted a byte at a time, and the same of it, on any processor; and all that
    /// is usual is accepted. What follows the value in the text makes no difference.
    #[test]
    fn blocks_and_bytes_agree(
        value in text(),
        before in "[\\[ \",]{0,70}",
        after in "([\\]}, \"\\\\\x01a-z{:]|\n){0,80}",
        watched in any::<bool>(),
    ) {
        let watch = if watched { watch() } else { Arc::default() };
        let (at, limit) = (before.len(), before.len() + value.len());
        let text = format!("{before}{value}{after}");
        let expected = by_bytes(&text, at, limit, &watch);
        let whole = value.starts_with(['{', '[']);
        for found in in_all_lanes(|| Noting { text: &text, at, limit, watch: &watch }) {
            match (&found, &expected) {
                (Some(_), _) => prop_assert_eq!(&found, &expected),
                // White space and numbers without end are left to the scanner, and so is what is no object or list.
                (None, Some((end, ..))) => prop_assert!(
                    !whole || *end < limit || is_unusual(&value),
                    "not accepted: {}", value
                ),
                (None, None) => {}
            }
        }
    }

    /// The scanner accepts what serde_json accepts, but for what would break a server.
    #[test]
    fn the_scanner_accepts_what_serde_json_does(value in text()) {
        let mut scanner = Scanner::new(Nul::Reject);
        let start = value.len() - value.trim_ascii_start().len();
        let ours = scanner.value(&value, start, value.len());
        let ours = ours.is_ok_and(|(end, _)| value[end..].trim_ascii().is_empty());
        let theirs = serde_json::from_str::<&RawValue>(&value).is_ok();
        // The raw value of serde_json is lax about half pairs and NUL characters, and follows 127 levels.
        prop_assert!(ours == theirs || value.contains("\\u") || value.contains(['e', 'E']), "{} {}: {}", ours, theirs, value);
    }
}

/// Every token, and every token with a byte of it replaced, at every distance from the border of a block.
#[test]
fn tokens_agree_wherever_blocks_end() {
    let around = [
        ("[", "]"),
        ("{\"data\":", "}"),
        ("{\"data\":{\"id\":1},\"data\":", "}"),
        ("{\"x\":[", "],\"annotations\":[]}"),
    ];
    let tokens = [
        "-1.5e10",
        "true",
        "[null ,\"\\\\\"]",
        "\"\\ud83d\\ude00\"",
        "{ \"d\\u0061ta\":{\"a\\\"b\":2}}",
        "[ ]",
        "\"日\"",
    ];
    // White space, and elements of a list.
    let fills: [fn(usize) -> String; 4] = [
        |length| " ".repeat(length),
        |length| "\n".repeat(length),
        |length| format!("\"{}\",", "x".repeat(length)),
        |length| format!("-0.{},", "1".repeat(length.clamp(1, 60))),
    ];
    let watch = watch();
    for (open, close) in around {
        for token in tokens {
            for length in 0..=BLOCK {
                for fill in fills.map(|fill| fill(length)) {
                    if fill.ends_with(',') && !open.ends_with('[') {
                        continue;
                    }
                    let start = open.len() + fill.len();
                    let text = format!("{open}{fill}{token}{close}");
                    agree(&text, &watch, true);
                    for at in start..start + token.len() {
                        for byte in b"{}[]\",:\\ 0.e-t\x01" {
                            let mut changed = text.clone().into_bytes();
                            changed[at] = *byte;
                            if let Ok(changed) = String::from_utf8(changed) {
                                agree(&changed, &watch, false);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What is `accepted` is so either way; what is not may be left to the scanner.
fn agree(text: &str, watch: &Arc<Watch>, accepted: bool) {
    let expected = by_bytes(text, 0, text.len(), watch);
    assert!(!accepted || expected.is_some(), "{text}");
    let found = with_lanes(Noting {
        text,
        at: 0,
        limit: text.len(),
        watch,
    });
    assert!(
        found == expected || found.is_none() && !accepted,
        "{found:?} {expected:?}: {text}"
    );
}

/// Whether text has a number of sixty-four bytes or more.
fn is_unusual(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_digit() && c != '.' && c != '-')
        .any(|number| number.len() >= 64)
}

/// What a block's bytes are, by every question there is.
struct Ask<'a>(&'a [u8; BLOCK], u8);

impl Work for Ask<'_> {
    type Output = [u64; 3];

    fn run<L: Lanes>(self, lanes: L) -> [u64; 3] {
        let Ask(bytes, byte) = self;
        let block = lanes.load(bytes);
        [
            lanes.equal(block, byte),
            lanes.below(block, byte),
            lanes.digits(block),
        ]
    }
}

fn bits(bytes: &[u8; BLOCK], is: impl Fn(u8) -> bool) -> u64 {
    let ones = bytes.iter().enumerate().filter(|(_, byte)| is(**byte));
    ones.fold(0, |bits, (i, _)| bits | 1 << i)
}

proptest! {
    #[test]
    fn every_processor_answers_alike(bytes in vec(any::<u8>(), BLOCK), byte in any::<u8>()) {
        let bytes: [u8; BLOCK] = bytes.try_into().unwrap();
        let expected = [
            bits(&bytes, |b| b == byte),
            bits(&bytes, |b| b < byte),
            bits(&bytes, |b| b.is_ascii_digit()),
        ];
        for answers in in_all_lanes(|| Ask(&bytes, byte)) {
            prop_assert_eq!(answers, expected);
        }
    }

    #[test]
    fn bits_are_counted_and_escaped_one_by_one(quotes in any::<u64>(), backslashes in any::<u64>(), carried in 0..2_u64) {
        let (mut odd, mut escapes, mut carry) = (0, 0, carried == 1);
        for i in 0..BLOCK {
            let bit = 1 << i;
            odd |= u64::from((quotes & (bit | (bit - 1))).count_ones() % 2) << i;
            let escaped = std::mem::take(&mut carry);
            escapes |= u64::from(escaped) << i;
            carry = !escaped && backslashes & bit != 0;
        }
        prop_assert_eq!(odd_up_to(quotes), odd);
        let mut left = carried;
        prop_assert_eq!(escaped(backslashes, &mut left), escapes);
        prop_assert_eq!(left, u64::from(carry));
    }

    /// Wherever the buffer happens to end, text is cut at the last comma between two elements, or after the last white
    /// space between two values, and nowhere else.
    #[test]
    fn json_is_cut_between_values_only(
        values in vec((value(), space()), 1..6),
        elements in any::<bool>(),
        first in any::<bool>(),
        steps in vec(1..200_usize, 1..40),
    ) {
        let (framing, end) = if elements { (Framing::Elements, "]") } else { (Framing::Values, "") };
        let mut text = String::new();
        let mut cuts = Vec::new();
        for (value, space) in &values {
            if elements {
                if !text.is_empty() {
                    cuts.push(text.len());
                    text.push(',');
                }
                text.push_str(space);
                text.push_str(value);
            } else {
                text.push_str(value);
                text.push('\n');
                cuts.push(text.len());
                for byte in space.chars() {
                    text.push(byte);
                    cuts.push(text.len());
                }
            }
        }
        text.push_str(end);
        let bytes = text.as_bytes();
        let which = if first { Which::First } else { Which::Last };
        let mut cutter = CutJson::new(framing);
        let (mut start, mut have, mut steps) = (0, 0, steps.into_iter().cycle());
        while have < bytes.len() {
            have = (have + steps.next().unwrap()).min(bytes.len());
            loop {
                let cutting = cutter.cut(&bytes[start..have], false, which).unwrap();
                let inside = cuts.iter().copied().filter(|cut| (start + 1..=have).contains(cut));
                // The comma itself must be there to be seen.
                let mut inside = inside.filter(|cut| !elements || *cut < have);
                let expected = if first { inside.next() } else { inside.next_back() };
                if cutting.done {
                    prop_assert!(elements && start + cutting.end == bytes.len() - 1 && cutting.skip == 1);
                    return Ok(());
                }
                prop_assert_eq!((cutting.end > 0).then_some(start + cutting.end), expected);
                if cutting.end == 0 || !first {
                    start += cutting.end;
                    break;
                }
                start += cutting.end;
            }
        }
        prop_assert!(!elements, "the closing bracket was not seen");
    }
}
