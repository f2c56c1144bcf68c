//! Where a file is to be written that a person has named: found step by step, so that nobody else
//! can lead it astray.
//!
//! In a folder that others may write to, another user can lay a link, a pipe or a file of his own
//! under the name that somebody with more rights is going to write to. So a link is followed only
//! if it is this user's or root's, or lies where nobody else can write, wherever it is on the way;
//! each step goes through the handle of the one before; and whose a thing is, is asked of its own
//! handle.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path};

use cap_std::fs::Dir;
use rustix::fs::{self, CWD, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::Destination;

/// Follows nothing and opens nothing: a handle on the name itself.
const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);
const ENTER: OFlags = OFlags::PATH.union(OFlags::CLOEXEC).union(OFlags::DIRECTORY);

/// As many links as Linux itself follows (path_resolution(7)).
const MOST_LINKS: u32 = 40;

/// Who may write to a folder but its owner, and the bit that keeps them from touching each other's
/// files.
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Makes sure that a file may be written to `path`, without opening anything.
pub fn check_destination(path: &Path) -> io::Result<()> {
    walk(path)?.check()
}

/// Finds where `path` leads.
pub fn destination(path: &Path) -> io::Result<Destination> {
    let spot = walk(path)?;
    spot.check()?;
    let is_closed = spot.is_closed()?;
    let Spot { folder, name, found } = spot;
    let permissions = match &found {
        Some((thing, stat)) if kind(stat) != FileType::RegularFile => {
            return Ok(Destination::Device(open_again(&folder, &name, thing, stat)?));
        }
        // Somebody else's would say who may read ours.
        Some((_, stat)) => (stat.st_uid == geteuid().as_raw() || is_closed)
            .then(|| Permissions::from_mode(stat.st_mode & 0o777)),
        None => None,
    };
    let folder = Dir::from_std_file(File::from(folder));
    Ok(Destination::File { folder, name, is_new: found.is_none(), permissions })
}

/// Gives a file its final name in the same folder. With `is_new`, nothing that has taken the name
/// meanwhile is replaced.
pub fn put(folder: &Dir, from: &str, to: &OsStr, is_new: bool) -> io::Result<()> {
    if is_new {
        match fs::renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
            // This file system, or this kernel, has no such renaming.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            done => return Ok(done?),
        }
    }
    Ok(fs::renameat(folder, from, folder, to)?)
}

/// A name in a folder, and what it stands for.
struct Spot {
    folder: OwnedFd,
    name: OsString,
    found: Option<(OwnedFd, Stat)>,
}

impl Spot {
    /// Refuses what belongs to others.
    fn check(&self) -> io::Result<()> {
        let Some((_, stat)) = &self.found else { return Ok(()) };
        let folder = fs::fstat(&self.folder)?;
        let is_ours = is_trusted(stat.st_uid) || self.is_closed()?;
        match kind(stat) {
            FileType::Directory => Err(io::ErrorKind::IsADirectory.into()),
            // As the kernel does for files that are opened to be made (sysctl
            // fs.protected_regular).
            FileType::RegularFile if folder.st_mode & STICKY != 0 && folder.st_mode & OTHERS_WRITE != 0 => {
                let is_mine = stat.st_uid == geteuid().as_raw();
                if is_mine { Ok(()) } else { Err(refused("a file there belongs to another user")) }
            }
            FileType::RegularFile => Ok(()),
            _ if is_ours => Ok(()),
            _ => Err(refused("a pipe or a device there belongs to another user")),
        }
    }

    fn is_closed(&self) -> io::Result<bool> {
        Ok(is_closed(&fs::fstat(&self.folder)?))
    }
}

fn refused(problem: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("{problem}: name a place that nobody else can write to"),
    )
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Whether a user may lead this one: himself, and root, who can do anything already.
fn is_trusted(user: u32) -> bool {
    user == 0 || user == geteuid().as_raw()
}

/// Whether nobody else can lay anything into a folder.
fn is_closed(folder: &Stat) -> bool {
    is_trusted(folder.st_uid) && folder.st_mode & OTHERS_WRITE == 0
}

/// Follows a path to the name in its last folder.
fn walk(path: &Path) -> io::Result<Spot> {
    let mut steps = VecDeque::new();
    let mut folder = fs::openat(CWD, ".", ENTER, Mode::empty())?;
    prepend(&mut steps, path);
    let mut links = 0;
    while let Some(name) = steps.pop_front() {
        if matches!(name.as_bytes(), b"/" | b"..") {
            folder = fs::openat(&folder, &*name, ENTER, Mode::empty())?;
            continue;
        }
        let is_last = steps.is_empty();
        let thing = match fs::openat(&folder, &*name, LOOK, Mode::empty()) {
            Err(Errno::NOENT) if is_last => return Ok(Spot { folder, name, found: None }),
            opened => opened?,
        };
        let stat = fs::fstat(&thing)?;
        if kind(&stat) != FileType::Symlink {
            if is_last {
                return Ok(Spot { folder, name, found: Some((thing, stat)) });
            }
            folder = thing;
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            return Err(Errno::LOOP.into());
        }
        let is_system = fs::fstatfs(&folder)?.f_type == fs::PROC_SUPER_MAGIC;
        if !is_system && !may_follow(&folder, &stat)? {
            return Err(refused(&format!("{} on the way is a link of another user", name.display())));
        }
        // What `/dev/stdout` stands for may have no name: a pipe, say.
        if is_system && is_last {
            let thing = fs::openat(&folder, &*name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
            let stat = fs::fstat(&thing)?;
            if !matches!(kind(&stat), FileType::RegularFile | FileType::Directory) {
                return Ok(Spot { folder, name, found: Some((thing, stat)) });
            }
        }
        let target = OsString::from_vec(fs::readlinkat(&thing, "", Vec::new())?.into_bytes());
        prepend(&mut steps, Path::new(&target));
    }
    Err(io::ErrorKind::IsADirectory.into())
}

/// Puts the steps of a path before those that are left to go.
fn prepend(steps: &mut VecDeque<OsString>, path: &Path) {
    let names = path.components().filter(|&step| step != Component::CurDir);
    names.rev().for_each(|step| steps.push_front(step.as_os_str().to_owned()));
}

/// Whether a link was laid by somebody who may lead this user. One with two names may have been
/// laid elsewhere.
fn may_follow(folder: &OwnedFd, link: &Stat) -> io::Result<bool> {
    Ok((is_trusted(link.st_uid) && link.st_nlink == 1) || is_closed(&fs::fstat(folder)?))
}

/// Opens for writing what was looked at, and nothing that has taken its place.
fn open_again(folder: &OwnedFd, name: &OsStr, thing: &OwnedFd, seen: &Stat) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(OFlags::NOCTTY.bits().cast_signed());
    match options.open(format!("/proc/self/fd/{}", thing.as_raw_fd())) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    // Where there is no `/proc`, the name is all there is.
    let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NOFOLLOW;
    let file = File::from(fs::openat(folder, name, flags, Mode::empty())?);
    let now = fs::fstat(&file)?;
    if (now.st_dev, now.st_ino) == (seen.st_dev, seen.st_ino) {
        Ok(file)
    } else {
        Err(refused("it was exchanged meanwhile"))
    }
}
