//! Archives made to harm, or by mistake: names that lead elsewhere, members that are no files, directories that lie.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use sluice::error::{Code, Error};
use sluice::read::archive::{Looking, expand};
use sluice::source::local::{Listing, Taking, list};

use crate::pack::{Said, compressed, end, entry, member, pack, pax, tarred, zip_of, zip_that_says};
use crate::{common, import, library};

/// Lists what is in an archive.
pub fn listed(path: &Path) -> Result<Listing, Error> {
    let mut listing = list(&[path.display().to_string()])?;
    let looking = Looking {
        spool_limit: 1 << 20,
        stdin: false,
    };
    expand(&mut listing, &Taking::default(), looking)?;
    Ok(listing)
}

fn listed_bytes(name: &str, bytes: &[u8]) -> Result<Listing, Error> {
    let folder = common::temp();
    listed(&common::write(folder.path(), name, bytes))
}

/// A tar of one file with this name, in the header or before it.
fn tar_named(name: &[u8], form: usize) -> Vec<u8> {
    let before = match form {
        0 => Vec::new(),
        1 => entry(
            b'L',
            b"././@LongLink",
            name.len() as u64 + 1,
            &[name, b"\0"].concat(),
        ),
        _ => {
            let record = pax("path", name);
            entry(b'x', b"pax", record.len() as u64, &record)
        }
    };
    [before, entry(b'0', name, 5, b"text\n"), end()].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_name_leads_nowhere_or_is_refused(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "..", ".", "", "a", "b.csv", "c.txt", "\\", "..\\x.csv", "C:", "c:\\w.csv", "\0", "\n", "\u{1b}[2J", "é", " ", "~",
                "....", "x\u{202e}.csv", "nul", "$(id).csv", "%2e%2e",
            ]),
            1..6,
        ),
        slash in any::<bool>(),
        form in 0..4usize,
    ) {
        let name = format!("{}{}", if slash { "/" } else { "" }, parts.join("/"));
        let folder = common::temp();
        let path = if form == 3 {
            common::write(folder.path(), "a.zip", zip_of(name.as_bytes(), b"text\n", |_| {}))
        } else {
            common::write(folder.path(), "a.tar", tar_named(name.as_bytes(), form))
        };
        match listed(&path) {
            Ok(listing) => for source in &listing.sources {
                let source = source.unwrap();
                let inside = source.name.strip_prefix(&format!("{}/", path.display())).unwrap();
                prop_assert!(!inside.split('/').any(|part| matches!(part, "" | "." | "..")), "{inside:?}");
                prop_assert!(!inside.contains(['\\', '\0', '\n', '\u{1b}']), "{inside:?}");
                prop_assert!(!inside.starts_with("C:") && !inside.starts_with("c:"), "{inside:?}");
            },
            Err(error) => {
                prop_assert!(matches!(error.code(), Code::Archive | Code::SourceMissing), "{error}");
                prop_assert!(!error.to_string().contains(['\0', '\u{1b}']), "{error}");
            }
        }
        prop_assert_eq!(common::names(folder.path()).len(), 1);
    }
}

#[test]
fn names_that_lead_elsewhere_are_named_in_the_error() {
    for (name, why) in [
        ("../up.csv", "its name leads out of the archive by `..`"),
        (
            "a/../../up.csv",
            "its name leads out of the archive by `..`",
        ),
        ("/etc/passwd.csv", "its name is an absolute path"),
        ("C:/w.csv", "its name starts with a drive"),
        (
            "a\\b.csv",
            "its name has a backslash, which some take for a slash",
        ),
    ] {
        for (archive, bytes) in [
            ("a.tar", tar_named(name.as_bytes(), 0)),
            ("a.tar", tar_named(name.as_bytes(), 1)),
            ("a.tgz", compressed("gz", &tar_named(name.as_bytes(), 2))),
            ("a.zip", zip_of(name.as_bytes(), b"a\n1\n", |_| {})),
        ] {
            let folder = common::temp();
            common::write(folder.path(), archive, bytes);
            let ran = import(folder.path(), &[archive], &[]);
            assert_eq!(ran.code(), 1);
            let said = format!(
                "error[archive]: the member `{name}` is refused: {why}\n  --> {archive}\n  help: "
            );
            assert!(ran.stderr.contains(&said), "{}", ran.stderr);
        }
    }
}

