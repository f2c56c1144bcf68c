//! Room on the restore folder's disk, for all files in flight together.
//!
//! Many threads restore at once, and what each still has to write is promised before it begins: a
//! file begins only if there is room for it, for what is promised to the others, and for a margin.
//! If there is none it waits until others are judged and emptied. One that has no room even then,
//! or waits for nobody but those who wait themselves, fails alone ([`RestoreError::NoRoom`]), and
//! the others go on.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::stop::Stop;

use super::{MARGIN, RestoreError};

/// How long a file waits before it looks again.
const PAUSE: Duration = Duration::from_millis(20);

/// File systems that free in batches (btrfs, ZFS) give room back within this time.
const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(30);

/// What is written and will be written on one disk.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Bytes that are still to be written.
    promised: Mutex<u64>,
    /// Files that are held by those who wait for room.
    held: AtomicU64,
    /// Bytes that were given back of late, when files were emptied.
    given_back: Mutex<GivenBack>,
    /// Bytes that were written; grows while `promised` is locked, so that none is in between.
    written: AtomicU64,
    /// Files that hold content. Nobody enters without a promise.
    files: AtomicU64,
}

/// Room for one file that is being written; what is left of it is given back when dropped.
#[derive(Debug)]
pub(super) struct Promise<'a> {
    room: &'a Room,
    left: u64,
}

impl Room {
    fn promised(&self) -> MutexGuard<'_, u64> {
        self.promised.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn given_back(&self) -> MutexGuard<'_, GivenBack> {
        self.given_back.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more file holds content, until it [leaves](Self::leave).
    pub(super) fn enter(&self) {
        self.files.fetch_add(1, Ordering::AcqRel);
    }

    /// A file has gone or was emptied, which gave `written` bytes back.
    pub(super) fn leave(&self, written: u64) {
        self.written.fetch_sub(written, Ordering::AcqRel);
        self.given_back().note(written);
        self.files.fetch_sub(1, Ordering::AcqRel);
    }

    /// Promises `size` bytes, as soon as there is room for them. `held` is how many files the
    /// caller itself holds, which will not be emptied while it waits; `free` tells how many bytes
    /// are free.
    ///
    /// While little is written and promised nobody is asked: the margin, which was free when the
    /// run began, covers it.
    pub(super) fn promise(
        &self,
        size: u64,
        held: u64,
        stop: &Stop,
        free: &dyn Fn() -> io::Result<u64>,
    ) -> Result<Promise<'_>, RestoreError> {
        let mut waiting: Option<Waiting<'_>> = None;
        loop {
            // Locked while the disk is asked: nobody gets room in between. Who leaves in between
            // was counted before, and has made room that is not seen before the next look.
            let mut promised = self.promised();
            let wanted = promised.saturating_add(size);
            let files = self.files.load(Ordering::Acquire);
            let is_little = wanted.saturating_add(self.written.load(Ordering::Acquire)) < MARGIN;
            let free = if is_little { u64::MAX } else { free().map_err(RestoreError::Scratch)? };
            if free >= wanted.saturating_add(MARGIN) {
                *promised = wanted;
                return Ok(Promise { room: self, left: size });
            }
            let waiting = waiting.get_or_insert_with(|| Waiting::new(&self.held, held));
            let is_alone = *promised == 0 && files <= self.held.load(Ordering::Acquire);
            let coming = free.saturating_add(self.given_back().of_late());
            let may_come = coming >= wanted.saturating_add(MARGIN);
            // Not even when all others are emptied.
            let all = coming.saturating_add(self.written.load(Ordering::Acquire));
            let is_too_large = all < size.saturating_add(MARGIN);
            if is_too_large || (is_alone && (!may_come || waiting.since.elapsed() > GIVEN_BACK_WITHIN)) {
                return Err(RestoreError::NoRoom { needed: size, free });
            }
            drop(promised);
            if stop.is_set() {
                return Err(RestoreError::Stopped);
            }
            sleep(PAUSE);
        }
    }
}

/// What was given back within the time that a file system may take to show it: so that a file far
/// too large does not wait for what has long been counted.
#[derive(Debug, Default)]
struct GivenBack {
    since: Option<Instant>,
    bytes: u64,
    before: u64,
}

impl GivenBack {
    fn note(&mut self, bytes: u64) {
        self.of_late();
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// The bytes of at least the last [`GIVEN_BACK_WITHIN`], and of at most twice that.
    fn of_late(&mut self) -> u64 {
        let since = *self.since.get_or_insert_with(Instant::now);
        let elapsed = since.elapsed();
        if elapsed > GIVEN_BACK_WITHIN {
            self.before = if elapsed > 2 * GIVEN_BACK_WITHIN { 0 } else { self.bytes };
            (self.since, self.bytes) = (Some(Instant::now()), 0);
        }
        self.bytes.saturating_add(self.before)
    }
}

/// Somebody who waits for room, and what he holds meanwhile.
struct Waiting<'a> {
    all: &'a AtomicU64,
    held: u64,
    since: Instant,
}

