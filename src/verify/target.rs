//! The restore folder: is it one that may be written to, and is there room?

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::platform;

use super::Error;

/// Bytes that stay free whatever happens, for everybody else who writes there.
const MARGIN: u64 = 64 << 20;

/// Makes sure that `restore_to` is a folder (it is made if it is missing) that is not inside, above or equal to any of
/// `protected`, and has room for `in_flight` bytes and a margin. Links and bind mounts are seen through. Returns the free bytes.
pub fn check(restore_to: &Path, protected: &[&Path], in_flight: u64) -> Result<(), Error> {
    let fail = |source| Error::RestoreFolder { place: restore_to.to_owned(), source };
    // Checked before anything is made: a missing folder is judged by where it would be.
    keep_apart(restore_to, protected).map_err(fail)??;
    fs::create_dir_all(restore_to).map_err(fail)?;
    keep_apart(restore_to, protected).map_err(fail)??;
    let free = platform::free_space(restore_to).map_err(fail)?;
    let needed = in_flight.saturating_add(MARGIN);
    if free < needed {
        return Err(Error::NoRoom { place: restore_to.to_owned(), free, needed });
    }
    Ok(())
}

fn keep_apart(restore_to: &Path, protected: &[&Path]) -> io::Result<Result<(), Error>> {
    let target = resolve(restore_to)?;
    for &place in protected {
        let other = resolve(place)?;
        let relation = if is_same(&target, &other) {
            "is"
        } else if has_ancestor(&target, &other) {
            "is inside"
        } else if has_ancestor(&other, &target) {
            "is above"
        } else {
            continue;
        };
        let overlap = Error::Overlap { restore_to: restore_to.to_owned(), relation, other: place.to_owned() };
        return Ok(Err(overlap));
    }
    Ok(Ok(()))
}

/// The path with all links followed; of what does not exist yet, the part that does.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let mut rest = PathBuf::new();
    for ancestor in path.ancestors() {
        match fs::canonicalize(ancestor) {
            Ok(found) => return Ok(if rest.as_os_str().is_empty() { found } else { found.join(rest) }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                rest = ancestor.file_name().map(PathBuf::from).unwrap_or_default().join(rest);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(path)
}

fn has_ancestor(path: &Path, ancestor: &Path) -> bool {
    path.ancestors().skip(1).any(|one| is_same(one, ancestor))
}

/// The same name, or the same folder under two names (a bind mount, a second spelling of a case-insensitive name).
fn is_same(one: &Path, other: &Path) -> bool {
    one == other || platform::is_same_file(one, other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(restore_to: &Path, other: &Path) -> Option<&'static str> {
        match check(restore_to, &[other], 0) {
            Ok(()) => None,
            Err(Error::Overlap { relation, .. }) => Some(relation),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_restore_folder_that_touches_a_source_is_refused_and_not_made() {
        let world = tempfile::tempdir().unwrap();
        let source = world.path().join("data");
        fs::create_dir(&source).unwrap();
        assert_eq!(relation(&source, &source), Some("is"));
        assert_eq!(relation(&source.join("new/deep"), &source), Some("is inside"));
        assert!(!source.join("new").exists());
        assert_eq!(relation(world.path(), &source), Some("is above"));
        assert_eq!(relation(&world.path().join("data/../data"), &source), Some("is"));
        assert_eq!(relation(&world.path().join("database"), &source), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_into_a_source_is_seen_through() {
        let world = tempfile::tempdir().unwrap();
        let source = world.path().join("data");
        fs::create_dir_all(source.join("deep")).unwrap();
        let link = world.path().join("innocent");
        std::os::unix::fs::symlink(source.join("deep"), &link).unwrap();
        assert_eq!(relation(&link, &source), Some("is inside"));
        assert_eq!(relation(&link.join("new"), &source), Some("is inside"));
    }

    #[test]
    fn a_full_disk_is_refused_before_anything_is_restored() {
        let world = tempfile::tempdir().unwrap();
        let error = check(world.path(), &[], u64::MAX).unwrap_err();
        assert!(matches!(error, Error::NoRoom { .. }), "{error}");
    }
}
