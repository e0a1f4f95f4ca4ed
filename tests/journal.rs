//! The journal: what a call recorded is there whatever happens next, and nothing is recorded out of order.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proptest::prelude::*;
use serde_json::json;
use sluice::error::Code;
use sluice::journal::identity::without_secrets;
use sluice::journal::{
    Change, Counts, DATABASE, Entry, Intent, Journal, Prefix, ResumePoint, RunLog, RunState,
    SourceIdentity, State, state_directory,
};
use sluice::place::{At, Place, SourceId};

const TARGET: &str = "http://localhost:8080/projects/7";

fn text(record: u64) -> Place {
    Place {
        source: SourceId(0),
        record,
        at: At::Text {
            line: record + 1,
            byte: record * 20,
        },
    }
}

fn row(source: u32, record: u64) -> Place {
    Place {
        source: SourceId(source),
        record,
        at: At::Row {
            group: 3,
            row: record,
        },
    }
}

/// Import `number` of records `first` to `last`.
fn intent(number: u64, first: u64, last: u64) -> Intent {
    Intent {
        number,
        first: text(first),
        last: text(last),
        next: Some(text(last + 1)),
        tasks: last - first + 1,
        annotations: 2,
        predictions: 3,
        cancelled: 1,
        bytes: 1_000 + number,
        blake3: format!("{number:064x}"),
        target: TARGET.to_owned(),
        name: format!("run-{number:06}.json"),
        read: None,
    }
}

fn counts(intent: &Intent) -> Counts {
    Counts {
        tasks: intent.tasks,
        annotations: intent.annotations,
        predictions: intent.predictions,
    }
}

fn begin(journal: &Journal, run: &str) -> RunLog {
    let sources = [SourceIdentity::named(SourceId(0), "data.csv")];
    journal
        .begin(run, "plan", TARGET, &json!({"interval": 30}), &sources)
        .expect("a run")
}

fn open(folder: &Path) -> Journal {
    Journal::open(folder).expect("a journal")
}

/// What a machine that lost power now would find: the database and what is written ahead, without shared memory.
fn after_power_cut(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for name in [DATABASE.to_owned(), format!("{DATABASE}-wal")] {
        if folder.join(&name).exists() {
            fs::copy(folder.join(&name), copy.path().join(&name)).expect("a copy");
        }
    }
    copy
}

fn states(log: &RunLog) -> Vec<(u64, State)> {
    log.deliveries()
        .expect("entries")
        .iter()
        .map(|entry| (entry.intent.number, entry.state))
        .collect()
}

type Call<'a> = &'a dyn Fn(&RunLog) -> sluice::error::Result<()>;

#[test]
fn what_each_call_recorded_is_there_after_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = open(folder.path());
    let log = begin(&journal, "run-1");
    let (one, two) = (intent(1, 1, 10), intent(2, 11, 30));
    let less = Intent {
        first: text(12),
        tasks: 19,
        ..two.clone()
    };
    let calls: Vec<(Call, u64, State)> = vec![
        (&|log| log.intend(&intent(1, 1, 10)), 1, State::Intended),
        (&|log| log.uploaded(1, 41), 1, State::Uploaded),
        (&|log| log.committing(1), 1, State::Committing),
        (
            &|log| {
                log.delivered(
                    1,
                    Counts {
                        tasks: 10,
                        annotations: 2,
                        predictions: 3,
                    },
                )
            },
            1,
            State::Delivered,
        ),
        (&|log| log.intend(&intent(2, 11, 30)), 2, State::Intended),
        (&|log| log.in_doubt(2, "timed out"), 2, State::InDoubt),
        (&|log| log.absent(2), 2, State::Intended),
        (&|log| log.uploaded(2, 42), 2, State::Uploaded),
        (&|log| log.committing(2), 2, State::Committing),
        (&|log| log.in_doubt(2, "502"), 2, State::InDoubt),
        (&|log| log.committing(2), 2, State::Committing),
        (
            &|log| log.refused(2, "item 0: no `text`"),
            2,
            State::Refused,
        ),
        (
            &|log| {
                log.intend(&Intent {
                    first: text(12),
                    tasks: 19,
                    ..intent(2, 11, 30)
                })
            },
            2,
            State::Intended,
        ),
        (&|log| log.refused(2, "all of it"), 2, State::Refused),
        (&|log| log.set_aside(2), 2, State::SetAside),
    ];
    for (call, number, state) in calls {
        call(&log).expect("it is allowed");
        let there = log.deliveries().expect("entries");
        let found = after_power_cut(folder.path());
        let again = open(found.path()).reopen("run-1").expect("the run");
        assert_eq!(
            again.deliveries().expect("entries"),
            there,
            "import {number} {state}"
        );
        let entry = there.last().expect("an entry");
        assert_eq!((entry.intent.number, entry.state), (number, state));
        assert_eq!(again.run(), log.run());
        assert_eq!(
            again.sources().expect("sources"),
            log.sources().expect("sources")
        );
    }
    let entries = log.deliveries().expect("entries");
    assert_eq!(entries[0].intent, one);
    assert_eq!(
        (entries[0].upload_id, entries[0].attempts, entries[0].stored),
        (Some(41), 1, Some(counts(&one)))
    );
    assert_eq!(entries[1].intent, less);
    assert_eq!(
        (entries[1].attempts, entries[1].cause.as_deref()),
        (2, Some("all of it"))
    );
}

