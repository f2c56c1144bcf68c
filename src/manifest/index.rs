//! The index of a manifest: records of a key and a hash, sorted by key, in a mapped file.

use std::cmp::Ordering;
use std::fs::File;
use std::io;

use memmap2::Mmap;

use crate::verify::hash::Hash;

/// Bytes of a key, and of a record: a key and a hash.
const KEY: usize = 16;
/// Bytes of a record.
pub const RECORD: usize = KEY + 32;

/// Below this many records, halving is as quick as guessing.
const FEW: u64 = 16;

/// Finds hashes by keys.
#[derive(Debug)]
pub struct Index {
    /// `None` for an empty index, because nothing cannot be mapped.
    records: Option<Mmap>,
    count: u64,
}

impl Index {
    /// Maps a file of `count` records. The file must be a temporary file of this process, without a
    /// name.
    pub(super) fn new(file: File, count: u64) -> io::Result<Self> {
        if count == 0 {
            return Ok(Self { records: None, count });
        }
        // SAFETY: A mapped file must not be modified or cut short by anybody while it is mapped.
        // This one was made by `tempfile::tempfile_in`: on Unix it has no name (`O_TMPFILE`, or it
        // was unlinked at once), on Windows nobody else may open it (its share mode is 0) and it is
        // deleted when it is closed. So no other process can reach it. This process wrote all of it
        // before, gives up its only handle here, and maps it for reading only.
        let records = unsafe { Mmap::map(&file) }?;
        drop(file);
        let is_whole = records.len() as u64 == count * RECORD as u64;
        if is_whole {
            Ok(Self { records: Some(records), count })
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// How many records there are.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The hash of a key. Keys are hashes themselves, so they are spread evenly, and the position of
    /// one can be guessed from its value (interpolation search: Y. Perl, A. Itai, H. Avni,
    /// *Interpolation search – a log log N search*, CACM 21, 1978). Every second guess is the middle,
    /// so that no list of keys makes it slow.
    pub fn find(&self, key: &[u8; KEY]) -> Option<Hash> {
        let records = self.records.as_ref()?;
        let wanted = leading(key);
        // Everything before `low` is smaller than the key, everything from `high` on is larger.
        let (mut low, mut high) = (0, self.count);
        let (mut low_key, mut high_key) = (0, u64::MAX);
        let mut is_guess = true;
        while low < high {
            let middle = low + (high - low) / 2;
            let at = if is_guess && high - low > FEW {
                let share = u128::from(wanted.saturating_sub(low_key));
                let of = u128::from(high_key - low_key).max(1);
                let guess = u128::from(low) + share * u128::from(high - low) / of;
                u64::try_from(guess).unwrap_or(middle).clamp(low, high - 1)
            } else {
                middle
            };
            is_guess = !is_guess;
            let record = record(records, at)?;
            match record[..KEY].cmp(key) {
                Ordering::Less => (low, low_key) = (at + 1, leading(record)),
                Ordering::Greater => (high, high_key) = (at, leading(record)),
                Ordering::Equal => return Some(Hash::of_bytes(std::array::from_fn(|at| record[KEY + at]))),
            }
        }
        None
    }
}

fn record(records: &[u8], at: u64) -> Option<&[u8]> {
    let start = usize::try_from(at).ok()?.checked_mul(RECORD)?;
    records.get(start..start + RECORD)
}

/// The first eight bytes of a key as a number.
fn leading(key: &[u8]) -> u64 {
    u64::from_be_bytes(std::array::from_fn(|at| key[at]))
}
