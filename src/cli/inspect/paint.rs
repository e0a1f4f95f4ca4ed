//! Colours, where there is a terminal to show them.

use std::fmt::Write as _;
use std::io::IsTerminal;

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paint(bool);

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A heading.
    Heading,
    /// The name of a field.
    Key,
    /// A text value.
    Text,
    /// Any other value.
    Value,
    /// All is well.
    Good,
    /// Something is wrong.
    Bad,
}

impl Paint {
    /// As standard output takes it: colours on a terminal, unless `NO_COLOR` is set; `CLICOLOR_FORCE` has them anywhere.
    pub(super) fn of_stdout() -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let forced = is_set("CLICOLOR_FORCE");
        Paint(!is_set("NO_COLOR") && (forced || std::io::stdout().is_terminal()))
    }

    /// No colours.
    #[cfg(test)]
    pub(super) const PLAIN: Paint = Paint(false);

    /// Text of a kind.
    pub(super) fn paint(self, kind: Kind, text: &str) -> String {
        if !self.0 || text.is_empty() {
            return text.to_owned();
        }
        let code = match kind {
            Kind::Heading => "1",
            Kind::Key => "34",
            Kind::Text | Kind::Good => "32",
            Kind::Value => "36",
            Kind::Bad => "31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// JSON over several lines, two spaces deep: nothing of it is changed but the space between its parts, so that
    /// numbers keep their digits. `margin` stands before each line.
    pub(super) fn json(self, json: &str, margin: &str) -> String {
        let (mut out, mut depth) = (margin.to_owned(), 0usize);
        let mut rest = json;
        let line = |out: &mut String, depth: usize| {
            // Writing to a string cannot fail.
            let _ = write!(out, "\n{margin}{:1$}", "", depth * 2);
        };
        while let Some(first) = rest.chars().next() {
            let bytes = match first {
                '"' => string_end(rest),
                '{' | '[' | '}' | ']' | ',' | ':' => 1,
                c if c.is_ascii_whitespace() => 1,
                _ => rest
                    .find(|c: char| matches!(c, ',' | '}' | ']' | ':') || c.is_ascii_whitespace())
                    .unwrap_or(rest.len()),
            };
            let (token, after) = rest.split_at(bytes);
            match first {
                '{' | '[' => {
                    let inside = after.trim_start();
                    out.push(first);
                    if inside.starts_with(['}', ']']) {
                        out.extend(inside.chars().next());
                        rest = &inside[1..];
                        continue;
                    }
                    depth += 1;
                    line(&mut out, depth);
                }
                '}' | ']' => {
                    depth = depth.saturating_sub(1);
                    line(&mut out, depth);
                    out.push(first);
                }
                ',' => {
                    out.push(',');
                    line(&mut out, depth);
                }
                ':' => out.push_str(": "),
                '"' => {
                    let kind = if after.trim_start().starts_with(':') {
                        Kind::Key
                    } else {
                        Kind::Text
                    };
                    out.push_str(&self.paint(kind, &obeyed_by_none(token)));
                }
                c if c.is_ascii_whitespace() => {}
                _ => out.push_str(&self.paint(Kind::Value, token)),
            }
            rest = after;
        }
        out
    }
}

/// The bytes of the JSON string that a text starts with.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Text with control characters written as JSON escapes: a terminal would obey them. JSON has none below U+0020 as they
/// are, but DEL and those above U+007F.
fn obeyed_by_none(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_spread_and_keeps_its_values() {
        let json =
            r#"{"data":{"a":"x\"{,","n":12345678901234567890.10,"e":[],"o":{ },"l":[1,null]}}"#;
        let expected = "{\n  \"data\": {\n    \"a\": \"x\\\"{,\",\n    \"n\": 12345678901234567890.10,\n    \"e\": [],\n    \"o\": {},\n    \"l\": [\n      1,\n      null\n    ]\n  }\n}";
        assert_eq!(Paint::PLAIN.json(json, ""), expected);
    }

    #[test]
    fn nothing_is_left_for_a_terminal_to_obey() {
        let shown = Paint::PLAIN.json("\"a\u{9b}31mb\u{7f}\"", "");
        assert_eq!(shown, r#""a\u009b31mb\u007f""#);
    }
}
