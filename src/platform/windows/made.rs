//! Files that a program started by us has made in a folder of ours. They are opened and removed
//! without ever touching anything that is not the program's.
//!
//! The folder's permissions keep everybody else out, so everything in it was put there for us.
//! Links and junctions are not followed: a folder counts only if it really is where its name says.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;

use cap_std::fs::{Dir, OpenOptions};

use super::super::Kind;
use super::private::{open_dir_no_follow, remove_file_even_read_only};
use super::{info, names, path_to_bytes};

/// Opens for reading the regular file `name` that a program has made in `folder`. If it is anything
/// else, the error has the kind [`io::ErrorKind::InvalidInput`] and says what it is.
pub fn open_made_file(_: &Dir, folder: &Dir, name: &Path) -> io::Result<File> {
    let invalid = |problem| Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    if !names::is_holdable(&path_to_bytes(name)) {
        return invalid("its name has a special meaning on Windows");
    }
    if !folder.symlink_metadata(name)?.is_file() {
        return invalid("it is not a regular file");
    }
    let file = folder.open_with(name, OpenOptions::new().read(true))?.into_std();
    if info::stat(&file)?.kind != Kind::File {
        return invalid("it is not a regular file");
    }
    if info::links(&file)? != 1 {
        return invalid("it has a second name (a hard link)");
    }
    Ok(file)
}

/// Opens the folder `name` that a program has made in `folder`. It is an error if the name is a
/// link or a junction.
pub fn open_made_dir(_: &Dir, folder: &Dir, name: &Path) -> io::Result<Dir> {
    if !names::is_holdable(&path_to_bytes(name)) || !folder.symlink_metadata(name)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    open_dir_no_follow(folder, name)
}

/// Removes everything in `top` that the program has made there. Stops with `false` at the first
/// folder that is not where its name says; that folder and the entries after it stay.
pub fn empty_made_dir(top: &Dir) -> io::Result<bool> {
    // The open folders below `top`, each with its name in the folder before it.
    let mut below: Vec<(Dir, OsString)> = Vec::new();
    loop {
        match sweep(below.last().map_or(top, |(folder, _)| folder))? {
            Swept::Foreign => return Ok(false),
            Swept::Folder(folder, name) => below.push((folder, name)),
            Swept::Empty => {
                let Some((folder, name)) = below.pop() else { return Ok(true) };
                // An open folder cannot be removed.
                drop(folder);
                below.last().map_or(top, |(folder, _)| folder).remove_dir(name)?;
            }
        }
    }
}

/// The result of one pass over a folder.
enum Swept {
    /// Nothing is left in it.
    Empty,
    /// It contains this folder, which must be emptied first.
    Folder(Dir, OsString),
    /// It contains something that leads elsewhere and is not a link.
    Foreign,
}

/// Removes the entries of a folder, up to the first one that is a folder.
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
        // Junctions and links to folders are removed like folders; their targets stay.
        if removed.is_err() && kind.is_symlink() {
            folder.remove_dir(&name)?;
        } else {
            removed?;
        }
    }
    Ok(Swept::Empty)
}
