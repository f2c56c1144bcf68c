//! The two headers of a VHDX (MS-VHDX 2.2.2): which is current, and where the log is.

use crate::bytes::ReadAt;
use crate::image::Guid;
use crate::image::container::read_exact;
use crate::image::{Error, fields};

use super::{MIB, checksum};

const LENGTH: usize = 4096;
const PLACES: [u64; 2] = [64 << 10, 128 << 10];
const SIGNATURE: &[u8] = b"head";

/// What the current header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    sequence: u64,
    pub(super) file_write: Guid,
    pub(super) data_write: Guid,
    /// Zero if the log is empty.
    pub(super) log: Guid,
    log_version: u16,
    version: u16,
    pub(super) log_length: u32,
    pub(super) log_at: u64,
}

/// One of the two copies.
#[derive(Debug)]
struct Copy {
    at: u64,
    bytes: Box<[u8]>,
    header: Header,
    damage: Option<&'static str>,
}

/// Chooses the current header. A note says which copy is damaged.
pub(super) fn current(file: &dyn ReadAt, notes: &mut Vec<String>) -> Result<Header, Error> {
    let [first, second] = PLACES;
    let (first, second) = (read(file, first)?, read(file, second)?);
    let chosen = match (first.damage, second.damage) {
        (None, None) => newer(&first, &second)?,
        (None, Some(_)) => instead_of(&second, &first, notes)?,
        (Some(_), None) => instead_of(&first, &second, notes)?,
        (Some(one), Some(two)) => {
            let (at, other) = (first.at, second.at);
            return Err(Error::Damaged(format!(
                "both headers of the VHDX are damaged: the one at byte {at} {one}, the one at byte {other} {two}; use \
                 another backup"
            )));
        }
    };
    check(chosen.header)
}

fn read(file: &dyn ReadAt, at: u64) -> Result<Copy, Error> {
    let mut bytes = vec![0; LENGTH].into_boxed_slice();
    read_exact(file, &mut bytes, at, "a header of the VHDX")?;
    let damage = if !bytes.starts_with(SIGNATURE) {
        Some("does not begin with \"head\"")
    } else if fields::u32_le(&bytes, 4) != Some(checksum(&bytes)) {
        Some("has a wrong checksum")
    } else {
        None
    };
    let header =
        parse(&bytes).ok_or_else(|| Error::Damaged("a header of the VHDX is cut short".to_owned()))?;
    Ok(Copy { at, bytes, header, damage })
}

fn parse(bytes: &[u8]) -> Option<Header> {
    Some(Header {
        sequence: fields::u64_le(bytes, 8)?,
        file_write: Guid::at(bytes, 16)?,
        data_write: Guid::at(bytes, 32)?,
        log: Guid::at(bytes, 48)?,
        log_version: fields::u16_le(bytes, 64)?,
        version: fields::u16_le(bytes, 66)?,
        log_length: fields::u32_le(bytes, 68)?,
        log_at: fields::u64_le(bytes, 72)?,
    })
}

/// Of two good headers, the one with the greater sequence number is current. Two equal numbers make
/// a file without a current header, except that Disk2vhd writes two headers that are the same.
fn newer<'a>(first: &'a Copy, second: &'a Copy) -> Result<&'a Copy, Error> {
    let (one, two) = (first.header.sequence, second.header.sequence);
    if one == two && first.bytes != second.bytes {
        return Err(Error::Damaged(format!(
            "the two headers of the VHDX are different and have the same sequence number {one}, so none is current"
        )));
    }
    Ok(if two > one { second } else { first })
}

