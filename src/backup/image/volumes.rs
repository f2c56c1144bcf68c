//! The volumes of a backup: which are listed, how their files are named, and what is not verified.
//!
//! In: the [`Candidates`] in the images of a backup. Out: [`Volumes`]: those that can be read, with
//! the beginnings of their files' paths, and why others cannot be.
//!
//! # What becomes of a partition
//! | partition | what follows |
//! |---|---|
//! | NTFS, for data | its files are listed |
//! | for the system (EFI, reserved, recovery) | a note: no user keeps files there |
//! | another file system, or an encrypted one | the run does not pass: nobody knows what is in it |
//! | NTFS that is damaged beyond reading | damage: the run fails |
//!
//! A partition that the user names (`--volume`) is read whatever it is for, and no other is.
//!
//! # Paths
//! Paths begin with the letter of the drive (`C/Users/...`) if the backup says which it was, or else
//! with `Volume{GUID}` or the name of the image. Of a single image, paths begin with the number of
//! the partition, or at the root of the volume if only one is listed.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::candidates::{Candidate, Candidates, Content};
use super::file::ImageFile;
use crate::backup::path::escape;
use crate::backup::{Damage, Lost};
use crate::image::ntfs::Volume;
use crate::image::{Error, FileSystem};

/// What partitions are for that hold no files of a user, as the partition tables call it.
const OF_THE_SYSTEM: [&str; 7] = [
    "EFI system",
    "Microsoft reserved",
    "recovery",
    "BIOS boot",
    "dynamic disk metadata",
    "Linux swap",
    "GPT protective",
];

/// The name that Windows gives the image of the EFI system partition.
const EFI_IMAGE: &str = "Esp";

/// A volume whose files are listed.
#[derive(Debug)]
pub(super) struct ReadableVolume {
    /// What the paths of its files begin with: nothing, or a name and a `/`.
    pub(super) prefix: Vec<u8>,
    /// Its files.
    pub(super) volume: Volume,
    /// The index of its image file.
    pub(super) file: usize,
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
/// user. An error says that nothing was named so, and what there is.
pub(super) fn choose(found: Candidates, asked: Option<&str>) -> Result<Volumes, String> {
    let Candidates { files, all, notes, damage } = found;
    let mut volumes = Volumes { files, notes, ..Volumes::default() };
    let chosen = match asked {
        Some(asked) => named(all, asked)?,
        None => {
            let (system, data): (Vec<_>, Vec<_>) = all.into_iter().partition(is_of_the_system);
            let left_out = system.iter().map(|candidate| {
                format!("{} is not part of this verification: {}", candidate.title(), kind(candidate))
            });
            volumes.notes.extend(left_out);
            data
        }
    };
    let mut prefixes = Prefixes { used: BTreeSet::new(), is_only: chosen.len() == 1 };
    // What is wrong with the table of a disk concerns all of the disk. The volume that it would
    // have named may be the only one with files, so nothing need be chosen of that disk.
    let is_chosen =
        |name: &Option<String>| asked.is_none() || chosen.iter().any(|candidate| candidate.name == *name);
    for (problem, name) in damage.into_iter().filter(|(_, name)| is_chosen(name)) {
        let lost = name.map(|name| Lost::Folder(name.into_bytes()));
        volumes.damage.push(Damage { problem, lost, denied: false });
    }
    for candidate in chosen {
        let prefix = prefixes.of(&candidate);
        volumes.add(candidate, prefix);
    }
    Ok(volumes)
}

/// The candidates that the user names by a letter, a number or a GUID.
fn named(all: Vec<Candidate>, asked: &str) -> Result<Vec<Candidate>, String> {
    let wanted = asked.trim().trim_end_matches(['\\', '/', ':']).to_lowercase();
    let list: Vec<_> =
        all.iter().map(|candidate| format!("{} ({})", known_as(candidate), kind(candidate))).collect();
    let chosen: Vec<_> = all.into_iter().filter(|candidate| candidate.aliases.contains(&wanted)).collect();
    if chosen.is_empty() {
        return Err(format!("it has no volume {}; it has {}", escape(asked.as_bytes()), list.join(", ")));
    }
    Ok(chosen)
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

fn is_of_the_system(candidate: &Candidate) -> bool {
    let Content::Partition(partition, _) = &candidate.content else { return false };
    let is_efi = candidate.name.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(EFI_IMAGE));
    OF_THE_SYSTEM.contains(&partition.kind.as_str()) || (is_efi && partition.file_system == FileSystem::Fat)
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
            unique.unwrap_or_else(|| format!("{} of image {}", candidate.number, candidate.file + 1));
        format!("{unique}/").into_bytes()
    }
}

impl Volumes {
    /// Adds a volume that is to be listed, or why it cannot be.
    fn add(&mut self, candidate: Candidate, prefix: Vec<u8>) {
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
                self.readable.push(ReadableVolume { prefix, volume, file: candidate.file });
            }
            Err(Error::Damaged(_)) if file_system == FileSystem::Unknown => {
                let problem = format!("it is {}, with no file system that is known here", partition.kind);
                self.lose(&title, &prefix, &Error::Unsupported(problem));
            }
            Err(error) => self.lose(&title, &prefix, &error),
        }
    }

    /// Notes that nothing of a volume can be listed. What this program cannot read is not damaged.
    fn lose(&mut self, title: &str, prefix: &[u8], error: &Error) {
        let folder = prefix.strip_suffix(b"/").map(<[u8]>::to_vec);
        self.damage.push(Damage {
            problem: format!("{title} cannot be verified: {error}"),
            lost: folder.map(Lost::Folder),
            denied: matches!(error, Error::Unsupported(_)),
        });
    }
}
