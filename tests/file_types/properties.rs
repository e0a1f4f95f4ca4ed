//! What holds for any text and any chunk size.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::Value;
use sluice::decode::series::is_lossless;
use sluice::normalize::mapping::Mapping;
use sluice::read::files::{Files, LineEnds, Series};
use sluice::source::address::{Prefix, percent_encode};
use sluice::source::local::{Taking, list_as};

use crate::library::{Options, plan, run_on};

/// The line ends of Python's `str.splitlines`.
const ENDS: &[&str] = &[
    "\r\n", "\n", "\r", "\u{b}", "\u{c}", "\u{1c}", "\u{1d}", "\u{1e}", "\u{85}", "\u{2028}",
    "\u{2029}",
];

/// Lines as Python has them: `str.splitlines` after its documentation, by the simplest means.
fn splitlines(text: &str) -> Vec<String> {
    let (mut lines, mut rest) = (vec![String::new()], text);
    while let Some(c) = rest.chars().next() {
        match ENDS.iter().find(|end| rest.starts_with(**end)) {
            Some(end) => {
                lines.push(String::new());
                rest = &rest[end.len()..];
            }
            None => {
                lines.last_mut().expect("a line").push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    if lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// Text that is mostly line ends, what looks like them, and long words.
fn text() -> impl Strategy<Value = String> {
    let odd = [
        "\u{1f}", "\u{80}", "\u{84}", "\u{86}", "\u{2027}", "\u{202a}", "\u{a028}", "é", "日本",
        "😀", "\u{feff}",
    ];
    let piece = prop_oneof![
        3 => prop::sample::select(ENDS.to_vec()).prop_map(str::to_owned),
        2 => prop::sample::select(odd.to_vec()).prop_map(str::to_owned),
        2 => "[ -~]{0,12}",
        1 => (0..300usize).prop_map(|n| "w".repeat(n)),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn label_studio(chunk_bytes: usize) -> Options {
    let files = Files {
        lines: LineEnds::LabelStudio,
        ..Files::default()
    };
    Options {
        chunk_bytes,
        files,
        ..Options::default()
    }
}

fn texts(data: &[Value]) -> Vec<String> {
    data.iter()
        .map(|data| data["text"].as_str().expect("text").to_owned())
        .collect()
}

/// An address taken apart again.
fn percent_decode(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let hex = std::str::from_utf8(&after[..2]).expect("two digits");
            bytes.push(u8::from_str_radix(hex, 16).expect("two digits"));
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn lines_are_those_of_python_whatever_the_chunks(text in text(), chunk_bytes in 1..200usize) {
        let ran = run_on("s.txt", text.as_bytes(), &label_studio(chunk_bytes));
        prop_assert!(ran.error.is_none());
        prop_assert_eq!(texts(&ran.data()), splitlines(&text));
    }

    #[test]
    fn lines_too_long_to_be_held_are_rejected_by_themselves(text in text(), chunk_bytes in 1..64usize) {
        const MOST: usize = 100;
        let options = Options { memory: 4 * MOST, ..label_studio(chunk_bytes) };
        let ran = run_on("s.txt", text.as_bytes(), &options);
        let lines = splitlines(&text);
        let rejected: Vec<usize> = ran.rejects.iter().map(|r| r["record"].as_u64().expect("a number") as usize).collect();
        for reject in &ran.rejects {
            prop_assert_eq!(&reject["code"], "record-too-large");
            prop_assert_eq!(&reject["line"], &reject["record"]);
        }
        let fits = |(number, _): &(usize, &String)| !rejected.contains(&(number + 1));
        let kept: Vec<String> = lines.iter().enumerate().filter(fits).map(|(_, line)| line.clone()).collect();
        prop_assert_eq!(texts(&ran.data()), kept);
        for (number, line) in lines.iter().enumerate() {
            // The line end and the byte after it may be needed to tell that it ends.
            prop_assert!(rejected.contains(&(number + 1)) || line.len() <= MOST, "{}", line.len());
            prop_assert!(!rejected.contains(&(number + 1)) || line.len() + 4 >= MOST, "{}", line.len());
        }
    }

    #[test]
    fn documents_and_whole_files_are_verbatim(text in text(), chunk_bytes in 1..200usize, name in "s\\.(html|HTM|xml|txt|none)") {
        let files = Files { whole: true, ..Files::default() };
        let ran = run_on(&name, text.as_bytes(), &Options { chunk_bytes, files, ..Options::default() });
        prop_assert!(ran.error.is_none());
        prop_assert_eq!(texts(&ran.data()), [text]);
    }

    #[test]
    fn base64_is_of_all_bytes(bytes in prop::collection::vec(any::<u8>(), 0..500), chunk_bytes in 1..200usize) {
        // What is compressed is read as what is in it.
        prop_assume!(!bytes.starts_with(b"BZh") && !bytes.starts_with(&[0x1F, 0x8B]));
        let files = Files { base64: true, ..Files::default() };
        let ran = run_on("s.html", &bytes, &Options { chunk_bytes, files, ..Options::default() });
        prop_assert!(ran.error.is_none());
        let data = ran.data();
        prop_assert_eq!(STANDARD.decode(&texts(&data)[0]).expect("base64"), bytes);
    }

    #[test]
    fn percent_encoding_is_undone_by_decoding(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut text = String::new();
        percent_encode(&bytes, &mut text);
        prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
        prop_assert_eq!(percent_decode(&text), bytes);
    }

    #[test]
    fn an_address_has_the_names_of_the_path(names in prop::collection::vec("[^/\u{0}]{1,8}", 1..4)) {
        prop_assume!(!names.iter().any(|name| name == "." || name == ".."));
        let path: std::path::PathBuf = names.iter().collect();
        for prefix in ["https://h/files/", "https://h/files", "/data/local-files/?d=", "/data/local-files/?d=a"] {
            let address = prefix.parse::<Prefix>().expect("a prefix").address(&path).expect("an address");
            let rest = address.strip_prefix(prefix).expect("the prefix").trim_start_matches('/');
            let found: Vec<String> = rest.split('/')
                .map(|name| String::from_utf8(percent_decode(name)).expect("UTF-8"))
                .collect();
            prop_assert_eq!(&found, &names);
        }
        let bucket = "s3://bucket".parse::<Prefix>().expect("a prefix").address(&path).expect("an address");
        prop_assert_eq!(bucket, format!("s3://bucket/{}", names.join("/")));
    }

    #[test]
    fn a_double_as_it_is_written_is_a_number(bits in any::<u64>()) {
        let number = f64::from_bits(bits);
        prop_assert_eq!(is_lossless(format!("{number:e}").as_bytes()), number.is_finite());
        prop_assert_eq!(is_lossless(format!("{number}").as_bytes()), number.is_finite());
    }
}

#[test]
fn numbers_are_those_that_a_browser_keeps_as_they_are_written() {
    for kept in [
        "0",
        "-0",
        "1",
        "1.50",
        "-2.5e3",
        "1E+5",
        "0.1",
        "9007199254740992",
        "1e308",
        "123456789012345",
        "5e-324",
        "0.000",
    ] {
        assert!(is_lossless(kept.as_bytes()), "{kept}");
    }
    for text in [
        "",
        " 1",
        "1 ",
        "007",
        "+1",
        "1.",
        ".5",
        "1e400",
        "-1e999",
        "9007199254740993",
        "0.1234567890123456789",
        "1e-400",
        "NaN",
        "Infinity",
        "inf",
        "true",
        "null",
        "1_000",
        "0x10",
        "[1]",
        "\"1\"",
    ] {
        assert!(!is_lossless(text.as_bytes()), "{text}");
    }
}

#[test]
fn what_changes_a_task_makes_another_plan() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("t.csv"), "a\n1\n").expect("a file");
    let plain = Files::default;
    let variants = [
        plain(),
        Files {
            lines: LineEnds::LabelStudio,
            ..plain()
        },
        Files {
            whole: true,
            ..plain()
        },
        Files {
            base64: true,
            ..plain()
        },
        Files {
            series: Series::Json,
            ..plain()
        },
        Files {
            series: Series::Url,
            ..plain()
        },
        Files {
            series: Series::Url,
            tasks_with: Some("a".to_owned()),
            ..plain()
        },
    ];
    let mut digests = std::collections::BTreeSet::new();
    for files in variants {
        let plan = plan(
            folder.path(),
            &Options {
                files,
                ..Options::default()
            },
        );
        assert!(digests.insert(plan.digest().expect("a digest")));
    }
    // The same files with other addresses, and with the key that single values go under.
    let words = [folder.path().join("t.csv").display().to_string()];
    for prefix in ["/a/", "/b/"] {
        let taking = Taking {
            prefix: prefix.parse().ok(),
            ..Taking::default()
        };
        let mut plan = plan(folder.path(), &Options::default());
        plan.sources = list_as(&words, &taking).expect("a file").sources;
        assert!(digests.insert(plan.digest().expect("a digest")));
    }
    let mut plan = plan(folder.path(), &Options::default());
    let mut normalizer = sluice::normalize::Normalizer::clone(&plan.normalizer);
    normalizer.mapping =
        Mapping::new(None, Vec::new(), Vec::new(), "other".to_owned()).expect("a mapping");
    plan.normalizer = normalizer.into();
    assert!(digests.insert(plan.digest().expect("a digest")));
}
