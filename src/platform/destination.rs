//! Finding where to write a file that the user has named, on systems where other users' links are
//! no threat or cannot be recognised.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::Destination;

/// Makes sure that a file may be written to `path`, without opening anything. Nothing is checked
/// here.
pub fn check_destination(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Finds where `path` leads. Links are followed.
pub fn destination(path: &Path) -> io::Result<Destination> {
    let target = match fs::canonicalize(path) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    let old = fs::metadata(&target).ok();
    if old.as_ref().is_some_and(|old| !old.is_file() && !old.is_dir()) {
        return Ok(Destination::Device(OpenOptions::new().write(true).open(&target)?));
    }
    let name = target.file_name().ok_or(io::ErrorKind::IsADirectory)?.to_owned();
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = Dir::open_ambient_dir(folder, ambient_authority())?;
    let permissions = old.as_ref().map(fs::Metadata::permissions);
    Ok(Destination::File { folder, name, is_new: old.is_none(), permissions })
}

/// Gives a file its final name in the same folder.
pub fn put(folder: &Dir, from: &str, to: &OsStr, _: bool) -> io::Result<()> {
    folder.rename(from, folder, Path::new(to))
}