impl<'a> Waiting<'a> {
    fn new(all: &'a AtomicU64, held: u64) -> Self {
        all.fetch_add(held, Ordering::AcqRel);
        Self { all, held, since: Instant::now() }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.held, Ordering::AcqRel);
    }
}

impl Promise<'_> {
    /// So many bytes were written: the disk counts them now.
    pub(super) fn keep(&mut self, bytes: u64) {
        let kept = bytes.min(self.left);
        self.left -= kept;
        let mut promised = self.room.promised();
        *promised = promised.saturating_sub(kept);
        self.room.written.fetch_add(bytes, Ordering::AcqRel);
    }
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        if self.left > 0 {
            let mut promised = self.room.promised();
            *promised = promised.saturating_sub(self.left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    const GIB: u64 = 1 << 30;

    #[track_caller]
    fn is_refused(asked: &Result<Promise<'_>, RestoreError>) {
        let is_full =
            |error: &RestoreError| matches!(error, RestoreError::NoRoom { needed, .. } if *needed == 3 * GIB);
        assert!(asked.as_ref().err().is_some_and(is_full), "{asked:?}");
    }

    #[test]
    fn files_that_fit_one_by_one_but_not_together_do_not_begin_together() {
        let (room, stop) = (Room::default(), Stop::never());
        let free = || Ok(5 * GIB);
        let first = room.promise(3 * GIB, 0, &stop, &free).unwrap();
        stop.set();
        let second = room.promise(3 * GIB, 0, &stop, &free);
        assert!(matches!(second, Err(RestoreError::Stopped)), "it waits: {second:?}");
        drop(first);
        room.promise(3 * GIB, 0, &stop, &free).unwrap();
    }

    #[test]
    fn what_is_written_already_is_not_counted_twice() {
        let (room, stop) = (Room::default(), Stop::never());
        let mut first = room.promise(3 * GIB, 0, &stop, &|| Ok(5 * GIB)).unwrap();
        first.keep(2 * GIB);
        room.promise(GIB, 0, &stop, &|| Ok(3 * GIB)).unwrap();
    }

    #[test]
    fn a_file_waits_for_others_and_fails_alone() {
        let (room, stop) = (Room::default(), Stop::never());
        let is_emptied = AtomicBool::new(false);
        let free = || Ok(if is_emptied.load(Ordering::Relaxed) { 4 * GIB } else { GIB });
        let mut other = room.promise(3 * GIB, 0, &stop, &|| Ok(4 * GIB)).unwrap();
        room.enter();
        other.keep(3 * GIB);
        drop(other);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| room.promise(3 * GIB, 0, &stop, &free).is_ok());
            // Judged and emptied while the other waits.
            is_emptied.store(true, Ordering::Relaxed);
            room.leave(3 * GIB);
            assert!(waiting.join().unwrap());
        });
        let room = Room::default();
        is_refused(&room.promise(3 * GIB, 0, &stop, &|| Ok(GIB)));
        room.enter();
        is_refused(&room.promise(3 * GIB, 1, &stop, &|| Ok(GIB)));
    }

    #[test]
    fn a_file_that_has_no_room_even_alone_does_not_wait_for_the_others() {
        let (room, stop) = (Room::default(), Stop::never());
        let mut other = room.promise(GIB, 0, &stop, &|| Ok(2 * GIB)).unwrap();
        room.enter();
        other.keep(GIB / 2);
        is_refused(&room.promise(3 * GIB, 0, &stop, &|| Ok(2 * GIB)));
        assert!(matches!(room.promise(1 << 46, 0, &stop, &|| Ok(GIB)), Err(RestoreError::NoRoom { .. })));
    }

    #[test]
    fn two_that_hold_a_file_each_and_wait_for_the_other_do_not_wait_for_ever() {
        let (room, stop) = (Room::default(), Stop::never());
        let wait = || {
            room.enter();
            let refused = room.promise(3 * GIB, 1, &stop, &|| Ok(GIB)).is_err();
            room.leave(0);
            refused
        };
        std::thread::scope(|scope| {
            let both = [scope.spawn(wait), scope.spawn(wait)];
            assert!(both.into_iter().all(|one| one.join().unwrap()));
        });
    }

    #[test]
    fn many_small_files_count_as_one_large_one_also_when_they_are_written() {
        let (room, stop) = (Room::default(), Stop::never());
        let never = || -> io::Result<u64> { panic!("nobody needs to know") };
        let mut all: Vec<_> = (0..15).map(|_| room.promise(4 << 20, 0, &stop, &never).unwrap()).collect();
        let asked = AtomicBool::new(false);
        let free = || Ok(if asked.swap(true, Ordering::Relaxed) { 0 } else { GIB });
        drop(room.promise(4 << 20, 0, &stop, &free).unwrap());
        assert!(asked.swap(false, Ordering::Relaxed));
        all.iter_mut().for_each(|promise| promise.keep(4 << 20));
        drop(all);
        drop(room.promise(4 << 20, 0, &stop, &free).unwrap());
        assert!(asked.load(Ordering::Relaxed));
        (0..15).for_each(|_| room.leave(4 << 20));
        room.promise(60 << 20, 0, &stop, &never).unwrap();
    }
}
