//! Objects in buckets: the same imports as from a folder with the same files.

use std::time::{Duration, Instant};

use crate::servers::{self, Store, cutting, s3};
use crate::{common, import, import_by, import_with, imports_of, same_as_local_by};

fn lines(count: usize) -> Vec<u8> {
    let line = |i| format!("{{\"text\":\"line {i} of an object\",\"n\":{i}}}\n");
    (0..count).map(line).collect::<String>().into_bytes()
}

/// Files of several formats, with names that are hard on addresses.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let data = |name| std::fs::read(common::data(name)).unwrap();
    vec![
        ("a.jsonl", lines(3_000)),
        ("b/one.csv", data("penguins.csv")),
        ("b/two.jsonl", lines(7)),
        ("c c/100% d+é~.jsonl", lines(3)),
        ("empty.jsonl", Vec::new()),
        ("foods.parquet", data("foods.parquet")),
        ("x.zip", archive()),
        ("z.txt", b"one\ntwo\n".to_vec()),
    ]
}

/// A zip with two members.
fn archive() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, body) in [("m.jsonl", lines(3_000)), ("in/it.jsonl", lines(5))] {
        zip.start_file(name, zip::write::SimpleFileOptions::default())
            .unwrap();
        std::io::Write::write_all(&mut zip, &body).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn put_all(store: &Store, prefix: &str) {
    for (name, body) in files() {
        store.put(&format!("{prefix}/{name}"), body);
    }
    for mark in ["_SUCCESS", ".hidden.jsonl", "b/manifest.json", "x.bin"] {
        store.put(&format!("{prefix}/{mark}"), "{}");
    }
    store.put(&format!("{prefix}-beside/a.jsonl"), "{}\n");
}

#[test]
fn a_prefix_a_pattern_and_an_object_are_read_as_files_are() {
    let local = common::temp();
    for (name, body) in files() {
        let path = local.path().join("in").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, body).unwrap();
    }
    for mark in ["_SUCCESS", ".hidden.jsonl", "b/manifest.json", "x.bin"] {
        std::fs::write(local.path().join("in").join(mark), "{}").unwrap();
    }
    let folder = local.path().join("in");
    let folder = folder.to_str().unwrap();
    for store in servers::all() {
        put_all(store, "all");
        for (words, alike) in [
            ("", ""),
            ("/", ""),
            ("/**/*.jsonl", "/**/*.jsonl"),
            ("/b", "/b"),
            ("/*.{jsonl,txt}", "/*.{jsonl,txt}"),
            ("/foods.parquet", "/foods.parquet"),
        ] {
            let address = format!("{}/all{words}", store.root);
            let remote = import_by(&mut store.sluice(), &[&address], &[]);
            assert_eq!(remote.ran.code(), 0, "{address}: {}", remote.ran.stderr);
            let expected = import(&[&format!("{folder}{alike}")]);
            assert_eq!(expected.ran.code(), 0, "{}", expected.ran.stderr);
            assert!(imports_of(&remote) == imports_of(&expected), "{address}");
            // Which credentials, never what they are.
            assert!(
                remote.ran.stderr.contains("reading ") && remote.ran.stderr.contains(" with "),
                "{}",
                remote.ran.stderr
            );
            for secret in store
                .settings
                .iter()
                .filter(|(name, _)| name.ends_with("KEY"))
            {
                assert!(
                    !remote.ran.stderr.contains(secret.1.as_str()),
                    "{}",
                    remote.ran.stderr
                );
            }
        }
    }
}

