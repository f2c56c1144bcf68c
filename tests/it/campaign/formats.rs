//! The formats of the campaign: how real programs make a backup of the tree, and which program is
//! the judge.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::layout::{self, Fault, Layout, Part};
use super::tree::{Level, Originals, TWICE};

/// Which program restores a backup for comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// GNU tar, with the flag of its compression.
    Tar(&'static str),
    /// libarchive's bsdtar.
    BsdTar,
    /// Info-ZIP's unzip.
    Unzip,
    /// A folder does not have to be restored. It is compared as it is.
    Nobody,
}

/// What kind of bytes a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A plain tar.
    Tar,
    /// A compressed tar.
    Stream,
    /// A zip archive.
    Zip,
    /// A folder.
    Folder,
}

/// A way to make a backup.
#[derive(Debug)]
pub struct Maker {
    /// Its name in the figures.
    pub name: &'static str,
    /// What kind of bytes it makes.
    pub shape: Shape,
    /// The program that restores it as the judge.
    pub judge: Program,
    /// Which paths it can store.
    pub level: Level,
    /// The shell command that makes `$out` from the current folder. `$list` and `$lines` are files
    /// with the paths to pack, in order.
    line: &'static str,
}

/// A backup that a program has made.
#[derive(Debug)]
pub struct ArchivedTree {
    /// How it was made.
    pub maker: &'static Maker,
    /// The bytes of the archive. For a folder, see `folder`.
    pub bytes: Vec<u8>,
    /// The positions of its structures.
    pub parts: Vec<Part>,
    /// The folder, if the backup is one.
    pub folder: Option<PathBuf>,
    _folder: TempDir,
}

/// Packs `$list` with GNU tar into `$tar`, with an older version of one file before it. Names and
/// numbers are fixed, so that every trial gets the same bytes.
macro_rules! tar {
    ($flags:literal, $then:literal) => {
        concat!(
            "tar -cf $tar --format=",
            $flags,
            " --no-recursion --owner=bk:1000 --group=bk:1000 --mode=u+rw,go=r ",
            "-C \"$older\" $twice -C \"$PWD\" --null -T \"$list\" && ",
            $then
        )
    };
}

/// The same with bsdtar, without the older version.
macro_rules! bsdtar {
    ($flags:literal) => {
        concat!("bsdtar --format ", $flags, " -cf $out --uid 1000 --gid 1000 -n --null -T \"$list\"")
    };
}

const fn maker(name: &'static str, shape: Shape, judge: Program, level: Level, line: &'static str) -> Maker {
    Maker { name, shape, judge, level, line }
}

const PLAIN: Program = Program::Tar("");

/// Every way to make a backup. A trial picks by number, so new ones must be added at the end.
/// Otherwise old trials can no longer be reproduced.
pub static MAKERS: [Maker; 20] = [
    maker("tar v7", Shape::Tar, PLAIN, Level::V7, tar!("v7", "mv $tar $out")),
    maker("tar ustar", Shape::Tar, PLAIN, Level::Ustar, tar!("ustar -b 1", "mv $tar $out")),
    maker("tar gnu", Shape::Tar, PLAIN, Level::Full, tar!("gnu $sparse", "mv $tar $out")),
    maker("tar oldgnu", Shape::Tar, PLAIN, Level::Full, tar!("oldgnu $sparse -b 256", "mv $tar $out")),
    maker("tar pax", Shape::Tar, PLAIN, Level::Full, tar!("pax $sparse $pax", "mv $tar $out")),
    maker(
        "tar pax, sparse 0.1",
        Shape::Tar,
        PLAIN,
        Level::Full,
        tar!("pax $sparse --sparse-version=0.1 -b 1 $pax", "mv $tar $out"),
    ),
    maker("bsdtar ustar", Shape::Tar, Program::BsdTar, Level::Ustar, bsdtar!("ustar")),
    maker("bsdtar pax", Shape::Tar, Program::BsdTar, Level::Long, bsdtar!("pax")),
    maker(
        "tar.gz",
        Shape::Stream,
        Program::Tar("-z"),
        Level::Full,
        tar!("gnu $sparse", "gzip -n < $tar > $out"),
    ),
    maker("tar.bz2", Shape::Stream, Program::Tar("-j"), Level::Full, tar!("pax $pax", "bzip2 < $tar > $out")),
    maker("tar.xz", Shape::Stream, Program::Tar("-J"), Level::Full, tar!("gnu", "xz -T1 < $tar > $out")),
    maker(
        "tar.zst",
        Shape::Stream,
        Program::Tar("--zstd"),
        Level::Full,
        tar!("pax $pax", "zstd -q < $tar > $out"),
    ),
    maker(
        "tar.zst without sums",
        Shape::Stream,
        Program::Tar("--zstd"),
        Level::Full,
        tar!("gnu", "zstd -q --no-check < $tar > $out"),
    ),
    maker("zip deflated", Shape::Zip, Program::Unzip, Level::Full, "zip -q -y -@ $out < \"$lines\""),
    maker("zip stored", Shape::Zip, Program::Unzip, Level::Full, "zip -q -y -0 -@ $out < \"$lines\""),
    maker(
        "zip streamed",
        Shape::Zip,
        Program::Unzip,
        Level::Full,
        "zip -q -y -@ - < \"$lines\" | cat > $out",
    ),
    maker("zip of bsdtar", Shape::Zip, Program::BsdTar, Level::Long, bsdtar!("zip")),
    maker("folder", Shape::Folder, Program::Nobody, Level::Live, "rsync -a ./ $out"),
    maker("folder with hard links", Shape::Folder, Program::Nobody, Level::Live, "rsync -aH ./ $out"),
    maker(
        "tar.gz of two members",
        Shape::Stream,
        Program::Tar("-z"),
        Level::Full,
        tar!("pax $sparse $pax", "{ head -c 50000 $tar | gzip -n; tail -c +50001 $tar | gzip -n; } > $out"),
    ),
];

