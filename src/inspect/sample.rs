//! A sample of sources: windows into files of text, drawn from all of them, and the heads of the rest.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use serde::Serialize;

use super::estimate::Estimate;
use super::head::Look;
use super::windows::{self, Ends};
use crate::budget::Budget;
use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::normalize;
use crate::normalize::tasks::Tasks;
use crate::place::Spot;
use crate::read::column_types::CsvTypes;
use crate::read::files::LineEnds;
use crate::read::found::Found;
use crate::read::{Body, Chunk, Ended, Framing, Shape, Start, read_error};
use crate::source::listed::Sources;
use crate::source::{Location, Source};
use crate::stop::Stop;

/// Windows that are drawn, about.
const WINDOWS: u64 = 64;

/// Bytes of a window, at least and at most.
const WINDOW: (u64, u64) = (1 << 10, 1 << 20);

/// Bytes that are read before a window to find where its first record starts.
const BACK: u64 = 16 << 10;

/// Bytes that are read beyond a window to find where its last record ends, at first.
const BEYOND: usize = 16 << 10;

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// About so many records.
    Records(u64),
    /// About so many bytes.
    Bytes(u64),
}

/// What a sample says of all.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// Records in it.
    pub looked_at: u64,
    /// Bytes of the windows.
    pub bytes_looked_at: u64,
    /// Windows that were drawn.
    pub windows: u64,
    /// Sources that were read from their heads, since they cannot be read from the middle; what follows them may differ,
    /// so that no error can be stated.
    pub heads: u64,
    /// The share that an interval is to hold the truth in.
    pub confidence: f64,
    /// All records.
    pub records: Estimate,
    /// All tasks.
    pub tasks: Estimate,
    /// All rejects.
    pub rejects: Estimate,
    /// The bytes of all tasks, with a separator after each.
    pub bytes: Estimate,
    /// The rejects in the sample by code, each with the first reason.
    pub rejects_by_code: BTreeMap<&'static str, Seen>,
}

/// Rejects of one code in a sample.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Seen {
    /// How many.
    pub count: u64,
    /// Where the window starts that had the first, and what was wrong.
    pub first: String,
}

/// Counted in one window, or in a head.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    tasks: u64,
    rejects: u64,
    bytes: u64,
}

impl Counts {
    fn records(self) -> u64 {
        self.tasks + self.rejects
    }
}

/// A file of text that can be read from the middle.
struct Text {
    source: Source,
    file: File,
    shape: Arc<Shape>,
    ends: Ends,
    /// Where its first record starts, and where it ends.
    from: u64,
    to: u64,
    /// Bytes of a record, about.
    record: f64,
}

/// Takes a sample; `seed` decides which windows are drawn. Nothing if it would be about all there is.
///
/// # Errors
/// When a source cannot be read.
pub fn sample(
    look: &Look<'_>,
    sources: &Sources,
    amount: Amount,
    seed: u64,
) -> Result<Option<Sample>> {
    let (mut texts, mut rest) = (Vec::new(), Vec::new());
    for source in sources {
        let source = source?;
        match text(look, source.clone())? {
            Some(text) => texts.push(text),
            None => rest.push(source),
        }
    }
    let mut taken = Taken::default();
    let all: u64 = texts.iter().map(|text| text.to - text.from).sum();
    let wanted = match amount {
        Amount::Bytes(bytes) => bytes,
        Amount::Records(records) => {
            let record =
                texts.iter().map(|text| text.record).sum::<f64>() / texts.len().max(1) as f64;
            (records as f64 * record) as u64
        }
    };
    if rest.is_empty() && wanted.saturating_mul(2) > all {
        return Ok(None);
    }
    let mut counts = Vec::new();
    if all > 0 {
        let window = (wanted / WINDOWS).clamp(WINDOW.0, WINDOW.1);
        let each: Vec<u64> = texts
            .iter()
            .map(|text| (text.to - text.from).div_ceil(window))
            .collect();
        let (windows, mut random) = (each.iter().sum::<u64>(), Random(seed));
        let drawn = (wanted / window).max(8).min(windows);
        for stratum in 0..drawn {
            let (low, high) = (windows * stratum / drawn, windows * (stratum + 1) / drawn);
            let mut number = low + random.below(high - low);
            let mut texts = texts.iter().zip(&each);
            let Some((text, parts)) = texts.find(|(_, parts)| {
                let is_here = number < **parts;
                number -= if is_here { 0 } else { **parts };
                is_here
            }) else {
                continue;
            };
            let place = |part: u64| {
                let bytes = u128::from(text.to - text.from) * u128::from(part) / u128::from(*parts);
                text.from + bytes as u64
            };
            let (from, to) = (place(number), place(number + 1));
            let counted = taken.window(look, text, from, to)?;
            counts.push((counted, (to - from) as f64));
        }
    }
    let estimate = |of: &dyn Fn(&Counts) -> u64| {
        let counts: Vec<_> = counts
            .iter()
            .map(|(counted, bytes)| (of(counted) as f64, *bytes))
            .collect();
        if all == 0 {
            Estimate::known(0)
        } else {
            Estimate::of(&counts, all as f64)
        }
    };
    let records = estimate(&|counted| counted.records());
    let rejects = estimate(&|counted| counted.rejects);
    let looked_at: u64 = counts.iter().map(|(counted, _)| counted.records()).sum();
    let seen: u64 = counts.iter().map(|(counted, _)| counted.rejects).sum();
    let mut sample = Sample {
        looked_at,
        bytes_looked_at: counts.iter().map(|(_, bytes)| *bytes as u64).sum(),
        windows: counts.len() as u64,
        heads: 0,
        confidence: 0.95,
        tasks: estimate(&|counted| counted.tasks),
        rejects: if all == 0 {
            rejects
        } else {
            rejects.rare(seen as f64, looked_at as f64, records.likely)
        },
        bytes: estimate(&|counted| counted.bytes),
        records,
        rejects_by_code: BTreeMap::new(),
    };
    let share = rest.len().max(1) as u64;
    for source in rest {
        taken.head(look, &source, amount, share, &mut sample)?;
    }
    sample.rejects_by_code = taken.0;
    Ok(Some(sample))
}

