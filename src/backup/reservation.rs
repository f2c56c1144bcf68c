//! Reservations of disk space in the restore folder, for all files in flight together.
//!
//! Many threads restore at once. Each reserves the bytes that it is going to write, and begins only
//! if the free space covers them, all other reservations, and a margin. Otherwise it waits until
//! other files have been judged and emptied. A file that would not fit even then fails by itself
//! ([`RestoreError::NoSpace`]). So does a file that waits while every file on the disk is held by a
//! thread that waits too, because then no space would ever be freed. The other files go on.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::cancel::CancelToken;
use crate::lock::lock;

use super::{MARGIN, RestoreError};

/// How long a file waits before it checks again.
const PAUSE: Duration = Duration::from_millis(20);

/// File systems that free space in batches (btrfs, ZFS) show freed space within this time.
const SHOWN_WITHIN: Duration = Duration::from_secs(30);

/// The bytes that are written and reserved on one disk.
#[derive(Debug, Default)]
pub(super) struct DiskSpace {
    /// Bytes that are reserved but not written yet.
    reserved: Mutex<u64>,
    /// The number of files held by threads that wait for a reservation.
    held: AtomicU64,
    /// Bytes that were freed recently, when files were emptied.
    freed: Mutex<Freed>,
    /// Bytes in files on the disk. Grows only while `reserved` is locked, so that each byte is
    /// counted either here or there.
    written: AtomicU64,
    /// The number of files with content. A file is counted only after its bytes were reserved.
    files: AtomicU64,
}

/// Reserved disk space for a file that is being written. What is left of it is released on drop.
#[derive(Debug)]
pub(super) struct Reservation<'a> {
    space: &'a DiskSpace,
    left: u64,
}

impl DiskSpace {
    /// Counts one more file with content, until it is [removed](Self::remove_file).
    pub(super) fn add_file(&self) {
        self.files.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts a file as removed or emptied, which has freed `written` bytes.
    pub(super) fn remove_file(&self, written: u64) {
        self.written.fetch_sub(written, Ordering::AcqRel);
        lock(&self.freed).note(written);
        self.files.fetch_sub(1, Ordering::AcqRel);
    }

    /// Bytes in files on the disk.
    #[cfg(test)]
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Reserves `size` bytes as soon as they fit. `held` is the number of files that the caller
    /// itself holds, which are not emptied while it waits. `free` returns the number of free bytes.
    ///
    /// `free` is not called while little is written and reserved: the margin covers that, and it
    /// was free when the run began.
    pub(super) fn reserve(
        &self,
        size: u64,
        held: u64,
        cancel: &CancelToken,
        free: &dyn Fn() -> io::Result<u64>,
    ) -> Result<Reservation<'_>, RestoreError> {
        let mut waiting: Option<WaitingThread<'_>> = None;
        loop {
            // Locked while the disk is asked, so that no two reservations count on the same bytes.
            // Bytes that are freed in between are seen at the next check at the latest.
            let mut reserved = lock(&self.reserved);
            let wanted = reserved.saturating_add(size);
            let files = self.files.load(Ordering::Acquire);
            let is_little = wanted.saturating_add(self.written.load(Ordering::Acquire)) < MARGIN;
            let free = if is_little { u64::MAX } else { free().map_err(RestoreError::Scratch)? };
            if free >= wanted.saturating_add(MARGIN) {
                *reserved = wanted;
                return Ok(Reservation { space: self, left: size });
            }
            let waiting = waiting.get_or_insert_with(|| WaitingThread::new(&self.held, held));
            let is_alone = *reserved == 0 && files <= self.held.load(Ordering::Acquire);
            let coming = free.saturating_add(lock(&self.freed).of_late());
            let may_come = coming >= wanted.saturating_add(MARGIN);
            // Too large even if all other files are emptied.
            let all = coming.saturating_add(self.written.load(Ordering::Acquire));
            let is_too_large = all < size.saturating_add(MARGIN);
            if is_too_large || (is_alone && (!may_come || waiting.since.elapsed() > SHOWN_WITHIN)) {
                return Err(RestoreError::NoSpace { needed: size, free });
            }
            drop(reserved);
            if cancel.is_cancelled() {
                return Err(RestoreError::Stopped);
            }
            sleep(PAUSE);
        }
    }
}

/// Bytes that were freed recently, within the time that a file system may take to show them. Older
/// ones are dropped, so that a file that is far too large does not wait for bytes that are already
/// counted as free.
#[derive(Debug, Default)]
struct Freed {
    since: Option<Instant>,
    bytes: u64,
    before: u64,
}

impl Freed {
    fn note(&mut self, bytes: u64) {
        self.of_late();
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Bytes freed within at least the last [`SHOWN_WITHIN`], and at most twice that time.
    fn of_late(&mut self) -> u64 {
        let since = *self.since.get_or_insert_with(Instant::now);
        let elapsed = since.elapsed();
        if elapsed > SHOWN_WITHIN {
            self.before = if elapsed > 2 * SHOWN_WITHIN { 0 } else { self.bytes };
            (self.since, self.bytes) = (Some(Instant::now()), 0);
        }
        self.bytes.saturating_add(self.before)
    }
}

/// A thread that waits for a reservation, and the number of files that it holds in the meantime.
struct WaitingThread<'a> {
    all: &'a AtomicU64,
    held: u64,
    since: Instant,
}

