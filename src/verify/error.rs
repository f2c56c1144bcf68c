//! Why a run could not begin, or could not continue.

use std::io;
use std::path::PathBuf;

use crate::backup::{self, Location, registry};
use crate::exit::ExitCode;

use super::outcome::Population;

/// The error of a run that has no outcome. A problem with a single file is never one of these; it
/// is a finding.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The backup or the scratch folder cannot be used.
    #[error(transparent)]
    Backup(backup::Error),
    /// The backup lists no file at all.
    #[error("the backup {location} holds no files")]
    EmptyBackup {
        /// The backup.
        location: Location,
    },
    /// The strategy draws bytes, and the backup does not list the size of every file.
    #[error(
        "the backup {location} does not list the size of every file, so no random bytes can be drawn from it"
    )]
    SizesUnknown {
        /// The backup.
        location: Location,
    },
    /// The backup lists files, but the filters, sources and maps leave none.
    #[error(
        "none of the {listed} files in the backup is left to verify: {filtered} are filtered out, {unmapped} belong to no source or map"
    )]
    EmptyPopulation {
        /// Files that were listed.
        listed: u64,
        /// Files that the filters exclude.
        filtered: u64,
        /// Files that no source or map covers.
        unmapped: u64,
    },
    /// A run cannot be resumed. The text says why.
    #[error("the run cannot be resumed, because {0}")]
    NotResumable(&'static str),
    /// The run is over several snapshots, and has a manifest.
    #[error("a manifest knows one version of each file, and --snapshot names several snapshots")]
    ManifestOfOne,
    /// A folder of originals cannot be opened.
    #[error("cannot open the originals' folder {}", place.display())]
    Originals {
        /// The folder.
        place: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// No entry of the backup has an original below one of the roots.
    #[error(
        "no file of the backup has an original in {}: the backup holds {}, that folder holds {}",
        root.display(), list(entries), list(originals)
    )]
    NothingPairs {
        /// The folder of originals.
        root: PathBuf,
        /// Examples of paths in the backup.
        entries: Vec<String>,
        /// Examples of paths in the folder of originals.
        originals: Vec<String>,
    },
    /// No file of the backup is in the manifest.
    #[error(
        "no file of the backup is in the manifest: the backup holds {}, the manifest {}",
        list(entries),
        list(names)
    )]
    NothingKnown {
        /// Examples of paths in the backup.
        entries: Vec<String>,
        /// Examples of names in the manifest.
        names: Vec<String>,
    },
    /// The backup and the originals are the same folder.
    #[error("the backup is the folder of the originals, {}", place.display())]
    SameFolder {
        /// The folder.
        place: PathBuf,
    },
    /// A report would replace or change something that must not be written to.
    #[error("the report {} would be written over an original or into the backup", report.display())]
    ReportOverlap {
        /// The report.
        report: PathBuf,
        /// The name of the flag that asked for it.
        flag: &'static str,
    },
    /// Another user could redirect the report's path, or the report cannot be written there.
    #[error("the report {} cannot be written", report.display())]
    ReportUnwritable {
        /// The report.
        report: PathBuf,
        /// The name of the flag that asked for it.
        flag: &'static str,
        /// The reason.
        source: io::Error,
    },
    /// The restore folder overlaps with something that must not be written to.
    #[error("the restore folder {} {relation} {}", restore_to.display(), other.display())]
    Overlap {
        /// The restore folder.
        restore_to: PathBuf,
        /// How they overlap: `is`, `is inside`, `is above`.
        relation: &'static str,
        /// The folder of originals or the backup.
        other: PathBuf,
    },
    /// A path that must not overlap with the restore folder or a report cannot be resolved.
    #[error("cannot find out where {} is", place.display())]
    Unresolved {
        /// The backup, the originals or the report.
        place: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The restore folder cannot be used.
    #[error("cannot use the restore folder {}", place.display())]
    RestoreFolder {
        /// The folder.
        place: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The restore folder has too little space.
    #[error("the restore folder {} has {free} bytes free, {needed} are needed", place.display())]
    NoSpace {
        /// The folder.
        place: PathBuf,
        /// Free bytes.
        free: u64,
        /// Bytes needed for files that are being restored, and a margin.
        needed: u64,
    },
    /// A glob that cannot be parsed.
    #[error("the pattern {glob:?} cannot be used")]
    Glob {
        /// The pattern.
        glob: String,
        /// What is wrong with it.
        source: ignore::Error,
    },
}

/// Whether something may not be written, however much space there is.
fn is_forbidden(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

fn list(paths: &[String]) -> String {
    if paths.is_empty() { "nothing".to_owned() } else { paths.join(" and ") }
}

impl Error {
    /// The error for a population without files: the backup holds none, or all were left out.
    pub(super) fn no_files(population: &Population, location: &Location) -> Self {
        let Population { filtered, unmapped, .. } = *population;
        match filtered + unmapped {
            0 => Self::EmptyBackup { location: location.clone() },
            listed => Self::EmptyPopulation { listed, filtered, unmapped },
        }
    }

    /// The exit code for this error.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Glob { .. }
            | Self::SizesUnknown { .. }
            | Self::NothingPairs { .. }
            | Self::NothingKnown { .. }
            | Self::EmptyPopulation { .. }
            | Self::NotResumable(_)
            | Self::ManifestOfOne
            | Self::Overlap { .. }
            | Self::SameFolder { .. }
            | Self::ReportOverlap { .. }
            | Self::ReportUnwritable { .. } => ExitCode::Usage,
            Self::Backup(_)
            | Self::EmptyBackup { .. }
            | Self::Originals { .. }
            | Self::Unresolved { .. }
            | Self::RestoreFolder { .. }
            | Self::NoSpace { .. } => ExitCode::Unusable,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Backup(backup::Error::Scratch { source, .. }) | Self::RestoreFolder { source, .. }
                if is_forbidden(source) =>
            {
                "check that you may write there, or name another folder with --restore-to"
            }
            Self::RestoreFolder { source, .. } if source.kind() == io::ErrorKind::NotADirectory => {
                "name a folder with --restore-to; it is made if it is missing"
            }
            Self::Backup(backup::Error::Open { location, source })
                if source.kind() == io::ErrorKind::NotFound && registry::address_hint(location).is_some() =>
            {
                return registry::address_hint(location);
            }
            Self::Backup(backup::Error::Unrecognised { .. }) => {
                return Some(format!("it must be {}", registry::in_words()));
            }
            Self::Backup(backup::Error::Open { .. }) => {
                "check the path given by --backup, that its disk is mounted, and that you may read it"
            }
            Self::Backup(backup::Error::Damaged { .. }) => {
                "make the backup again, and keep this one until the new one is verified"
            }
            // The message says what to do.
            Self::Backup(backup::Error::NotABackup { .. } | backup::Error::Program { .. }) => return None,
            Self::Backup(backup::Error::Scratch { .. })
            | Self::NoSpace { .. }
            | Self::RestoreFolder { .. } => "free some space, or name another folder with --restore-to",
            Self::EmptyBackup { .. } => "an empty backup restores nothing: check the job that makes it",
            Self::SizesUnknown { .. } => "draw files instead: --strategy random or --strategy coverage",
            Self::EmptyPopulation { .. } => {
                "loosen --include, --exclude, the size and time limits, or add a --source"
            }
            Self::ManifestOfOne => "leave out --manifest, or name one snapshot",
            Self::NotResumable(_) => "begin a new run, without --resume",
            Self::Originals { .. } => "check the path given by --source or --map, and that you may read it",
            Self::Unresolved { .. } => {
                "check that path, that its disk is mounted, and that you may enter every folder above it"
            }
            Self::NothingPairs { .. } => {
                "say where the originals are: --source DIR, or --map FROM=TO where FROM is how the backup's paths begin"
            }
            Self::NothingKnown { .. } => {
                "name the manifest of these originals with --manifest, or make one: bkverify manifest --output FILE"
            }
            Self::Overlap { .. } => {
                "originals and backups are never written to: name a folder outside of them"
            }
            Self::SameFolder { .. } => {
                "name the copy with --backup, and the originals that it was made from with --source"
            }
            Self::ReportOverlap { flag, .. } | Self::ReportUnwritable { flag, .. } => {
                return Some(format!("choose another path with --{flag}"));
            }
            Self::Glob { .. } => "patterns follow gitignore's rules: *.log, /top-level-only/, **/cache/",
        };
        Some(hint.to_owned())
    }
}

impl From<backup::Error> for Error {
    fn from(error: backup::Error) -> Self {
        Self::Backup(error)
    }
}
