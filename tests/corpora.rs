//! Every file of the corpora, run through the real binary and held against what independent readers made of it.
//!
//! `SLUICE_CORPORA` names the folder; `../shared/corpora` is the default. What each field of an `expected.json` means
//! stands in the corpora's own README. Rules here go by content and by those fields, never by a file's name.
#![allow(
    unsafe_code,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests measure their children by wait4, and say when they fail"
)]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use common::{PATIENCE, Ran, Target};

/// How many files are run side by side.
const LANES: usize = 2;

/// A file and what is known of it.
struct Case {
    set: String,
    file: String,
    path: PathBuf,
    facts: Value,
}

/// The binary did not do as expected.
struct Deviation {
    rule: &'static str,
    case: String,
    expected: String,
    got: String,
}

/// What the checks of one file found.
#[derive(Default)]
struct Findings {
    deviations: Vec<Deviation>,
    /// Not wrong, but worth a count: how the run's own choice of delimiter fared, and the like.
    notes: Vec<(&'static str, String)>,
}

#[test]
fn every_file_of_the_corpora_does_as_its_expected_json_says() {
    let cases = cases(&corpora());
    let next = AtomicUsize::new(0);
    let all = Mutex::new((Vec::new(), BTreeMap::<&str, Vec<String>>::new()));
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = case.check();
                    let mut all = all.lock().expect("no lane panicked");
                    all.0.extend(found.deviations);
                    for (note, text) in found.notes {
                        all.1.entry(note).or_default().push(text);
                    }
                }
            });
        }
    });
    let (mut deviations, notes) = all.into_inner().expect("no lane panicked");
    for (note, texts) in &notes {
        println!("{note}: {}\n    {}", texts.len(), texts.join("\n    "));
    }
    deviations.sort_by(|a, b| (a.rule, &a.case).cmp(&(b.rule, &b.case)));
    assert!(
        deviations.is_empty(),
        "{} of {} files deviate\n{}",
        count(&deviations),
        cases.len(),
        table(&deviations)
    );
    println!("{} files as expected", cases.len());
}

fn count(deviations: &[Deviation]) -> usize {
    deviations
        .iter()
        .map(|d| d.case.as_str())
        .collect::<std::collections::BTreeSet<_>>()
        .len()
}

fn table(deviations: &[Deviation]) -> String {
    let mut text = String::from("| rule | file | expected | got |\n| --- | --- | --- | --- |\n");
    for Deviation {
        rule,
        case,
        expected,
        got,
    } in deviations
    {
        let got = got.replace('\n', " / ").replace('|', "\\|");
        writeln!(
            text,
            "| {rule} | {case} | {expected} | {} |",
            got.chars().take(400).collect::<String>()
        )
        .unwrap();
    }
    text
}

fn corpora() -> PathBuf {
    let dir = std::env::var_os("SLUICE_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora"),
        PathBuf::from,
    );
    assert!(
        dir.is_dir(),
        "the corpora are not at {}: name their folder with SLUICE_CORPORA=/path/to/corpora cargo test",
        dir.display()
    );
    dir
}

fn cases(dir: &Path) -> Vec<Case> {
    let only = std::env::var("SLUICE_CORPORA_ONLY").unwrap_or_default();
    let mut cases = Vec::new();
    for set in common::names(dir) {
        let Ok(text) = std::fs::read(dir.join(&set).join("expected.json")) else {
            continue;
        };
        let expected: Value = serde_json::from_slice(&paired(text))
            .unwrap_or_else(|e| panic!("{set}/expected.json: {e}"));
        let Some(files) = expected["files"].as_object() else {
            continue;
        };
        for (file, facts) in files {
            let path = dir.join(&set).join(file);
            let known = facts["format"].is_string() && facts["expect"].is_string();
            if known && path.to_string_lossy().contains(&only) {
                assert!(
                    path.is_file(),
                    "{} is in expected.json and not on disk",
                    path.display()
                );
                cases.push(Case {
                    set: set.clone(),
                    file: file.clone(),
                    path,
                    facts: facts.clone(),
                });
            }
        }
    }
    assert!(!cases.is_empty(), "no corpora in {}", dir.display());
    cases
}

/// One run on one file.
struct Import {
    ran: Ran,
    /// What stands in the target, if the run said it was done (exit code 0 or 3).
    target: Option<Target>,
    _dir: tempfile::TempDir,
}

