//! What the images of a backup may hold: each partition of each image, or why an image gives none.
//!
//! In: the image files of one backup. Out: [`Candidate`]s, in the order of files and partitions.
//! Nothing is decided here about what is verified.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::file::{ImageFile, WAIT};
use super::parents::FileParents;
use super::windows_image_backup::FoundImage;
use crate::backup::delivery::copy_of_io_error;
use crate::backup::{DamageKind, Error, Location, path_text};
use crate::bytes::ReadAt;
use crate::image::partition::{self, Partition};
use crate::image::{self, container};
use crate::platform;

/// A partition, or an image whose partitions cannot be known.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Its number for the user. If there is only one image: that of the partition. Otherwise: its
    /// place among all candidates, from 1.
    pub(super) number: usize,
    /// What the backup calls the volume in the image: `C`, `Volume{GUID}`, the name of the file.
    pub(super) name: Option<String>,
    /// The number of the partition, if the image has several.
    pub(super) part: Option<usize>,
    /// Whether it is all of the only image, without a partition table.
    is_bare: bool,
    /// Whether the backup says that it was a drive, or mounted in a folder.
    pub(super) is_drive: bool,
    /// What the user may call it, in lower case.
    pub(super) aliases: Vec<String>,
    /// The indices of its image file, and of the files in which its parents are.
    pub(super) files: Range<usize>,
    pub(super) content: Content,
}

/// What is known of a candidate.
#[derive(Debug)]
pub(super) enum Content {
    /// A partition, and the disk that it is on.
    Partition(Partition, Arc<dyn ReadAt>),
    /// The image cannot be read.
    Lost(image::Error),
}

impl Candidate {
    /// What it is called in messages.
    pub(super) fn title(&self) -> String {
        match (&self.name, self.part) {
            (Some(name), Some(part)) => format!("partition {part} of the image of {name}"),
            (Some(name), None) => format!("volume {name}"),
            (None, _) if self.is_bare => "the volume".to_owned(),
            (None, _) => format!("partition {}", self.number),
        }
    }
}

/// The candidates of all images, and what was learned on the way.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    pub(super) files: Vec<ImageFile>,
    pub(super) all: Vec<Candidate>,
    /// What a person should know.
    pub(super) notes: Vec<String>,
    /// What is wrong with a partition table, and what the volume in that image is called.
    pub(super) damage: Vec<(String, Option<String>, DamageKind)>,
}

/// How images are opened.
pub(super) struct Opener<'a> {
    /// The backup, with what the user said of it.
    pub(super) location: &'a Location,
    /// Whether to read from the disk and not from memory.
    pub(super) cold: bool,
    /// Whether volumes are called as the backup calls them.
    pub(super) is_named: bool,
}

