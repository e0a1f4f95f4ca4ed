//! The report of a run, or of a bench, as one page, for a browser: no script, nothing from outside, light and dark, wide and narrow.
//!
//! ```text
//! foreign   names and values from outside, which may hold anything
//! bins      any number of imports or moments ──▶ at most so many bars
//! imports   when they waited, were sent, and were worked on; how full they are
//! course    what each stage did over time, and what it waited for
//! ```
//!
//! Markup is written by [`maud`], which escapes whatever is put into it; text from outside is put in as
//! `Foreign` besides, so that no sign in it changes how the page reads. However long a run was, and
//! whatever was rejected, the page is of bounded size.

mod bins;
mod course;
mod foreign;
mod imports;
mod style;

use std::time::Duration;

use indicatif::{DecimalBytes, HumanCount};
use maud::{DOCTYPE, Markup, PreEscaped, html};

pub(crate) use self::foreign::Foreign;
use super::{Report, Totals, summary};

/// Words of the command that are shown.
const MOST_WORDS: usize = 64;

/// What a browser may fetch for the page: nothing.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The page of a report.
#[must_use]
pub fn page(report: &Report) -> String {
    document(
        &html! { "sluice: run " (Foreign(&report.facts.run)) },
        &head(report),
        &html! {
            (totals(report))
            (conservation(&report.totals))
            (imports::section(report))
            (course::section(report))
            (rejects(&report.totals))
            (changes(&report.totals))
            (facts(report))
        },
    )
}

/// A page: its title, what stands at its head, and its sections.
pub(crate) fn document(title: &Markup, head: &Markup, sections: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(style::STYLE)) }
            }
            body {
                header { (head) }
                main { (sections) }
            }
        }
    }
    .into_string()
}

fn head(report: &Report) -> Markup {
    html! {
        h1 { "Run " (Foreign(&report.facts.run)) }
        @if report.complete {
            p.state.good { strong { "Complete." } " All of the input is in." }
        } @else {
            p.state.bad { strong { "Not complete." } " It ended early, with this error:" }
            @if let Some(error) = &report.error {
                pre { (Foreign(error)) }
            }
        }
    }
}

/// The figures that people look for first.
fn totals(report: &Report) -> Markup {
    let Totals {
        records,
        tasks,
        rejects,
        imports,
        bytes,
        ..
    } = report.totals;
    let seconds = report.seconds.as_secs_f64().max(1e-3);
    let figure = |name: &str, value: String, more: String| {
        html! {
            div { dt { (name) } dd { (value) @if !more.is_empty() { small { (more) } } } }
        }
    };
    let rate = |count: u64| format!("{} a second", HumanCount((count as f64 / seconds) as u64));
    html! {
        section aria-labelledby="totals" {
            h2 id="totals" { "Totals" }
            dl.figures {
                (figure("Records", HumanCount(records).to_string(), rate(records)))
                (figure("Tasks", HumanCount(tasks).to_string(), rate(tasks)))
                (figure("Rejected", HumanCount(rejects).to_string(), share(rejects, records)))
                (figure("Imports", HumanCount(imports).to_string(), DecimalBytes(bytes).to_string()))
                (figure("Read", DecimalBytes(report.bytes_read).to_string(),
                    format!("{} a second", DecimalBytes((report.bytes_read as f64 / seconds) as u64))))
                (figure("Time", time(report.seconds), String::new()))
            }
        }
    }
}

/// Every record is a task, a reject or a duplicate: as a sentence and as a bar.
fn conservation(totals: &Totals) -> Markup {
    let Totals {
        records,
        tasks,
        rejects,
        duplicates,
        ..
    } = *totals;
    let parts = [
        ("busy", "tasks", tasks),
        ("room", "rejects", rejects),
        ("input", "duplicates", duplicates),
    ];
    let whole = records.max(tasks + rejects + duplicates).max(1);
    html! {
        section aria-labelledby="conservation" {
            h2 id="conservation" { "What became of the records" }
            p {
                (HumanCount(records)) " records "
                @if totals.is_conserved() { "=" } @else { "≠" }
                " " (HumanCount(tasks)) " tasks + " (HumanCount(rejects)) " rejects + "
                (HumanCount(duplicates)) " duplicates. "
                @if totals.is_conserved() {
                    strong { "Nothing is lost." }
                } @else {
                    strong { "The run ended before the rest was delivered." }
                }
            }
            svg.strip viewBox="0 0 1000 10" preserveAspectRatio="none" role="img"
                aria-label=(format!("Of {records} records, {tasks} are tasks, {rejects} rejects, {duplicates} duplicates"))
            {
                @for (number, (class, _, count)) in parts.iter().enumerate() {
                    @let before: u64 = parts[..number].iter().map(|(_, _, count)| count).sum();
                    rect class=(class) x=(at(before, whole)) width=(at(*count, whole)) y="0" height="10" {}
                }
            }
            (legend(&parts.map(|(class, name, count)| (class, format!("{name} {}", share(count, records))))))
        }
    }
}

