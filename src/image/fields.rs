//! Numbers in the structures of an image.
//!
//! In: bytes and a position. Out: the number, or `None` if the bytes end before it. Positions come
//! from the image, so none of these may panic.

/// `N` bytes from position `at` on.
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// The 16-bit little-endian number at position `at`.
pub(super) fn u16_le(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

/// The 32-bit little-endian number at position `at`.
pub(super) fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

/// The 64-bit little-endian number at position `at`.
pub(super) fn u64_le(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// The 32-bit big-endian number at position `at`.
pub(super) fn u32_be(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_be_bytes)
}

/// The 64-bit big-endian number at position `at`.
pub(super) fn u64_be(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_in_both_byte_orders() {
        let bytes = [9, 1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(u16_le(&bytes, 1), Some(0x0201));
        assert_eq!(u32_le(&bytes, 1), Some(0x0403_0201));
        assert_eq!(u32_be(&bytes, 1), Some(0x0102_0304));
        assert_eq!(u64_le(&bytes, 1), Some(0x0807_0605_0403_0201));
        assert_eq!(u64_be(&bytes, 1), Some(0x0102_0304_0506_0708));
    }

    #[test]
    fn a_number_that_is_cut_off_is_none() {
        let bytes = [0; 9];
        for at in [2, 8, 9, 10, usize::MAX] {
            assert_eq!(u64_le(&bytes, at), None, "{at}");
            assert_eq!(u64_be(&bytes, at), None, "{at}");
        }
        assert_eq!(u16_le(&bytes, 8), None);
        assert_eq!(u32_be(&bytes, 6), None);
    }
}
