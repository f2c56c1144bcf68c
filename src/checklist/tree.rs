//! Looks through a folder of this machine: every file and every folder in it, with its times.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Instant;

use crate::platform::{self, Kind, Stat, Tree};

/// Calls `each` for every regular file and every folder in `place`, with its path below it and its
/// metadata. The first path is empty: `place` itself, which may also be a file. Links are not
/// followed. Returns whether there is anything at `place`.
///
/// # Errors
/// If a part of it cannot be read, or if the time is up.
pub(super) fn walk(
    place: &Path,
    deadline: Instant,
    each: &mut dyn FnMut(&[u8], &Stat),
) -> Result<bool, String> {
    let failed = |below: &[u8], error: &std::io::Error| {
        format!("{}: {error}", place.join(platform::path_from_bytes(below)).display())
    };
    match place.metadata() {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return file(place, each).map(|()| true).map_err(|error| failed(b"", &error)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(false);
        }
        Err(error) => return Err(failed(b"", &error)),
    }
    let tree = Tree::open(place, false).map_err(|error| failed(b"", &error))?;
    let (mut waiting, mut buffer) = (vec![Vec::new()], Vec::new());
    while let Some(folder) = waiting.pop() {
        if Instant::now() >= deadline {
            return Err(format!("{} is too large to look through in time", place.display()));
        }
        let stat = tree.stat(&folder).map_err(|error| failed(&folder, &error))?;
        each(&folder, &stat);
        let path = |name: &[u8]| {
            if folder.is_empty() { name.to_vec() } else { [&*folder, b"/", name].concat() }
        };
        let listed = tree.list(&folder, true, &mut buffer, &mut |found| match (found.kind, found.stat) {
            (Kind::Folder, _) => waiting.push(path(found.name)),
            (Kind::File, Some(stat)) => each(&path(found.name), &stat),
            _ => {}
        });
        // Only root may read the folder that fsck uses, and no program stores anything there.
        listed
            .or_else(|error| if folder == b"lost+found" { Ok(()) } else { Err(failed(&folder, &error)) })?;
    }
    Ok(true)
}

fn file(place: &Path, each: &mut dyn FnMut(&[u8], &Stat)) -> std::io::Result<()> {
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = platform::path_to_bytes(Path::new(place.file_name().unwrap_or_default()));
    let stat = Tree::open(folder, false)?.stat(&name)?;
    if stat.kind == Kind::File {
        each(b"", &stat);
    }
    Ok(())
}
