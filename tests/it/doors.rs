//! Proves that the interfaces are wide enough for what comes. Each test adds something of a
//! different kind in a file of its own, and uses only the interfaces that the program already has.

mod network;
mod observer;
#[cfg(unix)]
mod process;
mod renderer;
mod unfaithful;

use std::time::SystemTime;

use bkverify::backup::{Backup, BackupTime, Description, TakenFrom};
use bkverify::cancel::CancelToken;
use bkverify::plan::{CachePolicy, Plan, SampleSize, Target};
use bkverify::platform::Timestamp;
use bkverify::verify::outcome::Outcome;
use bkverify::verify::{self, Memory, Silent};

use crate::pack::Member;
use crate::world::World;

/// What every file of [`world`] holds.
const CONTENT: &[u8] = b"content";

/// The names of so many files.
fn names(files: usize) -> Vec<Vec<u8>> {
    (0..files).map(|number| format!("file-{number}").into_bytes()).collect()
}

/// So many originals.
fn world(files: usize) -> World {
    let name = |name: &Vec<u8>| String::from_utf8(name.clone()).unwrap();
    World::new()
        .originals(&names(files).iter().map(|each| Member::new(name(each), CONTENT)).collect::<Vec<_>>())
}

/// Of a backup that was taken later than anything that a test makes.
fn described(format: &'static str) -> Description {
    let at = Timestamp { seconds: 1 << 33, nanos: 0 };
    Description {
        location: format.into(),
        format,
        snapshot: None,
        id: None,
        taken: Some(BackupTime { at, how: TakenFrom::Record }),
        unique_names: true,
        time_resolution_ns: 1,
        several: None,
    }
}

/// A plan for the backup of this name and the originals of a world.
fn plan(world: &World, backup: &str, sample: SampleSize) -> Plan {
    let target = Target {
        backup: world.path(backup).into(),
        sources: vec![world.path("s")],
        maps: Vec::new(),
        restore_to: world.path("r"),
    };
    let mut plan = Plan::new(target, "seed".to_owned(), SystemTime::now());
    plan.draw.sample = sample;
    plan.engine.cache = CachePolicy::Use;
    plan
}

/// Verifies an opened backup against a world's originals.
fn verified(world: &World, backup: &dyn Backup, sample: SampleSize, threads: usize) -> Outcome {
    let mut plan = plan(world, "no-path-of-this-machine", sample);
    plan.engine.threads = threads;
    plan.claims.completeness.originals = 0;
    verify::run_on(&plan, backup, Memory::default(), &CancelToken::new(), &Silent).unwrap()
}
