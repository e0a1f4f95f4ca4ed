//! A reader whose first bytes can be looked at before they are read.

use std::io::{self, Read};

/// Bytes that come one after another, some of which may be of no interest.
pub trait Input: Read + Send {
    /// Passes over the next `bytes` bytes, or over all that are left if these are fewer. Gives how many they were.
    ///
    /// # Errors
    /// As for reading them.
    fn pass_over(&mut self, bytes: u64) -> io::Result<u64>;
}

/// Passes over bytes by reading them.
///
/// # Errors
/// Those of the input.
pub fn read_and_drop(input: &mut impl Read, bytes: u64) -> io::Result<u64> {
    io::copy(&mut input.take(bytes), &mut io::sink())
}

/// Bytes looked at first and read afterwards.
pub struct Peek {
    inner: Box<dyn Input>,
    head: Vec<u8>,
    read: usize,
    /// There is no more than is in `head`: to ask again would cost a small file as much as to read it.
    ended: bool,
    /// What the input failed with after `head`. It is kept, since an input that is asked again may go on after what it lost.
    failed: Option<io::Error>,
}

impl Peek {
    /// Nothing is read until it is asked for.
    #[must_use]
    pub fn new(inner: Box<dyn Input>) -> Self {
        Peek {
            inner,
            head: Vec::new(),
            read: 0,
            ended: false,
            failed: None,
        }
    }

    /// The next `bytes` bytes, or fewer at the end of the input.
    ///
    /// # Errors
    /// When the input fails before any byte of it is there to look at: what can be looked at is worth more than an
    /// error that reading on will meet.
    pub fn peek(&mut self, bytes: usize) -> io::Result<&[u8]> {
        if self.read == self.head.len()
            && let Some(failed) = self.failed.take()
        {
            return Err(failed);
        }
        while !self.ended && self.failed.is_none() && self.head.len() - self.read < bytes {
            let missing = bytes - (self.head.len() - self.read);
            let before = self.head.len();
            // Room for all of it, since without it the first bytes are read a few at a time.
            self.head.reserve(missing);
            match (&mut self.inner)
                .take(missing as u64)
                .read_to_end(&mut self.head)
            {
                Ok(n) => self.ended = n < missing,
                Err(e) if self.head.len() == before && self.read == before => return Err(e),
                Err(e) => self.failed = Some(e),
            }
        }
        let end = self.head.len().min(self.read + bytes);
        Ok(&self.head[self.read..end])
    }

    /// Passes over `bytes` that were looked at.
    pub fn skip(&mut self, bytes: usize) {
        self.read = (self.read + bytes).min(self.head.len());
    }

    /// Undoes the skipping of the last `bytes` bytes, if nothing was read since.
    pub fn put_back(&mut self, bytes: usize) {
        self.read = self.read.saturating_sub(bytes);
    }

    /// Passes over the next `bytes` bytes, looked at or not, or over all that are left if these are fewer. Gives how
    /// many they were.
    ///
    /// # Errors
    /// Those of the input.
    pub fn pass_over(&mut self, bytes: u64) -> io::Result<u64> {
        let waiting = self.head.len() - self.read;
        let known = usize::try_from(bytes).map_or(waiting, |bytes| bytes.min(waiting));
        self.skip(known);
        let rest = bytes - known as u64;
        let passed = if rest > 0 {
            self.failed.take().map_or(Ok(()), Err)?;
            self.inner.pass_over(rest)?
        } else {
            0
        };
        Ok(known as u64 + passed)
    }

    /// Reads at least one byte, unless the input is at its end.
    ///
    /// # Errors
    /// Those of the input.
    pub fn read_some(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.read(out) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }

    /// Appends to `buf` until it holds `len` bytes; false when the input ended first.
    ///
    /// # Errors
    /// Those of the input; what was read before stays in `buf`.
    pub fn fill(&mut self, buf: &mut Vec<u8>, len: usize) -> io::Result<bool> {
        let mut filled = buf.len();
        buf.resize(len.max(filled), 0);
        let outcome = loop {
            if filled >= len {
                break Ok(true);
            }
            match self.read_some(&mut buf[filled..]) {
                Ok(0) => break Ok(false),
                Ok(n) => filled += n,
                Err(e) => break Err(e),
            }
        };
        buf.truncate(filled);
        outcome
    }
}

impl Read for Peek {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let waiting = &self.head[self.read..];
        if waiting.is_empty() {
            self.failed.take().map_or(Ok(()), Err)?;
            return if self.ended {
                Ok(0)
            } else {
                self.inner.read(out)
            };
        }
        let n = waiting.len().min(out.len());
        out[..n].copy_from_slice(&waiting[..n]);
        self.read += n;
        if self.read == self.head.len() {
            self.head = Vec::new();
            self.read = 0;
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};

    use super::{Input, Peek, read_and_drop};

    /// Some bytes, a failure, and others: what is lost in between is not to be lost without a word.
    struct Broken(Vec<io::Result<&'static [u8]>>);

    impl Read for Broken {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            match self.0.pop() {
                Some(bytes) => bytes.map(|bytes| {
                    out[..bytes.len()].copy_from_slice(bytes);
                    bytes.len()
                }),
                None => Ok(0),
            }
        }
    }

    impl Input for Broken {
        fn pass_over(&mut self, bytes: u64) -> io::Result<u64> {
            read_and_drop(self, bytes)
        }
    }

    #[test]
    fn a_failure_that_was_met_while_looking_is_met_again_by_reading() {
        let broken = || {
            let pieces: [io::Result<&[u8]>; 3] =
                [Ok(b"cd"), Err(io::Error::other("lost")), Ok(b"ab")];
            let mut peek = Peek::new(Box::new(Broken(pieces.into())));
            assert_eq!(peek.peek(4).unwrap(), b"ab");
            assert_eq!(peek.peek(4).unwrap(), b"ab");
            peek
        };
        let mut all = Vec::new();
        let failed = broken().read_to_end(&mut all).unwrap_err();
        assert_eq!(
            (failed.to_string().as_str(), &all[..]),
            ("lost", &b"ab"[..])
        );
        assert_eq!(broken().pass_over(3).unwrap_err().to_string(), "lost");
        let mut passed = broken();
        passed.skip(2);
        assert_eq!(passed.peek(1).unwrap_err().to_string(), "lost");
    }
}
