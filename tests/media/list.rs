//! `--list`.

use std::path::Path;

use crate::common::{self, Ran};
use crate::misbehaving::{Manner, Server};

fn import(dir: &Path, lists: &[&str], out: &str, more: &[&str]) -> Ran {
    let mut command = common::sluice();
    command.current_dir(dir).arg("import").args(lists);
    command.args(["--to", out]).args(more);
    common::run(&mut command, common::PATIENCE)
}

fn imported(dir: &Path, out: &str) -> Vec<Vec<u8>> {
    let folder = dir.join(out);
    let names = common::names(&folder)
        .into_iter()
        .filter(|name| name.starts_with("import-"));
    names
        .map(|name| std::fs::read(folder.join(name)).unwrap())
        .collect()
}

#[test]
fn whatever_the_list_is_the_imports_are_those_of_the_words_in_its_order() {
    let dir = common::temp();
    let server = Server::start();
    let page = server.put("p.jsonl", "{\"n\":3}\n", Manner::Fine);
    let busy = server.put(
        "busy.jsonl",
        "{\"n\":4}\n",
        Manner::First(vec![(503, None), (429, None)]),
    );
    common::write(dir.path(), "b, c.jsonl", "{\"n\":1}\n");
    std::fs::create_dir(dir.path().join("more")).unwrap();
    common::write(dir.path(), "more/z.jsonl", "{\"n\":2}\n");
    common::write(dir.path(), "more/y.csv", "n\n5\n");
    let words = ["more/z.jsonl", &page, "b, c.jsonl", &busy, "more/*.csv"];
    let ran = import(dir.path(), &words, "plain", &[]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let expected = imported(dir.path(), "plain");
    assert_eq!(expected.len(), 1);

    let lines = format!(
        "# sources\r\n\r\n  {}  \r\n   # and\r\n{}",
        words[0],
        words[1..].join("\r\n")
    );
    common::write(dir.path(), "list.txt", &lines);
    let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
    let rows = |column: &str| {
        let rows: String = quoted.iter().map(|word| format!("x,{word}\n")).collect();
        format!("id,{column}\n{rows}")
    };
    common::write(dir.path(), "list.csv", rows("URL"));
    common::write(dir.path(), "other.csv", rows("where"));
    common::write(
        dir.path(),
        "only.csv",
        format!("any\n{}\n", quoted.join("\n")),
    );
    let utf16: Vec<u8> = std::iter::once('\u{feff}')
        .chain(lines.chars())
        .flat_map(|c| (c as u16).to_le_bytes())
        .collect();
    common::write(dir.path(), "utf16.txt", utf16);
    for (list, flag) in [
        ("list.txt", "--list"),
        ("utf16.txt", "--list"),
        ("list.csv", "--list"),
        ("only.csv", "--list"),
        ("other.csv", "--list=where"),
    ] {
        let out = format!("out-{list}");
        let ran = import(dir.path(), &[list], &out, &[flag]);
        assert_eq!(ran.code(), 0, "{list}: {}", ran.stderr);
        assert_eq!(imported(dir.path(), &out), expected, "{list}");
    }

    // From standard input, and two lists one after the other.
    let (first, second) = words.split_at(2);
    common::write(dir.path(), "first.txt", first.join("\n"));
    let mut command = common::sluice();
    command.current_dir(dir.path());
    command.args(["import", "--list", "first.txt", "-", "--to", "out-two"]);
    let second = second.join("\n");
    let ran = common::run_fed(&mut command, common::PATIENCE, move |mut stdin| {
        common::pour(&mut stdin, second.as_bytes());
    });
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert_eq!(imported(dir.path(), "out-two"), expected);
}

#[test]
fn a_fault_has_the_place_in_the_list() {
    let dir = common::temp();
    let server = Server::start();
    let lost = format!("{}/lost.jsonl?sig=hunter2", server.address);
    common::write(dir.path(), "a.jsonl", "{\"n\":1}\n");
    let cases = [
        (
            "a.jsonl\n\nnone.jsonl\n",
            "no such file: `none.jsonl`",
            "list.txt:3",
        ),
        (
            &format!("a.jsonl\n{lost}\n"),
            "/lost.jsonl`: the server says 404",
            "list.txt:2",
        ),
        ("a.jsonl\nlist.txt\n", "a list names data", "list.txt:2"),
        ("-\n", "a list names data", "list.txt:1"),
        ("a.jsonl\nb.xlsx\n", "no such file", "list.txt:2"),
        ("# none\n\n", "the list names nothing", ""),
        ("a.jsonl\nnone*.jsonl\n", "no file matches", "list.txt:2"),
    ];
    for (list, said, place) in cases {
        common::write(dir.path(), "list.txt", list);
        let ran = import(dir.path(), &["list.txt"], "out", &["--list"]);
        assert!(ran.code() == 1 || ran.code() == 2, "{list}: {}", ran.stderr);
        assert!(
            ran.stderr.contains(said) && ran.stderr.contains(place),
            "{list}: {}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
        assert!(imported(dir.path(), "out").is_empty());
    }
    let tables = [
        (
            "a,b\na.jsonl,x\n",
            "--list",
            "no column of the list is called `url`",
        ),
        (
            "a,b\na.jsonl,x\n",
            "--list=c",
            "no column of the list is called `c`",
        ),
        (
            "https://h/a.jsonl\nhttps://h/b.jsonl\n",
            "--list",
            "should name its column",
        ),
    ];
    for (table, flag, said) in tables {
        common::write(dir.path(), "list.csv", table);
        let ran = import(dir.path(), &["list.csv"], "out", &[flag]);
        assert_eq!(ran.code(), 2, "{table}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{table}: {}", ran.stderr);
    }
    common::write(dir.path(), "list.jsonl", "{\"url\":\"a.jsonl\"}\n");
    let ran = import(dir.path(), &["list.jsonl"], "out", &["--list"]);
    assert!(
        ran.stderr.contains("a list is lines of text, or a table"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_list_from_a_network_names_nothing_that_only_this_machine_can_read() {
    let dir = common::temp();
    let server = Server::start();
    let good = server.put("good.jsonl", "{\"n\":1}\n", Manner::Fine);
    common::write(dir.path(), "secret.jsonl", "{\"n\":\"hunter2\"}\n");
    let path = dir.path().join("secret.jsonl").display().to_string();
    for word in [
        "secret.jsonl",
        &path,
        "*",
        ".",
        "-",
        "redis://localhost:6399/1?path=a",
        "file:///etc/passwd",
    ] {
        let list = server.put("list.txt", format!("{good}\n{word}\n"), Manner::Fine);
        let ran = import(dir.path(), &[&list], "out", &["--list"]);
        assert_eq!(ran.code(), 2, "{word}: {}", ran.stderr);
        assert!(ran.stderr.contains("/list.txt:2"), "{word}: {}", ran.stderr);
        assert!(imported(dir.path(), "out").is_empty());
    }
    let list = server.put("list.txt", format!("{good}\n"), Manner::CutEvery(7));
    let ran = import(dir.path(), &[&list], "out", &["--list"]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert_eq!(imported(dir.path(), "out").len(), 1);
}

#[test]
fn a_list_of_thousands_of_files_is_not_asked_for_one_by_one() {
    let dir = common::temp();
    let server = Server::start();
    let urls: String = (0..200)
        .map(|n| {
            server.put(
                &format!("{n}.jsonl"),
                format!("{{\"n\":{n}}}\n"),
                Manner::Fine,
            ) + "\n"
        })
        .collect();
    common::write(dir.path(), "list.txt", urls);
    let ran = import(dir.path(), &["list.txt"], "out", &["--list"]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let tasks: Vec<serde_json::Value> =
        serde_json::from_slice(&imported(dir.path(), "out")[0]).unwrap();
    let numbers: Vec<_> = tasks
        .iter()
        .map(|task| task["data"]["n"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (0..200).collect::<Vec<_>>());
    // A line without an end is no word.
    let endless = server.put("endless.txt", vec![b'a'; 1 << 20], Manner::Fine);
    let ran = import(dir.path(), &[&endless], "out-2", &["--list"]);
    assert!(
        ran.stderr.contains("error[record-too-large]"),
        "{}",
        ran.stderr
    );
}
