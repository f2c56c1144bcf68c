//! A plan as text, for `bkverify plan`: one line for each thing that a run will do, in the words of
//! the flags.

use std::fmt::Write;
use std::time::Duration;

use indicatif::HumanBytes;
use jiff::SignedDuration;

use crate::backup::{escape, path_text};
use crate::output::Output;
use crate::plan::{CachePolicy, Completeness, Filters, Keep, Plan, ReportOutput, SampleSize};
use crate::platform::Timestamp;
use crate::words::{self, percent};

/// The whole plan. Names are escaped for terminals.
pub fn render(plan: &Plan) -> String {
    let mut lines = Lines(String::new());
    origin(plan, &mut lines);
    lines.add("backup", plan.target.backup.text());
    for source in &plan.target.sources {
        lines.path("source", source);
    }
    for map in &plan.target.maps {
        let from = if map.from.is_empty() { "everything".into() } else { escape(&map.from) };
        lines.add("map", format!("{from} has its originals in {}", path_text(&map.to)));
    }
    lines.path("restore-to", &plan.target.restore_to);
    lines.add("sample", sample(plan));
    lines.add("seed", escape(plan.draw.seed.as_bytes()));
    lines.add("confidence", percent(plan.claims.confidence));
    lines.add("max-undecided", percent(plan.claims.max_undecided));
    if plan.claims.completeness.originals > 0 {
        lines.add("completeness", completeness(plan.claims.completeness));
    }
    filters(&plan.draw.filters, &mut lines);
    effort(plan, &mut lines);
    for ReportOutput { renderer, output } in &plan.outputs.reports {
        match output {
            Output::Stdout => lines.add(renderer, output),
            Output::File(path) => lines.path(renderer, path),
        }
    }
    lines.0
}

struct Lines(String);

impl Lines {
    fn add(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing to a text cannot fail.
        let _ = writeln!(self.0, "{name:<14}{value}");
    }

    fn path(&mut self, name: &str, path: &std::path::Path) {
        self.add(name, path_text(path));
    }
}

fn origin(plan: &Plan, lines: &mut Lines) {
    match &plan.origin.config {
        Some(config) => lines.path("config", config),
        None => lines.add("config", "none"),
    }
    if let Some(job) = &plan.origin.job {
        lines.add("job", escape(job.as_bytes()));
    }
}

fn sample(plan: &Plan) -> String {
    match plan.draw.sample {
        SampleSize::Count(1) => "1 random file".into(),
        SampleSize::Count(count) => format!("{count} random files"),
        SampleSize::Share(share) => format!("{} of the files, at random", percent(share)),
        SampleSize::All => "all files".into(),
        SampleSize::Tolerance(share) => {
            format!("as many random files as rule out that {} or more are bad", percent(share))
        }
    }
}

fn completeness(completeness: Completeness) -> String {
    let warns = if completeness.asked_for { "" } else { "; one that is missing is a warning" };
    format!("{} originals are looked up in the backup{warns}", completeness.originals)
}

fn filters(filters: &Filters, lines: &mut Lines) {
    for (name, globs) in [("include", &filters.include), ("exclude", &filters.exclude)] {
        for glob in globs {
            lines.add(name, escape(glob.as_bytes()));
        }
    }
    for (name, size) in [("min-size", filters.min_size), ("max-size", filters.max_size)] {
        if let Some(size) = size {
            lines.add(name, bytes(size));
        }
    }
    for (name, time) in [("newer-than", filters.newer_than), ("older-than", filters.older_than)] {
        if let Some(time) = time {
            lines.add(name, moment(time));
        }
    }
}

fn effort(plan: &Plan, lines: &mut Lines) {
    lines.add("hash", plan.engine.hash.name());
    let disks = match (plan.engine.spinning, plan.engine.in_disk_order) {
        (true, true) => " (a spinning disk, read in its order)",
        (true, false) => " (a spinning disk)",
        (false, _) => "",
    };
    lines.add("threads", format!("{}{disks}", plan.engine.threads));
    lines.add(
        "cache",
        match plan.engine.cache {
            CachePolicy::Drop => "drop: cached pages are forgotten first, so that the disks are read",
            CachePolicy::Use => "use: what is in memory is not read from the disks",
        },
    );
    lines.add(
        "keep",
        match plan.outputs.keep {
            Keep::None => "none: every restored file is removed",
            Keep::Failures => "failures: restored files that are bad stay behind",
            Keep::All => "all: every restored file stays behind",
        },
    );
    if plan.claims.assume_unchanged {
        lines.add("originals", "unchanged since the backup: any difference is the backup's fault");
    } else {
        lines.add("backup-window", duration(plan.claims.backup_window));
    }
    if let Some(budget) = plan.limits.budget {
        lines.add("budget", bytes(budget));
    }
    if let Some(limit) = plan.limits.time_limit {
        lines.add("time-limit", duration(limit));
    }
}

/// A stretch of time; one too long for the calendar is as good as the longest.
fn duration(time: Duration) -> String {
    format!("{:#}", SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX))
}

/// A size for people, and exactly.
fn bytes(size: u64) -> String {
    if size < 1024 { format!("{size} bytes") } else { format!("{} ({size} bytes)", HumanBytes(size)) }
}

fn moment(time: Timestamp) -> String {
    words::rfc3339(time).unwrap_or_else(|| format!("{} s after 1970", time.seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Environment;
    use crate::cli::args::Arguments;
    use crate::cli::resolve::resolve;
    use clap::Parser;

    fn shown(flags: &str) -> String {
        let words = std::iter::once("bkverify").chain(flags.split_whitespace());
        let verify = Arguments::try_parse_from(words).unwrap().verify;
        render(&resolve(verify, None, &Environment::for_tests()).unwrap())
    }

    #[test]
    fn a_small_plan_fits_a_few_lines() {
        let text = "\
config        none
backup        /b
source        /s
restore-to    /r
sample        500 random files
seed          0123456789abcdef
confidence    95%
max-undecided 20%
completeness  200 originals are looked up in the backup; one that is missing is a warning
hash          blake3
threads       32
cache         drop: cached pages are forgotten first, so that the disks are read
keep          none: every restored file is removed
backup-window 24h
";
        assert_eq!(shown("--backup /b --source /s --restore-to /r"), text);
    }

    #[test]
    fn everything_that_was_said_is_shown() {
        let text = shown(
            "--backup /b --map home/a=/home/a --restore-to /r --tolerance 0.07% --confidence 99% --seed x\u{1b}y --max-undecided 5% --backup-window 8h \
             --completeness 7 --include *.c --exclude *.o --min-size 1023 --max-size 4KiB --newer-than 2026-05-01 \
             --older-than 1d --hash sha256 --threads 3 --cache use --keep all --budget 50GiB --time-limit 2h30m \
             --json - --junit /j",
        );
        for line in [
            "map           home/a has its originals in /home/a",
            "sample        as many random files as rule out that 0.07% or more are bad",
            "seed          x\\x1by",
            "confidence    99%",
            "max-undecided 5%",
            "backup-window 8h",
            "completeness  7 originals are looked up in the backup",
            "include       *.c",
            "exclude       *.o",
            "min-size      1023 bytes",
            "max-size      4.00 KiB (4096 bytes)",
            "newer-than    2026-05-01T00:00:00Z",
            "older-than    2026-05-09T12:00:00Z",
            "hash          sha256",
            "threads       3",
            "budget        50.00 GiB (53687091200 bytes)",
            "time-limit    2h 30m",
            "json          standard output",
            "junit         /j",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is not in:\n{text}");
        }
    }
}
