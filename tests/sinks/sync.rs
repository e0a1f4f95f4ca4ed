//! `--sync`: what was written as a source storage reads it is read by a real server, each task once; what a server says of
//! a sync that went wrong is heard, by a stand-in that says it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::common::{self, Ran};
use crate::places::{self, Kind, Place, expected, redis};
use crate::real_label_studio::{CONFIG, Real};
use crate::servers::{now, s3};

/// A server that may read files below its folder.
static REAL: LazyLock<Real> = LazyLock::new(|| {
    let root = std::env::temp_dir().join(format!("sluice-files-{}", std::process::id()));
    std::fs::create_dir_all(&root).unwrap();
    Real::start_serving("sqlite", "sinks", &root).unwrap_or_else(|why| panic!("{why}"))
});

fn ask(request: reqwest::RequestBuilder) -> Value {
    let request = request.header("Authorization", format!("Token {}", REAL.token));
    now(async {
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{status}: {text}");
        serde_json::from_str(&text).unwrap()
    })
}

fn new_project() -> u64 {
    let body = json!({"title": "synced", "label_config": CONFIG});
    let made = ask(reqwest::Client::new()
        .post(format!("{}/api/projects", REAL.url))
        .json(&body));
    made["id"].as_u64().unwrap()
}

/// The data of a project's tasks, in the order of their lines.
fn tasks_of(project: u64) -> Vec<String> {
    let url = format!(
        "{}/api/tasks?project={project}&fields=all&page_size=1000",
        REAL.url
    );
    let told = ask(reqwest::Client::new().get(url));
    let mut tasks: Vec<_> = told["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| {
            (
                task["data"]["n"].as_u64(),
                format!("{{\"data\":{}}}", task["data"]),
            )
        })
        .collect();
    tasks.sort();
    tasks.into_iter().map(|(_, task)| task).collect()
}

fn sync(mut command: Command, server: &str, project: u64, token: &str, flags: &[&str]) -> Ran {
    command.env("LABEL_STUDIO_API_KEY", token);
    command
        .args(["--sync", &format!("{server}/projects/{project}")])
        .args(flags);
    let ran = common::run(&mut command, 3 * common::PATIENCE);
    assert_eq!(ran.misbehaviour(), None, "{}", ran.stderr);
    ran
}

#[test]
fn a_project_reads_what_was_written_each_task_once() {
    let root = std::env::temp_dir().join(format!("sluice-files-{}", std::process::id()));
    LazyLock::force(&REAL);
    let folder = tempfile::Builder::new().tempdir_in(&root).unwrap();
    let credentials = "aws_access_key_id=LS_ID,aws_secret_access_key=LS_SECRET";
    let places: [(Kind, &[&str]); 3] = [
        (Kind::Store(s3()), &["--sync-env", credentials]),
        (Kind::Redis(redis()), &[]),
        (Kind::Folder(folder), &[]),
    ];
    for (kind, flags) in places {
        let place = Place {
            kind,
            layout: "storage",
        };
        let project = new_project();
        let run = |flags: &[&str]| {
            let mut command = place.command("synced", None);
            command
                .env("LS_ID", "testing")
                .env("LS_SECRET", "testing-secret");
            sync(command, &REAL.url, project, &REAL.pat, flags)
        };
        let ran = run(flags);
        assert_eq!(ran.code(), 0, "{place:?}: {}", ran.stderr);
        assert!(
            ran.stderr
                .contains("60 tasks made by the project's source storage"),
            "{}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("testing-secret"), "{}", ran.stderr);
        assert_eq!(tasks_of(project), expected(), "{place:?}");

        // Once more: nothing is written or made twice, and no second storage.
        let ran = run(flags);
        assert_eq!(ran.code(), 0, "{place:?}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("0 tasks made") && ran.stderr.contains("60 were there already"),
            "{}",
            ran.stderr
        );
        assert_eq!(tasks_of(project), expected(), "{place:?}");
    }

    // A folder that the server may not read.
    let outside = Place {
        kind: Kind::Folder(common::temp()),
        layout: "storage",
    };
    let project = new_project();
    let ran = sync(
        outside.command("synced", None),
        &REAL.url,
        project,
        &REAL.pat,
        &[],
    );
    assert_eq!(ran.code(), 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("error[server-refused]") && ran.stderr.contains("subdirectory"),
        "{}",
        ran.stderr
    );
}

/// What a stand-in answers to a request, by its method, path and body; no answer is a connection that is closed.
type Answers = dyn FnMut(&str, &str, &str) -> Option<(u16, Value)> + Send;

/// A server that answers so; gives its address, and what was asked for.
fn stand_in(answers: Box<Answers>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (answers, heard) = (
        Arc::new(Mutex::new(answers)),
        Arc::new(Mutex::new(Vec::new())),
    );
    let hears = Arc::clone(&heard);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n")
                && reader.read_line(&mut head).is_ok_and(|read| read > 0)
            {}
            let length = crate::misbehaving::header(&head, "content-length");
            let mut body = vec![0; length.and_then(|n| n.parse().ok()).unwrap_or(0)];
            if reader.read_exact(&mut body).is_err() {
                continue;
            }
            let mut words = head.split(' ');
            let (method, path) = (
                words.next().unwrap_or_default(),
                words.next().unwrap_or_default(),
            );
            hears.lock().unwrap().push(format!("{method} {path}"));
            let body = String::from_utf8(body).unwrap();
            let answer = if path.starts_with("/api/projects/") {
                Some((
                    200,
                    json!({"id": 7, "title": "t", "label_config": "<View/>"}),
                ))
            } else {
                (answers.lock().unwrap())(method, path, &body)
            };
            if let Some((status, json)) = answer {
                let json = json.to_string();
                let length = json.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{json}"
                );
            }
        }
    });
    (address, heard)
}

