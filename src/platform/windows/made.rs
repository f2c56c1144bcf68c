//! What a program that we have started made in a folder of ours: opened and removed without ever
//! touching what is not the program's.
//!
//! The folder keeps all others out by its permissions, so whatever is in it was put there for us.
//! Links and junctions are not followed: a folder counts only if it lies where its name says.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;

use cap_std::fs::{Dir, OpenOptions};

use super::super::Kind;
use super::private::{open_dir_no_follow, remove_file_even_read_only};
use super::{info, names, path_to_bytes};

/// Opens for reading the regular file `name` that a program has made in `folder`. An error of the
/// kind [`io::ErrorKind::InvalidInput`] says what it is instead.
pub fn open_made_file(_: &Dir, folder: &Dir, name: &Path) -> io::Result<File> {
    let invalid = |problem| Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    if !names::is_holdable(&path_to_bytes(name)) {
        return invalid("its name means something else to Windows");
    }
    if !folder.symlink_metadata(name)?.is_file() {
        return invalid("it is no regular file");
    }
    let file = folder.open_with(name, OpenOptions::new().read(true))?.into_std();
    if info::stat(&file)?.kind != Kind::File {
        return invalid("it is no regular file");
    }
    if info::links(&file)? != 1 {
        return invalid("it has a second name (a hard link)");
    }
    Ok(file)
}

/// Opens the folder `name` that a program has made in `folder`. A link or a junction is an error.
pub fn open_made_dir(_: &Dir, folder: &Dir, name: &Path) -> io::Result<Dir> {
    if !names::is_holdable(&path_to_bytes(name)) || !folder.symlink_metadata(name)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    open_dir_no_follow(folder, name)
}

/// Removes everything in `top` that the program has made there. `false` as soon as a folder is
/// found that does not lie where its name says: that stays, and what comes behind it.
pub fn empty_made_dir(top: &Dir) -> io::Result<bool> {
    // The open folders below `top`, each with its name in the one before it.
    let mut below: Vec<(Dir, OsString)> = Vec::new();
    loop {
        match sweep(below.last().map_or(top, |(folder, _)| folder))? {
            Swept::Foreign => return Ok(false),
            Swept::Folder(folder, name) => below.push((folder, name)),
            Swept::Empty => {
                let Some((folder, name)) = below.pop() else { return Ok(true) };
                // A folder that is open cannot be removed.
                drop(folder);
                below.last().map_or(top, |(folder, _)| folder).remove_dir(name)?;
            }
        }
    }
}

/// What one look at a folder has come to.
enum Swept {
    /// Nothing is left in it.
    Empty,
    /// A folder in it, which must be emptied first.
    Folder(Dir, OsString),
    /// Something in it leads elsewhere and is no link.
    Foreign,
}

/// Removes what is in a folder, up to the first folder in it.
fn sweep(folder: &Dir) -> io::Result<Swept> {
    for entry in folder.entries()? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        if kind.is_dir() {
            return Ok(match open_dir_no_follow(folder, &name) {
                Ok(child) => Swept::Folder(child, name),
                Err(_) => Swept::Foreign,
            });
        }
        let removed = remove_file_even_read_only(folder, Path::new(&name));
        // Junctions and links to folders are removed like folders, without what they lead to.
        if removed.is_err() && kind.is_symlink() {
            folder.remove_dir(&name)?;
        } else {
            removed?;
        }
    }
    Ok(Swept::Empty)
}