impl Import {
    /// It says it is done, and left what cannot be read: that has been said, and there is nothing more to hold against.
    fn unreadable(&self) -> bool {
        self.target.is_none() && [0, 3].contains(&self.ran.code())
    }

    fn tasks(&self) -> u64 {
        self.target.as_ref().map_or(0, |t| t.tasks.len() as u64)
    }

    fn rejects(&self) -> u64 {
        self.target.as_ref().map_or(0, |t| t.rejects.len() as u64)
    }

    fn records(&self) -> u64 {
        self.tasks() + self.rejects()
    }

    /// The codes of the rejects, or of the error the run ended with.
    fn codes(&self) -> Vec<String> {
        let rejects = self
            .target
            .iter()
            .flat_map(|t| &t.rejects)
            .map(|r| r["code"].as_str().unwrap_or("?").to_owned());
        let errors = self
            .ran
            .stderr
            .lines()
            .filter_map(|l| Some(l.strip_prefix("error[")?.split_once(']')?.0.to_owned()));
        let mut codes: Vec<_> = rejects.chain(errors).collect();
        codes.sort();
        codes.dedup();
        codes
    }

    fn summary(&self) -> String {
        let first = self
            .ran
            .stderr
            .lines()
            .find(|l| l.starts_with("error["))
            .unwrap_or_else(|| self.ran.stderr.trim());
        let reasons = self
            .target
            .iter()
            .flat_map(|t| &t.rejects)
            .filter_map(|r| r["reason"].as_str());
        let reasons: Vec<_> = reasons.take(2).collect();
        format!(
            "exit {}, {} tasks, {} rejects {reasons:?}; {}",
            self.ran.code(),
            self.tasks(),
            self.rejects(),
            first.chars().take(240).collect::<String>()
        )
    }
}

impl Case {
    fn check(&self) -> Findings {
        let mut found = Findings::default();
        match self.format() {
            "csv" | "tsv" => self.table(&mut found),
            "json" | "jsonl" => self.json(&mut found),
            "txt" => self.lines(&mut found),
            "parquet" | "ipc" => self.columns(&mut found),
            "compressed" => self.compressed(&mut found),
            _ => {
                // Containers and formats not read yet: an error or records, as the binary likes; never a mishap.
                self.import(&[], "mishap", &mut found);
            }
        }
        found
    }

    fn format(&self) -> &str {
        self.facts["format"].as_str().unwrap_or_default()
    }

    fn expect(&self) -> &str {
        self.facts["expect"].as_str().unwrap_or_default()
    }

    fn number(&self, field: &str) -> Option<u64> {
        self.facts[field].as_u64()
    }

    fn name(&self) -> String {
        format!("{}/{}", self.set, self.file)
    }

    fn deviation(
        &self,
        rule: &'static str,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Deviation {
        Deviation {
            rule,
            case: self.name(),
            expected: expected.into(),
            got: got.into(),
        }
    }

    /// The name's ending, below that of a compression.
    fn named(&self, endings: &[&str]) -> bool {
        let mut name = self.file.to_ascii_lowercase();
        for compression in [".gz", ".zst", ".bz2", ".xz", ".lz4"] {
            name = name
                .strip_suffix(compression)
                .map(str::to_owned)
                .unwrap_or(name);
        }
        endings.iter().any(|ending| name.ends_with(ending))
    }

