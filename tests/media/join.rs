//! `--join`.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::common::{self, Ran};

fn import(dir: &Path, source: &str, out: &str, more: &[&str]) -> Ran {
    let mut command = common::sluice();
    command
        .current_dir(dir)
        .args(["import", source, "--to", out])
        .args(more);
    common::run(&mut command, common::PATIENCE)
}

fn tasks(dir: &Path, out: &str) -> Vec<Value> {
    let path = dir.join(out).join("import-000001.json");
    std::fs::read(path).map_or_else(
        |_| Vec::new(),
        |json| serde_json::from_slice(&json).unwrap(),
    )
}

const ON_FILENAME: [&str; 4] = ["--join", "captions.csv", "--on", "filename"];

#[test]
fn media_get_the_row_of_their_file_name() {
    let dir = common::temp();
    std::fs::create_dir_all(dir.path().join("photos/deep")).unwrap();
    for name in ["photos/a b.jpg", "photos/deep/ü.png", "photos/z.jpg"] {
        common::write(dir.path(), name, "");
    }
    common::write(
        dir.path(),
        "captions.csv",
        "caption,filename,n\n\"Sea, \"\"x\"\"\",ü.png,007\nBee,a b.jpg,\nNone,other.jpg,1\n",
    );
    for (out, prefix) in [
        ("web", "https://h/p/"),
        ("local", "/data/local-files/?d=photos/"),
        ("bucket", "s3://b/"),
    ] {
        let more = [
            &["--media-url", prefix, "--data-key", "image"][..],
            &ON_FILENAME,
        ]
        .concat();
        let ran = import(dir.path(), "photos", out, &more);
        assert_eq!(ran.code(), 3, "{}", ran.stderr);
        let tasks = tasks(dir.path(), out);
        assert_eq!(tasks.len(), 2, "{tasks:?}");
        assert_eq!(
            (&tasks[0]["data"]["caption"], &tasks[0]["data"]["n"]),
            (&json!("Bee"), &json!(""))
        );
        assert_eq!(
            (&tasks[1]["data"]["caption"], &tasks[1]["data"]["n"]),
            (&json!("Sea, \"x\""), &json!("007"))
        );
        assert!(
            tasks[1]["data"]["image"]
                .as_str()
                .unwrap()
                .starts_with(prefix)
        );
        let rejects = std::fs::read_to_string(dir.path().join(out).join("rejects.jsonl")).unwrap();
        assert!(
            rejects.contains("join-missing") && rejects.contains("`z.jpg`"),
            "{rejects}"
        );
    }
}

