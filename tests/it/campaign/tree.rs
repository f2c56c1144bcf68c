//! The originals: one small tree with everything that a format treats specially, reduced to what
//! old formats can store.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::judge::skeleton;
use crate::pack::{self, Member, noise};
use crate::unix::fingerprint;

/// The modification time of the newest files in the tree, unless that is just now: 2024-05-29, half
/// a year after all others.
///
/// If a file is newer than everything in the backup, it may have been made after the backup. So
/// nobody can prove the loss of the newest files. Any other missing file was certainly lost.
const NEWEST_TIME: u64 = 1_717_000_000;

/// How long after the rest the newest files of the [`Live`](Level::Live) tree are made. This is
/// longer than the coarsest clock of a file system, and longer than the `--backup-window` of every
/// run.
const PAUSE: Duration = Duration::from_millis(2_100);

/// Which formats can store a path. Each level includes the levels before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Paths of up to 99 bytes.
    V7,
    /// Paths of up to 255 bytes that can be split in two.
    Ustar,
    /// Everything except names in decomposed Unicode, which bsdtar composes.
    Long,
    /// Everything.
    Full,
    /// Everything, but the newest files were modified just now. Change times cannot be set, so all
    /// of them are then older than the newest file, and it is certain that no original was touched
    /// since the backup. That matters for folders, in which content and time can be changed
    /// independently without a trace.
    Live,
}

/// The tree that the formats of one level can store.
#[derive(Debug)]
pub struct Originals {
    /// Its folder.
    pub root: PathBuf,
    /// Older versions of files that a tar contains twice.
    pub older: PathBuf,
    /// The name of every regular file, with its content. Hard links are included.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Every path, with what is not a regular file.
    pub skeleton: BTreeSet<(PathBuf, bool, Option<PathBuf>)>,
    /// A file with the paths in the order in which programs pack them, each ended by a zero byte.
    pub list: PathBuf,
    /// The same paths, each ended by a line feed.
    pub lines: PathBuf,
    /// The fingerprint of the tree before the first trial. It must be the same after the last one.
    pub state: blake3::Hash,
    _folder: TempDir,
}

/// The folder of the newest files.
pub const NEWEST: &str = "newest/";

/// The name of the file of which a tar contains two versions.
pub const TWICE: &str = "docs/appended.txt";

