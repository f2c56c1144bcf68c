//! The folder that Windows Server Backup and Windows' "System Image" write:
//!
//! ```text
//! E:\WindowsImageBackup\
//!     SERVER\                                          a computer
//!         MediaId
//!         Catalog\GlobalCatalog, BackupGlobalCatalog
//!         SPPMetadataCache\{GUID}
//!         Backup 2026-11-27 210005\                    a backup; the time is UTC
//!             9b9cfbc4-369e-11e9-a17c-806e6f6e6963.vhdx    a volume, by its GUID
//!             Esp.vhdx                                     the EFI system partition
//!             BackupSpecs.xml                              which volume had which letter
//!             GUID_Components.xml, GUID_Writer….xml        what the writers said
//! ```
//!
//! In: any of these folders, or the one that holds `WindowsImageBackup`. Out: the images of one
//! backup, the newest unless a name says otherwise. Nothing is opened but the XML files.
//!
//! That the time in the name is UTC follows from listings that show it beside the times of the
//! files. That each image is named after its volume, and that an image for the EFI system partition
//! is called `Esp.vhdx`, is known from listings, too.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::specs::{self, Letters};
use crate::backup::Snapshot;
use crate::backup::path::path_text;
use crate::image::Guid;
use crate::platform::{self, Timestamp};

/// The folder's name.
const NAME: &str = "WindowsImageBackup";

/// The most entries of a folder that are looked at. A folder of this kind has a few dozen.
const MOST_ENTRIES: usize = 10_000;

/// The most XML files that are searched for drive letters.
const MOST_XML_FILES: usize = 64;

/// One backup, of all volumes that were backed up together.
#[derive(Debug)]
pub(super) struct FoundBackup {
    /// Its name: `Backup 2026-11-27 210005`, unless somebody renamed it.
    pub(super) name: String,
    /// When it began, according to its name.
    pub(super) taken: Option<Timestamp>,
    /// Its images, in the order of their names. There is at least one.
    pub(super) images: Vec<FoundImage>,
    /// Whether the file is there that is written when all images are complete.
    pub(super) is_complete: bool,
    /// What a person should know about this choice.
    pub(super) notes: Vec<String>,
}

/// The image of a volume.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FoundImage {
    /// The file.
    pub(super) path: PathBuf,
    /// The volume's GUID, if the file is named after it.
    pub(super) guid: Option<Guid>,
    /// The drive letter that the volume had, in upper case.
    pub(super) letter: Option<char>,
}

impl FoundImage {
    /// An image that is a backup by itself.
    pub(super) fn alone(path: &Path) -> Self {
        Self { path: path.to_owned(), guid: None, letter: None }
    }

    /// What its volume is called: by the letter of its drive, its GUID or the name of the file.
    pub(super) fn name(&self) -> String {
        match (self.letter, self.guid) {
            (Some(letter), _) => letter.to_string(),
            (None, Some(guid)) => format!("Volume{{{guid}}}"),
            (None, None) => self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        }
    }

    /// All that the user may call it, in lower case.
    pub(super) fn aliases(&self) -> impl Iterator<Item = String> {
        let letter = self.letter.map(String::from);
        let guid = self.guid.map(|guid| guid.to_string());
        let path = guid.as_ref().map(|guid| format!("volume{{{guid}}}"));
        let stem = self.path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        [letter, guid, path, stem].into_iter().flatten().map(|alias| alias.to_lowercase())
    }
}

/// Why no backup was found.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotFound {
    /// A folder could not be listed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The user has to say more, or the backup cannot be used. The text says why, and what to do.
    #[error("{0}")]
    Choice(String),
}

/// What a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// It holds `WindowsImageBackup`.
    Parent,
    /// It is `WindowsImageBackup`, with a folder for each computer.
    Computers,
    /// It holds the backups of a computer.
    Computer,
    /// It holds the images of a backup.
    Backup,
}

