//! Standard input, whose first bytes can be looked at before it is read: they tell whether it is an archive.

use std::io::{self, Read};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What was looked at, and is still to be read.
static HEAD: Mutex<Head> = Mutex::new(Head {
    bytes: Vec::new(),
    read: 0,
});

struct Head {
    bytes: Vec<u8>,
    read: usize,
}

/// Bytes that are looked at, at most: a block of bzip2 or LZ4, and what is before it.
const MOST: usize = 8 << 20;

fn head() -> MutexGuard<'static, Head> {
    HEAD.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Head {
    fn waiting(&self) -> &[u8] {
        &self.bytes[self.read..]
    }
}

/// Standard input from the first byte that nobody has read.
pub struct Stdin;

impl Read for Stdin {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut head = head();
        let n = head.waiting().len().min(out.len());
        if n == 0 {
            return io::stdin().read(out);
        }
        out[..n].copy_from_slice(&head.waiting()[..n]);
        head.read += n;
        if head.waiting().is_empty() {
            (head.bytes, head.read) = (Vec::new(), 0);
        }
        Ok(n)
    }
}

/// The same bytes, which whoever reads standard input afterwards gets again; they end after some megabytes.
#[derive(Default)]
pub struct Looked {
    at: usize,
}

impl Read for Looked {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut head = head();
        let rest = MOST.saturating_sub(self.at).min(out.len());
        if rest == 0 {
            return Ok(0);
        }
        if self.at == head.waiting().len() {
            let n = io::stdin().read(&mut out[..rest])?;
            head.bytes.extend_from_slice(&out[..n]);
            self.at += n;
            return Ok(n);
        }
        let known = head.waiting().get(self.at..).unwrap_or_default();
        let n = known.len().min(rest);
        out[..n].copy_from_slice(&known[..n]);
        self.at += n;
        Ok(n)
    }
}
