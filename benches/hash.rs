//! Reading and hashing: both sides of a pair, by size; and one large file, by number of threads.

#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot make its data has nothing to measure")]

mod world;

use std::fs::{self, File};
use std::path::Path;

use bkverify::cancel::CancelToken;
use bkverify::plan::Algorithm;
use bkverify::verify::hash::{Buffers, Hashing};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use memmap2::MmapOptions;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

const WINDOW: usize = 16 << 20;

fn file(place: &Path, content: &[u8]) -> File {
    fs::write(place, content).unwrap();
    File::open(place).unwrap()
}

fn pairs(criterion: &mut Criterion) {
    let folder = world::folder();
    let mut group = criterion.benchmark_group("hash a pair");
    for size in [KIB, 16 * KIB, 256 * KIB, 4 * MIB, 64 * MIB] {
        let content = world::bytes(size);
        let [original, restored] =
            ["original", "restored"].map(|side| file(&folder.path().join(side), &content));
        let (mut buffers, cancel) = (Buffers::default(), CancelToken::new());
        let sizes = (size as u64, size as u64);
        group.throughput(Throughput::Bytes(2 * size as u64));
        for algorithm in [Algorithm::Blake3, Algorithm::Sha256] {
            let hashing = Hashing::new(algorithm, 2);
            group.bench_function(BenchmarkId::new(algorithm.name(), size), |bencher| {
                bencher.iter(|| hashing.pair((&original, &restored), sizes, &mut buffers, &cancel));
            });
        }
    }
}

/// One large file: with one thread, with several, and mapped into memory, which is the rejected
/// design.
fn large(criterion: &mut Criterion) {
    let folder = world::folder();
    let size = 256 * MIB;
    let file = file(&folder.path().join("large"), &world::bytes(size));
    let cancel = CancelToken::new();
    let mut group = criterion.benchmark_group("hash one file of 256 MiB");
    group.throughput(Throughput::Bytes(size as u64));
    for threads in [1, 2, 4] {
        let hashing = Hashing::new(Algorithm::Blake3, threads);
        group.bench_function(BenchmarkId::new("read by threads", threads), |bencher| {
            bencher.iter(|| hashing.large(&file, size as u64, &cancel).unwrap());
        });
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        group.bench_function(BenchmarkId::new("mapped by threads", threads), |bencher| {
            bencher.iter(|| pool.install(|| mapped(&file, size)));
        });
    }
}

fn mapped(file: &File, size: usize) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for offset in (0..size).step_by(WINDOW) {
        let length = (size - offset).min(WINDOW);
        // SAFETY: this bench made the file in a folder of its own, and nothing changes it.
        let window = unsafe { MmapOptions::new().offset(offset as u64).len(length).map(file).unwrap() };
        hasher.update_rayon(&window);
    }
    hasher.finalize()
}

criterion_group! { name = benches; config = world::short(); targets = pairs, large }
criterion_main!(benches);
