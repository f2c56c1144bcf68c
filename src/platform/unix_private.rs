//! Folders of our own in a folder that others may write to: what is ours is told by a handle, never
//! by a name alone.
//!
//! Who may write to a folder can exchange what lies in it between two looks: a folder for a link,
//! or for another folder. So a folder is opened once, without following a link; whose it is is
//! asked of that handle, and all that is done in it is done through that handle.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, OpenOptions, OpenOptionsExt};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat};
use rustix::process::geteuid;

/// The bits of a mode that let anybody but the owner in, and those that let them change what is
/// there.
const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;

/// Makes a folder that only its owner can enter.
pub fn create_private_dir(parent: &Dir, name: &str) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    parent.create_dir_with(name, &builder)
}

/// Makes a folder that only its owner can enter, and opens it. An error if somebody has put another
/// in its place meanwhile.
pub fn make_private_dir(parent: &Dir, name: &str) -> io::Result<Dir> {
    create_private_dir(parent, name)?;
    let dir = open_dir_no_follow(parent, name)?;
    if is_made_by_us(&dir, &dir, OTHERS)? {
        return Ok(dir);
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "somebody has put another folder in the place of {name}: restore to a folder that only you can write to"
        ),
    ))
}

/// Makes a file that only its owner may read; an error if the name is taken.
pub fn create_private_file(dir: &Dir, name: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    Ok(dir.open_with(name, options.write(true).create_new(true).mode(0o600))?.into_std())
}

/// Opens a folder that lies in `parent`; a link is an error.
pub fn open_dir_no_follow(parent: &Dir, name: &str) -> io::Result<Dir> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    Ok(Dir::from_std_file(File::from(fs::openat(parent, name, flags, Mode::empty())?)))
}

/// Opens a file that lies in `dir` for reading and writing. What is no regular file, or has a
/// second name elsewhere, is an error: others may have put it there.
pub fn open_file_no_follow(dir: &Dir, name: &str) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(fs::openat(dir, name, flags, Mode::empty())?);
    let found = fs::fstat(&file)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile || found.st_nlink != 1 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file of one name"));
    }
    Ok(file)
}

/// Whether a folder is one that this user made in `parent`, and nobody else could put anything
/// into.
pub fn is_ours(dir: &Dir, parent: &Dir) -> io::Result<bool> {
    is_made_by_us(dir, parent, OTHERS_WRITE)
}

/// Whether it belongs to this user and has none of these bits. Where a file system does not keep
/// owners or permissions (FAT, a network that makes everybody "nobody"), whether it looks like a
/// file that is made in `beside` for a moment.
fn is_made_by_us(dir: &Dir, beside: &Dir, bits: u32) -> io::Result<bool> {
    let found = fs::fstat(dir)?;
    let is_closed = found.st_mode & bits == 0;
    if found.st_uid == geteuid().as_raw() && is_closed {
        return Ok(true);
    }
    let made = look_of_a_new_file(beside)?;
    Ok(found.st_uid == made.st_uid && (is_closed || made.st_mode & bits != 0))
}

/// What a file that only its owner may read looks like where it is made.
fn look_of_a_new_file(dir: &Dir) -> io::Result<Stat> {
    let name = format!(".bkverify-probe-{:016x}", rand::random::<u64>());
    let found = fs::fstat(&create_private_file(dir, &name)?);
    dir.remove_file(&name)?;
    Ok(found?)
}

/// Whether a name in `parent` still leads to this very folder.
pub fn is_named(parent: &Dir, name: &str, dir: &Dir) -> bool {
    let id = |stat: Stat| (stat.st_dev, stat.st_ino);
    let named = fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).map(id);
    matches!((named, fs::fstat(dir.as_fd()).map(id)), (Ok(named), Ok(open)) if named == open)
}

/// Whether a file that is open goes when it is removed, rather than when it is closed.
pub const REMOVES_OPEN_FILES: bool = true;

/// Removes a file whatever its own permissions are.
pub fn remove_file_even_read_only(dir: &Dir, name: &Path) -> io::Result<()> {
    dir.remove_file(name)
}
