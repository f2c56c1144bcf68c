//! What was found: the parts of the model, each made of what it reports.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backup::{Description, escape};
use crate::verify::PickRecord;
use crate::verify::assurance::Assurance;
use crate::verify::counts::Counts;
use crate::verify::difference::Difference;
use crate::verify::outcome::{CompletenessResult, Effort, Population, SampleSummary};
use crate::verify::verdict::Verdict;
use crate::words;

/// Bytes as text that can be turned back.
fn escaped(bytes: &[u8]) -> String {
    escape(bytes).into_owned()
}

/// Why a run could not begin, or not go on.
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
    /// Its format; `unknown` where it could not be opened.
    pub format: String,
    /// Where it is.
    pub place: String,
    /// When it was taken, as far as it tells.
    pub taken: Option<Timestamp>,
    /// How exactly it records modification times.
    pub time_resolution_ns: u64,
}

impl BackupPart {
    pub(crate) fn new(backup: &Description) -> Self {
        Self {
            format: backup.format.to_owned(),
            place: backup.location.text(),
            taken: backup.taken.and_then(|taken| words::moment(taken.at)),
            time_resolution_ns: backup.time_resolution_ns,
        }
    }
}

/// The files that a statement is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PopulationPart {
    /// How many files passed the filters.
    pub files: u64,
    /// Whether the backup was listed to its end.
    pub whole: bool,
    /// Their bytes, where the format lists sizes.
    pub bytes: Option<u64>,
    /// Digest of their names under the seed.
    pub digest: String,
    /// Files that the filters left out.
    pub filtered: u64,
    /// Files whose originals no source or map names.
    pub unmapped: u64,
    /// Parts that could not be listed, which filters or sources leave out.
    pub unlisted: u64,
    /// Entries that are no regular files.
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
    /// What decided the draw.
    pub seed: String,
    /// How many comparable files were asked for.
    pub wanted: u64,
    /// How many files were looked at.
    pub drawn: u64,
    /// How many of them replaced ones that could not be compared.
    pub replacements: u64,
}

impl SamplePart {
    pub(crate) fn new(sample: &SampleSummary) -> Self {
        Self {
            strategy: sample.strategy.to_owned(),
            seed: sample.seed.clone(),
            wanted: sample.wanted,
            drawn: sample.drawn,
            replacements: sample.replacements,
        }
    }
}

/// How many picks ended with which verdict, and the sums that reports speak of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the first eight are verdicts")]
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
    /// All of them.
    pub drawn: u64,
    /// Those that could be compared.
    pub comparable: u64,
    /// Comparable and identical.
    pub comparable_verified: u64,
    /// Comparable and bad.
    pub comparable_bad: u64,
    /// Comparable, but not decided.
    pub unresolved: u64,
    /// Those that could not be compared.
    pub outside: u64,
    /// Identical though they could not be compared.
    pub outside_verified: u64,
    /// Those that prove the backup bad.
    pub bad: u64,
    /// Those that prove nothing.
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

    /// Bad ones, whatever became of their originals.
    pub fn outside_bad(&self) -> u64 {
        self.bad.saturating_sub(self.comparable_bad)
    }
}

/// What the sample proves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AssurancePart {
    /// What it is about: `comparable` files.
    pub domain: String,
    /// How many of them there are at most.
    pub domain_at_most: u64,
    /// Picks among them.
    pub comparable: u64,
    /// Bad ones among these.
    pub bad: u64,
    /// Undecided ones among these, which count as bad.
    pub unresolved: u64,
    /// Confidence.
    pub confidence: f64,
    /// Upper bound on bad files.
    pub at_most_bad: u64,
    /// The same as a share.
    pub at_most_bad_share: f64,
    /// The statement in words.
    pub sentence: Option<String>,
    /// What it is not about, in words.
    pub rest: Option<String>,
}

impl AssurancePart {
    /// The numbers, without words.
    pub(crate) fn new(found: &Assurance) -> Self {
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
        }
    }
}

/// A pick that is not `verified`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingPart {
    /// Its path in the backup.
    pub path: String,
    /// Where its original was looked for.
    pub original: Option<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// Whether it is in the statement.
    pub comparable: bool,
    /// Why, in words.
    pub reason: String,
    /// Size of the restored copy.
    pub restored_size: Option<u64>,
    /// Size of the original.
    pub original_size: Option<u64>,
    /// Hash of the restored copy.
    pub restored_hash: Option<String>,
    /// Hash of the original.
    pub original_hash: Option<String>,
    /// Where they differ.
    pub difference: Option<DifferencePart>,
    /// Where the restored copy was kept.
    pub kept: Option<String>,
}

impl FindingPart {
    pub(crate) fn new(pick: &PickRecord) -> Self {
        let hashes = pick.hashes.as_ref();
        Self {
            path: escaped(&pick.path),
            original: pick.original.as_deref().map(escaped),
            verdict: pick.verdict,
            comparable: pick.comparable,
            reason: pick.reason.clone(),
            restored_size: pick.restored_size,
            original_size: pick.original_size,
            restored_hash: hashes.map(|hashes| hashes.restored.to_string()),
            original_hash: hashes.map(|hashes| hashes.original.to_string()),
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
    /// What it looks like, in a word.
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
    /// Whether a person asked for it: otherwise it only warns.
    pub asked_for: bool,
    /// How many were to be looked up.
    pub wanted: u64,
    /// How many there are.
    pub originals: u64,
    /// How many were looked up.
    pub looked_up: u64,
    /// How many more are younger than the backup.
    pub too_young: u64,
    /// How many more may be younger than the backup.
    pub undecided: u64,
    /// Those that the backup does not hold.
    pub missing: Vec<String>,
    /// Those that it does not hold, unless they came to their places later.
    pub doubtful: Vec<String>,
    /// Globs that would leave them out.
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

/// How fast it went, and with what.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EffortPart {
    /// For listing and drawing.
    pub catalog_seconds: f64,
    /// For restoring and comparing.
    pub verify_seconds: f64,
    /// For the whole run.
    pub total_seconds: f64,
    /// Bytes restored.
    pub restored_bytes: u64,
    /// Bytes hashed, both sides together.
    pub hashed_bytes: u64,
    /// Bytes that came from memory though they were to be read from the disk.
    pub cached_bytes: Option<u64>,
    /// Bytes restored a second.
    pub restored_bytes_per_second: Option<u64>,
    /// Files compared a second.
    pub files_per_second: Option<u64>,
    /// The hash.
    pub hash: String,
    /// Threads that verified.
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
