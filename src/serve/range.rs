//! The part of a file that a request asks for: one range of bytes (RFC 9110, section 14).

/// What a `Range` header asks for of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it.
    All,
    /// `bytes` bytes from `first` on; at least one.
    Part {
        /// The offset of the first.
        first: u64,
        /// How many.
        bytes: u64,
    },
    /// A part that the file has not.
    Beyond,
}

/// What a header asks for of a file of so many bytes. A header that is not understood, or asks for several ranges, is
/// passed over, as a server may: the answer is then the whole file.
#[must_use]
pub fn wanted(header: Option<&str>, length: u64) -> Wanted {
    let Some((first, last)) = header.and_then(one_range) else {
        return Wanted::All;
    };
    let (first, end) = match (first, last) {
        (Some(first), Some(last)) if first > last => return Wanted::All,
        (Some(first), last) => (
            first,
            last.map_or(length, |last| last.saturating_add(1).min(length)),
        ),
        (None, Some(count)) => (length.saturating_sub(count), length),
        (None, None) => return Wanted::All,
    };
    if first >= end {
        return Wanted::Beyond;
    }
    Wanted::Part {
        first,
        bytes: end - first,
    }
}

/// The two numbers of `bytes=FIRST-LAST`, of which one may be missing.
fn one_range(header: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, range) = header.split_once('=')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let understood = unit.trim().eq_ignore_ascii_case("bytes") && plain(first) && plain(last);
    // A number past all files is the largest.
    let number = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX));
    understood.then(|| (number(first), number(last)))
}

#[cfg(test)]
mod tests {
    use super::{Wanted, wanted};

    #[test]
    fn one_range_is_what_it_says_and_everything_else_the_whole_file() {
        let part = |first, bytes| Wanted::Part { first, bytes };
        let cases = [
            (None, 10, Wanted::All),
            (Some("bytes=0-0"), 10, part(0, 1)),
            (Some("bytes=2-4"), 10, part(2, 3)),
            (Some("bytes=2-"), 10, part(2, 8)),
            (Some("bytes=-3"), 10, part(7, 3)),
            (Some("bytes=-30"), 10, part(0, 10)),
            (Some("bytes=9-100"), 10, part(9, 1)),
            (Some("bytes = 1 - 2"), 10, part(1, 2)),
            (Some("Bytes=1-99999999999999999999999"), 10, part(1, 9)),
            (Some("bytes=10-"), 10, Wanted::Beyond),
            (Some("bytes=99999999999999999999999-"), 10, Wanted::Beyond),
            (Some("bytes=-0"), 10, Wanted::Beyond),
            (Some("bytes=0-"), 0, Wanted::Beyond),
            (Some("bytes=-1"), 0, Wanted::Beyond),
            (Some("bytes=4-2"), 10, Wanted::All),
            (Some("bytes=0-1,3-4"), 10, Wanted::All),
            (Some("bytes=-"), 10, Wanted::All),
            (Some("bytes=a-b"), 10, Wanted::All),
            (Some("bytes=+1-2"), 10, Wanted::All),
            (Some("lines=0-1"), 10, Wanted::All),
            (Some("nonsense"), 10, Wanted::All),
        ];
        for (header, length, expected) in cases {
            assert_eq!(wanted(header, length), expected, "{header:?} of {length}");
        }
    }
}
