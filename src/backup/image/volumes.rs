//! The volumes of a backup: which are listed, how their files are named, and what is not verified.
//!
//! In: the [`Candidates`] in the images of a backup. Out: [`Volumes`]: those that can be read, with
//! the beginnings of their files' paths, and why others cannot be.
//!
//! # What becomes of a partition
//! | partition | what follows |
//! |---|---|
//! | NTFS, for data | its files are listed |
//! | for the system (EFI, reserved, recovery) | a note: it holds no files of users |
//! | another file system, or an encrypted one | a gap: it is not known what is in it |
//! | NTFS that is damaged beyond reading | damage: the run fails |
//!
//! An image of a drive or of a mounted volume that has nothing but partitions of the system is a
//! gap. An MBR has no checksum, so its types alone are not believed: a partition is one of the
//! system if its file system is that of such a partition, and NTFS must hold `Recovery/WindowsRE`.
//!
//! A partition that the user names (`--volume`) is read whatever it is for, and no other is.
//!
//! # Paths
//! Paths begin with the letter of the drive (`C/Users/...`) if the backup says which it was, or
//! else with `Volume{GUID}` or the name of the image. Of a single image, paths begin with the
//! number of the partition, or at the root of the volume if only one is listed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use super::candidates::{Candidate, Candidates, Content};
use super::file::ImageFile;
use super::windows_image_backup::EFI_IMAGE;
use crate::backup::path::escape;
use crate::backup::{Damage, DamageKind, Lost};
use crate::bytes::ReadAt;
use crate::image::ntfs::{LogState, Volume, catalog};
use crate::image::partition::Partition;
use crate::image::{Error, FileSystem};

/// What partitions are for that hold no files of a user, as the partition tables call it.
const OF_THE_SYSTEM: [&str; 6] =
    ["EFI system", "Microsoft reserved", "recovery", "BIOS boot", "dynamic disk metadata", "Linux swap"];

/// The folder that makes a volume one of the system, in lower case.
const RECOVERY: &[u8] = b"recovery/windowsre/";

/// Recovery volumes of Windows are smaller. The system volume may have such a folder, too.
const LARGEST_RECOVERY: u64 = 4 << 30;

/// What Linux writes near the end of the first page of a swap partition.
const SWAP_MARK: &[u8; 10] = b"SWAPSPACE2";
const SWAP_MARK_AT: u64 = 4086;

/// A volume whose files are listed.
#[derive(Debug)]
pub(super) struct ReadableVolume {
    /// What the paths of its files begin with: nothing, or a name and a `/`.
    pub(super) prefix: Vec<u8>,
    /// Its files.
    pub(super) volume: Volume,
    /// The indices of the files that its bytes come from.
    pub(super) files: Range<usize>,
    /// Whether changes of files may be only in its log, which is not replayed. So what contradicts
    /// itself may be a change that was under way.
    pub(super) is_in_use: bool,
}

/// What a backup consists of.
#[derive(Debug, Default)]
pub(super) struct Volumes {
    /// The image files.
    pub(super) files: Vec<ImageFile>,
    /// The volumes whose files are listed.
    pub(super) readable: Vec<ReadableVolume>,
    /// What cannot be listed at all.
    pub(super) damage: Vec<Damage>,
    /// What a person should know.
    pub(super) notes: Vec<String>,
}

/// Chooses what is listed: what the user names (`asked`), or everything that may hold files of a
/// user. `is_snapshot`: Windows has put all changes in their places before it made these images. An
/// error says that nothing was named so, and what there is.
pub(super) fn choose(found: Candidates, asked: Option<&str>, is_snapshot: bool) -> Result<Volumes, String> {
    let Candidates { files, all, notes, damage } = found;
    let mut volumes = Volumes { files, notes, ..Volumes::default() };
    let mut chosen = match asked {
        Some(asked) => named(all, asked)?,
        None => volumes.without_system(all),
    };
    // The volume with files shall have the plain name of the image, whatever else is in that.
    let is_ntfs = |candidate: &Candidate| match &candidate.content {
        Content::Partition(partition, _) => partition.file_system == FileSystem::Ntfs,
        Content::Lost(_) => false,
    };
    chosen.sort_by_key(|candidate| (candidate.files.start, !is_ntfs(candidate)));
    let mut prefixes = Prefixes { used: BTreeSet::new(), is_only: chosen.len() == 1 };
    // What is wrong with the table of a disk concerns all of the disk. The volume that it would
    // have named may be the only one with files, so nothing need be chosen of that disk.
    let is_chosen =
        |name: &Option<String>| asked.is_none() || chosen.iter().any(|candidate| candidate.name == *name);
    for (problem, name, kind) in damage.into_iter().filter(|(_, name, _)| is_chosen(name)) {
        let lost = name.map(|name| Lost::Folder(name.into_bytes()));
        volumes.damage.push(Damage { problem, lost, kind });
    }
    volumes.damage.extend(images_of_one_volume(&chosen, &volumes.files));
    for candidate in chosen {
        let prefix = prefixes.of(&candidate);
        volumes.add(candidate, prefix, is_snapshot);
    }
    Ok(volumes)
}

