//! Proves that observers can be added: one that stores every pick, as a ledger would, needs only
//! its own file.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bkverify::backup::Description;
use bkverify::cancel::CancelToken;
use bkverify::plan::{Plan, SampleSize};
use bkverify::verify::outcome::Outcome;
use bkverify::verify::verdict::Verdict;
use bkverify::verify::{self, Observer, Observers, PickRecord, Silent};

use crate::pack::tree;
use crate::world::World;

/// Stores every pick, and how the run ended.
#[derive(Default)]
struct Memory {
    picks: Mutex<BTreeMap<Vec<u8>, PickRecord>>,
    ended: Mutex<Vec<u64>>,
}

impl Observer for Memory {
    fn begins(&self, plan: &Plan, backup: &Description) {
        assert!(self.picks.lock().unwrap().is_empty(), "told before any pick");
        assert_eq!((backup.format, &backup.location), ("folder", &plan.target.backup));
    }

    fn judged(&self, pick: &PickRecord) {
        let before = self.picks.lock().unwrap().insert(pick.path.clone(), pick.clone());
        assert_eq!(before, None, "each pick is told once");
    }

    fn concluded(&self, outcome: &Outcome) {
        self.ended.lock().unwrap().push(outcome.counts.looked_at());
    }
}

#[test]
fn an_observer_hears_of_every_pick_with_its_sizes_times_hashes_and_verdict() {
    let originals = tree();
    let mut stored = tree();
    stored[1].content[3] ^= 1;
    let world = World::new().originals(&originals).backup("folder", &stored);
    let mut plan = super::plan(&world, "b", SampleSize::Count(12));
    plan.engine.threads = 3;

    let memory = Memory::default();
    let outcome =
        verify::run(&plan, verify::Memory::default(), &CancelToken::new(), &Observers(&[&Silent, &memory]))
            .unwrap();
    let picks = memory.picks.into_inner().unwrap();
    assert_eq!(memory.ended.into_inner().unwrap(), [12]);
    assert_eq!(outcome.counts.bad(), 1);
    assert_eq!(picks.len(), originals.len());
    for (original, copy) in originals.iter().zip(&stored) {
        let pick = &picks[&original.name];
        let is_bad = original.content != copy.content;
        assert_eq!(pick.verdict, if is_bad { Verdict::Corrupt } else { Verdict::Verified });
        let hashes = pick.hashes.expect("both sides were read");
        assert_eq!(hashes.restored.to_string(), blake3::hash(&copy.content).to_string());
        assert_eq!(hashes.original.unwrap().to_string(), blake3::hash(&original.content).to_string());
        let size = Some(original.content.len() as u64);
        assert_eq!((pick.restored_size, pick.original_size), (size, size));
        assert!(pick.comparable && pick.original.is_some());
        let recorded = pick.recorded_mtime.expect("a folder records times");
        assert_eq!(recorded.seconds, i64::try_from(copy.mtime).unwrap());
        assert_eq!(pick.original_mtime, pick.recorded_mtime);
    }
}
