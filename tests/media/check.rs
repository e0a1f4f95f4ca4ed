//! `--media-check`.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::strange_server::Strange;
use crate::common::{self, Ran};

fn import(dir: &Path, source: &str, out: &str, more: &[&str]) -> Ran {
    let mut command = common::sluice();
    command
        .current_dir(dir)
        .args(["import", source, "--to", out])
        .args(more);
    // Proxies of whoever runs the tests know nothing of servers on this machine.
    common::run(&mut command, 3 * common::PATIENCE)
}

fn tasks(dir: &Path, out: &str) -> Vec<Value> {
    let path = dir.join(out).join("import-000001.json");
    std::fs::read(path).map_or_else(
        |_| Vec::new(),
        |json| serde_json::from_slice(&json).unwrap(),
    )
}

fn rejects(dir: &Path, out: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.join(out).join("rejects.jsonl")).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn all_looks_at_every_reference_once_and_rejects_the_dead() {
    let dir = common::temp();
    let (server, other) = (Strange::start(), Strange::start());
    let alive = [
        "ok/a.jpg",
        "slow/b.mp3",
        "no-head/c.png",
        "no-head-no-range/d.mp4",
        "empty/e.gif",
        "busy/f.jpg",
        "flaky/g.pdf",
    ];
    let mut lines = String::new();
    let mut line = |value: &str| writeln!(lines, r#"{{"image":"{value}"}}"#).unwrap();
    alive.iter().for_each(|path| line(&server.url(path)));
    let redirected = format!("moved/h.jpg?{}", other.url("ok/h.jpg"));
    line(
        &server
            .url(&redirected)
            .replace("http://", "http://user:pass@"),
    );
    let dead = ["gone/i'i.jpg?signature=secret", "down/j.jpg", "round/k.jpg"];
    dead.iter().for_each(|path| line(&server.url(path)));
    // Once more: they are known.
    line(&server.url("ok/a.jpg"));
    line(&server.url(dead[0]));
    // Not for a web server, and no media.
    line("s3://bucket/l.jpg");
    line(&server.url("gone/page.html"));
    line("http://127.0.0.1:9/m.jpg");
    common::write(dir.path(), "tasks.jsonl", &lines);

    let ran = import(
        dir.path(),
        "tasks.jsonl",
        "out",
        &["--media-check", "all", "--provenance"],
    );
    assert_eq!(ran.code(), 3, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("12 media asked for, 4 of them not there"),
        "{}",
        ran.stderr
    );
    let rejects = rejects(dir.path(), "out");
    let records: Vec<_> = rejects
        .iter()
        .map(|reject| reject["record"].as_u64().unwrap())
        .collect();
    assert_eq!(records, [9, 10, 11, 13, 16]);
    assert_eq!(tasks(dir.path(), "out").len(), 11);
    let why: Vec<_> = rejects
        .iter()
        .map(|reject| reject["reason"].as_str().unwrap())
        .collect();
    assert!(
        why[0].ends_with("/gone/i'i.jpg` answers 404 Not Found"),
        "{why:?}"
    );
    assert!(
        why[1].ends_with("answers 500 Internal Server Error, several times"),
        "{why:?}"
    );
    assert!(why[2].ends_with("it redirects without end"), "{why:?}");
    assert!(why[4].contains("cannot be reached"), "{why:?}");
    assert!(
        rejects.iter().all(|reject| reject["code"] == "media-dead"),
        "{rejects:?}"
    );
    assert!(!ran.stderr.contains("secret") && !why.concat().contains("secret"));

    assert_eq!(server.asked("HEAD /ok/a.jpg"), 1);
    assert_eq!(server.asked("HEAD /gone/i'i.jpg"), 1);
    assert_eq!(server.asked("HEAD /gone/page.html"), 0);
    assert_eq!(server.asked("GET /no-head/c.png"), 1);
    assert_eq!(other.asked("HEAD /ok/h.jpg"), 1);
    assert_eq!(other.secrets(), Vec::<String>::new());
    assert!(
        server
            .secrets()
            .iter()
            .all(|s| s.starts_with("/moved/h.jpg authorization"))
    );

    // The rejects are a source: once the files are there, their tasks go in.
    let mended = std::fs::read_to_string(dir.path().join("out/rejects.jsonl")).unwrap();
    let mended = mended.replace("/gone/", "/ok/").replace("/down/", "/ok/");
    common::write(dir.path(), "mended.jsonl", mended);
    let ran = import(
        dir.path(),
        "mended.jsonl",
        "again",
        &["--media-check", "all"],
    );
    assert_eq!(
        (ran.code(), tasks(dir.path(), "again").len()),
        (3, 3),
        "{}",
        ran.stderr
    );
}

#[test]
fn too_many_dead_end_the_run_before_anything_is_written() {
    let dir = common::temp();
    let server = Strange::start();
    let mut text = String::from("image,n\n");
    for n in 0..60 {
        let way = if n % 2 == 0 { "gone" } else { "ok" };
        writeln!(text, "{},{n}", server.url(&format!("{way}/{n}.jpg"))).unwrap();
    }
    common::write(dir.path(), "tasks.csv", &text);
    for (most, code) in [("9", 4), ("40%", 4), ("30", 3), ("50%", 3)] {
        let out = format!("out-{}", most.trim_end_matches('%'));
        let ran = import(
            dir.path(),
            "tasks.csv",
            &out,
            &["--media-check", "all", "--max-rejects", most],
        );
        assert_eq!(ran.code(), code, "{most}: {}", ran.stderr);
        let written = tasks(dir.path(), &out).len();
        assert_eq!(written, if code == 4 { 0 } else { 30 }, "{most}");
        if code == 4 {
            assert!(
                ran.stderr.contains("error[too-many-rejects]"),
                "{}",
                ran.stderr
            );
            assert!(ran.stderr.contains("tasks.csv:"), "{}", ran.stderr);
        }
    }
}

#[test]
fn a_sample_with_a_dead_reference_ends_the_run_with_its_place() {
    let dir = common::temp();
    let server = Strange::start();
    let lines = |dead: u32| {
        let line = |n| {
            let way = if n < dead { "gone" } else { "ok" };
            format!("{}\n", server.url(&format!("{way}/{n}.jpg")))
        };
        (0..50).map(line).collect::<String>()
    };
    common::write(dir.path(), "good.txt", lines(0));
    common::write(dir.path(), "bad.txt", lines(50));
    common::write(dir.path(), "some.txt", lines(2));
    let ran = import(dir.path(), "good.txt", "good", &["--media-check", "10"]);
    assert_eq!(
        (ran.code(), tasks(dir.path(), "good").len()),
        (0, 50),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr
            .contains("10 media asked for, 0 of them not there"),
        "{}",
        ran.stderr
    );
    assert_eq!(server.requests(), 10);
    let ran = import(dir.path(), "bad.txt", "bad", &["--media-check", "10"]);
    assert_eq!(
        (ran.code(), tasks(dir.path(), "bad").len()),
        (1, 0),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("error[media-dead]: 10 of 10 media"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("--> bad.txt:"), "{}", ran.stderr);
    let ran = import(dir.path(), "some.txt", "some", &["--media-check", "50"]);
    assert_eq!(ran.code(), 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("error[media-dead]: 2 of 50 media"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("--> some.txt:1"), "{}", ran.stderr);
}

#[test]
fn the_config_says_which_fields_are_looked_at_and_standard_input_is_kept_meanwhile() {
    let dir = common::temp();
    let server = Strange::start();
    let config = r#"<View><Image name="i" value="$picture"/><Text name="t" value="$text"/>
        <Choices name="c" toName="i"><Choice value="a"/><Choice value="b"/></Choices></View>"#;
    common::write(dir.path(), "config.xml", config);
    let line = |way: &str| {
        format!(
            "{{\"picture\":\"{}\",\"text\":\"{}\"}}\n",
            server.url(&format!("{way}/1")),
            server.url("gone/2.jpg")
        )
    };
    let input = line("ok") + &line("gone");
    let mut command = common::sluice();
    command.current_dir(dir.path());
    command.args([
        "import",
        "-",
        "--to",
        "-",
        "--label-config",
        "config.xml",
        "--media-check",
        "all",
    ]);
    let ran = common::run_fed(&mut command, common::PATIENCE, move |mut stdin| {
        common::pour(&mut stdin, input.as_bytes());
    });
    assert_eq!(ran.code(), 3, "{}", ran.stderr);
    assert_eq!(ran.stdout.iter().filter(|byte| **byte == b'\n').count(), 1);
    assert_eq!(server.asked("HEAD /gone/2.jpg"), 0);

    common::write(
        dir.path(),
        "text.xml",
        r#"<View><Text name="t" value="$text"/></View>"#,
    );
    let ran = import(
        dir.path(),
        "config.xml",
        "out",
        &["--label-config", "text.xml", "--media-check", "1"],
    );
    assert_eq!(ran.code(), 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("shows no field as an address"),
        "{}",
        ran.stderr
    );
}

#[test]
fn ctrl_c_ends_the_look_although_servers_are_slow() {
    let dir = common::temp();
    let server = Strange::start();
    let urls: String = (0..5_000)
        .map(|n| server.url(&format!("slow/{n}.jpg")) + "\n")
        .collect();
    common::write(dir.path(), "urls.txt", urls);
    let mut command = common::sluice();
    command.current_dir(dir.path());
    command.args(["import", "urls.txt", "--to", "out", "--media-check", "all"]);
    let ran = common::run_told(&mut command, common::PATIENCE, drop, |pid| {
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(1_500));
            common::signal(pid, libc::SIGINT);
        });
    });
    assert_eq!(ran.code(), 130, "{}", ran.stderr);
    assert!(ran.took < Duration::from_secs(6), "{:?}", ran.took);
    assert!(tasks(dir.path(), "out").is_empty());
}

#[test]
fn ten_thousand_references_are_looked_at_in_seconds_and_a_server_is_not_overrun() {
    let dir = common::temp();
    let server = Strange::start();
    let urls: String = (0..10_000)
        .map(|n| server.url(&format!("ok/{n}.jpg")) + "\n")
        .collect();
    common::write(dir.path(), "urls.txt", urls);
    let ran = import(
        dir.path(),
        "urls.txt",
        "out",
        &["--media-check", "all", "--data-key", "image"],
    );
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert_eq!(server.requests(), 10_000);
    assert!(server.most_at_once() <= 16, "{}", server.most_at_once());
    println!(
        "10,000 references in {:?}, {} MiB",
        ran.took,
        ran.peak >> 20
    );
    assert!(ran.took.as_secs() < 30, "{:?}", ran.took);
}
