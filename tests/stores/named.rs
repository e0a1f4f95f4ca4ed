//! Objects that a list names, and texts behind the addresses of tasks.

use serde_json::{Value, json};

use crate::common;
use crate::servers::{self, Store};
use crate::{import_by, imports_of};

fn address(store: &Store, key: &str) -> String {
    format!("{}/{key}", store.root)
}

#[test]
fn a_list_names_objects_prefixes_and_patterns_wherever_it_lies() {
    for store in servers::all() {
        for (key, body) in [
            ("named/b.jsonl", "{\"n\":1}\n"),
            ("named/more/z.csv", "n\n2\n"),
            ("named/more/a.csv", "n\n3\n"),
        ] {
            store.put(key, body);
        }
        let words: Vec<_> = ["named/b.jsonl", "named/more/", "named/**/z.csv"]
            .iter()
            .map(|key| address(store, key))
            .collect();
        let plain: Vec<&str> = words.iter().map(String::as_str).collect();
        let expected = import_by(&mut store.sluice(), &plain, &[]);
        assert_eq!(expected.ran.code(), 0, "{}", expected.ran.stderr);
        assert_eq!(imports_of(&expected).len(), 1);

        let folder = common::temp();
        let list = common::write(folder.path(), "list.txt", words.join("\n"));
        store.put("lists/list.csv", format!("url\n{}\n", words.join("\n")));
        for list in [list.to_str().unwrap(), &address(store, "lists/list.csv")] {
            let listed = import_by(&mut store.sluice(), &[list], &["--list"]);
            assert_eq!(listed.ran.code(), 0, "{list}: {}", listed.ran.stderr);
            assert_eq!(imports_of(&listed), imports_of(&expected), "{list}");
        }
        // A list from a bucket says nothing of this machine's files.
        store.put("lists/local.txt", list.to_str().unwrap());
        let refused = import_by(
            &mut store.sluice(),
            &[&address(store, "lists/local.txt")],
            &["--list"],
        );
        assert_eq!(refused.ran.code(), 2, "{}", refused.ran.stderr);
        assert!(
            refused
                .ran
                .stderr
                .contains("addresses of the web and of buckets only"),
            "{}",
            refused.ran.stderr
        );
    }
}

#[test]
fn texts_in_buckets_take_the_place_of_their_addresses() {
    let folder = common::temp();
    let config = common::write(
        folder.path(),
        "config.xml",
        r#"<View><Text name="t" value="$text" valueType="url"/><Header value="$id"/></View>"#,
    );
    let long = "Grüße, \"Welt\"\n\u{1f600} ".repeat(4_000);
    for store in servers::all() {
        store.put("texts/one 1.txt", long.clone());
        store.put("texts/latin", [0x47, 0xfc]);
        let row =
            |id: &str, key: &str| json!({"id": id, "text": address(store, key)}).to_string() + "\n";
        let rows = row("one", "texts/one 1.txt")
            + &row("none", "texts/none.txt")
            + &row("latin", "texts/latin")
            + &row("again", "texts/one 1.txt");
        let source = common::write(folder.path(), "rows.jsonl", rows);
        let flags = [
            "--label-config",
            config.to_str().unwrap(),
            "--inline",
            "urls",
        ];
        let inlined = import_by(&mut store.sluice(), &[source.to_str().unwrap()], &flags);
        assert_eq!(inlined.ran.code(), 3, "{}", inlined.ran.stderr);
        let imports = imports_of(&inlined);
        let tasks: Vec<Value> = serde_json::from_slice(&imports[0].1).unwrap();
        let of = |id: &str| json!({"data": {"id": id, "text": long}});
        assert_eq!(tasks, [of("one"), of("again")]);
        for key in ["texts/none.txt", "texts/latin"] {
            assert!(
                inlined.ran.stderr.contains(&address(store, key)),
                "{key}: {}",
                inlined.ran.stderr
            );
        }
    }
}