/// Whether a folder is one of those that [`find`] understands.
pub(super) fn is_one(folder: &Path) -> bool {
    level(folder).is_some()
}

fn level(folder: &Path) -> Option<Level> {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if name.to_ascii_lowercase().starts_with(&NAME.to_ascii_lowercase()) && is_of_computers(folder) {
        return Some(Level::Computers);
    }
    if is_of_computers(&folder.join(NAME)) {
        return Some(Level::Parent);
    }
    let entries = entries(folder).ok()?;
    if entries.iter().any(|entry| is_backup(entry)) {
        return Some(Level::Computer);
    }
    let has = |wanted: &str| entries.iter().any(|entry| file_name(entry).eq_ignore_ascii_case(wanted));
    let is_named = time_in(name).is_some();
    let has_images = entries.iter().any(|entry| is_image(entry));
    ((is_named || has(specs::FILE)) && has_images).then_some(Level::Backup)
}

/// Whether a folder holds the folders of computers. One that may not be listed does: its name says
/// so, and then the error is what the user must hear.
fn is_of_computers(folder: &Path) -> bool {
    match entries(folder) {
        Ok(entries) => entries.iter().any(|entry| is_computer(entry)),
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    }
}

/// Whether a folder holds backups of a computer.
fn is_computer(folder: &Path) -> bool {
    match entries(folder) {
        Ok(entries) => entries.iter().any(|entry| is_backup(entry)),
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    }
}

/// Whether a folder is named like a backup and holds an image.
fn is_backup(folder: &Path) -> bool {
    time_in(&file_name(folder)).is_some()
        && match entries(folder) {
            Ok(entries) => entries.iter().any(|entry| is_image(entry)),
            Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
        }
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["vhd", "vhdx"].iter().any(|known| extension.eq_ignore_ascii_case(known)) && path.is_file()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What is in a folder, sorted by name.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.take(MOST_ENTRIES).map(|entry| Ok(entry?.path()));
    let mut entries = entries.collect::<io::Result<Vec<PathBuf>>>()?;
    entries.sort();
    Ok(entries)
}

/// When the backup of this name began: `Backup 2026-11-27 210005`.
fn time_in(name: &str) -> Option<Timestamp> {
    let time = name.strip_prefix("Backup ")?;
    // The parser would accept fewer digits.
    let is_plain = time.len() == 17 && time.is_ascii();
    let time = is_plain.then(|| DateTime::strptime("%Y-%m-%d %H%M%S", time).ok())??;
    let seconds = time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
    Some(Timestamp { seconds, nanos: 0 })
}

/// The folder of the computer whose backups `folder` holds, or of the only one. Of several, that of
/// `this_computer` is taken. `None` if `folder` is a backup itself.
fn computer(folder: &Path, this_computer: Option<&str>) -> Result<Option<PathBuf>, NotFound> {
    let folder = match level(folder) {
        Some(Level::Parent) => folder.join(NAME),
        Some(Level::Computers) => folder.to_owned(),
        Some(Level::Computer) => return Ok(Some(folder.to_owned())),
        Some(Level::Backup) => return Ok(None),
        None => return Err(io::Error::from(io::ErrorKind::NotFound).into()),
    };
    let computers: Vec<_> = entries(&folder)?.into_iter().filter(|entry| is_computer(entry)).collect();
    if let [only] = &computers[..] {
        return Ok(Some(only.clone()));
    }
    let is_this =
        |place: &&PathBuf| this_computer.is_some_and(|name| file_name(place).eq_ignore_ascii_case(name));
    if let Some(this) = computers.iter().find(is_this) {
        return Ok(Some(this.clone()));
    }
    let names: Vec<_> = computers.iter().map(|place| file_name(place)).collect();
    let example = computers.first().map(|place| path_text(place)).unwrap_or_default();
    Err(NotFound::Choice(format!(
        "it holds backups of {} computers ({}); name the folder of one: --backup \"{example}\"",
        names.len(),
        names.join(", "),
    )))
}

