//! The sequential read probe: files are read from beginning to end in spans, each span once, until
//! the time or the bytes are used up. Opening is included, because small files cannot be read
//! faster than they are opened.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::platform;

use super::figures::{Figure, Probe};
use super::limits::{Slice, measure};
use super::location::{MeasuredLocation, Sampled};

/// Large files are read in spans of this many bytes, so that several threads can share one file.
const SPAN: u64 = 8 << 20;

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    file: usize,
    begin: u64,
    end: u64,
}

/// Where the next probe continues: no span is read twice before all have been read once.
#[derive(Debug, Default)]
pub struct Cursor(AtomicUsize);

/// Reads with some number of threads in pieces of `block` bytes.
pub fn read(
    location: &MeasuredLocation,
    files: &[Sampled],
    (threads, block): (usize, usize),
    cursor: &Cursor,
    slice: &Slice,
) -> Option<Figure> {
    let spans = spans(files);
    let left = AtomicUsize::new(spans.len());
    let next = || {
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).ok()?;
        spans.get(cursor.0.fetch_add(1, Ordering::Relaxed) % spans.len()).copied()
    };
    let done = measure(threads, slice, || {
        let mut buffer = vec![0; block];
        let mut current: Option<(File, u64, u64)> = None;
        move || {
            let Some((file, begin, end)) = current.as_mut().filter(|(_, begin, end)| begin < end) else {
                let span = next()?;
                current = open(location, &files[span.file].path, span).ok();
                return Some(0);
            };
            let piece = usize::try_from(*end - *begin).unwrap_or(block).min(block);
            if !slice.take(piece as u64) {
                return None;
            }
            // A file that cannot be read or has become shorter is skipped.
            let got = platform::read_at(file, &mut buffer[..piece], *begin).unwrap_or(0) as u64;
            *begin = if got == 0 { *end } else { *begin + got };
            Some(got)
        }
    });
    Figure::new(&location.name, Probe::SequentialRead, (threads, Some(block as u64)), done)
}

/// The first span of a file drops the file from the system's cache. The other spans do not, because
/// other threads are reading it.
fn open(location: &MeasuredLocation, path: &[u8], span: Span) -> io::Result<(File, u64, u64)> {
    let file = if span.begin == 0 { location.open(path)?.0 } else { location.open_again(path)? };
    Ok((file, span.begin, span.end))
}

/// All spans of all files. The order alternates between files, so that the threads do not all read
/// the same one.
fn spans(files: &[Sampled]) -> Vec<Span> {
    let longest = files.iter().map(|file| file.size).max().unwrap_or(0);
    let mut spans = Vec::new();
    for round in 0..longest.div_ceil(SPAN).min(4096) {
        let begin = round * SPAN;
        let reached = files.iter().enumerate().filter(|(_, file)| file.size > begin);
        spans.extend(reached.map(|(index, file)| Span {
            file: index,
            begin,
            end: file.size.min(begin + SPAN),
        }));
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn spans_cover_every_byte_once(sizes in proptest::collection::vec(0..5 * SPAN, 0..9)) {
            let files: Vec<_> = sizes.iter().map(|&size| Sampled { path: Vec::new(), size }).collect();
            let mut reached = vec![0; files.len()];
            for span in spans(&files) {
                prop_assert_eq!(span.begin, reached[span.file]);
                prop_assert!(span.begin < span.end && span.end - span.begin <= SPAN);
                reached[span.file] = span.end;
            }
            prop_assert_eq!(reached, sizes);
        }
    }
}
