//! The boot sector of a volume: the sizes and places on which everything else depends.
//!
//! In: the bytes of a volume. Out: its [`Geometry`]. The fields are those of the linux-ntfs
//! documentation, file `$Boot`, and of Microsoft's description of the NTFS boot sector ("How NTFS
//! Works", section "NTFS Boot Sector"). A copy of the sector is in the last sector of the
//! partition, one behind the last that the volume counts. It is used if the first one is damaged.
//! If both are sound, they should state the same.

use crate::bytes::ReadAt;
use crate::image::Error;
use crate::image::fields::{array, u16_le, u64_le};
use crate::image::file_system::{BOOT_SIZE, FileSystem};

/// The sizes of sectors that volumes have.
const SECTOR_SIZES: [u32; 4] = [512, 1024, 2048, 4096];

/// The largest cluster: 2 MiB, since Windows 10 version 1709.
const MAX_CLUSTER_SIZE: u32 = 2 << 20;

/// The sizes and places that the boot sector of an NTFS volume states. All are checked: sizes are
/// powers of two within the limits of NTFS, and places are on the volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes in a sector: 512 to 4096.
    pub sector_size: u32,
    /// Bytes in a cluster, the unit of allocation: a sector to 2 MiB.
    pub cluster_size: u32,
    /// Bytes in a record of the $MFT: 512 to 4096.
    pub record_size: u32,
    /// The number of whole clusters.
    pub clusters: u64,
    /// The cluster where the $MFT begins.
    pub mft_lcn: u64,
    /// The cluster where the copy of the first records of the $MFT begins.
    pub mirror_lcn: u64,
}

/// Reads the geometry of a volume. If the first boot sector is damaged, the copy at the end is
/// used, and a note says so.
pub(super) fn read(bytes: &dyn ReadAt, notes: &mut Vec<String>) -> Result<Geometry, Error> {
    let mut sector = [0; BOOT_SIZE];
    let got = bytes.read_full_at(&mut sector, 0)?;
    let file_system = FileSystem::of_sector(&sector);
    match file_system {
        FileSystem::Ntfs | FileSystem::Unknown => {}
        FileSystem::BitLocker => {
            return Err(Error::Unsupported("the volume is encrypted by BitLocker".to_owned()));
        }
        other => {
            return Err(Error::Unsupported(format!("the volume is formatted with {other}, not with NTFS")));
        }
    }
    let size = bytes.len();
    let damage = match parse(&sector, size) {
        Ok(geometry) if got == BOOT_SIZE => {
            let sectors = u64_le(&sector, 0x28).unwrap_or_default();
            notes.extend(compare_copy(bytes, &geometry, sectors));
            return Ok(geometry);
        }
        Ok(_) => "the volume ends before it".to_owned(),
        Err(damage) => damage,
    };
    match find_copy(bytes)? {
        Some(geometry) => {
            notes.push(format!(
                "the boot sector is damaged ({damage}): its copy at the end of the volume was used"
            ));
            Ok(geometry)
        }
        None if file_system == FileSystem::Ntfs => Err(Error::Damaged(format!(
            "the boot sector of the NTFS volume is damaged ({damage}), and there is no sound copy at the volume's end"
        ))),
        None => Err(Error::Unsupported("the volume has no file system that is known here".to_owned())),
    }
}

/// What the copy of a sound boot sector says that the first one does not, which counts `sectors`.
/// An image that was made of the file system alone ends before the copy, and so does one that was
/// cut by its last sector. A damaged copy changes nothing.
fn compare_copy(bytes: &dyn ReadAt, geometry: &Geometry, sectors: u64) -> Option<String> {
    let Some(copy) = find_copy(bytes).ok()? else {
        let has_no_room = bytes.len() / u64::from(geometry.sector_size) == sectors;
        return has_no_room.then(|| {
            "the copy of its boot sector is missing, which is in the last sector of a volume: the image was cut short, or \
             made without it"
                .to_owned()
        });
    };
    (copy != *geometry).then(|| {
        let differing = if copy.clusters == geometry.clusters {
            "sizes or places".to_owned()
        } else {
            format!("{} clusters instead of {}", copy.clusters, geometry.clusters)
        };
        format!(
            "the copy of the boot sector at the end of the volume states {differing}: one of the two was changed; \
             the first one was used"
        )
    })
}

