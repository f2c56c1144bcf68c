//! Keeps a listing that takes a program long, so that the program is asked once. A run lists a
//! backup several times: to find the originals, to draw, and to count.
//!
//! The listing is kept in memory, compressed: 10 to 20 bytes for each file. One that would take
//! more than [`KEPT_MAX`] is not kept, and neither is one that ended early or met damage. Then the
//! program is asked again.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use zstd::stream::{Decoder, Encoder};

use crate::lock::{into_inner, lock};
use crate::platform::Timestamp;

use super::{CatalogSink, Context, Entry, EntryBatch, Error, Listing, Location};

/// The most bytes that are kept.
const KEPT_MAX: usize = 32 << 20;

/// The level of compression, which costs far less than what it waits for.
const LEVEL: i32 = 1;

/// How many entries are passed on at once.
const BATCH: usize = 512;

/// The listing of a backup that cannot change while it is open.
#[derive(Debug)]
pub(super) struct KeptListing {
    kept: Mutex<Option<Arc<Whole>>>,
    /// The most bytes that are kept.
    most: usize,
}

impl Default for KeptListing {
    fn default() -> Self {
        Self::one_of(1)
    }
}

/// A listing that ran to its end without damage.
#[derive(Debug)]
struct Whole {
    /// The files, as [`write()`] writes them, compressed.
    files: Vec<u8>,
    passed_over: u64,
}

impl KeptListing {
    /// One of `count` listings, which together keep at most [`KEPT_MAX`].
    pub(super) fn one_of(count: usize) -> Self {
        Self { kept: Mutex::default(), most: KEPT_MAX / count.max(1) }
    }

    /// Lists to `sink`: what is kept, or else what `list` lists, which is then kept.
    pub(super) fn catalog(
        &self,
        location: &Location,
        context: &Context,
        sink: &dyn CatalogSink,
        list: impl FnOnce(&dyn CatalogSink) -> Result<Listing, Error>,
    ) -> Result<Listing, Error> {
        // One caller lists, and the others wait for what it keeps.
        let mut kept = lock(&self.kept);
        if let Some(whole) = &*kept {
            let replayed = whole.replay(context, &mut |batch| sink.take(batch));
            let listing = replayed.map_err(|source| Error::Open { location: location.clone(), source })?;
            if matches!(listing, Listing::Whole) {
                sink.pass_over(whole.passed_over);
            }
            return Ok(listing);
        }
        let files = Mutex::new(Encoder::new(Vec::new(), LEVEL).ok());
        let keeper = Keeper { sink, files, most: self.most, passed_over: 0.into() };
        let listing = list(&keeper)?;
        if matches!(listing, Listing::Whole) {
            *kept = keeper.into_whole().map(Arc::new);
        }
        Ok(listing)
    }

    /// Passes what is kept to `take`, on this thread. `None` if nothing is kept.
    pub(super) fn replay(
        &self,
        location: &Location,
        context: &Context,
        take: &mut dyn FnMut(&EntryBatch) -> ControlFlow<()>,
    ) -> Option<Result<Listing, Error>> {
        let whole = lock(&self.kept).clone()?;
        let replayed = whole.replay(context, take);
        Some(replayed.map_err(|source| Error::Open { location: location.clone(), source }))
    }
}

impl Whole {
    fn replay(
        &self,
        context: &Context,
        take: &mut dyn FnMut(&EntryBatch) -> ControlFlow<()>,
    ) -> io::Result<Listing> {
        let mut files = BufReader::new(Decoder::new(&*self.files)?);
        let (mut batch, mut buffer) = (EntryBatch::new(), Vec::new());
        loop {
            let is_more = read(&mut files, &mut buffer, &mut batch)?;
            if batch.len() >= BATCH || !is_more {
                if context.cancel.is_cancelled() || take(&batch).is_break() {
                    return Ok(Listing::Stopped);
                }
                batch.clear();
            }
            if !is_more {
                return Ok(Listing::Whole);
            }
        }
    }
}

/// Passes a listing on, and keeps it.
struct Keeper<'a> {
    sink: &'a dyn CatalogSink,
    /// `None` once it has become too large.
    files: Mutex<Option<Encoder<'static, Vec<u8>>>>,
    most: usize,
    passed_over: AtomicU64,
}

impl Keeper<'_> {
    fn into_whole(self) -> Option<Whole> {
        let files = into_inner(self.files)?.finish().ok()?;
        Some(Whole { files, passed_over: self.passed_over.into_inner() })
    }
}

impl CatalogSink for Keeper<'_> {
    fn take(&self, entries: &EntryBatch) -> ControlFlow<()> {
        let mut files = lock(&self.files);
        if let Some(to) = &mut *files {
            let written = entries.iter().try_for_each(|entry| write(to, &entry));
            if written.is_err() || to.get_ref().len() > self.most {
                *files = None;
            }
        }
        drop(files);
        self.sink.take(entries)
    }

    fn restart(&self) {
        *lock(&self.files) = Encoder::new(Vec::new(), LEVEL).ok();
        self.passed_over.store(0, Ordering::Relaxed);
        self.sink.restart();
    }

    fn pass_over(&self, count: u64) {
        self.passed_over.fetch_add(count, Ordering::Relaxed);
        self.sink.pass_over(count);
    }
}

