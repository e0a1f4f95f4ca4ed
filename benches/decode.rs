//! Chunks to records: bytes/s of one thread, with a consumer that does nothing, beside a check of UTF-8.

mod stage;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sluice::decode::scan::Value;
use sluice::decode::{Changes, Consumer, Decode, Decoder, Mark, Nul, Row};
use sluice::error::Fault;
use sluice::read::{Body, Chunk};
use stage::Input;

/// Takes records and counts them.
#[derive(Default)]
struct Count(u64);

impl Consumer for Count {
    fn is_full(&self) -> bool {
        false
    }

    fn json(&mut self, _: Mark, value: Value<'_>) {
        black_box(&value);
        self.0 += 1;
    }

    fn text(&mut self, _: Mark, text: &str) {
        black_box(text);
        self.0 += 1;
    }

    fn row<R: Row>(&mut self, _: Mark, row: &R) {
        black_box(row.raw());
        self.0 += 1;
    }

    fn fault(&mut self, _: Mark, _: Fault, _: &[u8]) {}

    fn changed(&mut self, _: Changes) {}
}

fn decode_all(chunks: Vec<Chunk>) -> u64 {
    let mut count = Count::default();
    for mut chunk in chunks {
        let mut decoder = Decoder::new(&mut chunk, Nul::Reject, &Arc::default());
        while decoder.decode(&mut count).unwrap_or(false) {}
    }
    count.0
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    for input in Input::all() {
        group.throughput(Throughput::Bytes(input.bytes));
        group.bench_function(input.name, |b| {
            b.iter_batched(|| input.chunks(), decode_all, BatchSize::PerIteration);
        });
        if input.name == "jsonl" {
            group.bench_function("baseline: check UTF-8", |b| {
                b.iter_batched_ref(
                    || input.chunks(),
                    |chunks| check_utf8(chunks),
                    BatchSize::PerIteration,
                );
            });
        }
    }
    group.finish();
}

fn check_utf8(chunks: &[Chunk]) -> usize {
    let valid = |chunk: &Chunk| match &chunk.body {
        Body::Text(text) => simdutf8::basic::from_utf8(text).is_ok(),
        _ => false,
    };
    chunks.iter().filter(|chunk| valid(chunk)).count()
}

criterion_group!(name = benches; config = stage::criterion(); targets = decode);
criterion_main!(benches);