fn rejects(totals: &Totals) -> Markup {
    html! {
        section aria-labelledby="rejects" {
            h2 id="rejects" { "Rejects" }
            @if totals.rejects_by_code.is_empty() {
                p { "None." }
            }
            @for (code, rejects) in &totals.rejects_by_code {
                h3 { code { (Foreign(code)) } " " span.count { (HumanCount(rejects.count)) } }
                ul.places {
                    @for first in &rejects.first {
                        li { (Foreign(first)) }
                    }
                    @if rejects.count > rejects.first.len() as u64 {
                        li.more { "and " (HumanCount(rejects.count - rejects.first.len() as u64)) " more" }
                    }
                }
                @if let Some(help) = &rejects.help {
                    p.help { strong { "How to mend it: " } (Foreign(help)) }
                }
            }
            @if totals.duplicates > 0 {
                h3 { "Duplicates " span.count { (HumanCount(totals.duplicates)) } }
                ul.places {
                    @for first in &totals.first_duplicates {
                        li { (Foreign(first)) }
                    }
                    @if totals.duplicates > totals.first_duplicates.len() as u64 {
                        li.more { "and " (HumanCount(totals.duplicates - totals.first_duplicates.len() as u64)) " more" }
                    }
                }
            }
        }
    }
}

fn changes(totals: &Totals) -> Markup {
    let changes = summary::changes(&totals.changes);
    let made: Vec<_> = changes.iter().filter(|(count, _)| *count > 0).collect();
    html! {
        @if !made.is_empty() {
            section aria-labelledby="changes" {
                h2 id="changes" { "Changes to the data" }
                ul { @for (count, what) in made { li { (HumanCount(*count)) " " (what) } } }
            }
        }
    }
}

/// What ran, and how it was asked for.
fn facts(report: &Report) -> Markup {
    let facts = &report.facts;
    let shown = &facts.command[..facts.command.len().min(MOST_WORDS)];
    let limits = &facts.limits;
    html! {
        section aria-labelledby="facts" {
            h2 id="facts" { "What ran" }
            dl.facts {
                dt { "Command" }
                dd { code {
                    @for word in shown { span.word { (Foreign(word)) } " " }
                    @if shown.len() < facts.command.len() { "…" }
                } }
                dt { "Began" } dd { (Foreign(&facts.began)) }
                dt { "Sources" }
                dd {
                    (HumanCount(facts.sources.count as u64))
                    @if let Some(bytes) = facts.sources.bytes { ", " (DecimalBytes(bytes)) }
                }
                dt { "An import holds" }
                dd { "at most " (HumanCount(limits.tasks as u64)) " tasks and " (DecimalBytes(limits.bytes as u64)) }
                @if let Some(interval) = limits.interval {
                    dt { "Imports start" } dd { "at least " (time(interval)) " apart" }
                }
                dt { "Version" }
                dd {
                    "sluice " (facts.made_by.sluice) ", " (facts.made_by.os) " " (facts.made_by.arch) ", "
                    (facts.made_by.threads) " threads that decode; report " (report.version)
                }
            }
        }
    }
}

/// What the colours mean.
fn legend<const N: usize>(entries: &[(&str, String); N]) -> Markup {
    html! {
        ul.legend { @for (class, name) in entries { li class=(class) { (name) } } }
    }
}

/// What stands below a chart over time.
fn time_axis(whole: Duration) -> Markup {
    html! {
        div.axis aria-hidden="true" {
            span { "0 s" } span { (time(whole / 2)) } span { (time(whole)) }
        }
    }
}

/// A part of a thousand, for drawing.
fn at(part: u64, whole: u64) -> String {
    of_thousand(part as f64 / whole.max(1) as f64)
}

/// A share, for drawing: from 0 to 1000.
pub(crate) fn of_thousand(share: f64) -> String {
    format!("{:.2}", share.clamp(0.0, 1.0) * 1e3)
}

/// A share for people.
fn share(part: u64, whole: u64) -> String {
    percent(part as f64 / whole.max(1) as f64)
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        0.0 => "0 %".to_owned(),
        _ if percent < 0.1 => "< 0.1 %".to_owned(),
        _ if percent < 10.0 => format!("{percent:.1} %"),
        _ => format!("{percent:.0} %"),
    }
}

/// A time for people.
pub(crate) fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let whole = time.as_secs();
    match whole {
        0 if seconds == 0.0 => "0 s".to_owned(),
        0 => format!("{:.0} ms", (seconds * 1e3).max(1.0)),
        1..10 => format!("{seconds:.1} s"),
        10..120 => format!("{seconds:.0} s"),
        120..3_600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3_600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_shares_are_short() {
        let times = [0.0, 0.0004, 0.25, 1.25, 61.0, 121.0, 7_260.0]
            .map(|seconds| time(Duration::from_secs_f64(seconds)));
        assert_eq!(
            times,
            [
                "0 s",
                "1 ms",
                "250 ms",
                "1.2 s",
                "61 s",
                "2 min 1 s",
                "2 h 1 min"
            ]
        );
        assert_eq!(
            [0, 1, 50, 5_000, 100_000].map(|part| share(part, 100_000)),
            ["0 %", "< 0.1 %", "< 0.1 %", "5.0 %", "100 %"]
        );
    }
}
