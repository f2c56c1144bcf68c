//! The originals: one small tree that holds whatever a format has a way of its own for, cut down to
//! what old formats can name.

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

/// When the newest files of the tree were modified, unless that is just now: 2024-05-29, half a
/// year after all others.
///
/// What a backup lacks may have been made after it, if it is newer than everything in it. So the
/// newest files are a few whose loss nobody can prove, and any other that is missing was lost.
const NEWEST_TIME: u64 = 1_717_000_000;

/// How long the newest files of the [`Live`](Level::Live) tree are made after the rest: longer than
/// the coarsest clock of a file system, and than the `--backup-window` of every run.
const PAUSE: Duration = Duration::from_millis(2_100);

/// Which formats can name a thing. Each holds what the ones before it hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Paths of up to 99 bytes.
    V7,
    /// Paths of up to 255 bytes that can be cut into two.
    Ustar,
    /// Everything but names in decomposed Unicode, which bsdtar composes.
    Long,
    /// Everything.
    Full,
    /// The same, but the newest files were modified just now. The system's change times, which
    /// cannot be set, are then older than the newest file: so it is sure that no original was
    /// touched since the backup. That matters where content and time can come apart without a
    /// trace, which is in folders.
    Live,
}

/// The tree as the formats of one level can hold it.
#[derive(Debug)]
pub struct Originals {
    /// Its folder.
    pub root: PathBuf,
    /// Older versions of files that a tar holds twice.
    pub older: PathBuf,
    /// Every regular file's name, those of hard links too, with what it holds.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Every path, with what is not a file told apart.
    pub skeleton: BTreeSet<(PathBuf, bool, Option<PathBuf>)>,
    /// The paths in the order in which programs pack them, each ended by a zero byte, in a file.
    pub list: PathBuf,
    /// The same, each ended by a line feed.
    pub lines: PathBuf,
    /// What the tree is before the first trial, and must be after the last.
    pub state: blake3::Hash,
    _folder: TempDir,
}

/// Where the newest files are.
pub const NEWEST: &str = "newest/";

/// The name of the file that a tar holds in two versions.
pub const TWICE: &str = "docs/appended.txt";

/// A thing in the tree.
enum What {
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
                What::File(content) => content.clone(),
                What::Sparse { .. } => fs::read(root.join(path)).unwrap(),
                What::HardLink(target) => files.get(*target).cloned().unwrap(),
                What::Folder | What::Link(_) => continue,
            };
            files.insert(path.clone(), content);
        }
        // What was put into folders and what links point to has changed their times: once more,
        // from the inside out.
        for (path, _, what) in things.iter().rev() {
            match what {
                What::Folder => set_time(&root.join(path), pack::MTIME),
                What::Link(_) => set_link_time(&root.join(path)),
                _ => {}
            }
        }
        // It has the time of the second: one that is older, and takes its place, is what an older
        // backup would hold.
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

