//! A real Label Studio, started by `scripts/label-studio` and ended with this process.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A server on loopback.
pub struct Real {
    pub url: String,
    /// The legacy token.
    pub token: String,
    /// The personal access token.
    pub pat: String,
    data: PathBuf,
    database: &'static str,
    cache: PathBuf,
}

/// The labelling config of projects: one text, one choice of `a` and `b`.
pub const CONFIG: &str = r#"<View><Text name="text" value="$text"/><Choices name="c" toName="text"><Choice value="a"/><Choice value="b"/></Choices></View>"#;

fn script(cache: &Path, words: &[&str]) -> Result<Output, String> {
    script_with(cache, words, None)
}

/// The same; the server may read files below the folder `served`.
fn script_with(cache: &Path, words: &[&str], served: Option<&Path>) -> Result<Output, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/label-studio");
    let output = Command::new(&script)
        .args(words)
        .env("SLUICE_CACHE", cache)
        .envs(served.map(|_| ("LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED", "true")))
        // Stores and databases of tests are on loopback, which servers otherwise do not reach into.
        .envs(served.map(|_| ("LABEL_STUDIO_SSRF_PROTECTION_ENABLED", "false")))
        .envs(served.map(|root| ("LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT", root)))
        .output()
        .map_err(|error| format!("cannot run {}: {error}", script.display()))?;
    if output.status.success() {
        Ok(output)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Where the script keeps what it installs. PostgreSQL has a user of its own, who may not enter every folder.
fn cache(database: &str) -> PathBuf {
    let cache = std::env::var_os("SLUICE_CACHE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/label-studio"),
        PathBuf::from,
    );
    let enterable = |folder: &Path| {
        let about = std::fs::metadata(folder);
        about.is_ok_and(|about| about.permissions().mode() & 0o001 != 0)
    };
    let there: Vec<_> = cache.ancestors().filter(|folder| folder.is_dir()).collect();
    if database == "sqlite" || there.into_iter().all(enterable) {
        cache
    } else {
        std::env::temp_dir().join("sluice-label-studio")
    }
}

impl Real {
    /// Starts a server of its own on `sqlite` or `postgres`; `name` tells its folder from others'.
    ///
    /// # Errors
    /// What is missing on this machine.
    pub fn start(database: &'static str, name: &str) -> Result<Real, String> {
        Real::start_with(database, name, None)
    }

    /// The same; it may read files below the folder `root`.
    ///
    /// # Errors
    /// What is missing on this machine.
    pub fn start_serving(database: &'static str, name: &str, root: &Path) -> Result<Real, String> {
        Real::start_with(database, name, Some(root))
    }

    fn start_with(
        database: &'static str,
        name: &str,
        served: Option<&Path>,
    ) -> Result<Real, String> {
        let cache = cache(database);
        let process = std::process::id().to_string();
        let data = cache.join(format!("{name}-{process}"));
        let folder = data.to_str().expect("a plain path");
        let words = [
            "start",
            "--for",
            &process,
            "--database",
            database,
            "--data",
            folder,
        ];
        let output = script_with(&cache, &words, served).map_err(|why| {
            format!(
                "no Label Studio to test against:\n{why}\nInstall what is missing and try `scripts/label-studio start` by \
                 hand; these tests do not pass without it."
            )
        })?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let values: BTreeMap<&str, &str> = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .collect();
        let value = |name: &str| {
            let value = values.get(name).ok_or(format!("no {name}= in:\n{text}"))?;
            Ok::<_, String>((*value).to_owned())
        };
        Ok(Real {
            url: value("URL")?,
            token: value("TOKEN")?,
            pat: value("PAT")?,
            data: value("DATA")?.into(),
            database,
            cache,
        })
    }

    /// What the server keeps.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Kills the server as a crash does, and starts it again where it was.
    pub fn crash(&self) {
        let folder = self.data.to_str().expect("a plain path");
        let port = self.url.rsplit(':').next().expect("a port");
        script(&self.cache, &["stop", "--kill", "--data", folder]).expect("it is stopped");
        let words = [
            "start",
            "--data",
            folder,
            "--database",
            self.database,
            "--port",
            port,
        ];
        script(&self.cache, &words).expect("it starts again");
    }
}