#[test]
fn a_record_that_is_torn_is_as_if_never_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = open(folder.path());
    let log = begin(&journal, "run-1");
    log.intend(&intent(1, 1, 10)).expect("it is allowed");
    let wal = |folder: &Path| folder.join(format!("{DATABASE}-wal"));
    let before = fs::metadata(wal(folder.path())).expect("a file").len();
    log.uploaded(1, 41).expect("it is allowed");
    let after = fs::metadata(wal(folder.path())).expect("a file").len();
    assert!(after > before);
    for cut in (before..after).step_by(97) {
        let found = after_power_cut(folder.path());
        let file = fs::OpenOptions::new()
            .write(true)
            .open(wal(found.path()))
            .expect("a file");
        file.set_len(cut).expect("a cut");
        let again = open(found.path()).reopen("run-1").expect("the run");
        assert_eq!(states(&again), [(1, State::Intended)], "cut at {cut}");
        again.uploaded(1, 41).expect("it goes on");
    }
}

#[test]
fn a_database_that_is_no_journal_is_refused() {
    let fails = |folder: &Path, words: &str| {
        let error = Journal::open(folder).expect_err("it is refused");
        assert_eq!(error.code(), Code::Journal);
        let message = error.to_string();
        assert!(
            message.contains(words) && message.contains(DATABASE),
            "{message}"
        );
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(DATABASE);
    fs::write(
        &path,
        "this is no database at all, however long it may be. ".repeat(100),
    )
    .expect("a file");
    fails(folder.path(), "is damaged");
    assert!(
        Journal::open(folder.path())
            .expect_err("it is refused")
            .to_string()
            .contains("help: move it away")
    );

    fs::remove_file(&path).expect("it goes");
    let foreign = rusqlite::Connection::open(&path).expect("a database");
    foreign
        .execute_batch("CREATE TABLE bookmarks (url TEXT)")
        .expect("a table");
    fails(folder.path(), "another program");
    drop(foreign);

    let folder = tempfile::tempdir().expect("a folder");
    drop(open(folder.path()));
    let newer = rusqlite::Connection::open(folder.path().join(DATABASE)).expect("a database");
    newer
        .pragma_update(None, "user_version", 1_000)
        .expect("a version");
    fails(folder.path(), "version 1000");
    drop(newer);

    // A page in the middle that was overwritten.
    let folder = tempfile::tempdir().expect("a folder");
    let journal = open(folder.path());
    (0..200).for_each(|run| drop(begin(&journal, &format!("run-{run}"))));
    drop(journal);
    let path = folder.path().join(DATABASE);
    let mut bytes = fs::read(&path).expect("a file");
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0x5a);
    fs::write(&path, bytes).expect("a file");
    fails(folder.path(), "is damaged");
}

