//! A file that many jobs read at once, as the `parquet` crate asks for it.

use std::io::{self, BufReader, Read};
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::positioned::Positioned;

/// A file as the `parquet` crate reads it. Its own way of sharing a file moves the one position all threads share.
#[derive(Clone)]
pub(crate) struct SharedFile(pub Arc<Positioned>);

impl Length for SharedFile {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl ChunkReader for SharedFile {
    type T = BufReader<From>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        // Only page headers are read so; most are below 100 bytes.
        Ok(BufReader::with_capacity(
            512,
            From {
                file: Arc::clone(&self.0),
                offset: start,
            },
        ))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        Ok(self.0.shared(start, length)?)
    }
}

/// A file from some offset on.
pub(crate) struct From {
    file: Arc<Positioned>,
    offset: u64,
}

impl Read for From {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let rest = self.file.len().saturating_sub(self.offset);
        let bytes = usize::try_from(rest).unwrap_or(usize::MAX).min(out.len());
        out[..bytes].copy_from_slice(&self.file.at(self.offset, bytes)?);
        self.offset += bytes as u64;
        Ok(bytes)
    }
}