    /// Runs `sluice import` and holds the run against what is asked of every run, whatever it reads.
    fn import(&self, flags: &[&str], mishap: &'static str, found: &mut Findings) -> Import {
        let dir = common::temp();
        let to = dir.path().join("out");
        let mut command = common::sluice();
        command
            .arg("import")
            .arg(&self.path)
            .arg("--to")
            .arg(&to)
            .args(["--max-rejects", "100%"])
            .args(flags);
        let ran = common::run(&mut command, PATIENCE);
        let mut complain = |expected: &str, got: String| {
            let got = if flags.is_empty() {
                got
            } else {
                format!("{got} (with {})", flags.join(" "))
            };
            found.deviations.push(self.deviation(mishap, expected, got));
        };
        if let Some(what) = ran.misbehaviour() {
            complain("no mishap", format!("{what}; {}", ran.stderr));
        } else if !ran.stdout.is_empty() {
            complain(
                "an empty stdout",
                String::from_utf8_lossy(&ran.stdout).into_owned(),
            );
        }
        let mut target = None;
        if ran.killed.is_none() && [0, 3].contains(&ran.code()) {
            match Target::read(&to) {
                Ok(read) if (ran.code() == 3) == read.rejects.is_empty() => {
                    complain(
                        "exit 3 if and only if some were rejected",
                        format!("{} rejects", read.rejects.len()),
                    );
                }
                Ok(read) => {
                    let nameless = |r: &&Value| {
                        !(r["line"].is_u64() || r["row"].is_u64() || r["byte"].is_u64())
                    };
                    let blank =
                        |r: &&Value| r["code"].as_str().is_none() || r["reason"].as_str().is_none();
                    if let Some(reject) = read.rejects.iter().find(|r| nameless(r) || blank(r)) {
                        complain("a reject with place, code and reason", reject.to_string());
                    }
                    target = Some(read);
                }
                Err(why) => complain("a whole target", why),
            }
        } else if ran.killed.is_none() {
            if !ran.stderr.lines().any(|line| line.starts_with("error[")) {
                complain(
                    "`error[code]: message`",
                    format!("exit {}: {}", ran.code(), ran.stderr),
                );
            }
            let whole = |n: &String| {
                n == "manifest.json"
                    || n == "rejects.jsonl"
                    || n.starts_with("import-") && !n.ends_with(".partial")
            };
            if let Some(stray) = common::names(&to).into_iter().find(|n| !whole(n)) {
                complain("no half file after an error", stray);
            }
        }
        Import {
            ran,
            target,
            _dir: dir,
        }
    }

    fn must_be_refused(&self, rule: &'static str, got: &Import, found: &mut Findings) {
        if got.ran.code() == 0 {
            found
                .deviations
                .push(self.deviation(rule, "a refusal", got.summary()));
        }
        let why = self.facts["why"].as_str().unwrap_or_default();
        if why.contains("encrypted") && !got.ran.stderr.contains("encrypt") {
            found.deviations.push(self.deviation(
                rule,
                "the error says it is encrypted",
                got.summary(),
            ));
        }
    }

    // Tables: CSV and TSV.

    fn table(&self, found: &mut Findings) {
        let delimiter = self.facts["delimiter"].as_str().unwrap_or(",");
        let told = if delimiter == "\t" { "tab" } else { delimiter };
        let mut flags = vec!["--delimiter", told];
        if !self.named(&[".csv", ".tsv"]) {
            flags.extend(["--format", "csv"]);
        }
        let told = self.import(&flags, "mishap", found);
        self.table_as_told(&flags, &told, found);
        let sniffed = self.import(&[], "mishap", found);
        let alike = sniffed.ran.code() == told.ran.code()
            && sniffed.records() == told.records()
            && (self.expect() != "accept" || Self::cells(&sniffed) == Self::cells(&told));
        if !alike {
            let note = format!(
                "{} {}: {} tasks, not {}",
                self.expect(),
                self.name(),
                sniffed.tasks(),
                told.tasks()
            );
            found.notes.push((
                "tables read otherwise when the delimiter is left to the program",
                note,
            ));
        }
    }

    fn table_as_told(&self, flags: &[&str], got: &Import, found: &mut Findings) {
        if got.unreadable() {
            return;
        }
        let nul = self.number("nul_bytes").is_some_and(|n| n > 0);
        let undecodable = self.facts["encoding"] == "not-utf8";
        match self.expect() {
            "accept" if nul => {
                // A NUL is a reject with a code of its own; `--nul replace` lets it in.
                let rows = self.number("rows").expect("rows");
                // In a name of a column it concerns every record alike, and is replaced.
                let only_names = self.nul_in_header_only() && got.codes().is_empty();
                if got.records() != rows || got.codes() != ["nul"] && !only_names {
                    found.deviations.push(self.deviation(
                        "table, NUL",
                        format!("{rows} tasks and `nul` rejects"),
                        got.summary(),
                    ));
                }
                let replaced =
                    self.import(&[flags, &["--nul", "replace"]].concat(), "mishap", found);
                if replaced.ran.code() != 0 || replaced.tasks() != rows {
                    found.deviations.push(self.deviation(
                        "table, --nul replace",
                        format!("{rows} tasks"),
                        replaced.summary(),
                    ));
                }
            }
            "accept" => self.table_accepted(got, found),
            "reject" => self.must_be_refused("table, reject", got, found),
            "either" if undecodable => self.table_not_utf8(flags, got, found),
            "either" => {
                let allowed = self.readings();
                let fits = match got.ran.code() {
                    0 => allowed.contains(&got.tasks()),
                    3 => allowed.contains(&got.tasks()) || allowed.contains(&got.records()),
                    _ => true,
                };
                if !fits {
                    found.deviations.push(self.deviation(
                        "table, either",
                        format!("one of {allowed:?} rows"),
                        got.summary(),
                    ));
                } else if got.ran.code() == 0
                    && self.facts["cells_sha256"].is_string()
                    && got.tasks() > 0
                {
                    self.table_accepted(got, found);
                }
            }
            other => panic!("{}: {other:?} is no expectation for a table", self.name()),
        }
    }

