//! Media in buckets: tasks have their addresses there, or addresses by which whoever has them can read the files. Those are
//! secrets, and stand nowhere but in tasks.

use std::collections::BTreeMap;

use crate::servers::{self, Store, azure, gcs, now, s3};
use crate::{Imported, common, import_by, imports_of};

/// Signs of a signature in an address of any store.
const SIGNATURES: [&str; 3] = ["X-Amz-Signature=", "X-Goog-Signature=", "sig="];

const NAMES: [&str; 3] = ["a b.jpg", "deep/c+d%é.png", "z.mp3"];

fn put(store: &Store, prefix: &str) {
    for name in NAMES {
        store.put(&format!("{prefix}/{name}"), name.as_bytes());
    }
}

fn addresses(imported: &Imported) -> Vec<String> {
    assert_eq!(imported.ran.code(), 0, "{}", imported.ran.stderr);
    let imports = imports_of(imported);
    let tasks: Vec<serde_json::Value> = serde_json::from_slice(&imports[0].1).unwrap();
    let address = |task: &serde_json::Value| task["data"]["image"].as_str().unwrap().to_owned();
    tasks.iter().map(address).collect()
}

/// That no file but the imports, and nothing that was said, has a signature in it.
fn nothing_tells(imported: &Imported) {
    let mut told = vec![imported.ran.stderr.clone()];
    for name in common::names(&imported.folder.path().join("out")) {
        if !name.starts_with("import-") {
            let path = imported.folder.path().join("out").join(name);
            told.push(std::fs::read_to_string(path).unwrap());
        }
    }
    for text in told {
        assert!(!SIGNATURES.iter().any(|sign| text.contains(sign)), "{text}");
    }
}

#[test]
fn media_alone_below_a_prefix_are_tasks_and_beside_data_they_are_left_out() {
    for store in servers::all() {
        put(store, "media");
        for words in ["media", "media/", "media/**/*.{jpg,png,mp3}"] {
            let ran = import_by(
                &mut store.sluice(),
                &[&format!("{}/{words}", store.root)],
                &["--data-key", "image"],
            );
            let expected = NAMES.map(|name| format!("{}/media/{name}", store.root));
            assert_eq!(addresses(&ran), expected, "{words}");
        }
        put(store, "mixed");
        store.put("mixed/tasks.jsonl", "{\"image\":\"of its own\"}\n");
        let ran = import_by(
            &mut store.sluice(),
            &[&format!("{}/mixed/", store.root)],
            &[],
        );
        assert_eq!(addresses(&ran), ["of its own"]);
        assert!(
            ran.ran.stderr.contains("left out 3 images"),
            "{}",
            ran.ran.stderr
        );
    }
}

#[test]
fn a_presigned_address_gives_the_file_to_whoever_has_it() {
    // Whose client signs plain names only.
    let plain = ["a.jpg", "deep/c.png", "z.mp3"];
    for (store, names) in [(s3(), NAMES), (azure(), plain)] {
        for name in names {
            store.put(&format!("signed/{name}"), name.as_bytes());
        }
        let source = format!("{}/signed/", store.root);
        let flags = [
            "--presign",
            "7d",
            "--data-key",
            "image",
            "--media-check",
            "2",
        ];
        let ran = import_by(&mut store.sluice(), &[&source], &flags);
        let addresses = addresses(&ran);
        assert_eq!(addresses.len(), names.len());
        for (address, name) in addresses.iter().zip(names) {
            let signed = SIGNATURES.iter().any(|sign| address.contains(sign));
            assert!(
                address.starts_with("http://127.0.0.1:") && signed,
                "{address}"
            );
            let body = now(async {
                reqwest::get(address)
                    .await?
                    .error_for_status()?
                    .bytes()
                    .await
            });
            assert_eq!(body.unwrap(), name.as_bytes());
            // And to nobody else, where the store looks.
            if store.root.starts_with("az") {
                let plain = address.split('?').next().unwrap();
                assert!(
                    !now(async { reqwest::get(plain).await })
                        .unwrap()
                        .status()
                        .is_success()
                );
            }
        }
        nothing_tells(&ran);
    }
}

/// The settings of a store of Google's kind, with a service account that has a key.
fn with_key(store: &Store) -> BTreeMap<String, String> {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let mut account: serde_json::Value =
        serde_json::from_str(&store.settings["GOOGLE_SERVICE_ACCOUNT_KEY"]).unwrap();
    account["disable_oauth"] = false.into();
    account["client_email"] = "someone@example.com".into();
    account["private_key"] = pair.serialize_pem().into();
    account["private_key_id"] = "1".into();
    let mut settings = store.settings.clone();
    settings.insert("GOOGLE_SERVICE_ACCOUNT_KEY".to_owned(), account.to_string());
    settings
}