/// A storage of the folder's, as the server gives it.
fn storage(path: &str, status: &str, made: u64, existed: u64, attempt: u64) -> Value {
    json!({
        "id": 5, "path": path, "status": status, "last_sync_count": made, "use_blob_urls": false, "title": "whatever",
        "traceback": if status == "failed" { "Traceback:\n  File x\nValueError: no JSON in s3://u:p@h/k?sig=s\n" } else { "" },
        "meta": {"tasks_existed": existed, "attempts": attempt},
    })
}

const LEGACY: &str = "0123456789abcdef0123456789abcdef01234567";

#[test]
fn what_a_server_says_of_a_sync_is_heard() {
    // How the sync is answered, what is then said of the storage, how the run ends and what it says.
    type Said = Option<(u16, &'static str)>;
    let cases: [(&str, Said, &[(&str, u64)], i32, &str); 8] = [
        ("at once", Some((200, "completed")), &[], 0, "60 tasks made"),
        (
            "a failure is a 200",
            Some((200, "failed")),
            &[],
            1,
            "the sync of storage 5 says `failed`: ValueError: no JSON in s3://h/k",
        ),
        (
            "in part",
            Some((200, "completed_with_errors")),
            &[],
            1,
            "says `completed_with_errors`",
        ),
        (
            "by a job",
            Some((200, "queued")),
            &[("queued", 0), ("in_progress", 9), ("completed", 60)],
            0,
            "60 tasks made",
        ),
        (
            "by a job that fails",
            Some((200, "queued")),
            &[("in_progress", 0), ("failed", 9)],
            1,
            "says `failed`",
        ),
        (
            "no answer",
            None,
            &[("in_progress", 3), ("completed", 60)],
            0,
            "60 tasks made",
        ),
        (
            "fewer",
            Some((200, "short")),
            &[],
            7,
            "60 tasks were written, and the sync of storage 5 counts 59",
        ),
        (
            "never begun",
            Some((500, "initialized")),
            &[("unchanged", 0)],
            7,
            "it may have stored tasks",
        ),
    ];
    for (name, answered, after, code, said) in cases {
        let place = Place {
            kind: Kind::Folder(common::temp()),
            layout: "storage",
        };
        let path = format!("{}/tasks", place.to(name, None));
        let (mut made, mut synced, mut looks) = (false, false, after.iter().copied());
        let answers = move |method: &str, asked: &str, body: &str| match (method, asked) {
            ("GET", _) if !made => Some((200, json!([]))),
            ("GET", _) if !synced => Some((200, json!([storage(&path, "initialized", 0, 0, 0)]))),
            ("GET", _) => {
                let (status, count) = looks.next().unwrap_or(("completed", 60));
                let attempt = u64::from(status != "unchanged");
                let status = if status == "unchanged" {
                    "initialized"
                } else {
                    status
                };
                Some((200, json!([storage(&path, status, count, 0, attempt)])))
            }
            ("POST", "/api/storages/localfiles") => {
                let body: Value = serde_json::from_str(body).unwrap();
                assert_eq!(body["path"], path.as_str());
                assert_eq!(
                    (&body["project"], &body["use_blob_urls"]),
                    (&json!(7), &json!(false))
                );
                made = true;
                Some((201, storage(&path, "initialized", 0, 0, 0)))
            }
            ("POST", "/api/storages/localfiles/5/sync") => {
                synced = true;
                let (status, state) = answered?;
                let (state, count) = if state == "short" {
                    ("completed", 59)
                } else {
                    (state, 60)
                };
                Some((status, storage(&path, state, count, 0, 1)))
            }
            other => panic!("{other:?}"),
        };
        let (server, _) = stand_in(Box::new(answers));
        let ran = sync(place.command(name, None), &server, 7, LEGACY, &[]);
        assert_eq!(ran.code(), code, "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{name}: {}", ran.stderr);
        assert_eq!(place.tasks(name), expected(), "{name}");
    }
}

#[test]
fn no_second_storage_is_made_for_one_place() {
    for there_before in [true, false] {
        let place = Place {
            kind: Kind::Folder(common::temp()),
            layout: "storage",
        };
        let path = format!("{}/tasks", place.to("once", None));
        let mut made = there_before;
        let answers = move |method: &str, asked: &str, _: &str| match (method, asked) {
            ("GET", _) if made => Some((
                200,
                json!([
                    storage("/elsewhere", "completed", 3, 0, 1),
                    storage(&path, "completed", 60, 0, 1),
                ]),
            )),
            ("GET", _) => Some((200, json!([]))),
            // It is made, and the answer is lost.
            ("POST", "/api/storages/localfiles") => {
                made = true;
                None
            }
            ("POST", _) => Some((200, storage(&path, "completed", 0, 60, 2))),
            other => panic!("{other:?}"),
        };
        let (server, heard) = stand_in(Box::new(answers));
        let ran = sync(place.command("once", None), &server, 7, LEGACY, &[]);
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
        let heard = heard.lock().unwrap();
        let makes = heard
            .iter()
            .filter(|asked| *asked == "POST /api/storages/localfiles")
            .count();
        assert_eq!(makes, usize::from(!there_before), "{heard:?}");
    }
}

#[test]
fn a_storage_that_makes_references_is_no_good_and_secrets_stay_where_they_are() {
    let place = Place {
        kind: Kind::Folder(common::temp()),
        layout: "storage",
    };
    let path = format!("{}/tasks", place.to("blobs", None));
    let mut blobs = storage(&path, "completed", 0, 0, 1);
    blobs["use_blob_urls"] = true.into();
    let (server, _) = stand_in(Box::new(move |_, _, _| Some((200, json!([blobs])))));
    let ran = sync(place.command("blobs", None), &server, 7, LEGACY, &[]);
    assert_eq!(ran.code(), 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("a task of each file's address"),
        "{}",
        ran.stderr
    );

    let answers = |method: &str, _: &str, body: &str| match method {
        "GET" => Some((200, json!([]))),
        // As careless servers do.
        _ => Some((400, json!({"detail": format!("cannot use {body}")}))),
    };
    let (server, _) = stand_in(Box::new(answers));
    let mut command = place.command("secret", None);
    command.env("LS_SECRET", "hunter2-secret");
    let ran = sync(
        command,
        &server,
        7,
        LEGACY,
        &["--sync-env", "aws_secret_access_key=LS_SECRET"],
    );
    assert_eq!(ran.code(), 1, "{}", ran.stderr);
    assert!(
        !ran.stderr.contains("hunter2") && ran.stderr.contains("***"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains(LEGACY), "{}", ran.stderr);
}

#[test]
fn a_sync_that_cannot_be_is_refused_before_anything_is_written() {
    let (_dir, source) = places::source();
    let cases: [(&[&str], &str); 6] = [
        (&["--to", "out"], "`--layout storage`"),
        (
            &["--to", "-", "--layout", "storage"],
            "a bucket, a folder or a Redis",
        ),
        (
            &[
                "--to",
                "redis://localhost:1/0?path=a",
                "--layout",
                "storage",
            ],
            "from 1 on",
        ),
        (
            &[
                "--to",
                "rediss://localhost:1/1?path=a",
                "--layout",
                "storage",
            ],
            "by TLS",
        ),
        (
            &[
                "--to",
                "out",
                "--layout",
                "storage",
                "--sync-env",
                "a=SLUICE_NO_SUCH",
            ],
            "SLUICE_NO_SUCH is not set",
        ),
        (
            &[
                "--to",
                "out",
                "--layout",
                "storage",
                "--sync",
                "http://localhost:1/",
            ],
            "names no project",
        ),
    ];
    for (flags, said) in cases {
        let dir = common::temp();
        let mut command = crate::sluice();
        command
            .current_dir(dir.path())
            .env("LABEL_STUDIO_API_KEY", LEGACY);
        command.arg("import").arg(&source).args(flags);
        if !flags.contains(&"--sync") {
            command.args(["--sync", "http://localhost:1/projects/7"]);
        }
        let ran = common::run(&mut command, common::PATIENCE);
        assert_eq!(ran.code(), 2, "{flags:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{flags:?}: {}", ran.stderr);
        assert!(common::names(dir.path()).is_empty(), "{flags:?}");
    }
}
