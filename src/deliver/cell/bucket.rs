//! A cell that is an object of a bucket: conditional puts, which all three clouds have.
//!
//! Requests are made on the thread that waits on networks, whoever asks: a connection belongs to the runtime it was made
//! in.

use std::future::Future;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{
    Error as Cause, GetResult, ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion,
};

use super::{Cell, Held, Swap, Version, failed, too_large};
use crate::error::{Code, Error, Result};
use crate::source::remote::{store_says, thread};

/// An object of a bucket.
pub struct BucketCell {
    store: Arc<dyn ObjectStore>,
    path: Path,
    shown: String,
    most: u64,
}

impl BucketCell {
    /// The object of this name below a prefix of a store, of at most so many bytes. `address` is the bucket's own, with the
    /// slash after it.
    ///
    /// # Errors
    /// When the prefix is none.
    pub fn new(
        store: &Arc<dyn ObjectStore>,
        address: &str,
        prefix: &str,
        name: &str,
        most: u64,
    ) -> Result<Self> {
        let prefix = prefix.trim_matches('/');
        let key = if prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{prefix}/{name}")
        };
        let path = Path::parse(&key)
            .map_err(|e| Error::new(Code::Usage, format!("`{prefix}` is no prefix: {e}")))?;
        Ok(BucketCell {
            store: Arc::clone(store),
            shown: format!("{address}{key}"),
            path,
            most,
        })
    }
}

impl Cell for BucketCell {
    fn read(&self) -> BoxFuture<'_, Result<Option<Held>>> {
        let (store, path, most) = (Arc::clone(&self.store), self.path.clone(), self.most);
        Box::pin(async move {
            let got = there(async move {
                let got = store.get(&path).await?;
                held(got, most).await
            });
            match got.await? {
                Ok(Some(held)) => Ok(Some(held)),
                Ok(None) => Err(too_large(&self.shown, most)),
                Err(Cause::NotFound { .. }) => Ok(None),
                Err(e) => Err(refused(&self.shown, &e)),
            }
        })
    }

    fn swap<'a>(
        &'a self,
        version: Option<&'a Version>,
        bytes: Bytes,
    ) -> BoxFuture<'a, Result<Swap>> {
        let (store, path) = (Arc::clone(&self.store), self.path.clone());
        let mode = version.map_or(PutMode::Create, |version| {
            PutMode::Update(UpdateVersion {
                e_tag: version.tag.clone(),
                version: version.number.clone(),
            })
        });
        Box::pin(async move {
            let options = PutOptions::from(mode);
            let put = there(async move { store.put_opts(&path, bytes.into(), options).await });
            match put.await? {
                Ok(put) => Ok(Swap::Done(Version {
                    tag: put.e_tag,
                    number: put.version,
                })),
                // An object that is gone is another than was said.
                Err(
                    Cause::AlreadyExists { .. }
                    | Cause::Precondition { .. }
                    | Cause::NotFound { .. },
                ) => Ok(Swap::Other),
                Err(e) => Err(refused(&self.shown, &e)),
            }
        })
    }

    fn shown(&self) -> String {
        self.shown.clone()
    }
}

/// What came of an object; nothing if it has more than `most` bytes.
async fn held(got: GetResult, most: u64) -> object_store::Result<Option<Held>> {
    let version = Version {
        tag: got.meta.e_tag.clone(),
        number: got.meta.version.clone(),
    };
    let mut stream = got.into_stream();
    let mut bytes = BytesMut::new();
    while let Some(more) = stream.next().await {
        bytes.extend_from_slice(&more?);
        if bytes.len() as u64 > most {
            return Ok(None);
        }
    }
    let bytes = bytes.freeze();
    Ok(Some(Held { bytes, version }))
}

/// Does some work on the thread that waits on networks.
async fn there<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T> {
    let work = thread::handle()?.spawn(work);
    work.await
        .map_err(|e| Error::new(Code::Internal, format!("asking a store ended: {e}")))
}

fn refused(shown: &str, cause: &Cause) -> Error {
    match cause {
        Cause::PermissionDenied { .. } | Cause::Unauthenticated { .. } => Error::new(
            Code::Unauthorized,
            format!("the store does not let these credentials read and write `{shown}`"),
        )
        .help("give them the right to read and write objects there"),
        _ => failed(shown, store_says(cause)),
    }
}
