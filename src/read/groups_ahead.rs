//! Row groups of a remote Parquet file: the wanted columns of those to come are fetched while one is read.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt, TryStreamExt};
use parquet::arrow::ProjectionMask;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use tokio::task::JoinHandle;

use crate::error::{Code, Error, Fault};
use crate::source::remote::{Remote, thread};

/// Bytes that may be on their way, or here before they are asked for, if they are more than one row group.
const MOST_BYTES: u64 = if cfg!(debug_assertions) {
    512 << 10
} else {
    16 << 20
};

/// Bytes of the largest row group that is fetched ahead; others are fetched page by page.
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
    to_come: VecDeque<(usize, Vec<Range<u64>>)>,
    coming: VecDeque<Coming>,
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
        metadata: &ParquetMetaData,
        mask: &ProjectionMask,
        wanted: impl Fn(usize, &RowGroupMetaData) -> bool,
    ) -> Self {
        let groups = metadata.row_groups().iter().enumerate();
        let to_come = groups
            .filter(|(index, about)| wanted(*index, about))
            .map(|(index, about)| (index, ranges(about, mask)))
            .filter(|(_, ranges)| total(ranges) <= LARGEST)
            .collect();
        GroupsAhead {
            remote: remote.clone(),
            to_come,
            coming: VecDeque::new(),
        }
    }

    /// Bytes that a row group takes when it is here; none if it is fetched page by page.
    pub(super) fn bytes(&self, index: usize) -> usize {
        let coming = self.coming.iter().find(|coming| coming.index == index);
        let to_come = self.to_come.iter().find(|(to_come, _)| *to_come == index);
        let bytes = match (coming, to_come) {
            (Some(coming), _) => coming.bytes,
            (None, Some((_, ranges))) => total(ranges),
            (None, None) => 0,
        };
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// Waits for a row group; nothing if it is to be fetched page by page. Those before it are not wanted any more.
    pub(super) fn take(&mut self, index: usize) -> Result<Parts, Error> {
        self.coming.retain(|coming| coming.index >= index);
        self.to_come.retain(|(to_come, _)| *to_come >= index);
        self.fetch_ahead()?;
        let Some(next) = self.coming.pop_front_if(|coming| coming.index == index) else {
            return Ok(Vec::new());
        };
        let mut next = next;
        let parts = thread::wait(&mut next.parts)?;
        self.fetch_ahead()?;
        let parts = parts
            .map_err(|e| Error::new(Code::Internal, format!("fetching a row group ended: {e}")))?;
        Ok(parts?)
    }

    fn fetch_ahead(&mut self) -> Result<(), Error> {
        let mut bytes: u64 = self.coming.iter().map(|coming| coming.bytes).sum();
        while self.coming.len() < MOST_GROUPS
            && let Some((index, ranges)) = self
                .to_come
                .pop_front_if(|(_, ranges)| bytes == 0 || bytes + total(ranges) <= MOST_BYTES)
        {
            let more = total(&ranges);
            bytes += more;
            let fetching = fetch(self.remote.clone(), ranges);
            self.coming.push_back(Coming {
                index,
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

/// Where the wanted columns of a row group are, in order, those near to one another as one.
fn ranges(about: &RowGroupMetaData, mask: &ProjectionMask) -> Vec<Range<u64>> {
    let columns = about.columns().iter().enumerate();
    let mut ranges: Vec<Range<u64>> = columns
        .filter(|(leaf, column)| mask.leaf_included(*leaf) && column.compressed_size() >= 0)
        .map(|(_, column)| column.byte_range())
        .map(|(start, bytes)| start..start.saturating_add(bytes))
        .collect();
    ranges.sort_by_key(|range| range.start);
    ranges.dedup_by(|next, range| {
        let near = next.start <= range.end.saturating_add(GAP);
        if near {
            range.end = range.end.max(next.end);
        }
        near
    });
    ranges
}

fn total(ranges: &[Range<u64>]) -> u64 {
    ranges
        .iter()
        .map(|range| range.end - range.start)
        .fold(0, u64::saturating_add)
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
