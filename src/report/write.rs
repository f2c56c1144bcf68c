//! Reports on their way out: whole or not at all.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::plan::Plan;
use crate::platform::{self, Destination};
use crate::verify;

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

/// Writes a report to a file, or to standard output for `-`. Since the run began an original may
/// have come to lie where it goes.
pub(super) fn report(plan: &Plan, what: &'static str, place: &Path, text: &str) -> Result<(), Error> {
    let written = if is_stdout(place) {
        print(&mut io::stdout().lock(), text)
    } else {
        verify::check_report(plan, place).map_err(io::Error::other).and_then(|()| replace(place, text))
    };
    written.map_err(|source| Error::Write { what, place: place.to_owned(), source })
}

/// Shows the summary on standard output, or on standard error where `stdout_taken`. A reader that
/// has gone away is no failure.
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

/// Puts a file in the place of another (or of none) by a temporary file beside it, so that a
/// reader, and a crash, find the old report or the new one. The permissions of the old one stay, a
/// new one is for its owner alone, because it names files. What is no regular file (a pipe,
/// `/dev/null`) is written as it is.
///
/// Links are followed if they are this user's or root's, or lie where nobody else can write. Those
/// of others are refused, and so are their pipes and devices, and their files in a folder like
/// `/tmp`: who may write there could make root write over a file of his choice.
pub(crate) fn replace(place: &Path, text: &str) -> io::Result<()> {
    let (folder, name, is_new, permissions) = match platform::destination(place)? {
        Destination::Device(mut device) => return print(&mut device, text),
        Destination::File { folder, name, is_new, permissions } => (folder, name, is_new, permissions),
    };
    let temporary = format!(".bkverify-report-{:016x}", rand::random::<u64>());
    let mut file = platform::create_private_file(&folder, &temporary)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| permissions.map_or(Ok(()), |permissions| file.set_permissions(permissions)))
        .and_then(|()| file.sync_all());
    // Windows renames no file that is open.
    drop(file);
    let done = written.and_then(|()| platform::put(&folder, &temporary, &name, is_new));
    if done.is_err() {
        // The error is about the report; what stays is a file of ours with a telling name.
        let _ = folder.remove_file(&temporary);
    }
    done
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::samples::plan;
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|item| item.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }

    #[test]
    fn a_report_replaces_the_old_one_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("report.json");
        report(&plan(), "JSON report", &place, "first, and longer").unwrap();
        report(&plan(), "JSON report", &place, "second").unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "second");
        assert_eq!(names(folder.path()), ["report.json"]);
    }

    #[test]
    fn a_failed_write_says_which_report_and_where_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("missing/report.json");
        let error = report(&plan(), "JSON report", &place, "text").unwrap_err();
        assert!(error.to_string().contains("the JSON report to") && error.to_string().contains("missing"));
        let on_folder = report(&plan(), "JSON report", folder.path(), "text");
        assert!(on_folder.is_err(), "a folder is no place for a report");
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_written_and_not_replaced_and_a_link_is_followed() {
        report(&plan(), "JSON report", Path::new("/dev/null"), "text").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        report(&plan(), "JSON report", &link, "new").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    /// Giving away takes root, who is the one to be cheated; others have nothing to test.
    #[cfg(target_os = "linux")]
    mod of_others {
        use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};

        use super::*;

        const OTHER: Option<u32> = Some(4_321);

        /// A folder like `/tmp` with a file of root's beside it; nothing where this is not root.
        fn sticky() -> Option<(tempfile::TempDir, PathBuf)> {
            let world = tempfile::tempdir().unwrap();
            let shared = world.path().join("shared");
            fs::create_dir(&shared).unwrap();
            fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
            fs::write(world.path().join("precious"), "precious").unwrap();
            chown(&shared, OTHER, None).and_then(|()| chown(&shared, Some(0), None)).ok()?;
            Some((world, shared))
        }

        #[track_caller]
        fn refuses(place: &Path) {
            let error = replace(place, "report").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
            assert!(error.to_string().contains("another user"), "{error}");
            let early = platform::check_destination(place).unwrap_err();
            assert_eq!(early.to_string(), error.to_string());
        }

        #[test]
        fn a_link_of_another_user_is_not_followed_wherever_it_is_on_the_way() {
            let Some((world, shared)) = sticky() else { return };
            let precious = world.path().join("precious");
            let (file, folder) = (shared.join("report.json"), shared.join("folder"));
            symlink(&precious, &file).unwrap();
            symlink(world.path(), &folder).unwrap();
            let (mine, chain) = (world.path().join("mine"), world.path().join("chain"));
            symlink(&file, &mine).unwrap();
            symlink("shared/folder/precious", &chain).unwrap();
            for link in [&file, &folder] {
                lchown(link, OTHER, None).unwrap();
            }
            for place in [&file, &folder.join("precious"), &folder.join("new"), &mine, &chain] {
                refuses(place);
            }
            assert_eq!(fs::read(&precious).unwrap(), b"precious");
            assert!(file.is_symlink());
            assert_eq!(names(world.path()).len(), 4);
        }

        #[test]
        fn ones_own_link_in_such_a_folder_is_followed() {
            let Some((world, shared)) = sticky() else { return };
            symlink("../precious", shared.join("report.json")).unwrap();
            replace(&shared.join("report.json"), "report").unwrap();
            assert_eq!(fs::read(world.path().join("precious")).unwrap(), b"report");
        }

        #[test]
        fn a_file_or_a_pipe_of_another_user_in_such_a_folder_is_left_alone() {
            let Some((_world, shared)) = sticky() else { return };
            let (file, pipe) = (shared.join("file"), shared.join("pipe"));
            fs::write(&file, "theirs").unwrap();
            rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
            for place in [&file, &pipe] {
                chown(place, OTHER, None).unwrap();
                refuses(place);
            }
            assert_eq!(fs::read(&file).unwrap(), b"theirs");
        }

        #[test]
        fn a_folder_of_another_user_leads_nobody_astray_and_a_report_there_is_for_its_owner_alone() {
            let Some((world, shared)) = sticky() else { return };
            fs::set_permissions(&shared, fs::Permissions::from_mode(0o755)).unwrap();
            let (old, link) = (shared.join("old"), shared.join("link"));
            fs::write(&old, "theirs").unwrap();
            fs::set_permissions(&old, fs::Permissions::from_mode(0o666)).unwrap();
            symlink(world.path().join("precious"), &link).unwrap();
            for place in [&shared, &old, &link] {
                lchown(place, OTHER, None).unwrap();
            }
            refuses(&link);
            replace(&old, "report").unwrap();
            assert_eq!(fs::metadata(&old).unwrap().permissions().mode() & 0o777, 0o600);
        }

        #[test]
        fn what_took_the_name_meanwhile_is_not_replaced() {
            let Some((world, _)) = sticky() else { return };
            let place = world.path().join("new");
            let Ok(Destination::File { folder, name, is_new: true, .. }) = platform::destination(&place)
            else {
                panic!("it is new")
            };
            fs::write(&place, "theirs").unwrap();
            folder.write("mine", "mine").unwrap();
            let error = platform::put(&folder, "mine", &name, true).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(&place).unwrap(), b"theirs");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_standard_output_and_a_pipe_stand_for_is_written() {
        use std::io::Read;
        use std::os::fd::AsRawFd;
        let (mut reading, writing) = io::pipe().unwrap();
        replace(Path::new(&format!("/dev/fd/{}", writing.as_raw_fd())), "text").unwrap();
        drop(writing);
        let mut got = String::new();
        reading.read_to_string(&mut got).unwrap();
        assert_eq!(got, "text");
        let file = tempfile::NamedTempFile::new().unwrap();
        replace(Path::new(&format!("/dev/fd/{}", file.as_file().as_raw_fd())), "text").unwrap();
        assert_eq!(fs::read_to_string(file.path()).unwrap(), "text");
    }
}
