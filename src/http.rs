//! What all who speak HTTP have in common: a server of projects, of files, of media.
//!
//! Files are fetched, and asked about, by the same [`Clients`] with one rule for redirects. The server of projects has a client
//! of its own, which holds a token and follows none.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, retry};
use url::{Host, Url};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(15);

/// How long a server may send nothing.
const SILENCE: Duration = Duration::from_mins(1);

/// How many redirects are followed.
const REDIRECTS: usize = 10;

/// What fetches files, and asks about them. It tries nothing again, and knows no credentials but those of an address, which
/// it hands to nobody else.
///
/// Its connections live on the runtime that made them: each runtime has one of its own.
pub struct Clients {
    /// By way of a proxy, where the environment names one.
    outside: Client,
    /// For servers on this machine.
    inside: Client,
}

impl Clients {
    /// Knows no server yet.
    ///
    /// # Errors
    /// When there can be none, such as for want of certificates.
    pub fn new() -> Result<Clients, String> {
        Ok(Clients {
            outside: built(Client::builder())?,
            inside: built(Client::builder().no_proxy())?,
        })
    }

    /// The client for an address.
    #[must_use]
    pub fn of(&self, url: &Url) -> &Client {
        if is_loopback(url) {
            &self.inside
        } else {
            &self.outside
        }
    }
}

fn built(builder: reqwest::ClientBuilder) -> Result<Client, String> {
    builder
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .redirect(Policy::custom(|attempt| {
            match refused_redirect(attempt.previous(), attempt.url()) {
                Some(why) => attempt.error(why),
                // The credentials of an address are left out on the way to another host.
                None => attempt.follow(),
            }
        }))
        // An address may have a signature in it, which is no one else's business.
        .referer(false)
        .retry(retry::never())
        .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| e.to_string())
}

/// Why a redirect is not followed, from the addresses before to the next; nothing if it is.
fn refused_redirect(before: &[Url], next: &Url) -> Option<&'static str> {
    let plain = next.scheme() == "http" && before.iter().any(|url| url.scheme() == "https");
    if plain {
        return Some("it redirects from https to http");
    }
    // Else any server of the web could have this machine fetch what is for this machine alone.
    if is_inside(next) && !before.iter().any(is_inside) {
        return Some("it redirects to an address of this machine or its network's own services");
    }
    (before.len() > REDIRECTS).then_some("it redirects without end")
}

/// Whether an address names this machine.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => match ip.to_ipv4_mapped() {
            Some(ip) => ip.is_loopback(),
            None => ip.is_loopback(),
        },
        None => false,
    }
}

/// Whether an address names this machine, or is of the kind under which clouds tell a machine its credentials.
#[must_use]
pub fn is_inside(url: &Url) -> bool {
    let ipv4 = |ip: std::net::Ipv4Addr| ip.is_link_local() || ip.is_unspecified();
    is_loopback(url)
        || match url.host() {
            Some(Host::Ipv4(ip)) => ipv4(ip),
            Some(Host::Ipv6(ip)) => match ip.to_ipv4_mapped() {
                Some(ip) => ipv4(ip),
                None => ip.is_unicast_link_local() || ip.is_unspecified(),
            },
            Some(Host::Domain(_)) | None => false,
        }
}

/// How long an answer asks to wait, in seconds or until a date; a date is compared with the answer's own, since the
/// clocks of two machines differ.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let after = text(RETRY_AFTER)?.trim();
    if let Ok(seconds) = after.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text| {
        DateTime::parse_from_rfc2822(text)
            .ok()
            .map(|date| date.with_timezone(&Utc))
    };
    let now = text(DATE).and_then(date).unwrap_or_else(Utc::now);
    (date(after)? - now).to_std().ok().or(Some(Duration::ZERO))
}

/// The cause behind all causes of an error: those before it only say where it comes by.
#[must_use]
pub fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::{REDIRECTS, Url, is_inside, is_loopback, refused_redirect};

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_redirect_leads_neither_to_plain_text_nor_into_this_machine_nor_on_without_end() {
        let cases = [
            ("https://a/", "https://b/", None),
            ("http://a/", "https://b/", None),
            ("http://a/", "http://b/", None),
            (
                "https://a/",
                "http://a/",
                Some("it redirects from https to http"),
            ),
            ("http://127.0.0.1/", "http://localhost/", None),
            ("https://a/", "https://a:1/", None),
        ];
        for (before, next, expected) in cases {
            assert_eq!(
                refused_redirect(&[url(before)], &url(next)),
                expected,
                "{before} {next}"
            );
        }
        // Not even by way of another.
        let before = [url("https://a/"), url("https://b/")];
        assert!(refused_redirect(&before, &url("http://c/")).is_some());
        for inside in [
            "http://localhost/",
            "http://[::1]/",
            "http://169.254.169.254/",
            "http://[fe80::1]/",
            "http://0.0.0.0/",
            "http://2130706433/",
            "http://[::ffff:127.0.0.1]/",
            "http://x.localhost/",
        ] {
            assert!(
                refused_redirect(&[url("http://a/")], &url(inside)).is_some(),
                "{inside}"
            );
        }
        let before = vec![url("http://a/"); REDIRECTS];
        assert_eq!(refused_redirect(&before, &url("http://a/")), None);
        let before = vec![url("http://a/"); REDIRECTS + 1];
        assert_eq!(
            refused_redirect(&before, &url("http://a/")),
            Some("it redirects without end")
        );
    }

    #[test]
    fn what_is_inside_is_told_by_the_host_alone() {
        assert!(is_loopback(&url("http://LOCALHOST:8080/x")));
        assert!(!is_loopback(&url("http://localhost.example.com/")));
        assert!(!is_inside(&url("http://10.0.0.1/")));
        assert!(!is_inside(&url("https://example.com/?u=http://localhost/")));
    }
}
