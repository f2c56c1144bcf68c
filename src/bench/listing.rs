//! The listing probe: how fast a location is listed, and which of its files the other probes use.
//!
//! The listing uses the same code as a verification. An ordinary user cannot empty the system's
//! cache of folders, so the first listing after a reboot may be slower.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::backup::{CatalogSink, Context, EntryBatch, Listing, Needs};
use crate::lock::{into_inner, lock};
use crate::plan::SampleSize;
use crate::verify::sample::{BottomK, Ranker, SampleQuota};

use super::Error;
use super::figures::{Figure, Probe};
use super::limits::Slice;
use super::location::MeasuredLocation;

/// How many files are drawn for the other probes. The same number is drawn as a reserve.
const DRAWN: u64 = 4000;

/// Threads that list, as in a verification.
const THREADS: usize = crate::verify::LISTING_THREADS;

/// The result of a listing.
pub struct ListingResult {
    /// The listing rate.
    pub figure: Option<Figure>,
    /// Files listed.
    pub files: u64,
    /// Whether the listing was complete.
    pub whole: bool,
    /// A random sample of these files.
    pub drawn: EntryBatch,
    /// Parts that could not be listed.
    pub damage: Vec<String>,
}

struct SampleSink<'a> {
    ranker: Ranker,
    slice: &'a Slice,
    draw: Mutex<BottomK>,
    files: AtomicU64,
}

impl CatalogSink for SampleSink<'_> {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        let ranked: Vec<_> = entries.iter().map(|entry| (self.ranker.rank(entry.path), entry)).collect();
        let mut draw = lock(&self.draw);
        for (rank, entry) in &ranked {
            draw.count(1, rank.digest, u128::MAX);
            draw.offer(rank.order, entry);
        }
        self.files.fetch_add(ranked.len() as u64, Ordering::Relaxed);
        if self.slice.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn restart(&self) {
        lock(&self.draw).clear();
        self.files.store(0, Ordering::Relaxed);
    }
}

/// Lists a location and draws a sample with `seed`.
pub fn list(location: &MeasuredLocation, seed: &str, slice: &Slice) -> Result<ListingResult, Error> {
    let quota = SampleQuota::new(SampleSize::Count(DRAWN), 0.5);
    let drawing = SampleSink {
        ranker: Ranker::new(seed),
        slice,
        draw: Mutex::new(BottomK::new(quota)),
        files: AtomicU64::new(0),
    };
    let context = Context::new(slice.cancel_token()).with_threads(THREADS);
    let clock = Instant::now();
    let listing = location.lister.catalog(Needs::default(), &context, &drawing);
    let time = clock.elapsed();
    let listing = listing.map_err(crate::verify::Error::from)?;
    let files = drawing.files.into_inner();
    let draw = into_inner(drawing.draw).finish();
    let damage = match &listing {
        Listing::Damaged(parts) => parts.iter().map(ToString::to_string).collect(),
        Listing::Whole | Listing::Stopped => Vec::new(),
    };
    Ok(ListingResult {
        figure: Figure::new(&location.name, Probe::List, (THREADS, None), (files, time)),
        files,
        whole: matches!(listing, Listing::Whole),
        drawn: draw.map(|draw| draw.picks).unwrap_or_default(),
        damage,
    })
}
