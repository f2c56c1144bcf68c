//! The bench: what does a verification on these disks cost, what limits it, and which settings are
//! best?
//!
//! ```text
//! plan ─▶ real runs ─▶ hash ─▶ each location: list, open, read ─▶ write ─▶ advice ─▶ check ─▶ report
//! ```
//!
//! In: a [`BenchPlan`]. Out: a [`BenchReport`], which `render` shows and `json` writes and
//! compares. Each probe has a file of its own and measures one thing, within a slice of the plan's
//! time and bytes. `model` turns figures into advice and is pure.
//!
//! Only scratch files below the restore folder are written, and they are removed when the bench
//! ends, however it ends. A value that was not measured is missing, never guessed.

mod advise;
pub mod figures;
mod hash;
pub mod json;
mod limits;
mod listing;
mod location;
mod model;
mod open;
mod pipeline;
mod read_random;
mod read_sequential;
pub mod render;
mod write;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::backup::remove_leftovers;
use crate::cancel::CancelToken;
use crate::exit::ExitCode;
use crate::output::Output;
use crate::plan::{Algorithm, CachePolicy, Plan, ReportOutput};
use crate::verify;
use crate::verify::target::Protected;

use figures::{BenchReport, Figure};
use limits::Slice;
use location::MeasuredLocation;

/// Bytes per read when files are read from beginning to end.
const IN_ORDER: [usize; 2] = [64 << 10, 1 << 20];
/// Bytes per block that is read at random.
const AT_RANDOM: [usize; 2] = [4 << 10, 64 << 10];
/// Threads that write, and whether the data is synced to the disk.
const WRITERS: [(usize, bool); 4] = [(1, false), (4, false), (1, true), (4, true)];
/// Hashing in memory shows its rate within this time.
const HASHING: Duration = Duration::from_millis(300);
/// Few disks are faster than this, in bytes per second.
const LOOKS_LIKE_MEMORY: f64 = 8e9;

/// What to measure, and how much it may cost.
#[derive(Debug, Clone)]
pub struct BenchPlan {
    /// Folders to read that are neither the backup nor originals of the plan.
    pub paths: Vec<PathBuf>,
    /// The verification to predict. Its backup, originals and restore folder are measured.
    pub plan: Option<Plan>,
    /// Where to write. The plan's restore folder, if there is a plan.
    pub restore_to: Option<PathBuf>,
    /// The file that the report will be written to, if any. It must not replace anything that is
    /// measured.
    pub report: Option<PathBuf>,
    /// Numbers of threads to try, each at least 1.
    pub threads: Vec<usize>,
    /// Roughly how many bytes may be read and written.
    pub max_bytes: u64,
    /// Roughly how long the bench may take.
    pub max_time: Duration,
    /// Cores that may be used.
    pub cores: usize,
    /// Decides which files are measured.
    pub seed: String,
    /// When the bench began.
    pub started: SystemTime,
    /// The same moment by a monotonic clock. What the program does before it opens a location is
    /// also part of a verification.
    pub since: Instant,
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A location cannot be read.
    #[error("cannot read {}", path.display())]
    Location {
        /// The path.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The verification cannot run, or the restore folder cannot be used.
    #[error(transparent)]
    Verify(#[from] verify::Error),
}

impl Error {
    /// The exit code for this error.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Location { .. } => ExitCode::Unusable,
            Self::Verify(error) => error.exit_code(),
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Location { .. } => {
                Some("check that it is a folder, is mounted, and may be read by you".to_owned())
            }
            Self::Verify(error) => error.hint(),
        }
    }
}

impl BenchReport {
    /// The exit code of a bench. One that found bad files fails, like any run.
    pub fn exit_code(&self) -> ExitCode {
        match (self.bad > 0, self.interrupted) {
            (true, _) => ExitCode::IntegrityFailure,
            (false, true) => ExitCode::Incomplete,
            (false, false) => ExitCode::Pass,
        }
    }
}

/// Measures. `say` is called with each step.
pub fn run(bench_plan: &BenchPlan, cancel: &CancelToken, say: &dyn Fn(&str)) -> Result<BenchReport, Error> {
    if let Some(report) = &bench_plan.report {
        spare_the_measured(bench_plan, report)?;
    }
    let mut bench = Bench::new(bench_plan, cancel, say);
    let locations = open_locations(bench_plan, cancel)?;
    if let Some(restore_to) = &bench_plan.restore_to {
        prepare(bench_plan, restore_to)?;
    }
    let sequential = locations.first().is_some_and(|location| location.lister.reach().ordered);
    let runs = bench_plan
        .plan
        .as_ref()
        .map(|plan| bench.real_runs(plan, sequential, bench_plan.since.elapsed()))
        .transpose()?
        .flatten();
    bench.hash();
    for location in &locations {
        bench.look_at(location, locations.len())?;
    }
    if let Some(restore_to) = &bench_plan.restore_to {
        bench.write(restore_to)?;
    }
    if let Some((plan, runs)) = bench_plan.plan.as_ref().zip(runs) {
        bench.advise(plan, runs, sequential)?;
    }
    Ok(bench.finish())
}

