//! Files behind HTTP: the same imports as from the file on the disk, or an error that says what is wrong.

use std::io::Write as _;
use std::time::Duration;

use crate::common;
use crate::misbehaving::{Manner, Server, header};
use crate::{import, import_with, imports_of, same_as_local};

/// Enough lines for several parts.
fn lines() -> Vec<u8> {
    (0..3_000)
        .map(|i| format!("{{\"text\":\"line {i} of a file\",\"n\":{i}}}\n"))
        .collect::<String>()
        .into_bytes()
}

#[test]
fn whatever_the_server_does_the_imports_are_those_of_the_file() {
    let server = Server::start();
    let body = lines();
    let manners = [
        ("fine", Manner::Fine),
        ("no-ranges", Manner::NoRanges),
        ("chunked", Manner::Chunked),
        ("cut-often", Manner::CutEvery(9_973)),
        ("cut-seldom", Manner::CutEvery(50_021)),
        (
            "cut-whole",
            Manner::CutWhole {
                answers: 4,
                after: 70_001,
            },
        ),
        (
            "slow",
            Manner::Slow {
                bytes: 40_000,
                wait: Duration::from_millis(50),
            },
        ),
        (
            "wait",
            Manner::First(vec![(429, Some("1")), (503, None), (500, None)]),
        ),
        ("burst", Manner::First(vec![(502, None); 4])),
    ];
    let local = common::temp();
    let file = common::write(local.path(), "local.jsonl", &body);
    let expected = imports_of(&import(&[file.to_str().unwrap()]));
    for (name, manner) in manners {
        let url = server.put(&format!("{name}.jsonl"), body.clone(), manner);
        let ran = import(&[&url]);
        assert_eq!(ran.ran.code(), 0, "{name}: {}", ran.ran.stderr);
        assert_eq!(imports_of(&ran), expected, "{name}");
    }
}

#[test]
fn a_connection_cut_at_any_byte_goes_on_there() {
    let server = Server::start();
    let body: Vec<u8> = (0..40)
        .flat_map(|i| format!("{{\"n\":{i}}}\n").into_bytes())
        .collect();
    for k in 1..=17 {
        let url = server.put(&format!("cut-{k}.jsonl"), body.clone(), Manner::CutEvery(k));
        same_as_local("cut.jsonl", &body, &url);
    }
}

#[test]
fn every_format_comes_whole() {
    let server = Server::start();
    for name in ["penguins.csv", "headlines.jsonl", "foods.parquet"] {
        let body = std::fs::read(common::data(name)).unwrap();
        for (manner, label) in [(Manner::Fine, "fine"), (Manner::CutEvery(10_007), "cut")] {
            let url = server.put(&format!("{label}/{name}"), body.clone(), manner);
            same_as_local(name, &body, &url);
        }
    }
}

