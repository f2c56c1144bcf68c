//! The exit codes. Schedulers rely on them.

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Every file that could be compared is good, and there were as many as asked for.
    Pass = 0,
    /// At least one file of the backup is bad or missing.
    IntegrityFailure = 1,
    /// Usage or configuration error; nothing was verified.
    Usage = 2,
    /// Less was proved than asked for: interrupted, out of budget, or too few files could be
    /// compared. Nothing bad was found.
    Incomplete = 3,
    /// The backup, the originals or the restore directory could not be used.
    Unusable = 4,
}

impl ExitCode {
    /// Every code, in order.
    pub const ALL: [Self; 5] =
        [Self::Pass, Self::IntegrityFailure, Self::Usage, Self::Incomplete, Self::Unusable];

    /// One word for reports: `pass`, `fail`, `usage`, `incomplete`, `unusable`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::IntegrityFailure => "fail",
            Self::Usage => "usage",
            Self::Incomplete => "incomplete",
            Self::Unusable => "unusable",
        }
    }

    /// The meaning of the code, for help and documents.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Pass => {
                "pass: every file that could be compared is good, and there were as many as asked for"
            }
            Self::IntegrityFailure => {
                "integrity failure: at least one file is corrupt, cannot be restored, or is missing"
            }
            Self::Usage => "usage or configuration error; nothing was verified",
            Self::Incomplete => {
                "incomplete: interrupted, out of budget, or too few files could be compared; nothing bad found"
            }
            Self::Unusable => "the backup, the originals or the restore directory could not be used",
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
