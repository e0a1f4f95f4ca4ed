//! How numbers of things and words for a shell are put in what a person reads.

use std::borrow::Cow;

use indicatif::HumanCount;

/// A number of things: "1 task", "2,000 tasks". The last word of `what` is one that takes an `s`.
#[must_use]
pub fn counted(number: u64, what: &str) -> String {
    let s = agreeing(number, "", "s");
    format!("{} {what}{s}", HumanCount(number))
}

/// What is said of a number of things: of one, or of any other number.
#[must_use]
pub fn agreeing<'a>(number: u64, one: &'a str, others: &'a str) -> &'a str {
    if number == 1 { one } else { others }
}

/// A word as a POSIX shell takes it for one: in quotes where it has signs that mean something there.
#[must_use]
pub fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:=,@%+-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::{counted, quoted};

    #[test]
    fn one_is_one_thing() {
        assert_eq!(counted(0, "task"), "0 tasks");
        assert_eq!(counted(1, "row group"), "1 row group");
        assert_eq!(counted(2_000, "task"), "2,000 tasks");
    }

    #[test]
    fn a_shell_takes_a_quoted_word_for_one_word() {
        for word in [
            "text=body",
            "a b",
            "",
            "it's",
            "$HOME `x` \"y\" \\ * ? ~ # ! ; & | < > ( ) { } [ ]",
            "Größe\tin mm\n",
            "~",
            "a=~b",
        ] {
            let script = format!("printf %s {}", quoted(word));
            let said = std::process::Command::new("sh")
                .args(["-c", &script])
                .output()
                .expect("a shell");
            assert_eq!(String::from_utf8_lossy(&said.stdout), word, "{script}");
        }
    }
}
