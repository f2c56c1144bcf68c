//! The footer of a VHD, at the end of the file; dynamic and differencing disks have a copy of it at
//! the start ("Hard Disk Footer Format").
//!
//! The size of the disk is the field "Current Size". The geometry (cylinders, heads, sectors) is not
//! used: the specification derives it from the size, rounded down, and only an ATA controller of a
//! virtual machine went by it. So a disk of Virtual PC is a little longer here than `qemu-img` takes
//! it to be, by sectors that the machine never saw.

use crate::image::{Error, fields};
use crate::platform::Timestamp;

/// Bytes in a footer. Programs older than Virtual PC 2004 left out the last one.
pub(super) const LENGTH: usize = 512;
const OLD_LENGTH: usize = 511;
const COOKIE: [u8; 8] = *b"conectix";
const CHECKSUM_AT: usize = 64;
/// 2000-01-01 00:00:00 UTC, from which times in a VHD count, in seconds since 1970.
pub(super) const EPOCH: i64 = 946_684_800;

/// Where the sectors are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DiskType {
    Fixed,
    Dynamic,
    Differencing,
}

/// What a footer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) disk_type: DiskType,
    pub(super) size: u64,
    /// Where the dynamic header is.
    pub(super) header_at: u64,
    pub(super) id: [u8; 16],
    pub(super) created: Timestamp,
    pub(super) is_temporary: bool,
    pub(super) is_saved_state: bool,
}

/// What is in a place where a footer may be.
#[derive(Debug)]
pub(super) enum Place {
    /// No trace of one.
    Empty,
    /// One that is damaged. The text goes on after "the footer at the end".
    Damaged(&'static str),
    /// A good one.
    Good(Footer),
}

/// Looks at 512 or 511 bytes where a footer may be.
pub(super) fn look(bytes: &[u8]) -> Result<Place, Error> {
    if !is_footer(bytes) {
        return Ok(Place::Empty);
    }
    if !bytes.starts_with(&COOKIE) {
        return Ok(Place::Damaged("does not begin with \"conectix\""));
    }
    if Some(checksum(bytes, CHECKSUM_AT)) != fields::u32_be(bytes, CHECKSUM_AT) {
        return Ok(Place::Damaged("has a wrong checksum"));
    }
    parse(bytes)
}

/// Whether there is a footer or what is left of one. A damaged cookie counts as well, because a fixed
/// disk without a footer would look like a raw one that is a sector longer.
pub(super) fn is_footer(bytes: &[u8]) -> bool {
    let (Some(cookie), Some(stored)) = (bytes.first_chunk::<8>(), fields::u32_be(bytes, CHECKSUM_AT)) else {
        return false;
    };
    if bytes.len() < OLD_LENGTH {
        return false;
    }
    let wrong = cookie.iter().zip(COOKIE).filter(|&(&found, right)| found != right).count();
    // The checksum is a sum, so it can be corrected for the cookie alone.
    let sum = |cookie: &[u8; 8]| cookie.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    let corrected = (!checksum(bytes, CHECKSUM_AT)).wrapping_sub(sum(cookie)).wrapping_add(sum(&COOKIE));
    let is_known_type = matches!(fields::u32_be(bytes, 60), Some(2..=4));
    wrong <= 2 || (is_known_type && fields::u32_be(bytes, 12) == Some(0x1_0000) && !corrected == stored)
}

/// The 511 bytes of an old footer at the end of the last 512 bytes of a file.
pub(super) fn old(last: &[u8]) -> &[u8] {
    last.len().checked_sub(OLD_LENGTH).and_then(|skipped| last.get(skipped..)).unwrap_or_default()
}

/// Microsoft's checksum: the complement of the sum of all bytes, without the checksum itself.
pub(super) fn checksum(bytes: &[u8], field_at: usize) -> u32 {
    let field = field_at..field_at.saturating_add(4);
    let rest = bytes.iter().enumerate().filter(|(at, _)| !field.contains(at));
    !rest.fold(0, |sum: u32, (_, &byte)| sum.wrapping_add(u32::from(byte)))
}

fn parse(bytes: &[u8]) -> Result<Place, Error> {
    let short = || Error::Damaged("the footer of the VHD is cut short".to_owned());
    let number = |at| fields::u32_be(bytes, at).ok_or_else(short);
    let version = number(12)?;
    if version >> 16 != 1 {
        return Err(Error::Unsupported(format!(
            "the VHD has version {version:#010x}; only version 1 is known"
        )));
    }
    let disk_type = match number(60)? {
        2 => DiskType::Fixed,
        3 => DiskType::Dynamic,
        4 => DiskType::Differencing,
        other => {
            return Err(Error::Unsupported(format!("the VHD is of type {other}, which nobody has defined")));
        }
    };
    let size = fields::u64_be(bytes, 48).ok_or_else(short)?;
    if !size.is_multiple_of(512) {
        return Err(Error::Damaged(format!("the VHD has {size} bytes, which is no whole number of sectors")));
    }
    Ok(Place::Good(Footer {
        disk_type,
        size,
        header_at: fields::u64_be(bytes, 16).ok_or_else(short)?,
        id: fields::array(bytes, 68).ok_or_else(short)?,
        created: Timestamp { seconds: EPOCH + i64::from(number(24)?), nanos: 0 },
        is_temporary: number(8)? & 1 == 1,
        is_saved_state: bytes.get(84) == Some(&1),
    }))
}

/// The footer to go by.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) footer: Footer,
    /// Bytes of the file before the footer at its end.
    pub(super) before_footer: u64,
    pub(super) notes: Vec<String>,
}

