//! The write probe. It is the only probe that writes, and it writes only scratch files below the
//! restore folder, which are removed.
//!
//! It measures two rates. One is how fast the system accepts data. A run over small files works at
//! this rate, because they are emptied before they reach the disk. The other is how fast data
//! reaches the disk, which is what counts for large files.

use std::io;
use std::path::Path;
use std::sync::Mutex;

use crate::backup::{RestoreError, Restored, Scratch};
use crate::cancel::CancelToken;
use crate::lock::{into_inner, lock};
use crate::verify;

use super::figures::{Figure, Probe};
use super::limits::{Slice, measure};

const PIECE: usize = 1 << 20;

/// A scratch file is emptied when it has reached this length, in bytes.
const LONG: u64 = 256 << 20;

/// The most bytes that this many threads have on the disk at once.
pub fn most_at_once(threads: u64) -> u64 {
    threads * (LONG + PIECE as u64)
}

/// Writes with some number of threads. With `through`, the data is synced to the disk before the
/// clock stops.
pub fn write(
    (name, restore_to): (&str, &Path),
    (threads, through): (usize, bool),
    slice: &Slice,
    cancel: &CancelToken,
) -> Result<Option<Figure>, verify::Error> {
    let scratch = Scratch::create(restore_to, cancel.clone())?;
    let mut content = vec![0; PIECE];
    // Random bytes, which compression cannot make smaller.
    blake3::Hasher::new().finalize_xof().fill(&mut content);
    let failed = Mutex::new(None);
    let done = measure(threads, slice, || {
        let mut file = None;
        let (scratch, content, failed) = (&scratch, &content, &failed);
        move || {
            if !slice.take(PIECE as u64) {
                return None;
            }
            let appended = append(scratch, &mut file, content, through);
            if let Err(error) = appended {
                *lock(&failed) = Some(error);
                return None;
            }
            Some(PIECE as u64)
        }
    });
    if let Some(source) = into_inner(failed) {
        return Err(verify::Error::RestoreFolder { place: restore_to.to_owned(), source });
    }
    let probe = if through { Probe::WriteThrough } else { Probe::Write };
    Ok(Figure::new(name, probe, (threads, Some(PIECE as u64)), done))
}

fn append(scratch: &Scratch, file: &mut Option<Restored>, content: &[u8], through: bool) -> io::Result<()> {
    // The full file is emptied before the next one is started.
    let mut open = match file.take().filter(|file| file.size() < LONG) {
        Some(open) => open,
        None => scratch.create_file()?,
    };
    open.write(content).map_err(|error| match error {
        RestoreError::Scratch(error) => error,
        other => io::Error::other(other),
    })?;
    if through {
        open.file().sync_data()?;
    }
    *file = Some(open);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn it_writes_no_more_than_it_may_and_leaves_nothing() {
        let world = tempfile::tempdir().unwrap();
        let far = Instant::now() + Duration::from_secs(60);
        for through in [false, true] {
            let slice = Slice::new(&CancelToken::new(), far, Duration::from_secs(60), 5 * PIECE as u64 + 7);
            let figure =
                write(("r", world.path()), (2, through), &slice, &CancelToken::new()).unwrap().unwrap();
            assert_eq!(figure.amount, 5 * PIECE as u64);
            assert_eq!(std::fs::read_dir(world.path()).unwrap().count(), 0);
        }
    }
}