/// Everything in the tree, folders before what is in them, with the formats that can name it.
fn things() -> Vec<(String, Level, What)> {
    let mut all = Vec::new();
    let mut add = |level, path: &str, what| all.push((path.to_owned(), level, what));
    let file = |content: &[u8]| What::File(content.to_vec());
    for folder in ["newest", "docs", "twins", "small", "odd", "links", "empty folder"] {
        add(Level::V7, folder, What::Folder);
    }
    // One of the newest comes first, so that what is cut off at the end does not make the backup
    // look older.
    add(Level::V7, "newest/0", file(b"the first of the newest\n"));
    add(Level::V7, "docs/report.bin", What::File(noise(20_000, 1)));
    add(Level::V7, "docs/letter.txt", file(b"Dear Sir or Madam,\n"));
    add(Level::V7, "docs/novel.txt", What::File(text(12_345)));
    add(Level::V7, TWICE, file(b"The second version, which counts.\n"));
    add(Level::V7, "twins/castor", What::File(noise(3000, 2)));
    add(Level::V7, "twins/pollux", What::File(noise(3000, 3)));
    for number in 0..10 {
        add(Level::V7, &format!("small/{number}.txt"), What::File(text(number * 97 + 1)));
    }
    for number in 0..3 {
        add(Level::V7, &format!("small/empty {number}"), file(b""));
    }
    add(Level::V7, "odd/zeros", What::File(vec![0; 6144]));
    add(Level::V7, "odd/one block", What::File(noise(512, 4)));
    add(Level::V7, "odd/-dash", file(b"a name like an option\n"));
    add(Level::V7, "odd/gr\u{fc}n.txt", file(b"a composed name\n"));
    add(Level::Full, "odd/cafe\u{301} \u{1f4be}.txt", file(b"a decomposed name\n"));
    // Damage that makes a reader look for the next header must not make it find these and believe
    // them.
    add(Level::V7, "odd/inner.tar", What::File(pack::tar(&impostors())));
    add(Level::V7, "odd/inner.zip", What::File(pack::zip(&impostors())));
    long_names(&mut add);
    add(Level::V7, "links/file", file(b"has three names\n"));
    add(Level::V7, "links/second", What::HardLink("links/file"));
    add(Level::V7, "links/third", What::HardLink("links/file"));
    add(Level::V7, "links/report", What::HardLink("docs/report.bin"));
    add(Level::V7, "links/symbolic", What::Link("../docs/letter.txt".to_owned()));
    add(Level::V7, "links/dangling", What::Link("nowhere".to_owned()));
    add(Level::Long, "links/long", What::Link(format!("../{}", "target/".repeat(20))));
    add(Level::V7, "odd/sparse", What::Sparse { size: 100_000, islands: vec![0, 60_000] });
    let islands = (1..28).map(|number| number * 4096).collect();
    add(Level::V7, "odd/very sparse", What::Sparse { size: 120_000, islands });
    for number in 1..3 {
        add(Level::V7, &format!("newest/{number}"), What::File(text(60 + number)));
    }
    all
}

/// Names that tar keeps in two fields, or in an entry of their own.
fn long_names(add: &mut impl FnMut(Level, &str, What)) {
    let mut deep = "deep".to_owned();
    add(Level::Ustar, &deep, What::Folder);
    for (letter, level) in [("a", Level::Ustar), ("b", Level::Long), ("c", Level::Long), ("d", Level::Long)] {
        deep = format!("{deep}/{}", letter.repeat(70));
        add(level, &deep, What::Folder);
        add(level, &format!("{deep}/{}", "file".repeat(15)), What::File(text(300)));
        add(level, &format!("{deep}/other"), What::File(noise(700, 5)));
    }
    let long = format!("odd/{}", "long name ".repeat(13));
    add(Level::Long, long.trim_end(), What::File(noise(1500, 6)));
    add(Level::Long, "odd/after a long name", What::File(text(200)));
    let file = format!("deep/{}/{}", "a".repeat(70), "file".repeat(15));
    let link = format!("links/{}", "hard".repeat(30));
    add(Level::Long, &link, What::HardLink(String::leak(file)));
}

/// Members of archives in the tree, under names that the tree has too, with other content.
fn impostors() -> Vec<Member> {
    ["docs/letter.txt", "small/5.txt", "impostor"].map(|name| Member::new(name, "not the real one")).to_vec()
}

fn text(length: usize) -> Vec<u8> {
    (0_u32..).flat_map(|number| format!("line {number}\n").into_bytes()).take(length).collect()
}

fn make(place: &Path, root: &Path, what: &What, mtime: u64) {
    match what {
        What::Folder => fs::create_dir(place).unwrap(),
        What::File(content) => fs::write(place, content).unwrap(),
        What::Sparse { size, islands } => {
            let file = File::create(place).unwrap();
            file.set_len(*size as u64).unwrap();
            islands.iter().for_each(|&at| file.write_all_at(&noise(512, 7), at as u64).unwrap());
        }
        What::HardLink(target) => return fs::hard_link(root.join(target), place).unwrap(),
        What::Link(target) => return symlink(target, place).unwrap(),
    }
    let is_newest = place.parent().is_some_and(|folder| folder.ends_with("newest"));
    set_time(place, if is_newest { NEWEST_TIME } else { mtime });
}

fn set_time(place: &Path, seconds: u64) {
    // Nanoseconds that differ, so that each format shows how much of them it keeps.
    let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, 123_456_789);
    File::open(place).unwrap().set_modified(time).unwrap();
}

/// The standard library cannot set the times of a link itself.
fn set_link_time(place: &Path) {
    let mut touch = Command::new("touch");
    touch.args(["-h", "-d", &format!("@{}", pack::MTIME)]).arg(place);
    assert!(touch.status().unwrap().success());
}
