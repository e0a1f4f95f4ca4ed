//! Redis as a source and as a target, with a real server on a free port of this machine.
#![allow(
    unsafe_code,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests measure their children by wait4, and say when they fail"
)]

mod common;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::{Commands, Connection};
use serde_json::Value;

use common::{PATIENCE, Ran};

const PASSWORD: &str = "SLUICE_REDIS_PASSWORD";

/// A server that is ended with this.
struct Server {
    child: Child,
    port: u16,
    password: Option<&'static str>,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start(password: Option<&'static str>) -> Server {
        let folder = common::temp();
        let started = Instant::now();
        loop {
            let free = TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap();
            let port = free.port();
            let mut command = Command::new("redis-server");
            command
                .args([
                    "--port",
                    &port.to_string(),
                    "--bind",
                    "127.0.0.1",
                    "--save",
                    "",
                ])
                .args(["--appendonly", "no", "--dir"])
                .arg(folder.path())
                .stdout(Stdio::null());
            if let Some(password) = password {
                command.args(["--requirepass", password]);
            }
            let child = command.spawn().unwrap_or_else(|e| {
                panic!("redis-server does not start ({e}): install it, as with `apt-get install redis-server`")
            });
            let mut server = Server {
                child,
                port,
                password,
                _folder: common::temp(),
            };
            // Another test may have taken the port meanwhile; the server then ends.
            while server.child.try_wait().unwrap().is_none() {
                if server.try_connect(0).is_ok() {
                    server._folder = folder;
                    return server;
                }
                assert!(started.elapsed() < PATIENCE, "the server does not answer");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    fn try_connect(&self, db: u8) -> redis::RedisResult<Connection> {
        let login = self
            .password
            .map_or_else(String::new, |password| format!(":{password}@"));
        let client = redis::Client::open(format!("redis://{login}127.0.0.1:{}/{db}", self.port))?;
        let mut connection = client.get_connection()?;
        redis::cmd("PING").query::<String>(&mut connection)?;
        Ok(connection)
    }

    fn connect(&self) -> Connection {
        self.try_connect(1).expect("it answers")
    }

    fn address(&self, path: &str) -> String {
        format!("redis://127.0.0.1:{}/1?path={path}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn import(dir: &Path, source: &str, to: &str, more: &[&str]) -> Ran {
    let mut command = common::sluice();
    command
        .current_dir(dir)
        .env("SLUICE_STATE_DIR", dir.join("state"));
    command.args(["import", source, "--to", to]).args(more);
    common::run(&mut command, 3 * PATIENCE)
}

fn tasks(dir: &Path, out: &str) -> Vec<Value> {
    let json = std::fs::read(dir.join(out).join("import-000001.json")).expect("an import");
    serde_json::from_slice(&json).unwrap()
}

#[test]
fn a_run_by_its_id_has_nothing_to_do_once_it_is_done() {
    let server = Server::start(None);
    let dir = common::temp();
    common::write(
        dir.path(),
        "in.jsonl",
        "{\"text\":\"a\"}\n{\"text\":\"b\"}\n",
    );
    let keys = || -> Vec<String> { server.connect().keys("x*").unwrap() };
    let to = server.address("x");
    let run = |more: &[&str]| import(dir.path(), "in.jsonl", &to, &[&["--json"], more].concat());
    let last = |ran: &Ran| -> Value {
        let said = String::from_utf8_lossy(&ran.stdout);
        serde_json::from_str(said.lines().last().expect("a line")).unwrap()
    };
    for done_before in [false, true, true] {
        let ran = run(&["--run-id", "a"]);
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
        let said = last(&ran);
        assert_eq!(
            (&said["done_before"], &said["tasks"]),
            (&done_before.into(), &2.into())
        );
        assert_eq!(keys().len(), 2);
    }
    let ran = run(&["--run-id", "a", "--nul", "replace"]);
    assert_eq!(ran.code(), 2, "{}", ran.stderr);
    let ran = import(
        dir.path(),
        "in.jsonl",
        &server.address("y"),
        &["--run-id", "a"],
    );
    assert_eq!(ran.code(), 2, "{}", ran.stderr);
    // Its words are recorded whole, and can be said again.
    let mut show = common::sluice();
    show.args(["runs", "show", "a"])
        .env("SLUICE_STATE_DIR", dir.path().join("state"));
    let shown = common::run(&mut show, PATIENCE);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains(&format!("--to '{to}'")), "{shown}");
}

/// Values by how they are written: their order is the server's.
fn sorted(values: Vec<Value>) -> Vec<String> {
    let mut texts: Vec<_> = values.iter().map(ToString::to_string).collect();
    texts.sort();
    texts
}

fn all(connection: &mut Connection, pattern: &str) -> BTreeMap<String, String> {
    let keys: Vec<String> = connection.keys(pattern).unwrap();
    keys.into_iter()
        .map(|key| {
            let value: String = connection.get(&key).unwrap();
            (key, value)
        })
        .collect()
}

#[test]
fn tasks_go_in_under_keys_of_their_own_and_come_out_again() {
    let (dir, server) = (common::temp(), Server::start(None));
    let mut connection = server.connect();
    let source = common::data("headlines.jsonl");
    let source = source.to_str().unwrap();
    let to = server.address("news/de");
    let ran = import(dir.path(), source, &to, &["--max-tasks", "70"]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("200 keys written, 0 were there already"),
        "{}",
        ran.stderr
    );
    let stored = all(&mut connection, "*");
    assert_eq!(stored.len(), 200);
    assert!(
        stored
            .keys()
            .all(|key| key.starts_with("news/de/0000-0000000")),
        "{stored:?}"
    );

    // The same once more writes nothing; what is missing is written, by whatever number of tasks at a time.
    let key = stored.keys().nth(100).unwrap();
    let _: () = connection.del(key).unwrap();
    let ran = import(dir.path(), source, &to, &[]);
    assert!(
        ran.stderr
            .contains("1 keys written, 199 were there already"),
        "{}",
        ran.stderr
    );
    assert_eq!(all(&mut connection, "*"), stored);

    let ran = import(dir.path(), source, "direct", &[]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let ran = import(dir.path(), &to, "back", &[]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert_eq!(
        sorted(tasks(dir.path(), "back")),
        sorted(tasks(dir.path(), "direct"))
    );
}

#[test]
fn a_value_is_a_task_a_reference_or_a_reject_and_other_keys_are_left_alone() {
    let (dir, server) = (common::temp(), Server::start(None));
    let mut connection = server.connect();
    let values: [(&str, &[u8]); 8] = [
        (
            "a*[1]/1",
            b"{\"data\": {\"n\": 1},\n \"meta\": {\"x\": 1e2}}",
        ),
        ("a*[1]/2", b"{\n\"n\": 1.50\n}\n"),
        ("a*[1]/3", b"https://h/3.jpg"),
        ("a*[1]/4", b"{\"broken\": "),
        ("a*[1]/5", b"\xff\xfe"),
        ("a*[1]/6", "zwei\nZeilen über".as_bytes()),
        ("ab1/7", b"{\"n\": 7}"),
        ("b", b"{\"n\": 8}"),
    ];
    for (key, value) in values {
        let _: () = connection.set(key, value).unwrap();
    }
    let source = server.address("a*%5B1%5D");
    let ran = import(dir.path(), &source, "out", &[]);
    assert_eq!(ran.code(), 3, "{}", ran.stderr);
    let expected = [
        r#"{"data":{"n":1.50}}"#,
        r#"{"data":{"n":1},"meta":{"x":100.0}}"#,
        r#"{"data":{"text":"https://h/3.jpg"}}"#,
        r#"{"data":{"text":"zwei\nZeilen über"}}"#,
    ];
    let expected = expected.map(|text| serde_json::from_str(text).unwrap());
    assert_eq!(sorted(tasks(dir.path(), "out")), sorted(expected.to_vec()));
    let rejects = std::fs::read_to_string(dir.path().join("out/rejects.jsonl")).unwrap();
    assert_eq!(rejects.lines().count(), 2, "{rejects}");
    assert!(rejects.contains(r#""raw":"{\"broken\": ""#), "{rejects}");

    let _: () = connection.rpush("a*[1]/list", "x").unwrap();
    let ran = import(dir.path(), &source, "list", &[]);
    assert_eq!(ran.code(), 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("under the key `a*[1]/list` is a list"),
        "{}",
        ran.stderr
    );
    let ran = import(dir.path(), &server.address("nothing"), "none", &[]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
}

#[test]
fn many_keys_are_read_each_once_in_constant_memory() {
    const KEYS: u64 = 100_000;
    let (dir, server) = (common::temp(), Server::start(None));
    let mut connection = server.connect();
    let text = "x".repeat(300);
    for from in (0..KEYS).step_by(10_000) {
        let mut pipe = redis::pipe();
        for n in from..from + 10_000 {
            let value = format!(r#"{{"data":{{"n":{n},"text":"{text}"}}}}"#);
            pipe.cmd("SET").arg(format!("t/{n}")).arg(value).ignore();
        }
        pipe.query::<()>(&mut connection).unwrap();
    }
    // Some of another size.
    let large = format!(r#"{{"data":{{"n":-1,"text":"{}"}}}}"#, "y".repeat(3 << 20));
    for n in 0..8 {
        let _: () = connection.set(format!("t/large{n}"), &large).unwrap();
    }
    let ran = import(dir.path(), &server.address("t/"), "-", &[]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let mut seen = vec![false; KEYS as usize];
    let mut larges = 0;
    for line in ran
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let start = br#"{"data":{"n":"#.len();
        let end = start + line[start..].iter().position(|byte| *byte == b',').unwrap();
        match std::str::from_utf8(&line[start..end])
            .unwrap()
            .parse::<i64>()
            .unwrap()
        {
            -1 => larges += 1,
            n => assert!(
                !std::mem::replace(&mut seen[n as usize], true),
                "{n} came twice"
            ),
        }
    }
    assert!(seen.iter().all(|seen| *seen) && larges == 8);
    println!("{KEYS} keys in {:?}, peak {} MiB", ran.took, ran.peak >> 20);
    assert!(ran.peak < 350 << 20, "peak {} MiB", ran.peak >> 20);
}

#[test]
fn a_password_comes_from_the_environment_and_is_never_shown() {
    let (dir, server) = (common::temp(), Server::start(Some("s3cret-word")));
    common::write(dir.path(), "a.txt", "one\ntwo\n");
    let run = |source: &str, to: &str, password: Option<&str>| {
        let mut command = common::sluice();
        command
            .current_dir(dir.path())
            .env("SLUICE_STATE_DIR", dir.path().join("state"));
        if let Some(password) = password {
            command.env(PASSWORD, password);
        }
        command.args(["import", source, "--to", to]);
        common::run(&mut command, PATIENCE)
    };
    let address = server.address("t");
    for (source, to) in [("a.txt", address.as_str()), (address.as_str(), "out")] {
        for password in [None, Some("wr0ng-word")] {
            let _ = std::fs::remove_dir_all(dir.path().join("out"));
            let ran = run(source, to, password);
            assert_eq!(ran.code(), 6, "{}", ran.stderr);
            assert!(
                ran.stderr.contains(PASSWORD) && !ran.stderr.contains("-word"),
                "{}",
                ran.stderr
            );
        }
        let _ = std::fs::remove_dir_all(dir.path().join("out"));
        let ran = run(source, to, Some("s3cret-word"));
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
    }
    let told = address.replace("redis://", "redis://:s3cret-word@");
    for (source, to) in [("a.txt", told.as_str()), (told.as_str(), "out2")] {
        let ran = run(source, to, None);
        assert_eq!(ran.code(), 2, "{}", ran.stderr);
        assert!(!ran.stderr.contains("s3cret-word"), "{}", ran.stderr);
    }
}

#[test]
fn a_full_or_missing_server_ends_the_run_and_the_same_command_goes_on() {
    let (dir, server) = (common::temp(), Server::start(None));
    let mut connection = server.connect();
    let source = common::data("headlines.jsonl");
    let source = source.to_str().unwrap();
    let to = server.address("t");
    let limit = |connection: &mut Connection, most: &str| {
        let set = redis::cmd("CONFIG")
            .arg(&["SET", "maxmemory", most])
            .query::<()>(connection);
        set.unwrap();
    };
    limit(&mut connection, "1");
    let ran = import(dir.path(), source, &to, &[]);
    assert_eq!(ran.code(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("error[target-write]"), "{}", ran.stderr);
    assert!(
        ran.stderr.to_lowercase().contains("maxmemory"),
        "{}",
        ran.stderr
    );
    limit(&mut connection, "0");
    let ran = import(dir.path(), source, &to, &[]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert_eq!(all(&mut connection, "t/*").len(), 200);

    drop(server);
    for (source, to) in [(source, to.as_str()), (to.as_str(), "out")] {
        let ran = import(dir.path(), source, to, &[]);
        assert_eq!(ran.code(), 5, "{}", ran.stderr);
        assert!(ran.stderr.contains("cannot be reached"), "{}", ran.stderr);
    }
    for bad in [
        "redis://127.0.0.1/1",
        "redis://127.0.0.1?path=a",
        "rediss://127.0.0.1/1?path=a",
    ] {
        let ran = import(dir.path(), source, bad, &[]);
        assert_eq!(ran.code(), 2, "{bad}: {}", ran.stderr);
    }
}

#[test]
fn rejects_on_the_way_to_a_redis_are_kept() {
    let (dir, server) = (common::temp(), Server::start(None));
    common::write(dir.path(), "a.jsonl", "{\"a\":1}\n{\"a\":\n{\"a\":3}\n");
    let ran = import(dir.path(), "a.jsonl", &server.address("t"), &[]);
    assert_eq!(ran.code(), 3, "{}", ran.stderr);
    assert_eq!(all(&mut server.connect(), "t/*").len(), 2);
    let state = dir.path().join("state");
    let kept = walkdir::WalkDir::new(state)
        .into_iter()
        .filter_map(Result::ok)
        .any(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|ending| ending == "jsonl")
                && std::fs::read_to_string(entry.path())
                    .unwrap()
                    .contains("json-syntax")
        });
    assert!(
        kept && ran.stderr.contains("rejects are in "),
        "{}",
        ran.stderr
    );
}