#[test]
fn an_empty_database_gets_its_tables_and_an_old_one_keeps_what_it_has() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(DATABASE), "").expect("a file");
    drop(begin(&open(folder.path()), "run-1"));
    for _ in 0..3 {
        assert_eq!(open(folder.path()).runs().expect("runs").len(), 1);
    }
    let database = rusqlite::Connection::open(folder.path().join(DATABASE)).expect("a database");
    let version: i64 = database
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .expect("a version");
    let mode: String = database
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .expect("a mode");
    assert_eq!((version, mode.as_str()), (3, "wal"));
    // Many that come at once make it once.
    let folder = tempfile::tempdir().expect("a folder");
    std::thread::scope(|scope| {
        for run in 0..8 {
            let folder = folder.path();
            scope.spawn(move || drop(begin(&open(folder), &format!("run-{run}"))));
        }
    });
    assert_eq!(open(folder.path()).runs().expect("runs").len(), 8);
}

#[test]
fn the_folder_is_its_owners_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("a/b/sluice");
    drop(open(&state));
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &fs::metadata(&state).expect("a folder").permissions(),
        );
        assert_eq!(mode & 0o777, 0o700);
    }
    fs::write(folder.path().join("file"), "").expect("a file");
    let error = Journal::open(&folder.path().join("file/sluice")).expect_err("there is a file");
    assert!(error.to_string().contains("--state-dir"), "{error}");
}

#[test]
fn the_folder_is_where_the_environment_says() {
    let find = |variables: &[(&str, &str)]| {
        let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
        state_directory(|name| variables.get(name).map(OsString::from))
            .map_err(|error| error.to_string())
    };
    let home = ("HOME", "/home/me");
    assert_eq!(
        find(&[home, ("XDG_STATE_HOME", "/x"), ("SLUICE_STATE_DIR", "here")]),
        Ok(PathBuf::from("here"))
    );
    assert_eq!(
        find(&[home, ("XDG_STATE_HOME", "/x")]),
        Ok(PathBuf::from("/x/sluice"))
    );
    for unset in ["", "relative"] {
        assert_eq!(
            find(&[home, ("XDG_STATE_HOME", unset)]),
            Ok(PathBuf::from("/home/me/.local/state/sluice"))
        );
    }
    assert!(find(&[]).is_err_and(|error| error.contains("--state-dir")));
}

#[test]
fn the_run_that_is_not_over_is_found_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = open(folder.path());
    let find = |journal: &Journal| {
        journal
            .find_open("plan", TARGET)
            .expect("it can be read")
            .map(|run| run.id)
    };
    assert_eq!(find(&journal), None);
    for run in ["run-1", "run-2"] {
        drop(begin(&journal, run));
    }
    drop(
        journal
            .begin("run-3", "plan", "out/", &json!({}), &[])
            .expect("a run"),
    );
    drop(
        journal
            .begin("run-4", "other plan", TARGET, &json!({}), &[])
            .expect("a run"),
    );
    assert_eq!(find(&journal).as_deref(), Some("run-2"));
    journal
        .reopen("run-2")
        .expect("it is there")
        .finish(RunState::Done)
        .expect("it is recorded");
    assert_eq!(find(&journal).as_deref(), Some("run-1"));
    journal
        .reopen("run-1")
        .expect("it is there")
        .finish(RunState::Failed)
        .expect("it is recorded");
    assert_eq!(find(&journal).as_deref(), Some("run-1"));
    journal
        .reopen("run-1")
        .expect("it is there")
        .finish(RunState::Undone)
        .expect("it is recorded");
    assert_eq!(find(&journal), None);
    assert!(
        journal
            .begin("run-1", "plan", TARGET, &json!({}), &[])
            .is_err(),
        "an id is used once"
    );
    assert!(
        journal
            .reopen("run-9")
            .is_err_and(|error| error.to_string().contains("no run `run-9`"))
    );
    let ids: Vec<String> = journal
        .runs()
        .expect("runs")
        .into_iter()
        .map(|run| run.id)
        .collect();
    assert_eq!(ids, ["run-1", "run-2", "run-3", "run-4"]);
}

