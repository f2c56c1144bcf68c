//! Those tests of this module that need a Windows system.

use super::*;
use std::io::{Read, Write};

use cap_std::ambient_authority;
use cap_std::fs::Dir;

/// A folder with `files`, each holding its own name.
fn world(files: &[&str]) -> (tempfile::TempDir, Tree) {
    let folder = tempfile::tempdir().unwrap();
    for name in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    let tree = Tree::open(folder.path(), true).unwrap();
    (folder, tree)
}

fn names(tree: &Tree, path: &str) -> Vec<(String, Kind, Option<u64>)> {
    let mut found = Vec::new();
    let mut see = |listed: FolderEntry<'_>| {
        found.push((
            String::from_utf8(listed.name.to_vec()).unwrap(),
            listed.kind,
            listed.stat.map(|stat| stat.size),
        ));
    };
    tree.list(path.as_bytes(), true, &mut Vec::new(), &mut see).unwrap();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

fn content(mut file: File) -> Vec<u8> {
    let mut all = Vec::new();
    file.read_to_end(&mut all).unwrap();
    all
}

#[test]
fn a_folder_lists_its_files_with_sizes_and_its_folders() {
    let (_folder, tree) = world(&["a", "Grüße", "sub/b"]);
    let expected = [("Grüße", Kind::File, Some(7)), ("a", Kind::File, Some(1)), ("sub", Kind::Folder, None)];
    assert_eq!(names(&tree, ""), expected.map(|(name, kind, size)| (name.to_owned(), kind, size)));
    assert_eq!(names(&tree, "sub"), [("b".to_owned(), Kind::File, Some(5))]);
}

#[test]
fn a_folder_of_more_names_than_one_call_gives_is_listed_whole() {
    let files: Vec<String> =
        (0..700).map(|number| format!("a file with quite a long name {number:08}")).collect();
    let (_folder, tree) = world(&files.iter().map(String::as_str).collect::<Vec<_>>());
    let listed: Vec<String> = names(&tree, "").into_iter().map(|(name, ..)| name).collect();
    assert_eq!(listed, files);
}

#[test]
fn an_empty_folder_lists_nothing() {
    let (_folder, tree) = world(&[]);
    assert!(names(&tree, "").is_empty());
}

#[test]
fn listing_and_opening_tell_the_same_state() {
    let (_folder, tree) = world(&["one"]);
    let mut listed = None;
    tree.list(b"", true, &mut Vec::new(), &mut |found| listed = found.stat).unwrap();
    let (listed, by_path) = (listed.unwrap(), tree.stat(b"one").unwrap());
    let by_handle = stat(&tree.open_file(b"one", false).unwrap()).unwrap();
    assert_eq!(by_path, by_handle);
    assert_eq!((listed.size, listed.mtime, listed.id), (by_path.size, by_path.mtime, by_path.id));
}

#[test]
fn modification_times_are_the_systems() {
    let (folder, tree) = world(&["one"]);
    let modified = fs::metadata(folder.path().join("one")).unwrap().modified().unwrap();
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(tree.stat(b"one").unwrap().mtime.as_nanos(), i128::try_from(since.as_nanos()).unwrap());
}

#[test]
fn what_was_in_the_cache_reads_the_same_after_it_was_dropped() {
    let (folder, tree) = world(&[]);
    let bytes: Vec<u8> = (0..1_000_003_u32).map(|number| (number % 251) as u8).collect();
    fs::write(folder.path().join("large"), &bytes).unwrap();
    assert_eq!(content(tree.open_file(b"large", false).unwrap()), bytes);
    let alone = open_to_read(&folder.path().join("large"), true).unwrap();
    let mut part = [0; 7];
    assert_eq!(read_at(&alone, &mut part, 999_990).unwrap(), 7);
    assert_eq!(part, bytes[999_990..999_997]);
}

