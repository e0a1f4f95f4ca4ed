//! What the words on the command line do.

use serde_json::{Value, json};

use crate::common::{self, PATIENCE, Ran, Target};

/// A folder to run in.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Place(common::temp())
    }

    fn with(self, name: &str, body: impl AsRef<[u8]>) -> Self {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, body).expect("a file");
        self
    }

    fn import(&self, words: &[&str]) -> Ran {
        let mut command = common::sluice();
        command
            .arg("import")
            .args(words)
            .args(["--overwrite", "--to", "out"])
            .current_dir(self.0.path());
        let ran = common::run(&mut command, PATIENCE);
        assert_eq!(ran.misbehaviour(), None, "{words:?}");
        ran
    }

    /// The data of all tasks.
    fn data(&self, words: &[&str]) -> Vec<Value> {
        let ran = self.import(words);
        assert_eq!(ran.code(), 0, "{words:?}: {}", ran.stderr);
        let mut tasks = self.target().values();
        tasks.iter_mut().map(|task| task["data"].take()).collect()
    }

    /// Everything said by a run that ends with this exit code.
    fn told(&self, code: i32, words: &[&str]) -> String {
        let ran = self.import(words);
        assert_eq!(ran.code(), code, "{words:?}: {}", ran.stderr);
        ran.stderr
    }

    fn target(&self) -> Target {
        Target::read(&self.0.path().join("out")).expect("a target")
    }
}

fn config(objects: &str) -> String {
    format!(
        "<View>{objects}<Choices name=\"c\" toName=\"o\"><Choice value=\"a\"/></Choices></View>"
    )
}

#[test]
fn values_with_no_name_go_to_the_only_data_key() {
    let place = Place::new()
        .with("lines.txt", "one\n")
        .with("page.html", "<p>")
        .with("some.json", "[{\"text\":\"t\",\"other\":1},7]")
        .with("one.xml", config("<Text name=\"o\" value=\"$body\"/>"))
        .with("none.xml", "<View/>")
        .with("nested.xml", config("<Text name=\"o\" value=\"$a.b\"/>"))
        .with(
            "list.xml",
            config("<Image name=\"o\" value=\"$images[{{idx}}]\"/>"),
        )
        .with(
            "two.xml",
            config("<Text name=\"o\" value=\"$text\"/><Text name=\"p\" value=\"$other\"/>"),
        );
    let of = |source: &str, config: &str| place.data(&[source, "--label-config", config]);
    assert_eq!(place.data(&["lines.txt"]), [json!({"text": "one"})]);
    assert_eq!(of("lines.txt", "one.xml"), [json!({"body": "one"})]);
    assert_eq!(of("page.html", "one.xml"), [json!({"body": "<p>"})]);
    assert_eq!(of("lines.txt", "none.xml"), [json!({"text": "one"})]);
    assert_eq!(of("lines.txt", "nested.xml"), [json!({"a": {"b": "one"}})]);
    assert_eq!(
        place.data(&["lines.txt", "--label-config", "nested.xml", "--set", "k=1"]),
        [json!({"a": {"b": "one"}, "k": 1})]
    );
    for source in ["lines.txt", "page.html"] {
        let told = place.told(2, &[source, "--label-config", "two.xml"]);
        let wanted = format!(
            "error[data-key]: the labelling config has 2 data keys, `text` and `other`: a value with no name of its own could \
             go to any\n  --> {source}:1  (record 1, byte 0)\n  help: name its field with `--data-key KEY`\n"
        );
        assert!(told.contains(&wanted), "{told}");
    }
    let told = place.told(2, &["lines.txt", "--label-config", "list.xml"]);
    assert!(
        told.contains("the labelling config's only data key, `images`, is a list"),
        "{told}"
    );
    let named = [
        "lines.txt",
        "--label-config",
        "two.xml",
        "--data-key",
        "other",
        "--set",
        "text=\"-\"",
    ];
    assert_eq!(place.data(&named), [json!({"other": "one", "text": "-"})]);
    // Records with names of their own are no worse for it.
    place.told(3, &["some.json", "--label-config", "two.xml"]);
    assert_eq!(
        place.target().values(),
        [json!({"data": {"text": "t", "other": 1}})]
    );
    assert_eq!(place.target().rejects[0]["code"], "data-key");
}

