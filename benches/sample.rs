//! Drawing 500 files: what it costs in addition to the listing, by the size of the population, and
//! by strategy. `coverage` is measured with a memory of as many files as are listed.

#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot draw has nothing to measure")]

mod world;

use std::io::Write;

use bkverify::backup::{Entry, EntryBatch};
use bkverify::plan::SampleSize;
use bkverify::verify::draw::{Drawn, Everything, Request};
use bkverify::verify::memory::{LastJudged, PathKey, RunNumber};
use bkverify::verify::sample::{BottomK, DrawnSample, Ranker, SampleQuota};
use bkverify::verify::strategy;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// How many files the strategies are compared over.
const LISTED: u64 = 10_000_000;

/// How many entries a listing hands over at once.
const BATCH: u64 = 1_000;

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

/// Writes the path of a file into `path`.
fn write_path(path: &mut Vec<u8>, file: u64) {
    path.clear();
    write!(path, "home/somebody/folder-{:05}/file-{file:07}.txt", file / 100).unwrap();
}

/// Every listed file was judged by one of 40 runs. The keys are made beforehand, and given in their
/// order, as a ledger does.
struct Remembered(Vec<u128>);

impl Remembered {
    fn all() -> Self {
        let mut path = Vec::new();
        let keys = (0..LISTED).map(|file| {
            write_path(&mut path, file);
            PathKey::of(&path).0
        });
        let mut keys: Vec<u128> = keys.collect();
        keys.sort_unstable();
        Self(keys)
    }
}

impl LastJudged for Remembered {
    fn each(&self, each: &mut dyn FnMut(PathKey, RunNumber)) -> Result<(), String> {
        self.0.iter().for_each(|&key| each(PathKey(key), 100 + PathKey(key).halves()[1] % 40));
        Ok(())
    }
}

/// Draws by strategy, from entries that are made as a listing makes them.
fn draw_by(name: &str, remembered: Option<&dyn LastJudged>) -> Drawn {
    let size = SampleSize::Count(500);
    let request = Request { size, confidence: 0.95, seed: "bench", last_judged: remembered };
    let draw = strategy::named(name).unwrap().draw(&request).draw;
    let everything = Everything(Ranker::new("bench"));
    let (mut batch, mut path) = (EntryBatch::new(), Vec::new());
    for first in (0..LISTED).step_by(1_000) {
        batch.clear();
        for file in first..first + BATCH {
            write_path(&mut path, file);
            batch.push(&Entry { size: Some(file % 100_000), ..Entry::named(&path) });
        }
        assert!(draw.take(&batch, &everything).is_continue());
    }
    draw.finish().unwrap()
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

fn strategies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("list and draw 500 of 10 million by");
    group.throughput(Throughput::Elements(LISTED));
    let remembered = std::cell::LazyCell::new(Remembered::all);
    for name in ["random", "size"] {
        group.bench_function(name, |bencher| bencher.iter(|| draw_by(name, None)));
    }
    group.bench_function("coverage, all remembered", |bencher| {
        let remembered: &Remembered = &remembered;
        bencher.iter(|| draw_by("coverage", Some(remembered)));
    });
    group.bench_function("coverage, none remembered", |bencher| bencher.iter(|| draw_by("coverage", None)));
}

criterion_group! { name = benches; config = world::short(); targets = sample, strategies }
criterion_main!(benches);
