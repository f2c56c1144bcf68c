//! The report for programs: everything that was found, and everything that is needed to draw the
//! same sample again.
//!
//! The form is `bkverify-report/2`, described by the JSON Schema in [`SCHEMA`], which a test holds
//! against reports of every kind. A field that goes away or changes its meaning makes it `/3`; the
//! schema refuses unknown fields, so a reader that validates takes the schema of the version that
//! wrote the report (`version`).
//!
//! - Paths are text as [`escape`] makes it: valid UTF-8 as it is; control characters, backslashes
//!   and other bytes as `\xNN`, one a byte. [`unescape`](crate::backup::unescape) gives the bytes
//!   back.
//! - Times are RFC 3339 in UTC; durations are seconds; sizes are bytes; shares are between 0 and 1.
//! - What is unknown or was not asked for is `null`, never left out.
//! - A run that could not begin, or not go on, has an `error`; then nothing was verified, and all
//!   numbers are 0.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::backup::escape;
use crate::plan::{CachePolicy, Filters, Keep, Plan, SampleSize};
use crate::verify::PickRecord;
use crate::verify::assurance::Assurance;
use crate::verify::outcome::{Effort, Incomplete, Outcome};
use crate::verify::verdict::Verdict;
use crate::words::{self, rfc3339};

use super::{Error, Failure, clock_rfc3339, completeness, location_text, path_text, statement};

/// Name and version of the form, the value of `schema` in every report.
pub const SCHEMA_NAME: &str = "bkverify-report/2";

/// The JSON Schema (draft 2020-12) of the form.
pub const SCHEMA: &str = include_str!("schema.json");

/// The report, indented, ending in a line feed.
pub(super) fn render(plan: &Plan, outcome: &Outcome) -> Result<String, Error> {
    to_text(&Report::new(plan, outcome))
}

/// The report of a run that ended without an outcome: the same form, with nothing in it but the
/// plan and the error.
pub(super) fn render_failure(plan: &Plan, failure: &Failure) -> Result<String, Error> {
    let nothing = failure.outcome(plan);
    let report = Report {
        exit_code: failure.exit_code as u8,
        result: failure.exit_code.word(),
        headline: failure.message.clone(),
        error: Some(ErrorPart { message: &failure.message, hint: failure.hint.as_deref() }),
        ..Report::new(plan, &nothing)
    };
    to_text(&report)
}

fn to_text(report: &Report<'_>) -> Result<String, Error> {
    let mut text = serde_json::to_string_pretty(report)
        .map_err(|error| Error::Render { what: "JSON report", problem: error.to_string() })?;
    text.push('\n');
    Ok(text)
}

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    program: &'static str,
    version: &'static str,
    platform: String,
    started: Option<String>,
    finished: Option<String>,
    exit_code: u8,
    result: &'static str,
    headline: String,
    error: Option<ErrorPart<'a>>,
    incomplete: Option<&'static str>,
    plan: PlanPart<'a>,
    backup: BackupPart,
    population: PopulationPart<'a>,
    sample: SamplePart<'a>,
    counts: CountsPart,
    assurance: Option<AssurancePart>,
    findings: Vec<FindingPart<'a>>,
    completeness: Option<completeness::Part<'a>>,
    damage: &'a [String],
    denied: &'a [String],
    notes: &'a [String],
    effort: EffortPart,
}

impl<'a> Report<'a> {
    fn new(plan: &'a Plan, outcome: &'a Outcome) -> Self {
        let code = outcome.exit_code();
        let finished = plan.started.checked_add(outcome.effort.total).unwrap_or(SystemTime::UNIX_EPOCH);
        Self {
            schema: SCHEMA_NAME,
            program: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
            started: clock_rfc3339(plan.started),
            finished: clock_rfc3339(finished),
            exit_code: code as u8,
            result: code.word(),
            headline: statement::headline(outcome),
            error: None,
            incomplete: outcome.incomplete.map(incomplete_word),
            plan: PlanPart::new(plan),
            backup: BackupPart {
                format: outcome.backup.format,
                place: location_text(&outcome.backup.location),
                taken: outcome.backup.taken_at().and_then(rfc3339),
                time_resolution_ns: outcome.backup.time_resolution_ns,
            },
            population: PopulationPart {
                files: outcome.population.files,
                whole: outcome.population.whole,
                bytes: outcome.population.bytes,
                digest: &outcome.population.digest,
                filtered: outcome.population.filtered,
                unmapped: outcome.population.unmapped,
                unlisted: outcome.population.unlisted,
                not_compared: outcome.population.not_compared,
            },
            sample: SamplePart {
                strategy: outcome.sample.strategy,
                seed: &outcome.sample.seed,
                wanted: outcome.sample.wanted,
                drawn: outcome.sample.drawn,
                replacements: outcome.sample.replacements,
            },
            counts: CountsPart::new(outcome),
            assurance: outcome.assurance.as_ref().map(|found| AssurancePart::new(found, outcome)),
            findings: outcome.findings.iter().map(FindingPart::new).collect(),
            completeness: outcome.completeness.as_ref().map(completeness::Part::new),
            damage: &outcome.damage,
            denied: &outcome.denied,
            notes: &outcome.notes,
            effort: EffortPart::new(&outcome.effort, outcome.sample.drawn),
        }
    }
}