/// Uses the good copy, unless what is left of the damaged one shows that it may have been the
/// current one and said something else about the log or the data. The good one is out of date then.
/// If a single bit of the damaged one is wrong, its checksum tells which, and so which one was
/// current.
fn instead_of<'a>(damaged: &Copy, good: &'a Copy, notes: &mut Vec<String>) -> Result<&'a Copy, Error> {
    let (bad, why, used) = (damaged.at, damaged.damage.unwrap_or_default(), good.at);
    let place = |header: &Header| (header.version, header.log_length, header.log_at);
    let is_readable = damaged.bytes.starts_with(SIGNATURE) || place(&damaged.header) == place(&good.header);
    let state = |header: &Header| (header.log, header.data_write);
    let was_older = || with_one_bit(&damaged.bytes).is_some_and(|was| was.sequence < good.header.sequence);
    if is_readable && state(&damaged.header) != state(&good.header) && !was_older() {
        return Err(Error::Damaged(format!(
            "the header of the VHDX at byte {bad} {why}, and the good one at byte {used} is of another state of the \
             file, so it may be out of date; use another backup"
        )));
    }
    notes.push(format!("The header at byte {bad} {why}. The one at byte {used} is used."));
    Ok(good)
}

/// The header that these bytes were before one bit of them changed: the one whose checksum is
/// right. Two such headers cannot be, because CRC-32C finds any three wrong bits in so few bytes.
fn with_one_bit(bytes: &[u8]) -> Option<Header> {
    let mut bytes = bytes.to_vec();
    for bit in 0..bytes.len() * 8 {
        let (at, mask) = (bit / 8, 1 << (bit % 8));
        bytes.get_mut(at).map(|byte| *byte ^= mask)?;
        if bytes.starts_with(SIGNATURE) && fields::u32_le(&bytes, 4) == Some(checksum(&bytes)) {
            return parse(&bytes);
        }
        bytes.get_mut(at).map(|byte| *byte ^= mask)?;
    }
    None
}

