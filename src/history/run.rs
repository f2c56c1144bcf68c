//! One run, as the ledger remembers it.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use crate::exit::ExitCode;
use crate::report::Model;
use crate::report::model::{CountsPart, SizePart};
use crate::words;

/// The strategy of a run over the files that were bad before. It says nothing about any others.
pub const RECHECK: &str = "recheck";

/// What the history calls the strategy of a run.
pub fn strategy_in_history(strategy: &str, is_recheck: bool) -> &str {
    if is_recheck { RECHECK } else { strategy }
}

/// What is known of a run without its findings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its number. Later runs have larger numbers, whatever the clock said.
    pub id: u64,
    /// The name of the job; `None` if the run had none.
    pub job: Option<String>,
    /// The backup, without secrets.
    pub backup: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended; `None` if it has not, or was killed.
    pub ended: Option<Timestamp>,
    /// How it ended.
    pub result: RunState,
    /// The exit code, if it ended by itself.
    pub exit_code: Option<u8>,
    /// What was found, in one sentence.
    pub headline: Option<String>,
    /// How files were chosen.
    pub strategy: String,
    /// How many files were asked for; `None` if a newer version asked in a way that this one does
    /// not know.
    pub sample: Option<SizePart>,
    /// The number of files in the population. `None` if the run ended before they were counted.
    pub files: Option<u64>,
    /// Their size in bytes, if the format lists sizes.
    pub bytes: Option<u64>,
    /// Whether the backup was listed to its end, so that the two numbers above are those of the
    /// whole.
    pub whole: bool,
    /// How many comparable files were asked for.
    pub wanted: Option<u64>,
    /// How many files were judged.
    pub judged: Option<u64>,
    /// How many of them are identical.
    pub verified: Option<u64>,
    /// How many of them prove the backup bad.
    pub bad: Option<u64>,
    /// How many of them prove nothing.
    pub undecided: Option<u64>,
    /// What the run proves about the whole.
    pub bound: Option<Bound>,
    /// Which session of its draw it was: 1, unless it went on where an earlier run had stopped.
    pub session: u64,
    /// The run that it went on with.
    pub resumes: Option<u64>,
}

/// What a run proves about all files, or bytes, that it speaks of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// The largest share that is bad.
    pub at_most_bad_share: f64,
    /// With which confidence.
    pub confidence: f64,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// As each exit code says.
    Pass,
    /// A file is bad.
    Fail,
    /// The command line or the configuration was wrong.
    Usage,
    /// Less was proved than was asked for.
    Incomplete,
    /// Something could not be used.
    Unusable,
    /// It never ended: it was killed, or the machine stopped.
    Killed,
    /// It has not ended yet.
    Running,
}

impl RunState {
    /// The state of a run that ended with this exit code.
    pub fn of(code: ExitCode) -> Self {
        match code {
            ExitCode::Pass => Self::Pass,
            ExitCode::IntegrityFailure => Self::Fail,
            ExitCode::Usage => Self::Usage,
            ExitCode::Incomplete => Self::Incomplete,
            ExitCode::Unusable => Self::Unusable,
        }
    }

    /// Its word, as in the JSON form.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => ExitCode::Pass.word(),
            Self::Fail => ExitCode::IntegrityFailure.word(),
            Self::Usage => ExitCode::Usage.word(),
            Self::Incomplete => ExitCode::Incomplete.word(),
            Self::Unusable => ExitCode::Unusable.word(),
            Self::Killed => "killed",
            Self::Running => "running",
        }
    }
}

impl Run {
    /// How long it took.
    pub fn seconds(&self) -> Option<f64> {
        let took = self.ended?.duration_since(self.started).as_secs_f64();
        // The clock may have been set back while it ran.
        (took >= 0.0).then_some(took)
    }

    /// What it is called beside others: by its job, or without one by its backup.
    pub fn name(&self) -> &str {
        self.job.as_deref().unwrap_or(&self.backup)
    }

    /// When it ended; for a run that was killed, when it began.
    pub fn time(&self) -> Timestamp {
        self.ended.unwrap_or(self.started)
    }

