//! Where records end: bytes/s of each cutter, beside a count of line ends, which no cutter can beat.

mod stage;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sluice::generate::{self, Kind};
use sluice::read::cut_csv::CutCsv;
use sluice::read::cut_json::CutJson;
use sluice::read::cut_lines::CutLines;
use sluice::read::{Cut, Framing, Which};
use stage::{BYTES, CHUNK_BYTES, SEED};

/// Cuts text into chunks, as the reader does; gives how many.
fn cut_all(text: &[u8], cutter: &mut dyn Cut) -> usize {
    let (mut from, mut chunks) = (0, 0);
    while from < text.len() {
        let to = text.len().min(from + CHUNK_BYTES);
        let cutting = cutter
            .cut(&text[from..to], to == text.len(), Which::Last)
            .unwrap_or_default();
        if cutting.end == 0 {
            break;
        }
        chunks += 1;
        from += cutting.end + cutting.skip;
    }
    chunks
}

fn text(kind: Kind) -> Vec<u8> {
    let mut text = Vec::new();
    // Memory takes what is written to it.
    let _ = generate::write(kind, &mut text, BYTES, SEED);
    text
}

fn cut(c: &mut Criterion) {
    type Cutter = fn() -> Box<dyn Cut>;
    let cutters: [(&str, Kind, Cutter); 5] = [
        ("jsonl", Kind::Jsonl, || Box::<CutLines>::default()),
        ("array", Kind::Array, || {
            Box::new(CutJson::new(Framing::Elements))
        }),
        // The worst case: every structure spread over lines of its own.
        ("pretty array", Kind::Pretty, || {
            Box::new(CutJson::new(Framing::Elements))
        }),
        ("csv", Kind::Csv, || Box::new(CutCsv::new(b','))),
        ("wide-csv", Kind::WideCsv, || Box::new(CutCsv::new(b','))),
    ];
    let mut group = c.benchmark_group("cut");
    for (name, kind, cutter) in cutters {
        let text = text(kind);
        // A cutter starts after an array's bracket.
        let text = text.strip_prefix(b"[").unwrap_or(&text);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| cut_all(black_box(text), &mut *cutter()));
        });
    }
    let text = text(Kind::Jsonl);
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("baseline: count line ends", |b| {
        b.iter(|| memchr::memchr_iter(b'\n', black_box(&text)).count());
    });
    group.finish();
}

criterion_group!(name = benches; config = stage::criterion(); targets = cut);
criterion_main!(benches);