#[test]
fn many_keys_come_in_pages_and_in_order() {
    let store = s3();
    let put = |i: usize| {
        let path = object_store::path::Path::parse(format!("pages/{:04}.txt", 9_999 - i)).unwrap();
        async move {
            object_store::ObjectStoreExt::put(
                &*store.client,
                &path,
                format!("{}\n", 9_999 - i).into(),
            )
            .await
            .unwrap()
        }
    };
    servers::now(async {
        use futures::StreamExt;
        futures::stream::iter(0..1_200)
            .map(put)
            .buffer_unordered(8)
            .collect::<Vec<_>>()
            .await
    });
    let ran = import_by(
        &mut store.sluice(),
        &["s3://sluice/pages/*.txt"],
        &["--data-key", "n"],
    );
    assert_eq!(ran.ran.code(), 0, "{}", ran.ran.stderr);
    let imports = imports_of(&ran);
    let numbers: String = (8_800..=9_999)
        .map(|i| format!(r#"{{"data":{{"n":"{i}"}}}},"#))
        .collect();
    assert_eq!(
        String::from_utf8_lossy(&imports[0].1),
        format!("[{}]", numbers.trim_end_matches(','))
    );
}

#[test]
fn connections_that_are_cut_are_made_again() {
    let store = s3();
    let files = [
        ("lines.jsonl", lines(6_000)),
        // Row groups that are fetched by their columns, and as a whole.
        ("wide.parquet", crate::wide_parquet(6, 6_000)),
        ("narrow.parquet", crate::wide_parquet(2, 6_000)),
    ];
    for (name, body) in &files {
        store.put(&format!("cut/{name}"), body.clone());
    }
    let way = cutting(&store.settings["AWS_ENDPOINT_URL"], 61_007);
    for (name, body) in files {
        let mut sluice = store.sluice();
        sluice.env("AWS_ENDPOINT_URL", &way);
        same_as_local_by(&mut sluice, name, &body, &format!("s3://sluice/cut/{name}"));
    }
}

#[test]
fn what_is_not_there_or_may_not_be_read_is_said_at_once() {
    let store = s3();
    let cases = [
        (
            "s3://sluice/no/such.jsonl",
            1,
            "nothing to read at `s3://sluice/no/such.jsonl`",
        ),
        ("s3://sluice/no/**/*.jsonl", 1, "nothing to read at"),
        (
            "s3://no-such-bucket/x/*.csv",
            1,
            "there is no such bucket as `s3://no-such-bucket`",
        ),
        ("s3:///x", 2, "names no bucket"),
    ];
    for (address, code, said) in cases {
        let ran = import_by(&mut store.sluice(), &[address], &[]).ran;
        assert_eq!(ran.code(), code, "{address}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{address}: {}", ran.stderr);
    }
}

#[test]
fn without_credentials_no_one_is_asked_for_some() {
    for (address, said) in [
        ("s3://bucket/key", "there are no credentials for Amazon S3"),
        (
            "gs://bucket/key",
            "there are no credentials for Google Cloud Storage",
        ),
        (
            "abfss://container@account.dfs.core.windows.net/key",
            "there are no credentials for Azure Blob Storage",
        ),
        (
            "az://container/key",
            "there are no credentials for Azure Blob Storage",
        ),
    ] {
        let began = Instant::now();
        let ran = import_with(&[address], &[]).ran;
        assert!(began.elapsed() < Duration::from_secs(5), "{address}");
        assert!(matches!(ran.code(), 2 | 6), "{address}: {}", ran.stderr);
        assert!(
            ran.stderr.contains(said) && ran.stderr.contains("help: set "),
            "{address}: {}",
            ran.stderr
        );
    }
    let half = import_by(
        crate::sluice().env("AWS_ACCESS_KEY_ID", "testing"),
        &["s3://bucket/key"],
        &[],
    )
    .ran;
    assert!(
        half.stderr
            .contains("AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not"),
        "{}",
        half.stderr
    );
}

#[test]
fn a_profile_of_the_aws_files_is_used() {
    let store = s3();
    store.put("profile/a.jsonl", lines(5));
    let home = common::temp();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let credentials = "[default]\naws_access_key_id = wrong\n[work]\naws_access_key_id = testing\naws_secret_access_key = hunter2\n";
    std::fs::write(home.path().join(".aws/credentials"), credentials).unwrap();
    std::fs::write(
        home.path().join(".aws/config"),
        "[profile work]\nregion = us-east-1\n[profile sso]\nsso_session = x\n",
    )
    .unwrap();
    let by = |profile: &str| {
        let mut sluice = crate::sluice();
        sluice.env("HOME", home.path()).env("AWS_PROFILE", profile);
        sluice.env("AWS_ENDPOINT_URL", &store.settings["AWS_ENDPOINT_URL"]);
        import_by(&mut sluice, &["s3://sluice/profile/"], &[]).ran
    };
    let work = by("work");
    assert_eq!(work.code(), 0, "{}", work.stderr);
    assert!(
        work.stderr
            .contains("with the profile `work` of the AWS files"),
        "{}",
        work.stderr
    );
    assert!(!work.stderr.contains("hunter2"), "{}", work.stderr);
    let sso = by("sso");
    assert_eq!(sso.code(), 6, "{}", sso.stderr);
    assert!(sso.stderr.contains("export-credentials"), "{}", sso.stderr);
}
