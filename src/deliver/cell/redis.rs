//! A cell that is a key of a Redis: a script compares and sets, and nothing comes between. A Redis has no tags: what is
//! there is compared as a whole, and is text.
//!
//! What a Redis has confirmed it may forget when it fails over to a copy of itself. Where that can happen, a bucket is the
//! better place.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::future::BoxFuture;
use redis::{Connection, RedisError, RedisResult, cmd};

use super::{Cell, Held, Swap, Version, failed, failed_at, too_large};
use crate::error::{Code, Error, Result};
use crate::source::redis::Address;
use crate::source::remote::thread;

/// Sets KEYS[1] to ARGV[3] if it holds ARGV[2]; or, if ARGV[1] is `0`, if there is nothing.
const SWAP: &str = "\
local there = redis.call('GET', KEYS[1])
local same
if ARGV[1] == '0' then same = not there else same = there == ARGV[2] end
if not same then return 0 end
redis.call('SET', KEYS[1], ARGV[3])
return 1";

/// A key of a Redis.
pub struct RedisCell {
    shared: Arc<Shared>,
    most: u64,
}

struct Shared {
    address: Address,
    key: String,
    shown: String,
    connection: Mutex<Option<Connection>>,
}

impl RedisCell {
    /// The key that is the address's path and this name, of at most so many bytes.
    #[must_use]
    pub fn new(address: Address, name: &str, most: u64) -> Self {
        let key = format!("{}{name}", address.path);
        let shared = Shared {
            // The path is what an address ends with.
            shown: format!("{address}{name}"),
            address,
            key,
            connection: Mutex::default(),
        };
        RedisCell {
            shared: Arc::new(shared),
            most,
        }
    }

    fn version(&self, bytes: &[u8]) -> Result<Version> {
        let text =
            std::str::from_utf8(bytes).map_err(|_| failed(&self.shown(), "it is no text"))?;
        Ok(Version {
            tag: Some(text.to_owned()),
            number: None,
        })
    }

    /// Does some work with a connection, which is made if there is none, and made anew after an error.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection, &str) -> RedisResult<T> + Send + 'static,
    ) -> Result<T> {
        let shared = Arc::clone(&self.shared);
        let done = thread::handle()?.spawn_blocking(move || {
            let Shared {
                address,
                key,
                connection,
                ..
            } = &*shared;
            let mut slot = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let mut connected = match slot.take() {
                Some(connected) => connected,
                None => address.connect()?,
            };
            let value = work(&mut connected, key)
                .map_err(|cause: RedisError| failed_at(address, &cause))?;
            *slot = Some(connected);
            Ok(value)
        });
        done.await
            .map_err(|e| Error::new(Code::Internal, format!("asking a Redis ended: {e}")))?
    }
}

impl Cell for RedisCell {
    fn read(&self) -> BoxFuture<'_, Result<Option<Held>>> {
        Box::pin(async move {
            let most = self.most;
            let there = self.with(move |connection, key| {
                let length: u64 = cmd("STRLEN").arg(key).query(connection)?;
                if length > most {
                    return Ok(Err(()));
                }
                let bytes: Option<Vec<u8>> = cmd("GET").arg(key).query(connection)?;
                Ok(Ok(bytes))
            });
            let there = there.await?.map_err(|()| too_large(&self.shown(), most))?;
            let held = |bytes: Vec<u8>| {
                let version = self.version(&bytes)?;
                let bytes = bytes.into();
                Ok(Held { bytes, version })
            };
            there.map(held).transpose()
        })
    }

    fn swap<'a>(&'a self, there: Option<&'a Version>, bytes: Bytes) -> BoxFuture<'a, Result<Swap>> {
        let known = there.map(|version| version.tag.clone().unwrap_or_default());
        Box::pin(async move {
            let new = self.version(&bytes)?;
            let done: u8 = self
                .with(move |connection, key| {
                    cmd("EVAL")
                        .arg(SWAP)
                        .arg(1)
                        .arg(key)
                        .arg(u8::from(known.is_some()))
                        .arg(known.unwrap_or_default())
                        .arg(&bytes[..])
                        .query(connection)
                })
                .await?;
            Ok(if done == 1 {
                Swap::Done(new)
            } else {
                Swap::Other
            })
        })
    }

    fn shown(&self) -> String {
        self.shared.shown.clone()
    }
}