/// What of a pax header would differ from run to run.
const PAX: &str = "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime";

/// Holes are where zeros are, whatever the file system says.
const SPARSE: &str = "-S --hole-detection=raw";

impl Maker {
    /// Makes a backup; `None` where the machine lacks the program.
    pub fn make(&'static self, originals: &Originals) -> Option<ArchivedTree> {
        if self.line.contains("bsdtar") && !is_here("bsdtar") {
            return None;
        }
        let folder = TempDir::new().unwrap();
        let out = folder.path().join(if self.shape == Shape::Zip { "out.zip" } else { "out" });
        let mut command = Command::new("sh");
        let line = self.line.replace("$sparse", SPARSE).replace("$pax", PAX).replace("$twice", TWICE);
        command.args(["-ec", &line]).current_dir(&originals.root).stdin(Stdio::null());
        command
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env("out", &out)
            .env("tar", folder.path().join("tar"));
        command.env("list", &originals.list).env("lines", &originals.lines).env("older", &originals.older);
        let made = command.output().unwrap();
        let complaint = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success() && complaint.is_empty(), "{}: {line}\n{complaint}{NEEDS}", self.name);
        let bytes = if out.is_dir() { Vec::new() } else { fs::read(&out).unwrap() };
        let layout = match self.shape {
            Shape::Tar => layout::tar(&bytes),
            Shape::Zip => layout::zip(&bytes),
            Shape::Stream => layout::stream(&bytes),
            Shape::Folder => Layout::default(),
        };
        let is_odd = layout.faults.iter().any(|&fault| fault != Fault::LongTail);
        assert!(!is_odd, "{}: {:?} in an intact archive", self.name, layout.faults);
        Some(ArchivedTree {
            maker: self,
            bytes,
            parts: layout.parts,
            folder: out.is_dir().then_some(out),
            _folder: folder,
        })
    }
}

const NEEDS: &str =
    "\nThe campaign needs GNU tar, gzip, bzip2, xz, zstd, zip, unzip and rsync: .ci/test installs them.";

/// Whether a program is installed.
pub fn is_here(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

impl Program {
    /// The command that restores `archive` to `out`.
    pub fn command(self, archive: &Path, out: &Path) -> Option<Command> {
        // Times of restored files do not matter here, and programs treat odd times differently.
        let words = match self {
            Self::Tar(flag) => {
                format!("tar {flag} --no-same-owner --no-same-permissions --warning=no-timestamp -xf")
            }
            Self::BsdTar => "bsdtar --no-same-owner --no-same-permissions -m -xf".to_owned(),
            // A flipped bit can set the encryption flag, and unzip would then ask for a password.
            Self::Unzip => "unzip -qq -o -P none".to_owned(),
            Self::Nobody => return None,
        };
        let mut words = words.split_whitespace();
        let mut command = Command::new(words.next().unwrap());
        command.args(words).arg(archive);
        command.arg(if self == Self::Unzip { "-d" } else { "-C" }).arg(out);
        Some(command)
    }
}