#[test]
fn media_are_addresses_in_the_order_of_their_paths() {
    let place = Place::new()
        .with("in/b c.PNG", "")
        .with("in/a.jpg", "not looked at")
        .with("in/sub/\u{e9}#?.wav", "")
        .with("in/sub/t.csv", "image\nhttp://h/1.png\n")
        .with("in/what.bin", "")
        .with("c.xml", config("<Image name=\"o\" value=\"$image\"/>"));
    let images = |words: &[&str]| -> Vec<Value> {
        let words = [words, &["--label-config", "c.xml"]].concat();
        place
            .data(&words)
            .iter()
            .map(|data| data["image"].clone())
            .collect()
    };
    assert_eq!(
        images(&["in", "--media-url", "https://h/x"]),
        [
            "https://h/x/a.jpg",
            "https://h/x/b%20c.PNG",
            "http://h/1.png",
            "https://h/x/sub/%C3%A9%23%3F.wav"
        ]
    );
    assert_eq!(
        images(&["in/**/*.wav", "--media-url", "s3://b/"]),
        ["s3://b/sub/\u{e9}#?.wav"]
    );
    assert_eq!(
        images(&[
            "in/a.jpg",
            "in/b c.PNG",
            "--media-url",
            "/data/local-files/?d="
        ]),
        [
            "/data/local-files/?d=a.jpg",
            "/data/local-files/?d=b%20c.PNG"
        ]
    );
    assert_eq!(
        images(&["in/sub/t.csv", "--format", "reference", "--media-url", "/f"]),
        ["/f/t.csv"]
    );
    // Without a prefix they are left out of folders, and that is said.
    let told = place.told(0, &["in"]);
    assert!(
        told.contains("left out 1 file whose name tells no format: in/what.bin\n"),
        "{told}"
    );
    assert!(
        told.contains("left out 3 images, sounds, films and the like: in/a.jpg, in/b c.PNG, "),
        "{told}"
    );
    assert!(told.contains("`--media-url PREFIX`"), "{told}");
    assert_eq!(place.target().tasks.len(), 1);
    let told = place.told(2, &["in/a.jpg"]);
    assert!(told.contains("error[usage]: media are not read: a task has their address, and this file has none\n  --> in/a.jpg\n"), "{told}");
    for choice in ["--media-url", "https://", "s3://", "/data/local-files/?d="] {
        assert!(told.contains(choice), "{told}");
    }
    place.told(2, &["in", "--media-url", ""]);
    // A format for all files is no reason to read media as such.
    assert_eq!(place.data(&["in", "--format", "csv"]).len(), 1);
}

