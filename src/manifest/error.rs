//! Why a manifest cannot be used.

use std::io;
use std::path::PathBuf;

use crate::exit::ExitCode;
use crate::words;

/// A line that cannot be used, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// The number of the line, from 1 on.
    pub number: u64,
    /// What is wrong, in words.
    pub problem: String,
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened or read.
    #[error("cannot read the manifest {}", place.display())]
    Read {
        /// The file.
        place: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The path leads to something else than a regular file.
    #[error("the manifest {} is not a file", place.display())]
    NotAFile {
        /// The path.
        place: PathBuf,
    },
    /// The file was modified while it was read.
    #[error("the manifest {} was modified while it was read", place.display())]
    Changed {
        /// The file.
        place: PathBuf,
    },
    /// Lines that are no lines of a manifest.
    #[error("the manifest {} cannot be used: {}", place.display(), listed(lines, *is_all))]
    BadLines {
        /// The file.
        place: PathBuf,
        /// The first bad lines.
        lines: Vec<BadLine>,
        /// Whether these are all bad lines.
        is_all: bool,
    },
    /// The file as a whole is in no form that is known.
    #[error("the manifest {} cannot be used: {problem}", place.display())]
    Form {
        /// The file.
        place: PathBuf,
        /// What is wrong, in words.
        problem: String,
    },
    /// Nothing tells which hash the lines have.
    #[error("nothing in the manifest {} tells whether its hashes are BLAKE3 or SHA-256", place.display())]
    UnknownHash {
        /// The file.
        place: PathBuf,
    },
    /// The user asked for another hash than the manifest has.
    #[error("the manifest {} has {has} hashes, not {asked}", place.display())]
    OtherHash {
        /// The file.
        place: PathBuf,
        /// The hash of the manifest.
        has: &'static str,
        /// The hash that was asked for.
        asked: &'static str,
    },
    /// The temporary index cannot be written or read.
    #[error("cannot make an index of the manifest in {}", place.display())]
    Index {
        /// The folder.
        place: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The run was cancelled.
    #[error("interrupted while the manifest was read")]
    Interrupted,
}

fn listed(lines: &[BadLine], is_all: bool) -> String {
    let lines: Vec<_> = lines.iter().map(|line| format!("line {}: {}", line.number, line.problem)).collect();
    let more = if is_all { "" } else { "; there may be more" };
    format!("{}{more}", lines.join("; "))
}

impl Error {
    /// The exit code for this error.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Index { .. } => ExitCode::Unusable,
            Self::Interrupted => ExitCode::Incomplete,
            _ => ExitCode::Usage,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Read { .. } | Self::NotAFile { .. } => {
                "check the path given by --manifest, and that you may read it".to_owned()
            }
            Self::Changed { .. } => "try again once it is complete".to_owned(),
            Self::BadLines { .. } | Self::Form { .. } => {
                "no line is skipped, because a manifest with errors in it may have others: make it again with bkverify \
                 manifest, b3sum, sha256sum or hashdeep -c sha256"
                    .to_owned()
            }
            Self::UnknownHash { .. } => {
                "say which program made it: --hash blake3 (b3sum) or --hash sha256 (sha256sum)".to_owned()
            }
            Self::OtherHash { has, .. } => format!("leave out --hash, or say --hash {has}"),
            Self::Index { source, .. } if source.kind() == io::ErrorKind::StorageFull => format!(
                "the index needs {} for a million lines, and twice as much while it is made: free some space, or name \
                 another folder with --restore-to",
                words::bytes(1_000_000 * super::index::RECORD as u64)
            ),
            Self::Index { .. } => {
                "check that you may write there, or name another folder with --restore-to".to_owned()
            }
            Self::Interrupted => return None,
        })
    }
}