#[test]
fn what_is_no_file_is_passed_over_and_told() {
    let with_link = |kind: u8, name: &str| entry(kind, name.as_bytes(), 0, b"");
    let tar = [
        with_link(b'5', "folder"),
        with_link(b'1', "hard.csv"),
        with_link(b'2', "../../etc/soft.csv"),
        entry(b'0', b"a.txt", 3, b"one"),
        with_link(b'3', "dev.csv"),
        with_link(b'6', "pipe.csv"),
        entry(b'g', b"pax", 20, &pax("comment", b"12345678")),
        entry(b'V', b"label", 0, b""),
        end(),
    ]
    .concat();
    let folder = common::temp();
    common::write(folder.path(), "a.tar", tar);
    let ran = import(folder.path(), &["a.tar"], &[]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let said = "passed over 5 links, devices and the like in a.tar: hard.csv, ../../etc/soft.csv, dev.csv, ...";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    let target = common::Target::read(&folder.path().join("out")).unwrap();
    assert_eq!(target.values()[0]["data"]["text"], "one");
    assert_eq!(target.tasks.len(), 1);
}

/// Archives with one thing wrong, and what is said of it.
fn wrong() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let sparse = |key: &str, value: &[u8]| {
        let record = pax(key, value);
        let before = entry(b'x', b"pax", record.len() as u64, &record);
        [
            before,
            entry(b'0', b"GNUSparseFile.0/a.csv", 5, b"text\n"),
            end(),
        ]
        .concat()
    };
    let inner = pack("stored.zip", &[member("a.csv", "a\n1\n")]);
    let text = b"a\n1\n2\n".as_slice();
    let deep = tarred(&[member("in.tar.gz", compressed("gz", &tarred(&[])))]);
    let mut long = Said::stored(b"b.csv", text, 0);
    long.stored += 1;
    let twice = [
        Said::stored(b"a.csv", text, 0),
        Said::stored(b"b.csv", text, 0),
    ];
    let body = [twice[0].local(), text.to_vec()].concat();
    let cut = entry(b'0', b"a.csv", 5, b"");
    vec![
        (
            "a.tar",
            deep,
            "an archive in an archive is not read\n  --> a.tar/in.tar.gz",
        ),
        (
            "a.zip",
            pack("stored.zip", &[member("in.zip", inner.clone())]),
            "an archive in an archive is not read\n  --> a.zip/in.zip",
        ),
        (
            "a.tar",
            tarred(&[member("x.csv", inner.clone())]),
            "this is a zip archive, as office documents are, which sluice does not read\n  --> a.tar/x.csv",
        ),
        (
            "a.zip",
            pack(
                "stored.zip",
                &[member(
                    "x.csv.gz",
                    compressed("gz", &tarred(&[member("a.csv", "a")])),
                )],
            ),
            "this is a tar archive, which sluice does not read\n  --> a.zip/x.csv.gz",
        ),
        (
            "a.tar",
            [entry(b'S', b"a.csv", 5, b"text\n"), end()].concat(),
            "a sparse file in an archive is not read\n  --> a.tar/a.csv",
        ),
        (
            "a.tar",
            sparse("GNU.sparse.major", b"1"),
            "a sparse file in an archive is not read",
        ),
        (
            "a.tar",
            sparse("GNU.sparse.name", b"a.csv"),
            "a sparse file in an archive is not read\n  --> a.tar/a.csv",
        ),
        (
            "a.tar",
            [entry(b'M', b"a.csv", 5, b"text\n"), end()].concat(),
            "the archive goes on from another volume",
        ),
        (
            "a.tar",
            [entry(b'x', b"pax", 1 << 40, b""), end()].concat(),
            "an extended header of 1099511627776 bytes, where 1048576 are read at most",
        ),
        (
            "a.tar",
            [entry(b'L', b"././@LongLink", 1 << 21, b""), end()].concat(),
            "an extended header of 2097152 bytes",
        ),
        (
            "a.tar",
            [entry(b'x', b"pax", 4, b"9 ab"), end()].concat(),
            "the extended header at byte 0 is malformed",
        ),
        (
            "a.tar",
            [entry(b'0', b"a.csv", u64::MAX, b""), end()].concat(),
            "a member of 18446744073709551615 bytes",
        ),
        (
            "a.tar",
            cut,
            "the archive is damaged or cut off: it ends after 0 of the 5 bytes of a member\n  --> a.tar/a.csv",
        ),
        (
            "a.tar",
            entry(b'0', b"a.csv", 5, b"text\n"),
            "it has no end after byte 1024",
        ),
        (
            "a.tar",
            [tarred(&[]), b"more".repeat(200)].concat(),
            "there is no header at byte",
        ),
        (
            "a.tar",
            b"a,b\n1,2\n".to_vec(),
            "its name is that of an archive, and its content is none",
        ),
        (
            "a.zip",
            b"a,b\n1,2\n".to_vec(),
            "the archive is damaged or cut off",
        ),
        (
            "a.zip",
            pack("stored.zip", &[]),
            "no data files in the archive",
        ),
        ("a.tar", tarred(&[]), "no data files in the archive"),
        (
            "a.zip",
            pack("stored.zip", &[member("[Content_Types].xml", "<a/>")]),
            "this is an office document",
        ),
        (
            "a.csv",
            inner,
            "this is a zip archive, as office documents are, which sluice does not read",
        ),
        (
            "a.csv",
            compressed("gz", &tarred(&[member("a.csv", "a")])),
            "this is a tar archive, which sluice does not read\n  --> a.csv\n  help: give it a name in `.tar`",
        ),
        (
            "a.tar",
            tarred(&[member("a.csv", "a"), member("./a.csv", "b")]),
            "the archive has two members of this name\n  --> a.tar/a.csv",
        ),
        (
            "a.zip",
            zip_of(b"a.csv", text, |said| said.flags |= 1),
            "the member is encrypted\n  --> a.zip/a.csv",
        ),
        (
            "a.zip",
            zip_of(b"a.csv", text, |said| said.method = 14),
            "the member is compressed by ",
        ),
        (
            "a.zip",
            zip_of(b"a.csv", text, |said| said.crc ^= 1),
            "the member is damaged: its checksum is another, after 6 of its 6 bytes\n  --> a.zip/a.csv",
        ),
        (
            "a.zip",
            zip_of(b"a.csv", text, |said| said.bytes += 1),
            "the member is damaged: it ends, after 6 of its 7 bytes\n  --> a.zip/a.csv",
        ),
        (
            "a.zip",
            zip_of(b"a.csv", text, |said| said.bytes -= 1),
            "the member is damaged: there is more of it than the archive says, after 0 of its 5 bytes",
        ),
        (
            "a.zip",
            zip_of(b"a.csv", text, |said| said.method = 8),
            "the member is damaged: ",
        ),
        (
            "a.zip",
            zip_that_says(&body, &twice),
            "members overlap, those at bytes 0 and 0",
        ),
        (
            "a.zip",
            zip_that_says(&body, &[long]),
            "the member at byte 0 reaches beyond the others",
        ),
    ]
}

