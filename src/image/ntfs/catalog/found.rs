//! What a scan keeps of a file: 32 bytes, whatever the file is.

use super::tree::short_number;
use crate::image::fields::{u32_le, u64_le};
use crate::image::ntfs::FileReference;
use crate::platform::Timestamp;

/// What is known about a file, as bits.
pub(super) mod flags {
    /// It has a name that is not in the DOS namespace.
    pub const NAME: u16 = 1;
    /// Its time is known.
    pub const TIME: u16 = 1 << 1;
    /// It has an unnamed `$DATA`: its size is known.
    pub const DATA: u16 = 1 << 2;
    /// It has several unnamed `$DATA`. That cannot be.
    pub const DATA_TWICE: u16 = 1 << 3;
    /// It has a `$REPARSE_POINT`.
    pub const REPARSE: u16 = 1 << 4;
    /// Its `$STANDARD_INFORMATION` says that it is a reparse point.
    pub const SAYS_REPARSE: u16 = 1 << 5;
    /// It has the stream in which Windows keeps the compressed content of a file.
    pub const WOF_STREAM: u16 = 1 << 6;
    /// It has the index of a folder.
    pub const INDEX: u16 = 1 << 7;
}

/// A flag of `$STANDARD_INFORMATION` ([MS-FSCC] 2.6).
const SAYS_REPARSE: u32 = 0x400;

/// What one record says about a file.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub flags: u16,
    pub size: u64,
    pub time: i64,
    /// Where its content begins on the volume, if the content is in clusters.
    pub position: Option<u64>,
}

impl Found {
    /// Takes the value of `$STANDARD_INFORMATION`.
    pub fn standard_information(&mut self, value: &[u8]) -> Result<(), String> {
        let fields = u64_le(value, 8).zip(u32_le(value, 0x20));
        let (time, says) = fields.ok_or("has a $STANDARD_INFORMATION that is cut short")?;
        self.time = time.cast_signed();
        self.flags |= flags::TIME;
        if says & SAYS_REPARSE != 0 {
            self.flags |= flags::SAYS_REPARSE;
        }
        Ok(())
    }

    /// Takes what the unnamed `$DATA` says.
    pub fn data(&mut self, size: u64, position: Option<u64>) -> Result<(), String> {
        if self.flags & flags::DATA != 0 {
            return Err("has two contents ($DATA)".to_owned());
        }
        self.flags |= flags::DATA;
        (self.size, self.position) = (size, position);
        Ok(())
    }
}

/// A file, by its base record.
#[derive(Debug)]
pub(super) struct KnownFile {
    pub number: u32,
    pub sequence: u16,
    pub flags: u16,
    pub size: u64,
    /// As it is stored: in units of 100 ns since 1601.
    time: i64,
    pub position: u64,
}

impl KnownFile {
    pub fn new(file: FileReference, found: &Found) -> Self {
        Self {
            number: short_number(file),
            sequence: file.sequence,
            flags: found.flags,
            size: found.size,
            time: found.time,
            position: found.position.unwrap_or(0),
        }
    }

    /// Adds what another record of the file says.
    pub fn join(&mut self, other: &Found) {
        if other.flags & flags::DATA != 0 {
            if self.flags & flags::DATA != 0 {
                self.flags |= flags::DATA_TWICE;
            }
            (self.size, self.position) = (other.size, other.position.unwrap_or(self.position));
        }
        if other.flags & flags::TIME != 0 {
            self.time = other.time;
        }
        self.flags |= other.flags;
    }

    pub fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    pub fn reference(&self) -> FileReference {
        FileReference { record: self.number.into(), sequence: self.sequence }
    }

    /// When the content was last written.
    pub fn mtime(&self) -> Timestamp {
        to_timestamp(self.time)
    }
}

/// The time of a number of units of 100 ns since 1601.
fn to_timestamp(time: i64) -> Timestamp {
    const UNITS: i64 = 10_000_000;
    /// From 1601 to 1970.
    const SECONDS: i64 = 11_644_473_600;
    let nanos = u32::try_from(time.rem_euclid(UNITS) * 100).unwrap_or(0);
    Timestamp { seconds: time.div_euclid(UNITS) - SECONDS, nanos }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exact_to_100_nanoseconds() {
        let at = |seconds, nanos| Timestamp { seconds, nanos };
        assert_eq!(to_timestamp(116_444_736_000_000_000), at(0, 0));
        assert_eq!(to_timestamp(116_444_736_000_000_001), at(0, 100));
        assert_eq!(to_timestamp(116_444_735_999_999_999), at(-1, 999_999_900));
        assert_eq!(to_timestamp(0), at(-11_644_473_600, 0));
        assert_eq!(to_timestamp(-1), at(-11_644_473_601, 999_999_900));
        // The ends of the range must not overflow.
        to_timestamp(i64::MIN);
        to_timestamp(i64::MAX);
    }

    #[test]
    fn a_file_takes_32_bytes() {
        assert_eq!(size_of::<KnownFile>(), 32);
    }

    #[test]
    fn the_size_is_that_of_the_record_with_the_first_part_of_the_content() {
        let file = FileReference { record: 40, sequence: 1 };
        let mut node = KnownFile::new(file, &Found { time: 7, flags: flags::TIME, ..Found::default() });
        node.join(&Found { flags: flags::REPARSE, ..Found::default() });
        assert!(!node.has(flags::DATA));
        node.join(&Found { flags: flags::DATA, size: 9, position: Some(4096), ..Found::default() });
        assert_eq!((node.size, node.position, node.time), (9, 4096, 7));
        assert!(!node.has(flags::DATA_TWICE));
        node.join(&Found { flags: flags::DATA, size: 8, ..Found::default() });
        assert!(node.has(flags::DATA_TWICE), "two contents contradict each other");
    }

    #[test]
    fn standard_information_that_is_cut_short_is_an_error() {
        assert!(Found::default().standard_information(&[0; 35]).is_err());
        let mut value = [0; 36];
        value[0x21] = 4;
        let mut found = Found::default();
        found.standard_information(&value).unwrap();
        assert_eq!(found.flags, flags::TIME | flags::SAYS_REPARSE);
    }
}
