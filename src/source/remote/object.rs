//! One object of a bucket, and how a range of it is got.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{GetOptions, GetRange};

use super::bucket::Bucket;
use super::failure;
use crate::error::{Code, Fault};

/// An object as it was listed. There may be a million of them.
#[derive(Clone)]
pub struct Object {
    /// The bucket it is in.
    pub bucket: Arc<Bucket>,
    /// Its address: that of the bucket, and its key.
    pub address: Arc<str>,
    /// Its size.
    pub bytes: u64,
    /// Its `ETag`.
    pub version: Option<Box<str>>,
    /// The digest that its bytes must have, in hexadecimal, where that is known.
    pub blake3: Option<Box<str>>,
}

impl Object {
    /// Its name in the bucket.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.address[self.bucket.address().len()..]
    }

    /// The bytes of a range of the object that was listed, as they come.
    ///
    /// # Errors
    /// When there is another now, or it cannot be read.
    pub(super) async fn pieces(&self, range: Range<u64>) -> Result<Pieces, Fault> {
        let wanted = range.end - range.start;
        let path = Path::parse(self.key())
            .map_err(|e| Fault::new(Code::SourceRead, format!("the key is no path: {e}")))?;
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            if_match: self.version.as_deref().map(str::to_owned),
            ..GetOptions::default()
        };
        let store = self.bucket.store();
        let got = store.get_opts(&path, options).await;
        let got = got.map_err(|e| failure::of_store(&e))?;
        let (now, bytes) = (&got.meta.e_tag, got.meta.size);
        // Not every store looks at the condition.
        if now.as_deref() != self.version.as_deref() && now.is_some() && self.version.is_some() {
            return Err(failure::changed("the store has another version of it"));
        }
        if bytes != self.bytes {
            let how = format!("it had {} bytes, now it has {bytes}", self.bytes);
            return Err(failure::changed(&how));
        }
        Ok(Pieces {
            coming: got.into_stream(),
            wanted,
            came: 0,
        })
    }

    /// The same, put into room for them.
    ///
    /// # Errors
    /// The same.
    pub(super) async fn put(&self, range: Range<u64>, room: &mut BytesMut) -> Result<(), Fault> {
        let mut pieces = self.pieces(range).await?;
        while let Some(piece) = pieces.next().await? {
            room.extend_from_slice(&piece);
        }
        Ok(())
    }
}

/// The bytes of a range on their way.
pub(super) struct Pieces {
    coming: BoxStream<'static, object_store::Result<Bytes>>,
    wanted: u64,
    came: u64,
}

impl Pieces {
    /// The next bytes; nothing after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        let next = self.coming.try_next().await;
        let next = next.map_err(|e| failure::of_store(&e))?;
        self.came += next.as_ref().map_or(0, |piece| piece.len() as u64);
        if self.came > self.wanted || (next.is_none() && self.came < self.wanted) {
            let Pieces { wanted, came, .. } = self;
            return Err(Fault::new(
                Code::SourceRead,
                format!("the store gave {came} bytes where {wanted} were asked for"),
            ));
        }
        Ok(next)
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        (&self.address, self.bytes, &self.version, &self.blake3)
            == (&other.address, other.bytes, &other.version, &other.blake3)
    }
}

impl Eq for Object {}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}
