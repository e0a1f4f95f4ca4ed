//! Pushing from more than one machine: one at a time has the lease of a server, every task comes in once, and no two
//! imports are closer than the interval, whoever is killed, stopped or cut off.
//!
//! `LEASE_SEEDS=100000` tries so many seeds of the lease, instead of 1,000.
#![allow(
    unsafe_code,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails says so"
)]

#[path = "push/after.rs"]
mod after;
#[path = "push/cells.rs"]
mod cells;
mod common;
#[path = "common/fake_label_studio.rs"]
mod fake_label_studio;
#[path = "stores/gcs.rs"]
mod gcs;
#[path = "push/kills.rs"]
mod kills;
#[path = "push/lease.rs"]
mod lease;
#[path = "push/memory.rs"]
mod memory;
#[path = "stores/misbehaving.rs"]
mod misbehaving;
#[path = "common/redis_server.rs"]
mod redis_server;
#[path = "push/requests.rs"]
mod requests;
#[allow(dead_code, reason = "the suite of sources uses the rest")]
#[path = "stores/servers.rs"]
mod servers;
#[path = "push/world.rs"]
mod world;

use std::path::Path;
use std::process::Command;

/// The program with nothing in its environment that leads to a store.
fn sluice() -> Command {
    let mut command = common::sluice();
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["AWS_", "AZURE_", "GOOGLE_", "CLOUDSDK_", "LABEL_STUDIO_"]
            .iter()
            .any(|p| name.starts_with(p))
        {
            command.env_remove(&*name);
        }
    }
    // Whatever is in a person's own files.
    command.env("HOME", "/nonexistent");
    command
}

/// Where the repository is.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
