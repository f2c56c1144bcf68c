//! Hashes one large file with many threads. The file is read and hashed in independent segments,
//! and their hashes are merged as in BLAKE3's tree (section 2.1 of its paper,
//! <https://github.com/BLAKE3-team/BLAKE3-specs>). So the result is the same as from hashing the
//! file from beginning to end.
//!
//! Reading is shared too, because it takes half of the time. Files are not mapped into memory.
//! Originals may shrink. For copies, an error of the restore folder's disk would kill the process
//! instead of ending the run with its report. Nor is mapping faster (`cargo bench --bench hash`).

use std::cell::RefCell;
use std::io;

use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use rayon::prelude::*;

use crate::cancel::CancelToken;

use super::pieces::Pieces;
use super::{Hash, Hashed};

/// Bytes in a segment. A power of two of at least 1024 bytes is a complete subtree.
const SEGMENT: usize = 512 << 10;

/// Segments that are in progress at once.
const WINDOW: usize = 32;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Passes on a buffer of a segment's size, which the thread reuses.
pub fn with_buffer<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(SEGMENT, 0);
        work(buffer)
    })
}

/// Hashes a file from beginning to end with the threads of the current pool. The file should have
/// `size` bytes. `None` if it turns out to be no longer than one segment, which is not worth
/// sharing.
pub(super) fn hash(file: Pieces<'_>, size: u64, cancel: &CancelToken) -> io::Result<Option<Hashed>> {
    in_segments(file, size, SEGMENT, cancel)
}

fn in_segments(
    file: Pieces<'_>,
    size: u64,
    segment: usize,
    cancel: &CancelToken,
) -> io::Result<Option<Hashed>> {
    let mut tree = SubtreeStack::default();
    let mut end = 0;
    let mut values = Vec::new();
    loop {
        // At least one more segment is read: only a short one proves the end, whatever size was
        // expected.
        let left = usize::try_from(size.saturating_sub(end)).unwrap_or(usize::MAX) / segment;
        let first = end;
        (0..(left + 1).min(WINDOW))
            .into_par_iter()
            .with_max_len(1)
            .map(|index| subtree(file, first + (index * segment) as u64, segment, cancel))
            .collect_into_vec(&mut values);
        for value in values.drain(..) {
            let (value, got) = value?;
            if got > 0 {
                tree.push(value);
                end += got as u64;
            }
            if got < segment {
                return Ok(tree.root().map(|hash| Hashed { hash, size: end }));
            }
        }
    }
}

/// Reads and hashes one segment. The second value is its length in bytes.
fn subtree(
    file: Pieces<'_>,
    begin: u64,
    segment: usize,
    cancel: &CancelToken,
) -> io::Result<(ChainingValue, usize)> {
    if cancel.is_cancelled() {
        return Err(io::ErrorKind::Interrupted.into());
    }
    with_buffer(|buffer| {
        let got = file.read(&mut buffer[..segment], begin)?;
        if got == 0 {
            return Ok((ChainingValue::default(), 0));
        }
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(begin).update(&buffer[..got]);
        Ok((hasher.finalize_non_root(), got))
    })
}

/// The subtrees so far: complete ones in order, merged as late as possible, because the last merge
/// of all produces the root.
#[derive(Default)]
struct SubtreeStack {
    stack: Vec<ChainingValue>,
    pushed: usize,
}

impl SubtreeStack {
    fn push(&mut self, value: ChainingValue) {
        // There are as many complete subtrees as the number of segments has ones in binary.
        while self.stack.len() > self.pushed.count_ones() as usize {
            self.merge();
        }
        self.stack.push(value);
        self.pushed += 1;
    }

    fn merge(&mut self) {
        if let (Some(right), Some(left)) = (self.stack.pop(), self.stack.pop()) {
            self.stack.push(merge_subtrees_non_root(&left, &right, Mode::Hash));
        }
    }

    /// The hash of the whole file; `None` for fewer than two segments.
    fn root(mut self) -> Option<Hash> {
        while self.stack.len() > 2 {
            self.merge();
        }
        let (right, left) = (self.stack.pop()?, self.stack.pop()?);
        Some(Hash(*merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    proptest! {
        #[test]
        fn segments_give_the_hash_of_the_whole(size in 0_usize..140_000, wrong_by in -70_000_i64..70_000) {
            let content: Vec<u8> = (0..size).map(|index| (index * index / 251).to_le_bytes()[0]).collect();
            let expected = (size as u64).saturating_add_signed(wrong_by);
            let hashed = in_segments(Pieces::of(&file(&content), expected), expected, 1024, &CancelToken::new()).unwrap();
            let whole = Hash(*blake3::hash(&content).as_bytes());
            prop_assert_eq!(hashed, (size > 1024).then_some(Hashed { hash: whole, size: size as u64 }));
        }
    }

    #[test]
    fn full_segments_and_one_byte_more_are_hashed_like_all_others() {
        for size in [2 * SEGMENT, 3 * SEGMENT, 3 * SEGMENT + 1, 40 * SEGMENT - 1] {
            let content = vec![7; size];
            let file = file(&content);
            let pieces = Pieces::of(&file, size as u64);
            let hashed = hash(pieces, size as u64, &CancelToken::new()).unwrap().unwrap();
            assert_eq!((hashed.size, hashed.hash.0), (size as u64, *blake3::hash(&content).as_bytes()));
        }
    }

    #[test]
    fn a_stop_ends_it() {
        let cancel = CancelToken::new();
        cancel.cancel();
        let file = file(&[1; 4096]);
        let stopped = hash(Pieces::of(&file, 4096), 4096, &cancel).unwrap_err();
        assert_eq!(stopped.kind(), io::ErrorKind::Interrupted);
    }
}
