//! Row groups of a remote Parquet file: the wanted columns of those to come are fetched while one is read. Of a large one
//! what comes next of each column is.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt, TryStreamExt};
use parquet::arrow::ProjectionMask;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use tokio::task::JoinHandle;

use super::columns_ahead::ColumnsAhead;
use super::positioned::Positioned;
use super::read_error;
use crate::error::{Code, Error, Fault};
use crate::source::remote::{Remote, thread};

/// Bytes that may be on their way, or here before they are asked for, if they are more than one row group; of a larger one,
/// what parts of its columns take.
const MOST_BYTES: u64 = if cfg!(debug_assertions) {
    64 << 10
} else {
    16 << 20
};

/// Bytes of the largest row group that is fetched as a whole.
pub(super) const LARGEST: u64 = 2 * MOST_BYTES;

/// Row groups on their way at once.
const MOST_GROUPS: usize = 8;

/// Bytes of one request, and how many are made at once for a row group.
const PART: u64 = if cfg!(debug_assertions) {
    16 << 10
} else {
    4 << 20
};
const AT_ONCE: usize = 4;

/// Bytes between two columns that are fetched with them: a request costs more.
const GAP: u64 = if cfg!(debug_assertions) {
    512
} else {
    64 << 10
};

/// Parts of a source, each with its offset.
type Parts = Vec<(u64, Bytes)>;

/// Row groups that are to come, in order.
pub(super) struct GroupsAhead {
    remote: Remote,
    len: u64,
    to_come: VecDeque<Group>,
    coming: VecDeque<Coming>,
}

/// A row group that is to come, by its number, and where its wanted columns are.
struct Group {
    index: usize,
    columns: Vec<Range<u64>>,
}

/// A row group on its way.
struct Coming {
    index: usize,
    bytes: u64,
    parts: JoinHandle<Result<Parts, Fault>>,
}

impl GroupsAhead {
    /// The wanted columns of all row groups that are `wanted`, by their numbers.
    pub(super) fn new(
        remote: &Remote,
        len: u64,
        metadata: &ParquetMetaData,
        mask: &ProjectionMask,
        wanted: impl Fn(usize, &RowGroupMetaData) -> bool,
    ) -> Self {
        let groups = metadata.row_groups().iter().enumerate();
        let to_come = groups
            .filter(|(index, about)| wanted(*index, about))
            .map(|(index, about)| Group {
                index,
                columns: columns(about, mask),
            })
            .collect();
        GroupsAhead {
            remote: remote.clone(),
            len,
            to_come,
            coming: VecDeque::new(),
        }
    }

    /// Bytes that a row group takes that is read, beside its pages.
    pub(super) fn bytes(&self, index: usize) -> usize {
        let coming = self.coming.iter().find(|coming| coming.index == index);
        let to_come = self.to_come.iter().find(|group| group.index == index);
        let bytes = match (coming, to_come) {
            (Some(coming), _) => coming.bytes,
            (None, Some(group)) if group.is_large() => {
                ColumnsAhead::bytes(group.columns.len(), MOST_BYTES)
            }
            (None, Some(group)) => group.bytes(),
            (None, None) => 0,
        };
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// Waits for a row group, and gives the file as it is to be read for that; a large one is fetched as it is read. Those
    /// before it are not wanted any more.
    pub(super) fn take(&mut self, index: usize) -> Result<Positioned, Error> {
        self.coming.retain(|coming| coming.index >= index);
        self.to_come.retain(|group| group.index >= index);
        self.fetch_ahead()?;
        let (remote, len) = (self.remote.clone(), self.len);
        if let Some(large) = self.to_come.pop_front_if(|group| group.index == index) {
            let columns = ColumnsAhead::new(remote.clone(), large.columns, MOST_BYTES);
            let columns = columns.map_err(|e| read_error(&e))?;
            return Ok(Positioned::by_columns(remote, len, columns));
        }
        let Some(mut next) = self.coming.pop_front_if(|coming| coming.index == index) else {
            return Ok(Positioned::fetched(remote, len, Vec::new()));
        };
        let parts = thread::wait(&mut next.parts)?;
        self.fetch_ahead()?;
        let parts = parts
            .map_err(|e| Error::new(Code::Internal, format!("fetching a row group ended: {e}")))?;
        Ok(Positioned::fetched(remote, len, parts?))
    }

    fn fetch_ahead(&mut self) -> Result<(), Error> {
        let mut bytes: u64 = self.coming.iter().map(|coming| coming.bytes).sum();
        while self.coming.len() < MOST_GROUPS
            && let Some(group) = self.to_come.pop_front_if(|group| {
                let fits = bytes == 0 || bytes + group.bytes() <= MOST_BYTES;
                fits && !group.is_large()
            })
        {
            let more = group.bytes();
            bytes += more;
            let fetching = fetch(self.remote.clone(), joined(group.columns));
            self.coming.push_back(Coming {
                index: group.index,
                bytes: more,
                parts: thread::handle()?.spawn(fetching),
            });
        }
        Ok(())
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.parts.abort();
    }
}

impl Group {
    fn bytes(&self) -> u64 {
        let columns = self.columns.iter().map(|column| column.end - column.start);
        columns.fold(0, u64::saturating_add)
    }

    fn is_large(&self) -> bool {
        self.bytes() > LARGEST
    }
}

/// Where the wanted columns of a row group are, in order.
fn columns(about: &RowGroupMetaData, mask: &ProjectionMask) -> Vec<Range<u64>> {
    let columns = about.columns().iter().enumerate();
    let mut ranges: Vec<Range<u64>> = columns
        .filter(|(leaf, column)| mask.leaf_included(*leaf) && column.compressed_size() >= 0)
        .map(|(_, column)| column.byte_range())
        .map(|(start, bytes)| start..start.saturating_add(bytes))
        .collect();
    ranges.sort_by_key(|range| range.start);
    ranges
}

/// The same, those near to one another as one.
fn joined(mut columns: Vec<Range<u64>>) -> Vec<Range<u64>> {
    columns.dedup_by(|next, range| {
        let near = next.start <= range.end.saturating_add(GAP);
        if near {
            range.end = range.end.max(next.end);
        }
        near
    });
    columns
}

async fn fetch(remote: Remote, ranges: Vec<Range<u64>>) -> Result<Parts, Fault> {
    let mut here = Vec::with_capacity(ranges.len());
    for range in ranges {
        here.push((range.start, in_parts(&remote, range).await?));
    }
    Ok(here)
}

/// A range that is fetched in parts, each of which is put where it belongs.
async fn in_parts(remote: &Remote, range: Range<u64>) -> Result<Bytes, Fault> {
    let mut room = BytesMut::with_capacity(usize::try_from(range.end - range.start).unwrap_or(0));
    let starts = (range.start..range.end).step_by(usize::try_from(PART).unwrap_or(usize::MAX));
    let parts = stream::iter(starts).map(|start| {
        let end = range.end.min(start + PART);
        let rest = room.split_off(usize::try_from(end - start).unwrap_or(0));
        remote.range_into(start..end, std::mem::replace(&mut room, rest))
    });
    let whole = (parts.buffered(AT_ONCE)).try_fold(BytesMut::new(), |mut whole, part| async move {
        // They stand beside one another: nothing is copied.
        whole.unsplit(part);
        Ok(whole)
    });
    Ok(whole.await?.freeze())
}
