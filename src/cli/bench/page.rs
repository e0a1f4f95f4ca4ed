//! What was measured as one page, for a browser: the frame and the looks of the page of a run's report.

use std::time::Duration;

use indicatif::{DecimalBytes, HumanCount};
use maud::{Markup, html};

use super::compare::{Change, Verdict, change};
use super::measured::{Measure, Measured};
use super::told::{asked, number};
use crate::report::page::{Foreign, document, of_thousand, time};
use crate::wording::counted;

/// Rounds that are shown one by one.
const MOST_ROUNDS: usize = 48;

/// The stages, in the order in which data flows, as the measures name them.
const STAGES: [&str; 4] = ["read", "decode and normalize", "batch", "deliver"];

/// The page; with what has changed since `before`, if that is given.
pub(super) fn page(measured: &Measured, before: Option<&Measured>) -> String {
    let name = format!(
        "Bench: {} to {}",
        measured.asked.kind,
        match measured.asked.target.as_str() {
            "stand-in" => "the stand-in of a server",
            _ => "a directory",
        }
    );
    let changes = before.map(|before| changes_since(measured, before));
    document(
        &html! { "sluice: " (Foreign(&name)) },
        &html! {
            h1 { (Foreign(&name)) }
            p { (counted(measured.rounds() as u64, "round")) " of " (DecimalBytes(measured.asked.input_bytes))
                ", " (counted(measured.tasks, "task")) " in " (counted(measured.imports, "import")) " each." }
            @if !measured.asked.machine.optimized {
                p.state.bad { strong { "Not built for speed." } " What is told here says nothing of a release." }
            }
            @if let Some(changes) = &changes { (verdict(changes)) }
        },
        &html! {
            (figures(measured))
            (stages(measured))
            (imports(measured))
            (rounds(measured))
            @if let Some(changes) = &changes { (compared(changes)) }
            (measures(measured))
            (facts(measured))
        },
    )
}

/// A measure, and what it was before if it was measured then.
type Since<'a> = (&'a Measure, Option<(&'a Measure, Change)>);

fn changes_since<'a>(measured: &'a Measured, before: &'a Measured) -> Vec<Since<'a>> {
    let since = |now: &'a Measure| {
        let then = before.measure(&now.name);
        (now, then.map(|then| (then, change(then, now))))
    };
    measured.measures.iter().map(since).collect()
}

