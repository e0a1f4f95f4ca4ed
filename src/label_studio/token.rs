//! The user's token: where it comes from and of which kind it is. It is never shown.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Code, Error, Result};

/// The environment variable that holds the token.
pub const VARIABLE: &str = "LABEL_STUDIO_API_KEY";

/// The environment variable that names a file which holds the token.
pub const FILE_VARIABLE: &str = "LABEL_STUDIO_API_KEY_FILE";

/// The environment variable that holds a shell command which writes the token to its standard output.
pub const COMMAND_VARIABLE: &str = "LABEL_STUDIO_API_KEY_COMMAND";

/// Where a token is found in the browser.
const WHERE: &str = "in Label Studio, open `Account & Settings`, and copy the personal access token or the legacy token";

/// Which of the server's two kinds a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sent as it is. Servers have these switched off unless told otherwise.
    Legacy,
    /// Exchanged for access tokens, which live some minutes.
    Personal {
        /// When it expires, in seconds since 1970; `None` if it does not say.
        expires: Option<i64>,
    },
}

/// A token. No form of it shows the secret; only the requests of this module carry it.
#[derive(Clone)]
pub struct Token {
    secret: Arc<str>,
    kind: Kind,
    warning: Option<String>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Token {
    /// The token that the process's environment gives.
    ///
    /// # Errors
    /// Those of [`Token::find`].
    pub fn from_environment() -> Result<Token> {
        Token::find(|name| std::env::var_os(name))
    }

    /// The token that an environment gives: [`VARIABLE`], else [`FILE_VARIABLE`], else [`COMMAND_VARIABLE`]; empty
    /// ones count as not set. A command is run here and now, and what it writes to standard error is passed on.
    ///
    /// # Errors
    /// [`Code::Unauthorized`] when there is none, or it cannot be had, or it cannot be a token. No error repeats it.
    pub fn find(environment: impl Fn(&str) -> Option<OsString>) -> Result<Token> {
        let get = |name| environment(name).filter(|value| !value.is_empty());
        if let Some(value) = get(VARIABLE) {
            return Token::parse(&value.to_string_lossy(), &format!("`{VARIABLE}`"));
        }
        if let Some(path) = get(FILE_VARIABLE) {
            return from_file(Path::new(&path));
        }
        if let Some(command) = get(COMMAND_VARIABLE) {
            return from_command(&command);
        }
        Err(Error::new(
            Code::Unauthorized,
            format!("there is no token for the server: `{VARIABLE}` is not set"),
        )
        .help(format!(
            "{WHERE} to that variable, or to a file that `{FILE_VARIABLE}` names"
        )))
    }

    /// The token in a text, with the space around it removed; `source` says where the text is from, for messages.
    ///
    /// # Errors
    /// [`Code::Unauthorized`] when it cannot be a token, or is of a kind that is of no use.
    pub fn parse(text: &str, source: &str) -> Result<Token> {
        let text = text.trim();
        let wrong = |why: &str, help: &str| {
            Err(Error::new(Code::Unauthorized, format!("{source} {why}")).help(help.to_owned()))
        };
        if text.is_empty() {
            return wrong("holds no token: it is empty", WHERE);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return wrong(
                "holds characters that no token has, such as spaces",
                "give the token alone, on one line, without `Token` or `Bearer` before it",
            );
        }
        let kind = match Shape::of(text) {
            Shape::Signed(claims) if claims.token_type.as_deref() == Some("refresh") => {
                Kind::Personal {
                    expires: claims.expires(),
                }
            }
            Shape::Signed(claims) if claims.token_type.as_deref() == Some("access") => {
                return wrong(
                    "holds an access token, which expires within minutes",
                    "give the personal access token that it was made from; sluice exchanges it as often as needed",
                );
            }
            Shape::Unsigned => {
                return wrong(
                    "holds a personal access token without its last part, as the server lists it",
                    "the whole token is shown only when it is created: create a new one if it was not kept",
                );
            }
            Shape::Signed(_) | Shape::Other => Kind::Legacy,
        };
        Ok(Token {
            secret: Arc::from(text),
            kind,
            warning: None,
        })
    }

    /// Of which kind it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// A warning about where it comes from, if there is reason for one.
    #[must_use]
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// The secret itself, for the request that carries it.
    pub(super) fn secret(&self) -> &str {
        &self.secret
    }
}

fn from_file(path: &Path) -> Result<Token> {
    let shown = format!("the file `{}` that `{FILE_VARIABLE}` names", path.display());
    let text = std::fs::read(path).map_err(|e| {
        Error::new(Code::Unauthorized, format!("cannot read {shown}: {e}")).help(WHERE)
    })?;
    let mut token = Token::parse(&String::from_utf8_lossy(&text), &shown)?;
    if readable_by_all(path) {
        let path = path.display();
        token.warning = Some(format!(
            "every user of this machine can read the token in `{path}`; mend it with `chmod 600 {path}`"
        ));
    }
    Ok(token)
}

#[cfg(unix)]
fn readable_by_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path)
        .is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn readable_by_all(_: &Path) -> bool {
    false
}

