//! How addresses are shown: without what may be secret in them, which is the user and password before the host, and the
//! query and the fragment after the path.
//!
//! How much must be guessed depends on what is at hand: an address that was parsed ([`shown`]), a word as somebody typed
//! it ([`word_without_secrets`]), or a text that speaks of addresses ([`without_secrets`]).

/// What stands for an address that cannot be told from the password in it.
const HIDDEN: &str = "***";

/// Where the host of an address ends. Browsers, and those who write addresses by hand, take a backslash for a slash.
const AFTER_HOST: [char; 4] = ['/', '\\', '?', '#'];

/// One address without its secrets, read as the standard has it (RFC 3986): the user ends at the last `@` before the path.
///
/// It is for addresses that are no words of a command line, such as those that tasks hold: what somebody typed may have a
/// password with signs in it that the standard does not allow there.
#[must_use]
pub fn shown(address: &str) -> String {
    match address.split_once("://") {
        None => without_query(address).to_owned(),
        Some((scheme, rest)) => format!("{scheme}://{}", without_user(without_query(rest))),
    }
}

/// A word of a command line without its secrets, whatever signs are in them.
///
/// What a word holds from the first `://` on is an address, to the word's end. A password may hold any sign, even those
/// that end it by the standard; so an address with a `:` before its path and an `@` after it can be read in two ways, one
/// of which has a password in what looks like the port and the path. Nothing is shown of such a one but its scheme.
#[must_use]
pub fn word_without_secrets(word: &str) -> String {
    let Some((before, rest)) = word.split_once("://") else {
        return word.to_owned();
    };
    let host = rest.find(AFTER_HOST).unwrap_or(rest.len());
    if is_doubtful(rest) || (has_port(&rest[..host]) && rest[host..].contains('@')) {
        return format!("{before}://{HIDDEN}");
    }
    let rest = without_query(rest);
    let (user, path) = rest.split_at(host.min(rest.len()));
    // Lists have more than one address in a word.
    format!(
        "{before}://{}{}",
        without_user(user),
        word_without_secrets(path)
    )
}

/// The text with every address in it cut down to what is no secret: no user and password, no query, no fragment.
///
/// An address is what holds `://`. It ends with the quote or bracket that closes the one before its scheme, the last
/// before white space if there are several, and at white space otherwise: a sign of a secret must not end it. So what
/// follows a query without a space may be lost with it. What looks like a port is taken for one, as texts speak of
/// addresses that have been read.
#[must_use]
pub fn without_secrets(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + "://".len());
        clean.push_str(before);
        let (address, remainder) = after.split_at(end(&before[..at], after));
        if is_doubtful(address) {
            clean.push_str(HIDDEN);
        } else {
            clean.push_str(&word_without_secrets(without_user(without_query(address))));
        }
        rest = remainder;
    }
    clean.push_str(rest);
    clean
}

/// Where an address ends in the text after its scheme; `before` ends with the scheme.
fn end(before: &str, after: &str) -> usize {
    let space = after.find(char::is_whitespace).unwrap_or(after.len());
    let of_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let closing = match before.trim_end_matches(of_scheme).chars().next_back() {
        Some(quote @ ('"' | '\'' | '`')) => quote,
        Some('(') => ')',
        Some('<') => '>',
        Some('>') => '<',
        Some('{') => '}',
        Some('[') => ']',
        _ => return space,
    };
    // A secret may hold white space too, where nothing closes before it.
    after[..space]
        .rfind(closing)
        .or_else(|| after.find(closing))
        .unwrap_or(space)
}

/// Whether what follows the scheme can be read in two ways: there is a `:` before the path that is not that of a port, and
/// an `@` in or after it.
fn is_doubtful(rest: &str) -> bool {
    let host = rest.find(AFTER_HOST).unwrap_or(rest.len());
    let (host, path) = rest.split_at(host);
    host.contains(':') && !is_numeric(host) && !has_port(host) && path.contains('@')
}

/// Whether it is an address of IP version 6 and nothing else, whose colons are no sign of a password.
fn is_numeric(host: &str) -> bool {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok())
}

/// Whether it is a host and a port, by their looks.
fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(host, port)| {
        let of_name = !host.is_empty() && !host.contains([':', '@']);
        (of_name || is_numeric(host)) && !port.is_empty() && port.parse::<u16>().is_ok()
    })
}

fn without_query(address: &str) -> &str {
    address.split(['?', '#']).next().unwrap_or_default()
}

