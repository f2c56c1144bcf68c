//! What a program that we have started made in a folder of ours: opened and removed without ever
//! touching what is not the program's.
//!
//! Such a program is given names by a backup, and a backup may be hostile or the program wrong. So
//! links, second names of files that lie elsewhere, pipes, devices and mounted file systems are all
//! expected. Every step goes by handle from one folder to the next, and no link is followed. The
//! folder itself (`top`) tells who the owner must be: that holds on file systems that give all
//! files to one owner, too. Root may find other owners there, because programs that root starts
//! restore owners.

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

/// Without a link in the last place, and without waiting for the other end of a pipe.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

/// What the owner of a folder needs, to look into it and to remove what is there.
const OWNER_ALL: Mode = Mode::RWXU;

/// A folder is gone through until nothing is found in it, but not more often than this: a program
/// that is still alive may fill it again and again.
const PASSES_MAX: u32 = 100;

/// Opens for reading the regular file `name` that a program has made in `folder`, which lies
/// somewhere below `top`. An error of the kind [`io::ErrorKind::InvalidInput`] says what it is
/// instead.
pub fn open_made_file(top: &Dir, folder: &Dir, name: &Path) -> io::Result<File> {
    let top = fs::fstat(top)?;
    // Before it is opened, too: opening a device can do something.
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
    // It may be kept: not with rights for others, nor as a program that runs as its owner. Where
    // modes cannot be changed, there are none.
    let _ = fs::fchmod(&file, Mode::RUSR | Mode::WUSR);
    Ok(file.into())
}

/// Opens the folder `name` that a program has made in `folder`, which lies somewhere below `top`. A
/// link, a folder of somebody else, and one on which a file system is mounted are errors.
pub fn open_made_dir(top: &Dir, folder: &Dir, name: &Path) -> io::Result<Dir> {
    let opened = open_folder(&fs::fstat(top)?, folder, name)?;
    Ok(Dir::from_std_file(opened.into()))
}

/// Removes everything in `top` that the program has made there. `false` as soon as something is
/// found that is somebody else's or another file system: that stays, and what comes behind it.
pub fn empty_made_dir(top: &Dir) -> io::Result<bool> {
    let state = fs::fstat(top)?;
    let mut current = open_folder(&state, top, c".")?;
    // The folders above the current one: which they are, and their child's name. One handle is
    // enough, because each folder leads to the one above it.
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
                    return Err(io::Error::other("a folder was moved while it was removed"));
                }
                fs::unlinkat(&parent, name, AtFlags::REMOVEDIR)?;
                current = parent;
            }
        }
    }
}

/// What one look at a folder has come to.
enum Swept {
    /// Nothing is left in it.
    Empty,
    /// A folder in it, which must be emptied first.
    Folder(CString, OwnedFd),
    /// Something in it is not the program's.
    Foreign,
}

/// Removes what is in a folder, up to the first folder in it.
fn sweep(folder: &OwnedFd, top: &Stat) -> io::Result<Swept> {
    // File systems differ in what they list while names are removed: empty is what shows nothing.
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
            // Of a file with several names this one alone; of a link, the link.
            match fs::unlinkat(folder, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        if is_empty {
            return Ok(Swept::Empty);
        }
    }
    Err(io::Error::other("a program goes on writing to it"))
}

/// Opens a folder, and makes sure that its owner may look into it and change it: programs restore
/// permissions, too.
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

/// Opens a folder, unless something is mounted on it: another part of the same file system, say,
/// which nothing else tells.
#[cfg(target_os = "linux")]
fn open_unmounted(folder: impl AsFd, name: impl Arg + Copy) -> Result<OwnedFd, Errno> {
    use rustix::fs::ResolveFlags;
    let flags = READ | OFlags::DIRECTORY;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    match fs::openat2(&folder, name, flags, Mode::empty(), resolve) {
        // Before Linux 5.6, and where a sandbox does not know it.
        Err(Errno::NOSYS | Errno::PERM) => fs::openat(folder, name, flags, Mode::empty()),
        opened => opened,
    }
}

#[cfg(not(target_os = "linux"))]
fn open_unmounted(folder: impl AsFd, name: impl Arg + Copy) -> Result<OwnedFd, Errno> {
    fs::openat(folder, name, READ | OFlags::DIRECTORY, Mode::empty())
}

/// Gives the owner more rights to what passes the check; a link is not followed.
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
    // Older kernels change a mode by a handle without rights only this way; it leads to what the
    // handle is open on, whatever has the name by now.
    let place = format!("/proc/self/fd/{}", handle.as_raw_fd());
    Ok(fs::chmod(place, Mode::from_raw_mode(found.st_mode) | more)?)
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
    // It may be a file of somebody else, or an original, which must not be judged in place of a
    // copy and not be removed.
    if found.st_nlink != 1 {
        return invalid("it has a second name (a hard link)");
    }
    if is_owned(found, top) { Ok(()) } else { invalid("it belongs to somebody else") }
}

fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")
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
        let place = world.path().join("made");
        std::fs::create_dir(&place).unwrap();
        let top = Dir::open_ambient_dir(&place, ambient_authority()).unwrap();
        let mut folder = top.try_clone().unwrap();
        for depth in 0..3000 {
            folder.create_dir("d").unwrap();
            folder.write(format!("file-{depth}"), "").unwrap();
            folder = folder.open_dir("d").unwrap();
        }
        symlink(&outside, place.join("link")).unwrap();
        std::fs::hard_link(outside.join("letter"), place.join("second-name")).unwrap();
        let closed = place.join("closed");
        std::fs::create_dir_all(closed.join("inner")).unwrap();
        std::fs::write(closed.join("inner/x"), "").unwrap();
        for folder in [closed.join("inner"), closed] {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0)).unwrap();
        }
        assert!(empty_made_dir(&top).unwrap());
        assert_eq!(std::fs::read_dir(&place).unwrap().count(), 0);
        assert_eq!(std::fs::read(outside.join("letter")).unwrap(), b"mine");
    }

    #[test]
    fn a_file_without_permissions_is_opened_and_what_a_link_leads_to_stays_as_it_is() {
        let world = tempfile::tempdir().unwrap();
        let top = Dir::open_ambient_dir(world.path(), ambient_authority()).unwrap();
        let closed = |name: &str| {
            std::fs::write(world.path().join(name), name).unwrap();
            let none = std::fs::Permissions::from_mode(0);
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