#[test]
fn google_s_addresses_are_signed_with_the_account_s_key_or_not_at_all() {
    let store = gcs();
    put(store, "signed");
    let source = "gs://sluice/signed/";
    let flags = ["--presign", "36h", "--data-key", "image"];
    let mut sluice = store.sluice();
    sluice.envs(with_key(store));
    let ran = import_by(&mut sluice, &[source], &flags);
    for (address, name) in addresses(&ran).iter().zip(NAMES) {
        let url = url::Url::parse(address).unwrap();
        let query: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(query["X-Goog-Algorithm"], "GOOG4-RSA-SHA256");
        assert_eq!(query["X-Goog-Expires"], "129600");
        assert!(
            query["X-Goog-Credential"].starts_with("someone@example.com/"),
            "{address}"
        );
        assert_eq!(query["X-Goog-Signature"].len(), 512);
        let body = now(async { reqwest::get(address).await?.bytes().await });
        assert_eq!(body.unwrap(), name.as_bytes());
    }
    nothing_tells(&ran);

    let ran = import_by(&mut store.sluice(), &[source], &flags).ran;
    assert_eq!(ran.code(), 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("private key of a service account"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_reject_has_the_address_that_is_no_secret() {
    let store = s3();
    put(store, "signed");
    let folder = common::temp();
    let table = common::write(
        folder.path(),
        "captions.csv",
        "filename,caption\na b.jpg,A bee\n",
    );
    let join = ["--join", table.to_str().unwrap(), "--on", "filename"];
    let flags = [&["--presign", "1h", "--data-key", "image"], &join[..]].concat();
    let ran = import_by(&mut store.sluice(), &["s3://sluice/signed/"], &flags);
    assert_eq!(ran.ran.code(), 3, "{}", ran.ran.stderr);
    nothing_tells(&ran);
    let rejects = std::fs::read_to_string(ran.folder.path().join("out/rejects.jsonl")).unwrap();
    assert_eq!(rejects.lines().count(), 2, "{rejects}");
    assert!(rejects.contains("s3://sluice/signed/z.mp3"), "{rejects}");
}

#[test]
fn what_cannot_be_presigned_is_said_before_anything_is_read() {
    let store = s3();
    put(store, "signed");
    let photo = common::temp();
    let photo = common::write(photo.path(), "a.jpg", "");
    let photo = photo.to_str().unwrap();
    let s3 = "s3://sluice/signed/";
    let cases: [(&str, &[&str], &str); 6] = [
        (s3, &["--presign", "8d"], "7 days at most"),
        (s3, &["--presign", "0.5s"], "a second at least"),
        (s3, &["--presign", "1y"], "there are ms, s, m, h and d"),
        (
            s3,
            &["--presign", "1d", "--media-url", "https://h/"],
            "cannot be used with",
        ),
        (
            s3,
            &["--presign", "1d", "--media-check", "all"],
            "does not go with `--presign`",
        ),
        (
            photo,
            &["--presign", "1d"],
            "say what stands before its path",
        ),
    ];
    for (source, flags, said) in cases {
        let ran = import_by(&mut store.sluice(), &[source], flags).ran;
        assert_eq!(ran.code(), 2, "{flags:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{flags:?}: {}", ran.stderr);
    }
    azure().put("odd/a b.jpg", "");
    let ran = import_by(
        &mut azure().sluice(),
        &["az://sluice/odd/"],
        &["--presign", "1d"],
    )
    .ran;
    assert_eq!(ran.code(), 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("--> az://sluice/odd/a b.jpg"),
        "{}",
        ran.stderr
    );
    let mut public = store.sluice();
    public.env("AWS_SKIP_SIGNATURE", "true");
    let ran = import_by(&mut public, &[s3], &["--presign", "1d"]).ran;
    assert_eq!(ran.code(), 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("AWS_SKIP_SIGNATURE"), "{}", ran.stderr);
    let mut redis = store.sluice();
    redis.args([
        "import",
        s3,
        "--presign",
        "1d",
        "--to",
        "redis://localhost:1/1?path=a",
    ]);
    let ran = common::run(&mut redis, common::PATIENCE);
    assert_eq!(ran.code(), 2, "{}", ran.stderr);

    // What an earlier run has signed is not what this one signs: it is left as it is.
    let to = ["--presign", "1d", "--to", "s3://sluice/signed-tasks"];
    let run = || {
        let mut sluice = store.sluice();
        common::run(sluice.args(["import", s3]).args(to), common::PATIENCE)
    };
    let (first, second) = (run(), {
        // Signatures hold the time, to the second.
        std::thread::sleep(std::time::Duration::from_millis(1_100));
        run()
    });
    assert_eq!(first.code(), 0, "{}", first.stderr);
    assert_eq!(second.code(), 2, "{}", second.stderr);
    assert!(
        second.stderr.contains("of another run"),
        "{}",
        second.stderr
    );
}
