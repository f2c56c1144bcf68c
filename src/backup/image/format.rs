//! Recognises disk images and Windows image backups, and opens them.
//!
//! An image file is recognised by its content: the marks of a VHD or VHDX, or a partition table, or
//! an NTFS volume. A folder is recognised by what it contains ([`windows_image_backup::is_one`]).

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use jiff::tz::TimeZone;

use super::candidates::{Candidates, Opener, is_container};
use super::file::{ImageFile, WAIT};
use super::left_out::LeftOut;
use super::specs;
use super::volumes::{self, Volumes};
use super::windows_image_backup::{self, FoundBackup, FoundImage, NotFound};
use super::{Images, TIME_RESOLUTION_NS, cached};
use crate::backup::description::archive_id;
use crate::backup::format::{BackupCandidate, Format};
use crate::backup::{
    Backup, BackupTime, Context, Damage, DamageKind, Description, Error, Location, Lost, TakenFrom, snapshot,
};
use crate::bytes::ReadAt;
use crate::image::{FileSystem, partition};
use crate::platform::{self, Timestamp};
use crate::words;

/// Folders with the images of all volumes of a computer.
pub const WINDOWS: Format = Format {
    name: "windows-image",
    kind: "a Windows image backup",
    summary: "the folder `WindowsImageBackup` of Windows Server Backup, with a VHD or VHDX for each volume",
    schemes: &[],
    recognise: |candidate| candidate.folder().is_some_and(windows_image_backup::is_one),
    open: open_windows_image_backup,
    snapshots: Some(|candidate, _| {
        let folder = candidate.folder().unwrap_or(Path::new(""));
        let computer = platform::computer_name();
        windows_image_backup::snapshots(folder, computer.as_deref())
            .map_err(|problem| not_found(candidate.location(), problem))
    }),
    has_volumes: true,
};

/// A disk image in a file.
pub const FILE: Format = Format {
    name: "disk-image",
    kind: "a disk image",
    summary: "VHD, VHDX (fixed, dynamic, differencing) or raw, with NTFS volumes in it",
    schemes: &[],
    recognise: is_image,
    open: |candidate, context| {
        let path = candidate.location().local().unwrap_or(Path::new(""));
        let opener = Opener { location: candidate.location(), cold: context.cold, is_named: false };
        let found = opener.open(&[FoundImage::alone(path)])?;
        let about = About {
            format: FILE.name,
            snapshot: None,
            began: None,
            folders: Vec::new(),
            damage: Vec::new(),
            notes: Vec::new(),
        };
        open(candidate.location(), found, about, context)
    },
    snapshots: None,
    has_volumes: true,
};

/// An image may have been written so long before its backup: clocks and time zones may be wrong.
const MOST_SECONDS_BEFORE: i64 = 24 * 60 * 60;

/// The same before `BackupSpecs.xml` is written. A first backup to a slow disk takes days, and so
/// does a copy that gives each file the time at which it was copied.
const MOST_SECONDS_BEFORE_THE_END: i64 = 7 * 24 * 60 * 60;

/// What is known of a backup before its images are opened.
struct About {
    format: &'static str,
    snapshot: Option<String>,
    /// When it began, if its name tells.
    began: Option<Timestamp>,
    folders: Vec<PathBuf>,
    damage: Vec<Damage>,
    notes: Vec<String>,
}

/// Whether a file is a VHD or VHDX, or the copy of a disk or of an NTFS volume.
fn is_image(candidate: &BackupCandidate<'_>) -> bool {
    let Ok((bytes, _)) = candidate.bytes() else { return false };
    if is_container(&*bytes) {
        return true;
    }
    let has_signature = |block: &[u8]| block.get(510..512) == Some(&[0x55, 0xAA]);
    let mut last = [0; 512];
    let got = bytes.read_full_at(&mut last, bytes.len().saturating_sub(512)).unwrap_or(0);
    let is_marked = has_signature(candidate.first()) || (got == 512 && has_signature(&last));
    is_marked
        && partition::partitions(&*bytes, None).is_ok_and(|found| {
            let is_known = |partition: &partition::Partition| partition.file_system != FileSystem::Unknown;
            found.table == partition::Table::Gpt || found.partitions.iter().any(is_known)
        })
}