fn from_command(command: &OsString) -> Result<Token> {
    let shown = format!("the command that `{COMMAND_VARIABLE}` names");
    // Its standard input is not ours: that may be a source.
    let output = Command::new("sh")
        .arg("-c")
        .arg(command)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output();
    let output =
        output.map_err(|e| Error::new(Code::Unauthorized, format!("cannot run {shown}: {e}")))?;
    if !output.status.success() {
        return Err(Error::new(
            Code::Unauthorized,
            format!("{shown} failed: {}", output.status),
        )
        .help(
            "run it by hand to see why; its standard output must be the token and nothing else",
        ));
    }
    Token::parse(&String::from_utf8_lossy(&output.stdout), &shown)
}

/// What a JSON web token says of itself. Nothing here checks its signature: that is the server's to do.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Claims {
    token_type: Option<String>,
    exp: Option<f64>,
    iat: Option<f64>,
}

impl Claims {
    /// When it expires, in seconds since 1970.
    fn expires(&self) -> Option<i64> {
        self.exp.map(|seconds| seconds as i64)
    }

    /// How many seconds it lives, by the server's clock alone.
    pub(super) fn lifetime(&self) -> Option<f64> {
        Some(self.exp? - self.iat?).filter(|seconds| seconds.is_finite() && *seconds > 0.0)
    }

    /// The claims of a signed token.
    pub(super) fn of(token: &str) -> Option<Claims> {
        match Shape::of(token) {
            Shape::Signed(claims) => Some(claims),
            Shape::Unsigned | Shape::Other => None,
        }
    }
}

/// What a token looks like.
enum Shape {
    /// A whole JSON web token.
    Signed(Claims),
    /// One without its signature.
    Unsigned,
    /// Anything else.
    Other,
}

