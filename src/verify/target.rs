//! Where a run may write: checks of the restore folder and of report paths, including free space.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::backup::MARGIN;
use crate::plan::{Beginnings, ReportOutput, Target};
use crate::platform;

use super::Error;

/// The local paths that a run only reads. Nothing may be written over them.
#[derive(Debug, Clone, Default)]
pub struct Protected<'a> {
    /// The backup.
    pub backup: Option<&'a Path>,
    /// Folders of originals.
    pub originals: Vec<&'a Path>,
}

impl<'a> Protected<'a> {
    /// The backup and the originals of a plan.
    pub fn of(target: &'a Target) -> Self {
        Self { backup: target.backup.place(), originals: target.originals().collect() }
    }

    /// All of these paths.
    fn all(&self) -> Vec<&'a Path> {
        self.originals.iter().copied().chain(self.backup).collect()
    }

    /// Makes sure that the backup is not one of the folders of originals.
    pub fn check_backup_is_a_copy(&self) -> Result<(), Error> {
        self.backup.map_or(Ok(()), |backup| check_backup_is_a_copy(backup, &self.originals))
    }

    /// Makes sure that `restore_to` is a folder that is not equal to, inside or above any of these
    /// paths, with space for `in_flight` bytes and a margin. A missing folder is made.
    pub fn check(&self, restore_to: &Path, in_flight: u64) -> Result<(), Error> {
        check(restore_to, &self.all(), in_flight)
    }

    /// The same, but a missing folder is not made: the nearest existing folder above it is checked.
    pub fn check_without_making(&self, restore_to: &Path, in_flight: u64) -> Result<(), Error> {
        check_without_making(restore_to, &self.all(), in_flight)
    }

    /// Makes sure that writing a report destroys none of these files. Standard output destroys
    /// none.
    pub fn check_report(&self, report: &ReportOutput) -> Result<(), Error> {
        check_report(report, self.backup, &self.originals)
    }
}

/// Makes sure that `restore_to` is a folder that is not equal to, inside or above any of
/// `protected`, and that it has space for `in_flight` bytes and a margin. A missing folder is made.
/// Links are followed and bind mounts recognised.
fn check(restore_to: &Path, protected: &[&Path], in_flight: u64) -> Result<(), Error> {
    // Checked before anything is made. A missing folder is judged by where it would be.
    check_without_making(restore_to, protected, in_flight)?;
    fs::create_dir_all(restore_to)
        .map_err(|source| Error::RestoreFolder { place: restore_to.to_owned(), source })?;
    check_without_making(restore_to, protected, in_flight)
}

/// The same, but a missing folder is not made: the nearest existing folder above it must be
/// writable and have the space.
fn check_without_making(restore_to: &Path, protected: &[&Path], in_flight: u64) -> Result<(), Error> {
    check_overlap(restore_to, protected)?;
    let fail = |source| Error::RestoreFolder { place: restore_to.to_owned(), source };
    let existing = restore_to.ancestors().find(|place| place.symlink_metadata().is_ok());
    let existing = existing.unwrap_or(Path::new("."));
    check_writable(existing).map_err(fail)?;
    let free = platform::free_space(existing).map_err(fail)?;
    let needed = in_flight.saturating_add(MARGIN);
    if free < needed {
        return Err(Error::NoSpace { place: restore_to.to_owned(), free, needed });
    }
    Ok(())
}

/// Makes sure that `place` is a folder.
pub fn check_folder(place: &Path) -> io::Result<()> {
    if fs::metadata(place)?.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

/// Makes sure that `folder` is a folder in which files may be created, as far as the system tells.
fn check_writable(folder: &Path) -> io::Result<()> {
    check_folder(folder)?;
    platform::may_write_to(folder)
}

/// Makes sure that the folder of a report exists and may be written to, so that a run of hours does
/// not end without its report.
pub fn check_report_folder(report: &ReportOutput) -> Result<(), Error> {
    let Some(file) = report.output.file() else {
        return Ok(());
    };
    let fail = |source| Error::ReportUnwritable { report: file.to_owned(), flag: report.renderer, source };
    let target = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    match fs::metadata(&target) {
        Ok(found) if found.is_dir() => return Err(fail(io::ErrorKind::IsADirectory.into())),
        // A pipe, a terminal, /dev/null: written as it is.
        Ok(found) if !found.is_file() => return Ok(()),
        _ => {}
    }
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match check_writable(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let problem = format!("there is no folder {}", folder.display());
            Err(fail(io::Error::new(io::ErrorKind::NotFound, problem)))
        }
        checked => checked.map_err(fail),
    }
}