#[test]
fn names_that_mean_something_else_to_windows_are_not_found() {
    let (_folder, tree) = world(&["name"]);
    for path in [
        &b"name:stream"[..],
        b"name::$DATA",
        b"sub\\name",
        b"../name",
        b"na?e",
        b"*",
        b"caf\xE9",
        b"nam\xED\xA0\x80",
    ] {
        let error = tree.open_file(path, true).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound, "{}: {error}", path.escape_ascii());
    }
    for path in [&b"NUL"[..], b"con.txt", b"name.", b"name "] {
        let error = tree.open_file(path, true).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound, "{}: {error}", path.escape_ascii());
    }
}

#[test]
fn reserved_names_that_exist_are_plain_files() {
    let (folder, tree) = world(&[]);
    let root = fs::canonicalize(folder.path()).unwrap();
    for name in ["aux", "nul.txt", "dot."] {
        fs::write(root.join(name), name).unwrap();
        assert_eq!(content(tree.open_file(name.as_bytes(), false).unwrap()), name.as_bytes());
        fs::remove_file(root.join(name)).unwrap();
    }
}

#[test]
fn case_does_not_matter_when_an_original_is_opened() {
    let (_folder, tree) = world(&["Sub/Name.TXT"]);
    assert_eq!(content(tree.open_file(b"sub/nAME.txt", false).unwrap()), b"Sub/Name.TXT");
}

#[test]
fn paths_longer_than_260_characters_work() {
    let (folder, tree) = world(&[]);
    let part = "p".repeat(100);
    let path = [part.as_str(); 5].join("/");
    let deep = fs::canonicalize(folder.path()).unwrap().join(path.replace('/', "\\"));
    fs::create_dir_all(deep.parent().unwrap()).unwrap();
    fs::write(&deep, "deep").unwrap();
    assert_eq!(content(tree.open_file(path.as_bytes(), false).unwrap()), b"deep");
    assert_eq!(names(&tree, &path[..path.len() - 101])[0].0, part);
}

#[test]
fn a_file_that_another_program_holds_is_in_use_and_still_has_a_state() {
    let (folder, tree) = world(&["locked"]);
    let held = OpenOptions::new().write(true).share_mode(0).open(folder.path().join("locked")).unwrap();
    let error = tree.open_file(b"locked", false).unwrap_err();
    assert!(is_in_use(&error), "{error}");
    assert_eq!(tree.stat(b"locked").unwrap().size, 6);
    drop(held);
    tree.open_file(b"locked", false).unwrap();
}

#[test]
fn an_open_original_can_be_written_renamed_and_deleted_by_others() {
    let (folder, tree) = world(&["busy"]);
    let reading = tree.open_file(b"busy", false).unwrap();
    let path = folder.path().join("busy");
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"!").unwrap();
    fs::rename(&path, folder.path().join("moved")).unwrap();
    fs::remove_file(folder.path().join("moved")).unwrap();
    drop(reading);
}

#[test]
fn a_locked_range_is_in_use() {
    let (folder, tree) = world(&["range"]);
    let locked = OpenOptions::new().read(true).write(true).open(folder.path().join("range")).unwrap();
    locked.lock().unwrap();
    let error = tree.open_file(b"range", false).unwrap().read(&mut [0; 4]).unwrap_err();
    assert!(is_in_use(&error), "{error}");
}

#[test]
fn an_offline_file_is_a_placeholder_that_is_not_opened() {
    use windows_sys::Win32::Storage::FileSystem::{FILE_ATTRIBUTE_OFFLINE, SetFileAttributesW};
    let (folder, tree) = world(&["online-only"]);
    let wide = info::to_wide(&folder.path().join("online-only"));
    // SAFETY: `wide` ends in a zero and lives until the call returns.
    assert!(unsafe { SetFileAttributesW(wide.as_ptr(), FILE_ATTRIBUTE_OFFLINE) } != 0);
    let error = tree.open_file(b"online-only", false).unwrap_err();
    assert!(crate::platform::is_cloud_placeholder(&error), "{error}");
    assert!(!is_in_use(&error));
    assert_eq!(tree.stat(b"online-only").unwrap().kind, Kind::File);
}

