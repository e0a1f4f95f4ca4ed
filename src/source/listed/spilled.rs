//! The file that keeps most of a long list of sources: a line of JSON for each.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};
use crate::place::SourceId;
use crate::source::remote::bucket::Bucket;
use crate::source::remote::{Object, Remote};
use crate::source::window::Window;
use crate::source::{Location, Source};

/// The file, and the block of it that was read last. It is gone when nobody has it any more.
pub(super) struct Spilled {
    file: Mutex<File>,
    read: Mutex<Option<(At, Arc<Vec<Source>>)>>,
}

/// Where a block is in the file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    start: u64,
    bytes: usize,
}

impl Spilled {
    /// An empty file in the folder for temporary files (`TMPDIR`).
    pub(super) fn new() -> Result<Self> {
        Ok(Spilled {
            file: Mutex::new(tempfile::tempfile().map_err(|e| unkept(&e))?),
            read: Mutex::default(),
        })
    }

    /// Adds a block of sources that can be kept. Lists that were cloned add to the same file.
    pub(super) fn write(&self, block: &[Source], buckets: &mut Vec<Arc<Bucket>>) -> Result<At> {
        let mut lines = Vec::new();
        for source in block {
            let line = Line::of(source, buckets)
                .ok_or_else(|| unkept(&io::ErrorKind::InvalidInput.into()))?;
            serde_json::to_writer(&mut lines, &line).map_err(|e| unkept(&e.into()))?;
            lines.push(b'\n');
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let start = file.seek(SeekFrom::End(0)).map_err(|e| unkept(&e))?;
        file.write_all(&lines).map_err(|e| unkept(&e))?;
        let bytes = lines.len();
        Ok(At { start, bytes })
    }

    /// The sources of a block, whose first has this number.
    pub(super) fn read(
        &self,
        at: At,
        first: u32,
        buckets: &[Arc<Bucket>],
    ) -> Result<Arc<Vec<Source>>> {
        let mut last = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, block)) = &*last
            && *known == at
        {
            return Ok(Arc::clone(block));
        }
        let mut lines = vec![0; at.bytes];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let read = file
            .seek(SeekFrom::Start(at.start))
            .and_then(|_| file.read_exact(&mut lines));
        drop(file);
        read.map_err(|e| unkept(&e))?;
        let lines = lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        let sources = lines.zip(first..).map(|(line, id)| {
            let line: Line<'_> = serde_json::from_slice(line).map_err(|e| unkept(&e.into()))?;
            let source = line.source(SourceId(id), buckets);
            source.ok_or_else(|| unkept(&io::ErrorKind::InvalidData.into()))
        });
        let block = Arc::new(sources.collect::<Result<Vec<_>>>()?);
        *last = Some((at, Arc::clone(&block)));
        Ok(block)
    }
}

/// Whether a source can be put into the file.
pub(super) fn can_be_kept(source: &Source) -> bool {
    match &source.location {
        // Of a pipe the size is not known, and a name need not be the path.
        Location::File(path) => source.bytes.is_some() && path.to_str() == Some(&source.name),
        Location::Remote(Remote::Object(object)) | Location::Presigned(object, _) => {
            object.address == source.name
        }
        Location::Referred => true,
        Location::Remote(Remote::Page(_))
        | Location::Stdin
        | Location::Redis(_)
        | Location::Member(_)
        | Location::Batches(_) => false,
    }
}

/// A source as a line of the file.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    bytes: Option<u64>,
    #[serde(borrow)]
    address: Option<Cow<'a, str>>,
    window: (u64, u64),
    #[serde(borrow)]
    location: Kept<'a>,
}

/// A location that can be kept in the file; of an object the bucket is said by its number.
#[derive(Serialize, Deserialize)]
enum Kept<'a> {
    File,
    Referred,
    #[serde(borrow)]
    Object(KeptObject<'a>),
    Presigned(#[serde(borrow)] KeptObject<'a>, Duration),
}

#[derive(Serialize, Deserialize)]
struct KeptObject<'a> {
    bucket: usize,
    bytes: u64,
    #[serde(borrow)]
    version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    blake3: Option<Cow<'a, str>>,
}

impl<'a> Line<'a> {
    fn of(source: &'a Source, buckets: &mut Vec<Arc<Bucket>>) -> Option<Self> {
        let mut object = |object: &'a Object| KeptObject {
            bucket: number(buckets, &object.bucket),
            bytes: object.bytes,
            version: object.version.as_deref().map(Cow::Borrowed),
            blake3: object.blake3.as_deref().map(Cow::Borrowed),
        };
        let location = match &source.location {
            Location::File(_) => Kept::File,
            Location::Referred => Kept::Referred,
            Location::Remote(Remote::Object(of)) => Kept::Object(object(of)),
            Location::Presigned(of, time) => Kept::Presigned(object(of), *time),
            _ => return None,
        };
        Some(Line {
            name: Cow::Borrowed(&source.name),
            bytes: source.bytes,
            address: source.address.as_deref().map(Cow::Borrowed),
            window: (source.window.from, source.window.to),
            location,
        })
    }

    fn source(self, id: SourceId, buckets: &[Arc<Bucket>]) -> Option<Source> {
        let name: Arc<str> = self.name.into();
        let object = |kept: KeptObject<'_>| {
            Some(Object {
                bucket: Arc::clone(buckets.get(kept.bucket)?),
                address: Arc::clone(&name),
                bytes: kept.bytes,
                version: kept.version.map(|version| version.into_owned().into()),
                blake3: kept.blake3.map(|digest| digest.into_owned().into()),
            })
        };
        let location = match self.location {
            Kept::File => Location::File(PathBuf::from(&*name)),
            Kept::Referred => Location::Referred,
            Kept::Object(kept) => Location::Remote(Remote::Object(object(kept)?)),
            Kept::Presigned(kept, time) => Location::Presigned(object(kept)?, time),
        };
        let (from, to) = self.window;
        Some(Source {
            id,
            address: self.address.map(Arc::from),
            bytes: self.bytes,
            window: Window { from, to },
            location,
            name,
        })
    }
}

/// The number of a bucket, which is added if it is new.
fn number(buckets: &mut Vec<Arc<Bucket>>, bucket: &Arc<Bucket>) -> usize {
    let known = buckets.iter().position(|known| Arc::ptr_eq(known, bucket));
    known.unwrap_or_else(|| {
        buckets.push(Arc::clone(bucket));
        buckets.len() - 1
    })
}

fn unkept(cause: &io::Error) -> Error {
    Error::new(
        Code::SourceRead,
        format!("the list of the sources cannot be kept in a temporary file: {cause}"),
    )
    .help("set TMPDIR to a folder with room")
}
