//! What was measured, for a person.

use super::compare::change;
use super::measured::Measured;
use crate::cli::table::{Align, Table};

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
fn number(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.3}"),
        10.0..100.0 => format!("{value:.2}"),
        100.0..1_000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
