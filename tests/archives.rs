//! Archives: their members come to the same as the files of a folder, in the archive's order; whatever is wrong with one
//! is an error with its place, in bounded memory, and no byte is lost without a word.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    unsafe_code,
    reason = "a test says what it expects, and fails where it is not so"
)]

mod common;
#[path = "common/library.rs"]
mod library;

#[path = "archives/bounds.rs"]
mod bounds;
#[path = "archives/damage.rs"]
mod damage;
#[path = "archives/hostile.rs"]
mod hostile;
#[path = "archives/pack.rs"]
mod pack;
#[path = "archives/places.rs"]
mod places;
#[path = "archives/same.rs"]
mod same;

use std::path::Path;

use common::Ran;

/// Runs `sluice import WORDS --to FOLDER/out FLAGS` in a folder.
fn import(folder: &Path, words: &[&str], flags: &[&str]) -> Ran {
    let mut command = common::sluice();
    command.current_dir(folder).arg("import").args(words);
    let ran = common::run(
        command.args(["--to", "out", "--overwrite"]).args(flags),
        common::PATIENCE,
    );
    assert_eq!(ran.misbehaviour(), None, "{}", ran.stderr);
    ran
}

/// The bytes of all imports that it wrote.
fn imports(folder: &Path) -> Vec<Vec<u8>> {
    let out = folder.join("out");
    let names = common::names(&out);
    let names = names.iter().filter(|name| name.starts_with("import-"));
    names
        .map(|name| std::fs::read(out.join(name)).unwrap())
        .collect()
}