/// Makes sure that the backup is not one of the folders of originals, because then everything would
/// equal itself.
fn check_backup_is_a_copy(backup: &Path, originals: &[&Path]) -> Result<(), Error> {
    match originals.iter().find(|place| is_same(backup, place)) {
        Some(place) => Err(Error::SameFolder { place: place.to_path_buf() }),
        None => Ok(()),
    }
}

/// Makes sure that writing a report destroys nothing: it must not be the backup or inside it, it
/// must replace nothing among the originals but an older report of its kind, and no other user may
/// redirect its path. Checked before a run, and
/// again immediately before a report is written.
fn check_report(report: &ReportOutput, backup: Option<&Path>, originals: &[&Path]) -> Result<(), Error> {
    let Some(file) = report.output.file() else {
        return Ok(());
    };
    let (place, flag) = (|| file.to_owned(), report.renderer);
    match platform::check_destination(file) {
        Err(source) if source.kind() == io::ErrorKind::PermissionDenied => {
            return Err(Error::ReportUnwritable { report: place(), flag, source });
        }
        // Other problems are reported when the file is written.
        _ => {}
    }
    let resolved = resolve(file).map_err(|source| Error::Unresolved { place: place(), source })?;
    let is_in = |folder: &Path| {
        resolve(folder).is_ok_and(|folder| is_same(&resolved, &folder) || has_ancestor(&resolved, &folder))
    };
    let replaces_an_original =
        || originals.iter().any(|folder| is_in(folder)) && is_foreign(&resolved, report.begins);
    if backup.is_some_and(is_in) || replaces_an_original() {
        return Err(Error::ReportOverlap { report: place(), flag });
    }
    Ok(())
}

/// Whether a file exists at this path that does not begin like an older report of the same kind.
fn is_foreign(place: &Path, begins: Beginnings) -> bool {
    if !fs::metadata(place).is_ok_and(|found| found.is_file()) {
        return false;
    }
    let mut beginning = [0; 512];
    // `path` has its links resolved. The file is opened in the same way as an original.
    let read = platform::open_to_read(place, false)
        .and_then(|mut file| platform::read_full(&mut file, &mut beginning));
    !read.is_ok_and(|got| begins_like(&beginning[..got], begins))
}

/// Whether a file has one of these beginnings. Merely mentioning the program's name is not enough.
pub fn begins_like(file: &[u8], begins: Beginnings) -> bool {
    let follows = |parts: &[&str]| {
        let rest =
            parts.iter().try_fold(file, |text, part| text.trim_ascii_start().strip_prefix(part.as_bytes()));
        rest.is_some()
    };
    // Every file begins with an empty text, and originals must not be replaced for that.
    begins.iter().any(|parts| parts.iter().any(|part| !part.is_empty()) && follows(parts))
}

/// Makes sure that `restore_to` is not equal to, inside or above any of `protected`, whether it
/// exists or not. The error names the path that is the problem.
fn check_overlap(restore_to: &Path, protected: &[&Path]) -> Result<(), Error> {
    let target = resolve(restore_to)
        .map_err(|source| Error::RestoreFolder { place: restore_to.to_owned(), source })?;
    for &place in protected {
        let other = resolve(place).map_err(|source| Error::Unresolved { place: place.to_owned(), source })?;
        let relation = if is_same(&target, &other) {
            "is"
        } else if has_ancestor(&target, &other) {
            "is inside"
        } else if has_ancestor(&other, &target) {
            "is above"
        } else {
            continue;
        };
        let restore_to = restore_to.to_owned();
        return Err(Error::Overlap { restore_to, relation, other: place.to_owned() });
    }
    Ok(())
}

/// The path with all links followed. If it does not exist yet, this is done for the part that does.
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

