//! Progress on a terminal: a spinner while the backup is listed, a bar while files are verified.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::verify::outcome::Population;
use crate::verify::{Observer, PickRecord};
use crate::words;

use super::{Tally, plain, verdict_line};

/// How often a bar is drawn, whether there is news or not.
const TICK: Duration = Duration::from_millis(100);

const CATALOG: &str = "{spinner} listing the backup: {count} files, {speed}";
const VERIFY: &str = "{spinner} [{wide_bar}] {count} of {total} files, {done}, {speed}, {eta} left, {msg}";
const VERIFY_ENDLESS: &str = "{spinner} {count} files, {done}, {speed}, {msg}";

/// Draws bars on standard error. Dropping it clears them.
pub(super) struct Bars {
    catalog: ProgressBar,
    verify: ProgressBar,
    verifying: AtomicBool,
    tally: Arc<Tally>,
    verbose: u8,
}

impl Bars {
    pub(super) fn new(verbose: u8) -> Self {
        let catalog = ProgressBar::no_length().with_style(catalog_style());
        keep_drawing(&catalog);
        let verify = ProgressBar::no_length();
        Self { catalog, verify, verifying: AtomicBool::new(false), tally: Arc::default(), verbose }
    }

    /// The bar that is on the screen.
    fn shown(&self) -> Option<&ProgressBar> {
        let bar = if self.verifying.load(Ordering::Relaxed) { &self.verify } else { &self.catalog };
        (!bar.is_finished() && !bar.is_hidden()).then_some(bar)
    }

    /// A line above the bar.
    fn print(&self, text: &str) {
        match self.shown() {
            Some(bar) => bar.println(text),
            None => plain::write_line(&mut io::stderr(), text),
        }
    }
}

impl Observer for Bars {
    fn cataloged(&self, files: u64) {
        self.catalog.inc(files);
    }

    fn catalog_done(&self, _population: &Population) {
        self.catalog.finish_and_clear();
    }

    fn verify_starts(&self, picks: Option<u64>) {
        self.catalog.finish_and_clear();
        let bar = &self.verify;
        bar.set_style(verify_style(picks.is_some(), &self.tally));
        if let Some(picks) = picks {
            bar.set_length(picks);
        }
        bar.set_message(self.tally.failures());
        bar.reset();
        self.verifying.store(true, Ordering::Relaxed);
        keep_drawing(bar);
    }

    fn wants_total(&self) -> bool {
        true
    }

    fn expects(&self, picks: u64) {
        self.verify.set_length(picks);
        self.verify.set_style(verify_style(true, &self.tally));
    }

    fn judged(&self, pick: &PickRecord) {
        let failed = self.tally.add(pick);
        self.verify.inc(1);
        if failed {
            self.verify.set_message(self.tally.failures());
        }
        if self.verbose > 0 {
            self.print(&verdict_line(pick, self.verbose));
        }
    }

    fn verify_done(&self) {
        self.verify.finish_and_clear();
    }

    fn warn(&self, text: &str) {
        self.print(&format!("warning: {text}"));
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.catalog.finish_and_clear();
        self.verify.finish_and_clear();
    }
}

/// Draws a bar now and then until it is finished. Where no thread can be had, it is drawn when
/// there is news.
pub(super) fn keep_drawing(bar: &ProgressBar) {
    let bar = bar.downgrade();
    let draw = move || {
        while let Some(bar) = bar.upgrade().filter(|bar| !bar.is_finished()) {
            bar.tick();
            drop(bar);
            thread::sleep(TICK);
        }
    };
    let _ = thread::Builder::new().name("bar".to_owned()).spawn(draw);
}

fn catalog_style() -> ProgressStyle {
    style(CATALOG).with_key("speed", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        write_all(
            out,
            &format!("{}/s", words::count(words::rate(state.pos(), state.elapsed()).unwrap_or(0))),
        );
    })
}

fn verify_style(known: bool, tally: &Arc<Tally>) -> ProgressStyle {
    let (done, speed) = (Arc::clone(tally), Arc::clone(tally));
    style(if known { VERIFY } else { VERIFY_ENDLESS })
        .with_key("done", move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
            write_all(out, &words::bytes(done.bytes()));
        })
        .with_key("speed", move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let rate = words::rate(speed.bytes(), state.elapsed()).unwrap_or(0);
            write_all(out, &format!("{}/s", words::bytes(rate)));
        })
}

/// A style with grouped counts. The templates are constants, and a test parses them all.
pub(super) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .progress_chars("=> ")
        .with_key("count", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            write_all(out, &words::count(state.pos()));
        })
        .with_key("total", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            write_all(out, &words::count(state.len().unwrap_or(0)));
        })
}

/// Writing to a line that is being built cannot fail.
fn write_all(out: &mut dyn std::fmt::Write, text: &str) {
    let _ = out.write_str(text);
}

#[cfg(test)]
mod tests {
    use super::super::pick;
    use super::*;
    use crate::verify::verdict::Verdict;

    #[test]
    fn the_templates_are_well_formed() {
        for template in [CATALOG, VERIFY, VERIFY_ENDLESS, super::super::waiting::TEMPLATE] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn a_run_without_a_terminal_or_out_of_order_does_no_harm() {
        let bars = Bars::new(0);
        bars.judged(&pick(Verdict::Corrupt, 5, b"early"));
        bars.cataloged(10);
        bars.verify_starts(Some(2));
        bars.judged(&pick(Verdict::Verified, 5, b"a"));
        bars.verify_done();
        bars.judged(&pick(Verdict::Verified, 5, b"late"));
        assert_eq!(bars.tally.files(), 3);
        assert_eq!(bars.verify.length(), Some(2));
        bars.expects(7);
        assert_eq!(bars.verify.length(), Some(7));
        assert_eq!(bars.tally.failures(), "1 BAD");
    }
}
