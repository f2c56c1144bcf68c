//! A single header block: how it is recognised, and what it says by itself.

use tar::Header;

use crate::platform::Timestamp;

/// The size of a block in a tar archive, in bytes.
pub(super) const BLOCK: u64 = 512;

/// Whether a damaged header belonged to an extension. Then the header of the next member alone does
/// not describe that member completely.
pub(super) fn looks_like_extension(header: &Header) -> bool {
    let name = &header.as_old().name;
    matches!(header.entry_type().as_byte(), b'L' | b'K' | b'x' | b'X')
        || name.starts_with(b"././@LongLink")
        || name.windows(9).any(|part| part == b"PaxHeader")
}

pub(super) fn header_time(header: &Header) -> Option<Timestamp> {
    // Times before 1970 are stored as negative binary numbers. The parser returns their bits
    // unsigned.
    header.mtime().ok().map(|seconds| Timestamp { seconds: seconds.cast_signed(), nanos: 0 })
}

/// Whether a block has the checksum of a tar header, computed in one of two ways: from unsigned
/// bytes or, by some old programs, from signed ones.
pub(super) fn has_checksum(block: &[u8; 512]) -> bool {
    let Ok(stored) = Header::from_byte_slice(block).cksum() else { return false };
    let counted =
        || block.iter().enumerate().map(|(at, &byte)| if (148..156).contains(&at) { b' ' } else { byte });
    let unsigned: u32 = counted().map(u32::from).sum();
    unsigned == stored
        || counted().map(|byte| i64::from(byte.cast_signed())).sum::<i64>() == i64::from(stored)
}

/// Whether a block has the magic bytes of a POSIX or GNU header.
pub(super) fn has_magic(block: &[u8; 512]) -> bool {
    matches!(&block[257..263], b"ustar\0" | b"ustar ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &[u8], mark: &[u8]) -> Header {
        let mut header = Header::new_old();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_mut_bytes()[257..257 + mark.len()].copy_from_slice(mark);
        header.set_size(0);
        header.set_cksum();
        header
    }

    #[test]
    fn both_kinds_of_header_checksum_are_accepted_and_no_other() {
        let mut old = header(b"gr\xfc\xdfe", b"");
        assert!(has_checksum(old.as_bytes()));
        let sum = old.cksum().unwrap() - 2 * 256;
        old.as_mut_bytes()[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert!(has_checksum(old.as_bytes()));
        old.as_mut_bytes()[3] ^= 1;
        assert!(!has_checksum(old.as_bytes()));
        assert!(!has_checksum(&[0; 512]));
    }

    #[test]
    fn posix_and_gnu_headers_are_marked_and_old_ones_are_not() {
        assert!(has_magic(header(b"a", b"ustar\x0000").as_bytes()));
        assert!(has_magic(header(b"a", b"ustar  \0").as_bytes()));
        assert!(!has_magic(header(b"a", b"").as_bytes()));
    }

    #[test]
    fn times_before_1970_are_negative() {
        let mut before = header(b"a", b"ustar  \0");
        before.as_old_mut().mtime = [0xff; 12];
        assert_eq!(header_time(&before), Some(Timestamp { seconds: -1, nanos: 0 }));
    }

    #[test]
    fn a_lost_extension_is_known_by_its_type_or_its_name() {
        let mut long = header(b"././@LongLink", b"ustar  \0");
        assert!(looks_like_extension(&long));
        assert!(looks_like_extension(&header(b"dir/PaxHeaders/file", b"ustar\x0000")));
        assert!(!looks_like_extension(&header(b"dir/file", b"ustar\x0000")));
        long.as_old_mut().name[0] = b'x';
        long.set_entry_type(tar::EntryType::GNULongName);
        assert!(looks_like_extension(&long));
    }
}
