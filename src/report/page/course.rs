//! What each stage did over time, and what it waited for: the backpressure, made visible.

use std::time::Duration;

use indicatif::DecimalBytes;
use maud::{Markup, html};

use super::bins::Bins;
use super::{legend, percent, time_axis};
use crate::report::series::Course;
use crate::report::stages::{Account, Stage};
use crate::report::{Report, Series};

/// Bars of a chart.
const MOST_BARS: usize = 96;

/// What a stage does, each with how it is drawn: the kinds of the bins, after bytes.
const DOES: [(&str, &str); 3] = [
    ("busy", "working"),
    ("input", "waiting for input"),
    ("room", "waiting for room"),
];

/// Of a stage: its name, what it gives, what it waits for.
type Told<'a> = (
    &'static str,
    &'static str,
    &'static str,
    &'a Stage,
    &'a Course,
);

/// All that is said of them.
pub(super) fn section(report: &Report) -> Markup {
    let (
        Account {
            read,
            decode,
            batch,
            deliver,
        },
        series,
    ) = (&report.stages, &report.series);
    let stages: [Told<'_>; 4] = [
        (
            "read",
            "bytes as stored",
            "memory, or a place in the order",
            read,
            &series.read,
        ),
        (
            "decode",
            "bytes of tasks",
            "its answers to be taken",
            decode,
            &series.decode,
        ),
        (
            "batch",
            "bytes of imports",
            "the writer, or the deliverer",
            batch,
            &series.batch,
        ),
        (
            "deliver",
            "bytes of imports",
            "its turn at the server",
            deliver,
            &series.deliver,
        ),
    ];
    let end = series.seconds.last().copied().unwrap_or_default();
    html! {
        section aria-labelledby="course" {
            h2 id="course" { "Stages over time" }
            p { (verdict(&stages)) }
            (legend(&DOES.map(|(class, name)| (class, name.to_owned()))))
            @for stage in &stages {
                (one(stage, series, end))
            }
            (time_axis(Duration::from_secs_f64(end)))
            (table(&stages))
        }
    }
}

fn shares(stage: &Stage) -> [f64; 3] {
    let spent = [
        stage.seconds_busy,
        stage.seconds_waiting_for_input,
        stage.seconds_waiting_for_room,
    ]
    .map(|time| time.as_secs_f64());
    let whole = spent.iter().sum::<f64>();
    spent.map(|part| if whole > 0.0 { part / whole } else { 0.0 })
}

/// What the run was as fast as: the last stage that did not mostly wait for those before it. Those before it wait for
/// room, those after it for input.
fn verdict(stages: &[Told<'_>; 4]) -> Markup {
    let is_ahead = |stage: &&Told<'_>| stage.3.threads > 0 && shares(stage.3)[1] <= 0.5;
    if stages.iter().all(|stage| stage.3.threads == 0) {
        return html! { "No stage began." };
    }
    let Some((name, _, waits_for, stage, _)) = stages.iter().rev().find(is_ahead) else {
        return html! {
            "The run was as fast as its " strong { "sources" } ": all stages waited for their bytes most of the time."
        };
    };
    let [busy, _, room] = shares(stage);
    html! {
        "The run was as fast as " strong { (name) } ", which worked for " (percent(busy)) " of its time"
        @if room > busy { " and waited " (percent(room)) " of it for " (waits_for) }
        ". Stages before it wait for room, stages after it for input."
    }
}

fn one((name, what, _, stage, course): &Told<'_>, series: &Series, end: f64) -> Markup {
    let count = series.seconds.len().min(MOST_BARS);
    let mut bins = Bins::<4>::new(count, end);
    let mut from = 0.0;
    for (number, to) in series.seconds.iter().enumerate() {
        let figures = [
            &course.bytes,
            &course.busy,
            &course.waiting_for_input,
            &course.waiting_for_room,
        ];
        for (kind, figures) in figures.iter().enumerate() {
            bins.spread(
                kind,
                from,
                *to,
                figures.get(number).copied().unwrap_or_default(),
            );
        }
        from = *to;
    }
    let (length, bars) = (bins.length, bins.amounts.len());
    let most = bins.amounts.iter().map(|bin| bin[0]).fold(1.0, f64::max);
    let [busy, input, room] = shares(stage).map(percent);
    html! {
        div.stage {
            h3 { (name) }
            p.scale { (what) ", up to " (DecimalBytes((most / length) as u64)) " a second" }
            svg.chart.low viewBox=(format!("0 0 {bars} 100")) preserveAspectRatio="none" role="img" aria-label=(
                format!("{name}: bytes a second over time, up to {}", DecimalBytes((most / length) as u64))
            ) {
                rect.lane x="0" y="0" width=(bars) height="100" {}
                @for (number, bin) in bins.amounts.iter().enumerate() {
                    @let height = bin[0] / most * 100.0;
                    @if height > 0.05 {
                        rect.flow x=(number) width="1.02" y=(format!("{:.2}", 100.0 - height)) height=(format!("{height:.2}")) {}
                    }
                }
            }
            svg.strip viewBox=(format!("0 0 {bars} 100")) preserveAspectRatio="none" role="img" aria-label=(
                format!("{name}: working {busy}, waiting for input {input}, waiting for room {room}")
            ) {
                rect.lane x="0" y="0" width=(bars) height="100" {}
                @for (number, bin) in bins.amounts.iter().enumerate() {
                    @let whole = bin[1..].iter().sum::<f64>();
                    @for (kind, (class, _)) in DOES.iter().enumerate() {
                        @let before = bin[1..=kind].iter().sum::<f64>() / whole * 100.0;
                        @let height = bin[kind + 1] / whole * 100.0;
                        @if height > 0.05 {
                            rect class=(class) x=(number) width="1.02" y=(format!("{:.2}", 100.0 - before - height)) height=(format!("{height:.2}")) {}
                        }
                    }
                }
            }
        }
    }
}

fn table(stages: &[Told<'_>; 4]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "stage" } th scope="col" { "gave" }
                th scope="col" { "working" } th scope="col" { "for input" } th scope="col" { "for room" }
            } }
            tbody { @for (name, _, _, stage, _) in stages {
                tr {
                    th scope="row" { (name) @if stage.threads > 1 { " × " (stage.threads) } }
                    td { (DecimalBytes(stage.bytes)) }
                    @for share in shares(stage) { td { (percent(share)) } }
                }
            } }
        }
        details {
            summary { "What each waits for" }
            dl.facts { @for (name, _, room, _, _) in stages { dt { (name) } dd { "room: " (room) } } }
        }
    }
}