fn check(header: Header) -> Result<Header, Error> {
    if header.version != 1 {
        let version = header.version;
        return Err(Error::Unsupported(format!("the VHDX has version {version}; only version 1 is known")));
    }
    if header.log == Guid::ZERO {
        return Ok(header);
    }
    if header.log_version != 0 {
        let version = header.log_version;
        return Err(Error::Unsupported(format!(
            "the log of the VHDX has version {version}; only version 0 is known"
        )));
    }
    let (at, length) = (header.log_at, header.log_length);
    let is_aligned = at.is_multiple_of(MIB) && u64::from(length).is_multiple_of(MIB);
    if !is_aligned || at < MIB || length == 0 {
        return Err(Error::Damaged(format!(
            "the log of the VHDX cannot be at byte {at} with {length} bytes: both must be multiples of 1 MiB"
        )));
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::container::testing::seal_crc;

    const LOG: [u8; 16] = [3; 16];

    fn header(sequence: u64, log: [u8; 16]) -> Vec<u8> {
        let mut bytes = vec![0; LENGTH];
        bytes[..4].copy_from_slice(SIGNATURE);
        bytes[8..16].copy_from_slice(&sequence.to_le_bytes());
        bytes[16..48].fill(1);
        bytes[48..64].copy_from_slice(&log);
        bytes[66] = 1;
        bytes[68..72].copy_from_slice(&(1u32 << 20).to_le_bytes());
        bytes[72..80].copy_from_slice(&(1u64 << 20).to_le_bytes());
        seal_crc(&mut bytes);
        bytes
    }

    fn file(first: &[u8], second: &[u8]) -> Vec<u8> {
        let mut file = vec![0; 192 << 10];
        file[64 << 10..][..first.len()].copy_from_slice(first);
        file[128 << 10..][..second.len()].copy_from_slice(second);
        file
    }

    fn choose(first: &[u8], second: &[u8]) -> Result<(Header, Vec<String>), Error> {
        let mut notes = Vec::new();
        current(&file(first, second), &mut notes).map(|header| (header, notes))
    }

    #[test]
    fn the_header_with_the_greater_sequence_number_is_current() {
        let (old, new) = (header(4, [0; 16]), header(5, LOG));
        for (first, second) in [(&old, &new), (&new, &old)] {
            let (chosen, notes) = choose(first, second).unwrap();
            assert_eq!((chosen.sequence, chosen.log, notes.len()), (5, Guid(LOG), 0));
        }
    }

    #[test]
    fn equal_sequence_numbers_are_only_allowed_to_equal_headers() {
        assert!(choose(&header(5, LOG), &header(5, LOG)).is_ok());
        let error = choose(&header(5, LOG), &header(5, [0; 16])).unwrap_err().to_string();
        assert!(error.contains("same sequence number"), "{error}");
    }

    #[test]
    fn every_flipped_byte_is_an_error_or_a_note_and_the_same_state() {
        let (old, new) = (header(4, LOG), header(5, LOG));
        for at in 0..LENGTH {
            let mut bad = new.clone();
            bad[at] ^= 0x04;
            let in_data_write_or_log = (32..64).contains(&at);
            match choose(&old, &bad) {
                Ok((chosen, notes)) => {
                    assert!(!in_data_write_or_log, "byte {at}");
                    assert_eq!((chosen.sequence, notes.len()), (4, 1), "byte {at}");
                    assert!(notes[0].contains("header at byte 131072"), "{notes:?}");
                }
                Err(_) => assert!(in_data_write_or_log, "byte {at}"),
            }
        }
    }

    #[test]
    fn a_good_header_that_is_out_of_date_is_not_used() {
        let mut new = header(5, LOG);
        new[200] ^= 1;
        let error = choose(&header(4, [0; 16]), &new).unwrap_err().to_string();
        assert!(error.contains("out of date"), "{error}");
        let overwritten = vec![0x5a; LENGTH];
        assert_eq!(choose(&header(4, [0; 16]), &overwritten).unwrap().1.len(), 1);
    }

    /// The damaged one says another state, but it was out of date anyway.
    #[test]
    fn one_wrong_bit_in_the_older_header_is_only_a_note() {
        let (old, new) = (header(6, LOG), header(7, [0; 16]));
        // Signature, checksum, sequence number (7 and 4 are one bit away), log, and the rest.
        for (at, bit) in [(0, 0), (5, 7), (8, 0), (8, 1), (9, 0), (50, 3), (4095, 7)] {
            let mut bad = old.clone();
            bad[at] ^= 1 << bit;
            for (first, second) in [(&bad, &new), (&new, &bad)] {
                let (chosen, notes) = choose(first, second).unwrap();
                assert_eq!((chosen.sequence, notes.len()), (7, 1), "byte {at}");
            }
            // The current one, damaged the same way, is never replaced by the older one.
            let mut bad = header(7, LOG);
            bad[at] ^= 1 << bit;
            assert!(choose(&bad, &header(6, [0; 16])).is_err(), "byte {at}");
        }
        // Of two wrong bits, nobody knows which they are.
        let mut bad = old;
        bad[200] ^= 3;
        assert!(choose(&bad, &new).is_err());
    }

    #[test]
    fn two_damaged_headers_are_both_named() {
        let mut first = header(4, LOG);
        first[0] = b'x';
        let mut second = header(5, LOG);
        second[100] = 1;
        let error = choose(&first, &second).unwrap_err().to_string();
        assert!(error.contains("65536 does not begin") && error.contains("131072 has a wrong"), "{error}");
    }

    #[test]
    fn versions_and_places_of_the_log_that_the_format_forbids_are_refused() {
        let changed = |at: usize, bytes: &[u8]| {
            let mut header = header(5, LOG);
            header[at..at + bytes.len()].copy_from_slice(bytes);
            seal_crc(&mut header);
            choose(&header, &header).map(|_| ()).unwrap_err().to_string()
        };
        assert!(changed(66, &[2, 0]).contains("version 2"));
        assert!(changed(64, &[1, 0]).contains("log of the VHDX has version 1"));
        assert!(changed(68, &[0; 4]).contains("cannot be"));
        assert!(changed(68, &[1]).contains("cannot be"));
        assert!(changed(72, &[0; 8]).contains("cannot be"));
        assert!(changed(72, &[0, 2]).contains("cannot be"));
    }
}
