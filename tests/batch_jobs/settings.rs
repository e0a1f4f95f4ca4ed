//! Flag > environment > file > default, for every option of every command.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use clap::{Arg, ArgAction, Command, CommandFactory};
use proptest::prelude::*;
use sluice::cli::args::Arguments;
use sluice::cli::settings::{Surroundings, settle};

use super::common::{temp, write};
use super::{command, lines, ran, sluice, tasks, text};

struct Variables(BTreeMap<String, String>);

impl Surroundings for Variables {
    fn variable(&self, name: &str) -> Option<OsString> {
        self.0.get(name).map(OsString::from)
    }
}

/// An option of a command, and values that it takes.
struct Case {
    path: Vec<String>,
    name: String,
    action: ArgAction,
    values: [String; 4],
}

/// Values of which the parser of an option takes one group.
const POOLS: [[&str; 4]; 10] = [
    ["11", "12", "13", "14"],
    ["11s", "12s", "13s", "14s"],
    ["0/2", "1/2", "0/3", "1/3"],
    ["a=1", "b=2", "c=3", "d=4"],
    [",", ";", "|", "tab"],
    ["utf-8", "utf-16le", "shift_jis", "windows-1252"],
    ["127.0.0.1", "127.0.0.2", "127.0.0.3", "::1"],
    ["http://a", "http://b", "http://c", "http://d"],
    ["https://a/", "https://b/", "https://c/", "https://d/"],
    ["one", "two", "three", "four"],
];

/// Every option that may be set outside the command line: all but those that ask for something else than the command,
/// and the consent to delete.
fn cases() -> Vec<Case> {
    let mut all = Arguments::command();
    all.build();
    let mut cases = Vec::new();
    walk(&all, &[], &mut cases);
    cases
}

fn walk(command: &Command, path: &[String], cases: &mut Vec<Case>) {
    let below: Vec<_> = command
        .get_subcommands()
        .filter(|below| below.get_name() != "help")
        .collect();
    for below in &below {
        walk(
            below,
            &[path, &[below.get_name().to_owned()]].concat(),
            cases,
        );
    }
    if path.is_empty() {
        return;
    }
    for arg in command.get_arguments() {
        let Some(name) = arg.get_long() else { continue };
        if ["help", "version", "config", "yes"].contains(&name) {
            continue;
        }
        cases.push(Case {
            path: path.to_vec(),
            name: name.to_owned(),
            action: arg.get_action().clone(),
            values: values(arg),
        });
    }
}

fn values(arg: &Arg) -> [String; 4] {
    // A flag takes none.
    if !arg.get_action().takes_values() {
        return std::array::from_fn(|_| String::new());
    }
    let known: Vec<_> = arg
        .get_possible_values()
        .iter()
        .map(|v| v.get_name().to_owned())
        .collect();
    if !known.is_empty() {
        return std::array::from_fn(|at| known[at % known.len()].clone());
    }
    let taken = |pool: &&[&str; 4]| {
        let alone = Arg::new("x").long("x").action(ArgAction::Set);
        let command = Command::new("x").arg(alone.value_parser(arg.get_value_parser().clone()));
        let takes = |value: &str| {
            command
                .clone()
                .try_get_matches_from(["x", &format!("--x={value}")])
                .is_ok()
        };
        pool.iter().all(|value| takes(value))
    };
    let pool = POOLS.iter().find(taken);
    pool.unwrap_or_else(|| panic!("add values for `--{}` to POOLS", arg.get_id()))
        .map(str::to_owned)
}

/// One value as a file has it.
fn toml(case: &Case, value: &str) -> String {
    match case.action {
        ArgAction::SetTrue => (value == "true").to_string(),
        ArgAction::Count => value.to_owned(),
        ArgAction::Append => format!("[{value:?}, {value:?}]"),
        _ => format!("{value:?}"),
    }
}

