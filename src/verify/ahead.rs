//! Reading ahead: the original of a large file is hashed while the copy is still being restored.
//!
//! So the disk of the originals does not have to wait for the disk of the backup, nor a free core
//! for the copy. The hash counts only if the original's metadata is still the same when its turn
//! comes. Otherwise it is read again like any other.

use std::fs::File;
use std::io;
use std::thread::{self, JoinHandle};

use crate::cancel::CancelToken;
use crate::plan::Algorithm;
use crate::platform::Stat;

use super::hash::{Hashed, hash_alone};

/// From this size in bytes on, reading ahead is worth a thread.
pub const LARGE: u64 = 64 << 20;

/// An original that is being hashed. Dropping it cancels the hashing.
#[derive(Debug)]
pub struct Ahead {
    before: Stat,
    cancel: CancelToken,
    reading: Option<JoinHandle<io::Result<Hashed>>>,
}

impl Ahead {
    /// Begins to hash the open file whose metadata is `before`; `None` if no thread can be started.
    pub fn begin(file: File, before: Stat, algorithm: Algorithm, cancel: &CancelToken) -> Option<Self> {
        let cancel = cancel.child();
        let until = cancel.clone();
        let read = move || hash_alone(&file, before.size, algorithm, &until);
        let reading = thread::Builder::new().name("ahead".to_owned()).spawn(read).ok()?;
        Some(Self { before, cancel, reading: Some(reading) })
    }

    /// Whether this is the same file with the same metadata.
    pub fn is_of(&self, now: &Stat) -> bool {
        self.before == *now
    }

    /// Waits for the hash.
    pub fn finish(mut self) -> io::Result<Hashed> {
        let reading = self.reading.take().map(JoinHandle::join);
        match reading {
            Some(Ok(hashed)) => hashed,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Err(io::ErrorKind::Interrupted.into()),
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.cancel.cancel();
        // The result, or a panic, no longer matters to anybody.
        let _ = self.reading.take().map(JoinHandle::join);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::platform;

    #[test]
    fn what_was_read_ahead_is_the_hash_of_the_file_in_the_state_it_had() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"content").unwrap();
        let before = platform::stat(&file).unwrap();
        let open = || file.try_clone().unwrap();
        let ahead = Ahead::begin(open(), before, Algorithm::Sha256, &CancelToken::new()).unwrap();
        assert!(ahead.is_of(&before));
        assert!(!ahead.is_of(&Stat { size: 8, ..before }));
        let hashed = hash_alone(&file, before.size, Algorithm::Sha256, &CancelToken::new()).unwrap();
        assert_eq!(ahead.finish().unwrap(), hashed);
        drop(Ahead::begin(open(), before, Algorithm::Blake3, &CancelToken::new()));
    }
}
