//! Private folders inside a folder that others may be able to write to. Ownership is checked by
//! handle, never by name alone.
//!
//! Whoever can write to a folder can replace an entry between two looks at it: a folder by a link,
//! or by another folder. So a folder is opened once, without following a link. Its owner is read
//! from that handle, and everything done in the folder goes through that handle.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, OpenOptions, OpenOptionsExt};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat};
use rustix::process::geteuid;

/// The mode bits that let others in, and those that let others change the content.
const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;

/// Makes a folder that only its owner can enter.
pub fn create_private_dir(parent: &Dir, name: &str) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    parent.create_dir_with(name, &builder)
}

/// Makes a folder that only its owner can enter, and opens it. It is an error if somebody has
/// replaced it in the meantime.
pub fn make_private_dir(parent: &Dir, name: &str) -> io::Result<Dir> {
    create_private_dir(parent, name)?;
    let dir = open_dir_no_follow(parent, name)?;
    if is_made_by_us(&dir, &dir, OTHERS)? {
        return Ok(dir);
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("somebody else replaced the folder {name}: restore to a folder that only you can write to"),
    ))
}

/// Makes a file that only its owner can read. It is an error if the name is taken.
pub fn create_private_file(dir: &Dir, name: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    Ok(dir.open_with(name, options.write(true).create_new(true).mode(0o600))?.into_std())
}

/// Opens a folder in `parent`. It is an error if the name is a link.
pub fn open_dir_no_follow(parent: &Dir, name: &str) -> io::Result<Dir> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    Ok(Dir::from_std_file(File::from(fs::openat(parent, name, flags, Mode::empty())?)))
}

/// Opens a file in `dir` for reading and writing. It is an error if it is not a regular file or has
/// a second name elsewhere: others may have put it there.
pub fn open_file_no_follow(dir: &Dir, name: &str) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(fs::openat(dir, name, flags, Mode::empty())?);
    let found = fs::fstat(&file)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile || found.st_nlink != 1 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file with a single name",
        ));
    }
    Ok(file)
}

/// What is wrong with the owner or the permissions of a folder, or of `file` in it: somebody other
/// than this user and root could change it. File systems without owners or permissions of their own
/// give every file the same: there, nothing can be wrong with it.
pub fn who_else_can_change(folder: &Dir, file: Option<&str>) -> io::Result<Option<&'static str>> {
    let found = match file {
        None => fs::fstat(folder)?,
        Some(name) => fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?,
    };
    let is_strange = ![0, geteuid().as_raw()].contains(&found.st_uid);
    let is_open = found.st_mode & OTHERS_WRITE != 0;
    if !is_strange && !is_open {
        return Ok(None);
    }
    let made = look_of_a_new_file(folder)?;
    Ok(match () {
        () if is_strange && made.st_uid != found.st_uid => Some("it belongs to another user"),
        () if is_open && made.st_mode & OTHERS_WRITE == 0 => Some("other users can change it"),
        () => None,
    })
}

/// Whether only its owner and root can read or change this open file.
pub fn is_closed_to_others(file: &File) -> io::Result<bool> {
    Ok(fs::fstat(file)?.st_mode & OTHERS == 0)
}

/// Whether this user made the folder in `parent`, and nobody else could put anything into it.
pub fn is_ours(dir: &Dir, parent: &Dir) -> io::Result<bool> {
    is_made_by_us(dir, parent, OTHERS_WRITE)
}

/// Whether the folder belongs to this user and has none of these mode bits. Some file systems have
/// no owners or permissions of their own (FAT, or a network that makes everybody "nobody"). There,
/// the folder must look like a file that is made in `beside` for the comparison.
fn is_made_by_us(dir: &Dir, beside: &Dir, bits: u32) -> io::Result<bool> {
    let found = fs::fstat(dir)?;
    let is_closed = found.st_mode & bits == 0;
    if found.st_uid == geteuid().as_raw() && is_closed {
        return Ok(true);
    }
    let made = look_of_a_new_file(beside)?;
    Ok(found.st_uid == made.st_uid && (is_closed || made.st_mode & bits != 0))
}

/// The metadata of a new file that was made readable by its owner only.
fn look_of_a_new_file(dir: &Dir) -> io::Result<Stat> {
    let name = format!(".bkverify-probe-{:016x}", rand::random::<u64>());
    let found = fs::fstat(&create_private_file(dir, &name)?);
    dir.remove_file(&name)?;
    Ok(found?)
}

/// Whether `name` in `parent` still leads to this folder.
pub fn is_named(parent: &Dir, name: &str, dir: &Dir) -> bool {
    let id = |stat: Stat| (stat.st_dev, stat.st_ino);
    let named = fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).map(id);
    matches!((named, fs::fstat(dir.as_fd()).map(id)), (Ok(named), Ok(open)) if named == open)
}

/// Whether an open file that is removed disappears at once, and not only when it is closed.
pub const REMOVES_OPEN_FILES: bool = true;

/// Removes a file, whatever its own permissions are.
pub fn remove_file_even_read_only(dir: &Dir, name: &Path) -> io::Result<()> {
    dir.remove_file(name)
}