fn not_found(location: &Location, problem: NotFound) -> Error {
    let location = location.clone();
    match problem {
        NotFound::Io(source) => Error::Open { location, source },
        NotFound::Choice(problem) => Error::NotABackup { location, problem },
    }
}

fn open_windows_image_backup(
    candidate: &BackupCandidate<'_>,
    context: &Context,
) -> Result<Box<dyn Backup>, Error> {
    let location = candidate.location();
    let folder = candidate.folder().unwrap_or(Path::new(""));
    let computer = platform::computer_name();
    let failed = |problem| not_found(location, problem);
    let wanted = match location.snapshot() {
        None => None,
        Some(asked) => {
            let all = windows_image_backup::snapshots(folder, computer.as_deref()).map_err(failed)?;
            let chosen = snapshot::choose(&all, asked, &TimeZone::system());
            let chosen = chosen.map_err(|problem| Error::program(location, problem))?;
            // Whoever asks for the latest, or by a time, does not vouch for the newest backup as
            // somebody does who writes its name.
            let is_newest = all.last().is_some_and(|newest| newest.name == chosen.name);
            (chosen.name == asked || !is_newest).then(|| chosen.name.clone())
        }
    };
    let mut backup =
        windows_image_backup::find(folder, wanted.as_deref(), computer.as_deref()).map_err(failed)?;
    let opener = Opener { location, cold: context.cold, is_named: true };
    let found = opener.open(&backup.images)?;
    if !backup.is_complete && found.files.iter().any(ImageFile::is_recent) {
        let problem = format!(
            "the backup {} is being written: its images were modified a few minutes ago, and the file is missing that Windows \
             writes at the end; {WAIT}",
            backup.name
        );
        return Err(Error::NotABackup { location: location.clone(), problem });
    }
    of_an_earlier_backup(&mut backup, &found.files);
    let FoundBackup { name, taken, folders, damage, notes, .. } = backup;
    let about = About { format: WINDOWS.name, snapshot: Some(name), began: taken, folders, damage, notes };
    open(location, found, about, context)
}

/// The files of a backup that were last written long before it began. Each backup writes to all of
/// its images, so these may be of an earlier one, and `BackupSpecs.xml` may name other volumes. A
/// copy only makes a file younger. If the name of the backup has no time, the images are held
/// against `BackupSpecs.xml`, which is written last. An image of the week before is not noticed
/// then.
fn of_an_earlier_backup(backup: &mut FoundBackup, files: &[ImageFile]) {
    let (time, most_before, what) = match (backup.taken, backup.completed) {
        (Some(began), _) => (began, MOST_SECONDS_BEFORE, format!("{} began", backup.name)),
        (None, Some(completed)) => {
            (completed, MOST_SECONDS_BEFORE_THE_END, format!("{} was written", specs::FILE))
        }
        (None, None) => return,
    };
    let earliest = time.seconds.saturating_sub(most_before);
    let old = |file: &str, written: Timestamp| {
        let at = words::rfc3339(written).unwrap_or_default();
        let problem = format!(
            "{file} was last written at {at}, long before {what}: it may be of an earlier backup; if only its time is wrong, correct \
             that"
        );
        (written.seconds < earliest).then_some(problem)
    };
    let specs = backup.completed.and_then(|written| old(specs::FILE, written));
    // It may not name all volumes of the backup.
    backup.damage.extend(specs.map(|problem| Damage::gap(problem, None)));
    let images = backup.images.iter().filter_map(|image| {
        let file = files.iter().find(|file| file.path() == image.path)?;
        let name = image.name();
        let problem = old(&format!("the image of volume {name} ({})", file.name()), file.stat().mtime)?;
        Some(Damage::gap(problem, Some(Lost::Folder(name.into_bytes()))))
    });
    backup.damage.extend(images);
}