#[derive(Serialize)]
struct ErrorPart<'a> {
    message: &'a str,
    hint: Option<&'a str>,
}

#[derive(Serialize)]
struct PlanPart<'a> {
    job: Option<&'a str>,
    config: Option<String>,
    backup: String,
    sources: Vec<String>,
    maps: Vec<MapPart>,
    restore_to: String,
    sample: SizePart,
    seed: &'a str,
    filters: FiltersPart<'a>,
    completeness: u64,
    confidence: f64,
    max_undecided: f64,
    backup_window_seconds: f64,
    assume_unchanged: bool,
    threads: usize,
    hash: &'static str,
    cache: &'static str,
    keep: &'static str,
    budget_bytes: Option<u64>,
    time_limit_seconds: Option<f64>,
}

impl<'a> PlanPart<'a> {
    fn new(plan: &'a Plan) -> Self {
        Self {
            job: plan.origin.job.as_deref(),
            config: plan.origin.config.as_deref().map(path_text),
            backup: location_text(&plan.target.backup),
            sources: plan.target.sources.iter().map(|path| path_text(path)).collect(),
            maps: plan.target.maps.iter().map(|map| MapPart::new(&map.from, &map.to)).collect(),
            restore_to: path_text(&plan.target.restore_to),
            sample: SizePart::from(plan.draw.sample),
            seed: &plan.draw.seed,
            filters: FiltersPart::new(&plan.draw.filters),
            completeness: plan.claims.completeness.originals,
            confidence: plan.claims.confidence,
            max_undecided: plan.claims.max_undecided,
            backup_window_seconds: plan.claims.backup_window.as_secs_f64(),
            assume_unchanged: plan.claims.assume_unchanged,
            threads: plan.engine.threads,
            hash: plan.engine.hash.name(),
            cache: match plan.engine.cache {
                CachePolicy::Drop => "drop",
                CachePolicy::Use => "use",
            },
            keep: match plan.outputs.keep {
                Keep::None => "none",
                Keep::Failures => "failures",
                Keep::All => "all",
            },
            budget_bytes: plan.limits.budget,
            time_limit_seconds: plan.limits.time_limit.as_ref().map(Duration::as_secs_f64),
        }
    }
}

#[derive(Serialize)]
struct MapPart {
    from: String,
    to: String,
}

impl MapPart {
    fn new(from: &[u8], to: &Path) -> Self {
        Self { from: escape(from).into_owned(), to: path_text(to) }
    }
}

/// How many files were asked for, under the name of the way it was said.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum SizePart {
    Count(u64),
    Share(f64),
    All(bool),
    Tolerance(f64),
}

impl From<SampleSize> for SizePart {
    fn from(size: SampleSize) -> Self {
        match size {
            SampleSize::Count(count) => Self::Count(count),
            SampleSize::Share(share) => Self::Share(share),
            SampleSize::All => Self::All(true),
            SampleSize::Tolerance(share) => Self::Tolerance(share),
        }
    }
}

#[derive(Serialize)]
struct FiltersPart<'a> {
    include: &'a [String],
    exclude: &'a [String],
    min_size: Option<u64>,
    max_size: Option<u64>,
    newer_than: Option<String>,
    older_than: Option<String>,
}

impl<'a> FiltersPart<'a> {
    fn new(filters: &'a Filters) -> Self {
        Self {
            include: &filters.include,
            exclude: &filters.exclude,
            min_size: filters.min_size,
            max_size: filters.max_size,
            newer_than: filters.newer_than.and_then(rfc3339),
            older_than: filters.older_than.and_then(rfc3339),
        }
    }
}

#[derive(Serialize)]
struct BackupPart {
    format: &'static str,
    place: String,
    taken: Option<String>,
    time_resolution_ns: u64,
}

#[derive(Serialize)]
struct PopulationPart<'a> {
    files: u64,
    whole: bool,
    bytes: Option<u64>,
    digest: &'a str,
    filtered: u64,
    unmapped: u64,
    unlisted: u64,
    not_compared: u64,
}

#[derive(Serialize)]
struct SamplePart<'a> {
    strategy: &'static str,
    seed: &'a str,
    wanted: u64,
    drawn: u64,
    replacements: u64,
}

