//! What is known of sources, for a person.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use indicatif::{DecimalBytes, HumanCount};

use super::paint::{Kind, Paint};
use crate::cli::table::{Align, Table};
use crate::inspect::columns::Column;
use crate::inspect::fitting::Fitting;
use crate::inspect::{About, RowGroups};
use crate::rejects::Rejects;
use crate::wording::{counted, quoted};

/// Columns that are listed; all of them stand in the JSON.
const COLUMNS_SHOWN: usize = 50;

/// What is known, a line end after each line.
pub(super) fn text(found: &[About], more: usize, paint: Paint) -> String {
    let mut text = String::new();
    for (number, about) in found.iter().enumerate() {
        if number > 0 {
            text.push('\n');
        }
        one(&mut text, about, paint);
    }
    if more > 0 {
        let _ = writeln!(
            text,
            "\n... and {} that were not looked at: name them to see them",
            counted(more as u64, "source")
        );
    }
    text
}

fn one(text: &mut String, about: &About, paint: Paint) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", paint.paint(Kind::Heading, &about.source));
    let mut parts = vec![about.format.clone().unwrap_or_else(|| "?".to_owned())];
    parts.extend(about.compression.map(|c| format!("{c} around it")));
    parts.extend(about.encoding.map(str::to_owned));
    parts.extend(about.delimiter.map(|c| match c {
        '\t' => "tab between cells".to_owned(),
        c => format!("`{c}` between cells"),
    }));
    parts.extend(about.bytes.map(|bytes| DecimalBytes(bytes).to_string()));
    let _ = writeln!(text, "  {}", parts.join(", "));
    // Nothing is said of records that there are none of.
    let are = match about.records_are {
        "" => String::new(),
        are => format!(" ({are})"),
    };
    let looked_at = counted(about.looked_at, "record");
    let _ = match (about.records, about.all) {
        (Some(records), false) => writeln!(
            text,
            "  {}{are}; the first {} were looked at",
            counted(records, "record"),
            HumanCount(about.looked_at)
        ),
        (_, true) => writeln!(text, "  {looked_at}{are}, all of them looked at"),
        (None, false) => writeln!(text, "  the first {looked_at}{are} were looked at"),
    };
    if let Some(groups) = &about.row_groups {
        row_groups(text, groups);
    }
    columns(text, about);
    rejects(text, &about.rejects_by_code, paint);
    if let Some(fault) = &about.fault {
        let _ = writeln!(
            text,
            "  {}",
            paint.paint(Kind::Bad, &format!("a run would end here: {fault}"))
        );
    }
    if let Some(fitting) = &about.fitting {
        self::fitting(text, fitting, paint);
    }
    for task in &about.tasks {
        let _ = writeln!(text, "{}", paint.json(task.get(), "  "));
    }
}

fn rejects(text: &mut String, by_code: &BTreeMap<&str, Rejects>, paint: Paint) {
    for (code, rejects) in by_code {
        let rejected = format!("{code}: {}", HumanCount(rejects.count));
        let _ = writeln!(text, "  {}", paint.paint(Kind::Bad, &rejected));
        if let Some(first) = rejects.first.first() {
            let _ = writeln!(text, "    {first}");
        }
        if let Some(help) = &rejects.help {
            let _ = writeln!(text, "    help: {help}");
        }
    }
}

fn row_groups(text: &mut String, groups: &RowGroups) {
    let span = |(least, most): (u64, u64), shown: &dyn Fn(u64) -> String| {
        if least == most {
            shown(least)
        } else {
            format!("{} to {}", shown(least), shown(most))
        }
    };
    let _ = writeln!(
        text,
        "  {}: {} rows, {}, {}",
        counted(groups.count as u64, "row group"),
        span(groups.rows, &|rows| HumanCount(rows).to_string()),
        span(groups.bytes, &|bytes| DecimalBytes(bytes).to_string()),
        groups.codecs.join(" and ")
    );
}

fn columns(text: &mut String, about: &About) {
    let mut table = Table::new(&[
        ("  FIELD", Align::Left),
        ("TYPE", Align::Left),
        ("NULL", Align::Right),
        ("EMPTY", Align::Right),
        ("MISSING", Align::Right),
        ("EXAMPLES", Align::Left),
    ]);
    let rejected: u64 = about.rejects_by_code.values().map(|r| r.count).sum();
    let tasks = about.looked_at - rejected.min(about.looked_at);
    let share = |count: u64| match count {
        0 => "-".to_owned(),
        some => format!("{:.1} %", some as f64 * 100.0 / tasks.max(some) as f64),
    };
    for column in about.columns.iter().take(COLUMNS_SHOWN) {
        table.row(
            vec![
                format!("  {}", column.name),
                kind(column),
                share(column.null),
                share(column.empty),
                share(column.missing),
                column.examples.join(" | "),
            ],
            None,
        );
    }
    text.push_str(&table.text());
    let more = about.columns.len().saturating_sub(COLUMNS_SHOWN) as u64 + about.more_columns;
    if more > 0 {
        let _ = writeln!(text, "  ... and {}", counted(more, "field"));
    }
}

/// What a column holds, in a few words.
fn kind(column: &Column) -> String {
    let types: Vec<&str> = column.types.keys().copied().collect();
    let sent = match types.as_slice() {
        [] => "nothing".to_owned(),
        types => types.join(" or "),
    };
    match (&column.arrow, column.all_texts_are) {
        (Some(arrow), _) => format!("{sent} (from {arrow})"),
        (None, Some(all)) => {
            let article = if all == "integer" { "an" } else { "a" };
            format!("{sent}, each {article} {all}")
        }
        (None, None) => sent,
    }
}

fn fitting(text: &mut String, fitting: &Fitting, paint: Paint) {
    let _ = writeln!(
        text,
        "  the labelling config: {} fit, {} not",
        counted(fitting.fit, "task"),
        HumanCount(fitting.misfit)
    );
    rejects(text, &fitting.misfits_by_code, paint);
    for needed in &fitting.fields {
        let (field, tag) = (&needed.field, &needed.tag);
        let line = match (&needed.similar, needed.found) {
            (_, true) => paint.paint(Kind::Good, &format!("`{field}` for {tag} is there")),
            (Some(similar), false) => paint.paint(
                Kind::Bad,
                &format!(
                    "`{field}` for {tag} is missing; `{similar}` may be it: --map {}",
                    quoted(&format!("{field}={similar}"))
                ),
            ),
            (None, false) => paint.paint(Kind::Bad, &format!("`{field}` for {tag} is missing")),
        };
        let _ = writeln!(text, "    {line}");
    }
}
