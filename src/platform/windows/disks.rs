//! What Windows knows about the disk below a path.

use std::ffi::c_void;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};

use windows_sys::Win32::Foundation::{
    ERROR_NO_MORE_FILES, ERROR_NOT_READY, ERROR_UNRECOGNIZED_VOLUME, HANDLE, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, FindFirstVolumeW, FindNextVolumeW, FindVolumeClose,
    GetDriveTypeW, GetLogicalDrives, GetVolumeNameForVolumeMountPointW, GetVolumePathNameW,
    GetVolumePathNamesForVolumeNameW,
};
use windows_sys::Win32::System::IO::DeviceIoControl;
use windows_sys::Win32::System::Ioctl::{
    DEVICE_SEEK_PENALTY_DESCRIPTOR, IOCTL_STORAGE_QUERY_PROPERTY, PropertyStandardQuery,
    STORAGE_PROPERTY_QUERY, StorageDeviceSeekPenaltyProperty,
};
use windows_sys::Win32::System::WindowsProgramming::{DRIVE_FIXED, DRIVE_REMOVABLE};

use super::info::{checked, to_wide};

/// `FVE_E_LOCKED_VOLUME`: BitLocker has locked the drive.
const LOCKED_VOLUME: u32 = 0x8031_0000;

/// The most volumes that are looked at.
const MOST_VOLUMES: usize = 1000;

/// Longest path of a mount point, in 16-bit units.
const MOUNT_POINT_UNITS: usize = 1024;

/// Whether a path is on a disk with a moving head. `None` where that is unknown: on networks and on
/// some virtual disks.
pub fn is_spinning(path: &Path) -> Option<bool> {
    seek_penalty(&open_volume(path).ok()?).ok()
}

