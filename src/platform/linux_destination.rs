//! Finding where to write a file that the user has named. The path is followed step by step, so
//! that no other user can redirect it.
//!
//! In a folder that others can write to, another user can put a link, a pipe or a file of his own
//! under the name that somebody with more rights is about to write to. So a link is followed,
//! wherever it is in the path, only if it belongs to this user or to root, or if nobody else can
//! write to its folder. Each step goes through the handle of the step before, and the owner is read
//! from the handle of the thing itself.

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

/// A handle on the name itself, which neither follows a link nor opens a device.
const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);
const ENTER: OFlags = OFlags::PATH.union(OFlags::CLOEXEC).union(OFlags::DIRECTORY);

/// As many links as Linux itself follows (path_resolution(7)).
const MOST_LINKS: u32 = 40;

/// The permission bits that let others write to a folder, and the bit that keeps them from touching
/// each other's files.
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Makes sure that a file may be written to `path`, without opening anything.
pub fn check_destination(path: &Path) -> io::Result<()> {
    walk(path)?.check()
}

/// Finds where `path` leads.
pub fn destination(path: &Path) -> io::Result<Destination> {
    let entry = walk(path)?;
    entry.check()?;
    let is_closed = entry.is_closed()?;
    let NamedEntry { folder, name, found } = entry;
    let permissions = match &found {
        Some((thing, stat)) if kind(stat) != FileType::RegularFile => {
            return Ok(Destination::Device(open_again(&folder, &name, thing, stat)?));
        }
        // Another user's permissions would decide who may read our file.
        Some((_, stat)) => (stat.st_uid == geteuid().as_raw() || is_closed)
            .then(|| Permissions::from_mode(stat.st_mode & 0o777)),
        None => None,
    };
    let folder = Dir::from_std_file(File::from(folder));
    Ok(Destination::File { folder, name, is_new: found.is_none(), permissions })
}

/// Gives a file its final name in the same folder. With `is_new`, a file that has taken the name in
/// the meantime is not replaced.
pub fn put(folder: &Dir, from: &str, to: &OsStr, is_new: bool) -> io::Result<()> {
    if is_new {
        match fs::renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
            // This file system or this kernel cannot rename without replacing.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            done => return Ok(done?),
        }
    }
    Ok(fs::renameat(folder, from, folder, to)?)
}

/// A name in a folder, and what has that name.
struct NamedEntry {
    folder: OwnedFd,
    name: OsString,
    found: Option<(OwnedFd, Stat)>,
}

impl NamedEntry {
    /// An error if the name is taken by something of another user.
    fn check(&self) -> io::Result<()> {
        let Some((_, stat)) = &self.found else { return Ok(()) };
        let folder = fs::fstat(&self.folder)?;
        let is_ours = is_trusted(stat.st_uid) || self.is_closed()?;
        match kind(stat) {
            FileType::Directory => Err(io::ErrorKind::IsADirectory.into()),
            // The same rule as the kernel's for opening with `O_CREAT` (sysctl
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
        format!("{problem}: use a folder that nobody else can write to"),
    )
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Whether this user may follow a link of `user`: one of his own, or of root, who can do anything
/// anyway.
fn is_trusted(user: u32) -> bool {
    user == 0 || user == geteuid().as_raw()
}

/// Whether nobody else can put anything into a folder.
fn is_closed(folder: &Stat) -> bool {
    is_trusted(folder.st_uid) && folder.st_mode & OTHERS_WRITE == 0
}

/// Follows a path up to the name in its last folder.
fn walk(path: &Path) -> io::Result<NamedEntry> {
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
            Err(Errno::NOENT) if is_last => return Ok(NamedEntry { folder, name, found: None }),
            opened => opened?,
        };
        let stat = fs::fstat(&thing)?;
        if kind(&stat) != FileType::Symlink {
            if is_last {
                return Ok(NamedEntry { folder, name, found: Some((thing, stat)) });
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
            return Err(refused(&format!("the link {} in the path belongs to another user", name.display())));
        }
        // What `/dev/stdout` stands for may have no name; a pipe has none.
        if is_system && is_last {
            let thing = fs::openat(&folder, &*name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
            let stat = fs::fstat(&thing)?;
            if !matches!(kind(&stat), FileType::RegularFile | FileType::Directory) {
                return Ok(NamedEntry { folder, name, found: Some((thing, stat)) });
            }
        }
        let target = OsString::from_vec(fs::readlinkat(&thing, "", Vec::new())?.into_bytes());
        prepend(&mut steps, Path::new(&target));
    }
    Err(io::ErrorKind::IsADirectory.into())
}

/// Puts the components of a path before those that are still to be followed.
fn prepend(steps: &mut VecDeque<OsString>, path: &Path) {
    let names = path.components().filter(|&step| step != Component::CurDir);
    names.rev().for_each(|step| steps.push_front(step.as_os_str().to_owned()));
}

/// Whether the link's owner may direct this user. A link with two names may have been hard-linked
/// here by somebody else, so its owner proves nothing.
fn may_follow(folder: &OwnedFd, link: &Stat) -> io::Result<bool> {
    Ok((is_trusted(link.st_uid) && link.st_nlink == 1) || is_closed(&fs::fstat(folder)?))
}

/// Opens for writing the very thing that was checked, and nothing that has replaced it since.
fn open_again(folder: &OwnedFd, name: &OsStr, thing: &OwnedFd, seen: &Stat) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(OFlags::NOCTTY.bits().cast_signed());
    match options.open(format!("/proc/self/fd/{}", thing.as_raw_fd())) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    // Without `/proc` there is only the name.
    let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NOFOLLOW;
    let file = File::from(fs::openat(folder, name, flags, Mode::empty())?);
    let now = fs::fstat(&file)?;
    if (now.st_dev, now.st_ino) == (seen.st_dev, seen.st_ino) {
        Ok(file)
    } else {
        Err(refused("it was replaced in the meantime"))
    }
}
