//! Objects that a manifest says are there.

use std::collections::HashMap;
use std::sync::Arc;

use super::bucket::Bucket;
use super::list::tag;
use super::{Object, Remote};
use crate::error::{Code, Error, Result};
use crate::source::Location;
use crate::source::local::Listing;

/// An object that must be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its key.
    pub key: String,
    /// Its size.
    pub bytes: u64,
    /// Its digest, in hexadecimal.
    pub blake3: Box<str>,
}

/// What a listing says of an object.
struct There {
    bytes: u64,
    version: Option<Box<str>>,
}

impl Listing {
    /// Some objects below a prefix, in the order in which they are wanted. The prefix is listed once; of each object the
    /// size is compared, and the digest when it is read.
    ///
    /// # Errors
    /// When one is not there or has another size, or the store cannot be asked.
    pub fn of_wanted(bucket: &Arc<Bucket>, prefix: &str, wanted: &[Wanted]) -> Result<Listing> {
        // No more than is needed of each: there may be a great many.
        let mut there: HashMap<&str, Option<There>> = wanted
            .iter()
            .map(|wanted| (wanted.key.as_str(), None))
            .collect();
        let mut listing = Listing::default();
        listing.each(prefix.trim_matches('/'), bucket, |_, about| {
            if let Some(slot) = there.get_mut(about.location.as_ref()) {
                *slot = Some(There {
                    bytes: about.size,
                    version: about.e_tag.map(tag),
                });
            }
            Ok(())
        })?;
        for Wanted { key, bytes, blake3 } in wanted {
            let address: Arc<str> = format!("{}{key}", bucket.address()).into();
            let found = there.get(key.as_str()).and_then(Option::as_ref);
            let damaged = match found {
                Some(about) if about.bytes == *bytes => None,
                Some(about) => Some(format!("it has {} bytes, not {bytes}", about.bytes)),
                None => Some("it is not there".to_owned()),
            };
            if let Some(why) = damaged {
                return Err(Error::new(
                    Code::Format,
                    format!("`{address}` is not what the manifest says: {why}"),
                )
                .help("pack the sources again, under another prefix; nothing was sent"));
            }
            let version = found.and_then(|about| about.version.clone());
            let remote = Remote::Object(Object {
                bucket: Arc::clone(bucket),
                address: Arc::clone(&address),
                bytes: *bytes,
                version,
                blake3: Some(blake3.clone()),
            });
            listing.add(address, Location::Remote(remote), Some(*bytes), None)?;
        }
        Ok(listing)
    }
}
