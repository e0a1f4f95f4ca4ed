//! sluice streams large files into Label Studio: every record becomes a task or a reject with its place and reason,
//! tasks are packed into imports that are never over the server's limits, and memory stays bounded on any input.
//!
//! Data flows one way, through rooms in this order:
//!
//! ```text
//!   source     which files, and what they are                          paths, first bytes
//!              files, objects in buckets, files behind HTTP            fetched ahead by a thread of its own
//!              a list of them, of which most is on the disk
//!     │
//!     ▼
//! ┌─ reader thread ───────────────────────────────────────────────┐
//! │ read       decompress → decode to UTF-8 → cut between records │  waits for memory, then for a place
//! └───┬───────────────────────────────────────────────────────────┘
//!     │  Chunk: 512 KiB of whole records, or a row group              4 × threads places, in order; small ones share
//!     ▼
//! ┌─ pool of N workers ───────────────────────────────────────────┐
//! │ decode     bytes → records, checked                           │  never waits: a job that is 2 answers ahead
//! │ normalize  records → encoded tasks, fused with decode         │  is parked, and woken when one is taken
//! └───┬───────────────────────────────────────────────────────────┘
//!     │  Tasks: about 1 MiB, a mark for each task                     2 answers ahead per chunk, more per row group
//!     ▼
//! ┌─ batcher thread ──────────────────────────────────────────────┐
//! │ batch      tasks → full imports; places counted; rejects      │  waits for the thread that writes files
//! └───┬───────────────────────────────────────────────────────────┘
//!     │  Import: at most 250,000 tasks and 50,000,000 bytes           1 waiting: this is the backpressure
//!     ▼
//! ┌─ main thread, tokio ──────────────────────────────────────────┐
//! │ deliver    in order, until done or stopped                    │
//! │ sink       a folder, a bucket, Redis, stdout, projects        │  waits for the disk, or for the server's pace
//! └───────────────────────────────────────────────────────────────┘
//! ```
//!
//! Where CSV columns are to have types, the sources are read once before, by the same reader: [`pipeline`] surveys them.
//! Likewise where it is to be known whether the media are there of which tasks speak: [`fetch`] asks their servers. Where
//! texts are to be put in the place of their addresses, a thread between the pool and the batcher has [`fetch`] get them.
//!
//! A run that was packed into a folder or a bucket lies there with a manifest, which alone says what counts of it: [`packed`]
//! writes it, joins those of several processes, and reads it again to send what was packed. Many machines pack, and one at
//! a time pushes into a server, which has its lease:
//!
//! ```text
//!   machine 1 ─ import --shard ─┐                  bucket                      machine A ─ push ─┐
//!   machine 2 ─ import --shard ─┼─▶ imports, manifest ───────────────────────▶   the lease held  ├─▶ server, one import
//!   machine N ─ import --shard ─┘   push/…: the run's journal ◀── each record ──                 │   an interval
//!                                   locks/…: the server's lease ◀─ renewed ────                  │
//!                                                └── expired: whoever waits ─▶ machine B ─ push ─┘
//! ```
//!
//! [`deliver::lease`] says why no two ever have it, [`deliver::beside`] why nothing is sent twice.
//!
//! [`inspect`] reads the heads of sources by the same rooms up to `batch`, and sends nothing.
//!
//! Each room uses only those before it, and what is below the line: `blocks`, `budget`, `buffer`, `http`, `partial_file`,
//! `labelling_config`, `generate`, `stop`, `stopwatch`, `place`, `rejects`, `report`, `journal`, `label_studio`, `wording`, `error`.
//! [`pipeline`] sees them all, and says why it cannot deadlock; [`in_order`] knows nothing of chunks. A test holds
//! the source to this.

// What the user asks for, what will run, and what a run left where it was packed.

pub mod cli;

pub mod plan;

pub mod packed;

// The threads and channels.

pub mod pipeline;

pub mod in_order;

// The rooms, in the order of the flow. (Blank lines between them keep rustfmt from sorting them.)

pub mod source;

pub mod read;

pub mod decode;

pub mod normalize;

pub mod batch;

pub mod deliver;

pub mod sink;

// Beside the flow: what a source is, by its head.

pub mod inspect;

// Beside the flow: a web server for the files that tasks speak of.

pub mod serve;

// A server for benches, which answers as a Label Studio does.

pub mod stand_in;

// The server's API, for a sink and the commands that look at what it brought.

pub mod label_studio;

// The servers that hold what tasks speak of.

pub mod fetch;

// What every room may use.

pub mod blocks;

pub mod budget;

pub mod buffer;

pub mod http;

pub mod partial_file;

pub mod labelling_config;

pub mod stop;

pub mod stopwatch;

pub mod place;

pub mod rejects;

pub mod journal;

pub mod report;

// What benches and tests are fed with.

pub mod generate;

pub mod wording;

pub mod error;
