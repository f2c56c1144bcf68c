//! What was found: the parts of the model that are made from the outcome.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backup::{Description, escape};
use crate::verify::PickRecord;
use crate::verify::assurance::Assurance;
use crate::verify::byte_bound::ByteBound;
use crate::verify::counts::Counts;
use crate::verify::difference::Difference;
use crate::verify::outcome::{CompletenessResult, Effort, Population, SampleSummary};
use crate::verify::record::UNLIKE;
use crate::verify::statement::Statement;
use crate::verify::verdict::Verdict;
use crate::words;

/// Whether originals that were looked up were asked for, in reports that do not say so.
fn yes() -> bool {
    true
}

/// Bytes as text from which the bytes can be recovered.
fn escaped(bytes: &[u8]) -> String {
    escape(bytes).into_owned()
}

/// Why a run could not begin or could not go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorPart {
    /// What went wrong, and where.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

/// The backup that was verified.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupPart {
    /// Name of its format; `unknown` if it could not be opened.
    pub format: String,
    /// Its path or address, without secrets.
    pub place: String,
    /// When the backup was taken, if it records that.
    pub taken: Option<Timestamp>,
    /// Identifies the backup. It changes when another backup replaces it. `None` if nothing
    /// identifies it, and in reports from before this field existed.
    #[serde(default)]
    pub id: Option<String>,
    /// How exactly it records modification times, in nanoseconds.
    pub time_resolution_ns: u64,
}

impl BackupPart {
    pub(crate) fn new(backup: &Description) -> Self {
        Self {
            format: backup.format.to_owned(),
            place: backup.location.text(),
            taken: backup.taken.and_then(|taken| words::moment(taken.at)),
            id: backup.id.clone(),
            time_resolution_ns: backup.time_resolution_ns,
        }
    }
}

/// The files that the sample was drawn from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PopulationPart {
    /// How many files passed the filters.
    pub files: u64,
    /// Whether the backup was listed to its end.
    pub whole: bool,
    /// Their size in bytes, if the format lists sizes.
    pub bytes: Option<u64>,
    /// Digest of their names with the seed.
    pub digest: String,
    /// Files that the filters left out.
    pub filtered: u64,
    /// Files whose originals are in no source and in no map.
    pub unmapped: u64,
    /// Parts that could not be listed, but that filters or sources leave out anyway.
    pub unlisted: u64,
    /// Entries that are not regular files.
    #[serde(default)]
    pub not_compared: u64,
}

impl PopulationPart {
    pub(crate) fn new(population: &Population) -> Self {
        Self {
            files: population.files,
            whole: population.whole,
            bytes: population.bytes,
            digest: population.digest.clone(),
            filtered: population.filtered,
            unmapped: population.unmapped,
            unlisted: population.unlisted,
            not_compared: population.not_compared,
        }
    }
}

/// What was drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SamplePart {
    /// How files were chosen.
    pub strategy: String,
    /// The random seed.
    pub seed: String,
    /// How many comparable files were asked for.
    pub wanted: u64,
    /// How many files were drawn, with replacements.
    pub drawn: u64,
    /// How many of them replaced files that could not be compared.
    pub replacements: u64,
    /// How many sessions the run took so far: 1, or more if it was resumed.
    #[serde(default = "one")]
    pub sessions: u64,
    /// How many of the drawn files were verified in earlier sessions.
    #[serde(default)]
    pub judged_before: u64,
}

/// The number of sessions, in reports that do not say it.
fn one() -> u64 {
    1
}

impl SamplePart {
    pub(crate) fn new(sample: &SampleSummary) -> Self {
        Self {
            strategy: sample.strategy.to_owned(),
            seed: sample.seed.clone(),
            wanted: sample.wanted,
            drawn: sample.drawn,
            replacements: sample.replacements,
            sessions: sample.sessions,
            judged_before: sample.judged_before,
        }
    }
}

