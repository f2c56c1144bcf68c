//! Which file system a volume has, as far as its first sector tells.
//!
//! In: the first 512 bytes of a volume. Out: a [`FileSystem`]. Only the names are looked at that
//! the file systems put there: NTFS, exFAT, ReFS and BitLocker put theirs at byte 3, and FAT puts
//! its type at byte 54 or 82. Whether the rest of the sector is sound is a question for the one
//! who reads the volume.

use std::fmt;
use std::io;

use super::fields::{array, u16_le};
use crate::bytes::ReadAt;

/// A boot sector is read as this many bytes, whatever the size of a sector.
pub(super) const BOOT_SIZE: usize = 512;

/// The identifier of BitLocker To Go. Such a volume begins like one of FAT, and has this at 424.
const BITLOCKER_TO_GO: [u8; 16] =
    [0x3b, 0xd6, 0x67, 0x49, 0x29, 0x2e, 0xd8, 0x4a, 0x83, 0x99, 0xf6, 0xa3, 0x39, 0xe3, 0xd0, 0x01];

/// The file system of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystem {
    /// NTFS. The sector may still be damaged.
    Ntfs,
    /// An encrypted volume.
    BitLocker,
    /// The Resilient File System.
    Refs,
    /// exFAT.
    ExFat,
    /// FAT12, FAT16 or FAT32, like the partition that a computer starts from.
    Fat,
    /// Nothing that is known here.
    Unknown,
}

impl FileSystem {
    /// Looks at the first sector of a volume.
    pub fn of(volume: &dyn ReadAt) -> io::Result<Self> {
        let mut sector = [0; BOOT_SIZE];
        volume.read_full_at(&mut sector, 0)?;
        Ok(Self::of_sector(&sector))
    }

    /// Looks at the first sector of a volume, or at a copy of it.
    pub(super) fn of_sector(sector: &[u8; BOOT_SIZE]) -> Self {
        match &array::<8>(sector, 3).unwrap_or_default() {
            b"NTFS    " => Self::Ntfs,
            b"-FVE-FS-" => Self::BitLocker,
            b"EXFAT   " => Self::ExFat,
            b"ReFS\0\0\0\0" => Self::Refs,
            _ if array(sector, 424) == Some(BITLOCKER_TO_GO) => Self::BitLocker,
            _ if is_fat(sector) => Self::Fat,
            _ => Self::Unknown,
        }
    }
}

/// The types of FAT12 and FAT16 are at 54, that of FAT32 is at 82. Boot code that starts a FAT
/// system may contain these letters anywhere. Therefore the size of a sector must be one, too.
fn is_fat(sector: &[u8; BOOT_SIZE]) -> bool {
    let says_fat = |at| array(sector, at) == Some(*b"FAT");
    let has_sector_size = matches!(u16_le(sector, 11), Some(512 | 1024 | 2048 | 4096));
    has_sector_size && (says_fat(54) || says_fat(82))
}

impl fmt::Display for FileSystem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Ntfs => "NTFS",
            Self::BitLocker => "BitLocker",
            Self::Refs => "ReFS",
            Self::ExFat => "exFAT",
            Self::Fat => "FAT",
            Self::Unknown => "no known file system",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sector(pieces: &[(usize, &[u8])]) -> Vec<u8> {
        let mut sector = vec![0; BOOT_SIZE];
        for (at, bytes) in pieces {
            sector[*at..][..<[u8]>::len(bytes)].copy_from_slice(bytes);
        }
        sector
    }

    #[test]
    fn a_file_system_is_known_by_the_name_in_its_first_sector() {
        let bytes_per_sector = (11, [0, 2].as_slice());
        let cases = [
            (sector(&[(3, b"NTFS    ")]), FileSystem::Ntfs),
            (sector(&[(3, b"EXFAT   ")]), FileSystem::ExFat),
            (sector(&[(3, b"ReFS\0\0\0\0")]), FileSystem::Refs),
            (sector(&[(3, b"-FVE-FS-")]), FileSystem::BitLocker),
            (sector(&[bytes_per_sector, (54, b"FAT16   ")]), FileSystem::Fat),
            (sector(&[bytes_per_sector, (82, b"FAT32   ")]), FileSystem::Fat),
            (
                sector(&[(3, b"MSWIN4.1"), bytes_per_sector, (82, b"FAT32   "), (424, &BITLOCKER_TO_GO)]),
                FileSystem::BitLocker,
            ),
            (sector(&[(82, b"FAT32   ")]), FileSystem::Unknown),
            (sector(&[(3, b"ntfs    ")]), FileSystem::Unknown),
            (Vec::new(), FileSystem::Unknown),
        ];
        for (volume, expected) in cases {
            assert_eq!(FileSystem::of(&volume).unwrap(), expected);
        }
    }
}