/// The backup in these images.
fn open(
    location: &Location,
    found: Candidates,
    about: About,
    context: &Context,
) -> Result<Box<dyn Backup>, Error> {
    let is_windows = about.format == WINDOWS.name;
    let volumes = volumes::choose(found, location.volume(), is_windows);
    let mut volumes = volumes.map_err(|problem| Error::NotABackup { location: location.clone(), problem })?;
    // What is missing elsewhere does not concern a run about one volume.
    let is_chosen =
        |name: &[u8]| volumes.readable.iter().any(|volume| volume.prefix.strip_suffix(b"/") == Some(name));
    let is_concerned = |damage: &Damage| match &damage.lost {
        Some(Lost::Folder(name)) => location.volume().is_none() || is_chosen(name),
        lost => lost.is_none() || location.volume().is_none(),
    };
    let concerning: Vec<_> = about.damage.into_iter().filter(is_concerned).collect();
    volumes.damage.extend(concerning);
    if volumes.readable.is_empty() {
        return Err(nothing_to_list(location, about.format, &volumes));
    }
    volumes.notes.splice(0..0, about.notes);
    // A copy may have lost the times of the files, but no backup is older than its name says.
    let newest = volumes.files.iter().map(|file| file.stat().mtime).chain(about.began).max();
    let description = Description {
        location: location.clone(),
        format: about.format,
        snapshot: about.snapshot,
        id: id(&volumes),
        // The images are complete when the last of them is. The name of a backup has the time when
        // it began, and files may have been modified after that.
        taken: newest.map(|at| BackupTime { at, how: TakenFrom::FileTime }),
        unique_names: true,
        time_resolution_ns: TIME_RESOLUTION_NS,
        several: None,
    };
    let cached = if context.cold { cached(&volumes) } else { None };
    Ok(Box::new(Images {
        description,
        volumes,
        noted: Mutex::default(),
        cached,
        folders: about.folders,
        is_windows,
        left_out: LeftOut::default(),
    }))
}

/// The error if no volume can be listed: what is wrong with each.
fn nothing_to_list(location: &Location, format: &'static str, volumes: &Volumes) -> Error {
    let location = location.clone();
    let mut lines: Vec<_> = volumes.damage.iter().map(|damage| damage.problem.clone()).collect();
    if volumes.damage.iter().any(|damage| damage.kind == DamageKind::Loss) {
        return Error::Damaged { location, format, problem: lines.join("; ") };
    }
    if lines.is_empty() {
        lines.push("it has no volume that may hold files of a user".to_owned());
        lines.extend(volumes.notes.iter().cloned());
    }
    Error::NotABackup { location, problem: lines.join("; ") }
}

/// Identifies the images of a backup, wherever they are stored.
fn id(volumes: &Volumes) -> Option<String> {
    let ids = volumes.files.iter().map(|file| {
        let mut first = [0; 1024];
        let got = file.bytes().ok()?.read_full_at(&mut first, 0).ok()?;
        Some(archive_id(file.stat(), first.get(..got)?))
    });
    let ids = ids.collect::<Option<Vec<_>>>()?;
    if let [only] = &ids[..] {
        return Some(only.clone());
    }
    let mut hasher = blake3::Hasher::new_derive_key("bkverify 2026 id of several images");
    ids.iter().for_each(|id| {
        hasher.update(id.as_bytes());
    });
    Some(hasher.finalize().to_hex()[..32].to_owned())
}

/// The newest image backup of this computer on the attached drives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewestImage {
    /// The folder of this computer, which holds the backup.
    pub folder: PathBuf,
    /// The name of the backup.
    pub name: String,
    /// The roots of the drives that are in it.
    pub drives: Vec<PathBuf>,
    /// The volumes in it that were mounted in a folder: what their paths begin with, and the
    /// folder.
    pub mounted: Vec<(String, PathBuf)>,
    /// What the volumes in it are called that cannot be compared, because the drive with their
    /// letter now holds the backup.
    pub displaced: Vec<String>,
    /// What the others are called that cannot be compared: they had neither a letter nor a folder.
    pub placeless: Vec<String>,
    /// Notes about folders on other drives that were not searched for a newer backup.
    pub unsearched: Vec<String>,
}

