//! `--list`: the words on the command line name lists of sources, each of whose lines or rows is a word itself.
//!
//! A list is read by the same reader as data, so it may be compressed, remote, in any encoding. It is read as a stream: of
//! a list no more is held than a few words. A list names no list: what it names is data.

use std::sync::Arc;

use url::Url;

use super::args::LimitArguments;
use crate::batch::tracker::Tracker;
use crate::decode::scan::Value;
use crate::decode::watch::Watch;
use crate::decode::{Changes, Consumer, Decode, Decoder, Mark, Nul, Row};
use crate::error::{Code, Error, Fault, Result};
use crate::http::is_inside;
use crate::place::{Place, SourceId, Spot};
use crate::read::{self, Body, Chunk, Reading, Shape};
use crate::source::address::shown;
use crate::source::listed::Sources;
use crate::source::local::{self, Listing, Taking};
use crate::source::remote::Page;
use crate::source::remote::bucket::Address;
use crate::source::{Location, Source};

/// Bytes of the longest line of a list.
const WORD_BYTES: usize = 64 << 10;

/// Bytes of a list that may be in flight.
const READ_BYTES: usize = 8 << 20;

/// Words that a list may have: each that names a file takes some hundred bytes of memory.
const MOST_WORDS: u64 = 1_000_000;

/// Words that are added together, so that their servers are asked at once.
const TOGETHER: usize = 64;

/// What the column with the words is called, where the user does not say it.
const COLUMNS: [&str; 3] = ["url", "uri", "path"];

/// Lists what the lists stand for that `words` name. `column`: the column of a table that has the words.
///
/// # Errors
/// When a list cannot be read, or names something that cannot; the place is that in the list.
pub(super) fn listing(
    words: &[String],
    column: Option<&str>,
    taking: &Taking,
    limits: &LimitArguments,
) -> Result<Listing> {
    let lists = local::list(words)?;
    let mut listing = Listing::default();
    listing.told.clone_from(&lists.told);
    let reading = Reading {
        record_bytes: WORD_BYTES,
        ..limits.reading()
    };
    for source in &lists.sources {
        let source = &source?;
        let mut list = List {
            source,
            lists: &lists.sources,
            column,
            taking,
            origin: Origin::of(source),
            listing: &mut listing,
            tracker: Tracker::default(),
            words: Words::default(),
            count: 0,
        };
        let at = || Spot::source(&source.name);
        list.read(&reading).map_err(|error| error.at(at))?;
    }
    if listing.sources.is_empty() {
        return Err(Error::new(Code::SourceMissing, "the list names nothing"));
    }
    Ok(listing)
}

/// Where a list is from: who has written it may be a stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// This machine.
    Here,
    /// A server on this machine.
    Inside,
    /// Anywhere else.
    Elsewhere,
}

impl Origin {
    fn of(list: &Source) -> Origin {
        match &list.location {
            Location::File(_) | Location::Referred | Location::Stdin | Location::Batches(_) => {
                Origin::Here
            }
            // Lists are not looked for in archives.
            Location::Member(_) | Location::Presigned(..) => Origin::Elsewhere,
            Location::Remote(_) | Location::Redis(_) => match Url::parse(&list.name) {
                Ok(url) if is_inside(&url) => Origin::Inside,
                _ => Origin::Elsewhere,
            },
        }
    }

    /// Why a list from there may not name something; nothing if it may.
    ///
    /// A list from a network says what this machine reads and puts into tasks. What only this machine can read is none of
    /// its business: local files, standard input, a Redis, servers on this machine.
    fn refuses(self, word: &str) -> Result<Option<&'static str>> {
        if self == Origin::Here {
            return Ok(None);
        }
        if Address::parse(word)?.is_some() {
            return Ok(None);
        }
        Ok(match Page::parse(word)? {
            Some(url) if self == Origin::Elsewhere && is_inside(&url) => {
                Some("a list from another machine may not name servers on this one")
            }
            Some(_) => None,
            None => Some("a list from a network may name addresses of the web and of buckets only"),
        })
    }
}

/// A list that is read.
struct List<'a> {
    source: &'a Source,
    lists: &'a Sources,
    column: Option<&'a str>,
    taking: &'a Taking,
    origin: Origin,
    listing: &'a mut Listing,
    tracker: Tracker,
    words: Words,
    count: u64,
}

/// The words that were read and not yet added.
#[derive(Default)]
struct Words {
    /// The number of the column that has them, in a table.
    column: usize,
    /// By where they stand in their chunk, or what is wrong there.
    met: Vec<(Mark, Result<String, Fault>)>,
}