#[test]
fn whatever_is_wrong_is_said() {
    for (name, bytes, said) in wrong() {
        let folder = common::temp();
        common::write(folder.path(), name, bytes);
        let ran = import(folder.path(), &[name], &[]);
        assert_eq!(ran.code(), 1, "{said}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{said}\n{}", ran.stderr);
        assert!(
            ran.stderr.contains("\n  --> ") && ran.stderr.contains("\n  help: ")
                || said.starts_with("no data"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn what_is_not_read_may_be_whatever_it_is() {
    // Encrypted, overlapping names of no format: they are left out.
    let zip = zip_of(b"secret.bin", b"x", |said| said.flags |= 1);
    let error = listed_bytes("a.zip", &zip).unwrap_err();
    assert_eq!(error.code(), Code::SourceMissing, "{error}");
    // Attributes of any bytes are no harm.
    let record = [
        pax("SCHILY.xattr.user.x", b"a\n\0=\n"),
        pax("path", b"real.txt"),
        pax("size", b"3"),
    ]
    .concat();
    let tar = [
        entry(b'x', b"pax", record.len() as u64, &record),
        entry(b'0', b"short", 0, b"one"),
        end(),
    ]
    .concat();
    let ran = library::run_on("a.tar", &tar, &library::Options::default());
    assert!(ran.error.is_none());
    assert_eq!(ran.data(), [serde_json::json!({"text": "one"})]);
}

#[test]
fn another_archive_under_the_same_name_is_another_version() {
    let versions = |archives: &[Vec<u8>]| -> BTreeMap<String, usize> {
        let mut versions = BTreeMap::new();
        for bytes in archives {
            let listing = listed_bytes("a.zip", bytes)
                .or_else(|_| listed_bytes("a.tar", bytes))
                .unwrap();
            let sluice::source::Location::Member(member) =
                listing.sources.iter().next().unwrap().unwrap().location
            else {
                panic!("a member")
            };
            *versions.entry(member.archive.version.clone()).or_default() += 1;
        }
        versions
    };
    let one = [member("a.csv", "a\n1\n"), member("b.csv", "b\n1\n")];
    let other = [member("a.csv", "a\n1\n"), member("b.csv", "b\n2\n")];
    // The sizes are the same, the CRC is not.
    let both = [
        pack("stored.zip", &one),
        pack("stored.zip", &other),
        pack("stored.zip", &one),
    ];
    assert_eq!(versions(&both).into_values().sum::<usize>(), 3);
    assert_eq!(versions(&both).len(), 2);
    let longer = [member("a.csv", "a\n1\n"), member("b.csv", "b\n10\n")];
    let tars = [tarred(&one), tarred(&longer), tarred(&one)];
    assert_eq!(versions(&tars).len(), 2);
}
