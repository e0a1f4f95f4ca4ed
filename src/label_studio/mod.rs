//! The API of a Label Studio server, as far as tasks are brought there, counted and taken back.
//!
//! No answer of the server proves what it did: a 500 may have stored everything, a 201 may have stored it twice, and a
//! request whose client went away goes on. So tasks are brought in two phases, and what is in doubt is *looked up*:
//!
//! ```text
//!   client                                                server
//!     │  upload   POST import?commit_to_project=false        │
//!     ├─────────── import-000001-….json, N tasks ───────────▶│  a file and its row, no task: harmless to repeat
//!     │◀───────────────────────── upload id, N ──────────────┤
//!     │  (the upload id is journaled)                        │
//!     │  commit   POST reimport {"file_upload_ids":[id]}     │
//!     ├─────────────────────────────────────────────────────▶│  one transaction: the tasks of this upload are
//!     │◀──────────────── tasks, annotations, predictions ────┤  deleted, then created
//!     │                                                      │
//!     │  no answer, or another than expected?                │
//!     │  count    GET tasks?query=file_upload_id = id        │
//!     ├─────────────────────────────────────────────────────▶│  N: done; 0 or 2 N: commit again, once it is quiet
//!     │  find     GET file-uploads?all=true                  │
//!     ├─────────────────────────────────────────────────────▶│  the id of a name whose upload was not answered
//! ```
//!
//! One request that creates or deletes tasks may be under way per server, never two: overlapping ones wedge it on
//! SQLite and store everything twice on PostgreSQL. Keeping to that is up to who calls; nothing here retries such a
//! request, except after a 401, which is given before anything is done.
//!
//! [`address`], [`token`] and [`settings`] are what the user gives; [`client`] sends a request and tells its failures
//! apart ([`failure`]); [`project`] has the calls by name, and [`projects`] finds and makes projects;
//! [`storage`] has the server read tasks itself; [`same`] tells whether what comes back is what was sent.

pub mod address;
pub mod client;
pub mod content;
pub mod failure;
pub mod project;
pub mod projects;
pub mod same;
pub mod settings;
pub mod storage;
pub mod token;

mod access;
mod answer;
mod job;

pub use crate::journal::Counts;
