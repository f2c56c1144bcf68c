//! What a run found: plain data, which the stages fill and the reports and the exit code read.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::backup::Description;
use crate::exit::ExitCode;
use crate::plan::Algorithm;

use super::counts::Counts;
use super::known_counts::KnownCounts;
use super::record::PickRecord;
use super::statement::Statement;
use super::verdict::Verdict;

/// Everything that a run found.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The backup that was verified.
    pub backup: Description,
    /// The files that the sample was drawn from.
    pub population: Population,
    /// The sample.
    pub sample: SampleSummary,
    /// How many picks of the sample ended with which verdict.
    pub counts: Counts,
    /// How hashes from before the run were used.
    pub known: KnownCounts,
    /// How many files that were judged beside the sample ended with which verdict; `None` if the
    /// strategy judges none. They are not in the statement.
    pub beside: Option<Counts>,
    /// Picks that are not `verified` or are `unlike` what is known of them, sorted by path. At most
    /// 10,000 alarms and 10,000 others are listed, so that a bad backup makes neither memory nor
    /// the report grow without limit.
    pub findings: Vec<PickRecord>,
    /// The originals that were looked up in the backup; `None` if none were to be.
    pub completeness: Option<CompletenessResult>,
    /// What the sample proves about the comparable files of the population, or about their bytes;
    /// `None` if it proves nothing.
    pub assurance: Option<Statement>,
    /// What could not be listed. Each line is a part of the backup that is lost, and any line makes
    /// the run a failure.
    pub damage: Vec<String>,
    /// Parts of the backup of which nobody knows what is there: this account may not list them,
    /// this program cannot read them, or they are not where the backup says. They do not prove that
    /// the backup is bad, but they are a doubt, and the run does not pass.
    pub gaps: Vec<String>,
    /// Why less was proved than asked for, if so.
    pub incomplete: Option<Incomplete>,
    /// Useful facts that change nothing: how originals were paired, which leftovers were removed.
    pub notes: Vec<String>,
    /// How long the run took, and what it processed.
    pub effort: Effort,
}

/// The files that a statement is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Population {
    /// How many files passed the filters.
    pub files: u64,
    /// Whether the backup was listed to its end. If not, there are at least this many files and
    /// bytes, and nothing can be said about the whole. (A damaged part was not listed either: see
    /// [`Outcome::damage`].)
    pub whole: bool,
    /// The total size in bytes, if the format lists sizes.
    pub bytes: Option<u64>,
    /// The digest of the names under the run's seed (see `verify::sample`), in hexadecimal.
    pub digest: String,
    /// Files that the filters left out.
    pub filtered: u64,
    /// Files whose originals are in no source or map. They are not in the population.
    pub unmapped: u64,
    /// Parts of the backup that could not be listed, but that filters or sources leave out. They
    /// are named in notes.
    pub unlisted: u64,
    /// Entries that are not regular files (links, devices, empty folders), whether filters leave
    /// them out or not. They are not compared.
    pub not_compared: u64,
}

/// How the sample was drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SampleSummary {
    /// The name of the strategy (`verify::strategy::STRATEGIES`).
    pub strategy: &'static str,
    /// The seed of the draw.
    pub seed: String,
    /// How many comparable picks of the sample were asked for; with the strategy `size`, how many
    /// random bytes in files that can be compared. If the population is not
    /// [`whole`](Population::whole), this refers to the files that were listed.
    pub wanted: u64,
    /// How many picks were judged, including replacements.
    pub drawn: u64,
    /// How many of them replaced picks that could not be compared.
    pub replacements: u64,
    /// How many sessions the run took so far: 1, or more if it was resumed.
    pub sessions: u64,
    /// How many of the judged picks were judged in earlier sessions.
    pub judged_before: u64,
}

