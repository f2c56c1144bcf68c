//! A whole run on a generated tree of 10,000 files of up to 32 KiB: list, draw, restore, hash both
//! sides, judge.

#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot make its data has nothing to measure")]

mod world;

use std::fs;

use bkverify::cancel::CancelToken;
use bkverify::plan::SampleSize;
use bkverify::verify::outcome::Outcome;
use bkverify::verify::verdict::Verdict;
use bkverify::verify::{self, Memory, Silent};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const FOLDERS: usize = 100;
const FILES: usize = 100;

fn pipeline(criterion: &mut Criterion) {
    let root = world::folder();
    for side in ["backup", "original"] {
        world::tree(&root.path().join(side), FOLDERS, FILES, 32 << 10);
    }
    fs::create_dir(root.path().join("restore")).unwrap();
    let mut group = criterion.benchmark_group("verify 10,000 files");
    for (name, sample, files) in
        [("500 of them", SampleSize::Count(500), 500), ("all", SampleSize::All, (FOLDERS * FILES) as u64)]
    {
        group.throughput(Throughput::Elements(files));
        for threads in [1, 2, 4] {
            let plan = world::plan(root.path(), sample, threads);
            group.bench_function(BenchmarkId::new(name, threads), |bencher| {
                bencher.iter(|| {
                    let outcome: Outcome =
                        verify::run(&plan, Memory::default(), &CancelToken::new(), &Silent).unwrap();
                    assert_eq!(outcome.counts.of(Verdict::Verified), files);
                });
            });
        }
    }
}

criterion_group! { name = benches; config = world::short(); targets = pipeline }
criterion_main!(benches);