/// What all changes come to.
fn verdict(changes: &[Since<'_>]) -> Markup {
    let count = |verdict: Verdict| {
        let is =
            |(_, since): &&Since<'_>| since.is_some_and(|(_, change)| change.verdict == verdict);
        changes.iter().filter(is).count()
    };
    let (better, worse) = (count(Verdict::Better), count(Verdict::Worse));
    html! {
        @if worse > 0 {
            p.state.bad { strong { (worse) " worse" } ", " (better) " better than before; the others changed by no more than noise." }
        } @else if better > 0 {
            p.state.good { strong { (better) " better" } " than before; the others changed by no more than noise." }
        } @else {
            p.state { strong { "As before:" } " nothing changed by more than noise." }
        }
    }
}

/// The figures that people look for first.
fn figures(measured: &Measured) -> Markup {
    let figure = |title: &str, name: &str, more: &dyn Fn(&Measure) -> String| {
        let measure = measured.measure(name);
        html! {
            @if let Some(measure) = measure {
                div { dt { (title) } dd { (shown(measure)) small { (more(measure)) } } }
            }
        }
    };
    let range = |measure: &Measure| span(measure);
    let busy = |measure: &Measure| match seconds(measured, "end to end") {
        Some(seconds) => format!("{:.1} processors busy", measure.median / seconds),
        None => String::new(),
    };
    html! {
        section aria-labelledby="figures" {
            h2 id="figures" { "End to end" }
            dl.figures {
                (figure("Input", "end to end", &range))
                (figure("Tasks", "tasks", &range))
                (figure("Processor time", "processor time", &busy))
                (figure("Peak memory", "peak memory", &range))
                (figure("An import, p50", "time of an import, p50", &range))
                (figure("An import, p99", "time of an import, p99", &range))
            }
            p.scale { "The median of all rounds, with the interval in which it lies with 95 % certainty." }
        }
    }
}

/// How fast each stage is while it works.
fn stages(measured: &Measured) -> Markup {
    let there: Vec<_> = STAGES
        .iter()
        .filter_map(|name| measured.measure(name))
        .collect();
    let most = most(&there);
    let whole = ["processor time", "peak memory"].map(|name| measured.measure(name));
    html! {
        section aria-labelledby="stages" {
            h2 id="stages" { "Stages" }
            p { "Input per second that a stage's threads worked: the slowest bounds the rest, "
                "the faster ones wait for it." }
            ol.rows.wide { @for measure in &there { (bar(&measure.name, measure, most)) } }
            table {
                thead { tr {
                    th scope="col" { "stage" } th scope="col" { "MB/s" } th scope="col" { "tasks/s" }
                    th scope="col" { "worked" } th scope="col" { "memory" }
                } }
                tbody {
                    @for measure in &there {
                        tr {
                            th scope="row" { (measure.name) }
                            td { (number(measure.median)) }
                            td { (tasks_a_second(measured, measure)) }
                            td { (worked(seconds(measured, &measure.name))) }
                            td { "–" }
                        }
                    }
                    @if let Some(measure) = measured.measure("end to end") {
                        tr {
                            th scope="row" { "end to end" }
                            td { (number(measure.median)) }
                            td { (tasks_a_second(measured, measure)) }
                            td { (worked(whole[0].map(|measure| measure.median))) }
                            td { (whole[1].map_or("–".to_owned(), shown)) }
                        }
                    }
                }
            }
            p.scale { "Worked: the time that a stage's threads worked in a round; end to end, that of all processors." }
        }
    }
}

/// How long an import takes its target.
fn imports(measured: &Measured) -> Markup {
    let there: Vec<_> = ["p50", "p99"]
        .into_iter()
        .filter_map(|name| {
            let measure = measured.measure(&format!("time of an import, {name}"))?;
            Some((name, measure))
        })
        .collect();
    let most = most(
        &there
            .iter()
            .map(|(_, measure)| *measure)
            .collect::<Vec<_>>(),
    );
    html! {
        @if !there.is_empty() {
            section aria-labelledby="imports" {
                h2 id="imports" { "Time of an import" }
                p { "From the moment the target takes it until it is safe there." }
                ol.rows.rates { @for (name, measure) in &there { (bar(name, measure, most)) } }
            }
        }
    }
}

/// Each round: how much they differ is what noise there is.
fn rounds(measured: &Measured) -> Markup {
    let Some(measure) = measured.measure("end to end") else {
        return html! {};
    };
    let most = measure
        .rounds
        .iter()
        .copied()
        .fold(f64::MIN_POSITIVE, f64::max);
    html! {
        section aria-labelledby="rounds" {
            h2 id="rounds" { "Round by round" }
            ol.rows.rates { @for (at, value) in measure.rounds.iter().take(MOST_ROUNDS).enumerate() {
                li {
                    span.name { (at + 1) }
                    (strip(*value, most, &format!("Round {}: {} {}", at + 1, number(*value), measure.unit)))
                    span.value { (number(*value)) " " (measure.unit) }
                }
            } }
            @if measure.rounds.len() > MOST_ROUNDS {
                p.more { "and " (measure.rounds.len() - MOST_ROUNDS) " more" }
            }
        }
    }
}

/// What has changed.
fn compared(changes: &[Since<'_>]) -> Markup {
    html! {
        section aria-labelledby="compared" {
            h2 id="compared" { "What has changed" }
            table {
                thead { tr {
                    th scope="col" { "measure" } th scope="col" { "before" } th scope="col" { "now" }
                    th scope="col" { "change" } th scope="col" { "it is" }
                } }
                tbody { @for (now, since) in changes {
                    tr {
                        th scope="row" { (now.name) }
                        @if let Some((then, change)) = since {
                            td { (number(then.median)) } td { (number(now.median)) }
                            td { (by(change.share)) }
                            @match change.verdict {
                                Verdict::Better => td.good { strong { "better" } },
                                Verdict::Worse => td.bad { strong { "worse" } },
                                Verdict::Noise => td { "noise" },
                            }
                        } @else {
                            td { "–" } td { (number(now.median)) } td { "–" } td { "new" }
                        }
                    }
                } }
            }
        }
    }
}

/// All that was measured.
fn measures(measured: &Measured) -> Markup {
    html! {
        section aria-labelledby="measures" {
            h2 id="measures" { "All that was measured" }
            table {
                thead { tr {
                    th scope="col" { "measure" } th scope="col" { "median" } th scope="col" { "from" }
                    th scope="col" { "to" } th scope="col" { "unit" }
                } }
                tbody { @for measure in &measured.measures {
                    tr {
                        th scope="row" { (measure.name) }
                        td { (number(measure.median)) }
                        td { (number(measure.interval.low)) } td { (number(measure.interval.high)) }
                        td { (measure.unit) }
                    }
                } }
            }
        }
    }
}

/// What was asked for, and what it ran on.
fn facts(measured: &Measured) -> Markup {
    html! {
        section aria-labelledby="facts" {
            h2 id="facts" { "What ran" }
            dl.facts { @for (name, value) in asked(measured) { dt { (name) } dd { (Foreign(&value)) } } }
        }
    }
}

/// A measure as a bar, of the most that is drawn beside it.
fn bar(name: &str, measure: &Measure, most: f64) -> Markup {
    html! {
        li {
            span.name { (name) }
            (strip(measure.median, most, &format!("{name}: {}", shown(measure))))
            span.value { (shown(measure)) }
        }
    }
}

fn strip(value: f64, most: f64, label: &str) -> Markup {
    html! {
        svg viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label=(label) {
            rect.lane x="0" y="0" width="1000" height="10" {}
            rect.busy x="0" y="0" width=(of_thousand(value / most)) height="10" {}
        }
    }
}

fn most(measures: &[&Measure]) -> f64 {
    let medians = measures.iter().map(|measure| measure.median);
    medians.fold(f64::MIN_POSITIVE, f64::max)
}

/// A median with its unit.
fn shown(measure: &Measure) -> String {
    match measure.unit.as_str() {
        "1/s" => format!("{}/s", HumanCount(measure.median as u64)),
        unit => format!("{} {unit}", number(measure.median)),
    }
}

fn span(measure: &Measure) -> String {
    let of = |value: f64| match measure.unit.as_str() {
        "1/s" => HumanCount(value as u64).to_string(),
        _ => number(value),
    };
    format!(
        "{} to {}",
        of(measure.interval.low),
        of(measure.interval.high)
    )
}

/// A change as a share, or as a multiple where that is shorter.
fn by(share: f64) -> String {
    if share < 9.0 {
        format!("{:+.1} %", share * 100.0)
    } else {
        format!("× {}", number(share + 1.0))
    }
}

/// The time in which a stage that is so fast is through with the input.
fn seconds(measured: &Measured, name: &str) -> Option<f64> {
    let measure = measured.measure(name)?;
    (measure.median > 0.0).then(|| measured.asked.input_bytes as f64 / 1e6 / measure.median)
}

fn worked(seconds: Option<f64>) -> String {
    let told = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    told.map_or("–".to_owned(), time)
}

fn tasks_a_second(measured: &Measured, measure: &Measure) -> String {
    match seconds(measured, &measure.name) {
        Some(seconds) => HumanCount((measured.tasks as f64 / seconds) as u64).to_string(),
        None => "–".to_owned(),
    }
}
