//! Metrics of a run, in the text format of Prometheus: what [`Watch`] counts anyway, written when it is asked for.
//!
//! A crate for metrics would be a second home for the same counts, told of every one of them as it changes; here nothing
//! is told twice, and a run without `--metrics` does nothing for it.

use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Watch;
use super::facts::Facts;
use super::gauges::CLASSES;
use super::stages::Stage;
use crate::deliver::throttle::Pace;

/// What kind of metric it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Durations by class.
    Histogram,
}

impl Kind {
    /// As the format has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// A metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it counts.
    pub help: &'static str,
    write: fn(&mut Samples<'_>),
}

macro_rules! metrics {
    ($($kind:ident $name:literal [$($label:literal),*] $help:literal => $write:expr;)+) => {
        /// Every metric, in the order in which they are written.
        pub const METRICS: &[Metric] = &[$(Metric {
            name: $name,
            kind: Kind::$kind,
            labels: &[$($label),*],
            help: $help,
            write: $write,
        },)+];
    };
}

metrics! {
    Gauge "sluice_build_info" ["version"] "The version of sluice; always 1" => |to| {
        to.sample(&[to.facts.made_by.sluice], 1);
    };
    Counter "sluice_records_total" [] "Records read, good and bad" => |to| to.count(&to.watch.counters.records);
    Counter "sluice_tasks_total" [] "Tasks in imports that are delivered" => |to| to.count(&to.watch.counters.tasks);
    Counter "sluice_duplicates_total" [] "Records that came before and were left out" => |to| {
        to.count(&to.watch.counters.duplicates);
    };
    Counter "sluice_rejects_total" ["code"] "Records that became no task" => |to| {
        for (code, rejects) in to.watch.counters.totals().rejects_by_code {
            to.sample(&[&code], rejects.count);
        }
    };
    Counter "sluice_read_bytes_total" [] "Bytes read from the sources, as stored" => |to| {
        to.count(&to.watch.progress.bytes);
    };
    Counter "sluice_read_sources_total" [] "Sources that are read to their end" => |to| {
        to.count(&to.watch.progress.sources);
    };
    Counter "sluice_delivered_bytes_total" [] "Bytes of imports that are delivered" => |to| {
        to.count(&to.watch.counters.bytes);
    };
    Counter "sluice_imports_total" ["outcome"] "What came of sending imports, and parts of them" => |to| {
        for (outcome, count) in to.watch.counters.outcomes() {
            to.sample(&[outcome], count);
        }
    };
    Counter "sluice_stage_bytes_total" ["stage"] "Bytes that left the stage" => |to| {
        for (name, stage) in to.stages() {
            to.sample(&[name], stage.bytes);
        }
    };
    Counter "sluice_stage_seconds_total" ["stage", "state"] "What the threads of the stage did, all added up" => |to| {
        for (name, stage) in to.stages() {
            to.sample(&[name, "busy"], stage.seconds_busy.as_secs_f64());
            to.sample(&[name, "waiting_for_input"], stage.seconds_waiting_for_input.as_secs_f64());
            to.sample(&[name, "waiting_for_room"], stage.seconds_waiting_for_room.as_secs_f64());
        }
    };
    Gauge "sluice_source_bytes" [] "Bytes of all sources as stored; not there if not known" => |to| {
        if let Some(bytes) = to.facts.sources.bytes {
            to.sample(&[], bytes);
        }
    };
    Gauge "sluice_memory_bytes" [] "Bytes in flight between the reader and the batcher" => |to| {
        to.sample(&[], to.watch.gauges.memory().0);
    };
    Gauge "sluice_memory_limit_bytes" [] "The bytes that may be: `--memory`" => |to| {
        to.sample(&[], to.watch.gauges.memory().1);
    };
    Gauge "sluice_queue_depth" ["queue"] "Chunks in the order; imports that are ready for the deliverer" => |to| {
        to.sample(&["chunks"], to.watch.gauges.chunks());
        to.sample(&["imports"], to.watch.gauges.imports());
    };
    Gauge "sluice_next_slot_seconds" [] "Until the next import may start; 0 if none waits for that" => |to| {
        let left = match to.watch.pace() {
            Some(Pace::Waiting(left)) => left,
            _ => std::time::Duration::ZERO,
        };
        to.sample(&[], left.as_secs_f64());
    };
    Histogram "sluice_import_seconds" [] "How long delivered imports took, but for waiting" => |to| to.durations();
}

/// All metrics of a run, as they are now.
#[must_use]
pub fn text(watch: &Watch, facts: &Facts) -> String {
    let mut out = String::new();
    for metric in METRICS {
        let Metric {
            name, kind, help, ..
        } = metric;
        // Writing to a string cannot fail.
        let _ = writeln!(out, "# HELP {name} {help}");
        let _ = writeln!(out, "# TYPE {name} {}", kind.as_str());
        (metric.write)(&mut Samples {
            metric,
            watch,
            facts,
            out: &mut out,
        });
    }
    out
}

/// Where the samples of a metric are written, and what they are of.
struct Samples<'a> {
    metric: &'a Metric,
    watch: &'a Watch,
    facts: &'a Facts,
    out: &'a mut String,
}

impl Samples<'_> {
    fn count(&mut self, count: &AtomicU64) {
        self.sample(&[], count.load(Ordering::Relaxed));
    }

    /// One sample, with a value for each of the metric's labels.
    fn sample(&mut self, values: &[&str], value: impl Display) {
        let labels: Vec<_> = self.metric.labels.iter().zip(values).collect();
        self.line("", &labels, value);
    }

    fn line(&mut self, ending: &str, labels: &[(&&str, &&str)], value: impl Display) {
        self.out.push_str(self.metric.name);
        self.out.push_str(ending);
        for (number, (label, text)) in labels.iter().enumerate() {
            let between = if number == 0 { '{' } else { ',' };
            let _ = write!(self.out, "{between}{label}=\"{}\"", escaped(text));
        }
        if !labels.is_empty() {
            self.out.push('}');
        }
        let _ = writeln!(self.out, " {value}");
    }

    fn stages(&self) -> [(&'static str, Stage); 4] {
        let account = self.watch.account();
        [
            ("read", account.read),
            ("decode", account.decode),
            ("batch", account.batch),
            ("deliver", account.deliver),
        ]
    }

    /// A histogram's classes each count what is in those before them too.
    fn durations(&mut self) {
        let took = &self.watch.counters.took;
        let classes = took.classes();
        let mut count = 0;
        for (number, class) in classes.iter().enumerate() {
            count += class;
            let end = match CLASSES.get(number) {
                Some(end) => end.to_string(),
                None => "+Inf".to_owned(),
            };
            self.line("_bucket", &[(&"le", &&*end)], count);
        }
        self.line("_sum", &[], took.sum().as_secs_f64());
        self.line("_count", &[], count);
    }
}

/// A label's value as the format wants it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