/// The words that a value becomes.
fn words(case: &Case, value: &str) -> Vec<String> {
    let name = &case.name;
    match case.action {
        ArgAction::SetTrue => vec![format!("--{name}"); usize::from(value == "true")],
        ArgAction::Count => vec![format!("--{name}"); value.parse().unwrap()],
        ArgAction::Append => vec![format!("--{name}={value}"); 2],
        _ => vec![format!("--{name}={value}")],
    }
}

/// The four places where an option may be set.
#[derive(Clone, Copy, Debug, Default)]
struct Set {
    flag: bool,
    variable: bool,
    section: bool,
    top: bool,
}

fn holds(dir: &Path, case: &Case, set: Set) {
    let Case {
        path, name, action, ..
    } = case;
    let value = |at: usize| match action {
        ArgAction::SetTrue => at.is_multiple_of(2).to_string(),
        ArgAction::Count => (4 - at).to_string(),
        _ => case.values[at].clone(),
    };
    let file = dir.join("some.toml");
    let mut body = String::new();
    if set.top {
        body += &format!("{name} = {}\n", toml(case, &value(3)));
    }
    if set.section {
        body += &format!("[{}]\n{name} = {}\n", path[0], toml(case, &value(2)));
    }
    fs::write(&file, body).unwrap();
    let mut variables = Variables(BTreeMap::from([(
        "SLUICE_CONFIG".to_owned(),
        file.display().to_string(),
    )]));
    if set.variable {
        let text = match action {
            ArgAction::Append => format!("{0}\n{0}", value(1)),
            _ => value(1),
        };
        variables.0.insert(
            format!("SLUICE_{}", name.replace('-', "_").to_uppercase()),
            text,
        );
    }
    let mut typed: Vec<String> = std::iter::once("sluice".to_owned())
        .chain(path.iter().cloned())
        .collect();
    if set.flag {
        // A flag that is given cannot say no.
        let given = match action {
            ArgAction::SetTrue => "true".to_owned(),
            _ => value(0),
        };
        typed.extend(words(case, &given));
    }
    typed.push("--".to_owned());
    typed.push("a source".to_owned());
    let settled = settle(typed.iter().map(OsString::from).collect(), &variables);
    let settled = settled.unwrap_or_else(|e| panic!("{path:?} --{name}, {set:?}: {e}"));
    let added = match set {
        Set { flag: true, .. } => Vec::new(),
        Set { variable: true, .. } => words(case, &value(1)),
        Set { section: true, .. } => words(case, &value(2)),
        Set { top: true, .. } => words(case, &value(3)),
        _ => Vec::new(),
    };
    let end = typed.len() - 2;
    let expected = [&typed[..end], &added, &typed[end..]].concat();
    let expected: Vec<_> = expected.iter().map(OsString::from).collect();
    assert_eq!(settled, expected, "{set:?}");
}

