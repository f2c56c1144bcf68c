//! Metrics for Prometheus, as a file for the textfile collector of the node exporter.
//!
//! Form: the text format 0.0.4 of Prometheus. Each metric has its HELP and TYPE once, then one
//! series for each job. Names follow its conventions: base units (seconds, bytes, ratio) at the
//! end, `_total` for counters. The label is `bkverify_job` and not `job`, because Prometheus gives
//! every series it scrapes a `job` of its own. Every series has this label, so that the files of
//! several jobs hold no series twice. Runs without a job are named by their backup.

use std::collections::BTreeSet;
use std::fmt::Write;

use jiff::Timestamp;

use super::coverage::BackupCoverage;
use super::run::{Run, RunState};

/// How the files begin, in any version.
pub const BEGINS: crate::plan::Beginnings = &[&["# HELP bkverify_"]];

/// What the metrics say of a job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobMetrics {
    /// The name of the job; `None` for runs without one.
    pub job: Option<String>,
    /// The last run that is over.
    pub last: Option<Run>,
    /// When the last run that passed ended. `None` if that is not known, because there is no
    /// ledger; `Some(None)` if no run has passed.
    pub passed: Option<Option<Timestamp>>,
    /// How many files were bad when they were last judged. `None` if that is not known.
    pub alarms: Option<u64>,
    /// How many runs ended in which way. Empty if that is not known.
    pub runs: Vec<(RunState, u64)>,
    /// What was verified how recently, if that is known.
    pub coverage: Option<BackupCoverage>,
}

/// A metric: its name, its type, its help, and its values for a job, each with its own labels.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    values: fn(&JobMetrics) -> Vec<(Labels, f64)>,
}

type Labels = Vec<(&'static str, String)>;

fn one(value: Option<f64>) -> Vec<(Labels, f64)> {
    value.map(|value| (Labels::new(), value)).into_iter().collect()
}

#[expect(clippy::cast_precision_loss, reason = "values of Prometheus are 64-bit floating point")]
fn number(value: Option<u64>) -> Option<f64> {
    value.map(|value| value as f64)
}

fn last(job: &JobMetrics, value: impl Fn(&Run) -> Option<f64>) -> Vec<(Labels, f64)> {
    one(job.last.as_ref().and_then(value))
}

fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

static METRICS: &[Metric] = &[
    Metric {
        name: "bkverify_last_run_timestamp_seconds",
        kind: "gauge",
        help: "When the last run ended; if it was killed, when it began.",
        values: |job| last(job, |run| Some(seconds(run.time()))),
    },
    Metric {
        name: "bkverify_last_success_timestamp_seconds",
        kind: "gauge",
        help: "When the last run that passed ended; 0 if none has passed.",
        values: |job| one(job.passed.map(|passed| passed.map_or(0.0, seconds))),
    },
    Metric {
        name: "bkverify_last_run_exit_code",
        kind: "gauge",
        help: "The exit code of the last run: 0 pass, 1 a file is bad, 2 usage, 3 incomplete, 4 something could not be used, \
               -1 killed.",
        values: |job| last(job, |run| Some(run.exit_code.map_or(-1.0, f64::from))),
    },
    Metric {
        name: "bkverify_last_run_duration_seconds",
        kind: "gauge",
        help: "How long the last run took.",
        values: |job| last(job, Run::seconds),
    },
    Metric {
        name: "bkverify_last_run_verified_files",
        kind: "gauge",
        help: "Files that the last run found identical to their originals.",
        values: |job| last(job, |run| number(run.verified)),
    },
    Metric {
        name: "bkverify_last_run_bad_files",
        kind: "gauge",
        help: "Files that the last run found bad in the backup.",
        values: |job| last(job, |run| number(run.bad)),
    },
    Metric {
        name: "bkverify_known_bad_files",
        kind: "gauge",
        help: "Files that were bad when they were last judged, by whichever run.",
        values: |job| one(number(job.alarms)),
    },
    Metric {
        name: "bkverify_last_run_undecided_files",
        kind: "gauge",
        help: "Files of the last run that proved nothing.",
        values: |job| last(job, |run| number(run.undecided)),
    },
    Metric {
        name: "bkverify_last_run_bad_upper_bound_ratio",
        kind: "gauge",
        help: "The largest share that is bad, as the last run proves it with this confidence.",
        values: |job| {
            let bound = job.last.as_ref().and_then(|run| run.bound.as_ref());
            bound
                .map(|bound| (vec![("confidence", bound.confidence.to_string())], bound.at_most_bad_share))
                .into_iter()
                .collect()
        },
    },
    Metric {
        name: "bkverify_population_files",
        kind: "gauge",
        help: "Files that the last run chose from.",
        values: |job| last(job, |run| number(run.files)),
    },
    Metric {
        name: "bkverify_population_bytes",
        kind: "gauge",
        help: "Their size.",
        values: |job| last(job, |run| number(run.bytes)),
    },
    Metric {
        name: "bkverify_coverage_files_ratio",
        kind: "gauge",
        help: "The share of the files that was verified within the window; an upper limit, because files that have left the \
               backup are counted.",
        values: |job| windows(job, |window| window.files_share),
    },
    Metric {
        name: "bkverify_coverage_bytes_ratio",
        kind: "gauge",
        help: "The same share of the bytes.",
        values: |job| windows(job, |window| window.bytes_share),
    },
    Metric {
        name: "bkverify_runs_total",
        kind: "counter",
        help: "Runs in the ledger, by how they ended.",
        values: |job| {
            let runs = job.runs.iter();
            runs.filter_map(|(state, count)| {
                Some((vec![("result", state.word().to_owned())], number(Some(*count))?))
            })
            .collect()
        },
    },
];

fn windows(job: &JobMetrics, share: fn(&super::coverage::Window) -> Option<f64>) -> Vec<(Labels, f64)> {
    let windows = job.coverage.iter().flat_map(|coverage| &coverage.windows);
    windows
        .filter_map(|window| Some((vec![("window", format!("{}d", window.days))], share(window)?)))
        .collect()
}

/// The file. A metric without any series is left out.
pub fn render(jobs: &[JobMetrics]) -> String {
    let mut names = BTreeSet::new();
    // A series that stands in a file twice makes the whole file invalid.
    let jobs: Vec<_> = jobs.iter().filter(|job| names.insert(name(job))).collect();
    let mut text = String::new();
    for metric in METRICS {
        let mut series = String::new();
        for job in &jobs {
            let own = ("bkverify_job", name(job).to_owned());
            for (labels, value) in (metric.values)(job) {
                let labels: Vec<_> = [own.clone()]
                    .into_iter()
                    .chain(labels)
                    .map(|(name, value)| format!("{name}=\"{}\"", escaped(&value)))
                    .collect();
                // Writing to a String cannot fail.
                let _ = writeln!(series, "{}{{{}}} {value}", metric.name, labels.join(","));
            }
        }
        if !series.is_empty() {
            let _ = writeln!(text, "# HELP {0} {1}\n# TYPE {0} {2}", metric.name, metric.help, metric.kind);
            text.push_str(&series);
        }
    }
    text
}

/// The job, or for runs without one their backup.
fn name(job: &JobMetrics) -> &str {
    job.job.as_deref().or(job.last.as_ref().map(Run::name)).unwrap_or_default()
}

/// The value of a label: backslashes, quotes and line feeds are escaped.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