impl Shape {
    fn of(token: &str) -> Shape {
        let mut parts = token.split('.');
        let (Some(header), Some(payload)) = (parts.next(), parts.next()) else {
            return Shape::Other;
        };
        let (signature, rest) = (parts.next(), parts.next());
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok();
        let header = decode(header).and_then(|json| serde_json::from_slice::<Value>(&json).ok());
        let claims = decode(payload).and_then(|json| serde_json::from_slice::<Claims>(&json).ok());
        match (header, claims, signature, rest) {
            (Some(Value::Object(_)), Some(claims), Some(signature), None)
                if decode(signature).is_some() =>
            {
                if signature.is_empty() {
                    Shape::Unsigned
                } else {
                    Shape::Signed(claims)
                }
            }
            (Some(Value::Object(_)), Some(_), None, None) => Shape::Unsigned,
            _ => Shape::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(payload: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!(
            "{}.{}.{}",
            part(r#"{"alg":"HS256","typ":"JWT"}"#),
            part(payload),
            part("signature")
        )
    }

    fn only(name: &'static str, value: &str) -> impl Fn(&str) -> Option<OsString> {
        let value = OsString::from(value);
        move |asked| (asked == name).then(|| value.clone())
    }

    #[test]
    fn the_kinds_are_told_apart() {
        let kind = |text: &str| Token::parse(text, "it").expect(text).kind();
        assert_eq!(
            kind("0123456789abcdef0123456789abcdef01234567"),
            Kind::Legacy
        );
        assert_eq!(kind("  an.odd.one\n"), Kind::Legacy);
        let personal =
            jwt(r#"{"token_type":"refresh","exp":8051459812,"iat":1744259812,"user_id":1}"#);
        assert_eq!(
            kind(&personal),
            Kind::Personal {
                expires: Some(8_051_459_812)
            }
        );
        assert_eq!(
            kind(&jwt(r#"{"token_type":"refresh"}"#)),
            Kind::Personal { expires: None }
        );
        assert_eq!(kind(&jwt(r#"{"sub":"someone"}"#)), Kind::Legacy);
    }

    #[test]
    fn what_cannot_serve_is_refused_and_not_repeated() {
        let access = jwt(r#"{"token_type":"access","exp":1744260112,"iat":1744259812}"#);
        let personal = jwt(r#"{"token_type":"refresh"}"#);
        let unsigned = personal.rsplit_once('.').expect("three parts").0;
        for (text, message) in [
            (access.as_str(), "an access token"),
            (unsigned, "without its last part"),
            ("Token 0123456789abcdef", "spaces"),
            ("zwei\u{308}", "characters that no token has"),
            (" \n", "empty"),
        ] {
            let error = Token::parse(text, "`X`").expect_err(message);
            assert_eq!((error.code(), error.exit_code()), (Code::Unauthorized, 6));
            assert!(error.message().contains(message), "{error}");
            assert!(
                text.trim().is_empty() || !error.to_string().contains(text),
                "{error}"
            );
        }
    }

    #[test]
    fn it_comes_from_a_variable_a_file_or_a_command() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        std::fs::write(&path, "from-file\n").expect("written");
        let path = path.to_str().expect("UTF-8");
        assert_eq!(
            Token::find(only(VARIABLE, " from-variable "))
                .expect("one")
                .secret(),
            "from-variable"
        );
        assert_eq!(
            Token::find(only(FILE_VARIABLE, path))
                .expect("one")
                .secret(),
            "from-file"
        );
        assert_eq!(
            Token::find(only(COMMAND_VARIABLE, "printf 'from-%s\n' command"))
                .expect("one")
                .secret(),
            "from-command"
        );
        let both = |name: &str| (name != COMMAND_VARIABLE).then(|| OsString::from("both"));
        assert_eq!(Token::find(both).expect("one").secret(), "both");

        let missing = Token::find(|_| Some(OsString::new())).expect_err("none");
        assert!(missing.to_string().contains(FILE_VARIABLE), "{missing}");
        let failed =
            Token::find(only(COMMAND_VARIABLE, "echo secret-part; exit 3")).expect_err("it fails");
        assert!(
            failed.message().contains('3') && !failed.to_string().contains("secret-part"),
            "{failed}"
        );
        let unread = Token::find(only(FILE_VARIABLE, "/nowhere/token")).expect_err("no file");
        assert!(unread.message().contains("/nowhere/token"), "{unread}");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_all_can_read_warns() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        std::fs::write(&path, "abc").expect("written");
        for (mode, warns) in [(0o600, false), (0o640, false), (0o644, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
            let token =
                Token::find(only(FILE_VARIABLE, path.to_str().expect("UTF-8"))).expect("one");
            assert_eq!(token.warning().is_some(), warns, "{mode:o}");
        }
    }

    #[test]
    fn debug_does_not_show_it() {
        let token = Token::parse("0123456789abcdef", "it").expect("one");
        assert!(!format!("{token:?}").contains("0123456789abcdef"));
    }
}
