//! The compression around a whole source: taken off as its bytes are read.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lz4_flex::frame::FrameDecoder;

use super::peek::{Input, Peek, read_and_drop};
use super::seen::Seen;
use super::{Progress, SourceFault};
use crate::error::{Code, Fault};
use crate::source::local::Stored;
use crate::source::sniff::Compression;

/// How many bytes tell every compression and every format that has a mark of its own.
pub const MAGIC_BYTES: usize = 16;

/// What an xz stream may ask for; `xz -9` needs 65 MB (xz(1), "Memory usage").
const XZ_MEMORY: u64 = 256 << 20;

/// The largest window of a zstd frame, as a power of two: what `zstd -d` itself takes without being told.
const ZSTD_WINDOW: u32 = 27;

/// Takes the compression off `stored`.
///
/// # Errors
/// When a decoder cannot be set up.
pub fn decompress(compression: Compression, stored: Peek) -> io::Result<Peek> {
    let (name, decoder): (_, Box<dyn Read + Send>) = match compression {
        Compression::Gzip => ("gzip", Box::new(flate2::read::MultiGzDecoder::new(stored))),
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::new(stored)?;
            decoder.window_log_max(ZSTD_WINDOW)?;
            ("zstd", Box::new(decoder))
        }
        Compression::Bzip2 => ("bzip2", Box::new(bzip2::read::MultiBzDecoder::new(stored))),
        Compression::Xz => {
            let stream = liblzma::stream::Stream::new_stream_decoder(
                XZ_MEMORY,
                liblzma::stream::CONCATENATED,
            )?;
            (
                "xz",
                Box::new(liblzma::read::XzDecoder::new_stream(
                    io::BufReader::new(stored),
                    stream,
                )),
            )
        }
        Compression::Lz4 => ("lz4", Box::new(Lz4Frames(FrameDecoder::new(stored)))),
    };
    Ok(Peek::new(Box::new(Decompressed {
        decoder,
        name,
        bytes: 0,
    })))
}

/// All frames of an LZ4 file, one after another: its decoder takes the end of each for the end.
struct Lz4Frames(FrameDecoder<Peek>);

impl Read for Lz4Frames {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.0.read(out)?;
            if n > 0 || out.is_empty() || self.0.get_mut().peek(1)?.is_empty() {
                return Ok(n);
            }
        }
    }
}

/// A decompressor whose errors say what is damaged and where.
struct Decompressed {
    decoder: Box<dyn Read + Send>,
    name: &'static str,
    bytes: u64,
}

impl Input for Decompressed {
    fn pass_over(&mut self, bytes: u64) -> io::Result<u64> {
        read_and_drop(self, bytes)
    }
}

impl Read for Decompressed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.decoder.read(out) {
            Ok(n) => {
                self.bytes += n as u64;
                Ok(n)
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Err(e),
            // The bytes did not come: what did come is as good as it was.
            Err(e) if is_fault(&e) => Err(e),
            Err(e) => {
                let (name, bytes) = (self.name, self.bytes);
                let reason = format!(
                    "the {name} data is damaged or cut off after {bytes} decompressed bytes: {e}"
                );
                let fault = Fault::new(Code::Compression, reason).help(
                    "fetch the file again, or decompress it by hand to see what can be saved",
                );
                Err(io::Error::other(SourceFault(fault)))
            }
        }
    }
}

/// Whether an error says what is wrong with the source as it is stored.
pub(super) fn is_fault(error: &io::Error) -> bool {
    let cause = error.get_ref();
    cause
        .and_then(|cause| cause.downcast_ref::<SourceFault>())
        .is_some()
}

/// The stored bytes of a source, which are counted as they pass, and hashed where that is asked for.
pub struct Counted {
    stored: Stored,
    progress: Arc<Progress>,
    seen: Option<Arc<Seen>>,
}

impl Counted {
    /// Counts into `progress`, and into `seen` what is hashed.
    #[must_use]
    pub fn new(stored: Stored, progress: Arc<Progress>, seen: Option<Arc<Seen>>) -> Self {
        Counted {
            stored,
            progress,
            seen,
        }
    }

    fn count(&self, bytes: u64) {
        self.progress.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Input for Counted {
    fn pass_over(&mut self, bytes: u64) -> io::Result<u64> {
        if self.seen.is_some() {
            // A digest is of all bytes from the first on.
            return read_and_drop(self, bytes);
        }
        let passed = self.stored.pass_over(bytes)?;
        self.count(passed);
        Ok(passed)
    }
}

impl Read for Counted {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = {
            let _waiting = self.progress.stopwatch.wait_for_input();
            self.stored.read(out)?
        };
        self.count(n as u64);
        if let Some(seen) = &self.seen {
            if n > 0 {
                seen.pass(&out[..n])?;
            } else if !out.is_empty() {
                seen.end()?;
            }
        }
        Ok(n)
    }
}
