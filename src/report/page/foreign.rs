//! Text from outside: names of files, values of records, what a server said.

use std::fmt::Write;

use maud::Render;

/// Signs of such a text that are shown.
const MOST_SIGNS: usize = 400;

/// Text from outside, rendered so that it shows what is in it and does nothing: what would be markup is escaped; controls
/// and signs that turn the direction of text or cannot be seen are shown by their numbers; what is long is cut.
pub(crate) struct Foreign<'a>(pub(crate) &'a str);

impl Render for Foreign<'_> {
    fn render_to(&self, buffer: &mut String) {
        let mut clean = String::new();
        let mut signs = self.0.chars();
        for sign in signs.by_ref().take(MOST_SIGNS) {
            if is_hidden(sign) {
                // Writing to a string cannot fail.
                let _ = write!(clean, "<U+{:04X}>", u32::from(sign));
            } else {
                clean.push(sign);
            }
        }
        if signs.next().is_some() {
            clean.push('…');
        }
        clean.as_str().render_to(buffer);
    }
}

/// Whether a sign is not seen, or changes how those around it are.
fn is_hidden(sign: char) -> bool {
    let turns = matches!(sign, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
    let marks =
        matches!(sign, '\u{ad}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    turns || marks || sign.is_control() && sign != '\n'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> String {
        Foreign(text).render().into_string()
    }

    #[test]
    fn what_is_foreign_is_seen_and_does_nothing() {
        assert_eq!(
            rendered("<script>alert(\"1\" & '2')</script>"),
            "&lt;script&gt;alert(&quot;1&quot; &amp; '2')&lt;/script&gt;"
        );
        assert_eq!(
            rendered("a\u{202e}gpj.exe\0\u{1b}[2J"),
            "a&lt;U+202E&gt;gpj.exe&lt;U+0000&gt;&lt;U+001B&gt;[2J"
        );
        assert_eq!(rendered("Zürich, 東京, مرحبا"), "Zürich, 東京, مرحبا");
        assert_eq!(
            rendered(&"x".repeat(10_000)).chars().count(),
            MOST_SIGNS + 1
        );
    }
}