/// Several images of one volume. Only the paths of the first begin as the user expects, so nothing
/// would be compared with the others. It is not known which is right.
fn images_of_one_volume(chosen: &[Candidate], files: &[ImageFile]) -> Vec<Damage> {
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    let mut damage = Vec::new();
    for candidate in chosen {
        let Some(name) = &candidate.name else { continue };
        let of_first = *first.entry(name.to_lowercase()).or_insert(candidate.files.start);
        if of_first != candidate.files.start {
            let file = |index: usize| files.get(index).map(ImageFile::name).unwrap_or_default();
            let problem = format!(
                "the backup has two images of volume {name}, {} and {}: find out which is right, and move the other away",
                file(of_first),
                file(candidate.files.start)
            );
            damage.push(Damage::gap(problem, Some(Lost::Folder(name.clone().into_bytes()))));
        }
    }
    damage.dedup();
    damage
}

/// The candidates that the user names by a letter, a number or a GUID. What belongs to the system
/// is only read if its number is named, or if nothing else has the name.
fn named(all: Vec<Candidate>, asked: &str) -> Result<Vec<Candidate>, String> {
    let wanted = asked.trim().trim_end_matches(['\\', '/', ':']).to_lowercase();
    let list: Vec<_> =
        all.iter().map(|candidate| format!("{} ({})", known_as(candidate), content(candidate))).collect();
    let chosen: Vec<_> = all.into_iter().filter(|candidate| candidate.aliases.contains(&wanted)).collect();
    if chosen.is_empty() {
        return Err(format!("it has no volume {}; it has {}", escape(asked.as_bytes()), list.join(", ")));
    }
    let (system, others): (Vec<_>, Vec<_>) = chosen
        .into_iter()
        .partition(|candidate| candidate.number.to_string() != wanted && is_of_the_system(candidate));
    Ok(if others.is_empty() { system } else { others })
}

/// What the user would write for `--volume`.
fn known_as(candidate: &Candidate) -> String {
    candidate.name.clone().unwrap_or_else(|| candidate.number.to_string())
}

/// What a candidate is, in words.
fn kind(candidate: &Candidate) -> String {
    match &candidate.content {
        Content::Partition(partition, _) if partition.label.is_empty() => {
            format!("{}, {}", partition.kind, partition.file_system)
        }
        Content::Partition(partition, _) => {
            let label = escape(partition.label.as_bytes());
            format!("{}, {}, \"{label}\"", partition.kind, partition.file_system)
        }
        Content::Lost(_) => "unreadable".to_owned(),
    }
}

/// What is in a candidate: its file system, or what its partition is for if that is not known.
fn content(candidate: &Candidate) -> String {
    match &candidate.content {
        Content::Partition(partition, _) if partition.file_system == FileSystem::Unknown => {
            partition.kind.clone()
        }
        Content::Partition(partition, _) => partition.file_system.to_string(),
        Content::Lost(_) => "unreadable".to_owned(),
    }
}

fn is_of_the_system(candidate: &Candidate) -> bool {
    let Content::Partition(partition, disk) = &candidate.content else { return false };
    let is_efi = candidate.name.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(EFI_IMAGE));
    if is_efi && partition.file_system == FileSystem::Fat {
        return true;
    }
    if !OF_THE_SYSTEM.contains(&partition.kind.as_str()) {
        return false;
    }
    // Only a GPT has an identifier of each partition, and only a GPT has checksums. In an MBR, one
    // changed bit makes the type of other volumes that of a recovery partition. But not of FAT.
    match (partition.kind.as_str(), partition.file_system) {
        _ if partition.id.is_some() => true,
        ("EFI system" | "recovery", FileSystem::Fat) => true,
        ("recovery", FileSystem::Ntfs) => holds_recovery(partition, Arc::clone(disk)),
        ("Linux swap", FileSystem::Unknown) => {
            let mut mark = [0; SWAP_MARK.len()];
            let read = partition.bytes(Arc::clone(disk)).read_full_at(&mut mark, SWAP_MARK_AT);
            read.is_ok() && mark == *SWAP_MARK
        }
        _ => false,
    }
}