#[test]
fn media_whose_names_tell_nothing_are_known_by_their_first_bytes() {
    let place = Place::new()
        .with("in/scan 1", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
        .with("in/paper", b"%PDF-1.7\n")
        .with("in/film.part", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom")
        .with("in/sound", b"RIFF\x24\0\0\0WAVEfmt ")
        .with("in/notes", "\u{89}PNG is how a picture starts")
        .with("in/program", b"\x7fELF\x02\x01\x01")
        .with("in/empty", "");
    let words = ["in", "--media-url", "https://h", "--data-key", "image"];
    let images: Vec<_> = place
        .data(&words)
        .iter()
        .map(|data| data["image"].clone())
        .collect();
    assert_eq!(
        images,
        [
            "https://h/film.part",
            "https://h/paper",
            "https://h/scan%201",
            "https://h/sound"
        ]
    );
    let told = place.told(0, &words);
    assert!(told.contains("in/empty, in/notes, in/program\n"), "{told}");
    // One that is named, and one that a pattern names.
    assert_eq!(place.data(&[&["in/scan 1"], &words[1..]].concat()).len(), 1);
    assert_eq!(place.data(&[&["in/s*"], &words[1..]].concat()).len(), 2);
    // Nobody asks for media here.
    assert!(
        place
            .told(1, &["in"])
            .contains("no data files in the folder")
    );
}

#[test]
fn a_folder_of_media_alone_says_what_to_do() {
    let place = Place::new().with("in/a.png", "");
    assert!(place.told(1, &["in"]).contains("`--media-url PREFIX`"));
}

#[test]
#[cfg(unix)]
fn media_are_not_opened() {
    let place = Place::new();
    let path = place.0.path().join("p.png");
    let name = std::ffi::CString::new(path.to_str().expect("UTF-8")).expect("no NUL");
    // SAFETY: the name is a string that ends in NUL and outlives the call. Whoever opened the pipe would wait for ever.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    assert_eq!(
        place.data(&["p.png", "--media-url", "/f"]),
        [json!({"text": "/f/p.png"})]
    );
}

#[test]
fn tables_are_what_the_time_series_asks_for() {
    let series = |value_type: &str| {
        config(&format!(
            "<TimeSeries name=\"o\" value=\"$ts\" {value_type}/>"
        ))
    };
    let place = Place::new()
        .with(
            "s.csv",
            "t,v,w\n1,007,1.50\n2,\"3\",\n9007199254740993,1e5,NaN\n",
        )
        .with("s.tsv", "t\tv\n1\t2\n")
        .with("short.csv", "t,v\n1,2\n3\n")
        .with("many.csv", "ts,n\nhttp://h/1.csv,1\n")
        .with("json.xml", series("valueType=\"json\""))
        .with("url.xml", series("valueType=\"url\""))
        .with("default.xml", series(""));
    let whole = json!({"ts": {"t": [1, 2, "9007199254740993"], "v": ["007", 3, 1e5], "w": [1.5, "", "NaN"]}});
    assert_eq!(
        place.data(&["s.csv", "--label-config", "json.xml"]),
        std::slice::from_ref(&whole)
    );
    let task =
        std::fs::read_to_string(place.0.path().join("out/import-000001.json")).expect("an import");
    assert!(
        task.contains("[1.50,\"\",\"NaN\"]"),
        "digits are kept: {task}"
    );
    assert_eq!(
        place
            .data(&["s.csv", "s.tsv", "--label-config", "json.xml"])
            .len(),
        2
    );
    assert_eq!(
        place.data(&["s.csv", "--label-config", "url.xml", "--series", "json"]),
        [whole]
    );
    let picked = [
        "s.csv",
        "--series",
        "json",
        "--pick",
        "t",
        "--data-key",
        "d",
    ];
    assert_eq!(
        place.data(&picked),
        [json!({"d": {"t": [1, 2, "9007199254740993"]}})]
    );
    for config in ["url.xml", "default.xml"] {
        assert_eq!(
            place.data(&[
                "s.csv",
                "--label-config",
                config,
                "--media-url",
                "https://h/"
            ]),
            [json!({"ts": "https://h/s.csv"})]
        );
        let told = place.told(2, &["s.csv", "--label-config", config]);
        assert!(
            told.contains("  --> s.csv\n") && told.contains("`--series json`"),
            "{told}"
        );
        // A table with a column for the series is a list of them.
        let many = [json!({"ts": "http://h/1.csv", "n": "1"})];
        assert_eq!(place.data(&["many.csv", "--label-config", config]), many);
        let rows = [
            "s.csv",
            "--label-config",
            config,
            "--series",
            "tasks",
            "--no-validation",
        ];
        assert_eq!(place.data(&rows).len(), 3);
    }
    place.told(3, &["short.csv", "--label-config", "json.xml"]);
    let reject = &place.target().rejects[0];
    assert_eq!(
        (&reject["code"], &reject["byte"]),
        (&json!("row-length"), &json!(8))
    );
    place.told(
        3,
        &["s.csv", "--label-config", "json.xml", "--max-bytes", "50"],
    );
    assert_eq!(place.target().rejects[0]["code"], "task-too-large");
    let large = format!("t,v\n{}", "1,2\n".repeat(100_000));
    let place = place.with("large.csv", large);
    place.told(
        3,
        &[
            "large.csv",
            "--label-config",
            "json.xml",
            "--memory",
            "1MiB",
        ],
    );
    assert_eq!(place.target().rejects[0]["code"], "record-too-large");
}

#[test]
fn text_that_is_loaded_from_an_address_is_spoken_of() {
    let place = Place::new()
        .with("t.txt", "http://h/1\nhttp://h/2\n")
        .with("p.html", "<p>")
        .with("tasks.json", "[{\"u\":\"http://h\"}]")
        .with(
            "c.xml",
            config("<HyperText name=\"o\" value=\"$u\" valueType=\"url\"/>"),
        );
    let of = |words: &[&str]| place.data(&[words, &["--label-config", "c.xml"]].concat());
    assert_eq!(
        of(&["t.txt", "--media-url", "https://h"]),
        [json!({"u": "https://h/t.txt"})]
    );
    assert_eq!(
        of(&["p.html", "--media-url", "https://h"]),
        [json!({"u": "https://h/p.html"})]
    );
    assert_eq!(of(&["tasks.json"]), [json!({"u": "http://h"})]);
    assert_eq!(
        of(&["t.txt", "--lines", "lf"]),
        [json!({"u": "http://h/1"}), json!({"u": "http://h/2"})]
    );
    let told = place.told(2, &["t.txt", "--label-config", "c.xml"]);
    assert!(
        told.contains("the labelling config's HyperText `o` has valueType=\"url\"")
            && told.contains("`--lines lf`"),
        "{told}"
    );
}

#[test]
fn documents_are_in_base64_where_the_config_says_so() {
    let place = Place::new()
        .with("p.html", b"<p>caf\xe9</p>")
        .with("t.txt", b"\xFF\xFEo\x00")
        .with(
            "c.xml",
            config("<HyperText name=\"o\" value=\"$h\" encoding=\"base64\"/>"),
        );
    let of = |words: &[&str]| place.data(&[words, &["--label-config", "c.xml"]].concat());
    assert_eq!(of(&["p.html"]), [json!({"h": "PHA+Y2Fm6TwvcD4="})]);
    assert_eq!(of(&["t.txt", "--whole-file"]), [json!({"h": "//5vAA=="})]);
    assert_eq!(of(&["t.txt"]), [json!({"h": "o"})]);
    place.told(3, &["p.html"]);
    let reject = &place.target().rejects[0];
    assert_eq!(
        (&reject["code"], &reject["byte"]),
        (&json!("encoding"), &json!(6))
    );
    assert_eq!(
        place.data(&["p.html", "--encoding", "latin1"]),
        [json!({"text": "<p>caf\u{e9}</p>"})]
    );
}

#[test]
fn what_cannot_be_read_is_refused_by_name_or_by_content() {
    let files: [(&str, &[u8]); 6] = [
        ("book.xlsx", b"PK\x03\x04"),
        ("letter.docx", b"{\"text\":\"a\"}\n"),
        ("rows.avro", b"Obj\x01"),
        ("list.yaml", b"- a\n"),
        ("renamed.csv", b"Obj\x01\x04"),
        ("photo", b"\x89PNG\r\n\x1A\n\0\0"),
    ];
    for (name, bytes) in files {
        let place = Place::new().with(name, bytes);
        let told = place.told(1, &[name]);
        assert!(told.starts_with("error[format]: this is a"), "{told}");
        assert!(
            told.contains(&format!("\n  --> {name}\n  help: ")),
            "{told}"
        );
    }
    let place = Place::new()
        .with("list.yaml", "- a\n")
        .with("in/book.xlsx", "PK")
        .with("in/t.txt", "one\n");
    assert_eq!(
        place.data(&["list.yaml", "--format", "txt"]),
        [json!({"text": "- a"})]
    );
    assert_eq!(place.data(&["in"]), [json!({"text": "one"})]);
    let place = Place::new()
        .with("words.txt", "ORC and GIF89a\n")
        .with("gif.txt", "GIF89a came later\n");
    assert_eq!(place.data(&["words.txt", "gif.txt"]).len(), 2);
}
