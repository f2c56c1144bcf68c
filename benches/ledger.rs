//! The ledger alone: recording picks, and reading when each file was last judged.
//!
//! `LEDGER_FILES=10000000 cargo bench --locked --bench ledger` measures the reading at the size
//! that the strategy `coverage` is promised for (it takes some minutes and 2 GB to make).

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bkverify::exit::ExitCode;
use bkverify::ledger::{Judged, Ledger, Recorder, Start};
use bkverify::plan::{Plan, Target};
use bkverify::platform::Timestamp;
use bkverify::report::{Failure, Model};
use bkverify::verify::hash::Hash;
use bkverify::verify::memory::LastJudged;
use bkverify::verify::verdict::Verdict;
use bkverify::verify::{Hashes, Observer, PickRecord};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

fn plan() -> Plan {
    let target = Target {
        backup: PathBuf::from("/b").into(),
        sources: vec!["/s".into()],
        maps: Vec::new(),
        restore_to: "/r".into(),
    };
    Plan::new(target, "seed".to_owned(), SystemTime::UNIX_EPOCH)
}

fn pick(at: u64) -> PickRecord {
    let path = format!("srv/data/projects/{:03}/documents/report-{at:07}.pdf", at % 500);
    let hash = Hash::of_bytes(*blake3::hash(path.as_bytes()).as_bytes());
    PickRecord {
        restored_size: Some(at),
        recorded_mtime: Some(Timestamp { seconds: 1_700_000_000, nanos: 123_456_789 }),
        hashes: Some(Hashes { restored: hash, original: Some(hash) }),
        ..PickRecord::new(path.as_bytes(), Verdict::Verified)
    }
}

#[expect(clippy::expect_used, reason = "a bench may end when it cannot go on")]
fn record(state: &Path, picks: impl Iterator<Item = PickRecord>) {
    let plan = plan();
    let failure = Failure {
        exit_code: ExitCode::Unusable,
        message: String::new(),
        hint: None,
        took: std::time::Duration::ZERO,
    };
    let recorder = Recorder::start(Ledger::open(state).expect("a ledger"), &plan, &Start::default());
    picks.for_each(|pick| recorder.judged(&pick));
    recorder.finish(&Model::new(&plan, Err(&failure))).expect("everything is written");
}

#[expect(clippy::expect_used, reason = "a bench may end when it cannot go on")]
fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ledger");
    group.sample_size(10);

    let picks: Vec<_> = (0..100_000).map(pick).collect();
    group.throughput(Throughput::Elements(100_000));
    group.bench_function("record 100,000 new files", |bench| {
        let new = || tempfile::tempdir().expect("a folder");
        bench.iter_batched(new, |dir| record(dir.path(), picks.iter().cloned()), BatchSize::PerIteration);
    });

    #[expect(clippy::disallowed_methods, reason = "a bench is told its size by the environment")]
    let files = std::env::var("LEDGER_FILES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let dir = tempfile::tempdir().expect("a folder");
    record(dir.path(), (0..files).map(pick));
    let judged = Judged::new(Ledger::open_read_only(dir.path()).expect("a ledger"), &plan().target);
    let judged = judged.expect("a ledger");
    group.throughput(Throughput::Elements(files));
    group.bench_function("read when all were last judged", |bench| {
        bench.iter(|| {
            let mut sum = 0_u128;
            judged.each(&mut |key, run| sum ^= key.0 ^ u128::from(run)).expect("all rows");
            black_box(sum)
        });
    });
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