/// Looks for image backups of this computer on the drives of this machine, and returns the newest.
/// `None` on systems whose backup programs make none. A drive that cannot be searched is an error:
/// it may have a newer one.
pub fn newest_of_this_computer() -> Result<Option<NewestImage>, Error> {
    let Some(computer) = platform::computer_name() else { return Ok(None) };
    let drives = platform::drives().map_err(|error| Error::NotABackup {
        location: Location::at(Path::new("the drives of this computer")),
        problem: format!(
            "they cannot be listed: {error}; to verify the backup on one of them, name it with --backup"
        ),
    })?;
    newest_image_on(&drives, &computer)
}

/// The newest image backup of `computer` on these drives. See [`newest_of_this_computer`].
pub fn newest_image_on(drives: &[PathBuf], computer: &str) -> Result<Option<NewestImage>, Error> {
    let failed = |root: &PathBuf, problem: NotFound| Error::NotABackup {
        location: Location::at(root),
        problem: format!("{problem}; to verify the backup on another drive, name it with --backup"),
    };
    let search = |root: &PathBuf| {
        windows_image_backup::newest_of(root, computer).map_err(|problem| failed(root, problem))
    };
    let found = drives.iter().map(search).collect::<Result<Vec<_>, Error>>()?;
    let newest = found.into_iter().flatten().max_by_key(|(_, backup)| backup.taken);
    let Some((folder, backup)) = newest else { return Ok(None) };
    let place = folder.join(&backup.name);
    let check = |root: &PathBuf| {
        windows_image_backup::check_elsewhere(root, computer, &place).map_err(|problem| failed(root, problem))
    };
    // The run itself searches the drive with the backup once more, and adds these notes.
    let others = drives.iter().map(|root| Ok((root, check(root)?))).collect::<Result<Vec<_>, Error>>()?;
    let others = others.into_iter().filter(|(root, _)| !folder.starts_with(root));
    let unsearched = others.flat_map(|(_, notes)| notes).collect();
    Ok(Some(NewestImage { unsearched, ..newest_image(folder, backup) }))
}

