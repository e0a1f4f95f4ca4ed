//! `--inline`.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{self, Ran};
use crate::misbehaving::{Manner, Server, header};
use crate::strange_server::Strange;

const TEXT: &str =
    r#"<View><Text name="t" value="$text" valueType="url"/><Header value="$id"/></View>"#;

fn import(dir: &Path, source: &str, out: &str, more: &[&str]) -> Ran {
    let mut command = common::sluice();
    command
        .current_dir(dir)
        .args(["import", source, "--to", out])
        .args(more);
    common::run(&mut command, 3 * common::PATIENCE)
}

fn inline(dir: &Path, source: &str, out: &str, more: &[&str]) -> Ran {
    let flags = ["--label-config", "config.xml", "--inline", "urls,resolvers"];
    import(dir, source, out, &[&flags[..], more].concat())
}

fn tasks(dir: &Path, out: &str) -> Vec<Value> {
    let folder = dir.join(out);
    let names = common::names(&folder)
        .into_iter()
        .filter(|name| name.starts_with("import-"));
    names
        .flat_map(|name| {
            let body = std::fs::read(folder.join(name)).unwrap();
            serde_json::from_slice::<Vec<Value>>(&body).unwrap()
        })
        .collect()
}

fn rejects(dir: &Path, out: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.join(out).join("rejects.jsonl")).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn jsonl(values: &[(String, String)]) -> String {
    values
        .iter()
        .fold(String::new(), |mut text, (id, address)| {
            writeln!(text, "{}", json!({"id": id, "text": address})).unwrap();
            text
        })
}

