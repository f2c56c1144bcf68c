//! The listing probe: how fast a place gives its names, and which of its files the other probes
//! look at.
//!
//! Names come through the same code as in a verification. The system's cache of folders cannot be
//! emptied by an ordinary user: the first listing after a restart may be slower.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::backup::{CatalogSink, Context, EntryBatch, Listing, Needs};
use crate::plan::SampleSize;
use crate::verify::sample::{BottomK, Ranker, Target};

use super::Error;
use super::figures::{Figure, Probe};
use super::limits::Slice;
use super::place::Place;

/// So many files are drawn for the other probes, with as many again in reserve.
const DRAWN: u64 = 4000;

/// Threads that list, as in a verification.
const THREADS: usize = crate::verify::LISTING_THREADS;

/// What a listing gave.
pub struct Listed {
    /// How fast.
    pub figure: Option<Figure>,
    /// Files seen.
    pub files: u64,
    /// Whether they are all.
    pub whole: bool,
    /// A random draw of them.
    pub drawn: EntryBatch,
    /// Parts that could not be listed.
    pub damage: Vec<String>,
}

struct Drawing<'a> {
    ranker: Ranker,
    slice: &'a Slice,
    draw: Mutex<BottomK>,
    files: AtomicU64,
}

impl CatalogSink for Drawing<'_> {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        let ranked: Vec<_> = entries.iter().map(|entry| (self.ranker.rank(entry.path), entry)).collect();
        let mut draw = self.draw.lock().unwrap_or_else(PoisonError::into_inner);
        for (rank, entry) in &ranked {
            draw.count(1, rank.digest, u128::MAX);
            draw.offer(rank.order, entry);
        }
        self.files.fetch_add(ranked.len() as u64, Ordering::Relaxed);
        if self.slice.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn restart(&self) {
        self.draw.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.files.store(0, Ordering::Relaxed);
    }
}

/// Lists a place and draws from it by `seed`.
pub fn list(place: &Place, seed: &str, slice: &Slice) -> Result<Listed, Error> {
    let target = Target::new(SampleSize::Count(DRAWN), 0.5);
    let drawing = Drawing {
        ranker: Ranker::new(seed),
        slice,
        draw: Mutex::new(BottomK::new(target)),
        files: AtomicU64::new(0),
    };
    let context = Context::new(slice.stop()).with_threads(THREADS);
    let clock = Instant::now();
    let listing = place.lister.catalog(Needs::default(), &context, &drawing);
    let time = clock.elapsed();
    let listing = listing.map_err(crate::verify::Error::from)?;
    let files = drawing.files.into_inner();
    let draw = drawing.draw.into_inner().unwrap_or_else(PoisonError::into_inner).finish();
    let damage = match &listing {
        Listing::Damaged(parts) => parts.iter().map(ToString::to_string).collect(),
        Listing::Whole | Listing::Stopped => Vec::new(),
    };
    Ok(Listed {
        figure: Figure::new(&place.name, Probe::List, (THREADS, None), (files, time)),
        files,
        whole: matches!(listing, Listing::Whole),
        drawn: draw.map(|draw| draw.picks).unwrap_or_default(),
        damage,
    })
}
