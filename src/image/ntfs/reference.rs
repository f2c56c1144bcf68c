//! References to files: the number of a record, and how often that record was used before.

use std::fmt;

/// A reference to a file: the number of its record in the $MFT, and the sequence number that tells
/// whether the record still belongs to that file (linux-ntfs documentation, concept "File
/// Reference").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileReference {
    /// The number of the record: 48 bits.
    pub record: u64,
    /// Counts the files that the record has belonged to.
    pub sequence: u16,
}

impl FileReference {
    /// The bits of a reference that are the number of the record.
    const RECORD: u64 = (1 << 48) - 1;

    /// Takes a reference as it is stored: the sequence number is in the upper 16 bits.
    pub fn from_raw(raw: u64) -> Self {
        let [.., low, high] = raw.to_le_bytes();
        Self { record: raw & Self::RECORD, sequence: u16::from_le_bytes([low, high]) }
    }

    /// The reference as it is stored.
    pub fn to_raw(self) -> u64 {
        u64::from(self.sequence) << 48 | self.record & Self::RECORD
    }
}

impl fmt::Display for FileReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MFT record {} (sequence {})", self.record, self.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_16_bits_are_the_sequence_number() {
        let reference = FileReference::from_raw(0xFFFE_1234_5678_9ABC);
        assert_eq!(reference, FileReference { record: 0x1234_5678_9ABC, sequence: 0xFFFE });
        assert_eq!(reference.to_raw(), 0xFFFE_1234_5678_9ABC);
    }
}