#[test]
fn no_secret_is_kept() {
    let cases = [
        (
            "http://me:pass@host:80/projects/7?token=abc#frag",
            "http://host:80/projects/7",
        ),
        (
            "failed (http://h/api?key=1): https://a:b@c, x",
            "failed (http://h/api): https://c, x",
        ),
        ("redis://:pass@[::1]:6379/0", "redis://[::1]:6379/0"),
        ("s3://bucket/a@b.csv", "s3://bucket/a@b.csv"),
        ("out dir/?#", "out dir/?#"),
    ];
    for (secret, clean) in cases {
        assert_eq!(without_secrets(secret), clean);
        assert_eq!(without_secrets(clean), clean);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let journal = open(folder.path());
    let url = "https://me:hunter2@host/projects/7?sig=hunter2";
    let sources = [SourceIdentity {
        name: url.into(),
        ..SourceIdentity::named(SourceId(0), "")
    }];
    let log = journal
        .begin("run-1", "plan", url, &json!({}), &sources)
        .expect("a run");
    log.intend(&intent(1, 1, 2)).expect("it is allowed");
    log.in_doubt(1, &format!("no answer from {url}"))
        .expect("it is allowed");
    journal
        .update_server(url, |server| server.last_start = Some(1))
        .expect("it is recorded");
    assert_eq!(
        journal
            .find_open("plan", url)
            .expect("it can be read")
            .map(|run| run.id)
            .as_deref(),
        Some("run-1")
    );
    assert_eq!(
        log.sources().expect("sources")[0].name,
        "https://host/projects/7"
    );
    let kept = after_power_cut(folder.path());
    for file in fs::read_dir(kept.path()).expect("a folder") {
        let bytes = fs::read(file.expect("a file").path()).expect("a file");
        assert!(!bytes.windows(7).any(|window| window == b"hunter2"));
    }
}

#[test]
fn what_is_out_of_order_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut log = begin(&open(folder.path()), "run-1");
    let one = intent(1, 1, 10);
    let refuses = |result: sluice::error::Result<()>, words: &str| {
        let error = result.expect_err("it is out of order");
        assert!(
            error.code() == Code::Journal && error.to_string().contains(words),
            "{error}"
        );
    };
    refuses(log.uploaded(1, 1), "never intended");
    refuses(log.intend(&intent(0, 1, 10)), "start at 1");
    refuses(log.intend(&intent(2, 1, 10)), "import 1 was never intended");
    refuses(
        log.intend(&Intent {
            last: text(0),
            ..one.clone()
        }),
        "out of order",
    );
    refuses(
        log.intend(&Intent {
            next: Some(text(10)),
            ..one.clone()
        }),
        "out of order",
    );
    refuses(
        log.intend(&Intent {
            bytes: u64::MAX,
            ..one.clone()
        }),
        "too large",
    );
    log.intend(&one).expect("it is allowed");
    refuses(log.committing(1), "cannot become committing");
    refuses(log.delivered(1, counts(&one)), "cannot become delivered");
    refuses(log.intend(&intent(2, 11, 20)), "import 1 is still intended");
    log.in_doubt(1, "no answer").expect("it is allowed");
    refuses(log.committing(1), "no upload");
    log.uploaded(1, 5).expect("it is allowed");
    log.committing(1).expect("it is allowed");
    refuses(log.intend(&one), "already committing");
    refuses(
        log.delivered(
            1,
            Counts {
                tasks: 20,
                ..counts(&one)
            },
        ),
        "20 of 10 tasks",
    );
    refuses(log.finish(RunState::Done), "import 1 is committing");
    log.delivered(1, counts(&one)).expect("it is allowed");
    refuses(log.refused(1, ""), "cannot become refused");
    refuses(log.intend(&intent(2, 10, 20)), "before the checkpoint");
    let far = Intent {
        next: Some(text(15)),
        ..intent(2, 11, 12)
    };
    log.intend(&far).expect("it is allowed");
    log.refused(2, "all").expect("it is allowed");
    log.set_aside(2).expect("it is allowed");
    refuses(log.intend(&intent(3, 14, 20)), "before the checkpoint");
    log.intend(&Intent {
        first: row(1, 1),
        last: row(1, 9),
        next: None,
        ..intent(3, 1, 9)
    })
    .expect("it is allowed");
    assert_eq!(log.deliveries().expect("entries")[2].intent.last, row(1, 9));
    // A repair in the middle leaves the checkpoint where it is.
    log.committing(1).expect("it is allowed");
    assert_eq!(
        log.resume_point()
            .expect("a point")
            .map(|point| (point.number, point.next)),
        Some((3, Some(text(15))))
    );
    let unfinished: Vec<u64> = log
        .unfinished()
        .expect("entries")
        .iter()
        .map(|entry| entry.intent.number)
        .collect();
    assert_eq!(unfinished, [1, 3]);
}

