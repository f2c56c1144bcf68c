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

mod elsewhere;
mod levels;
#[cfg(test)]
mod tests;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::specs::{self, NamedVolumes};
use crate::backup::path::path_text;
use crate::backup::{Damage, Lost, Snapshot};
use crate::image::Guid;
use crate::platform::{self, Timestamp};

pub(super) use self::elsewhere::check as check_elsewhere;
use self::levels::{
    Level, NAME, entries, file_name, holds_images, is_backup, is_computer, is_image, is_specs, is_stray,
    time_in, time_of_copy,
};

/// The most XML files that are searched for drive letters.
const MOST_XML_FILES: usize = 64;

/// The name that Windows gives the image of the EFI system partition.
pub(super) const EFI_IMAGE: &str = "Esp";

/// One backup, of all volumes that were backed up together.
#[derive(Debug)]
pub(super) struct FoundBackup {
    /// Its name: `Backup 2026-11-27 210005`, unless somebody renamed it.
    pub(super) name: String,
    /// Its folder, that of its computer, and that of all computers.
    pub(super) folders: Vec<PathBuf>,
    /// When it began, according to its name.
    pub(super) taken: Option<Timestamp>,
    /// Its images, in the order of their names. There is at least one.
    pub(super) images: Vec<FoundImage>,
    /// The volumes that its XML names, whether their images are there or not.
    pub(super) named: NamedVolumes,
    /// Whether the file is there that is written when all images are complete.
    pub(super) is_complete: bool,
    /// When that file was last written.
    pub(super) completed: Option<Timestamp>,
    /// What of the backup is missing.
    pub(super) damage: Vec<Damage>,
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
    /// Whether the volume was mounted in a folder.
    pub(super) is_mounted: bool,
}

impl FoundImage {
    /// An image that is a backup by itself.
    pub(super) fn alone(path: &Path) -> Self {
        Self { path: path.to_owned(), guid: None, letter: None, is_mounted: false }
    }