impl Opener<'_> {
    /// Opens all images of a backup. An error means that the backup cannot be verified now: no
    /// image can be opened, or one is being written.
    pub(super) fn open(&self, images: &[FoundImage]) -> Result<Candidates, Error> {
        for parent in self.location.parents() {
            ImageFile::open(parent, false).map_err(|error| {
                self.not_usable(format!(
                    "its parent cannot be opened: {}: {error}; check the path given by --parent",
                    path_text(parent)
                ))
            })?;
        }
        let mut found = Candidates::default();
        let mut failed = None;
        for image in images {
            match ImageFile::open(&image.path, self.cold) {
                Ok(file) => self.add(file, image, images.len() == 1, &mut found)?,
                Err(error) if platform::is_in_use(&error) => {
                    let name = image.path.display();
                    let problem = format!("{name} is in use by another program, as during a backup: {WAIT}");
                    return Err(self.not_usable(problem));
                }
                Err(source) => {
                    let lost = Content::Lost(image::Error::Read(copy_of_io_error(&source)));
                    self.push(
                        image,
                        found.all.len() + 1,
                        None,
                        found.files.len()..found.files.len(),
                        lost,
                        &mut found.all,
                    );
                    failed = failed.or(Some(Error::Open { location: Location::at(&image.path), source }));
                }
            }
        }
        match failed {
            Some(error) if found.files.is_empty() => Err(error),
            _ => self.check_parents(&found).map(|()| found),
        }
    }

    /// Makes sure that each parent that the user named is the parent of a disk. Where an image
    /// cannot be read, that is what must be told.
    fn check_parents(&self, found: &Candidates) -> Result<(), Error> {
        let is_used = |parent: &&PathBuf| found.files.iter().any(|file| file.path() == parent.as_path());
        let is_lost = |candidate: &Candidate| matches!(candidate.content, Content::Lost(_));
        match self.location.parents().iter().find(|parent| !is_used(parent)) {
            Some(parent) if !found.all.iter().any(is_lost) => Err(self.not_usable(format!(
                "no disk in it has its parent in {}: leave out --parent, or name the parent of a differencing disk",
                path_text(parent)
            ))),
            _ => Ok(()),
        }
    }

    fn not_usable(&self, problem: String) -> Error {
        Error::NotABackup { location: self.location.clone(), problem }
    }

    /// Adds the partitions of an image. `is_only` says that it is the only one.
    fn add(
        &self,
        file: ImageFile,
        image: &FoundImage,
        is_only: bool,
        found: &mut Candidates,
    ) -> Result<(), Error> {
        let first = found.files.len();
        let parents = FileParents::of(file.path(), self.location.parents(), self.cold);
        let name = self.is_named.then(|| image.name());
        let disk = self.disk(&file, &name, &parents, found)?;
        let file_name = file.name();
        found.files.push(file);
        found.files.extend(parents.into_used());
        let files = first..found.files.len();
        let partitions = disk.and_then(|disk| {
            let found = partition::partitions(&*disk.bytes, disk.sector_size)?;
            Ok((disk.bytes, found))
        });
        let mut push = |number: usize, part: Option<usize>, content: Content| {
            let number = if is_only { number } else { found.all.len() + 1 };
            self.push(image, number, part, files.clone(), content, &mut found.all);
        };
        match partitions {
            Err(error) => push(1, None, Content::Lost(error)),
            Ok((disk, partitions)) => {
                found.notes.extend(partitions.notes.into_iter().map(|note| format!("{file_name}: {note}")));
                let losses = partitions.damage.into_iter().map(|line| (line, DamageKind::Loss));
                let gaps = partitions.gaps.into_iter().map(|line| (line, DamageKind::Gap));
                let damage = losses.chain(gaps);
                found
                    .damage
                    .extend(damage.map(|(line, kind)| (format!("{file_name}: {line}"), name.clone(), kind)));
                if partitions.partitions.is_empty() {
                    let problem = format!("its partition table ({}) lists no volume", partitions.table);
                    push(1, None, Content::Lost(image::Error::Unsupported(problem)));
                }
                let is_one_of_several = partitions.partitions.len() > 1;
                for partition in partitions.partitions {
                    let number = usize::try_from(partition.number).unwrap_or(usize::MAX);
                    let content = Content::Partition(partition, Arc::clone(&disk));
                    push(number, is_one_of_several.then_some(number), content);
                }
            }
        }
        Ok(())
    }

    fn push(
        &self,
        image: &FoundImage,
        number: usize,
        part: Option<usize>,
        files: Range<usize>,
        content: Content,
        all: &mut Vec<Candidate>,
    ) {
        let name = self.is_named.then(|| image.name());
        let aliases = image.aliases().chain([number.to_string()]).collect();
        let is_drive = image.letter.is_some() || image.is_mounted;
        // A table begins with sectors of its own, so nothing else is at the first byte.
        let is_bare = matches!(&content, Content::Partition(partition, _) if partition.start == 0);
        all.push(Candidate { number, name, part, is_bare, aliases, is_drive, files, content });
    }

    /// The disk in the image file of `volume`. The outer error ends the run, the inner one is about
    /// this image.
    fn disk(
        &self,
        file: &ImageFile,
        volume: &Option<String>,
        parents: &FileParents,
        found: &mut Candidates,
    ) -> Result<Result<container::Disk, image::Error>, Error> {
        let bytes =
            file.bytes().map_err(|source| Error::Open { location: Location::at(file.path()), source })?;
        if is_named_as_container(file) && !is_container(&*bytes) {
            let problem = "the beginning and the end of the file have no header of a VHD or VHDX: it is damaged or cut off";
            return Ok(Err(image::Error::Damaged(problem.to_owned())));
        }
        let disk = match container::open(bytes, parents) {
            Ok(disk) => disk,
            Err(error) => return Ok(Err(error)),
        };
        let name = file.name();
        if !disk.unfinished.is_empty() && file.is_recent() {
            let signs = disk.unfinished.join(" ");
            return Err(self.not_usable(format!("{name} is being written: {WAIT} ({signs})")));
        }
        let notes = disk.notes.iter().chain(&disk.unfinished);
        found.notes.extend(notes.map(|note| format!("{name}: {note}")));
        found.damage.extend(
            disk.damage.iter().map(|line| (format!("{name}: {line}"), volume.clone(), DamageKind::Loss)),
        );
        Ok(Ok(disk))
    }
}

/// Whether the name of a file says that it is a VHD or VHDX.
fn is_named_as_container(file: &ImageFile) -> bool {
    let extension = file.path().extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["vhd", "vhdx", "avhd", "avhdx"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Whether a file has a trace of a header of a VHD or VHDX.
pub(super) fn is_container(bytes: &dyn ReadAt) -> bool {
    let block = |at: u64| {
        let mut block = vec![0; 512];
        // What cannot be read is not recognised. Opening it reports the error.
        let got = bytes.read_full_at(&mut block, at).unwrap_or(0);
        block.truncate(got);
        block
    };
    container::recognise(&block(0), &block(bytes.len().saturating_sub(512))).is_some()
}
