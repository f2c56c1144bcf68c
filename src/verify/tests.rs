//! The flow over backups that do not read the same twice.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::*;
use crate::backup::{
    BackupTime, CatalogSink, Description, Entry, EntryBatch, Listing, Needs, Reach, RestoreSink, TakenFrom,
    Wanted,
};
use crate::exit::ExitCode;
use crate::plan::{SampleSize, Target};
use crate::platform::Timestamp;

/// Lists some files and restores others, in one pass front to back.
struct Fickle {
    listed: &'static [&'static str],
    given: &'static [&'static str],
    lost: Option<&'static str>,
    description: Description,
}

/// The description of a backup that was taken later than any file that a test makes.
pub(super) fn description() -> Description {
    let at = Timestamp { seconds: 1 << 33, nanos: 0 };
    Description {
        location: "fickle".into(),
        format: "fickle",
        snapshot: None,
        id: None,
        taken: Some(BackupTime { at, how: TakenFrom::FileTime }),
        unique_names: false,
        time_resolution_ns: 1,
        several: None,
    }
}

impl backup::Backup for Fickle {
    fn description(&self) -> &Description {
        &self.description
    }

    fn reach(&self) -> Reach {
        Reach::ORDERED
    }

    fn catalog(&self, _: Needs, _: &Context, sink: &dyn CatalogSink) -> Result<Listing, backup::Error> {
        let picks: EntryBatch = self.listed.iter().map(|name| Entry::named(name.as_bytes())).collect();
        Ok(if sink.take(&picks).is_break() { Listing::Stopped } else { Listing::Whole })
    }

    fn restore(
        &self,
        wanted: Wanted<'_>,
        scratch: &Scratch,
        _: &Context,
        sink: &mut dyn RestoreSink,
    ) -> Result<(), backup::Error> {
        let Wanted::Every(test) = wanted else { panic!("everything is wanted") };
        for entry in self.given.iter().map(|name| Entry::named(name.as_bytes())).filter(|entry| test(entry)) {
            let restored = scratch.restore(&mut &b"content"[..], None, &mut Vec::new());
            if sink.deliver(entry, restored).is_break() {
                return Ok(());
            }
        }
        self.lost.into_iter().for_each(|problem| sink.lost(problem.to_owned().into()));
        Ok(())
    }
}

/// A plan for all files of the backup, with two threads and without looking originals up.
pub(super) fn plan(source: &Path, restore_to: &Path) -> Plan {
    let target = Target {
        backup: "fickle".into(),
        sources: vec![source.to_owned()],
        maps: Vec::new(),
        restore_to: restore_to.to_owned(),
    };
    let mut plan = Plan::new(target, "s".to_owned(), SystemTime::UNIX_EPOCH);
    plan.draw.sample = SampleSize::All;
    plan.claims.completeness.originals = 0;
    plan.engine.threads = 2;
    plan.engine.cache = CachePolicy::Use;
    plan.limits.time_limit = Some(Duration::from_secs(600));
    plan
}

fn outcome(backup: &Fickle) -> Outcome {
    let (originals, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for name in ["a", "b", "c", "d"] {
        std::fs::write(originals.path().join(name), "content").unwrap();
    }
    let plan = plan(originals.path(), target.path());
    run_on(&plan, backup, Memory::default(), &CancelToken::new(), &Silent).unwrap()
}

#[test]
fn a_backup_that_reads_the_same_twice_passes() {
    let found = outcome(&Fickle {
        listed: &["a", "b", "c", "d"],
        given: &["d", "c", "b", "a"],
        lost: None,
        description: description(),
    });
    assert_eq!((found.exit_code(), found.population.files), (ExitCode::Pass, 4));
    assert_eq!((found.counts.comparable(), found.damage.len()), (4, 0));
}

#[test]
fn the_report_has_what_the_plan_says_about_a_backup_that_nobody_named() {
    let (originals, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(originals.path().join("a"), "content").unwrap();
    let mut plan = plan(originals.path(), target.path());
    plan.origin.notes = vec!["volume E is not compared".to_owned()];
    let backup = Fickle { listed: &["a"], given: &["a"], lost: None, description: description() };
    let found = run_on(&plan, &backup, Memory::default(), &CancelToken::new(), &Silent).unwrap();
    assert!(found.notes.contains(&plan.origin.notes[0]), "{:?}", found.notes);
}

#[test]
fn a_second_reading_that_gives_fewer_files_or_others_fails() {
    let given: [&'static [&'static str]; 3] =
        [&["a", "b", "c"], &["a", "b", "c", "x"], &["a", "b", "c", "d", "x"]];
    for given in given {
        let found =
            outcome(&Fickle { listed: &["a", "b", "c", "d"], given, lost: None, description: description() });
        assert_eq!(found.exit_code(), ExitCode::IntegrityFailure, "{given:?}");
        assert!(
            found.damage[0].contains(&format!("restoring found {} files", given.len())),
            "{:?}",
            found.damage
        );
        assert_eq!(found.population.files, 4, "{given:?}");
    }
}

#[test]
fn what_only_the_second_reading_could_not_read_fails_even_where_every_file_came() {
    let lost = Some("the archive cannot be read beyond byte 7");
    let found =
        outcome(&Fickle { listed: &["a", "b"], given: &["a", "b"], lost, description: description() });
    assert_eq!(found.exit_code(), ExitCode::IntegrityFailure);
    assert_eq!(found.damage, ["the archive cannot be read beyond byte 7"]);
}

/// Lists its files, and then begins again although its names are unique.
struct Restarting(Description);

impl backup::Backup for Restarting {
    fn description(&self) -> &Description {
        &self.0
    }

    fn catalog(&self, _: Needs, _: &Context, sink: &dyn CatalogSink) -> Result<Listing, backup::Error> {
        let all: EntryBatch = [&b"a"[..], b"b"].into_iter().map(Entry::named).collect();
        let first = sink.take(&all);
        sink.restart();
        Ok(if first.is_break() || sink.take(&all).is_break() { Listing::Stopped } else { Listing::Whole })
    }

    fn restore(
        &self,
        wanted: Wanted<'_>,
        scratch: &Scratch,
        _: &Context,
        sink: &mut dyn RestoreSink,
    ) -> Result<(), backup::Error> {
        let Wanted::These(batch) = wanted else { panic!("it is not read front to back") };
        for entry in batch.iter() {
            let _ = sink.deliver(entry, scratch.restore(&mut &b"content"[..], None, &mut Vec::new()));
        }
        Ok(())
    }
}

#[test]
fn a_listing_that_begins_again_while_its_files_are_judged_is_no_pass() {
    let (originals, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for name in ["a", "b"] {
        std::fs::write(originals.path().join(name), "content").unwrap();
    }
    let mut plan = plan(originals.path(), target.path());
    let run = |plan: &Plan, unique_names| {
        let backup = Restarting(Description { unique_names, ..description() });
        run_on(plan, &backup, Memory::default(), &CancelToken::new(), &Silent).unwrap()
    };
    let found = run(&plan, true);
    assert_eq!((found.exit_code(), found.population.whole), (ExitCode::Incomplete, false));
    // While a sample is drawn, the listing may begin again.
    plan.draw.sample = SampleSize::Count(2);
    let found = run(&plan, false);
    assert_eq!((found.exit_code(), found.population.files), (ExitCode::Pass, 2));
    assert_eq!(found.counts.looked_at(), 2);
}
