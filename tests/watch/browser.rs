//! The page in a real browser, headless and without a network: what a person sees, and what axe finds.
//!
//! `target/watch` has the pictures afterwards: for a person to look at. `scripts/test` installs the browser and axe.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::common;
use crate::page::made_up;
use crate::{Bench, lines};

/// Widths that are looked at: a phone's and a desk's.
const WIDTHS: [(u32, u32); 2] = [(390, 4_200), (1_440, 3_000)];

/// The themes, with the browser's number for each.
const THEMES: [(&str, u8); 2] = [("light", 1), ("dark", 0)];

fn target() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/watch");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn axe() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/axe");
    let told = Command::new(script).output().expect("scripts/axe runs");
    assert!(
        told.status.success(),
        "{}",
        String::from_utf8_lossy(&told.stderr)
    );
    let path = String::from_utf8(told.stdout).expect("a path");
    std::fs::read_to_string(path.trim()).expect("axe")
}

/// Opens a file in a theme, and does what the words say.
fn browse(file: &Path, theme: u8, words: &[&str]) -> String {
    let profile = common::temp();
    let mut command = Command::new("chromium");
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--host-resolver-rules=MAP * ~NOTFOUND",
        ])
        .arg("--virtual-time-budget=20000")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--blink-settings=preferredColorScheme={theme}"))
        .args(words)
        .arg(format!("file://{}", file.display()));
    let ran = common::run(&mut command, Duration::from_secs(180));
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    String::from_utf8(ran.stdout).expect("UTF-8")
}

/// A page that shows another in frames of these widths: a browser's own window is never narrower than 500 pixels.
fn framed(page: &str, widths: &[(u32, u32)]) -> String {
    let source = page.replace('&', "&amp;").replace('"', "&quot;");
    let frames: String = widths
        .iter()
        .map(|(width, height)| {
            format!("<iframe title=\"page\" style=\"border:0;width:{width}px;height:{height}px\" srcdoc=\"{source}\"></iframe>")
        })
        .collect();
    format!(
        "<!doctype html><html lang=\"en\"><title>frames</title><body style=\"margin:0\">{frames}</body></html>"
    )
}

/// The page with axe in it, which tells the page around it what it finds.
fn with_axe(page: &str, axe: &str) -> String {
    let policy = page.find("<meta http-equiv=").expect("a policy");
    let end = policy + page[policy..].find('>').expect("its end") + 1;
    let told = "<script>document.querySelectorAll('details').forEach(d => d.open = true);\
        axe.run(document, {resultTypes: ['violations', 'incomplete'], iframes: false}).then(r => {\
        const pre = top.document.createElement('pre');\
        pre.className = 'found';\
        pre.textContent = JSON.stringify({width: innerWidth, wide: document.documentElement.scrollWidth,\
        passes: r.passes.length, violations: r.violations.map(v => [v.id, v.help, v.nodes.map(n => n.html.slice(0, 200))])});\
        top.document.body.append(pre); });</script>";
    let page = format!("{}{}", &page[..policy], &page[end..]);
    page.replace("</body>", &format!("<script>{axe}</script>{told}</body>"))
}

/// What axe found at each width.
fn found(page: &str, axe: &str, theme: u8) -> Vec<Value> {
    let folder = common::temp();
    let file = common::write(
        folder.path(),
        "axe.html",
        framed(&with_axe(page, axe), &WIDTHS),
    );
    let dom = browse(&file, theme, &["--window-size=1600,1200", "--dump-dom"]);
    dom.split("<pre class=\"found\">")
        .skip(1)
        .map(|found| {
            let text = found.split("</pre>").next().unwrap_or_default();
            let text = text
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&amp;", "&");
            serde_json::from_str(&text).expect("JSON")
        })
        .collect()
}