#[test]
fn whatever_the_servers_do_a_task_has_the_text_or_is_a_reject() {
    let dir = common::temp();
    common::write(dir.path(), "config.xml", TEXT);
    let (server, other) = (Server::start(), Server::start());
    let text = "Grüße, \"Welt\"\n\tzweite Zeile\u{2028}\u{1f600}".to_owned();
    let latin = "Grüße".chars().map(|c| c as u8).collect::<Vec<_>>();
    let utf16: Vec<u8> = format!("\u{feff}{text}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let long = text.repeat(3_000);
    let elsewhere = other
        .put("t", text.clone(), Manner::Fine)
        .replace("127.0.0.1", "localhost");
    let slow = Manner::Slow {
        bytes: 7,
        wait: Duration::from_millis(5),
    };
    let bodies: Vec<(&str, Vec<u8>, Manner, &str)> = vec![
        ("fine", text.clone().into(), Manner::Fine, &text),
        ("chunked", text.clone().into(), Manner::Chunked, &text),
        ("no-ranges", text.clone().into(), Manner::NoRanges, &text),
        ("empty", Vec::new(), Manner::Fine, ""),
        (
            "burst",
            text.clone().into(),
            Manner::First(vec![(500, None), (503, None)]),
            &text,
        ),
        (
            "busy",
            text.clone().into(),
            Manner::First(vec![(429, Some("1"))]),
            &text,
        ),
        (
            "cut",
            long.clone().into(),
            Manner::CutWhole {
                answers: 2,
                after: 70_001,
            },
            &long,
        ),
        ("slow", text.clone().into(), slow, &text),
        ("moved", Vec::new(), Manner::Redirect(elsewhere), &text),
        (
            "latin",
            latin.clone(),
            Manner::Typed("text/plain; Charset=\"ISO-8859-1\""),
            "Grüße",
        ),
        ("marked", utf16, Manner::Typed("text/plain"), &text),
        (
            "html",
            "<b>\r\n".into(),
            Manner::Typed("text/html;charset=utf-8"),
            "<b>\r\n",
        ),
    ];
    let mut lines = Vec::new();
    let mut expected = Vec::new();
    for (id, body, manner, text) in bodies {
        let address = server
            .put(id, body, manner)
            .replace("http://", "http://me:hunter2@");
        lines.push((id.to_owned(), format!("{address}?sig=hunter2")));
        expected.push(json!({"id": id, "text": text}));
    }
    // Once more: it is known. No address is no text.
    lines.push(("again".to_owned(), lines[0].1.clone()));
    lines.push(("none".to_owned(), String::new()));
    expected.push(json!({"id": "again", "text": text}));
    expected.push(json!({"id": "none", "text": ""}));
    let bad: Vec<(&str, Vec<u8>, Manner, &str)> = vec![
        (
            "lost",
            Vec::new(),
            Manner::First(vec![(404, None); 9]),
            "answers 404",
        ),
        (
            "down",
            Vec::new(),
            Manner::First(vec![(500, None); 9]),
            "answers 500 Internal Server Error, several times",
        ),
        (
            "short",
            text.clone().into(),
            Manner::TooLong(5),
            "comes in part only",
        ),
        (
            "cut-always",
            text.clone().into(),
            Manner::CutEvery(3),
            "comes in part only",
        ),
        (
            "bytes",
            latin,
            Manner::Typed("text/plain"),
            "is no text: byte 2 is not UTF-8",
        ),
        (
            "strange",
            text.clone().into(),
            Manner::Typed("text/plain; charset=klingon"),
            "charset `klingon`",
        ),
        (
            "zip",
            text.clone().into(),
            Manner::Encoded("br"),
            "comes encoded as `br`",
        ),
        (
            "nul",
            b"a\0b".to_vec(),
            Manner::Fine,
            "cannot be put in a task",
        ),
        (
            "endless",
            vec![b'a'; 1 << 16],
            Manner::Endless,
            "is larger than the",
        ),
    ];
    let mut refused = Vec::new();
    for (id, body, manner, why) in bad {
        let address = server.put(id, body, manner);
        lines.push((id.to_owned(), format!("{address}?sig=hunter2")));
        refused.push((id.to_owned(), why));
    }
    let addresses = [
        ("file", "file:///etc/passwd"),
        ("local", "/data/upload/1/a.txt"),
        ("words", "no address"),
    ];
    for (id, address) in addresses {
        lines.push((id.to_owned(), address.to_owned()));
        refused.push((id.to_owned(), "is no address of the web or of a bucket"));
    }
    common::write(
        dir.path(),
        "tasks.jsonl",
        jsonl(&lines) + "{\"id\":\"list\",\"text\":[\"http://h/\"]}\n",
    );
    refused.push(("list".to_owned(), "is no text itself"));

    // Texts of over 64 KiB wait for their turn with so little memory.
    let ran = inline(dir.path(), "tasks.jsonl", "out", &["--memory", "16MiB"]);
    assert_eq!(ran.code(), 3, "{}", ran.stderr);
    let data: Vec<_> = tasks(dir.path(), "out")
        .into_iter()
        .map(|mut task| task["data"].take())
        .collect();
    assert_eq!(data, expected);
    let rejects = rejects(dir.path(), "out");
    let got: Vec<_> = rejects
        .iter()
        .map(|reject| {
            let raw: Value = serde_json::from_str(reject["raw"].as_str().unwrap()).unwrap();
            (
                raw["id"].as_str().unwrap().to_owned(),
                reject["reason"].as_str().unwrap(),
                reject["code"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(got.len(), refused.len(), "{got:#?}");
    for ((id, reason, code), (expected, why)) in got.iter().zip(&refused) {
        assert_eq!(id, expected);
        assert!(reason.contains(why), "{id}: {reason}");
        assert!(!reason.contains("hunter2"), "{id}: {reason}");
        let own = match id.as_str() {
            "nul" => "nul",
            "endless" => "task-too-large",
            _ => "not-inlined",
        };
        assert_eq!(*code, own, "{id}");
    }
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    assert!(ran.stderr.contains("13 texts inlined"), "{}", ran.stderr);
    let heard = server.heard();
    let asked = |path: &str| {
        heard
            .iter()
            .filter(|head| head.starts_with(&format!("GET /{path}?")))
            .count()
    };
    assert_eq!((asked("fine"), asked("burst"), asked("lost")), (1, 3, 1));
    for head in other.heard() {
        assert_eq!(header(&head, "authorization"), None, "{head}");
        assert!(!head.contains("hunter2"), "{head}");
    }

    // What was rejected is a source, once it is mended.
    let mended = std::fs::read_to_string(dir.path().join("out/rejects.jsonl")).unwrap();
    let mended = mended
        .lines()
        .take(1)
        .collect::<String>()
        .replace("/lost", "/fine");
    common::write(dir.path(), "mended.jsonl", mended);
    let ran = inline(dir.path(), "mended.jsonl", "again", &[]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert_eq!(tasks(dir.path(), "again")[0]["data"]["text"], text);
}

#[test]
fn resolvers_take_a_cell_and_no_more_of_the_file_than_that_needs() {
    let dir = common::temp();
    let server = Server::start();
    let put = |name: &str, body: &str| server.put(name, body, Manner::Fine);
    let guide = put(
        "guide.csv",
        "id;text\n12;The most \"\"flexible\"\" tool\n13;other\n",
    );
    let quoted = put(
        "quoted.csv",
        "id;text\r\n1;\"two;\r\n\"\"lines\"\"\"\r\n2;x\r\n",
    );
    let short = put("short.csv", "id;text\n1\n");
    let address = put("there.txt", "what is behind");
    let chain = put("chain.csv", &format!("id;text\n1;{address}\n"));
    let config =
        |attributes: &str| format!("<View><Text name='t' value='$text' {attributes}/></View>");
    let cell = |attributes: &str, address: &str| {
        common::write(dir.path(), "config.xml", config(attributes));
        common::write(
            dir.path(),
            "tasks.jsonl",
            format!("{}\n", json!({"text": address})),
        );
        let ran = inline(dir.path(), "tasks.jsonl", "out", &["--overwrite"]);
        match ran.code() {
            0 => Ok(tasks(dir.path(), "out")[0]["data"]["text"]
                .as_str()
                .unwrap()
                .to_owned()),
            3 => Err(rejects(dir.path(), "out")[0]["reason"]
                .as_str()
                .unwrap()
                .to_owned()),
            _ => Err(ran.stderr),
        }
    };
    let ok = |text: &str| Ok(text.to_owned());
    let cases = [
        (
            "resolver='csv|separator=;|column=text'",
            &guide,
            ok("The most \"\"flexible\"\" tool"),
        ),
        (
            "resolver='csv|column=text'",
            &guide,
            ok("The most \"\"flexible\"\" tool"),
        ),
        ("resolver='csv'", &guide, ok("12")),
        (
            "resolver='csv|column=1'",
            &guide,
            ok("The most \"\"flexible\"\" tool"),
        ),
        (
            "resolver='csv|headless|separator=;|column=1'",
            &guide,
            ok("text"),
        ),
        (
            "resolver='csv|separator=;|column=text'",
            &quoted,
            ok("two;\r\n\"lines\""),
        ),
        ("resolver='csv|separator=;|column=text'", &short, ok("")),
        (
            "resolver='csv|separator=;|column=text'",
            &chain,
            ok(&address),
        ),
        (
            "valueType='url' resolver='csv|separator=;|column=text'",
            &chain,
            ok("what is behind"),
        ),
    ];
    for (attributes, address, expected) in cases {
        assert_eq!(cell(attributes, address), expected, "{attributes}");
    }
    let bad = [
        (
            "resolver='csv|column=none'",
            &guide,
            "/guide.csv` has no column called `none`",
        ),
        (
            "resolver='csv|headless|column=9'",
            &guide,
            "has no column 9, counted from 0",
        ),
        (
            "resolver='csv'",
            &put("header.csv", "id;text\n"),
            "/header.csv` has no row",
        ),
        (
            "resolver='csv'",
            &put("empty.csv", ""),
            "/empty.csv` has no header",
        ),
        (
            "resolver='csv'",
            &format!("{}/none.csv", server.address),
            "/none.csv` answers 404",
        ),
    ];
    for (attributes, address, why) in bad {
        let got = cell(attributes, address).unwrap_err();
        assert!(got.contains(why), "{attributes}: {got}");
    }

    // A file without an end: the row is all that is asked for.
    let server = Server::start();
    let row = format!("id;text\n1;found\n{}", "2;and on\n".repeat(10_000));
    let endless = server.put("endless.csv", row, Manner::Endless);
    for resolver in ["csv|separator=;|column=text", "csv|column=text"] {
        let before = server.sent();
        assert_eq!(
            cell(&format!("resolver='{resolver}'"), &endless),
            ok("found")
        );
        // What the kernel takes before anybody reads it is sent too.
        let sent = server.sent() - before;
        assert!(sent < 16 << 20, "{resolver}: {sent} bytes");
    }
    assert_eq!(server.heard().len(), 2);

    // What the editor would not understand is a fault of the config, whether it is to be carried out or not.
    let line = format!("{}\n", json!({"text": "x"}));
    common::write(dir.path(), "tasks.jsonl", line);
    common::write(
        dir.path(),
        "config.xml",
        "<View>\n  <Text name='t' value='$text' resolver='csv|header'/></View>",
    );
    let ran = import(
        dir.path(),
        "tasks.jsonl",
        "bad",
        &["--label-config", "config.xml"],
    );
    assert_eq!(ran.code(), 1, "{}", ran.stderr);
    let said = "error[label-config]: config.xml:2:32: the resolver has the option `header`";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    let ran = import(
        dir.path(),
        "tasks.jsonl",
        "bad",
        &["--label-config", "config.xml", "--no-validation"],
    );
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
}

#[test]
fn the_imports_are_the_same_whatever_the_threads_and_the_pieces() {
    let dir = common::temp();
    common::write(dir.path(), "config.xml", TEXT);
    let server = Server::start();
    let addresses: Vec<String> = (0..40)
        .map(|n| {
            server.put(
                &format!("t{n}"),
                format!("text {n} ").repeat(1 + n * n * 20),
                Manner::Fine,
            )
        })
        .collect();
    let mut csv = String::from("id,text\n");
    for n in 0..600 {
        let address = match n % 50 {
            7 => format!("{}/lost", server.address),
            9 => String::new(),
            n => addresses[n * 7 % 40].clone(),
        };
        writeln!(csv, "{n},{address}").unwrap();
    }
    common::write(dir.path(), "tasks.csv", csv);
    let flags = |more: &[&'static str]| {
        [
            more,
            &[
                "--provenance",
                "--max-bytes",
                "300kB",
                "--max-rejects",
                "100",
            ],
        ]
        .concat()
    };
    let imports = |out: &str| {
        let mut tasks = tasks(dir.path(), out);
        tasks
            .iter_mut()
            .for_each(|task| drop(task["meta"]["source"]["run"].take()));
        tasks
    };
    let ran = inline(dir.path(), "tasks.csv", "one", &flags(&["--threads", "1"]));
    assert_eq!(ran.code(), 3, "{}", ran.stderr);
    let expected = imports("one");
    assert_eq!(
        (expected.len(), rejects(dir.path(), "one").len()),
        (588, 12)
    );
    for task in &expected {
        let (id, record) = (
            &task["data"]["id"],
            task["meta"]["source"]["record"].as_u64().unwrap(),
        );
        assert_eq!(id.as_str().unwrap(), (record - 1).to_string());
        let n = (record - 1) as usize % 50;
        let text = if n == 9 {
            String::new()
        } else {
            let n = n * 7 % 40;
            format!("text {n} ").repeat(1 + n * n * 20)
        };
        assert_eq!(task["data"]["text"], text);
    }
    assert_eq!(server.heard().len(), 42 - 1);
    for (out, more) in [
        (
            "many",
            [
                "--threads",
                "4",
                "--chunk-bytes",
                "128",
                "--memory",
                "64MiB",
            ],
        ),
        (
            "little",
            [
                "--threads",
                "2",
                "--chunk-bytes",
                "4096",
                "--memory",
                "8MiB",
            ],
        ),
    ] {
        let ran = inline(dir.path(), "tasks.csv", out, &flags(&more));
        assert_eq!(ran.code(), 3, "{}", ran.stderr);
        assert!(imports(out) == expected, "{out}");
    }
}

#[test]
fn other_tags_other_formats_and_what_is_asked_beside_it() {
    let dir = common::temp();
    let server = Server::start();
    let talk = server.put(
        "talk.json",
        "[{\"author\":\"A\",\n\"text\":\"Hi\"}]",
        Manner::Fine,
    );
    let series = server.put("series.csv", "time,v\n1,2.5\n2,3\n", Manner::Fine);
    let page = server.put("page.html", "<p>x</p>", Manner::Fine);
    let config = r#"<View><Paragraphs name="p" value="$deep.talk" valueType="url"/><TimeSeries name="s" value="$series"/>
        <HyperText name="h" value="$page" valueType="url"/><Image name="i" value="$image"/></View>"#;
    common::write(dir.path(), "config.xml", config);
    let image = Strange::start();
    let task = |image: &str| json!({"data": {"deep": {"talk": talk}, "series": series, "page": page, "image": image}, "meta": {"a": 1}});
    let lines = format!(
        "{}\n{}\n",
        task(&image.url("ok/a.jpg")),
        task(&image.url("gone/b.jpg"))
    );
    common::write(dir.path(), "tasks.jsonl", lines);
    let mut command = common::sluice();
    command.current_dir(dir.path()).args([
        "import",
        "tasks.jsonl",
        "--to",
        "-",
        "--label-config",
        "config.xml",
        "--inline",
        "urls",
        "--media-check",
        "all",
    ]);
    let ran = common::run(&mut command, common::PATIENCE);
    assert_eq!(ran.code(), 3, "{}", ran.stderr);
    let out = String::from_utf8(ran.stdout.clone()).unwrap();
    assert_eq!(out.lines().count(), 1, "{out}");
    let got: Value = serde_json::from_str(&out).unwrap();
    let data = &got["data"];
    assert_eq!(data["deep"]["talk"], json!([{"author": "A", "text": "Hi"}]));
    assert_eq!(data["series"], json!({"time": [1, 2], "v": [2.5, 3]}));
    assert_eq!(
        (&data["page"], &got["meta"]["a"]),
        (&json!("<p>x</p>"), &json!(1))
    );
    // What is inlined is no medium: it is asked for once, by GET.
    assert!(
        ran.stderr
            .contains("2 media asked for, 1 of them not there"),
        "{}",
        ran.stderr
    );
    assert!(server.heard().iter().all(|head| head.starts_with("GET ")));
    assert!(
        ran.stderr.contains("take valueType=\"url\""),
        "{}",
        ran.stderr
    );

    // Lines of a text are addresses too.
    common::write(
        dir.path(),
        "config.xml",
        r#"<View><Text name="t" value="$t" valueType="url"/></View>"#,
    );
    common::write(dir.path(), "urls.txt", format!("{page}\n"));
    let ran = inline(dir.path(), "urls.txt", "lines", &[]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert_eq!(tasks(dir.path(), "lines")[0]["data"]["t"], "<p>x</p>");
    let ran = import(dir.path(), "urls.txt", "none", &["--inline", "urls"]);
    assert_eq!(ran.code(), 2, "{}", ran.stderr);
    let ran = inline(dir.path(), "urls.txt", "none", &["--media-check", "all"]);
    assert!(
        ran.code() == 2 && ran.stderr.contains("or all are inlined"),
        "{}",
        ran.stderr
    );
}

#[test]
fn ctrl_c_ends_the_run_although_servers_are_slow() {
    let dir = common::temp();
    common::write(dir.path(), "config.xml", TEXT);
    let server = Server::start();
    let slow = Manner::Slow {
        bytes: 1,
        wait: Duration::from_secs(2),
    };
    let lines: Vec<_> = (0..500)
        .map(|n| {
            (
                n.to_string(),
                server.put(&format!("s{n}"), "slow text", slow.clone()),
            )
        })
        .collect();
    common::write(dir.path(), "tasks.jsonl", jsonl(&lines));
    let mut command = common::sluice();
    command.current_dir(dir.path());
    command.args([
        "import",
        "tasks.jsonl",
        "--to",
        "out",
        "--label-config",
        "config.xml",
        "--inline",
        "urls",
    ]);
    let ran = common::run_told(&mut command, common::PATIENCE, drop, |pid| {
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(1_000));
            common::signal(pid, libc::SIGINT);
        });
    });
    assert_eq!(ran.code(), 130, "{}", ran.stderr);
    assert!(tasks(dir.path(), "out").is_empty());
}

#[test]
fn columns_that_a_remote_table_has_not_end_the_run_before_anything_is_sent() {
    let dir = common::temp();
    let server = Server::start();
    let rows = "1,\"a\nb\"\n".repeat(50_000);
    let good = server.put("good.csv", format!("id,text\n{rows}"), Manner::Fine);
    let bad = server.put("bad.csv", format!("id,txt\n{rows}"), Manner::NoRanges);
    for flag in ["--pick=text", "--map=body=text"] {
        let mut command = common::sluice();
        command
            .current_dir(dir.path())
            .args(["import", &good, &bad, "--to", "-", flag]);
        let ran = common::run(&mut command, common::PATIENCE);
        assert_eq!(ran.code(), 2, "{}", ran.stderr);
        assert!(ran.stdout.is_empty());
        let said = format!("no column is called `text`\n  --> {bad}");
        assert!(ran.stderr.contains(&said), "{}", ran.stderr);
    }
    let heads = server.heard();
    let ranges: Vec<_> = heads
        .iter()
        .filter(|head| head.starts_with("GET /good"))
        .filter_map(|head| header(head, "range"))
        .collect();
    assert!(
        ranges
            .iter()
            .all(|range| *range == "bytes=0-0" || *range == "bytes=0-163839"),
        "{ranges:?}"
    );
}

#[test]
fn ten_thousand_texts_are_inlined_in_seconds_and_a_server_is_not_overrun() {
    let dir = common::temp();
    common::write(dir.path(), "config.xml", TEXT);
    let server = Strange::start();
    let lines: Vec<_> = (0..10_000)
        .map(|n| (n.to_string(), server.url(&format!("text/{n}"))))
        .collect();
    common::write(dir.path(), "tasks.jsonl", jsonl(&lines));
    let ran = inline(dir.path(), "tasks.jsonl", "out", &[]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let tasks = tasks(dir.path(), "out");
    assert!(
        tasks
            .iter()
            .enumerate()
            .all(|(n, task)| task["data"]["text"] == format!("text {n}"))
    );
    assert_eq!((tasks.len(), server.requests()), (10_000, 10_000));
    assert!(server.most_at_once() <= 16, "{}", server.most_at_once());
    println!("10,000 texts in {:?}, {} MiB", ran.took, ran.peak >> 20);
}
