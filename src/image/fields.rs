//! Numbers at offsets in bytes that come from an image.
//!
//! Every function returns `None` if the bytes end before the number does. So a structure that was
//! cut short is found here, and no index can be out of bounds.

/// `N` bytes at `at`.
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// A little-endian number of 16 bits at `at`.
pub(super) fn u16_le(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

/// A little-endian number of 32 bits at `at`.
pub(super) fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

/// A little-endian number of 64 bits at `at`.
pub(super) fn u64_le(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// A big-endian number of 32 bits at `at`.
pub(super) fn u32_be(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_be_bytes)
}

/// A big-endian number of 64 bits at `at`.
pub(super) fn u64_be(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_both_byte_orders() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(u16_le(&bytes, 1), Some(0x0302));
        assert_eq!(u32_le(&bytes, 1), Some(0x0504_0302));
        assert_eq!(u64_le(&bytes, 1), Some(0x0908_0706_0504_0302));
        assert_eq!(u32_be(&bytes, 1), Some(0x0203_0405));
        assert_eq!(u64_be(&bytes, 0), Some(0x0102_0304_0506_0708));
    }

    #[test]
    fn a_number_beyond_the_end_is_no_number() {
        assert_eq!(u16_le(&[1, 2], 1), None);
        assert_eq!(u64_le(&[0; 7], 0), None);
        assert_eq!(u32_be(&[0; 4], usize::MAX), None);
    }
}
