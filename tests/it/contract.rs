//! The contract of every backup format, checked on backups that the real programs made
//! (`fixtures/make.sh`).
//!
//! A new format adds its fixtures to [`fixtures::ALL`], and all these tests run on them.

pub mod collect;
mod damage;
pub mod fixtures;
mod hostile;
mod recognise;
mod tars;

use std::collections::BTreeMap;
use std::path::Path;

use bkverify::backup::{self, Backup, Context, EntryBatch, Listing, Needs, Wanted};
use bkverify::cancel::CancelToken;

use collect::{CollectedListing, RestoredFiles, hash, restore, scratch};
pub use collect::{catalog, open};
use fixtures::{ALL, Fixture, FixtureFile, Yield};

/// Calls `test` with every fixture and its path. Compressed tar archives come a second time,
/// uncompressed.
fn each(mut test: impl FnMut(&Fixture, &Path, &dyn Backup)) {
    for fixture in ALL {
        for path in fixture.paths() {
            let backup = open(path.as_ref()).unwrap_or_else(|error| panic!("{}: {error}", fixture.name));
            eprintln!("{} as {}", fixture.name, backup.description().format);
            test(fixture, path.as_ref(), &*backup);
        }
    }
}

/// All picks whose index passes the test.
fn some(picks: &EntryBatch, keep: impl Fn(usize) -> bool) -> EntryBatch {
    picks.iter().enumerate().filter(|(index, _)| keep(*index)).map(|(_, entry)| entry).collect()
}

#[track_caller]
fn assert_restored(fixture: &Fixture, restored: &RestoredFiles, expected: &BTreeMap<Vec<u8>, FixtureFile>) {
    let names = |path: &Vec<u8>| backup::escape(path).into_owned();
    let paths: Vec<String> = restored.files.keys().map(names).collect();
    assert_eq!(paths, expected.keys().map(names).collect::<Vec<_>>(), "{}", fixture.name);
    for (path, outcome) in &restored.files {
        let name = backup::escape(path);
        match (fixture.gives, outcome) {
            (_, Ok(found)) => assert_eq!(*found, expected[path].hash, "{}: {name}", fixture.name),
            (Yield::Refusal(with), Err(why)) => {
                assert!(why.contains(with), "{}: {name}: {why}", fixture.name);
            }
            (Yield::Content, Err(why)) => panic!("{}: {name}: {why}", fixture.name),
        }
    }
}

#[test]
fn every_format_lists_exactly_the_regular_files() {
    each(|fixture, _, backup| {
        let (picks, listing) = catalog(backup);
        assert!(matches!(listing, Listing::Whole), "{}: {listing:?}", fixture.name);
        let expected = fixture.expected();
        let mut listed: Vec<_> = picks.iter().map(|entry| backup::escape(entry.path).into_owned()).collect();
        listed.sort();
        let mut wanted: Vec<_> = expected.keys().map(|path| backup::escape(path).into_owned()).collect();
        wanted.sort();
        assert_eq!(listed, wanted, "{}", fixture.name);
        for entry in picks.iter() {
            let original = &expected[entry.path];
            assert!(entry.problem.is_none());
            assert!(entry.size.is_none_or(|size| size == original.size), "{}: {entry:?}", fixture.name);
            // Only hard links in a tar archive and in a repository have a handle. Their size is stored
            // with another member.
            let has_links = ["tar", "borg"].iter().any(|name| backup.description().format.starts_with(name));
            let is_link = has_links && !entry.handle.is_empty();
            assert_eq!(entry.size.is_none(), is_link, "{}: {entry:?}", fixture.name);
        }
    });
}

/// Repeated names are known at the end of the first listing, which then restarts. Later listings
/// know them.
#[test]
fn only_the_first_whole_listing_restarts_and_only_where_names_repeat() {
    each(|fixture, _, backup| {
        let restarts = || {
            let sink = CollectedListing::default();
            let listing = backup.catalog(Needs::default(), &Context::default(), &sink).unwrap();
            assert!(matches!(listing, Listing::Whole), "{}: {listing:?}", fixture.name);
            sink.restarted.into_inner()
        };
        assert_eq!(restarts(), fixture.name.starts_with("repeated"), "{}", fixture.name);
        assert!(!restarts(), "{}", fixture.name);
    });
}

