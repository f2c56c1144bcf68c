//! What a run found: plain data, filled by the stages, read by the reports and by the exit code.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::backup::Description;
use crate::exit::ExitCode;
use crate::plan::Algorithm;

use super::assurance::Assurance;
use super::counts::Counts;
use super::record::PickRecord;
use super::verdict::Verdict;

/// Everything a run found.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The backup that was verified.
    pub backup: Description,
    /// What was drawn from.
    pub population: Population,
    /// What was drawn.
    pub sample: Sample,
    /// How many picks ended with which verdict.
    pub counts: Counts,
    /// Picks that are not `verified`, by path; of alarms and of what is undecided, the first 10,000
    /// each, so that neither memory nor a report grows with what is bad.
    pub findings: Vec<PickRecord>,
    /// The other direction, where asked for.
    pub completeness: Option<Completeness>,
    /// What the sample proves about the comparable files of the population; nothing where no pick
    /// was decided.
    pub assurance: Option<Assurance>,
    /// What could not be listed: each line a part of the backup that is lost. Any makes the run a
    /// failure.
    pub damage: Vec<String>,
    /// Parts of the backup that this account may not list: doubt, which never passes, but no proof
    /// that they are bad.
    pub denied: Vec<String>,
    /// Why less was proven than asked for.
    pub incomplete: Option<Incomplete>,
    /// Things worth knowing that change nothing: how originals were paired, leftovers that were
    /// removed.
    pub notes: Vec<String>,
    /// How fast it went.
    pub effort: Effort,
}

/// The files a statement is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Population {
    /// How many files passed the filters.
    pub files: u64,
    /// Whether the backup was listed to its end; otherwise there are at least so many files and
    /// bytes, and nothing can be said of the whole. (What is damaged was not listed either: see
    /// [`Outcome::damage`].)
    pub whole: bool,
    /// Their bytes, where the format lists sizes.
    pub bytes: Option<u64>,
    /// Digest of their names under the run's seed (see `verify::sample`), in hexadecimal.
    pub digest: String,
    /// Files that the filters left out.
    pub filtered: u64,
    /// Files whose originals no source or map names: not in the population.
    pub unmapped: u64,
    /// Parts of the backup that could not be listed, which filters or sources leave out; notes name
    /// them.
    pub unlisted: u64,
    /// Entries that are no regular files (links, devices, empty folders), with filters or without:
    /// not compared.
    pub not_compared: u64,
}

impl Population {
    /// Adds other files of the same backup, told apart by the same filters.
    pub fn merge(&mut self, other: &Self) {
        let digest = |hex: &str| u128::from_str_radix(hex, 16).unwrap_or_default();
        self.files += other.files;
        self.whole &= other.whole;
        self.bytes = self.bytes.zip(other.bytes).map(|(mine, theirs)| mine + theirs);
        self.digest = format!("{:032x}", digest(&self.digest).wrapping_add(digest(&other.digest)));
        self.filtered += other.filtered;
        self.unmapped += other.unmapped;
        self.unlisted += other.unlisted;
        self.not_compared += other.not_compared;
    }
}

/// What was drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// `random` or `all`.
    pub strategy: &'static str,
    /// The text that decided the draw.
    pub seed: String,
    /// How many comparable picks were asked for; where the population is not
    /// [`whole`](Population::whole), of the files that were listed until then.
    pub wanted: u64,
    /// How many picks were looked at, replacements included.
    pub drawn: u64,
    /// How many of them replaced ones that could not be compared.
    pub replacements: u64,
}