/// The copy of the boot sector in the last sector. Its own statement of the sector's size must
/// agree with its place.
fn find_copy(bytes: &dyn ReadAt) -> Result<Option<Geometry>, Error> {
    for sector_size in SECTOR_SIZES {
        let Some(at) = bytes.len().checked_sub(sector_size.into()) else { break };
        let mut sector = [0; BOOT_SIZE];
        let got = bytes.read_full_at(&mut sector, at)?;
        match parse(&sector, bytes.len()) {
            Ok(geometry) if got == BOOT_SIZE && geometry.sector_size == sector_size => {
                return Ok(Some(geometry));
            }
            _ => {}
        }
    }
    Ok(None)
}

/// Reads and checks one boot sector. The error says what is wrong with it.
fn parse(sector: &[u8; BOOT_SIZE], volume_size: u64) -> Result<Geometry, String> {
    if FileSystem::of_sector(sector) != FileSystem::Ntfs {
        return Err("it does not say NTFS".to_owned());
    }
    if array(sector, 510) != Some([0x55, 0xAA]) {
        return Err("its end marker is missing".to_owned());
    }
    let field = |at| sector.get(at).copied().unwrap_or_default();
    let long = |at| u64_le(sector, at).unwrap_or_default();
    let sector_size = u16_le(sector, 0x0B).map_or(0, u32::from);
    if !SECTOR_SIZES.contains(&sector_size) {
        return Err(format!("a sector cannot have {sector_size} bytes"));
    }
    let cluster_size = sectors_per_cluster(field(0x0D))
        .and_then(|sectors| sectors.checked_mul(sector_size))
        .filter(|size| *size <= MAX_CLUSTER_SIZE)
        .ok_or_else(|| format!("a cluster cannot have the size {:#04x}", field(0x0D)))?;
    let record_size = structure_size(field(0x40), cluster_size)
        .filter(|size| (512..=4096).contains(size))
        .ok_or_else(|| format!("a record cannot have the size {:#04x}", field(0x40)))?;
    let sectors = long(0x28);
    let clusters = match sectors.checked_mul(sector_size.into()) {
        Some(size) if size <= volume_size => size / u64::from(cluster_size),
        _ => return Err(format!("it counts {sectors} sectors, but the volume has {volume_size} bytes")),
    };
    let (mft_lcn, mirror_lcn) = (long(0x30), long(0x38));
    if mft_lcn >= clusters || mirror_lcn >= clusters {
        return Err("the $MFT cannot be behind the volume's end".to_owned());
    }
    Ok(Geometry { sector_size, cluster_size, record_size, clusters, mft_lcn, mirror_lcn })
}

/// The number of sectors in a cluster: a power of two up to 128, or from 0xF4 on a negative
/// exponent of two.
fn sectors_per_cluster(field: u8) -> Option<u32> {
    match field {
        1..=128 => Some(u32::from(field)).filter(|sectors| sectors.is_power_of_two()),
        0xF4..=0xFF => Some(1 << exponent(field)),
        _ => None,
    }
}

/// The size of a record: a number of clusters, or a negative exponent of two.
fn structure_size(field: u8, cluster_size: u32) -> Option<u32> {
    let size = match field {
        1..=127 => u32::from(field).checked_mul(cluster_size)?,
        _ => 1_u32.checked_shl(exponent(field))?,
    };
    Some(size).filter(|size| size.is_power_of_two())
}

