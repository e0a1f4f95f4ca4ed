//! The first bytes of a remote source, and no more of it.

use super::Remote;
use crate::error::Fault;

/// The first bytes of a source, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether there are no more.
    pub complete: bool,
}

impl Remote {
    /// Its first `most` bytes: by a range, or by a connection that is dropped when so many have come.
    ///
    /// # Errors
    /// When it cannot be read, or is not what it was when it was listed.
    pub async fn head(&self, most: usize) -> Result<Head, Fault> {
        if let Some(size) = self.bytes().filter(|_| self.is_seekable()) {
            let wanted = size.min(most as u64);
            return Ok(Head {
                bytes: if wanted == 0 {
                    Vec::new()
                } else {
                    self.range(0..wanted).await?.into()
                },
                complete: wanted == size,
            });
        }
        let Remote::Page(page) = self else {
            return Ok(Head::default());
        };
        let mut head = Head::default();
        let mut body = page.body(0);
        while head.bytes.len() < most {
            match body.next().await? {
                Some(piece) => head.bytes.extend_from_slice(&piece),
                None => {
                    head.complete = true;
                    break;
                }
            }
        }
        head.bytes.truncate(most);
        Ok(head)
    }
}