/// A source as text that can be read from the middle, if it is that.
fn text(look: &Look<'_>, source: Source) -> Result<Option<Text>> {
    let (Location::File(path), Some(bytes)) = (&source.location, source.bytes) else {
        return Ok(None);
    };
    let (found, first) = (RefCell::<Found>::default(), RefCell::new(None));
    let submit = |chunk: Chunk| {
        if let Body::Text(text) = &chunk.body {
            let records = memchr::memchr_iter(b'\n', text).count();
            let record = (records > 0).then(|| text.len() as f64 / records as f64);
            *first.borrow_mut() = Some((Arc::clone(&chunk.shape), chunk.start, record));
        }
        Err(Ended)
    };
    let check = |names: &[String]| look.normalizer.check_columns(names);
    look.read(&source, &found, &check, &submit)
        .map_err(|error| error.at(|| Spot::source(&source.name)))?;
    let found = found.into_inner();
    let Some((shape, Start::Text { byte, .. }, Some(record))) = first.into_inner() else {
        return Ok(None);
    };
    let ends = match &*shape {
        Shape::Json(Framing::Lines) | Shape::Lines(LineEnds::Lf) => Ends::Lines,
        Shape::Table {
            columns,
            delimiter,
            typing,
        } if typing.rule == CsvTypes::Text => Ends::Rows {
            delimiter: *delimiter,
            columns: columns.len(),
        },
        _ => return Ok(None),
    };
    if found.compression.is_some() || found.encoding != Some(encoding_rs::UTF_8) {
        return Ok(None);
    }
    let file = File::open(path).map_err(|e| unread(&e, &source))?;
    let head = windows::bytes(&file, 0, 3).map_err(|e| unread(&e, &source))?;
    let mark = if head.starts_with(b"\xEF\xBB\xBF") {
        3
    } else {
        0
    };
    Ok(Some(Text {
        source,
        file,
        shape,
        ends,
        from: byte + mark,
        to: bytes.max(byte + mark),
        record,
    }))
}

fn unread(cause: &std::io::Error, source: &Source) -> Error {
    read_error(cause).at(|| Spot::source(&source.name))
}

