//! The shape of the source: data flows from left to right, and no stage looks to its right.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails says so"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The stages, in the order in which data flows. Each uses what stands to its left.
const STAGES: [&str; 7] = [
    "source",
    "read",
    "decode",
    "normalize",
    "batch",
    "deliver",
    "sink",
];

/// The stages with the rooms that stand between and after them: `rejects` keeps what became no task, `journal` what was
/// sent, `label_studio` speaks to the server, and `report` is told what all stages did. `serve` is a web server for the
/// files of a source, `stand_in` one that answers benches as a Label Studio does, `fetch` asks other servers for such files,
/// and `inspect` looks at the heads of sources.
const FLOW: [&str; 15] = [
    "source",
    "serve",
    "stand_in",
    "fetch",
    "read",
    "decode",
    "normalize",
    "rejects",
    "batch",
    "inspect",
    "journal",
    "label_studio",
    "deliver",
    "sink",
    "report",
];

/// What every stage may use; they know no stage.
const COMMON: [&str; 12] = [
    "error",
    "place",
    "blocks",
    "budget",
    "buffer",
    "http",
    "stop",
    "stopwatch",
    "partial_file",
    "labelling_config",
    "generate",
    "wording",
];

/// What sees all stages: the wiring, what the user typed, and what was packed.
const WIRING: [&str; 5] = ["pipeline", "plan", "packed", "cli", "main"];

/// What only the wiring uses.
const WIRES: [&str; 1] = ["in_order"];

/// The lines that open the `mod.rs` of every stage.
const OPENING: [&str; 4] = ["**Takes**", "**Gives**", "**Waits on**", "**To add one"];

#[test]
fn no_stage_looks_to_its_right() {
    let mut faults = Vec::new();
    for (file, text) in sources() {
        let own = room(&file);
        for (line, used) in uses(&text) {
            if let Some(why) = refused(&own, &used) {
                faults.push(format!(
                    "src/{}:{line}: {own} uses {used}: {why}",
                    file.display()
                ));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{}\n{}",
        FLOW.join(" -> "),
        faults.join("\n")
    );
}

fn refused(own: &str, used: &str) -> Option<&'static str> {
    if own == used || WIRING.contains(&own) || own == "lib" {
        return None;
    }
    if WIRING.contains(&used) {
        return Some("only the wiring knows the wiring");
    }
    if WIRES.contains(&used) {
        return Some("only the wiring uses it");
    }
    let at = |name: &str| FLOW.iter().position(|room| *room == name);
    match (at(own), at(used)) {
        (Some(own), Some(used)) if used > own => Some("it stands to the right"),
        (None, Some(_)) if COMMON.contains(&own) || WIRES.contains(&own) => {
            Some("the common rooms know no stage")
        }
        (_, None) if !COMMON.contains(&used) => Some("it is neither a stage nor common to all"),
        _ => None,
    }
}

#[test]
fn lib_lists_the_modules_in_the_order_in_which_data_flows() {
    let lib = std::fs::read_to_string(root().join("lib.rs")).expect("src/lib.rs");
    let listed: Vec<_> = lib
        .lines()
        .filter_map(|line| {
            line.trim_start_matches("pub ")
                .strip_prefix("mod ")?
                .strip_suffix(';')
        })
        .collect();
    let stages: Vec<_> = listed
        .iter()
        .copied()
        .filter(|name| STAGES.contains(name))
        .collect();
    assert_eq!(stages, STAGES, "src/lib.rs lists {listed:?}");
    let there: Vec<_> = sources()
        .into_keys()
        .map(|file| room(&file))
        .filter(|r| r != "lib" && r != "main")
        .collect();
    let unlisted: Vec<_> = there
        .iter()
        .filter(|name| !listed.contains(&name.as_str()))
        .collect();
    assert!(unlisted.is_empty(), "not in src/lib.rs: {unlisted:?}");
}

#[test]
fn every_stage_opens_with_the_same_four_lines() {
    for stage in STAGES {
        let file = root().join(stage).join("mod.rs");
        let text =
            std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let docs: Vec<_> = text
            .lines()
            .map_while(|line| line.strip_prefix("//! "))
            .collect();
        let found = OPENING.map(|word| docs.iter().position(|line| line.starts_with(word)));
        let in_order =
            found.is_sorted() && found.iter().all(Option::is_some) && found[0] == Some(0);
        assert!(
            in_order,
            "src/{stage}/mod.rs opens with {OPENING:?} in this order; it has {docs:#?}"
        );
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file, by its path in `src`.
fn sources() -> BTreeMap<PathBuf, String> {
    fn walk(dir: &Path, all: &mut BTreeMap<PathBuf, String>) {
        for entry in std::fs::read_dir(dir).expect("a folder of src") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, all);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source file");
                all.insert(path.strip_prefix(root()).expect("in src").to_owned(), text);
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(&root(), &mut all);
    all
}

/// The top-level module a file belongs to.
fn room(file: &Path) -> String {
    let first = file.iter().next().expect("a name").to_string_lossy();
    first.strip_suffix(".rs").unwrap_or(&first).to_owned()
}

/// The top-level modules that a text names after `crate::`, each with its line; comments do not count.
fn uses(text: &str) -> Vec<(usize, String)> {
    let code: Vec<_> = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect();
    let code = code.join("\n");
    let mut found = Vec::new();
    for (at, path) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let line = code[..at].matches('\n').count() + 1;
        let rest = &code[at + path.len()..];
        let names = rest
            .strip_prefix('{')
            .map_or_else(|| vec![name(rest)], group);
        found.extend(
            names
                .into_iter()
                .filter(|name| !name.is_empty())
                .map(|name| (line, name.to_owned())),
        );
    }
    found
}

/// The first name of a path.
fn name(path: &str) -> &str {
    let path = path.trim_start();
    &path[..path
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(path.len())]
}

/// The first names of the paths of a group, up to its closing brace.
fn group(inside: &str) -> Vec<&str> {
    let mut names = vec![name(inside)];
    let mut depth = 0;
    for (at, sign) in inside.char_indices() {
        match sign {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name(&inside[at + 1..])),
            _ => {}
        }
    }
    names
}

#[test]
fn the_reader_of_uses_sees_groups_and_skips_comments() {
    let text = "use crate::error::Error;\n// crate::sink\nuse crate::{\n    batch::{Batcher, Push}, place::Place,\n    stop,\n};\n\
                fn f() { crate::budget::new(); mycrate::read(); $crate::decode(); }";
    let names: Vec<_> = uses(text).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["error", "batch", "place", "stop", "budget"]);
}

#[test]
fn the_readme_has_the_drawing_of_the_crate() {
    let lib = std::fs::read_to_string(root().join("lib.rs")).expect("src/lib.rs");
    let drawing: Vec<_> = lib
        .lines()
        .map(|line| line.trim_start_matches("//!").trim_start_matches(' '))
        .skip_while(|line| *line != "```text")
        .skip(1)
        .take_while(|line| *line != "```")
        .map(str::trim_end)
        .collect();
    assert!(drawing.len() > 10, "src/lib.rs has a drawing");
    let readme = std::fs::read_to_string(root().join("../README.md")).expect("README.md");
    let lines: Vec<_> = readme.lines().map(str::trim).collect();
    let there = lines
        .windows(drawing.len())
        .any(|window| window.iter().zip(&drawing).all(|(a, b)| *a == b.trim()));
    assert!(there, "README.md has another drawing than src/lib.rs");
}
