//! Files that a program started by us has made in a folder of ours. They are opened and removed
//! without ever touching anything that is not the program's.
//!
//! The program gets its names from a backup. The backup may be hostile, and the program may have
//! bugs. So links, hard links to files elsewhere, pipes, devices and mounted file systems are all
//! expected. Every step goes by handle from one folder to the next, and no link is followed.
//! Everything must have the same owner as the folder itself (`top`), which also works on file
//! systems that give all files to one owner. Root may find other owners there, because programs
//! that root starts restore owners.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use cap_std::fs::Dir;
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::path::Arg;
use rustix::process::geteuid;

/// Does not follow a link in the last component, and does not wait for the other end of a pipe.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

/// The permissions that the owner of a folder needs to list it and to remove its entries.
const OWNER_ALL: Mode = Mode::RWXU;

/// A folder is listed until it is empty, but at most this many times: a program that is still
/// running could fill it again and again.
const PASSES_MAX: u32 = 100;

/// Opens for reading the regular file `name` in `folder`, which is somewhere below `top`. If it is
/// anything but a file of the program's own, the error has the kind [`io::ErrorKind::InvalidInput`]
/// and says what it is.
pub fn open_made_file(top: &Dir, folder: &Dir, name: &Path) -> io::Result<File> {
    let top = fs::fstat(top)?;
    // Checked before opening as well, because opening a device can have effects.
    check_file(&fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?, &top)?;
    let open = || fs::openat(folder, name, READ, Mode::empty());
    let file = match open() {
        Err(Errno::ACCESS) => {
            grant(folder, name, Mode::RUSR, |found| check_file(found, &top))?;
            open()
        }
        opened => opened,
    };
    let file = file.map_err(|errno| match errno {
        Errno::LOOP => not_a_file(),
        errno => errno.into(),
    })?;
    check_file(&fs::fstat(&file)?, &top)?;
    // The user may keep this file. It must not be writable by others or run as its owner. File
    // systems that cannot change modes have none.
    let _ = fs::fchmod(&file, Mode::RUSR | Mode::WUSR);
    Ok(file.into())
}

/// Opens the folder `name` that a program has made in `folder`, which is somewhere below `top`. It
/// is an error if the name is a link, if somebody else owns the folder, or if a file system is
/// mounted on it.
pub fn open_made_dir(top: &Dir, folder: &Dir, name: &Path) -> io::Result<Dir> {
    let opened = open_folder(&fs::fstat(top)?, folder, name)?;
    Ok(Dir::from_std_file(opened.into()))
}

/// Removes everything in `top` that the program has made there. Stops with `false` at the first
/// entry that is somebody else's or on another file system; that entry and the ones after it stay.
pub fn empty_made_dir(top: &Dir) -> io::Result<bool> {
    let state = fs::fstat(top)?;
    let mut current = open_folder(&state, top, c".")?;
    // The folders above the current one: the identity of each, and the name of its child. One open
    // handle is enough, because each folder leads to its parent.
    let mut above: Vec<((u64, u64), CString)> = Vec::new();
    loop {
        match sweep(&current, &state)? {
            Swept::Foreign => return Ok(false),
            Swept::Folder(name, child) => {
                above.push((id(&fs::fstat(&current)?), name));
                current = child;
            }
            Swept::Empty => {
                let Some((expected, name)) = above.pop() else { return Ok(true) };
                let parent = fs::openat(&current, c"..", READ | OFlags::DIRECTORY, Mode::empty())?;
                if id(&fs::fstat(&parent)?) != expected {
                    return Err(io::Error::other("a folder was moved while it was being removed"));
                }
                fs::unlinkat(&parent, name, AtFlags::REMOVEDIR)?;
                current = parent;
            }
        }
    }
}

/// The result of one pass over a folder.
enum Swept {
    /// Nothing is left in it.
    Empty,
    /// It contains this folder, which must be emptied first.
    Folder(CString, OwnedFd),
    /// It contains something that is not the program's.
    Foreign,
}

/// Removes the entries of a folder, up to the first one that is a folder.
fn sweep(folder: &OwnedFd, top: &Stat) -> io::Result<Swept> {
    // File systems differ in what they list while entries are being removed. A folder counts as
    // empty only if a whole pass lists nothing.
    for _ in 0..PASSES_MAX {
        let mut is_empty = true;
        for entry in fs::Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            is_empty = false;
            let found = match fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                found => found?,
            };
            if !is_owned(&found, top) {
                return Ok(Swept::Foreign);
            }
            if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
                return match open_folder(top, folder, name) {
                    Ok(child) => Ok(Swept::Folder(name.to_owned(), child)),
                    Err(error) if error.kind() == io::ErrorKind::CrossesDevices => Ok(Swept::Foreign),
                    Err(error) => Err(error),
                };
            }
            // Of a file with several names, this removes only the one name; of a link, the link.
            match fs::unlinkat(folder, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        if is_empty {
            return Ok(Swept::Empty);
        }
    }
    Err(io::Error::other("a program keeps writing to it"))
}