/// The rejects in the sample.
#[derive(Default)]
struct Taken(BTreeMap<&'static str, Seen>);

impl Taken {
    /// Counts the records that start in a window.
    fn window(&mut self, look: &Look<'_>, text: &Text, from: u64, to: u64) -> Result<Counts> {
        let before = from.saturating_sub(BACK).max(text.from);
        let first = before == text.from;
        let skip = usize::try_from(from - before).unwrap_or(usize::MAX);
        let bytes = usize::try_from(to - from).unwrap_or(usize::MAX);
        let mut beyond = BEYOND;
        let (read, (start, end)) = loop {
            let wanted = skip.saturating_add(bytes).saturating_add(beyond);
            let read =
                windows::bytes(&text.file, before, wanted).map_err(|e| unread(&e, &text.source))?;
            // A record that is too long to be held ends where it is given up.
            let complete = read.len() < wanted || beyond >= look.reading.record_bytes;
            match windows::records(&read, skip, bytes, first, complete, text.ends) {
                Some(found) => break (read, found),
                None => beyond = beyond.saturating_mul(4),
            }
        };
        let mut counts = Counts::default();
        if start < end {
            let stop = Arc::new(Stop::default());
            let Ok(held) = Budget::new(look.memory, &stop).acquire(0, &stop) else {
                return Ok(counts);
            };
            let body = Buffer::from(read[start..end].to_vec());
            let chunk = normalize::text_chunk(body, (*text.shape).clone(), held);
            let normalizer = Arc::new(look.normalizer.clone());
            let place = format!("{}, after byte {from}", text.source.name);
            for tasks in normalize::tasks(&normalizer, chunk) {
                self.count(&tasks, &place, &mut counts);
            }
        }
        Ok(counts)
    }

    fn count(&mut self, tasks: &Tasks, place: &str, counts: &mut Counts) {
        counts.tasks += tasks.marks.len() as u64;
        counts.bytes += tasks.bytes.len() as u64;
        counts.rejects += tasks.rejected.len() as u64;
        for rejected in &tasks.rejected {
            let seen = self.0.entry(rejected.fault.code.as_str()).or_default();
            if seen.count == 0 {
                seen.first = format!("{place}: {}", rejected.fault.reason);
            }
            seen.count += 1;
        }
    }

    /// Reads the head of a source, and scales it to the whole where the size of that is known.
    fn head(
        &mut self,
        look: &Look<'_>,
        source: &Source,
        amount: Amount,
        share: u64,
        sample: &mut Sample,
    ) -> Result<()> {
        let found = RefCell::<Found>::default();
        let (counts, read, enough) = (
            RefCell::new(Counts::default()),
            Cell::new(0),
            Cell::new(false),
        );
        let taken = RefCell::new(self);
        let normalizer = Arc::new(look.normalizer.clone());
        let submit = |chunk: Chunk| {
            if let (Start::Text { byte, .. }, Body::Text(text)) = (chunk.start, &chunk.body) {
                read.set(byte + text.len() as u64);
            }
            for tasks in normalize::tasks(&normalizer, chunk) {
                let mut counts = counts.borrow_mut();
                taken.borrow_mut().count(&tasks, &source.name, &mut counts);
                let is_enough = match amount {
                    Amount::Records(records) => counts.records() >= (records / share).max(1),
                    Amount::Bytes(bytes) => counts.bytes >= (bytes / share).max(1),
                };
                if is_enough || tasks.fatal.is_some() {
                    enough.set(true);
                    return Err(Ended);
                }
            }
            Ok(())
        };
        let check = |names: &[String]| look.normalizer.check_columns(names);
        let stored = look
            .read(source, &found, &check, &submit)
            .map_err(|error| error.at(|| Spot::source(&source.name)))?;
        let (counts, found) = (counts.into_inner(), found.into_inner());
        sample.looked_at += counts.records();
        let footer = found.footer.as_ref();
        let rows = footer.and_then(|footer| u64::try_from(footer.file_metadata().num_rows()).ok());
        let read = if found.compression.is_some() || read.get() == 0 {
            stored
        } else {
            read.get()
        };
        let times = match (enough.get(), rows, source.bytes) {
            (false, _, _) => 1.0,
            (true, Some(rows), _) => rows as f64 / counts.records().max(1) as f64,
            (true, None, Some(bytes)) => bytes as f64 / read.max(1) as f64,
            // Nothing is known of how much there is.
            (true, None, None) => f64::NAN,
        };
        let is_all = !enough.get();
        sample.heads += u64::from(!is_all);
        let scaled = |count: u64| {
            if is_all {
                Estimate::known(count)
            } else {
                Estimate::guessed(count as f64 * times.max(1.0))
            }
        };
        sample.records = sample.records.and(match rows {
            Some(rows) => Estimate::known(rows),
            None => scaled(counts.records()),
        });
        sample.tasks = sample.tasks.and(scaled(counts.tasks));
        sample.rejects = sample.rejects.and(scaled(counts.rejects));
        sample.bytes = sample.bytes.and(scaled(counts.bytes));
        Ok(())
    }
}

/// Numbers that look random: Vigna's SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % most.max(1)
    }
}