    /// What its volume is called: by the letter of its drive, its GUID or the name of the file.
    pub(super) fn name(&self) -> String {
        match self.guid {
            Some(guid) => volume_name(guid, self.letter),
            // The name begins paths and is shown to people, so it must be the name of one folder.
            None => {
                let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
                let is_safe = |character: char| !character.is_control() && !"/\\".contains(character);
                match stem.chars().all(is_safe) && !stem.chars().all(|character| character == '.') {
                    true => stem.into_owned(),
                    false => "image".to_owned(),
                }
            }
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

/// What a volume is called: by the letter of its drive, or by its GUID.
pub(super) fn volume_name(guid: Guid, letter: Option<char>) -> String {
    letter.map_or_else(|| format!("Volume{{{guid}}}"), String::from)
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

/// Whether a folder is one of those that [`find`] understands.
pub(super) fn is_one(folder: &Path) -> bool {
    Level::of(folder).is_some()
}

/// The folder of the computer whose backups `folder` holds. If it holds folders of computers: that
/// of `this_computer` if it is there, whatever is in it, or else the only one with backups. `None`
/// if `folder` is a backup itself.
fn computer(folder: &Path, this_computer: Option<&str>) -> Result<Option<PathBuf>, NotFound> {
    let folder = match Level::of(folder) {
        Some(Level::Parent) => folder.join(NAME),
        Some(Level::Computers) => folder.to_owned(),
        Some(Level::Computer) => return Ok(Some(folder.to_owned())),
        Some(Level::Backup) => return Ok(None),
        None => return Err(io::Error::from(io::ErrorKind::NotFound).into()),
    };
    let all = entries(&folder)?;
    let is_this =
        |place: &&PathBuf| this_computer.is_some_and(|name| file_name(place).eq_ignore_ascii_case(name));
    if let Some(this) = all.iter().find(is_this) {
        return Ok(Some(this.clone()));
    }
    let computers: Vec<_> = all.into_iter().filter(|entry| is_computer(entry)).collect();
    if let [only] = &computers[..] {
        return Ok(Some(only.clone()));
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
        Some(computer) => {
            check_names(&computer)?;
            backups_of(&computer)?
        }
        None => vec![folder.to_owned()],
    };
    let named = places.iter().map(|place| file_name(place));
    Ok(named.map(|name| Snapshot { taken: time_in(&name), name, id: None }).collect())
}

/// Makes sure that the time of every backup of a computer is known: the newest may be one that
/// somebody copied or renamed.
fn check_names(computer: &Path) -> Result<(), NotFound> {
    let backups = backups_of(computer)?;
    // A link such as `current` adds nothing.
    let is_known = |entry: &PathBuf| backups.iter().any(|known| platform::is_same_file(known, entry));
    let strays = entries(computer)?.into_iter().filter(|entry| is_stray(entry) && !is_known(entry));
    let strays: Vec<_> = strays.collect();
    let Some(first) = strays.first() else { return Ok(()) };
    let names: Vec<_> = strays.iter().map(|place| file_name(place)).collect();
    Err(NotFound::Choice(format!(
        "it is not known which backup of {} is the newest: {} may be one, and its name does not tell its time, as \
         \"Backup 2026-11-27 210005\" does; name the folder of a backup: --backup \"{}\"; or move the others away",
        file_name(computer),
        names.join(", "),
        path_text(first),
    )))
}

/// Finds the backup with this name below `folder`, or the newest.
pub(super) fn find(
    folder: &Path,
    name: Option<&str>,
    this_computer: Option<&str>,
) -> Result<FoundBackup, NotFound> {
    let mut notes = Vec::new();
    let Some(computer) = computer(folder, this_computer)? else { return read(folder, name, true, notes) };
    let place = choose(&computer, name, &mut notes)?;
    if name.is_none() {
        notes.extend(check_elsewhere(folder, &file_name(&computer), &place)?);
    }
    read(&place, name, name.is_some(), notes)
}

/// Reads what is in the folder of a backup, which must have this name.
fn read(
    place: &Path,
    name: Option<&str>,
    is_chosen_by_user: bool,
    mut notes: Vec<String>,
) -> Result<FoundBackup, NotFound> {
    if name.is_some_and(|name| name != file_name(place)) {
        return Err(NotFound::Choice(format!("it is the backup {}, and no other", file_name(place))));
    }
    let files = entries_of(place)?;
    let Inventory { named, letters, is_complete, completed, mut damage } =
        Inventory::of(place, &files, is_chosen_by_user, &mut notes);
    let images = files.into_iter().filter(|path| is_image(path)).map(|path| {
        let guid = guid_of(&path);
        let letter = guid.and_then(|guid| letters.get(&guid)?.letter);
        let is_mounted =
            guid.is_some_and(|guid| named.get(&guid).is_some_and(|volume| volume.folder.is_some()));
        FoundImage { letter, guid, is_mounted, path }
    });
    let images: Vec<_> = images.collect();
    if images.is_empty() {
        return Err(NotFound::Choice(format!("{} holds no image (.vhd or .vhdx)", path_text(place))));
    }
    damage.extend(without_image(&named, &images, &mut notes));
    notes.extend(named.iter().filter(|(_, volume)| volume.is_partial).map(|(guid, volume)| {
        let left_out = match &volume.left_out[..] {
            [] => String::new(),
            paths => format!(", which leaves out {}", paths.join(", ")),
        };
        format!(
            "only chosen files of volume {} are in the backup, by {}{left_out}: leave out the others with --exclude, or \
             completeness names them as missing",
            volume_name(*guid, volume.letter),
            specs::FILE
        )
    }));
    let name = file_name(place);
    let folders = folders_of(place);
    let taken = time_of_copy(&name);
    Ok(FoundBackup { taken, name, folders, images, named, is_complete, completed, damage, notes })
}

/// The folder of a backup, and those above it that Windows owns. A link may lead to any of them, so
/// they are found above the place that all links lead to.
fn folders_of(backup: &Path) -> Vec<PathBuf> {
    // Some file systems of Windows cannot tell that place.
    let backup = std::fs::canonicalize(backup).unwrap_or_else(|_| backup.to_owned());
    let computer = backup.parent().filter(|above| levels::is_computer_by_name(above)).map(Path::to_owned);
    let all = computer.as_deref().and_then(Path::parent).map(Path::to_owned);
    [backup].into_iter().chain(computer).chain(all).collect()
}

/// The newest backup of a computer below the root of a drive, and the folder of that computer.
/// `None` if the drive has none. Other places are not searched: see [`check_elsewhere`].
pub(super) fn newest_of(root: &Path, computer: &str) -> Result<Option<(PathBuf, FoundBackup)>, NotFound> {
    let computers = match entries(&root.join(NAME)) {
        Err(error) if levels::is_absence(&error) => return Ok(None),
        computers => computers?,
    };
    let is_wanted = |place: &PathBuf| file_name(place).eq_ignore_ascii_case(computer);
    let Some(folder) = computers.into_iter().find(is_wanted) else { return Ok(None) };
    if !is_computer(&folder) {
        return Ok(None);
    }
    let mut notes = Vec::new();
    let newest = choose(&folder, None, &mut notes)?;
    Ok(Some((folder, read(&newest, None, false, notes)?)))
}

/// The backup of a computer with this name, or the newest.
fn choose(computer: &Path, name: Option<&str>, notes: &mut Vec<String>) -> Result<PathBuf, NotFound> {
    check_names(computer)?;
    let backups = backups_of(computer)?;
    let names = || backups.iter().map(|place| file_name(place)).collect::<Vec<_>>().join(", ");
    let found = match name {
        Some(name) => backups.iter().find(|place| file_name(place) == name),
        None => backups.last(),
    };
    let Some(found) = found.cloned() else {
        let problem = match name {
            Some(name) => format!("it has no backup \"{name}\"; it has {}", names()),
            None => format!(
                "{} holds no backup; to verify one of another computer, name its folder with --backup",
                path_text(computer)
            ),
        };
        return Err(NotFound::Choice(problem));
    };
    if name.is_none() {
        check_newest(&found, &backups)?;
        let of = if backups.len() > 1 { format!(", the newest of {}", backups.len()) } else { String::new() };
        notes.push(format!("the backup is {}{of}", path_text(&found)));
    }
    Ok(found)
}

/// What is in the folder of a backup. Its path is in the error: the user may have named one above.
fn entries_of(backup: &Path) -> io::Result<Vec<PathBuf>> {
    entries(backup).map_err(|error| elsewhere::in_folder(backup, &error))
}

/// Makes sure that the newest backup can be verified. An older one is never taken in its place
/// unless the user says so.
fn check_newest(newest: &Path, backups: &[PathBuf]) -> Result<(), NotFound> {
    let files = entries_of(newest)?;
    let older = backups.iter().rev().skip(1).find(|older| holds_images(older));
    let problem = if !files.iter().any(|path| is_image(path)) {
        "holds no image (.vhd or .vhdx)".to_owned()
    } else if older.is_some() && !files.iter().any(|path| is_specs(path)) {
        format!("has no {}, which is written when a backup is complete", specs::FILE)
    } else {
        return Ok(());
    };
    let instead = older
        .map(|older| format!("; to verify an older one, name its folder: --backup \"{}\"", path_text(older)));
    Err(NotFound::Choice(format!(
        "its newest backup, {}, {problem}: wait until the backup has finished, or find out why it failed{}",
        file_name(newest),
        instead.unwrap_or_default(),
    )))
}

/// What the XML files of a backup say about it.
struct Inventory {
    /// The volumes of the backup.
    named: NamedVolumes,
    /// Where the letters of volumes come from: the same, or other files.
    letters: NamedVolumes,
    /// Whether the file is there that names the volumes.
    is_complete: bool,
    /// When that file was last written.
    completed: Option<Timestamp>,
    damage: Vec<Damage>,
}

impl Inventory {
    /// Reads the XML files among these.
    fn of(folder: &Path, files: &[PathBuf], is_chosen_by_user: bool, notes: &mut Vec<String>) -> Self {
        let (mut named, mut damage, mut completed) = (NamedVolumes::new(), Vec::new(), None);
        let first = files.iter().find(|path| is_specs(path));
        match first.map(|path| read_xml(path, &mut named, &mut completed)) {
            Some(Ok(())) => damage.extend(not_named(files, &named)),
            Some(Err(problem)) => damage.push(Damage::gap(
                format!("{problem}; so the backup may have more volumes than its images tell"),
                None,
            )),
            None if is_chosen_by_user => notes.push(format!("{}: the backup may have failed", no_specs())),
            None => damage.push(Damage::gap(
                format!(
                    "{}: the backup may have failed; to verify it all the same, name its folder: --backup \"{}\"",
                    no_specs(),
                    path_text(folder)
                ),
                None,
            )),
        }
        let mut letters = named.clone();
        let has_letter = |volumes: &NamedVolumes| volumes.values().any(|volume| volume.letter.is_some());
        if !has_letter(&letters) {
            let is_xml = |path: &&PathBuf| {
                path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("xml"))
            };
            for path in files.iter().filter(is_xml).take(MOST_XML_FILES) {
                // These files are not known to name drives, so what is wrong with them tells
                // nothing.
                let _ = read_xml(path, &mut letters, &mut None);
            }
        }
        if !has_letter(&letters) {
            notes.push("no file of the backup tells which drive letters its volumes had".to_owned());
        }
        Self { named, letters, is_complete: first.is_some(), completed, damage }
    }
}

fn no_specs() -> String {
    format!("{} is missing, which Windows writes when a backup is complete", specs::FILE)
}

/// Reads the volumes that an XML file names, and when it was last written. An error says what is
/// wrong with the file.
fn read_xml(path: &Path, volumes: &mut NamedVolumes, written: &mut Option<Timestamp>) -> Result<(), String> {
    let mut bytes = Vec::new();
    let read = platform::open_to_read(path, false).and_then(|file| {
        *written = Some(platform::stat(&file)?.mtime);
        file.take(specs::MOST_BYTES + 1).read_to_end(&mut bytes)
    });
    let read = match read {
        Err(error) => Err(error.to_string()),
        Ok(_) if bytes.len() as u64 > specs::MOST_BYTES => Err("it is far too large".to_owned()),
        Ok(_) => specs::read(&bytes, volumes),
    };
    read.map_err(|problem| format!("{} cannot be read: {problem}", path_text(path)))
}

/// The GUID of the volume of an image, if the file is named after it.
fn guid_of(image: &Path) -> Option<Guid> {
    image.file_stem().and_then(|stem| stem.to_str()).and_then(Guid::parse)
}

/// The images of volumes that the XML does not name. Such a volume may have been a drive, and
/// nothing is compared with its files then.
fn not_named<'a>(files: &'a [PathBuf], named: &'a NamedVolumes) -> impl Iterator<Item = Damage> + 'a {
    let guids = files.iter().filter(|path| is_image(path)).filter_map(|path| guid_of(path));
    guids.filter(|guid| !named.contains_key(guid)).map(|guid| {
        let problem = format!(
            "{} does not name volume {guid}, of which there is an image: the file may be damaged, and the volume may have been \
             a drive",
            specs::FILE
        );
        // It may be any drive, so no filter and no choice of originals leaves it out.
        Damage::gap(problem, None)
    })
}

/// The volumes that the backup should have, but of which there is no image.
fn without_image(named: &NamedVolumes, images: &[FoundImage], notes: &mut Vec<String>) -> Vec<Damage> {
    // The image of the EFI system partition is not named after its volume, which has no place.
    let is_efi = |image: &&FoundImage| image.name().eq_ignore_ascii_case(EFI_IMAGE);
    let mut efi = images.iter().find(is_efi).filter(|image| image.guid.is_none());
    let missing = named.iter().filter(|(guid, _)| images.iter().all(|image| image.guid != Some(**guid)));
    let mut damage = Vec::new();
    for (guid, volume) in missing {
        let is_placeless = volume.letter.is_none() && volume.folder.is_none();
        if let Some(image) = efi.take_if(|_| is_placeless) {
            let file = file_name(&image.path);
            notes.push(format!("{file} is taken for the image of volume {guid}, which had no drive letter"));
            continue;
        }
        let name = volume_name(*guid, volume.letter);
        let problem = format!(
            "volume {name} is missing: {} names it, but the backup has no image {guid}.vhd or .vhdx",
            specs::FILE
        );
        damage.push(Damage::gap(problem, Some(Lost::Folder(name.into_bytes()))));
    }
    damage
}