/// The absolute value of a byte that stands for a negative number.
fn exponent(field: u8) -> u32 {
    256 - u32::from(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOLUME_SIZE: u64 = 1 << 40;

    /// A boot sector of 512-byte sectors, 8 in a cluster.
    fn sector() -> [u8; BOOT_SIZE] {
        let mut sector = [0; BOOT_SIZE];
        let pieces: [(usize, &[u8]); 8] = [
            (3, b"NTFS    "),
            (0x0B, &512_u16.to_le_bytes()),
            (0x0D, &[8]),
            (0x28, &(1_u64 << 30).to_le_bytes()),
            (0x30, &4_u64.to_le_bytes()),
            (0x38, &5000_u64.to_le_bytes()),
            (0x40, &[0xF6]),
            (510, &[0x55, 0xAA]),
        ];
        for (at, bytes) in pieces {
            sector[at..][..<[u8]>::len(bytes)].copy_from_slice(bytes);
        }
        sector
    }

    fn changed(at: usize, bytes: &[u8]) -> Result<Geometry, String> {
        let mut sector = sector();
        sector[at..][..<[u8]>::len(bytes)].copy_from_slice(bytes);
        parse(&sector, VOLUME_SIZE)
    }

    #[test]
    fn sizes_are_numbers_or_negative_exponents() {
        let geometry = parse(&sector(), VOLUME_SIZE).unwrap();
        assert_eq!((geometry.cluster_size, geometry.record_size), (4096, 1024));
        assert_eq!(geometry.clusters, 1 << 27);
        for (field, cluster_size) in [(1, 512), (128, 65536), (0xF7, 256 << 10), (0xF4, 2 << 20)] {
            let geometry = changed(0x0D, &[field, 0]).map(|geometry| geometry.cluster_size);
            assert_eq!(geometry, Ok(cluster_size), "{field}");
        }
    }

    #[test]
    fn a_sound_copy_that_states_something_else_is_noted() {
        let mut volume = vec![0; 10 << 20];
        let end = volume.len() - BOOT_SIZE;
        let mut first = sector();
        first[0x28..0x30].copy_from_slice(&16_384_u64.to_le_bytes());
        first[0x38..0x40].copy_from_slice(&9_u64.to_le_bytes());
        volume[..BOOT_SIZE].copy_from_slice(&first);
        let notes = |volume: &Vec<u8>| {
            let mut notes = Vec::new();
            read(volume, &mut notes).unwrap();
            notes
        };
        assert_eq!(notes(&volume), [""; 0], "no copy");
        volume[end..].copy_from_slice(&first);
        assert_eq!(notes(&volume), [""; 0], "the same copy");
        volume[0x29] ^= 0x10;
        assert!(notes(&volume)[0].contains("states 2048 clusters instead of 2560"), "{:?}", notes(&volume));
        volume[0x29] ^= 0x10;
        volume[end + 510] = 0;
        assert_eq!(notes(&volume), [""; 0], "a damaged copy");
        first[0x28..0x30].copy_from_slice(&20_479_u64.to_le_bytes());
        volume[..BOOT_SIZE].copy_from_slice(&first);
        volume[end..].copy_from_slice(&first);
        assert_eq!(notes(&volume), [""; 0], "a copy behind the last sector that counts");
        volume.truncate(end);
        assert!(notes(&volume)[0].contains("the copy of its boot sector is missing"), "{:?}", notes(&volume));
    }

    #[test]
    fn what_no_volume_can_have_is_refused() {
        let cases: [(usize, &[u8], &str); 12] = [
            (3, b"NTFT    ", "NTFS"),
            (510, &[0, 0], "end marker"),
            (0x0B, &[0, 0], "sector"),
            (0x0B, &[0, 3], "sector"),
            (0x0B, &[0, 32], "sector"),
            (0x0D, &[0], "cluster"),
            (0x0D, &[3], "cluster"),
            (0x0D, &[0xF3], "cluster"),
            (0x40, &[0], "record"),
            (0x40, &[0x80], "record"),
            (0x28, &[0xFF; 8], "sectors"),
            (0x30, &(1_u64 << 27).to_le_bytes(), "$MFT"),
        ];
        for (at, bytes, expected) in cases {
            let error = changed(at, bytes).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn other_file_systems_are_not_supported() {
        for (name, expected) in
            [(b"-FVE-FS-", "BitLocker"), (b"ReFS\0\0\0\0", "ReFS"), (b"EXFAT   ", "exFAT")]
        {
            let mut volume = vec![0; 4096];
            volume[3..11].copy_from_slice(name);
            let error = read(&volume, &mut Vec::new()).unwrap_err();
            assert!(matches!(&error, Error::Unsupported(what) if what.contains(expected)), "{error}");
        }
    }
}
