//! The names of members, which are not trusted: they stand in messages, manifests and addresses.

use std::fmt::Write as _;

/// Bytes of a name, at most: as long as a path may be.
const MOST: usize = 4096;

/// Signs of a name that are shown.
const SHOWN: usize = 200;

/// The path in the archive that a name is, without `.` and doubled slashes; or why it is none.
pub(super) fn inside(name: &str) -> Result<String, String> {
    let drive = matches!(name.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    let why = if name.len() > MOST {
        "its name is longer than 4,096 bytes"
    } else if name.starts_with('/') {
        "its name is an absolute path"
    } else if drive {
        "its name starts with a drive"
    } else if name.contains('\\') {
        "its name has a backslash, which some take for a slash"
    } else if name.contains('\0') {
        "its name has a NUL character"
    } else if name.chars().any(char::is_control) {
        "its name has a control character"
    } else if name.split('/').any(|part| part == "..") {
        "its name leads out of the archive by `..`"
    } else {
        let parts: Vec<_> = name
            .split('/')
            .filter(|part| !matches!(*part, "" | "."))
            .collect();
        if !parts.is_empty() {
            return Ok(parts.join("/"));
        }
        "it has no name"
    };
    Err(why.to_owned())
}

/// A name as it can be shown to a person, whatever is in it.
pub(super) fn shown(name: &str) -> String {
    let mut shown = String::new();
    for sign in name.chars().take(SHOWN) {
        if sign.is_control() {
            // Nobody is told of it who could mind.
            let _ = write!(shown, "{}", sign.escape_default());
        } else {
            shown.push(sign);
        }
    }
    if name.chars().nth(SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{inside, shown};

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in [
            "",
            "/",
            ".",
            "./",
            "..",
            "../a.csv",
            "a/../b.csv",
            "a/..",
            "/etc/a.csv",
            "//a.csv",
            "C:a.csv",
            "c:/a.csv",
            "a\\b.csv",
            "..\\a.csv",
            "\\\\host\\a.csv",
            "a\0.csv",
            "a\n.csv",
            "\u{1b}[2J.csv",
            "\u{85}.csv",
        ] {
            assert!(inside(name).is_err(), "{name:?}");
        }
        assert!(inside(&"a".repeat(4097)).is_err());
    }

    #[test]
    fn other_names_are_paths() {
        for (name, path) in [
            ("a.csv", "a.csv"),
            ("./a.csv", "a.csv"),
            ("a//b/./c.csv", "a/b/c.csv"),
            ("..a/b..csv", "..a/b..csv"),
            ("ab:c.csv", "ab:c.csv"),
            ("é 日.csv", "é 日.csv"),
        ] {
            assert_eq!(inside(name).as_deref(), Ok(path));
        }
    }

    #[test]
    fn what_is_shown_does_nothing_to_a_terminal() {
        assert_eq!(shown("a\u{1b}[2J\0b"), "a\\u{1b}[2J\\u{0}b");
        assert_eq!(shown(&"x".repeat(300)).len(), 203);
    }
}
