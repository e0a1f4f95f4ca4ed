//! The README does what it says: every block of shell in it runs, in a fresh copy of what it speaks of.
//!
//! A block is expected to succeed, or to exit as its line `# exits with N` says. What a block prints is held against
//! the `text` block right after it, if there is one. `cargo run --release --` stands for the binary under test. Blocks
//! that call the repository's own scripts are not run from here, where it is checked that the scripts exist; the one
//! that starts a server is run by `tests/real_server.rs`.
#![allow(
    unsafe_code,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests measure their children by wait4, and say when they fail"
)]

mod common;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

struct Block {
    line: usize,
    code: String,
    output: Option<String>,
}

#[test]
fn every_block_of_shell_runs() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let blocks = blocks(&readme);
    assert!(
        blocks.len() > 5,
        "the README has {} blocks of shell",
        blocks.len()
    );
    let faults: Vec<_> = blocks
        .iter()
        .filter_map(|block| {
            check(block)
                .err()
                .map(|why| format!("README.md:{}: {why}", block.line))
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn blocks(readme: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = readme.lines().enumerate().peekable();
    let mut shell_before = false;
    while let Some((at, line)) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            shell_before &= line.is_empty();
            continue;
        };
        let body: Vec<_> = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| *line != "```")
            .collect();
        let body = body.join("\n") + "\n";
        match language {
            "sh" => blocks.push(Block {
                line: at + 1,
                code: body,
                output: None,
            }),
            "text" if shell_before => {
                blocks.last_mut().expect("a block before").output = Some(body);
            }
            _ => {}
        }
        shell_before = language == "sh";
    }
    blocks
}

fn check(block: &Block) -> Result<(), String> {
    let scripts: Vec<_> = block
        .code
        .split(|c: char| c.is_whitespace() || matches!(c, '"' | '(' | ')'))
        .filter(|word| word.starts_with("scripts/"))
        .collect();
    if !scripts.is_empty() {
        return match scripts.iter().find(|script| !root().join(script).is_file()) {
            Some(script) => Err(format!("{script} does not exist")),
            None => Ok(()),
        };
    }
    let dir = common::temp();
    furnish(dir.path());
    let bin = dir.path().join(".bin");
    std::fs::create_dir(&bin).expect("a folder");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sluice"), bin.join("sluice")).expect("a link");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path)))
        .expect("a PATH");
    let code = block.code.replace("cargo run --release --", "sluice");
    let mut shell = Command::new("sh");
    shell
        .args(["-eu", "-c", &code])
        .current_dir(dir.path())
        .env("PATH", path)
        .stdin(std::process::Stdio::null());
    let ran = common::run(&mut shell, common::PATIENCE);
    let stated = block.code.lines().find_map(|line| {
        line.split_once("# exits with ")?
            .1
            .split(|c: char| !c.is_ascii_digit())
            .next()?
            .parse()
            .ok()
    });
    let stdout = String::from_utf8_lossy(&ran.stdout).into_owned();
    if ran.killed.is_some() || ran.code() != stated.unwrap_or(0) {
        return Err(format!(
            "exit {}, not {}\n{}{stdout}{}",
            ran.code(),
            stated.unwrap_or(0),
            block.code,
            ran.stderr
        ));
    }
    match &block.output {
        Some(told) if untimed(told) != untimed(&(ran.stderr.clone() + &stdout)) => Err(format!(
            "it prints otherwise:\n{}{stdout}\nthan the README says:\n{told}",
            ran.stderr
        )),
        _ => Ok(()),
    }
}

/// Text without what differs from run to run: the line that tells times and rates keeps only its ends.
fn untimed(text: &str) -> String {
    let steady = |line: &str| match (line.split_once(" read in "), line.split_once("/s), ")) {
        (Some((before, _)), Some((_, after))) => format!("{before} read, {after}"),
        _ => line.to_owned(),
    };
    text.lines()
        .map(|line| steady(line.trim_end()))
        .collect::<Vec<_>>()
        .join("\n")
}

/// What the README's recipes speak of, made from the real files of `tests/data`.
fn furnish(dir: &Path) {
    let data = dir.join("tests/data");
    std::fs::create_dir_all(&data).expect("a folder");
    for name in common::names(&root().join("tests/data")) {
        std::fs::copy(common::data(&name), data.join(&name)).expect("a copy");
    }
    let penguins = std::fs::read_to_string(common::data("penguins.csv")).expect("penguins");
    let headlines = std::fs::read(common::data("headlines.jsonl")).expect("headlines");
    common::write(dir, "penguins-semicolons.csv", penguins.replace(',', ";"));
    common::write(
        dir,
        "penguins-latin1.csv",
        [
            penguins.as_bytes(),
            b"Ad\xe9lie,Dream,39,18,190,3700,female,2009\n",
        ]
        .concat(),
    );
    let mut gz = GzEncoder::new(Vec::new(), Compression::default());
    gz.write_all(&headlines).expect("memory takes it");
    common::write(
        dir,
        "headlines.jsonl.gz",
        gz.finish().expect("memory takes it"),
    );
    common::write(dir, "page.html", "<p>A page</p>\n");
    common::write(dir, "notes.txt", "one\u{2028}two\n");
    let config = r#"<View><Image name="image" value="$image"/><Choices name="c" toName="image"><Choice value="a"/></Choices></View>"#;
    common::write(dir, "image.xml", config);
    std::fs::create_dir_all(dir.join("photos/2026")).expect("a folder");
    common::write(&dir.join("photos/2026"), "a b.jpg", "");
    common::write(&dir.join("photos"), "c.png", "");
    for folder in ["2025", "2026"] {
        std::fs::create_dir(dir.join(folder)).expect("a folder");
        std::fs::copy(
            common::data("headlines.jsonl"),
            dir.join(folder).join("headlines.jsonl"),
        )
        .expect("a copy");
        std::fs::copy(
            common::data("foods.parquet"),
            dir.join(folder).join("foods.parquet"),
        )
        .expect("a copy");
    }
    // One row lacks a cell.
    common::write(
        dir,
        "broken.csv",
        penguins.replacen("Adelie,Torgersen,40.3,", "Adelie,40.3,", 1),
    );
}