#[test]
fn archives_are_listed_and_read_whatever_the_server_does() {
    let server = Server::start();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let mut tar = tar::Builder::new(Vec::new());
    let foods = std::fs::read(common::data("foods.parquet")).unwrap();
    for (name, body) in [
        ("a.jsonl", lines()),
        ("foods.parquet", foods),
        ("z/z.txt", b"z".to_vec()),
    ] {
        zip.start_file(name, zip::write::SimpleFileOptions::default())
            .unwrap();
        zip.write_all(&body).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(body.len() as u64);
        tar.append_data(&mut header, name, &*body).unwrap();
    }
    let (zip, tar) = (
        zip.finish().unwrap().into_inner(),
        tar.into_inner().unwrap(),
    );
    let tgz = {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gz.write_all(&tar).unwrap();
        gz.finish().unwrap()
    };
    for (name, body) in [("a.zip", zip), ("a.tar", tar), ("a.tgz", tgz)] {
        for (manner, label) in [
            (Manner::Fine, "fine"),
            (Manner::NoRanges, "no-ranges"),
            (Manner::Chunked, "chunked"),
            (Manner::CutEvery(9_973), "cut"),
        ] {
            let url = server.put(&format!("{label}/{name}"), body.clone(), manner);
            same_as_local(name, &body, &url);
            // Its address need not say what it is.
            let url = server.put(
                &format!("{label}/{}", name.len()),
                body.clone(),
                Manner::Fine,
            );
            same_as_local(name, &body, &url);
        }
        let changing = Manner::Changing {
            answers: 2,
            tag: true,
        };
        let url = server.put(&format!("changing/{name}"), body, changing);
        let ran = import(&[&url]).ran;
        assert_eq!(ran.code(), 1, "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains("source-changed"), "{}", ran.stderr);
    }
}

#[test]
fn compression_is_told_from_the_bytes_whoever_made_it() {
    let server = Server::start();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(&lines()).unwrap();
    let gz = gz.finish().unwrap();
    let file = server.put("lines.jsonl.gz", gz.clone(), Manner::CutEvery(4_001));
    same_as_local("lines.jsonl.gz", &gz, &file);
    // It was asked not to; the name says nothing of it.
    let on_its_way = server.put("lines.jsonl", gz.clone(), Manner::Encoded("gzip"));
    same_as_local("lines.jsonl", &lines(), &on_its_way);
    for head in server.heard() {
        assert_eq!(header(&head, "accept-encoding"), Some("identity"), "{head}");
    }
    let other = server.put("br.jsonl", gz, Manner::Encoded("br"));
    let ran = import(&[&other]).ran;
    assert_eq!(ran.code(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("encoded as `br`"), "{}", ran.stderr);
}

#[test]
fn what_is_wrong_is_said_and_nothing_is_taken_for_the_end() {
    let server = Server::start();
    let body = lines();
    let cases = [
        (
            "too-long",
            Manner::TooLong(100),
            1,
            "the connection broke at byte",
        ),
        (
            "never-whole",
            Manner::CutWhole {
                answers: usize::MAX,
                after: 70_001,
            },
            1,
            "the connection broke at byte 70001",
        ),
        (
            "changed",
            Manner::Changing {
                answers: 2,
                tag: true,
            },
            1,
            "source-changed",
        ),
        (
            "changed-unsaid",
            Manner::Changing {
                answers: 2,
                tag: false,
            },
            1,
            "its beginning is not the same",
        ),
        (
            "busy",
            Manner::First(vec![(429, Some("100000")); 50]),
            1,
            "asks to wait 100000 s",
        ),
        (
            "down",
            Manner::First(vec![(503, None); 50]),
            1,
            "the server says 503",
        ),
        (
            "secret",
            Manner::First(vec![(403, None); 50]),
            6,
            "the server says 403",
        ),
        (
            "lost",
            Manner::First(vec![(404, None); 50]),
            1,
            "source-missing",
        ),
    ];
    for (name, manner, code, said) in cases {
        let url = server.put(&format!("{name}.jsonl"), body.clone(), manner);
        let ran = import(&[&format!("{url}?sig=hunter2")]).ran;
        assert_eq!(ran.code(), code, "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{name}: {}", ran.stderr);
        assert!(!ran.stderr.contains("hunter2"), "{name}: {}", ran.stderr);
    }
}

#[test]
fn a_redirect_to_another_host_takes_no_credentials_along() {
    let (first, second) = (Server::start(), Server::start());
    let body = lines();
    let elsewhere = second.put("there.jsonl", body.clone(), Manner::Fine);
    // The same machine under another name is another host.
    let elsewhere = elsewhere.replace("127.0.0.1", "localhost");
    let url = first.put("here.jsonl", Vec::new(), Manner::Redirect(elsewhere));
    let url = url.replace("http://", "http://me:hunter2@");
    let said = same_as_local("here.jsonl", &body, &format!("{url}?sig=hunter2"));
    assert!(!said.contains("hunter2"), "{said}");
    assert!(
        first
            .heard()
            .iter()
            .all(|head| header(head, "authorization").is_some())
    );
    for head in second.heard() {
        assert_eq!(header(&head, "authorization"), None, "{head}");
        assert_eq!(header(&head, "referer"), None, "{head}");
        assert!(!head.contains("hunter2"), "{head}");
    }
}

#[test]
fn picked_columns_are_all_that_is_fetched_of_parquet() {
    let server = Server::start();
    let body = crate::wide_parquet(8, 40_000);
    let size = body.len() as u64;
    let url = server.put("wide.parquet", body, Manner::Fine);
    let ran = import_with(&[&url], &["--pick", "c2,c5"]);
    assert_eq!(ran.ran.code(), 0, "{}", ran.ran.stderr);
    let sent = server.sent();
    assert!(
        // They are a quarter of it.
        sent * 100 < size * 27,
        "{sent} of {size} bytes were fetched"
    );
}