/// Whether a small volume holds the recovery environment of Windows.
fn holds_recovery(partition: &Partition, disk: Arc<dyn ReadAt>) -> bool {
    if partition.length > LARGEST_RECOVERY {
        return false;
    }
    let Ok(volume) = Volume::open(Arc::new(partition.bytes(disk))) else { return false };
    let mut is_found = false;
    let listed = catalog::list(&volume, &|| false, &mut |file| {
        is_found |= file.path.to_ascii_lowercase().starts_with(RECOVERY);
        if is_found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    listed.is_ok() && is_found
}

/// The beginnings of paths, each used only once, so that no path occurs twice.
struct Prefixes {
    used: BTreeSet<String>,
    is_only: bool,
}

impl Prefixes {
    fn of(&mut self, candidate: &Candidate) -> Vec<u8> {
        let name = match &candidate.name {
            Some(name) => name.clone(),
            None if self.is_only => return Vec::new(),
            None => candidate.number.to_string(),
        };
        // Several partitions in the image of one volume are not expected. None is left out.
        let second = format!("{name}-{}", candidate.number);
        let unique = [name, second].into_iter().find(|name| self.used.insert(name.to_lowercase()));
        let unique =
            unique.unwrap_or_else(|| format!("{} of image {}", candidate.number, candidate.files.start + 1));
        format!("{unique}/").into_bytes()
    }
}

impl Volumes {
    /// All candidates that may hold files of a user. The others are noted.
    fn without_system(&mut self, all: Vec<Candidate>) -> Vec<Candidate> {
        let (system, data): (Vec<_>, Vec<_>) = all.into_iter().partition(is_of_the_system);
        let left_out = system.iter().map(|candidate| {
            format!("{} is not part of this verification: {}", candidate.title(), kind(candidate))
        });
        self.notes.extend(left_out);
        // A volume with a letter or in a folder was not a partition of the system.
        let has_data = |one: &Candidate| data.iter().any(|other| other.files == one.files);
        let drives = system.iter().filter(|candidate| candidate.is_drive && !has_data(candidate));
        let drives: BTreeSet<_> = drives.filter_map(|candidate| candidate.name.clone()).collect();
        self.damage.extend(drives.into_iter().map(|name| {
            let problem = format!(
                "volume {name} cannot be verified: it was a drive or in a folder, but its image has only partitions of the system"
            );
            Damage::gap(problem, Some(Lost::Folder(name.into_bytes())))
        }));
        data
    }

    /// Adds a volume that is to be listed, or why it cannot be.
    fn add(&mut self, candidate: Candidate, prefix: Vec<u8>, is_snapshot: bool) {
        let title = candidate.title();
        let (partition, disk) = match candidate.content {
            Content::Partition(partition, disk) => (partition, disk),
            Content::Lost(error) => return self.lose(&title, &prefix, &error),
        };
        let file_system = partition.file_system;
        if !matches!(file_system, FileSystem::Ntfs | FileSystem::Unknown) {
            let problem = format!("it is {file_system}, and bkverify reads NTFS alone");
            return self.lose(&title, &prefix, &Error::Unsupported(problem));
        }
        // Of an NTFS volume whose first sector is lost, the last one is a copy.
        match Volume::open(Arc::new(partition.bytes(disk))) {
            Ok(volume) => {
                self.notes.extend(volume.notes().iter().map(|note| format!("{title}: {note}")));
                let is_in_use = self.look_at_state(&title, &prefix, &volume) && !is_snapshot;
                if is_in_use {
                    self.notes.push(format!(
                        "{title} was in use, or was not closed properly: changes that are only in its log ($LogFile) are \
                         not seen"
                    ));
                }
                self.readable.push(ReadableVolume { prefix, volume, files: candidate.files, is_in_use });
            }
            Err(error) => self.lose(&title, &prefix, &error),
        }
    }

    /// Whether the log of a volume may hold changes that are not in their places. What cannot be
    /// read is damage, and then the answer is yes, as nobody knows better.
    fn look_at_state(&mut self, title: &str, prefix: &[u8], volume: &Volume) -> bool {
        match volume.state() {
            Ok(state) => {
                if state.is_dirty {
                    self.notes.push(format!(
                        "{title} is marked as dirty: Windows wants to check it (chkdsk), so the file system of the original may \
                         be damaged"
                    ));
                }
                state.log != LogState::Clean
            }
            Err(error) => {
                let problem = format!("{title}: it is not known whether it was closed properly: {error}");
                self.damage.push(Damage { problem, lost: lost_below(prefix), kind: kind_of(&error) });
                true
            }
        }
    }

    /// Notes that nothing of a volume can be listed.
    fn lose(&mut self, title: &str, prefix: &[u8], error: &Error) {
        let problem = format!("{title} cannot be verified: {error}");
        self.damage.push(Damage { problem, lost: lost_below(prefix), kind: kind_of(error) });
    }
}

/// All files of the volume whose paths begin with `prefix`. `None`: it is the only volume.
fn lost_below(prefix: &[u8]) -> Option<Lost> {
    prefix.strip_suffix(b"/").map(|folder| Lost::Folder(folder.to_vec()))
}

/// What an error of a volume is. What this program cannot or may not read is not damaged.
pub(super) fn kind_of(error: &Error) -> DamageKind {
    match error {
        Error::Unsupported(_) => DamageKind::Gap,
        Error::Read(error) if error.kind() == std::io::ErrorKind::PermissionDenied => DamageKind::Gap,
        Error::Read(_) | Error::Damaged(_) => DamageKind::Loss,
    }
}
