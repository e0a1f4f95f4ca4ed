//! The bytes of members, one after another: the archive is opened once, and gone on through as long as the next member
//! stands behind the one before.

use std::io::{self, Read};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::peek::{Input, Peek, read_and_drop};
use super::super::{Progress, read_error};
use super::zip::{HEADER, Unpacked};
use super::{damaged, plain};
use crate::error::{Code, Fault, Result, SourceFault};
use crate::source::archive::{Archive, Member, Span};
use crate::source::local::Stored;

/// Bytes that are read rather than passed over: less than it costs to ask for other parts of what is remote.
const GAP: u64 = if cfg!(debug_assertions) {
    4 << 10
} else {
    1 << 20
};

/// What every header before a member of a zip starts with.
const MARK: &[u8] = b"PK\x03\x04";

/// The archive that is open, and the member of it that is read.
#[derive(Default)]
pub(in crate::read) struct Opened {
    archive: Option<(Arc<Archive>, Shared)>,
    member: Option<Arc<Mutex<Box<dyn Input>>>>,
}

/// The bytes of an archive, after its decompression, shared by the members that are read of them in turn.
type Shared = Arc<Mutex<Run>>;

struct Run {
    bytes: Peek,
    at: u64,
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Opened {
    /// The bytes of a member, counted as they stand in the archive.
    pub(in crate::read) fn open(
        &mut self,
        member: &Member,
        progress: &Arc<Progress>,
    ) -> Result<Box<dyn Input>> {
        self.member = None;
        let bytes: Box<dyn Input> = match member.span {
            Span::Tar { offset, bytes } => Box::new(self.part(member, offset, bytes, progress)?),
            Span::Zip {
                header,
                stored,
                bytes,
                crc,
                method,
            } => {
                let mut before = [0; HEADER as usize];
                let mut part = self.part(member, header, HEADER, progress)?;
                part.progress = None;
                part.read_exact(&mut before).map_err(|e| read_error(&e))?;
                let length =
                    |at: usize| u64::from(u16::from_le_bytes([before[at], before[at + 1]]));
                if !before.starts_with(MARK) {
                    return Err(damaged(format_args!("there is no member at byte {header}")));
                }
                let start = header + HEADER + length(26) + length(28);
                let stored = self.part(member, start, stored, progress)?;
                let unpacked = Unpacked::new(stored, method, bytes, crc);
                Box::new(Decoded(unpacked.map_err(|e| read_error(&e))?))
            }
        };
        let bytes = Arc::new(Mutex::new(bytes));
        self.member = Some(Arc::clone(&bytes));
        Ok(Box::new(Lent(bytes)))
    }

    /// Reads what is left of the member, so that it is checked to its end.
    pub(in crate::read) fn finish(&mut self) -> io::Result<()> {
        match self.member.take() {
            Some(member) => io::copy(&mut *locked(&member), &mut io::sink()).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Bytes of the archive.
    fn part(
        &mut self,
        member: &Member,
        offset: u64,
        bytes: u64,
        progress: &Arc<Progress>,
    ) -> Result<Part> {
        let archive = &member.archive;
        let open = self
            .archive
            .as_ref()
            .filter(|(open, run)| Arc::ptr_eq(open, archive) && locked(run).at <= offset);
        let run = match open {
            Some((_, run)) => Arc::clone(run),
            None => {
                let bytes = stored(archive, Some(Arc::clone(progress)))?;
                let run = Arc::new(Mutex::new(Run { bytes, at: 0 }));
                self.archive = Some((Arc::clone(archive), Arc::clone(&run)));
                run
            }
        };
        {
            let mut run = locked(&run);
            let ahead = offset - run.at;
            let passed = run.bytes.pass_over(ahead).map_err(|e| read_error(&e))?;
            run.at += passed;
            if passed < ahead {
                return Err(damaged(format_args!("it ends at byte {}", run.at)));
            }
        }
        Ok(Part {
            run,
            at: offset,
            left: bytes,
            progress: Some(Arc::clone(progress)),
        })
    }
}

/// The bytes of an archive from its first, after its decompression.
pub(super) fn stored(archive: &Archive, progress: Option<Arc<Progress>>) -> Result<Peek> {
    let stored = archive.whole.open()?;
    plain(archive, Peek::new(Box::new(Bare::new(stored, progress))))
}

/// An archive as it is stored; the time that it is waited for is told.
pub(super) struct Bare {
    stored: Stored,
    progress: Option<Arc<Progress>>,
}

impl Bare {
    pub(super) fn new(stored: Stored, progress: Option<Arc<Progress>>) -> Self {
        Bare { stored, progress }
    }
}

impl Read for Bare {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let progress = self.progress.as_ref();
        let _waiting = progress.map(|progress| progress.stopwatch.wait_for_input());
        self.stored.read(out)
    }
}

impl Input for Bare {
    fn pass_over(&mut self, bytes: u64) -> io::Result<u64> {
        if bytes <= GAP {
            read_and_drop(self, bytes)
        } else {
            self.stored.pass_over(bytes)
        }
    }
}

/// Some bytes of an archive, which must be there.
struct Part {
    run: Shared,
    at: u64,
    left: u64,
    progress: Option<Arc<Progress>>,
}

impl Part {
    /// Does something with the archive where this part of it is next; gives how many bytes were taken of it.
    fn take(&mut self, take: impl FnOnce(&mut Peek) -> io::Result<u64>) -> io::Result<u64> {
        let mut run = locked(&self.run);
        if run.at != self.at {
            let reason = "a member is read after the next was begun";
            return Err(io::Error::other(SourceFault(Fault::new(
                Code::Internal,
                reason,
            ))));
        }
        let taken = take(&mut run.bytes)?;
        run.at += taken;
        self.at = run.at;
        self.left -= taken;
        if let Some(progress) = &self.progress {
            progress.bytes.fetch_add(taken, Ordering::Relaxed);
        }
        Ok(taken)
    }

    fn cut_off(&self) -> io::Error {
        let fault =
            damaged(format_args!("it ends at byte {}, within a member", self.at)).into_fault();
        io::Error::other(SourceFault(fault))
    }
}

impl Read for Part {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(out.len());
        if most == 0 {
            return Ok(0);
        }
        match self.take(|bytes| bytes.read(&mut out[..most]).map(|n| n as u64))? {
            0 => Err(self.cut_off()),
            n => Ok(n as usize),
        }
    }
}

impl Input for Part {
    fn pass_over(&mut self, bytes: u64) -> io::Result<u64> {
        let wanted = bytes.min(self.left);
        match self.take(|stored| stored.pass_over(wanted))? {
            passed if passed < wanted => Err(self.cut_off()),
            passed => Ok(passed),
        }
    }
}

/// A member whose bytes are only known by reading them.
struct Decoded(Unpacked);

impl Read for Decoded {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}

impl Input for Decoded {
    fn pass_over(&mut self, bytes: u64) -> io::Result<u64> {
        read_and_drop(self, bytes)
    }
}

/// A member, lent to whoever reads it.
struct Lent(Arc<Mutex<Box<dyn Input>>>);

impl Read for Lent {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        locked(&self.0).read(out)
    }
}

impl Input for Lent {
    fn pass_over(&mut self, bytes: u64) -> io::Result<u64> {
        locked(&self.0).pass_over(bytes)
    }
}