/// The plan's backup first, then its originals, then the other folders.
fn open_locations(bench_plan: &BenchPlan, cancel: &CancelToken) -> Result<Vec<MeasuredLocation>, Error> {
    let mut locations = Vec::new();
    if let Some(plan) = &bench_plan.plan {
        let cold = plan.engine.cache == CachePolicy::Drop;
        let context = verify::context(plan, cancel);
        locations.push(MeasuredLocation::backup(&plan.target.backup, &context)?);
        for source in plan.target.originals() {
            locations.push(MeasuredLocation::folder("source", source, cold)?);
        }
    }
    for path in &bench_plan.paths {
        locations.push(MeasuredLocation::folder("path", path, true)?);
    }
    Ok(locations)
}

/// Makes sure that the report is not inside the backup and does not replace a file that is only
/// read.
fn spare_the_measured(bench_plan: &BenchPlan, report: &Path) -> Result<(), Error> {
    let report =
        &ReportOutput { renderer: json::FLAG, begins: json::BEGINS, output: Output::File(report.to_owned()) };
    let paths: Vec<&Path> = bench_plan.paths.iter().map(PathBuf::as_path).collect();
    if let Some(plan) = &bench_plan.plan {
        let mut read = Protected::of(&plan.target);
        read.originals.extend(paths);
        read.check_report(report)?;
    } else if let Some((first, rest)) = paths.split_first() {
        Protected { backup: Some(first), originals: rest.to_vec() }.check_report(report)?;
    }
    Ok(())
}

/// Makes sure that the restore folder does not overlap with a location that is only read, and
/// removes what killed runs have left there.
fn prepare(bench_plan: &BenchPlan, restore_to: &Path) -> Result<(), Error> {
    let mut read =
        bench_plan.plan.as_ref().map_or_else(Protected::default, |plan| Protected::of(&plan.target));
    read.originals.extend(bench_plan.paths.iter().map(PathBuf::as_path));
    read.check(restore_to, write::most_at_once(4).min(bench_plan.max_bytes / 10))?;
    let fail = |source| verify::Error::RestoreFolder { place: restore_to.to_owned(), source };
    remove_leftovers(restore_to).map(drop).map_err(|source| fail(source).into())
}

/// A bench in progress.
struct Bench<'a> {
    bench_plan: &'a BenchPlan,
    cancel: &'a CancelToken,
    say: &'a dyn Fn(&str),
    deadline: Instant,
    report: BenchReport,
}

impl<'a> Bench<'a> {
    fn new(bench_plan: &'a BenchPlan, cancel: &'a CancelToken, say: &'a dyn Fn(&str)) -> Self {
        let started =
            jiff::Timestamp::try_from(bench_plan.started).map(|time| time.strftime("%FT%TZ").to_string());
        let report = BenchReport {
            schema: json::SCHEMA_NAME.to_owned(),
            bkverify: env!("CARGO_PKG_VERSION").to_owned(),
            started: started.unwrap_or_default(),
            interrupted: false,
            places: Vec::new(),
            figures: Vec::new(),
            advice: None,
            check: None,
            bad: 0,
            compared_with: None,
            slower: Vec::new(),
            notes: Vec::new(),
        };
        Self { bench_plan, cancel, say, deadline: Instant::now() + bench_plan.max_time, report }
    }

    /// A share of the plan's time and bytes.
    fn slice(&self, time: f64, bytes: f64) -> Slice {
        let time = self.bench_plan.max_time.mul_f64(time.clamp(0.0, 1.0));
        Slice::new(self.cancel, self.deadline, time, self.bytes(bytes))
    }

    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn bytes(&self, share: f64) -> u64 {
        (self.bench_plan.max_bytes as f64 * share) as u64
    }

    fn note(&mut self, text: impl Into<String>) {
        self.report.notes.push(text.into());
    }

