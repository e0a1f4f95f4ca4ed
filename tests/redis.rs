//! Redis as a source and as a target, with a real server on a free port of this machine.
#![allow(
    unsafe_code,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests measure their children by wait4, and say when they fail"
)]

mod common;
#[path = "common/redis_server.rs"]
mod redis_server;

use std::collections::BTreeMap;
use std::path::Path;

use redis::{Commands, Connection};
use serde_json::Value;

use common::{PATIENCE, Ran};
use redis_server::Server;

const PASSWORD: &str = "SLUICE_REDIS_PASSWORD";

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
        ran.stderr.contains("1 key written, 199 were there already"),
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
fn a_connection_by_tls_is_made_with_a_certificate_that_is_trusted_and_no_other() {
    let (dir, (server, port)) = (common::temp(), Server::start_by_tls());
    let source = common::data("headlines.jsonl");
    let source = source.to_str().unwrap();
    let certificate = server.folder.path().join("cert.pem");
    let run = |source: &str, to: &str, trust: Option<(&str, &Path)>| {
        let mut command = common::sluice();
        command.current_dir(dir.path()).env_remove("SSL_CERT_FILE");
        command
            .env("SLUICE_STATE_DIR", dir.path().join("state"))
            .envs(trust);
        command.args(["import", source, "--to", to]);
        common::run(&mut command, PATIENCE)
    };
    let address = |host: &str, port| format!("rediss://{host}:{port}/1?path=t/");
    let known = address("localhost", port);
    let trust = Some(("SLUICE_REDIS_CA_CERT", certificate.as_path()));

    // No one has signed it, it is another's, and whoever does not speak TLS is no one to speak to.
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = common::write(dir.path(), "other.pem", other.cert.pem());
    for (to, trust) in [
        (&known, None),
        (&known, Some(("SLUICE_REDIS_CA_CERT", other.as_path()))),
        (&address("127.0.0.1", port), trust),
    ] {
        let ran = run(source, to, trust);
        assert_eq!(ran.code(), 6, "{to}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("certificate") && ran.stderr.contains("SLUICE_REDIS_CA_CERT"),
            "{}",
            ran.stderr
        );
    }
    let plain = run(source, &address("localhost", server.port), trust);
    assert_eq!(plain.code(), 5, "{}", plain.stderr);
    let missing = run(
        source,
        &known,
        Some(("SLUICE_REDIS_CA_CERT", Path::new("no.pem"))),
    );
    assert_eq!(missing.code(), 2, "{}", missing.stderr);
    assert!(all(&mut server.connect(), "*").is_empty());

    // By the variable of this program, and by that of all.
    for trust in [trust, Some(("SSL_CERT_FILE", certificate.as_path()))] {
        let ran = run(source, &known, trust);
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
        assert_eq!(all(&mut server.connect(), "t/*").len(), 200);
        let _ = std::fs::remove_dir_all(dir.path().join("out"));
        let ran = run(&known, "out", trust);
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
        assert_eq!(tasks(dir.path(), "out").len(), 200);
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
        "rediss://127.0.0.1/1",
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
