use std::fs;

use super::*;

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|item| item.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

#[test]
fn replacing_a_file_leaves_no_temporary_file() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("report.json");
    replace(&place, b"first, and longer").unwrap();
    replace(&place, b"second").unwrap();
    assert_eq!(fs::read_to_string(&place).unwrap(), "second");
    assert_eq!(names(folder.path()), ["report.json"]);
}

#[test]
fn a_failed_write_leaves_no_temporary_file() {
    let folder = tempfile::tempdir().unwrap();
    assert!(replace(&folder.path().join("missing/report.json"), b"text").is_err());
    assert!(replace(folder.path(), b"text").is_err(), "a folder cannot be replaced by a file");
    assert_eq!(names(folder.path()), [""; 0]);
    fs::create_dir(folder.path().join("taken")).unwrap();
    assert!(create(&folder.path().join("taken"), b"text").is_err());
    assert_eq!(names(folder.path()), ["taken"]);
}

#[test]
fn create_refuses_to_overwrite() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("new");
    create(&place, b"first").unwrap();
    assert_eq!(create(&place, b"second").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&place).unwrap(), b"first");
    assert_eq!(names(folder.path()), ["new"]);
}

#[test]
fn of_several_that_write_a_new_file_at_once_none_fails() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..50 {
        let place = folder.path().join(round.to_string());
        let ready = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for content in [b"one", b"two", b"six", b"ten"] {
                let (place, ready) = (&place, &ready);
                scope.spawn(move || {
                    ready.wait();
                    replace(place, content).unwrap();
                });
            }
        });
        assert_eq!(fs::read(&place).unwrap().len(), 3);
    }
    assert_eq!(names(folder.path()).len(), 50);
}

#[test]
fn a_dash_is_standard_output_and_nothing_else_is() {
    assert_eq!(Output::from(OsString::from("-")), Output::Stdout);
    for name in ["./-", "-x", "--", "", "a"] {
        assert_eq!(Output::from(OsString::from(name)), Output::File(PathBuf::from(name)));
    }
}

#[cfg(unix)]
#[test]
fn a_new_file_follows_the_umask_and_a_replaced_one_keeps_its_permissions() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    // The permissions that this process gives to any file.
    fs::write(folder.path().join("plain"), "").unwrap();
    replace(&folder.path().join("replaced"), b"text").unwrap();
    create(&folder.path().join("created"), b"text").unwrap();
    assert_eq!((mode("replaced"), mode("created")), (mode("plain"), mode("plain")));
    for kept in [0o600, 0o640, 0o604] {
        let place = folder.path().join("plain");
        fs::set_permissions(&place, fs::Permissions::from_mode(kept)).unwrap();
        replace(&place, b"text").unwrap();
        assert_eq!(mode("plain"), kept);
    }
}

#[cfg(unix)]
#[test]
fn a_device_is_written_and_not_replaced_and_a_link_is_followed() {
    replace(Path::new("/dev/null"), b"text").unwrap();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
    let folder = tempfile::tempdir().unwrap();
    let (target, link) = (folder.path().join("target"), folder.path().join("link"));
    fs::write(&target, "old").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    replace(&link, b"new").unwrap();
    assert_eq!(fs::read_to_string(&target).unwrap(), "new");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

/// Only root can give files to another user, and root is the user that these attacks target.
/// Without root, these tests do nothing.
#[cfg(target_os = "linux")]
mod of_other_users {
    use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};

    use super::*;

    const OTHER: Option<u32> = Some(4_321);

    /// A folder like `/tmp`, beside a file that belongs to root. `None` if this process is not
    /// root.
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
        let error = replace(place, b"report").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
        assert!(error.to_string().contains("another user"), "{error}");
        let early = platform::check_destination(place).unwrap_err();
        assert_eq!(early.to_string(), error.to_string());
    }

    #[test]
    fn a_link_of_another_user_is_not_followed_anywhere_in_a_path() {
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
    fn a_link_of_this_user_in_a_shared_folder_is_followed() {
        let Some((world, shared)) = sticky() else { return };
        symlink("../precious", shared.join("report.json")).unwrap();
        replace(&shared.join("report.json"), b"report").unwrap();
        assert_eq!(fs::read(world.path().join("precious")).unwrap(), b"report");
    }

    #[test]
    fn a_file_or_a_pipe_of_another_user_in_a_shared_folder_is_not_written() {
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
    fn in_a_folder_of_another_user_links_are_refused_and_a_replaced_report_becomes_private() {
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
        replace(&old, b"report").unwrap();
        assert_eq!(fs::metadata(&old).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_appeared_in_the_meantime_is_not_replaced() {
        let Some((world, _)) = sticky() else { return };
        let place = world.path().join("new");
        let Ok(Destination::File { folder, name, is_new: true, .. }) = platform::destination(&place) else {
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
fn pipes_and_files_behind_dev_fd_are_written() {
    use std::io::Read;
    use std::os::fd::AsRawFd;
    let (mut reading, writing) = io::pipe().unwrap();
    replace(Path::new(&format!("/dev/fd/{}", writing.as_raw_fd())), b"text").unwrap();
    drop(writing);
    let mut got = String::new();
    reading.read_to_string(&mut got).unwrap();
    assert_eq!(got, "text");
    let file = tempfile::NamedTempFile::new().unwrap();
    replace(Path::new(&format!("/dev/fd/{}", file.as_file().as_raw_fd())), b"text").unwrap();
    assert_eq!(fs::read_to_string(file.path()).unwrap(), "text");
}