/// The backups of a computer, the oldest first.
fn backups_of(computer: &Path) -> io::Result<Vec<PathBuf>> {
    let mut backups: Vec<_> = entries(computer)?.into_iter().filter(|entry| is_backup(entry)).collect();
    backups.sort_by_key(|place| time_in(&file_name(place)));
    Ok(backups)
}

/// The backups below `folder`, by name.
pub(super) fn snapshots(folder: &Path, this_computer: Option<&str>) -> Result<Vec<Snapshot>, NotFound> {
    let places = match computer(folder, this_computer)? {
        Some(computer) => backups_of(&computer)?,
        None => vec![folder.to_owned()],
    };
    let named = places.iter().map(|place| file_name(place));
    Ok(named.map(|name| Snapshot { taken: time_in(&name), name, id: None }).collect())
}

/// Finds the backup with this name below `folder`, or the newest.
pub(super) fn find(
    folder: &Path,
    name: Option<&str>,
    this_computer: Option<&str>,
) -> Result<FoundBackup, NotFound> {
    let mut notes = Vec::new();
    let place = match computer(folder, this_computer)? {
        Some(computer) => choose(&computer, name, &mut notes)?,
        None => folder.to_owned(),
    };
    if name.is_some_and(|name| name != file_name(&place)) {
        return Err(NotFound::Choice(format!("it is the backup {}, and no other", file_name(&place))));
    }
    let files = entries(&place)?;
    let (letters, is_complete) = letters(&files, &mut notes);
    let images = files.into_iter().filter(|path| is_image(path)).map(|path| {
        let guid = path.file_stem().and_then(|stem| stem.to_str()).and_then(Guid::parse);
        FoundImage { letter: guid.and_then(|guid| letters.get(&guid).copied()), guid, path }
    });
    let images: Vec<_> = images.collect();
    if images.is_empty() {
        let problem = format!("{} holds no image (.vhd or .vhdx) any more", path_text(&place));
        return Err(NotFound::Choice(problem));
    }
    let name = file_name(&place);
    Ok(FoundBackup { taken: time_in(&name), name, images, is_complete, notes })
}

/// The newest backup of a computer below the root of a drive, and the folder of that computer.
/// `None` if there is none, or none that can be used.
pub(super) fn newest_of(root: &Path, computer: &str) -> Option<(PathBuf, FoundBackup)> {
    let computers = entries(&root.join(NAME)).ok()?;
    let folder = computers.into_iter().find(|place| file_name(place).eq_ignore_ascii_case(computer))?;
    let newest = find(&folder, None, None).ok()?;
    Some((folder, newest))
}

/// The backup of a computer with this name, or the newest.
fn choose(computer: &Path, name: Option<&str>, notes: &mut Vec<String>) -> Result<PathBuf, NotFound> {
    let backups = backups_of(computer)?;
    let names = || backups.iter().map(|place| file_name(place)).collect::<Vec<_>>().join(", ");
    let found = match name {
        Some(name) => backups.iter().find(|place| file_name(place) == name),
        None => backups.last(),
    };
    let Some(found) = found.cloned() else {
        let problem = match name {
            Some(name) => format!("it has no backup \"{name}\"; it has {}", names()),
            None => format!("{} holds no backup any more", path_text(computer)),
        };
        return Err(NotFound::Choice(problem));
    };
    if name.is_none() {
        let is_finished = found.join(specs::FILE).exists();
        if !is_finished && backups.len() > 1 {
            return Err(NotFound::Choice(format!(
                "its newest backup, {}, has no {}, which is written when a backup is complete: wait until the backup has \
                 finished, or find out why it failed; to verify an older one, name its folder: --backup \"{}\"",
                file_name(&found),
                specs::FILE,
                backups.iter().rev().nth(1).map(|place| path_text(place)).unwrap_or_default(),
            )));
        }
        let of = if backups.len() > 1 { format!(", the newest of {}", backups.len()) } else { String::new() };
        notes.push(format!("the backup is {}{of}", path_text(&found)));
    }
    Ok(found)
}

