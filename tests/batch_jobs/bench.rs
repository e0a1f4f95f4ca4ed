//! `sluice bench`: what it measures is a whole import each time, and its report is what it says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::common::temp;
use super::{sluice, text};

const SMALL: [&str; 8] = [
    "bench",
    "--size",
    "300KB",
    "--rounds",
    "3",
    "--max-bytes",
    "100KB",
    "--quiet",
];

fn report(dir: &Path, more: &[&str]) -> Value {
    let ran = sluice(
        dir,
        &[&SMALL, more, &["--dir", ".", "--report", "-"]].concat(),
    );
    assert_eq!((ran.code(), &*ran.stderr), (0, ""), "{more:?}");
    serde_json::from_str(&text(&ran)).expect("JSON")
}

fn measure<'a>(report: &'a Value, name: &str) -> &'a Value {
    let mut measures = report["measures"].as_array().expect("measures").iter();
    measures
        .find(|measure| measure["name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {report}"))
}

#[test]
fn every_kind_is_measured() {
    let dir = temp();
    for kind in [
        "csv",
        "jsonl",
        "tasks-jsonl",
        "array",
        "pretty",
        "wide-csv",
        "tsv",
        "txt",
        "parquet",
    ] {
        let report = report(dir.path(), &["--kind", kind]);
        assert_eq!(
            (&report["version"], &report["asked"]["kind"]),
            (&1.into(), &kind.into())
        );
        assert!(report["tasks"].as_u64().unwrap() > 100, "{report}");
        assert!(report["imports"].as_u64().unwrap() >= 2, "{report}");
        for name in [
            "end to end",
            "tasks",
            "processor time",
            "peak memory",
            "time of an import, p50",
            "time of an import, p99",
            "read",
            "decode and normalize",
            "batch",
            "deliver",
        ] {
            let measure = measure(&report, name);
            let number = |name: &str| {
                measure[name]
                    .as_f64()
                    .unwrap_or_else(|| panic!("{measure}"))
            };
            let (low, high) = (&measure["interval"]["low"], &measure["interval"]["high"]);
            let (low, high) = (low.as_f64().unwrap(), high.as_f64().unwrap());
            assert_eq!(measure["rounds"].as_array().unwrap().len(), 3);
            assert!(
                low <= number("median") && number("median") <= high && high > 0.0
                    || name == "processor time",
                "{measure}"
            );
        }
    }
    // Nothing is left behind, but for the journal's folder if there is one.
    let left: BTreeSet<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_stand_in_takes_every_task_through_its_faults() {
    let dir = temp();
    let calm = report(
        dir.path(),
        &["--target", "directory", "--kind", "tasks-jsonl"],
    );
    for more in [
        &["--latency", "5ms"][..],
        &["--faults", "30%"],
        &["--faults", "30%", "--latency", "1ms"],
    ] {
        let words = [&["--target", "stand-in", "--kind", "tasks-jsonl"], more].concat();
        let report = report(dir.path(), &words);
        assert_eq!(report["tasks"], calm["tasks"]);
        assert!(report["imports"].as_u64().unwrap() >= 2);
        let p50 = measure(&report, "time of an import, p50")["median"]
            .as_f64()
            .unwrap();
        if more.contains(&"5ms") {
            // An upload and a commit, each after 5 ms.
            assert!(p50 >= 10.0, "{p50}");
        }
    }
}

#[test]
fn what_is_compared_is_of_one_kind() {
    let dir = temp();
    let words = |more: &[&'static str]| [&SMALL, more].concat();
    let ran = sluice(dir.path(), &words(&["--report", "old.json"]));
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert!(
        text(&ran).contains("end to end") && !text(&ran).contains("CHANGE"),
        "{}",
        text(&ran)
    );
    let ran = sluice(dir.path(), &words(&["--compare", "old.json"]));
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    // Three rounds can say nothing for sure.
    let said = text(&ran);
    assert!(
        said.lines()
            .skip(1)
            .all(|line| line.ends_with("no more than noise")),
        "{said}"
    );
    assert_eq!(said.lines().count(), 11, "{said}");

    // Ten times as fast as it was is no noise.
    let mut old: Value =
        serde_json::from_slice(&fs::read(dir.path().join("old.json")).unwrap()).unwrap();
    for measure in old["measures"].as_array_mut().unwrap() {
        let rounds: Vec<f64> = (0..7).map(|n| 1e-9 * (1.0 + f64::from(n))).collect();
        measure["median"] = 4e-9.into();
        measure["rounds"] = rounds.into();
    }
    fs::write(dir.path().join("slow.json"), old.to_string()).unwrap();
    let mut more = words(&["--compare", "slow.json"]);
    more[4] = "5";
    let said = text(&sluice(dir.path(), &more));
    let verdict = |name: &str| {
        said.lines()
            .find(|line| line.starts_with(name))
            .unwrap()
            .to_owned()
    };
    assert!(
        verdict("end to end").ends_with("better") && verdict("peak memory").ends_with("worse"),
        "{said}"
    );

    for (more, why) in [
        (
            &["--compare", "old.json", "--kind", "jsonl"][..],
            "`kind` was \"csv\", now it is \"jsonl\"",
        ),
        (
            &["--compare", "old.json", "--memory", "32MiB"],
            "`memory` was",
        ),
        (&["--compare", "none.json"], "cannot read `none.json`"),
    ] {
        let ran = sluice(dir.path(), &words(more));
        assert!(ran.code() > 0 && ran.stderr.contains(why), "{}", ran.stderr);
    }
}
