//! Tasks to full imports: bytes/s of tasks, into memory and into files, beside a plain copy in memory.

mod stage;

use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sluice::batch::body::Store;
use sluice::batch::import::Import;
use sluice::batch::limits::{ARRAY, Limits, Wanted};
use sluice::batch::{Batcher, Outlet};
use sluice::decode::Changes;
use sluice::error::Error;
use sluice::generate::Kind;
use sluice::normalize::tasks::Tasks;
use sluice::rejects::Reject;
use stage::Input;

/// Bytes of an import: small, so that closing one is part of the measure.
const MAX_BYTES: usize = 5_000_000;

/// Counts imports and drops them; a file that is dropped unfinished is removed.
struct Discard {
    limits: Limits,
    imports: usize,
}

impl Outlet for Discard {
    type Refused = Error;

    fn wanted(&mut self) -> Result<Wanted, Error> {
        Ok(self.limits.all())
    }

    fn import(&mut self, _: Import) -> Result<(), Error> {
        self.imports += 1;
        Ok(())
    }

    fn reject(&mut self, _: Reject) -> Result<(), Error> {
        Ok(())
    }

    fn duplicate(&mut self, _: sluice::place::Place) -> Result<(), Error> {
        Ok(())
    }

    fn passed(&mut self, _: u64, _: Changes) {}

    fn fatal(&mut self, _: Reject) -> Result<(), Error> {
        Ok(())
    }
}

fn pack(tasks: Vec<Tasks>, limits: Limits, store: &Store) -> Result<usize, Error> {
    let mut outlet = Discard { limits, imports: 0 };
    let (bodies, writer) = store.clone().open();
    let writer = writer.map(|writer| std::thread::spawn(move || writer.run()));
    let mut batcher = Batcher::new(limits, limits.all(), bodies);
    for tasks in tasks {
        batcher.push(tasks, &mut outlet)?;
    }
    batcher.finish(&mut outlet)?;
    // Without its thread nothing is written, and the time is another.
    writer.map(std::thread::JoinHandle::join);
    Ok(outlet.imports)
}

fn batch(c: &mut Criterion) {
    let input = Input::new("jsonl", Kind::Jsonl, "jsonl");
    let bytes: usize = input.tasks().iter().map(|tasks| tasks.bytes.len()).sum();
    let (Ok(limits), Ok(folder)) = (Limits::new(250_000, MAX_BYTES, ARRAY), tempfile::tempdir())
    else {
        return;
    };
    let mut group = c.benchmark_group("batch");
    group.throughput(Throughput::Bytes(bytes as u64));
    for (name, store) in [
        ("memory", Store::Memory),
        ("files", Store::Folder(Arc::from(folder.path()))),
    ] {
        group.bench_function(name, |b| {
            b.iter_batched(
                || input.tasks(),
                |tasks| pack(tasks, limits, &store),
                BatchSize::PerIteration,
            );
        });
    }
    group.bench_function("baseline: copy in memory", |b| {
        let copy = |tasks: Vec<Tasks>| {
            let mut all = Vec::with_capacity(bytes);
            for tasks in &tasks {
                all.extend_from_slice(&tasks.bytes);
            }
            all
        };
        b.iter_batched(|| input.tasks(), copy, BatchSize::PerIteration);
    });
    group.finish();
}

criterion_group!(name = benches; config = stage::criterion(); targets = batch);
criterion_main!(benches);