/// How many picks ended with which verdict, and the sums that reports use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the first fields are verdicts; `of` has them all")]
pub struct CountsPart {
    pub changed: u64,
    pub corrupt: u64,
    pub deleted: u64,
    #[serde(rename = "original-corrupt")]
    pub original_corrupt: u64,
    #[serde(rename = "restore-failed")]
    pub restore_failed: u64,
    pub stale: u64,
    pub unreadable: u64,
    pub verified: u64,
    /// All picks.
    pub drawn: u64,
    /// Picks that could be compared.
    pub comparable: u64,
    /// Comparable picks that are identical.
    pub comparable_verified: u64,
    /// Comparable picks that are bad.
    pub comparable_bad: u64,
    /// Comparable picks that were not decided.
    pub unresolved: u64,
    /// Picks that could not be compared.
    pub outside: u64,
    /// Picks that are identical although they could not be compared.
    pub outside_verified: u64,
    /// Picks that prove the backup bad.
    pub bad: u64,
    /// Picks that prove nothing.
    pub undecided: u64,
}

impl CountsPart {
    pub(crate) fn new(counts: &Counts) -> Self {
        Self {
            changed: counts.of(Verdict::Changed),
            corrupt: counts.of(Verdict::Corrupt),
            deleted: counts.of(Verdict::Deleted),
            original_corrupt: counts.of(Verdict::OriginalCorrupt),
            restore_failed: counts.of(Verdict::RestoreFailed),
            stale: counts.of(Verdict::Stale),
            unreadable: counts.of(Verdict::Unreadable),
            verified: counts.of(Verdict::Verified),
            drawn: counts.looked_at(),
            comparable: counts.comparable(),
            comparable_verified: counts.comparable_of(Verdict::Verified),
            comparable_bad: counts.comparable_bad(),
            unresolved: counts.unresolved(),
            outside: counts.outside(),
            outside_verified: counts.outside_of(Verdict::Verified),
            bad: counts.bad(),
            undecided: counts.undecided(),
        }
    }

    /// How many picks ended with this verdict. A match without a rest, so that a new verdict does
    /// not compile before it has a field.
    pub fn of(&self, verdict: Verdict) -> u64 {
        match verdict {
            Verdict::Changed => self.changed,
            Verdict::Corrupt => self.corrupt,
            Verdict::Deleted => self.deleted,
            Verdict::OriginalCorrupt => self.original_corrupt,
            Verdict::RestoreFailed => self.restore_failed,
            Verdict::Stale => self.stale,
            Verdict::Unreadable => self.unreadable,
            Verdict::Verified => self.verified,
        }
    }

    /// Bad picks that are not comparable.
    pub fn outside_bad(&self) -> u64 {
        self.bad.saturating_sub(self.comparable_bad)
    }
}

/// What the sample proves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AssurancePart {
    /// What the statement is about: `comparable` files, or `comparable-bytes`, which are the bytes
    /// of such files.
    pub domain: String,
    /// The largest number of such files, or bytes, that there can be.
    pub domain_at_most: u64,
    /// How many picks, or drawn bytes, could be compared.
    pub comparable: u64,
    /// How many of these are bad.
    pub bad: u64,
    /// How many of these were not decided. They count as bad.
    pub unresolved: u64,
    /// Confidence, between 0 and 1.
    pub confidence: f64,
    /// Upper bound on the number of bad files, or of bytes in bad files.
    pub at_most_bad: u64,
    /// The upper bound as a share.
    pub at_most_bad_share: f64,
    /// The statement in words.
    pub sentence: Option<String>,
    /// What the statement is not about, in words.
    pub rest: Option<String>,
    /// Picks that are comparable only because a manifest knows their content.
    #[serde(default)]
    pub by_manifest: u64,
    /// Picks that are comparable only because an earlier run recorded their content.
    #[serde(default)]
    pub by_ledger: u64,
}

