//! Progress without a terminal: a plain line now and then.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::verify::{Observer, PickRecord};
use crate::words;

use super::{Tally, verdict_line};

/// Time between two lines.
const INTERVAL: Duration = Duration::from_secs(30);

/// Writes lines. News itself is what tells the time: a run that stands still writes nothing.
pub(super) struct Plain {
    out: Mutex<Box<dyn Write + Send>>,
    interval: Duration,
    begun: Instant,
    /// Milliseconds after `begun` at which the next line is due.
    due: AtomicU64,
    listed: AtomicU64,
    /// Milliseconds after `begun` at which verifying began.
    verify_began: AtomicU64,
    /// How many picks there are; `u64::MAX` where nobody knows.
    picks: AtomicU64,
    tally: Tally,
    verbose: bool,
}

impl Plain {
    pub(super) fn new(out: Box<dyn Write + Send>, verbose: bool) -> Self {
        Self::every(INTERVAL, out, verbose)
    }

    fn every(interval: Duration, out: Box<dyn Write + Send>, verbose: bool) -> Self {
        Self {
            out: Mutex::new(out),
            interval,
            begun: Instant::now(),
            due: AtomicU64::new(millis(interval)),
            listed: AtomicU64::new(0),
            verify_began: AtomicU64::new(0),
            picks: AtomicU64::new(u64::MAX),
            tally: Tally::default(),
            verbose,
        }
    }

    fn now(&self) -> u64 {
        millis(self.begun.elapsed())
    }

    /// Whether a line is due; true for one caller only.
    fn is_due(&self) -> bool {
        let (now, due) = (self.now(), self.due.load(Ordering::Relaxed));
        let next = now + millis(self.interval);
        now >= due && self.due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn write(&self, text: &str) {
        write_line(&mut **self.out.lock().unwrap_or_else(PoisonError::into_inner), text);
    }

    fn verify_line(&self) -> String {
        let tally = &self.tally;
        let mut text = format!("verified {}", words::count(tally.files()));
        let picks = self.picks.load(Ordering::Relaxed);
        if picks != u64::MAX {
            text.push_str(&format!(" of {}", words::count(picks)));
        }
        text.push_str(&format!(" files, {}", words::bytes(tally.bytes())));
        let since = self.now().saturating_sub(self.verify_began.load(Ordering::Relaxed));
        if let Some(rate) = words::rate(tally.bytes(), Duration::from_millis(since)) {
            text.push_str(&format!(", {}/s", words::bytes(rate)));
        }
        format!("{text}, {}", tally.failures())
    }
}

impl Observer for Plain {
    fn cataloged(&self, files: u64) {
        let listed = self.listed.fetch_add(files, Ordering::Relaxed) + files;
        if self.is_due() {
            self.write(&format!("listed {} so far", words::counted(listed, "file")));
        }
    }

    fn verify_starts(&self, picks: Option<u64>) {
        self.picks.store(picks.unwrap_or(u64::MAX), Ordering::Relaxed);
        self.verify_began.store(self.now(), Ordering::Relaxed);
    }

    fn judged(&self, pick: &PickRecord) {
        self.tally.add(pick);
        if self.verbose {
            self.write(&verdict_line(pick));
        }
        if self.is_due() {
            self.write(&self.verify_line());
        }
    }

    fn warn(&self, text: &str) {
        self.write(&format!("warning: {text}"));
    }
}

/// Writes a line in one piece; a reader that has gone away is no reason to end.
pub(super) fn write_line(out: &mut dyn Write, text: &str) {
    let _ = out.write_all(format!("{text}\n").as_bytes());
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::super::pick;
    use super::*;
    use crate::verify::verdict::Verdict;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn lines_of(interval: Duration, verbose: bool) -> Vec<String> {
        let shared = Shared::default();
        let plain = Plain::every(interval, Box::new(shared.clone()), verbose);
        plain.cataloged(1_200);
        plain.catalog_done(1_200);
        plain.verify_starts(Some(2));
        plain.judged(&pick(Verdict::Verified, 1 << 20, b"a\x1bb"));
        plain.judged(&pick(Verdict::Corrupt, 1 << 20, b"c"));
        plain.warn("the disk is slow");
        let text = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_short_run_shows_its_warnings_alone() {
        assert_eq!(lines_of(INTERVAL, false), ["warning: the disk is slow"]);
    }

    #[test]
    fn a_long_run_shows_how_far_it_is() {
        let lines = lines_of(Duration::ZERO, false);
        assert_eq!(lines[0], "listed 1,200 files so far");
        assert!(lines[1].starts_with("verified 1 of 2 files, 1.00 MiB") && lines[1].ends_with(", none bad"));
        assert!(lines[2].starts_with("verified 2 of 2 files, 2.00 MiB") && lines[2].ends_with(", 1 BAD"));
    }

    #[test]
    fn verbose_shows_every_verdict_and_escapes_names() {
        let lines = lines_of(INTERVAL, true);
        assert_eq!(lines[..2], ["verified         a\\x1bb", "corrupt          c"]);
    }

    #[test]
    fn of_many_threads_one_writes_the_line() {
        let shared = Shared::default();
        let plain = Plain::every(Duration::from_millis(1), Box::new(shared.clone()), false);
        std::thread::sleep(Duration::from_millis(5));
        let plain = Plain { interval: INTERVAL, ..plain };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..1_000).for_each(|_| plain.judged(&pick(Verdict::Verified, 1, b"x"))));
            }
        });
        assert_eq!(shared.0.lock().unwrap().iter().filter(|&&byte| byte == b'\n').count(), 1);
        assert_eq!(plain.tally.files(), 8_000);
    }
}
