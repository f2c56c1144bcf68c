//! What monitoring waits for: `bkverify status`, and the coverage by the ledger alone, with a ledger
//! of a million files. (The status must be there within 50 ms.)

#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot make its data has nothing to measure")]

mod world;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use bkverify::exit::ExitCode;
use bkverify::ledger::{Ledger, Recorder, Start, ask};
use bkverify::plan::SampleSize;
use bkverify::report::{Failure, Model};
use bkverify::verify::hash::Hash;
use bkverify::verify::verdict::Verdict;
use bkverify::verify::{Hashes, Observer, PickRecord};
use criterion::{Criterion, criterion_group, criterion_main};

const FILES: u64 = 1_000_000;
const RUNS: u64 = 100;

/// Records `RUNS` runs of a job that judged `FILES` files in all.
fn record(state: &Path) {
    for run in 0..RUNS {
        let mut plan = world::plan(state, SampleSize::Count(FILES / RUNS), 2);
        plan.origin.job = Some("nightly".to_owned());
        plan.started = SystemTime::now() - Duration::from_secs((RUNS - run) * 24 * 60 * 60);
        let recorder = Recorder::start(Ledger::open(state).unwrap(), &plan, &Start::default());
        for file in run * (FILES / RUNS)..(run + 1) * (FILES / RUNS) {
            recorder.judged(&verified(file));
        }
        let failure = Failure {
            exit_code: ExitCode::Incomplete,
            message: "a bench verifies nothing".to_owned(),
            hint: None,
            took: Duration::from_secs(60),
        };
        recorder.finish(&Model::new(&plan, Err(&failure))).unwrap();
    }
}

fn verified(file: u64) -> PickRecord {
    let path = format!("home/somebody/folder-{:05}/file-{file:07}.txt", file / 100);
    let hash = Hash::of_bytes(*blake3::hash(path.as_bytes()).as_bytes());
    PickRecord {
        comparable: true,
        restored_size: Some(file),
        hashes: Some(Hashes { restored: hash, original: Some(hash) }),
        ..PickRecord::new(path.as_bytes(), Verdict::Verified)
    }
}

fn status(criterion: &mut Criterion) {
    let state = world::folder();
    record(state.path());
    let mut group = criterion.benchmark_group("with a ledger of a million files");
    group.bench_function("status", |bencher| {
        bencher.iter(|| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_bkverify"));
            command.args(["status", "--job", "nightly", "--state"]).arg(state.path());
            command.current_dir(state.path()).stdout(Stdio::null());
            // No run passed, and so it says.
            assert_eq!(command.status().unwrap().code(), Some(1));
        });
    });
    group.bench_function("coverage", |bencher| {
        let now = jiff::Timestamp::now();
        bencher.iter(|| {
            let ledger = Ledger::open_read_only(state.path()).unwrap();
            let target = ask::targets(&ledger, None).unwrap()[0];
            let found = ask::remembered(&ledger, target, now).unwrap();
            assert_eq!(found.judged, FILES);
        });
    });
}

criterion_group! { name = benches; config = world::short(); targets = status }
criterion_main!(benches);
