//! Reports on their way out: whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A report could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The place cannot be written.
    #[error("cannot write the {what} to {}; the verification itself is done", place.display())]
    Write {
        /// Which report.
        what: &'static str,
        /// Where it should go.
        place: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The text could not be made.
    #[error("cannot make the {what}: {problem}")]
    Render {
        /// Which report.
        what: &'static str,
        /// What is wrong.
        problem: String,
    },
}

/// Whether a place stands for standard output.
pub(super) fn is_stdout(place: &Path) -> bool {
    place.as_os_str() == "-"
}

/// Writes a report to a file, or to standard output for `-`.
pub(super) fn report(what: &'static str, place: &Path, text: &str) -> Result<(), Error> {
    let written = if is_stdout(place) { print(&mut io::stdout().lock(), text) } else { replace(place, text) };
    written.map_err(|source| Error::Write { what, place: place.to_owned(), source })
}

/// Shows the summary on standard output, or on standard error where `stdout_taken`. A reader that has gone away is no
/// failure.
pub(super) fn summary(text: &str, stdout_taken: bool) -> Result<(), Error> {
    let (name, written) = if stdout_taken {
        ("standard error", print(&mut io::stderr().lock(), text))
    } else {
        ("standard output", print(&mut io::stdout().lock(), text))
    };
    match written {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Write { what: "summary", place: PathBuf::from(name), source })
        }
        _ => Ok(()),
    }
}

fn print(out: &mut dyn Write, text: &str) -> io::Result<()> {
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Puts a file in the place of another (or of none) by a temporary file beside it, so that a reader, and a crash, find
/// the old report or the new one. Links are followed; the permissions of the old one stay, a new one is
/// for its owner alone, because it names files. What is no regular file (a pipe, `/dev/null`) is written as it is.
pub(crate) fn replace(place: &Path, text: &str) -> io::Result<()> {
    let target = match fs::canonicalize(place) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => place.to_owned(),
        Err(error) => return Err(error),
    };
    let old = fs::metadata(&target).ok();
    if old.as_ref().is_some_and(|old| !old.is_file() && !old.is_dir()) {
        return print(&mut OpenOptions::new().write(true).open(&target)?, text);
    }
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new().prefix(".bkverify-report-").tempfile_in(folder)?;
    temporary.write_all(text.as_bytes())?;
    if let Some(old) = old {
        temporary.as_file().set_permissions(old.permissions())?;
    }
    temporary.as_file().sync_all()?;
    temporary.persist(&target).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|item| item.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }

    #[test]
    fn a_report_replaces_the_old_one_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("report.json");
        report("JSON report", &place, "first, and longer").unwrap();
        report("JSON report", &place, "second").unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "second");
        assert_eq!(names(folder.path()), ["report.json"]);
    }

    #[test]
    fn a_failed_write_says_which_report_and_where_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("missing/report.json");
        let error = report("JSON report", &place, "text").unwrap_err();
        assert!(error.to_string().contains("the JSON report to") && error.to_string().contains("missing"));
        let on_folder = report("JSON report", folder.path(), "text");
        assert!(on_folder.is_err(), "a folder is no place for a report");
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_written_and_not_replaced_and_a_link_is_followed() {
        report("JSON report", Path::new("/dev/null"), "text").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        report("JSON report", &link, "new").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
