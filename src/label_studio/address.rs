//! The address of a project, as the browser shows it.

use url::{Host, Url};

use crate::error::{Code, Error, Result};
use crate::source::address::word_without_secrets;

/// A project of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The server with the prefix it is served under, and a slash at the end: the API is below it.
    pub server: Url,
    /// The project's number, from 1.
    pub project: u64,
}

/// What an address looks like, for messages.
const EXAMPLE: &str = "give the project's address as the browser shows it, such as `http://localhost:8080/projects/7`";

impl Address {
    /// Reads an address: `http` or `https`, a host, any prefix, `/projects/NUMBER`, and whatever the browser adds.
    ///
    /// # Errors
    /// [`Code::Usage`] when it is no such address. Credentials in it are refused and not repeated.
    pub fn parse(text: &str) -> Result<Address> {
        let wrong = |why: String| Error::new(Code::Usage, why).help(EXAMPLE);
        // Anything before an `@` may be a password: such an address is never repeated.
        let shown = if text.contains('@') {
            "the address".to_owned()
        } else {
            format!("the address `{}`", word_without_secrets(text))
        };
        let mut url =
            Url::parse(text.trim()).map_err(|e| wrong(format!("{shown} is no URL: {e}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(format!(
                "{shown} starts with neither `http://` nor `https://`"
            )));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("the address holds a user name or a password".into()).help(
                "leave them out; the token comes from `LABEL_STUDIO_API_KEY`, or from the file or the command that \
                 `LABEL_STUDIO_API_KEY_FILE` or `LABEL_STUDIO_API_KEY_COMMAND` names",
            ));
        }
        let segments: Vec<String> = url
            .path_segments()
            .into_iter()
            .flatten()
            .map(str::to_owned)
            .collect();
        // The last one, since a prefix may have the word in it, and what the browser adds has not.
        let Some(at) = segments.iter().rposition(|segment| segment == "projects") else {
            return Err(wrong(format!("{shown} names no project")));
        };
        let number = segments.get(at + 1).map_or("", String::as_str);
        let project = match number.parse::<u64>() {
            Ok(project) if project > 0 && number.bytes().all(|b| b.is_ascii_digit()) => project,
            _ if number.is_empty() => return Err(wrong(format!("{shown} names no project"))),
            _ => {
                return Err(wrong(format!(
                    "{shown} has `{number}` where a project's number belongs"
                )));
            }
        };
        let mut prefix = &segments[..at];
        // The address of the API is taken for what it means.
        if let [rest @ .., last] = prefix
            && last == "api"
        {
            prefix = rest;
        }
        let path: String = prefix
            .iter()
            .flat_map(|segment| ["/", segment])
            .chain(["/"])
            .collect();
        url.set_path(&path);
        url.set_query(None);
        url.set_fragment(None);
        Ok(Address {
            server: url,
            project,
        })
    }

    /// A name of the server that is the same for all its projects, in every run: what is kept per server, such as
    /// the next time an import is allowed, is kept under it.
    #[must_use]
    pub fn server_key(&self) -> String {
        let mut url = self.server.clone();
        // One server, many names.
        if self.is_loopback() && url.set_host(Some("localhost")).is_err() {
            return self.server.to_string();
        }
        url.to_string()
    }

    /// Whether the server is this machine, so that what is sent does not leave it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.server.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        }
    }

    /// A warning, if the token and the tasks would cross a network in the clear.
    #[must_use]
    pub fn warn_plain_http(&self) -> Option<String> {
        (self.server.scheme() == "http" && !self.is_loopback()).then(|| {
            let host = self.server.host_str().unwrap_or_default();
            format!("the token and the tasks go to `{host}` unencrypted; use `https://` if the server has it")
        })
    }

    /// The project's address as the browser shows it.
    #[must_use]
    pub fn project_url(&self) -> String {
        format!("{}projects/{}", self.server, self.project)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_as_the_browser_shows_it() {
        for (text, server, project) in [
            (
                "http://localhost:8080/projects/7",
                "http://localhost:8080/",
                7,
            ),
            (
                "http://localhost:8080/projects/7/data?tab=2&task=9#x",
                "http://localhost:8080/",
                7,
            ),
            (
                "HTTPS://Labels.Example.ORG:443/projects/12/",
                "https://labels.example.org/",
                12,
            ),
            (
                "https://h/ls/team%20a/projects/3/settings",
                "https://h/ls/team%20a/",
                3,
            ),
            (
                "https://h/projects/x/projects/3",
                "https://h/projects/x/",
                3,
            ),
            ("https://h/ls/api/projects/3/import", "https://h/ls/", 3),
            (" http://[::1]:8080/projects/7 ", "http://[::1]:8080/", 7),
        ] {
            let address = Address::parse(text).expect(text);
            assert_eq!(
                (address.server.as_str(), address.project),
                (server, project),
                "{text}"
            );
        }
    }

    #[test]
    fn another_address_is_refused_with_what_is_wrong() {
        for (text, message) in [
            (
                "localhost:8080/projects/7",
                "starts with neither `http://` nor `https://`",
            ),
            ("labels/projects/7", "is no URL"),
            ("ftp://h/projects/7", "starts with neither"),
            ("http://h/", "names no project"),
            ("http://h/projects/", "names no project"),
            (
                "http://h/projects/seven",
                "has `seven` where a project's number belongs",
            ),
            ("http://h/projects/0", "has `0`"),
            ("http://h/projects/+7", "has `+7`"),
            (
                "http://h/projects/99999999999999999999",
                "has `99999999999999999999`",
            ),
        ] {
            let error = Address::parse(text).expect_err(text);
            assert_eq!(error.code(), Code::Usage);
            assert!(error.message().contains(message), "{text}: {error}");
            assert!(
                error
                    .to_string()
                    .contains("http://localhost:8080/projects/7"),
                "{error}"
            );
        }
        for text in [
            "http://me:geheim@h/projects/7",
            "//me:geheim@h",
            "http://me:geheim@h/",
        ] {
            assert!(
                !Address::parse(text)
                    .expect_err(text)
                    .to_string()
                    .contains("geheim")
            );
        }
    }

    #[test]
    fn projects_of_one_server_share_its_key() {
        let key = |text| Address::parse(text).expect(text).server_key();
        assert_eq!(
            key("http://localhost:8080/projects/7"),
            key("http://127.0.0.1:8080/projects/8/data")
        );
        assert_eq!(
            key("http://localhost:8080/projects/7"),
            key("http://[::1]:8080/projects/8")
        );
        assert_eq!(
            key("https://H/ls/projects/7"),
            key("https://h:443/ls/projects/1")
        );
        assert_ne!(
            key("https://h/ls/projects/7"),
            key("https://h/other/projects/7")
        );
        assert_ne!(
            key("http://localhost:8080/projects/7"),
            key("http://localhost:8081/projects/7")
        );
    }

    #[test]
    fn plain_http_to_another_machine_warns() {
        let warns = |text: &str| {
            Address::parse(text)
                .expect(text)
                .warn_plain_http()
                .is_some()
        };
        assert!(warns("http://10.0.0.1/projects/7"));
        assert!(warns("http://labels.example.org/projects/7"));
        for text in [
            "https://labels.example.org",
            "http://localhost",
            "http://127.8.0.1",
            "http://[::1]",
            "http://a.localhost",
        ] {
            assert!(!warns(&format!("{text}/projects/7")), "{text}");
        }
    }
}
