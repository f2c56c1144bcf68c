//! The data of the benches: a generated tree with its copy, and a plan for them.
//!
//! The content is the same on every machine: names are numbers, and the bytes come from a fixed
//! generator.

#![allow(clippy::unwrap_used, reason = "a bench that cannot make its data has nothing to measure")]
#![allow(dead_code, reason = "each bench uses a part of this")]

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bkverify::plan::{CachePolicy, Plan, SampleSize, Target};
use criterion::Criterion;
use tempfile::TempDir;

/// Few and short samples, because all benches are meant to be run often.
pub fn short() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .without_plots()
}

/// An empty folder on the disk that holds the build.
pub fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Writes `folders` folders with `files` files each. Their sizes cycle through 0 to `largest`
/// bytes.
pub fn tree(root: &Path, folders: usize, files: usize, largest: usize) {
    let content = bytes(largest);
    for folder in 0..folders {
        let place = root.join(format!("folder-{folder:04}"));
        fs::create_dir_all(&place).unwrap();
        for file in 0..files {
            let size = (folder * files + file) * 997 % (largest + 1);
            fs::write(place.join(format!("file-{file:04}.txt")), &content[..size]).unwrap();
        }
    }
}

/// `size` bytes that do not compress, from a linear congruential generator (Knuth, "The Art of
/// Computer Programming", volume 2, section 3.3.4, line 26: MMIX).
pub fn bytes(size: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(&mut next).take(size).collect()
}

/// Verifies `root/backup` against `root/original` by way of `root/restore`, from the system's cache
/// and always with the same sample.
pub fn plan(root: &Path, sample: SampleSize, threads: usize) -> Plan {
    let target = Target {
        backup: root.join("backup").into(),
        sources: vec![root.join("original")],
        maps: Vec::new(),
        restore_to: root.join("restore"),
    };
    let mut plan = Plan::new(target, "bench".to_owned(), SystemTime::now());
    plan.draw.sample = sample;
    plan.claims.completeness.originals = 0;
    plan.engine.threads = threads;
    plan.engine.cache = CachePolicy::Use;
    plan.outputs.terminal.quiet = true;
    plan
}