/// Opens a folder, and makes sure that its owner can list and change it: restore programs also
/// restore permissions.
fn open_folder(top: &Stat, folder: impl AsFd, name: impl Arg + Copy) -> io::Result<OwnedFd> {
    let check = |found: &Stat| match FileType::from_raw_mode(found.st_mode) {
        FileType::Directory if found.st_dev != top.st_dev => Err(io::ErrorKind::CrossesDevices.into()),
        FileType::Directory if is_owned(found, top) => Ok(()),
        FileType::Directory => Err(io::ErrorKind::PermissionDenied.into()),
        _ => Err(io::ErrorKind::NotADirectory.into()),
    };
    let opened = match open_unmounted(&folder, name) {
        Err(Errno::ACCESS) => {
            grant(&folder, name, OWNER_ALL, check)?;
            open_unmounted(&folder, name)
        }
        opened => opened,
    };
    let opened = opened.map_err(|errno| match errno {
        Errno::LOOP | Errno::NOTDIR => io::ErrorKind::NotADirectory.into(),
        Errno::XDEV => io::ErrorKind::CrossesDevices.into(),
        errno => io::Error::from(errno),
    })?;
    let found = fs::fstat(&opened)?;
    check(&found)?;
    let mode = Mode::from_raw_mode(found.st_mode);
    if !mode.contains(OWNER_ALL) && found.st_uid == geteuid().as_raw() {
        fs::fchmod(&opened, mode | OWNER_ALL)?;
    }
    Ok(opened)
}

/// Opens a folder, unless something is mounted on it. Nothing else detects a bind mount from the
/// same file system.
#[cfg(target_os = "linux")]
fn open_unmounted(folder: impl AsFd, name: impl Arg + Copy) -> Result<OwnedFd, Errno> {
    use rustix::fs::ResolveFlags;
    let flags = READ | OFlags::DIRECTORY;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    match fs::openat2(&folder, name, flags, Mode::empty(), resolve) {
        // Kernels before 5.6 do not have this call, and some sandboxes refuse it.
        Err(Errno::NOSYS | Errno::PERM) => fs::openat(folder, name, flags, Mode::empty()),
        opened => opened,
    }
}

#[cfg(not(target_os = "linux"))]
fn open_unmounted(folder: impl AsFd, name: impl Arg + Copy) -> Result<OwnedFd, Errno> {
    fs::openat(folder, name, READ | OFlags::DIRECTORY, Mode::empty())
}

/// Gives the owner additional permissions, if the entry passes the check. A link is not followed.
#[cfg(target_os = "linux")]
fn grant(
    folder: impl AsFd,
    name: impl Arg,
    more: Mode,
    check: impl Fn(&Stat) -> io::Result<()>,
) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = fs::openat(folder, name, flags, Mode::empty())?;
    let found = fs::fstat(&handle)?;
    check(&found)?;
    // On older kernels this is the only way to change the mode of something that cannot be opened.
    // The path leads to what the handle has open, whoever has the name by now.
    let path = format!("/proc/self/fd/{}", handle.as_raw_fd());
    Ok(fs::chmod(path, Mode::from_raw_mode(found.st_mode) | more)?)
}

#[cfg(not(target_os = "linux"))]
fn grant(
    folder: impl AsFd,
    name: impl Arg + Copy,
    more: Mode,
    check: impl Fn(&Stat) -> io::Result<()>,
) -> io::Result<()> {
    let found = fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    check(&found)?;
    let mode = Mode::from_raw_mode(found.st_mode) | more;
    Ok(fs::chmodat(folder, name, mode, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn check_file(found: &Stat, top: &Stat) -> io::Result<()> {
    let invalid = |problem| Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(not_a_file());
    }
    // It may be somebody else's file, or an original. Neither may be judged as if it were the
    // restored copy.
    if found.st_nlink != 1 {
        return invalid("it has a second name (a hard link)");
    }
    if is_owned(found, top) { Ok(()) } else { invalid("it belongs to somebody else") }
}

fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")
}

fn is_owned(found: &Stat, top: &Stat) -> bool {
    found.st_uid == top.st_uid || geteuid().is_root()
}

// The widths of these fields differ between systems.
#[allow(clippy::useless_conversion, clippy::unnecessary_cast, clippy::cast_sign_loss)]
fn id(stat: &Stat) -> (u64, u64) {
    (stat.st_dev as u64, stat.st_ino as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_tree_of_any_depth_without_permissions_is_emptied_and_nothing_beyond_it() {
        let world = tempfile::tempdir().unwrap();
        let outside = world.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("letter"), "mine").unwrap();
        let path = world.path().join("made");
        std::fs::create_dir(&path).unwrap();
        let top = Dir::open_ambient_dir(&path, ambient_authority()).unwrap();
        let mut folder = top.try_clone().unwrap();
        for depth in 0..3000 {
            folder.create_dir("d").unwrap();
            folder.write(format!("file-{depth}"), "").unwrap();
            folder = folder.open_dir("d").unwrap();
        }
        symlink(&outside, path.join("link")).unwrap();
        std::fs::hard_link(outside.join("letter"), path.join("second-name")).unwrap();
        let closed = path.join("closed");
        std::fs::create_dir_all(closed.join("inner")).unwrap();
        std::fs::write(closed.join("inner/x"), "").unwrap();
        for folder in [closed.join("inner"), closed] {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o000)).unwrap();
        }
        assert!(empty_made_dir(&top).unwrap());
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
        assert_eq!(std::fs::read(outside.join("letter")).unwrap(), b"mine");
    }

    #[test]
    fn a_file_without_permissions_is_opened_and_what_a_link_leads_to_stays_as_it_is() {
        let world = tempfile::tempdir().unwrap();
        let top = Dir::open_ambient_dir(world.path(), ambient_authority()).unwrap();
        let closed = |name: &str| {
            std::fs::write(world.path().join(name), name).unwrap();
            let none = std::fs::Permissions::from_mode(0o000);
            std::fs::set_permissions(world.path().join(name), none).unwrap();
        };
        closed("made");
        assert_eq!(open_made_file(&top, &top, Path::new("made")).unwrap().metadata().unwrap().len(), 4);
        closed("original");
        symlink("original", world.path().join("link")).unwrap();
        let error = open_made_file(&top, &top, Path::new("link")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        let error = open_made_dir(&top, &top, Path::new("link")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory, "{error}");
        assert_eq!(world.path().join("original").metadata().unwrap().permissions().mode() & 0o777, 0);
    }
}