#[test]
fn hard_links_have_the_same_number() {
    let (folder, tree) = world(&["one", "other"]);
    fs::hard_link(folder.path().join("one"), folder.path().join("linked")).unwrap();
    let id = |name: &[u8]| tree.stat(name).unwrap().id;
    assert_eq!(id(b"one"), id(b"linked"));
    assert_ne!(id(b"one"), id(b"other"));
    let path = |name| folder.path().join(name);
    assert!(is_same_file(&path("ONE"), &path("linked")));
    assert!(!is_same_file(&path("one"), &path("other")) && !is_same_file(&path("gone"), &path("gone")));
}

#[test]
fn read_only_files_are_removed_and_open_folders_are_private() {
    let folder = tempfile::tempdir().unwrap();
    let parent = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
    private::create_private_dir(&parent, "private").unwrap();
    assert_eq!(
        private::create_private_dir(&parent, "private").unwrap_err().kind(),
        io::ErrorKind::AlreadyExists
    );
    assert_eq!(private::create_private_dir(&parent, "a\\b").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    let dir = parent.open_dir("private").unwrap();
    dir.write("000000", "restored").unwrap();
    let mut permissions = dir.metadata("000000").unwrap().permissions();
    permissions.set_readonly(true);
    dir.set_permissions("000000", permissions).unwrap();
    private::remove_file_even_read_only(&dir, Path::new("000000")).unwrap();
    assert!(!dir.exists("000000"));
}

#[test]
fn free_space_is_told() {
    assert!(free_space(tempfile::tempdir().unwrap().path()).unwrap() > 1 << 20);
}

#[test]
fn paths_become_bytes_with_slashes_and_come_back() {
    for path in [r"D:\backup\Grüße", r"\\server\share\x", r"\\?\C:\long", "plain"] {
        let bytes = path_to_bytes(Path::new(path));
        assert_eq!(bytes, path.replace('\\', "/").as_bytes());
        assert_eq!(path_from_bytes(&bytes).as_os_str(), path);
    }
    let lone = PathBuf::from(OsString::from_wide(&[0x61, 0xD800, u16::from(b'\\'), 0x62]));
    assert_eq!(&*path_to_bytes(&lone), b"a\xED\xA0\x80/b");
    assert_eq!(path_from_bytes(b"a\xED\xA0\x80/b"), lone);
}

#[test]
fn drives_and_shares_get_their_verbatim_form() {
    for (path, expected) in [
        (r"d:\x\y", r"\\?\D:\x\y"),
        (r"C:\", r"\\?\C:\"),
        (r"\\server\share\x", r"\\?\UNC\server\share\x"),
        (r"\\?\C:\x", r"\\?\C:\x"),
    ] {
        assert_eq!(prefixed(Path::new(path)).as_os_str(), expected);
    }
}

#[test]
fn a_tree_at_a_drives_root_opens_what_lies_there() {
    let tree = Tree { root: r"\\?\C:\".into(), volume: 0, cold: false };
    assert_eq!(tree.full_path(b"a/b").unwrap().as_os_str(), r"\\?\C:\a\b");
    assert_eq!(tree.full_path(b"").unwrap().as_os_str(), r"\\?\C:\");
}

#[test]
fn names_that_windows_cannot_hold_are_kept_under_names_that_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
    for path in [&b"x/12:30"[..], b"x/con.txt", b"x/last.", b"x/last ", b"x/caf\xE9", b"x/a\\b", b"x/tab\t"] {
        let name = holdable_name(path);
        dir.create_dir_all("x").unwrap();
        dir.write(&name, "kept").unwrap();
        let file = fs::read_dir(folder.path().join("x")).unwrap().next().unwrap().unwrap().file_name();
        assert_eq!(names::unescape(&format!("x/{}", file.to_str().unwrap())), path);
        dir.remove_dir_all("x").unwrap();
    }
}
