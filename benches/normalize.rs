//! Chunks to encoded tasks, decoding included, since the two are one job: bytes/s of one thread.

mod stage;

use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sluice::normalize::mapping::Mapping;
use sluice::normalize::{self, Normalizer};
use sluice::read::Chunk;
use stage::Input;

fn tasks_of(normalizer: &Arc<Normalizer>, chunks: Vec<Chunk>) -> usize {
    let tasks = chunks
        .into_iter()
        .flat_map(|chunk| normalize::tasks(normalizer, chunk));
    tasks.map(|tasks| tasks.marks.len()).sum()
}

fn normalize(c: &mut Criterion) {
    let mut group = c.benchmark_group("normalize");
    for input in Input::all() {
        group.throughput(Throughput::Bytes(input.bytes));
        let normalizer = input.plan(1).normalizer;
        group.bench_function(input.name, |b| {
            b.iter_batched(
                || input.chunks(),
                |chunks| tasks_of(&normalizer, chunks),
                BatchSize::PerIteration,
            );
        });
        // Fields are looked at only where something is to be done about them.
        if ["jsonl", "csv", "parquet"].contains(&input.name) {
            let picked = ["id", "text", "lang"].map(str::to_owned).to_vec();
            let renamed = vec![("body".to_owned(), "text".to_owned())];
            let Ok(mapping) = Mapping::new(Some(picked), renamed, Vec::new(), "text".to_owned())
            else {
                continue;
            };
            let mapped = Arc::new(Normalizer {
                mapping,
                ..(*normalizer).clone()
            });
            group.bench_function(format!("{}, mapped", input.name), |b| {
                b.iter_batched(
                    || input.chunks(),
                    |chunks| tasks_of(&mapped, chunks),
                    BatchSize::PerIteration,
                );
            });
        }
    }
    group.finish();
}

criterion_group!(name = benches; config = stage::criterion(); targets = normalize);
criterion_main!(benches);
