//! The page for the terminal: plain text, with a bar for each figure. Pure.

use std::fmt::Write;
use std::time::Duration;

use crate::words;

use super::figures::{Advice, BenchReport, Figure, Prediction, PredictionCheck, Slower};

/// Characters of the longest bar.
const MAX_BAR: usize = 24;

/// Characters of a figure's line before its bar.
const BEFORE_BAR: usize = 60;

/// The whole page, for a terminal of this width.
pub fn page(report: &BenchReport, width: usize) -> String {
    words::wrap_page(&unwrapped(report, width), width)
}

fn unwrapped(report: &BenchReport, width: usize) -> String {
    let longest = width.saturating_sub(BEFORE_BAR).clamp(1, MAX_BAR);
    let mut page = format!("bkverify {} bench, {}\n", report.bkverify, report.started);
    if report.interrupted {
        page.push_str("INTERRUPTED: what is missing was not measured.\n");
    }
    let mut place = "";
    for figure in &report.figures {
        if figure.place != place {
            place = &figure.place;
            page.push_str(&heading(report, place));
        }
        page.push_str(&line(figure, best(report, figure), longest));
    }
    page.push_str(&report.advice.as_ref().map(advice).unwrap_or_default());
    page.push_str(&report.check.as_ref().map(check).unwrap_or_default());
    page.push_str(&bad(report));
    page.push_str(&comparison(report));
    for note in &report.notes {
        page.push_str(&format!("\nnote: {note}"));
    }
    page.push('\n');
    page
}

fn heading(report: &BenchReport, place: &str) -> String {
    let Some(facts) = report.places.iter().find(|facts| facts.name == place) else {
        return format!("\n{place}\n");
    };
    let more = if facts.listed_whole { "" } else { " or more" };
    let files = words::counted(facts.files, "file");
    format!("\n{place}  ({files}{more}, {} each on average)\n", words::bytes(whole(facts.mean_size)))
}

/// The best rate among those that a figure's bar is seen beside.
fn best(report: &BenchReport, figure: &Figure) -> f64 {
    let beside = report.figures.iter().filter(|one| (&one.place, one.probe) == (&figure.place, figure.probe));
    beside.map(|one| one.per_second).fold(0.0, f64::max)
}

fn line(figure: &Figure, best: f64, longest: usize) -> String {
    let threads = figure.threads.to_string() + if figure.threads == 1 { " thread" } else { " threads" };
    let block = figure.block.map(words::bytes).unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a few dozen characters")]
    let length = usize::try_from(whole((figure.per_second / best * longest as f64).max(1.0))).unwrap_or(1);
    let (title, bar) = (figure.probe.title(), "#".repeat(length));
    format!("  {title:<17} {threads:>10} {block:>9} {:>16}  {bar}\n", rate(figure, figure.per_second))
}

fn rate(figure: &Figure, per_second: f64) -> String {
    if figure.probe.counts_files() {
        format!("{} files/s", words::count(whole(per_second)))
    } else {
        format!("{}/s", words::bytes(whole(per_second)))
    }
}

fn advice(advice: &Advice) -> String {
    let mut text = format!("\nbottleneck   {}\n", advice.bottleneck);
    let files = advice.predictions.first().map_or(0, |prediction| prediction.files);
    for (name, seconds) in &advice.shares {
        let _ = writeln!(
            text,
            "             {:>10} for {}: {name}",
            time(*seconds),
            words::counted(files, "file")
        );
    }
    let _ = writeln!(text, "recommended  --threads {}", advice.threads);
    for prediction in &advice.predictions {
        let _ = writeln!(text, "expected     {}", expected(prediction));
    }
    if !(1.0 / 3.0..=3.0).contains(&advice.calibration_factor) {
        let _ = writeln!(
            text,
            "             (a real run took {:.1} times what the figures alone promise: the bottleneck may be something that is not \
             measured here)",
            advice.calibration_factor
        );
    }
    text
}

fn expected(prediction: &Prediction) -> String {
    let Prediction { sample, files, seconds, low, high } = prediction;
    let files = words::counted(*files, "file");
    format!("--sample {sample:<4} {:>10}  ({} to {}; {files})", time(*seconds), time(*low), time(*high))
}

fn check(check: &PredictionCheck) -> String {
    let PredictionCheck { predicted, for_its_bytes, real } = check;
    let took = real.total();
    let off = (took / predicted.seconds.max(1e-9) - 1.0) * 100.0;
    let (range, why) = if took > predicted.high {
        ("OUTSIDE its range", "measure again when the machine is quiet, and until then trust the above less")
    } else if took < predicted.low {
        (
            "below its range",
            "the bench has been here before: folders and files are in memory, unlike in a first run",
        )
    } else {
        ("within its range", "")
    };
    let why = if why.is_empty() { String::new() } else { format!("             {why}\n") };
    let early = if real.complete { "" } else { " (the run ended early)" };
    format!(
        "checked      {} real for {}{early}, {} predicted ({} to {}): {off:+.0}%, {range}\n             \
         ({} for the {} that these files held)\n{why}",
        time(took),
        words::counted(real.files, "file"),
        time(predicted.seconds),
        time(predicted.low),
        time(predicted.high),
        time(*for_its_bytes),
        words::bytes(real.bytes)
    )
}

fn bad(report: &BenchReport) -> String {
    match report.bad {
        0 => String::new(),
        bad => format!(
            "ATTENTION    a real run came upon {bad} bad: verify this backup now (bkverify says which)\n"
        ),
    }
}

fn comparison(report: &BenchReport) -> String {
    let Some(old) = &report.compared_with else { return String::new() };
    if report.slower.is_empty() {
        return format!("\nNothing is slower by more than 30% than on {old}.\n");
    }
    let mut text = format!("\nSLOWER by more than 30% than on {old}:\n");
    for Slower { now, before } in &report.slower {
        let threads = words::counted(now.threads as u64, "thread");
        let block = now.block.map(|block| format!(", {}", words::bytes(block))).unwrap_or_default();
        let (was, is) = (rate(now, *before), rate(now, now.per_second));
        let _ =
            writeln!(text, "  {}: {} ({threads}{block}): {was} then, {is} now", now.place, now.probe.title());
    }
    text
}

fn time(seconds: f64) -> String {
    Duration::try_from_secs_f64(seconds).map_or_else(|_| "ages".to_owned(), words::duration)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and is shown to three digits"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
#[path = "render_tests.rs"]
pub(super) mod tests;
