//! How many files there are, while they are verified as they are listed: so that whoever watches a
//! long run of `--sample all` knows how much is left.
//!
//! A run of everything feeds its threads from the listing, so the listing ends only shortly before
//! the last file is verified. Therefore the backup is listed a second time, only to count, which is
//! much faster than verifying. Short runs and runs without a progress display skip this.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::{Builder, scope};
use std::time::Duration;

use crate::backup::{Backup, CatalogSink, Context, EntryBatch, Listing, Needs};
use crate::cancel::CancelToken;

use super::catalog::PopulationFilter;
use super::observer::Observer;

/// Files are counted only in runs that take longer than this.
const AFTER: Duration = Duration::from_secs(2);

/// What is counted, and who wants to know.
pub(super) struct Total<'a> {
    /// The backup.
    pub(super) backup: &'a dyn Backup,
    /// Which of its files count.
    pub(super) population_filter: &'a PopulationFilter<'a>,
    /// What deciding that needs.
    pub(super) needs: Needs,
    /// About how many of them were judged before.
    pub(super) judged: u64,
    /// Who is told.
    pub(super) observer: &'a dyn Observer,
    /// Ends the count.
    pub(super) cancel: CancelToken,
}

impl Total<'_> {
    /// Does `work`, and meanwhile counts.
    pub(super) fn told_during<T>(&self, work: impl FnOnce() -> T) -> T {
        self.told_during_after(AFTER, work)
    }

    fn told_during_after<T>(&self, after: Duration, work: impl FnOnce() -> T) -> T {
        if !self.observer.wants_total() {
            return work();
        }
        scope(|scope| {
            let (done, is_done) = channel::<()>();
            let count = move || {
                if let Err(RecvTimeoutError::Timeout) = is_done.recv_timeout(after) {
                    self.count();
                }
            };
            // Without a thread the total stays unknown.
            let _ = Builder::new().name("total".to_owned()).spawn_scoped(scope, count);
            let result = work();
            self.cancel.cancel();
            drop(done);
            result
        })
    }

    fn count(&self) {
        let counting = Counting { total: self, files: AtomicU64::new(0) };
        // What is damaged is told by the listing that feeds the run.
        if let Ok(Listing::Whole | Listing::Damaged(_)) =
            self.backup.catalog(self.needs, &Context::new(self.cancel.clone()), &counting)
            && !self.cancel.is_cancelled()
        {
            self.observer.expects(counting.files.into_inner().saturating_sub(self.judged));
        }
    }
}

struct Counting<'a> {
    total: &'a Total<'a>,
    files: AtomicU64,
}

impl CatalogSink for Counting<'_> {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        let files = entries.iter().filter(|entry| self.total.population_filter.holds(entry)).count();
        self.files.fetch_add(files as u64, Ordering::Relaxed);
        if self.total.cancel.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn restart(&self) {
        self.files.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Mutex;

    use super::super::pairing::Pairing;
    use super::super::sample::Ranker;
    use super::super::{Filter, Silent};
    use super::*;
    use crate::backup::{self, Location};
    use crate::plan::Filters;
    use crate::platform::Timestamp;

    /// Hears the total.
    #[derive(Default)]
    struct Listener(Mutex<Vec<u64>>);

    impl Listener {
        fn heard(&self) -> Vec<u64> {
            self.0.lock().unwrap().clone()
        }
    }

    impl Observer for Listener {
        fn wants_total(&self) -> bool {
            true
        }

        fn expects(&self, picks: u64) {
            self.0.lock().unwrap().push(picks);
        }
    }

    fn during(world: &Path, observer: &dyn Observer, after: Duration, work: impl FnOnce()) {
        let filters = Filters { exclude: vec!["*.tmp".into()], ..Filters::default() };
        let (filter, cancel) = (Filter::new(&filters).unwrap(), CancelToken::new());
        let backup = backup::open(&Location::at(world.join("b")), &Context::new(cancel.clone())).unwrap();
        let sources = [world.join("s")];
        let pairing = Pairing::new(&*backup, &sources, &[], false, Some(&filter), &cancel).unwrap();
        let ranker = Ranker::new("seed");
        let now = Timestamp { seconds: i64::MAX, nanos: 0 };
        let population_filter =
            PopulationFilter::new(&filter, &pairing, &ranker, &Silent, None, &cancel, now);
        let (needs, cancel) = (filter.needs(), cancel.child());
        let total = Total {
            backup: &*backup,
            population_filter: &population_filter,
            needs,
            judged: 0,
            observer,
            cancel,
        };
        total.told_during_after(after, work);
        assert_eq!(
            population_filter.population(true).files,
            0,
            "counting the total counts nothing for the run"
        );
    }

    fn world() -> tempfile::TempDir {
        let world = tempfile::tempdir().unwrap();
        for folder in ["b", "s"] {
            fs::create_dir(world.path().join(folder)).unwrap();
            for file in ["a", "b", "c.tmp"] {
                fs::write(world.path().join(folder).join(file), "x").unwrap();
            }
        }
        world
    }

    #[test]
    fn a_run_that_takes_long_learns_how_many_files_there_are() {
        let (world, listener) = (world(), Listener::default());
        during(world.path(), &listener, Duration::ZERO, || {
            while listener.heard().is_empty() {
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        assert_eq!(listener.heard(), [2]);
    }

    #[test]
    fn a_short_run_is_over_before_anything_is_counted() {
        let (world, listener) = (world(), Listener::default());
        during(world.path(), &listener, Duration::from_secs(3600), || ());
        assert!(listener.heard().is_empty());
    }
}
