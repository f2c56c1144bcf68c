//! Sparse files: the lists of their data segments in the four forms that GNU tar has used.
//!
//! Old GNU: in the header and in blocks behind it. Pax 0.0 and 0.1: in the extended header. Pax
//! 1.0: as decimal lines at the start of the data. Each becomes a list of [`Segment`]s in ascending
//! order that fit the file, or an error.

use std::io::{self, Read};

use tar::{GnuExtSparseHeader, GnuHeader, GnuSparseHeader};

use crate::platform;

use super::pax;
use super::source::ArchiveReader;

/// A range of a sparse file that is stored. Everything between the segments is zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// Where it begins in the restored file.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
}

/// The most segments that are accepted. They take 16 MiB of memory.
const SEGMENTS_MAX: usize = 1 << 20;

const TOO_MANY: &str = "a sparse file lists more pieces than bkverify can store in memory";

/// Reads the segments from an old GNU header and from the blocks that continue it. The inner result
/// is the number of those blocks.
pub(super) fn read_old_gnu(
    header: &GnuHeader,
    source: &mut dyn ArchiveReader,
    map: &mut Vec<Segment>,
) -> io::Result<Result<u64, String>> {
    if let Err(problem) = take_headers(&header.sparse, map) {
        return Ok(Err(problem));
    }
    let mut more = header.is_extended();
    let mut blocks = 0;
    while more {
        let mut block = GnuExtSparseHeader::new();
        if platform::read_full(source, block.as_mut_bytes())? < 512 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Err(problem) = take_headers(block.sparse(), map) {
            return Ok(Err(problem));
        }
        more = block.is_extended();
        blocks += 1;
    }
    Ok(Ok(blocks))
}

fn take_headers(headers: &[GnuSparseHeader], map: &mut Vec<Segment>) -> Result<(), String> {
    for header in headers.iter().filter(|header| !header.is_empty()) {
        let (offset, length) = header
            .offset()
            .and_then(|offset| Ok((offset, header.length()?)))
            .map_err(|error| error.to_string())?;
        push(map, Segment { offset, length })?;
    }
    Ok(())
}

fn push(map: &mut Vec<Segment>, segment: Segment) -> Result<(), String> {
    if map.len() == SEGMENTS_MAX {
        return Err(TOO_MANY.to_owned());
    }
    map.push(segment);
    Ok(())
}

/// The segments of pax formats 0.0 and 0.1, given as offset and length in turn.
pub(super) fn from_numbers(numbers: &[u64], map: &mut Vec<Segment>) -> Result<(), String> {
    let (pairs, rest) = numbers.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("a sparse file's list of pieces ends in the middle of a piece".to_owned());
    }
    for &[offset, length] in pairs {
        push(map, Segment { offset, length })?;
    }
    Ok(())
}

/// Reads the segments of pax format 1.0 from the start of the data, including the padding after
/// them.
pub(super) fn read_map_in_data(
    data: &mut dyn Read,
    map: &mut Vec<Segment>,
) -> io::Result<Result<(), String>> {
    let mut lines = MapLines { data, block: [0; 512], taken: 512 };
    let count = match lines.number()? {
        Some(count) if usize::try_from(count).is_ok_and(|count| count <= SEGMENTS_MAX) => count,
        Some(_) => return Ok(Err(TOO_MANY.to_owned())),
        None => return Ok(Err(NO_NUMBER.to_owned())),
    };
    for _ in 0..count {
        let (Some(offset), Some(length)) = (lines.number()?, lines.number()?) else {
            return Ok(Err(NO_NUMBER.to_owned()));
        };
        map.push(Segment { offset, length });
    }
    Ok(Ok(()))
}

const NO_NUMBER: &str = "a sparse file's list of pieces contains something that is not a number";

/// Reads decimal lines from whole blocks.
struct MapLines<'a> {
    data: &'a mut dyn Read,
    block: [u8; 512],
    taken: usize,
}

impl MapLines<'_> {
    fn number(&mut self) -> io::Result<Option<u64>> {
        let mut digits = [0; 20];
        let mut count = 0;
        loop {
            if self.taken == self.block.len() {
                self.data.read_exact(&mut self.block)?;
                self.taken = 0;
            }
            let byte = self.block[self.taken];
            self.taken += 1;
            match byte {
                b'\n' => return Ok(pax::number(&digits[..count])),
                _ if count == digits.len() => return Ok(None),
                _ => digits[count] = byte,
            }
            count += 1;
        }
    }
}

/// Checks that the segments are in ascending order, fit into `size`, and have exactly `stored`
/// bytes in total.
pub(super) fn check(map: &[Segment], size: u64, stored: u64) -> Result<(), String> {
    let mut end = 0;
    let mut sum: u64 = 0;
    for segment in map {
        if segment.offset < end {
            return Err("the pieces of a sparse file overlap".to_owned());
        }
        let next = segment.offset.checked_add(segment.length).filter(|&next| next <= size);
        end = next.ok_or("a piece of a sparse file reaches beyond its size")?;
        sum = sum.saturating_add(segment.length);
    }
    if sum != stored {
        return Err(format!("the pieces of a sparse file take {sum} bytes, but {stored} are stored"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Vec<Segment>, String> {
        let mut block = text.as_bytes().to_vec();
        block.resize(block.len().next_multiple_of(512), 0);
        let mut map = Vec::new();
        read_map_in_data(&mut &block[..], &mut map).map_err(|error| error.to_string())??;
        Ok(map)
    }

    #[test]
    fn the_map_at_the_start_of_the_data_is_read() {
        let segments = [Segment { offset: 0, length: 512 }, Segment { offset: 4096, length: 7 }];
        assert_eq!(read("2\n0\n512\n4096\n7\n").unwrap(), segments);
        assert!(read("2\n0\n512\n4096\n").is_err());
        assert!(read("x\n").is_err());
        assert!(read("99999999999999999999999\n").is_err());
        assert!(read("18446744073709551615\n").is_err());
    }

    #[test]
    fn only_ascending_segments_that_fit_are_accepted() {
        let map = |pairs: &[(u64, u64)]| -> Vec<Segment> {
            pairs.iter().map(|&(offset, length)| Segment { offset, length }).collect()
        };
        assert!(check(&map(&[(0, 5), (10, 5), (20, 0)]), 20, 10).is_ok());
        assert!(check(&map(&[]), 1 << 40, 0).is_ok());
        assert!(check(&map(&[(10, 5), (0, 5)]), 20, 10).is_err());
        assert!(check(&map(&[(0, 5), (4, 5)]), 20, 10).is_err());
        assert!(check(&map(&[(18, 5)]), 20, 5).is_err());
        assert!(check(&map(&[(u64::MAX, 5)]), 20, 5).is_err());
        assert!(check(&map(&[(0, 5)]), 20, 6).is_err());
    }

    proptest! {
        #[test]
        fn random_maps_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1100)) {
            let mut map = Vec::new();
            let _ = read_map_in_data(&mut &bytes[..], &mut map);
            let _ = check(&map, 100, 50);
        }
    }
}