    fn table_accepted(&self, got: &Import, found: &mut Findings) {
        let rows = self.number("rows").expect("rows");
        if got.ran.code() != 0 || got.tasks() != rows {
            found.deviations.push(self.deviation(
                "table, rows",
                format!("{rows} tasks"),
                got.summary(),
            ));
            return;
        }
        let data = got.target.as_ref().expect("exit 0 has a target").data();
        let ncols = self.number("ncols").expect("ncols");
        if let Some(odd) = data
            .iter()
            .position(|fields| fields.0.len() as u64 != ncols)
        {
            let got = format!(
                "record {} has {}: {:?}",
                odd + 1,
                data[odd].0.len(),
                data[odd].keys()
            );
            found.deviations.push(self.deviation(
                "table, columns",
                format!("{ncols} fields a task"),
                got,
            ));
        }
        let renamed = self.facts["duplicate_or_blank_headers"]
            .as_bool()
            .unwrap_or(false);
        if let Some(first) = data.first()
            && !renamed
        {
            let keys = first.keys();
            if let Some(columns) = self.facts["columns"].as_array() {
                if !keys.iter().eq(columns
                    .iter()
                    .map(|c| c.as_str().unwrap_or_default())
                    .collect::<Vec<_>>()
                    .iter())
                {
                    found.deviations.push(self.deviation(
                        "table, columns",
                        format!("{columns:?}"),
                        format!("{keys:?}"),
                    ));
                }
            } else if let Some(digest) = self.facts["columns_sha256"].as_str()
                && hex(Sha256::digest(keys.join("\u{1f}"))) != digest
            {
                found.deviations.push(self.deviation(
                    "table, columns",
                    format!("columns_sha256 {digest}"),
                    format!("{keys:?}"),
                ));
            }
        }
        match Self::cells(got) {
            Err(why) => {
                found
                    .deviations
                    .push(self.deviation("table, cells", "every cell a string", why));
            }
            Ok(digest) if self.facts["cells_sha256"] != digest.as_str() => {
                let first = data.first().map_or_else(String::new, |f| {
                    format!("{:?}", f.0.iter().map(|(_, v)| v.get()).collect::<Vec<_>>())
                });
                let expected = format!(
                    "cells_sha256 as given, first row {}",
                    self.facts["first_row"]
                );
                found.deviations.push(self.deviation(
                    "table, cells",
                    expected,
                    format!("first row {first}"),
                ));
            }
            Ok(_) => {}
        }
    }

    fn cells(got: &Import) -> Result<String, String> {
        let Some(target) = &got.target else {
            return Ok(String::new());
        };
        let mut digest = Sha256::new();
        for fields in target.data() {
            for (key, cell) in &fields.0 {
                let cell =
                    common::string(cell).ok_or_else(|| format!("{key:?} holds {}", cell.get()))?;
                digest.update(cell);
                digest.update([0x1f]);
            }
            digest.update([0x1e]);
        }
        Ok(hex(digest.finalize()))
    }

    fn nul_in_header_only(&self) -> bool {
        let content = self.content();
        let header = content
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        !content[header.len()..].contains(&0)
    }

