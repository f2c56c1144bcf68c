//! Listing a folder of 1,000 folders with 100 files each, by number of threads, with and without
//! sizes.

#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot make its data has nothing to measure")]

mod world;

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use bkverify::backup::{Backup, CatalogSink, Context, EntryBatch, Folder, Needs};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const FOLDERS: usize = 1000;
const FILES: usize = 100;

#[derive(Default)]
struct Count(AtomicUsize);

impl CatalogSink for Count {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        self.0.fetch_add(entries.len(), Ordering::Relaxed);
        ControlFlow::Continue(())
    }

    fn restart(&self) {}
}

fn catalog(criterion: &mut Criterion) {
    let root = world::folder();
    world::tree(root.path(), FOLDERS, FILES, 0);
    let backup = Folder::open(root.path(), false).unwrap();
    let mut group = criterion.benchmark_group("list 100,000 files");
    group.throughput(Throughput::Elements((FOLDERS * FILES) as u64));
    for (name, size) in [("names", false), ("names and sizes", true)] {
        for threads in [1, 2, 8] {
            group.bench_function(BenchmarkId::new(name, threads), |bencher| {
                bencher.iter(|| {
                    let count = Count::default();
                    let context = Context::default().with_threads(threads);
                    let listing = backup.catalog(Needs { size, mtime: false }, &context, &count);
                    assert!(listing.is_ok() && count.0.into_inner() == FOLDERS * FILES);
                });
            });
        }
    }
}

criterion_group! { name = benches; config = world::short(); targets = catalog }
criterion_main!(benches);