#[test]
fn every_option_may_stand_in_the_file_and_in_the_environment() {
    let dir = temp();
    let cases = cases();
    assert!(cases.len() > 80, "{} options", cases.len());
    for case in &cases {
        for (variable, section, top) in [
            (true, false, false),
            (false, true, false),
            (false, false, true),
        ] {
            holds(
                dir.path(),
                case,
                Set {
                    variable,
                    section,
                    top,
                    ..Set::default()
                },
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_comes_first_wins(at in any::<prop::sample::Index>(), set in any::<[bool; 4]>()) {
        let cases = cases();
        let [flag, variable, section, top] = set;
        let dir = temp();
        holds(dir.path(), at.get(&cases), Set { flag, variable, section, top });
    }
}

#[test]
fn a_file_is_at_work_and_flags_are_stronger() {
    let dir = temp();
    write(dir.path(), "in.jsonl", lines(0..25));
    write(
        dir.path(),
        "sluice.toml",
        "quiet = true\n[import]\nto = [\"out\"]\nmax-tasks = 5\n",
    );
    let imports = |folder: &str| {
        let names = super::common::names(&dir.path().join(folder));
        names
            .iter()
            .filter(|name| name.starts_with("import-"))
            .count()
    };
    let ran_ = sluice(dir.path(), &["import", "in.jsonl"]);
    assert_eq!((ran_.code(), &*ran_.stderr, imports("out")), (0, "", 5));
    ran(command(dir.path(), &["import", "in.jsonl", "--to", "env"]).env("SLUICE_MAX_TASKS", "10"));
    assert_eq!(imports("env"), 3);
    let mut both = command(
        dir.path(),
        &["import", "in.jsonl", "--to", "flag", "--max-tasks", "13"],
    );
    ran(both.env("SLUICE_MAX_TASKS", "10"));
    assert_eq!(imports("flag"), 2);
    sluice(
        dir.path(),
        &[
            "import",
            "in.jsonl",
            "--to",
            "none",
            "--config",
            "/dev/null",
        ],
    );
    assert_eq!(
        (imports("none"), tasks(&dir.path().join("none")).len()),
        (1, 25)
    );
    // The file of a folder above is not this folder's.
    fs::create_dir(dir.path().join("below")).unwrap();
    assert_eq!(
        sluice(&dir.path().join("below"), &["import", "../in.jsonl"]).code(),
        0
    );
    assert!(dir.path().join("below/sluice-out").is_dir());
}

#[test]
fn a_flag_drops_what_it_does_not_go_with() {
    let dir = temp();
    write(dir.path(), "a.txt", "one\ntwo\n");
    write(dir.path(), "sluice.toml", "lines = \"label-studio\"\n");
    for (more, count) in [
        (&["--to", "whole", "--whole-file"][..], 1),
        (&["--to", "lines"], 2),
    ] {
        let ran_ = ran(&mut command(
            dir.path(),
            &[&["import", "a.txt"], more].concat(),
        ));
        assert_eq!(ran_.code(), 0, "{}", ran_.stderr);
        assert_eq!(tasks(&dir.path().join(more[1])).len(), count);
    }
    write(
        dir.path(),
        "sluice.toml",
        "lines = \"label-studio\"\nwhole-file = true\n",
    );
    assert_eq!(
        sluice(dir.path(), &["import", "a.txt", "--to", "x"]).code(),
        2
    );
}

#[test]
fn mistakes_in_a_file_are_named_with_their_place() {
    let dir = temp();
    let cases = [
        (
            "max-task = 5",
            "1:1: `max-task` is an option of no command",
            "did you mean `max-tasks`?",
        ),
        (
            "\n[import]\n  max_tasks = 5",
            "3:3: `max_tasks` is no option",
            "did you mean `max-tasks`?",
        ),
        (
            "[push]\noverwrite = true",
            "2:1: `overwrite` is no option",
            "put it below `[import]`",
        ),
        (
            "[imports]\na = 1",
            "1:2: no command `imports`",
            "did you mean `import`?",
        ),
        ("quiet = \"yes\"", "1:9: `quiet` is `true` or `false`", ""),
        (
            "verbose = 300",
            "1:11: `verbose` is a number from 0 to 255",
            "",
        ),
        (
            "map = [[\"a=b\"]]",
            "1:7: `map` is a list of texts or numbers",
            "",
        ),
        (
            "map = [\"ab\"]",
            "1:1: `ab` is no `map`: wants two parts",
            "",
        ),
        ("é = 1\nmax-tasks = \"abc\"", "1:1: ", ""),
        (
            "max-tasks = true",
            "1:13: `max-tasks` is a text or a number",
            "",
        ),
        (
            "[import]\nformat = \"cvs\"",
            "2:1: `cvs` is no `format`; there are csv",
            "",
        ),
        ("x = = 3", "1:5: ", ""),
        (
            "api-key = \"s3cr3t\"",
            "1:1: `api-key`: no secret",
            "LABEL_STUDIO_API_KEY_FILE",
        ),
        (
            "redis_password = \"s3cr3t\"",
            "1:1: `redis_password`: no secret",
            "SLUICE_REDIS_PASSWORD",
        ),
        (
            "[import]\nto = [\"redis://u:s3cr3t@h/1?path=x\"]",
            "2:7: no secret",
            "SLUICE_REDIS_PASSWORD",
        ),
        ("[undo]\nyes = true", "2:1: `yes` is no option", ""),
    ];
    for (body, place, help) in cases {
        write(dir.path(), "sluice.toml", body);
        // Whichever command it is.
        for words in [&["runs"][..], &["config", "show"]] {
            let ran = sluice(dir.path(), words);
            assert_eq!(ran.code(), 2, "{body}: {}", ran.stderr);
            assert!(
                ran.stderr.contains(&format!("sluice.toml:{place}")),
                "{body}: {}",
                ran.stderr
            );
            assert!(ran.stderr.contains(help), "{body}: {}", ran.stderr);
            assert!(!ran.stderr.contains("s3cr3t"), "{}", ran.stderr);
        }
    }
    let ran_ = sluice(dir.path(), &["runs", "--config", "none.toml"]);
    assert!(
        ran_.code() == 2 && ran_.stderr.contains("cannot read `none.toml`"),
        "{}",
        ran_.stderr
    );
    fs::remove_file(dir.path().join("sluice.toml")).unwrap();
    for (name, value, why) in [
        (
            "SLUICE_MAX_TASKS",
            "many",
            "SLUICE_MAX_TASKS: `many` is no `max-tasks`",
        ),
        (
            "SLUICE_QUIET",
            "perhaps",
            "SLUICE_QUIET: `perhaps` is neither true nor false",
        ),
    ] {
        let ran_ = ran(command(dir.path(), &["import", "a"]).env(name, value));
        assert_eq!(ran_.code(), 2);
        assert!(ran_.stderr.contains(why), "{}", ran_.stderr);
    }
}

#[test]
fn what_is_shown_is_a_file_that_says_the_same() {
    let dir = temp();
    write(
        dir.path(),
        "some.toml",
        "threads = 3\n[import]\nset = ['a=\"é\\\\ü\"', 'b=[1]']\noverwrite = true\n",
    );
    let mut first = command(dir.path(), &["config", "show", "--config", "some.toml"]);
    let first = text(&ran(first.env("SLUICE_MAX_BYTES", "1MB")));
    write(dir.path(), "shown.toml", &first);
    let second = sluice(dir.path(), &["config", "show", "--config", "shown.toml"]);
    assert_eq!(text(&second), first, "{}", second.stderr);
    let origins = text(&sluice(
        dir.path(),
        &["config", "show", "--config", "some.toml", "--json"],
    ));
    let origins: serde_json::Value = serde_json::from_str(&origins).unwrap();
    assert_eq!(origins["import"]["overwrite"]["origin"], "some.toml:4:1");
    assert_eq!(origins["push"]["threads"]["origin"], "some.toml:1:1");
    assert_eq!(origins["import"]["nul"]["origin"], "default");
    assert_eq!(origins["import"]["set"]["value"][0], "a=\"é\\\\ü\"");
    assert_eq!(sluice(dir.path(), &["config", "show", "nosuch"]).code(), 2);
}

#[test]
fn a_run_is_recorded_with_what_the_file_said() {
    let dir = temp();
    write(dir.path(), "in.jsonl", lines(0..5));
    write(
        dir.path(),
        "sluice.toml",
        "[import]\nmax-tasks = 5\nto = [\"out\"]\n",
    );
    assert_eq!(
        sluice(dir.path(), &["import", "in.jsonl", "--run-id", "a"]).code(),
        0
    );
    let shown = text(&sluice(dir.path(), &["runs", "show", "a"]));
    assert!(shown.contains("--to=out --max-tasks=5"), "{shown}");
}