impl<'a> WaitingThread<'a> {
    fn new(all: &'a AtomicU64, held: u64) -> Self {
        all.fetch_add(held, Ordering::AcqRel);
        Self { all, held, since: Instant::now() }
    }
}

impl Drop for WaitingThread<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.held, Ordering::AcqRel);
    }
}

impl Reservation<'_> {
    /// Counts `bytes` as written: from now on the disk counts them itself.
    pub(super) fn use_up(&mut self, bytes: u64) {
        let used = bytes.min(self.left);
        self.left -= used;
        let mut reserved = lock(&self.space.reserved);
        *reserved = reserved.saturating_sub(used);
        self.space.written.fetch_add(bytes, Ordering::AcqRel);
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if self.left > 0 {
            let mut reserved = lock(&self.space.reserved);
            *reserved = reserved.saturating_sub(self.left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    const GIB: u64 = 1 << 30;

    #[track_caller]
    fn is_refused(asked: &Result<Reservation<'_>, RestoreError>) {
        let is_full = |error: &RestoreError| matches!(error, RestoreError::NoSpace { needed, .. } if *needed == 3 * GIB);
        assert!(asked.as_ref().err().is_some_and(is_full), "{asked:?}");
    }

    #[test]
    fn files_that_fit_one_by_one_but_not_together_do_not_begin_together() {
        let (space, cancel) = (DiskSpace::default(), CancelToken::new());
        let free = || Ok(5 * GIB);
        let first = space.reserve(3 * GIB, 0, &cancel, &free).unwrap();
        cancel.cancel();
        let second = space.reserve(3 * GIB, 0, &cancel, &free);
        assert!(matches!(second, Err(RestoreError::Stopped)), "it waits: {second:?}");
        drop(first);
        space.reserve(3 * GIB, 0, &cancel, &free).unwrap();
    }

    #[test]
    fn what_is_written_already_is_not_counted_twice() {
        let (space, cancel) = (DiskSpace::default(), CancelToken::new());
        let mut first = space.reserve(3 * GIB, 0, &cancel, &|| Ok(5 * GIB)).unwrap();
        first.use_up(2 * GIB);
        space.reserve(GIB, 0, &cancel, &|| Ok(3 * GIB)).unwrap();
    }

    #[test]
    fn a_file_waits_for_others_and_fails_alone() {
        let (space, cancel) = (DiskSpace::default(), CancelToken::new());
        let is_emptied = AtomicBool::new(false);
        let free = || Ok(if is_emptied.load(Ordering::Relaxed) { 4 * GIB } else { GIB });
        let mut other = space.reserve(3 * GIB, 0, &cancel, &|| Ok(4 * GIB)).unwrap();
        space.add_file();
        other.use_up(3 * GIB);
        drop(other);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| space.reserve(3 * GIB, 0, &cancel, &free).is_ok());
            // Judged and emptied while the other waits.
            is_emptied.store(true, Ordering::Relaxed);
            space.remove_file(3 * GIB);
            assert!(waiting.join().unwrap());
        });
        let space = DiskSpace::default();
        is_refused(&space.reserve(3 * GIB, 0, &cancel, &|| Ok(GIB)));
        space.add_file();
        is_refused(&space.reserve(3 * GIB, 1, &cancel, &|| Ok(GIB)));
    }

    #[test]
    fn a_file_too_large_even_by_itself_does_not_wait_for_the_others() {
        let (space, cancel) = (DiskSpace::default(), CancelToken::new());
        let mut other = space.reserve(GIB, 0, &cancel, &|| Ok(2 * GIB)).unwrap();
        space.add_file();
        other.use_up(GIB / 2);
        is_refused(&space.reserve(3 * GIB, 0, &cancel, &|| Ok(2 * GIB)));
        assert!(matches!(space.reserve(1 << 46, 0, &cancel, &|| Ok(GIB)), Err(RestoreError::NoSpace { .. })));
    }

    #[test]
    fn two_threads_that_hold_a_file_and_wait_for_each_other_do_not_wait_for_ever() {
        let (space, cancel) = (DiskSpace::default(), CancelToken::new());
        let wait = || {
            space.add_file();
            let refused = space.reserve(3 * GIB, 1, &cancel, &|| Ok(GIB)).is_err();
            space.remove_file(0);
            refused
        };
        std::thread::scope(|scope| {
            let both = [scope.spawn(wait), scope.spawn(wait)];
            assert!(both.into_iter().all(|one| one.join().unwrap()));
        });
    }

    #[test]
    fn many_small_files_count_as_one_large_one_also_when_they_are_written() {
        let (space, cancel) = (DiskSpace::default(), CancelToken::new());
        let never = || -> io::Result<u64> { panic!("nobody needs to know") };
        let mut all: Vec<_> = (0..15).map(|_| space.reserve(4 << 20, 0, &cancel, &never).unwrap()).collect();
        let asked = AtomicBool::new(false);
        let free = || Ok(if asked.swap(true, Ordering::Relaxed) { 0 } else { GIB });
        drop(space.reserve(4 << 20, 0, &cancel, &free).unwrap());
        assert!(asked.swap(false, Ordering::Relaxed));
        all.iter_mut().for_each(|reservation| reservation.use_up(4 << 20));
        drop(all);
        drop(space.reserve(4 << 20, 0, &cancel, &free).unwrap());
        assert!(asked.load(Ordering::Relaxed));
        (0..15).for_each(|_| space.remove_file(4 << 20));
        space.reserve(60 << 20, 0, &cancel, &never).unwrap();
    }
}
