//! Addresses of files that a task speaks of: a prefix, and the file's path after it; and how addresses are shown.

mod secrets;

use std::fmt;
use std::path::{Component, Path};
use std::str::FromStr;

pub use self::secrets::{shown, without_secrets, word_without_secrets};

use crate::error::{Code, Error};
use crate::labelling_config::prediction::near::nearest;

/// What stands before a file's path in its address: `https://files.example.com/`, `s3://bucket/photos`, or, for files
/// that Label Studio serves itself, `/data/local-files/?d=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(String);

/// Schemes of Label Studio's storages, which takes the path after the bucket for the object's name as it stands
/// (io_storages/s3/utils.py, `resolve_s3_url`; the same for the others).
const VERBATIM: [&str; 4] = ["s3://", "gs://", "azure-blob://", "redis://"];

/// The schemes of addresses that sources and targets may have.
const SCHEMES: [&str; 11] = [
    "s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "http", "https", "redis", "rediss",
];

/// The error of a word that is an address by a scheme that is not known; `what` it was to be.
#[must_use]
pub fn unknown_scheme(word: &str, what: &str) -> Option<Error> {
    let (scheme, _) = word.split_once("://")?;
    let near = nearest(scheme, SCHEMES.into_iter());
    let help = match near {
        Some(near) => format!("did you mean `{near}://`? "),
        None if scheme == "file" => "name the file by its path alone; ".to_owned(),
        None => String::new(),
    };
    let message = format!("no {what} is known by `{scheme}://`");
    Some(Error::new(Code::Usage, message).help(format!(
        "{help}there are s3, gs, az, abfss, https, http, redis and paths"
    )))
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err("wants what stands before a file's path in its address".to_owned());
        }
        Ok(Prefix(text.to_owned()))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Prefix {
    /// The address of the file at this path. Each name in the path is percent-encoded, so that no sign of it is taken for
    /// one of the address; names in a bucket stand as they are. None where such a name is not Unicode.
    #[must_use]
    pub fn address(&self, path: &Path) -> Option<String> {
        let mut address = self.0.clone();
        let verbatim = VERBATIM.iter().any(|scheme| self.0.starts_with(scheme));
        // `?d=` and the like stand right before the path.
        let mut joined = self.0.ends_with(['/', '=']);
        for component in path.components() {
            let name = match component {
                Component::Normal(name) => name,
                Component::ParentDir => "..".as_ref(),
                Component::Prefix(_) | Component::RootDir | Component::CurDir => continue,
            };
            if !joined {
                address.push('/');
            }
            joined = false;
            if verbatim {
                address.push_str(name.to_str()?);
            } else {
                percent_encode(name.as_encoded_bytes(), &mut address);
            }
        }
        Some(address)
    }
}

/// Appends bytes as they may stand in any part of an address: all but letters, digits and `-._~` are percent-encoded
/// (RFC 3986, section 2.3).
pub fn percent_encode(bytes: &[u8], out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            out.push(char::from(*byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// The bytes that a part of an address stands for; none if a `%` is not followed by two digits.
#[must_use]
pub fn percent_decode(part: &str) -> Option<Vec<u8>> {
    let mut bytes = part.bytes();
    let mut out = Vec::with_capacity(part.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        out.push((high * 16 + low) as u8);
    }
    Some(out)
}
