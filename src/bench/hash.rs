//! The hash probe: how fast one thread hashes data that is already in memory.

use std::hint::black_box;

use sha2::{Digest, Sha256};

use crate::plan::Algorithm;

use super::figures::{Figure, Probe};
use super::limits::{Slice, measure};

const PIECE: usize = 1 << 20;

/// Hashes the same megabyte again and again.
pub fn hash(algorithm: Algorithm, slice: &Slice) -> Option<Figure> {
    let mut content = vec![0; PIECE];
    blake3::Hasher::new().finalize_xof().fill(&mut content);
    let done = measure(1, slice, || {
        || {
            match algorithm {
                Algorithm::Blake3 => {
                    black_box(blake3::hash(black_box(&content)));
                }
                Algorithm::Sha256 => {
                    black_box(Sha256::digest(black_box(&content)));
                }
            }
            Some(PIECE as u64)
        }
    });
    Figure::new(algorithm.name(), Probe::Hash, (1, Some(PIECE as u64)), done)
}
