//! The write probe: the only one that writes, and only into scratch files below the restore folder,
//! which are removed.
//!
//! It tells two rates: what the system takes at once, which is what a run of small files sees (they
//! are emptied before they reach the disk), and what is known to be on the disk, which is what
//! large files come down to.

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::backup::{RestoreError, Restored, Scratch};
use crate::stop::Stop;
use crate::verify;

use super::figures::{Figure, Probe};
use super::limits::{Slice, measure};

const PIECE: usize = 1 << 20;

/// A scratch file is emptied once it is this long.
const LONG: u64 = 256 << 20;

/// Bytes that so many threads have on the disk at once, at most.
pub fn most_at_once(threads: u64) -> u64 {
    threads * (LONG + PIECE as u64)
}

/// Writes by so many threads; with `through`, what was written is sent to the disk before the clock
/// stops.
pub fn write(
    (name, restore_to): (&str, &Path),
    (threads, through): (usize, bool),
    slice: &Slice,
    stop: &Stop,
) -> Result<Option<Figure>, verify::Error> {
    let scratch = Scratch::create(restore_to, stop.clone())?;
    let mut content = vec![0; PIECE];
    // Random bytes: nothing that compression could make smaller.
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
                *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                return None;
            }
            Some(PIECE as u64)
        }
    });
    if let Some(source) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(verify::Error::RestoreFolder { place: restore_to.to_owned(), source });
    }
    let probe = if through { Probe::WriteThrough } else { Probe::Write };
    Ok(Figure::new(name, probe, (threads, Some(PIECE as u64)), done))
}

fn append(scratch: &Scratch, file: &mut Option<Restored>, content: &[u8], through: bool) -> io::Result<()> {
    // Emptied before the next one takes its place.
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
            let slice = Slice::new(&Stop::never(), far, Duration::from_secs(60), 5 * PIECE as u64 + 7);
            let figure = write(("r", world.path()), (2, through), &slice, &Stop::never()).unwrap().unwrap();
            assert_eq!(figure.amount, 5 * PIECE as u64);
            assert_eq!(std::fs::read_dir(world.path()).unwrap().count(), 0);
        }
    }
}
