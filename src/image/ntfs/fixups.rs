//! The update sequence: how a torn write of a record or of an index block is recognised.
//!
//! Every 512 bytes of such a structure end with two bytes that were replaced by one number, the
//! same in each. The bytes that belong there are in an array in the header (linux-ntfs
//! documentation, concept "Fixup"). If one of the numbers differs, that part is from another write.
//! The stride is 512 bytes, whatever the size of a sector: Microsoft calls it
//! `SEQUENCE_NUMBER_STRIDE`.

use crate::image::fields::{array, u16_le};

/// The distance between the bytes that are replaced.
const STRIDE: usize = 512;

/// Why the bytes of a structure cannot be put back. The text completes "record 35 ...".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FixupError {
    /// The header describes an array that cannot be.
    #[error("has an update sequence array that does not fit")]
    Array,
    /// A part is from another write, or was overwritten.
    #[error("is torn: the 512 bytes that end at {0} were not written with the rest")]
    Torn(usize),
}

/// Checks all numbers and puts the bytes back. After an error, `bytes` are unspecified.
pub fn apply(bytes: &mut [u8]) -> Result<(), FixupError> {
    let start = u16_le(bytes, 4).map(usize::from).ok_or(FixupError::Array)?;
    let count = u16_le(bytes, 6).map(usize::from).ok_or(FixupError::Array)?;
    let strides = bytes.len() / STRIDE;
    // The array must be in the first stride, before the bytes that are replaced.
    let fits = start >= 8 && start.is_multiple_of(2) && start + 2 * count <= STRIDE - 2;
    if count != strides + 1 || bytes.len() != strides * STRIDE || !fits {
        return Err(FixupError::Array);
    }
    let number: [u8; 2] = array(bytes, start).ok_or(FixupError::Array)?;
    for stride in 1..=strides {
        let original: [u8; 2] = array(bytes, start + 2 * stride).ok_or(FixupError::Array)?;
        let end = stride * STRIDE;
        let replaced = bytes.get_mut(end - 2..end).ok_or(FixupError::Array)?;
        if replaced != number {
            return Err(FixupError::Torn(end));
        }
        replaced.copy_from_slice(&original);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A structure of `strides` times 512 bytes whose array begins at `start`.
    fn protected(strides: usize, start: u16) -> Vec<u8> {
        let mut bytes = vec![7; strides * STRIDE];
        bytes[4..6].copy_from_slice(&start.to_le_bytes());
        bytes[6..8].copy_from_slice(&u16::try_from(strides + 1).unwrap().to_le_bytes());
        let start = usize::from(start);
        bytes[start..start + 2].copy_from_slice(&[0xAB, 0xCD]);
        for stride in 1..=strides {
            let original = [u8::try_from(stride).unwrap(), 0xEE];
            bytes[start + 2 * stride..start + 2 * stride + 2].copy_from_slice(&original);
            bytes[stride * STRIDE - 2..stride * STRIDE].copy_from_slice(&[0xAB, 0xCD]);
        }
        bytes
    }

    #[test]
    fn the_last_two_bytes_of_every_512_are_put_back() {
        for strides in [1, 2, 8] {
            let mut bytes = protected(strides, 0x30);
            apply(&mut bytes).unwrap();
            for stride in 1..=strides {
                let end = stride * STRIDE;
                assert_eq!(bytes[end - 2..end], [u8::try_from(stride).unwrap(), 0xEE]);
            }
        }
    }

    #[test]
    fn a_part_of_another_write_is_torn() {
        let mut bytes = protected(8, 0x30);
        bytes[3 * STRIDE - 1] ^= 1;
        assert_eq!(apply(&mut bytes), Err(FixupError::Torn(3 * STRIDE)));
    }

    #[test]
    fn an_array_that_does_not_fit_is_refused() {
        let change = |at: usize, value: u16| {
            let mut bytes = protected(2, 0x30);
            bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
            apply(&mut bytes)
        };
        for start in [0, 6, 0x31, 506, 510, 512, 1024, u16::MAX] {
            assert_eq!(change(4, start), Err(FixupError::Array), "start {start}");
        }
        for count in [0, 1, 2, 4, u16::MAX] {
            assert_eq!(change(6, count), Err(FixupError::Array), "count {count}");
        }
        assert_eq!(apply(&mut protected(2, 0x30)[..1000]), Err(FixupError::Array));
        assert_eq!(apply(&mut []), Err(FixupError::Array));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
            let _ = apply(&mut bytes);
        }
    }
}
