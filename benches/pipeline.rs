//! Whole runs in this process: bytes/s from a file to a folder, and to nowhere, with one thread and with all.

mod stage;

use std::path::Path;
use std::sync::Arc;
use std::thread;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use futures::FutureExt;
use futures::future::BoxFuture;
use sluice::batch::body::Store;
use sluice::batch::import::Import;
use sluice::deliver::{Begin, Receipt, Run, Sink};
use sluice::error::Result;
use sluice::pipeline::{self, Outcome};
use sluice::plan::Plan;
use sluice::report::Watch;
use sluice::sink::directory::Directory;
use stage::Input;

/// A target that takes imports in memory and keeps none.
struct Nowhere;

impl Sink for Nowhere {
    fn begin<'a>(&'a self, _run: &'a dyn Run) -> BoxFuture<'a, Result<Begin>> {
        futures::future::ok(Begin::First).boxed()
    }

    fn store(&self) -> Store {
        Store::Memory
    }

    fn at_once(&self) -> usize {
        1
    }

    fn deliver<'a>(
        &'a self,
        import: Import,
        _run: &'a dyn Run,
    ) -> BoxFuture<'a, Result<Vec<Receipt>>> {
        futures::future::ok(vec![Receipt {
            name: String::new(),
            import: import.about,
            times: None,
        }])
        .boxed()
    }
}

fn run(plan: &Arc<Plan>, sink: &dyn Sink) -> Outcome {
    pipeline::run(plan, sink, &Arc::new(Watch::default()))
}

fn to_folder(plan: &Arc<Plan>, folder: &Path) -> Outcome {
    run(plan, &Directory::new(folder, true))
}

fn pipeline(c: &mut Criterion) {
    let all = thread::available_parallelism().map_or(1, usize::from);
    let mut group = c.benchmark_group("pipeline");
    for input in Input::all() {
        group.throughput(Throughput::Bytes(input.bytes));
        for threads in if all > 1 { vec![1, all] } else { vec![1] } {
            let plan = Arc::new(input.plan(threads));
            group.bench_function(format!("{}, {threads} threads, nowhere", input.name), |b| {
                b.iter(|| run(&plan, &Nowhere));
            });
        }
        let plan = Arc::new(input.plan(all));
        group.bench_function(format!("{}, {all} threads, folder", input.name), |b| {
            let folder = || tempfile::tempdir().ok();
            let routine = |folder: Option<tempfile::TempDir>| {
                folder.map(|folder| (to_folder(&plan, folder.path()), folder))
            };
            b.iter_batched(folder, routine, BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(name = benches; config = stage::criterion(); targets = pipeline);
criterion_main!(benches);
