//! What a plan says, in words: one function for each kind of value that `bkverify plan` prints.
//! Pure; names are escaped for terminals.

use std::path::Path;
use std::time::Duration;

use indicatif::HumanBytes;
use jiff::SignedDuration;

use crate::backup::{escape, path_text};
use crate::plan::{
    CachePolicy, Claims, Completeness, Draw, Engine, Keep, Limits, Map, Plan, ReportOutput, SampleSize,
    Target,
};
use crate::platform::Timestamp;
use crate::secret::Secret;
use crate::verify::strategy;
use crate::words::{self, rfc3339};

pub use crate::words::percent;

/// A text that a person wrote.
pub fn text(text: &str) -> String {
    escape(text.as_bytes()).into_owned()
}

/// A path of this machine.
pub fn path(path: &Path) -> String {
    path_text(path)
}

/// Where the report of this renderer goes, if it is written.
pub fn report(reports: &[ReportOutput], renderer: &str) -> Vec<String> {
    let wanted = reports.iter().filter(|report| report.renderer == renderer);
    let shown = wanted.map(|report| report.output.file().map_or_else(|| report.output.to_string(), path));
    shown.collect()
}

/// The folders that hold the originals, or that there are none.
pub fn sources(target: &Target) -> Vec<String> {
    if target.originals().next().is_none() {
        return vec!["none: the backup is compared with what is known from before".to_owned()];
    }
    target.sources.iter().map(|source| path(source)).collect()
}

/// Where the originals of some entries are.
pub fn map(map: &Map) -> String {
    let from = if map.from.is_empty() { "everything".into() } else { escape(&map.from) };
    format!("{from} has its originals in {}", path(&map.to))
}

/// How files are chosen, if not all of them are verified.
pub fn strategy(draw: &Draw) -> Vec<String> {
    let strategy = strategy::of(draw);
    let shown = strategy.summary().map(|summary| format!("{}: {summary}", strategy.name()));
    shown.into_iter().collect()
}

/// How many files are verified.
pub fn sample(draw: &Draw) -> String {
    match (draw.strategy, draw.sample) {
        ("size", SampleSize::Count(count)) => {
            format!("the files that {} are in", words::counted(count, "random byte"))
        }
        ("size", SampleSize::Tolerance(share)) => {
            format!("as many random bytes as rule out that {} or more are in bad files", percent(share))
        }
        ("coverage", SampleSize::Count(count)) => {
            format!("{}, half of them at random", words::counted(count, "file"))
        }
        ("coverage", SampleSize::Share(share)) => {
            format!("{} of the files, half of them at random", percent(share))
        }
        ("coverage", SampleSize::Tolerance(share)) => {
            let random = sample_at_random(SampleSize::Tolerance(share));
            format!("{random}, and as many others")
        }
        (_, size) => sample_at_random(size),
    }
}

fn sample_at_random(size: SampleSize) -> String {
    match size {
        SampleSize::Count(1) => "1 random file".into(),
        SampleSize::Count(count) => format!("{count} random files"),
        SampleSize::Share(share) => format!("{} of the files, at random", percent(share)),
        SampleSize::All => "all files".into(),
        SampleSize::Tolerance(share) => {
            format!("as many random files as rule out that {} or more are bad", percent(share))
        }
    }
}

/// How many originals are looked up, and what a missing one means.
pub fn completeness(completeness: Completeness) -> String {
    let warns = if completeness.asked_for { "" } else { "; a missing one is only a warning" };
    match completeness.originals {
        0 => "no original is looked up in the backup".to_owned(),
        1 => format!("1 original is looked up in the backup{warns}"),
        number => format!("{number} originals are looked up in the backup{warns}"),
    }
}

/// How long the backup takes, where that matters.
pub fn backup_window(claims: &Claims) -> Vec<String> {
    if claims.assume_unchanged { Vec::new() } else { vec![duration(claims.backup_window)] }
}

/// That the originals have not changed, where that is so.
pub fn assume_unchanged(claims: &Claims) -> Vec<String> {
    let meaning = "the originals are as they were when the backup was made: any difference is its fault";
    if claims.assume_unchanged { vec![meaning.to_owned()] } else { Vec::new() }
}

/// That a run that ended early is taken up again, where that is wanted.
pub fn resume(limits: &Limits) -> Vec<String> {
    let meaning = "goes on where the last run ended early, if there is one";
    if limits.resume { vec![meaning.to_owned()] } else { Vec::new() }
}

/// How many threads, and in which order they read.
pub fn threads(engine: &Engine) -> String {
    let disks = match (engine.spinning, engine.in_disk_order) {
        (true, true) => " (a spinning disk, read in its order)",
        (true, false) => " (a spinning disk)",
        (false, _) => "",
    };
    format!("{}{disks}", engine.threads)
}

/// The hash algorithm, and what else decides it.
pub fn hash(plan: &Plan) -> String {
    let name = plan.engine.hash.name();
    match &plan.manifest {
        Some(_) if !plan.engine.hash_is_given => format!("{name}, or that of the manifest"),
        _ => name.to_owned(),
    }
}

/// What is done about cached pages.
pub fn cache(cache: CachePolicy) -> String {
    let meaning = match cache {
        CachePolicy::Drop => "drop: cached pages are dropped first, so that the disks are read",
        CachePolicy::Use => "use: what is in memory is not read from the disks",
    };
    meaning.to_owned()
}

/// Which restored files stay.
pub fn keep(keep: Keep) -> String {
    let meaning = match keep {
        Keep::None => "none: every restored file is removed",
        Keep::Failures => "failures: restored files that are bad are kept",
        Keep::All => "all: every restored file is kept",
    };
    meaning.to_owned()
}

/// Where runs and files are remembered.
pub fn state(folder: Option<&Path>) -> String {
    folder.map_or_else(|| "none: nothing is remembered".to_owned(), path)
}

/// A stretch of time; one too long for the calendar is as good as the longest.
pub fn duration(time: Duration) -> String {
    format!("{:#}", SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX))
}

/// A size for people, and exactly.
pub fn bytes(size: u64) -> String {
    match size {
        1 => "1 byte".to_owned(),
        0..1024 => format!("{size} bytes"),
        _ => format!("{} ({size} bytes)", HumanBytes(size)),
    }
}

/// A moment, in UTC.
pub fn moment(time: Timestamp) -> String {
    rfc3339(time).unwrap_or_else(|| format!("{} s after 1970", time.seconds))
}

/// Where a secret comes from, if one is needed.
pub fn secret(secret: &Secret) -> Option<String> {
    (*secret != Secret::None).then(|| text(&secret.to_string()))
}