    /// How many files were asked for, in words, with the strategy if it is not the usual one.
    pub fn sample_words(&self) -> String {
        let size = match self.sample {
            _ if self.strategy == RECHECK => return RECHECK.to_owned(),
            Some(SizePart::Count(count)) => words::count(count),
            Some(SizePart::Share(share)) => words::percent(share),
            Some(SizePart::All(_)) => return "all".to_owned(),
            Some(SizePart::Tolerance(share)) => format!("for {}", words::percent(share)),
            None => return self.strategy.clone(),
        };
        if self.strategy == "random" { size } else { format!("{size} {}", self.strategy) }
    }

    /// Adds what only the report of the run says.
    #[must_use]
    pub fn with_report(self, report: Told) -> Self {
        let has_outcome = report.error.is_none();
        // What was judged beside the sample is not in the statement, but it was judged.
        let sum = |sample: Option<u64>, beside: u64| sample.map(|sample| sample + beside);
        Self {
            headline: Some(report.headline),
            whole: has_outcome && report.population.whole,
            judged: sum(self.judged, report.beside.drawn),
            verified: sum(self.verified, report.beside.verified),
            bad: sum(self.bad, report.beside.bad),
            undecided: has_outcome.then_some(report.counts.undecided + report.beside.undecided),
            bound: report.assurance.filter(|_| self.strategy != RECHECK),
            ..self
        }
    }

    /// A run that no ledger remembers, from its report alone. It has no number.
    pub fn of_report(report: &Model) -> Option<Self> {
        let counts = report.error.is_none().then_some(&report.counts);
        // As exactly as a ledger stores times, so that the same run has the same times everywhere.
        let millis = |time: Timestamp| Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time);
        let run = Self {
            id: 0,
            job: report.plan.job.clone(),
            backup: report.plan.backup.clone(),
            started: millis(report.started?),
            ended: report.finished.map(millis),
            result: RunState::of(report.exit_code),
            exit_code: Some(report.exit_code as u8),
            headline: None,
            strategy: strategy_in_history(&report.sample.strategy, !report.plan.filters.only.is_empty())
                .to_owned(),
            sample: Some(report.plan.sample),
            files: counts.map(|_| report.population.files),
            bytes: report.population.bytes,
            whole: false,
            wanted: counts.map(|_| report.sample.wanted),
            judged: counts.map(|counts| counts.drawn),
            verified: counts.map(|counts| counts.verified),
            bad: counts.map(|counts| counts.bad),
            undecided: None,
            bound: None,
            session: 1,
            resumes: None,
        };
        Some(run.with_report(Told::of(report)))
    }
}

/// What a history takes from a report: a small part, so that the rest need not be read.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Told {
    headline: String,
    error: Option<serde::de::IgnoredAny>,
    plan: ToldPlan,
    population: ToldPopulation,
    counts: ToldCounts,
    #[serde(deserialize_with = "or_none")]
    beside: ToldCounts,
    assurance: Option<Bound>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct ToldPlan {
    filters: serde_json::Value,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct ToldPopulation {
    whole: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct ToldCounts {
    drawn: u64,
    verified: u64,
    bad: u64,
    undecided: u64,
}

impl ToldCounts {
    fn of(counts: &CountsPart) -> Self {
        let CountsPart { drawn, verified, bad, undecided, .. } = *counts;
        Self { drawn, verified, bad, undecided }
    }
}

/// Counts, or none at all.
fn or_none<'de, D: Deserializer<'de>>(input: D) -> Result<ToldCounts, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

impl Told {
    /// From the JSON of a report, of whatever version: what is missing is not told.
    ///
    /// # Errors
    /// If it is no JSON, or a field has another type.
    pub fn read(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// Which files the run chose from.
    pub fn filters(&self) -> &serde_json::Value {
        &self.plan.filters
    }

    fn of(report: &Model) -> Self {
        Self {
            plan: ToldPlan { filters: serde_json::to_value(&report.plan.filters).unwrap_or_default() },
            headline: report.headline.clone(),
            error: report.error.as_ref().map(|_| serde::de::IgnoredAny),
            population: ToldPopulation { whole: report.population.whole },
            counts: ToldCounts::of(&report.counts),
            beside: report.beside.as_ref().map(ToldCounts::of).unwrap_or_default(),
            assurance: report.assurance.as_ref().map(|found| Bound {
                at_most_bad_share: found.at_most_bad_share,
                confidence: found.confidence,
            }),
        }
    }
}