/// An entry in the tree.
enum EntryKind {
    Folder,
    File(Vec<u8>),
    Sparse { size: usize, islands: Vec<usize> },
    HardLink(&'static str),
    Link(String),
}

impl Originals {
    /// Makes the tree.
    pub fn new(level: Level) -> Self {
        let folder = TempDir::new().unwrap();
        let top = folder.path().canonicalize().unwrap();
        let (root, older) = (top.join("s"), top.join("older"));
        for place in [&root, &older] {
            fs::create_dir(place).unwrap();
        }
        let things: Vec<_> = things().into_iter().filter(|(_, needs, _)| *needs <= level).collect();
        let mut files = BTreeMap::new();
        for (number, (path, _, what)) in things.iter().enumerate() {
            make(&root.join(path), &root, what, pack::MTIME + number as u64 * 977);
            let content = match what {
                EntryKind::File(content) => content.clone(),
                EntryKind::Sparse { .. } => fs::read(root.join(path)).unwrap(),
                EntryKind::HardLink(target) => files.get(*target).cloned().unwrap(),
                EntryKind::Folder | EntryKind::Link(_) => continue,
            };
            files.insert(path.clone(), content);
        }
        // Creating files in folders and link targets has changed their times. Set them once more,
        // from the innermost to the outermost.
        for (path, _, what) in things.iter().rev() {
            match what {
                EntryKind::Folder => set_time(&root.join(path), pack::MTIME),
                EntryKind::Link(_) => set_link_time(&root.join(path)),
                _ => {}
            }
        }
        // It has the time of the second version. If an older version replaces the newer one, it
        // looks like a file from an older backup.
        pack::write_files(&older, &[Member::new(TWICE, "The first version.\n")]);
        let second = fs::metadata(root.join(TWICE)).unwrap().modified().unwrap();
        File::open(older.join(TWICE)).unwrap().set_modified(second).unwrap();
        let paths = |end: char| things.iter().map(|(path, ..)| format!("{path}{end}")).collect::<String>();
        let (list, lines) = (top.join("list"), top.join("lines"));
        fs::write(&list, paths('\0')).unwrap();
        fs::write(&lines, paths('\n')).unwrap();
        if level == Level::Live {
            std::thread::sleep(PAUSE);
            for number in 0..3 {
                let newest = File::open(root.join(format!("{NEWEST}{number}"))).unwrap();
                newest.set_modified(SystemTime::now()).unwrap();
            }
        }
        let state = fingerprint(&root);
        let skeleton = skeleton(&root);
        Self { root, older, files, skeleton, list, lines, state, _folder: folder }
    }
}

/// All entries of the tree, each folder before its content, with the level that is needed to store
/// them.
fn things() -> Vec<(String, Level, EntryKind)> {
    let mut all = Vec::new();
    let mut add = |level, path: &str, what| all.push((path.to_owned(), level, what));
    let file = |content: &[u8]| EntryKind::File(content.to_vec());
    for folder in ["newest", "docs", "twins", "small", "odd", "links", "empty folder"] {
        add(Level::V7, folder, EntryKind::Folder);
    }
    // One of the newest files comes first, so that a truncated backup does not look older.
    add(Level::V7, "newest/0", file(b"the first of the newest\n"));
    add(Level::V7, "docs/report.bin", EntryKind::File(noise(20_000, 1)));
    add(Level::V7, "docs/letter.txt", file(b"Dear Sir or Madam,\n"));
    add(Level::V7, "docs/novel.txt", EntryKind::File(text(12_345)));
    add(Level::V7, TWICE, file(b"The second version, which counts.\n"));
    add(Level::V7, "twins/castor", EntryKind::File(noise(3000, 2)));
    add(Level::V7, "twins/pollux", EntryKind::File(noise(3000, 3)));
    for number in 0..10 {
        add(Level::V7, &format!("small/{number}.txt"), EntryKind::File(text(number * 97 + 1)));
    }
    for number in 0..3 {
        add(Level::V7, &format!("small/empty {number}"), file(b""));
    }
    add(Level::V7, "odd/zeros", EntryKind::File(vec![0; 6144]));
    add(Level::V7, "odd/one block", EntryKind::File(noise(512, 4)));
    add(Level::V7, "odd/-dash", file(b"a name like an option\n"));
    add(Level::V7, "odd/gr\u{fc}n.txt", file(b"a composed name\n"));
    add(Level::Full, "odd/cafe\u{301} \u{1f4be}.txt", file(b"a decomposed name\n"));
    // Damage can make a reader search for the next header. It must not find these and trust them.
    add(Level::V7, "odd/inner.tar", EntryKind::File(pack::tar(&impostors())));
    add(Level::V7, "odd/inner.zip", EntryKind::File(pack::zip(&impostors())));
    long_names(&mut add);
    add(Level::V7, "links/file", file(b"has three names\n"));
    add(Level::V7, "links/second", EntryKind::HardLink("links/file"));
    add(Level::V7, "links/third", EntryKind::HardLink("links/file"));
    add(Level::V7, "links/report", EntryKind::HardLink("docs/report.bin"));
    add(Level::V7, "links/symbolic", EntryKind::Link("../docs/letter.txt".to_owned()));
    add(Level::V7, "links/dangling", EntryKind::Link("nowhere".to_owned()));
    add(Level::Long, "links/long", EntryKind::Link(format!("../{}", "target/".repeat(20))));
    add(Level::V7, "odd/sparse", EntryKind::Sparse { size: 100_000, islands: vec![0, 60_000] });
    let islands = (1..28).map(|number| number * 4096).collect();
    add(Level::V7, "odd/very sparse", EntryKind::Sparse { size: 120_000, islands });
    for number in 1..3 {
        add(Level::V7, &format!("newest/{number}"), EntryKind::File(text(60 + number)));
    }
    all
}

/// Names that tar stores in two fields, or in an entry of their own.
fn long_names(add: &mut impl FnMut(Level, &str, EntryKind)) {
    let mut deep = "deep".to_owned();
    add(Level::Ustar, &deep, EntryKind::Folder);
    for (letter, level) in [("a", Level::Ustar), ("b", Level::Long), ("c", Level::Long), ("d", Level::Long)] {
        deep = format!("{deep}/{}", letter.repeat(70));
        add(level, &deep, EntryKind::Folder);
        add(level, &format!("{deep}/{}", "file".repeat(15)), EntryKind::File(text(300)));
        add(level, &format!("{deep}/other"), EntryKind::File(noise(700, 5)));
    }
    let long = format!("odd/{}", "long name ".repeat(13));
    add(Level::Long, long.trim_end(), EntryKind::File(noise(1500, 6)));
    add(Level::Long, "odd/after a long name", EntryKind::File(text(200)));
    let file = format!("deep/{}/{}", "a".repeat(70), "file".repeat(15));
    let link = format!("links/{}", "hard".repeat(30));
    add(Level::Long, &link, EntryKind::HardLink(String::leak(file)));
}

/// Members of archives inside the tree. They have names that also exist in the tree, but other
/// content.
fn impostors() -> Vec<Member> {
    ["docs/letter.txt", "small/5.txt", "impostor"].map(|name| Member::new(name, "not the real one")).to_vec()
}

fn text(length: usize) -> Vec<u8> {
    (0_u32..).flat_map(|number| format!("line {number}\n").into_bytes()).take(length).collect()
}

fn make(place: &Path, root: &Path, what: &EntryKind, mtime: u64) {
    match what {
        EntryKind::Folder => fs::create_dir(place).unwrap(),
        EntryKind::File(content) => fs::write(place, content).unwrap(),
        EntryKind::Sparse { size, islands } => {
            let file = File::create(place).unwrap();
            file.set_len(*size as u64).unwrap();
            islands.iter().for_each(|&at| file.write_all_at(&noise(512, 7), at as u64).unwrap());
        }
        EntryKind::HardLink(target) => return fs::hard_link(root.join(target), place).unwrap(),
        EntryKind::Link(target) => return symlink(target, place).unwrap(),
    }
    let is_newest = place.parent().is_some_and(|folder| folder.ends_with("newest"));
    set_time(place, if is_newest { NEWEST_TIME } else { mtime });
}

fn set_time(place: &Path, seconds: u64) {
    // Different nanoseconds, which show how many digits each format keeps.
    let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, 123_456_789);
    File::open(place).unwrap().set_modified(time).unwrap();
}

/// The standard library cannot set the times of a link itself.
fn set_link_time(place: &Path) {
    let mut touch = Command::new("touch");
    touch.args(["-h", "-d", &format!("@{}", pack::MTIME)]).arg(place);
    assert!(touch.status().unwrap().success());
}