#[test]
fn recorded_times_are_those_of_the_originals() {
    each(|fixture, _, backup| {
        // A checkout gives new times to the files of a folder. 7-Zip stores times in the local time
        // of the machine that it ran on.
        if fixture.name.starts_with("folder") || fixture.name.starts_with("7zip") {
            return;
        }
        let resolution = i128::from(backup.description().time_resolution_ns);
        let expected = fixture.expected();
        for entry in catalog(backup).0.iter() {
            let (found, original) = (entry.mtime.unwrap().as_nanos(), expected[entry.path].mtime_ns);
            assert!((found - original).abs() < resolution, "{}: {entry:?} {original}", fixture.name);
        }
    });
}

#[test]
fn every_format_restores_every_file_exactly() {
    each(|fixture, path, backup| {
        let before = hash(&fixtures::content(path));
        let expected = fixture.expected();
        let (picks, _) = catalog(backup);
        assert_restored(fixture, &restore(backup, Wanted::These(&picks)), &expected);
        assert_restored(fixture, &restore(backup, Wanted::Every(&|_| true)), &expected);
        let refused = restore(backup, Wanted::Every(&|_| true))
            .files
            .values()
            .filter(|outcome| outcome.is_err())
            .count();
        assert_eq!(refused > 0, fixture.gives != Yield::Content, "{}", fixture.name);
        // A restore without a listing before it.
        let fresh = open(path).unwrap();
        assert_restored(fixture, &restore(&*fresh, Wanted::Every(&|_| true)), &expected);
        let cold = Context { cold: true, ..Context::default() };
        let cold = backup::open(&collect::location(path), &cold).unwrap();
        assert_restored(fixture, &restore(&*cold, Wanted::Every(&|_| true)), &expected);
        assert_eq!(hash(&fixtures::content(path)), before, "{} was written to", fixture.name);
    });
}

#[test]
fn any_choice_of_files_can_be_restored() {
    each(|fixture, path, backup| {
        let (picks, _) = catalog(backup);
        for (step, offset) in [(3, 1), (50, 0)] {
            let chosen = some(&picks, |index| index % step == offset);
            let expected = fixture.expected();
            let expected =
                chosen.iter().map(|entry| (entry.path.to_vec(), expected[entry.path].clone())).collect();
            assert_restored(fixture, &restore(backup, Wanted::These(&chosen)), &expected);
            let paths: Vec<_> = chosen.iter().map(|entry| entry.path.to_vec()).collect();
            let fresh = open(path).unwrap();
            let chosen = |entry: &backup::Entry<'_>| paths.iter().any(|path| path == entry.path);
            assert_restored(fixture, &restore(&*fresh, Wanted::Every(&chosen)), &expected);
        }
    });
}

#[test]
fn eight_threads_restore_from_one_backup_at_once() {
    each(|fixture, _, backup| {
        if backup.reach().ordered {
            return;
        }
        let (picks, _) = catalog(backup);
        let target = tempfile::tempdir().unwrap();
        let scratch = scratch(&target, &CancelToken::new());
        let mut all = RestoredFiles::default();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|thread| {
                    let (picks, scratch) = (&picks, &scratch);
                    scope.spawn(move || {
                        let mut restored = RestoredFiles::default();
                        let mine = some(picks, |index| index % 8 == thread);
                        backup
                            .restore(Wanted::These(&mine), scratch, &Context::default(), &mut restored)
                            .unwrap();
                        restored
                    })
                })
                .collect();
            for thread in threads {
                all.files.extend(thread.join().unwrap().files);
            }
        });
        assert_restored(fixture, &all, &fixture.expected());
    });
}

#[test]
fn a_listing_ends_when_its_sink_breaks() {
    each(|fixture, _, backup| {
        let sink = CollectedListing { enough: true, ..CollectedListing::default() };
        let listing = backup.catalog(Needs::default(), &Context::default(), &sink).unwrap();
        assert!(matches!(listing, Listing::Stopped), "{}: {listing:?}", fixture.name);
    });
}