impl List<'_> {
    fn read(&mut self, reading: &Reading) -> Result<()> {
        let source = Source {
            id: SourceId(0),
            ..self.source.clone()
        };
        read::alone(&source, reading, READ_BYTES, |chunk| self.chunk(chunk))
    }

    fn chunk(&mut self, mut chunk: Chunk) -> Result<()> {
        match &*chunk.shape {
            Shape::Table { columns, .. } | Shape::Columns(columns) => {
                self.words.column = self.column_of(columns)?;
            }
            Shape::Lines(_) if self.column.is_none() => {}
            Shape::Lines(_) => {
                return Err(Error::new(
                    Code::Usage,
                    "`--list=COLUMN` is for lists that are tables, this one is lines",
                ));
            }
            _ => {
                return Err(Error::new(
                    Code::Format,
                    "a list is lines of text, or a table with a column of words",
                ));
            }
        }
        self.tracker.enter(chunk.source, chunk.start);
        if let Body::Oversize { fault, .. } = &chunk.body {
            let place = self.tracker.place(Mark::default());
            let fault = Fault::new(
                fault.code,
                format!("a line of a list has {WORD_BYTES} bytes at most"),
            );
            return Err(Error::from(fault).at(|| self.spot(place)));
        }
        let mut decoder = Decoder::new(&mut chunk, Nul::Reject, &Arc::<Watch>::default());
        loop {
            let more = decoder.decode(&mut self.words).map_err(|fatal| {
                let place = self.tracker.place(fatal.mark);
                Error::from(fatal.fault).at(|| self.spot(place))
            })?;
            self.add()?;
            if !more {
                break;
            }
        }
        self.tracker.leave(decoder.extent());
        Ok(())
    }

    /// The column of the words.
    fn column_of(&self, columns: &[String]) -> Result<usize> {
        let called = |name: &str| {
            columns
                .iter()
                .position(|column| column.eq_ignore_ascii_case(name))
        };
        let names = || {
            let names: Vec<_> = columns
                .iter()
                .take(20)
                .map(|name| format!("`{name}`"))
                .collect();
            names.join(", ")
        };
        if let Some(column) = self.column {
            return columns
                .iter()
                .position(|name| name == column)
                .ok_or_else(|| {
                    Error::new(
                        Code::Usage,
                        format!("no column of the list is called `{column}`"),
                    )
                    .help(format!("there are {}", names()))
                });
        }
        match (COLUMNS.iter().find_map(|name| called(name)), columns) {
            (Some(column), _) => Ok(column),
            // The first row would be lost without a word.
            (None, [only]) if only.contains(['/', '.']) => Err(Error::new(
                Code::Usage,
                format!(
                    "the list's first row, `{}`, should name its column",
                    shown(only)
                ),
            )
            .help("put `url` before it, or give the file a name that ends in `.txt`")),
            (None, [_]) => Ok(0),
            (None, _) => Err(Error::new(
                Code::Usage,
                "no column of the list is called `url`, `uri` or `path`",
            )
            .help(format!(
                "say which has the words with `--list=COLUMN`: there are {}",
                names()
            ))),
        }
    }

    /// Adds what was met.
    fn add(&mut self) -> Result<()> {
        let met = std::mem::take(&mut self.words.met);
        for some in met.chunks(TOGETHER) {
            let words = some.iter().filter_map(|(_, word)| word.as_deref().ok());
            let words = words.filter(|word| matches!(self.origin.refuses(word), Ok(None)));
            self.listing.ask_ahead(words, self.taking)?;
            for (mark, word) in some {
                let place = self.tracker.place(*mark);
                self.count += 1;
                let added = word
                    .clone()
                    .map_err(Error::from)
                    .and_then(|word| self.word(&word));
                added.map_err(|error| self.of_list(error, place))?;
            }
        }
        Ok(())
    }

    /// Whether a word names one of the lists.
    fn is_list(&self, word: &str) -> Result<bool> {
        for list in self.lists {
            if *list?.name == *word {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn word(&mut self, word: &str) -> Result<()> {
        if self.count > MOST_WORDS {
            let reason = format!("a list names {MOST_WORDS} sources at most");
            return Err(Error::new(Code::Usage, reason)
                .help("give two lists, or name folders and patterns in it"));
        }
        if word == "-" || self.is_list(word)? {
            let reason = format!("a list names data, `{word}` is what the list is read from");
            return Err(Error::new(Code::Usage, reason));
        }
        if let Some(why) = self.origin.refuses(word)? {
            return Err(Error::new(
                Code::Usage,
                format!("{why}, this one has `{}`", shown(word)),
            )
            .help("fetch the list to a file first, look at it, and name that"));
        }
        self.listing.word(word, self.taking)
    }

    /// An error of what a word names, with the place of the word.
    fn of_list(&self, error: Error, place: Place) -> Error {
        let named = error.spot().map(|spot| Arc::clone(&spot.source));
        let mut fault = error.into_fault();
        if let Some(named) = named {
            fault.reason = format!("`{named}`: {}", fault.reason);
        }
        Error::from(fault).at(|| self.spot(place))
    }

    fn spot(&self, place: Place) -> Spot {
        Spot {
            source: Arc::clone(&self.source.name),
            place: Some(place),
            column: None,
        }
    }
}

impl Words {
    fn met(&mut self, mark: Mark, word: &str) {
        let word = word.trim();
        if !word.is_empty() {
            self.met.push((mark, Ok(word.to_owned())));
        }
    }
}

impl Consumer for Words {
    fn is_full(&self) -> bool {
        self.met.len() >= TOGETHER
    }

    fn json(&mut self, mark: Mark, _value: Value<'_>) {
        let fault = Fault::new(Code::Internal, "a list that is no text");
        self.met.push((mark, Err(fault)));
    }

    fn text(&mut self, mark: Mark, text: &str) {
        if !text.trim_start().starts_with('#') {
            self.met(mark, text);
        }
    }

    fn row<R: Row>(&mut self, mark: Mark, row: &R) {
        let mut cell = Vec::new();
        let written = row.cell(self.column, &mut cell, &mut Changes::default());
        match written.map(|()| serde_json::from_slice::<Option<String>>(&cell)) {
            Ok(Ok(word)) => self.met(mark, &word.unwrap_or_default()),
            Ok(Err(_)) => {
                let fault = Fault::new(Code::Format, "the column of the list is no text");
                self.met.push((mark, Err(fault)));
            }
            Err(fault) => self.met.push((mark, Err(fault))),
        }
    }

    fn fault(&mut self, mark: Mark, fault: Fault, _raw: &[u8]) {
        self.met.push((mark, Err(fault)));
    }

    fn changed(&mut self, _changes: Changes) {}
}