    fn table_not_utf8(&self, flags: &[&str], got: &Import, found: &mut Findings) {
        // Where such bytes stand in a record that is broken in another way too, that may be what is said.
        let helps = got
            .target
            .iter()
            .flat_map(|t| &t.rejects)
            .filter(|r| r["code"] == "encoding");
        let helps: Vec<_> = helps
            .map(|r| r["help"].as_str().unwrap_or_default())
            .collect();
        let named = helps.iter().all(|help| help.contains("--encoding"))
            && (!got.ran.stderr.contains("error[encoding]")
                || got.ran.stderr.contains("--encoding"));
        if got.ran.code() == 0 || !named {
            let expected = "refused, and `--encoding` named";
            found
                .deviations
                .push(self.deviation("table, not UTF-8", expected, got.summary()));
        }
        if let Some(rows) = self.facts["if_decoded_latin1"]["rows"].as_u64() {
            let decoded = self.import(
                &[flags, &["--encoding", "latin1"]].concat(),
                "mishap",
                found,
            );
            // Most of these are broken in other ways too: what matters is that no row goes without a word.
            let whole = decoded.records() == rows || decoded.ran.code() == 1;
            if !whole {
                found.deviations.push(self.deviation(
                    "table, --encoding latin1",
                    format!("{rows} rows"),
                    decoded.summary(),
                ));
            }
        }
    }

