//! Reading and hashing both sides of a pair, by size.

#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot make its data has nothing to measure")]

mod world;

use std::fs::{self, File};

use bkverify::plan::Algorithm;
use bkverify::stop::Stop;
use bkverify::verify::hash::{Buffers, hash_pair};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

fn hash(criterion: &mut Criterion) {
    let folder = world::folder();
    let mut group = criterion.benchmark_group("hash a pair");
    for size in [KIB, 16 * KIB, 256 * KIB, 4 * MIB, 64 * MIB] {
        let content = world::bytes(size);
        let side = |name: &str| {
            let place = folder.path().join(format!("{name}-{size}"));
            fs::write(&place, &content).unwrap();
            File::open(place).unwrap()
        };
        let (original, restored) = (side("original"), side("restored"));
        let (mut buffers, stop) = (Buffers::default(), Stop::never());
        group.throughput(Throughput::Bytes(2 * size as u64));
        for algorithm in [Algorithm::Blake3, Algorithm::Sha256] {
            group.bench_function(BenchmarkId::new(algorithm.name(), size), |bencher| {
                bencher.iter(|| {
                    hash_pair(
                        &original,
                        &restored,
                        (size as u64, size as u64),
                        algorithm,
                        &mut buffers,
                        &stop,
                    )
                });
            });
        }
    }
}

criterion_group! { name = benches; config = world::short(); targets = hash }
criterion_main!(benches);