/// Whether two paths have the same name or lead to the same folder (by a bind mount, or another
/// spelling of a case-insensitive name).
fn is_same(one: &Path, other: &Path) -> bool {
    one == other || platform::is_same_file(one, other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Output;

    /// A report to this path whose files begin as JSON reports do.
    fn report(path: &Path) -> ReportOutput {
        let begins: Beginnings = &[&["{", r#""schema""#, ":", r#""bkverify-report/"#]];
        ReportOutput { renderer: "json", begins, output: Output::File(path.to_owned()) }
    }

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
    fn a_report_replaces_no_backup_and_no_original_but_an_older_report() {
        let world = tempfile::tempdir().unwrap();
        let (source, backup) = (world.path().join("data"), world.path().join("b.tar"));
        fs::create_dir(&source).unwrap();
        fs::write(&backup, "precious").unwrap();
        fs::write(source.join("letter"), "precious").unwrap();
        fs::write(source.join("old.json"), "{\"schema\": \"bkverify-report/1\"}").unwrap();
        let check = |path: &Path| check_report(&report(path), Some(&backup), &[&source]);
        assert!(check(&backup).is_err());
        assert!(check(&source.join("letter")).is_err());
        assert!(check(&source.join("old.json")).is_ok());
        for (name, content) in [
            ("todo.txt", "bkverify: try it"),
            ("job.json", "{\"program\": \"bkverify\", \"schema\": \"bkverify-report/1\"}"),
            ("quote.json", "[{\"schema\": \"bkverify-report/1\"}]"),
            ("other.json", "{\"schema\": \"bkverify-config/1\"}"),
            (
                "suites.xml",
                "<?xml version=\"1.0\"?><testsuites name=\"mine\"><testsuite name=\"bkverify\"/></testsuites>",
            ),
            // Another kind of report, though of this program.
            ("bench.json", "{\"schema\": \"bkverify-bench/1\"}"),
        ] {
            fs::write(source.join(name), content).unwrap();
            assert!(check(&source.join(name)).is_err(), "{name}");
        }
        assert!(check(&source.join("new.json")).is_ok());
        assert!(check_report(&report(&source.join("new.json")), Some(&source), &[]).is_err());
    }

    /// Elsewhere, a path that goes through a file simply does not exist.
    #[cfg(unix)]
    #[test]
    fn a_backup_that_cannot_be_found_is_not_blamed_on_the_restore_folder() {
        let world = tempfile::tempdir().unwrap();
        let file = world.path().join("file");
        fs::write(&file, "").unwrap();
        let (backup, target) = (file.join("b.tar"), world.path().join("r"));
        let error = check(&target, &[&backup], 0).unwrap_err();
        assert!(matches!(&error, Error::Unresolved { place, .. } if *place == backup), "{error}");
        let error = check(&file.join("r"), &[world.path()], 0).unwrap_err();
        assert!(matches!(&error, Error::RestoreFolder { .. } | Error::Overlap { .. }), "{error}");
        let error = check_report(&report(&file.join("x.json")), Some(world.path()), &[]).unwrap_err();
        assert!(matches!(&error, Error::Unresolved { place, .. } if place.ends_with("x.json")), "{error}");
    }

    #[test]
    fn a_backup_that_is_its_own_original_is_refused() {
        let world = tempfile::tempdir().unwrap();
        assert!(check_backup_is_a_copy(world.path(), &[&world.path().join(".")]).is_err());
        assert!(check_backup_is_a_copy(world.path(), &[]).is_ok());
    }

    #[test]
    fn no_file_begins_like_nothing() {
        assert!(begins_like(b" {\n \"a\"", &[&["x"], &["{", "\"a\""]]));
        let nothings: [Beginnings; 3] = [&[], &[&[]], &[&["", ""]]];
        for nothing in nothings {
            assert!(!begins_like(b"precious", nothing), "{nothing:?}");
        }
    }

    #[test]
    fn a_report_needs_a_folder_that_is_there() {
        let world = tempfile::tempdir().unwrap();
        let at = |path: &str| check_report_folder(&report(&world.path().join(path)));
        assert!(at("new.json").is_ok());
        assert!(matches!(at("missing/new.json"), Err(Error::ReportUnwritable { .. })));
        assert!(matches!(at("."), Err(Error::ReportUnwritable { .. })));
        fs::write(world.path().join("file"), "").unwrap();
        assert!(at("file").is_ok());
        assert!(at("file/new.json").is_err());
    }

    #[test]
    fn a_restore_folder_is_judged_without_being_made() {
        let world = tempfile::tempdir().unwrap();
        let missing = world.path().join("new/deep");
        assert!(check_without_making(&missing, &[], 0).is_ok());
        assert!(!world.path().join("new").exists());
        fs::write(world.path().join("file"), "").unwrap();
        let error = check_without_making(&world.path().join("file"), &[], 0).unwrap_err();
        assert!(matches!(error, Error::RestoreFolder { .. }), "{error}");
    }

    #[test]
    fn a_full_disk_is_refused_before_anything_is_restored() {
        let world = tempfile::tempdir().unwrap();
        let error = check(world.path(), &[], u64::MAX).unwrap_err();
        assert!(matches!(error, Error::NoSpace { .. }), "{error}");
    }
}
