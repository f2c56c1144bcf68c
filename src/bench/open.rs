//! The open probe: how many files per second can be opened and their metadata read. Each file is
//! opened only once in a bench, because the second time the system remembers where it is.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::backup::EntryBatch;
use crate::lock::{into_inner, lock};

use super::figures::{Figure, Probe};
use super::limits::{Slice, measure};
use super::location::{MeasuredLocation, Sampled};

/// Opens the files `drawn[range]` with some number of threads, and adds them with their sizes to
/// `sampled`. Files that cannot be opened are skipped.
pub fn open(
    location: &MeasuredLocation,
    (drawn, range): (&EntryBatch, std::ops::Range<usize>),
    threads: usize,
    slice: &Slice,
    sampled: &mut Vec<Sampled>,
) -> Option<Figure> {
    let next = AtomicUsize::new(range.start);
    let found = Mutex::new(Vec::with_capacity(range.len()));
    let done = measure(threads, slice, || {
        || {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let path = (index < range.end).then(|| drawn.get(index).path)?;
            let Ok((_, size)) = location.open(path) else { return Some(0) };
            let file = Sampled { path: path.to_vec(), size };
            lock(&found).push(file);
            Some(1)
        }
    });
    sampled.append(&mut into_inner(found));
    Figure::new(&location.name, Probe::Open, (threads, None), done)
}
