//! Addresses of objects by which whoever has them may read the object for a while. They are secrets: they stand in tasks,
//! and nowhere else.
//!
//! They are made when a task is, by the credentials that list the bucket, and are others each time: a run knows its
//! sources by their addresses in the bucket.

use std::time::Duration;

use object_store::path::Path;
use object_store::signer::{Method, Signer};

use super::bucket::{Bucket, Scheme, is_set};
use super::{Object, failure, gcs, thread};
use crate::error::{Code, Error, Result};
use crate::place::Spot;
use crate::source::address::percent_encode;

/// The longest that Amazon S3 and Google Cloud Storage let such an address be good for.
pub const LONGEST: Duration = Duration::from_hours(7 * 24);

impl Bucket {
    /// Makes sure that its objects can have such addresses.
    ///
    /// # Errors
    /// When the time is longer than the store allows, or there is nothing to sign with.
    pub(super) fn can_presign(&self, time: Duration) -> Result<()> {
        let unsigned = match self.scheme {
            Some(Scheme::Gcs) => "GOOGLE_SKIP_SIGNATURE",
            Some(Scheme::Azure) => "AZURE_SKIP_SIGNATURE",
            Some(Scheme::S3) | None => "AWS_SKIP_SIGNATURE",
        };
        if is_set(unsigned) {
            let reason = format!("`--presign` needs credentials, and {unsigned} asks for none");
            return Err(Error::new(Code::Usage, reason).help(
                "of a public bucket give the addresses by `--media-url`, such as `https://bucket.s3.amazonaws.com/`",
            ));
        }
        if self.scheme != Some(Scheme::Azure) && time > LONGEST {
            return Err(Error::new(
                Code::Usage,
                "`--presign`: the store lets an address be good for 7 days at most",
            )
            .help("give `7d`, or less"));
        }
        if self.scheme == Some(Scheme::Gcs) && !gcs::has_private_key() {
            return Err(Error::new(
                Code::Usage,
                "`--presign` needs the private key of a service account, and these credentials have none",
            )
            .help("name the account's file of credentials in GOOGLE_APPLICATION_CREDENTIALS"));
        }
        // What else is amiss is known now, and not after the first imports.
        self.presigned("a", time).map(drop)
    }

    /// Makes sure that an object of this name can have one.
    ///
    /// # Errors
    /// When the client of Azure's store would sign another name.
    pub(super) fn can_presign_key(&self, address: &str) -> Result<()> {
        let mut encoded = String::new();
        let key = &address[self.address.len()..];
        key.split('/')
            .for_each(|name| percent_encode(name.as_bytes(), &mut encoded));
        let plain = encoded.len() + key.matches('/').count() == key.len();
        if self.scheme != Some(Scheme::Azure) || plain {
            return Ok(());
        }
        Err(Error::new(
            Code::Usage,
            "`--presign`: in Azure names have letters, digits and `-._~` only, if addresses of them are to be signed",
        )
        .help("rename it, or give addresses by `--media-url` where the container may be read by all"))
    }

    fn presigned(&self, key: &str, time: Duration) -> Result<String> {
        let bad = |why: &dyn std::fmt::Display| {
            Error::new(
                Code::SourceRead,
                format!("cannot sign an address in `{}`: {why}", self.address()),
            )
        };
        // Google's client takes a name for a part of an address as it stands.
        let mut names = String::new();
        if self.scheme == Some(Scheme::Gcs) {
            for name in key.split('/') {
                if !names.is_empty() {
                    names.push('/');
                }
                percent_encode(name.as_bytes(), &mut names);
            }
        } else {
            names.push_str(key);
        }
        let path = Path::parse(names).map_err(|e| bad(&e))?;
        let signer: &dyn Signer = self.signer().ok_or_else(|| bad(&"it is no bucket"))?;
        let signed = thread::wait(signer.signed_url(Method::GET, &path, time))?;
        signed
            .map(String::from)
            .map_err(|e| bad(&failure::store_says(&e)))
    }
}

impl Object {
    /// An address by which it can be read for so long from now.
    ///
    /// # Errors
    /// When the credentials have gone meanwhile.
    pub fn presigned(&self, time: Duration) -> Result<String> {
        let signed = self.bucket.presigned(self.key(), time);
        signed.map_err(|error| error.at(|| Spot::source(&self.address)))
    }
}