    fn hash(&mut self) {
        (self.say)("hashing in memory");
        for &algorithm in Algorithm::ALL {
            let share = HASHING.div_duration_f64(self.bench_plan.max_time).min(0.01);
            let figure = hash::hash(algorithm, &self.slice(share, 0.0));
            self.report.figures.extend(figure);
        }
    }

    /// Lists, opens and reads one of `locations` locations.
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    fn look_at(&mut self, location: &MeasuredLocation, locations: usize) -> Result<(), Error> {
        let share = 1.0 / locations as f64;
        (self.say)(&format!("listing {}", location.name));
        let listed = listing::list(location, &self.bench_plan.seed, &self.slice(0.1 * share, 0.0))?;
        self.report.figures.extend(listed.figure);
        if let Some(lost) = listed.damage.first() {
            self.note(format!(
                "{}: {} parts could not be listed, such as: {lost}",
                location.name,
                listed.damage.len()
            ));
        }
        let (sizes, sampled) = if location.holds_files() {
            let sampled = self.open(location, &listed.drawn, share);
            (sampled.iter().map(|file| file.size).collect::<Vec<_>>(), sampled)
        } else {
            (listed.drawn.iter().filter_map(|entry| entry.size).collect(), Vec::new())
        };
        self.report.places.push(location.facts(listed.files, listed.whole, &sizes));
        self.read(location, &location.reading_set(&sampled), share);
        Ok(())
    }

    /// Opens files. Each number of threads opens its own part of the draw.
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    fn open(
        &mut self,
        location: &MeasuredLocation,
        drawn: &crate::backup::EntryBatch,
        share: f64,
    ) -> Vec<location::Sampled> {
        (self.say)(&format!("opening files of {}", location.name));
        let mut sampled = Vec::new();
        let count = self.bench_plan.threads.len();
        for (turn, &threads) in self.bench_plan.threads.iter().enumerate() {
            let range = drawn.len() * turn / count..drawn.len() * (turn + 1) / count;
            let slice = self.slice(0.06 * share / count as f64, 0.0);
            let figure = open::open(location, (drawn, range), threads, &slice, &mut sampled);
            self.report.figures.extend(figure);
        }
        sampled
    }

    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    fn read(&mut self, location: &MeasuredLocation, files: &[location::Sampled], share: f64) {
        (self.say)(&format!("reading {}", location.name));
        let share = share / (2 * self.bench_plan.threads.len()) as f64;
        let cursor = read_sequential::Cursor::default();
        for (block, threads) in self.each_with(IN_ORDER) {
            let slice = self.slice(0.1 * share, 0.2 * share);
            let figure = read_sequential::read(location, files, (threads, block), &cursor, &slice);
            self.report.figures.extend(figure);
        }
        for (block, threads) in self.each_with(AT_RANDOM) {
            let slice = self.slice(0.07 * share, 0.04 * share);
            self.report.figures.extend(read_random::read(location, files, (threads, block), &slice));
        }
    }

    /// Each block size with each number of threads.
    fn each_with(&self, blocks: [usize; 2]) -> impl Iterator<Item = (usize, usize)> + use<'a> {
        let bench_plan = self.bench_plan;
        blocks.into_iter().flat_map(|block| bench_plan.threads.iter().map(move |&threads| (block, threads)))
    }

    fn write(&mut self, restore_to: &Path) -> Result<(), Error> {
        (self.say)(&format!("writing to {}", restore_to.display()));
        let name = location::name("restore", restore_to);
        for kind in WRITERS {
            let slice = self.slice(0.015, 0.02);
            self.report.figures.extend(write::write((&name, restore_to), kind, &slice, self.cancel)?);
        }
        Ok(())
    }

    fn finish(mut self) -> BenchReport {
        self.report.interrupted = self.cancel.is_cancelled();
        if self.report.figures.iter().any(looks_like_memory) {
            self.note("some of this was read faster than most disks can read: it may come from a cache that cannot be emptied");
        }
        if self.report.places.iter().any(|location| !location.listed_whole) {
            self.note(
                "not every location was listed to its end: raise --max-time to know how many files there are",
            );
        }
        if self.bench_plan.plan.is_none() {
            self.note(
                "no advice without a verification to predict: name --backup, --source and --restore-to",
            );
        }
        self.note("the caches of drives, controllers and file servers, and the system's cache of folders, cannot be emptied: the first run after a reboot may be slower");
        self.report
    }
}

fn looks_like_memory(figure: &Figure) -> bool {
    let reads = matches!(figure.probe, figures::Probe::SequentialRead | figures::Probe::RandomRead);
    reads && figure.per_second > LOOKS_LIKE_MEMORY
}
