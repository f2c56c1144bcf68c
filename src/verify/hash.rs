//! Hashes both sides of a pair, and finds where they differ.
//!
//! In: an open original and a restored copy. Originals are live files, so they are read and not
//! mapped: a mapped file that shrinks kills the process. Out: two hashes, each of bytes that were
//! read independently. A small file takes one read into a reused buffer. Large files are shared by
//! all free threads, both sides at once.

mod pieces;
mod segments;

use std::fs::File;
use std::io;
use std::sync::OnceLock;

use rayon::ThreadPool;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cancel::CancelToken;
use crate::plan::Algorithm;
use crate::platform;
use crate::threads;

use self::pieces::Pieces;
use super::difference::{Comparer, Difference};

/// Files up to this size are read at once, larger ones in pieces of this many bytes.
const PIECE: usize = 512 << 10;

/// From this size in bytes on, both sides of a pair are read and hashed at the same time, each by
/// as many threads as are free.
const LARGE: u64 = 4 << 20;

/// A 256-bit hash of any algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash with these bytes.
    pub fn of_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The hash of these bytes.
    pub fn of(algorithm: Algorithm, content: &[u8]) -> Self {
        hash_whole(algorithm, content)
    }
}

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

/// The result of reading one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashed {
    /// The hash of all bytes up to the end.
    pub hash: Hash,
    /// The number of bytes.
    pub size: u64,
}

/// Both sides, read. Each has its own error.
#[derive(Debug)]
pub struct Pair {
    /// The original.
    pub original: io::Result<Hashed>,
    /// The restored copy.
    pub restored: io::Result<Hashed>,
}

/// Buffers that are reused from file to file, one for each side.
#[derive(Debug, Default)]
pub struct Buffers {
    original: Vec<u8>,
    restored: Vec<u8>,
}

enum Hasher {
    Blake3(Box<blake3::Hasher>),
    Sha256(Sha256),
}

impl Hasher {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Blake3 => Self::Blake3(Box::default()),
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Blake3(hasher) => {
                hasher.update(bytes);
            }
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }

    fn finish(self) -> Hash {
        match self {
            Self::Blake3(hasher) => Hash(*hasher.finalize().as_bytes()),
            Self::Sha256(hasher) => Hash(hasher.finalize().into()),
        }
    }
}

fn hash_whole(algorithm: Algorithm, bytes: &[u8]) -> Hash {
    match algorithm {
        Algorithm::Blake3 => Hash(*blake3::hash(bytes).as_bytes()),
        Algorithm::Sha256 => Hash(Sha256::digest(bytes).into()),
    }
}

/// How a run hashes: the algorithm, and the threads that share large files. The threads are started
/// with the first large file.
#[derive(Debug)]
pub struct Hashing {
    algorithm: Algorithm,
    threads: usize,
    pool: OnceLock<Option<ThreadPool>>,
}

impl Hashing {
    /// Hashes with at most `threads` threads.
    pub fn new(algorithm: Algorithm, threads: usize) -> Self {
        Self { algorithm, threads, pool: OnceLock::new() }
    }

    /// `None` if a single thread hashes, because only one was asked for or no other can be started.
    fn pool(&self) -> Option<&ThreadPool> {
        if self.threads < 2 {
            return None;
        }
        self.pool.get_or_init(|| threads::pool(self.threads, "hash")).as_ref()
    }

    /// Reads and hashes both files from beginning to end. `sizes` are those of the original and the
    /// restored copy, from their metadata. An original that is longer by now is detected by its
    /// metadata after reading.
    pub fn pair(
        &self,
        (original, restored): (&File, &File),
        sizes: (u64, u64),
        buffers: &mut Buffers,
        cancel: &CancelToken,
    ) -> Pair {
        let pool = self.pool().filter(|_| sizes.0.max(sizes.1) >= LARGE);
        let Some(pool) = pool else {
            return Pair {
                original: hash_file(original, sizes.0, self.algorithm, &mut buffers.original, cancel),
                restored: hash_file(restored, sizes.1, self.algorithm, &mut buffers.restored, cancel),
            };
        };
        let (original, restored) = pool.install(|| {
            rayon::join(|| self.shared(original, sizes.0, cancel), || self.shared(restored, sizes.1, cancel))
        });
        Pair { original, restored }
    }

