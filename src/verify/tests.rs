//! The flow over a backup that does not read the same twice.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::*;
use crate::backup::{Access, Description, Entry, Landing, Listing, Needs, Picks, Sink, Wanted};
use crate::exit::ExitCode;
use crate::plan::{SampleSize, Target};
use crate::platform::Timestamp;

/// Of a backup that was taken later than anything that a test makes.
pub(super) fn description() -> Description {
    Description {
        format: "fickle",
        place: PathBuf::from("fickle"),
        taken: Some(Timestamp { seconds: 1 << 33, nanos: 0 }),
        access: Access::Sequential,
        unique_names: false,
        time_resolution_ns: 1,
    }
}

/// Lists some files and restores others, in one pass front to back.
struct Fickle {
    listed: &'static [&'static str],
    given: &'static [&'static str],
    lost: Option<&'static str>,
}

impl backup::Backup for Fickle {
    fn describe(&self) -> Description {
        description()
    }

    fn catalog(&self, _: Needs, _: usize, sink: &dyn Sink) -> Result<Listing, backup::Error> {
        let picks: Picks = self.listed.iter().map(|name| Entry::named(name.as_bytes())).collect();
        Ok(if sink.take(&picks).is_break() { Listing::Stopped } else { Listing::Whole })
    }

    fn restore(
        &self,
        wanted: Wanted<'_>,
        scratch: &Scratch,
        landing: &mut dyn Landing,
    ) -> Result<(), backup::Error> {
        let Wanted::Every(test) = wanted else { panic!("everything is wanted") };
        for entry in self.given.iter().map(|name| Entry::named(name.as_bytes())).filter(|entry| test(entry)) {
            let restored = scratch.restore(&mut &b"content"[..], None, &mut Vec::new());
            if landing.land(entry, restored).is_break() {
                return Ok(());
            }
        }
        self.lost.into_iter().for_each(|problem| landing.lose(problem.to_owned().into()));
        Ok(())
    }
}

fn plan(source: &Path, restore_to: &Path) -> Plan {
    let target = Target {
        backup: PathBuf::from("fickle"),
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
    run_on(&plan, backup, &Stop::never(), &Silent).unwrap()
}

#[test]
fn a_backup_that_reads_the_same_twice_passes() {
    let found = outcome(&Fickle { listed: &["a", "b", "c", "d"], given: &["d", "c", "b", "a"], lost: None });
    assert_eq!((found.exit_code(), found.population.files), (ExitCode::Pass, 4));
    assert_eq!((found.counts.comparable(), found.damage.len()), (4, 0));
}

#[test]
fn a_second_reading_that_gives_fewer_files_or_others_fails() {
    let given: [&'static [&'static str]; 3] =
        [&["a", "b", "c"], &["a", "b", "c", "x"], &["a", "b", "c", "d", "x"]];
    for given in given {
        let found = outcome(&Fickle { listed: &["a", "b", "c", "d"], given, lost: None });
        assert_eq!(found.exit_code(), ExitCode::IntegrityFailure, "{given:?}");
        assert!(
            found.damage[0].contains(&format!("restoring met {} files", given.len())),
            "{:?}",
            found.damage
        );
        assert_eq!(found.population.files, 4, "{given:?}");
    }
}

#[test]
fn what_only_the_second_reading_could_not_read_fails_even_where_every_file_came() {
    let lost = Some("the archive cannot be read beyond byte 7");
    let found = outcome(&Fickle { listed: &["a", "b"], given: &["a", "b"], lost });
    assert_eq!(found.exit_code(), ExitCode::IntegrityFailure);
    assert_eq!(found.damage, ["the archive cannot be read beyond byte 7"]);
}
