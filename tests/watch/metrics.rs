//! Metrics: what is served is what the README lists, in the format that Prometheus reads, and tells what is so.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use sluice::report::exposed::address;
use sluice::report::metrics::{METRICS, text};

use crate::Bench;
use crate::page::{HOSTILE, made_up};

/// A sample: its name, its labels as written, its value.
type Sample = (String, String, f64);

/// Reads the text format as strictly as promtool does, and gives all samples.
fn checked(text: &str) -> Vec<Sample> {
    assert!(text.ends_with('\n') && !text.contains("\n\n"), "{text}");
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
    };
    let (mut kinds, mut samples) = (BTreeMap::new(), Vec::<Sample>::new());
    let mut seen = BTreeSet::new();
    let (mut helped, mut current) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a name and a text");
            assert!(!help.is_empty() && is_name(name), "{line}");
            helped = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a kind");
            assert_eq!(name, helped, "help stands before the kind");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(
                kinds.insert(name.to_owned(), kind.to_owned()).is_none(),
                "{line}"
            );
            name.clone_into(&mut current);
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a series and a value");
            let (name, labels) = match series.split_once('{') {
                Some((name, labels)) => (name, labels.strip_suffix('}').expect("a brace")),
                None => (series, ""),
            };
            let base = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|ending| name.strip_suffix(ending).filter(|base| *base == current))
                .unwrap_or(name);
            assert_eq!(base, current, "samples follow their metric");
            assert!(is_name(name) && seen.insert(series.to_owned()), "{line}");
            check_labels(labels);
            let value: f64 = value.parse().expect("a number");
            assert!(value >= 0.0, "{line}");
            samples.push((name.to_owned(), labels.to_owned(), value));
        }
    }
    let buckets: Vec<_> = samples
        .iter()
        .filter(|(name, ..)| name.ends_with("_bucket"))
        .collect();
    assert!(
        buckets.iter().map(|bucket| bucket.2).is_sorted(),
        "{buckets:?}"
    );
    let count = samples
        .iter()
        .find(|(name, ..)| name.ends_with("_count"))
        .expect("a count");
    let last = buckets.last().expect("buckets");
    assert_eq!((last.1.as_str(), last.2), ("le=\"+Inf\"", count.2));
    samples
}

/// Labels: names, and values in quotes, in which backslash, quote and line feed are escaped.
fn check_labels(labels: &str) {
    let mut rest = labels;
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").expect("a label");
        assert!(
            name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{labels}"
        );
        let mut signs = after.char_indices();
        let end = loop {
            match signs.next().expect("a closing quote") {
                (_, '\\') => {
                    let (_, escaped) = signs.next().expect("what is escaped");
                    assert!(matches!(escaped, '\\' | '"' | 'n'), "{labels}");
                }
                (at, '"') => break at,
                (_, sign) => assert!(sign != '\n'),
            }
        };
        rest = &after[end + 1..];
        if !rest.is_empty() {
            rest = rest.strip_prefix(',').expect("a comma");
            assert!(!rest.is_empty(), "{labels}");
        }
    }
}

fn get(at: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(at).expect("a connection");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n"
    )
    .expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_ascii_lowercase(), body.to_owned())
}

