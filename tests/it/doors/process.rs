//! Proves that a format which can only restore by starting a program is possible. It starts one
//! process for each batch. The process writes into a workspace, from which files are adopted.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use bkverify::backup::{
    Backup, CatalogSink, Context, Description, Entry, EntryBatch, Error, Listing, Needs, Reach, RestoreError,
    RestoreSink, Scratch, Wanted,
};
use bkverify::exit::ExitCode;
use bkverify::plan::SampleSize;
use bkverify::platform;

use super::{described, names, verified, world};

const FILES: usize = 230;
const BATCH: usize = 50;

/// Restores with `cp`, as other formats would with `restic restore --include`.
struct Program {
    description: Description,
    store: PathBuf,
    started: AtomicUsize,
}

impl Backup for Program {
    fn description(&self) -> &Description {
        &self.description
    }

    fn reach(&self) -> Reach {
        Reach { parallel: Some(2), batch: BATCH, per_batch: true, ordered: false }
    }

    fn catalog(&self, _: Needs, context: &Context, sink: &dyn CatalogSink) -> Result<Listing, Error> {
        // The listing comes in pieces that do not fit the batches of a restore.
        for some in names(FILES).chunks(33) {
            let batch: EntryBatch = some.iter().map(|name| Entry::named(name)).collect();
            if sink.take(&batch).is_break() || context.cancel.is_cancelled() {
                return Ok(Listing::Stopped);
            }
        }
        Ok(Listing::Whole)
    }

    fn restore(
        &self,
        wanted: Wanted<'_>,
        scratch: &Scratch,
        _: &Context,
        sink: &mut dyn RestoreSink,
    ) -> Result<(), Error> {
        let Wanted::These(batch) = wanted else { panic!("only an ordered format is asked for everything") };
        let Ok(mut workspace) = scratch.workspace(0) else { return Ok(()) };
        let paths = batch.iter().map(|entry| platform::path_from_bytes(entry.path).into_owned());
        let mut program = Command::new("cp");
        program.args(paths).arg(workspace.path()).current_dir(&self.store);
        self.started.fetch_add(1, Ordering::Relaxed);
        let is_done = program.status().is_ok_and(|status| status.success());
        for entry in batch.iter() {
            let failed = || RestoreError::Damaged("the program has failed".to_owned());
            let copy = if is_done { workspace.adopt(entry.path) } else { Err(failed()) };
            if sink.deliver(entry, copy).is_break() {
                break;
            }
        }
        Ok(())
    }
}

#[test]
fn as_few_processes_are_started_as_batches_are_needed() {
    for (sample, files) in [(SampleSize::All, FILES), (SampleSize::Count(101), 101)] {
        let world = world(FILES);
        let backup = Program {
            description: described("process"),
            store: world.path("s"),
            started: AtomicUsize::new(0),
        };
        let outcome = verified(&world, &backup, sample, 3);
        assert_eq!(outcome.exit_code(), ExitCode::Pass, "{:?}", outcome.findings);
        assert_eq!(outcome.counts.looked_at(), files as u64);
        assert_eq!(backup.started.into_inner(), files.div_ceil(BATCH), "{sample:?}");
    }
}
