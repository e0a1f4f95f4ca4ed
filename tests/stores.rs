//! Sources and targets that are reached over a network: the same tasks as from a local file, whatever the faults.
//!
//! Object stores are those that `scripts/object-stores` starts; a server of the tests' own stands for the web, and another
//! for Google's store, for which there is no stand-in that its client understands. Everything is on loopback, with
//! credentials that are good for nothing.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    unsafe_code,
    reason = "a test says what it expects, and fails where it is not so"
)]

#[path = "stores/buckets.rs"]
mod buckets;
mod common;
#[path = "stores/gcs.rs"]
mod gcs;
#[path = "stores/job.rs"]
mod job;
#[path = "stores/misbehaving.rs"]
mod misbehaving;
#[path = "stores/named.rs"]
mod named;
#[path = "stores/presign.rs"]
mod presign;
#[path = "stores/recipe.rs"]
mod recipe;
#[path = "stores/servers.rs"]
mod servers;
#[path = "stores/targets.rs"]
mod targets;
#[path = "stores/web.rs"]
mod web;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

/// A run, and the folder it wrote to.
struct Imported {
    ran: common::Ran,
    folder: tempfile::TempDir,
}

/// The program with nothing in its environment that leads to a store.
fn sluice() -> Command {
    let mut command = common::sluice();
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["AWS_", "AZURE_", "GOOGLE_", "CLOUDSDK_"]
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

fn import(sources: &[&str]) -> Imported {
    import_with(sources, &[])
}

fn import_with(sources: &[&str], flags: &[&str]) -> Imported {
    import_by(&mut sluice(), sources, flags)
}

fn import_by(command: &mut Command, sources: &[&str], flags: &[&str]) -> Imported {
    let folder = common::temp();
    command.arg("import").args(sources).args(flags);
    command.arg("--to").arg(folder.path().join("out"));
    let ran = common::run(command, common::PATIENCE);
    assert_eq!(ran.misbehaviour(), None, "{}", ran.stderr);
    Imported { ran, folder }
}

/// The bytes of all imports of a run, by their names.
fn imports_of(imported: &Imported) -> Vec<(String, Vec<u8>)> {
    let folder = imported.folder.path().join("out");
    let names = common::names(&folder)
        .into_iter()
        .filter(|name| name.starts_with("import-"));
    names
        .map(|name| (name.clone(), std::fs::read(folder.join(name)).unwrap()))
        .collect()
}

/// Imports an address and a local file with these bytes, which must come to the same; gives what the first said.
fn same_as_local(name: &str, body: &[u8], address: &str) -> String {
    same_as_local_by(&mut sluice(), name, body, address)
}

fn same_as_local_by(command: &mut Command, name: &str, body: &[u8], address: &str) -> String {
    let folder = common::temp();
    let file = common::write(folder.path(), name, body);
    let local = import(&[file.to_str().unwrap()]);
    let remote = import_by(command, &[address], &[]);
    assert_eq!(local.ran.code(), 0, "{}", local.ran.stderr);
    assert_eq!(remote.ran.code(), 0, "{address}: {}", remote.ran.stderr);
    assert!(!imports_of(&local).is_empty());
    assert!(
        imports_of(&remote) == imports_of(&local),
        "{address} is not as {name}"
    );
    remote.ran.stderr
}

/// A Parquet file with columns c0, c1 ... of text that does not compress well.
fn wide_parquet(columns: usize, rows: usize) -> Vec<u8> {
    let column = |column: usize| -> ArrayRef {
        let value =
            |row: usize| blake3::hash(&(row * 64 + column).to_le_bytes()).to_hex()[..16].to_owned();
        Arc::new(StringArray::from_iter_values((0..rows).map(value)))
    };
    let named = (0..columns).map(|i| (format!("c{i}"), column(i)));
    let batch = RecordBatch::try_from_iter(named).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(rows / 4))
        .set_dictionary_enabled(false)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// Where the repository is.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