#[test]
fn a_source_that_changed_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("data.csv");
    let mut bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    let write = |bytes: &[u8], time| {
        fs::write(&path, bytes).expect("a file");
        fs::File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_modified(time))
            .expect("a time");
    };
    write(&bytes, time);
    let journal = open(folder.path());
    let source = SourceIdentity::of_file(SourceId(0), "data.csv", &path).expect("a source");
    let log = journal
        .begin("run-1", "plan", TARGET, &json!({}), &[source])
        .expect("a run");
    let read = Prefix::of_file(SourceId(0), "data.csv", &path, 500_000).expect("a part");
    log.intend(&Intent {
        read: Some(read.clone()),
        ..intent(1, 1, 10)
    })
    .expect("it is allowed");
    let nowhere = Prefix {
        source: SourceId(9),
        ..read.clone()
    };
    assert!(
        log.intend(&Intent {
            read: Some(nowhere),
            ..intent(1, 1, 10)
        })
        .is_err()
    );
    let recorded = log.sources().expect("sources").remove(0);
    assert_eq!(recorded.prefix, Some(read));
    let change = |log: &RunLog| {
        log.sources().expect("sources")[0]
            .change_in_file(&path)
            .expect("it can be read")
    };
    assert_eq!(change(&log), None);

    write(&bytes, time + std::time::Duration::from_micros(1));
    assert_eq!(change(&log), Some(Change::Time));
    bytes[400_000] ^= 1;
    write(&bytes, time);
    assert_eq!(change(&log), Some(Change::Prefix));
    bytes[400_000] ^= 1;
    bytes[100] ^= 1;
    write(&bytes, time);
    assert_eq!(change(&log), Some(Change::Head));
    bytes[100] ^= 1;
    bytes.push(0);
    write(&bytes, time);
    assert_eq!(
        change(&log),
        Some(Change::Size {
            then: 1_200_000,
            now: 1_200_001
        })
    );
    let error = log
        .check_sources(|source| source.change_in_file(&path))
        .expect_err("it has changed");
    assert!(
        error.to_string().contains("had 1200000 bytes")
            && error.to_string().contains("--accept-changed-sources")
    );
    log.accept_sources(&[
        SourceIdentity::of_file(SourceId(0), "data.csv", &path).expect("a source")
    ])
    .expect("accepted");
    log.check_sources(|source| source.change_in_file(&path))
        .expect("it is the one it was");
    fs::remove_file(&path).expect("it goes");
    assert!(
        log.check_sources(|source| source.change_in_file(&path))
            .is_err_and(|e| e.code() == Code::SourceRead)
    );
}

#[test]
fn servers_are_remembered() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = open(folder.path());
    journal
        .update_server("http://a:1", |server| {
            server.sizing = Some(json!({"tasks": 7}));
        })
        .expect("recorded");
    let other = open(folder.path());
    other
        .update_server("http://a:1", |server| server.next_allowed_at = Some(9))
        .expect("recorded");
    let server = journal.server("http://a:1").expect("it can be read");
    assert_eq!(
        (server.sizing, server.next_allowed_at),
        (Some(json!({"tasks": 7})), Some(9))
    );
    assert_eq!(
        journal.server("http://b:1").expect("it can be read"),
        sluice::journal::Server::default()
    );
}

const CHILD: &str = "SLUICE_TEST_JOURNAL_CHILD";

