//! Disk images: undoing LZNT1, and reading a stream compared with reading the image itself.

#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot make its data has nothing to measure")]

use std::hint::black_box;
use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;

use bkverify::bytes::{FileBytes, ReadAt, SequentialReader};
use bkverify::image::ntfs::catalog::{self, ListedFile};
use bkverify::image::ntfs::{AttributeKind, FileReference, Name, Volume, lznt1};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Units that ntfs-3g has compressed: `tests/data/ntfs/README.md`.
const UNITS: [(&str, &[u8]); 3] = [
    ("text", include_bytes!("../tests/data/ntfs/unit-text.lznt1")),
    ("zeros and text", include_bytes!("../tests/data/ntfs/unit-zeros-and-text.lznt1")),
    ("two letters", include_bytes!("../tests/data/ntfs/unit-two-letters.lznt1")),
];

const UNIT_SIZE: usize = 65536;

fn decompression(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("LZNT1");
    group.throughput(Throughput::Bytes(UNIT_SIZE as u64));
    let mut out = vec![0; UNIT_SIZE];
    for (name, unit) in UNITS {
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| lznt1::decompress(black_box(unit), &mut out).unwrap());
        });
    }
    group.finish();
}

/// The file with this name.
fn find(volume: &Volume, name: &str) -> FileReference {
    let wanted: Vec<u16> = name.encode_utf16().collect();
    let has_name = |number: &u64| {
        let mut buffer = Vec::new();
        let Ok(record) = volume.record(*number, &mut buffer) else { return false };
        let Ok(file) = volume.file(record.reference()) else { return false };
        let names = file.values(AttributeKind::FILE_NAME).unwrap();
        names.iter().any(|value| Name::from_bytes(&value[66..]).is(&wanted))
    };
    let number = (24..volume.record_count()).find(has_name).unwrap();
    volume.record(number, &mut Vec::new()).unwrap().reference()
}

/// Front to back, in pieces of 1 MiB.
fn drain(reader: &mut dyn Read, buffer: &mut [u8]) -> u64 {
    let mut total = 0;
    loop {
        match reader.read(buffer).unwrap() {
            0 => return total,
            got => total += got as u64,
        }
    }
}

fn streams(criterion: &mut Criterion) {
    let packed = include_bytes!("../fixtures/images/streams.ntfs.xz");
    let mut image = Vec::new();
    liblzma::read::XzDecoder::new(packed.as_slice()).read_to_end(&mut image).unwrap();
    let image: Arc<dyn ReadAt> = Arc::new(image);
    let volume = Volume::open(image.clone()).unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut group = criterion.benchmark_group("a stream of a volume in memory");
    for name in ["fragments.bin", "text 50001.txt", "5 GiB.bin"] {
        let stream = volume.file(find(&volume, name)).unwrap().stream(&[]).unwrap().unwrap();
        let most = stream.len().min(64 << 20);
        group.throughput(Throughput::Bytes(most));
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            let mut reader = stream.clone().reader();
            bencher.iter(|| {
                reader.restart(stream.clone());
                assert_eq!(drain(&mut (&mut reader).take(most), &mut buffer), most);
            });
        });
    }
    group.throughput(Throughput::Bytes(image.len()));
    group.bench_function("the image itself", |bencher| {
        bencher.iter(|| drain(&mut SequentialReader::new(&image), &mut buffer));
    });
    group.finish();
}

/// The largest file of the volume in the file that `BENCH_IMAGE` names (`benches/image.sh` makes one),
/// and that file itself.
#[expect(clippy::disallowed_methods, reason = "a bench is told its data by the environment")]
fn large_file(criterion: &mut Criterion) {
    let Some(place) = std::env::var_os("BENCH_IMAGE") else { return };
    let file = std::fs::File::open(place).unwrap();
    let len = file.metadata().unwrap().len();
    let image: Arc<dyn ReadAt> = Arc::new(FileBytes::new(file, len));
    let volume = Volume::open(image.clone()).unwrap();
    let mut largest: Option<ListedFile> = None;
    let listed = catalog::list(&volume, &|| false, &mut |file| {
        if largest.is_none_or(|largest| file.size > largest.size) {
            largest = Some(ListedFile { path: b"", ..*file });
        }
        ControlFlow::Continue(())
    });
    assert!(listed.unwrap().problems.is_empty());
    let stream = volume.file(largest.unwrap().reference).unwrap().stream(&[]).unwrap().unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut group = criterion.benchmark_group("a volume in a file");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(stream.len()));
    group.bench_function("its largest file", |bencher| {
        let mut reader = stream.clone().reader();
        bencher.iter(|| {
            reader.restart(stream.clone());
            assert_eq!(drain(&mut reader, &mut buffer), stream.len());
        });
    });
    group.throughput(Throughput::Bytes(image.len()));
    group.bench_function("the image itself", |bencher| {
        bencher.iter(|| drain(&mut SequentialReader::new(&image), &mut buffer));
    });
    group.finish();
}

criterion_group!(benches, decompression, streams, large_file);
criterion_main!(benches);