#[test]
fn a_restore_ends_when_its_sink_breaks_or_the_run_is_cancelled() {
    each(|fixture, _, backup| {
        let (picks, _) = catalog(backup);
        if picks.len() < 3 {
            return;
        }
        let target = tempfile::tempdir().unwrap();
        let every = |_: &backup::Entry<'_>| true;
        for wanted in [Wanted::These(&picks), Wanted::Every(&every)] {
            let mut restored = RestoredFiles { limit: Some(2), ..RestoredFiles::default() };
            backup
                .restore(wanted, &scratch(&target, &CancelToken::new()), &Context::default(), &mut restored)
                .unwrap();
            assert_eq!(restored.files.len(), 2, "{}", fixture.name);
        }
        let cancel = CancelToken::new();
        cancel.cancel();
        for wanted in [Wanted::These(&picks), Wanted::Every(&every)] {
            let mut restored = RestoredFiles::default();
            backup
                .restore(wanted, &scratch(&target, &cancel), &Context::new(cancel.clone()), &mut restored)
                .unwrap();
            assert!(restored.files.len() < 2, "{}", fixture.name);
        }
    });
}

#[test]
fn nothing_is_left_in_the_scratch_folder() {
    each(|_, _, backup| {
        let target = tempfile::tempdir().unwrap();
        let scratch = scratch(&target, &CancelToken::new());
        backup
            .restore(Wanted::Every(&|_| true), &scratch, &Context::default(), &mut RestoredFiles::default())
            .unwrap();
        // Emptied files remain, to be filled again.
        for entry in std::fs::read_dir(scratch.path()).unwrap() {
            let entry = entry.unwrap();
            let is_marker = entry.path().extension().is_some();
            if entry.file_name() == "workspaces" {
                assert_eq!(std::fs::read_dir(entry.path()).unwrap().count(), 0);
                continue;
            }
            assert!(is_marker || entry.metadata().unwrap().len() == 0, "{}", entry.path().display());
        }
        drop(scratch);
        assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 0);
    });
}

/// If holes were written as zeros, images of virtual machines would fill the restore folder.
#[cfg(target_os = "linux")]
#[test]
fn sparse_files_are_restored_with_their_holes() {
    use std::os::unix::fs::MetadataExt;
    struct Blocks(Vec<(Vec<u8>, u64)>);
    impl backup::RestoreSink for Blocks {
        fn deliver(
            &mut self,
            entry: backup::Entry<'_>,
            outcome: Result<backup::Restored, backup::RestoreError>,
        ) -> std::ops::ControlFlow<()> {
            self.0.push((entry.path.to_vec(), outcome.unwrap().file().metadata().unwrap().blocks() * 512));
            std::ops::ControlFlow::Continue(())
        }

        fn lost(&mut self, damage: backup::Damage) {
            panic!("{damage}");
        }
    }
    for name in ["gnu.tar", "pax-0.0.tar.gz", "pax-0.1.tar.gz", "pax-1.0.tar.gz", "bsdtar-pax.tar.gz"] {
        let backup = open(fixtures::archive(name)).unwrap();
        let target = tempfile::tempdir().unwrap();
        let mut blocks = Blocks(Vec::new());
        let sparse = |entry: &backup::Entry<'_>| entry.path == b"many";
        backup
            .restore(
                Wanted::Every(&sparse),
                &scratch(&target, &CancelToken::new()),
                &Context::default(),
                &mut blocks,
            )
            .unwrap();
        assert_eq!(blocks.0.len(), 1, "{name}");
        assert!(blocks.0[0].1 < 200_000, "{name}: {} of 2,000,000 bytes are on the disk", blocks.0[0].1);
    }
}

/// If the restore folder fails, the restore ends and does not fail for each file.
#[cfg(target_os = "linux")]
#[test]
fn a_failing_scratch_folder_ends_the_restore() {
    each(|fixture, _, backup| {
        let (picks, _) = catalog(backup);
        if picks.len() < 2 || fixture.gives != Yield::Content {
            return;
        }
        let target = tempfile::tempdir().unwrap();
        let scratch = scratch(&target, &CancelToken::new());
        std::fs::remove_dir_all(scratch.path()).unwrap();
        let mut restored = RestoredFiles::default();
        let error =
            backup.restore(Wanted::These(&picks), &scratch, &Context::default(), &mut restored).unwrap_err();
        assert!(matches!(error, backup::Error::Scratch { .. }), "{}: {error}", fixture.name);
        assert_eq!(restored.files.len(), 1, "{}", fixture.name);
    });
}