/// The drive letters from the XML files among these, and whether the file is there that names them.
fn letters(files: &[PathBuf], notes: &mut Vec<String>) -> (Letters, bool) {
    let mut letters = Letters::new();
    let is_specs = |path: &&PathBuf| file_name(path).eq_ignore_ascii_case(specs::FILE);
    let is_xml =
        |path: &&PathBuf| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("xml"));
    let first = files.iter().find(is_specs);
    match first {
        Some(path) => notes.extend(read_letters(path, &mut letters)),
        None => notes.push(format!(
            "{} is missing, which Windows writes when a backup is complete: the backup may have failed",
            specs::FILE
        )),
    }
    if letters.is_empty() {
        for path in files.iter().filter(is_xml).take(MOST_XML_FILES) {
            // These files are not known to name drives, so what is wrong with them tells nothing.
            let _ = read_letters(path, &mut letters);
        }
    }
    if letters.is_empty() {
        notes.push("no file of the backup tells which drive letters its volumes had".to_owned());
    }
    (letters, first.is_some())
}

/// Reads the letters in an XML file. Returns what is wrong with the file.
fn read_letters(path: &Path, letters: &mut Letters) -> Option<String> {
    let mut bytes = Vec::new();
    let read = platform::open_to_read(path, false)
        .and_then(|file| file.take(specs::MOST_BYTES + 1).read_to_end(&mut bytes));
    let problem = match read {
        Err(error) => error.to_string(),
        Ok(_) if bytes.len() as u64 > specs::MOST_BYTES => "it is far too large".to_owned(),
        Ok(_) => specs::read(&bytes, letters).err()?,
    };
    Some(format!("{} cannot be read: {problem}", path_text(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const C: &str = "9b9cfbc4-369e-11e9-a17c-806e6f6e6963";
    const D: &str = "0c0cfbc4-369e-11e9-a17c-806e6f6e6963";

    /// Makes the folder of a backup with two images, of which the XML names one.
    fn backup(computer: &Path, name: &str) -> PathBuf {
        let folder = computer.join(name);
        fs::create_dir_all(&folder).unwrap();
        for image in [C, D, "Esp"] {
            fs::write(folder.join(format!("{image}.vhdx")), "vhdxfile").unwrap();
        }
        let text = format!(r#"<Volume Name="\\?\Volume{{{C}}}\" AccessPath="C:"/>"#);
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        fs::write(folder.join(specs::FILE), units).unwrap();
        folder
    }

    fn world() -> (tempfile::TempDir, PathBuf) {
        let world = tempfile::tempdir().unwrap();
        let computer = world.path().join(NAME).join("SERVER");
        (world, computer)
    }

    #[test]
    fn the_newest_backup_is_found_from_every_folder_above_it() {
        let (world, computer) = world();
        backup(&computer, "Backup 2025-12-31 235959");
        let newest = backup(&computer, "Backup 2026-01-01 000000");
        fs::create_dir_all(computer.join("Catalog")).unwrap();
        fs::create_dir_all(computer.join("Backup 2027-01-01 000000")).unwrap();
        for folder in [world.path(), &world.path().join(NAME), &computer, &newest] {
            assert!(is_one(folder), "{}", folder.display());
            let found = find(folder, None, None).unwrap();
            assert_eq!((found.name.as_str(), found.is_complete), ("Backup 2026-01-01 000000", true));
            assert_eq!(found.taken.map(|taken| taken.seconds), Some(1_767_225_600));
            let images: Vec<_> = found.images.iter().map(|image| (image.guid, image.letter)).collect();
            assert_eq!(images, [(Guid::parse(D), None), (Guid::parse(C), Some('C')), (None, None)]);
        }
        let found = find(world.path(), None, None).unwrap();
        assert!(found.notes[0].ends_with("000000, the newest of 2"), "{:?}", found.notes);
    }

    #[test]
    fn an_older_backup_is_found_by_its_name_and_listed() {
        let (world, computer) = world();
        for name in ["Backup 2026-01-01 000000", "Backup 2025-12-31 235959"] {
            backup(&computer, name);
        }
        let listed = snapshots(world.path(), None).unwrap();
        let names: Vec<_> = listed.iter().map(|snapshot| snapshot.name.as_str()).collect();
        assert_eq!(names, ["Backup 2025-12-31 235959", "Backup 2026-01-01 000000"]);
        let found = find(world.path(), Some(names[0]), None).unwrap();
        assert_eq!(found.name, names[0]);
        let error = find(world.path(), Some("Backup 1"), None).unwrap_err().to_string();
        assert!(error.contains("Backup 1") && error.contains(names[1]), "{error}");
        let other = find(&computer.join(names[1]), Some(names[0]), None).unwrap_err().to_string();
        assert!(other.contains("no other"), "{other}");
    }

    #[test]
    fn of_several_computers_this_one_is_taken_and_otherwise_the_user_must_say() {
        let (world, computer) = world();
        backup(&computer, "Backup 2026-01-01 000000");
        backup(&computer.with_file_name("DESK"), "Backup 2026-02-01 000000");
        let error = find(world.path(), None, Some("laptop")).unwrap_err().to_string();
        assert!(error.contains("DESK, SERVER") && error.contains("--backup \""), "{error}");
        assert_eq!(find(world.path(), None, Some("server")).unwrap().name, "Backup 2026-01-01 000000");
    }

    #[test]
    fn a_folder_that_only_holds_an_image_is_no_backup_of_windows() {
        let world = tempfile::tempdir().unwrap();
        fs::write(world.path().join("machine.vhdx"), "vhdxfile").unwrap();
        fs::write(world.path().join("notes.txt"), "").unwrap();
        fs::create_dir(world.path().join("Backup 2026-01-01")).unwrap();
        fs::create_dir(world.path().join("Backup 2026-01-01 000000")).unwrap();
        fs::create_dir(world.path().join(NAME)).unwrap();
        assert!(!is_one(world.path()));
        assert!(!is_one(&world.path().join(NAME)));
    }

    #[test]
    fn missing_and_garbled_xml_is_survived_with_a_note() {
        for (content, note) in [(None, "is missing"), (Some("<Volume <<<"), "no file of the backup tells")] {
            let (world, computer) = world();
            let folder = backup(&computer, "Backup 2026-01-01 000000");
            match content {
                None => fs::remove_file(folder.join(specs::FILE)).unwrap(),
                Some(content) => fs::write(folder.join(specs::FILE), content).unwrap(),
            }
            let found = find(world.path(), None, None).unwrap();
            assert!(found.images.iter().all(|image| image.letter.is_none()));
            assert_eq!(found.is_complete, content.is_some());
            assert!(found.notes.iter().any(|line| line.contains(note)), "{:?}", found.notes);
        }
    }

    #[test]
    fn an_unfinished_newest_backup_is_not_passed_over_for_an_older_one() {
        let (world, computer) = world();
        let older = backup(&computer, "Backup 2026-01-01 000000");
        let newest = backup(&computer, "Backup 2026-01-02 000000");
        fs::remove_file(newest.join(specs::FILE)).unwrap();
        let error = find(world.path(), None, None).unwrap_err().to_string();
        assert!(error.contains("wait until") && error.contains(&path_text(&older)), "{error}");
        assert!(find(&older, None, None).unwrap().is_complete);
    }

    #[test]
    fn only_names_with_a_time_are_backups() {
        assert_eq!(time_in("Backup 2019-02-22 124351").map(|time| time.seconds), Some(1_550_839_431));
        for other in
            ["Backup", "Backup 2019-02-22", "Backup 2019-02-30 124351", "Backup 2019-2-22 124351 ", "x"]
        {
            assert_eq!(time_in(other), None, "{other}");
        }
    }
}