/// Writes an entry: its numbers, then its path and its handle, each with its length before it.
fn write(to: &mut impl Write, entry: &Entry<'_>) -> io::Result<()> {
    let mtime = entry.mtime.unwrap_or(Timestamp { seconds: 0, nanos: 0 });
    let flags = u8::from(entry.size.is_some())
        | u8::from(entry.mtime.is_some()) << 1
        | u8::from(entry.zone_unknown) << 2;
    to.write_all(&[flags])?;
    to.write_all(&entry.size.unwrap_or(0).to_le_bytes())?;
    to.write_all(&mtime.seconds.to_le_bytes())?;
    to.write_all(&mtime.nanos.to_le_bytes())?;
    to.write_all(&entry.position.to_le_bytes())?;
    for bytes in [entry.path, entry.handle] {
        to.write_all(&(bytes.len() as u64).to_le_bytes())?;
        to.write_all(bytes)?;
    }
    Ok(())
}

/// Reads an entry into a batch. Returns whether there was one.
fn read(from: &mut impl BufRead, buffer: &mut Vec<u8>, batch: &mut EntryBatch) -> io::Result<bool> {
    if from.fill_buf()?.is_empty() {
        return Ok(false);
    }
    let [flags] = array(from)?;
    let size = u64::from_le_bytes(array(from)?);
    let mtime =
        Timestamp { seconds: i64::from_le_bytes(array(from)?), nanos: u32::from_le_bytes(array(from)?) };
    let position = u64::from_le_bytes(array(from)?);
    buffer.clear();
    let path = bytes(from, buffer)?;
    bytes(from, buffer)?;
    let (path, handle) = buffer.split_at(path);
    let rest = Entry {
        size: (flags & 1 != 0).then_some(size),
        mtime: (flags & 2 != 0).then_some(mtime),
        zone_unknown: flags & 4 != 0,
        position,
        handle,
        ..Entry::named(b"")
    };
    // A name with a problem is kept as it was stored, and so it has the same problem again.
    batch.push_stored(path, &rest);
    Ok(true)
}

fn array<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut array = [0; N];
    from.read_exact(&mut array).map(|()| array)
}

/// Appends bytes to `buffer`. Returns how long it is then.
fn bytes(from: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let length = u64::from_le_bytes(array(from)?);
    let got = from.take(length).read_to_end(buffer)?;
    if got as u64 == length { Ok(buffer.len()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::backup::Damage;
    use crate::backup::collected::Collected;

    fn list(kept: &KeptListing, batch: &EntryBatch, end: Listing, asked: &mut u32) -> EntryBatch {
        let collected = Collected::default();
        let listed = kept.catalog(&Location::at("/b"), &Context::default(), &collected, |sink| {
            *asked += 1;
            let _ = sink.take(batch);
            sink.pass_over(3);
            Ok(end)
        });
        assert!(listed.is_ok());
        collected.into_batch()
    }

    fn parts(batch: &EntryBatch) -> Vec<Entry<'_>> {
        batch.iter().collect()
    }

    proptest! {
        #[test]
        fn a_kept_listing_is_the_same_and_the_program_is_not_asked_again(
            files in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..20), any::<Option<u64>>(), any::<Option<i64>>(), any::<bool>()), 0..1200),
        ) {
            let mut batch = EntryBatch::new();
            for (number, (name, size, seconds, zone_unknown)) in files.iter().enumerate() {
                let mtime = seconds.map(|seconds| Timestamp { seconds, nanos: 7 });
                let handle = &name[..name.len() / 2];
                let rest = Entry { size: *size, mtime, zone_unknown: *zone_unknown, position: number as u64, handle, ..Entry::named(b"") };
                batch.push_stored(name, &rest);
            }
            let (kept, mut asked) = (KeptListing::default(), 0);
            for _ in 0..3 {
                let listed = list(&kept, &batch, Listing::Whole, &mut asked);
                prop_assert_eq!(parts(&listed), parts(&batch));
            }
            let mut replayed = EntryBatch::new();
            let take = &mut |batch: &EntryBatch| {
                replayed.extend(batch.iter());
                ControlFlow::Continue(())
            };
            let listing = kept.replay(&Location::at("/b"), &Context::default(), take);
            prop_assert!(matches!(listing, Some(Ok(Listing::Whole))));
            prop_assert_eq!(parts(&replayed), parts(&batch));
            prop_assert_eq!(asked, 1);
        }
    }

    #[test]
    fn a_listing_that_ended_early_or_met_damage_is_asked_for_again() {
        let batch: EntryBatch = [Entry::named(b"a")].into_iter().collect();
        for end in [|| Listing::Stopped, || Listing::Damaged(vec![Damage::from("lost".to_owned())])] {
            let (kept, mut asked) = (KeptListing::default(), 0);
            list(&kept, &batch, end(), &mut asked);
            list(&kept, &batch, end(), &mut asked);
            assert_eq!(asked, 2);
        }
    }

    #[test]
    fn a_kept_listing_ends_when_the_sink_wants_no_more_or_the_run_is_cancelled() {
        struct Enough;
        impl CatalogSink for Enough {
            fn take(&self, _: &EntryBatch) -> ControlFlow<()> {
                ControlFlow::Break(())
            }
            fn restart(&self) {}
        }
        let batch: EntryBatch = [Entry::named(b"a")].into_iter().collect();
        let (kept, mut asked) = (KeptListing::default(), 0);
        list(&kept, &batch, Listing::Whole, &mut asked);
        let again = |context: &Context, sink: &dyn CatalogSink| {
            kept.catalog(&Location::at("/b"), context, sink, |_| Ok(Listing::Whole)).unwrap()
        };
        let cancelled = Context::default();
        cancelled.cancel.cancel();
        assert!(matches!(again(&Context::default(), &Enough), Listing::Stopped));
        assert!(matches!(again(&cancelled, &Collected::default()), Listing::Stopped));
    }
}
