//! The imports: when they waited, were sent and were worked on, and how full they are.

use std::time::Duration;

use indicatif::{DecimalBytes, HumanCount};
use maud::{Markup, html};

use super::bins::Bins;
use super::foreign::Foreign;
use super::{legend, of_thousand, percent, time, time_axis};
use crate::report::facts::Bounds;
use crate::report::{Delivery, Report};

/// Imports that have a row each; more are drawn together.
const MOST_ROWS: usize = 24;

/// Bars of a chart.
const MOST_BARS: usize = 96;

/// The slowest imports that are listed.
const SLOWEST: usize = 8;

/// Classes of fullness.
const CLASSES: usize = 10;

/// What an import does, each with how it is drawn.
const DOES: [(&str, &str); 3] = [
    ("input", "waiting"),
    ("busy", "sending"),
    ("room", "server"),
];

/// All that is said of them.
pub(super) fn section(report: &Report) -> Markup {
    let deliveries = &report.deliveries;
    let whole = end(report);
    html! {
        section aria-labelledby="imports" {
            h2 id="imports" { "Imports over time" }
            @if deliveries.is_empty() {
                p { "None was delivered." }
            } @else {
                (spent(deliveries))
                @if deliveries.len() <= MOST_ROWS {
                    (rows(deliveries, whole))
                } @else {
                    (together(deliveries, whole))
                }
                (time_axis(whole))
                (slowest(deliveries))
            }
            (others(report))
        }
        @if !deliveries.is_empty() {
            (fullness(deliveries, &report.facts.limits))
        }
    }
}

fn parts(delivery: &Delivery) -> [Duration; 3] {
    [delivery.waiting, delivery.sending, delivery.server]
}

/// The end of the axis: that of the run, or of an import that was still being written then.
fn end(report: &Report) -> Duration {
    let last = report.deliveries.iter().map(Delivery::ended).max();
    report.seconds.max(last.unwrap_or_default())
}

/// What the colours mean, with what all imports did together.
fn spent(deliveries: &[Delivery]) -> Markup {
    let sum = |part: usize| {
        deliveries
            .iter()
            .map(|one| parts(one)[part])
            .sum::<Duration>()
    };
    let entry = |number: usize| {
        let (class, name) = DOES[number];
        (class, format!("{name} {}", time(sum(number))))
    };
    legend(&[entry(0), entry(1), entry(2)])
}

/// One row an import.
fn rows(deliveries: &[Delivery], whole: Duration) -> Markup {
    let scale = |time: Duration| of_thousand(time.as_secs_f64() / whole.as_secs_f64().max(1e-6));
    html! {
        ol.rows {
            @for delivery in deliveries {
                @let took = parts(delivery);
                @let number = delivery.receipt.import.number;
                li {
                    span.name { (number) }
                    svg viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label=(
                        format!("Import {number} began after {}: waiting {}, sending {}, server {}",
                            time(delivery.began), time(took[0]), time(took[1]), time(took[2]))
                    ) {
                        rect.lane x="0" y="0" width="1000" height="10" {}
                        @for (part, (class, _)) in DOES.iter().enumerate() {
                            @let before: Duration = took[..part].iter().sum();
                            rect class=(class) x=(scale(delivery.began + before)) width=(seen(took[part], whole)) y="0" height="10" {}
                        }
                    }
                    span.value { (time(took.iter().sum())) }
                }
            }
        }
    }
}

/// The width of a bar, which is seen unless it is nothing.
fn seen(took: Duration, whole: Duration) -> String {
    let share = took.as_secs_f64() / whole.as_secs_f64().max(1e-6);
    of_thousand(if took.is_zero() { 0.0 } else { share.max(2e-3) })
}

