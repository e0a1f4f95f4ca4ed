//! The file that an upload brings: already encoded tasks, sent from where they are.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};
use reqwest::multipart::{Form, Part};

/// How much is handed to the connection at a time. A connection that encrypts copies what it is handed, so this is
/// also the most that there is twice in memory; 64 KiB are four TLS records.
const PIECE: usize = 64 * 1024;

/// The field of the form that holds the file; its name means nothing to the server.
const FIELD: &str = "file";

/// The bytes of a file to upload. A clone shares them.
#[derive(Clone, Debug)]
pub enum Content {
    /// In memory.
    Memory(Bytes),
    /// In a file, read while it is sent.
    File {
        /// Where it is.
        path: Arc<Path>,
        /// Its size when it was opened first: so much is announced, and sent.
        bytes: u64,
    },
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Content::Memory(bytes)
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Content::Memory(Bytes::from(bytes))
    }
}

impl Content {
    /// The content of a file as it is now.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn file(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let bytes = std::fs::metadata(&path)?.len();
        Ok(Content::File {
            path: Arc::from(path),
            bytes,
        })
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Content::Memory(bytes) => bytes.len() as u64,
            Content::File { bytes, .. } => *bytes,
        }
    }

    /// The form that holds it as a file of this name. Its length is known, so the request says it: one without is
    /// read as empty (the contract, section 3).
    pub(super) fn form(&self, name: &str) -> io::Result<Form> {
        let body = match self {
            Content::Memory(bytes) => reqwest::Body::wrap_stream(pieces(bytes.clone())),
            Content::File { path, bytes } => {
                // Opened here, so that a file that is gone fails before anything is sent.
                reqwest::Body::wrap_stream(parts(File::open(path)?, *bytes))
            }
        };
        let part = Part::stream_with_length(body, self.size()).file_name(name.to_owned());
        let part = part
            .mime_str("application/json")
            .map_err(io::Error::other)?;
        Ok(Form::new().part(FIELD, part))
    }
}

/// The bytes in pieces, none of them copied.
fn pieces(bytes: Bytes) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::iter((0..bytes.len()).step_by(PIECE).map(move |start| {
        let end = bytes.len().min(start + PIECE);
        Ok(bytes.slice(start..end))
    }))
}

/// So many bytes of a file, each piece read on a thread that may block.
fn parts(file: File, bytes: u64) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::try_unfold((file, bytes), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let read = move || {
            let mut piece = vec![0; usize::try_from(left).unwrap_or(PIECE).min(PIECE)];
            // A file that became shorter ends here, and the request with it.
            file.read_exact(&mut piece)?;
            Ok::<_, io::Error>((file, piece))
        };
        let (file, piece) = tokio::task::spawn_blocking(read)
            .await
            .map_err(io::Error::other)??;
        let left = left - piece.len() as u64;
        Ok(Some((Bytes::from(piece), (file, left))))
    })
    .boxed()
}

/// A name as the server keeps it: letters, digits, `.`, `_` and `-`, lower-case `.json`, at most 60 characters, of
/// which what comes first is kept (the contract, section 5.1).
#[must_use]
pub fn file_name(name: &str) -> String {
    const MOST: usize = 60;
    const END: &str = ".json";
    let stem = match name
        .len()
        .checked_sub(END.len())
        .and_then(|at| name.split_at_checked(at))
    {
        Some((stem, end)) if end.eq_ignore_ascii_case(END) => stem,
        _ => name,
    };
    let kept = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
            c
        } else {
            '_'
        }
    };
    let stem: String = stem
        .trim_start_matches('.')
        .chars()
        .map(kept)
        .take(MOST - END.len())
        .collect();
    if stem.is_empty() {
        format!("import{END}")
    } else {
        stem + END
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_the_server_keeps() {
        for (name, kept) in [
            ("import-000001-abc.json", "import-000001-abc.json"),
            ("Import.JSON", "Import.json"),
            ("a b/c\"d.json", "a_b_c_d.json"),
            ("é", "_.json"),
            ("..", "import.json"),
            ("", "import.json"),
        ] {
            assert_eq!(file_name(name), kept);
        }
        let long = file_name(&"x".repeat(200));
        assert_eq!(long.len(), 60);
        assert_eq!(file_name(&long), long);
    }

    #[tokio::test]
    async fn memory_is_sent_in_pieces_that_share_it() {
        let bytes = Bytes::from(vec![7_u8; 3 * PIECE + 5]);
        let sent: Vec<Bytes> = pieces(bytes.clone())
            .map(|piece| piece.expect("in memory"))
            .collect()
            .await;
        assert_eq!(
            sent.iter().map(Bytes::len).collect::<Vec<_>>(),
            [PIECE, PIECE, PIECE, 5]
        );
        assert!(std::ptr::eq(sent[3].as_ptr(), bytes[3 * PIECE..].as_ptr()));
    }
}