fn newest_image(folder: PathBuf, backup: FoundBackup) -> NewestImage {
    // An image may be missing. Then its drive must be an original, or nobody would miss it.
    let named = backup.named.values().filter_map(|volume| volume.letter);
    let letters = backup.images.iter().filter_map(|image| image.letter).chain(named);
    let mut drives: Vec<PathBuf> = letters.map(|letter| format!("{letter}:\\").into()).collect();
    // The drive that holds the backup is no original: nothing can be compared with itself.
    drives.retain(|root| !folder.starts_with(root));
    let is_compared = |letter| drives.contains(&PathBuf::from(format!("{letter}:\\")));
    let names = |is: &dyn Fn(&FoundImage) -> bool| {
        let images = backup.images.iter().filter(|image| is(image));
        images.map(FoundImage::name).collect()
    };
    let displaced = names(&|image| image.letter.is_some_and(|letter| !is_compared(letter)));
    let placeless = names(&|image| image.letter.is_none() && image.guid.is_some() && !image.is_mounted);
    drives.sort();
    drives.dedup();
    let mounted = backup.named.iter().filter_map(|(guid, volume)| {
        let folder = volume.folder.as_ref()?;
        Some((windows_image_backup::volume_name(*guid, None), PathBuf::from(folder)))
    });
    let mounted = mounted.collect();
    NewestImage { folder, name: backup.name, drives, mounted, displaced, placeless, unsearched: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A drive with an image backup of this computer, of the volume that was drive `letter`.
    fn drive(computer: &str, name: &str, letter: char) -> tempfile::TempDir {
        let guid = "9b9cfbc4-369e-11e9-a17c-806e6f6e6963";
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("WindowsImageBackup").join(computer).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{guid}.vhdx")), "vhdxfile").unwrap();
        let specs = format!(r#"<Volume Name="\\?\Volume{{{guid}}}\" AccessPath="{letter}:"/>"#);
        std::fs::write(folder.join("BackupSpecs.xml"), specs).unwrap();
        root
    }

    #[test]
    fn the_newest_backup_of_this_computer_is_found_on_whatever_drive_it_is() {
        let older = drive("SERVER", "Backup 2026-11-20 210005", 'C');
        let newer = drive("server", "Backup 2026-11-27 210005", 'D');
        let other = drive("DESK", "Backup 2026-11-28 210005", 'E');
        let empty = tempfile::tempdir().unwrap();
        let roots: Vec<PathBuf> =
            [&empty, &older, &newer, &other].iter().map(|drive| drive.path().to_owned()).collect();
        let found = newest_image_on(&roots, "SERVER").unwrap().unwrap();
        assert_eq!(found.folder, newer.path().join("WindowsImageBackup").join("server"));
        assert_eq!(found.name, "Backup 2026-11-27 210005");
        assert_eq!(found.drives, [PathBuf::from("D:\\")]);
        assert_eq!(newest_image_on(&roots, "LAPTOP").unwrap(), None);
        assert_eq!(newest_image_on(&[], "SERVER").unwrap(), None);
    }

    #[test]
    fn a_drive_whose_newest_backup_failed_ends_the_search_and_is_named() {
        let sound = drive("SERVER", "Backup 2026-11-20 210005", 'C');
        let failed = drive("SERVER", "Backup 2026-11-20 210005", 'C');
        let computer = failed.path().join("WindowsImageBackup").join("SERVER");
        std::fs::create_dir(computer.join("Backup 2026-11-27 210005")).unwrap();
        let roots = [sound.path().to_owned(), failed.path().to_owned()];
        let error = newest_image_on(&roots, "SERVER").unwrap_err().to_string();
        for word in [&*failed.path().to_string_lossy(), "2026-11-27", "holds no image", "--backup"] {
            assert!(error.contains(word), "{error}");
        }
        // A newer one may have been renamed on any drive.
        std::fs::rename(failed.path().join("WindowsImageBackup"), failed.path().join("WindowsImageBackup 2"))
            .unwrap();
        let error = newest_image_on(&roots, "SERVER").unwrap_err().to_string();
        for word in [&*failed.path().to_string_lossy(), "is newer than", "2026-11-27"] {
            assert!(error.contains(word), "{error}");
        }
        // A drive that cannot be listed is not a drive without a backup.
        let unreadable = PathBuf::from("no\0such");
        assert!(newest_image_on(&[sound.path().to_owned(), unreadable], "SERVER").is_err());
    }

    #[test]
    fn a_volume_whose_letter_the_drive_with_the_backup_has_now_is_told() {
        let root = drive("SERVER", "Backup 2026-11-20 210005", 'E');
        let folder = root.path().join("WindowsImageBackup/SERVER");
        let backup = windows_image_backup::find(&folder, None, None).unwrap();
        let found = newest_image(PathBuf::from("E:\\").join("SERVER"), backup);
        assert_eq!((found.drives, found.displaced), (vec![], vec!["E".to_owned()]));
        assert_eq!(found.placeless, [""; 0]);
    }

    #[test]
    fn a_drive_without_an_image_is_an_original_and_a_volume_in_a_folder_is_told() {
        let root = drive("SERVER", "Backup 2026-11-20 210005", 'C');
        let folder = root.path().join("WindowsImageBackup/SERVER/Backup 2026-11-20 210005");
        let (mounted, other) =
            ("1b9cfbc4-369e-11e9-a17c-806e6f6e6963", "2b9cfbc4-369e-11e9-a17c-806e6f6e6963");
        for guid in [mounted, other] {
            std::fs::write(folder.join(format!("{guid}.vhdx")), "vhdxfile").unwrap();
        }
        let specs = format!(
            r#"<x><v Name="\\?\Volume{{0b9cfbc4-369e-11e9-a17c-806e6f6e6963}}\" AccessPath="D:"/>
               <v Name="\\?\Volume{{{mounted}}}\" AccessPath="C:\mount\"/></x>"#
        );
        std::fs::write(folder.join("BackupSpecs.xml"), specs).unwrap();
        let found = newest_image_on(&[root.path().to_owned()], "SERVER").unwrap().unwrap();
        assert_eq!(found.drives, [PathBuf::from("D:\\")]);
        assert_eq!(found.mounted, [(format!("Volume{{{mounted}}}"), PathBuf::from("C:\\mount\\"))]);
        assert_eq!(found.displaced, [""; 0]);
        assert_eq!(found.placeless.len(), 2, "{:?}", found.placeless);
    }
}