/// All imports in a few bars: how many waited, were being sent and were worked on at a time.
fn together(deliveries: &[Delivery], whole: Duration) -> Markup {
    let mut bins = Bins::<3>::new(MOST_BARS, whole.as_secs_f64());
    for delivery in deliveries {
        let mut from = delivery.began.as_secs_f64();
        for (kind, part) in parts(delivery).iter().enumerate() {
            let to = from + part.as_secs_f64();
            bins.spread(kind, from, to, part.as_secs_f64());
            from = to;
        }
    }
    let length = bins.length;
    let most = bins
        .amounts
        .iter()
        .map(|bin| bin.iter().sum::<f64>())
        .fold(length, f64::max);
    let bar = |bin: &[f64; 3], kind: usize| {
        let before: f64 = bin[..kind].iter().sum();
        let height = bin[kind] / most * 100.0;
        (100.0 - before / most * 100.0 - height, height)
    };
    html! {
        p.scale { (format!("{:.1}", most / length)) " at a time" }
        svg.chart viewBox=(format!("0 0 {MOST_BARS} 100")) preserveAspectRatio="none" role="img" aria-label=(
            format!("{} imports over {}, in {MOST_BARS} spans: how many waited, were being sent and were worked on",
                deliveries.len(), time(whole))
        ) {
            rect.lane x="0" y="0" width=(MOST_BARS) height="100" {}
            @for (number, bin) in bins.amounts.iter().enumerate() {
                @for (kind, (class, _)) in DOES.iter().enumerate() {
                    @let (top, height) = bar(bin, kind);
                    @if height > 0.05 {
                        rect class=(class) x=(number) width="1.02" y=(format!("{top:.2}")) height=(format!("{height:.2}")) {}
                    }
                }
            }
        }
    }
}

fn slowest(deliveries: &[Delivery]) -> Markup {
    let took = |delivery: &Delivery| delivery.sending + delivery.server;
    let mut slowest: Vec<_> = deliveries.iter().collect();
    slowest.sort_by_key(|delivery| std::cmp::Reverse(took(delivery)));
    html! {
        details {
            summary { "The slowest imports" }
            table {
                thead { tr {
                    th scope="col" { "import" } th scope="col" { "tasks" } th scope="col" { "size" }
                    th scope="col" { "waiting" } th scope="col" { "sending" } th scope="col" { "server" }
                } }
                tbody { @for delivery in slowest.iter().take(SLOWEST) {
                    @let import = &delivery.receipt.import;
                    tr {
                        th scope="row" { (import.number) }
                        td { (HumanCount(import.tasks as u64)) }
                        td { (DecimalBytes(import.bytes as u64)) }
                        td { (time(delivery.waiting)) } td { (time(delivery.sending)) } td { (time(delivery.server)) }
                    }
                } }
            }
            @if let (Some(first), Some(last)) = (deliveries.first(), deliveries.last()) {
                p { "From " code { (Foreign(&first.receipt.name)) } " to " code { (Foreign(&last.receipt.name)) } "." }
            }
        }
    }
}

/// What came of sending, other than that it was delivered.
fn others(report: &Report) -> Markup {
    let of = |outcome: &str| report.outcomes.get(outcome).copied().unwrap_or_default();
    let told = [
        (
            "refused",
            "refused by the server, and sent again without the tasks that it named",
        ),
        ("too_large", "too large for the server, and divided"),
        (
            "in_doubt",
            "in doubt, since an answer was missing or proved nothing: the server was asked what it had",
        ),
    ];
    let happened: Vec<_> = told.iter().filter(|(outcome, _)| of(outcome) > 0).collect();
    html! {
        @if !happened.is_empty() {
            ul { @for (outcome, words) in happened { li { (HumanCount(of(outcome))) " times " (words) } } }
        }
    }
}

/// How full imports are, of what an import may hold.
fn fullness(deliveries: &[Delivery], limits: &Bounds) -> Markup {
    let full = |delivery: &Delivery| {
        let import = &delivery.receipt.import;
        let of = |part: usize, most: usize| part as f64 / most.max(1) as f64;
        of(import.tasks, limits.tasks).max(of(import.bytes, limits.bytes))
    };
    let mut classes = [0_u64; CLASSES];
    for delivery in deliveries {
        classes[((full(delivery) * CLASSES as f64) as usize).min(CLASSES - 1)] += 1;
    }
    let mean = deliveries.iter().map(full).sum::<f64>() / deliveries.len().max(1) as f64;
    let most = classes.iter().copied().max().unwrap_or_default().max(1);
    html! {
        section aria-labelledby="full" {
            h2 id="full" { "How full the imports are" }
            p { "On average " strong { (percent(mean)) } " of what an import may hold, in tasks or in bytes, whichever is more." }
            ol.rows {
                @for (number, count) in classes.iter().enumerate() {
                    @let name = format!("{}–{} %", number * 10, number * 10 + 10);
                    li {
                        span.name { (name) }
                        svg viewBox="0 0 1000 10" preserveAspectRatio="none" role="img"
                            aria-label=(format!("{count} imports are {name} full"))
                        {
                            rect.lane x="0" y="0" width="1000" height="10" {}
                            rect.busy x="0" y="0" width=(super::at(*count, most)) height="10" {}
                        }
                        span.value { (HumanCount(*count)) }
                    }
                }
            }
        }
    }
}
