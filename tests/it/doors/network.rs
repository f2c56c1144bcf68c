//! Proves that a format behind a slow network is possible. Each request takes 50 ms, and many are
//! in progress at once, whatever the number of threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bkverify::backup::{
    Backup, CatalogSink, Context, Description, Entry, EntryBatch, Error, Listing, Needs, Reach, RestoreSink,
    Scratch, Wanted,
};
use bkverify::exit::ExitCode;
use bkverify::plan::SampleSize;

use super::{CONTENT, described, names, verified, world};

const FILES: usize = 640;
const LATENCY: Duration = Duration::from_millis(50);

/// A remote object store.
struct Network {
    description: Description,
    in_flight: AtomicUsize,
    most: AtomicUsize,
    requests: AtomicUsize,
}

impl Network {
    fn get(&self) -> &'static [u8] {
        let in_flight = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(in_flight, Ordering::SeqCst);
        self.requests.fetch_add(1, Ordering::SeqCst);
        thread::sleep(LATENCY);
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        CONTENT
    }
}

impl Backup for Network {
    fn description(&self) -> &Description {
        &self.description
    }

    fn reach(&self) -> Reach {
        Reach { parallel: Some(64), batch: 1, ..Reach::RANDOM }
    }

    fn catalog(&self, _: Needs, _: &Context, sink: &dyn CatalogSink) -> Result<Listing, Error> {
        let all: EntryBatch = names(FILES).iter().map(|name| Entry::named(name)).collect();
        Ok(if sink.take(&all).is_break() { Listing::Stopped } else { Listing::Whole })
    }

    fn restore(
        &self,
        wanted: Wanted<'_>,
        scratch: &Scratch,
        context: &Context,
        sink: &mut dyn RestoreSink,
    ) -> Result<(), Error> {
        let Wanted::These(batch) = wanted else { panic!("only an ordered format is asked for everything") };
        for entry in batch.iter() {
            let copy = scratch.restore(&mut self.get(), None, &mut Vec::new());
            if sink.deliver(entry, copy).is_break() || context.cancel.is_cancelled() {
                break;
            }
        }
        Ok(())
    }
}

#[test]
fn many_requests_are_under_way_at_once_whatever_the_number_of_threads() {
    let world = world(FILES);
    let counter = || AtomicUsize::new(0);
    let backup = Network {
        description: described("network"),
        in_flight: counter(),
        most: counter(),
        requests: counter(),
    };
    let outcome = verified(&world, &backup, SampleSize::Count(FILES as u64), 2);
    assert_eq!(outcome.exit_code(), ExitCode::Pass, "{:?}", outcome.findings);
    assert_eq!(outcome.counts.looked_at(), FILES as u64);
    assert_eq!(backup.requests.into_inner(), FILES);
    let most = backup.most.into_inner();
    assert!((32..=64).contains(&most), "{most} requests at once");
}