/// A page of a real run into the made-up server, one of a long run with hostile names, and one of a bench.
fn pages() -> [(&'static str, String); 3] {
    let bench = Bench::new();
    bench.write("a.jsonl", lines(0..20_000));
    bench.write("b.jsonl", "{\"text\": tru}\n{\"text\":\"t\"}\n{\"n\":1}\n");
    let to = bench.to();
    let words = [
        "import",
        "a.jsonl",
        "b.jsonl",
        "--to",
        &to,
        "--interval",
        "500ms",
        "--max-tasks",
        "4000",
        "--report",
        "real.html",
        "--report",
        "real.json",
    ];
    let ran = bench.sluice(&words);
    assert_eq!(ran.code(), 3, "{}", ran.stderr);
    let all = bench.json("real.json");
    assert!(all["imports"].as_u64().expect("imports") > 4, "{all}");
    let pages = [
        ("real", bench.read("real.html")),
        ("long", page_of_a_long_run()),
        ("bench", page_of_a_bench(&bench)),
    ];
    for (name, page) in &pages {
        std::fs::write(target().join(format!("{name}.html")), page).expect("a page");
    }
    pages
}

fn page_of_a_long_run() -> String {
    sluice::report::page::page(&made_up(400, 30))
}

/// Held against one that was slower in all, and needed less memory.
fn page_of_a_bench(bench: &Bench) -> String {
    let words = |more: &[&'static str]| {
        let ran = bench.sluice(
            &[
                &["bench", "--size", "300KB", "--rounds", "5", "--dir", "."][..],
                &["--max-bytes", "100KB", "--quiet"],
                more,
            ]
            .concat(),
        );
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
    };
    words(&["--report", "old.json"]);
    let mut old = bench.json("old.json");
    for measure in old["measures"].as_array_mut().expect("measures") {
        let slow = (1..=5).map(|n| f64::from(n) * 1e-3).collect::<Vec<_>>();
        measure["median"] = 3e-3.into();
        measure["rounds"] = slow.into();
    }
    bench.write("old.json", old.to_string());
    words(&[
        "--compare",
        "old.json",
        "--report",
        "bench.html",
        "--report",
        "bench.json",
    ]);
    let page = bench.read("bench.html");
    for said in [
        "Round by round",
        "worse",
        "better",
        "decode and normalize",
        "p99",
        "Peak memory",
        "Not built for speed",
    ] {
        assert!(page.contains(said), "{said}");
    }
    let measures = bench.json("bench.json");
    let measures = measures["measures"].as_array().expect("measures");
    for measure in measures {
        let name = measure["name"].as_str().expect("a name");
        assert!(page.contains(name), "{name}");
    }
    page
}

#[test]
fn the_page_is_readable_for_all_and_fits_a_phone() {
    let axe = axe();
    let pages = pages();
    for (theme, number) in THEMES {
        for (name, page) in &pages {
            let found = found(page, &axe, number);
            assert_eq!(found.len(), WIDTHS.len(), "{name}, {theme}: {found:?}");
            for one in found {
                let width = one["width"].as_u64().expect("a width");
                assert!(
                    WIDTHS.iter().any(|(known, _)| u64::from(*known) == width),
                    "{one}"
                );
                assert_eq!(
                    one["violations"],
                    serde_json::json!([]),
                    "{name}, {theme}, {width}"
                );
                assert!(one["passes"].as_u64() > Some(10), "axe has looked: {one}");
                assert_eq!(one["wide"], one["width"], "{name} scrolls sideways");
            }
        }
        let all = pages
            .iter()
            .flat_map(|page| WIDTHS.map(|width| (page, width)));
        for ((name, page), (width, height)) in all {
            let picture = target().join(format!("{name}-{width}-{theme}.png"));
            let _ = std::fs::remove_file(&picture);
            let folder = common::temp();
            let file = common::write(
                folder.path(),
                "framed.html",
                framed(page, &[(width, height)]),
            );
            let window = format!("--window-size={},{height}", width.max(500));
            browse(
                &file,
                number,
                &[&window, &format!("--screenshot={}", picture.display())],
            );
            let bytes = std::fs::read(&picture).expect("a picture");
            assert!(
                bytes.starts_with(b"\x89PNG") && bytes.len() > 10_000,
                "{}",
                picture.display()
            );
        }
    }
}