impl AssurancePart {
    /// The numbers, without words.
    pub(crate) fn new(found: &Statement) -> Self {
        match found {
            Statement::Files(found) => Self::about_files(found),
            Statement::Bytes(found) => Self::about_bytes(found),
        }
    }

    fn about_bytes(found: &ByteBound) -> Self {
        Self {
            domain: "comparable-bytes".to_owned(),
            domain_at_most: found.domain_at_most,
            comparable: found.drawn,
            bad: found.bad,
            unresolved: found.unresolved,
            confidence: found.confidence,
            at_most_bad: found.at_most_bad,
            at_most_bad_share: found.at_most_bad_share,
            sentence: None,
            rest: None,
            by_manifest: 0,
            by_ledger: 0,
        }
    }

    fn about_files(found: &Assurance) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a share; the exact numbers stand beside it")]
        let at_most_bad_share = found.at_most_bad as f64 / found.domain_at_most.max(1) as f64;
        Self {
            domain: "comparable".to_owned(),
            domain_at_most: found.domain_at_most,
            comparable: found.comparable,
            bad: found.bad,
            unresolved: found.unresolved,
            confidence: found.confidence,
            at_most_bad: found.at_most_bad,
            at_most_bad_share,
            sentence: None,
            rest: None,
            by_manifest: 0,
            by_ledger: 0,
        }
    }
}

/// Several snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotsPart {
    /// How many they are.
    pub count: u64,
    /// How many files without an original were verified because of [`Self::confirmed_by`].
    pub confirmed: u64,
    /// What the repository confirms its files by.
    pub confirmed_by: String,
}

/// A pick that is not `verified`, or that is unlike what was known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingPart {
    /// Its path in the backup.
    pub path: String,
    /// The path at which its original was looked for.
    pub original: Option<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// Whether it could be compared. The statement is about it then, unless it is `beside`.
    pub comparable: bool,
    /// Whether it was judged beside the sample.
    #[serde(default)]
    pub beside: bool,
    /// Whether backup and original are equal, but not to the hash that was known of this version.
    #[serde(default)]
    pub unlike: bool,
    /// The reason, in words.
    pub reason: String,
    /// Size of the restored copy.
    pub restored_size: Option<u64>,
    /// Size of the original.
    pub original_size: Option<u64>,
    /// Hash of the restored copy.
    pub restored_hash: Option<String>,
    /// Hash of the original.
    pub original_hash: Option<String>,
    /// Who knew a hash of the file: `manifest`, `ledger` or `repository`.
    #[serde(default)]
    pub known_by: Option<String>,
    /// The hash that was known.
    #[serde(default)]
    pub known_hash: Option<String>,
    /// Where the restored copy and the original differ.
    pub difference: Option<DifferencePart>,
    /// The path of the restored copy, if it was kept.
    pub kept: Option<String>,
}

impl FindingPart {
    /// The word for it in lists: its verdict, or that it is unlike what was known.
    pub fn word(&self) -> &'static str {
        if self.unlike { UNLIKE } else { self.verdict.word() }
    }

    /// Whether someone is to be told of it.
    pub fn is_alarm(&self) -> bool {
        self.unlike || self.verdict.is_alarm()
    }

    pub(crate) fn new(pick: &PickRecord) -> Self {
        let hashes = pick.hashes.as_ref();
        Self {
            path: escaped(&pick.path),
            original: pick.original.as_deref().map(escaped),
            verdict: pick.verdict,
            comparable: pick.comparable,
            beside: pick.beside,
            unlike: pick.unlike,
            reason: pick.reason.clone(),
            restored_size: pick.restored_size,
            original_size: pick.original_size,
            restored_hash: hashes.map(|hashes| hashes.restored.to_string()),
            original_hash: hashes.and_then(|hashes| hashes.original).map(|hash| hash.to_string()),
            known_by: pick.known.map(|known| known.by.word().to_owned()),
            known_hash: pick.known.map(|known| known.hash.to_string()),
            difference: pick.difference.as_ref().map(DifferencePart::new),
            kept: pick.kept.as_deref().map(escaped),
        }
    }
}