/// The rest of an address after its scheme, without user and password.
fn without_user(rest: &str) -> &str {
    let host = rest.find(['/', '\\']).unwrap_or(rest.len());
    &rest[rest[..host].rfind('@').map_or(0, |at| at + 1)..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{shown, without_secrets, word_without_secrets};

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        let cases = [
            ("http://h/a.jpg", "http://h/a.jpg"),
            ("https://u:p@h:1/a@b.jpg?sig=s#f", "https://h:1/a@b.jpg"),
            ("https://h/it's.jpg?sig=s", "https://h/it's.jpg"),
            ("https://u:p'w\"@h", "https://h"),
            ("s3://b/a#sig", "s3://b/a"),
            ("/data/local-files/?d=a.jpg", "/data/local-files/"),
        ];
        for (address, expected) in cases {
            assert_eq!(shown(address), expected);
        }
    }

    #[test]
    fn words_lose_their_secrets_and_nothing_else() {
        for (word, expected) in [
            ("https://me:hunter2@h/a?sig=geheim", "https://h/a"),
            ("https://me:hun'ter2@h/a b?sig=ge heim", "https://h/a b"),
            ("https://me:hun?ter2@h/a", "https://***"),
            ("https://me:80/hunter2@h/a", "https://***"),
            (
                "--to=redis://:hunter2@h:1/1?path=geheim",
                "--to=redis://h:1/1",
            ),
            (
                "a=s3://u:hunter2@b/x,https://u:hunter2@h/y#geheim",
                "a=s3://***",
            ),
            (
                "s3://b/x,https://u:hunter2@h/y#geheim",
                "s3://b/x,https://h/y",
            ),
            ("https://me:hun(ter2\\@h\\a", "https://***"),
            ("https://me:hun(ter2@h\\a", "https://h\\a"),
            (
                "http://localhost:8080/projects/7",
                "http://localhost:8080/projects/7",
            ),
            ("http://[::1]/a@2x.csv", "http://[::1]/a@2x.csv"),
            ("s3://bucket/a@b.csv", "s3://bucket/a@b.csv"),
            ("data/what?.csv", "data/what?.csv"),
            ("lang=\"en\"", "lang=\"en\""),
        ] {
            assert_eq!(word_without_secrets(word), expected);
            assert_eq!(word_without_secrets(expected), expected);
        }
    }

    #[test]
    fn texts_lose_the_secrets_of_their_addresses() {
        for (text, expected) in [
            (
                "cannot read `https://me:hun'ter2@h/a?sig=it's`: gone",
                "cannot read `https://h/a`: gone",
            ),
            (
                "cannot read `https://me:hunter 2@h/a?sig=a b`: gone",
                "cannot read `https://h/a`: gone",
            ),
            (
                "(see https://h/a?sig=\"geheim) twice",
                "(see https://h/a twice",
            ),
            ("(https://h/a?sig=)geheim): gone", "(https://h/a): gone"),
            ("<Url>http://h/a</Url>", "<Url>http://h/a</Url>"),
            (
                "from http://h:1/a to s3://u:p@b.",
                "from http://h:1/a to s3://b.",
            ),
        ] {
            assert_eq!(without_secrets(text), expected);
        }
    }

    /// Signs that end something somewhere come often.
    fn secret() -> impl Strategy<Value = String> {
        let sign = prop_oneof![
            3 => any::<char>(),
            3 => proptest::sample::select("/\\?#@:'\"`()<>{}[],;=&% \t\n".chars().collect::<Vec<_>>()),
            1 => proptest::char::range('0', '9'),
        ];
        let signs = proptest::collection::vec(sign, 0..6);
        // The letters at both ends are looked for, so that none of it may stay.
        (signs.clone(), signs).prop_map(|(before, after)| {
            let (before, after) = (String::from_iter(before), String::from_iter(after));
            format!("ZZQ{before}QZZ{after}ZQZ")
        })
    }

    fn holds_secret(text: &str) -> bool {
        ["ZZQ", "QZZ", "ZQZ"].iter().any(|part| text.contains(part))
    }

    proptest! {
        #[test]
        fn no_word_keeps_a_secret(
            password in secret(),
            digits in "[0-9]{0,5}/?",
            signature in secret(),
            before in prop_oneof![Just(""), Just("--to="), Just("text=")],
            user in "[a-z]{0,3}",
            scheme in prop_oneof![Just("https"), Just("redis"), Just("s3")],
            host in prop_oneof![Just("h"), Just("h:80"), Just("[::1]:6379")],
            path in prop_oneof![Just(""), Just("/"), Just("/a/b@2x.csv")],
        ) {
            for word in [
                format!("{before}{scheme}://{user}:{digits}{password}@{host}{path}"),
                format!("{before}{scheme}://{host}{path}?sig={signature}"),
                format!("{before}{scheme}://{host}{path}#{signature}"),
                format!("{before}{scheme}://{user}:{digits}{password}@{host}{path}?sig={signature}"),
            ] {
                let clean = word_without_secrets(&word);
                prop_assert!(!holds_secret(&clean), "{word:?} became {clean:?}");
                let scheme = format!("{before}{scheme}://");
                prop_assert!(clean.starts_with(&scheme));
                prop_assert_eq!(&word_without_secrets(&clean), &clean);
            }
        }

        /// Of texts it holds where nothing in the secret may end an address: neither white space nor the quote it is in.
        #[test]
        fn no_text_keeps_the_secret_of_an_address_in_quotes(
            password in secret(),
            signature in secret(),
            quotes in prop_oneof![Just(("`", "`")), Just(("\"", "\"")), Just(("(", ")"))],
        ) {
            let strip = |secret: String| -> String {
                secret.chars().filter(|c| !c.is_whitespace() && !quotes.1.contains(*c)).collect()
            };
            let (password, signature) = (strip(password), strip(signature));
            let (open, close) = quotes;
            let text = format!("cannot read {open}https://me:{password}@h/a?sig={signature}{close}: gone");
            let clean = without_secrets(&text);
            prop_assert!(!holds_secret(&clean), "{text:?} became {clean:?}");
            let end = format!("{close}: gone");
            prop_assert!(clean.starts_with("cannot read ") && clean.ends_with(&end));
        }
    }
}