    /// The numbers of rows good readers find.
    fn readings(&self) -> Vec<u64> {
        let readings = self.facts["readings"]
            .as_object()
            .into_iter()
            .flat_map(|r| r.values())
            .filter_map(|r| r["rows"].as_u64());
        let by_reader = self.facts["rows_by_reader"]
            .as_object()
            .into_iter()
            .flat_map(|r| r.values())
            .filter_map(Value::as_u64);
        let given = [
            "rows",
            "records",
            "elements",
            "ndjson_records",
            "concatenated_values",
        ];
        let mut all: Vec<_> = readings
            .chain(by_reader)
            .chain(given.into_iter().filter_map(|f| self.number(f)))
            .collect();
        if self.facts["why"]
            .as_str()
            .is_some_and(|why| why.starts_with("no header line"))
        {
            all.push(0);
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    // JSON and JSON Lines.

    fn json(&self, found: &mut Findings) {
        let got = self.import(&[], "mishap", found);
        self.json_read(&got, found);
        if !self.named(&[".json", ".jsonl", ".ndjson", ".geojson", ".geojsonl"]) {
            let told = self.import(&["--format", self.format()], "mishap", found);
            self.json_read(&told, found);
        }
    }

    fn json_read(&self, got: &Import, found: &mut Findings) {
        if got.unreadable() {
            return;
        }
        let bytes = self.content();
        let unfit = unfit(&bytes);
        let records = self.number("records").or(self.number("elements"));
        let records = records.or_else(|| {
            self.facts["shape"]
                .as_str()?
                .starts_with("scalar")
                .then_some(1)
        });
        match self.expect() {
            "accept" => {
                let records =
                    records.unwrap_or_else(|| panic!("{}: no count of records", self.name()));
                let fits = if unfit.is_empty() {
                    got.ran.code() == 0 && got.tasks() == records
                } else {
                    // Valid JSON that would break a server: a reject with its own code.
                    got.ran.code() != 0
                        && got
                            .codes()
                            .iter()
                            .all(|code| unfit.contains(&code.as_str()))
                };
                if !fits {
                    let rule = if unfit.is_empty() {
                        "JSON, records"
                    } else {
                        "JSON, unfit for a server"
                    };
                    found.deviations.push(self.deviation(
                        rule,
                        format!("{records} tasks {unfit:?}"),
                        got.summary(),
                    ));
                } else if got.ran.code() == 0 {
                    self.json_values(&bytes, got, found);
                }
            }
            "reject" => self.must_be_refused("JSON, reject", got, found),
            "reject-lines" => {
                let bad: Vec<_> = self.facts["bad_line_numbers"]
                    .as_array()
                    .expect("bad_line_numbers")
                    .iter()
                    .filter_map(Value::as_u64)
                    .collect();
                let lines: Vec<_> = got
                    .target
                    .iter()
                    .flat_map(|t| &t.rejects)
                    .filter_map(|r| r["line"].as_u64())
                    .collect();
                let fits = got.ran.code() == 3
                    && Some(got.tasks()) == records
                    && Some(lines.len() as u64) == self.number("bad_lines")
                    && lines[..bad.len().min(lines.len())] == bad;
                if !fits {
                    found.deviations.push(self.deviation(
                        "JSON Lines, bad lines",
                        format!("rejects at lines {bad:?}"),
                        got.summary(),
                    ));
                }
            }
            "either" => {
                let allowed = self.readings();
                let fits = match got.ran.code() {
                    0 => allowed.contains(&got.tasks()) || records == Some(got.tasks()),
                    _ => true,
                };
                if !fits {
                    found.deviations.push(self.deviation(
                        "JSON, either",
                        format!("one of {allowed:?}"),
                        got.summary(),
                    ));
                } else if got.ran.code() == 0 && unfit.is_empty() {
                    self.json_values(&bytes, got, found);
                }
            }
            other => panic!("{}: {other:?} is no expectation for JSON", self.name()),
        }
    }

    /// Holds the tasks against what serde_json makes of the file.
    fn json_values(&self, bytes: &[u8], got: &Import, found: &mut Findings) {
        let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(bytes)
            .into_iter()
            .collect();
        let Ok(values) = values else { return };
        let records = values.into_iter().flat_map(|value| match value {
            Value::Array(elements) if self.format() == "json" => elements,
            other => vec![other],
        });
        let expected: Vec<Value> = records
            .map(|record| match &record {
                Value::Object(fields)
                    if fields
                        .get("data")
                        .and_then(Value::as_object)
                        .is_some_and(|d| !d.is_empty()) =>
                {
                    record
                }
                Value::Object(_) => serde_json::json!({ "data": record }),
                _ => serde_json::json!({ "data": { "text": record } }),
            })
            .collect();
        let tasks = got.target.as_ref().expect("exit 0 has a target").values();
        if let Some(at) =
            (0..expected.len().max(tasks.len())).find(|&at| expected.get(at) != tasks.get(at))
        {
            let show = |value: Option<&Value>| {
                value.map_or_else(
                    || "nothing".into(),
                    |v| v.to_string().chars().take(200).collect(),
                )
            };
            let (expected, task): (String, String) = (show(expected.get(at)), show(tasks.get(at)));
            found.deviations.push(self.deviation(
                "JSON, values",
                format!("task {} is {expected}", at + 1),
                task,
            ));
        }
        // The keys of all records, each once, in the order met: a record that is a task already has those of a task.
        let told: Vec<_> = self.facts["keys"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let (mut of_tasks, mut of_data) = (Vec::new(), Vec::new());
        for task in got.target.iter().flat_map(|t| &t.tasks) {
            let task: common::Fields =
                serde_json::from_str(task.get()).expect("a task is an object");
            let data = task
                .0
                .iter()
                .find(|(key, _)| key == "data")
                .expect("a task has data");
            let data: common::Fields =
                serde_json::from_str(data.1.get()).expect("data is an object");
            for (all, fields) in [(&mut of_tasks, task), (&mut of_data, data)] {
                for (key, _) in fields.0 {
                    if !all.contains(&key) {
                        all.push(key);
                    }
                }
            }
        }
        let unlike = |keys: &Vec<String>| *keys != told;
        if self.facts["shape"] != "array-mixed"
            && !told.is_empty()
            && unlike(&of_tasks)
            && unlike(&of_data)
        {
            found.deviations.push(self.deviation(
                "JSON, keys",
                format!("{told:?}"),
                format!("{of_data:?}"),
            ));
        }
    }

    /// The file's text: decompressed, without a byte order mark.
    fn content(&self) -> Vec<u8> {
        let stored = std::fs::read(&self.path).expect("the file is read");
        let bytes = if stored.starts_with(&[0x1f, 0x8b]) {
            let mut bytes = Vec::new();
            flate2::read::MultiGzDecoder::new(&stored[..])
                .read_to_end(&mut bytes)
                .expect("a gzip stream");
            bytes
        } else {
            stored
        };
        bytes
            .strip_prefix(b"\xef\xbb\xbf")
            .map(<[u8]>::to_vec)
            .unwrap_or(bytes)
    }

    // Text, a line a task.

    fn lines(&self, found: &mut Findings) {
        if self.named(&[".txt"]) {
            let got = self.import(&[], "mishap", found);
            self.lines_read(&got, found);
        } else {
            self.import(&[], "mishap", found);
        }
        let told = self.import(&["--format", "txt"], "mishap", found);
        self.lines_read(&told, found);
    }

    fn lines_read(&self, got: &Import, found: &mut Findings) {
        if got.unreadable() {
            return;
        }
        let lines = self.number("lines").expect("lines");
        if self.expect() != "accept" {
            return;
        }
        if got.ran.code() != 0 || got.tasks() != lines {
            found.deviations.push(self.deviation(
                "TXT, lines",
                format!("{lines} tasks"),
                got.summary(),
            ));
            return;
        }
        let text = String::from_utf8(self.content()).expect("UTF-8");
        let tasks = got.target.as_ref().expect("exit 0 has a target").values();
        let texts: Vec<_> = tasks
            .iter()
            .map(|task| task["data"]["text"].as_str().unwrap_or("?"))
            .collect();
        let lines: Vec<_> = text.lines().collect();
        if texts != lines {
            found.deviations.push(self.deviation(
                "TXT, lines",
                "each line as it stands",
                "other text",
            ));
        }
    }

    // Parquet and Arrow IPC.

    fn columns(&self, found: &mut Findings) {
        let got = self.import(&[], "mishap", found);
        if got.unreadable() {
            return;
        }
        match self.expect() {
            "reject" => self.must_be_refused("columns, reject", &got, found),
            "accept" => self.columns_accepted(&got, found),
            "either" => {
                let allowed = self.readings();
                if [0, 3].contains(&got.ran.code()) && !allowed.contains(&got.records()) {
                    found.deviations.push(self.deviation(
                        "columns, either",
                        format!("one of {allowed:?} rows"),
                        got.summary(),
                    ));
                } else if got.ran.code() == 0 && got.tasks() > 0 {
                    self.columns_values(&got, found);
                }
            }
            other => panic!(
                "{}: {other:?} is no expectation for a table of columns",
                self.name()
            ),
        }
    }

    fn columns_accepted(&self, got: &Import, found: &mut Findings) {
        let rows = self.number("rows").expect("rows");
        let nul = got.codes() == ["nul"] && got.records() == rows;
        if nul {
            found.notes.push((
                "rows rejected for a NUL",
                format!("{}: {}", self.name(), got.summary()),
            ));
        } else if got.ran.code() != 0 || got.tasks() != rows {
            found.deviations.push(self.deviation(
                "columns, rows",
                format!("{rows} tasks"),
                got.summary(),
            ));
        } else {
            self.columns_values(got, found);
        }
    }

    fn columns_values(&self, got: &Import, found: &mut Findings) {
        let Some(columns) = self.facts["columns"].as_array() else {
            return;
        };
        let data = got.target.as_ref().expect("a target").data();
        let Some(first) = data.first() else { return };
        let names: Vec<_> = columns
            .iter()
            .map(|c| c["name"].as_str().unwrap_or_default())
            .collect();
        // A struct column called `data` makes each row a task as it stands.
        if names.contains(&"data") && first.keys() != names {
            found
                .notes
                .push(("tables whose rows are tasks already", self.name()));
            return;
        }
        let mut once = names.clone();
        once.sort_unstable();
        once.dedup();
        // Of very wide tables the first columns are given.
        let keys = first.keys();
        let counted = self.number("ncols") == Some(keys.len() as u64) && keys.len() >= names.len();
        if !counted || once.len() == names.len() && keys[..names.len()] != names {
            found.deviations.push(self.deviation(
                "columns, names",
                format!("{names:?}"),
                format!("{:?}", first.keys()),
            ));
            return;
        }
        for (at, column) in columns.iter().enumerate() {
            let values = || {
                data.iter()
                    .filter_map(|fields| fields.0.get(at))
                    .map(|(_, value)| &**value)
            };
            let kind = column["type"].as_str().unwrap_or_default();
            let nulls = values().filter(|value| value.get() == "null").count() as u64;
            let told = column["nulls"].as_u64().unwrap_or(nulls);
            // NaN and infinities are null too.
            let inexact = ["float", "double", "union", "dictionary", "run_end"]
                .iter()
                .any(|word| kind.contains(word));
            if if inexact {
                nulls < told && !kind.contains("union")
            } else {
                nulls != told
            } {
                let expected = format!("{told} nulls in {:?} ({kind})", names[at]);
                found.deviations.push(self.deviation(
                    "columns, nulls",
                    expected,
                    format!("{nulls}"),
                ));
            }
            if let Some(digest) = column["values_sha256"].as_str() {
                let mut own = Sha256::new();
                for value in values() {
                    own.update(plain(value));
                    own.update([0x1f]);
                }
                if hex(own.finalize()) != digest {
                    let few: Vec<_> = values().take(4).map(RawValue::get).collect();
                    let expected = format!("values_sha256 as given of {:?} ({kind})", names[at]);
                    found.deviations.push(self.deviation(
                        "columns, values",
                        expected,
                        format!("{few:?}"),
                    ));
                }
            }
        }
    }

    // Compressed data that is not meant to be text.

    fn compressed(&self, found: &mut Findings) {
        let got = self.import(&["--format", "txt"], "mishap", found);
        if got.unreadable() {
            return;
        }
        match self.expect() {
            "reject" => self.must_be_refused("compressed, reject", &got, found),
            "accept" => {
                if got.codes().iter().any(|code| code == "compression") {
                    found.deviations.push(self.deviation(
                        "compressed, accept",
                        "it is decompressed",
                        got.summary(),
                    ));
                } else if got.ran.code() == 0 {
                    let tasks = got.target.as_ref().expect("exit 0 has a target").values();
                    let lines: Vec<_> = tasks
                        .iter()
                        .map(|task| task["data"]["text"].as_str().unwrap_or("?"))
                        .collect();
                    let ends = ["\n", "\r\n"]
                        .into_iter()
                        .flat_map(|end| [lines.join(end), lines.join(end) + end]);
                    let empty = self.number("out_bytes") == Some(0) && lines.is_empty();
                    if !empty
                        && !ends.into_iter().any(|text| {
                            self.facts["out_sha256"] == hex(Sha256::digest(text)).as_str()
                        })
                    {
                        found.deviations.push(self.deviation(
                            "compressed, accept",
                            "out_sha256 as given",
                            got.summary(),
                        ));
                    }
                } else {
                    found.notes.push((
                        "compressed data that is not text",
                        format!("{}: {}", self.name(), got.summary()),
                    ));
                }
            }
            _ => {}
        }
    }
}

/// A value as `values_sha256` takes it.
fn plain(value: &RawValue) -> String {
    match value.get() {
        "null" => "\0".to_owned(),
        text if text.starts_with('"') => common::string(value).expect("a string"),
        text => text.to_owned(),
    }
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// What in a JSON text, though valid, would break a server whatever the target: the codes of the rejects to expect.
fn unfit(json: &[u8]) -> Vec<&'static str> {
    let mut codes: Vec<_> = blemishes(json).into_iter().map(|(code, _)| code).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// The same text with U+FFFD for every lone surrogate, which serde_json does not read.
fn paired(mut json: Vec<u8>) -> Vec<u8> {
    for (code, at) in blemishes(&json) {
        if code == "lone-surrogate" {
            json[at..at + 6].copy_from_slice(b"\\ufffd");
        }
    }
    json
}

/// Each trouble of a valid JSON text, and where it stands.
fn blemishes(json: &[u8]) -> Vec<(&'static str, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut inside = false;
    let unit = |at: usize| -> Option<u32> {
        let digits = json.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    while at < json.len() {
        let step = match json[at] {
            b'"' => {
                inside = !inside;
                1
            }
            b'\\' if inside => match unit(at) {
                Some(0xd800..0xdc00)
                    if unit(at + 6).is_some_and(|low| (0xdc00..0xe000).contains(&low)) =>
                {
                    12
                }
                Some(code) => {
                    match code {
                        0 => found.push(("nul", at)),
                        0xd800..0xe000 => found.push(("lone-surrogate", at)),
                        _ => {}
                    }
                    6
                }
                None => 2,
            },
            b'-' | b'0'..=b'9' if !inside => {
                let rest = &json[at..];
                let end = rest
                    .iter()
                    .position(|b| !b"+-.eE0123456789".contains(b))
                    .unwrap_or(rest.len());
                let number = std::str::from_utf8(&rest[..end])
                    .expect("digits")
                    .parse::<f64>();
                if number.is_ok_and(f64::is_infinite) {
                    found.push(("number-range", at));
                }
                end
            }
            _ => 1,
        };
        at += step;
    }
    found
}

#[test]
fn what_is_unfit_for_a_server_is_told_by_content() {
    assert_eq!(
        unfit(br#"["\u0000", "\\u0000", 1e400, "1e999", "\ud800", "\ud83d\ude00", "\udc00"]"#),
        ["lone-surrogate", "nul", "number-range"]
    );
    assert!(
        unfit(br#"{"a": "\\ud800 \\", "b": 12345678901234567890123, "c": -1.5E-400}"#).is_empty()
    );
}
