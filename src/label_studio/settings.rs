//! How a server is talked to: what to trust, and how long to wait.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Certificate;

use crate::error::{Code, Error, Result};

/// How a server is talked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A PEM file with certificates of authorities to trust, besides those of the machine; none by default.
    pub ca_cert: Option<PathBuf>,
    /// How long a connection may take to make, TLS included: 30 s by default.
    pub connect_timeout: Duration,
    /// How long an upload, a commit, a job of the server or a deletion may take: 1 h by default. An import of 30,000
    /// tasks takes seconds, of 249,000 a minute, annotated ones five times that, and a server under load a multiple:
    /// giving up on a request does not stop it, so this is not to be short.
    pub import_timeout: Duration,
    /// How long an answer to anything else may take: 2 min by default; 7 s were seen during an import.
    pub answer_timeout: Duration,
    /// The time between two looks at a job of the server, and before the first retry of a request that only reads:
    /// 2 s by default. It doubles up to 16 times that while there are failures.
    pub poll_interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            ca_cert: None,
            connect_timeout: Duration::from_secs(30),
            import_timeout: Duration::from_hours(1),
            answer_timeout: Duration::from_mins(2),
            poll_interval: Duration::from_secs(2),
        }
    }
}

/// The certificates in a PEM file.
pub(super) fn certificates(path: &Path) -> Result<Vec<Certificate>> {
    let shown = path.display();
    let pem = std::fs::read(path).map_err(|e| {
        Error::new(
            Code::Usage,
            format!("cannot read the certificates in `{shown}`: {e}"),
        )
    })?;
    let found = Certificate::from_pem_bundle(&pem).unwrap_or_default();
    if found.is_empty() {
        return Err(
            Error::new(Code::Usage, format!("`{shown}` holds no certificate"))
                .help("`--ca-cert` wants PEM, which begins with `-----BEGIN CERTIFICATE-----`"),
        );
    }
    Ok(found)
}
