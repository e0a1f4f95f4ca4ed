//! A run goes on at any record of any member, and rejects name the member and the place in it.

use std::collections::HashMap;

use sluice::place::Place;

use crate::library::{Options, run, run_on};
use crate::pack::{KINDS, member, pack};
use crate::{common, import, same};

#[test]
fn a_run_from_any_record_is_the_tail_of_the_whole() {
    let mut members = same::members(200);
    members.retain(|(name, _)| name != "headlines.jsonl");
    members.push(member("z.txt", "one\ntwo\nthree"));
    for kind in KINDS {
        let folder = common::temp();
        common::write(folder.path(), kind, pack(kind, &members));
        let one_by_one = Options {
            max_tasks: 1,
            ..Options::default()
        };
        let read = |options: &Options| {
            let ran = run(folder.path(), options);
            assert!(ran.error.is_none(), "{kind}: {:?}", ran.error);
            let tasks: Vec<(Place, Vec<u8>)> = ran
                .imports
                .into_iter()
                .map(|(about, body)| (about.first, body))
                .collect();
            (tasks, ran.rejects.len(), ran.read)
        };
        let (whole, rejects, told) = read(&one_by_one);
        assert_eq!(rejects, 0);
        // The first of every member, and some between.
        let mut last: HashMap<u32, usize> = HashMap::new();
        for (i, (place, _)) in whole.iter().enumerate() {
            last.insert(place.source.0, i);
        }
        let mut from: Vec<usize> = last
            .values()
            .map(|last| (last + 1).min(whole.len() - 1))
            .collect();
        from.extend((0..whole.len()).step_by(whole.len() / 5));
        for at in from {
            let (tail, _, told_then) = read(&Options {
                from: Some(whole[at].0),
                ..one_by_one.clone()
            });
            assert!(tail == whole[at..], "{kind} from {:?}", whole[at].0);
            assert_eq!(told_then, told, "{kind} from {:?}", whole[at].0);
        }
    }
}

#[test]
fn a_place_that_a_member_does_not_have_is_an_error() {
    for kind in KINDS {
        let bytes = pack(
            kind,
            &[member("a.txt", "one\ntwo\n"), member("b.txt", "three\n")],
        );
        let place = Place {
            source: sluice::place::SourceId(1),
            record: 3,
            at: sluice::place::At::Text { line: 3, byte: 12 },
        };
        let ran = run_on(
            kind,
            &bytes,
            &Options {
                from: Some(place),
                ..Options::default()
            },
        );
        let error = ran.error.unwrap();
        assert!(
            error
                .to_string()
                .contains("the source ends before record 3, where the run stopped"),
            "{error}"
        );
    }
}

#[test]
fn rejects_name_the_member_and_the_place_in_it() {
    for kind in KINDS {
        let folder = common::temp();
        let members = [
            member("good.csv", "a,b\n1,2\n"),
            member("in/bad.csv", "a,b\n1,2\n3\n4,5\n"),
        ];
        common::write(folder.path(), kind, pack(kind, &members));
        let ran = import(folder.path(), &[kind], &[]);
        assert_eq!(ran.code(), 3, "{}", ran.stderr);
        let target = common::Target::read(&folder.path().join("out")).unwrap();
        let reject = &target.rejects[0];
        assert_eq!(reject["source"], format!("{kind}/in/bad.csv"), "{reject}");
        assert_eq!(
            (&reject["line"], &reject["byte"], &reject["record"]),
            (&3.into(), &8.into(), &2.into()),
            "{reject}"
        );
        // Mended, it is a source again.
        let ran = import(folder.path(), &[kind], &["--max-rejects", "0"]);
        assert_eq!(ran.code(), 4);
        assert!(
            ran.stderr.contains(&format!("{kind}/in/bad.csv:3")),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn a_table_of_an_archive_is_no_table_to_join() {
    let folder = common::temp();
    common::write(
        folder.path(),
        "t.zip",
        pack("stored.zip", &[member("t.csv", "a,b\n1,2\n")]),
    );
    common::write(folder.path(), "s.csv", "a\n1\n");
    let ran = import(folder.path(), &["s.csv"], &["--join", "t.zip", "--on", "a"]);
    assert_eq!(ran.code(), 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("error[format]: this is a zip archive"),
        "{}",
        ran.stderr
    );
    // Tasks of an archive are joined as others are.
    common::write(folder.path(), "j.csv", "a,c\n1,3\n");
    let ran = import(folder.path(), &["t.zip"], &["--join", "j.csv", "--on", "a"]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let target = common::Target::read(&folder.path().join("out")).unwrap();
    assert_eq!(
        target.values()[0]["data"],
        serde_json::json!({"a": "1", "b": "2", "c": "3"})
    );
}