/// Not a test by itself: the other process of the next one.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(CHILD) else {
        return;
    };
    let journal = open(Path::new(&folder));
    let log = begin(&journal, "run-1");
    let _lock = journal
        .try_lock("server-http://a:1")
        .expect("a lock")
        .expect("it is free");
    log.intend(&intent(1, 1, 10)).expect("it is allowed");
    println!("ready");
    std::thread::sleep(std::time::Duration::from_mins(1));
}

#[test]
fn a_process_that_is_killed_leaves_its_record_and_no_lock() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let output = BufReader::new(child.stdout.take().expect("its output"));
    assert!(
        output
            .lines()
            .map_while(Result::ok)
            .any(|line| line.contains("ready"))
    );
    let journal = open(folder.path());
    let error = journal.reopen("run-1").expect_err("another process has it");
    assert_eq!(error.exit_code(), 5);
    assert!(
        error
            .to_string()
            .contains(&format!("process {}", child.id())),
        "{error}"
    );
    assert!(
        journal
            .try_lock("server-http://a:1")
            .expect("it can be tried")
            .is_none()
    );
    assert_eq!(journal.runs().expect("others may read").len(), 1);
    drop(begin(&journal, "run-2"));
    child.kill().expect("a kill");
    child.wait().expect("its end");
    let log = journal.reopen("run-1").expect("it is free");
    assert_eq!(states(&log), [(1, State::Intended)]);
    assert!(journal.reopen("run-1").is_err(), "within a process too");
    assert!(
        journal
            .try_lock("server-http://a:1")
            .expect("it can be tried")
            .is_some()
    );
}

#[derive(Clone, Debug)]
enum Operation {
    Intend {
        number: u64,
        first: u64,
        tasks: u64,
        gap: Option<u64>,
    },
    Uploaded(u64, u64),
    Committing(u64),
    Delivered(u64, u64),
    Refused(u64),
    InDoubt(u64),
    Absent(u64),
    SetAside(u64),
    Reopen,
}

/// What the journal should hold, kept plainly.
#[derive(Clone, Debug, PartialEq)]
struct Plain {
    first: u64,
    last: u64,
    next: Option<u64>,
    state: State,
    upload: Option<u64>,
    attempts: u32,
}

fn operation() -> impl Strategy<Value = Operation> {
    let number = 1..5_u64;
    prop_oneof![
        4 => (number.clone(), 1..40_u64, 1..10_u64, prop::option::of(0..3_u64))
            .prop_map(|(number, first, tasks, gap)| Operation::Intend { number, first, tasks, gap }),
        2 => (number.clone(), 1..99_u64).prop_map(|(number, upload)| Operation::Uploaded(number, upload)),
        2 => number.clone().prop_map(Operation::Committing),
        4 => (number.clone(), 0..10_u64).prop_map(|(number, off)| Operation::Delivered(number, off.saturating_sub(8))),
        1 => number.clone().prop_map(Operation::Refused),
        1 => number.clone().prop_map(Operation::InDoubt),
        1 => number.clone().prop_map(Operation::Absent),
        1 => number.prop_map(Operation::SetAside),
        1 => Just(Operation::Reopen),
    ]
}