/// The result of looking originals up in the backup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompletenessResult {
    /// Whether the user asked for it. If not, missing originals are a warning and not a failure.
    pub asked_for: bool,
    /// How many originals were to be looked up, at most as many as there are.
    pub wanted: u64,
    /// How many originals there are that pass the filters. Drawn ones that are too young are not
    /// counted.
    pub originals: u64,
    /// How many were looked up: the backup lists them, or they are missing.
    pub looked_up: u64,
    /// How many more were drawn that the backup does not list, and that were modified after it was
    /// taken.
    pub too_young: u64,
    /// How many more were drawn that the backup does not list, but that may have been made or moved
    /// to their paths after it was taken. They prove nothing.
    pub undecided: u64,
    /// Paths of the originals that the backup does not list, although they existed when it was
    /// taken. The paths are bytes in any encoding.
    pub missing: Vec<Vec<u8>>,
    /// Paths of the originals that the backup does not list, and that came to their paths before
    /// the backup's own time. That time may be the time at which the backup was copied.
    pub doubtful: Vec<Vec<u8>>,
    /// Globs that exclude the missing and doubtful originals, for users who left them out on
    /// purpose.
    pub exclude: Vec<String>,
    /// Folders of the originals that could not be listed. They may hold files that should be in the
    /// backup.
    pub unlisted: Vec<String>,
}

/// If a larger share of the originals than this could not be decided, the whole is in doubt.
const UNDECIDED_MAX: f64 = 0.2;

impl CompletenessResult {
    /// Whether an original is missing, and the user asked to be told.
    pub fn has_failures(&self) -> bool {
        self.asked_for && !self.missing.is_empty()
    }

    /// Whether less was looked up than was asked for. That is a doubt, so the run does not pass. A
    /// few undecided originals are accepted if others were looked up in their place.
    pub fn has_gaps(&self) -> bool {
        self.asked_for && !(self.unlisted.is_empty() && self.doubtful.is_empty() && self.is_enough())
    }

    /// Whether enough originals were looked up for the others to leave no doubt.
    pub fn is_enough(&self) -> bool {
        let is_few = |few: u64| few as f64 <= UNDECIDED_MAX * (few + self.looked_up) as f64;
        let is_reached = self.looked_up >= self.wanted;
        self.looked_up > 0
            && is_few(self.undecided)
            && (is_reached || is_few(self.undecided + self.too_young))
    }
}

/// Why a run proved less than was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Incomplete {
    /// A signal ended the run.
    Interrupted,
    /// The time limit ended the run.
    TimeLimit,
    /// The byte budget ended the run.
    Budget,
    /// Fewer picks than asked for could be compared, and the reserve is used up.
    TooFewComparable,
    /// A larger share of picks than the plan allows proved nothing.
    TooManyUndecided,
    /// Comparable picks stayed undecided.
    Unresolved,
    /// The bound is not below the tolerance that was asked for.
    ToleranceNotMet,
    /// The restore folder failed. A note says how.
    RestoreFolder,
}

/// How long the run took, and what it processed.
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
    /// Bytes hashed, of originals and copies.
    pub hashed_bytes: u64,
    /// Bytes of originals and backup that were in the system's cache, although they were to be read
    /// from the disk. `None` if the system does not tell, or if reading from the cache was allowed.
    pub cached_bytes: Option<u64>,
    /// The hash algorithm.
    pub hash: Algorithm,
    /// The number of threads that verified.
    pub threads: usize,
}

impl Outcome {
    /// Whether anything proves that the backup is bad or incomplete.
    pub fn has_failures(&self) -> bool {
        let is_alarm = |counts: &Counts| counts.sum(Verdict::is_alarm) > 0;
        is_alarm(&self.counts)
            || self.beside.as_ref().is_some_and(is_alarm)
            || !self.damage.is_empty()
            || self.completeness.as_ref().is_some_and(CompletenessResult::has_failures)
    }

    /// Whether parts of the backup or of the originals could not be listed. That is a doubt, so the
    /// run does not pass.
    fn has_gaps(&self) -> bool {
        !self.gaps.is_empty() || self.completeness.as_ref().is_some_and(CompletenessResult::has_gaps)
    }

    /// The exit code, by the table in [`ExitCode`].
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