/// The roots of the drives of this machine: fixed and removable ones, but no networks and no CDs. A
/// disk that Windows Server Backup has for itself has no letter, so volumes without one are among
/// them.
///
/// # Errors
/// The search through the volumes failed, so there may be more.
pub fn drives() -> io::Result<Vec<PathBuf>> {
    // SAFETY: the call has no arguments. It returns one bit for each letter.
    let letters = unsafe { GetLogicalDrives() };
    let has_letter = |index: &u8| letters >> index & 1 == 1;
    let roots = (0..26_u8).filter(has_letter).map(|index| format!(r"{}:\", char::from(b'A' + index)).into());
    let roots = roots.chain(volumes_without_letter()?);
    Ok(roots.filter(|root: &PathBuf| is_disk(root) && is_there(root)).collect())
}

/// Whether there is something in a drive. A card reader without a card, and a volume without a file
/// system, hold nothing. A drive that BitLocker has locked is not searched: it would end every run,
/// and most of them never held a backup. What else cannot be opened may hold something.
fn is_there(root: &Path) -> bool {
    let error = std::fs::metadata(root).err();
    !error.and_then(|error| error.raw_os_error()).is_some_and(is_code_of_nothing)
}

fn is_code_of_nothing(code: i32) -> bool {
    matches!(code.cast_unsigned(), ERROR_NOT_READY | ERROR_UNRECOGNIZED_VOLUME | LOCKED_VOLUME)
}

/// A search through all volumes of this machine.
struct VolumeSearch(HANDLE);

impl Drop for VolumeSearch {
    fn drop(&mut self) {
        // SAFETY: the handle is that of a search, and nothing else closes it.
        unsafe { FindVolumeClose(self.0) };
    }
}

/// The roots of the volumes that have no letter: `\\?\Volume{GUID}\`. An error means that there may
/// be more.
fn volumes_without_letter() -> io::Result<Vec<PathBuf>> {
    let mut search = None;
    let first = filled(|buffer, units| {
        // SAFETY: the call writes at most `units` units into `buffer`.
        let handle = unsafe { FindFirstVolumeW(buffer, units) };
        search = (handle != INVALID_HANDLE_VALUE).then_some(VolumeSearch(handle));
        i32::from(search.is_some())
    });
    let mut found = vec![first?];
    let search = search.ok_or(io::ErrorKind::NotFound)?;
    while found.len() < MOST_VOLUMES {
        let next = filled(|buffer, units| {
            // SAFETY: the search is open, and the call writes at most `units` units into `buffer`.
            unsafe { FindNextVolumeW(search.0, buffer, units) }
        });
        match next {
            Ok(volume) => found.push(volume),
            Err(error) if error.raw_os_error().map(i32::cast_unsigned) == Some(ERROR_NO_MORE_FILES) => {
                found.retain(|volume| !has_letter(volume));
                return Ok(found);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(format!("this computer has {MOST_VOLUMES} volumes or more")))
}

/// Whether a volume is the drive of some letter. It may be mounted in folders, too.
fn has_letter(volume: &Path) -> bool {
    let wide = to_wide(volume);
    let mut paths = [0_u16; MOUNT_POINT_UNITS];
    let Ok(units) = u32::try_from(paths.len()) else { return false };
    let mut needed = 0;
    // SAFETY: `wide` ends in a zero and lives until the call returns, which writes at most `units`
    // units into `paths`.
    unsafe { GetVolumePathNamesForVolumeNameW(wide.as_ptr(), paths.as_mut_ptr(), units, &raw mut needed) };
    // The paths are separated by zeros. That of a drive is `C:\`.
    paths.split(|&unit| unit == 0).any(|path| matches!(path, [_, colon, _] if *colon == u16::from(b':')))
}

fn is_disk(root: &Path) -> bool {
    let wide = to_wide(root);
    // SAFETY: `wide` ends in a zero and lives until the call returns.
    matches!(unsafe { GetDriveTypeW(wide.as_ptr()) }, DRIVE_FIXED | DRIVE_REMOVABLE)
}

/// Opens the volume only for queries, which needs no permission.
fn open_volume(path: &Path) -> io::Result<File> {
    let path = to_wide(&std::path::absolute(path)?);
    let mount_point = filled(|buffer, units| {
        // SAFETY: `path` ends in a zero and lives until the call returns, which writes at most
        // `units` units into `buffer`.
        unsafe { GetVolumePathNameW(path.as_ptr(), buffer, units) }
    })?;
    let mount_point = to_wide(&mount_point);
    let name = filled(|buffer, units| {
        // SAFETY: as above.
        unsafe { GetVolumeNameForVolumeMountPointW(mount_point.as_ptr(), buffer, units) }
    })?;
    // With a trailing separator this would be the name of the volume's root folder.
    let name = name.as_os_str().to_string_lossy().trim_end_matches('\\').to_owned();
    OpenOptions::new()
        .access_mode(0)
        .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)
        .open(name)
}

/// The path that `fill` writes into its buffer. `fill` returns 0 for an error.
fn filled(fill: impl FnOnce(*mut u16, u32) -> i32) -> io::Result<PathBuf> {
    let mut buffer = [0_u16; MOUNT_POINT_UNITS];
    let units = u32::try_from(MOUNT_POINT_UNITS).map_err(io::Error::other)?;
    checked(fill(buffer.as_mut_ptr(), units) != 0)?;
    let length = buffer.iter().position(|&unit| unit == 0).unwrap_or(MOUNT_POINT_UNITS);
    Ok(std::ffi::OsString::from_wide(&buffer[..length]).into())
}

fn seek_penalty(volume: &File) -> io::Result<bool> {
    let question = STORAGE_PROPERTY_QUERY {
        PropertyId: StorageDeviceSeekPenaltyProperty,
        QueryType: PropertyStandardQuery,
        AdditionalParameters: [0],
    };
    // The size of `DEVICE_SEEK_PENALTY_DESCRIPTOR`, but as bytes: its last field is a `BOOLEAN`,
    // which may hold any byte.
    let mut answer = [0_u8; size_of::<DEVICE_SEEK_PENALTY_DESCRIPTOR>()];
    let mut returned = 0_u32;
    let [question_size, answer_size] =
        [size_of_val(&question), answer.len()].map(|size| u32::try_from(size).map_err(io::Error::other));
    // SAFETY: the handle is open as long as `volume` is borrowed. The sizes are those of
    // `question`, which is only read, and of `answer`, which is bytes. `returned` outlives the
    // call. Without an overlapped structure the call is complete on return.
    let done = unsafe {
        DeviceIoControl(
            volume.as_raw_handle(),
            IOCTL_STORAGE_QUERY_PROPERTY,
            (&raw const question).cast::<c_void>(),
            question_size?,
            answer.as_mut_ptr().cast::<c_void>(),
            answer_size?,
            &raw mut returned,
            std::ptr::null_mut(),
        )
    };
    checked(done != 0)?;
    // Version and size come first, four bytes each.
    let penalty = answer.get(8).filter(|_| returned > 8);
    penalty.map(|&byte| byte != 0).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drive_of_a_folder_is_among_the_drives() {
        let drives = drives().unwrap();
        assert!(drives.iter().any(|root| root.to_str() == Some("C:\\")), "{drives:?}");
        // No drive is there twice, once by its letter and once without.
        let is_whole = |root: &PathBuf| root.to_string_lossy().ends_with('\\');
        assert!(drives.iter().all(is_whole), "{drives:?}");
        let volumes = volumes_without_letter().unwrap();
        assert!(!volumes.iter().any(|volume| has_letter(volume)), "{volumes:?}");
    }

    #[test]
    fn a_locked_drive_is_not_searched_and_one_that_may_not_be_read_is() {
        assert!(is_code_of_nothing(i32::from_ne_bytes(0x8031_0000_u32.to_ne_bytes())));
        assert!(is_code_of_nothing(21), "ERROR_NOT_READY");
        assert!(!is_code_of_nothing(5), "ERROR_ACCESS_DENIED");
    }

    #[test]
    fn every_path_gives_an_answer_or_none_and_its_volume_can_be_opened() {
        let world = tempfile::tempdir().unwrap();
        assert!(open_volume(world.path()).is_ok() || is_spinning(world.path()).is_none());
        assert_eq!(is_spinning(Path::new(r"\\no-such-server\share\x")), None);
    }
}
