//! Members are as files of a folder.

use std::io::{Cursor, Write};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_ipc::writer::FileWriter;

use crate::common::{self, names};
use crate::pack::{KINDS, Member, compressed, member, pack, tarred};
use crate::{import, imports};

/// Members of every format, in the order in which a folder is read; some have so many records.
pub fn members(rows: i64) -> Vec<Member> {
    let data = |name| std::fs::read(common::data(name)).unwrap();
    let texts = (0..rows).map(|i| format!("text {i}"));
    let columns: [(&str, ArrayRef); 2] = [
        ("n", Arc::new(Int64Array::from_iter_values(0..rows))),
        ("text", Arc::new(StringArray::from_iter_values(texts))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut arrow = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    for from in (0..batch.num_rows()).step_by(100) {
        arrow.write(&batch.slice(from, 100)).unwrap();
    }
    let lines: String = (0..rows).map(|i| format!("{{\"n\":{i}}}\n")).collect();
    vec![
        member("a.arrow", arrow.into_inner().unwrap()),
        member("array.json", "[{\"a\":1},\n {\"a\":\"é\"}]"),
        member("b/foods.parquet", data("foods.parquet")),
        member("b/gz.csv.gz", compressed("gz", &data("penguins.csv"))),
        member("b/zst.jsonl.zst", compressed("zst", lines.as_bytes())),
        member("empty.csv", ""),
        member("headlines.jsonl", data("headlines.jsonl")),
        member("page.html", "<p>A page</p>\n"),
        member("penguins.csv", data("penguins.csv")),
        member("t.txt", "one\ntwo\n\nfour"),
        member("é 日.tsv", "a\tb\n1\t2\n"),
    ]
}

/// Writes members as files below a folder.
fn unpack(folder: &std::path::Path, members: &[Member]) {
    for (name, bytes) in members {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

#[test]
fn every_kind_of_archive_comes_to_the_same_as_the_folder() {
    let folder = common::temp();
    let members = members(3_000);
    unpack(&folder.path().join("in"), &members);
    for flags in [&[][..], &["--csv-types", "auto", "--dedupe", "content"]] {
        let ran = import(folder.path(), &["in"], flags);
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
        let expected = imports(folder.path());
        assert!(expected[0].len() > 100_000);
        for kind in KINDS {
            common::write(folder.path(), kind, pack(kind, &members));
            let ran = import(folder.path(), &[kind], flags);
            assert_eq!(ran.code(), 0, "{kind}: {}", ran.stderr);
            assert!(imports(folder.path()) == expected, "{kind} {flags:?}");
        }
    }
}

#[test]
fn standard_input_is_an_archive_by_its_content() {
    let folder = common::temp();
    let members = members(3_000);
    unpack(&folder.path().join("in"), &members);
    let expected = {
        import(folder.path(), &["in"], &[]);
        imports(folder.path())
    };
    let import_fed = |bytes: Vec<u8>, flags: &[&str]| {
        let mut command = common::sluice();
        command
            .current_dir(folder.path())
            .args(["import", "-", "--to", "out", "--overwrite"]);
        let ran = common::run_fed(command.args(flags), common::PATIENCE, move |mut stdin| {
            // In pieces that end anywhere.
            for piece in bytes.chunks(997) {
                if !common::pour(&mut stdin, piece) {
                    return;
                }
            }
        });
        assert_eq!(ran.misbehaviour(), None, "{}", ran.stderr);
        ran
    };
    for kind in KINDS {
        let ran = import_fed(pack(kind, &members), &[]);
        assert_eq!(ran.code(), 0, "{kind}: {}", ran.stderr);
        assert!(imports(folder.path()) == expected, "{kind}");
        let ran = import_fed(pack(kind, &members), &["--spool-limit", "1k"]);
        assert_eq!(ran.code(), 1, "{kind}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("more than 1024 bytes") && ran.stderr.contains("--spool-limit"),
            "{}",
            ran.stderr
        );
    }
    // What is none is read as ever, whatever was looked at of it.
    for (bytes, tasks) in [
        (b"".to_vec(), 0),
        (b"one\ntwo".to_vec(), 2),
        (compressed("gz", b"one\ntwo\nthree"), 3),
        (
            compressed("bz2", "line\n".repeat(400_000).as_bytes()),
            400_000,
        ),
        ("line\n".repeat(400_000).into_bytes(), 400_000),
    ] {
        let ran = import_fed(bytes, &["--format", "txt"]);
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
        let target = common::Target::read(&folder.path().join("out")).unwrap();
        assert_eq!(target.tasks.len(), tasks);
    }
}

#[test]
fn the_order_is_that_of_the_archive_and_names_are_those_of_folders() {
    let folder = common::temp();
    let members = [
        member("z.txt", "z"),
        member("b/a.txt", "a"),
        member(".hidden.txt", "hidden"),
        member("__MACOSX/._z.txt", "mark"),
        member("b/_SUCCESS", ""),
        member("README", "unknown"),
        member("m.txt", "m"),
    ];
    for kind in KINDS {
        common::write(folder.path(), kind, pack(kind, &members));
        let ran = import(folder.path(), &[kind], &["--provenance"]);
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
        assert!(
            ran.stderr.contains(&format!(
                "left out 1 file whose name tells no format: {kind}/README"
            )),
            "{}",
            ran.stderr
        );
        let target = common::Target::read(&folder.path().join("out")).unwrap();
        let places: Vec<_> = target
            .values()
            .iter()
            .map(|task| {
                (
                    task["data"]["text"].clone(),
                    task["meta"]["source"]["source"].clone(),
                )
            })
            .collect();
        let expected = ["z", "b/a", "m"].map(|path| {
            (
                path.rsplit('/').next().unwrap().into(),
                format!("{kind}/{path}.txt").into(),
            )
        });
        assert_eq!(places, expected);
        let import = &target.manifest["imports"][0];
        assert_eq!(
            (&import["first"]["source"], &import["last"]["source"]),
            (&0.into(), &2.into())
        );
    }
}

#[test]
fn archives_are_found_in_folders_by_patterns_and_by_content() {
    let folder = common::temp();
    let (one, two) = ([member("one.txt", "1")], [member("two.txt", "2")]);
    unpack(
        &folder.path().join("in"),
        &[
            member("a.txt", "0"),
            member("b.zip", pack("stored.zip", &one)),
            member("c.tar.gz", pack("a.tgz", &two)),
        ],
    );
    let texts = |words: &[&str]| {
        let ran = import(folder.path(), words, &[]);
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
        let target = common::Target::read(&folder.path().join("out")).unwrap();
        target
            .values()
            .iter()
            .map(|task| task["data"]["text"].as_str().unwrap().to_owned())
            .collect::<String>()
    };
    assert_eq!(texts(&["in"]), "012");
    assert_eq!(texts(&["in/*.{zip,gz}"]), "12");
    // A name that says nothing of a format.
    for kind in KINDS {
        common::write(folder.path(), "nameless", pack(kind, &one));
        assert_eq!(texts(&["nameless", "in/a.txt"]), "10", "{kind}");
    }
    // A zip behind a program that unpacks it.
    let program = [b"#!/bin/sh\n".repeat(99), pack("deflated.zip", &one)].concat();
    common::write(folder.path(), "self.zip", program);
    assert_eq!(texts(&["self.zip"]), "1");
    // Names in other forms of tar, and two archives one after the other.
    let long = format!("{}/{}.txt", "d".repeat(150), "n".repeat(150));
    let both = [tarred(&one), tarred(&[member(&long, "2")])].concat();
    common::write(folder.path(), "both.tar", both);
    assert_eq!(texts(&["both.tar"]), "12");
}

#[test]
fn media_become_references_by_their_path_in_the_archive() {
    let folder = common::temp();
    let members = [
        member("photos/a b.jpg", "not read"),
        member("c.png", ""),
        member("clip.mp4", ""),
    ];
    for kind in KINDS {
        common::write(folder.path(), kind, pack(kind, &members));
        let flags = [
            "--media-url",
            "https://files.example.com/m",
            "--data-key",
            "image",
        ];
        let ran = import(folder.path(), &[kind], &flags);
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
        let target = common::Target::read(&folder.path().join("out")).unwrap();
        let images: Vec<_> = target
            .values()
            .iter()
            .map(|task| task["data"]["image"].clone())
            .collect();
        assert_eq!(
            images,
            [
                "https://files.example.com/m/photos/a%20b.jpg",
                "https://files.example.com/m/c.png",
                "https://files.example.com/m/clip.mp4",
            ]
        );
        let ran = import(folder.path(), &[kind], &[]);
        assert_eq!(ran.code(), 1);
        assert!(
            ran.stderr
                .contains("error[source-missing]: no data files in the archive"),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("--media-url PREFIX"), "{}", ran.stderr);
    }
}

#[test]
fn a_parquet_file_is_kept_within_the_limit_and_nothing_is_left_of_it() {
    let folder = common::temp();
    let temporary = common::temp();
    let foods = std::fs::read(common::data("foods.parquet")).unwrap();
    for kind in KINDS {
        common::write(
            folder.path(),
            kind,
            pack(kind, &[member("foods.parquet", &*foods)]),
        );
        let ran = import(folder.path(), &[kind], &["--spool-limit", "1k"]);
        assert_eq!(ran.code(), 1, "{kind}: {}", ran.stderr);
        assert!(
            ran.stderr.contains(&format!("--> {kind}/foods.parquet"))
                && ran.stderr.contains("--spool-limit"),
            "{}",
            ran.stderr
        );
        let mut command = common::sluice();
        command
            .current_dir(folder.path())
            .env("TMPDIR", temporary.path());
        command.args([
            "import",
            kind,
            "--to",
            "out",
            "--overwrite",
            "--pick",
            "name",
        ]);
        let ran = common::run(&mut command, common::PATIENCE);
        assert!(matches!(ran.code(), 0 | 2), "{kind}: {}", ran.stderr);
        assert_eq!(names(temporary.path()), [""; 0]);
    }
}

#[test]
fn a_zip_without_sizes_before_its_members_is_read_by_its_directory() {
    // As who writes to a pipe makes it.
    let mut zip = zip::ZipWriter::new_stream(Vec::new());
    zip.start_file("a.txt", zip::write::SimpleFileOptions::default())
        .unwrap();
    zip.write_all(b"one\ntwo").unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    assert!(zip::ZipArchive::new(Cursor::new(&bytes)).is_ok());
    let folder = common::temp();
    common::write(folder.path(), "a.zip", bytes);
    let ran = import(folder.path(), &["a.zip"], &[]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert_eq!(
        common::Target::read(&folder.path().join("out"))
            .unwrap()
            .tasks
            .len(),
        2
    );
}