/// Every verdict by its word, and the sums that reports speak of.
#[derive(Serialize)]
struct CountsPart {
    #[serde(flatten)]
    by_verdict: BTreeMap<&'static str, u64>,
    drawn: u64,
    comparable: u64,
    comparable_verified: u64,
    comparable_bad: u64,
    unresolved: u64,
    outside: u64,
    outside_verified: u64,
    bad: u64,
    undecided: u64,
}

impl CountsPart {
    fn new(outcome: &Outcome) -> Self {
        let counts = &outcome.counts;
        Self {
            by_verdict: Verdict::ALL
                .into_iter()
                .map(|verdict| (verdict.word(), counts.of(verdict)))
                .collect(),
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
}

#[derive(Serialize)]
struct AssurancePart {
    domain: &'static str,
    domain_at_most: u64,
    comparable: u64,
    bad: u64,
    unresolved: u64,
    confidence: f64,
    at_most_bad: u64,
    at_most_bad_share: f64,
    sentence: Option<String>,
    rest: Option<String>,
}

impl AssurancePart {
    fn new(found: &Assurance, outcome: &Outcome) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a share; the exact numbers stand beside it")]
        let at_most_bad_share = found.at_most_bad as f64 / found.domain_at_most.max(1) as f64;
        Self {
            domain: "comparable",
            domain_at_most: found.domain_at_most,
            comparable: found.comparable,
            bad: found.bad,
            unresolved: found.unresolved,
            confidence: found.confidence,
            at_most_bad: found.at_most_bad,
            at_most_bad_share,
            sentence: statement::assurance(outcome),
            rest: statement::rest(outcome),
        }
    }
}

#[derive(Serialize)]
struct FindingPart<'a> {
    path: String,
    original: Option<String>,
    verdict: &'static str,
    comparable: bool,
    reason: &'a str,
    restored_size: Option<u64>,
    original_size: Option<u64>,
    restored_hash: Option<String>,
    original_hash: Option<String>,
    difference: Option<DifferencePart>,
    kept: Option<String>,
}

#[derive(Serialize)]
struct DifferencePart {
    first_offset: u64,
    differing_bytes: u64,
    differing_blocks: u64,
    looks_like: &'static str,
    sentence: String,
}

impl<'a> FindingPart<'a> {
    fn new(finding: &'a PickRecord) -> Self {
        let hashes = finding.hashes.as_ref();
        Self {
            path: escape(&finding.path).into_owned(),
            original: finding.original.as_deref().map(|path| escape(path).into_owned()),
            verdict: finding.verdict.word(),
            comparable: finding.comparable,
            reason: &finding.reason,
            restored_size: finding.restored_size,
            original_size: finding.original_size,
            restored_hash: hashes.map(|hashes| hashes.restored.to_string()),
            original_hash: hashes.map(|hashes| hashes.original.to_string()),
            difference: finding.difference.as_ref().map(|found| DifferencePart {
                first_offset: found.first_offset,
                differing_bytes: found.differing_bytes,
                differing_blocks: found.differing_blocks,
                looks_like: found.looks_like.word(),
                sentence: found.to_string(),
            }),
            kept: finding.kept.as_deref().map(|path| escape(path).into_owned()),
        }
    }
}

#[derive(Serialize)]
struct EffortPart {
    catalog_seconds: f64,
    verify_seconds: f64,
    total_seconds: f64,
    restored_bytes: u64,
    hashed_bytes: u64,
    cached_bytes: Option<u64>,
    restored_bytes_per_second: Option<u64>,
    files_per_second: Option<u64>,
    hash: &'static str,
    threads: usize,
}

impl EffortPart {
    fn new(effort: &Effort, files: u64) -> Self {
        Self {
            catalog_seconds: effort.catalog.as_secs_f64(),
            verify_seconds: effort.verify.as_secs_f64(),
            total_seconds: effort.total.as_secs_f64(),
            restored_bytes: effort.restored_bytes,
            hashed_bytes: effort.hashed_bytes,
            cached_bytes: effort.cached_bytes,
            restored_bytes_per_second: words::rate(effort.restored_bytes, effort.verify),
            files_per_second: words::rate(files, effort.verify),
            hash: effort.hash.name(),
            threads: effort.threads,
        }
    }
}

fn incomplete_word(reason: Incomplete) -> &'static str {
    match reason {
        Incomplete::Interrupted => "interrupted",
        Incomplete::TimeLimit => "time-limit",
        Incomplete::Budget => "budget",
        Incomplete::RestoreFolder => "restore-folder",
        Incomplete::TooFewComparable => "too-few-comparable",
        Incomplete::TooManyUndecided => "too-many-undecided",
        Incomplete::Unresolved => "unresolved",
        Incomplete::ToleranceNotMet => "tolerance-not-met",
    }
}

#[cfg(test)]
mod tests;