/// The other direction: originals that were looked up in the backup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completeness {
    /// Whether a person asked for it. Otherwise it warns, and fails nothing.
    pub asked_for: bool,
    /// How many were to be looked up, of those that there are.
    pub wanted: u64,
    /// How many originals there are to draw from, by the filters; not those that were drawn and are
    /// too young.
    pub originals: u64,
    /// How many were looked up: the backup lists them, or they are missing.
    pub looked_up: u64,
    /// How many more were drawn that the backup does not list, and that were modified after it was
    /// made.
    pub too_young: u64,
    /// How many more were drawn that the backup does not list, but that may have been made or moved
    /// to their places after it was taken: they prove nothing.
    pub undecided: u64,
    /// Those that the backup does not list though they were there, by path of the original; any
    /// bytes.
    pub missing: Vec<Vec<u8>>,
    /// Those that the backup does not list, and that were at their places before the time that it
    /// has; that time may be the one at which it was copied.
    pub doubtful: Vec<Vec<u8>>,
    /// Globs that would leave out what is missing or doubtful, for somebody who wants it so.
    pub exclude: Vec<String>,
    /// Folders of the originals that could not be listed, and may hold what should be in the
    /// backup.
    pub unlisted: Vec<String>,
}

/// A larger share of originals that could not be looked up is doubt about the whole.
const UNDECIDED_MAX: f64 = 0.2;

impl Completeness {
    /// Whether something is missing that must not be.
    pub fn has_failures(&self) -> bool {
        self.asked_for && !self.missing.is_empty()
    }

    /// Whether less was looked up than was asked for: doubt, which never passes. Of those that
    /// could not be decided a few are forgiven, if others took their places.
    pub fn has_gaps(&self) -> bool {
        self.asked_for && !(self.unlisted.is_empty() && self.doubtful.is_empty() && self.is_enough())
    }

    /// Whether so many could be looked up that the others leave no doubt.
    pub fn is_enough(&self) -> bool {
        let is_few = |few: u64| few as f64 <= UNDECIDED_MAX * (few + self.looked_up) as f64;
        let is_reached = self.looked_up >= self.wanted;
        self.looked_up > 0
            && is_few(self.undecided)
            && (is_reached || is_few(self.undecided + self.too_young))
    }
}

/// Why a run ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Incomplete {
    /// A signal.
    Interrupted,
    /// The time limit.
    TimeLimit,
    /// The byte budget.
    Budget,
    /// Fewer picks than asked for could be compared, and the reserve is used up.
    TooFewComparable,
    /// A larger share of picks than the plan allows proved nothing.
    TooManyUndecided,
    /// Comparable picks stayed undecided.
    Unresolved,
    /// The bound is not below the tolerance that was asked for.
    ToleranceNotMet,
    /// The restore folder failed; a note says how.
    RestoreFolder,
}

/// How fast it went, and with what.
#[derive(Debug, Clone)]
pub struct Effort {
    /// Time for listing and drawing.
    pub catalog: Duration,
    /// Time for restoring and comparing.
    pub verify: Duration,
    /// Time for the whole run.
    pub total: Duration,
    /// Bytes restored.
    pub restored_bytes: u64,
    /// Bytes hashed, both sides together.
    pub hashed_bytes: u64,
    /// Bytes of originals and backup that were in memory though they were to be read from the disk;
    /// `None` where the system does not tell, or where they might be read from memory.
    pub cached_bytes: Option<u64>,
    /// The hash.
    pub hash: Algorithm,
    /// Threads that verified.
    pub threads: usize,
}

impl Outcome {
    /// Whether anything proves the backup bad or lacking.
    pub fn has_failures(&self) -> bool {
        self.counts.bad() > 0
            || self.counts.of(Verdict::OriginalCorrupt) > 0
            || !self.damage.is_empty()
            || self.completeness.as_ref().is_some_and(Completeness::has_failures)
    }

    /// Whether parts of the backup or of the originals could not be listed: doubt, which never
    /// passes.
    fn has_gaps(&self) -> bool {
        !self.denied.is_empty() || self.completeness.as_ref().is_some_and(Completeness::has_gaps)
    }

    /// The exit code by the table in [`ExitCode`].
    pub fn exit_code(&self) -> ExitCode {
        let is_nothing_decided = self.counts.comparable() == self.counts.unresolved();
        if self.has_failures() {
            ExitCode::IntegrityFailure
        } else if self.incomplete == Some(Incomplete::RestoreFolder) {
            ExitCode::Unusable
        } else if self.incomplete.is_some() || is_nothing_decided || self.has_gaps() {
            ExitCode::Incomplete
        } else {
            ExitCode::Pass
        }
    }
}
