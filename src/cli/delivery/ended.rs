//! What a person is told when a run has ended.

use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::HumanCount;

use super::Target;
use crate::cli::{next, server};
use crate::error::Error;
use crate::normalize::inline::told;
use crate::plan::Plan;
use crate::report::summary::summary;
use crate::report::{Media, Report, Watch, log};
use crate::wording::{agreeing, counted};

/// Tells it; `to` is where the imports went.
pub(super) fn tell(
    plan: &Plan,
    target: &Target,
    watch: &Watch,
    report: &Report,
    error: Option<&Error>,
    to: &str,
) {
    if let Target::LabelStudio(projects) = target {
        server::tell(projects);
    }
    if let (Target::Redis(redis), None) = (target, error) {
        let (written, there) = redis.done();
        log::tell(format_args!(
            "{} written, {} {} there already",
            counted(written, "key"),
            HumanCount(there),
            agreeing(there, "was", "were")
        ));
    }
    if let Target::Redis(_) | Target::LabelStudio(_) = target
        && let Some(path) = target.sink().rejects()
        && report.totals.rejects > 0
    {
        log::tell(format_args!("rejects are in {}", path.display()));
    }
    if plan.media_check.is_some() && error.is_none() {
        looked_at(&watch.media);
    }
    if let (Some(inline), None) = (&plan.normalizer.inline, error) {
        let inlined = watch.inlined.load(Ordering::Relaxed);
        log::tell(format_args!(
            "{} inlined: {}",
            counted(inlined, "text"),
            told(inline)
        ));
    }
    let before = match target {
        Target::LabelStudio(projects) => projects.before(),
        _ => None,
    };
    let is_over = before.is_some_and(|before| before.complete);
    // Of a run that had nothing to do there is no more to say.
    if (error.is_none() && !is_over) || report.totals.records > 0 {
        log::tell(format_args!("{}", summary(report, to)));
    }
    if error.is_none() && before.is_none() && report.totals.records == 0 {
        log::warn("no record was found in the sources: is that what was meant?");
    }
    if let (Target::LabelStudio(projects), None) = (target, error) {
        next::after_import(projects.run_id());
    }
}

/// Says what was found out about the media that tasks speak of.
fn looked_at(media: &Media) {
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let (asked, dead) = (count(&media.asked), count(&media.dead));
    log::tell(format_args!(
        "{} media asked for, {} of them not there",
        HumanCount(asked),
        HumanCount(dead)
    ));
    let passed_over = count(&media.passed_over);
    if passed_over > 0 {
        log::warn(format_args!(
            "{} not looked at: only addresses of the web are",
            counted(passed_over, "reference")
        ));
    } else if asked == 0 {
        log::warn(format_args!(
            "`--media-check` found no reference to look at"
        ));
    }
}