/// Whether the plain model allows it, and what it is then.
fn apply(model: &mut Vec<Plain>, operation: &Operation) -> bool {
    use State::{Committing, Delivered, InDoubt, Intended, Refused, SetAside, Uploaded};
    let mut step = |number: u64, from: &[State], to: State, change: &dyn Fn(&mut Plain) -> bool| {
        let Some(plain) = model.get_mut(number as usize - 1) else {
            return false;
        };
        let mut changed = plain.clone();
        let allowed = from.contains(&plain.state) && change(&mut changed);
        if allowed {
            *plain = Plain {
                state: to,
                ..changed
            };
        }
        allowed
    };
    match *operation {
        Operation::Intend {
            number,
            first,
            tasks,
            gap,
        } => {
            let (at, last) = (number as usize - 1, first + tasks - 1);
            let next = gap.map(|gap| last + 1 + gap);
            let before = at.checked_sub(1).map(|before| model.get(before));
            let follows = match before {
                None => true,
                Some(None) => false,
                Some(Some(before)) => {
                    before.state.is_settled()
                        && first > before.last
                        && before.next.is_none_or(|next| first >= next)
                }
            };
            let replaces = model
                .get(at)
                .is_none_or(|plain| matches!(plain.state, Intended | Refused));
            let free = model.get(at + 1).is_none_or(|after| last < after.first);
            if !(follows && replaces && free) {
                return false;
            }
            let attempts = model.get(at).map_or(0, |plain| plain.attempts);
            let plain = Plain {
                first,
                last,
                next,
                state: Intended,
                upload: None,
                attempts,
            };
            if at < model.len() {
                model[at] = plain;
            } else {
                model.push(plain);
            }
            true
        }
        Operation::Uploaded(number, upload) => {
            step(number, &[Intended, Uploaded, InDoubt], Uploaded, &|plain| {
                plain.upload = Some(upload);
                true
            })
        }
        Operation::Committing(number) => step(
            number,
            &[Uploaded, Committing, InDoubt, Delivered],
            Committing,
            &|plain| {
                plain.attempts += 1;
                plain.upload.is_some()
            },
        ),
        Operation::Delivered(number, off) => {
            step(number, &[Committing, InDoubt], Delivered, &|_| off == 0)
        }
        Operation::Refused(number) => step(
            number,
            &[Intended, Uploaded, Committing, Refused, InDoubt],
            Refused,
            &|_| true,
        ),
        Operation::InDoubt(number) => step(
            number,
            &[Intended, Uploaded, Committing, Delivered, InDoubt],
            InDoubt,
            &|_| true,
        ),
        Operation::Absent(number) => step(
            number,
            &[Intended, Uploaded, Committing, InDoubt],
            Intended,
            &|plain| {
                plain.upload = None;
                true
            },
        ),
        Operation::SetAside(number) => step(number, &[Refused], SetAside, &|_| true),
        Operation::Reopen => true,
    }
}

fn plain(entry: &Entry) -> Plain {
    let record = |place: Place| place.record;
    Plain {
        first: record(entry.intent.first),
        last: record(entry.intent.last),
        next: entry.intent.next.map(record),
        state: entry.state,
        upload: entry.upload_id,
        attempts: entry.attempts,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_calls_give_what_a_plain_model_gives(operations in prop::collection::vec(operation(), 1..40)) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut log = begin(&open(folder.path()), "run-1");
        let mut model: Vec<Plain> = Vec::new();
        for operation in operations {
            let allowed = apply(&mut model, &operation);
            let tasks = |number: u64| {
                model.get(number as usize - 1).map_or(0, |plain| plain.last - plain.first + 1)
            };
            let done = match operation {
                Operation::Intend { number, first, tasks, gap } => {
                    let last = first + tasks - 1;
                    log.intend(&Intent { next: gap.map(|gap| text(last + 1 + gap)), ..intent(number, first, last) })
                }
                Operation::Uploaded(number, upload) => log.uploaded(number, upload),
                Operation::Committing(number) => log.committing(number),
                Operation::Delivered(number, off) => {
                    log.delivered(number, Counts { tasks: tasks(number) + off, ..Counts::default() })
                }
                Operation::Refused(number) => log.refused(number, "no"),
                Operation::InDoubt(number) => log.in_doubt(number, "perhaps"),
                Operation::Absent(number) => log.absent(number),
                Operation::SetAside(number) => log.set_aside(number),
                Operation::Reopen => {
                    drop(log);
                    log = open(folder.path()).reopen("run-1").expect("the run");
                    Ok(())
                }
            };
            prop_assert_eq!(done.is_ok(), allowed, "{:?}", done);
            let entries = log.deliveries().expect("entries");
            prop_assert_eq!(&entries.iter().map(plain).collect::<Vec<_>>(), &model);
            let settled = match model.last() {
                Some(last) if !last.state.is_settled() => model.len() - 1,
                _ => model.len(),
            };
            let point = settled.checked_sub(1).map(|last| ResumePoint {
                number: settled as u64 + 1,
                after: text(model[last].last),
                next: model[last].next.map(text),
            });
            prop_assert_eq!(log.resume_point().expect("a point"), point);
        }
    }
}
