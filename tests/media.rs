//! Media: served to browsers as they want it and never more than the folder; references looked at before anything is
//! sent; lists of sources; texts behind addresses, put in their place.
#![allow(
    unsafe_code,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests measure their children by wait4, and say when they fail"
)]

mod common;

#[path = "media/serve.rs"]
mod serve;

#[path = "media/check.rs"]
mod check;

#[path = "media/inline.rs"]
mod inline;

#[path = "media/list.rs"]
mod list;

#[path = "stores/misbehaving.rs"]
mod misbehaving;

#[path = "media/strange_server.rs"]
mod strange_server;

#[path = "media/join.rs"]
mod join;
