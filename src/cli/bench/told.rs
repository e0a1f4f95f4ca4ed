//! What was measured, for a person.

use indicatif::{DecimalBytes, HumanCount};

use super::compare::change;
use super::measured::{Machine, Measured};
use crate::cli::table::{Align, Table};
use crate::wording::counted;

/// The table; with what has changed since `before`, if that is given.
pub(super) fn table(measured: &Measured, before: Option<&Measured>) -> String {
    let mut columns = vec![
        ("MEASURE", Align::Left),
        ("MEDIAN", Align::Right),
        ("FROM", Align::Right),
        ("TO", Align::Right),
        ("UNIT", Align::Left),
    ];
    if before.is_some() {
        columns.push(("BEFORE", Align::Right));
        columns.push(("CHANGE", Align::Right));
        columns.push(("IT IS", Align::Left));
    }
    let mut table = Table::new(&columns);
    for now in &measured.measures {
        let mut cells = vec![
            now.name.clone(),
            number(now.median),
            number(now.interval.low),
            number(now.interval.high),
            now.unit.clone(),
        ];
        if let Some(before) = before {
            cells.extend(match before.measure(&now.name) {
                Some(then) => {
                    let change = change(then, now);
                    [
                        number(then.median),
                        format!("{:+.1} %", change.share * 100.0),
                        change.verdict.as_str().to_owned(),
                    ]
                }
                None => ["-".to_owned(), "-".to_owned(), "new".to_owned()],
            });
        }
        table.row(cells, None);
    }
    table.text()
}

/// With three digits that mean something, as far as that is readable.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.3}"),
        10.0..100.0 => format!("{value:.2}"),
        100.0..1_000.0 => format!("{value:.1}"),
        _ => HumanCount(value.round() as u64).to_string(),
    }
}

/// What was asked for, and what it ran on: each with its name.
pub(super) fn asked(measured: &Measured) -> Vec<(&'static str, String)> {
    let asked = &measured.asked;
    let Machine {
        os,
        architecture,
        processors,
        optimized,
    } = &asked.machine;
    let mut told = vec![
        (
            "Input",
            format!(
                "{} of {}, made up by seed {}",
                DecimalBytes(asked.input_bytes),
                asked.kind,
                asked.seed
            ),
        ),
        ("Target", asked.target.clone()),
    ];
    if asked.target == "stand-in" {
        told.push(("Latency", format!("{} ms", number(asked.latency_ms))));
        told.push(("Faults", format!("{} % of answers", asked.faults * 100.0)));
    }
    told.extend([
        (
            "An import holds",
            format!(
                "at most {} and {}",
                counted(asked.max_tasks, "task"),
                DecimalBytes(asked.max_bytes)
            ),
        ),
        (
            "Memory",
            format!("{} in flight", DecimalBytes(asked.memory)),
        ),
        (
            "Threads",
            match asked.threads {
                Some(threads) => counted(threads as u64, "thread"),
                None => "one for each processor".to_owned(),
            },
        ),
        (
            "Machine",
            format!(
                "{os} {architecture}, {}",
                counted(*processors as u64, "processor")
            ),
        ),
        (
            "Version",
            format!(
                "sluice {}{}",
                measured.sluice,
                if *optimized {
                    ""
                } else {
                    ", not built for speed"
                }
            ),
        ),
    ]);
    told
}