#[test]
fn every_kind_of_record_is_joined_and_the_config_is_held_to_the_columns() {
    let dir = common::temp();
    common::write(
        dir.path(),
        "captions.csv",
        "id,caption,n\n1,one,10\n2,two,20\n",
    );
    let on = ["--join", "captions.csv", "--on", "id"];
    let records = concat!(
        "{\"id\":1,\"text\":\"a\"}\n",
        "{\"data\":{\"id\":\"2\"},\"meta\":{\"x\":1}}\n",
        "{\"id\":2,\"caption\":\"mine\"}\n",
        "{\"id\":[1]}\n",
        "{\"text\":\"https://h/a.jpg\"}\n",
        "{\"data\":{ \"id\" : 1 } ,\"meta\":{}}\n",
    );
    common::write(dir.path(), "tasks.jsonl", records);
    let more = [&on[..], &["--provenance", "--threads", "1"]].concat();
    let ran = import(dir.path(), "tasks.jsonl", "out", &more);
    assert_eq!(ran.code(), 3, "{}", ran.stderr);
    let got = tasks(dir.path(), "out");
    assert_eq!(
        got[0]["data"],
        json!({"id": 1, "text": "a", "caption": "one", "n": "10"})
    );
    assert_eq!(
        got[1]["data"],
        json!({"id": "2", "caption": "two", "n": "20"})
    );
    assert_eq!(got[1]["meta"]["x"], json!(1));
    assert_eq!(got[1]["meta"]["source"]["record"], json!(2));
    assert_eq!(
        got[2]["data"],
        json!({"id": 1, "caption": "one", "n": "10"})
    );
    assert_eq!(got[2]["meta"]["source"]["record"], json!(6));
    assert_eq!(got.len(), 3);
    let rejects = std::fs::read_to_string(dir.path().join("out/rejects.jsonl")).unwrap();
    let codes: Vec<Value> = rejects
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let codes: Vec<_> = codes
        .iter()
        .map(|line| line["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["field-twice", "join-missing", "join-missing"]);

    // A field that only the table has is there for the config, and is of its type.
    common::write(dir.path(), "rows.csv", "id,text\n1,a\n2,b\n");
    let config = |value: &str| format!(r#"<View><Text name="a" value="$text"/><{value}/></View>"#);
    common::write(
        dir.path(),
        "good.xml",
        config(r#"HyperText name="b" value="$caption""#),
    );
    common::write(
        dir.path(),
        "other.xml",
        config(r#"HyperText name="b" value="$story""#),
    );
    common::write(
        dir.path(),
        "list.xml",
        config(
            r#"Repeater on="$caption" indexFlag="{{i}}"><Image name="i" value="$caption[{{i}}].url"/></Repeater><Text name="c" value="$text""#,
        ),
    );
    for (config, code) in [("good.xml", 0), ("other.xml", 1), ("list.xml", 2)] {
        let ran = import(
            dir.path(),
            "rows.csv",
            config.trim_end_matches(".xml"),
            &[&on[..], &["--label-config", config]].concat(),
        );
        assert_eq!(ran.code(), code, "{config}: {}", ran.stderr);
    }
    assert_eq!(
        tasks(dir.path(), "good")[1]["data"],
        json!({"id": "2", "text": "b", "caption": "two", "n": "20"})
    );
}

#[test]
fn a_field_that_both_tables_have_is_refused_at_once_unless_it_is_left_out() {
    let dir = common::temp();
    common::write(dir.path(), "captions.csv", "id,caption\n1,one\n");
    common::write(dir.path(), "rows.csv", "id,caption\n1,mine\n");
    let on = ["--join", "captions.csv", "--on", "id"];
    let ran = import(dir.path(), "rows.csv", "out", &on);
    assert_eq!(ran.code(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("error[field-twice]"), "{}", ran.stderr);
    let more = [&on[..], &["--map", "old=caption"]].concat();
    let ran = import(dir.path(), "rows.csv", "mapped", &more);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let data = &tasks(dir.path(), "mapped")[0]["data"];
    assert_eq!(*data, json!({"id": "1", "old": "mine", "caption": "one"}));
}

#[test]
fn a_table_that_cannot_be_joined_is_refused_before_anything_is_read() {
    let dir = common::temp();
    common::write(dir.path(), "a.txt", "one\n");
    let mut large = String::from("filename,caption\n");
    for n in 0..100_000 {
        writeln!(large, "{n}.jpg,{}", "x".repeat(100)).unwrap();
    }
    for (table, code, said) in [
        (
            "name,caption\na.jpg,b\n",
            2,
            "no column is called `filename`",
        ),
        (
            "filename,caption\na.jpg,b\nc.jpg,d\na.jpg,e\n",
            2,
            "the second is row 3",
        ),
        (
            "filename,caption\na.jpg,b\nc.jpg\n",
            1,
            "row 2 of the table to join",
        ),
        ("", 2, "is empty"),
        (&large, 1, "raise `--memory`"),
    ] {
        common::write(dir.path(), "captions.csv", table);
        let more = [&ON_FILENAME[..], &["--memory", "16MiB"]].concat();
        let ran = import(dir.path(), "a.txt", "out", &more);
        assert_eq!(ran.code(), code, "{said}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("captions.csv"),
            "{said}: {}",
            ran.stderr
        );
        assert!(!dir.path().join("out").exists());
    }
    let ran = import(dir.path(), "a.txt", "out", &["--join", "captions.csv"]);
    assert_eq!(ran.code(), 2, "{}", ran.stderr);
    // Parquet is a table too, and so is what is compressed.
    let foods = common::data("foods.parquet");
    let ran = import(
        dir.path(),
        "a.txt",
        "out",
        &["--join", foods.to_str().unwrap(), "--on", "nowhere"],
    );
    assert!(
        ran.stderr.contains("no column is called `nowhere`"),
        "{}",
        ran.stderr
    );
    std::fs::copy(
        common::data("penguins-raw.csv.gz"),
        dir.path().join("p.csv.gz"),
    )
    .unwrap();
    let ran = import(
        dir.path(),
        "a.txt",
        "out",
        &["--join", "p.csv.gz", "--on", "nowhere"],
    );
    assert!(
        ran.stderr.contains("no column is called `nowhere`"),
        "{}",
        ran.stderr
    );
}
