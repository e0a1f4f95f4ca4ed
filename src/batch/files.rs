//! Bodies of imports as files, written on a thread of their own, past the page cache.
//!
//! The batcher fills blocks, the writer writes them. An import is read by another program, and much later: what it leaves
//! in the page cache only pushes out what others need, and costs the kernel more than the write itself (500 MB: 0.09 s of
//! CPU so, 0.17 to 0.74 s through the cache and then synced). And the disk is at work from the first block on. Where a file
//! system knows no direct writes, and for a file of a single block, they go through the cache.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::partial_file::PartialFile;
use crate::stopwatch::Stopwatch;

/// Bytes that are written at a time: a disk here took 2.1 GB/s so, 1.5 with a quarter of it, and no more with eight times.
const BLOCK_BYTES: usize = 1 << 20;

/// Direct writes start and end at multiples of this, in the file and in memory.
const ALIGNMENT: usize = 4096;

/// Blocks of a run: one that fills, one that is written, and the others for when the disk has to think, as it does for
/// some milliseconds now and then.
const BLOCKS: usize = 16;

/// The side of the batcher: makes files in a folder.
#[derive(Clone, Debug)]
pub struct Files {
    folder: Arc<Path>,
    /// Blocks there are. Memory that nobody has touched yet is what costs most of all, so none is made before it is needed.
    made: Arc<AtomicUsize>,
    free: Receiver<Block>,
    work: Sender<Work>,
    stopwatch: Arc<Stopwatch>,
}

/// The side of the thread that writes.
#[derive(Debug)]
pub struct Writer {
    free: Sender<Block>,
    work: Receiver<Work>,
}

/// A file in the making, or one that is all handed to the writer.
#[derive(Debug)]
pub struct FileBody {
    path: PathBuf,
    files: Files,
    block: Option<Block>,
    is_first: bool,
    written: Option<Receiver<io::Result<PartialFile>>>,
}

/// Some of a file's bytes.
#[derive(Debug)]
struct Work {
    /// The file, if these are its first bytes.
    path: Option<PathBuf>,
    block: Block,
    /// Whom to tell, if they are its last.
    done: Option<Sender<io::Result<PartialFile>>>,
}

/// A piece of memory that direct writes can be made from.
#[derive(Debug)]
struct Block {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

/// Both sides, for files of a folder.
#[must_use]
pub fn files(folder: Arc<Path>) -> (Files, Writer) {
    let (give_back, free) = bounded(BLOCKS);
    let (work, todo) = bounded(BLOCKS);
    let writer = Writer {
        free: give_back,
        work: todo,
    };
    let files = Files {
        folder,
        made: Arc::default(),
        free,
        work,
        stopwatch: Arc::default(),
    };
    (files, writer)
}

impl Block {
    fn new() -> Self {
        let bytes = vec![0; BLOCK_BYTES + ALIGNMENT];
        let start = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Block {
            bytes,
            start,
            len: 0,
        }
    }

    /// Takes as many bytes as it has room for.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(BLOCK_BYTES - self.len);
        let at = self.start + self.len;
        self.bytes[at..at + taken].copy_from_slice(&bytes[..taken]);
        self.len += taken;
        taken
    }

    fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }

    /// What is filled, and zeros up to the next multiple that can be written.
    fn padded(&mut self) -> &[u8] {
        let padded = self.len.next_multiple_of(ALIGNMENT);
        self.bytes[self.start + self.len..self.start + padded].fill(0);
        &self.bytes[self.start..self.start + padded]
    }
}

impl Files {
    /// The same, where the `stopwatch` is told of waiting for the writer.
    #[must_use]
    pub fn timed(self, stopwatch: &Arc<Stopwatch>) -> Self {
        let stopwatch = Arc::clone(stopwatch);
        Files { stopwatch, ..self }
    }

    /// Starts the file of an import.
    #[must_use]
    pub fn start(&self, number: u64) -> FileBody {
        FileBody {
            path: self.folder.join(format!("import-{number:06}.json")),
            files: self.clone(),
            block: None,
            is_first: true,
            written: None,
        }
    }