    /// Reads and hashes one large file.
    pub fn large(&self, file: &File, size: u64, cancel: &CancelToken) -> io::Result<Hashed> {
        match self.pool() {
            Some(pool) => pool.install(|| self.shared(file, size, cancel)),
            None => hash_alone(file, size, self.algorithm, cancel),
        }
    }

    /// Hashes a file inside the pool: with all of its threads, if the algorithm allows that.
    fn shared(&self, file: &File, size: u64, cancel: &CancelToken) -> io::Result<Hashed> {
        let shared = match self.algorithm {
            Algorithm::Blake3 => segments::hash(Pieces::of(file, size), size, cancel)?,
            Algorithm::Sha256 => None,
        };
        shared.map_or_else(|| hash_alone(file, size, self.algorithm, cancel), Ok)
    }
}

/// Reads and hashes a file from beginning to end, in the calling thread.
pub fn hash_alone(file: &File, size: u64, algorithm: Algorithm, cancel: &CancelToken) -> io::Result<Hashed> {
    segments::with_buffer(|buffer| hash_file(file, size, algorithm, buffer, cancel))
}

fn hash_file(
    file: &File,
    size_hint: u64,
    algorithm: Algorithm,
    buffer: &mut Vec<u8>,
    cancel: &CancelToken,
) -> io::Result<Hashed> {
    // One byte more than expected: a read that does not fill the buffer has reached the end, which
    // saves a second read.
    let length = usize::try_from(size_hint + 1).unwrap_or(PIECE).clamp(4096, PIECE);
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
    let mut piece = &mut buffer[..length];
    let file = Pieces::of(file, size_hint);
    let got = file.read_first(piece, size_hint)?;
    if got < piece.len() {
        return Ok(Hashed { hash: hash_whole(algorithm, &piece[..got]), size: got as u64 });
    }
    let mut hasher = Hasher::new(algorithm);
    hasher.update(piece);
    let mut size = got as u64;
    if buffer.len() < PIECE {
        buffer.resize(PIECE, 0);
    }
    piece = &mut buffer[..];
    loop {
        if cancel.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let got = file.read(piece, size)?;
        hasher.update(&piece[..got]);
        size += got as u64;
        if got < piece.len() {
            return Ok(Hashed { hash: hasher.finish(), size });
        }
    }
}

/// Reads both files again, side by side, and describes where they differ. `None` if they are equal
/// by now, or if `cancel` is cancelled.
pub fn describe_difference(
    original: &File,
    restored: &File,
    buffers: &mut Buffers,
    cancel: &CancelToken,
) -> io::Result<Option<Difference>> {
    let Buffers { original: first, restored: second } = buffers;
    first.resize(PIECE, 0);
    second.resize(PIECE, 0);
    let mut comparer = Comparer::new();
    let pieces = |file| Ok::<_, io::Error>(Pieces::of(file, platform::stat(file)?.size));
    let (one, other) = (pieces(original)?, pieces(restored)?);
    let (mut original_size, mut restored_size) = (0, 0);
    loop {
        let here = one.read(first, original_size)?;
        let there = other.read(second, restored_size)?;
        let common = here.min(there);
        if cancel.is_cancelled() {
            return Ok(None);
        }
        comparer.feed(&first[..common], &second[..common]);
        original_size += here as u64;
        restored_size += there as u64;
        if common < PIECE {
            break;
        }
    }
    let rest = |file: &File, size| Ok::<u64, io::Error>(platform::stat(file)?.size.max(size));
    Ok(comparer.finish(rest(original, original_size)?, rest(restored, restored_size)?))
}
