//! Room on the restore folder's disk, for all files in flight together.
//!
//! Many threads restore at once, and what each still has to write is promised before it begins: a file begins only if there is room
//! for it, for what is promised to the others, and for a margin. If there is none it waits until others are judged and emptied; if
//! nobody else is at work, it never will have room, and that is an error.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use crate::stop::Stop;

use super::{MARGIN, RestoreError};

/// How long a file waits before it looks again.
const PAUSE: Duration = Duration::from_millis(20);

/// Who has been promised what, on one disk.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Bytes that are still to be written.
    promised: Mutex<u64>,
    /// Files that hold content.
    busy: AtomicU64,
}

/// Room for one file that is being written; what is left of it is given back when dropped.
#[derive(Debug)]
pub(super) struct Promise<'a> {
    room: &'a Room,
    left: u64,
}

impl Room {
    /// One more file holds content, until [`leave`](Self::leave).
    pub(super) fn enter(&self) {
        self.busy.fetch_add(1, Ordering::Relaxed);
    }

    /// A file was emptied or has gone.
    pub(super) fn leave(&self) {
        self.busy.fetch_sub(1, Ordering::Relaxed);
    }

    /// Promises `size` bytes, as soon as there is room for them. `held` is how many files the caller itself holds, which will not
    /// be emptied while it waits; `free` tells how many bytes are free.
    ///
    /// While little is promised nobody is asked: the margin covers it.
    pub(super) fn promise(
        &self,
        size: u64,
        held: u64,
        stop: &Stop,
        free: &dyn Fn() -> io::Result<u64>,
    ) -> Result<Promise<'_>, RestoreError> {
        loop {
            // Read before the disk is asked: who ends in between has made room that was not seen.
            let busy = self.busy.load(Ordering::Relaxed);
            let mut promised = self.promised.lock().unwrap_or_else(PoisonError::into_inner);
            let wanted = promised.saturating_add(size);
            let free = if wanted < MARGIN { u64::MAX } else { free().map_err(RestoreError::Scratch)? };
            if free >= wanted.saturating_add(MARGIN) {
                *promised = wanted;
                return Ok(Promise { room: self, left: size });
            }
            if *promised == 0 && busy <= held {
                let problem = format!("a file of {size} bytes has no room there: {free} bytes are free");
                return Err(RestoreError::Scratch(io::Error::new(io::ErrorKind::StorageFull, problem)));
            }
            drop(promised);
            if stop.is_set() {
                return Err(RestoreError::Stopped);
            }
            sleep(PAUSE);
        }
    }

    fn give_back(&self, bytes: u64) {
        let mut promised = self.promised.lock().unwrap_or_else(PoisonError::into_inner);
        *promised = promised.saturating_sub(bytes);
    }
}

impl Promise<'_> {
    /// So many bytes more were written: the disk counts them now.
    pub(super) fn keep(&mut self, bytes: u64) {
        let kept = bytes.min(self.left);
        self.left -= kept;
        self.room.give_back(kept);
    }
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        self.room.give_back(self.left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[track_caller]
    fn is_refused(asked: &Result<Promise<'_>, RestoreError>) {
        let is_full = |error: &RestoreError| matches!(error, RestoreError::Scratch(error) if error.kind() == io::ErrorKind::StorageFull);
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
        room.enter();
        let asked = AtomicU64::new(0);
        let free = || {
            // The other one is judged and emptied while this one waits.
            if asked.fetch_add(1, Ordering::Relaxed) == 2 {
                room.leave();
                return Ok(9 * GIB);
            }
            Ok(GIB)
        };
        room.promise(3 * GIB, 0, &stop, &free).unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 3);
        is_refused(&room.promise(3 * GIB, 0, &stop, &|| Ok(GIB)));
        room.enter();
        is_refused(&room.promise(3 * GIB, 1, &stop, &|| Ok(GIB)));
    }

    #[test]
    fn many_small_files_count_as_one_large_one() {
        let (room, stop) = (Room::default(), Stop::never());
        let never = || -> io::Result<u64> { panic!("nobody needs to know") };
        let all: Vec<_> = (0..15).map(|_| room.promise(4 << 20, 0, &stop, &never).unwrap()).collect();
        let asked = AtomicU64::new(0);
        let free = || Ok(asked.fetch_add(1, Ordering::Relaxed).max(GIB));
        let last = room.promise(4 << 20, 0, &stop, &free).unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        drop((all, last));
        assert_eq!(*room.promised.lock().unwrap(), 0);
    }
}