#[test]
fn metrics_are_served_while_a_run_goes_and_tell_how_far_it_is() {
    let bench = Bench::new();
    let mut command = bench.command(&[
        "import",
        "-",
        "--to",
        "out",
        "--metrics",
        "0",
        "--max-tasks",
        "1000",
        "--format",
        "jsonl",
    ]);
    let mut child = command
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // What comes is looked at first: it may be an archive.
    let faulty = "{\"n\":1}\n{\"n\": tru}\n{\"n\":3}\n".repeat(30);
    stdin.write_all(faulty.as_bytes()).expect("it reads");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut told = String::new();
    stderr.read_line(&mut told).expect("a line");
    let at = told
        .trim()
        .strip_prefix("metrics are at http://")
        .and_then(|rest| rest.strip_suffix("/metrics"))
        .unwrap_or_else(|| panic!("{told}"))
        .to_owned();
    assert!(at.starts_with("127.0.0.1:"), "{at}");
    // Enough for a chunk, which is handed on while the pipe stays open.
    let lines = "{\"n\":1}\n".repeat(200_000);
    stdin.write_all(lines.as_bytes()).expect("it reads");
    let of = |samples: &[Sample], name: &str, labels: &str| {
        let found = samples
            .iter()
            .find(|(one, at, _)| one == name && at == labels);
        found.map(|sample| sample.2)
    };
    let samples = loop {
        let (head, body) = get(&at, "/metrics");
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(
            head.contains("content-type: text/plain; version=0.0.4"),
            "{head}"
        );
        let samples = checked(&body);
        if of(&samples, "sluice_tasks_total", "") >= Some(100_000.0) {
            break samples;
        }
        assert!(
            child.try_wait().expect("a child").is_none(),
            "the run has ended"
        );
    };
    assert_eq!(
        of(&samples, "sluice_rejects_total", "code=\"json-syntax\""),
        Some(30.0)
    );
    assert!(of(&samples, "sluice_imports_total", "outcome=\"delivered\"") >= Some(100.0));
    assert!(of(&samples, "sluice_memory_limit_bytes", "") == Some(f64::from(256 << 20)));
    assert!(of(&samples, "sluice_read_bytes_total", "") > Some(1e6));
    assert!(get(&at, "/").0.starts_with("http/1.1 404"));
    drop(stdin);
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("the rest");
    assert_eq!(child.wait().expect("it ends").code(), Some(3), "{rest}");
    assert!(TcpStream::connect(&at).is_err(), "it is gone with the run");
}

#[test]
fn an_address_is_of_this_machine_unless_it_is_written_out() {
    let own = |text: &str| address(text).map(|at| at.to_string());
    assert_eq!(own("9100").as_deref(), Ok("127.0.0.1:9100"));
    assert_eq!(own(":9100").as_deref(), Ok("127.0.0.1:9100"));
    assert_eq!(own("0.0.0.0:9100").as_deref(), Ok("0.0.0.0:9100"));
    assert_eq!(own("[::1]:9100").as_deref(), Ok("[::1]:9100"));
    assert!(own("host:9100").is_err() && own("").is_err() && own("99999").is_err());
    let bench = Bench::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = taken.local_addr().expect("an address").to_string();
    bench.write("in.jsonl", "{}\n");
    let ran = bench.sluice(&["import", "in.jsonl", "--metrics", &at]);
    assert_eq!(ran.code(), 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("error[usage]: cannot serve metrics at"),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_readme_lists_what_is_served() {
    let readme = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).expect("README.md");
    let listed: Vec<_> = readme
        .lines()
        .filter(|line| line.starts_with("| `sluice_"))
        .map(|line| {
            let mut cells = line.trim_matches('|').split(" | ").map(str::trim);
            let name = cells.next().expect("a name").trim_matches('`').to_owned();
            let kind = cells.next().expect("a kind").to_owned();
            let labels = cells.next().expect("labels").replace('`', "");
            (name, kind, labels)
        })
        .collect();
    let served: Vec<_> = METRICS
        .iter()
        .map(|metric| {
            let labels = metric.labels.join(", ");
            (
                metric.name.to_owned(),
                metric.kind.as_str().to_owned(),
                labels,
            )
        })
        .collect();
    assert_eq!(listed, served);
}

#[test]
fn hostile_labels_are_escaped_and_figures_are_those_that_are_counted() {
    let watch = sluice::report::Watch::default();
    watch.counters.passed(7, Default::default());
    let mut facts = made_up(1, 1).facts;
    facts.made_by.sluice = HOSTILE;
    let samples = checked(&text(&watch, &facts));
    assert!(samples.contains(&("sluice_records_total".to_owned(), String::new(), 7.0)));
    let named: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
    let told = text(&watch, &facts);
    for name in named {
        assert!(told.contains(&format!("# TYPE {name} ")), "{name}");
    }
    assert!(
        told.contains("\\\"'>") && !told.contains(&format!("=\"{HOSTILE}")),
        "{told}"
    );
}
