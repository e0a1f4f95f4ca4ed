//! What is said on standard error when a run has ended.

use std::fmt::Write;

use indicatif::{DecimalBytes, HumanCount};

use super::Report;
use crate::decode::Changes;
use crate::wording::{agreeing, counted};

/// Imports listed by name; all of them stand in the manifest.
const DELIVERIES_SHOWN: usize = 3;

/// The summary of a run, for a person.
#[must_use]
pub fn summary(report: &Report, target: &str) -> String {
    let totals = &report.totals;
    let mut text = String::new();
    let rate = report.bytes_read as f64 / report.seconds.as_secs_f64().max(1e-3);
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{}: {} in {} ({}), {} rejected",
        counted(totals.records, "record"),
        counted(totals.tasks, "task"),
        counted(totals.imports, "import"),
        DecimalBytes(totals.bytes),
        HumanCount(totals.rejects),
    );
    for (code, rejects) in &totals.rejects_by_code {
        let _ = writeln!(text, "  {code}: {}", HumanCount(rejects.count));
        for first in &rejects.first {
            let _ = writeln!(text, "    {first}");
        }
        if rejects.count > rejects.first.len() as u64 {
            let _ = writeln!(text, "    ...");
        }
        if let Some(help) = &rejects.help {
            let _ = writeln!(text, "    help: {help}");
        }
    }
    if totals.duplicates > 0 {
        let _ = writeln!(
            text,
            "  {} came before and {} left out",
            counted(totals.duplicates, "record"),
            agreeing(totals.duplicates, "was", "were")
        );
        for first in &totals.first_duplicates {
            let _ = writeln!(text, "    {first}");
        }
        if totals.duplicates > totals.first_duplicates.len() as u64 {
            let _ = writeln!(text, "    ...");
        }
    }
    for (count, what) in changes(&totals.changes) {
        if count > 0 {
            let _ = writeln!(text, "  {} {what}", HumanCount(count));
        }
    }
    for delivery in report.deliveries.iter().take(DELIVERIES_SHOWN) {
        let delivery = &delivery.receipt;
        let (tasks, bytes) = (delivery.import.tasks as u64, delivery.import.bytes as u64);
        let (tasks, bytes) = (counted(tasks, "task"), DecimalBytes(bytes));
        let _ = writeln!(text, "  {}: {tasks}, {bytes}", delivery.name);
    }
    if report.deliveries.len() > DELIVERIES_SHOWN {
        let _ = writeln!(text, "  ...");
    }
    let _ = write!(
        text,
        "{} read in {:.2} s ({}/s), written to {target}",
        DecimalBytes(report.bytes_read),
        report.seconds.as_secs_f64(),
        DecimalBytes(rate as u64),
    );
    text
}

/// What was changed in the data, each with what to say of it.
#[must_use]
pub fn changes(changes: &Changes) -> [(u64, &'static str); 6] {
    [
        (changes.nulled, "NaN or infinite values are `null` now"),
        (changes.nul_replaced, "NUL characters are U+FFFD now"),
        (
            changes.cells_dropped,
            "cells are left out, as Label Studio does where rows are longer than the header: what they held is lost, \
             and the other columns are those after them",
        ),
        (
            changes.rounded,
            "numbers lost digits, as in Label Studio: no double is equal to them",
        ),
        (
            changes.zeros_dropped,
            "numbers lost the zeros before them, as in Label Studio",
        ),
        (
            changes.missing_emptied,
            "words such as `NA` are empty text now, as in Label Studio",
        ),
    ]
}
