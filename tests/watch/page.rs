//! The report as a page: of bounded size, and whatever is in names and values does nothing there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice::batch::import::{About, Digest};
use sluice::deliver::Receipt;
use sluice::deliver::times::Times;
use sluice::error::{Code, Error, Fault};
use sluice::place::{At, Place, SourceId};
use sluice::read::{Framing, Shape};
use sluice::rejects::Reject;
use sluice::report::facts::{Bounds, Expected, Facts};
use sluice::report::page::page;
use sluice::report::{Report, Watch};

use crate::Bench;

pub(crate) const HOSTILE: &str =
    "\"'><script>alert(1)</script><img src=x onerror=alert(1)>\u{202e}gpj.exe&lt;";

fn place(record: u64) -> Place {
    let at = At::Text {
        line: record,
        byte: record,
    };
    Place {
        source: SourceId(0),
        record,
        at,
    }
}

/// A run as it might have been: so many imports of a paced server, so many rejects, all of them hostile.
pub(crate) fn made_up(imports: u64, rejects: u64) -> Report {
    let interval = Duration::from_secs(30);
    let length = interval * u32::try_from(imports).expect("few") + interval;
    // Times are told since the run began, so it began a while ago.
    let now = Instant::now();
    let began = now.checked_sub(length).unwrap_or(now);
    let watch = Watch::new(began, || None);
    let shape = Arc::new(Shape::Json(Framing::Lines));
    for number in 1..=rejects {
        let code = Code::ALL[usize::try_from(number).expect("few") % 8];
        let fault =
            Fault::new(code, format!("cannot take {HOSTILE}")).help(format!("mend {HOSTILE}"));
        let reject = Reject::new(place(number), fault, HOSTILE.as_bytes().to_vec(), &shape);
        watch.counters.rejected(&reject, HOSTILE);
    }
    let mut receipts = Vec::new();
    for number in 1..=imports {
        let part = (number % 10) as u32 + 1;
        let receipt = Receipt {
            name: format!("{HOSTILE}-{number}"),
            import: About {
                number,
                tasks: 20_000 * part as usize,
                bytes: 4_900_000 * part as usize,
                blake3: Digest("0".repeat(64)),
                first: place(number),
                last: place(number),
                next: None,
            },
            times: Some(Times {
                began: began + interval * u32::try_from(number).expect("few"),
                ended: began + interval * u32::try_from(number).expect("few") + interval,
                waiting: Duration::from_secs(22) - Duration::from_secs(u64::from(part)),
                server: Duration::from_secs(u64::from(part)),
            }),
        };
        watch
            .counters
            .passed(receipt.import.tasks as u64, Default::default());
        watch.counters.delivered(&receipt);
        watch.record();
        receipts.push(receipt);
    }
    watch.counters.passed(rejects, Default::default());
    let facts = Facts {
        run: HOSTILE.to_owned(),
        began: "2026-01-01T00:00:00Z".to_owned(),
        command: std::iter::repeat_n(HOSTILE.to_owned(), 5).collect(),
        sources: Expected {
            count: 3,
            bytes: Some(12_345_678),
        },
        limits: Bounds {
            tasks: 250_000,
            bytes: 50_000_000,
            interval: Some(interval),
        },
        ..Facts::default()
    };
    let error = Error::new(Code::TooManyRejects, HOSTILE);
    Report::of(&watch, facts, receipts, Some(&error))
}

/// What a browser would run, fetch or be led astray by.
fn assert_harmless(page: &str) {
    let lower = page.to_ascii_lowercase();
    for sign in [
        "<script",
        "<img",
        "<iframe",
        "<object",
        "<link",
        "src=",
        "href=",
        "url(",
        "@import",
        "javascript:",
    ] {
        let found = lower
            .find(sign)
            .map(|at| &page[at.saturating_sub(60)..(at + 60).min(page.len())]);
        // Escaped text may say so; markup may not.
        let escaped = sign == "src=" || sign == "javascript:";
        assert!(
            found.is_none() || escaped && found.unwrap().contains("&lt;img"),
            "{sign}: {found:?}"
        );
    }
    let hidden = page
        .chars()
        .find(|sign| matches!(sign, '\u{202a}'..='\u{202e}' | '\0'..='\u{8}' | '\u{1b}'));
    assert_eq!(hidden, None);
    // Quotes in attributes are those of the markup: each opens or closes one.
    let texts = page
        .split('<')
        .skip(1)
        .filter_map(|tag| tag.split_once('>'));
    for (tag, _) in texts {
        assert_eq!(tag.matches('"').count() % 2, 0, "<{tag}>");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn hostile_names_and_values_do_nothing() {
    let page = page(&made_up(30, 20));
    assert_harmless(&page);
    assert!(page.contains("&lt;script&gt;alert(1)"), "it is shown");

    let bench = Bench::new();
    let name = "<script>alert(1)</script>\u{202e}'\".csv".replace('/', "_");
    bench.write(
        &name,
        "text,n\n<script>alert(1)</script>\n\"\u{202e}</svg><script>\",1,2\n",
    );
    let ran = bench.sluice(&["import", &name, "--report", "r.html"]);
    assert_eq!(ran.code(), 3, "{}", ran.stderr);
    assert_harmless(&bench.read("r.html"));
}

#[test]
fn a_long_run_has_a_page_of_bounded_size() {
    let (short, long) = (page(&made_up(25, 10)), page(&made_up(20_000, 100_000)));
    assert!(long.len() < 200_000, "{}", long.len());
    assert!(
        long.len() < short.len() * 3,
        "{} and {}",
        short.len(),
        long.len()
    );
    assert_harmless(&long);
}
