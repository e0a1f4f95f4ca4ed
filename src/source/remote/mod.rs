//! **Takes** addresses: `s3://bucket/key`, `gs://`, `az://`, `abfss://`, `https://`.
//! **Gives** what is there as [`Remote`] sources, and their bytes in order ([`Parts`]) or by position ([`Remote::range`]).
//! **Waits on** the network, on a [thread of its own](thread), so that those who read need not know of it.
//! **To add one:** a kind of store is a file like `s3` and a variant of [`Scheme`](bucket::Scheme).

mod azure;
mod body;
pub mod bucket;
mod checked;
mod failure;
mod gcs;
pub mod head;
mod list;
mod object;
mod parts;
pub mod presign;
mod s3;
pub mod thread;
mod wanted;
mod web;

use std::fs::File;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures::TryFutureExt;
use futures::future::BoxFuture;

pub use self::failure::store_says;
pub use self::object::Object;
pub use self::parts::Parts;
pub use self::wanted::Wanted;
pub use self::web::Page;
use crate::error::Fault;

/// A source whose bytes are fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remote {
    /// An object in a bucket.
    Object(Object),
    /// A file behind HTTP.
    Page(Page),
}

impl Remote {
    /// Its size in bytes, if that is known before reading.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        match self {
            Remote::Object(object) => Some(object.bytes),
            Remote::Page(page) => page.about().bytes,
        }
    }

    /// What tells it from what was there before under the same address: its `ETag`, if it has one.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        match self {
            Remote::Object(object) => object.version.as_deref(),
            Remote::Page(page) => page.about().version.as_deref(),
        }
    }

    /// A file with its bytes, if it is known what they must be.
    ///
    /// # Errors
    /// When they cannot be fetched or kept, or are others.
    #[must_use]
    pub fn checked(&self) -> Option<Result<File, Fault>> {
        match self {
            Remote::Object(object) => {
                let blake3 = object.blake3.as_deref()?;
                Some(checked::fetch(object, blake3))
            }
            Remote::Page(_) => None,
        }
    }

    /// The bytes of a range, which must be inside it.
    ///
    /// # Errors
    /// When it cannot be read, or is not what it was when it was listed.
    #[must_use]
    pub fn range(&self, range: Range<u64>) -> BoxFuture<'static, Result<Bytes, Fault>> {
        let room = BytesMut::with_capacity(usize::try_from(range.end - range.start).unwrap_or(0));
        Box::pin(self.range_into(range, room).map_ok(BytesMut::freeze))
    }

    /// The same, after what is in `room` already.
    ///
    /// # Errors
    /// The same.
    #[must_use]
    pub fn range_into(
        &self,
        range: Range<u64>,
        mut room: BytesMut,
    ) -> BoxFuture<'static, Result<BytesMut, Fault>> {
        let remote = self.clone();
        Box::pin(async move {
            match &remote {
                Remote::Object(object) => object.put(range, &mut room).await?,
                Remote::Page(page) => page.put(range, &mut room).await?,
            }
            Ok(room)
        })
    }

    /// Whether its bytes can be had from any on.
    #[must_use]
    pub fn is_seekable(&self) -> bool {
        match self {
            Remote::Object(_) => true,
            Remote::Page(page) => page.about().ranges && page.about().bytes.is_some(),
        }
    }
}