/// Chooses between the footer at the end of the file and its copy at the start.
pub(super) fn choose(first: &[u8], last: &[u8], file_len: u64) -> Result<Chosen, Error> {
    let (mut end, mut length) = (look(last)?, LENGTH);
    if let (Place::Empty, old) = (&end, look(old(last))?)
        && !matches!(old, Place::Empty)
    {
        (end, length) = (old, OLD_LENGTH);
    }
    if let Place::Empty = end {
        length = 0;
    }
    let before_footer = file_len.saturating_sub(length as u64);
    let chosen = |footer, notes| Ok(Chosen { footer, before_footer, notes });
    let footer = match &end {
        // A fixed disk has no copy: the first bytes of the file are those of the disk.
        Place::Good(footer) if footer.disk_type == DiskType::Fixed => return chosen(*footer, Vec::new()),
        Place::Good(footer) => Some(*footer),
        _ => None,
    };
    let copy = look(first)?;
    let good_copy = match &copy {
        Place::Good(copy) if copy.disk_type != DiskType::Fixed => Some(*copy),
        _ => None,
    };
    match (footer, good_copy) {
        (Some(footer), Some(copy)) => {
            let main = |each: &Footer| (each.disk_type, each.size, each.header_at, each.id);
            if main(&footer) != main(&copy) {
                return Err(Error::Damaged(
                    "the footer at the end of the VHD and its copy at the start contradict each other (type, size, id \
                     or place of the header), and the checksums of both are right; use another backup"
                        .to_owned(),
                ));
            }
            chosen(footer, Vec::new())
        }
        (Some(footer), None) => {
            let why = why_not(&copy);
            chosen(
                footer,
                vec![format!("The copy of the footer at the start {why}. The one at the end is used.")],
            )
        }
        (None, Some(copy)) => {
            let why = why_not(&end);
            chosen(
                copy,
                vec![format!("The footer at the end of the file {why}. Its copy at the start is used.")],
            )
        }
        (None, None) => Err(Error::Damaged(format!(
            "the VHD has no good footer: the one at the end {}, and the copy at the start {}; use another backup",
            why_not(&end),
            why_not(&copy)
        ))),
    }
}