/// Where and how a restored copy differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferencePart {
    /// Offset of the first byte that differs.
    pub first_offset: u64,
    /// Bytes that differ.
    pub differing_bytes: u64,
    /// Blocks that differ.
    pub differing_blocks: u64,
    /// What the damage looks like, in one word.
    pub looks_like: String,
    /// All of this in words.
    pub sentence: String,
}

impl DifferencePart {
    fn new(found: &Difference) -> Self {
        Self {
            first_offset: found.first_offset,
            differing_bytes: found.differing_bytes,
            differing_blocks: found.differing_blocks,
            looks_like: found.looks_like.word().to_owned(),
            sentence: found.to_string(),
        }
    }
}

/// Originals that were looked up in the backup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletenessPart {
    /// Whether a person asked for it. Otherwise missing originals are only a warning. Before this
    /// field existed, originals were looked up only if a person asked.
    #[serde(default = "yes")]
    pub asked_for: bool,
    /// How many were to be looked up; 0 in reports from before this field existed.
    #[serde(default)]
    pub wanted: u64,
    /// How many there are.
    pub originals: u64,
    /// How many were looked up.
    pub looked_up: u64,
    /// How many more are younger than the backup.
    #[serde(default)]
    pub too_young: u64,
    /// How many more may be younger than the backup.
    pub undecided: u64,
    /// Originals that the backup does not contain.
    pub missing: Vec<String>,
    /// Originals that it does not contain, perhaps because they were put there after it was taken.
    #[serde(default)]
    pub doubtful: Vec<String>,
    /// Globs that would leave out what is missing or doubtful.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Folders of originals that could not be listed.
    pub unlisted: Vec<String>,
}

impl CompletenessPart {
    pub(crate) fn new(found: &CompletenessResult) -> Self {
        let texts = |paths: &[Vec<u8>]| paths.iter().map(|path| escaped(path)).collect();
        Self {
            asked_for: found.asked_for,
            wanted: found.wanted,
            originals: found.originals,
            looked_up: found.looked_up,
            too_young: found.too_young,
            undecided: found.undecided,
            missing: texts(&found.missing),
            doubtful: texts(&found.doubtful),
            exclude: found.exclude.clone(),
            unlisted: found.unlisted.clone(),
        }
    }
}

/// How long the run took, how much it read, and with what.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EffortPart {
    /// Seconds for listing and drawing.
    pub catalog_seconds: f64,
    /// Seconds for restoring and comparing.
    pub verify_seconds: f64,
    /// Seconds for the whole run.
    pub total_seconds: f64,
    /// Bytes restored.
    pub restored_bytes: u64,
    /// Bytes hashed, of copies and originals together.
    pub hashed_bytes: u64,
    /// Bytes that came from memory although they should have been read from the disk. `None` if
    /// that was not measured.
    #[serde(default)]
    pub cached_bytes: Option<u64>,
    /// Bytes restored per second.
    pub restored_bytes_per_second: Option<u64>,
    /// Files compared per second.
    pub files_per_second: Option<u64>,
    /// The name of the hash algorithm.
    pub hash: String,
    /// The number of threads that verified.
    pub threads: usize,
}

impl EffortPart {
    pub(crate) fn new(effort: &Effort, files: u64) -> Self {
        Self {
            catalog_seconds: effort.catalog.as_secs_f64(),
            verify_seconds: effort.verify.as_secs_f64(),
            total_seconds: effort.total.as_secs_f64(),
            restored_bytes: effort.restored_bytes,
            hashed_bytes: effort.hashed_bytes,
            cached_bytes: effort.cached_bytes,
            restored_bytes_per_second: words::rate(effort.restored_bytes, effort.verify),
            files_per_second: words::rate(files, effort.verify),
            hash: effort.hash.name().to_owned(),
            threads: effort.threads,
        }
    }
}