    /// A block that is free, a new one while there may be more, or else the next that is written.
    fn block(&self) -> io::Result<Block> {
        if let Ok(block) = self.free.try_recv() {
            return Ok(block);
        }
        if self.made.load(Ordering::Relaxed) < BLOCKS {
            self.made.fetch_add(1, Ordering::Relaxed);
            return Ok(Block::new());
        }
        let _waiting = self.stopwatch.wait_for_room();
        self.free.recv().map_err(|_| gone())
    }
}

impl FileBody {
    /// Appends bytes.
    ///
    /// # Errors
    /// When there is no writer any more.
    pub fn push(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let mut block = match self.block.take() {
                Some(block) => block,
                None => self.files.block()?,
            };
            bytes = &bytes[block.take(bytes)..];
            // The last block is kept back, so that it can be told to be the last.
            if block.len == BLOCK_BYTES && !bytes.is_empty() {
                self.send(block, None)?;
            } else {
                self.block = Some(block);
            }
        }
        Ok(())
    }

    /// Says that nothing more comes.
    ///
    /// # Errors
    /// When there is no writer any more.
    pub fn end(&mut self) -> io::Result<()> {
        let (tell, told) = bounded(1);
        self.written = Some(told);
        match self.block.take() {
            Some(block) => self.send(block, Some(tell)),
            None => Ok(()),
        }
    }

    fn send(
        &mut self,
        block: Block,
        done: Option<Sender<io::Result<PartialFile>>>,
    ) -> io::Result<()> {
        let path = std::mem::take(&mut self.is_first).then(|| self.path.clone());
        let work = Work { path, block, done };
        self.files.work.send(work).map_err(|_| gone())
    }

    /// The name it will have.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until all of it is written, and makes it whole.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn finish(self) -> io::Result<()> {
        let written = self.written.as_ref().map(Receiver::recv);
        match written {
            Some(Ok(file)) => file?.finish(),
            Some(Err(_)) | None => Err(gone()),
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that writes files has ended")
}

impl Writer {
    /// Writes until nobody has anything to write.
    pub fn run(self) {
        let mut writing = Err(gone());
        for Work {
            path,
            mut block,
            done,
        } in self.work
        {
            if let Some(path) = path {
                writing = Writing::start(&path, done.is_some());
            }
            if let Ok(file) = &mut writing
                && let Err(error) = file.write(&mut block, done.is_some())
            {
                writing = Err(error);
            }
            block.len = 0;
            // Nobody needs it once the last file is filled.
            let _ = self.free.try_send(block);
            if let Some(done) = done {
                let written = std::mem::replace(&mut writing, Err(gone()));
                // Nobody waits for it when the run ends early; the file goes then.
                let _ = done.send(written.map(|writing| writing.file));
            }
        }
    }
}

/// The file that is written now.
struct Writing {
    file: PartialFile,
    direct: bool,
    written: u64,
}

impl Writing {
    fn start(path: &Path, is_small: bool) -> io::Result<Self> {
        let (file, direct) = if is_small {
            (PartialFile::create(path)?, false)
        } else {
            PartialFile::create_direct(path)?
        };
        Ok(Writing {
            file,
            direct,
            written: 0,
        })
    }

    fn write(&mut self, block: &mut Block, is_last: bool) -> io::Result<()> {
        let written = self.written + block.len as u64;
        let direct = self.direct;
        if direct {
            let bytes = if is_last {
                block.padded()
            } else {
                block.filled()
            };
            match self.file.write_all(bytes) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => return Err(error),
                // Some file systems accept the word at the opening and refuse the first write.
                Err(_) => {
                    self.file.through_the_cache(self.written)?;
                    self.direct = false;
                    self.file.write_all(block.filled())?;
                }
            }
        } else {
            self.file.write_all(block.filled())?;
        }
        self.written = written;
        // Some of the zeros may stand there even where the write was refused.
        if direct && is_last {
            self.file.set_len(written)?;
        }
        Ok(())
    }
}