fn why_not(place: &Place) -> &'static str {
    match place {
        Place::Empty => "is missing",
        Place::Damaged(why) => why,
        // Only a fixed disk at the start of the file gets here.
        Place::Good(_) => "belongs to a disk of fixed size, which has it only at the end",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::container::testing::footer;

    fn good(disk_type: u32) -> Vec<u8> {
        footer(disk_type, 1 << 20, 512, [7; 16])
    }

    #[test]
    fn both_lengths_of_a_footer_are_known() {
        let new = good(2);
        assert_eq!(choose(&[0; 512], &new, 1536).unwrap().before_footer, 1024);
        let mut old = vec![0];
        old.extend_from_slice(&new[..511]);
        let chosen = choose(&[0; 512], &old, 1535).unwrap();
        assert_eq!((chosen.before_footer, chosen.footer.size), (1024, 1 << 20));
    }

    #[test]
    fn no_flipped_byte_makes_a_footer_unknown_or_good() {
        for at in 0..512 {
            for change in [0x01, 0x80, 0xff] {
                let mut bytes = good(2);
                bytes[at] ^= change;
                assert!(is_footer(&bytes), "byte {at} ^ {change:#x}: taken for a raw disk");
                assert!(matches!(look(&bytes).unwrap(), Place::Damaged(_)), "byte {at} ^ {change:#x}");
            }
        }
    }

    #[test]
    fn a_cookie_that_is_gone_altogether_is_missed_by_its_checksum() {
        let mut bytes = good(3);
        bytes[..8].fill(0);
        assert!(is_footer(&bytes));
        bytes[100] = 1;
        assert!(!is_footer(&bytes));
    }

    #[test]
    fn the_good_one_of_two_copies_is_used_and_named() {
        let (bytes, mut damaged) = (good(3), good(3));
        damaged[50] ^= 1;
        assert!(choose(&bytes, &bytes, 4096).unwrap().notes.is_empty());
        let by_copy = choose(&bytes, &damaged, 4096).unwrap().notes.join(" ");
        assert!(by_copy.contains("at the end of the file has a wrong checksum"), "{by_copy}");
        let by_end = choose(&damaged, &bytes, 4096).unwrap().notes.join(" ");
        assert!(by_end.contains("at the start has a wrong checksum"), "{by_end}");
        let missing = choose(&bytes, &[0; 512], 4096).unwrap();
        assert!(missing.notes.join(" ").contains("is missing"), "{missing:?}");
        assert_eq!(missing.before_footer, 4096);
        let neither = choose(&damaged, &damaged, 4096).unwrap_err().to_string();
        assert!(
            neither.contains("at the end has a wrong checksum") && neither.contains("start has"),
            "{neither}"
        );
    }

    #[test]
    fn two_good_copies_that_contradict_each_other_are_refused() {
        let other = footer(3, 2 << 20, 512, [7; 16]);
        let error = choose(&good(3), &other, 4096).unwrap_err().to_string();
        assert!(error.contains("contradict"), "{error}");
    }

    #[test]
    fn a_fixed_disk_whose_first_sector_looks_like_a_footer_is_not_confused() {
        assert!(choose(&good(3), &good(2), 4096).unwrap().notes.is_empty());
        let error = choose(&good(2), &[0; 512], 4096).unwrap_err().to_string();
        assert!(error.contains("fixed size"), "{error}");
    }

    #[test]
    fn unknown_types_versions_and_odd_sizes_are_refused() {
        let refused = |bytes: Vec<u8>| look(&bytes).unwrap_err().to_string();
        assert!(refused(footer(5, 512, 512, [0; 16])).contains("type 5"));
        assert!(refused(footer(2, 513, 512, [0; 16])).contains("513 bytes"));
        let mut version = good(2);
        version[13] = 2;
        let sum = checksum(&version, CHECKSUM_AT).to_be_bytes();
        version[64..68].copy_from_slice(&sum);
        assert!(refused(version).contains("version"));
    }
}
