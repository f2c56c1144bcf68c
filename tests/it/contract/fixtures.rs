//! The committed backups, and what each of them contains.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// One original file, as listed in `fixtures/manifest.txt`.
#[derive(Debug, Clone)]
pub struct FixtureFile {
    pub size: u64,
    pub mtime_ns: i128,
    pub hash: blake3::Hash,
}

/// What a restore of the fixture gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Yield {
    /// Every file.
    Content,
    /// For some files, a reason why they are not restored, which contains these words.
    Refusal(&'static str),
}

/// One backup.
#[derive(Debug)]
pub struct Fixture {
    /// Its name below `fixtures/archives`. The fixture `folder` is beside that folder.
    pub name: &'static str,
    /// The sets of the manifest that it contains.
    sets: &'static [&'static str],
    /// Whether it contains the file of these sets with this path.
    holds: fn(&[u8]) -> bool,
    pub gives: Yield,
    /// What the paths in it begin with.
    below: &'static str,
}

const fn whole(name: &'static str, sets: &'static [&'static str]) -> Fixture {
    Fixture { name, sets, holds: |_| true, gives: Yield::Content, below: "" }
}

/// An image in `fixtures/images`, or a folder with one.
const fn image_of_tree(name: &'static str, below: &'static str) -> Fixture {
    Fixture { name, sets: TREE, holds: |_| true, gives: Yield::Content, below }
}

const fn zip_of_odd(name: &'static str, gives: Yield) -> Fixture {
    Fixture { name, sets: &["odd"], holds: |path| !path.contains(&b'\n'), gives, below: "" }
}

const ODD: &[&str] = &["odd"];
const TREE: &[&str] = &["tree"];
const EVERYTHING_ODD: &[&str] = &["odd", "long", "bytes", "sparse"];
const PAX: &[&str] = &["long", "bytes", "sparse"];

const IMAGES: [&str; 3] = ["tree.ntfs", "tree.vhd", "tree.vhdx"];
const WINDOWS_IMAGE_BACKUP: &str = "WindowsImageBackup";

pub const ALL: &[Fixture] = &[
    whole("folder", TREE),
    #[cfg(target_os = "linux")]
    whole(BORG, EVERYTHING_ODD),
    #[cfg(target_os = "linux")]
    whole(COMMAND, EVERYTHING_ODD),
    #[cfg(target_os = "linux")]
    whole("restic-1", EVERYTHING_ODD),
    #[cfg(target_os = "linux")]
    whole("restic-2", EVERYTHING_ODD),
    whole("tree.tar.gz", TREE),
    whole("tree.tar.bz2", TREE),
    whole("tree.tar.xz", TREE),
    whole("tree.tar.zst", TREE),
    whole("tree-members.tar.gz", TREE),
    whole("tree-streams.tar.bz2", TREE),
    whole("tree-streams.tar.xz", TREE),
    whole("tree-frames.tar.zst", TREE),
    whole("gnu.tar", EVERYTHING_ODD),
    whole("ustar.tar.gz", &["odd", "bytes"]),
    Fixture {
        name: "v7.tar.gz",
        sets: ODD,
        holds: |path| !path.windows(5).any(|part| part == b"fifty"),
        gives: Yield::Content,
        below: "",
    },
    whole("pax-0.0.tar.gz", PAX),
    whole("pax-0.1.tar.gz", PAX),
    whole("pax-1.0.tar.gz", PAX),
    Fixture {
        name: "pax-odd.tar.gz",
        sets: &["odd", "tree"],
        holds: |path| path == b"one-byte" || path.starts_with(b"dir/"),
        gives: Yield::Content,
        below: "",
    },
    whole("repeated.tar", &["again"]),
    whole("incremental.tar.gz", &["again"]),
    image_of_tree("tree.ntfs", ""),
    image_of_tree("tree.vhd", ""),
    image_of_tree("tree.vhdx", ""),
    image_of_tree(WINDOWS_IMAGE_BACKUP, "C/"),
    whole("nothing.tar", &[]),
    whole("bsdtar-pax.tar.gz", EVERYTHING_ODD),
    whole("bsdtar-ustar.tar.gz", ODD),
    whole("bsdtar.zip", &["odd", "long"]),
    Fixture {
        name: "bsdtar-zip64.zip",
        sets: ODD,
        holds: |path| path == b"dir/linked-1" || path == b"dir/empty",
        gives: Yield::Content,
        below: "",
    },
    whole("tree.zip", TREE),
    zip_of_odd("infozip.zip", Yield::Content),
    zip_of_odd("infozip-streamed.zip", Yield::Content),
    zip_of_odd("infozip-encrypted.zip", Yield::Refusal("password")),
    zip_of_odd("behind-a-program.zip", Yield::Content),
    whole("7zip.zip", ODD),
    whole("7zip-bzip2.zip", ODD),
    Fixture {
        name: "7zip-deflate64.zip",
        sets: ODD,
        holds: |_| true,
        gives: Yield::Refusal("DEFLATE64"),
        below: "",
    },
    Fixture {
        name: "7zip-encrypted.zip",
        sets: ODD,
        holds: |_| true,
        gives: Yield::Refusal("password"),
        below: "",
    },
];

/// A repository, which borg makes of what is in an archive.
#[cfg(target_os = "linux")]
const BORG: &str = "borg";

/// What the names of repositories begin with that restic makes of what is in an archive. The number
/// behind it is the version of their format: from the second on, they are compressed.
pub const RESTIC: &str = "restic-";

/// A folder that is listed and restored by other programs (see `collect::location`).
pub const COMMAND: &str = "by-command";

/// What an archive with many kinds of files holds, with their times.
#[cfg(target_os = "linux")]
fn unpacked(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join(name);
    std::fs::create_dir(&place).unwrap();
    let mut tar = std::process::Command::new("tar");
    assert!(tar.arg("-xf").arg(archive("gnu.tar")).arg("-C").arg(&place).status().unwrap().success());
    folder
}

/// A call of the installed borg, with its settings and caches in `home`, in the folder `place`.
#[cfg(target_os = "linux")]
pub fn borg(home: &Path, place: &Path, arguments: &[impl AsRef<std::ffi::OsStr>]) -> std::process::Command {
    let is_installed = std::process::Command::new("borg").arg("--version").output().is_ok();
    assert!(is_installed, "borg is missing: apt-get install borgbackup, or run .ci/setup borgbackup");
    let mut command = std::process::Command::new("borg");
    command.args(arguments).current_dir(place).env("HOME", home).env("BORG_PASSPHRASE", "pass phrase");
    for variable in [
        "BORG_BASE_DIR",
        "BORG_CONFIG_DIR",
        "BORG_KEYS_DIR",
        "BORG_REPO",
        "XDG_CONFIG_HOME",
        "XDG_CACHE_HOME",
    ] {
        command.env_remove(variable);
    }
    command.env("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes");
    command
}

/// A folder that `make` fills, once for all tests and runs: every call of restic takes seconds.
/// What it is made of is part of its name. No test may change what is in it.
#[cfg(target_os = "linux")]
fn made_once(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let content = blake3::hash(&std::fs::read(archive("gnu.tar")).unwrap()).to_hex();
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", &content[..16]));
    if !made.exists() {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        make(folder.path());
        // If another test was faster, its folder stays.
        let _ = std::fs::rename(folder.path(), &made);
    }
    made
}

/// Makes a repository without encryption, of what is in an archive.
#[cfg(target_os = "linux")]
fn make_repository(folder: &Path) {
    let files = unpacked("files");
    let repository = folder.join("repository");
    let home = files.path().join("home");
    let run = |arguments: &[&std::ffi::OsStr], place: &Path| {
        assert!(borg(&home, place, arguments).status().unwrap().success());
    };
    run(&["init".as_ref(), "-e".as_ref(), "none".as_ref(), repository.as_ref()], files.path());
    let mut target = repository.clone().into_os_string();
    target.push("::archive");
    run(&["create".as_ref(), &target, ".".as_ref()], &files.path().join("files"));
}

/// A call of the installed restic for the repository at `repository`, in the folder `place`.
#[cfg(target_os = "linux")]
pub fn restic(
    repository: &Path,
    place: &Path,
    arguments: &[impl AsRef<std::ffi::OsStr>],
) -> std::process::Command {
    let is_installed = std::process::Command::new("restic").arg("version").output().is_ok();
    assert!(is_installed, "restic is missing: apt-get install restic, or run .ci/setup restic");
    let mut command = std::process::Command::new("restic");
    command.args(["--no-cache", "--quiet", "--repo"]).arg(repository).args(arguments).current_dir(place);
    command.env("RESTIC_PASSWORD", "pass word").env("HOME", place);
    for variable in ["RESTIC_PASSWORD_FILE", "RESTIC_PASSWORD_COMMAND", "RESTIC_COMPRESSION"] {
        command.env_remove(variable);
    }
    command
}

/// Makes a repository of what is in an archive, and a file with its password beside it.
#[cfg(target_os = "linux")]
fn make_repository_of_restic(folder: &Path, name: &str) {
    let files = unpacked("files");
    let place = folder.join(name);
    let run = |arguments: &[&str]| {
        assert!(restic(&place, &files.path().join("files"), arguments).status().unwrap().success());
    };
    run(&["init", "--repository-version", name.strip_prefix(RESTIC).unwrap()]);
    run(&["backup", "."]);
    password(&folder.join("password"), "pass word");
}

/// A file with a password, as others may not read it.
#[cfg(target_os = "linux")]
pub fn password(place: &Path, password: &str) {
    std::fs::write(place, password).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(place, mode).unwrap();
}

impl Fixture {
    /// The path of the fixture, and for a compressed tar archive also an uncompressed copy.
    pub fn paths(&self) -> Vec<FixturePath> {
        if self.name == WINDOWS_IMAGE_BACKUP {
            return vec![FixturePath::Folder(windows_image_backup())];
        }
        if self.is_image() {
            return vec![FixturePath::Copy(copy(&image(self.name)))];
        }
        #[cfg(target_os = "linux")]
        match self.name {
            BORG => {
                let place = made_once(BORG, make_repository).join("repository");
                return vec![FixturePath::Lasting(place)];
            }
            name if name.starts_with(RESTIC) => {
                let place = made_once(name, |folder| make_repository_of_restic(folder, name)).join(name);
                return vec![FixturePath::Lasting(place)];
            }
            COMMAND => {
                let folder = unpacked(COMMAND);
                let place = folder.path().join(COMMAND);
                return vec![FixturePath::Below { place, _folder: folder }];
            }
            _ => {}
        }
        let mut paths = vec![FixturePath::Lasting(archive(self.name))];
        if let Some(plain) = uncompressed(self.name) {
            paths.push(FixturePath::Copy(copy(&plain)));
        }
        paths
    }

    /// Whether it is an image that is committed compressed.
    fn is_image(&self) -> bool {
        IMAGES.contains(&self.name)
    }

    /// The files that it contains.
    pub fn expected(&self) -> BTreeMap<Vec<u8>, FixtureFile> {
        let sets = manifest();
        let files = self.sets.iter().flat_map(|set| sets[*set].clone());
        let files = files.filter(|(path, _)| (self.holds)(path));
        files.map(|(path, file)| ([self.below.as_bytes(), &path].concat(), file)).collect()
    }
}

/// The path of a backup that lasts, or of a temporary copy.
pub enum FixturePath {
    Lasting(PathBuf),
    Copy(tempfile::TempPath),
    Folder(tempfile::TempDir),
    /// A place below a temporary folder, which is kept as long.
    #[cfg(target_os = "linux")]
    Below {
        place: PathBuf,
        _folder: tempfile::TempDir,
    },
}

impl AsRef<Path> for FixturePath {
    fn as_ref(&self) -> &Path {
        match self {
            Self::Lasting(path) => path,
            Self::Copy(path) => path,
            Self::Folder(folder) => folder.path(),
            #[cfg(target_os = "linux")]
            Self::Below { place, _folder } => place,
        }
    }
}

/// Creates a temporary file with this content.
pub fn copy(content: &[u8]) -> tempfile::TempPath {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file.into_temp_path()
}

/// The content of a committed disk image.
pub fn image(name: &str) -> Vec<u8> {
    let place = archive("..").join("images").join(format!("{name}.xz"));
    let compressed = std::fs::read(place).unwrap();
    let mut image = Vec::new();
    liblzma::read::XzDecoder::new(&compressed[..]).read_to_end(&mut image).unwrap();
    image
}

/// A folder as Windows Server Backup makes it, with the image of one volume that was drive C.
fn windows_image_backup() -> tempfile::TempDir {
    const GUID: &str = "9b9cfbc4-369e-11e9-a17c-806e6f6e6963";
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("WindowsImageBackup").join("SERVER").join("Backup 2026-11-27 210005");
    std::fs::create_dir_all(&backup).unwrap();
    std::fs::write(backup.join(format!("{GUID}.vhd")), image("tree.vhd")).unwrap();
    let specs = format!(r#"<Volume Name="\\?\Volume{{{GUID}}}\" AccessPath="C:" OriginalAccessPath="C:" />"#);
    let specs: Vec<u8> = specs.encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(backup.join("BackupSpecs.xml"), specs).unwrap();
    folder
}

/// The path of a committed backup.
pub fn archive(name: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    if name == "folder" { fixtures.join(name) } else { fixtures.join("archives").join(name) }
}

/// All bytes of a backup. For a folder, these are names and contents.
pub fn content(path: &Path) -> Vec<u8> {
    if !path.is_dir() {
        return std::fs::read(path).unwrap();
    }
    let mut all = Vec::new();
    for entry in walkdir::WalkDir::new(path).sort_by_file_name() {
        let entry = entry.unwrap();
        all.extend_from_slice(entry.path().as_os_str().as_encoded_bytes());
        if entry.file_type().is_file() {
            all.extend(std::fs::read(entry.path()).unwrap());
        }
    }
    all
}

fn uncompressed(name: &str) -> Option<Vec<u8>> {
    let compressed = std::fs::read(archive(name)).ok()?;
    let mut plain = Vec::new();
    match name.rsplit_once(".tar.")?.1 {
        "gz" => flate2::read::MultiGzDecoder::new(&compressed[..]).read_to_end(&mut plain).unwrap(),
        "bz2" => bzip2::read::MultiBzDecoder::new(&compressed[..]).read_to_end(&mut plain).unwrap(),
        "xz" => liblzma::read::XzDecoder::new_multi_decoder(&compressed[..]).read_to_end(&mut plain).unwrap(),
        _ => zstd::Decoder::new(&compressed[..]).unwrap().read_to_end(&mut plain).unwrap(),
    };
    Some(plain)
}

/// Reads the manifest: for each set, its files.
fn manifest() -> BTreeMap<String, BTreeMap<Vec<u8>, FixtureFile>> {
    let text = std::fs::read_to_string(archive("..").join("manifest.txt")).unwrap();
    let mut sets: BTreeMap<String, BTreeMap<_, _>> = BTreeMap::new();
    for line in text.lines() {
        let [set, size, mtime, hash, path] = line.splitn(5, ' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let (seconds, nanos) = mtime.split_once('.').unwrap();
        let mtime_ns = seconds.parse::<i128>().unwrap() * 1_000_000_000 + nanos.parse::<i128>().unwrap();
        let hash = blake3::Hash::from_hex(hash).unwrap();
        let original = FixtureFile { size: size.parse().unwrap(), mtime_ns, hash };
        sets.entry(set.to_owned()).or_default().insert(bkverify::backup::unescape(path), original);
    }
    sets
}
