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
mod model;
mod open;
mod pipeline;
mod place;
mod read_random;
mod read_sequential;
pub mod render;
mod write;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::backup::{Context, remove_leftovers};
use crate::exit::ExitCode;
use crate::plan::{Algorithm, CachePolicy, Plan};
use crate::stop::Stop;
use crate::verify;
use crate::verify::target::Protected;

use figures::{Figure, Report};
use limits::Slice;
use place::Place;

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
pub struct Job {
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
    #[error("cannot read {}", place.display())]
    Place {
        /// The place.
        place: PathBuf,
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
            Self::Place { .. } => ExitCode::Unusable,
            Self::Verify(error) => error.exit_code(),
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Place { .. } => {
                Some("check that it is a folder, is mounted, and may be read by you".to_owned())
            }
            Self::Verify(error) => error.hint(),
        }
    }
}

impl Report {
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
pub fn run(job: &Job, stop: &Stop, say: &dyn Fn(&str)) -> Result<Report, Error> {
    if let Some(report) = &job.report {
        spare_the_measured(job, report)?;
    }
    let mut bench = Bench::new(job, stop, say);
    let places = open_places(job, stop)?;
    if let Some(restore_to) = &job.restore_to {
        prepare(job, restore_to)?;
    }
    let sequential = places.first().is_some_and(|place| place.lister.reach().ordered);
    let runs = job
        .plan
        .as_ref()
        .map(|plan| bench.real_runs(plan, sequential, job.since.elapsed()))
        .transpose()?
        .flatten();
    bench.hash();
    for place in &places {
        bench.look_at(place, places.len())?;
    }
    if let Some(restore_to) = &job.restore_to {
        bench.write(restore_to)?;
    }
    if let Some((plan, runs)) = job.plan.as_ref().zip(runs) {
        bench.advise(plan, runs, sequential)?;
    }
    Ok(bench.finish())
}

/// The plan's backup first, then its originals, then the other folders.
fn open_places(job: &Job, stop: &Stop) -> Result<Vec<Place>, Error> {
    let mut places = Vec::new();
    if let Some(plan) = &job.plan {
        let cold = plan.engine.cache == CachePolicy::Drop;
        let context = Context { cancel: stop.clone(), cold, threads: plan.engine.threads };
        places.push(Place::backup(&plan.target.backup, &context)?);
        for source in plan.target.originals() {
            places.push(Place::folder("source", source, cold)?);
        }
    }
    for path in &job.paths {
        places.push(Place::folder("path", path, true)?);
    }
    Ok(places)
}

/// Makes sure that the report is not inside the backup and does not replace a file that is only
/// read.
fn spare_the_measured(job: &Job, report: &Path) -> Result<(), Error> {
    let paths: Vec<&Path> = job.paths.iter().map(PathBuf::as_path).collect();
    if let Some(plan) = &job.plan {
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
fn prepare(job: &Job, restore_to: &Path) -> Result<(), Error> {
    let mut read = job.plan.as_ref().map_or_else(Protected::default, |plan| Protected::of(&plan.target));
    read.originals.extend(job.paths.iter().map(PathBuf::as_path));
    read.check(restore_to, write::most_at_once(4).min(job.max_bytes / 10))?;
    let fail = |source| verify::Error::RestoreFolder { place: restore_to.to_owned(), source };
    remove_leftovers(restore_to).map(drop).map_err(|source| fail(source).into())
}

/// A bench in progress.
struct Bench<'a> {
    job: &'a Job,
    stop: &'a Stop,
    say: &'a dyn Fn(&str),
    deadline: Instant,
    report: Report,
}

impl<'a> Bench<'a> {
    fn new(job: &'a Job, stop: &'a Stop, say: &'a dyn Fn(&str)) -> Self {
        let started = jiff::Timestamp::try_from(job.started).map(|time| time.strftime("%FT%TZ").to_string());
        let report = Report {
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
        Self { job, stop, say, deadline: Instant::now() + job.max_time, report }
    }

    /// A share of the plan's time and bytes.
    fn slice(&self, time: f64, bytes: f64) -> Slice {
        let time = self.job.max_time.mul_f64(time.clamp(0.0, 1.0));
        Slice::new(self.stop, self.deadline, time, self.bytes(bytes))
    }

    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn bytes(&self, share: f64) -> u64 {
        (self.job.max_bytes as f64 * share) as u64
    }

    fn note(&mut self, text: impl Into<String>) {
        self.report.notes.push(text.into());
    }

    fn hash(&mut self) {
        (self.say)("hashing in memory");
        for algorithm in [Algorithm::Blake3, Algorithm::Sha256] {
            let share = HASHING.div_duration_f64(self.job.max_time).min(0.01);
            let figure = hash::hash(algorithm, &self.slice(share, 0.0));
            self.report.figures.extend(figure);
        }
    }

    /// Lists, opens and reads one of `locations` locations.
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    fn look_at(&mut self, place: &Place, places: usize) -> Result<(), Error> {
        let share = 1.0 / places as f64;
        (self.say)(&format!("listing {}", place.name));
        let listed = listing::list(place, &self.job.seed, &self.slice(0.1 * share, 0.0))?;
        self.report.figures.extend(listed.figure);
        if let Some(lost) = listed.damage.first() {
            self.note(format!(
                "{}: {} parts could not be listed, such as: {lost}",
                place.name,
                listed.damage.len()
            ));
        }
        let (sizes, sampled) = if place.holds_files() {
            let sampled = self.open(place, &listed.drawn, share);
            (sampled.iter().map(|file| file.size).collect::<Vec<_>>(), sampled)
        } else {
            (listed.drawn.iter().filter_map(|entry| entry.size).collect(), Vec::new())
        };
        self.report.places.push(place.facts(listed.files, listed.whole, &sizes));
        self.read(place, &place.reading_set(&sampled), share);
        Ok(())
    }

    /// Opens files. Each number of threads opens its own part of the draw.
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    fn open(&mut self, place: &Place, drawn: &crate::backup::EntryBatch, share: f64) -> Vec<place::Sampled> {
        (self.say)(&format!("opening files of {}", place.name));
        let mut sampled = Vec::new();
        let count = self.job.threads.len();
        for (turn, &threads) in self.job.threads.iter().enumerate() {
            let range = drawn.len() * turn / count..drawn.len() * (turn + 1) / count;
            let slice = self.slice(0.06 * share / count as f64, 0.0);
            let figure = open::open(place, (drawn, range), threads, &slice, &mut sampled);
            self.report.figures.extend(figure);
        }
        sampled
    }

    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    fn read(&mut self, place: &Place, files: &[place::Sampled], share: f64) {
        (self.say)(&format!("reading {}", place.name));
        let share = share / (2 * self.job.threads.len()) as f64;
        let cursor = read_sequential::Cursor::default();
        for (block, threads) in self.each_with(IN_ORDER) {
            let slice = self.slice(0.1 * share, 0.2 * share);
            let figure = read_sequential::read(place, files, (threads, block), &cursor, &slice);
            self.report.figures.extend(figure);
        }
        for (block, threads) in self.each_with(AT_RANDOM) {
            let slice = self.slice(0.07 * share, 0.04 * share);
            self.report.figures.extend(read_random::read(place, files, (threads, block), &slice));
        }
    }

    /// Each block size with each number of threads.
    fn each_with(&self, blocks: [usize; 2]) -> impl Iterator<Item = (usize, usize)> + use<'a> {
        let job = self.job;
        blocks.into_iter().flat_map(|block| job.threads.iter().map(move |&threads| (block, threads)))
    }

    fn write(&mut self, restore_to: &Path) -> Result<(), Error> {
        (self.say)(&format!("writing to {}", restore_to.display()));
        let name = place::name("restore", restore_to);
        for kind in WRITERS {
            let slice = self.slice(0.015, 0.02);
            self.report.figures.extend(write::write((&name, restore_to), kind, &slice, self.stop)?);
        }
        Ok(())
    }

    fn finish(mut self) -> Report {
        self.report.interrupted = self.stop.is_set();
        if self.report.figures.iter().any(looks_like_memory) {
            self.note("some of this was read faster than most disks can: it may come from a cache that cannot be emptied");
        }
        if self.report.places.iter().any(|place| !place.listed_whole) {
            self.note(
                "not every place was listed to its end: raise --max-time to know how many files there are",
            );
        }
        if self.job.plan.is_none() {
            self.note("no advice without a job: name --backup, --source and --restore-to");
        }
        self.note("the caches of drives, controllers and file servers, and the system's of folders, cannot be emptied: the first run after a restart may be slower");
        self.report
    }
}

fn looks_like_memory(figure: &Figure) -> bool {
    let reads = matches!(figure.probe, figures::Probe::SequentialRead | figures::Probe::RandomRead);
    reads && figure.per_second > LOOKS_LIKE_MEMORY
}
