//! Drawing 500 files, by the size of the population: what it costs in addition to the listing.

#![allow(missing_docs, reason = "criterion's macros")]

mod world;

use bkverify::backup::{Entry, EntryBatch};
use bkverify::plan::SampleSize;
use bkverify::verify::sample::{BottomK, DrawnSample, Ranker, SampleQuota};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn draw(population: &EntryBatch) -> Option<DrawnSample> {
    let ranker = Ranker::new("bench");
    let mut bottom = BottomK::new(SampleQuota::new(SampleSize::Count(500), 0.95));
    for entry in population.iter() {
        let rank = ranker.rank(entry.path);
        bottom.count(1, rank.digest, u128::MAX);
        bottom.offer(rank.order, &entry);
    }
    bottom.finish()
}

fn sample(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("draw 500 of");
    for files in [10_000_u64, 100_000, 1_000_000] {
        let mut population = EntryBatch::new();
        for file in 0..files {
            let path = format!("home/somebody/folder-{:05}/file-{file:07}.txt", file / 100);
            population.push(&Entry::named(path.as_bytes()));
        }
        group.throughput(Throughput::Elements(files));
        group
            .bench_function(BenchmarkId::from_parameter(files), |bencher| bencher.iter(|| draw(&population)));
    }
}

criterion_group! { name = benches; config = world::short(); targets = sample }
criterion_main!(benches);
