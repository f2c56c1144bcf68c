use super::*;
use crate::backup::Folder;

fn tree(files: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, file).unwrap();
    }
    dir
}

fn original_of(pairing: &Pairing, path: &[u8]) -> Option<PathBuf> {
    pairing.original_paths(path).map(|original| original.display()).find(|path| path.is_file())
}

#[test]
fn what_comes_before_a_sources_files_is_found_by_looking() {
    let world = tree(&["srv/data/a/x", "srv/data/y", "home/z"]);
    let backup = tree(&["srv/data/a/x", "srv/data/y", "home/z"]);
    let sources = [world.path().join("srv/data"), world.path().join("home")];
    let pairing = Pairing::new(
        &Folder::open(backup.path(), false).unwrap(),
        &sources,
        &[],
        false,
        None,
        &CancelToken::new(),
    )
    .unwrap();
    assert_eq!(original_of(&pairing, b"srv/data/a/x"), Some(sources[0].join("a/x")));
    assert_eq!(original_of(&pairing, b"home/z"), Some(sources[1].join("z")));
    assert!(!pairing.covers(b"etc/passwd"));
}

#[test]
fn a_plain_copy_pairs_as_it_is_and_maps_win_over_sources() {
    let world = tree(&["x", "sub/y"]);
    let other = tree(&["y"]);
    let backup = Folder::open(world.path(), false).unwrap();
    let maps = [Map { from: b"sub".to_vec(), to: other.path().to_owned() }];
    let pairing =
        Pairing::new(&backup, &[world.path().to_owned()], &maps, false, None, &CancelToken::new()).unwrap();
    assert_eq!(original_of(&pairing, b"x"), Some(world.path().join("x")));
    assert_eq!(original_of(&pairing, b"sub/y"), Some(other.path().join("y")));
    assert!(pairing.covers(b"anything"));
}

#[test]
fn each_source_is_found_by_its_own_files_however_late_they_come() {
    let etc: Vec<String> = (0..700).map(|number| format!("etc/{number}")).collect();
    let mut files: Vec<&str> = etc.iter().map(String::as_str).collect();
    files.extend(["home/me/docs/a", "home/me/docs/etc/b"]);
    let (world, backup) = (tree(&files), tree(&files));
    let sources = [world.path().join("etc"), world.path().join("home/me/docs")];
    let backup = Folder::open(backup.path(), false).unwrap();
    let pairing = Pairing::new(&backup, &sources, &[], false, None, &CancelToken::new()).unwrap();
    assert_eq!(original_of(&pairing, b"etc/7"), Some(sources[0].join("7")));
    assert_eq!(original_of(&pairing, b"home/me/docs/etc/b"), Some(sources[1].join("etc/b")));
}

#[test]
fn a_source_of_which_the_backup_holds_nothing_is_an_error_that_names_it() {
    let (world, other) = (tree(&["a", "b"]), tree(&["letters/x"]));
    let backup = Folder::open(world.path(), false).unwrap();
    let sources = [world.path().to_owned(), other.path().to_owned()];
    let error =
        Pairing::new(&backup, &sources, &[], false, None, &CancelToken::new()).unwrap_err().to_string();
    assert!(error.contains(other.path().to_str().unwrap()), "{error}");
    let maps = [Map { from: Vec::new(), to: other.path().to_owned() }];
    assert!(Pairing::new(&backup, &[], &maps, false, None, &CancelToken::new()).is_err());
}

#[test]
fn when_nothing_pairs_the_error_shows_both_sides() {
    let (world, backup) = (tree(&["letters/a"]), tree(&["photos/b"]));
    let error = Pairing::new(
        &Folder::open(backup.path(), false).unwrap(),
        &[world.path().to_owned()],
        &[],
        false,
        None,
        &CancelToken::new(),
    );
    let text = error.unwrap_err().to_string();
    assert!(text.contains("photos/b") && text.contains("letters"), "{text}");
}

#[test]
fn a_name_that_merely_begins_alike_is_not_below() {
    assert_eq!(below(b"home2/x", b"home"), None);
    assert_eq!(below(b"home/x", b"home"), Some(&b"x"[..]));
    assert_eq!(below(b"home", b"home"), None);
}
