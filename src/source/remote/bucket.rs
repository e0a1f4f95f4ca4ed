//! Buckets: how an address names one, and how it is reached.

use std::fmt;
use std::path::{MAIN_SEPARATOR, Path as FilePath};
use std::sync::Arc;
use std::time::Duration;

use object_store::local::LocalFileSystem;
use object_store::signer::Signer;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};

use super::{azure, gcs, s3};
use crate::error::{Code, Error, Result};

/// The variable by which a machine's own service for credentials may be asked. Where there is none, asking takes minutes.
pub const METADATA: &str = "SLUICE_INSTANCE_METADATA";

/// How long a request is tried again after faults of the network or the store, before the run ends.
const PATIENCE: Duration = Duration::from_secs(90);

/// How often at most.
const TRIES: usize = 8;

/// The longest pause between two tries. Builds for tests do not wait for servers that will never mend.
const LONGEST_PAUSE: Duration = if cfg!(debug_assertions) {
    Duration::from_millis(50)
} else {
    Duration::from_secs(15)
};

/// The kinds of stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Amazon S3, and what speaks its language.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
}

/// An address in a bucket, such as `s3://bucket/key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The kind of store.
    pub scheme: Scheme,
    /// The bucket's own address, with the slash after it.
    pub root: String,
    /// The bucket's name.
    pub bucket: String,
    /// The account it belongs to, where the address names it.
    pub account: Option<String>,
    /// What comes after: a key, a prefix, a pattern, or nothing.
    pub key: String,
}

/// A bucket that can be reached.
pub struct Bucket {
    pub(super) address: String,
    store: Arc<dyn ObjectStore>,
    /// Of which kind it is; a folder is of none.
    pub(super) scheme: Option<Scheme>,
    /// What signs addresses of its objects; a folder has none.
    signer: Option<Arc<dyn Signer>>,
    credentials: String,
}

impl Address {
    /// The address that a word is, if it is one of a store.
    ///
    /// # Errors
    /// When it names no bucket.
    pub fn parse(word: &str) -> Result<Option<Address>> {
        let Some((scheme, rest)) = word.split_once("://") else {
            return Ok(None);
        };
        let kind = match scheme {
            "s3" | "s3a" => Scheme::S3,
            "gs" => Scheme::Gcs,
            "az" | "azure" | "abfs" | "abfss" => Scheme::Azure,
            _ => return Ok(None),
        };
        let (authority, key) = rest.split_once('/').unwrap_or((rest, ""));
        let (bucket, account) = match authority.split_once('@') {
            // The account is the host's first name: container@account.dfs.core.windows.net.
            Some((bucket, host)) if kind == Scheme::Azure => (
                bucket,
                host.split('.').next().filter(|name| !name.is_empty()),
            ),
            _ => (authority, None),
        };
        if bucket.is_empty() || bucket.contains(['@', ':', '?', '#']) {
            return Err(
                Error::new(Code::Usage, format!("`{scheme}://...` names no bucket")).help(format!(
                    "write `{scheme}://bucket/key`, without user, port or query"
                )),
            );
        }
        Ok(Some(Address {
            scheme: kind,
            root: format!("{scheme}://{authority}/"),
            bucket: bucket.to_owned(),
            account: account.map(str::to_owned),
            key: key.to_owned(),
        }))
    }
}

impl Bucket {
    /// A bucket with the credentials that are in the environment or in the usual files. Nothing is asked of it yet.
    ///
    /// # Errors
    /// When there are no credentials, or they cannot be used.
    pub fn open(address: &Address) -> Result<Bucket> {
        Ok(match address.scheme {
            Scheme::S3 => Self::of(address, s3::open(&address.bucket)?),
            Scheme::Gcs => Self::of(address, gcs::open(&address.bucket)?),
            Scheme::Azure => {
                let account = address.account.as_deref();
                Self::of(address, azure::open(&address.bucket, account)?)
            }
        })
    }

    fn of<S: ObjectStore + Signer>(address: &Address, opened: (S, String)) -> Bucket {
        let (store, credentials) = opened;
        let store = Arc::new(store);
        Bucket {
            address: address.root.clone(),
            scheme: Some(address.scheme),
            signer: Some(Arc::clone(&store) as Arc<dyn Signer>),
            store,
            credentials,
        }
    }

    /// A folder that is written to as a bucket is: an object is a file that appears whole or not at all, and is on the disk
    /// before the next.
    ///
    /// # Errors
    /// When there is no such folder, and none can be made.
    pub fn of_folder(folder: &FilePath) -> Result<Bucket> {
        let shown = folder.display();
        let cannot = |why: &dyn fmt::Display| {
            Error::new(
                Code::TargetWrite,
                format!("cannot create the folder `{shown}`: {why}"),
            )
        };
        std::fs::create_dir_all(folder).map_err(|e| cannot(&e))?;
        let store = LocalFileSystem::new_with_prefix(folder).map_err(|e| cannot(&e))?;
        Ok(Bucket {
            address: format!("{shown}{MAIN_SEPARATOR}"),
            store: Arc::new(store.with_fsync(true)),
            signer: None,
            scheme: None,
            credentials: "the rights of this user".to_owned(),
        })
    }

    /// Its address, with the slash after it.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How it is spoken to.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// What signs addresses of its objects, if it is a bucket.
    pub(super) fn signer(&self) -> Option<&dyn Signer> {
        self.signer.as_deref()
    }

    /// Where its credentials are from, never what they are.
    #[must_use]
    pub fn credentials(&self) -> &str {
        &self.credentials
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

/// How often and how long requests are tried.
pub(super) fn retry() -> RetryConfig {
    let usual = BackoffConfig::default();
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: usual.init_backoff.min(LONGEST_PAUSE),
            max_backoff: LONGEST_PAUSE,
            ..usual
        },
        max_retries: TRIES,
        retry_timeout: PATIENCE,
    }
}

/// A variable that is set to something.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The first of these variables that is set to something.
pub(super) fn first_variable<'a>(names: &[&'a str]) -> Option<(&'a str, String)> {
    names.iter().find_map(|name| Some((*name, variable(name)?)))
}

/// The variables that begin so, by their names in lower case, as the stores' builders know them.
pub(super) fn variables(prefix: &str) -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, value)| name.starts_with(prefix) && !value.is_empty())
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect()
}

/// Whether a variable says yes.
pub(super) fn is_set(name: &str) -> bool {
    variable(name).is_some_and(|value| {
        matches!(
            value.to_ascii_lowercase().as_str(),
            "1" | "true" | "yes" | "on"
        )
    })
}

/// Where a user's own files are.
pub(super) fn home() -> Option<std::path::PathBuf> {
    std::env::home_dir().filter(|home| !home.as_os_str().is_empty())
}

/// The error of a store without credentials.
pub(super) fn no_credentials(store: &str, ways: &str) -> Error {
    Error::new(
        Code::Unauthorized,
        format!("there are no credentials for {store}"),
    )
    .help(format!(
        "{ways}; where the machine itself has a role, set {METADATA}=1"
    ))
}

/// The error of credentials or settings that a store's client does not take.
pub(super) fn unusable(store: &str, cause: &object_store::Error) -> Error {
    Error::new(
        Code::Usage,
        format!("{store} cannot be reached as it is set up: {cause}"),
    )
}
